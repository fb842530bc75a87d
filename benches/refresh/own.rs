//! passflow's own refresh of the same users: the `passes` pipeline on the embedded store.

use std::time::{Duration, Instant};

use passflow::{
    domain::{record::Output, request::PassRequest, token::Token, user_id::UserId},
    settings::{BUILT_IN, Connections, Kind, Names, Pipeline},
    telemetry::{Metrics, Tracing},
    wiring::{
        self, Store,
        running::{Running, Surroundings},
    },
};

use super::{Measured, api_process::ApiProcess, cpu};

/// Refreshes all users three times; the last time is measured: the first finds everything new, and the second clears away
/// what the first kept of its events until they were known to be out.
pub fn measure(api: &ApiProcess, users: u64) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let data_dir = dir.path().to_string_lossy().into_owned();
        let connections =
            Connections::load(None, |name| (name == "PASSFLOW_DATA_DIR").then(|| data_dir.clone())).expect("settings");
        let pipelines = passes_alone();
        let names = Names::of(&pipelines);
        let store = wiring::open_store(&connections, &names).await.expect("a store");
        import_tokens(&store, api, users).await;
        let surroundings = Surroundings {
            store: store.clone(),
            bytemark_url: Some(api.base_url.clone()),
            seed: 1,
            metrics: Metrics::off(),
            tracing: Tracing::off(),
        };
        let running = Running::start(surroundings, &pipelines).await.expect("running");
        for _ in 0..2 {
            request_all(&store, &names, users).await;
            running.reach_end(Duration::from_mins(10)).await;
        }
        let (cpu_before, started) = (cpu::time(), Instant::now());
        request_all(&store, &names, users).await;
        running.reach_end(Duration::from_mins(10)).await;
        let measured = Measured { users, cpu: cpu::time().saturating_sub(cpu_before), wall: started.elapsed() };
        let outcomes = running.progress().next().map(|(_, progress)| progress.snapshot().outcomes).unwrap();
        assert_eq!(outcomes.get("unchanged"), Some(&(2 * users)), "{outcomes:?}");
        running.stop().await.expect("a clean end");
        measured
    })
}

fn passes_alone() -> Vec<Pipeline> {
    let pipelines = BUILT_IN.map(|(name, text)| Pipeline::parse(name, text).expect("a built-in pipeline"));
    pipelines.into_iter().filter(|pipeline| matches!(pipeline.kind, Kind::Passes(_))).collect()
}

async fn import_tokens(store: &Store, api: &ApiProcess, users: u64) {
    let rows: Vec<_> = (1..=users).map(|user| (id(user), api.simulator.token_of(user).and_then(Token::new))).collect();
    for page in rows.chunks(10_000) {
        store.token_admin.put(page.to_vec()).await.expect("tokens stored");
    }
}

async fn request_all(store: &Store, names: &Names, users: u64) {
    for first in (1..=users).step_by(1000) {
        let requests = (first..=users.min(first + 999)).map(|user| Output {
            topic: names.requests.as_str().into(),
            key: Some(user.to_string().into()),
            value: Some(PassRequest::new(id(user)).encode().into()),
            headers: Vec::new(),
        });
        store.topics.append(requests.collect()).await.expect("requests put");
    }
}

fn id(user: u64) -> UserId {
    UserId::new(user.cast_signed()).expect("a user id")
}
