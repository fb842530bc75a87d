//! Topics in a real Kafka, with names of its own for each test; all are deleted afterwards.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use passflow::{
    adapters::kafka_topics::{KafkaTopics, Settings},
    domain::record::TopicName,
    ports::Topics,
};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::ClientConfig,
};

use crate::{
    kafka_names::Renamed,
    storage::{ManualClock, Storage, TopicsStorage},
};

/// What a test has made, to be deleted.
#[derive(Default)]
pub struct Made {
    pub topics: BTreeSet<TopicName>,
    pub groups: BTreeSet<String>,
}

pub struct Kafka {
    brokers: String,
    prefix: String,
    clock: Arc<ManualClock>,
    made: Arc<Mutex<Made>>,
}

impl Kafka {
    #[allow(clippy::unused_async, reason = "the suites make every storage in the same way")]
    pub async fn new() -> Self {
        let brokers = std::env::var("PASSFLOW_TEST_KAFKA").unwrap_or_else(|_| {
            panic!(
                "PASSFLOW_TEST_KAFKA is not set: `scripts/servers up kafka` starts one, and \
                 `eval \"$(scripts/servers env)\"` names it"
            )
        });
        let prefix = format!("test-{:012x}.", fastrand::u64(..1 << 48));
        Self { brokers, prefix, clock: Arc::default(), made: Arc::default() }
    }

    /// Settings for a process of its own. Members are given up after a few seconds.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(&*self.brokers);
        let properties = [
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1500"),
            ("max.poll.interval.ms", "20000"),
            ("message.max.bytes", "4194304"),
        ];
        settings.properties.extend(properties.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // The broker may share two cores with a build.
        settings.call_timeout = std::time::Duration::from_secs(18);
        settings.release_timeout = std::time::Duration::from_secs(10);
        settings
    }

    pub fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Another process with these settings, that sees the test's names.
    pub fn process(&self, settings: Settings) -> Renamed {
        let inner = KafkaTopics::new(settings, self.clock()).unwrap();
        Renamed { inner, prefix: self.prefix.clone(), made: Arc::clone(&self.made) }
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    pub fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Storage for Kafka {}

#[async_trait::async_trait]
impl TopicsStorage for Kafka {
    async fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(self.process(self.settings()))
    }

    async fn set_time(&self, now_ms: i64) {
        self.clock.set(now_ms);
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap());
        let brokers = self.brokers.clone();
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client: AdminClient<DefaultClientContext> =
                    ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
                let topics: Vec<&str> = made.topics.iter().map(TopicName::as_str).collect();
                let groups: Vec<&str> = made.groups.iter().map(String::as_str).collect();
                // What a failed test has left open cannot be deleted; that is no further failure.
                drop(client.delete_topics(&topics, &AdminOptions::new()).await);
                drop(client.delete_groups(&groups, &AdminOptions::new()).await);
            });
        });
        drop(deleting.join());
    }
}
