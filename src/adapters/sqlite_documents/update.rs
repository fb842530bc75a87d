//! Compare-and-set on documents, many in one transaction.
//!
//! Only passflow writes these documents, and every write of a list moves `__v`: so equal versions mean equal entries.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::{
    head_codec::{StoredEntry, encode_entries, encode_stream},
    logs,
    rows::{self, Row},
    touch::{self, Touch},
};
use crate::{
    adapters::sqlite_store::{StoreError, Tx, for_rows, json_array},
    domain::cache::{Head, List, PerList, Slot, Stream},
    ports::{Change, Update, Write, Written},
};

/// Rows of one statement at most.
const ROWS_MAX: usize = 16;

pub(super) async fn apply(tx: &mut Tx, updates: &[Update], max_bytes: u64) -> Result<Vec<Written>, StoreError> {
    let mut written = vec![Written::No; updates.len()];
    let plain: Vec<(usize, Touch)> =
        updates.iter().enumerate().filter_map(|(index, update)| Some((index, plain_touch(update)?))).collect();
    let touches: Vec<Touch> = plain.iter().map(|(_, touch)| *touch).collect();
    for ((index, _), applied) in plain.iter().zip(touch::apply(tx, &touches).await?) {
        set(&mut written, *index, if applied { Written::Yes } else { Written::No });
    }
    let plain: HashSet<usize> = plain.into_iter().map(|(index, _)| index).collect();
    let others: Vec<(usize, &Update)> =
        updates.iter().enumerate().filter(|(index, _)| !plain.contains(index)).collect();
    if !others.is_empty() {
        apply_whole(tx, &others, max_bytes, &mut written).await?;
    }
    Ok(written)
}

fn set(written: &mut [Written], index: usize, outcome: Written) {
    if let Some(place) = written.get_mut(index) {
        *place = outcome;
    }
}

/// The update as a write of time and fence alone, if it is one.
fn plain_touch(update: &Update) -> Option<Touch> {
    let Write::Touch { timestamp, drop_committed } = &update.write else { return None };
    let stream = update.read.stream.as_ref()?;
    // The stored state has no more pending entries than the one that was read, as long as its version is the same.
    let drops = drop_committed.as_ref().is_some_and(|(partition, offset)| stream.has_committed(partition, *offset));
    let versions = (!drops).then(|| versions(&update.read)).flatten()?;
    let (version, document_version) = versions;
    Some(Touch { user: update.read.user_id, timestamp: *timestamp, version, document_version, epoch: update.epoch })
}

/// `stream.version` and `__v`; `None` for a document that cannot be in this store.
fn versions(read: &Head) -> Option<(i64, i64)> {
    Some((read.stream.as_ref()?.version.cast_signed(), read.document_version?))
}

async fn apply_whole(
    tx: &mut Tx,
    updates: &[(usize, &Update)],
    max_bytes: u64,
    written: &mut [Written],
) -> Result<(), StoreError> {
    let users = updates.iter().map(|(_, update)| update.read.user_id);
    let rows = rows::rows(&mut tx.connection, users).await?;
    let mut rows: HashMap<i64, Row> = rows.into_iter().map(|row| (row.user_id, row)).collect();
    let mut writes = Writes::begin(tx).await?;
    for (index, update) in updates {
        let Some(row) = rows.remove(&update.read.user_id.get()).filter(|row| matches(row, update)) else { continue };
        let fits = writes.prepare(tx, row, update, max_bytes).await?;
        set(written, *index, if fits { Written::Yes } else { Written::TooLarge });
    }
    writes.flush(tx).await
}

fn matches(row: &Row, update: &Update) -> bool {
    versions(&update.read) == Some((row.version, row.document_version)) && row.fence.cast_unsigned() <= update.epoch.0
}

/// What the updates of a transaction add up to.
struct Writes {
    next_payload_id: i64,
    states: Vec<[i64; 5]>,
    heads: Vec<(i64, Vec<u8>, Vec<u8>, i64)>,
    new_payloads: Vec<(i64, Bytes)>,
    old_payloads: Vec<i64>,
}

impl Writes {
    async fn begin(tx: &mut Tx) -> Result<Self, StoreError> {
        let last: i64 =
            sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM cache_payloads").fetch_one(&mut tx.connection).await?;
        Ok(Self {
            next_payload_id: last + 1,
            states: Vec::new(),
            heads: Vec::new(),
            new_payloads: Vec::new(),
            old_payloads: Vec::new(),
        })
    }

    /// Adds an update of a row that matches it; `false` when the document would be too large.
    async fn prepare(
        &mut self,
        tx: &mut Tx,
        mut row: Row,
        update: &Update,
        max_bytes: u64,
    ) -> Result<bool, StoreError> {
        let old = row.entries()?;
        match &update.write {
            Write::Touch { timestamp, drop_committed } => {
                let mut stream = row.stream()?;
                if let Some((partition, offset)) = drop_committed {
                    stream.drop_committed(partition, *offset);
                }
                row.timestamp = timestamp.unwrap_or(row.timestamp);
                row.version += i64::from(timestamp.is_some());
                row.fence = update.epoch.0.cast_signed();
                self.put(&row, encode_entries(&old), encode_stream(&stream));
                Ok(true)
            }
            Write::Change(change) => {
                row.fence = update.epoch.0.cast_signed();
                self.prepare_change(tx, row, old, change, max_bytes).await
            }
        }
    }

