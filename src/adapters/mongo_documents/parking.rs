//! Parking events in MongoDB, one document each, as the models of mongoose read them.
//!
//! Nearly every record is the first of its event, so it is inserted, many in one command: that costs a fraction of an
//! upsert. Those whose document is there already are added to it: what is known of the document is read without its
//! values, and the new ones are set if nobody has written it meanwhile.

mod command;
mod document;
mod known;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mongodb::{
    Client, Collection,
    bson::{Bson, Document, doc},
};

use self::{
    command::{Command, Reply, Said},
    known::Known,
};
use super::{
    bson_to_json::to_json,
    calls::{ask, call},
    failure::{Effect, port_error},
    write::SERVER_MAX_BYTES,
};
use crate::{
    domain::parking::ParkingEvent,
    ports::{Failure, ParkingEvents, PortError, Stored},
};

/// Where the events are, and how long a call may take.
#[derive(Clone, Debug)]
pub struct ParkingSettings {
    /// The database.
    pub database: String,
    /// The collection.
    pub collection: String,
    /// No document becomes larger, in bytes of BSON; usually [`super::DOCUMENT_MAX_BYTES`].
    pub document_max_bytes: u64,
    /// The server ends a statement after this time.
    pub statement_max: Duration,
    /// passflow stops waiting for an answer after this time; it must be longer than `statement_max`.
    pub answer_max: Duration,
}

impl Default for ParkingSettings {
    fn default() -> Self {
        Self {
            database: "dataset".to_owned(),
            collection: "pm_parking_events".to_owned(),
            document_max_bytes: SERVER_MAX_BYTES,
            statement_max: Duration::from_secs(10),
            answer_max: Duration::from_secs(20),
        }
    }
}

/// The parking events in `MongoDB`, 5.0 or later. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MongoParking {
    events: Collection<Document>,
    settings: Arc<ParkingSettings>,
    /// The last records met documents of theirs, so the next may, too: then it is looked for them before the rest is
    /// inserted. The server inserts neighbours of a document that is there already one by one.
    looks_first: Arc<AtomicBool>,
}

/// How often a document is read again because somebody else was faster.
const ROUNDS_MAX: usize = 50;

/// A record to be added.
#[derive(Clone, Copy)]
struct Task<'e> {
    /// Which of those that were asked for.
    place: usize,
    event: &'e ParkingEvent,
    /// A change of it was sent: whoever has it in the end, it was not there before.
    sent: bool,
}

/// What became of each record that was asked for, as far as it is known.
struct Answers(Vec<Option<Stored>>);

impl Answers {
    fn tell(&mut self, task: &Task<'_>, stored: Stored) {
        if let Some(answer) = self.0.get_mut(task.place) {
            *answer = Some(stored);
        }
    }
}

impl MongoParking {
    /// Events that `client`, from [`super::connect`], reaches. Nothing is asked of the server yet.
    pub fn new(client: &Client, settings: ParkingSettings) -> Self {
        let events = client.database(&settings.database).collection(&settings.collection);
        Self { events, settings: Arc::new(settings), looks_first: Arc::default() }
    }

    fn doing(&self, what: &str, count: usize) -> String {
        format!("{what} {count} parking events in {}", self.events.namespace())
    }

    /// Adds records of different events.
    async fn settle(&self, tasks: Vec<Task<'_>>, answers: &mut Answers) -> Result<(), PortError> {
        let looks_first = self.looks_first.load(Ordering::Relaxed);
        let mut left = if looks_first { tasks } else { self.insert(tasks, answers).await? };
        for _ in 0..ROUNDS_MAX {
            if left.is_empty() {
                return Ok(());
            }
            let known = self.known(&left).await?;
            let is_there = |task: &Task<'_>| known.contains_key(&task.event.id);
            let (there, gone): (Vec<_>, Vec<_>) = left.into_iter().partition(is_there);
            self.looks_first.store(!there.is_empty(), Ordering::Relaxed);
            left = self.update(there, &known, answers).await?;
            // Not there yet, or deleted meanwhile, as too old for one.
            left.extend(self.insert(gone, answers).await?);
        }
        let message = "others wrote the same events again and again".to_owned();
        Err(port_error(Failure::Unanswered, self.doing("storing", left.len()), message))
    }

