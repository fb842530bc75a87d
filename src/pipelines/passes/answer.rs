//! What an answer of the pass API says: a page of passes, or why there is none.

use std::fmt;

use bytes::Bytes;

use super::log_text;
use crate::{
    domain::{
        cache::LogEntry,
        envelope::{Envelope, EnvelopeError, Next, Pass},
        merge::Fresh,
        token::Token,
        vendor_time::created_order_key,
    },
    ports::{Answer, NoAnswer},
};

/// Whose trouble a failed fetch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The API's as a whole, perhaps: no answer, 5xx, 429, or a page of a gateway.
    Api,
    /// The user's token is refused, or cannot even be sent.
    Token,
    /// The API answered this request with an error.
    Refused,
    /// The body is too large, too deep, or its pages do not fit together.
    Body,
}

impl Trouble {
    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Token => "token",
            Self::Refused => "refused",
            Self::Body => "body",
        }
    }
}

/// A fetch that brought no passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFetch {
    /// Whose trouble it is.
    pub trouble: Trouble,
    /// Stable name: `timed_out`, `http_503`, `not_json`, `api_error`, `token_refused`, ...
    pub code: String,
    /// What happened, without secrets.
    pub message: String,
    /// For the user's log: JSON text of an array.
    errors: String,
    server_time: String,
    /// For the user's log: JSON text.
    data: String,
}

impl fmt::Display for FailedFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The longest message, in bytes: the API's words can be as long as a body.
const MESSAGE_MAX: usize = 1000;

/// The longest time, in bytes: it is text of the API, too.
const SERVER_TIME_MAX: usize = 100;

/// The shortest text, in bytes, that is looked for as a token.
const TOKEN_MIN: usize = 8;

/// Bytemark's code for a session that has expired.
const SESSION_EXPIRED: i64 = 50020;

impl FailedFetch {
    /// A failure that passflow itself noticed.
    pub fn ours(code: &str, message: String, now_ms: i64) -> Self {
        Self::new(Trouble::Body, code, message, now_ms)
    }

    /// No answer came.
    pub fn no_answer(error: &NoAnswer, now_ms: i64) -> Self {
        let trouble = match error.code {
            "body_too_large" => Trouble::Body,
            "bad_token" => Trouble::Token,
            _ => Trouble::Api,
        };
        Self::new(trouble, error.code, error.message.clone(), now_ms)
    }

    fn new(trouble: Trouble, code: &str, message: String, now_ms: i64) -> Self {
        let errors = serde_json::json!([{ "code": code, "message": message }]).to_string();
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self {
            trouble,
            code: code.to_owned(),
            message,
            errors,
            server_time: format!("{time:.3}"),
            data: "{}".to_owned(),
        }
    }

    /// The same without the token, should the API have repeated it, and with texts of a length that people can read.
    #[must_use]
    pub fn hiding(mut self, token: &Token) -> Self {
        // A shorter one is none, and would be found everywhere.
        if token.expose().len() >= TOKEN_MIN {
            let hidden = |text: &str| text.replace(token.expose(), "(hidden)");
            self.message = hidden(&self.message);
            self.server_time = hidden(&self.server_time);
            for (json, empty) in [(&mut self.errors, "[]"), (&mut self.data, "{}")] {
                if json.contains(token.expose()) {
                    let text = hidden(json);
                    // It may have stood outside of a string.
                    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
                    *json = if is_json { text } else { empty.to_owned() };
                }
            }
        }
        self.cut();
        self
    }

    /// Only now: what is cut in the middle of a token would not be found as one.
    fn cut(&mut self) {
        self.message.truncate(self.message.floor_char_boundary(MESSAGE_MAX));
        self.server_time.truncate(self.server_time.floor_char_boundary(SERVER_TIME_MAX));
        self.errors = log_text::errors(std::mem::take(&mut self.errors), SESSION_EXPIRED);
        self.data = log_text::data(std::mem::take(&mut self.data));
    }

    /// Whether the API answered at all: then it is not down.
    pub fn was_answered(&self) -> bool {
        matches!(self.trouble, Trouble::Token | Trouble::Refused) && self.code != "bad_token"
    }

    /// Whether asking again at once may help.
    pub fn may_pass(&self) -> bool {
        self.trouble == Trouble::Api
    }

    /// Whether it says something about the API as a whole.
    pub fn may_be_the_apis(&self) -> bool {
        self.trouble == Trouble::Api
    }

    /// Whether the API could not even be reached.
    pub fn no_connection(&self) -> bool {
        self.code == "connect_failed"
    }

    /// The entry for the user's log.
    pub fn log_entry(&self, id: String) -> LogEntry {
        LogEntry { id, errors: self.errors.clone(), server_time: self.server_time.clone(), data: self.data.clone() }
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// Its passes, each uuid once.
    pub passes: Vec<Fresh>,
    page_count: Option<u64>,
    /// How many passes all pages have together, if it says so.
    pub total_count: Option<u64>,
    next: Next,
}

impl Page {
    /// Whether it says nothing about other pages and has just what was read before: an API that knows no pages gives
    /// the whole list each time.
    pub fn repeats(&self, before: &[Fresh]) -> bool {
        let says_nothing = self.next == Next::Absent && self.page_count.is_none() && self.total_count.is_none();
        let uuids = |passes: &[Fresh]| passes.iter().map(|fresh| fresh.pass_uuid.clone()).collect::<Vec<_>>();
        says_nothing && !before.is_empty() && uuids(before) == uuids(&self.passes)
    }

