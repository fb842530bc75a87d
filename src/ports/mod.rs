//! What passflow needs of the world, in its own words: topics, documents, tokens, the pass API, a clock.
//!
//! Adapters implement these; pipelines and the engine know nothing else. Every call takes many things at once where
//! the hot path has many, and every answer can be one of three: done, refused, or **unanswered** — a call that timed
//! out may have been applied, may be applied later, or never.

mod audit;
mod clock;
mod documents;
mod error;
mod parking;
mod pass_api;
mod tokens;
mod topics;

pub use self::{
    audit::AuditLogs,
    clock::Clock,
    documents::{Change, Documents, Payloads, Update, Write, Written},
    error::{Dependency, Failure, PortError},
    parking::{ParkingEvents, Stored},
    pass_api::{ACTIVE_LIMIT, Answer, Endpoint, NoAnswer, PassApi, Room, Unbounded},
    tokens::Tokens,
    topics::{Batch, CommitError, Committer, Consumer, Event, Membership, Owned, Ownership, Release, Session, Topics},
};
