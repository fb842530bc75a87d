//! A group's transactions: one producer, made when it is first needed, and made anew when nobody can say what became of
//! a transaction.

use std::time::{Duration, Instant};

use std::sync::Arc;

use rdkafka::{TopicPartitionList, error::KafkaError, producer::Producer as _, types::RDKafkaErrorCode as Code};

use super::{
    Settings,
    delivery::{self, Batch, Deliveries, Following, settle},
    error::{asking, failed},
    ownership::{Metadata, Ownerships},
};
use crate::{
    domain::record::Output,
    ports::{CommitError, Failure, PortError},
};

/// What is to be committed together.
pub(super) struct Work {
    /// With their partitions.
    pub(super) outputs: Vec<(Output, i32)>,
    pub(super) timestamp_ms: i64,
    pub(super) positions: TopicPartitionList,
    pub(super) metadata: Metadata,
}

/// Where a transaction failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Outputs,
    Positions,
    End,
}

pub(super) struct Transactions {
    settings: Settings,
    group: String,
    /// Once they are left, another member of this instance may use the same id: its producer must not be fenced.
    ownerships: Ownerships,
    producer: Option<Following>,
    /// The most that this producer sends at once.
    batch_max: usize,
}

impl Transactions {
    pub(super) fn new(settings: Settings, group: &str, ownerships: Ownerships) -> Self {
        Self { settings, group: group.to_owned(), ownerships, producer: None, batch_max: 0 }
    }

    /// The next commit gets a new producer, which ends what the old one left open.
    pub(super) fn forget(&mut self) {
        self.producer = None;
    }

    /// Commits `work` to topics of which one takes so little at once.
    pub(super) fn commit(&mut self, work: &Work, smallest: Option<usize>) -> Result<(), CommitError> {
        let timeout = self.settings.transaction_timeout;
        let batch_max = self.settings.batch_max_bytes(smallest);
        if self.batch_max != batch_max {
            self.forget();
            self.batch_max = batch_max;
        }
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.make()?,
        };
        let Err((stage, error)) = transact(&producer, work, timeout) else {
            self.producer = Some(producer);
            return Ok(());
        };
        if can_abort(stage, &error) && producer.abort_transaction(timeout).is_ok() {
            self.producer = Some(producer).filter(|_| !delivery::is_behind(&error));
            return Err(self.aborted(stage, &error));
        }
        // What is open holds up everybody who reads stable positions until a new producer of the same id ends it.
        drop(producer);
        if !self.ownerships.lock().has_left() {
            self.producer = self.make().ok();
        }
        Err(CommitError::Failed(self.unknown(stage, &error)))
    }

    fn make(&self) -> Result<Following, PortError> {
        let doing = || format!("preparing transactions of group {}", self.group);
        let config = self.settings.transactional(&self.group, Some(self.batch_max));
        let made = config.create_with_context::<_, Following>(Deliveries);
        let producer = made.map_err(|error| asking(&error, doing()))?;
        // Until the broker has ended what the id left open: up to a second.
        let timeout = self.settings.transaction_timeout + Duration::from_secs(5);
        producer.init_transactions(timeout).map_err(|error| asking(&error, doing()))?;
        Ok(producer)
    }

    /// The error of a transaction that was aborted for certain.
    fn aborted(&self, stage: Stage, error: &KafkaError) -> CommitError {
        let group_moved_on = [
            Some(Code::UnknownMemberId),
            Some(Code::IllegalGeneration),
            Some(Code::FencedInstanceId),
            Some(Code::RebalanceInProgress),
        ];
        if stage == Stage::Positions && group_moved_on.contains(&error.rdkafka_error_code()) {
            return CommitError::NotOwner(format!("group {}: {error}", self.group));
        }
        CommitError::Failed(asking(error, self.doing(stage)))
    }

    /// The error of a transaction of which it is not known, or no more, what became of it.
    fn unknown(&self, stage: Stage, error: &KafkaError) -> PortError {
        let message = error.to_string();
        if stage == Stage::End {
            return failed(Failure::Unanswered, self.doing(stage), message);
        }
        // Nobody asked for it to be committed, so it never will be.
        asking(error, self.doing(stage))
    }

    fn doing(&self, stage: Stage) -> String {
        let doing = match stage {
            Stage::Begin => "beginning a transaction",
            Stage::Outputs => "putting records in a transaction",
            Stage::Positions => "putting positions in a transaction",
            Stage::End => "committing a transaction",
        };
        format!("{doing} of group {}", self.group)
    }
}

/// Whether the transaction is one that an abort can end for certain. The driver's flags alone do not tell: a time-out of
/// the positions is not flagged at all, and to commit on then gives the records out without the positions.
fn can_abort(stage: Stage, error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.txn_requires_abort() && !error.is_fatal(),
        KafkaError::Flush(_) => false,
        _ => stage == Stage::Outputs,
    }
}

fn transact(producer: &Following, work: &Work, timeout: Duration) -> Result<(), (Stage, KafkaError)> {
    let deadline = Instant::now() + timeout;
    producer.begin_transaction().map_err(|error| (Stage::Begin, error))?;
    let batch = Arc::<Batch>::default();
    let at = |stage| move |error| (stage, error);
    let mut rest = work.outputs.as_slice();
    delivery::send_all(producer, &batch, &mut rest, work.timestamp_ms, deadline).map_err(at(Stage::Outputs))?;
    if work.positions.count() > 0 {
        let sent = producer.send_offsets_to_transaction(&work.positions, &work.metadata, timeout);
        sent.map_err(at(Stage::Positions))?;
    }
    settle(producer, &batch, deadline).map_err(at(Stage::Outputs))?;
    producer.commit_transaction(timeout).map_err(at(Stage::End))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_never_taken_for_an_abort() {
        let timed_out = KafkaError::Flush(Code::OperationTimedOut);
        for stage in [Stage::Begin, Stage::Outputs, Stage::Positions, Stage::End] {
            assert!(!can_abort(stage, &timed_out), "{stage:?}");
        }
        let refused = KafkaError::MessageProduction(Code::MessageSizeTooLarge);
        assert!(can_abort(Stage::Outputs, &refused) && !can_abort(Stage::End, &refused));
    }
}
