//! Retention in the embedded store: what a broker would do by itself.

use std::time::Duration;

use super::Store;
use crate::{domain::record::TopicName, settings::Names};

const DAY_MS: i64 = 86_400_000;
/// Topics that only hand work on.
const SHORT_MS: i64 = 7 * DAY_MS;
/// Topics that people look into: events and dead letters.
const LONG_MS: i64 = 365 * DAY_MS;
const EVERY: Duration = Duration::from_hours(1);

/// Removes what is older than the retention of its topic, now and every hour. The topic of token changes is kept whole,
/// as a compacted one would keep each row.
pub(super) async fn keep(store: Store, names: Names) {
    let topics = [
        (names.ticks, SHORT_MS),
        (names.requests, SHORT_MS),
        (names.retry, SHORT_MS),
        (names.parking, SHORT_MS),
        (names.ticket_changed, LONG_MS),
        (names.dead_letters, LONG_MS),
    ];
    loop {
        for (topic, retention_ms) in &topics {
            let before_ms = jiff::Timestamp::now().as_millisecond() - retention_ms;
            match store.catalog.trim(&TopicName::from(topic.as_str()), before_ms).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(topic, removed, "old records removed"),
                Err(error) => tracing::warn!(topic, %error, "cannot remove old records now"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
