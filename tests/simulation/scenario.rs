//! What happens in one run, all of it drawn from the seed.

mod places;
mod steps;

use std::time::Duration;

use bytes::Bytes;
use passflow::{
    adapters::memory::{
        CallOdds, Chaos, ClusterSettings, CommitOdds, ConsumerOdds, MemoryApi, MemoryAudit, MemoryCluster,
        MemoryDocuments, MemoryTokens, Odds, Rebalancing, Span, World,
    },
    domain::user_id::UserId,
};

use super::{
    foreign, oracle,
    process::{Process, REQUESTS, Setup, Surroundings},
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
    pub growths: usize,
    /// Requests put where their keys belonged before partitions were added.
    pub astray: usize,
    /// Partitions in which the group was set back.
    pub set_back: usize,
    pub made_anew: usize,
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
        self.growths += other.growths;
        self.astray += other.astray;
        self.set_back += other.set_back;
        self.made_anew += other.made_anew;
    }
}

const BASE_MS: i64 = 1_795_000_000_000;
const STEPS: usize = 120;
/// How much greater the key of a user's second row is.
const NEWER_ROW: i64 = 1_000;
/// Of CDC, ticks and retry.
const OTHER_PARTITIONS: usize = 3 + 1 + 3;
/// Of the requests, at first and at most.
const PARTITIONS: u32 = 12;
const PARTITIONS_MAX: u32 = 19;

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
        consumer: ConsumerOdds { ended: 0.003, ..rough.consumer },
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
    /// Whether partitions are added to the requests now and then, the group is set back, the topic made anew.
    changes_places: bool,
    /// How many partitions the requests have.
    partitions: u32,
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
            audit: MemoryAudit::new(&world),
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
        let changes_places = random.u8(..) < 100;
        let mut scenario = Self {
            changes_places,
            partitions: PARTITIONS,
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
            if settled == Some(OTHER_PARTITIONS + self.partitions as usize) {
                return Ok(());
            }
        }
        let progress = self.processes.iter().flat_map(|process| &process.progress);
        let states: Vec<_> = progress.map(passflow::engine::progress::Progress::snapshot).collect();
        Err(format!("not at rest after ten minutes: {states:#?}"))
    }
}
