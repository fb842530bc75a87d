//! Puts records on partitions, inside a transaction.

use std::collections::{BTreeMap, HashMap};

use super::{catalog::ByName, record_codec};
use crate::{
    adapters::sqlite_store::{BytesWriter, StoreError, Tx, for_rows, json_array},
    domain::record::Output,
    ports::Clock,
};

/// A batch is closed when it has this many bytes: a reader that keeps one record keeps its batch in memory.
const BATCH_BYTES: usize = 64 << 10;
/// Rows of one statement at most.
const ROWS_MAX: usize = 16;

#[derive(Debug)]
struct PackedBatch {
    partition_id: i64,
    count: i64,
    records: Vec<u8>,
}

/// Outputs with their partitions, packed and ready to be appended. Made before the transaction, to keep that short.
#[derive(Debug, Default)]
pub(crate) struct Placed(Vec<PackedBatch>);

/// Knows the topics that outputs go to.
#[derive(Debug)]
pub(crate) struct Placer(pub(super) ByName);

impl Placer {
    /// Packs the outputs by partition.
    pub(crate) fn place(&self, outputs: &[Output]) -> Placed {
        let mut open: BTreeMap<i64, (i64, BytesWriter)> = BTreeMap::new();
        let mut placed = Placed::default();
        for output in outputs {
            // A placer is made for all topics of its outputs.
            let Some(topic) = self.0.get(&output.topic) else { continue };
            let partition_id = topic.partition_id(topic.partition_for(output.key.as_deref()));
            let (count, records) = open.entry(partition_id).or_default();
            record_codec::encode(records, output);
            *count += 1;
            if records.0.len() >= BATCH_BYTES {
                placed.close(partition_id, *count, std::mem::take(records));
                *count = 0;
            }
        }
        for (partition_id, (count, records)) in open {
            placed.close(partition_id, count, records);
        }
        placed
    }
}

impl Placed {
    fn close(&mut self, partition_id: i64, count: i64, records: BytesWriter) {
        if count > 0 {
            self.0.push(PackedBatch { partition_id, count, records: records.0 });
        }
    }
}

#[derive(Clone, Copy)]
struct Tail {
    next_offset: i64,
    timestamp_ms: i64,
}

/// Appends in order. Timestamps never go back within a partition, whatever the clock does.
pub(crate) async fn append_placed(tx: &mut Tx, clock: &dyn Clock, placed: Placed) -> Result<(), StoreError> {
    if placed.0.is_empty() {
        return Ok(());
    }
    let mut tails = read_tails(tx, &placed).await?;
    let now_ms = clock.now_ms();
    for tail in tails.values_mut() {
        tail.timestamp_ms = tail.timestamp_ms.max(now_ms);
    }
    let mut batches = placed.0.into_iter().peekable();
    while batches.peek().is_some() {
        insert(tx, batches.by_ref().take(ROWS_MAX).collect(), &mut tails).await?;
    }
    write_tails(tx, &tails).await?;
    tx.new_ends.extend(tails.iter().map(|(partition_id, tail)| (*partition_id, tail.next_offset)));
    Ok(())
}

async fn read_tails(tx: &mut Tx, placed: &Placed) -> Result<HashMap<i64, Tail>, StoreError> {
    let mut partition_ids: Vec<i64> = placed.0.iter().map(|batch| batch.partition_id).collect();
    partition_ids.sort_unstable();
    partition_ids.dedup();
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT id, next_offset, last_timestamp_ms FROM partitions WHERE id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_array(partition_ids.iter().copied()))
    .fetch_all(&mut tx.connection)
    .await?;
    if rows.len() != partition_ids.len() {
        return Err(StoreError::refused("a topic's partitions are missing in the store: it is damaged"));
    }
    let tails = rows.into_iter().map(|(id, next_offset, timestamp_ms)| (id, Tail { next_offset, timestamp_ms }));
    Ok(tails.collect())
}

async fn insert(tx: &mut Tx, batches: Vec<PackedBatch>, tails: &mut HashMap<i64, Tail>) -> Result<(), StoreError> {
    const INSERT: &str =
        "INSERT INTO record_batches (partition_id, base_offset, last_offset, timestamp_ms, size, records) VALUES ";
    let mut query = sqlx::query(for_rows(INSERT, batches.len(), 6, ""));
    for batch in batches {
        let Some(tail) = tails.get_mut(&batch.partition_id) else { continue };
        let base_offset = tail.next_offset;
        tail.next_offset += batch.count;
        let size = i64::try_from(batch.records.len()).unwrap_or(i64::MAX);
        query = query.bind(batch.partition_id).bind(base_offset).bind(tail.next_offset - 1);
        query = query.bind(tail.timestamp_ms).bind(size).bind(batch.records);
    }
    query.execute(&mut tx.connection).await?;
    Ok(())
}

async fn write_tails(tx: &mut Tx, tails: &HashMap<i64, Tail>) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO partitions (id, first_offset, next_offset, last_timestamp_ms) VALUES ";
    const ELSE_UPDATE: &str = " ON CONFLICT (id) DO UPDATE \
        SET next_offset = excluded.next_offset, last_timestamp_ms = excluded.last_timestamp_ms";
    let tails: Vec<_> = tails.iter().collect();
    for chunk in tails.chunks(ROWS_MAX) {
        let mut query = sqlx::query(for_rows(INSERT, chunk.len(), 4, ELSE_UPDATE));
        for (partition_id, tail) in chunk {
            query = query.bind(**partition_id).bind(0_i64).bind(tail.next_offset).bind(tail.timestamp_ms);
        }
        query.execute(&mut tx.connection).await?;
    }
    Ok(())
}
