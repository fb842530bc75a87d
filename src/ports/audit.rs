//! The logs that auditors and support read.

use async_trait::async_trait;

use super::PortError;
use crate::domain::audit::{StatusEntry, TicketEntry};

/// The logs of events and of status checks. An entry has an id of its own, so that it can be written again.
#[async_trait]
pub trait AuditLogs: Send + Sync + 'static {
    /// Adds entries of events; one that is there stays as it is, being the same. When it fails, some may have been added.
    async fn add_tickets(&self, entries: &[TicketEntry]) -> Result<(), PortError>;

    /// Adds entries of checks, or puts them in the place of those with the same id: a check that is made again counts
    /// instead of the first. When it fails, some may have been added.
    async fn add_checks(&self, entries: &[StatusEntry]) -> Result<(), PortError>;

    /// Removes entries from before this time (ms since 1970), and tells how many. Servers that look after that
    /// themselves remove none here.
    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError>;
}
