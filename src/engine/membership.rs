//! Joining a group, and the end of a membership.

use std::{sync::Arc, time::Duration};

use super::{Engine, Parts, commit, suspension::Backoff};
use crate::ports::{Committer, Consumer, Failure, PortError};

/// Joins, for as long as it takes; `None` when the shutdown came first.
pub(super) async fn join(parts: &Parts) -> Result<Option<(Box<dyn Consumer>, Arc<dyn Committer>)>, PortError> {
    let mut backoff = Backoff::new(parts.limits.probe_min, parts.limits.probe_max);
    let mut random = parts.random.clone();
    let mut told = false;
    while !parts.shutdown.is_cancelled() {
        match parts.topics.join(&parts.group, &parts.consumes).await {
            Ok(membership) => return Ok(Some((membership.consumer, membership.committer))),
            Err(error) if error.kind == Failure::Refused => return Err(error),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(pipeline = parts.pipeline, %error, "cannot join the group; trying again");
                }
                parts.progress.turned(parts.clock.now_ms());
                parts.progress.update(|progress| {
                    progress.waiting_for.get_or_insert((error.dependency, parts.clock.now_ms()));
                });
            }
        }
        let delay_ms = u64::try_from(backoff.next_ms(&mut random)).unwrap_or(1);
        tokio::select! {
            biased;
            () = parts.shutdown.cancelled() => return Ok(None),
            () = parts.clock.sleep(Duration::from_millis(delay_ms)) => {}
        }
    }
    Ok(None)
}

impl Engine {
    /// The last commit, for a while: what is proved next comes after it, whatever becomes of it.
    pub(super) async fn await_commit(&mut self) {
        let clock = Arc::clone(&self.parts.clock);
        tokio::select! {
            biased;
            result = commit::done(&mut self.in_flight), if self.in_flight.is_some() => self.on_commit(result),
            () = clock.sleep(self.parts.limits.drain), if self.in_flight.is_some() => {}
            else => {}
        }
    }
}
