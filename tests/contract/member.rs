//! A member of a group as the rules use it, and what they put for it to read.

use std::{collections::BTreeMap, sync::Arc};

use passflow::{
    domain::{
        partitioner::partition_of,
        record::{Position, Record, TopicPartition},
    },
    ports::{Batch, CommitError, Committer, Consumer, Event, Membership, Ownership, Session, Topics},
};

use crate::{
    storage::soon,
    topics::{output, partition, values},
};

/// A member that has seen its first assignment.
pub struct Member {
    pub consumer: Box<dyn Consumer>,
    pub committer: Arc<dyn Committer>,
    pub ownership: Ownership,
    pub partitions: Vec<TopicPartition>,
}

impl Member {
    pub async fn join(topics: &Arc<dyn Topics>, group: &str, topic: &str) -> Self {
        let Membership { mut consumer, committer } = topics.join(group, &[topic.into()]).await.unwrap();
        let Event::Assigned { ownership, partitions } = next(&mut consumer).await else { panic!("not assigned") };
        Self { consumer, committer, ownership, partitions }
    }

    /// Joins, and starts all partitions where the group stands.
    pub async fn start(topics: &Arc<dyn Topics>, group: &str, topic: &str) -> Self {
        let mut member = Self::join(topics, group, topic).await;
        let positions = member.consumer.committed(&member.partitions).await.unwrap();
        for (partition, position) in member.partitions.iter().zip(positions) {
            member.consumer.start(partition, position.offset).await.unwrap();
        }
        member
    }

    /// Reads until each partition's end was told; what came, by partition.
    pub async fn read_to_ends(&mut self) -> BTreeMap<u32, Vec<Record>> {
        let mut read: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
        let mut open: Vec<_> = self.partitions.clone();
        while !open.is_empty() {
            match next(&mut self.consumer).await {
                Event::Records { partition, records, .. } => {
                    read.entry(partition.partition).or_default().extend(records);
                }
                Event::End { partition, .. } => open.retain(|other| *other != partition),
                other => panic!("unexpected {other:?}"),
            }
        }
        read
    }

    pub async fn next_records(&mut self) -> (TopicPartition, Session, Vec<Record>) {
        loop {
            if let Event::Records { partition, session, records } = next(&mut self.consumer).await {
                return (partition, session, records);
            }
        }
    }

    /// The next records' values until there are `count`, however many come at once; all are to come from `of`.
    pub async fn next_values(&mut self, of: &TopicPartition, count: usize) -> Vec<String> {
        let mut read = Vec::new();
        while read.len() < count {
            let (from, _, records) = self.next_records().await;
            assert_eq!(from, *of);
            read.extend(values(&records));
        }
        read
    }

    pub fn batch(&self) -> Batch {
        Batch { ownership: self.ownership, outputs: Vec::new(), positions: Vec::new() }
    }

    pub async fn commit_position(&self, partition: &TopicPartition, offset: i64) -> Result<(), CommitError> {
        let position = Position { offset, metadata: String::new() };
        let batch = Batch { positions: vec![(partition.clone(), position)], ..self.batch() };
        soon("the commit", self.committer.commit(batch)).await
    }
}

pub async fn next(consumer: &mut Box<dyn Consumer>) -> Event {
    soon("an event", consumer.next()).await.unwrap()
}

pub fn place(key: &str) -> TopicPartition {
    partition("t", partition_of(key.as_bytes(), 3))
}

pub async fn put(topics: &Arc<dyn Topics>, key: &str, numbers: std::ops::Range<u32>) {
    topics.append(numbers.map(|n| output("t", Some(key), &n.to_string())).collect()).await.unwrap();
}
