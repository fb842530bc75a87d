//! Which partitions a member owns, with the group's metadata of the moment when that became so.
//!
//! Both are taken in the rebalance callback and nowhere else, and kept under one lock: the broker checks that a commit's
//! metadata is the group's present one, and not whether the member owns what it names.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::consumer::ConsumerGroupMetadata;

use crate::{
    domain::record::TopicPartition,
    ports::{Batch, Ownership},
};

/// The group's metadata as of a rebalance callback.
pub(super) type Metadata = Arc<ConsumerGroupMetadata>;

/// What a member owns now.
#[derive(Default)]
pub(super) struct Owned {
    number: u64,
    partitions: BTreeSet<TopicPartition>,
    metadata: Option<Metadata>,
    left: bool,
}

impl Owned {
    pub(super) fn owns(&self, partition: &TopicPartition) -> bool {
        !self.left && self.partitions.contains(partition)
    }

    /// `added` are owned as well, as of `metadata`.
    pub(super) fn assign(&mut self, added: &[TopicPartition], metadata: Option<Metadata>) -> Ownership {
        self.partitions.extend(added.iter().cloned());
        self.metadata = metadata;
        self.next()
    }

    /// Some partitions will go, and are owned until then, as of `metadata`.
    pub(super) fn revoke(&mut self, metadata: Option<Metadata>) -> Ownership {
        self.metadata = metadata;
        self.next()
    }

    /// `lost` have gone already. The metadata stays: taken now it could be that of no member at all, which the broker
    /// takes for a tool's, and lets pass.
    pub(super) fn lose(&mut self, lost: &[TopicPartition]) -> Ownership {
        self.remove(lost);
        self.next()
    }

    /// `gone` are owned no more; who owns the rest does so under the same number.
    pub(super) fn remove(&mut self, gone: &[TopicPartition]) {
        for partition in gone {
            self.partitions.remove(partition);
        }
    }

    /// The member has left: it owns nothing ever again.
    pub(super) fn leave(&mut self) {
        self.left = true;
        self.partitions.clear();
        self.metadata = None;
    }

    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// The metadata that `batch` is to be committed with, if it names only what it owns; else why not.
    pub(super) fn admit(&self, batch: &Batch) -> Result<Metadata, String> {
        if self.left {
            return Err("the member has left".to_owned());
        }
        if batch.ownership != Ownership(self.number) {
            return Err("the ownership is not the present one".to_owned());
        }
        if let Some((partition, _)) = batch.positions.iter().find(|(partition, _)| !self.owns(partition)) {
            return Err(format!("{partition} is not owned"));
        }
        self.metadata.clone().ok_or_else(|| "the group's state was not known when the partitions changed".to_owned())
    }

    fn next(&mut self) -> Ownership {
        self.number += 1;
        Ownership(self.number)
    }
}

/// Shared by a member's sides.
#[derive(Clone, Default)]
pub(super) struct Ownerships(Arc<Mutex<Owned>>);

impl Ownerships {
    pub(super) fn lock(&self) -> MutexGuard<'_, Owned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::record::Position, ports::CommitError};

    fn partition(number: u32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: number }
    }

    fn batch(ownership: Ownership, of: u32) -> Batch {
        let position = Position { offset: 1, metadata: String::new() };
        Batch { ownership, outputs: Vec::new(), positions: vec![(partition(of), position)] }
    }

    fn why_not(owned: &Owned, batch: &Batch) -> String {
        owned.admit(batch).err().map(CommitError::NotOwner).map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn names_only_what_is_owned_under_the_present_number() {
        let mut owned = Owned::default();
        let first = owned.assign(&[partition(0), partition(1)], None);
        let second = owned.assign(&[], None);
        assert!(why_not(&owned, &batch(first, 0)).contains("present"));
        assert!(why_not(&owned, &batch(second, 2)).contains("t/2 is not owned"));
        assert!(why_not(&owned, &batch(second, 0)).contains("not known"), "without metadata nothing is committed");
        owned.remove(&[partition(0)]);
        assert!(why_not(&owned, &batch(second, 0)).contains("t/0 is not owned"));
        let third = owned.lose(&[partition(1)]);
        assert!(third > second && why_not(&owned, &batch(third, 1)).contains("not owned"));
        owned.leave();
        assert!(why_not(&owned, &batch(third, 1)).contains("left"));
    }
}
