//! How long a request may still take.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Limits, error};
use crate::ports::NoAnswer;

/// The time that is left of one request, counted only while something is awaited of the API.
pub(super) struct Patience {
    left: Duration,
    /// Until the answer begins: it may need a connection first.
    head: Duration,
    silence: Duration,
}

impl Patience {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            left: limits.request_timeout,
            head: limits.connect_timeout.saturating_add(limits.read_timeout),
            silence: limits.read_timeout,
        }
    }

    /// Awaits the beginning of the answer.
    pub(super) async fn head<T>(&mut self, doing: impl Future<Output = reqwest::Result<T>>) -> Result<T, NoAnswer> {
        self.within(self.head, "the answer did not begin", doing).await
    }

    /// Awaits a piece of the body.
    pub(super) async fn piece<T>(&mut self, doing: impl Future<Output = reqwest::Result<T>>) -> Result<T, NoAnswer> {
        self.within(self.silence, "the body did not go on", doing).await
    }

    async fn within<T>(
        &mut self,
        limit: Duration,
        what: &str,
        doing: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, NoAnswer> {
        let begin = Instant::now();
        let done = timeout(limit.min(self.left), doing).await;
        let message = || {
            let whole = "the request took longer than request_timeout".to_owned();
            if limit < self.left { format!("{what} within {limit:?} (read_timeout)") } else { whole }
        };
        let done = done.map_err(|_| NoAnswer { code: "timed_out", message: message() })?;
        self.left = self.left.saturating_sub(begin.elapsed());
        done.map_err(error::no_answer)
    }
}
