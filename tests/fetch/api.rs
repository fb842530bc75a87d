//! An API that answers from a script, a clock of virtual time, and what to fetch with.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use passflow::{
    domain::{
        cache::{Entry, Epoch, Head, List, PerList},
        payload_hash::PayloadHash,
        token::Token,
        user_id::UserId,
    },
    pipelines::passes::{
        fetch::{FetchLimits, Fetched, Fetcher},
        gate::{Gate, GateLimits},
    },
    ports::{Answer, Clock, Endpoint, NoAnswer, PassApi},
};
use tokio::time::Instant;

pub const START_MS: i64 = 1_795_168_800_000;

/// Time as the paused runtime has it.
pub struct Virtual(Instant);

#[async_trait]
impl Clock for Virtual {
    fn now_ms(&self) -> i64 {
        START_MS + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A request as the script sees it.
pub struct Call<'a> {
    pub endpoint: Endpoint,
    pub token: &'a str,
    /// How many requests for this list there were before.
    pub nth: usize,
}

impl Call<'_> {
    /// The page of the history that is asked for; `None` for the active list.
    pub fn page(&self) -> Option<u32> {
        match self.endpoint {
            Endpoint::Active | Endpoint::ActivePage { .. } => None,
            Endpoint::History { page, .. } => Some(page),
        }
    }

    /// The page of the active list that is asked for; `None` for the history.
    pub fn active_page(&self) -> Option<u32> {
        match self.endpoint {
            Endpoint::Active => Some(1),
            Endpoint::ActivePage { page } => Some(page),
            Endpoint::History { .. } => None,
        }
    }
}

pub type Reply = Result<Answer, NoAnswer>;

/// Answers from a script, and notes when it was asked what.
pub struct Scripted {
    script: Box<dyn Fn(&Call<'_>) -> Reply + Send + Sync>,
    latency: Duration,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Vec<(u64, Endpoint)>,
    counts: [usize; 2],
    in_flight: usize,
    peak: usize,
}

#[async_trait]
impl PassApi for Scripted {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Reply {
        let nth = {
            let mut state = self.state.lock().unwrap();
            let count = &mut state.counts[usize::from(is_active(endpoint))];
            let nth = std::mem::replace(count, *count + 1);
            state.asked.push((u64::try_from(self.begin.elapsed().as_millis()).unwrap(), endpoint));
            state.in_flight += 1;
            state.peak = state.peak.max(state.in_flight);
            nth
        };
        tokio::time::sleep(self.latency).await;
        self.state.lock().unwrap().in_flight -= 1;
        (self.script)(&Call { endpoint, token: token.expose(), nth })
    }
}

impl Scripted {
    /// When each request came, in ms, and for what.
    pub fn asked(&self) -> Vec<(u64, Endpoint)> {
        self.state.lock().unwrap().asked.clone()
    }

    pub fn times_of(&self, wanted: impl Fn(Endpoint) -> bool) -> Vec<u64> {
        self.asked().into_iter().filter(|(_, endpoint)| wanted(*endpoint)).map(|(at_ms, _)| at_ms).collect()
    }

    pub fn active_times(&self) -> Vec<u64> {
        self.times_of(is_active)
    }

    pub fn history_times(&self) -> Vec<u64> {
        self.times_of(|endpoint| !is_active(endpoint))
    }

