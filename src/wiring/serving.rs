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
    settings::{HttpListener, Kind, Names, Pipeline},
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
    pub async fn start(
        listener: Option<&HttpListener>,
        store: &Store,
        names: &Names,
        pipelines: &[Pipeline],
    ) -> Result<Self, Error> {
        let observed = Observed::new(listener.is_some(), |name| std::env::var(name).ok())?;
        let health = Health::new(Arc::new(SystemClock), probes(store, names, pipelines), LIVE_WITHIN);
        let console = Arc::new(Console { health, metrics: Box::new(observed.text_of()) });
        let mut serving = Self { observed, console, tasks: Vec::new() };
        if let Some(listener) = listener {
            serving.listen(listener).await?;
        }
        Ok(serving)
    }

    async fn listen(&mut self, listener: &HttpListener) -> Result<(), Error> {
        let Some(bound) = bind(listener).await? else { return Ok(()) };
        tracing::info!(addr = %bound.local_addr().unwrap_or(listener.addr), "the console listens");
        let (console, token) = (Arc::clone(&self.console), listener.token.clone());
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = console::serve(bound, console, token.as_ref()).await {
                tracing::error!(%error, "the console has ended");
            }
        }));
        Ok(())
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

/// An address that nobody asked for may be taken: several instances on one machine do not need it.
async fn bind(HttpListener { addr, is_default, .. }: &HttpListener) -> Result<Option<TcpListener>, Error> {
    match TcpListener::bind(addr).await {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if *is_default => {
            tracing::warn!(%addr, %error, "can't listen for the console; set PASSFLOW_HTTP_ADDR to have one");
            Ok(None)
        }
        Err(error) => {
            let how = "set PASSFLOW_HTTP_ADDR to another address, or to `off`";
            Err(Error::Other(format!("can't listen on {addr} for the console: {error}; {how}")))
        }
    }
}

/// One cheap question to each store that these pipelines need.
fn probes(store: &Store, names: &Names, pipelines: &[Pipeline]) -> Vec<Probe> {
    let any = |wanted: fn(&Kind) -> bool| pipelines.iter().any(|pipeline| wanted(&pipeline.kind));
    let reads_users = any(|kind| matches!(kind, Kind::Passes(_) | Kind::Ticks(_)));
    let stores = any(|kind| matches!(kind, Kind::ParkingEvents(_)));
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
    let mut probes = vec![Probe { dependency: Dependency::Topics, ask: Box::new(ask_topics) }];
    if reads_users || stores {
        probes.push(Probe { dependency: Dependency::Documents, ask: Box::new(ask_documents) });
    }
    if reads_users {
        probes.push(Probe { dependency: Dependency::Tokens, ask: Box::new(ask_tokens) });
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_is_an_error_only_where_somebody_asked_for_it() {
        let free = HttpListener { addr: ([127, 0, 0, 1], 0).into(), token: None, is_default: true };
        let other = bind(&free).await.unwrap().unwrap();
        let taken = HttpListener { addr: other.local_addr().unwrap(), ..free };
        assert!(bind(&taken).await.unwrap().is_none());
        let asked_for = bind(&HttpListener { is_default: false, ..taken }).await.unwrap_err().to_string();
        assert!(asked_for.contains("PASSFLOW_HTTP_ADDR"), "{asked_for}");
    }

    #[tokio::test]
    async fn readiness_asks_only_for_what_the_pipelines_need() {
        let dir = tempfile::tempdir().unwrap();
        let pipelines = crate::settings::all_pipelines(&dir.path().join("none")).unwrap();
        let names = Names::of(&pipelines);
        let store = crate::wiring::embedded::open(dir.path(), &names).await.unwrap();
        let asked = |kind: &str| {
            let chosen: Vec<Pipeline> = pipelines.iter().filter(|it| it.name == kind).cloned().collect();
            probes(&store, &names, &chosen).iter().map(|probe| probe.dependency).collect::<Vec<_>>()
        };
        assert_eq!(asked("token_changes"), [Dependency::Topics]);
        assert_eq!(asked("parking_events"), [Dependency::Topics, Dependency::Documents]);
        assert_eq!(asked("passes"), [Dependency::Topics, Dependency::Documents, Dependency::Tokens]);
    }
}
