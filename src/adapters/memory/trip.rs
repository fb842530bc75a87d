//! How one call goes: whether it arrives, when, and whether its answer does.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    odds::{CallOdds, Odds},
    world::World,
};
use crate::ports::Dependency;

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    Down,
    Lost,
    Late,
    Never,
}

/// A call's fate with all its times, drawn before it begins.
pub(super) struct Trip {
    pub(super) fate: Fate,
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) late_by: Duration,
    pub(super) patience: Duration,
}

impl Trip {
    /// Always draws the same number of times, so that a fault does not change all that comes after it.
    pub(super) fn draw(rng: &mut Rng, odds: &CallOdds, is_down: bool) -> Self {
        let luck = rng.f64();
        let fails_at_once = rng.bool();
        let patience = if fails_at_once { odds.latency } else { odds.patience };
        Self {
            fate: if is_down { Fate::Down } else { fate(luck, odds) },
            there: odds.latency.draw(rng),
            back: odds.latency.draw(rng),
            late_by: odds.late_by.draw(rng),
            patience: patience.draw(rng),
        }
    }
}

pub(super) fn calls(odds: &Odds, dependency: Dependency) -> &CallOdds {
    match dependency {
        Dependency::Documents => &odds.documents,
        Dependency::Tokens => &odds.tokens,
        Dependency::Topics | Dependency::Bytemark => &odds.topics,
    }
}

fn fate(luck: f64, odds: &CallOdds) -> Fate {
    let mut up_to = 0.0;
    let fates = [(odds.down, Fate::Down), (odds.lost, Fate::Lost), (odds.late, Fate::Late), (odds.never, Fate::Never)];
    for (probability, fate) in fates {
        up_to += probability;
        if luck < up_to {
            return fate;
        }
    }
    Fate::Done
}

/// Lets `apply` happen after `delay` whatever becomes of the caller; before this returns when there is no delay.
pub(super) fn arrive_after(world: &World, delay: Duration, apply: impl FnOnce() + Send + 'static) {
    if delay.is_zero() {
        return apply();
    }
    let at = Instant::now() + delay;
    world.spawn(async move {
        sleep_until(at).await;
        apply();
    });
}

/// Sleeps, but not for the timer's least millisecond when there is nothing to wait for.
pub(super) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
