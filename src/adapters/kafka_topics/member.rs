//! The group's member: a client that joins, answers rebalances, and reads nothing.
//!
//! It polls on a thread of its own and does nothing else there, so that however slow reading and handling are, the group
//! sees a member that lives. Reading is done by clients that are in no group ([`super::reader`]): so partitions can be
//! started, stopped and started again at any moment without an answer to a rebalance being read out of it. (The driver
//! takes any change of the assignment for the answer to the callback that waits.)

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    client::ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::{RDKafkaErrorCode as Code, RDKafkaRespErr},
};
use tokio::sync::oneshot;

use super::{
    channel::{Events, Readers},
    context,
    error::asking,
    ownership::{Metadata, Ownerships},
};
use crate::{
    domain::record::{TopicName, TopicPartition},
    ports::{Event, Failure, Release},
};

/// The client that is the group's member.
pub(super) type MemberClient = BaseConsumer<Member>;

/// What a member does when its group rebalances.
pub(super) struct Member {
    pub(super) group: String,
    pub(super) ownerships: Ownerships,
    pub(super) events: Events,
    pub(super) readers: Readers,
    pub(super) release_timeout: Duration,
    /// A callback that was served later than this cannot tell whose metadata it sees.
    pub(super) late_after: Duration,
    pub(super) leaving: Arc<AtomicBool>,
    pub(super) polled: Mutex<Instant>,
    /// A callback came too late: the member has to join anew.
    pub(super) rejoin: AtomicBool,
}

/// How long one poll waits; then the member looks whether it is to leave.
const POLL: Duration = Duration::from_millis(100);

/// Polls until the member is to leave, then leaves.
pub(super) fn run(client: Arc<MemberClient>, topics: &[TopicName]) {
    let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
    let member = Arc::clone(client.context());
    while !member.leaving.load(Ordering::Acquire) {
        member.note_poll();
        if let Some(Err(error)) = client.poll(POLL) {
            member.report(&error);
        }
        if member.rejoin.swap(false, Ordering::AcqRel) {
            client.unsubscribe();
            if let Err(error) = client.subscribe(&names) {
                member.report(&error);
            }
        }
    }
}

impl Member {
    fn note_poll(&self) {
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The group's metadata, to be asked for before the callback is answered: from then on the client may join the
    /// next generation in the background.
    fn metadata(&self, client: &MemberClient) -> Option<Metadata> {
        let waited = self.polled.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if waited > self.late_after + POLL {
            // Since the callback was queued the member may have been put out, and its metadata be that of none, which
            // a broker lets pass.
            tracing::warn!(group = self.group, ?waited, "stood still while the group rebalanced; joining anew");
            self.rejoin.store(true, Ordering::Release);
            return None;
        }
        client.group_metadata().map(Arc::new)
    }

    fn assign(&self, client: &MemberClient, partitions: Vec<TopicPartition>) {
        let metadata = self.metadata(client);
        let ownership = self.ownerships.lock().assign(&partitions, metadata);
        tracing::debug!(group = self.group, partitions = partitions.len(), ?ownership, "partitions assigned");
        self.events.send(Event::Assigned { ownership, partitions });
    }

    fn revoke(&self, client: &MemberClient, partitions: Vec<TopicPartition>) {
        let lost = client.assignment_lost();
        tracing::debug!(group = self.group, partitions = partitions.len(), lost, "partitions revoked");
        if lost || self.leaving.load(Ordering::Acquire) {
            let ownership = self.ownerships.lock().lose(&partitions);
            self.readers.stop(&partitions);
            return self.events.send(Event::Revoked { ownership, partitions, release: Release(None) });
        }
        let metadata = self.metadata(client);
        let ownership = self.ownerships.lock().revoke(metadata);
        let (release, released) = oneshot::channel();
        let release = Release(Some(release));
        self.events.send(Event::Revoked { ownership, partitions: partitions.clone(), release });
        if !wait(released, self.release_timeout) {
            tracing::warn!(group = self.group, "partitions were not released in time; they go all the same");
        }
        // Under one lock: a start that comes later is refused, and one that came before is stopped.
        let mut owned = self.ownerships.lock();
        owned.remove(&partitions);
        self.readers.stop(&partitions);
    }

    fn report(&self, error: &KafkaError) {
        let doing = format!("being a member of group {}", self.group);
        let error_of_group = asking(error, doing);
        let is_away = error.rdkafka_error_code() == Some(Code::AllBrokersDown);
        let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        if is_fatal {
            self.events.fail(crate::ports::PortError { kind: Failure::Refused, ..error_of_group });
        } else if is_away || error_of_group.kind == Failure::Refused {
            self.events.fail(error_of_group);
        } else {
            tracing::warn!(group = self.group, %error, "the group's member reports an error");
        }
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, client: &MemberClient, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = named(list);
        // Only the callback is answered: what is read is none of this client's business.
        let nothing = TopicPartitionList::new();
        let answered = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(client, partitions);
                client.incremental_assign(&nothing)
            }
            _ => {
                self.revoke(client, partitions);
                client.incremental_unassign(&nothing)
            }
        };
        // The wait for a release is no delay of the polls.
        self.note_poll();
        if let Err(error) = answered {
            tracing::warn!(group = self.group, %error, "a rebalance could not be answered");
        }
    }
}

fn named(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let named = list.elements().into_iter().filter_map(|element| {
        Some(TopicPartition { topic: element.topic().into(), partition: u32::try_from(element.partition()).ok()? })
    });
    named.collect()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread until the other side is sent to or dropped; whether that came in time.
fn wait(mut released: oneshot::Receiver<()>, bound: Duration) -> bool {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let deadline = Instant::now() + bound;
    loop {
        if Pin::new(&mut released).poll(&mut context).is_ready() {
            return true;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_release_within_its_bound() {
        let (release, released) = oneshot::channel::<()>();
        let other = thread::spawn(move || drop(release));
        assert!(wait(released, Duration::from_secs(20)));
        other.join().unwrap();
        let (_held, released) = oneshot::channel();
        assert!(!wait(released, Duration::from_millis(1)));
    }
}
