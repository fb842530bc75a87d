//! How requests end without an answer, and how connections are kept.

use std::time::{Duration, Instant};

use passflow::{
    adapters::bytemark_http::Limits,
    ports::{Endpoint, NoAnswer, PassApi as _},
};
use tokio::net::TcpListener;

use crate::{
    SHORT, assert_no_secret, client,
    server::{Act, Server, answer},
    token,
};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";

async fn failure(acts: Vec<Act>, limits: Limits) -> NoAnswer {
    let server = Server::start(acts).await;
    let error = client(&server.base_url, limits).get(Endpoint::Active, &token()).await.unwrap_err();
    assert_no_secret(&error);
    error
}

fn text(text: &str) -> Act {
    Act::Send(text.as_bytes().to_vec())
}

#[tokio::test]
async fn nobody_there_is_connect_failed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&base_url, Limits::default()).get(Endpoint::Active, &token()).await.unwrap_err();
    assert_eq!(error.code, "connect_failed");
    assert!(error.message.contains("refused"), "{error}");
    assert_no_secret(&error);
}

#[tokio::test]
async fn a_server_without_tls_is_connect_failed() {
    let server = Server::answering(&answer("200 OK", "", "{}")).await;
    let base_url = server.base_url.replace("http", "https");
    let limits = Limits { connect_timeout: SHORT, ..Limits::default() };
    let error = client(&base_url, limits).get(Endpoint::Active, &token()).await.unwrap_err();
    assert_eq!(error.code, "connect_failed", "{error}");
    assert_no_secret(&error);
}

#[tokio::test]
async fn silence_before_or_within_the_body_is_timed_out() {
    let limits = Limits { connect_timeout: SHORT, read_timeout: SHORT, ..Limits::default() };
    for acts in [vec![Act::Hang], vec![text("HTTP/1.1 200"), Act::Hang], vec![text(HEAD), text("{"), Act::Hang]] {
        let error = failure(acts, limits.clone()).await;
        assert_eq!(error.code, "timed_out");
        assert!(error.message.contains("read_timeout"), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_goes_on_for_ever_is_timed_out() {
    let limits = Limits { request_timeout: SHORT, ..Limits::default() };
    let begin = Instant::now();
    let chunked = text("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let error = failure(vec![chunked, Act::Trickle(b"1\r\n \r\n".to_vec())], limits).await;
    assert_eq!((error.code, error.message.contains("request_timeout")), ("timed_out", true), "{error}");
    assert!((SHORT..Duration::from_secs(5)).contains(&begin.elapsed()));
}

#[tokio::test]
async fn a_connection_that_breaks_is_connection_lost() {
    for acts in [
        vec![Act::Reset],
        vec![text("HTTP/1.1 200 OK\r\ncontent-le"), Act::Reset],
        vec![text(HEAD), text("{\"errors\""), Act::Reset],
        vec![text("this is not HTTP\r\n\r\n"), Act::Reset],
    ] {
        assert_eq!(failure(acts, Limits::default()).await.code, "connection_lost");
    }
}

#[tokio::test]
async fn a_connection_is_kept_whatever_the_status() {
    for line in ["200 OK", "500 Oops", "302 Found", "401 No"] {
        let server = Server::answering(&answer(line, "", &"x".repeat(50_000))).await;
        let api = client(&server.base_url, Limits::default());
        for _ in 0..20 {
            assert_eq!(api.get(Endpoint::Active, &token()).await.unwrap().body.len(), 50_000);
        }
        assert_eq!(server.connections(), 1, "{line}");
    }
}

#[tokio::test]
async fn no_more_connections_are_kept_than_may_be_in_flight() {
    let server = Server::answering(&answer("200 OK", "", "{}")).await;
    let api = client(&server.base_url, Limits { max_in_flight: 3, ..Limits::default() });
    for _ in 0..5 {
        let token = token();
        let gets = (0..3).map(|_| api.get(Endpoint::Active, &token));
        assert!(futures::future::join_all(gets).await.into_iter().all(|answer| answer.is_ok()));
    }
    assert!(server.connections() <= 6, "{}", server.connections());
}

#[tokio::test]
async fn an_unused_connection_is_given_up_in_time() {
    let server = Server::answering(&answer("200 OK", "", "{}")).await;
    let api = client(&server.base_url, Limits { pool_idle: Duration::ZERO, ..Limits::default() });
    for _ in 0..3 {
        api.get(Endpoint::Active, &token()).await.unwrap();
    }
    assert_eq!(server.connections(), 3);
}
