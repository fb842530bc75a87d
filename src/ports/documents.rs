//! The cache documents: reading them without payloads, and writing them by compare-and-set.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;
use crate::domain::{
    cache::{Epoch, Head, List, LogEntry, PerList, Slot, Stream},
    record::TopicPartition,
    user_id::UserId,
};

/// A compare-and-set on one cache document. It is applied only if the document's `stream.version`, `__v` and, for a
/// change, entries are as in `read`, and its fence is not above `epoch`; the fence then becomes `epoch`.
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
    /// The fence, and perhaps the time. With a time `version` moves on by one, so that a view that was fetched before
    /// this refresh can't be written after it; a fence alone leaves it.
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

/// The stored payloads of a document as canonical JSON text, in the order of its entries; `None` where an entry has none.
pub type Payloads = PerList<Vec<Option<Bytes>>>;

/// The cache documents.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// Takes the next epoch, above all taken and above `above`. Durable when it returns.
    async fn next_epoch(&self, above: Epoch) -> Result<Epoch, PortError>;

    /// The documents of `users`, in the same order, without payloads.
    async fn heads(&self, users: &[UserId]) -> Result<Vec<Option<Head>>, PortError>;

    /// The documents of `users`, in the same order, with their payloads.
    async fn wholes(&self, users: &[UserId]) -> Result<Vec<Option<(Head, Payloads)>>, PortError>;

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

    /// How many users have a document. Stores that can count do better than this walk over all of them.
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

    /// The highest offsets that `group` is known to have committed, kept beside the epoch counter; `None` where none was
    /// ever kept. `partitions` are named as they were when marks were raised.
    async fn committed_marks(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError>;

    /// Raises those marks, and makes them where there are none; a lower one changes nothing.
    async fn raise_committed_marks(&self, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), PortError>;
}
