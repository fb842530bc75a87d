//! What passflow knows: pure functions and values, without I/O, clock or environment.

pub mod audit;
pub mod cache;
pub mod day_pass;
pub mod diff;
pub mod envelope;
pub mod js_json;
pub mod json;
pub mod life;
pub mod masking;
pub mod merge;
pub mod object_id;
pub mod parking;
pub mod partitioner;
pub mod payload_hash;
pub mod poison;
pub mod record;
pub mod request;
pub mod status_check;
pub mod tick;
pub mod ticket_changed;
pub mod token;
pub mod token_change;
pub mod user_id;
pub mod vendor_time;
