//! How large a record each topic takes: its own limit, `max.message.bytes`, and the producers'.
//!
//! A batch of records counts as one there, and the driver does not split a batch that was refused: so the batches, too,
//! are kept below the smallest limit.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::admin::{ConfigResource, ResourceSpecifier};

use super::{KafkaTopics, error::asking};
use crate::{
    domain::record::{Output, TopicName},
    ports::PortError,
};

/// Brokers' name of the limit.
const LIMIT: &str = "max.message.bytes";
/// Records together below this fit any topic that is of use.
const SMALL_BYTES: usize = 1000;

/// What is known of the topics' limits.
#[derive(Default)]
pub(super) struct Sizes {
    known: Mutex<BTreeMap<TopicName, usize>>,
    told: AtomicBool,
}

impl Sizes {
    /// The limit of `topic`, if it is known.
    pub(super) fn of(&self, topic: &TopicName) -> Option<usize> {
        self.known().get(topic).copied()
    }

    /// The smallest limit that is known.
    pub(super) fn smallest(&self) -> Option<usize> {
        self.known().values().min().copied()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TopicName, usize>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KafkaTopics {
    /// The largest record that each of `topics` takes now, in bytes with all of its own and its batch's fields. Where
    /// the brokers do not tell a limit, the producers' own is taken for it.
    ///
    /// # Errors
    /// When the brokers don't answer.
    pub async fn record_sizes(&self, topics: &[TopicName]) -> Result<Vec<(TopicName, usize)>, PortError> {
        let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic.as_str())).collect();
        if !resources.is_empty() {
            let described = self.admin()?.describe_configs(&resources, &self.options()).await;
            let described = described.map_err(|error| asking(&error, "reading how large records topics take"))?;
            for (topic, described) in topics.iter().zip(described) {
                match described.map(|resource| limit_of(&resource)) {
                    Ok(limit) => drop(limit.map(|limit| self.sizes().known().insert(topic.clone(), limit))),
                    Err(code) => self.tell_unknown(topic, &code.to_string()),
                }
            }
        }
        Ok(topics.iter().map(|topic| (topic.clone(), self.record_max_bytes(topic))).collect())
    }

    /// What is sent to `topic` at most.
    pub(super) fn record_max_bytes(&self, topic: &TopicName) -> usize {
        let settings = self.settings();
        self.sizes().of(topic).map_or(settings.assumed_max_bytes(), |limit| limit.min(settings.sent_max_bytes()))
    }

    /// Looks the limits up that `records` may come near and nobody has asked for.
    pub(super) async fn know_sizes(&self, records: &[Output]) {
        if records.iter().map(Output::size_bytes).sum::<usize>() < SMALL_BYTES {
            return;
        }
        let mut unknown: Vec<TopicName> = records.iter().map(|record| record.topic.clone()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|topic| self.sizes().of(topic).is_none());
        if !unknown.is_empty()
            && let Err(error) = self.record_sizes(&unknown).await
        {
            // Then the brokers will say whether they take them.
            tracing::debug!(%error, "the topics' limits are not known");
        }
    }

    fn tell_unknown(&self, topic: &TopicName, why: &str) {
        if !self.sizes().told.swap(true, Ordering::Relaxed) {
            let bytes = self.record_max_bytes(topic);
            tracing::warn!(
                %topic,
                why,
                bytes,
                "the brokers do not tell max.message.bytes of topics: grant DescribeConfigs, or set the property \
                 message.max.bytes to the smallest; records of so many bytes are taken to fit"
            );
        }
    }
}

fn limit_of(resource: &ConfigResource) -> Option<usize> {
    let entry = resource.entries.iter().find(|entry| entry.name == LIMIT)?;
    entry.value.as_ref()?.parse().ok()
}
