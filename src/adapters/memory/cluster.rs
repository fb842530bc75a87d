//! The topics and their groups, with a real broker's semantics.
//!
//! What differs from a broker: records of an undecided transaction take their offsets when it is decided, and hold back
//! nobody's reading until then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::{Notify, futures::Notified};

use super::{
    chaos::Chaos,
    group::{Group, next},
    log::Logs,
    topics::TopicsClient,
    world::{World, lock},
};
use crate::{
    domain::record::{Output, Position, Record, TopicName, TopicPartition},
    ports::{Dependency, Failure, PortError},
};

/// How a group hands its partitions on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalancing {
    /// Members lose what goes to others, and keep the rest.
    Cooperative,
    /// Members lose all, and get their parts anew.
    Eager,
}

/// What a cluster is like.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Partitions of topics that don't have the usual number ([`super::partitions_by_default`]).
    pub partitions: BTreeMap<TopicName, u32>,
    /// How groups rebalance.
    pub rebalancing: Rebalancing,
    /// How long a member without heartbeats stays in its group.
    pub session_timeout: Duration,
    /// How often members make heartbeats.
    pub heartbeat_interval: Duration,
    /// How long a rebalance waits for a member that has to let go.
    pub rebalance_timeout: Duration,
    /// After how long an unfinished transaction is aborted.
    pub transaction_timeout: Duration,
    /// Whether a transaction leaves an offset in each partition it wrote to that no reader sees.
    pub markers: bool,
    /// The largest record, in bytes of key, value and headers.
    pub record_max_bytes: usize,
    /// The longest metadata of a position, in bytes.
    pub metadata_max_bytes: usize,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            partitions: BTreeMap::new(),
            rebalancing: Rebalancing::Cooperative,
            session_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(20),
            transaction_timeout: Duration::from_secs(10),
            markers: true,
            record_max_bytes: 1 << 20,
            metadata_max_bytes: 4096,
        }
    }
}

/// What no member may ever do, and a broker would let it do: how often it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misuse {
    /// Commits that named a partition which their member did not own.
    pub named_foreign_partition: u64,
    /// Commits begun before the same member's last one had an answer.
    pub overlapping_commits: u64,
}

/// A transaction that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The group.
    pub group: Arc<str>,
    /// The process.
    pub process: String,
    /// The positions.
    pub positions: Vec<(TopicPartition, Position)>,
    /// How many records were put with them.
    pub outputs: usize,
}

/// The brokers. Cheap to clone; all clones are the same cluster.
#[derive(Clone, Debug)]
pub struct MemoryCluster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    settings: ClusterSettings,
    state: Mutex<State>,
    /// No watch channel: that one wakes its waiters in a random order.
    moved: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logs: Logs,
    pub(super) groups: BTreeMap<Arc<str>, Group>,
    pub(super) commits: Vec<Committed>,
    pub(super) next_id: u64,
    pub(super) misuse: Misuse,
}

