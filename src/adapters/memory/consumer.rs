//! A member's reading side.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::futures::Notified,
    task::coop::consume_budget,
    time::{Instant, sleep_until},
};

use super::{
    chaos::Chaos,
    cluster::MemoryCluster,
    group::next,
    mailbox::{Mailbox, Notice},
    reading::{Item, Reading},
};
use crate::{
    domain::record::{Position, TopicName, TopicPartition},
    ports::{Consumer, Dependency, Event, Failure, Ownership, PortError, Release, Session},
};

/// How often an outage is reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// One member. When it is dropped without leaving, its heartbeats end, and its session after a while.
pub(super) struct MemoryConsumer {
    cluster: MemoryCluster,
    group: Arc<str>,
    chaos: Chaos,
    mailbox: Arc<Mailbox>,
    owned: BTreeSet<TopicPartition>,
    readings: BTreeMap<TopicPartition, Reading>,
    /// What was on its way when a partition was started anew or revoked.
    stale: Vec<Item>,
    /// The topics' ids when positions were asked for last.
    ids: BTreeMap<TopicName, u64>,
    report_outage_at: Instant,
}

impl MemoryConsumer {
    pub(super) fn new(cluster: MemoryCluster, group: Arc<str>, chaos: Chaos, mailbox: Arc<Mailbox>) -> Self {
        Self {
            cluster,
            group,
            chaos,
            mailbox,
            owned: BTreeSet::new(),
            readings: BTreeMap::new(),
            stale: Vec::new(),
            ids: BTreeMap::new(),
            report_outage_at: Instant::now(),
        }
    }

    fn error(&self, kind: Failure, doing: &str) -> PortError {
        self.chaos.error(kind, Dependency::Topics, doing)
    }

    fn is_down(&self) -> bool {
        self.cluster.world().is_down(Dependency::Topics)
    }

    fn outage(&mut self) -> Option<PortError> {
        if !self.is_down() || Instant::now() < self.report_outage_at {
            return None;
        }
        self.report_outage_at = Instant::now() + REPORT_EVERY;
        Some(self.error(Failure::Down, "poll"))
    }

    /// What the coordinator says, if it has arrived.
    fn notice(&mut self) -> Option<Event> {
        let event = match self.mailbox.pop()? {
            Notice::Event(event) => event,
            Notice::Lost(ownership) => self.all_revoked(ownership),
        };
        match &event {
            Event::Assigned { partitions, .. } => self.owned.extend(partitions.iter().cloned()),
            Event::Revoked { partitions, .. } => partitions.iter().for_each(|partition| self.forget(partition)),
            Event::Records { .. } | Event::End { .. } | Event::Ended(_) => {}
        }
        Some(event)
    }

    fn all_revoked(&self, ownership: Ownership) -> Event {
        let partitions = self.owned.iter().cloned().collect();
        Event::Revoked { ownership, partitions, release: Release::default() }
    }

    fn forget(&mut self, partition: &TopicPartition) {
        self.owned.remove(partition);
        self.end_reading(partition);
    }

    fn end_reading(&mut self, partition: &TopicPartition) {
        let Some(reading) = self.readings.remove(partition) else { return };
        for mut item in reading.pipe {
            if self.chaos.happens(|odds| odds.consumer.stale) {
                item.ready += self.chaos.draw(|rng, odds| odds.consumer.stale_by.draw(rng));
                self.stale.push(item);
            }
        }
        self.stale.sort_by_key(|item| item.ready);
    }

    /// A topic that is read was deleted, and there is another of its name.
    fn made_anew(&mut self) -> Option<Event> {
        let state = self.cluster.state();
        let is_another =
            |(name, id): &(&TopicName, &u64)| !state.logs.topic(name).is_empty() && state.logs.id(name) != **id;
        let topic = self.ids.iter().find(is_another).map(|(name, _)| name.clone())?;
        drop(state);
        self.ids.remove(&topic);
        let message = format!("{topic} was deleted and made anew");
        Some(Event::Ended(PortError { message, ..self.error(Failure::Down, "poll") }))
    }

    fn fetch(&mut self) {
        if self.is_down() {
            return;
        }
        let state = self.cluster.state();
        for (partition, reading) in &mut self.readings {
            if let Some(log) = state.logs.partition(partition) {
                reading.fetch(partition, log, &self.chaos);
            }
        }
    }

