//! Topics' ids, which tell a topic from one of the same name that was deleted.
//!
//! librdkafka reads them with each topic's metadata and goes by them in its own requests, but gives them out in no call
//! that `rdkafka` has. It says them in a debug line, `Topic NAME changed id from OLD to NEW`, before any record of the new
//! topic can come. That line is read here; a test on real servers tells when its words are others. Brokers before 2.8 have
//! no ids: then topics are told apart by their names alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ids as one client knows them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicIds(Arc<Mutex<HashMap<String, Arc<str>>>>);

impl TopicIds {
    /// The id of `topic`, if the client has come to know it.
    pub(super) fn of(&self, topic: &str) -> Option<Arc<str>> {
        self.lock().get(topic).cloned()
    }

    /// Reads a line of the driver.
    pub(super) fn read(&self, line: &str) {
        let Some((topic, id)) = changed_id(line) else { return };
        if id.bytes().all(|byte| byte == b'A') {
            self.lock().remove(topic);
        } else {
            self.lock().insert(topic.to_owned(), id.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn changed_id(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = after.split_once(" to ")?;
    Some((topic.trim(), id.trim()))
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
    }
}
