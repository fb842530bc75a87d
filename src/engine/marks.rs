//! Keeping how far partitions are committed, beside the epoch counter: for a group that somebody sets back, for requests
//! whose partition is another since partitions were added, and for topics that are deleted.

use std::{sync::Arc, time::Duration};

use super::{Engine, Limits};

/// How long a partition that goes to another waits until that is kept. The next owner learns it from the group as well.
const BEFORE_RELEASE: Duration = Duration::from_secs(2);

pub(super) fn interval_ms(limits: &Limits) -> i64 {
    i64::try_from(limits.marks_every.as_millis()).unwrap_or(i64::MAX)
}

impl Engine {
    /// Every now and then.
    pub(super) fn keep_marks(&mut self, now_ms: i64) {
        while self.taking.marks.try_join_next().is_some() {}
        if now_ms < self.taking.marks_due_ms || !self.taking.marks.is_empty() {
            return;
        }
        self.taking.marks_due_ms = now_ms + interval_ms(&self.parts.limits);
        let marks = self.partitions.marks();
        let handler = Arc::clone(&self.parts.handler);
        self.taking.marks.spawn(async move {
            if let Err(error) = handler.raise_committed_marks(&marks).await {
                tracing::debug!(%error, "cannot keep the committed marks now");
            }
        });
    }

    /// Before partitions go to another.
    pub(super) async fn keep_marks_before_release(&mut self) {
        self.keep_marks_within(BEFORE_RELEASE.min(self.parts.limits.drain)).await;
    }

    /// The last ones, when the loop ends.
    pub(super) async fn keep_last_marks(&mut self) {
        self.keep_marks_within(self.parts.limits.drain).await;
    }

    async fn keep_marks_within(&mut self, bound: Duration) {
        let marks = self.partitions.marks();
        if marks.is_empty() {
            return;
        }
        let kept = self.parts.handler.raise_committed_marks(&marks);
        let bound = self.parts.clock.sleep(bound);
        tokio::select! {
            biased;
            result = kept => if let Err(error) = result {
                tracing::warn!(pipeline = self.parts.pipeline, %error, "cannot keep the committed marks");
            },
            () = bound => {}
        }
    }
}
