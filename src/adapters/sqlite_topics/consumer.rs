//! A member's reading side.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    SqliteTopics,
    committer::{Member, SqliteCommitter},
    failed, read,
    record_codec::{self, Stored},
};
use crate::{
    adapters::sqlite_store::{StoreError, Tx},
    domain::record::{Position, TopicName, TopicPartition},
    ports::{Consumer, Event, Membership, PortError, Release, Session},
};

/// How much a consumer reads at once.
#[derive(Clone, Copy, Debug)]
pub struct FetchSettings {
    /// Records of one partition at most.
    pub records_max: usize,
    /// Bytes of all partitions at most, unless one batch of records is larger.
    pub bytes_max: usize,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self { records_max: 1000, bytes_max: 1 << 20 }
    }
}

/// Partitions that one query reads at most.
const PARTITIONS_MAX: usize = 16;

pub(super) async fn join(topics: &SqliteTopics, group: &str, names: &[TopicName]) -> Result<Membership, StoreError> {
    let by_name = topics.catalog.all_of(&topics.store, names.iter()).await?;
    let mut partitions = HashMap::new();
    for topic in by_name.values() {
        let numbers = 0..topic.partitions;
        partitions.extend(numbers.map(|number| (topic.topic_partition(number), topic.partition_id(number))));
    }
    let name = group.to_owned();
    let generation = topics.store.write(move |tx| Box::pin(async move { next_generation(tx, &name).await })).await?;
    topics.store.ends().refresh().await?;
    let member = Arc::new(Member::new(group, generation, partitions));
    let consumer = SqliteConsumer::new(topics.clone(), Arc::clone(&member));
    let committer = Arc::new(SqliteCommitter { topics: topics.clone(), member });
    Ok(Membership { consumer: Box::new(consumer), committer })
}

async fn next_generation(tx: &mut Tx, group: &str) -> Result<i64, StoreError> {
    let generation = sqlx::query_scalar(
        "INSERT INTO consumer_groups (name, generation) VALUES (?, 1) \
         ON CONFLICT (name) DO UPDATE SET generation = generation + 1 RETURNING generation",
    );
    Ok(generation.bind(group).fetch_one(&mut tx.connection).await?)
}

/// An owned partition that was started.
struct Reading {
    partition: TopicPartition,
    id: i64,
    session: Session,
    /// The offset to read next.
    next: i64,
    /// The last end that was told.
    told_end: Option<i64>,
}

impl Reading {
    fn end_event(&mut self, end: i64) -> Option<Event> {
        if self.next < end || self.told_end == Some(self.next) {
            return None;
        }
        self.told_end = Some(self.next);
        Some(Event::End { partition: self.partition.clone(), session: self.session, offset: self.next })
    }
}

/// What a round asks of one partition.
struct Wanted {
    id: i64,
    from: i64,
    /// The end that was known before the query.
    end: i64,
}

struct SqliteConsumer {
    topics: SqliteTopics,
    member: Arc<Member>,
    ends_moved: watch::Receiver<()>,
    /// What happens next; records that were read ahead among it.
    ready: VecDeque<Event>,
    reading: Vec<Reading>,
    /// The ids of paused partitions.
    paused: HashSet<i64>,
    /// Where the next round begins, so that each partition comes first in turn.
    turn: usize,
    sessions: u64,
    /// Another member has taken over, and that was told.
    revoked: bool,
}

impl SqliteConsumer {
    fn new(topics: SqliteTopics, member: Arc<Member>) -> Self {
        let mut partitions: Vec<_> = member.partitions.keys().cloned().collect();
        partitions.sort_unstable();
        let assigned = Event::Assigned { ownership: member.ownership(), partitions };
        let ends_moved = topics.store.ends().subscribe();
        Self {
            topics,
            member,
            ends_moved,
            ready: VecDeque::from([assigned]),
            reading: Vec::new(),
            paused: HashSet::new(),
            turn: 0,
            sessions: 0,
            revoked: false,
        }
    }

    /// Reads ahead from the partitions that have more, and notes the ends that were reached. Whether there is
    /// anything ready now.
    async fn fetch(&mut self) -> Result<bool, StoreError> {
        self.topics.store.ends().refresh_when_due().await?;
        let wanted = self.next_round();
        if !wanted.is_empty() {
            let FetchSettings { records_max, bytes_max } = self.topics.fetch;
            let reader = &mut *self.topics.store.reader().await?;
            let places: Vec<_> = wanted.iter().map(|wanted| (wanted.id, wanted.from)).collect();
            let batches = read::batches(reader, &places, records_max, bytes_max).await?;
            // No waiting from here on: a dropped future has not moved any position.
            self.take(&wanted, batches)?;
        }
        self.note_ends();
        Ok(!self.ready.is_empty())
    }

