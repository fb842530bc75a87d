//! Taking partitions: an epoch, then the proof that the ownership is real, before any record is handled.
//!
//! An owner that was stopped for long may not know that its partitions are another's. So whoever is given a partition
//! first takes a number above all others (epoch), then reads the stable committed position, and then commits that very
//! position again in a transaction. If that succeeds, every earlier owner is fenced off from committing, and its late
//! writes are refused by the fence in the documents.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    Engine, Limits, handler::Held, marks::interval_ms, partitions::Active, place, suspension::Backoff, window::Window,
};
use crate::{
    domain::{
        cache::Epoch,
        record::{Position, TopicPartition},
    },
    ports::{Batch, CommitError, Dependency, Failure, PortError},
};

/// A partition on its way to be held: where it goes on, and the name that it is kept under.
struct Found {
    partition: TopicPartition,
    place: TopicPartition,
    position: Position,
    /// The position was not committed by passflow, which signs it with the topic's id.
    is_unsigned: bool,
}

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
        let mut found = Vec::with_capacity(partitions.len());
        for (partition, position) in partitions.iter().zip(positions) {
            found.push(self.found(partition, position).await?);
        }
        self.prove(&found).await?;
        self.turned();
        let places: Vec<TopicPartition> = found.iter().map(|found| found.place.clone()).collect();
        let marks = handler.committed_marks(&places).await?;
        let mut raised = self.partitions.marks();
        raised.extend(found.iter().map(|found| (found.place.clone(), found.position.offset)));
        handler.raise_committed_marks(&raised).await?;
        for (found, mark) in found.into_iter().zip(marks) {
            self.activate(found, epoch, mark).await?;
        }
        Ok(())
    }

    /// Where a partition goes on. A position of another topic, which once had the same name, says nothing of this one.
    async fn found(&mut self, partition: &TopicPartition, committed: Position) -> Result<Found, PortError> {
        let topic_id = self.consumer.topic_id(&partition.topic);
        let place = place::of(partition, topic_id.as_deref());
        let (committed_id, mut position) = place::read(committed);
        let is_unsigned = committed_id.is_none() && topic_id.is_some();
        if let (Some(before), Some(now)) = (committed_id, topic_id)
            && *before != *now
        {
            let first = self.first_offset(partition).await?;
            tracing::warn!(
                pipeline = self.parts.pipeline,
                %partition,
                position = position.offset,
                first,
                "the topic was deleted and made anew since the group committed its position: going on at its first record"
            );
            position = Position { offset: first, metadata: String::new() };
        }
        Ok(Found { partition: partition.clone(), place, position, is_unsigned })
    }

    async fn first_offset(&mut self, partition: &TopicPartition) -> Result<i64, PortError> {
        let ranges = self.parts.topics.partitions(&partition.topic).await?;
        let range = usize::try_from(partition.partition).ok().and_then(|number| ranges.get(number));
        range.map(|range| range.start).ok_or_else(|| PortError {
            kind: Failure::Down,
            dependency: Dependency::Topics,
            doing: format!("finding the first record of {partition}"),
            message: "there is no such partition now".to_owned(),
        })
    }

    /// What takes long here is no loop that stands still.
    pub(super) fn turned(&self) {
        self.parts.progress.turned(self.parts.clock.now_ms());
    }

    async fn prove(&mut self, found: &[Found]) -> Result<(), CommitError> {
        let unchanged = found.iter().map(|Found { partition, place, position, .. }| {
            let metadata = place::signed(place, &position.metadata);
            (partition.clone(), Position { offset: position.offset, metadata })
        });
        let batch = Batch { ownership: self.ownership, outputs: Vec::new(), positions: unchanged.collect() };
        self.committer.commit(batch).await
    }

    async fn activate(&mut self, found: Found, epoch: Epoch, mark: Option<i64>) -> Result<(), CommitError> {
        report_set_position(&found, mark);
        let mark = mark.unwrap_or(0);
        let Found { partition, place, position, .. } = found;
        let session = self.consumer.start(&partition, position.offset).await?;
        self.taking.taken += 1;
        let active = Active {
            held: Arc::new(Held::new(partition.clone(), place, epoch, position.offset, mark)),
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

/// A position that is not as this group left it is an operator's doing.
fn report_set_position(found: &Found, mark: Option<i64>) {
    let Found { partition, position, is_unsigned, .. } = found;
    let (Some(mark), position) = (mark, position.offset) else { return };
    if position < mark {
        tracing::info!(%partition, position, mark, "the group was set back; what was told stays told");
    }
    if *is_unsigned {
        tracing::warn!(
            %partition,
            position,
            mark,
            "the position is none that this group committed: set by another tool, or expired. If the last instance was \
             killed before that, changes that it told from the mark on may be told once more"
        );
    }
}
