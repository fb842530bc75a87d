//! The way to the pass API for all handlers together: how many at once, how fast, when to stay away, and whether it is
//! down as a whole.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::room::Hold;
use crate::{
    domain::user_id::UserId,
    ports::{Clock, Dependency, Failure, PortError},
};

/// Limits of the way.
#[derive(Clone, Debug)]
pub struct GateLimits {
    /// Requests under way at once.
    pub max_in_flight: usize,
    /// Requests a second; 0 = no limit.
    pub requests_per_second: u32,
    /// The longest time to stay away that is believed.
    pub retry_after_max: Duration,
    /// Failures in a row, over several users, after which the API counts as down.
    pub down_after: usize,
}

/// Timers wake a little late; what was due up to so long ago may catch up.
const LATE_MAX_US: i64 = 5_000;

impl GateLimits {
    /// Microseconds between two requests: a thousandth more than the rate asks for, so that even with those that catch
    /// up no ten seconds see more than ten times the rate (10.005 s / 1.001 < 10 s).
    fn interval_us(&self) -> Option<i64> {
        let rate = u64::from(self.requests_per_second);
        (rate > 0).then(|| 1_001_000_u64.div_ceil(rate).cast_signed())
    }
}

/// Users that must have failed before the API as a whole is suspected: one user's trouble is their own.
const SUSPECT_USERS: usize = 5;

#[derive(Debug, Default)]
struct State {
    /// Nobody asks before this time (ms since 1970).
    hold_until_ms: i64,
    /// When the next request may leave, in microseconds since 1970, at a limited rate.
    next_slot_us: i64,
    failures: usize,
    failed_users: BTreeSet<UserId>,
    last_failure: String,
}

/// The gate.
pub struct Gate {
    limits: GateLimits,
    permits: Arc<Semaphore>,
    /// At a limited rate, one after the other waits for the next slot.
    turn: tokio::sync::Mutex<()>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Gate {
    /// An open gate.
    pub fn new(limits: GateLimits, clock: Arc<dyn Clock>) -> Self {
        let permits = Arc::new(Semaphore::new(limits.max_in_flight));
        Self { limits, permits, turn: tokio::sync::Mutex::default(), clock, state: Mutex::default() }
    }

    /// Waits until one request of the fetch that holds `hold` may leave; it is under way as long as the permit lives.
    pub async fn enter(&self, hold: &Hold) -> Option<OwnedSemaphorePermit> {
        let permit = tokio::select! {
            biased;
            kept = hold.passage() => Some(kept),
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
        };
        let _turn = if self.limits.requests_per_second > 0 { Some(self.turn.lock().await) } else { None };
        loop {
            let wait = self.claim_slot();
            if wait.is_zero() {
                return permit;
            }
            self.clock.sleep(wait).await;
        }
    }

    /// How long to wait before asking again; zero when the slot is taken.
    fn claim_slot(&self) -> Duration {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        if state.hold_until_ms > now_ms {
            return millis(state.hold_until_ms - now_ms);
        }
        let Some(interval_us) = self.limits.interval_us() else {
            return Duration::ZERO;
        };
        let now_us = now_ms.saturating_mul(1000);
        if state.next_slot_us > now_us {
            return millis((state.next_slot_us - now_us).div_euclid(1000).max(1));
        }
        state.next_slot_us = state.next_slot_us.max(now_us - LATE_MAX_US) + interval_us;
        Duration::ZERO
    }

    /// The API asked to be left alone.
    pub fn hold(&self, retry_after: Duration) {
        let delay_ms = i64::try_from(retry_after.min(self.limits.retry_after_max).as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.clock.now_ms().saturating_add(delay_ms);
        let mut state = self.state();
        state.hold_until_ms = state.hold_until_ms.max(until_ms);
    }

    /// A request of `user` was answered, however.
    pub fn answered(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.failed_users.clear();
    }

    /// A request of `user` failed in a way that may be the API's.
    pub fn failed(&self, user: UserId, failure: &str) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failed_users.len() < SUSPECT_USERS {
            state.failed_users.insert(user);
        }
        failure.clone_into(&mut state.last_failure);
    }

    /// The error to wait with, when the API as a whole seems to be down.
    pub fn down(&self) -> Option<PortError> {
        let state = self.state();
        let is_down = state.failures >= self.limits.down_after && state.failed_users.len() >= SUSPECT_USERS;
        is_down.then(|| PortError {
            kind: Failure::Down,
            dependency: Dependency::Bytemark,
            doing: format!("fetching passes, {} requests in a row failed", state.failures),
            message: state.last_failure.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
