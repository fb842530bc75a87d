//! The demonstration: a simulated Bytemark over real HTTP, a simulated `ParkMobile`, the embedded store, and all pipelines in between.

mod happenings;
mod parkmobile;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{happenings::Happenings, parkmobile::ParkMobile};
pub use super::oracle::Verdict;
use super::{
    Error, Store, embedded,
    oracle::{Truth, users_up_to},
    running::{Running, StopSignals, Surroundings},
    serving::Serving,
};
use crate::{
    domain::{record::Output, request::PassRequest, token::Token, user_id::UserId},
    engine::until_end::End,
    settings::{BUILT_IN, Connections, Kind, Names, Pipeline},
    simulator::{self, Fault, Faults, Simulator},
};

/// Which faults the simulated Bytemark has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FaultMix {
    /// None.
    None,
    /// A few of the usual ones.
    #[default]
    Some,
    /// Every one that there is, often.
    All,
}

/// How the demonstration is to run.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Where everything is; its state goes to `demo` under the data directory.
    pub connections: Connections,
    /// Simulated riders.
    pub users: u64,
    /// How long changes come.
    pub duration: Duration,
    /// What all chance follows from.
    pub seed: u64,
    /// What goes wrong.
    pub faults: FaultMix,
}

/// What is shown while it runs: one change that was told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// When it was written, RFC 3339.
    pub occurred_at: String,
    /// The event's id, `USER:SEQ`.
    pub id: String,
    /// The pass.
    pub pass_uuid: String,
    /// `added`, `updated` or `removed`.
    pub change: String,
    /// Status and list before.
    pub before: Option<String>,
    /// Status and list after.
    pub after: Option<String>,
    /// What caused the request.
    pub reason: Option<String>,
}

/// How often the simulated world moves on.
const STEP_EVERY: Duration = Duration::from_millis(500);
/// How long the end may wait for what is still to be handled.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs it; `show` is given every change as it is told.
///
/// # Errors
/// When it can't be started, or a pipeline breaks off.
pub async fn run(demo: Demo, show: impl Fn(&Shown) + Send + Sync + 'static) -> Result<Verdict, Error> {
    let mut signals = StopSignals::listen()?;
    let data_dir = demo.connections.data_dir.join("demo");
    // Of the data directory: one `run` or `demo` at a time. And of its own, which somebody may name as theirs.
    let _locks = (embedded::lock(&demo.connections.data_dir)?, embedded::lock(&data_dir)?);
    empty(&data_dir)?;
    let pipelines = pipelines()?;
    let names = Names::of(&pipelines);
    let store = embedded::open(&data_dir, &names).await?;
    let simulator = Arc::new(Simulator::new(config(&demo)));
    let stop = CancellationToken::new();
    let mut around = JoinSet::new();
    let url = serve(&simulator, &stop, &mut around).await?;
    let listener = demo.connections.http_listener()?;
    let mut serving = Serving::start(listener.as_ref(), &store, &names, &pipelines).await?;
    let surroundings = Surroundings {
        store: store.clone(),
        bytemark_url: Some(url),
        seed: demo.seed,
        metrics: serving.observed.metrics.clone(),
        tracing: serving.observed.tracing.clone(),
    };
    let running = Running::start(surroundings, &pipelines).await?;
    serving.show(&running, &store);

    let stepping = (Arc::clone(&simulator), stop.clone());
    around.spawn(async move { stepping.0.run(STEP_EVERY, stepping.1.cancelled()).await });
    let shown = (store.clone(), names.ticket_changed.clone(), stop.clone());
    around.spawn(async move { happenings::show(shown.0, &shown.1, shown.2, show).await });
    let mut parkmobile = ParkMobile::new(demo.seed);
    let happenings = Happenings { store: store.clone(), simulator: Arc::clone(&simulator), names: names.clone() };
    happenings.import_tokens(demo.users).await?;
    let result = tokio::select! {
        result = happenings.keep_happening(demo.duration, demo.seed, &mut parkmobile) => result,
        () = signals.next() => Ok(()),
        error = running.fail() => Err(error),
    };
    result?;

    simulator.freeze();
    let verdict = tokio::select! {
        verdict = settle(&running, &store, &simulator, &names, demo.users) => verdict,
        () = signals.next() => Err(Error::Other("stopped before the end was checked".to_owned())),
        error = running.fail() => Err(error),
    };
    let mut verdict = verdict?;
    parkmobile.check(&store, &names, &mut verdict).await?;
    running.stop().await?;
    serving.end().await;
    stop.cancel();
    while around.join_next().await.is_some() {}
    Ok(verdict)
}

