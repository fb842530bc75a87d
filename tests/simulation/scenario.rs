//! What happens in one run, all of it drawn from the seed.

use std::time::Duration;

use bytes::Bytes;
use passflow::{
    adapters::memory::{
        CallOdds, Chaos, ClusterSettings, CommitOdds, Gate, MemoryApi, MemoryCluster, MemoryDocuments, MemoryTokens,
        Odds, Pass, Rebalancing, Span, World,
    },
    domain::{cache::List, record::Output, user_id::UserId},
    ports::Dependency,
};

use super::{
    foreign, oracle,
    process::{CDC, Process, REQUESTS, Setup, Surroundings, TICKS},
};

/// What a run did, to see that it did something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: usize,
    pub kills: usize,
    pub freezes: usize,
    pub rebalances: usize,
    pub outages: usize,
    pub changes: usize,
    pub requests: usize,
    pub foreign_writes: usize,
    pub commits: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.rebalances += other.rebalances;
        self.outages += other.outages;
        self.changes += other.changes;
        self.requests += other.requests;
        self.foreign_writes += other.foreign_writes;
        self.commits += other.commits;
    }
}

const BASE_MS: i64 = 1_795_000_000_000;
const STEPS: usize = 120;
/// How much greater the key of a user's second row is.
const NEWER_ROW: i64 = 1_000;
/// Of CDC, ticks, requests and retry.
const PARTITIONS: usize = 3 + 1 + 12 + 3;

/// One run.
pub fn run(seed: u64) -> Result<Counts, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let result = runtime.block_on(async {
        let mut scenario = Scenario::new(seed);
        for _ in 0..STEPS {
            scenario.step().await;
        }
        scenario.come_to_rest().await
    });
    drop(runtime);
    result
}

/// Rough, and writes get lost, late or stay without an answer again and again.
fn stormy() -> Odds {
    let rough = Odds::rough();
    Odds {
        documents: CallOdds { lost: 0.05, late: 0.08, never: 0.02, latency: Span::ms(0, 100), ..rough.documents },
        commits: CommitOdds { aborted: 0.08, lost: 0.08, ..rough.commits },
        ..rough
    }
}

