//! The vendor's pass API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::sleep;

use super::{
    api_answers::{self as answers, Uneven},
    chaos::Chaos,
    odds::ApiOdds,
    pass_truth::Truth,
    trip::pause,
    world::{World, lock},
};
use crate::{
    domain::{token::Token, user_id::UserId},
    ports::{Answer, Dependency, Endpoint, NoAnswer, PassApi},
};

/// The vendor. Cheap to clone; all clones are the same vendor.
#[derive(Clone, Debug)]
pub struct MemoryApi(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    state: Mutex<BTreeMap<UserId, Account>>,
}

#[derive(Debug, Default)]
struct Account {
    tokens: Vec<String>,
    truths: Vec<Truth>,
    calls: u64,
    /// A pass that expires as soon as the next answer has been made.
    expires_after_next_read: Option<String>,
}

impl Account {
    fn now(&self) -> Truth {
        self.truths.last().cloned().unwrap_or_default()
    }

    fn change(&mut self, now_ms: i64, change: impl FnOnce(&mut Truth)) {
        let mut truth = self.now();
        change(&mut truth);
        truth.version += 1;
        truth.from_ms = now_ms;
        self.truths.push(truth);
    }
}

impl MemoryApi {
    /// A vendor without customers.
    pub fn new(world: &World) -> Self {
        Self(Arc::new(Shared { world: world.clone(), state: Mutex::default() }))
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> ApiClient {
        ApiClient { api: self.clone(), chaos: chaos.clone() }
    }

    /// Lets `token` in as `user`, beside those that are let in already.
    pub fn admit(&self, user: UserId, token: &str) {
        self.state().entry(user).or_default().tokens.push(token.to_owned());
    }

    /// Lets none of `user`'s tokens in any more.
    pub fn refuse(&self, user: UserId) {
        self.state().entry(user).or_default().tokens.clear();
    }

    /// Changes `user`'s passes at once.
    pub fn change(&self, user: UserId, change: impl FnOnce(&mut Truth)) {
        self.state().entry(user).or_default().change(self.now_ms(), change);
    }

    /// Makes a pass go from the active list to the history right after the next answer for `user`: a caller that reads
    /// the history first and the active list then finds it in neither.
    pub fn expire_after_next_read(&self, user: UserId, pass_uuid: &str) {
        self.state().entry(user).or_default().expires_after_next_read = Some(pass_uuid.to_owned());
    }

    /// What is true of `user` now.
    pub fn truth(&self, user: UserId) -> Truth {
        self.state().get(&user).map(Account::now).unwrap_or_default()
    }

    /// All that was ever true of `user`, in order.
    pub fn truths(&self, user: UserId) -> Vec<Truth> {
        self.state().get(&user).map(|account| account.truths.clone()).unwrap_or_default()
    }

    /// How often `user`'s passes were asked for, failed calls that arrived included.
    pub fn calls(&self, user: UserId) -> u64 {
        self.state().get(&user).map_or(0, |account| account.calls)
    }

    fn state(&self) -> MutexGuard<'_, BTreeMap<UserId, Account>> {
        lock(&self.0.state)
    }

    fn now_ms(&self) -> i64 {
        self.0.world.now_ms()
    }

    /// The answer at this moment.
    fn answer(&self, endpoint: Endpoint, token: &Token, uneven: Option<Uneven>) -> Answer {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let account = state.values_mut().find(|account| account.tokens.iter().any(|known| known == token.expose()));
        let Some(account) = account else { return unauthorized(now_ms) };
        account.calls += 1;
        let lists = account.now().lists;
        if let Some(uuid) = account.expires_after_next_read.take() {
            account.change(now_ms, |truth| {
                truth.move_to_history(&uuid);
            });
        }
        match endpoint {
            Endpoint::Active => answers::active(&lists.passes, now_ms),
            // All stood on the first page.
            Endpoint::ActivePage { .. } => answers::active(&[], now_ms),
            Endpoint::History { per_page, page } => answers::history(&lists.passes4, per_page, page, uneven, now_ms),
        }
    }
}

