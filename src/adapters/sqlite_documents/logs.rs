//! The logs of a document: answers that were errors, the newest last.

use crate::{
    adapters::sqlite_store::{StoreError, Tx},
    domain::cache::{List, LogEntry},
    ports::Change,
};

/// A log with its new entry, not yet written.
pub(super) struct Grown {
    list: List,
    entries: String,
    /// Bytes that the document grows by; below 0 when the oldest entries went.
    pub(super) grows_by: i64,
}

pub(super) async fn grown(tx: &mut Tx, user: i64, change: &Change) -> Result<Vec<Grown>, StoreError> {
    let mut grown = Vec::new();
    for list in List::BOTH {
        let Some(entry) = change.logs.of(list) else { continue };
        let old: Option<String> = sqlx::query_scalar("SELECT entries FROM cache_logs WHERE user_id = ? AND list = ?")
            .bind(user)
            .bind(list as i64)
            .fetch_optional(&mut tx.connection)
            .await?;
        let entries = with(old.as_deref().unwrap_or("[]"), entry, change.log_max)
            .map_err(|error| StoreError::refused(format!("the log of user {user} is damaged: {error}")))?;
        let grows_by = bytes(&entries) - old.as_deref().map_or(0, bytes);
        grown.push(Grown { list, entries, grows_by });
    }
    Ok(grown)
}

fn bytes(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

fn with(old: &str, entry: &LogEntry, log_max: usize) -> Result<String, serde_json::Error> {
    let mut entries: Vec<LogEntry> = serde_json::from_str(old)?;
    entries.push(entry.clone());
    let surplus = entries.len().saturating_sub(log_max);
    entries.drain(..surplus);
    serde_json::to_string(&entries)
}

pub(super) async fn write(tx: &mut Tx, user: i64, logs: Vec<Grown>) -> Result<(), StoreError> {
    for log in logs {
        sqlx::query("REPLACE INTO cache_logs VALUES (?, ?, ?)")
            .bind(user)
            .bind(log.list as i64)
            .bind(log.entries)
            .execute(&mut tx.connection)
            .await?;
    }
    Ok(())
}
