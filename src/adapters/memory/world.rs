//! What all simulated processes share: time, what is on its way, outages, and the log of what happened.

use std::{
    fmt,
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

use super::clock::VirtualClock;
use crate::ports::{Clock, Dependency};

/// The simulated surroundings. Cheap to clone; all clones are the same world.
#[derive(Clone, Debug)]
pub struct World(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: VirtualClock,
    tasks: Mutex<JoinSet<()>>,
    outages: Mutex<Vec<(Dependency, Range<i64>)>>,
    log: Mutex<Vec<String>>,
}

impl World {
    /// A world whose clock shows `base_ms` (milliseconds since 1970) now. To be made inside the runtime.
    pub fn new(base_ms: i64) -> Self {
        Self(Arc::new(Inner {
            clock: VirtualClock::new(base_ms),
            tasks: Mutex::default(),
            outages: Mutex::default(),
            log: Mutex::default(),
        }))
    }

    /// Its clock.
    pub fn clock(&self) -> VirtualClock {
        self.0.clock
    }

    /// Its time, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Runs `task` apart from every process: it outlives the one that caused it.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.0.tasks);
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                self.note("world", format_args!("task failed: {error}"));
            }
        }
        tasks.spawn(task);
    }

    /// Stops all that is on its way and all heartbeats. Nothing happens by itself afterwards.
    pub fn stop(&self) {
        lock(&self.0.tasks).abort_all();
    }

    /// Makes `dependency` unreachable for everyone from now on for `duration`.
    pub fn take_down(&self, dependency: Dependency, duration: Duration) {
        let now_ms = self.now_ms();
        let duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.plan_outage(dependency, now_ms..now_ms.saturating_add(duration_ms));
    }

    /// Makes `dependency` unreachable for everyone in this time (milliseconds since 1970).
    pub fn plan_outage(&self, dependency: Dependency, during_ms: Range<i64>) {
        self.note("world", format_args!("{} down {during_ms:?}", dependency.name()));
        lock(&self.0.outages).push((dependency, during_ms));
    }

    /// Whether `dependency` is unreachable now.
    pub fn is_down(&self, dependency: Dependency) -> bool {
        let now_ms = self.now_ms();
        lock(&self.0.outages).iter().any(|(down, during_ms)| *down == dependency && during_ms.contains(&now_ms))
    }

    /// Writes a line into the log of what happened.
    pub fn note(&self, who: &str, what: fmt::Arguments<'_>) {
        lock(&self.0.log).push(format!("{} {who} {what}", self.now_ms()));
    }

    /// All that happened so far, a line each. The same seed gives the same lines.
    pub fn log(&self) -> Vec<String> {
        lock(&self.0.log).clone()
    }
}

/// Locks without regard to a holder that panicked: the test that did so fails anyway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
