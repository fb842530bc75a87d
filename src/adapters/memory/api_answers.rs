//! The pass API's answers as bytes: envelopes, pages, and everything that is no envelope.

use std::time::Duration;

use bytes::Bytes;

use super::pass_truth::Pass;
use crate::ports::Answer;

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>";

/// How a page of the history is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uneven {
    /// The total is one too many.
    Total,
    /// The page's first pass is left out.
    Missing,
    /// The page's first pass stands there twice.
    Repeated,
}

/// The active list: all on one page.
pub(super) fn active(passes: &[Pass], now_ms: i64) -> Answer {
    ok(now_ms, &format!(r#"{{"passes":[{}]}}"#, texts(passes.iter())))
}

/// A page of the history, from 1.
pub(super) fn history(passes: &[Pass], per_page: u32, page: u32, uneven: Option<Uneven>, now_ms: i64) -> Answer {
    let per_page = usize::try_from(per_page.max(1)).unwrap_or(usize::MAX);
    let (page, pages) = (page.max(1) as usize, passes.len().div_ceil(per_page).max(1));
    let on_page: Vec<&Pass> = passes.iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
    let total = passes.len() + usize::from(uneven == Some(Uneven::Total));
    let listed = match uneven {
        Some(Uneven::Missing) => texts(on_page.iter().copied().skip(1)),
        Some(Uneven::Repeated) => texts(on_page.first().into_iter().chain(&on_page).copied()),
        _ => texts(on_page.iter().copied()),
    };
    let next = if page < pages {
        format!(r#""/v4.0/passes?status=EXPIRED&per_page={per_page}&page={}""#, page + 1)
    } else {
        "null".to_owned()
    };
    let pagination = format!(r#"{{"page":{page},"per_page":{per_page},"next":{next}}}"#);
    let data =
        format!(r#"{{"passes":[{listed}],"page_count":{pages},"total_count":{total},"pagination":{pagination}}}"#);
    ok(now_ms, &data)
}

/// An envelope with one error.
pub(super) fn errors(status: u16, code: u32, message: &str, now_ms: i64) -> Answer {
    let error = format!(r#"{{"code":{code},"message":"{message}"}}"#);
    answer(status, format!(r#"{{"errors":[{error}],"server_time":"{}","data":{{}}}}"#, time(now_ms)))
}

/// Somebody asked too often.
pub(super) fn too_many(now_ms: i64) -> Answer {
    Answer { retry_after: Some(Duration::from_secs(2)), ..errors(429, 429, "too many requests", now_ms) }
}

/// A page for people.
pub(super) fn html(status: u16) -> Answer {
    answer(status, HTML.to_owned())
}

/// The same answer, ended in the middle.
pub(super) fn truncated(whole: &Answer) -> Answer {
    Answer { body: whole.body.slice(..whole.body.len() / 2), ..*whole }
}

fn ok(now_ms: i64, data: &str) -> Answer {
    answer(200, format!(r#"{{"errors":[],"server_time":"{}","data":{data}}}"#, time(now_ms)))
}

fn answer(status: u16, body: String) -> Answer {
    Answer { status, retry_after: None, body: Bytes::from(body) }
}

fn texts<'a>(passes: impl Iterator<Item = &'a Pass>) -> String {
    passes.map(|pass| pass.payload.as_str()).collect::<Vec<_>>().join(",")
}

fn time(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default().to_string()
}
