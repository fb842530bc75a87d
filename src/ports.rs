//! What passflow needs of the world, in its own words: topics, documents, tokens, the pass API, a clock.
//!
//! Adapters implement these; pipelines and the engine know nothing else. Every call takes many things at once where
//! the hot path has many, and every answer can be one of three: done, refused, or **unanswered** — a call that timed
//! out may have been applied, may be applied later, or never.

use std::{future::Future, ops::Range, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::{
    cache::{Epoch, Head, List, LogEntry, PerList, Slot, Stream},
    record::{Output, Position, Record, TopicName, TopicPartition},
    token::Token,
    user_id::UserId,
};

/// A call to a dependency that did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct PortError {
    /// What kind of failure: it decides what the caller does.
    pub kind: Failure,
    /// Which dependency.
    pub dependency: Dependency,
    /// What was being done, with its place.
    pub doing: String,
    /// Why it failed, in the dependency's words, and what to do. Never a secret.
    pub message: String,
}

/// What a failed call tells about its effect, and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The dependency is away or overloaded; nothing was done. Trying later helps.
    Down,
    /// No answer came: it may have been done, or may be done later yet.
    Unanswered,
    /// It was refused for what it is; trying again does not help.
    Refused,
}

/// What passflow depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// The topics.
    Topics,
    /// The documents.
    Documents,
    /// The tokens.
    Tokens,
    /// The Bytemark API.
    Bytemark,
}

impl Dependency {
    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Documents => "documents",
            Self::Tokens => "tokens",
            Self::Bytemark => "bytemark",
        }
    }
}

// ---------------------------------------------------------------------------------------------------- topics

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

// ------------------------------------------------------------------------------------------------- documents

/// A compare-and-set on one cache document. It is applied only if the document's `stream.version`, `__v` and entries
/// are as in `read`, and its fence is not above `epoch`; the fence then becomes `epoch`.
#[derive(Clone, Debug)]
pub struct Update {
    /// The document as it was read.
    pub read: Arc<Head>,
    /// The writer's.
    pub epoch: Epoch,
    /// What to write.
    pub write: Write,
}

/// What an update writes.
#[derive(Clone, Debug)]
pub enum Write {
    /// The fence, and perhaps the time; `version` stays.
    Touch {
        /// New `timestamp`, unix seconds.
        timestamp: Option<i64>,
        /// Forget the pending entries of this partition before this offset.
        drop_committed: Option<(TopicPartition, i64)>,
    },
    /// The whole of passflow's state, with `version` moved on; lists and logs where given.
    Change(Box<Change>),
}

/// A write that moves `version`.
#[derive(Clone, Debug)]
pub struct Change {
    /// New `timestamp`, unix seconds.
    pub timestamp: Option<i64>,
    /// New lists; `None` leaves one as it is. `__v` moves when one is given or a log grows.
    pub lists: PerList<Option<Vec<Slot>>>,
    /// Entries to append to the logs.
    pub logs: PerList<Option<LogEntry>>,
    /// How many entries a log keeps, newest last.
    pub log_max: usize,
    /// The new state; its `version` is one above what was read.
    pub stream: Stream,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Applied.
    Yes,
    /// Not applied, or (stores that answer with totals) not known to be: read again and decide anew.
    No,
    /// Refused: the document would be larger than the store takes.
    TooLarge,
}

/// The cache documents.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// Takes the next epoch, above all taken and above `above`. Durable when it returns.
    async fn next_epoch(&self, above: Epoch) -> Result<Epoch, PortError>;

    /// The documents of `users`, in the same order, without payloads.
    async fn heads(&self, users: &[UserId]) -> Result<Vec<Option<Head>>, PortError>;

    /// Makes empty documents (`timestamp` 0) with an `_id` derived from the user id, and with these fences. Those that
    /// exist stay as they are.
    async fn create(&self, users: &[(UserId, Epoch)]) -> Result<(), PortError>;

    /// Applies each update by itself, at most one of each user. The answers are in the same order.
    async fn update(&self, updates: &[Update]) -> Result<Vec<Written>, PortError>;

    /// The stored payload of a pass as canonical JSON text.
    async fn payload(&self, user: UserId, list: List, pass_uuid: &str) -> Result<Option<Bytes>, PortError>;

    /// The whole document as JSON text, for people; `None` when there is none.
    async fn document(&self, user: UserId) -> Result<Option<String>, PortError>;

    /// Users with a document, ascending, behind `after`.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError>;

    /// The highest offsets that `group` is known to have committed, kept beside the epoch counter; 0 when none.
    async fn committed_marks(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<i64>, PortError>;

    /// Raises those marks; a lower one changes nothing.
    async fn raise_committed_marks(&self, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), PortError>;
}

// ---------------------------------------------------------------------------------------- tokens, API, clock

/// The riders' tokens (`bytemark_tokens`).
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// The present tokens of `users`, in the same order. Of several rows the one with the greatest key and a token
    /// counts; an empty token is none.
    async fn tokens(&self, users: &[UserId]) -> Result<Vec<Option<Token>>, PortError>;

    /// Users with a token, ascending, each once, behind `after`.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError>;

    /// How many users have a token. Stores that can count do better than this walk over all of them.
    async fn count(&self) -> Result<u64, PortError> {
        const PAGE: usize = 10_000;
        let mut count = 0;
        let mut after = None;
        loop {
            let users = self.users(after, PAGE).await?;
            count += users.len() as u64;
            if users.len() < PAGE {
                return Ok(count);
            }
            after = users.last().copied();
        }
    }
}

/// What to ask the pass API for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /passes`.
    Active,
    /// `GET /v4.0/passes?status=EXPIRED&per_page=N&page=K`.
    History {
        /// Passes a page.
        per_page: u32,
        /// From 1.
        page: u32,
    },
}

/// An answer of the pass API, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long to stay away, if it said so.
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Bytes,
}

/// No answer of the pass API.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct NoAnswer {
    /// Stable name: `connect_failed`, `timed_out`, `connection_lost`, `body_too_large`.
    pub code: &'static str,
    /// Details, without the token.
    pub message: String,
}

/// The pass API.
#[async_trait]
pub trait PassApi: Send + Sync + 'static {
    /// One GET with the user's token.
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer>;
}

/// Time, so that tests own it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}
