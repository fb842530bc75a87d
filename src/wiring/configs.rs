//! Settings as engine and pipelines take them.

use crate::{
    domain::{parking::Rules, record::TopicName, status_check, token_change::TableNames},
    engine::{Limits, record_sizes::RecordSizes},
    pipelines::{
        passes::{self, fetch::FetchLimits, gate::GateLimits, room::BYTES_MAX},
        ticks,
        token_changes::TokenChanges,
    },
    settings,
};

fn topic(name: &str) -> TopicName {
    TopicName::from(name)
}

/// On a machine whose addresses are narrower, all the memory there is will do.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// A pipeline's loop.
pub fn limits(engine: &settings::Engine) -> Limits {
    Limits {
        window: engine.window,
        window_bytes: bytes(engine.window_bytes),
        concurrency: engine.concurrency,
        commit_bytes: bytes(engine.commit_bytes),
        handle_attempts: engine.handle_attempts,
        retry_backoff: engine.retry_backoff,
        probe_min: engine.probe_backoff_min,
        probe_max: engine.probe_backoff_max,
        drain: engine.drain_timeout,
        stall_after: engine.stall_after,
        ..Limits::default()
    }
}

/// The pipeline of token changes.
pub fn token_changes(settings: &settings::TokenChanges, sizes: RecordSizes) -> TokenChanges {
    TokenChanges {
        table: TableNames {
            database: settings.database.clone(),
            table: settings.table.clone(),
            user_id_column: settings.user_id_column.clone(),
            token_column: settings.token_column.clone(),
            added_field_prefix: settings.flattened_prefix.clone(),
        },
        requests_topic: topic(&settings.requests_topic),
        sizes,
    }
}

/// What is done with the fields of parking events.
pub fn parking_rules(settings: &settings::ParkingEvents) -> Rules {
    Rules::new(&settings.masked_fields)
}

/// The pipeline of ticks.
pub fn ticks(settings: &settings::Ticks, sizes: RecordSizes) -> ticks::Config {
    ticks::Config {
        requests_topic: topic(&settings.requests_topic),
        requests_group: settings.requests_group.clone(),
        max_age: settings.max_age,
        spread: settings.spread,
        ahead: settings.ahead,
        page: settings.page,
        sizes,
    }
}

/// The pipeline of passes, in `group`, whose topic has so many partitions.
pub fn passes(settings: &settings::Passes, group: &str, partitions: u32) -> passes::Config {
    passes::Config {
        group: group.to_owned(),
        topic: topic(&settings.topic),
        partitions,
        retry_topic: topic(&settings.retry_topic),
        ticket_changed_topic: topic(&settings.ticket_changed_topic),
        freshness: settings.freshness,
        freshness_slack: settings.freshness_slack,
        error_log_max: settings.error_log_max,
        retry_delay: settings.retry_delay,
        retry_rounds: settings.retry_rounds,
        tick_max_age: settings.tick_max_age,
        purge_without_token: settings.on_token_removed == settings::OnTokenRemoved::Purge,
        free_ticket_products: settings.free_ticket_products.clone(),
        status_rules: status_check::Rules {
            day_passes: settings.day_pass_rules.clone(),
            zone: settings.time_zone.clone(),
        },
        logs_all_checks: settings.status_log == settings::StatusLog::All,
        cas_attempts: settings.cas_attempts,
    }
}

/// Fetches of passes.
pub fn fetch_limits(fetching: &settings::Fetching) -> FetchLimits {
    FetchLimits {
        history_per_page: fetching.history_per_page,
        history_pages_max: fetching.history_pages_max,
        reread_max: fetching.reread_max,
        attempts: fetching.fetch_attempts,
        backoff: fetching.fetch_backoff_min,
        backoff_max: fetching.fetch_backoff_max,
        depth_max: fetching.depth_max,
        bytes_max: BYTES_MAX,
    }
}

/// The way to the API.
pub fn gate_limits(fetching: &settings::Fetching) -> GateLimits {
    GateLimits {
        max_in_flight: fetching.max_in_flight,
        requests_per_second: fetching.requests_per_second,
        retry_after_max: fetching.retry_after_max,
        down_after: fetching.circuit_failures,
    }
}
