//! Whether it lives, and whether it can work.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    engine::progress::Progress,
    ports::{Clock, Dependency, PortError},
};

/// A question that a dependency has to answer.
pub struct Probe {
    /// Of which.
    pub dependency: Dependency,
    /// Asks it.
    pub ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), PortError>> + Send + Sync>,
}

/// What health is read from.
pub struct Health {
    clock: Arc<dyn Clock>,
    probes: Vec<Probe>,
    /// Set when the pipelines run.
    pipelines: OnceLock<Vec<(String, Progress)>>,
    /// How long ago a loop may have turned last.
    live_within: Duration,
    asked: Mutex<Option<(i64, Vec<DependencyState>)>>,
}

/// How long a dependency may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer counts, so that many who ask do not ask the dependencies as often.
const ASK_EVERY_MS: i64 = 1000;

#[derive(Clone, Debug, Serialize)]
struct DependencyState {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct LoopState {
    name: String,
    /// Of its last turn; none before its first.
    turned_seconds_ago: Option<f64>,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct PipelineState {
    name: String,
    waiting_for: Option<&'static str>,
}

/// Whether the loops move.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    live: bool,
    pipelines: Vec<LoopState>,
}

/// Whether the dependencies answer.
#[derive(Debug, Serialize)]
pub(super) struct Ready {
    ready: bool,
    started: bool,
    dependencies: Vec<DependencyState>,
    pipelines: Vec<PipelineState>,
}

impl Ready {
    /// For those who are not to know what the dependencies' errors say.
    pub(super) fn without_messages(mut self) -> Self {
        self.dependencies.iter_mut().for_each(|state| state.message = None);
        self
    }
}

impl Health {
    /// Of pipelines that do not run yet.
    pub fn new(clock: Arc<dyn Clock>, probes: Vec<Probe>, live_within: Duration) -> Self {
        Self { clock, probes, pipelines: OnceLock::new(), live_within, asked: Mutex::default() }
    }

    /// From now on these run.
    pub fn started(&self, pipelines: Vec<(String, Progress)>) {
        let _again = self.pipelines.set(pipelines);
    }

    pub(super) fn live(&self) -> Live {
        let now_ms = self.clock.now_ms();
        let within_ms = i64::try_from(self.live_within.as_millis()).unwrap_or(i64::MAX);
        let states = self.pipelines().iter().map(|(name, progress)| {
            let turned_ms = Some(progress.turned_at_ms()).filter(|at_ms| *at_ms > 0);
            let ago_ms = turned_ms.map(|at_ms| now_ms - at_ms);
            LoopState {
                name: name.clone(),
                turned_seconds_ago: ago_ms.map(|ago_ms| ago_ms as f64 / 1000.0),
                ok: ago_ms.is_none_or(|ago_ms| ago_ms <= within_ms),
            }
        });
        let pipelines: Vec<LoopState> = states.collect();
        Live { live: pipelines.iter().all(|state| state.ok), pipelines }
    }

    pub(super) async fn ready(&self) -> Ready {
        let mut dependencies = self.dependencies().await;
        let pipelines: Vec<PipelineState> = self
            .pipelines()
            .iter()
            .map(|(name, progress)| {
                let waiting_for = progress.snapshot().waiting_for.map(|(dependency, _)| dependency.name());
                PipelineState { name: name.clone(), waiting_for }
            })
            .collect();
        let bytemark = Dependency::Bytemark.name();
        if pipelines.iter().any(|pipeline| pipeline.waiting_for == Some(bytemark)) {
            // It is not asked here: what is asked of it counts as a request there.
            let message = Some("the pipelines wait until it answers again".to_owned());
            dependencies.push(DependencyState { name: bytemark, ok: false, message });
        }
        let started = self.pipelines.get().is_some();
        Ready { ready: started && dependencies.iter().all(|state| state.ok), started, dependencies, pipelines }
    }

    fn pipelines(&self) -> &[(String, Progress)] {
        self.pipelines.get().map_or(&[], Vec::as_slice)
    }

    async fn dependencies(&self) -> Vec<DependencyState> {
        let mut asked = self.asked.lock().await;
        let now_ms = self.clock.now_ms();
        match &*asked {
            Some((at_ms, states)) if (0..ASK_EVERY_MS).contains(&(now_ms - at_ms)) => states.clone(),
            _ => {
                let states = join_all(self.probes.iter().map(probe)).await;
                *asked = Some((self.clock.now_ms(), states.clone()));
                states
            }
        }
    }
}

async fn probe(probe: &Probe) -> DependencyState {
    let name = probe.dependency.name();
    let late = || format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
    let message = match tokio::time::timeout(PROBE_TIMEOUT, (probe.ask)()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(late()),
    };
    DependencyState { name, ok: message.is_none(), message }
}

fn answer(is_well: bool, body: &impl Serialize) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string(body).unwrap_or_default();
    let headers = [(CACHE_CONTROL, "no-store"), (axum::http::header::CONTENT_TYPE, "application/json")];
    (status, headers, text).into_response()
}

impl IntoResponse for Live {
    fn into_response(self) -> Response {
        answer(self.live, &self)
    }
}

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        answer(self.ready, &self)
    }
}
