//! What comes of a record's turn: it is finished, waits, goes again, or becomes a dead letter.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    Engine,
    handler::{Halt, Step},
    suspension::{Backoff, Suspension},
    tasks::Job,
    window::Finished,
};
use crate::{
    domain::poison::Poison,
    ports::{Dependency, Failure, PortError},
};

impl Engine {
    pub(super) fn on_turns(&mut self, job: Job, result: Result<Step, Halt>) {
        self.on_turn(&job, result);
        while let Some((job, result)) = self.tasks.try_next() {
            self.on_turn(&job, result);
        }
    }

    fn on_turn(&mut self, job: &Job, result: Result<Step, Halt>) {
        let now_ms = self.parts.clock.now_ms();
        self.moved(now_ms);
        self.on_probe(job, &result, now_ms);
        let Some(active) = self.partitions.taken(&job.partition, job.taken) else { return };
        let window = &mut active.window;
        match result {
            Ok(Step::Done { outputs, outcome, metadata }) => {
                self.parts.metrics.handled(&self.label, job.started.elapsed());
                window.finish(job.slot, Finished { outputs, metadata, outcome: Some(outcome) });
            }
            Ok(Step::More { outputs, metadata }) => {
                window.finish(job.slot, Finished { outputs, metadata: Some(metadata), outcome: None });
            }
            Ok(Step::NotBefore(due_ms)) => window.park(job.slot, due_ms, false),
            Err(Halt::Down(error)) => {
                window.put_back(job.slot);
                self.suspend(&error, now_ms);
            }
            Err(Halt::Again(poison)) if job.attempts + 1 < self.parts.limits.handle_attempts => {
                let mut backoff =
                    Backoff::new(self.parts.limits.retry_backoff * (1 << job.attempts.min(4)).min(10), Duration::MAX);
                let due_ms = now_ms + backoff.next_ms(&mut self.parts.random);
                tracing::debug!(record = %job.record.source, %poison, "trying again");
                window.park(job.slot, due_ms, true);
            }
            Err(Halt::Again(poison) | Halt::Poison { poison, .. }) if job.unanswered.load(Ordering::Acquire) => {
                window.put_back(job.slot);
                self.suspend(&unsealed(&poison), now_ms);
            }
            Err(Halt::Again(poison)) => self.bury(job, "write", &poison),
            Err(Halt::Poison { stage, poison }) => self.bury(job, stage, &poison),
            Err(Halt::Refused(epoch)) => {
                tracing::info!(partition = %job.partition, epoch = epoch.0, "a higher epoch wrote; taking it again");
                self.partitions.epoch_above = self.partitions.epoch_above.max(epoch);
                self.tasks.abort(|other| other.partition == job.partition);
                self.partitions.retake(&job.partition);
                self.taking.at_once(now_ms);
                self.parts.progress.update(|progress| progress.retaken += 1);
            }
        }
    }

    /// The record becomes a dead letter.
    fn bury(&mut self, job: &Job, stage: &'static str, poison: &Poison) {
        tracing::warn!(
            pipeline = self.parts.pipeline,
            record = %job.record.source,
            stage,
            code = poison.code.as_str(),
            reason = poison.message,
            "dead letter"
        );
        self.parts.metrics.handled(&self.label, job.started.elapsed());
        let letter = self.parts.dead_letters.letter(&job.record, stage, poison, job.attempts);
        let Some(active) = self.partitions.taken(&job.partition, job.taken) else { return };
        let finished = Finished { outputs: vec![letter], metadata: None, outcome: Some("dead_lettered") };
        active.window.finish(job.slot, finished);
    }

    pub(super) fn moved(&mut self, now_ms: i64) {
        self.moved_at_ms = now_ms;
        self.stall_reported = false;
        self.dirty = true;
    }

    fn suspend(&mut self, error: &PortError, now_ms: i64) {
        if self.suspension.is_some() {
            return;
        }
        tracing::warn!(
            pipeline = self.parts.pipeline,
            dependency = error.dependency.name(),
            %error,
            "waiting for a dependency; nothing is lost, work goes on when it is back"
        );
        let backoff = Backoff::new(self.parts.limits.probe_min, self.parts.limits.probe_max);
        self.suspension = Some(Suspension::new(error, now_ms, backoff, &mut self.parts.random));
    }

    /// A probe's end decides whether the waiting goes on.
    fn on_probe(&mut self, job: &Job, result: &Result<Step, Halt>, now_ms: i64) {
        let Some(suspension) = self.suspension.as_mut().filter(|_| job.probe) else { return };
        match result {
            Err(Halt::Down(error)) => suspension.probe_failed(error, now_ms, &mut self.parts.random),
            Err(Halt::Again(poison) | Halt::Poison { poison, .. }) if job.unanswered.load(Ordering::Acquire) => {
                suspension.probe_failed(&unsealed(poison), now_ms, &mut self.parts.random);
            }
            // Neither says whether the dependency is back: another record has to try.
            Err(Halt::Refused(_)) | Ok(Step::NotBefore(_)) => suspension.probing = false,
            _ => {
                let waited_ms = now_ms - suspension.since_ms;
                let dependency = suspension.dependency.name();
                tracing::info!(pipeline = self.parts.pipeline, dependency, waited_ms, "the dependency is back");
                self.suspension = None;
            }
        }
    }
}

/// A write without an answer may land at any time. Were its record committed now, the events it stored would count as
/// told: so the record waits until a write that moves the version has sealed it off.
fn unsealed(poison: &Poison) -> PortError {
    PortError {
        kind: Failure::Unanswered,
        dependency: Dependency::Documents,
        doing: "making sure that an unanswered write cannot land later".to_owned(),
        message: poison.to_string(),
    }
}