    /// Whether it tells of passes that are neither on it nor among the `before` that were read from those before it; one
    /// that is full and tells nothing may hide some, too.
    pub fn tells_of_more(&self, number: u32, before: usize, page_max: usize) -> bool {
        let says_nothing = self.next == Next::Absent && self.page_count.is_none() && self.total_count.is_none();
        self.next == Next::Yes
            || self.page_count.is_some_and(|pages| pages > u64::from(number))
            || self.total_count.is_some_and(|total| total > (before + self.passes.len()) as u64)
            || (says_nothing && self.passes.len() >= page_max)
    }

    /// Whether this is the last page of the history, when `before` passes were read from those before it. A page that
    /// says nothing about others is the last one only when it is empty: the API may give less than was asked for.
    pub fn is_last(&self, number: u32, before: usize) -> bool {
        match (self.next, self.page_count, self.total_count) {
            (Next::Yes, _, _) => false,
            (Next::No, _, _) => true,
            (Next::Absent, Some(pages), _) => u64::from(number) >= pages,
            (Next::Absent, None, Some(total)) => self.passes.is_empty() || (before + self.passes.len()) as u64 >= total,
            (Next::Absent, None, None) => self.passes.is_empty(),
        }
    }
}

/// Reads an answer. `now_ms` stands in the log where the API gave no time.
pub fn read(answer: &Answer, depth_max: usize, now_ms: i64) -> Result<Page, FailedFetch> {
    let status_ok = (200..300).contains(&answer.status);
    let envelope = match Envelope::parse(&answer.body, depth_max) {
        Ok(envelope) => envelope,
        Err(_) if !status_ok => return Err(of_status(answer.status, now_ms)),
        Err(error) => return Err(of_body(&error, now_ms)),
    };
    match envelope.passes {
        Some(passes) if status_ok => Ok(Page {
            passes: passes.into_iter().map(|pass| fresh(pass, &answer.body)).collect(),
            page_count: envelope.page_count,
            total_count: envelope.total_count,
            next: envelope.next,
        }),
        Some(_) => Err(of_status(answer.status, now_ms)),
        None => Err(of_errors(answer.status, &envelope, now_ms)),
    }
}

/// Keeps the payload as a part of the body where it lies there, so that nothing is copied.
fn fresh(pass: Pass<'_>, body: &Bytes) -> Fresh {
    let payload = match pass.text {
        std::borrow::Cow::Borrowed(text) if lies_in(text, body) => body.slice_ref(text.as_bytes()),
        text => Bytes::from(text.into_owned()),
    };
    Fresh {
        pass_uuid: pass.uuid.into_owned(),
        status: pass.status.into_owned(),
        product_uuid: pass.product_uuid.map(std::borrow::Cow::into_owned),
        created: pass.time_created.as_deref().and_then(created_order_key),
        payload,
        payload_hash: pass.hash,
    }
}

fn lies_in(text: &str, body: &Bytes) -> bool {
    body.as_ptr_range().contains(&text.as_ptr())
}

fn of_status(status: u16, now_ms: i64) -> FailedFetch {
    let (trouble, code) = match status {
        401 | 403 => (Trouble::Token, "token_refused".to_owned()),
        408 | 429 | 500.. => (Trouble::Api, format!("http_{status}")),
        _ => (Trouble::Refused, format!("http_{status}")),
    };
    FailedFetch::new(trouble, &code, format!("the API answered with HTTP status {status}"), now_ms)
}

fn of_body(error: &EnvelopeError, now_ms: i64) -> FailedFetch {
    // A page of a gateway is as good as no answer; a body that is wrong in itself will not get better at once.
    let trouble = if matches!(error, EnvelopeError::NotJson(_)) { Trouble::Api } else { Trouble::Body };
    FailedFetch::new(trouble, error.reason(), error.to_string(), now_ms)
}

/// An error answer: the API's own words go into the log.
fn of_errors(status: u16, envelope: &Envelope<'_>, now_ms: i64) -> FailedFetch {
    let expired = envelope.errors.iter().any(|error| error.code == Some(SESSION_EXPIRED));
    let by_status = of_status(status, now_ms);
    let (trouble, code) = match (expired, status) {
        (true, _) => (Trouble::Token, "token_refused".to_owned()),
        (false, 200..300) => (Trouble::Refused, "api_error".to_owned()),
        (false, _) => (by_status.trouble, by_status.code),
    };
    let words: Vec<String> = envelope
        .errors
        .iter()
        .map(|error| format!("{} {}", error.code_json.as_deref().unwrap_or("-"), error.message))
        .collect();
    let mut failure = FailedFetch::new(trouble, &code, words.join("; "), now_ms);
    if let Some(refusal) = &envelope.refusal {
        failure.errors.clone_from(&refusal.errors);
        failure.data = refusal.data.clone().unwrap_or(failure.data);
    }
    if let Some(server_time) = &envelope.server_time {
        failure.server_time = server_time.clone().into_owned();
    }
    failure
}
