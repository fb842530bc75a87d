//! Tries every connection, for `check`.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    adapters::{
        bytemark_http::{BytemarkHttp, Limits},
        system_clock::SystemClock,
    },
    domain::record::TopicName,
    ports::{Documents as _, Failure, PortError, Tokens as _},
    settings::{Connections, Kafka, Names, Pipeline, Servers},
};

use super::{Error, missing_topics, open_store, servers, topics_of};

/// What came of trying one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// How it is, or what is wrong and how to mend it.
    pub outcome: Result<String, String>,
}

impl Finding {
    /// What came of trying `what`.
    pub fn new(what: impl Into<String>, outcome: Result<String, String>) -> Self {
        Self { what: what.into(), outcome }
    }
}

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A driver may try several times within it.
const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// Whether topics, documents and tokens can be used: the servers that are named, or else the embedded store.
pub async fn store(connections: &Connections, names: &Names, pipelines: &[Pipeline]) -> Vec<Finding> {
    let Servers { kafka, mongodb, mysql } = &connections.servers;
    if !connections.servers.is_any() {
        return vec![embedded(connections, names).await];
    }
    let mut findings = Vec::new();
    if let Some(kafka) = kafka {
        let what = format!("Kafka at {}", kafka.brokers);
        findings.push(Finding::new(what, within(topics(kafka, &topics_of(pipelines))).await));
    }
    if let Some(uri) = mongodb {
        let what = format!("MongoDB, documents in {}.{}", names.cache_database, names.cache_collection);
        findings.push(Finding::new(what, within(documents(uri.expose(), names)).await));
    }
    if let Some(url) = mysql {
        let what = format!("MySQL, tokens in {}", names.token_table);
        findings.push(Finding::new(what, within(tokens(url.expose(), names)).await));
    }
    findings
}

/// A server that does not answer at all is told as well.
async fn within(tried: impl Future<Output = Result<String, Error>>) -> Result<String, String> {
    let late = |_| {
        Err(Error::Other(format!(
            "no answer within {} s; does it run, and is the address right?",
            SERVER_TIMEOUT.as_secs()
        )))
    };
    tokio::time::timeout(SERVER_TIMEOUT, tried).await.unwrap_or_else(late).map_err(|error| error.to_string())
}

async fn topics(kafka: &Kafka, needed: &[TopicName]) -> Result<String, Error> {
    let topics = servers::topics(kafka)?;
    let missing = missing_topics(&topics, needed).await.map_err(with_advice)?;
    if missing.is_empty() {
        return Ok("answers, and has the topics".to_owned());
    }
    Err(Error::Other(format!("the topics {} are missing; make them with `passflow topics create`", missing.join(", "))))
}

/// The driver does not say what to look at.
fn with_advice(error: PortError) -> PortError {
    if error.kind == Failure::Refused {
        return error;
    }
    let message = format!("{}; is Kafka up, and is PASSFLOW_KAFKA_BROKERS its address?", error.message);
    PortError { message, ..error }
}

async fn documents(uri: &str, names: &Names) -> Result<String, Error> {
    let documents = servers::documents(uri, names).await?;
    let one = documents.users(None, 1).await?;
    Ok(if one.is_empty() { "answers; there are no documents yet" } else { "answers" }.to_owned())
}

async fn tokens(url: &str, names: &Names) -> Result<String, Error> {
    let tokens = servers::tokens(url, names)?;
    tokens.reach().await?;
    tokens.users(None, 1).await?;
    match tokens.missing_index().await? {
        None => Ok("answers, and an index serves the pages of users".to_owned()),
        Some(advice) => Err(Error::Other(advice)),
    }
}

/// Whether the embedded store can be opened and written.
async fn embedded(connections: &Connections, names: &Names) -> Finding {
    let dir = &connections.data_dir;
    let what = format!("embedded store in {}", dir.display());
    // First, as this makes the directory, and for nobody else.
    if let Err(error) = open_store(connections, names).await {
        return Finding::new(what, Err(error.to_string()));
    }
    let written = write_probe(dir).map(|()| "opens, and can be written".to_owned());
    Finding::new(
        what,
        written
            .map_err(|error| format!("can't write there: {error}; give passflow the right, or make room on the disk")),
    )
}

fn write_probe(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".check-{}", std::process::id()));
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(&probe)
}

/// Whether the Bytemark API answers HTTP at all; without a token any status will do.
pub async fn bytemark(url: &str) -> Finding {
    let what = format!("Bytemark at {url}");
    let outcome = get(url)
        .await
        .map_err(|error| format!("{error}; check PASSFLOW_BYTEMARK_URL, the network, and whether the server runs"));
    Finding::new(what, outcome)
}

/// With the client that `run` has: what reaches the one reaches the other.
async fn get(url: &str) -> Result<String, String> {
    let limits = Limits {
        connect_timeout: ANSWER_TIMEOUT,
        read_timeout: ANSWER_TIMEOUT,
        request_timeout: ANSWER_TIMEOUT,
        ..Limits::default()
    };
    let api = BytemarkHttp::new(url, limits, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
    let status = api.probe().await.map_err(|error| error.to_string())?;
    Ok(format!("answers (HTTP {status})"))
}
