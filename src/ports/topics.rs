//! Topics: joining a group, reading, and committing outputs together with positions.

use std::{future::Future, ops::Range, pin::Pin, sync::Arc};

use async_trait::async_trait;

use super::PortError;
use crate::domain::record::{Output, Position, Record, TopicName, TopicPartition};

/// The topics as a whole: what every command may do with them.
#[async_trait]
pub trait Topics: Send + Sync + 'static {
    /// Joins `group` as a member that reads `topics`, committed records only.
    async fn join(&self, group: &str, topics: &[TopicName]) -> Result<Membership, PortError>;

    /// Puts records outside any group, in order; all are durable when it returns.
    async fn append(&self, records: Vec<Output>) -> Result<(), PortError>;

    /// The partitions of `topic` with their first offset and their end (the next offset that a reader of committed
    /// records would see), by number; empty when the topic does not exist.
    async fn partitions(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError>;

    /// At most `limit` committed records of a partition from `from` on, without any group. Empty at the end.
    async fn read(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError>;

    /// The first offset whose record was put at `timestamp_ms` or later; the end when there is none.
    async fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError>;

    /// How many records of `topic` `group` has yet to handle; of partitions that it never committed, all.
    async fn backlog(&self, group: &str, topic: &TopicName) -> Result<u64, PortError>;
}

/// A member of a group: its reading side and its committing side.
pub struct Membership {
    /// Reads.
    pub consumer: Box<dyn Consumer>,
    /// Commits, while the consumer goes on polling.
    pub committer: Arc<dyn Committer>,
}

/// Names a set of owned partitions as they were when a rebalance gave them, with the group's metadata of that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ownership(pub u64);

/// Tells records read before a seek from those read after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

/// Something that happened to a member.
#[derive(Debug)]
pub enum Event {
    /// These partitions are now owned as well. They stay silent until [`Consumer::start`].
    Assigned {
        /// What commits have to name from now on, for all owned partitions.
        ownership: Ownership,
        /// The new ones; none when only the ownership is another.
        partitions: Vec<TopicPartition>,
    },
    /// These partitions are owned no more, or no more after `release` is dropped.
    Revoked {
        /// What commits have to name from now on; it still covers the ones that go until `release` is dropped.
        ownership: Ownership,
        /// The ones that go.
        partitions: Vec<TopicPartition>,
        /// To be dropped when no commit can name them any more; the group waits for it.
        release: Release,
    },
    /// Records of one partition, in order.
    Records {
        /// Where they were read.
        partition: TopicPartition,
        /// Of which start.
        session: Session,
        /// At least one.
        records: Vec<Record>,
    },
    /// The partition's end was reached.
    End {
        /// Which.
        partition: TopicPartition,
        /// Of which start.
        session: Session,
        /// The end: the next record will have this offset or a greater one.
        offset: i64,
    },
    /// The membership is of no use any more, and why: leave, and join anew. What is not committed is read again then.
    Ended(PortError),
}

/// Lets a rebalance go on when it is dropped.
#[derive(Debug, Default)]
pub struct Release(pub Option<tokio::sync::oneshot::Sender<()>>);

/// A member's reading side.
#[async_trait]
pub trait Consumer: Send {
    /// The next thing that happens. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Event, PortError>;

    /// The stable committed positions (no transaction open on them), as of now. Where none exists, the start offset
    /// resolved to a number, with empty metadata.
    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Position>, PortError>;

    /// The id of `topic` as of the last [`Self::committed`] that asked for one of its partitions. A topic that is deleted
    /// and made anew has another one. `None` where the topics have none: there a name is never used again.
    fn topic_id(&self, _topic: &TopicName) -> Option<Arc<str>> {
        None
    }

    /// Begins to read an owned partition at `offset`; what was read before belongs to an older session.
    async fn start(&mut self, partition: &TopicPartition, offset: i64) -> Result<Session, PortError>;

    /// Stops or resumes the delivery of a partition's records; polling goes on. What is on its way still comes.
    fn set_paused(&mut self, partition: &TopicPartition, paused: bool);

    /// Leaves the group.
    async fn leave(self: Box<Self>);
}

/// Outputs and positions that become visible together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// From the last [`Event::Assigned`] or [`Event::Revoked`].
    pub ownership: Ownership,
    /// Records to put, in order.
    pub outputs: Vec<Output>,
    /// The new committed positions; only of partitions that `ownership` covers.
    pub positions: Vec<(TopicPartition, Position)>,
}

/// Why a batch was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The group has moved on: nothing was committed. What is still owned can be sent again under the new ownership.
    #[error("the group has rebalanced: {0}")]
    NotOwner(String),
    /// It failed, or nobody knows whether it did. The committing side has been made anew; everything since the last
    /// known commit is to be read again.
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// A boxed future that owns all it needs.
pub type Owned<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A member's committing side.
pub trait Committer: Send + Sync {
    /// Commits `batch` in one transaction: all of it or nothing. One at a time.
    fn commit(&self, batch: Batch) -> Owned<Result<(), CommitError>>;
}
