//! The one place that picks adapters: what a command needs comes from here, behind the ports.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    domain::{
        js_json,
        record::{TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::{AuditLogs, Documents, Failure, ParkingEvents, PortError, Tokens, Topics},
    settings::{Connections, HttpListener, Names, Pipeline, Problems, Servers},
};

mod absent;
pub mod check;
pub mod configs;
pub mod demo;
mod embedded;
mod housekeeping;
mod observed;
pub mod oracle;
mod retention;
pub mod running;
mod servers;
mod serving;
mod sizes;
mod topic_plans;

pub use self::topic_plans::{Planned, plans};
use self::{
    retention::Retention,
    running::{Running, StopSignals, Surroundings},
    serving::Serving,
};
use crate::engine::until_end::End;

/// What the parts are given.
#[derive(Clone)]
pub struct Store {
    /// The topics.
    pub topics: Arc<dyn Topics>,
    /// What else is known of the topics.
    pub catalog: Arc<dyn Catalog>,
    /// The documents.
    pub documents: Arc<dyn Documents>,
    /// The parking events.
    pub parking: Arc<dyn ParkingEvents>,
    /// The logs of events and status checks.
    pub audit: Arc<dyn AuditLogs>,
    /// The tokens, to read.
    pub tokens: Arc<dyn Tokens>,
    /// The tokens, to change; the embedded store alone has it.
    pub token_admin: Arc<dyn TokenAdmin>,
}

/// Which topics and groups there are: for people, no pipeline needs it.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicName>, PortError>;

    /// How far `groups` have come, by group and partition.
    async fn committed(&self, groups: &[String]) -> Result<Vec<(String, TopicPartition, i64)>, PortError>;

    /// Makes the documented topics that are missing, and tells how the others differ. Nothing that exists is altered.
    async fn create(&self) -> Result<Vec<TopicReport>, PortError>;

    /// The largest record that each topic takes now, in bytes; where nothing is told, what any takes.
    async fn record_sizes(&self) -> Result<Vec<(TopicName, usize)>, PortError>;

    /// Removes records of `topic` that were put before this time (ms since 1970); tells how many.
    async fn trim(&self, topic: &TopicName, before_ms: i64) -> Result<u64, PortError>;
}

/// What a topic is, or became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub topic: TopicName,
    /// It was missing, and was made.
    pub made: bool,
    /// What is other than documented.
    pub differences: Vec<String>,
}

/// Changes the embedded token table. Each change is also a record on the CDC topic, in the same transaction.
#[async_trait]
pub trait TokenAdmin: Send + Sync + 'static {
    /// Inserts rows or updates those that are there; `None` stores NULL.
    async fn put(&self, rows: Vec<(UserId, Option<Token>)>) -> Result<PutRows, PortError>;

    /// Deletes the user's row; false when there is none.
    async fn delete(&self, user: UserId) -> Result<bool, PortError>;
}

/// What became of rows that were put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutRows {
    /// They were not there.
    pub inserted: u64,
    /// Their token was another.
    pub updated: u64,
    /// They were as they should be: nothing was written, and no change told.
    pub unchanged: u64,
}

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting does not fit this build or command.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// A dependency failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Something else at start.
    #[error("{0}")]
    Other(String),
}

/// How `run` is to run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where everything is.
    pub connections: Connections,
    /// Where the console listens.
    pub http: Option<HttpListener>,
    /// What to run.
    pub pipelines: Vec<Pipeline>,
    /// Topics, table and documents, as these and their neighbours name them.
    pub names: Names,
    /// Stop when all is handled; and how long a dependency may stay down meanwhile.
    pub until_end: Option<Duration>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that was asked for is done.
    Well,
    /// Something differs or stayed down; it has been told.
    Badly,
}

/// Opens the store that `connections` name.
///
/// # Errors
/// When the embedded store can't be opened, or a server's address can't be read. Servers need not answer yet.
pub async fn open_store(connections: &Connections, names: &Names) -> Result<Store, Error> {
    if connections.servers.is_any() {
        return servers::open(&connections.servers, names).await;
    }
    embedded::open(&connections.data_dir, names).await
}

