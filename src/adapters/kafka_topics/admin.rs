//! Making topics, and telling what is there.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    types::RDKafkaErrorCode as Code,
};

use super::{
    KafkaTopics,
    context::Plain,
    error::{asking, blocking, failed},
    positions::check_topic,
};
use crate::{
    domain::record::TopicName,
    ports::{Failure, PortError},
};

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub topic: TopicName,
    /// Its partitions, at least 1.
    pub partitions: u32,
    /// Whether the last record of each key is kept for ever; else records go by age.
    pub compacted: bool,
    /// For how long records are kept; `None` leaves it to the brokers.
    pub retention: Option<Duration>,
    /// Further topic configuration, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

/// What a topic is, or became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub topic: TopicName,
    /// It was missing, and was made.
    pub made: bool,
    /// What is other than planned. Nothing is altered.
    pub differences: Vec<Difference>,
}

/// Something of a topic that is other than planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `partitions`, or Kafka's name of a topic's configuration.
    pub what: String,
    /// As planned.
    pub planned: String,
    /// As it is.
    pub found: String,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub topic: TopicName,
    /// First offsets and stable ends, by number. Markers of transactions and deleted records count.
    pub partitions: Vec<Range<i64>>,
    /// Its configuration, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

impl KafkaTopics {
    /// Makes those that are missing, and tells how the others differ. Nothing that exists is altered.
    pub async fn create(&self, plans: &[TopicPlan]) -> Result<Vec<TopicReport>, PortError> {
        let names: Vec<_> = plans.iter().map(|plan| plan.topic.clone()).collect();
        let there = self.describe(&names).await?;
        let missing: Vec<_> = plans.iter().filter(|plan| find(&there, &plan.topic).is_none()).collect();
        self.make(&missing).await?;
        let report = |plan: &TopicPlan| {
            let found = find(&there, &plan.topic);
            let differences = found.map(|found| plan.differences(found)).unwrap_or_default();
            TopicReport { topic: plan.topic.clone(), made: found.is_none(), differences }
        };
        Ok(plans.iter().map(report).collect())
    }

    /// Those of `topics` that exist.
    pub async fn describe(&self, topics: &[TopicName]) -> Result<Vec<TopicDescription>, PortError> {
        let (this, names) = (self.clone(), topics.to_vec());
        let doing = "describing topics";
        let ranges = blocking(doing, move || {
            let ranges = names.iter().map(|name| Ok((name.clone(), this.lookup().ranges(name)?)));
            ranges.collect::<Result<Vec<_>, PortError>>()
        });
        let there: Vec<_> = ranges.await?.into_iter().filter(|(_, ranges)| !ranges.is_empty()).collect();
        if there.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = there.iter().map(|(name, _)| ResourceSpecifier::Topic(name.as_str())).collect();
        let described = self.admin()?.describe_configs(&resources, &self.options()).await;
        let described = described.map_err(|error| asking(&error, doing))?;
        let mut descriptions = Vec::with_capacity(there.len());
        for ((topic, partitions), config) in there.into_iter().zip(described) {
            let config =
                config.map_err(|code| failed(Failure::Down, format!("describing {topic}"), code.to_string()))?;
            descriptions.push(TopicDescription { topic, partitions, config: values_of(config) });
        }
        Ok(descriptions)
    }

    async fn make(&self, plans: &[&TopicPlan]) -> Result<(), PortError> {
        if plans.is_empty() {
            return Ok(());
        }
        let configs: Vec<_> = plans.iter().map(|plan| plan.full_config()).collect();
        let mut topics = Vec::with_capacity(plans.len());
        for (plan, config) in plans.iter().zip(&configs) {
            let partitions = i32::try_from(plan.partitions.max(1)).unwrap_or(i32::MAX);
            // As many replicas as the brokers are set to make.
            let new = NewTopic::new(check_topic(plan.topic.as_str())?, partitions, TopicReplication::Fixed(-1));
            topics.push(config.iter().fold(new, |new, (name, value)| new.set(name, value)));
        }
        let made = self.admin()?.create_topics(&topics, &self.options()).await;
        for result in made.map_err(|error| asking(&error, "making topics"))? {
            match result {
                // Somebody else was faster.
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let kind = if code == Code::RequestTimedOut { Failure::Unanswered } else { Failure::Refused };
                    return Err(failed(kind, format!("making the topic {topic}"), code.to_string()));
                }
            }
        }
        let (this, made) = (self.clone(), plans.iter().map(|plan| plan.topic.clone()).collect::<Vec<_>>());
        blocking("waiting for topics", move || made.iter().try_for_each(|topic| this.until_known(topic))).await
    }

    /// The brokers hear of a new topic some time after it was made, and tell nobody: they are asked again and again.
    fn until_known(&self, topic: &TopicName) -> Result<(), PortError> {
        let deadline = Instant::now() + self.settings().call_timeout;
        while self.lookup().ranges(topic)?.is_empty() {
            if Instant::now() >= deadline {
                let why = "it was made, and the brokers do not tell of it";
                return Err(failed(Failure::Unanswered, format!("waiting for the topic {topic}"), why));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn admin(&self) -> Result<AdminClient<Plain>, PortError> {
        let made = self.settings().admin().create_with_context(Plain::default());
        made.map_err(|error| asking(&error, "making a Kafka client"))
    }

    pub(super) fn options(&self) -> AdminOptions {
        let timeout = self.settings().call_timeout;
        AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
    }
}

impl TopicPlan {
    fn full_config(&self) -> BTreeMap<String, String> {
        let mut config = self.config.clone();
        config.insert("cleanup.policy".to_owned(), if self.compacted { "compact" } else { "delete" }.to_owned());
        if let Some(retention) = self.retention {
            config.insert("retention.ms".to_owned(), retention.as_millis().to_string());
        }
        config
    }

    fn differences(&self, found: &TopicDescription) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, planned: String, found: String| {
            if planned != found {
                differences.push(Difference { what: what.to_owned(), planned, found });
            }
        };
        compare("partitions", self.partitions.to_string(), found.partitions.len().to_string());
        for (name, planned) in self.full_config() {
            let found = found.config.get(&name).cloned().unwrap_or_default();
            compare(&name, planned, found);
        }
        differences
    }
}

fn find<'a>(there: &'a [TopicDescription], topic: &TopicName) -> Option<&'a TopicDescription> {
    there.iter().find(|found| found.topic == *topic)
}

fn values_of(resource: ConfigResource) -> BTreeMap<String, String> {
    let entries = resource.entries.into_iter().filter(|entry| !entry.is_sensitive);
    let values: HashMap<_, _> = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
    values.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_differs() {
        let plan = TopicPlan {
            topic: "t".into(),
            partitions: 12,
            compacted: true,
            retention: Some(Duration::from_secs(1)),
            config: BTreeMap::new(),
        };
        let config = [("cleanup.policy", "delete"), ("retention.ms", "1000")];
        let config = config.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let found = TopicDescription { topic: "t".into(), partitions: vec![0..0, 0..0], config };
        let different: Vec<_> = plan.differences(&found).into_iter().map(|other| (other.what, other.found)).collect();
        assert_eq!(
            different,
            [("partitions".to_owned(), "2".to_owned()), ("cleanup.policy".to_owned(), "delete".to_owned())]
        );
    }
}
