//! Questions about topics: their partitions, offsets, and positions of groups.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    config::ClientConfig,
    consumer::Consumer as _,
    error::KafkaError,
    topic_partition_list::{Offset, TopicPartitionListElem},
    types::RDKafkaErrorCode as Code,
};

use super::{
    Settings,
    context::{Plain, PlainClient},
    error::{asking, failed},
    positions::{self, check_topic, number},
};
use crate::{
    domain::{
        partitioner::partition_of,
        record::{Output, TopicName, TopicPartition},
    },
    ports::{Failure, PortError},
};

/// How long a topic's number of partitions is taken to be the same.
const COUNT_KNOWN_FOR: Duration = Duration::from_secs(60);

/// The group of clients that only look; nothing is ever committed for it, and nobody joins it.
pub(super) const NO_GROUP: &str = "passflow.reader";

/// Where a group stands in a partition: what it committed, and the partition's offsets.
pub(super) type Standing = (TopicPartition, Option<i64>, Range<i64>);

/// Answers questions; blocks meanwhile.
pub(super) struct Lookup {
    settings: Settings,
    /// By group, or by what else they are for; made when first needed.
    clients: Mutex<HashMap<String, Arc<PlainClient>>>,
    counts: Mutex<HashMap<TopicName, (Instant, u32)>>,
    next_without_key: AtomicU32,
}

