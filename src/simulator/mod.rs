//! A simulated Bytemark: an API whose users' passes appear, get activated, change, expire, move from the active list to
//! the history and now and then vanish, by themselves as time steps by, and that fails in all the ways a real one does.
//!
//! It knows the truth, so that what was made of its answers can be held against it. The way of a request:
//! [`http`] (or a test, in process) -> the plan (who asks, what goes wrong) -> the world (who has which passes).
//! All chance follows from [`Config::seed`]: one seed and the same steps give the same lives, however they are watched.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use passflow::simulator::{Config, Simulator, http};
//! let simulator = std::sync::Arc::new(Simulator::new(Config::default()));
//! let (listener, base_url) = http::bind().await?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! tokio::spawn(http::serve(simulator.clone(), listener, async { _ = stopped.await }));
//! simulator.step(jiff::Timestamp::now());
//! let truth = simulator.truth(42);
//! # drop((stop, base_url, truth)); Ok(())
//! # }
//! ```

pub mod answer;
mod careless;
mod config;
mod counts;
mod dice;
mod faults;
mod hooks;
pub mod http;
mod json_text;
mod light;
mod page;
mod pass;
mod pass_text;
mod plan;
mod product;
mod tokens;
mod user;
mod wire;
mod world;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

pub use config::{Config, Denial, Mode};
pub use counts::Counts;
pub use faults::{Fault, Faults, Outage};
pub use page::PageStyle;
pub use pass::Pass;
pub use product::{PRODUCTS, Product};
pub use world::{Endpoint, Truth};

use counts::Counters;
use light::Light;
use tokens::Tokens;
use user::Rules;
use world::World;

/// The simulated Bytemark.
pub struct Simulator {
    config: Config,
    world: Mutex<World>,
    light: Option<Light>,
    tokens: RwLock<Tokens>,
    switches: RwLock<Switches>,
    counters: Counters,
    /// Changes when answers that hang need not hang any longer.
    wake: watch::Sender<()>,
}

/// What goes wrong at present.
struct Switches {
    faults: Faults,
    /// Faults that a user's next requests meet, ordered by hand.
    due: HashMap<(u64, Endpoint), VecDeque<Fault>>,
    active_down: Option<Outage>,
    history_down: Option<Outage>,
}

impl Simulator {
    /// A simulator at its start.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let rules = Rules {
            seed: config.seed,
            change_rate: config.change_rate,
            passes: (*config.passes_per_user.start(), *config.passes_per_user.end()),
            start_ms: config.start.as_millisecond(),
        };
        let switches =
            Switches { faults: config.faults.clone(), due: HashMap::new(), active_down: None, history_down: None };
        Self {
            light: (config.mode == Mode::Light).then(|| Light::new(&rules)),
            tokens: RwLock::new(Tokens::new(config.seed, config.users)),
            world: Mutex::new(World::new(rules)),
            switches: RwLock::new(switches),
            counters: Counters::default(),
            wake: watch::Sender::new(()),
            config,
        }
    }

    /// One step of time: what was due to happen to users has happened. `now` before the last step counts as that.
    pub fn step(&self, now: Timestamp) {
        self.world().step(now);
    }

    /// Steps at each `interval` of real time until `shutdown`.
    pub async fn run(&self, interval: Duration, shutdown: impl Future<Output = ()>) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let stepping = async {
            loop {
                ticks.tick().await;
                self.step(Timestamp::now());
            }
        };
        tokio::select! {
            () = stepping => {}
            () = shutdown => {}
        }
    }

    /// From now on nothing changes by itself and nothing goes wrong: faults and outages end, what hangs is let go.
    pub fn freeze(&self) {
        self.world().freeze();
        let mut switches = self.switches_mut();
        switches.faults = Faults::none();
        switches.due.clear();
        (switches.active_down, switches.history_down) = (None, None);
        drop(switches);
        self.let_go();
    }

    /// Ends the waiting of all answers that hang.
    fn let_go(&self) {
        self.wake.send_replace(());
    }

    /// In light mode: changes every pass of every user (and, the next time, changes them back).
    pub fn turn(&self) {
        if let Some(light) = &self.light {
            light.turn();
        }
    }

    /// What the user's lists hold now.
    pub fn truth(&self, user: u64) -> Truth {
        match &self.light {
            Some(light) => light.truth(user),
            None => self.world().truth(user),
        }
    }

    /// Users `1..=users()` exist from the start.
    pub fn users(&self) -> u64 {
        self.config.users
    }

    /// The token that the API takes for the user.
    pub fn token_of(&self, user: u64) -> Option<String> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).of(user)
    }

    /// Replaces the user's token (or makes a user): the one before is refused from now on.
    pub fn set_token(&self, user: u64, token: Option<String>) {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner).set(user, token);
    }

    /// Replaces what goes wrong by chance.
    pub fn set_faults(&self, faults: Faults) {
        self.switches_mut().faults = faults;
    }

    /// Takes one of the lists down, or brings it up again.
    pub fn set_down(&self, endpoint: Endpoint, outage: Option<Outage>) {
        let mut switches = self.switches_mut();
        match endpoint {
            Endpoint::Active => switches.active_down = outage,
            Endpoint::History => switches.history_down = outage,
        }
    }

    /// Takes the whole API down, or brings it up again.
    pub fn set_all_down(&self, outage: Option<Outage>) {
        self.set_down(Endpoint::Active, outage);
        self.set_down(Endpoint::History, outage);
    }

    /// What was asked so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Requests with a token of this user, for the active list and for pages of the history. Not counted in light mode.
    pub fn requests_of(&self, user: u64) -> [u64; 2] {
        self.world().requests(user)
    }

    /// Changes of passes, by themselves and by hand, of the users who were looked at.
    pub fn changes(&self) -> u64 {
        self.world().changes()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switches_mut(&self) -> RwLockWriteGuard<'_, Switches> {
        self.switches.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self, token: &str) -> Option<u64> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).owner(token)
    }

    fn faults(&self) -> Faults {
        self.switches.read().unwrap_or_else(PoisonError::into_inner).faults.clone()
    }

    fn outage(&self, endpoint: Endpoint) -> Option<Outage> {
        let switches = self.switches.read().unwrap_or_else(PoisonError::into_inner);
        match endpoint {
            Endpoint::Active => switches.active_down,
            Endpoint::History => switches.history_down,
        }
    }

    /// What goes wrong with this request: what was ordered by hand, else what chance says.
    fn draw_fault(&self, user: u64, endpoint: Endpoint, chance: &mut Rng) -> Option<Fault> {
        let (by_chance, none_due) = {
            let switches = self.switches.read().unwrap_or_else(PoisonError::into_inner);
            (switches.faults.draw(chance), switches.due.is_empty())
        };
        let by_chance = by_chance.filter(|fault| fault.concerns(endpoint));
        if none_due {
            return by_chance;
        }
        let mut switches = self.switches_mut();
        let due = switches.due.get_mut(&(user, endpoint)).and_then(VecDeque::pop_front);
        due.or(by_chance)
    }
}
