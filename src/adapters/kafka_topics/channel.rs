//! What a member's threads tell each other.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::Sender,
    },
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    domain::record::{Record, TopicName, TopicPartition},
    ports::{Event, Failure, PortError, Session},
};

/// What a reader is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Read a partition of the topic with this id from an offset on.
    Start(i32, i64, Session, Option<Arc<str>>),
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

/// Where a member's events go. Cheap to clone.
///
/// What waits there is bounded though the channel is not: records by their bytes, and of the errors that pass one waits
/// at a time. (Each client of a member tells of each try to connect, and whoever takes an error waits before the next.)
#[derive(Clone)]
pub(super) struct Events {
    sender: UnboundedSender<Result<Event, PortError>>,
    waiting: Waiting,
}

/// What nobody has taken yet.
#[derive(Clone, Debug)]
struct Waiting {
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    error: Arc<AtomicBool>,
    alarm: Arc<AtomicBool>,
}

/// The other end.
pub(super) struct Taken {
    receiver: UnboundedReceiver<Result<Event, PortError>>,
    waiting: Waiting,
}

/// Both ends, for records of `bytes_max` bytes, but for what is read at once.
pub(super) fn events(bytes_max: usize) -> (Events, Taken) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Waiting { bytes: Arc::default(), bytes_max, error: Arc::default(), alarm: Arc::default() };
    (Events { sender, waiting: waiting.clone() }, Taken { receiver, waiting })
}

impl Events {
    pub(super) fn send(&self, event: Event) {
        if let Event::Records { records, .. } = &event {
            self.waiting.bytes.fetch_add(size_of(records), Ordering::AcqRel);
        }
        let _nobody_listens = self.sender.send(Ok(event));
    }

    pub(super) fn fail(&self, error: PortError) {
        self.waiting.alarm.store(true, Ordering::Release);
        let passes = error.kind != Failure::Refused;
        if passes && self.waiting.error.swap(true, Ordering::AcqRel) {
            return tracing::debug!(%error, "cannot read; that is known");
        }
        let _nobody_listens = self.sender.send(Err(error));
    }

    /// Whether an error was told since this was asked last.
    pub(super) fn take_alarm(&self) -> bool {
        self.waiting.alarm.swap(false, Ordering::AcqRel)
    }

    /// Whether records may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.bytes.load(Ordering::Acquire) < self.waiting.bytes_max
    }
}

impl Taken {
    /// The next one, and whether there is room for records again since it is taken; `None` when all senders are gone.
    ///
    /// An error that passes is not told when something came after it.
    pub(super) async fn next(&mut self) -> Option<(Result<Event, PortError>, bool)> {
        loop {
            let next = self.receiver.recv().await?;
            match &next {
                Ok(Event::Records { records, .. }) => {
                    let bytes = size_of(records);
                    let before = self.waiting.bytes.fetch_sub(bytes, Ordering::AcqRel);
                    let max = self.waiting.bytes_max;
                    return Some((next, before >= max && before - bytes < max));
                }
                Err(error) if error.kind != Failure::Refused => {
                    self.waiting.error.store(false, Ordering::Release);
                    if self.receiver.is_empty() {
                        return Some((next, false));
                    }
                    tracing::debug!(%error, "could not read; something came since");
                }
                _ => return Some((next, false)),
            }
        }
    }

    /// Drops what waits; nothing comes any more.
    pub(super) fn close(&mut self) {
        self.receiver.close();
        while self.receiver.try_recv().is_ok() {}
    }
}

/// Bytes that records take while they wait to be taken.
fn size_of(records: &[Record]) -> usize {
    records.iter().map(Record::size_bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{adapters::kafka_topics::error::failed, domain::record::TopicPartition, ports::Session};

    fn down() -> PortError {
        failed(Failure::Down, "reading", "all brokers are down")
    }

    fn end(offset: i64) -> Event {
        let partition = TopicPartition { topic: "passes".into(), partition: 0 };
        Event::End { partition, session: Session(1), offset }
    }

    #[tokio::test]
    async fn one_error_that_passes_waits_at_a_time() {
        let (events, mut taken) = events(1 << 20);
        for _ in 0..1000 {
            events.fail(down());
        }
        assert_eq!(taken.receiver.len(), 1);
        assert!(taken.next().await.unwrap().0.is_err());
        events.fail(down());
        assert_eq!(taken.receiver.len(), 1);
    }

    #[tokio::test]
    async fn what_came_after_an_error_that_passes_is_told_at_once_and_a_final_error_always() {
        let (events, mut taken) = events(1 << 20);
        events.fail(down());
        events.send(end(7));
        assert!(matches!(taken.next().await.unwrap().0, Ok(Event::End { offset: 7, .. })));
        events.fail(PortError { kind: Failure::Refused, ..down() });
        events.send(end(8));
        assert_eq!(taken.next().await.unwrap().0.unwrap_err().kind, Failure::Refused);
    }
}
