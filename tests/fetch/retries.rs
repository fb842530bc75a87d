//! What is tried again, when, and how often.

use std::time::Duration;

use passflow::{
    domain::cache::List,
    ports::{Answer, Endpoint},
};

use crate::api::{Limits, Reply, Setup, code, failed, none, passes, reply, uuids};

const DEEP: &str = "[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]";
const ERROR: &str = r#"{"errors":[{"code":10010,"message":"no"}],"server_time":"t","data":{}}"#;

/// The API answers the active list like this, the history well.
fn active(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Setup {
    let mut limits = Limits { latency: Duration::ZERO, ..Limits::default() };
    limits.gate.down_after = usize::MAX;
    Setup::with(limits, move |call| if call.page().is_none() { answer(call.nth) } else { none() })
}

fn gaps(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_growing_delays() {
    for (expected, answer) in [
        ("http_500", reply(500, ERROR)),
        ("http_502", reply(502, "<html>")),
        ("http_503", reply(503, "")),
        ("http_408", reply(408, "")),
        ("http_429", reply(429, ERROR)),
        ("timed_out", failed("timed_out")),
        ("connection_lost", failed("connection_lost")),
        ("connect_failed", failed("connect_failed")),
        ("not_json", reply(200, "<html>")),
        ("not_json", reply(200, r#"{"errors":[],"data":{"passes":["#)),
    ] {
        let setup = active(move |_| answer.clone());
        let fetched = setup.fetch(&[]).await;
        assert_eq!((code(&fetched, List::Passes), code(&fetched, List::Passes4)), (Some(expected), None));
        let gaps = gaps(&setup.api.active_times());
        assert_eq!(gaps.len(), 3, "{expected}");
        // A delay is between half of the whole and the whole; a timer may be a millisecond late.
        for (gap_ms, whole_ms) in gaps.into_iter().zip([100, 200, 250]) {
            assert!((whole_ms / 2..=whole_ms + 1).contains(&gap_ms), "{expected}: {gap_ms} of {whole_ms}");
        }
        assert_eq!(setup.api.history_times().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn delays_are_not_the_same_for_all() {
    let setup = active(|_| failed("timed_out"));
    let fetches = (1..=20).map(|user| setup.fetch_of(user, &[]));
    futures::future::join_all(fetches).await;
    let second: std::collections::BTreeSet<u64> = setup.api.active_times().into_iter().skip(20).take(20).collect();
    assert!(second.len() > 8, "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_may_succeed() {
    let setup = active(|nth| if nth < 3 { reply(500, "") } else { passes(&["a"]) });
    let fetched = setup.fetch(&[]).await;
    assert_eq!(uuids(&fetched, List::Passes).unwrap(), ["a"]);
    assert_eq!(setup.api.active_times().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_tried_again() {
    let twice = r#"{"errors":[],"data":{"passes":[{"uuid":"a","status":"x"},{"uuid":"a","status":"x"}]}}"#;
    for (expected, answer) in [
        ("token_refused", reply(401, "")),
        ("token_refused", reply(401, ERROR)),
        ("token_refused", reply(403, "<html>")),
        ("token_refused", reply(200, ERROR.replace("10010", "50020"))),
        ("token_refused", reply(200, ERROR.replace("10010", "\"50020\""))),
        ("token_refused", reply(500, ERROR.replace("10010", "50020"))),
        ("bad_token", failed("bad_token")),
        ("api_error", reply(200, ERROR)),
        ("http_404", reply(404, ERROR)),
        ("http_302", reply(302, "")),
        ("body_too_large", failed("body_too_large")),
        ("too_deep", reply(200, DEEP)),
        ("wrong_envelope", reply(200, "{}")),
        ("duplicate_uuid", reply(200, twice)),
        ("missing_uuid", reply(200, twice.replace("uuid", "id"))),
    ] {
        let setup = active(move |_| answer.clone());
        let fetched = setup.fetch(&[]).await;
        assert_eq!((code(&fetched, List::Passes), code(&fetched, List::Passes4)), (Some(expected), None));
        assert_eq!(setup.api.active_times().len(), 1, "{expected}");
        assert!(setup.fetcher.gate().down().is_none());
    }
}

/// A server that wants to be left alone for so long, once.
fn busy(status: u16, seconds: u64) -> Setup {
    active(move |nth| match nth {
        0 => Ok(Answer { status, retry_after: Some(Duration::from_secs(seconds)), body: "".into() }),
        _ => none(),
    })
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_everybody() {
    for status in [429, 503] {
        let setup = busy(status, 7);
        setup.fetch_of(1, &[]).await;
        assert_eq!(setup.api.active_times(), [0, 7000], "{status}");
        let setup = busy(status, 7);
        let others = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            futures::future::join_all((2..20).map(|user| setup.fetch_of(user, &[]))).await;
        };
        tokio::join!(setup.fetch_of(1, &[]), others);
        let asked: Vec<u64> = setup.api.asked().into_iter().map(|(at_ms, _)| at_ms).collect();
        assert_eq!((asked[0], asked.len()), (0, 39));
        assert!(asked[1..].iter().all(|at_ms| *at_ms >= 7000), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_believed_up_to_a_bound_and_only_of_an_api_that_is_busy() {
    let setup = busy(503, 86_400);
    setup.fetch(&[]).await;
    assert_eq!(setup.api.active_times(), [0, 60_000]);
    let setup = busy(500, 7);
    setup.fetch(&[]).await;
    assert!(setup.api.active_times()[1] <= 101);
    assert!(setup.api.asked().contains(&(0, Endpoint::Active)));
}
