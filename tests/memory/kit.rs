//! What the tests share.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use passflow::{
    adapters::memory::{Chaos, ClusterSettings, MemoryCluster, World},
    domain::{
        record::{Output, Position, TopicName, TopicPartition},
        user_id::UserId,
    },
    ports::{Batch, Committer, Consumer, Event, Ownership, PortError, Release, Topics},
};
use tokio::time::timeout;

pub(crate) const BASE_MS: i64 = 1_800_000_000_000;
pub(crate) const GROUP: &str = "g";

/// Runs `test` in virtual time.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { timeout(Duration::from_hours(24), test).await.expect("the test hangs") })
}

pub(crate) fn user(number: i64) -> UserId {
    UserId::new(number).unwrap()
}

pub(crate) fn topic() -> TopicName {
    "in".into()
}

pub(crate) fn partition(partition: u32) -> TopicPartition {
    TopicPartition { topic: topic(), partition }
}

pub(crate) fn output(topic: &str, key: &str, value: &str) -> Output {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    Output { topic: topic.into(), key: Some(key), value: Some(value), headers: Vec::new() }
}

pub(crate) fn position(offset: i64) -> Position {
    Position { offset, metadata: String::new() }
}

/// A cluster whose topic `in` has `partitions` partitions, and `out` one.
pub(crate) fn cluster(world: &World, partitions: u32, change: impl FnOnce(&mut ClusterSettings)) -> MemoryCluster {
    let mut settings = ClusterSettings::default();
    settings.partitions.insert(topic(), partitions);
    settings.partitions.insert("out".into(), 1);
    change(&mut settings);
    MemoryCluster::new(world, settings)
}

/// A member with what it was last told.
pub(crate) struct Member {
    pub(crate) consumer: Box<dyn Consumer>,
    pub(crate) committer: Arc<dyn Committer>,
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) ownership: Ownership,
}

impl Member {
    pub(crate) async fn join(cluster: &MemoryCluster, chaos: &Chaos) -> Self {
        let joined = cluster.client(chaos).join(GROUP, &[topic()]).await.unwrap();
        let (consumer, committer) = (joined.consumer, joined.committer);
        Self { consumer, committer, owned: Vec::new(), ownership: Ownership(0) }
    }

    pub(crate) async fn next(&mut self) -> Result<Event, PortError> {
        let event = self.consumer.next().await?;
        match &event {
            Event::Assigned { ownership, partitions } => {
                self.ownership = *ownership;
                self.owned.extend(partitions.iter().cloned());
                self.owned.sort();
            }
            Event::Revoked { ownership, partitions, .. } => {
                self.ownership = *ownership;
                self.owned.retain(|owned| !partitions.contains(owned));
            }
            _ => {}
        }
        Ok(event)
    }

    /// What happens within `within`, if anything.
    pub(crate) async fn next_within(&mut self, within: Duration) -> Option<Event> {
        timeout(within, self.next()).await.ok().map(Result::unwrap)
    }

    /// Takes everything that happens within `within`, lets go what is asked for, and gives back the names of what it saw.
    pub(crate) async fn settle(&mut self, within: Duration) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(event) = self.next_within(within).await {
            seen.push(describe(&event));
        }
        seen
    }

    /// The next rebalance event's release, if it revokes.
    pub(crate) async fn next_revoked(&mut self) -> (Vec<TopicPartition>, Release) {
        loop {
            if let Event::Revoked { partitions, release, .. } = self.next().await.unwrap() {
                return (partitions, release);
            }
        }
    }

    pub(crate) fn batch(&self, partition: &TopicPartition, offset: i64, outputs: Vec<Output>) -> Batch {
        Batch { ownership: self.ownership, outputs, positions: vec![(partition.clone(), position(offset))] }
    }
}

pub(crate) fn describe(event: &Event) -> String {
    let names = |partitions: &[TopicPartition]| {
        partitions.iter().map(|p| p.partition.to_string()).collect::<Vec<_>>().join(",")
    };
    match event {
        Event::Assigned { partitions, .. } => format!("assigned {}", names(partitions)),
        Event::Revoked { partitions, .. } => format!("revoked {}", names(partitions)),
        Event::Records { partition, records, .. } => {
            let offsets: Vec<String> = records.iter().map(|record| record.source.offset.to_string()).collect();
            format!("records {}@{}", partition.partition, offsets.join(","))
        }
        Event::Ended(error) => format!("ended: {error}"),
        Event::End { partition, offset, .. } => format!("end {}@{offset}", partition.partition),
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