    /// Inserts what is not there; gives those that are.
    async fn insert<'e>(&self, tasks: Vec<Task<'e>>, answers: &mut Answers) -> Result<Vec<Task<'e>>, PortError> {
        let mut collided = Vec::new();
        let mut tasks = tasks.into_iter().peekable();
        while tasks.peek().is_some() {
            let mut command = Command::insert(&self.events, &self.settings);
            let mut sent = Vec::new();
            while let Some(task) = tasks.next_if(|_| command.has_room()) {
                match command.add(|writer| document::first(writer, task.event)) {
                    Ok(()) => sent.push(task),
                    Err(refused) => answers.tell(&task, refused),
                }
            }
            let reply = self.send("inserting", command).await?;
            for (index, task) in sent.into_iter().enumerate() {
                match reply.of(index) {
                    Said::Done => answers.tell(&task, Stored::Yes),
                    Said::IsThere => collided.push(task),
                    Said::Refused(refused) => answers.tell(&task, refused.clone()),
                }
            }
        }
        Ok(collided)
    }

    /// Adds to documents that are there; gives those that have to be looked at again.
    async fn update<'e>(
        &self,
        tasks: Vec<Task<'e>>,
        known: &Known,
        answers: &mut Answers,
    ) -> Result<Vec<Task<'e>>, PortError> {
        let mut again = Vec::new();
        let mut tasks = tasks.into_iter().peekable();
        while tasks.peek().is_some() {
            let mut command = Command::update(&self.events, &self.settings);
            let mut sent = Vec::new();
            while let Some(task) = tasks.next_if(|_| command.has_room()) {
                let Some(stored) = known.get(&task.event.id) else { continue };
                let Some(change) = stored.head.merge(task.event) else {
                    answers.tell(&task, if task.sent { Stored::Yes } else { Stored::Already });
                    continue;
                };
                match command.add(|writer| document::statement(writer, &task.event.id, stored, &change)) {
                    Ok(()) => sent.push(Task { sent: true, ..task }),
                    Err(refused) => answers.tell(&task, refused),
                }
            }
            let reply = self.send("adding to", command).await?;
            let all_matched = reply.has_matched_all(sent.len());
            for (index, task) in sent.into_iter().enumerate() {
                match reply.of(index) {
                    Said::Done if all_matched => answers.tell(&task, Stored::Yes),
                    // The answer has totals only: of some, somebody else was faster.
                    Said::Done | Said::IsThere => again.push(task),
                    Said::Refused(refused) => answers.tell(&task, refused.clone()),
                }
            }
        }
        Ok(again)
    }

    async fn send(&self, what: &str, command: Command) -> Result<Reply, PortError> {
        let count = command.len();
        if count == 0 {
            return Ok(Reply::default());
        }
        let doing = || self.doing(what, count);
        let unreadable = |message: String| port_error(Failure::Refused, doing(), message);
        let command = command.finish().map_err(unreadable)?;
        let database = self.events.client().database(&self.settings.database);
        let text = doing();
        let sent = async move { Reply::read(database.run_raw_command(command).await, count, text) };
        call(self.settings.answer_max, Effect::Writes, doing, sent).await
    }

    async fn known(&self, tasks: &[Task<'_>]) -> Result<Known, PortError> {
        let ids = tasks.iter().map(|task| task.event.id.clone()).collect();
        let doing = || self.doing("reading", tasks.len());
        let read = known::read(self.events.clone(), ids, self.settings.statement_max);
        let found = ask(self.settings.answer_max, Effect::Reads, doing, read).await?;
        known::heads(found).map_err(|message| port_error(Failure::Refused, doing(), message))
    }
}

#[async_trait]
impl ParkingEvents for MongoParking {
    async fn store(&self, events: &[Arc<ParkingEvent>]) -> Result<Vec<Stored>, PortError> {
        let mut answers = Answers(vec![None; events.len()]);
        let mut open: Vec<Task<'_>> =
            (0..).zip(events).map(|(place, event)| Task { place, event, sent: false }).collect();
        // Those of one event one after the other.
        while !open.is_empty() {
            let mut ids = HashSet::with_capacity(open.len());
            let (now, later) = open.into_iter().partition(|task| ids.insert(task.event.id.as_str()));
            self.settle(now, &mut answers).await?;
            open = later;
        }
        let lost =
            || port_error(Failure::Unanswered, self.doing("storing", events.len()), "an answer is missing".into());
        answers.0.into_iter().map(|answer| answer.ok_or_else(lost)).collect()
    }

    async fn event(&self, id: &str) -> Result<Option<String>, PortError> {
        let doing = || format!("reading parking event {id} in {}", self.events.namespace());
        let (events, wanted, max_time) = (self.events.clone(), id.to_owned(), self.settings.statement_max);
        let find = async move { events.find_one(doc! {"_id": wanted}).max_time(max_time).await };
        let found = ask(self.settings.answer_max, Effect::Reads, doing, find).await?;
        Ok(found.map(|document| to_json(&Bson::Document(document))))
    }

    async fn remove_before(&self, _before_ms: i64) -> Result<u64, PortError> {
        // The server does, by the index on `createdAt`.
        Ok(0)
    }
}
