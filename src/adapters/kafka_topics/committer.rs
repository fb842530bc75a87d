//! A member's committing side.

use std::sync::{Arc, Mutex, Weak};

use rdkafka::{
    consumer::{CommitMode, Consumer as _},
    types::RDKafkaErrorCode as Code,
};

use super::{
    KafkaTopics,
    error::{asking, failed},
    member::MemberClient,
    ownership::{Metadata, Ownerships},
    positions,
    transactions::{Transactions, Work},
};
use crate::ports::{Batch, CommitError, Committer, Failure, Owned};

/// Commits for one member. Cheap to clone.
pub(super) struct KafkaCommitter(Arc<Inner>);

struct Inner {
    topics: KafkaTopics,
    group: String,
    ownerships: Ownerships,
    member: Weak<MemberClient>,
    transactions: Mutex<Transactions>,
}

impl KafkaCommitter {
    pub(super) fn new(topics: KafkaTopics, group: &str, ownerships: Ownerships, member: Weak<MemberClient>) -> Self {
        let transactions = Mutex::new(Transactions::new(topics.settings().clone(), group, ownerships.clone()));
        Self(Arc::new(Inner { topics, group: group.to_owned(), ownerships, member, transactions }))
    }
}

impl Committer for KafkaCommitter {
    /// A commit that was begun goes on to its end when its future is dropped; the next one waits for it.
    fn commit(&self, batch: Batch) -> Owned<Result<(), CommitError>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let doing = format!("committing for group {}", inner.group);
            let answer = tokio::task::spawn_blocking(move || inner.commit(batch)).await;
            answer.unwrap_or_else(|error| Err(failed(Failure::Unanswered, doing, error.to_string()).into()))
        })
    }
}

impl Inner {
    fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.admit(&batch)?;
        let positions = positions::list_to_commit(&batch.positions)?;
        if !self.topics.settings().transactions {
            return self.commit_at_least_once(batch);
        }
        let mut transactions = self.transactions.lock().unwrap_or_else(|poisoned| {
            // A commit ended in the middle.
            let mut transactions = poisoned.into_inner();
            transactions.forget();
            transactions
        });
        // It may have taken a while until it was this commit's turn.
        let metadata = self.admit(&batch)?;
        if batch.outputs.is_empty() && batch.positions.is_empty() {
            return Ok(());
        }
        let outputs = self.topics.place(batch.outputs)?;
        let timestamp_ms = self.topics.now_ms();
        transactions.commit(&Work { outputs, timestamp_ms, positions, metadata }, self.topics.sizes().smallest())
    }

    /// Only what the ownership covers goes to the broker, with the metadata of that ownership.
    fn admit(&self, batch: &Batch) -> Result<Metadata, CommitError> {
        let admitted = self.ownerships.lock().admit(batch);
        admitted.map_err(|why| CommitError::NotOwner(format!("group {}: {why}", self.group)))
    }

    /// The records first, and when they are durable the positions.
    fn commit_at_least_once(&self, batch: Batch) -> Result<(), CommitError> {
        self.topics.append_blocking(batch.outputs.clone())?;
        self.admit(&batch)?;
        let list = positions::list_to_commit(&batch.positions)?;
        if list.count() == 0 {
            return Ok(());
        }
        let not_owner = |why: String| CommitError::NotOwner(format!("group {}: {why}", self.group));
        let Some(member) = self.member.upgrade() else { return Err(not_owner("the member has left".to_owned())) };
        member.commit(&list, CommitMode::Sync).map_err(|error| match error.rdkafka_error_code() {
            Some(
                Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress | Code::FencedInstanceId,
            ) => not_owner(error.to_string()),
            _ => CommitError::Failed(asking(&error, format!("committing positions of group {}", self.group))),
        })
    }
}
