//! The ports in memory, with faults on a seed: what the engine and the pipelines are simulated on.
//!
//! Everything runs on one `current_thread` runtime with paused time, so time is virtual, nothing waits in vain, and the
//! same seed gives the same run, as long as what runs on them is deterministic as well: `select!` with `biased`, no
//! iteration over hash maps, no `watch` channel with several waiters (it wakes them in a random order), no other thread.
//!
//! A [`World`] is what all simulated processes share; a [`Chaos`] is one process: it can be frozen (`SIGSTOP`),
//! thawed and killed, and decides what becomes of each of its calls. [`MemoryCluster`], [`MemoryDocuments`],
//! [`MemoryParking`], [`MemoryTokens`] and [`MemoryApi`] are the dependencies; `client(chaos)` is a process's connection to one.
//!
//! What was sent is carried by the world, not by the caller: a call whose future was dropped, or whose process was
//! frozen or killed meanwhile, still arrives.

mod api;
mod api_answers;
mod audit;
mod balance;
mod chaos;
mod clock;
mod cluster;
mod committer;
mod consumer;
mod document;
mod documents;
mod documents_client;
mod group;
mod log;
mod mailbox;
mod members;
mod odds;
mod offsets;
mod parking;
mod pass_truth;
mod reading;
mod tokens;
mod topics;
mod trip;
mod world;

pub use api::{ApiClient, MemoryApi};
pub use audit::{AuditClient, MemoryAudit};
pub use chaos::{Chaos, Gate};
pub use clock::{ProcessClock, VirtualClock};
pub use cluster::{ClusterSettings, Committed, MemoryCluster, Misuse, Rebalancing};
pub use document::{Document, StoredPass};
pub use documents::{Applied, By, MemoryDocuments};
pub use documents_client::DocumentsClient;
pub use log::partitions_by_default;
pub use odds::{ApiOdds, CallOdds, CommitOdds, ConsumerOdds, Odds, Span};
pub use parking::{MemoryParking, ParkingClient};
pub use pass_truth::{Pass, Truth};
pub use tokens::{MemoryTokens, TokensClient};
pub use topics::TopicsClient;
pub use world::World;
