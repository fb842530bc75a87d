//! What is asked, and what the head of an answer says.

use std::{sync::Arc, time::Duration};

use passflow::{
    adapters::bytemark_http::{BytemarkHttp, Limits},
    domain::token::Token,
    ports::{Endpoint, PassApi as _},
};

use crate::{
    SECRET, Standing, assert_no_secret, client,
    server::{Server, answer},
    token,
};

#[tokio::test]
async fn both_lists_are_asked_for_below_the_base_url_with_the_token() {
    let server = Server::answering(&answer("200 OK", "", "{}")).await;
    let api = client(&format!("{}/api/", server.base_url), Limits::default());
    assert_eq!(api.get(Endpoint::Active, &token()).await.unwrap().body, "{}");
    api.get(Endpoint::History { per_page: 100, page: 3 }, &token()).await.unwrap();
    assert!(server.request(0).starts_with("GET /api/passes?limit=9999 HTTP/1.1\r\n"), "{}", server.request(0));
    assert!(server.request(1).starts_with("GET /api/v4.0/passes?status=EXPIRED&per_page=100&page=3 HTTP/1.1\r\n"));
    api.get(Endpoint::ActivePage { page: 2 }, &token()).await.unwrap();
    assert!(server.request(2).starts_with("GET /api/passes?limit=9999&page=2 HTTP/1.1\r\n"));
    let request = server.request(0).to_lowercase();
    assert!(request.contains(&format!("\r\nauthorization: bearer {SECRET}\r\n")));
    assert!(request.contains(concat!("\r\nuser-agent: passflow/", env!("CARGO_PKG_VERSION"), "\r\n")));
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[tokio::test]
async fn any_status_is_an_answer_and_a_redirect_is_not_followed() {
    let elsewhere = Server::answering(&answer("200 OK", "", "elsewhere")).await;
    let location = format!("location: {}/\r\n", elsewhere.base_url);
    for (line, status) in [("302 Found", 302), ("308 Permanent Redirect", 308), ("401 No", 401), ("503 Down", 503)] {
        let server = Server::answering(&answer(line, &location, "why")).await;
        let answer = client(&server.base_url, Limits::default()).get(Endpoint::Active, &token()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (status, &b"why"[..]));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date() {
    for (header, expected_s) in [
        ("retry-after: 7\r\n", Some(7)),
        ("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Some(7)),
        ("retry-after: Sun, 06 Nov 1994 08:00:00 GMT\r\n", Some(0)),
        ("retry-after: later\r\n", None),
        ("", None),
    ] {
        let server = Server::answering(&answer("429 Too Many Requests", header, "")).await;
        let answer = client(&server.base_url, Limits::default()).get(Endpoint::Active, &token()).await.unwrap();
        assert_eq!((answer.status, answer.retry_after), (429, expected_s.map(Duration::from_secs)), "{header}");
    }
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_not_sent() {
    let server = Server::answering(&answer("200 OK", "", "{}")).await;
    let broken = Token::new(format!("{SECRET}\r\nx-evil: 1")).unwrap();
    let error = client(&server.base_url, Limits::default()).get(Endpoint::Active, &broken).await.unwrap_err();
    assert_eq!(error.code, "bad_token");
    assert_no_secret(&error);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_base_url_that_is_none_is_refused_by_name() {
    let error = BytemarkHttp::new("bytemark", Limits::default(), Arc::new(Standing)).unwrap_err().to_string();
    assert!(error.contains("PASSFLOW_BYTEMARK_URL") && error.contains("https://"), "{error}");
}

#[test]
fn an_https_base_url_is_taken_and_a_client_shows_no_secret() {
    let api = BytemarkHttp::new("https://api.example.com", Limits::default(), Arc::new(Standing)).unwrap();
    assert!(format!("{api:?}").starts_with("BytemarkHttp { limits: Limits {"));
}
