//! A request and its answer, apart from how they travel.

use std::time::Duration;

use bytes::Bytes;

use super::world::Endpoint;

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Service</title></head>\
<body><h1>Please try again later</h1></body></html>\n";

/// A request for one of a user's lists. Has no `Debug`: it holds a token.
#[derive(Clone)]
pub struct Request {
    /// Which list.
    pub endpoint: Endpoint,
    /// The bearer token.
    pub token: Option<String>,
    /// Passes a page: `per_page` of the history, `limit` of the active list.
    pub per_page: Option<usize>,
    /// Which page, from 1.
    pub page: usize,
}

/// An answer, and how it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body calls itself HTML; else it calls itself JSON, which it need not be.
    pub is_html: bool,
    /// `Retry-After`.
    pub retry_after: Option<RetryAfter>,
    /// The body.
    pub body: Bytes,
    /// How it comes.
    pub delivery: Delivery,
}

/// What `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u32),
    /// The date so many seconds ahead.
    DateIn(u32),
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once.
    Whole,
    /// Piece by piece over this time.
    Slow(Duration),
    /// Behind so many bytes of white space.
    Padded(u64),
    /// Its first bytes, then the connection breaks.
    CutAfter(usize),
    /// Not at all: the connection is reset.
    Reset,
    /// Not for this time; then the connection is reset.
    Hang(Duration),
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, is_html: false, retry_after: None, body: body.into(), delivery: Delivery::Whole }
    }

    pub(super) fn html(status: u16) -> Self {
        Self { is_html: true, ..Self::new(status, HTML) }
    }

    pub(super) fn undelivered(delivery: Delivery) -> Self {
        Self { delivery, ..Self::new(200, "") }
    }

    /// Lets the connection break after `share` of the body.
    pub(super) fn cut(self, share: f64) -> Self {
        let bytes = share_of(self.body.len(), share);
        Self { delivery: Delivery::CutAfter(bytes), ..self }
    }

    /// Takes the end off the body, so that it is no JSON any more.
    pub(super) fn truncated(self, share: f64) -> Self {
        let longest = self.body.len().saturating_sub(1);
        let bytes = share_of(self.body.len(), share);
        Self { body: self.body.slice(..bytes.min(longest)), ..self }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`share` is between 0 and 1")]
fn share_of(length: usize, share: f64) -> usize {
    (length as f64 * share) as usize
}
