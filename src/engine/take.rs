//! Taking partitions: an epoch, then the proof that the ownership is real, before any record is handled.
//!
//! An owner that was stopped for long may not know that its partitions are another's. So whoever is given a partition
//! first takes a number above all others (epoch), then reads the stable committed position, and then commits that very
//! position again in a transaction. If that succeeds, every earlier owner is fenced off from committing, and its late
//! writes are refused by the fence in the documents.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    Engine, Limits, found::Found, handler::Held, marks::interval_ms, partitions::Active, suspension::Backoff,
    window::Window,
};
use crate::{
    domain::{
        cache::Epoch,
        life::Life,
        record::{Position, TopicPartition},
    },
    ports::{Batch, CommitError, Dependency},
};

/// When partitions are taken, and the marks kept.
pub(super) struct Taking {
    due_ms: i64,
    backoff: Backoff,
    fresh_backoff: Backoff,
    taken: u64,
    pub(super) marks_due_ms: i64,
    pub(super) marks: JoinSet<()>,
    /// What partitions could not be taken, or their work not committed, for; and since when (ms since 1970).
    pub(super) failing: Option<(Dependency, i64)>,
}

impl Taking {
    pub(super) fn new(now_ms: i64, limits: &Limits) -> Self {
        let backoff = Backoff::new(limits.probe_min, limits.probe_max);
        Self {
            due_ms: now_ms,
            fresh_backoff: backoff.clone(),
            backoff,
            taken: 0,
            marks_due_ms: now_ms + interval_ms(limits),
            marks: JoinSet::new(),
            failing: None,
        }
    }

    /// The next try is due now.
    pub(super) fn at_once(&mut self, now_ms: i64) {
        self.due_ms = now_ms;
    }

    /// The next try comes after a delay that grows.
    pub(super) fn later(&mut self, now_ms: i64, random: &mut fastrand::Rng) {
        self.due_ms = now_ms + self.backoff.next_ms(random);
    }

    /// Notes for whom to wait.
    pub(super) fn failed(&mut self, error: &CommitError, now_ms: i64) {
        let dependency = match error {
            CommitError::NotOwner(_) => Dependency::Topics,
            CommitError::Failed(error) => error.dependency,
        };
        let since_ms = self.failing.map_or(now_ms, |(_, since_ms)| since_ms);
        self.failing = Some((dependency, since_ms));
    }

    pub(super) fn due(&self, nothing_to_take: bool) -> Option<i64> {
        (!nothing_to_take).then_some(self.due_ms)
    }

    /// A short delay.
    pub(super) fn delay_ms(&self, random: &mut fastrand::Rng) -> i64 {
        self.fresh_backoff.clone().next_ms(random)
    }
}

impl Engine {
    /// Takes the partitions that are assigned and not yet proved.
    pub(super) async fn take_if_due(&mut self) {
        let now_ms = self.parts.clock.now_ms();
        let waits = self.partitions.to_take.is_empty() || self.taking.due_ms > now_ms;
        if waits || self.in_flight.is_some() || self.is_draining() {
            return;
        }
        let partitions: Vec<TopicPartition> = self.partitions.to_take.iter().cloned().collect();
        self.moved(now_ms);
        if let Err(error) = self.take(&partitions).await {
            if self.taking.failing.is_none() {
                tracing::warn!(pipeline = self.parts.pipeline, %error, "cannot take partitions yet; trying again");
            }
            self.taking.failed(&error, now_ms);
            let now_ms = self.parts.clock.now_ms();
            self.taking.later(now_ms, &mut self.parts.random);
            return;
        }
        self.taking.failing = None;
        self.taking.backoff = self.taking.fresh_backoff.clone();
        tracing::debug!(pipeline = self.parts.pipeline, partitions = partitions.len(), "partitions taken");
    }

    async fn take(&mut self, partitions: &[TopicPartition]) -> Result<(), CommitError> {
        let handler = Arc::clone(&self.parts.handler);
        let epoch = handler.take_epoch(self.partitions.epoch_above).await?;
        // Read after the epoch was taken: an older owner that commits later than this is found out by the proof.
        self.turned();
        let positions = self.consumer.committed(partitions).await?;
        self.turned();
        let found = self.find(partitions, positions, epoch).await?;
        // A committed position is one, whoever has the partition now. It has to be known before others can see that
        // another life has begun.
        let mut marks = self.partitions.marks();
        marks.extend(found.iter().filter_map(|found| found.before.clone()));
        handler.raise_committed_marks(&marks).await?;
        self.turned();
        self.prove(&found).await?;
        self.turned();
        handler.raise_committed_marks(&found.iter().flat_map(marks_of).collect::<Vec<_>>()).await?;
        for found in found {
            self.activate(found, epoch).await?;
        }
        Ok(())
    }

    /// What takes long here is no loop that stands still.
    pub(super) fn turned(&self) {
        self.parts.progress.turned(self.parts.clock.now_ms());
    }

    async fn prove(&mut self, found: &[Found]) -> Result<(), CommitError> {
        let unchanged = found.iter().map(|Found { partition, life, position, .. }| {
            let metadata = life.sign(&position.metadata);
            (partition.clone(), Position { offset: position.offset, metadata })
        });
        let batch = Batch { ownership: self.ownership, outputs: Vec::new(), positions: unchanged.collect() };
        self.committer.commit(batch).await
    }

    async fn activate(&mut self, found: Found, epoch: Epoch) -> Result<(), CommitError> {
        let Found { partition, life, position, .. } = found;
        let session = self.consumer.start(&partition, position.offset).await?;
        self.taking.taken += 1;
        let active = Active {
            held: Arc::new(Held::new(partition.clone(), life, epoch, position.offset)),
            taken: self.taking.taken,
            session,
            next_offset: position.offset,
            metadata: position.metadata,
            window: Window::new(self.parts.handler.order()),
            paused: false,
            end: None,
            end_at_ms: 0,
        };
        self.partitions.to_take.remove(&partition);
        self.partitions.active.insert(partition, active);
        Ok(())
    }
}

/// What is known of a partition once it is proved: how far it is committed, and which life it is in.
fn marks_of(found: &Found) -> [(TopicPartition, i64); 2] {
    let Found { partition, life, position, .. } = found;
    let since = i64::try_from(life.since.0).unwrap_or(i64::MAX);
    [(life.place(partition), position.offset), (Life::beginning(partition), since)]
}
