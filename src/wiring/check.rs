//! Tries every connection, for `check`.

use std::{path::Path, time::Duration};

use crate::settings::{Connections, TopicNames};

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
pub async fn store(connections: &Connections, names: &TopicNames) -> Finding {
    let dir = &connections.data_dir;
    let what = format!("embedded store in {}", dir.display());
    if let Err(problems) = refuse_servers(connections) {
        return Finding::new("store", Err(problems.to_string()));
    }
    if let Err(error) = write_probe(dir) {
        let message = format!(
            "can't write there: {error}; create the folder, give passflow the right to write, or set PASSFLOW_DATA_DIR"
        );
        return Finding::new(what, Err(message));
    }
    match open_store(connections, names).await {
        Ok(_) => Finding::new(what, Ok("opens, and can be written".to_owned())),
        Err(error) => Finding::new(what, Err(error.to_string())),
    }
}

fn write_probe(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
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

async fn get(url: &str) -> Result<String, String> {
    // Fails only when another part of the process was first, with the same provider.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| deepest(&error))?;
    let answer = client.get(url).send().await.map_err(|error| deepest(&error))?;
    Ok(format!("answers (HTTP {})", answer.status().as_u16()))
}

/// The first cause alone tells what is wrong; those above it only repeat the URL.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
