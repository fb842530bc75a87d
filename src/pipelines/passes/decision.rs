//! Whether a request needs a fetch.

use super::Config;
use crate::domain::{
    cache::{Head, TokenState},
    request::{PassRequest, When},
};

/// Whether the document is as fresh as the request wants it, whatever the token is.
pub(super) fn is_fresh(request: &PassRequest, head: &Head, now_ms: i64, config: &Config) -> bool {
    match (request.when, head.refreshed_at_ms()) {
        (When::IfMissing, refreshed_at) => refreshed_at.is_some(),
        (When::IfStale, Some(refreshed_at_ms)) => {
            let lifetime = config.freshness.saturating_sub(config.freshness_slack);
            now_ms.saturating_sub(refreshed_at_ms) <= i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)
        }
        _ => false,
    }
}

/// What is known of the user's present token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing that speaks against a fetch.
    No,
    /// The vendor refused it, and nobody asked expressly: the user rests.
    Resting,
    /// The last successful refresh used it, and only a new one was to be fetched with.
    Unchanged,
}

/// What `fingerprint` means for the request.
pub(super) fn known(request: &PassRequest, token: &TokenState, fingerprint: &str) -> Known {
    if request.when != When::Always && token.refused.as_deref() == Some(fingerprint) {
        return Known::Resting;
    }
    if request.when == When::IfNewToken && token.fingerprint.as_deref() == Some(fingerprint) {
        return Known::Unchanged;
    }
    Known::No
}

/// Requests younger than this may be ahead of what a query of the tokens sees.
const YOUNG_MS: i64 = 5_000;

/// Whether a known token should be read once more: the change that caused the request may not be visible yet.
pub(super) fn may_be_ahead(request: &PassRequest, now_ms: i64) -> bool {
    let age_ms = request.requested_at.map_or(i64::MAX, |at| now_ms.saturating_sub(at.as_millisecond()));
    request.when == When::IfNewToken && !request.snapshot && age_ms < YOUNG_MS
}
