//! Virtual time.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::chaos::Chaos;
use crate::ports::Clock;

/// The runtime's time as if it had begun at a fixed moment. With paused time it moves only when all wait.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    base_ms: i64,
    start: Instant,
}

impl VirtualClock {
    /// A clock that shows `base_ms` (milliseconds since 1970) now. To be made inside the runtime.
    pub fn new(base_ms: i64) -> Self {
        Self { base_ms, start: Instant::now() }
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.base_ms.saturating_add(elapsed_ms)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The clock as one process sees it: its sleeps don't end while it is frozen, and never once it is killed.
#[derive(Clone, Debug)]
pub struct ProcessClock {
    clock: VirtualClock,
    chaos: Chaos,
}

impl ProcessClock {
    /// `clock`, seen by the process of `chaos`.
    pub fn new(clock: VirtualClock, chaos: Chaos) -> Self {
        Self { clock, chaos }
    }
}

#[async_trait]
impl Clock for ProcessClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
        self.chaos.running().await;
    }
}
