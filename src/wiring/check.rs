//! Tries every connection, for `check`.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    adapters::{
        bytemark_http::{BytemarkHttp, Limits},
        system_clock::SystemClock,
    },
    settings::{Connections, Names},
};

use super::{open_store, refuse_servers};

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

/// Whether the store can be opened and written.
pub async fn store(connections: &Connections, names: &Names) -> Finding {
    let dir = &connections.data_dir;
    let what = format!("embedded store in {}", dir.display());
    if let Err(problems) = refuse_servers(connections) {
        return Finding::new("store", Err(problems.to_string()));
    }
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
