//! One partition as a member reads it: where it is, and what is on its way.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{chaos::Chaos, log::Log};
use crate::{
    domain::record::TopicPartition,
    ports::{Event, Session},
};

/// An event on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) ready: Instant,
    pub(super) event: Event,
}

/// A started partition.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) is_paused: bool,
    pub(super) pipe: VecDeque<Item>,
    session: Session,
    position: i64,
    told_end: Option<i64>,
}

impl Reading {
    pub(super) fn new(session: Session, offset: i64) -> Self {
        Self { is_paused: false, pipe: VecDeque::new(), session, position: offset, told_end: None }
    }

    /// Fetches what is there until enough is on its way.
    pub(super) fn fetch(&mut self, partition: &TopicPartition, log: &Log, chaos: &Chaos) {
        let prefetch = chaos.draw(|_, odds| odds.consumer.prefetch.max(1));
        while !self.is_paused && self.pipe.len() < prefetch {
            let Some(event) = self.next_event(partition, log, chaos) else { return };
            let latency = chaos.draw(|rng, odds| odds.consumer.latency.draw(rng));
            let now = Instant::now() + latency;
            let ready = self.pipe.back().map_or(now, |before| now.max(before.ready));
            self.pipe.push_back(Item { ready, event });
        }
    }

    fn next_event(&mut self, partition: &TopicPartition, log: &Log, chaos: &Chaos) -> Option<Event> {
        let bounds = log.bounds();
        self.position = self.position.max(bounds.start);
        let (partition, session) = (partition.clone(), self.session);
        if log.has_from(self.position) {
            let limit = chaos.draw(|rng, odds| rng.usize(1..=odds.consumer.batch_max.max(1)));
            let records = log.read(self.position, limit);
            self.position = records.last().map_or(self.position, |record| record.source.offset + 1);
            self.told_end = None;
            return Some(Event::Records { partition, session, records });
        }
        // What is left up to the end are offsets that no reader sees.
        self.position = self.position.max(bounds.end);
        if self.told_end == Some(bounds.end) {
            return None;
        }
        self.told_end = Some(bounds.end);
        Some(Event::End { partition, session, offset: bounds.end })
    }
}
