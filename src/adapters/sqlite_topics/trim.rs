//! Retention by age.

use super::{SqliteTopics, catalog::Topic, failed};
use crate::{
    adapters::sqlite_store::{StoreError, Tx},
    domain::record::TopicName,
    ports::PortError,
};

/// Batches deleted in one transaction at most, so that other writers get their turn.
const STEP: i64 = 500;

impl SqliteTopics {
    /// Deletes the records of `topic` that were put before `before_ms`; tells how many went. Compacted and missing
    /// topics stay as they are. The file does not shrink: the room is used again.
    pub async fn trim(&self, topic: &TopicName, before_ms: i64) -> Result<u64, PortError> {
        self.try_trim(topic, before_ms).await.map_err(|error| failed(error, format!("deleting old records of {topic}")))
    }

    async fn try_trim(&self, topic: &TopicName, before_ms: i64) -> Result<u64, StoreError> {
        let topic = match self.catalog.find(&self.store, topic).await? {
            Some(topic) if !topic.compacted => topic,
            _ => return Ok(0),
        };
        let mut trimmed = 0;
        for partition in 0..topic.partitions {
            trimmed += self.trim_partition(&topic, partition, before_ms).await?;
        }
        Ok(trimmed)
    }

    async fn trim_partition(&self, topic: &Topic, partition: u32, before_ms: i64) -> Result<u64, StoreError> {
        let partition_id = topic.partition_id(partition);
        let mut trimmed = 0;
        loop {
            let step = self
                .store
                .write(move |tx| Box::pin(async move { delete_some(tx, partition_id, before_ms).await }))
                .await?;
            if step == 0 {
                return Ok(trimmed);
            }
            trimmed += step;
        }
    }
}

async fn delete_some(tx: &mut Tx, partition_id: i64, before_ms: i64) -> Result<u64, StoreError> {
    let first: i64 = sqlx::query_scalar("SELECT first_offset FROM partitions WHERE id = ?")
        .bind(partition_id)
        .fetch_one(&mut tx.connection)
        .await?;
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(last_offset) FROM (SELECT last_offset FROM record_batches \
         WHERE partition_id = ? AND timestamp_ms < ? ORDER BY timestamp_ms, base_offset LIMIT ?)",
    )
    .bind(partition_id)
    .bind(before_ms)
    .bind(STEP)
    .fetch_one(&mut tx.connection)
    .await?;
    let Some(last) = last else { return Ok(0) };
    sqlx::query("DELETE FROM record_batches WHERE partition_id = ? AND last_offset <= ?")
        .bind(partition_id)
        .bind(last)
        .execute(&mut tx.connection)
        .await?;
    sqlx::query("UPDATE partitions SET first_offset = ? WHERE id = ?")
        .bind(last + 1)
        .bind(partition_id)
        .execute(&mut tx.connection)
        .await?;
    Ok(u64::try_from(last + 1 - first).unwrap_or(0))
}