fn unauthorized(now_ms: i64) -> Answer {
    answers::errors(401, 50020, "session expired", now_ms)
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    ConnectFailed,
    ConnectionLost,
    Hangs,
    ServerError,
    TooMany,
    Html,
    Truncated,
    ErrorEnvelope,
    Unauthorized,
    UnevenPages,
}

struct Plan {
    fate: Fate,
    there: Duration,
    back: Duration,
    timeout: Duration,
    status: u16,
    uneven: Uneven,
}

impl Plan {
    fn draw(rng: &mut fastrand::Rng, odds: &ApiOdds, is_down: bool) -> Self {
        let luck = rng.f64();
        let timeout = odds.timeout.draw(rng);
        Self {
            fate: if is_down { Fate::ConnectFailed } else { fate(luck, odds) },
            there: odds.latency.draw(rng),
            back: odds.latency.draw(rng),
            timeout: if timeout.is_zero() { Duration::from_secs(30) } else { timeout },
            status: [500, 502, 503][rng.usize(0..3)],
            uneven: [Uneven::Total, Uneven::Missing, Uneven::Repeated][rng.usize(0..3)],
        }
    }
}

fn fate(luck: f64, odds: &ApiOdds) -> Fate {
    let fates = [
        (odds.connect_failed, Fate::ConnectFailed),
        (odds.connection_lost, Fate::ConnectionLost),
        (odds.hang, Fate::Hangs),
        (odds.server_error, Fate::ServerError),
        (odds.too_many, Fate::TooMany),
        (odds.html, Fate::Html),
        (odds.truncated, Fate::Truncated),
        (odds.error_envelope, Fate::ErrorEnvelope),
        (odds.unauthorized, Fate::Unauthorized),
        (odds.uneven_pages, Fate::UnevenPages),
    ];
    let mut up_to = 0.0;
    for (probability, fate) in fates {
        up_to += probability;
        if luck < up_to {
            return fate;
        }
    }
    Fate::Answered
}

/// One process's connection to a [`MemoryApi`].
#[derive(Clone, Debug)]
pub struct ApiClient {
    api: MemoryApi,
    chaos: Chaos,
}

impl ApiClient {
    async fn answer(&self, plan: &Plan, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer> {
        pause(plan.there).await;
        if plan.fate == Fate::ConnectFailed {
            return Err(no_answer("connect_failed"));
        }
        let uneven = (plan.fate == Fate::UnevenPages).then_some(plan.uneven);
        let true_answer = self.api.answer(endpoint, token, uneven);
        if plan.fate == Fate::Hangs {
            sleep(plan.timeout).await;
            return Err(no_answer("timed_out"));
        }
        pause(plan.back).await;
        let now_ms = self.api.now_ms();
        Ok(match plan.fate {
            Fate::ConnectionLost => return Err(no_answer("connection_lost")),
            Fate::ServerError => answers::html(plan.status),
            Fate::TooMany => answers::too_many(now_ms),
            Fate::Html => answers::html(200),
            Fate::Truncated => answers::truncated(&true_answer),
            Fate::ErrorEnvelope => answers::errors(200, 10_001, "try again", now_ms),
            Fate::Unauthorized => unauthorized(now_ms),
            _ => true_answer,
        })
    }
}

fn no_answer(code: &'static str) -> NoAnswer {
    NoAnswer { code, message: "injected".to_owned() }
}

#[async_trait]
impl PassApi for ApiClient {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer> {
        self.chaos.running().await;
        let world = &self.api.0.world;
        let is_down = world.is_down(Dependency::Bytemark);
        let plan = self.chaos.draw(|rng, odds| Plan::draw(rng, &odds.api, is_down));
        let answer = self.answer(&plan, endpoint, token).await;
        world.note(self.chaos.name(), format_args!("GET {endpoint:?}: {:?}", plan.fate));
        self.chaos.running().await;
        answer
    }
}
