//! Which records may start, and which partitions are held back.

use std::sync::Arc;

use super::{
    Engine,
    handler::{Handler, Turn},
    partitions::Active,
    tasks::Tasks,
};

impl Engine {
    /// Starts what may run; gives when the next parked record is due.
    pub(super) fn start_records(&mut self, now_ms: i64) -> Option<i64> {
        let due = self.partitions.active.values_mut().filter_map(|active| active.window.wake(now_ms)).min();
        if self.draining_until_ms.is_some() {
            return None;
        }
        if self.suspension.is_some() {
            self.start_probe(now_ms);
            return due;
        }
        let mut room = self.parts.limits.concurrency.saturating_sub(self.partitions.running());
        let mut started = true;
        while room > 0 && started {
            started = false;
            for active in self.partitions.active.values_mut() {
                if room > 0 && start_one(&mut self.tasks, &self.parts.handler, active, false) {
                    room -= 1;
                    started = true;
                }
            }
        }
        due
    }

    fn start_probe(&mut self, now_ms: i64) {
        let Some(suspension) = self.suspension.as_mut() else { return };
        // A probe whose partition went away never reports.
        suspension.probing = suspension.probing && self.tasks.has_probe();
        if !suspension.may_probe(now_ms) {
            return;
        }
        if let Some((partition, active)) = self.partitions.next_ready(suspension.probed.as_ref()) {
            suspension.probing = start_one(&mut self.tasks, &self.parts.handler, active, true);
            suspension.probed = Some(partition);
        }
        if !suspension.probing && self.partitions.running() == 0 && !self.has_waiting() {
            // What was waiting has gone with its partition: the next record will tell.
            self.suspension = None;
        }
    }

    fn has_waiting(&self) -> bool {
        self.partitions.active.values().any(|active| !active.window.is_empty())
    }

    pub(super) fn set_pauses(&mut self) {
        let limits = &self.parts.limits;
        let full = self.partitions.bytes() >= limits.window_bytes;
        for (partition, active) in &mut self.partitions.active {
            let window = &active.window;
            let paused =
                self.draining_until_ms.is_some() || window.len() >= limits.window || (full && !window.is_empty());
            if paused != active.paused {
                active.paused = paused;
                self.consumer.set_paused(partition, paused);
            }
        }
    }
}

fn start_one(tasks: &mut Tasks, handler: &Arc<dyn Handler>, active: &mut Active, probe: bool) -> bool {
    let Some(runnable) = active.window.start_next() else { return false };
    let turn = Turn {
        held: Arc::clone(&active.held),
        metadata: active.metadata.clone(),
        unanswered: Arc::clone(&runnable.unanswered),
        attempts: runnable.attempts,
        traceparent: None,
    };
    tasks.start(handler, turn, active.taken, runnable, probe);
    true
}