    async fn prepare_change(
        &mut self,
        tx: &mut Tx,
        mut row: Row,
        old: PerList<Vec<StoredEntry>>,
        change: &Change,
        max_bytes: u64,
    ) -> Result<bool, StoreError> {
        let first_new_payload = self.new_payloads.len();
        let new = self.new_lists(&old, &change.lists)?;
        let logs = logs::grown(tx, row.user_id, change).await?;
        row.log_bytes += logs.iter().map(|log| log.grows_by).sum::<i64>();
        let stream = encode_stream(&change.stream);
        if document_bytes(&new, &change.stream, stream.len(), row.log_bytes) > max_bytes {
            self.new_payloads.truncate(first_new_payload);
            return Ok(false);
        }
        let moves = change.lists.passes.is_some() || change.lists.passes4.is_some() || !logs.is_empty();
        row.timestamp = change.timestamp.unwrap_or(row.timestamp);
        row.document_version += i64::from(moves);
        row.version = change.stream.version.cast_signed();
        logs::write(tx, row.user_id, logs).await?;
        self.put(&row, encode_entries(&new), stream);
        let kept: HashSet<i64> = payload_ids(&new).collect();
        self.old_payloads.extend(payload_ids(&old).filter(|id| !kept.contains(id)));
        Ok(true)
    }

    fn new_lists(
        &mut self,
        old: &PerList<Vec<StoredEntry>>,
        slots: &PerList<Option<Vec<Slot>>>,
    ) -> Result<PerList<Vec<StoredEntry>>, StoreError> {
        let mut new = PerList::default();
        for list in List::BOTH {
            *new.of_mut(list) = match slots.of(list) {
                None => old.of(list).clone(),
                Some(slots) => slots.iter().map(|slot| self.place(old.of(list), slot)).collect::<Result<_, _>>()?,
            };
        }
        Ok(new)
    }

    fn place(&mut self, old: &[StoredEntry], slot: &Slot) -> Result<StoredEntry, StoreError> {
        match slot {
            Slot::Keep(index) => old
                .get(*index)
                .cloned()
                .ok_or_else(|| StoreError::refused(format!("entry {index} is to be kept, of {}", old.len()))),
            Slot::Put(entry, payload) => {
                let payload_id = self.next_payload_id;
                self.next_payload_id += 1;
                self.new_payloads.push((payload_id, payload.clone()));
                Ok(StoredEntry { entry: entry.clone(), payload_id, payload_bytes: payload.len() as u64 })
            }
        }
    }

    fn put(&mut self, row: &Row, entries: Vec<u8>, stream: Vec<u8>) {
        self.states.push([row.user_id, row.timestamp, row.document_version, row.version, row.fence]);
        self.heads.push((row.user_id, entries, stream, row.log_bytes));
    }

    async fn flush(self, tx: &mut Tx) -> Result<(), StoreError> {
        for chunk in self.states.chunks(ROWS_MAX) {
            let mut query = sqlx::query(for_rows("REPLACE INTO cache_state VALUES ", chunk.len(), 5, ""));
            for value in chunk.iter().flatten() {
                query = query.bind(*value);
            }
            query.execute(&mut tx.connection).await?;
        }
        let mut heads = self.heads.into_iter().peekable();
        while heads.peek().is_some() {
            let chunk: Vec<_> = heads.by_ref().take(ROWS_MAX).collect();
            let mut query = sqlx::query(for_rows("REPLACE INTO cache_heads VALUES ", chunk.len(), 4, ""));
            for (user, entries, stream, log_bytes) in chunk {
                query = query.bind(user).bind(entries).bind(stream).bind(log_bytes);
            }
            query.execute(&mut tx.connection).await?;
        }
        write_payloads(tx, &self.new_payloads, &self.old_payloads).await
    }
}

async fn write_payloads(tx: &mut Tx, new: &[(i64, Bytes)], old: &[i64]) -> Result<(), StoreError> {
    for chunk in new.chunks(ROWS_MAX) {
        let mut query = sqlx::query(for_rows("INSERT INTO cache_payloads VALUES ", chunk.len(), 2, ""));
        for (id, payload) in chunk {
            query = query.bind(*id).bind(&**payload);
        }
        query.execute(&mut tx.connection).await?;
    }
    if !old.is_empty() {
        sqlx::query("DELETE FROM cache_payloads WHERE id IN (SELECT value FROM json_each(?))")
            .bind(json_array(old.iter().copied()))
            .execute(&mut tx.connection)
            .await?;
    }
    Ok(())
}

fn payload_ids(lists: &PerList<Vec<StoredEntry>>) -> impl Iterator<Item = i64> {
    List::BOTH.into_iter().flat_map(|list| lists.of(list)).map(|stored| stored.payload_id)
}

/// Bytes of the whole document as JSON, roughly, without writing it.
fn document_bytes(lists: &PerList<Vec<StoredEntry>>, stream: &Stream, stream_bytes: usize, log_bytes: i64) -> u64 {
    const FIXED: u64 = 256;
    // Names, quotes, numbers, hash and `_id` of an entry, and names and the hash's hex form of an emitted state.
    const ENTRY: u64 = 200;
    const EMITTED: u64 = 100;
    let entry_bytes = |stored: &StoredEntry| {
        ENTRY + stored.payload_bytes + (stored.entry.pass_uuid.len() + stored.entry.status.len()) as u64
    };
    let entries: u64 = List::BOTH.into_iter().flat_map(|list| lists.of(list)).map(entry_bytes).sum();
    let stream = stream_bytes as u64 + EMITTED * stream.emitted.len() as u64;
    FIXED + entries + stream + log_bytes.cast_unsigned()
}