impl Lookup {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            clients: Mutex::default(),
            counts: Mutex::default(),
            next_without_key: AtomicU32::new(fastrand::u32(..)),
        }
    }

    /// The records with the partitions that their keys belong to, as Java decides it; those without a key go round.
    pub(super) fn place(&self, outputs: Vec<Output>) -> Result<Vec<(Output, i32)>, PortError> {
        let placed = outputs.into_iter().map(|output| {
            let count = self.known_count(&output.topic)?;
            let partition = match &output.key {
                Some(key) => partition_of(key, count),
                None => self.next_without_key.fetch_add(1, Ordering::Relaxed) % count,
            };
            let partition = TopicPartition { topic: output.topic.clone(), partition };
            Ok((output, number(&partition)?))
        });
        placed.collect()
    }

    fn known_count(&self, topic: &TopicName) -> Result<u32, PortError> {
        if let Some((at, count)) = lock(&self.counts).get(topic)
            && at.elapsed() < COUNT_KNOWN_FOR
        {
            return Ok(*count);
        }
        self.existing(topic)
    }

    /// The partitions of a topic that has to exist.
    pub(super) fn existing(&self, topic: &TopicName) -> Result<u32, PortError> {
        match self.count(topic)? {
            0 => {
                let why = "the topic does not exist; `passflow topics create` makes it";
                Err(failed(Failure::Refused, format!("using the topic {topic}"), why))
            }
            count => Ok(count),
        }
    }

    /// How many partitions a topic has; 0 when it does not exist.
    pub(super) fn count(&self, topic: &TopicName) -> Result<u32, PortError> {
        let doing = || format!("reading the partitions of {topic}");
        let name = check_topic(topic.as_str())?;
        let metadata = self.client()?.fetch_metadata(Some(name), self.settings.call_timeout);
        let metadata = metadata.map_err(|error| self.lost(asking(&error, doing())))?;
        if metadata.brokers().is_empty() {
            // Nor does it know the topics: it starts or stops.
            return Err(self.lost(failed(Failure::Down, doing(), "the broker that answered knows of no brokers")));
        }
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else { return Ok(0) };
        if let Some(error) = found.error() {
            let code = Code::from(error);
            if code == Code::UnknownTopicOrPartition {
                return Ok(0);
            }
            return Err(asking(&KafkaError::MetadataFetch(code), doing()));
        }
        let count = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
        lock(&self.counts).insert(topic.clone(), (Instant::now(), count));
        Ok(count)
    }

    /// First offsets and stable ends, by number.
    pub(super) fn ranges(&self, topic: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        let count = self.count(topic)?;
        let partitions: Vec<_> =
            (0..count).map(|partition| TopicPartition { topic: topic.clone(), partition }).collect();
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        // The protocol's own words for "the first" and "the end" where it has a time.
        let firsts = self.offsets(&partitions, Offset::Beginning)?;
        let ends = self.offsets(&partitions, Offset::End)?;
        let range = |(first, end): (Option<i64>, Option<i64>)| first.unwrap_or(0)..end.unwrap_or(0);
        Ok(firsts.into_iter().zip(ends).map(range).collect())
    }

    /// The first offset and the stable end.
    pub(super) fn range(&self, partition: &TopicPartition) -> Result<Range<i64>, PortError> {
        let name = check_topic(partition.topic.as_str())?;
        let range = self.client()?.fetch_watermarks(name, number(partition)?, self.settings.call_timeout);
        let (first, end) =
            range.map_err(|error| self.lost(asking(&error, format!("reading the offsets of {partition}"))))?;
        Ok(first..end)
    }

    /// The first offset at `timestamp_ms` or later, else the end.
    pub(super) fn offset_at(&self, partition: &TopicPartition, timestamp_ms: i64) -> Result<i64, PortError> {
        let found = self.offsets(std::slice::from_ref(partition), Offset::Offset(timestamp_ms.max(0)))?;
        match found.into_iter().flatten().next() {
            Some(offset) => Ok(offset),
            None => Ok(self.range(partition)?.end),
        }
    }

    /// What lies at `time`, in the order asked. Asked again while partitions have no leader, as a new topic's.
    fn offsets(&self, partitions: &[TopicPartition], time: Offset) -> Result<Vec<Option<i64>>, PortError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        let doing = || format!("finding offsets of {} partitions", partitions.len());
        for partition in partitions {
            let added = list.add_partition_offset(check_topic(partition.topic.as_str())?, number(partition)?, time);
            added.map_err(|error| asking(&error, doing()))?;
        }
        let client = self.client()?;
        let deadline = Instant::now() + self.settings.call_timeout;
        let found = loop {
            match found_offsets(&client, list.clone(), self.settings.call_timeout) {
                Ok(found) => break found,
                Err(error) if has_no_leader(&error) && Instant::now() < deadline => {
                    // Nobody tells when there is one.
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(self.lost(asking(&error, doing()))),
            }
        };
        let of = |partition: &TopicPartition| {
            let element = found.find_partition(partition.topic.as_str(), number(partition)?);
            Ok(element.and_then(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }))
        };
        partitions.iter().map(of).collect()
    }

    /// What the group has committed, open transactions left aside, and the partition's stable range.
    pub(super) fn progress(&self, group: &str, topic: &TopicName) -> Result<Vec<Standing>, PortError> {
        let ranges = self.ranges(topic)?;
        let partitions: Vec<_> =
            (0..).zip(&ranges).map(|(partition, _)| TopicPartition { topic: topic.clone(), partition }).collect();
        let client = self.client_of(group, &self.settings.onlooker(group))?;
        let committed = positions::committed(&client, &partitions, self.settings.call_timeout);
        let committed = committed.map_err(|error| self.lost(error))?;
        let offsets = committed.into_iter().map(|position| position.map(|position| position.offset));
        Ok(partitions
            .into_iter()
            .zip(offsets)
            .zip(ranges)
            .map(|((place, offset), range)| (place, offset, range))
            .collect())
    }

    /// The next question is asked by new clients: one that has lost its brokers may have done so for good.
    pub(super) fn lost(&self, error: PortError) -> PortError {
        if error.kind != Failure::Refused {
            // They are closed after the lock is let go: that may take a while.
            let clients = std::mem::take(&mut *lock(&self.clients));
            drop(clients);
        }
        error
    }

    fn client(&self) -> Result<Arc<PlainClient>, PortError> {
        self.client_of(NO_GROUP, &self.settings.reader(NO_GROUP))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The client that is kept as `group`.
    pub(super) fn client_of(&self, group: &str, config: &ClientConfig) -> Result<Arc<PlainClient>, PortError> {
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(group) {
            return Ok(Arc::clone(client));
        }
        let made = config.create_with_context::<_, PlainClient>(Plain::default());
        let client = Arc::new(made.map_err(|error| asking(&error, "making a Kafka client"))?);
        clients.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }
}

fn found_offsets(
    client: &PlainClient,
    list: TopicPartitionList,
    timeout: Duration,
) -> Result<TopicPartitionList, KafkaError> {
    let found = client.offsets_for_times(list, timeout)?;
    found.elements().iter().try_for_each(TopicPartitionListElem::error)?;
    Ok(found)
}

fn has_no_leader(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownLeaderEpoch
                | Code::FencedLeaderEpoch
        )
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
