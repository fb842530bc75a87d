//! Cache documents in the embedded store.
//!
//! What a refresh reads (entries and state, without payloads) is one row, what an uneventful one writes (time and
//! fence) is another, small one, and each payload is a row of its own: it is neither read nor written while its entry
//! stays.

mod document_json;
mod head_codec;
mod logs;
mod marks;
mod rows;
mod touch;
mod update;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    adapters::sqlite_store::{Store, StoreError, Tx},
    domain::{
        cache::{Epoch, Head, List},
        object_id,
        record::TopicPartition,
        user_id::UserId,
    },
    ports::{Dependency, Documents, Payloads, PortError, Update, Written},
};

/// `MongoDB`'s limit, which passflow keeps everywhere: what is cached embedded can be moved.
pub const DOCUMENT_MAX_BYTES: u64 = 16 << 20;

/// The embedded cache documents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteDocuments {
    store: Store,
    document_max_bytes: u64,
}

impl SqliteDocuments {
    /// Documents in `store`; none becomes larger than `document_max_bytes` (of JSON, roughly), usually
    /// [`DOCUMENT_MAX_BYTES`].
    pub fn new(store: Store, document_max_bytes: u64) -> Self {
        Self { store, document_max_bytes }
    }
}

fn failed(error: StoreError, doing: impl Into<String>) -> PortError {
    error.while_doing(Dependency::Documents, doing)
}

#[async_trait]
impl Documents for SqliteDocuments {
    async fn next_epoch(&self, above: Epoch) -> Result<Epoch, PortError> {
        let epoch = self.store.write(move |tx| Box::pin(async move { marks::next_epoch(tx, above).await })).await;
        epoch.map_err(|error| failed(error, "taking an epoch"))
    }

    async fn heads(&self, users: &[UserId]) -> Result<Vec<Option<Head>>, PortError> {
        rows::heads(&self.store, users)
            .await
            .map_err(|error| failed(error, format!("reading {} documents", users.len())))
    }

    async fn wholes(&self, users: &[UserId]) -> Result<Vec<Option<(Head, Payloads)>>, PortError> {
        let wholes = rows::wholes(&self.store, users).await;
        wholes.map_err(|error| failed(error, format!("reading {} documents with payloads", users.len())))
    }

    async fn create(&self, users: &[(UserId, Epoch)]) -> Result<(), PortError> {
        let doing = format!("making {} documents", users.len());
        let users = users.to_vec();
        let created = self.store.write(move |tx| Box::pin(async move { create(tx, &users).await })).await;
        created.map_err(|error| failed(error, doing))
    }

    async fn update(&self, updates: &[Update]) -> Result<Vec<Written>, PortError> {
        let doing = format!("updating {} documents", updates.len());
        let (updates, max_bytes) = (updates.to_vec(), self.document_max_bytes);
        let written = self.store.write(move |tx| Box::pin(async move { update::apply(tx, &updates, max_bytes).await }));
        written.await.map_err(|error| failed(error, doing))
    }

    async fn payload(&self, user: UserId, list: List, pass_uuid: &str) -> Result<Option<Bytes>, PortError> {
        let payload = rows::payload(&self.store, user, list, pass_uuid).await;
        payload.map_err(|error| failed(error, format!("reading the payload of pass {pass_uuid} of user {user}")))
    }

    async fn document(&self, user: UserId) -> Result<Option<String>, PortError> {
        let document = document_json::read(&self.store, user).await;
        document.map_err(|error| failed(error, format!("reading the document of user {user}")))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        rows::users(&self.store, after, limit).await.map_err(|error| failed(error, "listing the users with a document"))
    }

    async fn committed_marks(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        let marks = marks::read(&self.store, group, partitions).await;
        marks.map_err(|error| failed(error, format!("reading the committed marks of group {group}")))
    }

    async fn raise_committed_marks(&self, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        let doing = format!("raising the committed marks of group {group}");
        let (group, marks) = (group.to_owned(), marks.to_vec());
        let raised = self.store.write(move |tx| Box::pin(async move { marks::raise(tx, &group, &marks).await })).await;
        raised.map_err(|error| failed(error, doing))
    }
}

async fn create(tx: &mut Tx, users: &[(UserId, Epoch)]) -> Result<(), StoreError> {
    for (user, fence) in users {
        let state = sqlx::query("INSERT INTO cache_state VALUES (?, 0, 0, 0, ?) ON CONFLICT DO NOTHING")
            .bind(user.get())
            .bind(fence.0.cast_signed())
            .execute(&mut tx.connection)
            .await?;
        if state.rows_affected() > 0 {
            sqlx::query("INSERT INTO cache_heads VALUES (?, x'', x'', 0)")
                .bind(user.get())
                .execute(&mut tx.connection)
                .await?;
        }
    }
    Ok(())
}

/// Every document here was made by passflow, so its `_id` needs no place in the file.
fn document_id(user: UserId) -> String {
    object_id::of_user(user)
}