/// Asks for every user once more, now that nothing changes any longer, and holds all against the truth.
async fn settle(
    running: &Running,
    store: &Store,
    simulator: &Simulator,
    names: &Names,
    users: u64,
) -> Result<Verdict, Error> {
    let requests = users_up_to(users).map(|user| Output {
        topic: names.requests.as_str().into(),
        key: Some(user.to_string().into()),
        value: Some(PassRequest::new(user).encode().into()),
        headers: Vec::new(),
    });
    store.topics.append(requests.collect()).await?;
    if let End::Waiting { pipeline, dependency } = running.reach_end(PATIENCE).await {
        return Err(Error::Other(format!("{pipeline} still waits for {dependency}")));
    }
    let outcomes = running.progress().map(|(name, progress)| (name.to_owned(), progress.snapshot().outcomes));
    let truth = Truth { store, simulator, names, users };
    truth.verdict(outcomes.collect()).await
}

/// The built-in pipelines, in a hurry: what takes an hour in earnest takes seconds here.
fn pipelines() -> Result<Vec<Pipeline>, Error> {
    let mut pipelines = Vec::new();
    for (name, text) in BUILT_IN {
        let mut pipeline = Pipeline::parse(name, text)?;
        match &mut pipeline.kind {
            Kind::Passes(passes) => {
                passes.freshness = Duration::from_secs(2);
                passes.freshness_slack = Duration::ZERO;
                passes.retry_delay = Duration::from_secs(1);
                // Every refusal is simulated, and heals: none may end as a dead letter.
                passes.retry_rounds = 100;
                passes.fetching.read_timeout = Duration::from_secs(1);
                passes.fetching.request_timeout = Duration::from_secs(2);
                passes.fetching.retry_after_max = Duration::from_secs(1);
                passes.fetching.body_max = 1 << 20;
            }
            Kind::TokenChanges(_) | Kind::Ticks(_) | Kind::ParkingEvents(_) => {}
        }
        pipelines.push(pipeline);
    }
    Ok(pipelines)
}

fn config(demo: &Demo) -> simulator::Config {
    let faults = match demo.faults {
        FaultMix::None => Faults::none(),
        FaultMix::Some => Faults::none()
            .with(Fault::Status500, 0.01)
            .with(Fault::Status503, 0.01)
            .with(Fault::Reset, 0.01)
            .with(Fault::Html, 0.01),
        FaultMix::All => Faults::all(0.15),
    };
    let faults = Faults { retry_after_s: 1, padding_bytes: 2 << 20, ..faults };
    let latency = Duration::from_millis(2)..=Duration::from_millis(40);
    simulator::Config {
        seed: demo.seed,
        users: demo.users,
        change_rate: 0.02,
        faults,
        latency,
        ..simulator::Config::default()
    }
}

async fn serve(
    simulator: &Arc<Simulator>,
    stop: &CancellationToken,
    around: &mut JoinSet<()>,
) -> Result<String, Error> {
    let (listener, url) = simulator::http::bind().await.map_err(|error| Error::Other(error.to_string()))?;
    let (simulator, stop) = (Arc::clone(simulator), stop.clone());
    around.spawn(async move {
        if let Err(error) = simulator::http::serve(simulator, listener, async move { stop.cancelled().await }).await {
            tracing::error!(%error, "the simulated Bytemark ended");
        }
    });
    Ok(url)
}

/// Removes what an earlier demonstration left; the lock file stays, for it is held.
fn empty(data_dir: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Other(format!("emptying {}: {error}", data_dir.display()));
    for entry in std::fs::read_dir(data_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_store = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("passflow.db"));
        if is_store {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

/// The user's token as the simulator has it.
fn token_of(simulator: &Simulator, user: UserId) -> Option<Token> {
    Token::new(simulator.token_of(user.get().cast_unsigned())?)
}
