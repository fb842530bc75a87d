//! Where a request belongs: in the partition of its user's key, by the number of partitions as it is known here.
//!
//! Partitions may be added while requests flow. Nothing that is guaranteed rests on when an instance, or whoever puts
//! requests, notices it; only the work does: what one puts right another puts back as long as they disagree.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU32, Ordering},
};

use crate::{
    domain::{partitioner::partition_of, record::Record, record::TopicName, request::PassRequest},
    ports::{Clock, Dependency, Failure, PortError, Topics},
};

/// How long a number is gone by while nothing contradicts it, ms.
const TRUSTED_MS: i64 = 10_000;
/// How long it is when a request says otherwise, ms.
const DOUBTED_MS: i64 = 1_000;

/// How a request lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// Where its user's requests are handled.
    Right,
    /// Under its user's key in another partition. With another number of partitions it lay right, so that its change may
    /// be stored already.
    Astray,
    /// Under no key, or another one: nobody ever handled it where it is.
    Unkeyed,
}

/// The requests' topic, as far as it is known.
pub(super) struct Home {
    topic: TopicName,
    topics: Arc<dyn Topics>,
    clock: Arc<dyn Clock>,
    partitions: AtomicU32,
    counted_ms: AtomicI64,
}

impl Home {
    pub(super) fn new(topic: TopicName, partitions: u32, topics: Arc<dyn Topics>, clock: Arc<dyn Clock>) -> Self {
        Self { topic, topics, clock, partitions: AtomicU32::new(partitions), counted_ms: AtomicI64::new(0) }
    }

    /// How many partitions there are, as far as is known.
    pub(super) fn partitions(&self) -> u32 {
        self.partitions.load(Ordering::Acquire)
    }

    /// How the record lies. The partitions are counted again when it does not lie right, and every now and then.
    ///
    /// # Errors
    /// When they can't be counted, and the record does not lie right by the last count.
    pub(super) async fn lies(&self, record: &Record, request: &PassRequest) -> Result<Lies, PortError> {
        let key = request.user_id.to_string();
        if record.key.as_deref() != Some(key.as_bytes()) {
            return Ok(Lies::Unkeyed);
        }
        let is_right = || partition_of(key.as_bytes(), self.partitions()) == record.source.partition;
        let trusted_ms = if is_right() { TRUSTED_MS } else { DOUBTED_MS };
        match self.count_if_older(trusted_ms).await {
            Err(error) if !is_right() => Err(error),
            _ => Ok(if is_right() { Lies::Right } else { Lies::Astray }),
        }
    }

    async fn count_if_older(&self, age_ms: i64) -> Result<(), PortError> {
        let (now_ms, counted_ms) = (self.clock.now_ms(), self.counted_ms.load(Ordering::Acquire));
        if (0..age_ms).contains(&(now_ms - counted_ms)) {
            return Ok(());
        }
        // The others go by the last count meanwhile.
        let is_first =
            self.counted_ms.compare_exchange(counted_ms, now_ms, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !is_first {
            return Ok(());
        }
        let counted = self.count().await;
        if counted.is_err() {
            self.counted_ms.store(0, Ordering::Release);
        }
        counted
    }

    /// Counts the partitions.
    pub(super) async fn count(&self) -> Result<(), PortError> {
        let counted = self.topics.partitions(&self.topic).await?.len();
        let Some(now) = u32::try_from(counted).ok().filter(|count| *count > 0) else {
            return Err(PortError {
                kind: Failure::Down,
                dependency: Dependency::Topics,
                doing: format!("counting the partitions of {}", self.topic),
                message: "the topic does not exist now; `passflow topics create` makes it".to_owned(),
            });
        };
        let before = self.partitions.swap(now, Ordering::AcqRel);
        if before != now {
            tracing::info!(topic = %self.topic, before, now, "the number of partitions has changed; keys belong elsewhere");
        }
        self.counted_ms.store(self.clock.now_ms(), Ordering::Release);
        Ok(())
    }
}
