//! The loop: everything that happens to a pipeline's member passes through here, one thing at a time.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    commit::{self, InFlight},
    dead_letter::DeadLetters,
    handler::Handler,
    membership,
    partitions::Partitions,
    progress::{PartitionProgress, Progress},
    suspension::{Backoff, Suspension},
    take::Taking,
    tasks::Tasks,
};
use crate::{
    domain::record::TopicName,
    ports::{Clock, Committer, Consumer, Dependency, Ownership, PortError, Topics},
    telemetry::{Label, Metrics, Tracing},
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
    /// What is counted.
    pub metrics: Metrics,
    /// Where spans go.
    pub tracing: Tracing,
    /// Ends the loop, after what is in flight is finished and committed.
    pub shutdown: CancellationToken,
}

/// The running loop.
pub struct Engine {
    pub(super) parts: Parts,
    pub(super) label: Label,
    pub(super) consumer: Box<dyn Consumer>,
    pub(super) committer: Arc<dyn Committer>,
    pub(super) ownership: Ownership,
    pub(super) partitions: Partitions,
    pub(super) tasks: Tasks,
    pub(super) in_flight: Option<InFlight>,
    pub(super) taking: Taking,
    pub(super) commit_due_ms: i64,
    pub(super) refused_commits: u32,
    pub(super) suspension: Option<Suspension>,
    pub(super) consumer_due_ms: i64,
    pub(super) consumer_backoff: Backoff,
    /// Reading fails, and since when (ms since 1970).
    pub(super) reading_failed: Option<(Dependency, i64)>,
    /// When that counts as over unless an error comes again: topics that answer again do not say so by themselves.
    pub(super) reading_forgiven_ms: i64,
    /// The membership has ended by itself.
    pub(super) membership_ended: bool,
    pub(super) draining_until_ms: Option<i64>,
    pub(super) moved_at_ms: i64,
    pub(super) stall_reported: bool,
    pub(super) dirty: bool,
}

impl Engine {
    /// Joins the group and runs until `shutdown`.
    ///
    /// # Errors
    /// When the topics refuse the group or its topics; not when a dependency is away.
    pub async fn run(mut parts: Parts) -> Result<(), PortError> {
        loop {
            let Some((consumer, committer)) = membership::join(&parts).await? else { return Ok(()) };
            let mut engine = Self::new(parts, consumer, committer);
            let result = engine.turn_until_drained().await;
            engine.tasks.abort(|_| true);
            if engine.membership_ended {
                engine.await_commit().await;
            }
            engine.keep_last_marks().await;
            engine.consumer.leave().await;
            if result.is_err() || !engine.membership_ended {
                return result;
            }
            parts = engine.parts;
            parts.progress.update(|progress| progress.partitions.clear());
        }
    }

    fn new(parts: Parts, consumer: Box<dyn Consumer>, committer: Arc<dyn Committer>) -> Self {
        let now_ms = parts.clock.now_ms();
        let backoff = Backoff::new(parts.limits.probe_min, parts.limits.probe_max);
        Self {
            taking: Taking::new(now_ms, &parts.limits),
            tasks: Tasks::new(&parts.pipeline, parts.tracing.clone()),
            label: Label::pipeline(&parts.pipeline),
            parts,
            consumer,
            committer,
            ownership: Ownership(0),
            partitions: Partitions::default(),
            in_flight: None,
            commit_due_ms: now_ms,
            refused_commits: 0,
            suspension: None,
            consumer_due_ms: now_ms,
            consumer_backoff: backoff,
            reading_failed: None,
            reading_forgiven_ms: 0,
            membership_ended: false,
            draining_until_ms: None,
            moved_at_ms: now_ms,
            stall_reported: false,
            dirty: true,
        }
    }

    /// Until it is drained, or the membership has ended.
    async fn turn_until_drained(&mut self) -> Result<(), PortError> {
        while !self.membership_ended {
            self.take_if_due().await;
            let now_ms = self.parts.clock.now_ms();
            self.parts.progress.turned(now_ms);
            self.forgive_reading(now_ms);
            let parked_until = self.start_records(now_ms);
            self.begin_commit(now_ms);
            self.set_pauses();
            self.publish();
            self.report_stall(now_ms);
            self.keep_marks(now_ms);
            if self.is_drained(now_ms) {
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
        Ok(())
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
            self.reading_failed.map(|_| self.reading_forgiven_ms),
            self.draining_until_ms,
            Some(now_ms.saturating_add(stall_ms)),
        ];
        let due_ms = due.into_iter().flatten().min().unwrap_or(now_ms);
        Duration::from_millis(u64::try_from(due_ms - now_ms).unwrap_or(0).max(1))
    }

    fn forgive_reading(&mut self, now_ms: i64) {
        if self.reading_failed.is_some() && self.reading_forgiven_ms <= now_ms {
            tracing::info!(pipeline = self.parts.pipeline, "reading goes on");
            self.reading_failed = None;
            self.dirty = true;
        }
    }

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
            (
                partition.clone(),
                PartitionProgress {
                    committed,
                    in_flight: active.window.len(),
                    end: active.end,
                    end_at_ms: active.end_at_ms,
                },
            )
        });
        let suspended = self.suspension.as_ref().map(|suspension| (suspension.dependency, suspension.since_ms));
        let waiting_for = suspended.or(self.taking.failing).or(self.reading_failed);
        self.parts.progress.update(|progress| {
            progress.partitions = partitions.collect();
            progress.taking = self.partitions.to_take.len();
            progress.waiting_for = waiting_for;
            progress.moved_at_ms = self.moved_at_ms;
        });
    }
}