    /// An event that has arrived, of any partition.
    fn arrived(&mut self) -> Option<Result<Event, PortError>> {
        let now = Instant::now();
        let stale = self.stale.first().is_some_and(|item| item.ready <= now);
        let ready = |reading: &Reading| reading.pipe.front().is_some_and(|item| item.ready <= now);
        let mut partitions: Vec<Option<TopicPartition>> =
            self.readings.iter().filter(|(_, reading)| ready(reading)).map(|(name, _)| Some(name.clone())).collect();
        partitions.extend(stale.then_some(None));
        if partitions.is_empty() {
            return None;
        }
        if self.chaos.happens(|odds| odds.consumer.error) {
            return Some(Err(self.error(Failure::Down, "poll")));
        }
        if self.chaos.happens(|odds| odds.consumer.ended) {
            return Some(Ok(Event::Ended(self.error(Failure::Down, "poll"))));
        }
        let chosen = partitions.swap_remove(self.chaos.draw(|rng, _| rng.usize(0..partitions.len())));
        let item = match chosen {
            None => Some(self.stale.remove(0)),
            Some(partition) => self.readings.get_mut(&partition).and_then(|reading| reading.pipe.pop_front()),
        };
        item.map(|item| Ok(item.event))
    }

    /// Waits until something may have arrived.
    async fn wait(&self, moved: Notified<'_>) {
        let items = self.readings.values().filter_map(|reading| reading.pipe.front()).chain(self.stale.first());
        let next_item = items.map(|item| item.ready).min();
        let now = Instant::now();
        let at = [next_item, self.mailbox.next_at()].into_iter().flatten().min().unwrap_or(now + REPORT_EVERY);
        tokio::select! {
            biased;
            () = moved => {}
            () = sleep_until(at.min(now + REPORT_EVERY)) => {}
        }
    }

    fn note_ids(&mut self, partitions: &[TopicPartition]) {
        let state = self.cluster.state();
        let topics = partitions.iter().map(|partition| &partition.topic);
        self.ids.extend(topics.map(|topic| (topic.clone(), state.logs.id(topic))));
    }

    fn positions(&self, partitions: &[TopicPartition]) -> Option<Vec<Position>> {
        let state = self.cluster.state();
        let group = state.groups.get(&self.group);
        let is_stable = |partition| group.is_none_or(|group| group.offsets.is_stable(partition));
        if !partitions.iter().all(is_stable) {
            return None;
        }
        let position = |partition| {
            let stored = group.and_then(|group| group.offsets.get(partition)).cloned();
            stored.unwrap_or_else(|| Position {
                offset: state.logs.partition(partition).map_or(0, |log| log.bounds().start),
                metadata: String::new(),
            })
        };
        Some(partitions.iter().map(position).collect())
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Result<Event, PortError> {
        let cluster = self.cluster.clone();
        loop {
            // A member with much to read would else never let others run.
            consume_budget().await;
            self.chaos.running().await;
            let moved = cluster.next_move();
            if let Some(error) = self.outage() {
                return Err(error);
            }
            if let Some(event) = self.notice() {
                return Ok(event);
            }
            if let Some(event) = self.made_anew() {
                return Ok(event);
            }
            self.fetch();
            if let Some(outcome) = self.arrived() {
                return outcome;
            }
            self.wait(moved).await;
        }
    }

    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Position>, PortError> {
        self.chaos.call(self.cluster.world(), Dependency::Topics, "ask for committed positions", || Ok(())).await?;
        let cluster = self.cluster.clone();
        loop {
            let moved = cluster.next_move();
            if let Some(positions) = self.positions(partitions) {
                self.note_ids(partitions);
                self.chaos.running().await;
                return Ok(positions);
            }
            moved.await;
        }
    }

    fn topic_id(&self, topic: &TopicName) -> Option<Arc<str>> {
        self.ids.get(topic).map(|id| id.to_string().into())
    }

    async fn start(&mut self, partition: &TopicPartition, offset: i64) -> Result<Session, PortError> {
        self.chaos.running().await;
        if !self.owned.contains(partition) {
            let message = format!("{partition} is not owned");
            return Err(PortError { message, ..self.error(Failure::Refused, "start to read") });
        }
        if self.is_down() || self.chaos.happens(|odds| odds.topics.down) {
            return Err(self.error(Failure::Down, "start to read"));
        }
        self.end_reading(partition);
        let session = Session(next(&mut self.cluster.state().next_id));
        self.cluster.world().note(self.chaos.name(), format_args!("reads {partition} from {offset} as {session:?}"));
        self.readings.insert(partition.clone(), Reading::new(session, offset));
        Ok(session)
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(reading) = self.readings.get_mut(partition) {
            reading.is_paused = paused;
        }
    }

    async fn leave(self: Box<Self>) {
        let (cluster, group, mailbox) = (self.cluster.clone(), self.group.clone(), self.mailbox.clone());
        self.mailbox.leave();
        let left = move || {
            cluster.leave(&group, &mailbox);
            Ok(())
        };
        // Unheard, it is put out when its session ends.
        drop(self.chaos.call(self.cluster.world(), Dependency::Topics, "leave the group", left).await);
    }
}
