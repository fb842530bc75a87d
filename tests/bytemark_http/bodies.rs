//! How much is taken.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use passflow::{
    adapters::bytemark_http::Limits,
    ports::{Endpoint, PassApi as _, Room},
};

use crate::{
    assert_no_secret, client,
    server::{Act, Server, answer},
    token,
};

const MIB: usize = 1 << 20;
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(body_bytes: usize) -> Vec<u8> {
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    format!("{CHUNKED}{}0\r\n\r\n", chunk.repeat(body_bytes / 1000)).into_bytes()
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not() {
    let limits = Limits { body_max: 3000, ..Limits::default() };
    for (bytes, is_taken) in [(3000, true), (3001, false)] {
        let server = Server::answering(&answer("200 OK", "", &"x".repeat(bytes))).await;
        let answer = client(&server.base_url, limits.clone()).get(Endpoint::Active, &token()).await;
        assert_eq!(answer.is_ok(), is_taken, "{bytes}");
    }
    for (bytes, is_taken) in [(3000, true), (4000, false)] {
        let server = Server::start(vec![Act::Send(chunked(bytes))]).await;
        let answer = client(&server.base_url, limits.clone()).get(Endpoint::Active, &token()).await;
        assert_eq!(answer.is_ok(), is_taken, "chunked, {bytes}");
    }
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body_comes() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let server = Server::start(vec![Act::Send(head), Act::Hang]).await;
    let error = client(&server.base_url, Limits::default()).get(Endpoint::Active, &token()).await.unwrap_err();
    assert_eq!(error.code, "body_too_large");
    assert!(error.message.contains("33554432"), "{error}");
    assert_no_secret(&error);
}

#[tokio::test]
async fn a_body_without_length_is_read_no_further_than_the_limit() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536)).into_bytes();
    let server = Server::start(vec![Act::Send(CHUNKED.into()), Act::Repeat(chunk)]).await;
    let limits = Limits { body_max: MIB, ..Limits::default() };
    let error = client(&server.base_url, limits).get(Endpoint::Active, &token()).await.unwrap_err();
    assert_eq!(error.code, "body_too_large");
    // The limit, and what lies in the sockets' buffers.
    let sent = server.seen.sent.load(Relaxed);
    assert!(sent < 24 * MIB, "{sent}");
}

/// Notes what room was taken, and never gives more than there is.
struct Scarce {
    taken: AtomicUsize,
    room: usize,
}

#[async_trait]
impl Room for Scarce {
    async fn take(&self, bytes: usize) {
        if self.taken.fetch_add(bytes, Relaxed) + bytes > self.room {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test]
async fn room_is_taken_for_a_body_before_it_is_read_and_just_once() {
    for acts in
        [vec![Act::Send(chunked(50_000))], vec![Act::Send(answer("200 OK", "", &"x".repeat(50_000)).into_bytes())]]
    {
        let server = Server::start(acts).await;
        let room = Scarce { taken: AtomicUsize::new(0), room: 50_000 };
        let answer = client(&server.base_url, Limits::default()).get_within(Endpoint::Active, &token(), &room).await;
        assert_eq!((answer.unwrap().body.len(), room.taken.load(Relaxed)), (50_000, 50_000));
    }
}

#[tokio::test]
async fn a_body_without_room_is_not_read_on_and_its_patience_does_not_run_out() {
    let server =
        Server::start(vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1".into()), Act::Hang]).await;
    let limits = Limits { read_timeout: crate::SHORT, ..Limits::default() };
    let api = client(&server.base_url, limits);
    let (token, room) = (token(), Scarce { taken: AtomicUsize::new(0), room: 8 });
    let waited = tokio::time::timeout(crate::SHORT * 5, api.get_within(Endpoint::Active, &token, &room)).await;
    assert!(waited.is_err(), "{waited:?}");
}
