//! A group's committed positions, and those of transactions that have not ended.

use std::collections::BTreeMap;

use crate::domain::record::{Position, TopicPartition};

/// Positions of one group.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    stored: BTreeMap<TopicPartition, Stored>,
    open: BTreeMap<u64, Vec<(TopicPartition, Position)>>,
}

#[derive(Debug)]
struct Stored {
    position: Position,
    transaction: u64,
}

impl Offsets {
    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Position> {
        self.stored.get(partition).map(|stored| &stored.position)
    }

    pub(super) fn all(&self) -> BTreeMap<TopicPartition, Position> {
        self.stored.iter().map(|(partition, stored)| (partition.clone(), stored.position.clone())).collect()
    }

    /// Whether no transaction that names `partition` is undecided.
    pub(super) fn is_stable(&self, partition: &TopicPartition) -> bool {
        !self.open.values().flatten().any(|(named, _)| named == partition)
    }

    /// Takes the positions of a transaction; their numbers ascend in the order of arrival.
    pub(super) fn open(&mut self, transaction: u64, positions: Vec<(TopicPartition, Position)>) {
        self.open.insert(transaction, positions);
    }

    /// Ends a transaction. As on a broker, positions that arrived later and are committed already win.
    pub(super) fn close(&mut self, transaction: u64, commit: bool) {
        for (partition, position) in self.open.remove(&transaction).unwrap_or_default() {
            let newer = self.stored.get(&partition).is_some_and(|stored| stored.transaction > transaction);
            if commit && !newer {
                self.stored.insert(partition, Stored { position, transaction });
            }
        }
    }

    /// Sets a position as an operator's tool does.
    pub(super) fn set(&mut self, transaction: u64, partition: TopicPartition, position: Position) {
        self.stored.insert(partition, Stored { position, transaction });
    }

    /// Forgets the positions of partitions that are not `kept`.
    pub(super) fn retain(&mut self, kept: impl Fn(&TopicPartition) -> bool) {
        self.stored.retain(|partition, _| kept(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Vec<(TopicPartition, Position)> {
        vec![(TopicPartition { topic: "t".into(), partition: 0 }, Position { offset, metadata: String::new() })]
    }

    #[test]
    fn an_open_transaction_makes_its_partition_unstable_until_it_ends() {
        let (mut offsets, partition) = (Offsets::default(), at(0)[0].0.clone());
        offsets.open(1, at(5));
        assert!(!offsets.is_stable(&partition) && offsets.get(&partition).is_none());
        offsets.close(1, false);
        assert!(offsets.is_stable(&partition) && offsets.get(&partition).is_none());
        offsets.open(2, at(7));
        offsets.close(2, true);
        assert_eq!(offsets.get(&partition).map(|position| position.offset), Some(7));
    }

    #[test]
    fn an_older_transaction_that_ends_later_does_not_win() {
        let (mut offsets, partition) = (Offsets::default(), at(0)[0].0.clone());
        offsets.open(1, at(5));
        offsets.open(2, at(9));
        offsets.close(2, true);
        offsets.close(1, true);
        assert_eq!(offsets.get(&partition).map(|position| position.offset), Some(9));
    }
}
