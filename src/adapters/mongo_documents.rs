//! Cache documents in MongoDB, 5.0 or later, beside the old service that may write them, too.
//!
//! Reads and writes are of the majority and go to the primary, whatever the connection string says. A refresh reads
//! documents without payloads; what it writes are compare-and-sets, many in one command. Entries that stay are never
//! sent: the server builds a new list out of the stored one.

mod audit;
mod batch;
mod bson_to_json;
mod bson_writer;
mod calls;
mod connect;
mod counters;
mod failure;
mod guard;
mod head;
mod id;
mod indexes;
mod json_to_bson;
mod lists;
mod parking;
mod read;
mod replies;
mod write;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use mongodb::{
    Client, Collection,
    bson::{Document, doc},
    error::Error,
};

pub use audit::{AuditSettings, MongoAudit};
pub use connect::{Connection, connect};
pub use indexes::{Index, IndexOutcome, ensure as ensure_indexes};
pub use parking::{MongoParking, ParkingSettings};

use self::{
    batch::{Item, Outcome},
    failure::{Effect, failed, port_error},
    replies::{answers, creation, named, unfinished},
};
use crate::{
    domain::{
        cache::{Epoch, Head, List},
        record::TopicPartition,
        user_id::UserId,
    },
    ports::{Documents, Failure, Payloads, PortError, Update, Written},
};

/// `MongoDB`'s limit of a document.
pub const DOCUMENT_MAX_BYTES: u64 = write::SERVER_MAX_BYTES;

/// Where the documents are, and how long a call may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database. passflow's counters are beside the documents, in `passflow_state`.
    pub database: String,
    /// The collection.
    pub collection: String,
    /// No document becomes larger by passflow's writes, in bytes of BSON; usually [`DOCUMENT_MAX_BYTES`].
    pub document_max_bytes: u64,
    /// The server ends a statement after this time.
    pub statement_max: Duration,
    /// passflow stops waiting for an answer after this time; it must be longer than `statement_max`.
    pub answer_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database: "cache".to_owned(),
            collection: "bytemark_tickets_cache".to_owned(),
            document_max_bytes: DOCUMENT_MAX_BYTES,
            statement_max: Duration::from_secs(10),
            answer_max: Duration::from_secs(20),
        }
    }
}

/// The cache documents in `MongoDB`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MongoDocuments {
    documents: Collection<Document>,
    counters: Collection<Document>,
    settings: Arc<Settings>,
    /// Users whose further documents were reported.
    reported: Arc<Mutex<HashSet<UserId>>>,
}

impl MongoDocuments {
    /// Documents that `client`, from [`connect`], reaches. Nothing is asked of the server yet.
    pub fn new(client: &Client, settings: Settings) -> Self {
        let database = client.database(&settings.database);
        Self {
            documents: database.collection(&settings.collection),
            counters: database.collection("passflow_state"),
            settings: Arc::new(settings),
            reported: Arc::default(),
        }
    }

    /// Makes the indexes that are missing: `user_id` (not unique: the old service may write a user twice) and
    /// `timestamp`. passflow runs without them, only slower; so what fails is told, not an error.
    pub async fn ensure_indexes(&self) -> Vec<IndexOutcome> {
        let wanted = [Index::on(&["user_id"]), Index::on(&["timestamp"])];
        indexes::ensure(&self.documents, &wanted, self.settings.answer_max).await
    }

    /// `database.collection`.
    fn place(&self) -> String {
        format!("{}.{}", self.settings.database, self.settings.collection)
    }

    fn max_time_ms(&self) -> i64 {
        i64::try_from(self.settings.statement_max.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    /// Further documents of a user are left alone, and told once.
    fn report(&self, further: &[UserId]) {
        const REMEMBERED: usize = 10_000;
        if further.is_empty() {
            return;
        }
        let mut reported = self.reported.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for user in further {
            if reported.len() < REMEMBERED && reported.insert(*user) {
                let place = self.place();
                tracing::warn!(%user, %place, "several documents of one user: the one with passflow's state, else the oldest, is used");
            }
        }
    }

    /// The user's documents as they are, and which one counts.
    async fn whole(
        &self,
        doing: impl Fn() -> String + Sync,
        user: UserId,
        projection: Option<Document>,
    ) -> Result<Option<Document>, PortError> {
        let find = read::of_users(&self.documents, &[user], projection, self.settings.statement_max);
        let found = self.read(doing, find).await?;
        let found: Vec<&Document> = found.iter().collect();
        Ok(head::chosen(&found).and_then(|place| found.get(place).map(|document| (*document).clone())))
    }
}

#[async_trait]
impl Documents for MongoDocuments {
    async fn next_epoch(&self, above: Epoch) -> Result<Epoch, PortError> {
        let doing = || format!("taking an epoch from {}.passflow_state", self.settings.database);
        let next = counters::next_epoch(
            self.counters.clone(),
            self.settings.collection.clone(),
            above,
            self.settings.statement_max,
        );
        self.change(doing, next).await?.ok_or_else(|| {
            port_error(Failure::Refused, doing(), "the counter is no number: set its field `epoch`".to_owned())
        })
    }

    async fn heads(&self, users: &[UserId]) -> Result<Vec<Option<Head>>, PortError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let doing = || format!("reading {} of {}", named(users.iter().copied()), self.place());
        let find = read::of_users(&self.documents, users, Some(head::projection()), self.settings.statement_max);
        let found = self.read(doing, find).await?;
        let (heads, further) = read::heads(users, &found);
        self.report(&further);
        heads.map_err(|message| port_error(Failure::Refused, doing(), message))
    }

    async fn wholes(&self, users: &[UserId]) -> Result<Vec<Option<(Head, Payloads)>>, PortError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let doing = || format!("reading {} of {} with payloads", named(users.iter().copied()), self.place());
        let projection = Some(doc! {"passesLog": 0, "passes4Log": 0});
        let find = read::of_users(&self.documents, users, projection, self.settings.statement_max);
        let found = self.read(doing, find).await?;
        let (wholes, further) = read::wholes(users, &found);
        self.report(&further);
        wholes.map_err(|message| port_error(Failure::Refused, doing(), message))
    }

