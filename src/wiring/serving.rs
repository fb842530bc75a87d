//! The console beside the pipelines, and what is observed of them.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Error, Store, observed::Observed, running::Running};
use crate::{
    adapters::system_clock::SystemClock,
    console::{self, Console, Health, Probe},
    domain::record::TopicName,
    ports::Dependency,
    settings::{HttpListener, Names},
};

/// A loop that has not turned for so long does not live any more: longer than any of its calls may take.
const LIVE_WITHIN: Duration = Duration::from_mins(3);

/// The console, served until this is dropped.
pub struct Serving {
    /// What is observed.
    pub observed: Observed,
    console: Arc<Console>,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Begins to listen and to answer; the pipelines need not run yet.
    ///
    /// # Errors
    /// When the address is taken, or the telemetry's settings do not hold together.
    pub async fn start(listener: Option<&HttpListener>, store: &Store, names: &Names) -> Result<Self, Error> {
        let observed = Observed::new(listener.is_some(), |name| std::env::var(name).ok())?;
        let health = Health::new(Arc::new(SystemClock), probes(store, names), LIVE_WITHIN);
        let console = Arc::new(Console { health, metrics: Box::new(observed.text_of()) });
        let mut serving = Self { observed, console, tasks: Vec::new() };
        if let Some(HttpListener { addr, token }) = listener {
            let bound = TcpListener::bind(addr).await.map_err(|error| {
                let how = "set PASSFLOW_HTTP_ADDR to another address, or to `off`";
                Error::Other(format!("can't listen on {addr} for the console: {error}; {how}"))
            })?;
            tracing::info!(addr = %bound.local_addr().unwrap_or(*addr), "the console listens");
            let (console, token) = (Arc::clone(&serving.console), token.clone());
            serving.tasks.push(tokio::spawn(async move {
                if let Err(error) = console::serve(bound, console, token.as_ref()).await {
                    tracing::error!(%error, "the console has ended");
                }
            }));
        }
        Ok(serving)
    }

    /// From now on these pipelines are shown.
    pub fn show(&mut self, running: &Running, store: &Store) {
        let pipelines = running.progress().map(|(name, progress)| (name.to_owned(), progress.clone()));
        self.console.health.started(pipelines.collect());
        self.tasks.extend(self.observed.watch(running.watched(), Arc::clone(&store.topics)));
    }

    /// Ends it, and sends what is left to tell.
    pub async fn end(mut self) {
        self.abort();
        std::mem::replace(&mut self.observed, Observed::nowhere()).end().await;
    }

    fn abort(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.abort();
    }
}

/// One cheap question to each store.
fn probes(store: &Store, names: &Names) -> Vec<Probe> {
    let topic = TopicName::from(names.requests.as_str());
    let topics = Arc::clone(&store.topics);
    let ask_topics = move || {
        let (topics, topic) = (Arc::clone(&topics), topic.clone());
        async move { topics.partitions(&topic).await.map(drop) }.boxed()
    };
    let documents = Arc::clone(&store.documents);
    let ask_documents = move || {
        let documents = Arc::clone(&documents);
        async move { documents.users(None, 1).await.map(drop) }.boxed()
    };
    let tokens = Arc::clone(&store.tokens);
    let ask_tokens = move || {
        let tokens = Arc::clone(&tokens);
        async move { tokens.users(None, 1).await.map(drop) }.boxed()
    };
    vec![
        Probe { dependency: Dependency::Topics, ask: Box::new(ask_topics) },
        Probe { dependency: Dependency::Documents, ask: Box::new(ask_documents) },
        Probe { dependency: Dependency::Tokens, ask: Box::new(ask_tokens) },
    ]
}
