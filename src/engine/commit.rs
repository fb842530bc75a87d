//! Group commit: all that is finished by now goes out in one transaction, outputs and positions together.
//!
//! One commit is in flight at a time, and the next one opens as soon as it has closed: so batches grow with the load by
//! themselves, and an idle pipeline answers at once.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{Engine, Parts, window::Prefix};
use crate::{
    domain::record::{Position, TopicPartition},
    ports::{Batch, CommitError, Owned},
};

/// What a commit in flight will have committed.
pub(super) struct Share {
    partition: TopicPartition,
    taken: u64,
    count: usize,
    more: bool,
    offset: i64,
    /// The text kept with the position.
    metadata: String,
    dead_letters: Vec<String>,
}

/// A commit in flight.
pub(super) struct InFlight {
    begun: Instant,
    shares: Vec<Share>,
    answer: Owned<Result<(), CommitError>>,
}

/// A commit that closed: of what, its answer, and how long it took.
pub(super) type Closed = (Vec<Share>, Result<(), CommitError>, Duration);

/// The commit that closed, with its answer; pending for ever when there is none.
pub(super) async fn done(in_flight: &mut Option<InFlight>) -> Closed {
    let Some(running) = in_flight.as_mut() else { return std::future::pending().await };
    let answer = running.answer.as_mut().await;
    let took = running.begun.elapsed();
    let shares = in_flight.take().map(|closed| closed.shares).unwrap_or_default();
    (shares, answer, took)
}

/// A group may refuse a commit while it rebalances; after this many in a row the place is read anew.
const REFUSED_MAX: u32 = 20;

impl Engine {
    /// Opens a commit if something is finished and none is in flight.
    pub(super) fn begin_commit(&mut self, now_ms: i64) {
        if self.in_flight.is_none() && self.commit_due_ms <= now_ms {
            self.in_flight = self.open_commit(|_| true);
        }
    }

    /// What is complete of partitions that go is committed first, under the ownership that they still have.
    pub(super) async fn commit_before_release(&mut self, partitions: &[TopicPartition]) {
        if self.in_flight.is_some() {
            let closed = done(&mut self.in_flight).await;
            self.on_commit(closed);
            self.turned();
        }
        self.in_flight = self.open_commit(|partition| partitions.contains(partition));
        if self.in_flight.is_some() {
            let closed = done(&mut self.in_flight).await;
            self.on_commit(closed);
        }
    }

    fn open_commit(&self, wanted: impl Fn(&TopicPartition) -> bool) -> Option<InFlight> {
        let mut batch = Batch { ownership: self.ownership, outputs: Vec::new(), positions: Vec::new() };
        let mut shares = Vec::new();
        let mut room = self.parts.limits.commit_bytes;
        for (partition, active) in self.partitions.active.iter().filter(|(partition, _)| wanted(partition)) {
            if room == 0 {
                break;
            }
            let Some(Prefix { count, outputs, offset, metadata, more }) = active.window.prefix(room) else { continue };
            room = room.saturating_sub(outputs.iter().map(crate::domain::record::Output::size_bytes).sum());
            let dead_letters = self.parts.dead_letters.codes_of(&outputs);
            batch.outputs.extend(outputs);
            let metadata = metadata.unwrap_or_else(|| active.metadata.clone());
            let position = Position { offset, metadata: active.held.life.sign(&metadata) };
            batch.positions.push((partition.clone(), position));
            shares.push(Share {
                partition: partition.clone(),
                taken: active.taken,
                count,
                more,
                offset,
                metadata,
                dead_letters,
            });
        }
        (!shares.is_empty()).then(|| InFlight { begun: Instant::now(), shares, answer: self.committer.commit(batch) })
    }

    pub(super) fn on_commit(&mut self, (shares, answer, took): Closed) {
        let now_ms = self.parts.clock.now_ms();
        self.parts.metrics.commit(took);
        self.moved(now_ms);
        match answer {
            Ok(()) => {
                self.refused_commits = 0;
                shares.into_iter().for_each(|share| self.committed(share));
            }
            Err(CommitError::NotOwner(reason)) if self.refused_commits < REFUSED_MAX => {
                tracing::debug!(pipeline = self.parts.pipeline, reason, "commit refused; waiting for the rebalance");
                self.refused_commits += 1;
                self.commit_due_ms = now_ms + self.taking.delay_ms(&mut self.parts.random);
            }
            Err(error) => {
                tracing::warn!(pipeline = self.parts.pipeline, %error, "commit failed; reading again from the last one");
                self.refused_commits = 0;
                self.taking.failed(&error, now_ms);
                self.tasks.abort(|_| true);
                self.partitions.retake_all();
                self.taking.later(now_ms, &mut self.parts.random);
                self.parts.progress.update(|progress| progress.retaken += 1);
            }
        }
    }

    fn committed(&mut self, share: Share) {
        // Taken anew meanwhile: its place has been read again since.
        let Some(active) = self.partitions.taken(&share.partition, share.taken) else { return };
        active.metadata = share.metadata;
        active.held.set_committed(share.offset);
        let mut outcomes = BTreeMap::<&str, u64>::new();
        for outcome in active.window.committed(share.count, share.more) {
            *outcomes.entry(outcome).or_default() += 1;
        }
        let Parts { metrics, progress, .. } = &self.parts;
        outcomes.iter().for_each(|(outcome, records)| metrics.committed(&self.label, outcome, *records));
        share.dead_letters.iter().for_each(|code| metrics.dead_letter(&self.label, code));
        progress.update(|progress| {
            for (outcome, records) in outcomes {
                *progress.outcomes.entry(outcome).or_default() += records;
            }
        });
    }
}
