//! One process's connection to the topics.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use async_trait::async_trait;

use super::{
    chaos::Chaos, cluster::MemoryCluster, committer::MemoryCommitter, consumer::MemoryConsumer, log::Log,
    mailbox::Mailbox,
};
use crate::{
    domain::record::{Output, Record, TopicName, TopicPartition},
    ports::{Dependency, Failure, Membership, PortError, Topics},
};

/// One process's connection to a [`MemoryCluster`].
#[derive(Clone, Debug)]
pub struct TopicsClient {
    cluster: MemoryCluster,
    chaos: Chaos,
}

impl TopicsClient {
    pub(super) fn new(cluster: MemoryCluster, chaos: Chaos) -> Self {
        Self { cluster, chaos }
    }

    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        apply: impl FnOnce(&MemoryCluster) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let cluster = self.cluster.clone();
        self.chaos.call(self.cluster.world(), Dependency::Topics, doing, move || Ok(apply(&cluster))).await
    }

    async fn put(&self, outputs: Vec<Output>) -> Result<(), PortError> {
        let copies = if self.chaos.happens(|odds| odds.put_twice) { 2 } else { 1 };
        self.call("put records", move |cluster| (0..copies).for_each(|_| cluster.put(outputs.clone()))).await
    }
}

#[async_trait]
impl Topics for TopicsClient {
    async fn join(&self, group: &str, topics: &[TopicName]) -> Result<Membership, PortError> {
        self.call("join a group", |_| ()).await?;
        let (group, topics): (Arc<str>, BTreeSet<TopicName>) = (group.into(), topics.iter().cloned().collect());
        let mailbox = Arc::new(Mailbox::default());
        self.cluster.enter(&group, &topics, &self.chaos, &mailbox);
        let committer = MemoryCommitter::new(self.cluster.clone(), group.clone(), self.chaos.clone());
        let consumer = MemoryConsumer::new(self.cluster.clone(), group, self.chaos.clone(), mailbox);
        Ok(Membership { consumer: Box::new(consumer), committer: Arc::new(committer) })
    }

    async fn append(&self, mut records: Vec<Output>) -> Result<(), PortError> {
        self.cluster.check_sizes(&records, "put records")?;
        if records.len() < 2 {
            return self.put(records).await;
        }
        // Many records are many requests: some may be done when the next fails.
        let rest = records.split_off(self.chaos.draw(|rng, _| rng.usize(1..records.len())));
        self.put(records).await?;
        self.put(rest).await.map_err(|error| PortError { kind: Failure::Unanswered, ..error })
    }

    async fn partitions(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        let topic = topic.clone();
        self.call("describe a topic", move |cluster| {
            cluster.state().logs.topic(&topic).iter().map(Log::bounds).collect()
        })
        .await
    }

    async fn read(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError> {
        let partition = partition.clone();
        self.call("read records", move |cluster| {
            cluster.state().logs.partition(&partition).map(|log| log.read(from, limit)).unwrap_or_default()
        })
        .await
    }

    async fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError> {
        let partition = partition.clone();
        self.call("find an offset", move |cluster| {
            cluster.state().logs.partition(&partition).map_or(0, |log| log.offset_at(timestamp_ms))
        })
        .await
    }

    async fn backlog(&self, group: &str, topic: &TopicName) -> Result<u64, PortError> {
        let (group, topic) = (group.to_owned(), topic.clone());
        self.call("count a backlog", move |cluster| cluster.backlog_of(&group, &topic)).await
    }
}
