//! What a member's threads tell each other.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicUsize, mpsc::Sender},
};

use tokio::sync::mpsc::UnboundedSender;

use crate::{
    domain::record::{Record, TopicName, TopicPartition},
    ports::{Event, PortError, Session},
};

/// What a reader is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Read a partition from an offset on.
    Start(i32, i64, Session),
    /// Hold a partition back, or go on.
    Pause(i32, bool),
    /// Read these partitions no more.
    Stop(Vec<i32>),
    /// Something came, or there is room again.
    Wake,
    /// End.
    Leave,
}

/// The readers of a member, by topic. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(pub(super) Arc<BTreeMap<TopicName, Sender<Command>>>);

impl Readers {
    /// Tells a topic's reader; nothing happens when it has ended.
    pub(super) fn tell(&self, topic: &TopicName, command: Command) {
        if let Some(reader) = self.0.get(topic) {
            let _ended = reader.send(command);
        }
    }

    pub(super) fn tell_all(&self, command: impl Fn() -> Command) {
        self.0.values().for_each(|reader| drop(reader.send(command())));
    }

    pub(super) fn stop(&self, partitions: &[TopicPartition]) {
        for topic in self.0.keys() {
            let of_topic = partitions.iter().filter(|partition| partition.topic == *topic);
            let numbers: Vec<i32> = of_topic.filter_map(|partition| i32::try_from(partition.partition).ok()).collect();
            self.tell(topic, Command::Stop(numbers));
        }
    }
}

/// Where a member's events go, with the bytes of the records that nobody has taken yet.
#[derive(Clone)]
pub(super) struct Events {
    pub(super) sender: UnboundedSender<Result<Event, PortError>>,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
}

impl Events {
    pub(super) fn send(&self, event: Event) {
        let _nobody_listens = self.sender.send(Ok(event));
    }

    pub(super) fn fail(&self, error: PortError) {
        let _nobody_listens = self.sender.send(Err(error));
    }
}

/// Bytes that records take while they wait to be taken.
pub(super) fn size_of(records: &[Record]) -> usize {
    records.iter().map(Record::size_bytes).sum()
}