/// Runs pipelines until a signal, or until their end.
///
/// # Errors
/// When they can't be started, or one ends badly.
pub async fn run(run: Run) -> Result<Ended, Error> {
    // First, so that a signal during the start ends it as well as one later.
    let mut signals = StopSignals::listen()?;
    let names = run.names;
    let servers = &run.connections.servers;
    let _lock = if servers.is_any() { None } else { Some(embedded::lock(&run.connections.data_dir)?) };
    let store = open_store(&run.connections, &names).await?;
    let mut serving = Serving::start(run.http.as_ref(), &store, &names, &run.pipelines).await?;
    let needed = topics_of(&run.pipelines);
    tokio::select! {
        () = signals.next() => return Ok(Ended::Well),
        () = too_late(run.until_end) => {
            tracing::error!("gave up waiting for the topics");
            return Ok(Ended::Badly);
        }
        found = await_topics(servers, &store, &needed) => found?,
    }
    let housekeeping =
        tokio::spawn(housekeeping::keep(store.clone(), run.connections.clone(), names, Retention::of(&run.pipelines)));
    let surroundings = Surroundings {
        store: store.clone(),
        bytemark_url: run.connections.bytemark_url.clone(),
        seed: fastrand::u64(..),
        metrics: serving.observed.metrics.clone(),
        tracing: serving.observed.tracing.clone(),
    };
    let running = Running::start(surroundings, &run.pipelines).await?;
    serving.show(&running, &store);
    tracing::info!(pipelines = run.pipelines.len(), "running");
    let end = tokio::select! {
        () = signals.next() => Ok(Ended::Well),
        end = until_end(&running, run.until_end) => Ok(end),
        error = running.fail() => Err(error),
    };
    housekeeping.abort();
    // A pipeline that ended by itself has told why; the others are drained all the same.
    let stopped = running.stop().await;
    serving.end().await;
    stopped?;
    end
}

/// The topics that `pipelines` read or write, each once.
fn topics_of(pipelines: &[Pipeline]) -> Vec<TopicName> {
    let topics: BTreeSet<&str> = pipelines.iter().flat_map(Pipeline::topics).collect();
    topics.into_iter().map(TopicName::from).collect()
}

/// Those of `needed` that are not there.
async fn missing_topics(topics: &dyn Topics, needed: &[TopicName]) -> Result<Vec<String>, PortError> {
    let mut missing = Vec::new();
    for topic in needed {
        if topics.partitions(topic).await?.is_empty() {
            missing.push(topic.to_string());
        }
    }
    Ok(missing)
}

/// Waits until the topics of servers answer; they must all be there. The embedded store makes its own.
async fn await_topics(servers: &Servers, store: &Store, needed: &[TopicName]) -> Result<(), Error> {
    const PAUSE: Duration = Duration::from_secs(2);
    if !servers.is_any() {
        return Ok(());
    }
    let mut told = false;
    loop {
        match missing_topics(store.topics.as_ref(), needed).await {
            Ok(missing) if missing.is_empty() => return Ok(()),
            Ok(missing) => {
                let missing = missing.join(", ");
                return Err(Error::Other(format!(
                    "the topics {missing} are missing; make them with `passflow topics create`"
                )));
            }
            Err(error) if error.kind == Failure::Refused => return Err(error.into()),
            Err(error) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, "waiting for the topics; work begins when they answer");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// When a run that waits for its end has waited long enough for a dependency.
async fn too_late(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end, if it is waited for.
async fn until_end(running: &Running, patience: Option<Duration>) -> Ended {
    let Some(patience) = patience else { return std::future::pending().await };
    match running.reach_end(patience).await {
        End::Reached => Ended::Well,
        End::Waiting { pipeline, dependency } => {
            tracing::error!(pipeline, dependency, "gave up waiting for a dependency; what is left stays in the topics");
            Ended::Badly
        }
    }
}

/// The text that `JSON.stringify(JSON.parse(text))` gives: what payload hashes are made of.
///
/// # Errors
/// When `text` is no JSON: what is wrong, and where.
pub fn canonical_json(text: &[u8]) -> Result<Vec<u8>, String> {
    /// As deep as the pipeline takes a body by default.
    const DEPTH_MAX: usize = 2000;
    js_json::canonicalize(text, DEPTH_MAX).map(Cow::into_owned).map_err(|error| format!("this is no JSON: {error}"))
}
