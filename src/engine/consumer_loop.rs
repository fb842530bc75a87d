//! The loop: everything that happens to a pipeline's member passes through here, one thing at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    commit::{self, InFlight},
    dead_letter::DeadLetters,
    handler::{Halt, Handler, Step},
    partitions::Partitions,
    progress::{PartitionProgress, Progress},
    suspension::{Backoff, Suspension},
    take::Taking,
    tasks::{Job, Tasks},
    window::Finished,
};
use crate::{
    domain::{poison::Poison, record::TopicName},
    ports::{Clock, Committer, Consumer, Event, Ownership, PortError, Topics},
};

/// What a loop is made of.
pub struct Parts {
    /// The pipeline's name, for logs.
    pub pipeline: String,
    /// The consumer group.
    pub group: String,
    /// The topics that it reads.
    pub consumes: Vec<TopicName>,
    /// The meaning of the records.
    pub handler: Arc<dyn Handler>,
    /// Where they come from and go to.
    pub topics: Arc<dyn Topics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub random: fastrand::Rng,
    /// Limits and delays.
    pub limits: Limits,
    /// Where refused records go.
    pub dead_letters: DeadLetters,
    /// What is shown to the outside.
    pub progress: Progress,
    /// Ends the loop, after what is in flight is finished and committed.
    pub shutdown: CancellationToken,
}

/// The running loop.
pub struct Engine {
    pub(super) parts: Parts,
    pub(super) consumer: Box<dyn Consumer>,
    pub(super) committer: Arc<dyn Committer>,
    pub(super) ownership: Ownership,
    pub(super) partitions: Partitions,
    pub(super) tasks: Tasks,
    pub(super) in_flight: Option<InFlight>,
    pub(super) taking: Taking,
    pub(super) commit_due_ms: i64,
    pub(super) refused_commits: u32,
    suspension: Option<Suspension>,
    consumer_due_ms: i64,
    consumer_backoff: Backoff,
    draining_until_ms: Option<i64>,
    pub(super) moved_at_ms: i64,
    stall_reported: bool,
    pub(super) dirty: bool,
}

impl Engine {
    /// Joins the group and runs until `shutdown`.
    ///
    /// # Errors
    /// When the topics refuse the group or its topics; not when a dependency is away.
    pub async fn run(parts: Parts) -> Result<(), PortError> {
        let Some((consumer, committer)) = join(&parts).await? else { return Ok(()) };
        let mut engine = Self::new(parts, consumer, committer);
        let result = engine.turn_until_drained().await;
        engine.tasks.abort(|_| true);
        engine.consumer.leave().await;
        result
    }

    fn new(parts: Parts, consumer: Box<dyn Consumer>, committer: Arc<dyn Committer>) -> Self {
        let now_ms = parts.clock.now_ms();
        let backoff = Backoff::new(parts.limits.probe_min, parts.limits.probe_max);
        Self {
            taking: Taking::new(now_ms, &parts.limits),
            parts,
            consumer,
            committer,
            ownership: Ownership(0),
            partitions: Partitions::default(),
            tasks: Tasks::default(),
            in_flight: None,
            commit_due_ms: now_ms,
            refused_commits: 0,
            suspension: None,
            consumer_due_ms: now_ms,
            consumer_backoff: backoff,
            draining_until_ms: None,
            moved_at_ms: now_ms,
            stall_reported: false,
            dirty: true,
        }
    }

    async fn turn_until_drained(&mut self) -> Result<(), PortError> {
        loop {
            self.take_if_due().await;
            let now_ms = self.parts.clock.now_ms();
            let parked_until = self.start_records(now_ms);
            self.begin_commit(now_ms);
            self.set_pauses();
            self.publish();
            self.report_stall(now_ms);
            self.keep_marks(now_ms);
            if self.is_drained(now_ms) {
                self.keep_last_marks().await;
                return Ok(());
            }
            let clock = Arc::clone(&self.parts.clock);
            let nap = clock.sleep(self.nap(now_ms, parked_until));
            tokio::select! {
                biased;
                () = self.parts.shutdown.cancelled(), if self.draining_until_ms.is_none() => self.begin_drain(),
                result = commit::done(&mut self.in_flight) => self.on_commit(result),
                (job, result) = self.tasks.next() => self.on_turns(job, result),
                event = self.consumer.next(), if self.consumer_due_ms <= now_ms => self.on_event(event).await?,
                () = nap => {}
            }
        }
    }

