//! A member's reading side: what its threads tell, in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

use super::{
    KafkaTopics, Settings,
    channel::{Command, Events, Readers, Taken, events},
    committer::KafkaCommitter,
    contact::{self, Contact},
    context::{Plain, PlainClient},
    error::{asking, blocking, failed},
    member::{self, Member, MemberClient},
    ownership::Ownerships,
    positions,
    reader::Reader,
};
use crate::{
    domain::record::{Position, TopicName, TopicPartition},
    ports::{Consumer, Event, Failure, Membership, PortError, Session},
};

/// Joins; blocks until the clients are made, not until the group has answered.
pub(super) fn join(topics: &KafkaTopics, group: &str, names: &[TopicName]) -> Result<Membership, PortError> {
    let settings = topics.settings();
    for name in names {
        topics.lookup().existing(name)?;
    }
    let (events, taken) = events(settings.fetch_memory_bytes / 2);
    let mut threads = Vec::new();
    let mut readers = BTreeMap::new();
    let mut clients: Vec<Arc<PlainClient>> = Vec::new();
    let mut contacts = Vec::new();
    for name in names {
        let (commands, obeyed) = mpsc::channel();
        let client = reading_client(settings, group, &commands)?;
        readers.insert(name.clone(), commands);
        clients.push(Arc::clone(&client));
        contacts.push(contact(format!("the reader of {name}"), Arc::downgrade(&client), name));
        let reader = Reader::new(client, name.clone(), obeyed, events.clone(), topics.clone());
        threads.push(spawn(format!("kafka read {name}"), move || reader.run())?);
    }
    let Some(lookup) = clients.into_iter().next() else {
        return Err(failed(Failure::Refused, format!("joining group {group}"), "a member reads one topic at least"));
    };
    let readers = Readers(Arc::new(readers));
    let ownerships = Ownerships::default();
    let leaving = Arc::new(AtomicBool::new(false));
    let member = Member {
        group: group.to_owned(),
        ownerships: ownerships.clone(),
        events: events.clone(),
        readers: readers.clone(),
        release_timeout: settings.release_timeout,
        late_after: settings.heartbeat(),
        leaving: Arc::clone(&leaving),
        polled: Mutex::new(Instant::now()),
        rejoin: AtomicBool::new(false),
    };
    let client = joined_client(settings, group, member, names)?;
    let committer = KafkaCommitter::new(topics.clone(), group, ownerships.clone(), Arc::downgrade(&client));
    contacts.push(contact(format!("the member of group {group}"), Arc::downgrade(&client), &names[0]));
    let (watching, watcher) = watch(topics, group, names[0].clone(), contacts, events)?;
    threads.push(watcher);
    let names: Vec<TopicName> = names.to_vec();
    threads.push(spawn(format!("kafka member {group}"), move || member::run(client, &names))?);
    let consumer = KafkaConsumer {
        group: group.to_owned(),
        topics: topics.clone(),
        taken,
        readers,
        ownerships,
        lookup,
        sessions: 0,
        topic_ids: BTreeMap::new(),
        leaving,
        watching: Some(watching),
        threads,
    };
    Ok(Membership { consumer: Box::new(consumer), committer: Arc::new(committer) })
}

/// Watches until what is returned is dropped.
fn watch(
    topics: &KafkaTopics,
    group: &str,
    one_topic: TopicName,
    contacts: Vec<Contact>,
    events: Events,
) -> Result<(mpsc::Sender<()>, JoinHandle<()>), PortError> {
    let (watching, told_to_leave) = mpsc::channel();
    let (others, patience) = (topics.clone(), topics.settings().contact_timeout);
    let watcher = spawn(format!("kafka watch {group}"), move || {
        contact::watch(contacts, &events, patience, &told_to_leave, || others.lookup().count(&one_topic).is_ok());
    })?;
    Ok((watching, watcher))
}

/// Does not keep the client: it ends with its thread.
fn contact<C: ConsumerContext + 'static>(what: String, client: Weak<BaseConsumer<C>>, topic: &TopicName) -> Contact {
    let topic = topic.clone();
    let reaches = move |bound| client.upgrade().is_none_or(|client| contact::reaches(&client, &topic, bound));
    Contact { what, reaches: Box::new(reaches), silent_since: None }
}

fn reading_client(
    settings: &Settings,
    group: &str,
    commands: &mpsc::Sender<Command>,
) -> Result<Arc<PlainClient>, PortError> {
    let client = settings.telling_ids(group).create_with_context::<_, PlainClient>(Plain::default());
    let mut client = client.map_err(|error| asking(&error, format!("making a client of group {group}")))?;
    let wake = Mutex::new(commands.clone());
    client.set_nonempty_callback(move || {
        if let Ok(wake) = wake.lock() {
            let _ended = wake.send(Command::Wake);
        }
    });
    Ok(Arc::new(client))
}

