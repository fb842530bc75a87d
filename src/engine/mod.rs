//! The engine: one consumer loop for every pipeline.
//!
//! Records of each assigned partition lie in a [`window`] while they are handled; those of one key in order, different
//! keys at once. The outputs of finished records wait until every earlier record of their partition is finished too;
//! then outputs and the new position are committed together (`commit`). Whoever is given a partition takes an epoch and
//! proves the ownership before the first record (`take`). When a dependency is away, consumption waits and one record
//! probes it ([`suspension`]). What can never be handled becomes a dead letter ([`dead_letter`]).

use std::time::Duration;

mod commit;
mod consumer_loop;
pub mod dead_letter;
mod events;
mod found;
pub mod handler;
mod marks;
mod membership;
mod partitions;
pub mod progress;
pub mod record_sizes;
mod start;
pub mod suspension;
mod take;
mod tasks;
mod turns;
pub mod until_end;
pub mod window;

pub use consumer_loop::{Engine, Parts};

/// Limits and delays of one pipeline's loop.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Records in flight a partition.
    pub window: usize,
    /// Bytes of records and outputs in flight, over all partitions; each partition may have one record beyond it.
    pub window_bytes: usize,
    /// Records that are being handled at once.
    pub concurrency: usize,
    /// Bytes of outputs in one commit; one record's outputs may be more.
    pub commit_bytes: usize,
    /// Turns of a record that may fail before it is a dead letter.
    pub handle_attempts: u32,
    /// Delay before a failed turn is repeated; doubled each time up to ten times this, with jitter.
    pub retry_backoff: Duration,
    /// Delay before a dependency that is away is tried again; doubled each time up to `probe_max`, with jitter.
    pub probe_min: Duration,
    /// The longest such delay.
    pub probe_max: Duration,
    /// How long a shutdown waits for records in flight.
    pub drain: Duration,
    /// How long nothing may move while records are in flight, before it is reported.
    pub stall_after: Duration,
    /// How often the committed marks are kept beside the epoch counter.
    pub marks_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 128,
            window_bytes: 8 << 20,
            concurrency: 128,
            commit_bytes: 2 << 20,
            handle_attempts: 5,
            retry_backoff: Duration::from_millis(100),
            probe_min: Duration::from_millis(250),
            probe_max: Duration::from_secs(15),
            drain: Duration::from_secs(10),
            stall_after: Duration::from_secs(60),
            marks_every: Duration::from_secs(10),
        }
    }
}
