//! Gives each test topics and groups of its own on shared brokers, under the names that the rules use, and makes topics
//! at their first use: on the brokers that is an operator's work.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use passflow::{
    adapters::{
        kafka_topics::{KafkaTopics, TopicPlan},
        sqlite_topics::Defaults,
    },
    domain::record::{Output, Position, Record, TopicName, TopicPartition},
    ports::{Batch, CommitError, Committer, Consumer, Event, Membership, Owned, PortError, Session, Topics},
};

use crate::kafka::Made;

#[derive(Clone)]
pub struct Renamed {
    pub inner: KafkaTopics,
    pub prefix: String,
    pub made: Arc<Mutex<Made>>,
}

struct RenamedConsumer(Renamed, Box<dyn Consumer>);

struct RenamedCommitter(Renamed, Arc<dyn Committer>);

impl Renamed {
    fn topic(&self, topic: &TopicName) -> TopicName {
        format!("{}{topic}", self.prefix).as_str().into()
    }

    fn out(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.topic(&partition.topic), partition: partition.partition }
    }

    fn all_out(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        partitions.iter().map(|partition| self.out(partition)).collect()
    }

    fn back(&self, partition: TopicPartition) -> TopicPartition {
        let topic = partition.topic.as_str().strip_prefix(&*self.prefix).unwrap().into();
        TopicPartition { topic, partition: partition.partition }
    }

    fn all_back(&self, partitions: Vec<TopicPartition>) -> Vec<TopicPartition> {
        partitions.into_iter().map(|partition| self.back(partition)).collect()
    }

    fn records(&self, mut records: Vec<Record>) -> Vec<Record> {
        for record in &mut records {
            record.source.topic = self.back(record.source.topic_partition()).topic;
        }
        records
    }

    fn outputs(&self, mut outputs: Vec<Output>) -> Vec<Output> {
        for output in &mut outputs {
            output.topic = self.topic(&output.topic);
        }
        outputs
    }

    /// Makes those that are missing, as they are published.
    async fn make(&self, topics: impl Iterator<Item = &TopicName>) -> Result<(), PortError> {
        let defaults = Defaults::default();
        let mut plans: BTreeMap<TopicName, TopicPlan> = BTreeMap::new();
        for topic in topics {
            let name = self.topic(topic);
            if self.made.lock().unwrap().topics.contains(&name) {
                continue;
            }
            let default = defaults.by_name.get(topic).copied().unwrap_or(defaults.other);
            let plan = TopicPlan {
                topic: name.clone(),
                partitions: default.partitions,
                compacted: default.compacted,
                retention: None,
                config: BTreeMap::from([("max.message.bytes".to_owned(), "4194304".to_owned())]),
            };
            plans.insert(name, plan);
        }
        if plans.is_empty() {
            return Ok(());
        }
        self.inner.create(&plans.values().cloned().collect::<Vec<_>>()).await?;
        self.made.lock().unwrap().topics.extend(plans.into_keys());
        Ok(())
    }
}

#[async_trait]
impl Topics for Renamed {
    async fn join(&self, group: &str, topics: &[TopicName]) -> Result<Membership, PortError> {
        self.make(topics.iter()).await?;
        let group = format!("{}{group}", self.prefix);
        self.made.lock().unwrap().groups.insert(group.clone());
        let topics: Vec<_> = topics.iter().map(|topic| self.topic(topic)).collect();
        let Membership { consumer, committer } = self.inner.join(&group, &topics).await?;
        let (consumer, committer) =
            (RenamedConsumer(self.clone(), consumer), RenamedCommitter(self.clone(), committer));
        Ok(Membership { consumer: Box::new(consumer), committer: Arc::new(committer) })
    }

    async fn append(&self, records: Vec<Output>) -> Result<(), PortError> {
        self.make(records.iter().map(|record| &record.topic)).await?;
        self.inner.append(self.outputs(records)).await
    }

    async fn partitions(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        self.inner.partitions(&self.topic(topic)).await
    }

    async fn read(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError> {
        Ok(self.records(self.inner.read(&self.out(partition), from, limit).await?))
    }

    async fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError> {
        self.inner.offset_at(&self.out(partition), timestamp_ms).await
    }

    async fn backlog(&self, group: &str, topic: &TopicName) -> Result<u64, PortError> {
        self.inner.backlog(&format!("{}{group}", self.prefix), &self.topic(topic)).await
    }
}

#[async_trait]
impl Consumer for RenamedConsumer {
    async fn next(&mut self) -> Result<Event, PortError> {
        let names = &self.0;
        Ok(match self.1.next().await? {
            Event::Ended(error) => Event::Ended(error),
            Event::Assigned { ownership, partitions } => {
                Event::Assigned { ownership, partitions: names.all_back(partitions) }
            }
            Event::Revoked { ownership, partitions, release } => {
                Event::Revoked { ownership, partitions: names.all_back(partitions), release }
            }
            Event::Records { partition, session, records } => {
                Event::Records { partition: names.back(partition), session, records: names.records(records) }
            }
            Event::End { partition, session, offset } => {
                Event::End { partition: names.back(partition), session, offset }
            }
        })
    }

    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Position>, PortError> {
        self.1.committed(&self.0.all_out(partitions)).await
    }

    fn topic_id(&self, topic: &TopicName) -> Option<Arc<str>> {
        self.1.topic_id(&self.0.topic(topic))
    }

    async fn start(&mut self, partition: &TopicPartition, offset: i64) -> Result<Session, PortError> {
        self.1.start(&self.0.out(partition), offset).await
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        self.1.set_paused(&self.0.out(partition), paused);
    }

    async fn leave(self: Box<Self>) {
        self.1.leave().await;
    }
}

impl Committer for RenamedCommitter {
    fn commit(&self, batch: Batch) -> Owned<Result<(), CommitError>> {
        let (names, committer) = (self.0.clone(), Arc::clone(&self.1));
        Box::pin(async move {
            names.make(batch.outputs.iter().map(|output| &output.topic)).await?;
            let positions = batch.positions.into_iter();
            let positions = positions.map(|(partition, position)| (names.out(&partition), position)).collect();
            let batch = Batch { ownership: batch.ownership, outputs: names.outputs(batch.outputs), positions };
            committer.commit(batch).await
        })
    }
}
