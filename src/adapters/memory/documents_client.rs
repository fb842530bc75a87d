//! One process's connection to the documents.

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;

use super::{chaos::Chaos, document::Malformed, documents::MemoryDocuments};
use crate::{
    domain::{
        cache::{Epoch, Head, List},
        record::TopicPartition,
        user_id::UserId,
    },
    ports::{Dependency, Documents, Failure, Payloads, PortError, Update, Written},
};

/// One process's connection to [`MemoryDocuments`].
#[derive(Clone, Debug)]
pub struct DocumentsClient {
    documents: MemoryDocuments,
    chaos: Chaos,
}

impl DocumentsClient {
    pub(super) fn new(documents: MemoryDocuments, chaos: Chaos) -> Self {
        Self { documents, chaos }
    }

    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        apply: impl FnOnce(&MemoryDocuments) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let documents = self.documents.clone();
        let world = self.documents.world();
        self.chaos.call(world, Dependency::Documents, doing, move || Ok(apply(&documents))).await
    }
}

fn refused(doing: String, error: &Malformed) -> PortError {
    PortError { kind: Failure::Refused, dependency: Dependency::Documents, doing, message: error.to_string() }
}

#[async_trait]
impl Documents for DocumentsClient {
    async fn next_epoch(&self, above: Epoch) -> Result<Epoch, PortError> {
        self.call("take an epoch", move |documents| {
            let mut state = documents.state();
            state.epoch = Epoch(state.epoch.max(above).0 + 1);
            state.epoch
        })
        .await
    }

    async fn heads(&self, users: &[UserId]) -> Result<Vec<Option<Head>>, PortError> {
        let users = users.to_vec();
        self.call("read heads", move |documents| {
            let state = documents.state();
            users.iter().map(|user| state.documents.get(user).map(super::Document::head)).collect()
        })
        .await
    }

    async fn wholes(&self, users: &[UserId]) -> Result<Vec<Option<(Head, Payloads)>>, PortError> {
        let users = users.to_vec();
        self.call("read documents", move |documents| {
            let state = documents.state();
            let whole = |document: &super::Document| (document.head(), document.payloads());
            users.iter().map(|user| state.documents.get(user).map(whole)).collect()
        })
        .await
    }

    async fn create(&self, users: &[(UserId, Epoch)]) -> Result<(), PortError> {
        let (documents, process) = (self.documents.clone(), self.chaos.name().to_owned());
        let apply = move |(user, epoch)| {
            documents.create(user, epoch, &process);
            Ok(())
        };
        let world = self.documents.world();
        self.chaos.call_each(world, Dependency::Documents, "create documents", users.to_vec(), apply).await?;
        Ok(())
    }

    async fn update(&self, updates: &[Update]) -> Result<Vec<Written>, PortError> {
        let (documents, process) = (self.documents.clone(), self.chaos.name().to_owned());
        let apply = move |update: Update| {
            let doing = || format!("update the document of {}", update.read.user_id);
            documents.update(&update, &process).map_err(|error| refused(doing(), &error))
        };
        let world = self.documents.world();
        let written =
            self.chaos.call_each(world, Dependency::Documents, "update documents", updates.to_vec(), apply).await?;
        let told = |written| match written {
            Written::Yes if self.chaos.happens(|odds| odds.denied) => Written::No,
            written => written,
        };
        Ok(written.into_iter().map(told).collect())
    }

    async fn payload(&self, user: UserId, list: List, pass_uuid: &str) -> Result<Option<Bytes>, PortError> {
        let pass_uuid = pass_uuid.to_owned();
        self.call("read a payload", move |documents| {
            documents.state().documents.get(&user).and_then(|document| document.payload(list, &pass_uuid).cloned())
        })
        .await
    }

    async fn document(&self, user: UserId) -> Result<Option<String>, PortError> {
        let found = self.call("read a document", move |documents| documents.get(user)).await?;
        let text = found.map(|document| document.json()).transpose();
        text.map_err(|error| refused(format!("read the document of {user}"), &error))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        self.call("list users", move |documents| {
            let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            documents.state().documents.range(behind).take(limit).map(|(user, _)| *user).collect()
        })
        .await
    }

    async fn committed_marks(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        let keys: Vec<_> = partitions.iter().map(|partition| (group.to_owned(), partition.clone())).collect();
        self.call("read committed marks", move |documents| {
            let state = documents.state();
            keys.iter().map(|key| state.marks.get(key).copied()).collect()
        })
        .await
    }

    async fn raise_committed_marks(&self, group: &str, marks: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        let (group, marks) = (group.to_owned(), marks.to_vec());
        self.call("raise committed marks", move |documents| {
            let mut state = documents.state();
            for (partition, offset) in marks {
                let mark = state.marks.entry((group.clone(), partition)).or_insert(0);
                *mark = offset.max(*mark);
            }
        })
        .await
    }
}
