//! Put records, wait until all is handled, look at what came out.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use passflow::{
    adapters::memory::{
        Chaos, ClusterSettings, Document, MemoryApi, MemoryAudit, MemoryCluster, MemoryDocuments, MemoryTokens, Pass,
        World,
    },
    domain::{
        cache::List,
        record::{Output, Record},
        token::Token,
        user_id::UserId,
    },
    engine::progress::Progress,
    ports::{Answer, Endpoint, NoAnswer, PassApi},
};
use serde_json::Value;

pub use super::process::{CDC, DEAD_LETTERS, Process, REQUESTS, RETRY, Setup, Surroundings, TICKET_CHANGED, TICKS};

pub const BASE_MS: i64 = 1_795_000_000_000;
pub const BASE_S: i64 = BASE_MS / 1000;

/// Runs `test` in virtual time.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_hours(48), test).await.expect("the test hangs") })
}

pub fn user(number: i64) -> UserId {
    UserId::new(number).unwrap()
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Surroundings and at most one process.
pub struct Kit {
    pub setup: Setup,
    pub surroundings: Surroundings,
    pub process: Option<Process>,
}

impl Kit {
    pub fn new() -> Self {
        let world = World::new(BASE_MS);
        let surroundings = Surroundings {
            cluster: MemoryCluster::new(&world, ClusterSettings::default()),
            documents: MemoryDocuments::new(&world),
            audit: MemoryAudit::new(&world),
            tokens: MemoryTokens::new(&world),
            api: MemoryApi::new(&world),
            world,
        };
        let mut setup = Setup::default();
        setup.passes.freshness = Duration::from_mins(60);
        setup.passes.freshness_slack = Duration::from_mins(5);
        Self { setup, surroundings, process: None }
    }

    /// With users 1 to `count`, who have tokens.
    pub fn with_users(count: i64) -> Self {
        let kit = Self::new();
        for number in 1..=count {
            kit.set_token(number, &format!("token-{number}"));
        }
        kit
    }

    /// With a user 1 who has one pass, fetched and told.
    pub async fn with_a_pass() -> Self {
        let mut kit = Self::with_users(1);
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.start();
        kit.refresh(1).await;
        kit
    }

    pub fn set_token(&self, number: i64, token: &str) {
        self.surroundings.tokens.set(user(number), token);
        self.surroundings.api.admit(user(number), token);
    }

    pub fn put_pass(&self, number: i64, list: List, pass: Pass) {
        self.surroundings.api.change(user(number), |truth| truth.put(list, pass));
    }

    pub fn start(&mut self) {
        self.process = Some(Process::start(&self.surroundings, Chaos::none(), 1, &self.setup));
    }

    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// The API answers as `script` says; where it says nothing, as it really is.
    pub fn script(&mut self, script: impl FnMut(Endpoint, &str) -> Option<Reply> + Send + 'static) -> Arc<Script> {
        let truth = self.surroundings.api.client(&Chaos::none());
        let world = self.surroundings.world.clone();
        let script = Arc::new(Script { truth, world, script: Mutex::new(Box::new(script)), calls: Mutex::default() });
        self.setup.api = Some(Arc::clone(&script) as Arc<dyn PassApi>);
        script
    }

    pub fn put(&self, topic: &str, key: &str, value: &str) {
        self.put_output(Output { topic: topic.into(), ..output(key, value) });
    }

    pub fn put_output(&self, output: Output) {
        self.surroundings.cluster.put(vec![output]);
    }

    /// A request under its key.
    pub fn request(&self, number: i64, more: &str) {
        self.put(REQUESTS, &number.to_string(), &format!(r#"{{"user_id":{number}{more}}}"#));
    }

    /// A refresh in any case, handled to its end.
    pub async fn refresh(&self, number: i64) {
        self.request(number, "");
        self.settle().await;
    }

    /// A message of the token table's change.
    pub fn change(&self, number: i64, op: &str) {
        self.put(CDC, &format!(r#"{{"id":{number}}}"#), &cdc(number, op));
    }

    /// Waits until everything is handled and nothing follows from it.
    pub async fn settle(&self) {
        let mut before = None;
        for _ in 0..100_000 {
            sleep(Duration::from_millis(20)).await;
            let progress = &self.process.as_ref().expect("a process runs").progress;
            let settled = progress.iter().all(Progress::is_settled);
            let now = settled.then(|| self.surroundings.cluster.commits().len());
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
        panic!("not settled");
    }

    pub fn records(&self, topic: &str) -> Vec<Record> {
        self.surroundings.cluster.records(&topic.into())
    }

    pub fn events(&self) -> Vec<Value> {
        self.records(TICKET_CHANGED).iter().map(json).collect()
    }

    /// `change uuid` of each event, in order.
    pub fn changes(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.events().iter().map(|event| format!("{} {}", text(&event["change"]), text(&event["pass_uuid"]))).collect()
    }

    /// Dead letters by their codes.
    pub fn letters(&self) -> Vec<(String, Record)> {
        let letters = self.records(DEAD_LETTERS).into_iter();
        letters.map(|letter| (header(&letter, "passflow.error.code"), letter)).collect()
    }

    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = self.letters().into_iter().map(|(code, _)| code).collect();
        codes.sort();
        codes
    }

    pub fn document(&self, number: i64) -> Document {
        self.surroundings.documents.get(user(number)).expect("a document")
    }

    pub fn uuids(&self, number: i64, list: List) -> Vec<String> {
        self.document(number).lists.of(list).iter().map(|pass| pass.entry.pass_uuid.clone()).collect()
    }

    /// How often `outcome` came out of `pipeline`.
    pub fn outcome(&self, pipeline: &str, outcome: &str) -> u64 {
        let index = self.setup.pipelines.iter().position(|name| *name == pipeline).unwrap();
        let snapshot = self.process.as_ref().unwrap().progress[index].snapshot();
        snapshot.outcomes.get(outcome).copied().unwrap_or(0)
    }
}

pub fn output(key: &str, value: &str) -> Output {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    Output { topic: REQUESTS.into(), key: Some(key), value: Some(value), headers: Vec::new() }
}

pub fn json(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

pub fn header(record: &Record, name: &str) -> String {
    let (_, value) = record.headers.iter().find(|(header, _)| header == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(value.as_ref().unwrap().to_vec()).unwrap()
}

/// An envelope of Debezium.
pub fn cdc(number: i64, op: &str) -> String {
    let row = |token: &str| format!(r#"{{"id":{number},"user_id":{number},"token":"{token}"}}"#);
    let (before, after) = match op {
        "d" => (row("old"), "null".to_owned()),
        "u" => (row("old"), row("new")),
        _ => ("null".to_owned(), row("new")),
    };
    let source = r#"{"db":"portal","table":"bytemark_tokens","snapshot":"false"}"#;
    format!(r#"{{"before":{before},"after":{after},"source":{source},"op":"{op}"}}"#)
}

/// What the API does instead of answering as it is.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer(Answer),
    None(&'static str),
}

pub fn status(status: u16) -> Reply {
    Reply::Answer(Answer { status, retry_after: None, body: Bytes::from_static(b"<html></html>") })
}

pub fn body(text: &str) -> Reply {
    Reply::Answer(Answer { status: 200, retry_after: None, body: Bytes::from(text.to_owned()) })
}

/// A call of the API.
#[derive(Clone, Debug)]
pub struct Call {
    pub at_ms: i64,
    pub token: String,
}

type Answers = Box<dyn FnMut(Endpoint, &str) -> Option<Reply> + Send>;

/// An API that answers by a script, and notes who asked when.
pub struct Script {
    truth: passflow::adapters::memory::ApiClient,
    world: World,
    script: Mutex<Answers>,
    calls: Mutex<Vec<Call>>,
}

impl Script {
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl PassApi for Script {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer> {
        let call = Call { at_ms: self.world.now_ms(), token: token.expose().to_owned() };
        self.calls.lock().unwrap().push(call);
        let reply = (self.script.lock().unwrap())(endpoint, token.expose());
        match reply {
            None => self.truth.get(endpoint, token).await,
            Some(Reply::Answer(answer)) => Ok(answer),
            Some(Reply::None(code)) => Err(NoAnswer { code, message: "scripted".to_owned() }),
        }
    }
}