    /// Partitions that have more, with where to read on and their ends.
    fn next_round(&mut self) -> Vec<Wanted> {
        let ends = self.topics.store.ends();
        let start = self.turn % self.reading.len().max(1);
        let (before, from) = self.reading.split_at(start.min(self.reading.len()));
        let more = |reading: &Reading| {
            let wanted = Wanted { id: reading.id, from: reading.next, end: ends.of(reading.id) };
            (wanted.from < wanted.end && !self.paused.contains(&wanted.id)).then_some(wanted)
        };
        let wanted: Vec<_> = from.iter().chain(before).filter_map(more).take(PARTITIONS_MAX).collect();
        self.turn = self.turn.wrapping_add(PARTITIONS_MAX);
        wanted
    }

    fn take(&mut self, wanted: &[Wanted], batches: Vec<(i64, Stored)>) -> Result<(), StoreError> {
        let mut by_partition: HashMap<i64, Vec<Stored>> = HashMap::new();
        for (partition_id, batch) in batches {
            by_partition.entry(partition_id).or_default().push(batch);
        }
        // Beside those of others, no batch may also mean that these were large enough.
        let nothing_came = by_partition.is_empty();
        for Wanted { id, from, end } in wanted {
            let Some(reading) = self.reading.iter_mut().find(|reading| reading.id == *id) else { continue };
            let mut records = Vec::new();
            for batch in by_partition.remove(id).unwrap_or_default() {
                record_codec::decode(batch, &reading.partition, *from, self.topics.fetch.records_max, &mut records)?;
            }
            if let Some(last) = records.last() {
                reading.next = last.source.offset + 1;
                let (partition, session) = (reading.partition.clone(), reading.session);
                self.ready.push_back(Event::Records { partition, session, records });
            } else if nothing_came {
                // All that was there has gone by age.
                reading.next = *end;
            }
        }
        Ok(())
    }

    fn note_ends(&mut self) {
        let ends = self.topics.store.ends();
        for reading in self.reading.iter_mut().filter(|reading| !self.paused.contains(&reading.id)) {
            self.ready.extend(reading.end_event(ends.of(reading.id)));
        }
    }

    /// Until this or another process has put something, or another member has taken over.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.ends_moved.changed() => {}
            () = tokio::time::sleep(self.topics.store.ends().interval()) => {}
            () = self.member.taken_over.notified(), if !self.revoked => self.revoke(),
        }
    }

    fn revoke(&mut self) {
        self.revoked = true;
        self.member.leave();
        self.reading.clear();
        let mut partitions: Vec<_> = self.member.partitions.keys().cloned().collect();
        partitions.sort_unstable();
        let (ownership, release) = (self.member.ownership(), Release::default());
        self.ready.push_back(Event::Revoked { ownership, partitions, release });
    }

    fn failed(&self, error: StoreError, doing: &str) -> PortError {
        failed(error, format!("{doing} of group {}", self.member.group))
    }
}

#[async_trait]
impl Consumer for SqliteConsumer {
    async fn next(&mut self) -> Result<Event, PortError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            // Seen before the fetch looks: what is put during it wakes the wait below.
            self.ends_moved.borrow_and_update();
            if !self.fetch().await.map_err(|error| self.failed(error, "reading records"))? {
                self.wait().await;
            }
        }
    }

    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Position>, PortError> {
        let positions = async {
            let id = |partition| self.member.partitions.get(partition).copied();
            let ids: Option<Vec<i64>> = partitions.iter().map(id).collect();
            let ids = ids.ok_or_else(|| StoreError::refused("a partition is not owned"))?;
            read::positions(&mut *self.topics.store.reader().await?, &self.member.group, &ids).await
        };
        positions.await.map_err(|error| self.failed(error, "reading the positions"))
    }

    async fn start(&mut self, partition: &TopicPartition, offset: i64) -> Result<Session, PortError> {
        let Some(id) = self.member.partitions.get(partition).copied().filter(|_| !self.revoked) else {
            return Err(self.failed(StoreError::refused(format!("{partition} is not owned")), "starting a partition"));
        };
        self.ready.retain(|event| !is_of(event, partition));
        self.sessions += 1;
        let session = Session(self.sessions);
        self.reading.retain(|reading| reading.id != id);
        let partition = partition.clone();
        self.reading.push(Reading { partition, id, session, next: offset, told_end: None });
        Ok(session)
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        let Some(id) = self.member.partitions.get(partition).copied() else { return };
        if paused {
            self.paused.insert(id);
        } else {
            self.paused.remove(&id);
        }
    }

    async fn leave(self: Box<Self>) {
        // Dropping it does all.
    }
}

fn is_of(event: &Event, partition: &TopicPartition) -> bool {
    matches!(event, Event::Records { partition: of, .. } | Event::End { partition: of, .. } if of == partition)
}

impl Drop for SqliteConsumer {
    fn drop(&mut self) {
        self.member.leave();
    }
}
