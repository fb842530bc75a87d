//! Reading one topic on a thread of its own, by a client that is in no group.
//!
//! One client a topic: the driver tells of a partition's end its number alone, and not the topic.

mod trouble;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, Message as _},
    topic_partition_list::Offset,
};

use super::{
    KafkaTopics,
    channel::{Command, Events},
    context::PlainClient,
    error::asking,
    record_codec,
};
use crate::{
    domain::record::{Record, TopicName, TopicPartition},
    ports::{Event, Failure, PortError, Session},
};

/// A partition that is read.
struct Place {
    session: Session,
    /// Of the topic whose offsets are meant.
    topic_id: Option<Arc<str>>,
    /// The offset to read next.
    next: i64,
    paused: bool,
}

/// Records of one partition in a row.
struct Run {
    partition: i32,
    records: Vec<Record>,
    bytes: usize,
}

/// Records that are told at once, at most.
const RUN_RECORDS: usize = 500;
const RUN_BYTES: usize = 1 << 20;
/// How often the client's own events are looked for when nothing comes.
const IDLE: Duration = Duration::from_millis(200);

/// Nothing may also mean that one of the client's own events was served, log lines above all: the driver does not tell.
/// Records wait behind them, so more than one after the other are taken for the queue's end; an empty poll is cheap.
const NOTHING_MAX: usize = 32;

/// Reads one topic.
pub(super) struct Reader {
    pub(super) client: Arc<PlainClient>,
    pub(super) topic: TopicName,
    pub(super) commands: Receiver<Command>,
    pub(super) events: Events,
    topics: KafkaTopics,
    places: HashMap<i32, Place>,
    /// The topic is not the one any more that was read: all was told.
    is_over: bool,
}

impl Reader {
    pub(super) fn new(
        client: Arc<PlainClient>,
        topic: TopicName,
        commands: Receiver<Command>,
        events: Events,
        topics: KafkaTopics,
    ) -> Self {
        Self { client, topic, commands, events, topics, places: HashMap::new(), is_over: false }
    }

    /// Reads until it is told to end.
    pub(super) fn run(mut self) {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                if !self.obey(command) {
                    return;
                }
            }
            if !self.is_made_anew() && self.events.has_room() && self.read() {
                continue;
            }
            let goes_on = match self.commands.recv_timeout(IDLE) {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Whether to go on.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Start(partition, offset, session, topic_id) => {
                self.unassign(partition);
                self.places.insert(partition, Place { session, topic_id, next: offset, paused: false });
                self.assign(partition, offset);
            }
            Command::Pause(partition, paused) => self.pause(partition, paused),
            Command::Stop(partitions) => partitions.into_iter().for_each(|partition| self.unassign(partition)),
            Command::Wake => {}
            Command::Leave => return false,
        }
        true
    }

    /// What is assigned anew begins at its offset at once. The driver's own resume takes up to a second.
    fn pause(&mut self, partition: i32, paused: bool) {
        let Some(place) = self.places.get_mut(&partition).filter(|place| place.paused != paused) else { return };
        place.paused = paused;
        let next = place.next;
        if paused {
            self.change(partition, Offset::Invalid, PlainClient::incremental_unassign);
        } else {
            self.assign(partition, next);
        }
    }

    fn assign(&self, partition: i32, offset: i64) {
        self.change(partition, Offset::Offset(offset), PlainClient::incremental_assign);
    }

    fn unassign(&mut self, partition: i32) {
        let Some(place) = self.places.remove(&partition) else { return };
        if !place.paused {
            self.change(partition, Offset::Invalid, PlainClient::incremental_unassign);
        }
    }

    fn change(
        &self,
        partition: i32,
        offset: Offset,
        change: impl FnOnce(&PlainClient, &TopicPartitionList) -> KafkaResult<()>,
    ) {
        let mut list = TopicPartitionList::new();
        let changed = list.add_partition_offset(self.topic.as_str(), partition, offset);
        if let Err(error) = changed.and_then(|()| change(&self.client, &list)) {
            let doing = format!("reading {}/{partition} from {offset:?}", self.topic);
            // The driver refuses this of a client that it has given up, and of misuse: a fresh start is needed.
            self.events.fail(PortError { kind: Failure::Refused, ..asking(&error, doing) });
        }
    }

    /// Takes what is there; whether that was anything.
    fn read(&mut self) -> bool {
        let client = Arc::clone(&self.client);
        let mut run: Option<Run> = None;
        let mut seen = false;
        let mut nothing = 0;
        while nothing < NOTHING_MAX {
            match client.poll(Duration::ZERO) {
                None => nothing += 1,
                Some(Ok(message)) => {
                    seen = true;
                    let partition = message.partition();
                    let Some(record) = self.record(&message) else { continue };
                    if run.as_ref().is_some_and(|run| run.partition != partition) {
                        self.tell(run.take());
                    }
                    let run = run.get_or_insert_with(|| Run { partition, records: Vec::new(), bytes: 0 });
                    run.bytes += record.size_bytes();
                    run.records.push(record);
                    if run.records.len() >= RUN_RECORDS || run.bytes >= RUN_BYTES {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    seen = true;
                    self.tell(run.take());
                    self.tell_end(partition);
                }
                Some(Err(error)) => {
                    seen = true;
                    self.tell(run.take());
                    self.report(&error);
                }
            }
        }
        self.tell(run);
        seen
    }

    /// The message as a record, if its partition is being read and has not come to it yet.
    fn record(&mut self, message: &BorrowedMessage<'_>) -> Option<Record> {
        let place = self.places.get_mut(&message.partition())?;
        if message.offset() < place.next || place.paused {
            return None;
        }
        place.next = message.offset() + 1;
        record_codec::decode(message, &self.topic)
    }

    fn tell(&mut self, run: Option<Run>) {
        let Some(Run { partition, records, .. }) = run else { return };
        if self.is_made_anew() {
            // They may be those of the new topic, whose first records were never read.
            return;
        }
        let Some((partition, place)) = self.partition(partition).zip(self.places.get(&partition)) else { return };
        self.events.send(Event::Records { partition, session: place.session, records });
    }

    fn tell_end(&self, partition: i32) {
        let Some(place) = self.places.get(&partition).filter(|place| !place.paused) else { return };
        let Some(partition) = self.partition(partition) else { return };
        self.events.send(Event::End { partition, session: place.session, offset: place.next });
    }

    fn partition(&self, number: i32) -> Option<TopicPartition> {
        Some(TopicPartition { topic: self.topic.clone(), partition: u32::try_from(number).ok()? })
    }
}
