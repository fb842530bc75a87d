//! The built binary against a Bytemark simulated over real HTTP: one test a story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod changes_by_hand;
mod demonstration;
mod patience;
#[path = "../process/mod.rs"]
mod process;
mod running;
mod secrets;
mod tickers;
mod token_changes;
