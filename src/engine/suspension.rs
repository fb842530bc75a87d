//! Waiting for a dependency that is away: delays that grow, and one probe at a time.

use std::time::Duration;

use crate::{
    domain::record::TopicPartition,
    ports::{Dependency, PortError},
};

/// Delays that double from `min` to `max`, with jitter, so that many waiters do not come back at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// The first delay is about `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// The next delay: between half of it and the whole.
    pub fn next_ms(&mut self, random: &mut fastrand::Rng) -> i64 {
        let whole = self.next;
        self.next = (whole * 2).min(self.max).max(self.min);
        let whole_ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX).max(1);
        i64::try_from(random.u64(whole_ms.div_ceil(2)..=whole_ms)).unwrap_or(i64::MAX)
    }
}

/// Consumption waits for a dependency.
#[derive(Debug)]
pub struct Suspension {
    /// Which one.
    pub dependency: Dependency,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// When the next probe is due.
    pub probe_at_ms: i64,
    /// Whether a record is out as a probe.
    pub probing: bool,
    /// The partition of the last probe: the next one comes from another, if it can.
    pub probed: Option<TopicPartition>,
    backoff: Backoff,
}

impl Suspension {
    /// Begins to wait.
    pub fn new(error: &PortError, now_ms: i64, mut backoff: Backoff, random: &mut fastrand::Rng) -> Self {
        let probe_at_ms = now_ms + backoff.next_ms(random);
        Self { dependency: error.dependency, since_ms: now_ms, probe_at_ms, probing: false, probed: None, backoff }
    }

    /// The probe failed: the next one comes later.
    pub fn probe_failed(&mut self, error: &PortError, now_ms: i64, random: &mut fastrand::Rng) {
        self.dependency = error.dependency;
        self.probing = false;
        self.probe_at_ms = now_ms + self.backoff.next_ms(random);
    }

    /// Whether a record may go out as a probe now.
    pub fn may_probe(&self, now_ms: i64) -> bool {
        !self.probing && self.probe_at_ms <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_greatest_and_are_jittered_by_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut random = fastrand::Rng::with_seed(1);
        for whole_ms in [100, 200, 400, 800, 1000, 1000] {
            let delay_ms = backoff.next_ms(&mut random);
            assert!((whole_ms / 2..=whole_ms).contains(&delay_ms), "{delay_ms} of {whole_ms}");
        }
    }
}
