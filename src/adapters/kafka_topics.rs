//! Topics in Kafka.
//!
//! A group's member consists of a client that is in the group and reads nothing (`member`), a client in no group for
//! each topic that reads (`reader`), and a producer for its transactions (`transactions`). All of the driver's calls
//! that wait are made on threads of their own or among the runtime's blocking ones.

mod admin;
mod channel;
mod committer;
mod consumer;
mod contact;
mod context;
mod delivery;
mod error;
mod lookup;
mod member;
mod ownership;
mod pages;
mod positions;
mod reader;
mod record_codec;
mod settings;
mod sizes;
mod topic_ids;
mod transactions;

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::error::KafkaError;

pub use admin::{Difference, TopicDescription, TopicPlan, TopicReport};
pub use settings::Settings;

use crate::{
    domain::record::{Output, Record, TopicName, TopicPartition},
    ports::{Clock, Failure, Membership, PortError, Topics},
};
use delivery::{Batch, Deliveries, Following};
use error::{asking, blocking, failed};
use lookup::Lookup;
use pages::Pages;
use sizes::Sizes;

/// The topics of a Kafka cluster. Cheap to clone.
#[derive(Clone)]
pub struct KafkaTopics(Arc<Shared>);

struct Shared {
    settings: Settings,
    clock: Arc<dyn Clock>,
    lookup: Lookup,
    pages: Pages,
    sizes: Sizes,
    /// Puts records outside transactions, so many bytes at once; made when first needed.
    producer: Mutex<Option<(usize, Arc<Following>)>>,
}