    pub fn peak(&self) -> usize {
        self.state.lock().unwrap().peak
    }
}

/// A fetcher and its API.
pub struct Setup {
    pub api: Arc<Scripted>,
    pub fetcher: Arc<Fetcher>,
}

#[derive(Clone)]
pub struct Limits {
    pub latency: Duration,
    pub fetch: FetchLimits,
    pub gate: GateLimits,
}

impl Default for Limits {
    fn default() -> Self {
        let fetch = FetchLimits {
            history_per_page: 2,
            history_pages_max: 20,
            reread_max: 2,
            attempts: 4,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_millis(250),
            depth_max: 20,
            bytes_max: 1 << 20,
        };
        let gate = GateLimits {
            max_in_flight: 64,
            requests_per_second: 0,
            retry_after_max: Duration::from_mins(1),
            down_after: 10,
        };
        Self { latency: Duration::from_millis(10), fetch, gate }
    }
}

impl Setup {
    pub fn new(script: impl Fn(&Call<'_>) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Limits::default(), script)
    }

    pub fn with(limits: Limits, script: impl Fn(&Call<'_>) -> Reply + Send + Sync + 'static) -> Self {
        let state = Mutex::default();
        let api = Scripted { script: Box::new(script), latency: limits.latency, begin: Instant::now(), state };
        let api = Arc::new(api);
        Self { fetcher: Arc::new(fetcher(api.clone(), limits, 1)), api }
    }

    /// Fetches for user 1, whose document holds these passes.
    pub async fn fetch(&self, known: &[&str]) -> Fetched {
        self.fetch_of(1, known).await
    }

    pub async fn fetch_of(&self, user: i64, known: &[&str]) -> Fetched {
        self.fetcher.fetch(UserId::new(user).unwrap(), &token(user), &head(known)).await
    }
}

fn is_active(endpoint: Endpoint) -> bool {
    !matches!(endpoint, Endpoint::History { .. })
}

pub fn fetcher(api: Arc<dyn PassApi>, limits: Limits, seed: u64) -> Fetcher {
    let clock = Arc::new(Virtual(Instant::now()));
    let gate = Gate::new(limits.gate, clock.clone());
    Fetcher::new(api, gate, limits.fetch, clock, fastrand::Rng::with_seed(seed))
}

pub fn token(user: i64) -> Token {
    Token::new(format!("token-of-user-{user}")).unwrap()
}

/// A document whose active list holds these passes.
pub fn head(known: &[impl AsRef<str>]) -> Head {
    let entry = |uuid: &str| Entry {
        id: "0".repeat(24),
        pass_uuid: uuid.to_owned(),
        timestamp: 0,
        status: "USABLE".to_owned(),
        free_ticket_status: 0,
        payload_hash: PayloadHash::default(),
    };
    Head {
        user_id: UserId::new(1).unwrap(),
        id: "0".repeat(24),
        timestamp: 0,
        document_version: Some(0),
        lists: PerList { passes: known.iter().map(|uuid| entry(uuid.as_ref())).collect(), passes4: Vec::new() },
        stream: None,
        fence: Epoch(0),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "as scripts say it")]
pub fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Ok(Answer { status, retry_after: None, body: body.into() })
}

pub fn failed(code: &'static str) -> Reply {
    Err(NoAnswer { code, message: "as told".to_owned() })
}

/// A good answer with these passes; `more` are further members of `data`, each with a comma before it.
pub fn passes_and(uuids: &[impl AsRef<str>], more: &str) -> Reply {
    let pass = |uuid: &str| format!(r#"{{"uuid":"{uuid}","status":"USABLE"}}"#);
    let passes: Vec<String> = uuids.iter().map(|uuid| pass(uuid.as_ref())).collect();
    let passes = passes.join(",");
    reply(200, format!(r#"{{"errors":[],"server_time":"t","data":{{"passes":[{passes}]{more}}}}}"#))
}

pub fn passes(uuids: &[impl AsRef<str>]) -> Reply {
    passes_and(uuids, "")
}

pub fn none() -> Reply {
    passes(&[""; 0])
}

/// The uuids of a list that was answered, in order.
pub fn uuids(fetched: &Fetched, list: List) -> Option<Vec<String>> {
    let passes = fetched.answers.of(list).as_ref()?;
    Some(passes.iter().map(|fresh| fresh.pass_uuid.clone()).collect())
}

pub fn all_uuids(fetched: &Fetched) -> BTreeSet<String> {
    List::BOTH.into_iter().filter_map(|list| uuids(fetched, list)).flatten().collect()
}

/// Why a list failed.
pub fn code(fetched: &Fetched, list: List) -> Option<&str> {
    fetched.failures.of(list).as_ref().map(|failure| failure.code.as_str())
}
