//! The simulated Bytemark, in process and over HTTP.
#![allow(clippy::unwrap_used, clippy::panic)]

mod answers;
mod api;
mod faults;
mod http;
mod pages;
mod truth;
