//! Topics as logs: records, offsets, and the offsets that no reader sees.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use crate::domain::{
    partitioner::partition_of,
    record::{Output, Record, Source, TopicName, TopicPartition},
};

/// How many partitions `topic` has when nothing else is said.
pub fn partitions_by_default(topic: &str) -> u32 {
    match topic {
        "bytemark.ticks" => 1,
        "bytemark.pass-requests" | "parkmobile.responses" | "bytemark.ticket-changed" => 12,
        _ => 3,
    }
}

/// One partition: its records by offset, with gaps where transactions ended.
#[derive(Debug, Default)]
pub(super) struct Log {
    records: BTreeMap<i64, Arc<Record>>,
    first: i64,
    end: i64,
}

impl Log {
    pub(super) fn bounds(&self) -> Range<i64> {
        self.first..self.end
    }

    /// At most `limit` records from `offset` on.
    pub(super) fn read(&self, offset: i64, limit: usize) -> Vec<Record> {
        self.records.range(offset..).take(limit).map(|(_, record)| Record::clone(record)).collect()
    }

    pub(super) fn has_from(&self, offset: i64) -> bool {
        self.records.range(offset..).next().is_some()
    }

    pub(super) fn count_from(&self, offset: i64) -> u64 {
        self.records.range(offset..).count() as u64
    }

    pub(super) fn offset_at(&self, timestamp_ms: i64) -> i64 {
        let found = self.records.iter().find(|(_, record)| record.source.timestamp_ms >= timestamp_ms);
        found.map_or(self.end, |(offset, _)| *offset)
    }

    /// Forgets the records before `offset`, as retention does.
    pub(super) fn truncate(&mut self, offset: i64) {
        self.first = offset.clamp(self.first, self.end);
        self.records = self.records.split_off(&self.first);
    }
}

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Logs {
    topics: BTreeMap<TopicName, Vec<Log>>,
    /// How often a topic of each name was deleted: what tells topics of one name apart.
    deleted: BTreeMap<TopicName, u64>,
    counts: BTreeMap<TopicName, u32>,
    keyless: u32,
}

impl Logs {
    /// Topics that will have these numbers of partitions.
    pub(super) fn new(counts: BTreeMap<TopicName, u32>) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Makes `topic` unless it exists.
    pub(super) fn ensure(&mut self, topic: &TopicName) -> &mut Vec<Log> {
        let count = self.counts.get(topic).copied().unwrap_or_else(|| partitions_by_default(topic.as_str())).max(1);
        self.topics.entry(topic.clone()).or_insert_with(|| (0..count).map(|_| Log::default()).collect())
    }

    /// Gives `topic` more partitions.
    pub(super) fn grow(&mut self, topic: &TopicName, count: u32) {
        let logs = self.ensure(topic);
        while logs.len() < count as usize {
            logs.push(Log::default());
        }
    }

    /// Deletes `topic`; it is made anew at its next use.
    pub(super) fn delete(&mut self, topic: &TopicName) {
        if self.topics.remove(topic).is_some() {
            *self.deleted.entry(topic.clone()).or_default() += 1;
        }
    }

    /// The topic's id.
    pub(super) fn id(&self, topic: &TopicName) -> u64 {
        self.deleted.get(topic).copied().unwrap_or(0)
    }

    pub(super) fn topic(&self, topic: &TopicName) -> &[Log] {
        self.topics.get(topic).map_or(&[], Vec::as_slice)
    }

    pub(super) fn partition(&self, partition: &TopicPartition) -> Option<&Log> {
        self.topic(&partition.topic).get(partition.partition as usize)
    }

    pub(super) fn partition_mut(&mut self, partition: &TopicPartition) -> Option<&mut Log> {
        self.ensure(&partition.topic).get_mut(partition.partition as usize)
    }

    /// Puts one record where its key belongs, and tells where.
    pub(super) fn put(&mut self, output: Output, now_ms: i64) -> TopicPartition {
        let partition = self.place(&output);
        self.put_in(&partition, output, now_ms);
        partition
    }

    /// Puts one record where its writer wants it, if there is such a partition.
    pub(super) fn put_in(&mut self, partition: &TopicPartition, output: Output, now_ms: i64) {
        let Some(log) = self.partition_mut(partition) else { return };
        let offset = log.end;
        let source =
            Source { topic: partition.topic.clone(), partition: partition.partition, offset, timestamp_ms: now_ms };
        let Output { key, value, headers, .. } = output;
        log.records.insert(offset, Arc::new(Record { source, key, value, headers }));
        log.end += 1;
    }

    /// Puts one record of a transaction that is aborted: it takes its offset, and no reader sees it.
    pub(super) fn put_unseen(&mut self, output: &Output) -> TopicPartition {
        let partition = self.place(output);
        self.skip(&partition);
        partition
    }

    /// Takes one offset that no reader sees, as a transaction's marker does.
    pub(super) fn skip(&mut self, partition: &TopicPartition) {
        if let Some(log) = self.partition_mut(partition) {
            log.end += 1;
        }
    }

    fn place(&mut self, output: &Output) -> TopicPartition {
        let count = u32::try_from(self.ensure(&output.topic).len()).unwrap_or(u32::MAX);
        let partition = if let Some(key) = &output.key {
            partition_of(key, count)
        } else {
            self.keyless = self.keyless.wrapping_add(1);
            self.keyless % count.max(1)
        };
        TopicPartition { topic: output.topic.clone(), partition }
    }
}
