//! The place of the group becomes another: partitions are added, the group is set back, the topic is made anew.

use std::time::Duration;

use bytes::Bytes;
use passflow::{
    adapters::memory::Odds,
    domain::{
        partitioner::partition_of,
        record::{Position, TopicPartition},
    },
};

use super::{PARTITIONS, PARTITIONS_MAX, Scenario, steps::output};
use crate::process::REQUESTS;

const GROUP: &str = "passflow.passes";

impl Scenario {
    pub(super) async fn change_place(&mut self) {
        match self.random.u8(0..4) {
            0 => self.set_back().await,
            1 => self.make_anew().await,
            _ => self.grow(),
        }
    }

    /// Partitions are added to the requests: most users' keys belong elsewhere from now on.
    fn grow(&mut self) {
        if self.partitions < PARTITIONS_MAX {
            self.counts.growths += 1;
            self.partitions = self.random.u32(self.partitions + 1..=PARTITIONS_MAX);
            self.surroundings.cluster.grow(&REQUESTS.into(), self.partitions);
        }
    }

    /// A request put by somebody who knows an older number of partitions.
    pub(super) fn put_astray(&mut self, key: Bytes, value: String) {
        self.counts.astray += 1;
        let partition = partition_of(&key, self.random.u32(PARTITIONS..=self.partitions));
        self.surroundings.cluster.put_in(partition, output(REQUESTS, Some(key), value));
    }

    /// The group is set back as the guide for operators has it: after a stop of all instances, and if the last one was killed
    /// another one was started before. Some of them die soon after.
    async fn set_back(&mut self) {
        self.calm_down().await;
        let count = self.processes.len();
        for process in std::mem::take(&mut self.processes) {
            process.stop().await;
        }
        for (partition, position) in self.surroundings.cluster.positions(GROUP) {
            if partition.topic.as_str() == REQUESTS && self.random.u8(..) < 150 {
                self.counts.set_back += 1;
                let offset = self.random.i64(0..=position.offset);
                self.set_position(partition, offset);
            }
        }
        (0..count).for_each(|_| self.start_process());
    }

    fn set_position(&self, partition: TopicPartition, offset: i64) {
        let position = Position { offset, metadata: String::new() };
        self.surroundings.cluster.set_position(GROUP, partition, position);
    }

    /// The requests' topic is deleted while some are on their way, and there again at once, with as many partitions as at
    /// first.
    async fn make_anew(&mut self) {
        self.calm_down().await;
        self.counts.made_anew += 1;
        for _ in 0..self.random.u8(0..6) {
            self.request();
            tokio::time::sleep(Duration::from_millis(self.random.u64(0..50))).await;
        }
        self.surroundings.cluster.delete(&REQUESTS.into());
        self.partitions = PARTITIONS;
        for _ in 0..self.random.u8(0..6) {
            self.request();
        }
        // Who dies before it has kept how far the old topic was committed has some of it told once more.
        tokio::time::sleep(Duration::from_secs(20)).await;
        self.processes.iter().for_each(|process| process.chaos.set_odds(self.odds.clone()));
    }

    /// For a while nothing goes wrong, and all partitions are held.
    async fn calm_down(&mut self) {
        if self.processes.is_empty() {
            self.start_process();
        }
        for process in &self.processes {
            process.chaos.thaw();
            process.chaos.set_odds(Odds::default());
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}
