//! Topics in the embedded store: partitions, offsets and groups as in Kafka, with a group's positions and its outputs
//! committed in one SQLite transaction.
//!
//! A group has one member at a time, which owns all partitions of its topics; who joins anew takes over, and what the
//! earlier member still wants to commit is refused.

mod append;
mod catalog;
mod committer;
mod consumer;
mod describe;
mod read;
mod record_codec;
mod trim;

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;

pub use catalog::{Defaults, TopicDefault};
pub use consumer::FetchSettings;
pub use describe::{GroupPosition, PartitionDescription, TopicDescription};

use crate::{
    adapters::sqlite_store::{Store, StoreError},
    domain::record::{Output, Record, TopicName, TopicPartition},
    ports::{Clock, Dependency, Membership, PortError, Topics},
};

pub(crate) use append::{Placed, Placer, append_placed};

/// The embedded topics. Cheap to clone.
#[derive(Clone)]
pub struct SqliteTopics {
    store: Store,
    catalog: Arc<catalog::Catalog>,
    clock: Arc<dyn Clock>,
    fetch: FetchSettings,
}

impl SqliteTopics {
    /// Topics in `store`. Records get their time from `clock`; topics that are missing are made as `defaults` say.
    pub fn new(store: Store, clock: Arc<dyn Clock>, defaults: Defaults, fetch: FetchSettings) -> Self {
        let catalog = Arc::new(catalog::Catalog::new(defaults));
        Self { store, catalog, clock, fetch }
    }

    /// Makes those of `topics` that are missing; tells which.
    pub async fn create(&self, topics: &[TopicName]) -> Result<Vec<TopicName>, PortError> {
        self.catalog.make(&self.store, topics).await.map_err(|error| failed(error, "making topics"))
    }

    /// What finds the partitions of outputs to `topics`, which are made if they are missing: no transaction that
    /// appends can make them.
    pub(crate) async fn placer(&self, topics: &[TopicName]) -> Result<Placer, StoreError> {
        Ok(Placer(self.catalog.all_of(&self.store, topics.iter()).await?))
    }

    /// Whose time the records get.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    async fn place(&self, outputs: &[Output]) -> Result<Placed, StoreError> {
        let topics = self.catalog.all_of(&self.store, outputs.iter().map(|output| &output.topic)).await?;
        Ok(Placer(topics).place(outputs))
    }
}

fn failed(error: StoreError, doing: impl Into<String>) -> PortError {
    error.while_doing(Dependency::Topics, doing)
}

#[async_trait]
impl Topics for SqliteTopics {
    async fn join(&self, group: &str, topics: &[TopicName]) -> Result<Membership, PortError> {
        consumer::join(self, group, topics).await.map_err(|error| failed(error, format!("joining group {group}")))
    }

    async fn append(&self, records: Vec<Output>) -> Result<(), PortError> {
        let doing = || format!("appending {} records", records.len());
        let placed = self.place(&records).await.map_err(|error| failed(error, doing()))?;
        let clock = Arc::clone(&self.clock);
        let written =
            self.store.write(move |tx| Box::pin(async move { append_placed(tx, &*clock, placed).await })).await;
        written.map_err(|error| failed(error, doing()))
    }

    async fn partitions(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        let ranges = read::ranges(self, topic).await;
        ranges.map_err(|error| failed(error, format!("reading the partitions of {topic}")))
    }

    async fn read(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError> {
        let records = read::records(self, partition, from, limit).await;
        records.map_err(|error| failed(error, format!("reading {partition} from offset {from}")))
    }

    async fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError> {
        let offset = read::offset_at(self, partition, timestamp_ms).await;
        offset.map_err(|error| failed(error, format!("finding the offset of time {timestamp_ms} in {partition}")))
    }

    async fn backlog(&self, group: &str, topic: &TopicName) -> Result<u64, PortError> {
        let backlog = read::backlog(self, group, topic).await;
        backlog.map_err(|error| failed(error, format!("reading the backlog of group {group} on {topic}")))
    }
}
