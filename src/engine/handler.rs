//! What a pipeline gives to the engine: the meaning of one record.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::record_sizes::RecordSizes;
use crate::{
    domain::{
        cache::Epoch,
        life::Life,
        poison::Poison,
        record::{Headers, Output, Record, TopicPartition},
    },
    ports::PortError,
    telemetry::TRACEPARENT,
};

/// In which order the records of a partition may be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those of one key in order, those of different keys at once; those without a key at once.
    ByKey,
    /// One after the other, each begun only when all before it are committed.
    OneByOne,
}

/// A partition as it is held: from one proved ownership to the next.
#[derive(Debug)]
pub struct Held {
    /// Which partition.
    pub partition: TopicPartition,
    /// The same with its life: what is kept about the partition is kept under this name.
    pub place: TopicPartition,
    /// The present life of its offsets.
    pub life: Life,
    /// The epoch that was taken for it.
    pub epoch: Epoch,
    committed: AtomicI64,
}

impl Held {
    /// Holds `partition` in this `life` of it, proved at `committed`.
    pub fn new(partition: TopicPartition, life: Life, epoch: Epoch, committed: i64) -> Self {
        Self { place: life.place(&partition), partition, life, epoch, committed: AtomicI64::new(committed) }
    }

    /// The committed position: outputs of all records before it are in the topics.
    pub fn committed(&self) -> i64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Moves the committed position on.
    pub(super) fn set_committed(&self, offset: i64) {
        self.committed.store(offset, Ordering::Release);
    }
}

/// One run of a record through its handler.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The partition as it is held.
    pub held: Arc<Held>,
    /// The text kept with the partition's position; for a long record what its last step left there.
    pub metadata: String,
    /// Set by the handler when a write of this record got no answer; stays over its further turns.
    pub unanswered: Arc<AtomicBool>,
    /// Turns of this record before this one that ended in [`Halt::Again`].
    pub attempts: u32,
    /// The span of this turn, as a `traceparent` header has it; without spans that of the record's own header.
    pub traceparent: Option<String>,
}

impl Turn {
    /// The trace that the record belongs to, for the records that follow from it.
    pub fn trace(&self) -> Headers {
        let header = |parent: &String| (TRACEPARENT.to_owned(), Some(Bytes::from(parent.clone())));
        self.traceparent.iter().map(header).collect()
    }
}

/// What became of a record.
#[derive(Debug)]
pub enum Step {
    /// It is handled; its outputs leave together with its offset.
    Done {
        /// Records to put.
        outputs: Vec<Output>,
        /// What happened, as metrics count it.
        outcome: &'static str,
        /// New text to keep with the partition's position; `None` keeps the present one.
        metadata: Option<String>,
    },
    /// A part of it is handled; it goes on when that part is committed. [`Order::OneByOne`] only.
    More {
        /// Records to put.
        outputs: Vec<Output>,
        /// Where it goes on, kept with the partition's position.
        metadata: String,
    },
    /// Nothing to do before this time (milliseconds since 1970).
    NotBefore(i64),
}

impl Step {
    /// Handled, without outputs.
    pub fn done(outcome: &'static str) -> Self {
        Self::with(Vec::new(), outcome)
    }

    /// Handled, with outputs.
    pub fn with(outputs: Vec<Output>, outcome: &'static str) -> Self {
        Self::Done { outputs, outcome, metadata: None }
    }
}

/// Why a record is not handled.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// A dependency is away. The record waits in its place until it is back.
    #[error(transparent)]
    Down(#[from] PortError),
    /// It did not work out this time; it is tried again, a bounded number of times.
    #[error("{0}")]
    Again(Poison),
    /// It will never work: a dead letter.
    #[error("{poison}")]
    Poison {
        /// `decode`, `fetch`, `write` or `emit`.
        stage: &'static str,
        /// Why.
        poison: Poison,
    },
    /// Somebody with this higher epoch wrote where we wanted to: the partition must be taken again.
    #[error("a higher epoch {} has written the document", .0.0)]
    Refused(Epoch),
}

/// Handled, with `outputs`, if their topics take them.
///
/// # Errors
/// [`Halt::Poison`] when one of them is too large.
pub fn sized(sizes: &RecordSizes, outputs: Vec<Output>, outcome: &'static str) -> Result<Step, Halt> {
    match sizes.refuse(&outputs) {
        None => Ok(Step::with(outputs, outcome)),
        Some(poison) => Err(Halt::Poison { stage: "emit", poison }),
    }
}

/// The meaning of a pipeline's records.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// In which order records may be handled.
    fn order(&self) -> Order {
        Order::ByKey
    }

    /// Takes an epoch above `above`, for partitions just assigned. Pipelines that write no cache need none.
    async fn take_epoch(&self, above: Epoch) -> Result<Epoch, PortError> {
        Ok(above)
    }

    /// How far these partitions were ever committed, beside what the group says. They are named as they are kept
    /// ([`Held::place`]).
    async fn committed_marks(&self, places: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        Ok(vec![None; places.len()])
    }

    /// Keeps how far these partitions are committed, named in the same way.
    async fn raise_committed_marks(&self, _marks: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        Ok(())
    }

    /// Handles one record, or the next part of it. It may be dropped at any await, and run again.
    async fn handle(&self, record: &Record, turn: &Turn) -> Result<Step, Halt>;
}
