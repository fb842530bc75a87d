//! Time.

use std::time::Duration;

use async_trait::async_trait;

/// Time, so that tests own it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}
