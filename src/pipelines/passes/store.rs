//! The ports as one record's handler sees them: single questions, answered in batches.

use std::sync::Arc;

use crate::{
    domain::{
        audit::{StatusEntry, TicketEntry},
        cache::{Epoch, Head, List},
        token::Token,
        user_id::UserId,
    },
    pipelines::batcher::Batcher,
    ports::{AuditLogs, Dependency, Documents, Payloads, PortError, Tokens, Update, Written},
};

/// Documents and tokens, batched.
pub struct Store {
    documents: Arc<dyn Documents>,
    heads: Batcher<UserId, Option<Head>>,
    creations: Batcher<(UserId, Epoch), ()>,
    updates: Batcher<Update, Written>,
    tokens: Batcher<UserId, Option<Token>>,
    wholes: Batcher<UserId, Option<(Head, Payloads)>>,
    tickets: Batcher<Arc<[TicketEntry]>, ()>,
    checks: Batcher<Arc<[StatusEntry]>, ()>,
}

/// Whole documents read at once, at most: they are much larger than heads.
const WHOLES_MAX: usize = 16;

impl Store {
    /// Batches of at most `size_max` questions.
    pub fn new(
        documents: Arc<dyn Documents>,
        audit: Arc<dyn AuditLogs>,
        tokens: Arc<dyn Tokens>,
        size_max: usize,
    ) -> Self {
        let heads = |port: Arc<dyn Documents>, users: Arc<[UserId]>| async move { port.heads(&users).await };
        let create = |port: Arc<dyn Documents>, users: Arc<[(UserId, Epoch)]>| async move {
            port.create(&users).await.map(|()| vec![(); users.len()])
        };
        let update = |port: Arc<dyn Documents>, updates: Arc<[Update]>| async move { port.update(&updates).await };
        let tokens_of = |port: Arc<dyn Tokens>, users: Arc<[UserId]>| async move { port.tokens(&users).await };
        let wholes = |port: Arc<dyn Documents>, users: Arc<[UserId]>| async move { port.wholes(&users).await };
        let tickets = |port: Arc<dyn AuditLogs>, entries: Arc<[Arc<[TicketEntry]>]>| async move {
            port.add_tickets(&entries.concat()).await.map(|()| vec![(); entries.len()])
        };
        let checks = |port: Arc<dyn AuditLogs>, entries: Arc<[Arc<[StatusEntry]>]>| async move {
            port.add_checks(&entries.concat()).await.map(|()| vec![(); entries.len()])
        };
        Self {
            wholes: Batcher::new(Dependency::Documents, WHOLES_MAX.min(size_max), Arc::clone(&documents), wholes),
            tickets: Batcher::new(Dependency::Documents, size_max, Arc::clone(&audit), tickets),
            checks: Batcher::new(Dependency::Documents, size_max, audit, checks),
            heads: Batcher::new(Dependency::Documents, size_max, Arc::clone(&documents), heads),
            creations: Batcher::new(Dependency::Documents, size_max, Arc::clone(&documents), create),
            updates: Batcher::new(Dependency::Documents, size_max, Arc::clone(&documents), update),
            tokens: Batcher::new(Dependency::Tokens, size_max, tokens, tokens_of),
            documents,
        }
    }

    /// The user's document, made empty first if there is none: passes are only ever written by compare-and-set.
    pub async fn head(&self, user: UserId, epoch: Epoch) -> Result<Head, PortError> {
        for _ in 0..2 {
            if let Some(head) = self.heads.ask(user).await? {
                return Ok(head);
            }
            self.creations.ask((user, epoch)).await?;
        }
        Err(PortError {
            kind: crate::ports::Failure::Down,
            dependency: Dependency::Documents,
            doing: format!("making the document of user {user}"),
            message: "it was made but is not there: read and write concern must be `majority`".to_owned(),
        })
    }

    /// The same with its payloads.
    pub async fn whole(&self, user: UserId, epoch: Epoch) -> Result<(Head, Payloads), PortError> {
        match self.wholes.ask(user).await? {
            Some(whole) => Ok(whole),
            None => Ok((self.head(user, epoch).await?, Payloads::default())),
        }
    }

    /// Adds to the log of events.
    pub async fn log_tickets(&self, entries: Vec<TicketEntry>) -> Result<(), PortError> {
        if entries.is_empty() { Ok(()) } else { self.tickets.ask(entries.into()).await }
    }

    /// Adds to the log of status checks.
    pub async fn log_checks(&self, entries: Vec<StatusEntry>) -> Result<(), PortError> {
        if entries.is_empty() { Ok(()) } else { self.checks.ask(entries.into()).await }
    }

    /// One compare-and-set.
    pub async fn update(&self, update: Update) -> Result<Written, PortError> {
        self.updates.ask(update).await
    }

    /// The user's present token.
    pub async fn token(&self, user: UserId) -> Result<Option<Token>, PortError> {
        self.tokens.ask(user).await
    }

    /// A stored payload.
    pub async fn payload(&self, user: UserId, list: List, pass_uuid: &str) -> Result<Option<bytes::Bytes>, PortError> {
        self.documents.payload(user, list, pass_uuid).await
    }

    /// The documents themselves.
    pub fn documents(&self) -> &dyn Documents {
        self.documents.as_ref()
    }
}
