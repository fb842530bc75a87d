//! The one place that picks adapters: what a command needs comes from here, behind the ports.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    domain::{
        js_json,
        record::{TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::{Documents, PortError, Tokens, Topics},
    settings::{Connections, HttpListener, Names, Pipeline, Problems},
};

pub mod check;
pub mod configs;
pub mod demo;
mod embedded;
mod housekeeping;
pub mod oracle;
pub mod running;

use self::running::{Running, StopSignals, Surroundings};
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

    /// How far every group has come, by group and partition.
    async fn committed(&self) -> Result<Vec<(String, TopicPartition, i64)>, PortError>;

    /// Removes records of `topic` that were put before this time (ms since 1970); tells how many.
    async fn trim(&self, topic: &TopicName, before_ms: i64) -> Result<u64, PortError>;
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
/// When a server is named: this build has the embedded store alone. When the store can't be opened.
pub async fn open_store(connections: &Connections, names: &Names) -> Result<Store, Error> {
    refuse_servers(connections)?;
    embedded::open(&connections.data_dir, names).await
}

/// Runs pipelines until a signal, or until their end.
///
/// # Errors
/// When they can't be started, or one ends badly.
pub async fn run(run: Run) -> Result<Ended, Error> {
    refuse_servers(&run.connections)?;
    // First, so that a signal during the start ends it as well as one later.
    let mut signals = StopSignals::listen()?;
    let _lock = embedded::lock(&run.connections.data_dir)?;
    let names = Names::of(&run.pipelines);
    let store = open_store(&run.connections, &names).await?;
    let housekeeping = tokio::spawn(housekeeping::keep(store.clone(), names));
    let surroundings =
        Surroundings { store, bytemark_url: run.connections.bytemark_url.clone(), seed: fastrand::u64(..) };
    let running = Running::start(surroundings, &run.pipelines).await?;
    tracing::info!(pipelines = run.pipelines.len(), "running");
    let end = tokio::select! {
        () = signals.next() => Ok(Ended::Well),
        end = until_end(&running, run.until_end) => Ok(end),
        error = running.fail() => Err(error),
    };
    housekeeping.abort();
    // A pipeline that ended by itself has told why; the others are drained all the same.
    running.stop().await?;
    end
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

/// What a setting for a server means for this build. Goes when the adapters of Kafka, MongoDB and MySQL come.
fn refuse_servers(connections: &Connections) -> Result<(), Problems> {
    let servers = &connections.servers;
    let named = [
        ("PASSFLOW_KAFKA_BROKERS", servers.kafka.is_some()),
        ("PASSFLOW_MONGODB_URI", servers.mongodb.is_some()),
        ("PASSFLOW_MYSQL_URL", servers.mysql.is_some()),
    ];
    let named: Vec<&str> = named.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if named.is_empty() {
        return Ok(());
    }
    let message = "this build has the embedded store only: Kafka, MongoDB and MySQL come with the next version. \
                   Unset it (also in the connections file) to use the embedded store";
    Err(Problems::one(named.join(", "), message))
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
