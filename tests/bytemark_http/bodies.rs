//! How much is taken.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use futures::future::join_all;
use passflow::{
    adapters::bytemark_http::Limits,
    ports::{Endpoint, PassApi as _},
};

use crate::{
    assert_no_secret, client,
    server::{Act, Server, answer},
    token,
};

const MIB: usize = 1 << 20;
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// So long that only waiting for each other reaches it.
const FAR: Duration = Duration::from_mins(1);

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

#[tokio::test]
async fn a_hundred_bodies_share_little_room_without_waiting_for_each_other() {
    for acts in
        [vec![Act::Send(chunked(50_000))], vec![Act::Send(answer("200 OK", "", &"x".repeat(50_000)).into_bytes())]]
    {
        let server = Server::start(acts).await;
        let limits = Limits { bodies_max: 60_000, body_max: MIB, ..Limits::default() };
        let api = client(&server.base_url, limits);
        let token = token();
        // All bodies are kept until the last has come: nobody gives room back.
        let gets = join_all((0..100).map(|_| api.get(Endpoint::Active, &token)));
        let answers = tokio::time::timeout(FAR, gets).await.unwrap();
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap().body.len() == 50_000));
    }
}

#[tokio::test]
async fn a_body_larger_than_all_room_is_read_and_others_go_on() {
    let server = Server::start(vec![Act::Send(chunked(50_000))]).await;
    let api = client(&server.base_url, Limits { bodies_max: 1, ..Limits::default() });
    let token = token();
    let answers = tokio::time::timeout(FAR, join_all((0..10).map(|_| api.get(Endpoint::Active, &token)))).await;
    assert!(answers.unwrap().into_iter().all(|answer| answer.unwrap().body.len() == 50_000));
}

#[tokio::test]
async fn room_comes_back_when_a_body_is_dropped_or_its_request_is_given_up() {
    let server =
        Server::start(vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1".into()), Act::Hang]).await;
    let limits = Limits { bodies_max: 9, read_timeout: crate::SHORT, ..Limits::default() };
    let api = client(&server.base_url, limits);
    for _ in 0..4 {
        assert_eq!(api.get(Endpoint::Active, &token()).await.unwrap_err().code, "timed_out");
    }
}
