//! The API that the passes come from.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::token::Token;

/// Passes that are asked for at once of the active list: the old service asked for as many, and for one page only.
pub const ACTIVE_LIMIT: u32 = 9999;

/// What to ask the pass API for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /passes?limit=9999`.
    Active,
    /// `GET /passes?limit=9999&page=K`: only where the page before told of more. That the API takes `page` here as it
    /// does for the history is a guess; pages of one that does not repeat themselves, which is noticed.
    ActivePage {
        /// From 2.
        page: u32,
    },
    /// `GET /v4.0/passes?status=EXPIRED&per_page=N&page=K`.
    History {
        /// Passes a page.
        per_page: u32,
        /// From 1.
        page: u32,
    },
}

impl Endpoint {
    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active | Self::ActivePage { .. } => "active",
            Self::History { .. } => "history",
        }
    }
}

/// An answer of the pass API, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long to stay away, if it said so.
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Bytes,
}

/// No answer of the pass API.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct NoAnswer {
    /// Stable name: `connect_failed`, `timed_out`, `connection_lost`, `body_too_large`.
    pub code: &'static str,
    /// Details, without the token.
    pub message: String,
}

/// Room in memory for bodies.
#[async_trait]
pub trait Room: Send + Sync {
    /// Waits until so many bytes more may be held. Whoever asked owns them until the one who gave the room takes it back.
    async fn take(&self, bytes: usize);
}

/// As much room as is wanted, at once.
#[derive(Clone, Copy, Debug)]
pub struct Unbounded;

#[async_trait]
impl Room for Unbounded {
    async fn take(&self, _bytes: usize) {}
}

/// The pass API.
#[async_trait]
pub trait PassApi: Send + Sync + 'static {
    /// One GET with the user's token.
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer>;

    /// The same, with room taken for the body: before it is read, where it comes piece by piece.
    async fn get_within(&self, endpoint: Endpoint, token: &Token, room: &dyn Room) -> Result<Answer, NoAnswer> {
        let answer = self.get(endpoint, token).await?;
        room.take(answer.body.len()).await;
        Ok(answer)
    }
}
