//! The built binary as people use it: arguments, exit codes, what it prints where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may panic")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod hash;
mod kit;
#[path = "../process/ran.rs"]
mod ran;
mod records;
mod settings;
mod tokens;
mod usage;
