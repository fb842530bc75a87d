//! What a failed fetch leaves in the user's log, and what it must not say.

use std::time::Duration;

use passflow::{
    domain::cache::{List, LogEntry},
    pipelines::passes::answer::{FailedFetch, Trouble},
};

use crate::api::{Limits, Reply, Setup, failed, none, reply};

/// The failure of a history that is answered like this, at the first attempt, ten milliseconds from the start.
async fn failure(answer: Reply) -> FailedFetch {
    let mut limits = Limits { latency: Duration::from_millis(10), ..Limits::default() };
    limits.fetch.attempts = 1;
    let setup = Setup::with(limits, move |call| if call.page().is_some() { answer.clone() } else { none() });
    let fetched = setup.fetch(&[]).await;
    assert!(fetched.answers.passes.is_some() && fetched.answers.of(List::Passes4).is_none());
    let failure = fetched.failures.passes4.clone().unwrap();
    assert!(fetched.has(failure.trouble));
    failure
}

const OUR_TIME: &str = "2026-11-20T10:00:00.010Z";

fn entry(errors: &str, server_time: &str, data: &str) -> LogEntry {
    LogEntry {
        id: "id".to_owned(),
        errors: errors.to_owned(),
        server_time: server_time.to_owned(),
        data: data.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_our_own_is_logged_with_its_code_and_our_time() {
    let twice = r#"{"data":{"passes":[{"uuid":"a","status":"x"},{"uuid":"a","status":"x"}]}}"#;
    for (answer, trouble, code, message) in [
        (failed("timed_out"), Trouble::Api, "timed_out", "as told"),
        (failed("connect_failed"), Trouble::Api, "connect_failed", "as told"),
        (failed("connection_lost"), Trouble::Api, "connection_lost", "as told"),
        (failed("body_too_large"), Trouble::Body, "body_too_large", "as told"),
        (failed("bad_token"), Trouble::Token, "bad_token", "as told"),
        (reply(401, ""), Trouble::Token, "token_refused", "the API answered with HTTP status 401"),
        (reply(404, "<html>"), Trouble::Refused, "http_404", "the API answered with HTTP status 404"),
        (reply(503, "<html>"), Trouble::Api, "http_503", "the API answered with HTTP status 503"),
        (reply(500, r#"{"data":{"passes":[]}}"#), Trouble::Api, "http_500", "the API answered with HTTP status 500"),
        (reply(200, "<html>"), Trouble::Api, "not_json", "the body is not JSON: unexpected byte at byte 0"),
        (reply(200, "[]"), Trouble::Body, "wrong_envelope", "the body is not an envelope: the body is not an object"),
        (reply(200, twice), Trouble::Body, "duplicate_uuid", "two passes have the uuid a"),
    ] {
        let failure = failure(answer).await;
        assert_eq!((failure.trouble, failure.code.as_str(), failure.message.as_str()), (trouble, code, message));
        let errors = serde_json::json!([{ "code": code, "message": message }]).to_string();
        assert_eq!(failure.log_entry("id".to_owned()), entry(&errors, OUR_TIME, "{}"));
        assert_eq!(failure.to_string(), format!("{code}: {message}"));
        assert_eq!(failure.no_connection(), code == "connect_failed");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_is_logged_in_the_apis_own_words() {
    let errors = r#"[{"code":10010,"message":"no"},{"code":"x","message":"ä"}]"#;
    let body = format!(r#"{{"data":{{"why":[1,2.50]}},"errors": {errors},"server_time":"2026-01-01 00:00:00"}}"#);
    for (status, trouble, code) in [
        (200, Trouble::Refused, "api_error"),
        (400, Trouble::Refused, "http_400"),
        (401, Trouble::Token, "token_refused"),
        (500, Trouble::Api, "http_500"),
    ] {
        let failure = failure(reply(status, body.clone())).await;
        assert_eq!((failure.trouble, failure.code.as_str()), (trouble, code));
        assert_eq!(failure.message, "10010 no; \"x\" ä");
        let expected = entry(errors, "2026-01-01 00:00:00", r#"{"why":[1,2.5]}"#);
        assert_eq!(failure.log_entry("id".to_owned()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_answer_in_another_form_is_logged_as_a_list_with_what_is_missing() {
    for (body, errors) in [
        (r#"{"error":"broken"}"#, r#"["broken"]"#),
        (r#"{"error":{"code":50020,"message":"expired"}}"#, r#"[{"code":50020,"message":"expired"}]"#),
        (r#"{"errors":[1],"error":"two"}"#, r#"[1,"two"]"#),
    ] {
        let failure = failure(reply(200, body)).await;
        assert_eq!(failure.trouble == Trouble::Token, body.contains("50020"));
        assert_eq!(failure.log_entry("id".to_owned()), entry(errors, OUR_TIME, "{}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_api_repeats_is_not_told_on() {
    let repeated = r#"{"errors":[{"code":1,"message":"bad token-of-user-1!"}],"server_time":"token-of-user-1",
        "data":{"token-of-user-1":"token-of-user-1"}}"#;
    let failure = failure(reply(200, repeated)).await;
    let log_entry = failure.log_entry("id".to_owned());
    assert!(!format!("{failure} {failure:?} {log_entry:?}").contains("token-of-user-1"));
    assert_eq!(log_entry.errors, r#"[{"code":1,"message":"bad (hidden)!"}]"#);
    assert_eq!(log_entry.data, r#"{"(hidden)":"(hidden)"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_cut_where_people_stop_reading() {
    let body = format!(r#"{{"errors":[{{"code":1,"message":"{}"}}]}}"#, "ä".repeat(5_000));
    let failure = failure(reply(200, body)).await;
    assert_eq!((failure.message.len(), failure.message.ends_with('ä')), (1000, true));
}

/// The most that errors and data of a log entry take together.
const LOGGED_MAX: usize = 16 << 10;

#[tokio::test(start_paused = true)]
async fn an_error_answer_as_long_as_a_body_is_cut_for_the_log_and_stays_json() {
    let long = "ä\\\"".repeat(1 << 20);
    let many = r#"{"code":7,"message":"again"},"#.repeat(1 << 16);
    for (errors, data) in [
        (r#"[{"code":50020,"message":"expired"}]"#.to_owned(), format!(r#"{{"why":"{long}"}}"#)),
        (format!(r#"[{{"code":50020,"message":"{long}"}}]"#), "{}".to_owned()),
        (format!(r#"[{many}{{"code":50020,"message":"expired"}}]"#), format!("[{}1]", "1,".repeat(1 << 20))),
        (format!(r#"["{long}",{{"code":50020}}]"#), "1".to_owned()),
        (format!(r#"[{{"code":"{long}","message":[1]}},{{"code":50020}}]"#), format!("\"{long}\"")),
    ] {
        let time = "9".repeat(1 << 20);
        let failure =
            failure(reply(400, format!(r#"{{"errors":{errors},"server_time":"{time}","data":{data}}}"#))).await;
        assert_eq!((failure.trouble, failure.code.as_str()), (Trouble::Token, "token_refused"));
        let entry = failure.log_entry("id".to_owned());
        assert!(entry.errors.len() + entry.data.len() + entry.server_time.len() <= LOGGED_MAX);
        let errors: Vec<serde_json::Value> = serde_json::from_str(&entry.errors).unwrap();
        assert!(errors.iter().any(|error| error["code"] == 50020), "{}", entry.errors);
        serde_json::from_str::<serde_json::Value>(&entry.data).unwrap();
        let note = format!("{}{}", entry.errors, entry.data);
        assert!(note.contains("bytes left out by passflow"), "{note}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_hidden_before_a_text_is_cut() {
    for before in 0..200 {
        let message = format!("{}token-of-user-1{}", "x".repeat(before * 100), "y".repeat(20_000));
        let body = format!(r#"{{"errors":[{{"code":1,"message":"{message}"}}],"data":{{"a":"{message}"}}}}"#);
        let entry = failure(reply(200, body)).await.log_entry("id".to_owned());
        assert!(!entry.errors.contains("token-of") && !entry.data.contains("token-of"), "{before}");
    }
}
