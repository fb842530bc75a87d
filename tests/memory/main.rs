//! The memory adapters' own rules: what a broker, a store and a vendor do to a process that is stopped, killed, or
//! unlucky.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod api;
mod calls;
mod documents;
mod groups;
mod kit;
mod reading;
mod same_seed;
mod tokens;
mod transactions;
