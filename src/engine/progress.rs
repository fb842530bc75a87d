//! What a pipeline's loop shows to the outside while it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use crate::{domain::record::TopicPartition, ports::Dependency};

/// One partition's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The committed offset.
    pub committed: i64,
    /// Records in flight.
    pub in_flight: usize,
    /// The end that was reached, if nothing has been read behind it since.
    pub end: Option<i64>,
    /// When it was reached last, ms since 1970.
    pub end_at_ms: i64,
}

/// The state of a loop.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Owned and proved partitions.
    pub partitions: BTreeMap<TopicPartition, PartitionProgress>,
    /// Assigned partitions that are not proved yet.
    pub taking: usize,
    /// Committed records by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// The dependency that is waited for, and since when (ms since 1970).
    pub waiting_for: Option<(Dependency, i64)>,
    /// When anything last moved, ms since 1970.
    pub moved_at_ms: i64,
    /// Partitions that had to be taken again.
    pub retaken: u64,
}

impl Snapshot {
    /// Whether nothing is in flight and every partition was read to its end.
    pub fn is_settled(&self) -> bool {
        self.taking == 0
            && !self.partitions.is_empty()
            && self.partitions.values().all(|partition| partition.in_flight == 0 && partition.end.is_some())
    }
}

/// A view on a loop's state, shared with whoever watches it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    snapshot: Mutex<Snapshot>,
    turned_at_ms: AtomicI64,
}

impl Progress {
    /// The state as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Whether the loop is settled, without copying its state.
    pub fn is_settled(&self) -> bool {
        self.lock().is_settled()
    }

    /// When the loop last turned, which it does even when there is nothing to do; ms since 1970, 0 before the first time.
    pub fn turned_at_ms(&self) -> i64 {
        self.0.turned_at_ms.load(Ordering::Relaxed)
    }

    pub(super) fn turned(&self, now_ms: i64) {
        self.0.turned_at_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // A reader that panicked has changed nothing.
        self.0.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
