//! Parking events in the embedded store, a row each.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::sqlite_store::{Store, StoreError, Tx};
use crate::{
    domain::parking::{ParkingEvent, StoredEvent},
    ports::{Dependency, ParkingEvents, PortError, Stored},
};

/// The embedded parking events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteParking {
    store: Store,
    document_max_bytes: u64,
}

/// Events deleted in one transaction at most, so that other writers get their turn.
const REMOVED_AT_ONCE: i64 = 500;

impl SqliteParking {
    /// Events in `store`; none becomes larger than `document_max_bytes` (of JSON), usually `MongoDB`'s limit.
    pub fn new(store: Store, document_max_bytes: u64) -> Self {
        Self { store, document_max_bytes }
    }
}

fn failed(error: StoreError, doing: impl Into<String>) -> PortError {
    error.while_doing(Dependency::Documents, doing)
}

#[async_trait]
impl ParkingEvents for SqliteParking {
    async fn store(&self, events: &[Arc<ParkingEvent>]) -> Result<Vec<Stored>, PortError> {
        let doing = format!("storing {} parking events", events.len());
        let (events, max_bytes) = (events.to_vec(), self.document_max_bytes);
        let stored = self.store.write(move |tx| {
            Box::pin(async move {
                let mut answers = Vec::with_capacity(events.len());
                for event in &events {
                    answers.push(add(tx, event, max_bytes).await?);
                }
                Ok(answers)
            })
        });
        stored.await.map_err(|error| failed(error, doing))
    }

    async fn event(&self, id: &str) -> Result<Option<String>, PortError> {
        let row = async {
            let mut reader = self.store.reader().await?;
            let row: Option<Row> = sqlx::query_as(SELECT).bind(id).fetch_optional(&mut *reader).await?;
            row.map(|row| stored_event(row, id)).transpose()
        };
        let found = row.await.map_err(|error| failed(error, format!("reading parking event {id}")))?;
        Ok(found.map(|event| event.document_json(id)))
    }

    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError> {
        let mut removed = 0;
        loop {
            let step = self.store.write(move |tx| Box::pin(async move { remove_some(tx, before_ms).await })).await;
            match step.map_err(|error| failed(error, "deleting old parking events"))? {
                0 => return Ok(removed),
                step => removed += step,
            }
        }
    }
}

type Row = (i64, i64, i64, String, String);

const SELECT: &str = "SELECT version, created_at_ms, updated_at_ms, origins, fields FROM parking_events WHERE id = ?";

fn stored_event(
    (version, created_at_ms, updated_at_ms, origins, fields): Row,
    id: &str,
) -> Result<StoredEvent, StoreError> {
    let damaged = |error: String| StoreError::refused(format!("the stored parking event {id} is damaged: {error}"));
    Ok(StoredEvent {
        version: version.cast_unsigned(),
        fields: StoredEvent::fields_in(&Bytes::from(fields)).map_err(|error| damaged(error.to_string()))?,
        origins: serde_json::from_str(&origins).map_err(|error| damaged(error.to_string()))?,
        created_at_ms,
        updated_at_ms,
    })
}

/// All writes of a process go through one transaction at a time, so what was read is what is there.
async fn add(tx: &mut Tx, event: &ParkingEvent, max_bytes: u64) -> Result<Stored, StoreError> {
    let row: Option<Row> = sqlx::query_as(SELECT).bind(&event.id).fetch_optional(&mut tx.connection).await?;
    let stored = row.map(|row| stored_event(row, &event.id)).transpose()?.unwrap_or_default();
    let Some(changed) = stored.with(event) else { return Ok(Stored::Already) };
    let fields = changed.fields_json();
    if (fields.len() + event.id.len()) as u64 > max_bytes {
        return Ok(Stored::TooLarge);
    }
    let origins = serde_json::to_string(&changed.origins).map_err(|error| StoreError::refused(error.to_string()))?;
    sqlx::query("REPLACE INTO parking_events VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&event.id)
        .bind(changed.version.cast_signed())
        .bind(changed.created_at_ms)
        .bind(changed.updated_at_ms)
        .bind(origins)
        .bind(fields)
        .execute(&mut tx.connection)
        .await?;
    Ok(Stored::Yes)
}

async fn remove_some(tx: &mut Tx, before_ms: i64) -> Result<u64, StoreError> {
    let removed = sqlx::query(
        "DELETE FROM parking_events WHERE id IN \
         (SELECT id FROM parking_events WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?)",
    )
    .bind(before_ms)
    .bind(REMOVED_AT_ONCE)
    .execute(&mut tx.connection)
    .await?;
    Ok(removed.rows_affected())
}
