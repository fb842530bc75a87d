//! Pipelines, put together and running.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Mutex,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Error, Store, configs, sizes};
use crate::{
    adapters::{
        bytemark_http::{self, BytemarkHttp},
        system_clock::SystemClock,
    },
    domain::record::TopicName,
    engine::{
        Engine, Parts,
        dead_letter::DeadLetters,
        handler::Handler,
        progress::Progress,
        record_sizes::RecordSizes,
        until_end::{self, End, Watched},
    },
    pipelines::{
        parking_events::ParkingEvents,
        passes::{Passes, Store as PassStore, fetch::Fetcher, gate::Gate},
        ticks::Ticks,
    },
    ports::{Clock, PassApi, PortError},
    settings::{Kind, Passes as PassesSettings, Pipeline},
    telemetry::{Metrics, Tracing},
};

/// Questions to a store that go out together.
const BATCH_MAX: usize = 256;

/// Parking events that are stored together.
const PARKING_BATCH_MAX: usize = 512;

/// What pipelines are put together from.
pub struct Surroundings {
    /// Topics, documents and tokens.
    pub store: Store,
    /// The base URL of the Bytemark API, for pipelines that fetch.
    pub bytemark_url: Option<String>,
    /// What jitter follows from.
    pub seed: u64,
    /// What is counted.
    pub metrics: Metrics,
    /// Where spans go.
    pub tracing: Tracing,
}

/// Running pipelines.
pub struct Running {
    watched: Vec<Watched>,
    engines: Mutex<JoinSet<Result<(), PortError>>>,
    shutdown: CancellationToken,
    clock: Arc<dyn Clock>,
    store: Store,
    sizes: RecordSizes,
    _learning: AbortOnDropHandle<()>,
}

