//! One simulated process: the real engine with all its pipelines, over the in-memory adapters as this process sees them.
//! Shared by the simulation and the behaviour tests.

use std::{sync::Arc, time::Duration};

use passflow::{
    adapters::memory::{
        Chaos, MemoryApi, MemoryAudit, MemoryCluster, MemoryDocuments, MemoryTokens, ProcessClock, World,
    },
    domain::{status_check::Rules, token_change::TableNames},
    engine::{
        Engine, Limits, Parts, dead_letter::DeadLetters, handler::Handler, progress::Progress,
        record_sizes::RecordSizes,
    },
    pipelines::{
        passes::{
            self, Passes, Store,
            fetch::{FetchLimits, Fetcher},
            gate::{Gate, GateLimits},
        },
        ticks::{self, Ticks},
        token_changes::TokenChanges,
    },
    ports::{Clock, Documents, PassApi, Tokens, Topics},
    telemetry::{Metrics, Tracing},
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
    pub audit: MemoryAudit,
    pub tokens: MemoryTokens,
    pub api: MemoryApi,
}

/// What may differ from run to run.
#[derive(Clone)]
pub struct Setup {
    pub pipelines: Vec<&'static str>,
    pub limits: Limits,
    pub ticks: ticks::Config,
    pub gate: GateLimits,
    pub fetch: FetchLimits,
    pub passes: passes::Config,
    /// Instead of the one in memory.
    pub api: Option<Arc<dyn PassApi>>,
    /// What the pipelines know of what topics take.
    pub sizes: RecordSizes,
}

impl Default for Setup {
    fn default() -> Self {
        let sizes = RecordSizes::new(1 << 20);
        Self {
            pipelines: vec!["token_changes", "ticks", "passes"],
            limits: limits(),
            ticks: ticks_config(&sizes),
            gate: gate_limits(),
            fetch: fetch_limits(),
            passes: passes_config(),
            api: None,
            sizes,
        }
    }
}

/// A running process.
pub struct Process {
    pub chaos: Chaos,
    pub shutdown: CancellationToken,
    pub progress: Vec<Progress>,
    pub topics: Arc<dyn Topics>,
    pub clock: Arc<dyn Clock>,
    seed: u64,
    sizes: RecordSizes,
    pub engines: JoinSet<()>,
}

impl Process {
    /// A process that runs nothing yet.
    pub fn idle(surroundings: &Surroundings, chaos: Chaos, seed: u64) -> Self {
        Self {
            topics: Arc::new(surroundings.cluster.client(&chaos)),
            clock: Arc::new(ProcessClock::new(surroundings.world.clock(), chaos.clone())),
            chaos,
            shutdown: CancellationToken::new(),
            progress: Vec::new(),
            seed,
            sizes: RecordSizes::new(1 << 20),
            engines: JoinSet::new(),
        }
    }

    /// Starts the pipelines of `setup`.
    pub fn start(surroundings: &Surroundings, chaos: Chaos, seed: u64, setup: &Setup) -> Self {
        let mut process = Self { sizes: setup.sizes.clone(), ..Self::idle(surroundings, chaos, seed) };
        for pipeline in &setup.pipelines {
            let (consumes, handler): (&[&str], Arc<dyn Handler>) = match *pipeline {
                "token_changes" => (&[CDC], Arc::new(token_changes(&setup.sizes))),
                "ticks" => (&[TICKS], Arc::new(process.ticks(surroundings, setup))),
                _ => (&[REQUESTS, RETRY], Arc::new(process.passes(surroundings, setup))),
            };
            process.spawn(pipeline, consumes, handler, setup.limits.clone());
        }
        process
    }

    fn ticks(&self, surroundings: &Surroundings, setup: &Setup) -> Ticks {
        let tokens: Arc<dyn Tokens> = Arc::new(surroundings.tokens.client(&self.chaos));
        let documents: Arc<dyn Documents> = Arc::new(surroundings.documents.client(&self.chaos));
        Ticks::new(setup.ticks.clone(), tokens, documents, Arc::clone(&self.topics), Arc::clone(&self.clock))
    }

    fn passes(&self, surroundings: &Surroundings, setup: &Setup) -> Passes {
        let tokens: Arc<dyn Tokens> = Arc::new(surroundings.tokens.client(&self.chaos));
        let documents: Arc<dyn Documents> = Arc::new(surroundings.documents.client(&self.chaos));
        let clock = || Arc::clone(&self.clock);
        let gate = Gate::new(setup.gate.clone(), clock());
        let random = fastrand::Rng::with_seed(self.seed);
        let api = setup.api.clone().unwrap_or_else(|| Arc::new(surroundings.api.client(&self.chaos)));
        let fetcher = Fetcher::new(api, gate, setup.fetch.clone(), clock(), random.clone());
        let audit = Arc::new(surroundings.audit.client(&self.chaos));
        let store = Store::new(documents, audit, tokens, 100);
        Passes::new(
            setup.passes.clone(),
            Arc::clone(&self.topics),
            store,
            fetcher,
            dead_letters("passes", &setup.sizes),
            clock(),
            random,
        )
    }

    /// Runs one more pipeline.
    pub fn spawn(&mut self, pipeline: &str, consumes: &[&str], handler: Arc<dyn Handler>, limits: Limits) {
        let progress = Progress::default();
        self.progress.push(progress.clone());
        let parts = Parts {
            pipeline: pipeline.to_owned(),
            group: format!("passflow.{pipeline}"),
            consumes: consumes.iter().map(|topic| (*topic).into()).collect(),
            handler,
            topics: Arc::clone(&self.topics),
            clock: Arc::clone(&self.clock),
            random: fastrand::Rng::with_seed(self.seed),
            limits,
            dead_letters: dead_letters(pipeline, &self.sizes),
            progress,
            metrics: Metrics::off(),
            tracing: Tracing::off(),
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
}

fn token_changes(sizes: &RecordSizes) -> TokenChanges {
    let table = TableNames::new("portal", "bytemark_tokens");
    TokenChanges { table, requests_topic: REQUESTS.into(), sizes: sizes.clone() }
}

fn dead_letters(pipeline: &str, sizes: &RecordSizes) -> DeadLetters {
    DeadLetters { topic: DEAD_LETTERS.into(), pipeline: pipeline.to_owned(), sizes: sizes.clone() }
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

fn ticks_config(sizes: &RecordSizes) -> ticks::Config {
    ticks::Config {
        requests_topic: REQUESTS.into(),
        requests_group: "passflow.passes".to_owned(),
        max_age: Duration::from_mins(60),
        spread: Duration::ZERO,
        ahead: Duration::from_secs(5),
        page: 3,
        sizes: sizes.clone(),
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
        bytes_max: 1 << 20,
    }
}

fn passes_config() -> passes::Config {
    passes::Config {
        group: "passflow.passes".to_owned(),
        topic: REQUESTS.into(),
        partitions: 12,
        retry_topic: RETRY.into(),
        ticket_changed_topic: TICKET_CHANGED.into(),
        freshness: Duration::from_secs(10),
        freshness_slack: Duration::from_secs(1),
        error_log_max: 5,
        retry_delay: Duration::from_secs(5),
        // No request may end as a dead letter here: each would be a change that nobody told.
        retry_rounds: 1_000,
        tick_max_age: Duration::from_mins(60),
        purge_without_token: false,
        free_ticket_products: Vec::new(),
        status_rules: Rules::default(),
        logs_all_checks: true,
        cas_attempts: 20,
    }
}
