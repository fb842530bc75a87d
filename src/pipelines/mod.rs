//! What records mean: one module a pipeline.

pub mod batcher;
pub mod passes;
pub mod ticks;
pub mod token_changes;

use crate::domain::record::{Headers, Record};

/// The trace that a record belongs to, for the records that follow from it.
fn trace_of(record: &Record) -> Headers {
    record.headers.iter().filter(|(name, _)| name == "traceparent").take(1).cloned().collect()
}
