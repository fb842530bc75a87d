use std::time::Duration;

use super::{
    durations::{days, hours, mebibytes, millis, minutes, seconds},
    kind::KindName,
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
    /// Records handled at once, of the whole pipeline.
    pub concurrency: usize,
    /// Bytes of outputs in one transaction; one record's outputs may be more.
    pub commit_bytes: u64,
    /// How often a record is tried before it counts as impossible to handle.
    pub handle_attempts: u32,
    /// The first pause before a record is tried again; it doubles, up to ten times this, with jitter.
    pub retry_backoff: Duration,
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
    pub(super) fn read(kind: KindName, table: &mut Table<'_>) -> Self {
        let (window, concurrency) = kind.in_flight();
        let engine = Self {
            dead_letter_topic: table.topic("dead_letter_topic", "passflow.dead-letters"),
            window: table.number("window", "records a partition", window, 1..=65_536),
            window_bytes: table.size("window_bytes", mebibytes(8), mebibytes(1)..=mebibytes(16 * 1024)),
            concurrency: table.number("concurrency", "records", concurrency, 1..=65_536),
            commit_bytes: table.size("commit_bytes", mebibytes(2), 1024..=mebibytes(1024)),
            handle_attempts: table.number("handle_attempts", "attempts", 5, 1..=1000),
            retry_backoff: table.duration("retry_backoff", millis(100), millis(1)..=minutes(10)),
            probe_backoff_min: table.duration("probe_backoff_min", millis(250), millis(1)..=minutes(1)),
            probe_backoff_max: table.duration("probe_backoff_max", seconds(15), millis(1)..=hours(1)),
            drain_timeout: table.duration("drain_timeout", seconds(10), millis(0)..=minutes(10)),
            stall_after: table.duration("stall_after", seconds(60), seconds(1)..=days(1)),
        };
        if engine.probe_backoff_min > engine.probe_backoff_max {
            table.complain_of_all("`probe_backoff_min` is greater than `probe_backoff_max`".to_owned());
        }
        engine
    }
}
