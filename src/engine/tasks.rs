//! Running records: each turn is a task of its own, ended when its partition goes.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

use super::{
    handler::{Halt, Handler, Step, Turn},
    window::{Runnable, Slot},
};
use crate::{
    domain::{
        poison::{Code, Poison},
        record::{Record, TopicPartition},
    },
    telemetry::{RecordSpan, TRACEPARENT, Tracing},
};

/// Which record of which ownership a task handles.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) partition: TopicPartition,
    pub(super) taken: u64,
    pub(super) slot: Slot,
    pub(super) record: Arc<Record>,
    pub(super) attempts: u32,
    /// Sent out while consumption waits for a dependency.
    pub(super) probe: bool,
    /// Whether a write of the record went without an answer and is not sealed yet.
    pub(super) unanswered: Arc<AtomicBool>,
    pub(super) started: Instant,
}

/// The tasks in flight.
pub(super) struct Tasks {
    pipeline: String,
    tracing: Tracing,
    set: JoinSet<Result<Step, Halt>>,
    jobs: BTreeMap<Id, (Job, AbortHandle)>,
}

impl Tasks {
    pub(super) fn new(pipeline: &str, tracing: Tracing) -> Self {
        Self { pipeline: pipeline.to_owned(), tracing, set: JoinSet::new(), jobs: BTreeMap::new() }
    }

    /// Starts a turn.
    pub(super) fn start(&mut self, handler: &Arc<dyn Handler>, mut turn: Turn, taken: u64, run: Runnable, probe: bool) {
        let parent = run.record.header_text(TRACEPARENT);
        let span = self.tracing.record(&self.pipeline, &run.record.source, parent);
        turn.traceparent = span.as_ref().map(RecordSpan::traceparent).or_else(|| parent.map(str::to_owned));
        let job = Job {
            partition: turn.held.partition.clone(),
            taken,
            slot: run.slot,
            record: Arc::clone(&run.record),
            attempts: run.attempts,
            probe,
            unanswered: run.unanswered,
            started: Instant::now(),
        };
        let handler = Arc::clone(handler);
        let handle = self.set.spawn(async move {
            let result = handler.handle(&run.record, &turn).await;
            if let Some(span) = span {
                span.end(outcome(&result));
            }
            result
        });
        self.jobs.insert(handle.id(), (job, handle));
    }

    /// The next turn that ended; pending for ever when there is none. Aborted ones are passed over.
    pub(super) async fn next(&mut self) -> (Job, Result<Step, Halt>) {
        loop {
            let Some(joined) = self.set.join_next_with_id().await else { return std::future::pending().await };
            if let Some(ended) = self.ended(joined) {
                return ended;
            }
        }
    }

    /// A further turn that has ended already.
    pub(super) fn try_next(&mut self) -> Option<(Job, Result<Step, Halt>)> {
        loop {
            let joined = self.set.try_join_next_with_id()?;
            if let Some(ended) = self.ended(joined) {
                return Some(ended);
            }
        }
    }

    /// Whether a probe is out.
    pub(super) fn has_probe(&self) -> bool {
        self.jobs.values().any(|(job, _)| job.probe)
    }

    /// Ends the turns of partitions that `gone` says are gone.
    pub(super) fn abort(&mut self, gone: impl Fn(&Job) -> bool) {
        for (job, handle) in self.jobs.values() {
            if gone(job) {
                handle.abort();
            }
        }
    }

    fn ended(&mut self, joined: Result<(Id, Result<Step, Halt>), JoinError>) -> Option<(Job, Result<Step, Halt>)> {
        match joined {
            Ok((id, result)) => self.jobs.remove(&id).map(|(job, _)| (job, result)),
            Err(error) => {
                let (job, _) = self.jobs.remove(&error.id())?;
                error.is_panic().then(|| (job, Err(panicked())))
            }
        }
    }
}

/// What came of a turn, for its span.
fn outcome(result: &Result<Step, Halt>) -> &'static str {
    match result {
        Ok(Step::Done { outcome, .. }) => outcome,
        Ok(Step::More { .. }) => "more",
        Ok(Step::NotBefore(_)) => "not_before",
        Err(Halt::Down(_)) => "down",
        Err(Halt::Again(_)) => "again",
        Err(Halt::Poison { .. }) => "poison",
        Err(Halt::Refused(_)) => "refused",
    }
}

/// A handler that panics is a fault of ours; the record must not stop the others.
fn panicked() -> Halt {
    let message = "the handler panicked; see the log for where, and report it";
    Halt::Poison { stage: "write", poison: Poison::new(Code::InternalError, message) }
}
