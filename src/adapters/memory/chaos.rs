//! One simulated process: what becomes of its calls, and whether it runs at all.

use std::{
    fmt, future,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tokio::sync::{Notify, oneshot};

use super::{
    odds::Odds,
    trip::{Fate, Trip, arrive_after, calls, pause},
    world::{World, lock},
};
use crate::ports::{Dependency, Failure, PortError};

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Running,
    /// It is stopped (`SIGSTOP`): its calls neither begin nor return.
    Frozen,
    /// It is dead: its calls never return, and none begins. What was sent may still arrive.
    Killed,
}

/// One simulated process. Cheap to clone; all clones are the same process.
#[derive(Clone)]
pub struct Chaos(Arc<Inner>);

struct Inner {
    name: String,
    rng: Mutex<Rng>,
    odds: Mutex<Odds>,
    gate: Mutex<Gate>,
    turned: Notify,
}

impl Chaos {
    /// The process `name`, whose luck is drawn from `seed`.
    pub fn new(name: &str, seed: u64, odds: Odds) -> Self {
        let (rng, odds) = (Mutex::new(Rng::with_seed(seed)), Mutex::new(odds));
        Self(Arc::new(Inner {
            name: name.to_owned(),
            rng,
            odds,
            gate: Mutex::new(Gate::Running),
            turned: Notify::new(),
        }))
    }

    /// A process that nothing goes wrong for.
    pub fn none() -> Self {
        Self::new("process", 0, Odds::default())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Changes its luck from now on.
    pub fn set_odds(&self, odds: Odds) {
        *lock(&self.0.odds) = odds;
    }

    /// Stops it, unless it is dead.
    pub fn freeze(&self) {
        self.turn(Gate::Frozen);
    }

    /// Lets it run on, unless it is dead.
    pub fn thaw(&self) {
        self.turn(Gate::Running);
    }

    /// Ends it. None of its calls returns any more: the runtime has to drop its tasks.
    pub fn kill(&self) {
        self.turn(Gate::Killed);
    }

    /// Whether it runs.
    pub fn gate(&self) -> Gate {
        *lock(&self.0.gate)
    }

    /// Waits until it runs; for ever if it is dead.
    pub async fn running(&self) {
        loop {
            // Taken before the look, so that a turn in between is not missed.
            let turned = self.0.turned.notified();
            match self.gate() {
                Gate::Running => return,
                Gate::Frozen => turned.await,
                Gate::Killed => return future::pending().await,
            }
        }
    }

    fn turn(&self, to: Gate) {
        let mut gate = lock(&self.0.gate);
        if *gate != Gate::Killed {
            *gate = to;
        }
        drop(gate);
        self.0.turned.notify_waiters();
    }

    /// Draws something by its odds.
    pub(super) fn draw<T>(&self, from: impl FnOnce(&mut Rng, &Odds) -> T) -> T {
        from(&mut lock(&self.0.rng), &lock(&self.0.odds))
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&self, probability: impl FnOnce(&Odds) -> f64) -> bool {
        self.draw(|rng, odds| rng.f64() < probability(odds))
    }

    /// Sends one call to `dependency`, which `apply` does when it arrives.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        world: &World,
        dependency: Dependency,
        doing: &str,
        apply: impl FnOnce() -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        self.running().await;
        let trip = self.trip(world, dependency);
        let answer = match trip.fate {
            Fate::Done => self.ask(world, &trip, dependency, doing, apply).await,
            Fate::Lost => {
                arrive_after(world, trip.there, move || drop(apply()));
                self.unanswered(&trip, dependency, doing).await
            }
            Fate::Late => {
                arrive_after(world, trip.there + trip.late_by, move || drop(apply()));
                self.unanswered(&trip, dependency, doing).await
            }
            Fate::Never => self.unanswered(&trip, dependency, doing).await,
            Fate::Down => self.down(&trip, dependency, doing).await,
        };
        self.note(world, doing, &trip, answer.is_ok());
        self.running().await;
        answer
    }

