//! A member's committing side: outputs and positions in one SQLite transaction.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::{Placed, SqliteTopics, append_placed, failed};
use crate::{
    adapters::sqlite_store::{StoreError, Tx, for_rows},
    domain::record::{Position, TopicPartition},
    ports::{Batch, CommitError, Committer, Owned, Ownership},
};

/// What both sides of a member know.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: String,
    /// The group's generation that this member's join made.
    pub(super) generation: i64,
    /// All partitions of its topics, with their ids.
    pub(super) partitions: HashMap<TopicPartition, i64>,
    /// The reading side has left, or another member has taken over.
    gone: AtomicBool,
    pub(super) taken_over: Notify,
}

impl Member {
    pub(super) fn new(group: &str, generation: i64, partitions: HashMap<TopicPartition, i64>) -> Self {
        let gone = AtomicBool::new(false);
        Self { group: group.to_owned(), generation, partitions, gone, taken_over: Notify::new() }
    }

    pub(super) fn ownership(&self) -> Ownership {
        Ownership(self.generation.cast_unsigned())
    }

    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
pub(super) struct SqliteCommitter {
    pub(super) topics: SqliteTopics,
    pub(super) member: Arc<Member>,
}

impl Committer for SqliteCommitter {
    fn commit(&self, batch: Batch) -> Owned<Result<(), CommitError>> {
        let this = self.clone();
        Box::pin(async move { this.try_commit(batch).await })
    }
}

type Positions = Vec<(i64, Position)>;

impl SqliteCommitter {
    async fn try_commit(self, batch: Batch) -> Result<(), CommitError> {
        let positions = self.owned_positions(&batch)?;
        let doing = format!("committing {} outputs of group {}", batch.outputs.len(), self.member.group);
        let placed =
            self.topics.place(&batch.outputs).await.map_err(|error| CommitError::Failed(failed(error, &*doing)))?;
        drop(batch);
        let committed = self.write(placed, positions).await;
        if committed.map_err(|error| CommitError::Failed(failed(error, doing)))? {
            return Ok(());
        }
        self.member.taken_over.notify_one();
        Err(self.not_owner("another member has joined"))
    }

    fn owned_positions(&self, batch: &Batch) -> Result<Positions, CommitError> {
        if batch.ownership != self.member.ownership() {
            return Err(self.not_owner("the ownership is not the present one"));
        }
        let owned = |(partition, position): &(TopicPartition, Position)| match self.member.partitions.get(partition) {
            Some(id) => Ok((*id, position.clone())),
            None => Err(self.not_owner(&format!("{partition} is not owned"))),
        };
        batch.positions.iter().map(owned).collect()
    }

    fn not_owner(&self, why: &str) -> CommitError {
        CommitError::NotOwner(format!("group {}: {why}", self.member.group))
    }

    /// Whether the member still owned its partitions, and so all was written.
    async fn write(&self, placed: Placed, positions: Positions) -> Result<bool, StoreError> {
        let (clock, member) = (Arc::clone(&self.topics.clock), Arc::clone(&self.member));
        let write = self.topics.store.write(move |tx| {
            Box::pin(async move {
                if !is_current(tx, &member).await? {
                    return Ok(false);
                }
                append_placed(tx, &*clock, placed).await?;
                write_positions(tx, &member.group, positions).await?;
                Ok(true)
            })
        });
        write.await
    }
}

async fn is_current(tx: &mut Tx, member: &Member) -> Result<bool, StoreError> {
    if member.is_gone() {
        return Ok(false);
    }
    let generation: Option<i64> = sqlx::query_scalar("SELECT generation FROM consumer_groups WHERE name = ?")
        .bind(&*member.group)
        .fetch_optional(&mut tx.connection)
        .await?;
    Ok(generation == Some(member.generation))
}

async fn write_positions(tx: &mut Tx, group: &str, positions: Positions) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO group_positions (group_name, partition_id, next_offset, metadata) VALUES ";
    const ELSE_UPDATE: &str = " ON CONFLICT (group_name, partition_id) DO UPDATE \
        SET next_offset = excluded.next_offset, metadata = excluded.metadata";
    for chunk in positions.chunks(16) {
        let mut query = sqlx::query(for_rows(INSERT, chunk.len(), 4, ELSE_UPDATE));
        for (partition_id, position) in chunk {
            query = query.bind(group).bind(*partition_id).bind(position.offset).bind(&*position.metadata);
        }
        query.execute(&mut tx.connection).await?;
    }
    Ok(())
}
