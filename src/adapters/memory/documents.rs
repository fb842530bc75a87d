//! The cache documents, with a log of every write that was applied.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{
    chaos::Chaos,
    document::{Document, Malformed},
    documents_client::DocumentsClient,
    world::{World, lock},
};
use crate::{
    domain::{
        cache::{Epoch, Head, List},
        record::TopicPartition,
        user_id::UserId,
    },
    ports::{Update, Write, Written},
};

/// Who wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The process, with [`Write::Touch`].
    Touch(String),
    /// The process, with [`Write::Change`].
    Change(String),
    /// The process made the empty document.
    Create(String),
    /// Another program.
    Foreign,
}

/// A write that was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whose document.
    pub user: UserId,
    /// Who wrote.
    pub by: By,
    /// With which epoch; `None` from other programs.
    pub epoch: Option<Epoch>,
    /// The document's version before.
    pub version_before: Option<u64>,
    /// The document afterwards; `None` when it was deleted.
    pub after: Option<Arc<Head>>,
}

/// The document store. Cheap to clone; all clones are the same store.
#[derive(Clone, Debug)]
pub struct MemoryDocuments(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) documents: BTreeMap<UserId, Document>,
    pub(super) epoch: Epoch,
    pub(super) marks: BTreeMap<(String, TopicPartition), i64>,
    history: Vec<Applied>,
    max_bytes: usize,
}

/// The largest document that `MongoDB` takes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

impl MemoryDocuments {
    /// An empty store.
    pub fn new(world: &World) -> Self {
        let state = State {
            documents: BTreeMap::new(),
            epoch: Epoch::default(),
            marks: BTreeMap::new(),
            history: Vec::new(),
            max_bytes: MAX_BYTES,
        };
        Self(Arc::new(Shared { world: world.clone(), state: Mutex::new(state) }))
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> DocumentsClient {
        DocumentsClient::new(self.clone(), chaos.clone())
    }

    /// Makes the store take documents up to this size only, in bytes of their JSON text.
    pub fn set_max_bytes(&self, max_bytes: usize) {
        self.state().max_bytes = max_bytes;
    }

    /// All documents, with payloads, by user.
    pub fn all(&self) -> Vec<Document> {
        self.state().documents.values().cloned().collect()
    }

    /// One document with payloads.
    pub fn get(&self, user: UserId) -> Option<Document> {
        self.state().documents.get(&user).cloned()
    }

    /// All writes that were applied, in order.
    pub fn history(&self) -> Vec<Applied> {
        self.state().history.clone()
    }

    /// Changes a document as another program would: makes it if it is missing, and deletes it when `change` leaves
    /// `None`. passflow's own rules are not looked at.
    pub fn write_foreign(&self, user: UserId, change: impl FnOnce(&mut Option<Document>)) {
        let mut state = self.state();
        let mut document = state.documents.remove(&user);
        let version_before = document.as_ref().and_then(Document::version);
        change(&mut document);
        let after = document.as_ref().map(|document| Arc::new(document.head()));
        if let Some(document) = document {
            state.documents.insert(user, document);
        }
        let at_ms = self.world().now_ms();
        state.history.push(Applied { at_ms, user, by: By::Foreign, epoch: None, version_before, after });
        self.world().note("foreign writer", format_args!("writes the document of {user}"));
    }

    /// Sets the status of a stored pass as mongoose saves a changed element: `__v` stays. Whether there was such a pass.
    pub fn set_status_foreign(&self, user: UserId, list: List, pass_uuid: &str, status: &str) -> bool {
        let mut found = false;
        self.write_foreign(user, |document| {
            let passes = document.iter_mut().flat_map(|document| document.lists.of_mut(list));
            for pass in passes.filter(|pass| pass.entry.pass_uuid == pass_uuid) {
                status.clone_into(&mut pass.entry.status);
                found = true;
            }
        });
        found
    }

    /// Assigns a list as mongoose saves a replaced array: `__v` moves. Makes the document if it is missing.
    pub fn assign_foreign(&self, user: UserId, list: List, passes: Vec<super::StoredPass>) {
        self.write_foreign(user, |document| {
            let document = document.get_or_insert_with(|| Document::foreign(user));
            *document.lists.of_mut(list) = passes;
            document.document_version = Some(document.document_version.unwrap_or(0) + 1);
        });
    }

    pub(super) fn world(&self) -> &World {
        &self.0.world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Applies one update of `process`.
    pub(super) fn update(&self, update: &Update, process: &str) -> Result<Written, Malformed> {
        let user = update.read.user_id;
        let at_ms = self.world().now_ms();
        let mut state = self.state();
        let max_bytes = state.max_bytes;
        let Some(document) = state.documents.get_mut(&user) else { return Ok(Written::No) };
        let version_before = document.version();
        let written = document.apply(update, max_bytes)?;
        let after = Some(Arc::new(document.head()));
        if written == Written::Yes {
            let by = match update.write {
                Write::Touch { .. } => By::Touch(process.to_owned()),
                Write::Change(_) => By::Change(process.to_owned()),
            };
            state.history.push(Applied { at_ms, user, by, epoch: Some(update.epoch), version_before, after });
        }
        drop(state);
        self.world().note(process, format_args!("update of {user} under {:?}: {written:?}", update.epoch));
        Ok(written)
    }

    /// Makes an empty document unless there is one.
    pub(super) fn create(&self, user: UserId, epoch: Epoch, process: &str) {
        let at_ms = self.world().now_ms();
        let mut state = self.state();
        if state.documents.contains_key(&user) {
            return;
        }
        let document = Document::empty(user, epoch);
        let (by, after) = (By::Create(process.to_owned()), Some(Arc::new(document.head())));
        state.documents.insert(user, document);
        state.history.push(Applied { at_ms, user, by, epoch: Some(epoch), version_before: None, after });
        drop(state);
        self.world().note(process, format_args!("creates the document of {user} under {epoch:?}"));
    }
}
