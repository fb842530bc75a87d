//! The hot path: refreshes that found nothing new write a time and a fence, many users in one statement.

use std::collections::HashMap;

use crate::{
    adapters::sqlite_store::{StoreError, Tx, for_rows, json_array},
    domain::{cache::Epoch, user_id::UserId},
};

/// A write of time and fence to the document that had this version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) user: UserId,
    /// `None` leaves it.
    pub(super) timestamp: Option<i64>,
    pub(super) version: i64,
    pub(super) document_version: i64,
    pub(super) epoch: Epoch,
}

/// Rows of one statement: two texts in the statement cache, however many users come.
const MANY: usize = 50;

/// Applies those that match; tells for each, in order.
pub(super) async fn apply(tx: &mut Tx, touches: &[Touch]) -> Result<Vec<bool>, StoreError> {
    let mut applied = Vec::with_capacity(touches.len());
    for chunk in touches.chunks(MANY) {
        let rows = if chunk.len() == 1 { 1 } else { MANY };
        let changed = update(tx, chunk, rows).await?;
        if changed == chunk.len() as u64 {
            applied.resize(applied.len() + chunk.len(), true);
        } else {
            applied.extend(find_applied(tx, chunk).await?);
        }
    }
    Ok(applied)
}

/// Rows without values match nobody.
async fn update(tx: &mut Tx, chunk: &[Touch], rows: usize) -> Result<u64, StoreError> {
    const UPDATE: &str = " UPDATE cache_state SET timestamp = coalesce(touch.timestamp, cache_state.timestamp), \
        fence = touch.epoch FROM touch WHERE cache_state.user_id = touch.user_id \
        AND cache_state.version = touch.version AND cache_state.document_version = touch.document_version \
        AND cache_state.fence <= touch.epoch";
    let sql = for_rows(
        "WITH touch (user_id, timestamp, version, document_version, epoch) AS (VALUES ",
        rows,
        5,
        &format!("){UPDATE}"),
    );
    let mut query = sqlx::query(sql);
    for touch in chunk {
        query = query.bind(touch.user.get()).bind(touch.timestamp);
        query = query.bind(touch.version).bind(touch.document_version).bind(touch.epoch.0.cast_signed());
    }
    Ok(query.execute(&mut tx.connection).await?.rows_affected())
}

/// A document that was touched has the versions and the very epoch; one that was not differs in one of them, or its
/// fence is higher.
async fn find_applied(tx: &mut Tx, chunk: &[Touch]) -> Result<Vec<bool>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT user_id, version, document_version, fence FROM cache_state \
         WHERE user_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_array(chunk.iter().map(|touch| touch.user.get())))
    .fetch_all(&mut tx.connection)
    .await?;
    let states: HashMap<i64, _> = rows
        .into_iter()
        .map(|(user, version, document_version, fence)| (user, (version, document_version, fence)))
        .collect();
    let is_applied = |touch: &Touch| {
        let wanted = (touch.version, touch.document_version, touch.epoch.0.cast_signed());
        states.get(&touch.user.get()) == Some(&wanted)
    };
    Ok(chunk.iter().map(is_applied).collect())
}
