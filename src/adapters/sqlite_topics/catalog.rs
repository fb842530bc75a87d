//! Which topics there are.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sqlx::SqliteConnection;

use crate::{
    adapters::sqlite_store::{Store, StoreError, Tx},
    domain::{
        partitioner::partition_of,
        record::{TopicName, TopicPartition},
    },
};

/// How a missing topic is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDefault {
    /// Its partitions, at least 1.
    pub partitions: u32,
    /// Whether the last record of each key is kept for ever; else records go by age.
    pub compacted: bool,
}

/// How missing topics are made, by name.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Topics with defaults of their own.
    pub by_name: HashMap<TopicName, TopicDefault>,
    /// All others.
    pub other: TopicDefault,
}

impl Default for Defaults {
    /// As published, for topics with their default names.
    fn default() -> Self {
        let named = [
            ("bytemark.ticks", 1, false),
            ("bytemark.pass-requests", 12, false),
            ("parkmobile.responses", 12, false),
            ("bytemark.ticket-changed", 12, false),
            ("cdc.portal.bytemark_tokens", 3, true),
            ("passflow.dead-letters.state", 3, true),
        ];
        let named =
            named.map(|(name, partitions, compacted)| (TopicName::from(name), TopicDefault { partitions, compacted }));
        Self { by_name: named.into(), other: TopicDefault { partitions: 3, compacted: false } }
    }
}

/// A topic that exists. Topics are never deleted, nor do they get more partitions.
#[derive(Debug)]
pub(super) struct Topic {
    id: i64,
    pub(super) name: TopicName,
    pub(super) partitions: u32,
    pub(super) compacted: bool,
    next_without_key: AtomicU32,
}

/// Room for partition numbers in a partition's id.
const PARTITIONS_MAX: u32 = 1 << 16;

impl Topic {
    pub(super) fn partition_id(&self, partition: u32) -> i64 {
        self.id * i64::from(PARTITIONS_MAX) + i64::from(partition)
    }

    /// The first of its partitions' ids, and the first behind them.
    pub(super) fn partition_ids(&self) -> (i64, i64) {
        (self.partition_id(0), self.partition_id(self.partitions))
    }

    /// Keyless records go round.
    pub(super) fn partition_for(&self, key: Option<&[u8]>) -> u32 {
        match key {
            Some(key) => partition_of(key, self.partitions),
            None => self.next_without_key.fetch_add(1, Ordering::Relaxed) % self.partitions.max(1),
        }
    }

    pub(super) fn topic_partition(&self, partition: u32) -> TopicPartition {
        TopicPartition { topic: self.name.clone(), partition }
    }
}

/// Topics by name.
pub(super) type ByName = HashMap<TopicName, Arc<Topic>>;

#[derive(Debug)]
pub(super) struct Catalog {
    defaults: Defaults,
    known: RwLock<ByName>,
}

impl Catalog {
    pub(super) fn new(defaults: Defaults) -> Self {
        Self { defaults, known: RwLock::default() }
    }

    /// The topic, if it exists.
    pub(super) async fn find(&self, store: &Store, name: &TopicName) -> Result<Option<Arc<Topic>>, StoreError> {
        if let Some(topic) = self.known(name) {
            return Ok(Some(topic));
        }
        self.load(store).await?;
        Ok(self.known(name))
    }

    /// The topics of these names; those that are missing are made.
    pub(super) async fn all_of(
        &self,
        store: &Store,
        names: impl Iterator<Item = &TopicName>,
    ) -> Result<ByName, StoreError> {
        let mut found = ByName::new();
        let mut missing = Vec::new();
        for name in names {
            if found.contains_key(name) || missing.contains(name) {
                continue;
            }
            match self.known(name) {
                Some(topic) => drop(found.insert(name.clone(), topic)),
                None => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            self.make(store, &missing).await?;
            found.extend(missing.into_iter().filter_map(|name| Some((name.clone(), self.known(&name)?))));
        }
        Ok(found)
    }

    /// Makes those that are missing; tells which.
    pub(super) async fn make(&self, store: &Store, names: &[TopicName]) -> Result<Vec<TopicName>, StoreError> {
        let wanted: Vec<_> = names.iter().map(|name| (name.clone(), self.default_of(name))).collect();
        let made = store.write(move |tx| Box::pin(async move { make_missing(tx, &wanted).await })).await?;
        self.load(store).await?;
        Ok(made)
    }

    fn default_of(&self, name: &TopicName) -> TopicDefault {
        self.defaults.by_name.get(name).copied().unwrap_or(self.defaults.other)
    }

    fn known(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All topics, by name. Reads those in that other processes have made.
    pub(super) async fn load(&self, store: &Store) -> Result<ByName, StoreError> {
        let rows = read_all(&mut *store.reader().await?).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (id, name, partitions, compacted) in rows {
            let name = TopicName::from(name.as_str());
            known.entry(name.clone()).or_insert_with(|| {
                Arc::new(Topic { id, name, partitions, compacted, next_without_key: AtomicU32::new(0) })
            });
        }
        Ok(known.clone())
    }
}

async fn read_all(connection: &mut SqliteConnection) -> Result<Vec<(i64, String, u32, bool)>, sqlx::Error> {
    sqlx::query_as("SELECT id, name, partitions, compacted FROM topics").fetch_all(connection).await
}

async fn make_missing(tx: &mut Tx, wanted: &[(TopicName, TopicDefault)]) -> Result<Vec<TopicName>, StoreError> {
    let mut made = Vec::new();
    for (name, topic) in wanted {
        let partitions = topic.partitions.clamp(1, PARTITIONS_MAX);
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO topics (name, partitions, compacted) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(name.as_str())
        .bind(partitions)
        .bind(topic.compacted)
        .fetch_optional(&mut tx.connection)
        .await?;
        let Some(id) = id else { continue };
        for partition in 0..i64::from(partitions) {
            sqlx::query("INSERT INTO partitions VALUES (?, 0, 0, 0)")
                .bind(id * i64::from(PARTITIONS_MAX) + partition)
                .execute(&mut tx.connection)
                .await?;
        }
        made.push(name.clone());
    }
    Ok(made)
}
