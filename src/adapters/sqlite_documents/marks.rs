//! The epoch counter, and the marks beside it.

use std::collections::HashMap;

use crate::{
    adapters::sqlite_store::{Store, StoreError, Tx},
    domain::{cache::Epoch, record::TopicPartition},
};

pub(super) async fn next_epoch(tx: &mut Tx, above: Epoch) -> Result<Epoch, StoreError> {
    let epoch: i64 = sqlx::query_scalar(
        "INSERT INTO epoch_counter (only, epoch) VALUES (1, ?1 + 1) \
         ON CONFLICT (only) DO UPDATE SET epoch = max(epoch, ?1) + 1 RETURNING epoch",
    )
    .bind(above.0.cast_signed())
    .fetch_one(&mut tx.connection)
    .await?;
    Ok(Epoch(epoch.cast_unsigned()))
}

pub(super) async fn read(
    store: &Store,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<Vec<Option<i64>>, StoreError> {
    let rows: Vec<(String, u32, i64)> =
        sqlx::query_as("SELECT topic, partition, next_offset FROM committed_marks WHERE group_name = ?")
            .bind(group)
            .fetch_all(&mut *store.reader().await?)
            .await?;
    let marks: HashMap<(&str, u32), i64> =
        rows.iter().map(|(topic, partition, offset)| ((topic.as_str(), *partition), *offset)).collect();
    let mark = |partition: &TopicPartition| marks.get(&(partition.topic.as_str(), partition.partition)).copied();
    Ok(partitions.iter().map(mark).collect())
}

pub(super) async fn raise(tx: &mut Tx, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), StoreError> {
    for (partition, offset) in marks {
        sqlx::query(
            "INSERT INTO committed_marks VALUES (?, ?, ?, ?) ON CONFLICT (group_name, topic, partition) \
             DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)",
        )
        .bind(group)
        .bind(partition.topic.as_str())
        .bind(partition.partition)
        .bind(*offset)
        .execute(&mut tx.connection)
        .await?;
    }
    Ok(())
}
