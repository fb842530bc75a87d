//! The topics beside the process that works on them: work is put there, and signs of work are seen.

use bytes::Bytes;
use passflow::{
    domain::record::{Output, TopicName},
    settings::Names,
    simulator::Simulator,
    wiring::Store,
};
use tokio::runtime::Runtime;

/// The topics, beside the process that works on them.
pub struct Topics<'a> {
    pub store: &'a Store,
    pub names: &'a Names,
    pub groups: &'a [String],
    pub runtime: &'a Runtime,
}

/// What a kill waits for: the count of one kind of work moves on.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// Records of a topic: 0 requests, 1 waiting for another round, 2 events.
    Put(usize),
    /// Positions that the groups committed.
    Committed,
    /// Requests that Bytemark was asked.
    Asked,
}

pub const SIGNS: [Sign; 5] = [Sign::Put(0), Sign::Put(1), Sign::Put(2), Sign::Committed, Sign::Asked];

impl Topics<'_> {
    pub fn put(&self, topic: &str, key: String, value: String) {
        let output = Output {
            topic: TopicName::from(topic),
            key: Some(Bytes::from(key)),
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        };
        self.runtime.block_on(self.store.topics.append(vec![output])).unwrap();
    }

    pub fn count(&self, sign: Sign, simulator: &Simulator) -> u64 {
        let names = [&self.names.requests, &self.names.retry, &self.names.ticket_changed];
        let count: i64 = match sign {
            Sign::Put(topic) => {
                let topic = TopicName::from(names[topic].as_str());
                self.runtime.block_on(self.store.topics.partitions(&topic)).unwrap().iter().map(|range| range.end).sum()
            }
            Sign::Committed => {
                let committed = self.runtime.block_on(self.store.catalog.committed(self.groups)).unwrap();
                committed.iter().map(|(_, _, offset)| offset).sum()
            }
            Sign::Asked => {
                let counts = simulator.counts();
                (counts.active + counts.history).cast_signed()
            }
        };
        count.cast_unsigned()
    }
}
