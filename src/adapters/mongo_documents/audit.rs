//! The logs that auditors and support read, in MongoDB.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::{
    Client, Collection,
    bson::{Bson, DateTime, Document, RawDocumentBuf, doc, rawdoc},
};

use super::{
    batch,
    calls::ask,
    failure::{Effect, port_error},
    json_to_bson::whole,
};
use crate::{
    domain::{
        audit::{StatusEntry, TicketEntry},
        ticket_changed::Side,
    },
    ports::{AuditLogs, Failure, PortError},
};

/// Where the logs are, and how long a call may take.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// The database.
    pub database: String,
    /// The collection of events.
    pub tickets_log: String,
    /// The collection of status checks.
    pub status_log: String,
    /// The server ends a statement after this time.
    pub statement_max: Duration,
    /// passflow stops waiting for an answer after this time; it must be longer than `statement_max`.
    pub answer_max: Duration,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            database: "cache".to_owned(),
            tickets_log: "bytemark_tickets_log".to_owned(),
            status_log: "bytemark_cache_status_check_log".to_owned(),
            statement_max: Duration::from_secs(10),
            answer_max: Duration::from_secs(20),
        }
    }
}

/// The logs in `MongoDB`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MongoAudit {
    tickets: Collection<Document>,
    checks: Collection<Document>,
    settings: Arc<AuditSettings>,
}

/// Entries of one command: each is well below a kilobyte but for the texts in it, which have limits of their own.
const COMMAND_ENTRIES: usize = 500;

impl MongoAudit {
    /// Logs that `client`, from [`super::connect`], reaches. Nothing is asked of the server yet.
    pub fn new(client: &Client, settings: AuditSettings) -> Self {
        let database = client.database(&settings.database);
        let (tickets, checks) = (database.collection(&settings.tickets_log), database.collection(&settings.status_log));
        Self { tickets, checks, settings: Arc::new(settings) }
    }

    fn max_time_ms(&self) -> i64 {
        i64::try_from(self.settings.statement_max.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    async fn send(&self, log: &Collection<Document>, entries: usize, command: RawDocumentBuf) -> Result<(), PortError> {
        let doing = || format!("adding {entries} entries to {}", log.namespace());
        let database = log.client().database(&log.namespace().db);
        let sent = async move { database.run_raw_command(command).await };
        let reply = ask(self.settings.answer_max, Effect::Writes, doing, sent).await?;
        // Who was faster has added the same.
        batch::created(&reply).map_err(|message| port_error(Failure::Unanswered, doing(), message))
    }
}

fn raw(document: &Document, doing: &str) -> Result<RawDocumentBuf, PortError> {
    RawDocumentBuf::try_from(document).map_err(|error| {
        port_error(Failure::Refused, doing.to_owned(), format!("it can't be written as BSON: {error}"))
    })
}

#[async_trait]
impl AuditLogs for MongoAudit {
    async fn add_tickets(&self, entries: &[TicketEntry]) -> Result<(), PortError> {
        for entries in entries.chunks(COMMAND_ENTRIES) {
            let mut documents = mongodb::bson::RawArrayBuf::new();
            for entry in entries {
                documents.push(raw(&ticket(entry), "writing an entry of the tickets log")?);
            }
            let max_time_ms = self.max_time_ms();
            let command = rawdoc! {
                "insert": self.tickets.name(),
                "documents": documents,
                "ordered": false,
                "writeConcern": {"w": "majority", "wtimeout": max_time_ms},
                "maxTimeMS": max_time_ms,
            };
            self.send(&self.tickets, entries.len(), command).await?;
        }
        Ok(())
    }

    async fn add_checks(&self, entries: &[StatusEntry]) -> Result<(), PortError> {
        for entries in entries.chunks(COMMAND_ENTRIES) {
            let mut updates = Vec::with_capacity(entries.len());
            for entry in entries {
                let update = doc! {"q": {"_id": &entry.id}, "u": check(entry), "upsert": true};
                updates.push(raw(&update, "writing an entry of the status log")?);
            }
            let statements = updates.iter().map(|update| &**update);
            let command = batch::update_command(self.checks.name(), statements, self.max_time_ms());
            self.send(&self.checks, entries.len(), command).await?;
        }
        Ok(())
    }

    async fn remove_before(&self, _before_ms: i64) -> Result<u64, PortError> {
        // Its indexes do that.
        Ok(0)
    }
}

fn ticket(entry: &TicketEntry) -> Document {
    doc! {
        "_id": &entry.id,
        "user_id": whole(entry.user_id.get()),
        "timestamp": whole(entry.at_ms.div_euclid(1000)),
        "created_at": DateTime::from_millis(entry.at_ms),
        "uuid": &entry.uuid,
        "status": &entry.status,
        "change": entry.change.as_str(),
        "before": side(entry.before.as_ref()),
        "after": side(entry.after.as_ref()),
    }
}

fn side(side: Option<&Side>) -> Bson {
    side.map_or(Bson::Null, |side| {
        Bson::Document(doc! {
            "list": side.list.name(),
            "status": &side.status,
            "payload_hash": side.payload_hash.to_string(),
        })
    })
}

fn check(entry: &StatusEntry) -> Document {
    let date = |ms: i64| Bson::DateTime(DateTime::from_millis(ms));
    let expires_at = entry.expiry.map_or(Bson::Null, |(at_ms, _)| date(at_ms));
    doc! {
        "_id": &entry.id,
        "cache_key": &entry.pass_uuid,
        "user_id": whole(entry.user_id.get()),
        "timestamp": date(entry.at_ms),
        "status": entry.finding.status(),
        "pass_status_change": entry.change(),
        "expiration_check": {
            "expires_at": &expires_at,
            "from": entry.expiry.map(|(_, origin)| origin.as_str()),
            "expired": entry.is_past(),
        },
        "validation_result": {
            "valid": entry.is_valid(),
            "expires_at": expires_at,
            "current_status": &entry.status,
        },
        "error_details": entry.finding.details(),
        "check_duration": Bson::Double(milliseconds(entry.took_us)),
    }
}

fn milliseconds(us: i64) -> f64 {
    us as f64 / 1000.0
}
