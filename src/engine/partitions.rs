//! The partitions that a loop holds, and those it is about to take.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{handler::Held, window::Window};
use crate::{
    domain::{cache::Epoch, record::TopicPartition},
    ports::Session,
};

/// A partition that is owned and proved.
pub(super) struct Active {
    pub(super) held: Arc<Held>,
    /// Tells results of tasks of this ownership from those of an earlier one.
    pub(super) taken: u64,
    pub(super) session: Session,
    /// The next offset that may come.
    pub(super) next_offset: i64,
    /// The text kept with its committed position.
    pub(super) metadata: String,
    pub(super) window: Window,
    pub(super) paused: bool,
    /// The end that was reached; `None` once something was read behind it.
    pub(super) end: Option<i64>,
    /// When that was, ms since 1970.
    pub(super) end_at_ms: i64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Partitions {
    pub(super) active: BTreeMap<TopicPartition, Active>,
    /// Assigned, not proved yet.
    pub(super) to_take: BTreeSet<TopicPartition>,
    /// A new epoch must be above this one.
    pub(super) epoch_above: Epoch,
    /// How far partitions that are held no more are known to be committed. Their next owner reads that of the group, but
    /// the group knows nothing any more when the topic is deleted.
    left: BTreeMap<TopicPartition, i64>,
}

impl Partitions {
    /// Lets go of what is held of `partition`, so that it has to be taken again.
    pub(super) fn retake(&mut self, partition: &TopicPartition) {
        if let Some(active) = self.active.remove(partition) {
            self.note_left(&active);
            self.to_take.insert(partition.clone());
        }
    }

    /// The same for all.
    pub(super) fn retake_all(&mut self) {
        for (partition, active) in std::mem::take(&mut self.active) {
            self.note_left(&active);
            self.to_take.insert(partition);
        }
    }

    /// Forgets `partition`: it is another's now.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        if let Some(active) = self.active.remove(partition) {
            self.note_left(&active);
        }
        self.to_take.remove(partition);
    }

    fn note_left(&mut self, active: &Active) {
        let left = self.left.entry(active.held.place.clone()).or_default();
        *left = active.held.committed().max(*left);
    }

    /// How far partitions are known to be committed, those that were held before, too; by the names they are kept under.
    pub(super) fn marks(&self) -> Vec<(TopicPartition, i64)> {
        let mut marks = self.left.clone();
        for active in self.active.values() {
            marks.insert(active.held.place.clone(), active.held.committed());
        }
        marks.into_iter().collect()
    }

    /// The held partition, if it still is the ownership numbered `taken`.
    pub(super) fn taken(&mut self, partition: &TopicPartition, taken: u64) -> Option<&mut Active> {
        self.active.get_mut(partition).filter(|active| active.taken == taken)
    }

    /// The first partition behind `after` that has a record to run, in a ring.
    pub(super) fn next_ready(&mut self, after: Option<&TopicPartition>) -> Option<(TopicPartition, &mut Active)> {
        let ready = self.active.iter().filter(|(_, active)| active.window.has_ready()).map(|(partition, _)| partition);
        let behind = ready.clone().find(|partition| after.is_some_and(|after| *partition > after));
        let next = behind.or_else(|| ready.clone().next())?.clone();
        let active = self.active.get_mut(&next)?;
        Some((next, active))
    }

    /// Bytes in flight.
    pub(super) fn bytes(&self) -> usize {
        self.active.values().map(|active| active.window.bytes()).sum()
    }

    /// Records that are being handled.
    pub(super) fn running(&self) -> usize {
        self.active.values().map(|active| active.window.running()).sum()
    }
}
