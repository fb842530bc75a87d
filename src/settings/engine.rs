use std::time::Duration;

use super::{
    durations::{days, hours, mebibytes, millis, minutes, seconds},
    table::Table,
};

/// How a pipeline's records are consumed: the settings that every pipeline has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Where records go that can never be handled.
    pub dead_letter_topic: String,
    /// Records in flight, of each partition.
    pub window: usize,
    /// Bytes of records in flight, of the whole pipeline. A single larger record still passes, alone.
    pub window_bytes: u64,
    /// Records whose outputs and offsets go into one transaction, at most.
    pub commit_batch_max: usize,
    /// How often a record is tried before it counts as impossible to handle.
    pub handle_attempts: u32,
    /// The first pause before a record or fetch is tried again; it doubles, with jitter.
    pub retry_backoff_min: Duration,
    /// The longest such pause.
    pub retry_backoff_max: Duration,
    /// The first pause between probes of a dependency that is down; it doubles, with jitter.
    pub probe_backoff_min: Duration,
    /// The longest such pause.
    pub probe_backoff_max: Duration,
    /// How long what is in flight may take at a stop or rebalance before it is abandoned.
    pub drain_timeout: Duration,
    /// A loop that did not move for so long is no longer alive to the liveness check.
    pub stall_after: Duration,
}

impl Engine {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let engine = Self {
            dead_letter_topic: table.topic("dead_letter_topic", "passflow.dead-letters"),
            window: table.number("window", "records a partition", 256, 1..=65_536),
            window_bytes: table.size("window_bytes", mebibytes(16), mebibytes(1)..=mebibytes(16 * 1024)),
            commit_batch_max: table.number("commit_batch_max", "records", 1000, 1..=100_000),
            handle_attempts: table.number("handle_attempts", "attempts", 5, 1..=1000),
            retry_backoff_min: table.duration("retry_backoff_min", millis(100), millis(1)..=minutes(1)),
            retry_backoff_max: table.duration("retry_backoff_max", seconds(10), millis(1)..=hours(1)),
            probe_backoff_min: table.duration("probe_backoff_min", millis(200), millis(1)..=minutes(1)),
            probe_backoff_max: table.duration("probe_backoff_max", seconds(10), millis(1)..=hours(1)),
            drain_timeout: table.duration("drain_timeout", seconds(10), millis(0)..=minutes(10)),
            stall_after: table.duration("stall_after", seconds(60), seconds(1)..=days(1)),
        };
        for (name, min, max) in [
            ("retry_backoff", engine.retry_backoff_min, engine.retry_backoff_max),
            ("probe_backoff", engine.probe_backoff_min, engine.probe_backoff_max),
        ] {
            if min > max {
                table.complain_of_all(format!("`{name}_min` is greater than `{name}_max`"));
            }
        }
        engine
    }
}
