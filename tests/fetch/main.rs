//! Fetching a rider's passes, in virtual time: pages, moves, retries, limits, and what is said of failures.
#![allow(clippy::unwrap_used, clippy::panic)]

mod active;
mod api;
mod failures;
mod limits;
mod memory;
mod moves;
mod pages;
mod retries;
