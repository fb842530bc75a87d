//! The logs that auditors read.

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, DateTime, Document, doc};
use passflow::{
    adapters::{
        memory::{Chaos, MemoryAudit, World},
        mongo_documents::{AuditSettings, MongoAudit},
        sqlite_audit::SqliteAudit,
        sqlite_store::{Settings, Store},
    },
    domain::{
        audit::{Finding, StatusEntry, TicketEntry},
        cache::List,
        payload_hash::PayloadHash,
        status_check::Origin,
        ticket_changed::{Kind, Side},
        user_id::UserId,
    },
    ports::AuditLogs,
};
use serde_json::{Value, json};

use crate::{mongo::Mongo, storage::run};

const AT_MS: i64 = 1_795_000_000_123;

fn ticket(id: &str, status: &str) -> TicketEntry {
    let side = Side { list: List::Passes4, status: status.to_owned(), payload_hash: PayloadHash::of(b"x") };
    TicketEntry {
        id: id.to_owned(),
        user_id: UserId::new(42).unwrap(),
        at_ms: AT_MS,
        uuid: "a".to_owned(),
        status: status.to_owned(),
        change: Kind::Added,
        before: None,
        after: Some(side),
    }
}

fn check(id: &str, finding: Finding) -> StatusEntry {
    StatusEntry {
        id: id.to_owned(),
        user_id: UserId::new(9_007_199_254_740_991).unwrap(),
        pass_uuid: "a".to_owned(),
        at_ms: AT_MS,
        finding,
        status: "USING".to_owned(),
        expiry: Some((AT_MS, Origin::DayPassRule)),
        took_us: 1500,
    }
}

fn changed() -> Finding {
    Finding::Validated { was: Some("USABLE".to_owned()) }
}

/// Logs, and how they are read.
#[async_trait]
trait Readable: Send + Sync {
    fn logs(&self) -> Arc<dyn AuditLogs>;
    /// The status of an event's entry.
    async fn ticket_status(&self, id: &str) -> Option<String>;
    /// What a check's entry says it found.
    async fn finding(&self, id: &str) -> Option<String>;
}

async fn keeps_the_rules(readable: &dyn Readable) {
    let logs = readable.logs();
    logs.add_tickets(&[]).await.unwrap();
    logs.add_checks(&[]).await.unwrap();
    // An event's entry is always the same: the first stays, and does not stand in the way of others.
    logs.add_tickets(&[ticket("42:1", "USABLE")]).await.unwrap();
    let many: Vec<_> = (1..=1200).map(|seq| ticket(&format!("42:{seq}"), "USING")).collect();
    logs.add_tickets(&many).await.unwrap();
    assert_eq!(readable.ticket_status("42:1").await.unwrap(), "USABLE");
    assert_eq!(readable.ticket_status("42:1200").await.unwrap(), "USING");
    assert_eq!(readable.ticket_status("42:1201").await, None);
    // The last check of one id counts.
    logs.add_checks(&[check("r/1/a", changed())]).await.unwrap();
    let again = check("r/1/a", Finding::Error("no time".to_owned()));
    logs.add_checks(&[again, check("r/1/b", changed())]).await.unwrap();
    assert_eq!(readable.finding("r/1/a").await.unwrap(), "error");
    assert_eq!(readable.finding("r/1/b").await.unwrap(), "validated");
}

/// Where nobody else does it, what is older than wanted goes.
async fn removes_what_is_old(readable: &dyn Readable) {
    assert_eq!(readable.logs().remove_before(AT_MS).await.unwrap(), 0);
    assert_eq!(readable.logs().remove_before(AT_MS + 1).await.unwrap(), 1202);
    assert_eq!((readable.ticket_status("42:1").await, readable.finding("r/1/a").await), (None, None));
}

#[async_trait]
impl Readable for MemoryAudit {
    fn logs(&self) -> Arc<dyn AuditLogs> {
        Arc::new(self.client(&Chaos::none()))
    }

    async fn ticket_status(&self, id: &str) -> Option<String> {
        self.tickets().remove(id).map(|entry| entry.status)
    }

