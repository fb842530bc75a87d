//! What records mean: one module a pipeline.

pub mod batcher;
pub mod parking_events;
pub mod passes;
pub mod ticks;
pub mod token_changes;
