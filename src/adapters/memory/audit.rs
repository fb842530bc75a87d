//! The logs that auditors and support read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::{
    chaos::Chaos,
    world::{World, lock},
};
use crate::{
    domain::audit::{StatusEntry, TicketEntry},
    ports::{AuditLogs, Dependency, PortError},
};

/// The logs. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct MemoryAudit {
    world: World,
    logs: Arc<Mutex<Logs>>,
}

#[derive(Debug, Default)]
struct Logs {
    tickets: BTreeMap<String, TicketEntry>,
    checks: BTreeMap<String, StatusEntry>,
}

impl MemoryAudit {
    /// Empty logs.
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), logs: Arc::default() }
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> AuditClient {
        AuditClient { audit: self.clone(), chaos: chaos.clone() }
    }

    /// All entries of events, by id.
    pub fn tickets(&self) -> BTreeMap<String, TicketEntry> {
        lock(&self.logs).tickets.clone()
    }

    /// All entries of checks, by id.
    pub fn checks(&self) -> BTreeMap<String, StatusEntry> {
        lock(&self.logs).checks.clone()
    }
}

/// One process's connection to [`MemoryAudit`].
#[derive(Clone, Debug)]
pub struct AuditClient {
    audit: MemoryAudit,
    chaos: Chaos,
}

impl AuditClient {
    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        apply: impl FnOnce(&mut Logs) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let logs = Arc::clone(&self.audit.logs);
        self.chaos.call(&self.audit.world, Dependency::Documents, doing, move || Ok(apply(&mut lock(&logs)))).await
    }
}

#[async_trait]
impl AuditLogs for AuditClient {
    async fn add_tickets(&self, entries: &[TicketEntry]) -> Result<(), PortError> {
        let entries = entries.to_vec();
        self.call("add to the tickets log", move |logs| {
            for entry in entries {
                logs.tickets.entry(entry.id.clone()).or_insert(entry);
            }
        })
        .await
    }

    async fn add_checks(&self, entries: &[StatusEntry]) -> Result<(), PortError> {
        let entries = entries.to_vec();
        self.call("add to the status log", move |logs| {
            logs.checks.extend(entries.into_iter().map(|entry| (entry.id.clone(), entry)));
        })
        .await
    }

    async fn remove_before(&self, before_ms: i64) -> Result<u64, PortError> {
        self.call("remove log entries", move |logs| {
            let count = logs.tickets.len() + logs.checks.len();
            logs.tickets.retain(|_, entry| entry.at_ms >= before_ms);
            logs.checks.retain(|_, entry| entry.at_ms >= before_ms);
            (count - logs.tickets.len() - logs.checks.len()) as u64
        })
        .await
    }
}
