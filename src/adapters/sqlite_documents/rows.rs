//! Reads documents.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    document_id,
    head_codec::{StoredEntry, decode_entries, decode_stream},
};
use crate::{
    adapters::sqlite_store::{Store, StoreError, json_array},
    domain::{
        cache::{Entry, Epoch, Head, List, PerList, Stream},
        user_id::UserId,
    },
    ports::Payloads,
};

/// A document without payloads and logs, as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) user_id: i64,
    pub(super) timestamp: i64,
    pub(super) document_version: i64,
    pub(super) version: i64,
    pub(super) fence: i64,
    pub(super) log_bytes: i64,
    entries: Vec<u8>,
    stream: Vec<u8>,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            user_id: row.try_get(0)?,
            timestamp: row.try_get(1)?,
            document_version: row.try_get(2)?,
            version: row.try_get(3)?,
            fence: row.try_get(4)?,
            log_bytes: row.try_get(5)?,
            entries: row.try_get(6)?,
            stream: row.try_get(7)?,
        })
    }
}

impl Row {
    pub(super) fn entries(&mut self) -> Result<PerList<Vec<StoredEntry>>, StoreError> {
        decode_entries(std::mem::take(&mut self.entries))
    }

    pub(super) fn stream(&mut self) -> Result<Stream, StoreError> {
        let stream = decode_stream(std::mem::take(&mut self.stream))?;
        // The hot path moves the version of the row alone.
        Ok(Stream { version: self.version.cast_unsigned(), ..stream })
    }

    fn into_head(mut self) -> Result<Head, StoreError> {
        let lists = self.entries()?;
        self.head_of(lists)
    }

    fn head_of(mut self, PerList { passes, passes4 }: PerList<Vec<StoredEntry>>) -> Result<Head, StoreError> {
        let user_id = user(self.user_id)?;
        Ok(Head {
            user_id,
            id: document_id(user_id),
            timestamp: self.timestamp,
            document_version: Some(self.document_version),
            lists: PerList { passes: plain(passes), passes4: plain(passes4) },
            stream: Some(self.stream()?),
            fence: Epoch(self.fence.cast_unsigned()),
        })
    }
}

fn plain(entries: Vec<StoredEntry>) -> Vec<Entry> {
    entries.into_iter().map(|stored| stored.entry).collect()
}

fn user(number: i64) -> Result<UserId, StoreError> {
    UserId::new(number).map_err(|error| StoreError::refused(format!("a stored user is damaged: {error}")))
}

pub(super) async fn rows(
    connection: &mut SqliteConnection,
    users: impl Iterator<Item = UserId>,
) -> Result<Vec<Row>, StoreError> {
    // In the order of `from_row`.
    let rows = sqlx::query_as(
        "SELECT user_id, timestamp, document_version, version, fence, log_bytes, entries, stream \
         FROM cache_state JOIN cache_heads USING (user_id) WHERE user_id IN (SELECT value FROM json_each(?))",
    );
    Ok(rows.bind(json_array(users.map(UserId::get))).fetch_all(connection).await?)
}

pub(super) async fn heads(store: &Store, users: &[UserId]) -> Result<Vec<Option<Head>>, StoreError> {
    let rows = rows(&mut *store.reader().await?, users.iter().copied()).await?;
    let mut by_user = HashMap::with_capacity(rows.len());
    for row in rows {
        by_user.insert(row.user_id, row.into_head()?);
    }
    // Cloned, since a caller may name a user twice.
    let mut left: HashMap<UserId, usize> = HashMap::new();
    for user in users {
        *left.entry(*user).or_default() += 1;
    }
    let head = |user: &UserId| match left.get_mut(user) {
        Some(times) if *times > 1 => {
            *times -= 1;
            by_user.get(&user.get()).cloned()
        }
        _ => by_user.remove(&user.get()),
    };
    Ok(users.iter().map(head).collect())
}

/// Heads and payloads of one snapshot.
pub(super) async fn wholes(store: &Store, users: &[UserId]) -> Result<Vec<Option<(Head, Payloads)>>, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let mut by_user = HashMap::new();
    for mut row in rows(&mut snapshot, users.iter().copied()).await? {
        let lists = row.entries()?;
        let ids: Vec<i64> = List::BOTH.iter().flat_map(|list| lists.of(*list)).map(|it| it.payload_id).collect();
        let stored = payloads(&mut snapshot, &ids).await?;
        let of = |list| lists.of(list).iter().map(|entry| stored.get(&entry.payload_id).cloned()).collect();
        let payloads = PerList { passes: of(List::Passes), passes4: of(List::Passes4) };
        by_user.insert(user(row.user_id)?, (row.head_of(lists)?, payloads));
    }
    Ok(users.iter().map(|user| by_user.get(user).cloned()).collect())
}

/// The head and the payload come from one snapshot: the payload's row may be another's a moment later.
pub(super) async fn payload(
    store: &Store,
    user: UserId,
    list: List,
    pass_uuid: &str,
) -> Result<Option<Bytes>, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let Some(mut row) = rows(&mut snapshot, [user].into_iter()).await?.pop() else { return Ok(None) };
    let lists = row.entries()?;
    let Some(stored) = lists.of(list).iter().find(|stored| stored.entry.pass_uuid == pass_uuid) else {
        return Ok(None);
    };
    Ok(payloads(&mut snapshot, &[stored.payload_id]).await?.remove(&stored.payload_id))
}

/// Payloads by their rows.
pub(super) async fn payloads(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Bytes>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT id, payload FROM cache_payloads WHERE id IN (SELECT value FROM json_each(?))")
            .bind(json_array(ids.iter().copied()))
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(id, payload)| (id, Bytes::from(payload))).collect())
}

pub(super) async fn users(store: &Store, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, StoreError> {
    let numbers: Vec<i64> =
        sqlx::query_scalar("SELECT user_id FROM cache_state WHERE user_id > ? ORDER BY user_id LIMIT ?")
            .bind(after.map_or(0, UserId::get))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *store.reader().await?)
            .await?;
    numbers.into_iter().map(user).collect()
}
