//! The hot path: refreshes that found nothing new write a time and a fence, many users in one statement.

use std::collections::HashSet;

use crate::{
    adapters::sqlite_store::{StoreError, Tx, for_rows},
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
        let users = update(tx, chunk, rows).await?;
        applied.extend(chunk.iter().map(|touch| users.contains(&touch.user.get())));
    }
    Ok(applied)
}

/// The users whose documents matched. Only the statement itself can tell: what another write of the same owner left may
/// look just like what this one wanted. Rows without values match nobody.
async fn update(tx: &mut Tx, chunk: &[Touch], rows: usize) -> Result<HashSet<i64>, StoreError> {
    const UPDATE: &str = " UPDATE cache_state SET timestamp = coalesce(touch.timestamp, cache_state.timestamp), \
        version = cache_state.version + (touch.timestamp IS NOT NULL), \
        fence = touch.epoch FROM touch WHERE cache_state.user_id = touch.user_id \
        AND cache_state.version = touch.version AND cache_state.document_version = touch.document_version \
        AND cache_state.fence <= touch.epoch RETURNING user_id";
    let sql = for_rows(
        "WITH touch (user_id, timestamp, version, document_version, epoch) AS (VALUES ",
        rows,
        5,
        &format!("){UPDATE}"),
    );
    let mut query = sqlx::query_as(sql);
    for touch in chunk {
        query = query.bind(touch.user.get()).bind(touch.timestamp);
        query = query.bind(touch.version).bind(touch.document_version).bind(touch.epoch.0.cast_signed());
    }
    let users: Vec<(i64,)> = query.fetch_all(&mut tx.connection).await?;
    Ok(users.into_iter().map(|(user,)| user).collect())
}