impl MemoryCluster {
    /// An empty cluster.
    pub fn new(world: &World, settings: ClusterSettings) -> Self {
        let state = Mutex::new(State { logs: Logs::new(settings.partitions.clone()), ..State::default() });
        Self(Arc::new(Shared { world: world.clone(), settings, state, moved: Notify::new() }))
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> TopicsClient {
        TopicsClient::new(self.clone(), chaos.clone())
    }

    /// What was done that never may be.
    pub fn misuse(&self) -> Misuse {
        self.state().misuse
    }

    /// All transactions that were committed, in order.
    pub fn commits(&self) -> Vec<Committed> {
        self.state().commits.clone()
    }

    /// All committed records of `topic`, by partition and offset.
    pub fn records(&self, topic: &TopicName) -> Vec<Record> {
        self.state().logs.topic(topic).iter().flat_map(|log| log.read(0, usize::MAX)).collect()
    }

    /// All positions that `group` has committed.
    pub fn positions(&self, group: &str) -> BTreeMap<TopicPartition, Position> {
        self.state().groups.get(group).map(|group| group.offsets.all()).unwrap_or_default()
    }

    /// How many members `group` has, and its generation.
    pub fn describe_group(&self, group: &str) -> (usize, u64) {
        self.state().groups.get(group).map_or((0, 0), |group| (group.members.len(), group.generation))
    }

    /// Sets `group`'s position as an operator's tool does.
    pub fn set_position(&self, group: &str, partition: TopicPartition, position: Position) {
        let mut state = self.state();
        let id = next(&mut state.next_id);
        state.groups.entry(group.into()).or_default().offsets.set(id, partition, position);
    }

    /// Puts records, whatever goes wrong elsewhere.
    pub fn put(&self, outputs: Vec<Output>) {
        let now_ms = self.world().now_ms();
        let mut state = self.state();
        for output in outputs {
            state.logs.put(output, now_ms);
        }
        drop(state);
        self.moved();
    }

    /// Puts a record as a writer does that has a partitioner, or a number of partitions, of its own.
    pub fn put_in(&self, partition: u32, output: Output) {
        let now_ms = self.world().now_ms();
        let partition = TopicPartition { topic: output.topic.clone(), partition };
        self.state().logs.put_in(&partition, output, now_ms);
        self.moved();
    }

    /// Gives `topic` `count` partitions if it has fewer; its groups rebalance.
    pub fn grow(&self, topic: &TopicName, count: u32) {
        self.state().logs.grow(topic, count);
        let groups: Vec<_> = self.state().groups.keys().cloned().collect();
        for group in groups {
            self.change_group(&group, |group| group.want_rebalance(None));
        }
    }

    /// Deletes `topic` with the positions that groups have in it; its next use makes it anew.
    pub fn delete(&self, topic: &TopicName) {
        let mut state = self.state();
        state.logs.delete(topic);
        for group in state.groups.values_mut() {
            group.offsets.retain(|partition| partition.topic != *topic);
        }
    }

    /// Forgets the records of a partition before `offset`, as retention does.
    pub fn truncate(&self, partition: &TopicPartition, offset: i64) {
        if let Some(log) = self.state().logs.partition_mut(partition) {
            log.truncate(offset);
        }
    }

    /// Makes `group` rebalance so that `partition` goes to another member, if there is another.
    pub fn move_partition(&self, group: &str, partition: &TopicPartition) {
        self.change_group(&group.into(), |group| group.want_rebalance(Some(partition.clone())));
    }

    pub(super) fn backlog_of(&self, group: &str, topic: &TopicName) -> u64 {
        let state = self.state();
        let offsets = state.groups.get(group).map(|group| &group.offsets);
        let logs = state.logs.topic(topic).iter().zip(0_u32..);
        logs.map(|(log, partition)| {
            let partition = TopicPartition { topic: topic.clone(), partition };
            log.count_from(offsets.and_then(|offsets| offsets.get(&partition)).map_or(0, |position| position.offset))
        })
        .sum()
    }

    pub(super) fn world(&self) -> &World {
        &self.0.world
    }

    pub(super) fn settings(&self) -> &ClusterSettings {
        &self.0.settings
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Tells all who wait that something is another way now.
    pub(super) fn moved(&self) {
        self.0.moved.notify_waiters();
    }

    /// Ends when something has become another way since it was made.
    pub(super) fn next_move(&self) -> Notified<'_> {
        self.0.moved.notified()
    }

    /// Refuses records that are too large.
    pub(super) fn check_sizes(&self, outputs: &[Output], doing: &str) -> Result<(), PortError> {
        let max = self.settings().record_max_bytes;
        match outputs.iter().find(|output| content_bytes(output) > max) {
            None => Ok(()),
            Some(output) => Err(PortError {
                kind: Failure::Refused,
                dependency: Dependency::Topics,
                doing: doing.to_owned(),
                message: format!("a record for {} is larger than {max} bytes", output.topic),
            }),
        }
    }
}

fn content_bytes(output: &Output) -> usize {
    let headers = output.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, bytes::Bytes::len));
    let (key, value) = (output.key.as_ref(), output.value.as_ref());
    key.map_or(0, bytes::Bytes::len) + value.map_or(0, bytes::Bytes::len) + headers.sum::<usize>()
}
