//! How each fault of the simulator looks to an HTTP client.

use std::time::{Duration, Instant};

use crate::api::{Api, is_json, plain};
use passflow::simulator::{Config, Fault, Faults};

#[tokio::test]
async fn failures_have_their_status_and_retry_after() {
    let api = Api::start(plain()).await;
    let cases = [
        (Fault::Status500, 500, false),
        (Fault::Status502, 502, false),
        (Fault::Status503, 503, false),
        (Fault::Status503RetryAfter, 503, true),
        (Fault::Status429, 429, true),
    ];
    for (fault, status, has_retry_after) in cases {
        let answer = api.active_with(fault).await.unwrap();
        assert_eq!(answer.status(), status, "{fault:?}");
        assert_eq!(answer.headers().contains_key("retry-after"), has_retry_after, "{fault:?}");
    }
    assert_eq!(api.simulator.counts().faults, 5);
}

#[tokio::test]
async fn retry_after_comes_in_seconds_and_as_a_date() {
    let api = Api::start(Config { faults: Faults::only(Fault::Status429, 1.0), ..plain() }).await;
    let (mut seconds, mut dates) = (0, 0);
    for _ in 0..30 {
        let answer = api.active(1).await.unwrap();
        match answer.headers()["retry-after"].to_str().unwrap() {
            "1" => seconds += 1,
            date if date.ends_with(" GMT") => dates += 1,
            other => panic!("{other}"),
        }
    }
    assert!(seconds > 0 && dates > 0);
}

#[tokio::test]
async fn bodies_can_be_no_json_with_status_200() {
    let api = Api::start(plain()).await;
    let html = api.active_with(Fault::Html).await.unwrap();
    assert_eq!(html.headers()["content-type"], "text/html; charset=utf-8");
    assert!(html.text().await.unwrap().contains("<html>"));
    let truncated = api.active_with(Fault::Truncated).await.unwrap();
    assert_eq!(truncated.status(), 200);
    assert!(!is_json(&truncated.bytes().await.unwrap()));
    let envelope = api.active_with(Fault::ErrorEnvelope).await.unwrap();
    assert_eq!(envelope.status(), 200);
    assert!(envelope.text().await.unwrap().starts_with(r#"{"errors":[{"code":10010,"#));
}

#[tokio::test]
async fn connections_break_before_and_in_the_answer() {
    let api = Api::start(plain()).await;
    let error = api.active_with(Fault::Reset).await.unwrap_err();
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    for _ in 0..20 {
        let answer = api.active_with(Fault::Cut).await.unwrap();
        assert_eq!(answer.status(), 200);
        let error = answer.bytes().await.unwrap_err();
        assert!(error.is_body() || error.is_decode(), "{error:?}");
    }
    assert_eq!(api.active(1).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_slow_body_is_right_in_the_end() {
    let slow = Duration::from_millis(80);
    let api = Api::start(Config { faults: Faults { slow, ..Faults::none() }, ..plain() }).await;
    let begin = Instant::now();
    let answer = api.active_with(Fault::Slow).await.unwrap();
    assert!(is_json(&answer.bytes().await.unwrap()));
    assert!(begin.elapsed() >= slow);
}

#[tokio::test]
async fn a_body_can_be_too_large() {
    let padding_bytes = 1 << 20;
    let api = Api::start(Config { faults: Faults { padding_bytes, ..Faults::none() }, ..plain() }).await;
    let body = api.active_with(Fault::TooLarge).await.unwrap().bytes().await.unwrap();
    assert!(body.len() as u64 > padding_bytes && is_json(&body));
}

#[tokio::test]
async fn all_faults_together_leave_most_answers_right() {
    let faults = Faults { hang: Duration::ZERO, slow: Duration::ZERO, padding_bytes: 1 << 16, ..Faults::all(0.3) };
    let api = Api::start(Config { faults, ..plain() }).await;
    let mut right = 0;
    for user in 1..=100 {
        let Ok(answer) = api.active(user).await else {
            continue;
        };
        let is_good = answer.status() == 200;
        let body = answer.text().await.unwrap_or_default();
        right += u64::from(is_good && body.trim_start().starts_with(r#"{"errors":[],"#) && is_json(body.as_bytes()));
    }
    let wrong = api.simulator.counts().faults;
    assert!((15..45).contains(&wrong) && right >= 100 - wrong, "{right} right, {wrong} wrong");
}