impl Running {
    /// Starts `pipelines`.
    ///
    /// # Errors
    /// When a setting does not fit, or the topics can't be read.
    pub async fn start(surroundings: Surroundings, pipelines: &[Pipeline]) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (sizes, learning) = sizes::learn(&surroundings.store).await;
        let mut running = Self {
            watched: Vec::new(),
            engines: Mutex::default(),
            shutdown: CancellationToken::new(),
            clock,
            store: surroundings.store.clone(),
            sizes,
            _learning: learning,
        };
        for (pipeline, seed) in pipelines.iter().zip(surroundings.seed..) {
            running.start_one(&surroundings, pipeline, seed).await?;
        }
        if running.watched.is_empty() {
            return Err(Error::Other("no pipeline to run; name one, or remove the names to run all".to_owned()));
        }
        Ok(running)
    }

    async fn start_one(&mut self, surroundings: &Surroundings, pipeline: &Pipeline, seed: u64) -> Result<(), Error> {
        let dead_letters = DeadLetters {
            topic: topic(&pipeline.engine.dead_letter_topic),
            pipeline: pipeline.name.clone(),
            sizes: self.sizes.clone(),
        };
        sizes::check_room(&dead_letters)?;
        let store = &surroundings.store;
        let (consumes, handler): (Vec<TopicName>, Arc<dyn Handler>) = match &pipeline.kind {
            Kind::TokenChanges(settings) => {
                (vec![topic(&settings.topic)], Arc::new(configs::token_changes(settings, self.sizes.clone())))
            }
            Kind::Ticks(settings) => {
                let ticks = Ticks::new(
                    configs::ticks(settings, self.sizes.clone()),
                    Arc::clone(&store.tokens),
                    Arc::clone(&store.documents),
                    Arc::clone(&store.topics),
                    Arc::clone(&self.clock),
                );
                (vec![topic(&settings.topic)], Arc::new(ticks))
            }
            Kind::Passes(settings) => {
                let consumes = vec![topic(&settings.topic), topic(&settings.retry_topic)];
                let passes = self.passes(surroundings, pipeline, settings, dead_letters.clone(), seed).await?;
                (consumes, Arc::new(passes))
            }
            Kind::ParkingEvents(settings) => {
                let (rules, events) = (configs::parking_rules(settings), Arc::clone(&store.parking));
                let parking = ParkingEvents::new(rules, events, Arc::clone(&self.clock), PARKING_BATCH_MAX);
                (vec![topic(&settings.topic)], Arc::new(parking))
            }
        };
        let progress = Progress::default();
        let parts = Parts {
            pipeline: pipeline.name.clone(),
            group: pipeline.group.clone(),
            consumes: consumes.clone(),
            handler,
            topics: Arc::clone(&store.topics),
            clock: Arc::clone(&self.clock),
            random: fastrand::Rng::with_seed(seed),
            limits: configs::limits(&pipeline.engine),
            dead_letters,
            progress: progress.clone(),
            metrics: surroundings.metrics.clone(),
            tracing: surroundings.tracing.clone(),
            shutdown: self.shutdown.clone(),
        };
        self.engines.get_mut().spawn(Engine::run(parts));
        let (pipeline, group) = (pipeline.name.clone(), pipeline.group.clone());
        self.watched.push(Watched { pipeline, group, consumes, progress });
        Ok(())
    }

    async fn passes(
        &self,
        surroundings: &Surroundings,
        pipeline: &Pipeline,
        settings: &PassesSettings,
        dead_letters: DeadLetters,
        seed: u64,
    ) -> Result<Passes, Error> {
        let store = &surroundings.store;
        let random = fastrand::Rng::with_seed(seed);
        let api = self.api(surroundings, settings)?;
        let gate = Gate::new(configs::gate_limits(&settings.fetching), Arc::clone(&self.clock));
        let limits = configs::fetch_limits(&settings.fetching);
        let fetcher = Fetcher::new(api, gate, limits, Arc::clone(&self.clock), random.clone());
        let fetcher = fetcher.counted_by(surroundings.metrics.clone());
        let partitions = store.topics.partitions(&topic(&settings.topic)).await?.len();
        if partitions == 0 {
            let message = format!("the topic {} is missing; make it with `passflow topics create`", settings.topic);
            return Err(Error::Other(message));
        }
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        let config = configs::passes(settings, &pipeline.group, partitions);
        let store = PassStore::new(
            Arc::clone(&store.documents),
            Arc::clone(&store.audit),
            Arc::clone(&store.tokens),
            BATCH_MAX,
        );
        // Ids of array elements must not repeat after a restart, whatever the jitter follows from.
        let topics = Arc::clone(&surroundings.store.topics);
        let passes =
            Passes::new(config, topics, store, fetcher, dead_letters, Arc::clone(&self.clock), fastrand::Rng::new());
        Ok(passes.counted_by(surroundings.metrics.clone()))
    }

    fn api(&self, surroundings: &Surroundings, settings: &PassesSettings) -> Result<Arc<dyn PassApi>, Error> {
        let Some(url) = &surroundings.bytemark_url else {
            return Err(Error::Other("set PASSFLOW_BYTEMARK_URL: the passes are fetched from there".to_owned()));
        };
        let fetching = &settings.fetching;
        let body_max = usize::try_from(fetching.body_max).unwrap_or(usize::MAX);
        let limits = bytemark_http::Limits {
            connect_timeout: fetching.connect_timeout,
            read_timeout: fetching.read_timeout,
            request_timeout: fetching.request_timeout,
            max_in_flight: fetching.max_in_flight,
            body_max,
            ..bytemark_http::Limits::default()
        };
        let api = BytemarkHttp::new(url, limits, Arc::clone(&self.clock));
        Ok(Arc::new(api.map_err(|error| Error::Other(error.to_string()))?))
    }

    /// The pipelines, to be watched.
    pub fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// The pipelines' states, by name.
    pub fn progress(&self) -> impl Iterator<Item = (&str, &Progress)> {
        self.watched.iter().map(|watched| (watched.pipeline.as_str(), &watched.progress))
    }

    /// Waits until all is handled, or a dependency stayed away longer than `patience`.
    pub async fn reach_end(&self, patience: Duration) -> End {
        until_end::reached(&self.store.topics, &self.clock, &self.watched, patience).await
    }

    /// Waits until a pipeline ends by itself, which it should not.
    pub async fn fail(&self) -> Error {
        match self.engines.lock().await.join_next().await {
            Some(Ok(Ok(()))) | None => Error::Other("a pipeline ended by itself".to_owned()),
            Some(Ok(Err(error))) => Error::Port(error),
            Some(Err(error)) => Error::Other(format!("a pipeline broke off: {error}")),
        }
    }

    /// Drains and commits what is in flight, within the pipelines' bounds.
    ///
    /// # Errors
    /// When a pipeline ended badly.
    pub async fn stop(self) -> Result<(), Error> {
        self.shutdown.cancel();
        let mut engines = self.engines.into_inner();
        while let Some(ended) = engines.join_next().await {
            ended.map_err(|error| Error::Other(format!("a pipeline broke off: {error}")))??;
        }
        Ok(())
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::from(name)
}

/// SIGTERM and SIGINT. From its making on a signal ends the process no longer by itself, and none is missed.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system gives no signals.
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind, name| {
            signal(kind).map_err(|error| Error::Other(format!("cannot listen for the signal {name}: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