impl KafkaTopics {
    /// The topics of the cluster in `settings`; nothing is connected to yet. Records get their time from `clock`.
    ///
    /// # Errors
    /// `Refused` settings.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, PortError> {
        settings.check()?;
        let lookup = Lookup::new(settings.clone());
        let (pages, sizes, producer) = (Pages::default(), Sizes::default(), Mutex::default());
        Ok(Self(Arc::new(Shared { settings, clock, lookup, pages, sizes, producer })))
    }

    /// Where `group` has committed in the partitions of `topic`, open transactions or not.
    ///
    /// # Errors
    /// When the brokers don't answer, or refuse.
    pub async fn committed(&self, group: &str, topic: &TopicName) -> Result<Vec<(TopicPartition, i64)>, PortError> {
        let (this, group, topic) = (self.clone(), group.to_owned(), topic.clone());
        let progress = blocking(format!("reading where group {group} stands in {topic}"), move || {
            this.lookup().progress(&group, &topic)
        });
        let committed = |(partition, offset, _): (_, Option<i64>, _)| Some((partition, offset?));
        Ok(progress.await?.into_iter().filter_map(committed).collect())
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn lookup(&self) -> &Lookup {
        &self.0.lookup
    }

    fn sizes(&self) -> &Sizes {
        &self.0.sizes
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// The records with their partitions.
    ///
    /// # Errors
    /// `Refused`: one is too large, or its topic does not exist.
    fn place(&self, outputs: Vec<Output>) -> Result<Vec<(Output, i32)>, PortError> {
        delivery::check_sizes(&outputs, |topic| self.record_max_bytes(topic))?;
        self.lookup().place(outputs)
    }

    /// Puts records outside transactions; all are durable when it returns.
    fn append_blocking(&self, records: Vec<Output>) -> Result<(), PortError> {
        if records.is_empty() {
            return Ok(());
        }
        let doing = format!("appending {} records", records.len());
        let placed = self.place(records)?;
        let batch = Arc::<Batch>::default();
        let deadline = Instant::now() + APPEND_TIMEOUT;
        let timestamp_ms = self.now_ms();
        let (mut rest, producer) = (placed.as_slice(), self.producer()?);
        let mut sent = delivery::send_all(&producer, &batch, &mut rest, timestamp_ms, deadline);
        if sent.as_ref().is_err_and(delivery::is_behind) && batch.wait(deadline).is_ok() {
            self.forget_producer();
            let producer = self.producer()?;
            sent = delivery::send_all(&producer, &batch, &mut rest, timestamp_ms, deadline);
        }
        // Also when one could not be sent: what of the others became of is known then.
        let delivered = batch.wait(deadline);
        sent.and(delivered).map_err(|error| {
            if matches!(error, KafkaError::MessageProduction(_)) {
                // After some errors an idempotent producer is of no use any more.
                self.forget_producer();
            }
            let refused = asking(&error, &*doing);
            let kind = if refused.kind == Failure::Refused { Failure::Refused } else { Failure::Unanswered };
            failed(kind, doing, refused.message)
        })
    }

    fn forget_producer(&self) {
        *self.0.producer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn producer(&self) -> Result<Arc<Following>, PortError> {
        let mut producer = self.0.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let batch_max = self.settings().batch_max_bytes(self.sizes().smallest());
        if let Some((_, producer)) = producer.as_ref().filter(|(max, _)| *max == batch_max) {
            return Ok(Arc::clone(producer));
        }
        let made = self.settings().producer(Some(batch_max)).create_with_context::<_, Following>(Deliveries);
        let made = Arc::new(made.map_err(|error| asking(&error, "making a Kafka producer"))?);
        *producer = Some((batch_max, Arc::clone(&made)));
        Ok(made)
    }

    fn read_blocking(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError> {
        let range = self.lookup().range(partition)?;
        let from = from.max(range.start);
        if from >= range.end || limit == 0 {
            return Ok(Vec::new());
        }
        self.0.pages.read(self.settings(), partition, from, limit)
    }

    fn backlog_blocking(&self, group: &str, topic: &TopicName) -> Result<u64, PortError> {
        let mut backlog = 0;
        for (partition, committed, range) in self.lookup().progress(group, topic)? {
            let next = committed.unwrap_or(range.start).max(range.start);
            let mut left = range.end - next;
            // Few are perhaps none: the end of a transaction has an offset, too.
            if (1..=LOOKED_AT).contains(&left) && self.read_blocking(&partition, next, 1)?.is_empty() {
                left = 0;
            }
            backlog += u64::try_from(left).unwrap_or(0);
        }
        Ok(backlog)
    }
}

/// The bound of putting records.
const APPEND_TIMEOUT: Duration = Duration::from_secs(60);
/// A distance to the end that may be made of ends of transactions alone.
const LOOKED_AT: i64 = 16;

#[async_trait]
impl Topics for KafkaTopics {
    async fn join(&self, group: &str, topics: &[TopicName]) -> Result<Membership, PortError> {
        let (this, group, topics) = (self.clone(), group.to_owned(), topics.to_vec());
        blocking(format!("joining group {group}"), move || consumer::join(&this, &group, &topics)).await
    }

    async fn append(&self, records: Vec<Output>) -> Result<(), PortError> {
        self.know_sizes(&records).await;
        let this = self.clone();
        blocking("appending records", move || this.append_blocking(records)).await
    }

    async fn partitions(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        let (this, topic) = (self.clone(), topic.clone());
        blocking(format!("reading the partitions of {topic}"), move || this.lookup().ranges(&topic)).await
    }

    async fn read(&self, partition: &TopicPartition, from: i64, limit: usize) -> Result<Vec<Record>, PortError> {
        let (this, partition) = (self.clone(), partition.clone());
        blocking(format!("reading {partition}"), move || this.read_blocking(&partition, from, limit)).await
    }

    async fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError> {
        let (this, partition) = (self.clone(), partition.clone());
        let doing = format!("finding the offset of time {timestamp_ms} in {partition}");
        blocking(doing, move || this.lookup().offset_at(&partition, timestamp_ms)).await
    }

    async fn backlog(&self, group: &str, topic: &TopicName) -> Result<u64, PortError> {
        let (this, group, topic) = (self.clone(), group.to_owned(), topic.clone());
        let doing = format!("reading the backlog of group {group} on {topic}");
        blocking(doing, move || this.backlog_blocking(&group, &topic)).await
    }
}
