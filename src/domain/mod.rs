//! What passflow knows: pure functions and values, without I/O, clock or environment.

pub mod cache;
pub mod object_id;
pub mod partitioner;
pub mod payload_hash;
pub mod record;
pub mod ticket_changed;
pub mod token;
pub mod user_id;
