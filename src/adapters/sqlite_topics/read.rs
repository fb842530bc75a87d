//! Reads records, offsets and positions.

use std::{collections::HashMap, fmt::Write as _, ops::Range};

use sqlx::SqliteConnection;

use super::{
    SqliteTopics,
    catalog::Topic,
    record_codec::{self, Stored},
};
use crate::{
    adapters::sqlite_store::StoreError,
    domain::record::{Position, Record, TopicName, TopicPartition},
};

/// What [`records`] takes into memory at once, unless one batch is larger.
const READ_BYTES: usize = 4 << 20;

/// The partitions of a topic by number; empty when it does not exist.
pub(super) async fn ranges(topics: &SqliteTopics, topic: &TopicName) -> Result<Vec<Range<i64>>, StoreError> {
    let Some(topic) = topics.catalog.find(&topics.store, topic).await? else { return Ok(Vec::new()) };
    ranges_of(&mut *topics.store.reader().await?, &topic).await
}

async fn ranges_of(connection: &mut SqliteConnection, topic: &Topic) -> Result<Vec<Range<i64>>, StoreError> {
    let (from, to) = topic.partition_ids();
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT first_offset, next_offset FROM partitions WHERE id >= ? AND id < ? ORDER BY id")
            .bind(from)
            .bind(to)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(first, end)| first..end).collect())
}

pub(super) async fn records(
    topics: &SqliteTopics,
    partition: &TopicPartition,
    from: i64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let Some(topic) = topics.catalog.find(&topics.store, &partition.topic).await? else { return Ok(Vec::new()) };
    let wanted = [(topic.partition_id(partition.partition), from)];
    let batches = batches(&mut *topics.store.reader().await?, &wanted, limit, READ_BYTES).await?;
    let mut records = Vec::new();
    for (_, batch) in batches {
        record_codec::decode(batch, partition, from, limit, &mut records)?;
    }
    Ok(records)
}

/// The next batches of partitions, each given by its id and the offset to read from: at most `batches_max`, and no
/// more once they have `bytes_max`. All partitions' first batches come before any one's second, so a full partition
/// does not keep the others waiting. Ordered by offset within each.
pub(super) async fn batches(
    connection: &mut SqliteConnection,
    wanted: &[(i64, i64)],
    batches_max: usize,
    bytes_max: usize,
) -> Result<Vec<(i64, Stored)>, StoreError> {
    let each_max = i64::try_from((batches_max / wanted.len().max(1)).max(1)).unwrap_or(i64::MAX);
    let mut query = sqlx::query_as(sqlx::AssertSqlSafe(batches_sql(wanted.len())));
    for (partition_id, from) in wanted {
        query = query.bind(*partition_id).bind(*from).bind(each_max);
    }
    let rows: Vec<(i64, i64, i64, Vec<u8>)> =
        query.bind(i64::try_from(bytes_max).unwrap_or(i64::MAX)).fetch_all(connection).await?;
    let stored = |(partition_id, base_offset, timestamp_ms, records): (_, _, _, Vec<u8>)| {
        (partition_id, Stored { base_offset, timestamp_ms, records: records.into() })
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Chooses batches from the index alone, and reads only the chosen ones.
fn batches_sql(partitions: usize) -> String {
    let mut sql = "WITH candidates (id, size, turn) AS (".to_owned();
    for number in 0..partitions {
        let _infallible = write!(
            sql,
            "{}SELECT * FROM (SELECT id, size, row_number() OVER (ORDER BY last_offset) FROM record_batches \
             WHERE partition_id = ? AND last_offset >= ? ORDER BY last_offset LIMIT ?)",
            if number == 0 { "" } else { " UNION ALL " }
        );
    }
    sql.push_str(
        ") SELECT partition_id, base_offset, timestamp_ms, records FROM record_batches WHERE id IN (\
         SELECT id FROM (SELECT id, sum(size) OVER \
         (ORDER BY turn, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM candidates) \
         WHERE before IS NULL OR before < ?) ORDER BY id",
    );
    sql
}

pub(super) async fn offset_at(
    topics: &SqliteTopics,
    partition: &TopicPartition,
    timestamp_ms: i64,
) -> Result<i64, StoreError> {
    let Some(topic) = topics.catalog.find(&topics.store, &partition.topic).await? else { return Ok(0) };
    let offset: Option<i64> = sqlx::query_scalar(
        "SELECT coalesce((SELECT base_offset FROM record_batches WHERE partition_id = ?1 AND timestamp_ms >= ?2 \
         ORDER BY timestamp_ms, base_offset LIMIT 1), (SELECT next_offset FROM partitions WHERE id = ?1))",
    )
    .bind(topic.partition_id(partition.partition))
    .bind(timestamp_ms)
    .fetch_one(&mut *topics.store.reader().await?)
    .await?;
    Ok(offset.unwrap_or(0))
}

pub(super) async fn backlog(topics: &SqliteTopics, group: &str, topic: &TopicName) -> Result<u64, StoreError> {
    let Some(topic) = topics.catalog.find(&topics.store, topic).await? else { return Ok(0) };
    let (from, to) = topic.partition_ids();
    let backlog: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(max(p.next_offset - max(coalesce(g.next_offset, 0), p.first_offset), 0)), 0) \
         FROM partitions p LEFT JOIN group_positions g ON g.group_name = ? AND g.partition_id = p.id \
         WHERE p.id >= ? AND p.id < ?",
    )
    .bind(group)
    .bind(from)
    .bind(to)
    .fetch_one(&mut *topics.store.reader().await?)
    .await?;
    Ok(u64::try_from(backlog).unwrap_or(0))
}

/// The committed positions of `partition_ids`, in the same order; the partition's first offset where there is none.
pub(super) async fn positions(
    connection: &mut SqliteConnection,
    group: &str,
    partition_ids: &[i64],
) -> Result<Vec<Position>, StoreError> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT p.id, coalesce(g.next_offset, p.first_offset), coalesce(g.metadata, '') \
         FROM partitions p LEFT JOIN group_positions g ON g.group_name = ? AND g.partition_id = p.id \
         WHERE p.id IN (SELECT value FROM json_each(?))",
    )
    .bind(group)
    .bind(crate::adapters::sqlite_store::json_array(partition_ids.iter().copied()))
    .fetch_all(connection)
    .await?;
    let mut by_id: HashMap<i64, Position> =
        rows.into_iter().map(|(id, offset, metadata)| (id, Position { offset, metadata })).collect();
    let position = |id| by_id.remove(id).ok_or_else(|| StoreError::refused("no such partition"));
    partition_ids.iter().map(position).collect()
}