    async fn create(&self, users: &[(UserId, Epoch)]) -> Result<(), PortError> {
        let doing = || format!("making {} in {}", named(users.iter().map(|(user, _)| *user)), self.place());
        let refused = |message: String| port_error(Failure::Refused, doing(), message);
        let statements: Result<Vec<_>, String> = users.iter().map(|(user, fence)| creation(*user, *fence)).collect();
        let statements = statements.map_err(refused)?;
        for statements in statements.chunks(500) {
            let updates = statements.iter().map(|statement| &**statement);
            let command = batch::update_command(&self.settings.collection, updates, self.max_time_ms());
            let database = self.documents.client().database(&self.settings.database);
            let reply = self.change(doing, async move { database.run_raw_command(command).await }).await?;
            batch::created(&reply).map_err(|message| port_error(Failure::Unanswered, doing(), message))?;
        }
        Ok(())
    }

    async fn update(&self, updates: &[Update]) -> Result<Vec<Written>, PortError> {
        let doing =
            || format!("updating {} of {}", named(updates.iter().map(|update| update.read.user_id)), self.place());
        let mut outcomes = vec![Outcome::Missed; updates.len()];
        let (mut places, mut items) = (Vec::new(), Vec::new());
        for ((place, update), outcome) in updates.iter().enumerate().zip(&mut outcomes) {
            match write::statement(update, self.settings.document_max_bytes) {
                Ok(statement) => {
                    items.push(Item { user: update.read.user_id, id: head::id_of(&update.read), statement });
                    places.push(place);
                }
                Err(error) => *outcome = Outcome::Refused(error.to_string()),
            }
        }
        let (documents, max_time_ms, text) = (self.documents.clone(), self.max_time_ms(), doing());
        let apply =
            async move { batch::apply(&documents, &items, max_time_ms).await.map_err(|sent| unfinished(sent, text)) };
        let applied = self.call(Effect::Writes, doing, apply).await?;
        for (place, outcome) in places.into_iter().zip(applied) {
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
        answers(updates, outcomes, doing)
    }

    async fn payload(&self, user: UserId, list: List, pass_uuid: &str) -> Result<Option<Bytes>, PortError> {
        let doing = || format!("reading the payload of pass {pass_uuid} of user {user} in {}", self.place());
        let projection = doc! {"stream.version": 1, list.name(): {"$elemMatch": {"pass_uuid": pass_uuid}}};
        let document = self.whole(doing, user, Some(projection)).await?;
        let element =
            document.as_ref().and_then(|document| document.get_array(list.name()).ok()?.first()?.as_document());
        Ok(element.and_then(lists::payload_text).map(Bytes::from))
    }

    async fn document(&self, user: UserId) -> Result<Option<String>, PortError> {
        let doing = || format!("reading user {user} of {}", self.place());
        Ok(self.whole(doing, user, None).await?.as_ref().map(read::text))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        let doing = || format!("listing the users of {}", self.place());
        self.read(doing, read::users(self.documents.clone(), after, limit, self.settings.statement_max)).await
    }

    async fn committed_marks(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        let doing = || format!("reading the committed marks of group {group}");
        let marks = counters::marks(self.counters.clone(), group, partitions, self.settings.statement_max);
        self.read(doing, marks).await
    }

    async fn raise_committed_marks(&self, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        if marks.is_empty() {
            return Ok(());
        }
        let doing = || format!("raising the committed marks of group {group}");
        let refused = |error: Error| failed(&error, Effect::Writes, doing());
        let statements = counters::raises(group, marks).map_err(refused)?;
        let updates = statements.iter().map(|statement| &**statement);
        let command = batch::update_command(self.counters.name(), updates, self.max_time_ms());
        let database = self.counters.client().database(&self.settings.database);
        let reply = self.change(doing, async move { database.run_raw_command(command).await }).await?;
        batch::all_done(&reply).map_err(|message| port_error(Failure::Unanswered, doing(), message))
    }
}
