//! One simulated process: the real engine with all its pipelines, over the in-memory adapters as this process sees them.

use std::{sync::Arc, time::Duration};

use passflow::{
    adapters::memory::{Chaos, MemoryApi, MemoryCluster, MemoryDocuments, MemoryTokens, ProcessClock, World},
    domain::token_change::TableNames,
    engine::{Engine, Limits, Parts, dead_letter::DeadLetters, handler::Handler, progress::Progress},
    pipelines::{
        passes::{
            self, Passes, Store,
            fetch::{FetchLimits, Fetcher},
            gate::{Gate, GateLimits},
        },
        ticks::{self, Ticks},
        token_changes::TokenChanges,
    },
    ports::{Clock, Documents, Tokens, Topics},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub const REQUESTS: &str = "bytemark.pass-requests";
pub const RETRY: &str = "bytemark.pass-requests.retry";
pub const TICKS: &str = "bytemark.ticks";
pub const CDC: &str = "cdc.portal.bytemark_tokens";
pub const TICKET_CHANGED: &str = "bytemark.ticket-changed";
pub const DEAD_LETTERS: &str = "passflow.dead-letters";

/// What all processes share.
#[derive(Clone)]
pub struct Surroundings {
    pub world: World,
    pub cluster: MemoryCluster,
    pub documents: MemoryDocuments,
    pub tokens: MemoryTokens,
    pub api: MemoryApi,
}

/// A running process.
pub struct Process {
    pub chaos: Chaos,
    pub shutdown: CancellationToken,
    pub progress: Vec<Progress>,
    engines: JoinSet<()>,
}

impl Process {
    /// Starts all pipelines.
    pub fn start(surroundings: &Surroundings, chaos: Chaos, seed: u64) -> Self {
        let shutdown = CancellationToken::new();
        let mut process = Self { chaos, shutdown, progress: Vec::new(), engines: JoinSet::new() };
        let topics: Arc<dyn Topics> = Arc::new(surroundings.cluster.client(&process.chaos));
        let clock: Arc<dyn Clock> = Arc::new(ProcessClock::new(surroundings.world.clock(), process.chaos.clone()));
        let tokens: Arc<dyn Tokens> = Arc::new(surroundings.tokens.client(&process.chaos));
        let documents: Arc<dyn Documents> = Arc::new(surroundings.documents.client(&process.chaos));
        let token_changes =
            TokenChanges { table: TableNames::new("portal", "bytemark_tokens"), requests_topic: REQUESTS.into() };
        process.spawn("token_changes", &[CDC], Arc::new(token_changes), &topics, &clock, seed);
        let ticks = Ticks::new(ticks_config(), Arc::clone(&tokens), Arc::clone(&topics), Arc::clone(&clock));
        process.spawn("ticks", &[TICKS], Arc::new(ticks), &topics, &clock, seed);
        let gate = Gate::new(gate_limits(), Arc::clone(&clock));
        let random = fastrand::Rng::with_seed(seed);
        let api = Arc::new(surroundings.api.client(&process.chaos));
        let fetcher = Fetcher::new(api, gate, fetch_limits(), Arc::clone(&clock), random.clone());
        let store = Store::new(documents, tokens, 100);
        let passes = Passes::new(passes_config(), store, fetcher, dead_letters("passes"), Arc::clone(&clock), random);
        process.spawn("passes", &[REQUESTS, RETRY], Arc::new(passes), &topics, &clock, seed);
        process
    }

    fn spawn(
        &mut self,
        pipeline: &str,
        consumes: &[&str],
        handler: Arc<dyn Handler>,
        topics: &Arc<dyn Topics>,
        clock: &Arc<dyn Clock>,
        seed: u64,
    ) {
        let progress = Progress::default();
        self.progress.push(progress.clone());
        let parts = Parts {
            pipeline: pipeline.to_owned(),
            group: format!("passflow.{pipeline}"),
            consumes: consumes.iter().map(|topic| (*topic).into()).collect(),
            handler,
            topics: Arc::clone(topics),
            clock: Arc::clone(clock),
            random: fastrand::Rng::with_seed(seed),
            limits: limits(),
            dead_letters: dead_letters(pipeline),
            progress,
            shutdown: self.shutdown.clone(),
        };
        self.engines.spawn(async move { Engine::run(parts).await.unwrap() });
    }

    /// SIGKILL: nothing of it goes on but what was sent.
    pub fn kill(mut self) {
        self.chaos.kill();
        self.engines.abort_all();
    }

    /// SIGTERM, until it has ended.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.engines.join_next().await {
            ended.unwrap();
        }
    }

    /// How many partitions it holds, if each is handled to its end and it waits for none.
    pub fn settled_partitions(&self) -> Option<usize> {
        let mut count = 0;
        for snapshot in self.progress.iter().map(Progress::snapshot) {
            if !snapshot.partitions.is_empty() && !snapshot.is_settled() || snapshot.taking > 0 {
                return None;
            }
            count += snapshot.partitions.len();
        }
        Some(count)
    }

    /// Fails loudly when an engine has ended by itself.
    pub fn assert_running(&mut self) {
        if let Some(ended) = self.engines.try_join_next() {
            panic!("an engine ended by itself: {ended:?}");
        }
    }
}

fn dead_letters(pipeline: &str) -> DeadLetters {
    DeadLetters { topic: DEAD_LETTERS.into(), pipeline: pipeline.to_owned(), size_max: 1 << 20 }
}

fn limits() -> Limits {
    Limits {
        window: 8,
        concurrency: 16,
        probe_max: Duration::from_secs(2),
        marks_every: Duration::from_secs(2),
        drain: Duration::from_secs(5),
        ..Limits::default()
    }
}

fn ticks_config() -> ticks::Config {
    ticks::Config {
        requests_topic: REQUESTS.into(),
        requests_group: "passflow.passes".to_owned(),
        max_age: Duration::from_mins(60),
        spread: Duration::ZERO,
        ahead: Duration::from_secs(5),
        page: 3,
    }
}

fn gate_limits() -> GateLimits {
    GateLimits { max_in_flight: 8, requests_per_second: 0, retry_after_max: Duration::from_secs(5), down_after: 20 }
}

fn fetch_limits() -> FetchLimits {
    FetchLimits {
        history_per_page: 2,
        history_pages_max: 50,
        reread_max: 3,
        attempts: 3,
        backoff: Duration::from_millis(200),
        backoff_max: Duration::from_secs(5),
        depth_max: 100,
    }
}

fn passes_config() -> passes::Config {
    passes::Config {
        group: "passflow.passes".to_owned(),
        topic: REQUESTS.into(),
        partitions: 12,
        retry_topic: RETRY.into(),
        ticket_changed_topic: TICKET_CHANGED.into(),
        event_bytes_max: 1 << 20,
        freshness: Duration::from_secs(10),
        freshness_slack: Duration::from_secs(1),
        error_log_max: 5,
        retry_delay: Duration::from_secs(5),
        // No request may end as a dead letter here: each would be a change that nobody told.
        retry_rounds: 1_000,
        tick_max_age: Duration::from_mins(60),
        purge_without_token: false,
        free_ticket_products: Vec::new(),
        cas_attempts: 20,
    }
}
