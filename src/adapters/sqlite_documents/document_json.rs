//! A whole document as JSON text. Payloads and log values go in as they are stored, byte for byte.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{document_id, head_codec::StoredEntry, rows};
use crate::{
    adapters::sqlite_store::{Store, StoreError},
    domain::{
        cache::{List, LogEntry, Pending, PerList, TokenState, Told},
        payload_hash::PayloadHash,
        user_id::UserId,
    },
};

#[derive(Serialize)]
struct Document<'a> {
    _id: String,
    user_id: UserId,
    timestamp: i64,
    passes: Vec<Pass<'a>>,
    passes4: Vec<Pass<'a>>,
    #[serde(rename = "passesLog")]
    passes_log: Vec<Log<'a>>,
    #[serde(rename = "passes4Log")]
    passes4_log: Vec<Log<'a>>,
    __v: i64,
    stream: Stream<'a>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the published names")]
struct Pass<'a> {
    pass_uuid: &'a str,
    timestamp: i64,
    status: &'a str,
    free_ticket_status: i32,
    payload: &'a RawValue,
    payload_hash: PayloadHash,
    _id: &'a str,
}

#[derive(Serialize)]
struct Log<'a> {
    errors: &'a RawValue,
    server_time: &'a str,
    data: &'a RawValue,
    _id: &'a str,
}

#[derive(Serialize)]
struct Stream<'a> {
    version: u64,
    seq: u64,
    fence: u64,
    emitted: &'a [Told],
    pending: &'a [Pending],
    token: &'a TokenState,
}

pub(super) async fn read(store: &Store, user: UserId) -> Result<Option<String>, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let Some(mut row) = rows::rows(&mut snapshot, [user].into_iter()).await?.pop() else { return Ok(None) };
    let lists = row.entries()?;
    let ids: Vec<i64> = List::BOTH.iter().flat_map(|list| lists.of(*list)).map(|stored| stored.payload_id).collect();
    let payloads = rows::payloads(&mut snapshot, &ids).await?;
    let logs: Vec<(i64, String)> = sqlx::query_as("SELECT list, entries FROM cache_logs WHERE user_id = ?")
        .bind(user.get())
        .fetch_all(&mut *snapshot)
        .await?;
    drop(snapshot);
    let stream = row.stream()?;
    write(user, &row, &lists, &payloads, &decode_logs(logs)?, &stream)
        .map(Some)
        .map_err(|error| StoreError::refused(format!("the stored document is damaged: {error}")))
}

fn decode_logs(rows: Vec<(i64, String)>) -> Result<PerList<Vec<LogEntry>>, StoreError> {
    let mut logs = PerList::default();
    for (number, entries) in rows {
        let list = if number == List::Passes as i64 { List::Passes } else { List::Passes4 };
        *logs.of_mut(list) = serde_json::from_str(&entries)
            .map_err(|error| StoreError::refused(format!("the stored log is damaged: {error}")))?;
    }
    Ok(logs)
}

fn write(
    user: UserId,
    row: &rows::Row,
    lists: &PerList<Vec<StoredEntry>>,
    payloads: &HashMap<i64, Bytes>,
    logs: &PerList<Vec<LogEntry>>,
    stream: &crate::domain::cache::Stream,
) -> Result<String, serde_json::Error> {
    let passes = |list| lists.of(list).iter().map(|stored| pass(stored, payloads)).collect::<Result<_, _>>();
    let log = |list| logs.of(list).iter().map(log).collect::<Result<_, _>>();
    serde_json::to_string(&Document {
        _id: document_id(user),
        user_id: user,
        timestamp: row.timestamp,
        passes: passes(List::Passes)?,
        passes4: passes(List::Passes4)?,
        passes_log: log(List::Passes)?,
        passes4_log: log(List::Passes4)?,
        __v: row.document_version,
        stream: Stream {
            version: stream.version,
            seq: stream.seq,
            fence: row.fence.cast_unsigned(),
            emitted: &stream.emitted,
            pending: &stream.pending,
            token: &stream.token,
        },
    })
}

fn pass<'a>(stored: &'a StoredEntry, payloads: &'a HashMap<i64, Bytes>) -> Result<Pass<'a>, serde_json::Error> {
    let payload = payloads.get(&stored.payload_id).map_or(&b"null"[..], |payload| payload);
    Ok(Pass {
        pass_uuid: &stored.entry.pass_uuid,
        timestamp: stored.entry.timestamp,
        status: &stored.entry.status,
        free_ticket_status: stored.entry.free_ticket_status,
        payload: raw(payload)?,
        payload_hash: stored.entry.payload_hash,
        _id: &stored.entry.id,
    })
}

fn log(entry: &LogEntry) -> Result<Log<'_>, serde_json::Error> {
    Ok(Log {
        errors: raw(entry.errors.as_bytes())?,
        server_time: &entry.server_time,
        data: raw(entry.data.as_bytes())?,
        _id: &entry.id,
    })
}

/// Checks that it is one JSON value, so that a damaged one cannot break out of its place.
fn raw(json: &[u8]) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_slice(json)
}