    /// How long the loop may wait when nothing happens.
    fn nap(&self, now_ms: i64, parked_until: Option<i64>) -> Duration {
        let stall_ms = i64::try_from(self.parts.limits.stall_after.as_millis()).unwrap_or(i64::MAX);
        let probe_at = self.suspension.as_ref().filter(|suspension| !suspension.probing).map(|it| it.probe_at_ms);
        let commit_due = self.in_flight.is_none().then_some(self.commit_due_ms);
        let due = [
            parked_until,
            probe_at,
            commit_due.filter(|due| *due > now_ms),
            Some(self.consumer_due_ms).filter(|due| *due > now_ms),
            self.taking.due(self.partitions.to_take.is_empty()),
            Some(self.taking.marks_due_ms),
            self.draining_until_ms,
            Some(now_ms.saturating_add(stall_ms)),
        ];
        let due_ms = due.into_iter().flatten().min().unwrap_or(now_ms);
        Duration::from_millis(u64::try_from(due_ms - now_ms).unwrap_or(0).max(1))
    }

    // ------------------------------------------------------------------------------------------- what happens

    async fn on_event(&mut self, event: Result<Event, PortError>) -> Result<(), PortError> {
        self.dirty = true;
        let event = match event {
            Ok(event) => event,
            Err(error) if error.kind == crate::ports::Failure::Refused => return Err(error),
            Err(error) => {
                tracing::warn!(pipeline = self.parts.pipeline, %error, "cannot read; trying again");
                let delay_ms = self.consumer_backoff.next_ms(&mut self.parts.random);
                self.consumer_due_ms = self.parts.clock.now_ms() + delay_ms;
                return Ok(());
            }
        };
        self.consumer_backoff = Backoff::new(self.parts.limits.probe_min, self.parts.limits.probe_max);
        match event {
            Event::Assigned { ownership, partitions } => {
                self.own(ownership);
                self.partitions.to_take.extend(partitions);
                self.taking.at_once(self.parts.clock.now_ms());
            }
            Event::Revoked { ownership, partitions, release } => {
                // Only this ownership can still commit for the partitions that go, until they are released.
                self.own(ownership);
                self.commit_before_release(&partitions).await;
                self.tasks.abort(|job| partitions.contains(&job.partition));
                for partition in &partitions {
                    self.partitions.forget(partition);
                }
                drop(release);
            }
            Event::Records { partition, session, records } => {
                let Some(active) = self.partitions.active.get_mut(&partition) else { return Ok(()) };
                if active.session != session {
                    return Ok(());
                }
                for record in records {
                    if record.source.offset >= active.next_offset {
                        active.next_offset = record.source.offset + 1;
                        active.end = None;
                        active.window.push(record);
                    }
                }
            }
            Event::End { partition, session, offset } => {
                let Some(active) = self.partitions.active.get_mut(&partition) else { return Ok(()) };
                if active.session == session {
                    active.end = Some(offset);
                }
            }
        }
        Ok(())
    }

    /// Commits from now on name `ownership`.
    fn own(&mut self, ownership: Ownership) {
        self.ownership = ownership;
        self.refused_commits = 0;
        self.commit_due_ms = self.parts.clock.now_ms();
    }

    fn on_turns(&mut self, job: Job, result: Result<Step, Halt>) {
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
                    Backoff::new(self.parts.limits.retry_backoff * (1 << job.attempts.min(4)), Duration::MAX);
                let due_ms = now_ms + backoff.next_ms(&mut self.parts.random);
                tracing::debug!(record = %job.record.source, %poison, "trying again");
                window.park(job.slot, due_ms, true);
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
            message = poison.message,
            "dead letter"
        );
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

    // ------------------------------------------------------------------------------- a dependency that is away

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

    // ------------------------------------------------------------------------------------ starting and pausing

    /// Starts what may run; gives when the next parked record is due.
    fn start_records(&mut self, now_ms: i64) -> Option<i64> {
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
        let ready = self.partitions.active.values_mut().find(|active| active.window.has_ready());
        suspension.probing = ready.is_some_and(|active| start_one(&mut self.tasks, &self.parts.handler, active, true));
        if !suspension.probing && self.partitions.running() == 0 && !self.has_waiting() {
            // What was waiting has gone with its partition: the next record will tell.
            self.suspension = None;
        }
    }

