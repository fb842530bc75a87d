//! What the contract says of the pipelines, rule by rule: the real engine and the real pipelines over the in-memory
//! adapters, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may panic")]

mod bad_input;
mod dependencies;
mod documents;
mod documents_unusual;
mod engine;
mod fetching;
mod kit;
mod parking;
mod parking_chaos;
mod places;
#[path = "../kit/process.rs"]
mod process;
mod requests;
mod rereading;
mod sizes;
mod status;
mod ticks;
