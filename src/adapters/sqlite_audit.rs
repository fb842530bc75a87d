//! The logs that auditors and support read, in the embedded store: an entry is a JSON object with the fields that it has
//! in `MongoDB`, dates as RFC 3339.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::sqlite_store::{Store, StoreError, Tx};
use crate::{
    domain::audit::{StatusEntry, TicketEntry},
    ports::{AuditLogs, Dependency, PortError},
};

/// The embedded logs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteAudit {
    store: Store,
}

/// Entries deleted in one transaction at most, so that other writers get their turn.
const REMOVED_AT_ONCE: i64 = 500;

/// An entry as it is stored: its id, its time and its text.
type Row = (String, i64, String);

impl SqliteAudit {
    /// Logs in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The entry of an event as JSON text.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn ticket(&self, id: &str) -> Result<Option<String>, PortError> {
        self.entry("SELECT entry FROM tickets_log WHERE id = ?", id).await
    }

    /// The entry of a check as JSON text.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn check(&self, id: &str) -> Result<Option<String>, PortError> {
        self.entry("SELECT entry FROM status_log WHERE id = ?", id).await
    }

    async fn entry(&self, select: &'static str, id: &str) -> Result<Option<String>, PortError> {
        let found = async {
            let mut reader = self.store.reader().await?;
            Ok(sqlx::query_scalar(select).bind(id).fetch_optional(&mut *reader).await?)
        };
        found.await.map_err(|error: StoreError| failed(error, format!("reading entry {id} of a log")))
    }

    async fn put(&self, insert: &'static str, rows: Vec<Row>) -> Result<(), PortError> {
        let doing = format!("adding {} entries to a log", rows.len());
        let put = self.store.write(move |tx| Box::pin(async move { put(tx, insert, &rows).await })).await;
        put.map_err(|error| failed(error, doing))
    }
}

fn failed(error: StoreError, doing: impl Into<String>) -> PortError {
    error.while_doing(Dependency::Documents, doing)
}

async fn put(tx: &mut Tx, insert: &'static str, rows: &[Row]) -> Result<(), StoreError> {
    for (id, at_ms, entry) in rows {
        sqlx::query(insert).bind(id).bind(at_ms).bind(entry).execute(&mut tx.connection).await?;
    }
    Ok(())
}

#[async_trait]
impl AuditLogs for SqliteAudit {
    async fn add_tickets(&self, entries: &[TicketEntry]) -> Result<(), PortError> {
        let rows = entries.iter().map(|entry| (entry.id.clone(), entry.at_ms, ticket(entry).to_string()));
        self.put("INSERT INTO tickets_log VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows.collect()).await
    }

    async fn add_checks(&self, entries: &[StatusEntry]) -> Result<(), PortError> {
        let rows = entries.iter().map(|entry| (entry.id.clone(), entry.at_ms, check(entry).to_string()));
        self.put("REPLACE INTO status_log VALUES (?, ?, ?)", rows.collect()).await
    }

    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError> {
        let mut removed = 0;
        for delete in [
            "DELETE FROM tickets_log WHERE id IN (SELECT id FROM tickets_log WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
            "DELETE FROM status_log WHERE id IN (SELECT id FROM status_log WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
        ] {
            loop {
                let step = self.store.write(move |tx| Box::pin(remove_some(tx, delete, before_ms))).await;
                match step.map_err(|error| failed(error, "deleting old entries of a log"))? {
                    0 => break,
                    step => removed += step,
                }
            }
        }
        Ok(removed)
    }
}

async fn remove_some(tx: &mut Tx, delete: &'static str, before_ms: i64) -> Result<u64, StoreError> {
    let removed = sqlx::query(delete).bind(before_ms).bind(REMOVED_AT_ONCE).execute(&mut tx.connection).await?;
    Ok(removed.rows_affected())
}

fn ticket(entry: &TicketEntry) -> Value {
    json!({
        "_id": entry.id,
        "user_id": entry.user_id.get(),
        "timestamp": entry.at_ms.div_euclid(1000),
        "created_at": time(entry.at_ms),
        "uuid": entry.uuid,
        "status": entry.status,
        "change": entry.change,
        "before": entry.before,
        "after": entry.after,
    })
}

fn check(entry: &StatusEntry) -> Value {
    let expires_at = entry.expiry.map(|(at_ms, _)| time(at_ms));
    json!({
        "_id": entry.id,
        "cache_key": entry.pass_uuid,
        "user_id": entry.user_id.get(),
        "timestamp": time(entry.at_ms),
        "status": entry.finding.status(),
        "pass_status_change": entry.change(),
        "expiration_check": {
            "expires_at": expires_at,
            "from": entry.expiry.map(|(_, origin)| origin.as_str()),
            "expired": entry.is_past(),
        },
        "validation_result": {
            "valid": entry.is_valid(),
            "expires_at": expires_at,
            "current_status": entry.status,
        },
        "error_details": entry.finding.details(),
        "check_duration": entry.took_us as f64 / 1000.0,
    })
}

/// `2026-11-20T10:00:00.000Z`.
fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}
