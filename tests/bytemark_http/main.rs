//! The pass API over HTTP, against small servers that misbehave to order, and against the simulated Bytemark.
#![allow(clippy::unwrap_used, clippy::panic)]

mod answers;
mod bodies;
mod connections;
mod server;
mod simulated;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use passflow::{
    adapters::bytemark_http::{BytemarkHttp, Limits},
    domain::token::Token,
    ports::{Clock, NoAnswer},
};

/// Sunday, 6 November 1994, 08:49:30 GMT.
const NOW_MS: i64 = 784_111_770_000;
const SECRET: &str = "s3cret-t0ken";

struct Standing;

#[async_trait]
impl Clock for Standing {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn client(base_url: &str, limits: Limits) -> BytemarkHttp {
    BytemarkHttp::new(base_url, limits, Arc::new(Standing)).unwrap()
}

fn token() -> Token {
    Token::new(SECRET.to_owned()).unwrap()
}

/// Short, for what is to time out; no other test may come near it.
const SHORT: Duration = Duration::from_millis(100);

fn assert_no_secret(error: &NoAnswer) {
    let texts = format!("{error} {error:?} {error:#?}");
    assert!(!texts.contains(SECRET) && !texts.contains("http://"), "{texts}");
}