    /// Sends one call with many things that the dependency does one by one: when it is late, each has its own luck.
    pub(super) async fn call_each<I: Send + 'static, T: Send + 'static>(
        &self,
        world: &World,
        dependency: Dependency,
        doing: &str,
        things: Vec<I>,
        apply: impl Fn(I) -> Result<T, PortError> + Clone + Send + 'static,
    ) -> Result<Vec<T>, PortError> {
        self.running().await;
        let trip = self.trip(world, dependency);
        let answer = match trip.fate {
            Fate::Done => {
                let all = move || things.into_iter().map(apply).collect();
                self.ask(world, &trip, dependency, doing, all).await
            }
            Fate::Lost => {
                arrive_after(world, trip.there, move || things.into_iter().for_each(|thing| drop(apply(thing))));
                self.unanswered(&trip, dependency, doing).await
            }
            Fate::Late => {
                self.scatter(world, &trip, dependency, things, &apply);
                self.unanswered(&trip, dependency, doing).await
            }
            Fate::Never => self.unanswered(&trip, dependency, doing).await,
            Fate::Down => self.down(&trip, dependency, doing).await,
        };
        self.note(world, doing, &trip, answer.is_ok());
        self.running().await;
        answer
    }

    fn scatter<I: Send + 'static, T>(
        &self,
        world: &World,
        trip: &Trip,
        dependency: Dependency,
        things: Vec<I>,
        apply: &(impl Fn(I) -> Result<T, PortError> + Clone + Send + 'static),
    ) {
        // A call with one thing alone is late as a whole: it would else be no late call in a third of the cases.
        let ways = if things.len() == 1 { 1..2 } else { 0..3 };
        for thing in things {
            let apply = apply.clone();
            let (way, late_by) =
                self.draw(|rng, odds| (rng.u8(ways.clone()), calls(odds, dependency).late_by.draw(rng)));
            let extra = if way == 0 { Duration::ZERO } else { late_by };
            if way < 2 {
                arrive_after(world, trip.there + extra, move || drop(apply(thing)));
            }
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        world: &World,
        trip: &Trip,
        dependency: Dependency,
        doing: &str,
        apply: impl FnOnce() -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let (answer, answered) = oneshot::channel();
        arrive_after(world, trip.there, move || drop(answer.send(apply())));
        let answer = answered.await.unwrap_or_else(|_| Err(self.error(Failure::Unanswered, dependency, doing)));
        pause(trip.back).await;
        answer
    }

    async fn unanswered<T>(&self, trip: &Trip, dependency: Dependency, doing: &str) -> Result<T, PortError> {
        pause(trip.patience).await;
        Err(self.error(Failure::Unanswered, dependency, doing))
    }

    async fn down<T>(&self, trip: &Trip, dependency: Dependency, doing: &str) -> Result<T, PortError> {
        pause(trip.there).await;
        Err(self.error(Failure::Down, dependency, doing))
    }

    /// The error of a call that chaos made fail.
    pub(super) fn error(&self, kind: Failure, dependency: Dependency, doing: &str) -> PortError {
        let message = match kind {
            Failure::Down => "unreachable (injected)",
            Failure::Unanswered => "no answer came (injected)",
            Failure::Refused => "refused (injected)",
        };
        PortError { kind, dependency, doing: format!("{}: {doing}", self.name()), message: message.to_owned() }
    }

    fn trip(&self, world: &World, dependency: Dependency) -> Trip {
        let is_down = world.is_down(dependency);
        self.draw(|rng, odds| Trip::draw(rng, calls(odds, dependency), is_down))
    }

    fn note(&self, world: &World, doing: &str, trip: &Trip, done: bool) {
        world.note(self.name(), format_args!("{doing}: {:?}{}", trip.fate, if done { "" } else { ", failed" }));
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chaos").field("name", &self.0.name).field("gate", &self.gate()).finish_non_exhaustive()
    }
}