    async fn finding(&self, id: &str) -> Option<String> {
        self.checks().remove(id).map(|entry| entry.finding.status().to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn audit_in_memory() {
    let logs = MemoryAudit::new(&World::new(0));
    keeps_the_rules(&logs).await;
    removes_what_is_old(&logs).await;
}

fn status_in(text: Option<String>) -> Option<String> {
    text.map(|text| serde_json::from_str::<Value>(&text).unwrap()["status"].as_str().unwrap().to_owned())
}

#[async_trait]
impl Readable for SqliteAudit {
    fn logs(&self) -> Arc<dyn AuditLogs> {
        Arc::new(self.clone())
    }

    async fn ticket_status(&self, id: &str) -> Option<String> {
        status_in(self.ticket(id).await.unwrap())
    }

    async fn finding(&self, id: &str) -> Option<String> {
        status_in(self.check(id).await.unwrap())
    }
}

#[tokio::test]
async fn audit_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let logs = SqliteAudit::new(Store::open(dir.path(), Settings::default()).await.unwrap());
    keeps_the_rules(&logs).await;
    let text = logs.check("r/1/b").await.unwrap().unwrap();
    let at = "2026-11-18T11:06:40.123Z";
    let expected = json!({
        "_id": "r/1/b", "cache_key": "a", "user_id": 9_007_199_254_740_991_i64, "timestamp": at,
        "status": "validated", "pass_status_change": "USABLE to USING",
        "expiration_check": {"expires_at": at, "from": "day_pass_rule", "expired": true},
        "validation_result": {"valid": true, "expires_at": at, "current_status": "USING"},
        "error_details": null, "check_duration": 1.5,
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    removes_what_is_old(&logs).await;
}

struct OnMongo<'a>(&'a Mongo);

impl OnMongo<'_> {
    async fn stored(&self, collection: &str, id: &str) -> Option<Document> {
        let collection = self.0.client.database(&self.0.database).collection::<Document>(collection);
        collection.find_one(doc! {"_id": id}).await.unwrap()
    }
}

#[async_trait]
impl Readable for OnMongo<'_> {
    fn logs(&self) -> Arc<dyn AuditLogs> {
        let settings = AuditSettings { database: self.0.database.clone(), ..AuditSettings::default() };
        Arc::new(MongoAudit::new(&self.0.client, settings))
    }

    async fn ticket_status(&self, id: &str) -> Option<String> {
        Some(self.stored("bytemark_tickets_log", id).await?.get_str("status").unwrap().to_owned())
    }

    async fn finding(&self, id: &str) -> Option<String> {
        Some(self.stored("bytemark_cache_status_check_log", id).await?.get_str("status").unwrap().to_owned())
    }
}

#[tokio::test]
async fn audit_on_mongo() {
    run(Mongo::new().await, async |mongo: &Mongo| {
        let logs = OnMongo(mongo);
        keeps_the_rules(&logs).await;
        let (date, hash) = (Bson::DateTime(DateTime::from_millis(AT_MS)), PayloadHash::of(b"x").to_string());
        let expected = doc! {
            "_id": "42:2", "user_id": 42, "timestamp": 1_795_000_000, "created_at": &date, "uuid": "a",
            "status": "USING", "change": "added", "before": null,
            "after": {"list": "passes4", "status": "USING", "payload_hash": hash},
        };
        assert_eq!(logs.stored("bytemark_tickets_log", "42:2").await.unwrap(), expected);
        let expected = doc! {
            "_id": "r/1/b", "cache_key": "a", "user_id": 9_007_199_254_740_991.0, "timestamp": &date,
            "status": "validated", "pass_status_change": "USABLE to USING",
            "expiration_check": {"expires_at": &date, "from": "day_pass_rule", "expired": true},
            "validation_result": {"valid": true, "expires_at": &date, "current_status": "USING"},
            "error_details": null, "check_duration": 1.5,
        };
        assert_eq!(logs.stored("bytemark_cache_status_check_log", "r/1/b").await.unwrap(), expected);
        assert_eq!(logs.logs().remove_before(i64::MAX).await.unwrap(), 0);
    })
    .await;
}