struct Scenario {
    random: fastrand::Rng,
    surroundings: Surroundings,
    odds: Odds,
    users: Vec<UserId>,
    processes: Vec<Process>,
    revision: u64,
    started: u64,
    counts: Counts,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::new(BASE_MS);
        let rebalancing = if random.bool() { Rebalancing::Cooperative } else { Rebalancing::Eager };
        let settings = ClusterSettings {
            rebalancing,
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_secs(1),
            ..ClusterSettings::default()
        };
        let surroundings = Surroundings {
            cluster: MemoryCluster::new(&world, settings),
            documents: MemoryDocuments::new(&world),
            tokens: MemoryTokens::new(&world),
            api: MemoryApi::new(&world),
            world,
        };
        // With one or two users most of what happens meets the same document.
        let most_users = if random.bool() { random.i64(1..=2) } else { random.i64(2..=8) };
        let users: Vec<UserId> = (1..=most_users).map(|number| UserId::new(number).unwrap()).collect();
        let odds = match random.u8(..) {
            0..40 => Odds::default(),
            40..150 => Odds::rough(),
            _ => stormy(),
        };
        let mut scenario = Self {
            random,
            surroundings,
            odds,
            users,
            processes: Vec::new(),
            revision: 0,
            started: 0,
            counts: Counts::default(),
        };
        for user in scenario.users.clone() {
            scenario.surroundings.tokens.set(user, &format!("token-{user}"));
            scenario.surroundings.api.admit(user, &format!("token-{user}"));
        }
        for user in scenario.users.clone() {
            // Some were cached by the old service long before.
            if scenario.random.u8(..) < 50 {
                scenario.change_truth_of(user);
                foreign::assign(&mut scenario.random, &scenario.surroundings, user);
            }
        }
        for _ in 0..scenario.random.usize(1..=3) {
            scenario.start_process();
        }
        scenario
    }

    fn start_process(&mut self) {
        self.started += 1;
        let seed = self.random.u64(..);
        let chaos = Chaos::new(&format!("p{}", self.started), seed, self.odds.clone());
        self.processes.push(Process::start(&self.surroundings, chaos, seed, &Setup::default()));
    }

    /// Something happens, then some time passes.
    async fn step(&mut self) {
        match self.random.u8(0..100) {
            0..32 => {
                let user = self.user();
                self.change_truth_of(user);
            }
            32..64 => self.request(),
            64..69 => self.tick(),
            69..71 => self.tick_and_kill().await,
            71..76 => self.change_token(),
            76..80 => self.foreign_write(),
            80..86 => self.freeze_or_thaw(),
            86..92 => self.kill_and_start(),
            92..95 => self.move_a_partition(),
            95..97 => self.outage(),
            _ => self.start_or_stop().await,
        }
        let pause_ms = if self.random.u8(..) < 200 { self.random.u64(0..300) } else { self.random.u64(0..8_000) };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        self.processes.iter_mut().for_each(Process::assert_running);
    }

    fn user(&mut self) -> UserId {
        self.users[self.random.usize(..self.users.len())]
    }

    fn change_truth_of(&mut self, user: UserId) {
        self.counts.changes += 1;
        // Few revisions, so that a pass often changes and changes back.
        self.revision = self.random.u64(0..4);
        let uuid = format!("pass-{}", self.random.u8(0..4));
        let status = ["USABLE", "USING", "EXPIRED"][self.random.usize(..3)];
        let kind = self.random.u8(0..10);
        let revision = self.revision;
        if kind == 9 {
            return self.surroundings.api.expire_after_next_read(user, &uuid);
        }
        self.surroundings.api.change(user, |truth| match kind {
            0..5 => {
                let list =
                    if truth.lists.passes4.iter().any(|pass| pass.uuid == uuid) { List::Passes4 } else { List::Passes };
                truth.put(list, Pass::new(&uuid, status, revision));
            }
            5..8 => drop(truth.move_to_history(&uuid)),
            _ => truth.remove(&uuid),
        });
    }

    fn request(&mut self) {
        let user = self.user();
        self.counts.requests += 1;
        let when = ["always", "always", "if-stale", "if-missing"][self.random.usize(..4)];
        let value = format!(r#"{{"user_id":{user},"when":"{when}"}}"#);
        // Now and then a client that knows nothing of keys.
        let key = (self.random.u8(..) > 20).then(|| Bytes::from(user.to_string()));
        self.put(REQUESTS, key, value);
    }

    fn tick(&mut self) {
        let id = self.random.u8(0..20);
        self.put(TICKS, None, format!(r#"{{"tick_id":"tick-{id}"}}"#));
    }

    /// A process dies while it fans out.
    async fn tick_and_kill(&mut self) {
        self.tick();
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..200))).await;
        self.kill_and_start();
    }

    /// A user has an old row and perhaps a newer one; each is set, emptied or deleted, and the vendor may have enough of
    /// all tokens so far.
    fn change_token(&mut self) {
        let user = self.user();
        let key = user.get() + if self.random.bool() { 0 } else { NEWER_ROW };
        let row = |token: &str| format!(r#"{{"id":{key},"user_id":{user},"token":"{token}"}}"#);
        let (before, after, op) = match self.random.u8(0..8) {
            0 => {
                self.surroundings.tokens.delete_row(key);
                (row("x"), "null".to_owned(), "d")
            }
            1 => {
                self.surroundings.tokens.set_row(key, user, "");
                (row("x"), row(""), "u")
            }
            luck => {
                if luck == 2 {
                    self.surroundings.api.refuse(user);
                }
                let token = format!("token-{user}-{}", self.random.u8(0..3));
                self.surroundings.tokens.set_row(key, user, &token);
                self.surroundings.api.admit(user, &token);
                (row("x"), row(&token), "u")
            }
        };
        let source = r#"{"db":"portal","table":"bytemark_tokens","snapshot":"false"}"#;
        let value = format!(r#"{{"before":{before},"after":{after},"source":{source},"op":"{op}"}}"#);
        self.put(CDC, Some(Bytes::from(format!(r#"{{"id":{key}}}"#))), value);
    }

    fn foreign_write(&mut self) {
        let user = self.user();
        self.counts.foreign_writes += 1;
        foreign::write(&mut self.random, &self.surroundings, user);
    }

    fn put(&self, topic: &str, key: Option<Bytes>, value: String) {
        let output = Output { topic: topic.into(), key, value: Some(Bytes::from(value)), headers: Vec::new() };
        self.surroundings.cluster.put(vec![output]);
    }

    fn freeze_or_thaw(&mut self) {
        let Some(index) = self.any_process() else { return };
        let chaos = &self.processes[index].chaos;
        if chaos.gate() == Gate::Frozen {
            chaos.thaw();
        } else {
            chaos.freeze();
            self.counts.freezes += 1;
        }
    }

    fn kill_and_start(&mut self) {
        let Some(index) = self.any_process() else { return };
        self.processes.swap_remove(index).kill();
        self.counts.kills += 1;
        self.start_process();
    }

    async fn start_or_stop(&mut self) {
        if self.processes.len() < 3 && self.random.bool() {
            return self.start_process();
        }
        let Some(index) = self.any_process().filter(|_| self.processes.len() > 1) else { return };
        if self.processes[index].chaos.gate() == Gate::Running {
            self.processes.swap_remove(index).stop().await;
        }
    }

    fn move_a_partition(&mut self) {
        self.counts.rebalances += 1;
        let partition =
            passflow::domain::record::TopicPartition { topic: REQUESTS.into(), partition: self.random.u32(0..12) };
        self.surroundings.cluster.move_partition("passflow.passes", &partition);
    }

    fn outage(&mut self) {
        self.counts.outages += 1;
        let dependency = [Dependency::Documents, Dependency::Tokens, Dependency::Bytemark, Dependency::Topics]
            [self.random.usize(..4)];
        self.surroundings.world.take_down(dependency, Duration::from_millis(self.random.u64(100..20_000)));
    }

    fn any_process(&mut self) -> Option<usize> {
        (!self.processes.is_empty()).then(|| self.random.usize(..self.processes.len()))
    }

    /// Faults end, every user is asked for once more, and all that follows is handled.
    async fn come_to_rest(&mut self) -> Result<Counts, String> {
        for process in &self.processes {
            process.chaos.thaw();
            process.chaos.set_odds(Odds::default());
        }
        if self.processes.is_empty() {
            self.odds = Odds::default();
            self.start_process();
        }
        tokio::time::sleep(Duration::from_mins(2)).await;
        for user in self.users.clone() {
            // Nobody stays without a token, nor with one that is refused.
            let token = format!("token-{user}-last");
            self.surroundings.tokens.set_row(user.get() + NEWER_ROW, user, &token);
            self.surroundings.api.admit(user, &token);
        }
        // Twice: what the first round reads may move a pass behind it.
        for _ in 0..2 {
            for user in self.users.clone() {
                let key = Some(Bytes::from(user.to_string()));
                self.put(REQUESTS, key, format!(r#"{{"user_id":{user}}}"#));
            }
            self.settle().await?;
        }
        if let Ok(path) = std::env::var("PASSFLOW_LOG") {
            std::fs::write(path, self.surroundings.world.log().join("\n")).unwrap();
        }
        self.counts.events = oracle::check(&self.surroundings, &self.users)?;
        self.counts.commits = self.surroundings.cluster.commits().len();
        Ok(self.counts.clone())
    }

    /// Waits until every partition is handled to its end.
    async fn settle(&mut self) -> Result<(), String> {
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_secs(10)).await;
            self.processes.iter_mut().for_each(Process::assert_running);
            let settled: Option<usize> = self.processes.iter().map(Process::settled_partitions).sum();
            if settled == Some(PARTITIONS) {
                return Ok(());
            }
        }
        let progress = self.processes.iter().flat_map(|process| &process.progress);
        let states: Vec<_> = progress.map(passflow::engine::progress::Progress::snapshot).collect();
        Err(format!("not at rest after ten minutes: {states:#?}"))
    }
}
