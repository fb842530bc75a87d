//! The parking events.

use std::sync::Arc;

use async_trait::async_trait;

use super::PortError;
use crate::domain::parking::ParkingEvent;

/// What became of a record of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The event holds it now.
    Yes,
    /// It held it already, or what is later: nothing was changed.
    Already,
    /// Refused: the event would be larger than the store takes. It stays as it was.
    TooLarge,
    /// The store does not take this record, in its words.
    Refused(String),
}

/// The parking events: one document each, whose fields have the values of the last records that carried them.
///
/// What comes out depends neither on the order of the writes nor on how often a record is written: a write that was
/// not answered may be made again, and one that lands late changes nothing.
#[async_trait]
pub trait ParkingEvents: Send + Sync + 'static {
    /// Adds each record to its event; several may be of one event. The answers are in the same order. When it fails,
    /// some may have been added.
    async fn store(&self, events: &[Arc<ParkingEvent>]) -> Result<Vec<Stored>, PortError>;

    /// An event as JSON text, for people; `None` when there is none.
    async fn event(&self, id: &str) -> Result<Option<String>, PortError>;

    /// Removes events whose first record is of before this time (ms since 1970), and tells how many. Servers that look
    /// after that themselves remove none here.
    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError>;
}