fn joined_client(
    settings: &Settings,
    group: &str,
    member: Member,
    names: &[TopicName],
) -> Result<Arc<MemberClient>, PortError> {
    let failed = |error| asking(&error, format!("joining group {group}"));
    let client: MemberClient = settings.member(group).create_with_context(member).map_err(failed)?;
    let names: Vec<&str> = names.iter().map(TopicName::as_str).collect();
    client.subscribe(&names).map_err(failed)?;
    Ok(Arc::new(client))
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PortError> {
    let spawned = thread::Builder::new().name(name).spawn(work);
    spawned.map_err(|error| failed(Failure::Down, "starting a thread", error.to_string()))
}

/// Topics with their ids, as far as they have any.
type Ids = BTreeMap<TopicName, Option<Arc<str>>>;

/// The present ids of the partitions' topics.
fn topic_ids(topics: &KafkaTopics, partitions: &[TopicPartition]) -> Result<Ids, PortError> {
    let names: BTreeSet<&TopicName> = partitions.iter().map(|partition| &partition.topic).collect();
    let id = |name: &TopicName| {
        let id = topics.lookup().topic_id(name)?;
        if id.is_none() {
            tracing::warn!(
                topic = %name,
                "the brokers tell no id of the topic (Kafka has them from 2.8 on): were it deleted and made anew, it would \
                 be taken for the old one"
            );
        }
        Ok((name.clone(), id))
    };
    names.into_iter().map(id).collect()
}

struct KafkaConsumer {
    group: String,
    topics: KafkaTopics,
    taken: Taken,
    readers: Readers,
    ownerships: Ownerships,
    /// One of the reading clients: positions are asked through it, from whatever thread.
    lookup: Arc<PlainClient>,
    sessions: u64,
    /// As of the last time that positions were asked for.
    topic_ids: Ids,
    leaving: Arc<AtomicBool>,
    /// Closed when the member leaves.
    watching: Option<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl KafkaConsumer {
    fn end(&mut self) {
        self.watching = None;
        self.leaving.store(true, Ordering::Release);
        self.ownerships.lock().leave();
        self.readers.tell_all(|| Command::Leave);
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Result<Event, PortError> {
        let Some((event, has_room_again)) = self.taken.next().await else {
            let doing = format!("reading as a member of group {}", self.group);
            return Err(failed(Failure::Refused, doing, "the member has ended"));
        };
        if has_room_again {
            self.readers.tell_all(|| Command::Wake);
        }
        event
    }

    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Position>, PortError> {
        let (client, partitions) = (Arc::clone(&self.lookup), partitions.to_vec());
        let topics = self.topics.clone();
        let doing = format!("reading the positions of group {}", self.group);
        let (positions, topic_ids) = blocking(doing, move || {
            // The ids first: a position that is older than its topic is found out by the id that it was committed with.
            let topic_ids = topic_ids(&topics, &partitions)?;
            let settings = topics.settings();
            let (at_end, timeout) = (settings.starts_at_end(), settings.call_timeout);
            let positions = positions::to_begin_at(&client, &partitions, at_end, settings.stable_timeout, timeout)?;
            Ok((positions, topic_ids))
        })
        .await?;
        self.topic_ids.extend(topic_ids);
        Ok(positions)
    }

    fn topic_id(&self, topic: &TopicName) -> Option<Arc<str>> {
        self.topic_ids.get(topic).cloned().flatten()
    }

    async fn start(&mut self, partition: &TopicPartition, offset: i64) -> Result<Session, PortError> {
        let refused = |why: &str| failed(Failure::Refused, format!("starting {partition} at offset {offset}"), why);
        if offset < 0 {
            return Err(refused("the offset is none"));
        }
        let number = positions::number(partition)?;
        // The reader hears of it while the lock is held, so that a revocation that follows stops it.
        let owned = self.ownerships.lock();
        if !owned.owns(partition) {
            return Err(refused("the partition is not owned"));
        }
        self.sessions += 1;
        let session = Session(self.sessions);
        self.readers.tell(&partition.topic, Command::Start(number, offset, session, self.topic_id(&partition.topic)));
        Ok(session)
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        let Ok(number) = positions::number(partition) else { return };
        self.readers.tell(&partition.topic, Command::Pause(number, paused));
    }

    async fn leave(mut self: Box<Self>) {
        self.end();
        // What waits to be told holds releases that the member's thread may be waiting for.
        self.taken.close();
        let threads = std::mem::take(&mut self.threads);
        let ended = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        if tokio::time::timeout(self.topics.settings().call_timeout, ended).await.is_err() {
            tracing::warn!(group = self.group, "the group could not be left in time; it will notice");
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.end();
    }
}
