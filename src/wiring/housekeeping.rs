//! What goes on beside the pipelines: retention in the embedded store, as a broker would keep it by itself, and the
//! indexes of the documents.

use std::time::Duration;

use super::{Store, plans, servers};
use crate::settings::{Connections, Names};

const EVERY: Duration = Duration::from_hours(1);

/// Keeps house until it is ended.
pub(super) async fn keep(store: Store, connections: Connections, names: Names) {
    if !connections.servers.is_any() {
        return keep_retention(store, names).await;
    }
    let Some(uri) = &connections.servers.mongodb else { return };
    match servers::documents(uri.expose(), &names).await {
        Ok(documents) => servers::ensure_indexes(&documents).await,
        Err(error) => tracing::warn!(%error, "cannot look at the indexes"),
    }
}

/// Removes what is older than the retention of its topic, now and every hour. The topic of token changes is kept whole,
/// as a compacted one would keep each row.
async fn keep_retention(store: Store, names: Names) {
    loop {
        for plan in plans(&names) {
            let Some(retention_ms) = plan.retention_ms else { continue };
            let before_ms = jiff::Timestamp::now().as_millisecond() - retention_ms;
            match store.catalog.trim(&plan.topic, before_ms).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(topic = %plan.topic, removed, "old records removed"),
                Err(error) => tracing::warn!(topic = %plan.topic, %error, "cannot remove old records now"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
