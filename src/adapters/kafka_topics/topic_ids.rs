//! Topics' ids, which tell a topic from one of the same name that was deleted.
//!
//! librdkafka reads them with each topic's metadata and goes by them in its own requests, but gives them out in no call
//! that `rdkafka` has. It says them in a debug line, `Topic NAME changed id from OLD to NEW`. That line is read here; a test
//! on real servers tells when its words are others. It waits in the client's queue until somebody polls: clients that nobody
//! polls must not have it. Brokers before 2.8 have no ids: then topics are told apart by their names alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{consumer::Consumer as _, metadata::MetadataTopic};

use super::{
    context::{Plain, PlainClient},
    error::{asking, failed},
    lookup::{Lookup, NO_GROUP},
    positions::check_topic,
};
use crate::{
    domain::record::TopicName,
    ports::{Failure, PortError},
};

/// Polls that serve no line, one after the other, before all lines are taken to be read: one of them may have served
/// another event of the client's own.
const NOTHING_MAX: usize = 32;

/// The ids as one client knows them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicIds(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: Mutex<HashMap<String, Arc<str>>>,
    lines: AtomicUsize,
}

impl TopicIds {
    /// The id of `topic`, if the client has come to know it.
    pub(super) fn of(&self, topic: &str) -> Option<Arc<str>> {
        self.ids().get(topic).cloned()
    }

    /// Reads a line of the driver.
    pub(super) fn read(&self, line: &str) {
        self.0.lines.fetch_add(1, Ordering::AcqRel);
        let Some((topic, id)) = changed_id(line) else { return };
        if id.bytes().all(|byte| byte == b'A') {
            self.ids().remove(topic);
        } else {
            self.ids().insert(topic.to_owned(), id.into());
        }
    }

    fn lines(&self) -> usize {
        self.0.lines.load(Ordering::Acquire)
    }

    fn ids(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changed_id(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = after.split_once(" to ")?;
    Some((topic.trim(), id.trim()))
}

impl Lookup {
    /// The present id of `topic`; `None` where the brokers have none.
    pub(super) fn topic_id(&self, topic: &TopicName) -> Result<Option<Arc<str>>, PortError> {
        let doing = || format!("reading the id of {topic}");
        let name = check_topic(topic.as_str())?;
        // A client that is kept would go on telling lines that nobody takes off its queue.
        let client = self.settings().telling_ids(NO_GROUP).create_with_context::<_, PlainClient>(Plain::default());
        let client = client.map_err(|error| asking(&error, "making a Kafka client"))?;
        let metadata = client.fetch_metadata(Some(name), self.settings().call_timeout);
        let metadata = metadata.map_err(|error| self.lost(asking(&error, doing())))?;
        let is_known = |found: &MetadataTopic| found.error().is_none() && !found.partitions().is_empty();
        if !metadata.topics().iter().any(is_known) {
            // Without its metadata there is no id, and it would be taken for a topic that has none.
            return Err(failed(Failure::Down, doing(), "the brokers do not know the topic now"));
        }
        read_lines(&client);
        Ok(client.context().topic_ids.of(name))
    }
}

/// The driver queues its lines before it gives the answer out that they tell of.
fn read_lines(client: &PlainClient) {
    let ids = &client.context().topic_ids;
    let (mut nothing, mut lines) = (0, ids.lines());
    while nothing < NOTHING_MAX {
        let is_event = client.poll(Duration::ZERO).is_some();
        let now = ids.lines();
        nothing = if is_event || now != lines { 0 } else { nothing + 1 };
        lines = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_out_of_lines_of_the_driver() {
        let ids = TopicIds::default();
        ids.read("[thrd:main]: Topic a.b_c-d changed id from AAAAAAAAAAAAAAAAAAAAAA to m-Tz8QbTQ4iL_5ZbQhG9Xg");
        ids.read("[thrd:main]: Topic a.b_c-d [3] Leader 1 Epoch 0");
        assert_eq!(ids.of("a.b_c-d").as_deref(), Some("m-Tz8QbTQ4iL_5ZbQhG9Xg"));
        ids.read("[thrd:main]: Topic a.b_c-d changed id from m-Tz8QbTQ4iL_5ZbQhG9Xg to 2ndOne");
        assert_eq!(ids.of("a.b_c-d").as_deref(), Some("2ndOne"));
        ids.read("[thrd:main]: Topic a.b_c-d changed id from 2ndOne to AAAAAAAAAAAAAAAAAAAAAA");
        assert!(ids.of("a.b_c-d").is_none() && ids.of("a").is_none());
        assert_eq!(ids.lines(), 4);
    }
}