    fn has_waiting(&self) -> bool {
        self.partitions.active.values().any(|active| !active.window.is_empty())
    }

    fn set_pauses(&mut self) {
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

    // ------------------------------------------------------------------------------------------ end and outside

    fn begin_drain(&mut self) {
        // The turn of the loop may have begun long ago.
        let now_ms = self.parts.clock.now_ms();
        let drain_ms = i64::try_from(self.parts.limits.drain.as_millis()).unwrap_or(i64::MAX);
        self.draining_until_ms = Some(now_ms.saturating_add(drain_ms));
        let in_flight: usize = self.partitions.running();
        tracing::info!(pipeline = self.parts.pipeline, in_flight, "draining");
    }

    fn is_drained(&self, now_ms: i64) -> bool {
        let Some(until_ms) = self.draining_until_ms else { return false };
        now_ms >= until_ms || (self.partitions.running() == 0 && self.in_flight.is_none() && !self.has_finished())
    }

    fn has_finished(&self) -> bool {
        self.partitions.active.values().any(|active| active.window.prefix(1).is_some())
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining_until_ms.is_some()
    }

    fn report_stall(&mut self, now_ms: i64) {
        let busy = self.in_flight.is_some() || self.partitions.running() > 0;
        if !busy {
            self.moved_at_ms = now_ms;
            return;
        }
        let still_ms = now_ms - self.moved_at_ms;
        if self.stall_reported
            || still_ms < i64::try_from(self.parts.limits.stall_after.as_millis()).unwrap_or(i64::MAX)
        {
            return;
        }
        self.stall_reported = true;
        let oldest = self.partitions.active.values().find_map(|active| active.window.oldest());
        tracing::error!(
            pipeline = self.parts.pipeline,
            still_ms,
            committing = self.in_flight.is_some(),
            oldest = oldest.map(|record| record.source.to_string()),
            "nothing moves although records are in flight"
        );
    }

    fn publish(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let partitions = self.partitions.active.iter().map(|(partition, active)| {
            let committed = active.held.committed();
            (partition.clone(), PartitionProgress { committed, in_flight: active.window.len(), end: active.end })
        });
        let waiting_for = self.suspension.as_ref().map(|suspension| (suspension.dependency, suspension.since_ms));
        self.parts.progress.update(|progress| {
            progress.partitions = partitions.collect();
            progress.taking = self.partitions.to_take.len();
            progress.waiting_for = waiting_for;
            progress.moved_at_ms = self.moved_at_ms;
        });
    }
}

fn start_one(
    tasks: &mut Tasks,
    handler: &Arc<dyn Handler>,
    active: &mut super::partitions::Active,
    probe: bool,
) -> bool {
    let Some(runnable) = active.window.start_next() else { return false };
    let turn = super::handler::Turn {
        held: Arc::clone(&active.held),
        metadata: active.metadata.clone(),
        unanswered: Arc::clone(&runnable.unanswered),
        attempts: runnable.attempts,
    };
    tasks.start(handler, turn, active.taken, runnable, probe);
    true
}

/// Joins, for as long as it takes; `None` when the shutdown came first.
async fn join(parts: &Parts) -> Result<Option<(Box<dyn Consumer>, Arc<dyn Committer>)>, PortError> {
    let mut backoff = Backoff::new(parts.limits.probe_min, parts.limits.probe_max);
    let mut random = parts.random.clone();
    loop {
        match parts.topics.join(&parts.group, &parts.consumes).await {
            Ok(membership) => return Ok(Some((membership.consumer, membership.committer))),
            Err(error) if error.kind == crate::ports::Failure::Refused => return Err(error),
            Err(error) => tracing::warn!(pipeline = parts.pipeline, %error, "cannot join the group; trying again"),
        }
        let delay_ms = u64::try_from(backoff.next_ms(&mut random)).unwrap_or(1);
        tokio::select! {
            biased;
            () = parts.shutdown.cancelled() => return Ok(None),
            () = parts.clock.sleep(Duration::from_millis(delay_ms)) => {}
        }
    }
}
