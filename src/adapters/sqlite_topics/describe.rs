//! What people ask of the topics: how long they are, and how far groups have come.

use super::{SqliteTopics, catalog::Topic, failed};
use crate::{
    adapters::sqlite_store::StoreError,
    domain::record::{TopicName, TopicPartition},
    ports::PortError,
};

/// A topic with its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub topic: TopicName,
    /// Whether the last record of each key is kept for ever; else records go by age.
    pub compacted: bool,
    /// By number.
    pub partitions: Vec<PartitionDescription>,
}

/// What lies in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The first offset that is still there.
    pub first_offset: i64,
    /// The offset that the next record gets.
    pub next_offset: i64,
    /// When the first record was put, in milliseconds since 1970; `None` when the partition is empty.
    pub first_timestamp_ms: Option<i64>,
    /// When the last record was put, in milliseconds since 1970; `None` when the partition is empty.
    pub last_timestamp_ms: Option<i64>,
}

impl PartitionDescription {
    /// How many records lie in it.
    pub fn count(&self) -> i64 {
        self.next_offset - self.first_offset
    }
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPosition {
    /// The group.
    pub group: String,
    /// The partition.
    pub partition: TopicPartition,
    /// The offset that it reads next.
    pub offset: i64,
    /// Records that it has yet to handle.
    pub lag: i64,
}

impl SqliteTopics {
    /// All topics by name.
    pub async fn describe(&self) -> Result<Vec<TopicDescription>, PortError> {
        self.try_describe().await.map_err(|error| failed(error, "describing the topics"))
    }

    /// Where all groups have committed anything, by group and partition.
    pub async fn group_positions(&self) -> Result<Vec<GroupPosition>, PortError> {
        self.try_group_positions().await.map_err(|error| failed(error, "describing the groups"))
    }

    async fn try_describe(&self) -> Result<Vec<TopicDescription>, StoreError> {
        let topics = self.catalog.load(&self.store).await?;
        let mut descriptions = Vec::with_capacity(topics.len());
        for topic in topics.values() {
            let partitions = self.describe_partitions(topic).await?;
            descriptions.push(TopicDescription { topic: topic.name.clone(), compacted: topic.compacted, partitions });
        }
        descriptions.sort_by(|left, right| left.topic.cmp(&right.topic));
        Ok(descriptions)
    }

    async fn describe_partitions(&self, topic: &Topic) -> Result<Vec<PartitionDescription>, StoreError> {
        let (from, to) = topic.partition_ids();
        let rows: Vec<(i64, i64, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT first_offset, next_offset, \
             (SELECT min(timestamp_ms) FROM record_batches WHERE partition_id = p.id), \
             (SELECT max(timestamp_ms) FROM record_batches WHERE partition_id = p.id) \
             FROM partitions p WHERE id >= ? AND id < ? ORDER BY id",
        )
        .bind(from)
        .bind(to)
        .fetch_all(&mut *self.store.reader().await?)
        .await?;
        let describe = |(first_offset, next_offset, first_timestamp_ms, last_timestamp_ms)| PartitionDescription {
            first_offset,
            next_offset,
            first_timestamp_ms,
            last_timestamp_ms,
        };
        Ok(rows.into_iter().map(describe).collect())
    }

    async fn try_group_positions(&self) -> Result<Vec<GroupPosition>, StoreError> {
        let rows: Vec<(String, String, u32, i64, i64)> = sqlx::query_as(
            "SELECT g.group_name, t.name, g.partition_id % 65536, g.next_offset, \
             max(p.next_offset - max(g.next_offset, p.first_offset), 0) \
             FROM group_positions g JOIN partitions p ON p.id = g.partition_id JOIN topics t ON t.id = p.id / 65536 \
             ORDER BY g.group_name, t.name, p.id",
        )
        .fetch_all(&mut *self.store.reader().await?)
        .await?;
        let position = |(group, topic, partition, offset, lag): (_, String, _, _, _)| GroupPosition {
            group,
            partition: TopicPartition { topic: topic.as_str().into(), partition },
            offset,
            lag,
        };
        Ok(rows.into_iter().map(position).collect())
    }
}
