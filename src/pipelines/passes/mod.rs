//! `passes`: one request after the other brings a rider's cached passes up to date and tells what changed.
//!
//! The way of a request: [`Passes::handle`] decodes it and sees that it lies where it belongs; `record` reads the
//! document, gives out again what an earlier run already stored, decides whether to fetch (`decision`), fetches
//! ([`fetch`]), and writes lists, logs, state and outputs in one compare-and-set (`change`).

pub mod answer;
mod change;
mod check;
mod decision;
mod elsewhere;
pub mod fetch;
pub mod gate;
mod home;
mod log_text;
mod pages;
mod record;
pub mod room;
mod store;
mod write;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

pub use self::store::Store;
use self::{
    elsewhere::Marks,
    fetch::Fetcher,
    home::{Home, Lies},
    record::Handling,
};
use crate::{
    domain::{
        cache::Epoch,
        object_id,
        poison::{Code, Poison},
        record::{Output, Record, Source, TopicName, TopicPartition},
        request::PassRequest,
        status_check::Rules,
    },
    engine::{
        dead_letter::DeadLetters,
        handler::{self, Halt, Handler, Step, Turn},
    },
    ports::{Clock, PortError, Topics},
    telemetry::{Metrics, TRACEPARENT},
};

/// Names and limits of the pipeline.
#[derive(Clone, Debug)]
pub struct Config {
    /// The consumer group.
    pub group: String,
    /// Where requests are read.
    pub topic: TopicName,
    /// Its partitions at the start.
    pub partitions: u32,
    /// The waiting room of requests whose fetch failed.
    pub retry_topic: TopicName,
    /// Where changes are told.
    pub ticket_changed_topic: TopicName,
    /// A document older than this less `freshness_slack` is stale.
    pub freshness: Duration,
    /// Lets an hourly tick refresh what is nearly an hour old.
    pub freshness_slack: Duration,
    /// Entries that each error log keeps.
    pub error_log_max: usize,
    /// How long a request waits in the waiting room.
    pub retry_delay: Duration,
    /// How often it goes through it before it is a dead letter.
    pub retry_rounds: u32,
    /// Requests of ticks that were put longer ago than this are skipped: the next tick asks again.
    pub tick_max_age: Duration,
    /// Whether the lists of a user whose token is gone are emptied; else they stay.
    pub purge_without_token: bool,
    /// Products whose new passes get `free_ticket_status` 1.
    pub free_ticket_products: Vec<String>,
    /// How times mean a status.
    pub status_rules: Rules,
    /// Whether the status log holds every check; else changes and failures alone.
    pub logs_all_checks: bool,
    /// Compare-and-sets of one turn.
    pub cas_attempts: u32,
}

/// What the pipeline works with.
pub struct Passes {
    config: Config,
    store: Store,
    fetcher: Fetcher,
    dead_letters: DeadLetters,
    clock: Arc<dyn Clock>,
    random: Mutex<fastrand::Rng>,
    metrics: Metrics,
    home: Home,
    marks: Marks,
}

impl Passes {
    /// The pipeline over these ports.
    pub fn new(
        config: Config,
        topics: Arc<dyn Topics>,
        store: Store,
        fetcher: Fetcher,
        dead_letters: DeadLetters,
        clock: Arc<dyn Clock>,
        random: fastrand::Rng,
    ) -> Self {
        let home = Home::new(config.topic.clone(), config.partitions, topics, Arc::clone(&clock));
        Self {
            home,
            marks: Marks::default(),
            config,
            store,
            fetcher,
            dead_letters,
            clock,
            random: Mutex::new(random),
            metrics: Metrics::off(),
        }
    }

    /// Counts what it does.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    fn new_object_id(&self, now_s: i64) -> String {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        object_id::new(now_s, random.u64(..))
    }

    /// A request out of the waiting room: back to the others when its time has come.
    fn move_back(&self, record: &Record, turn: &Turn) -> Result<Step, Halt> {
        let delay_ms = i64::try_from(self.config.retry_delay.as_millis()).unwrap_or(i64::MAX);
        let due_ms = record.source.timestamp_ms.saturating_add(delay_ms);
        if self.clock.now_ms() < due_ms {
            return Ok(Step::NotBefore(due_ms));
        }
        let mut request = decode(record)?;
        request.attempt = request.attempt.saturating_add(1);
        self.routed(&request, record, turn)
    }

    /// Puts a request on the topic of requests, where its key belongs.
    fn routed(&self, request: &PassRequest, record: &Record, turn: &Turn) -> Result<Step, Halt> {
        let outputs = vec![self.request_output(request, record, turn)];
        handler::sized(&self.dead_letters.sizes, outputs, "routed")
    }

    /// The request once more, in the trace of this turn, with all else that the record has in its headers.
    fn request_output(&self, request: &PassRequest, record: &Record, turn: &Turn) -> Output {
        let others = record.headers.iter().filter(|(name, _)| name != TRACEPARENT).cloned();
        Output {
            topic: self.config.topic.clone(),
            key: Some(Bytes::from(request.user_id.to_string())),
            value: Some(Bytes::from(request.encode())),
            headers: others.chain(turn.trace()).collect(),
        }
    }
}

/// Decodes the request of `record`; its id is that of its first record.
fn decode(record: &Record) -> Result<PassRequest, Halt> {
    let poison = |poison| Halt::Poison { stage: "decode", poison };
    let Some(value) = &record.value else {
        return Err(poison(Poison::new(Code::WrongType, "a pass-request has a value; this record is a tombstone")));
    };
    let mut request = PassRequest::decode(value).map_err(poison)?;
    request.request_id.get_or_insert_with(|| record.source.to_string());
    if request.requested_at.is_none() {
        request.requested_at = jiff::Timestamp::from_millisecond(record.source.timestamp_ms).ok();
    }
    Ok(request)
}

#[async_trait]
impl Handler for Passes {
    async fn take_epoch(&self, above: Epoch) -> Result<Epoch, PortError> {
        // Partitions come when some were added, and when others disagreed about where a user's key belongs.
        self.home.count().await?;
        self.store.documents().next_epoch(above).await
    }

    async fn committed_marks(&self, places: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        self.store.documents().committed_marks(&self.config.group, places).await
    }

    async fn raise_committed_marks(&self, marks: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        self.store.documents().raise_committed_marks(&self.config.group, marks).await
    }

    async fn handle(&self, record: &Record, turn: &Turn) -> Result<Step, Halt> {
        if record.source.topic == self.config.retry_topic {
            return self.move_back(record, turn);
        }
        let request = decode(record)?;
        let lies = self.home.lies(record, &request).await?;
        if lies == Lies::Unkeyed {
            return self.routed(&request, record, turn);
        }
        let source = Source { topic: turn.held.place.topic.clone(), ..record.source.clone() };
        Handling { passes: self, record, turn, request, source, is_astray: lies == Lies::Astray }.run().await
    }
}
