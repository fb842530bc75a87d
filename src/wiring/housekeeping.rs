//! What goes on beside the pipelines: retention in the embedded store, as a broker and MongoDB would keep it by
//! themselves, and the indexes of the documents.

use std::time::Duration;

use super::{Store, plans, retention::Retention, servers};
use crate::{
    ports::PortError,
    settings::{Connections, Names},
};

const EVERY: Duration = Duration::from_hours(1);
/// When indexes that could not be made are tried again.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// Keeps house until it is ended.
pub(super) async fn keep(store: Store, connections: Connections, names: Names, retention: Retention) {
    if !connections.servers.is_any() {
        return keep_retention(store, names, retention).await;
    }
    let Some(uri) = &connections.servers.mongodb else { return };
    let client = match servers::connect(uri.expose()).await {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "cannot look at the indexes"),
    };
    while !servers::ensure_indexes(&client, &names, &retention.kept).await {
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Removes what is older than the retention of its topic or table, now and every hour. The topic of token changes is
/// kept whole, as a compacted one would keep each row.
async fn keep_retention(store: Store, names: Names, retention: Retention) {
    loop {
        for plan in plans(&names) {
            let Some(retention_ms) = plan.retention_ms else { continue };
            match store.catalog.trim(&plan.topic, now_ms() - retention_ms).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(topic = %plan.topic, removed, "old records removed"),
                Err(error) => tracing::warn!(topic = %plan.topic, %error, "cannot remove old records now"),
            }
        }
        if let Some(ttl) = retention.parking {
            told("parking events", store.parking.remove_before(before(ttl)).await);
        }
        if let Some(ttl) = retention.logs {
            told("log entries", store.audit.remove_before(before(ttl)).await);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn told(what: &str, removed: Result<u64, PortError>) {
    match removed {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "old {what} removed"),
        Err(error) => tracing::warn!(%error, "cannot remove old {what} now"),
    }
}

/// ms since 1970, so long ago.
fn before(ttl: Duration) -> i64 {
    now_ms().saturating_sub(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
