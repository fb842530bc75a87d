//! How the brokers are spoken to.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::error::{failed, refused_setting};
use crate::ports::{Failure, PortError};

/// How the brokers are spoken to. Its `Debug` shows the properties' names and not their values.
#[derive(Clone)]
pub struct Settings {
    /// The brokers to begin with, `host:port` with commas between.
    pub brokers: String,
    /// Any of librdkafka's properties, but those that the guarantees rest on ([`Settings::check`]). `auto.offset.reset`
    /// says where a group begins in a partition that it never committed.
    pub properties: BTreeMap<String, String>,
    /// What tells this process from others that run the same pipelines: the end of its transactional ids.
    pub instance: String,
    /// Whether outputs and positions are committed in transactions. Without them: at least once.
    pub transactions: bool,
    /// What one topic's reader may hold in memory, roughly, in bytes.
    pub fetch_memory_bytes: usize,
    /// The bound of a call that only asks.
    pub call_timeout: Duration,
    /// The bound of reading stable committed positions: a transaction that was left open is waited for, which takes
    /// the transaction's time-out and up to ten seconds until the broker looks for such.
    pub stable_timeout: Duration,
    /// After how long the broker aborts a transaction that was left open; also the bound of each of its calls.
    pub transaction_timeout: Duration,
    /// How long a rebalance waits for partitions that go to be released. It has to be well below
    /// `max.poll.interval.ms`.
    pub release_timeout: Duration,
    /// A member whose client reaches no broker for so long is given up, and joined anew with new clients.
    pub contact_timeout: Duration,
}

impl Settings {
    /// The defaults, for `brokers`.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: BTreeMap::new(),
            instance: format!("{:016x}", fastrand::u64(..)),
            transactions: true,
            fetch_memory_bytes: 8 << 20,
            call_timeout: Duration::from_secs(10),
            stable_timeout: Duration::from_secs(25),
            transaction_timeout: Duration::from_secs(10),
            release_timeout: Duration::from_secs(60),
            contact_timeout: Duration::from_secs(15),
        }
    }

    /// Whether the properties leave alone what the guarantees rest on.
    ///
    /// # Errors
    /// `Refused`, with the property's name.
    pub fn check(&self) -> Result<(), PortError> {
        if let Some(name) = self.properties.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(failed(
                Failure::Refused,
                "checking the Kafka settings",
                format!("the property {name} can't be set: what is guaranteed rests on it; take it out"),
            ));
        }
        let earliest_or_latest = ["earliest", "smallest", "beginning", "latest", "largest", "end"];
        if let Some(start) = self.properties.get(START).filter(|start| !earliest_or_latest.contains(&start.as_str())) {
            let message = format!("the property {START} is {start:?}; it can be earliest or latest");
            return Err(failed(Failure::Refused, "checking the Kafka settings", message));
        }
        for config in
            [self.member("check"), self.telling_ids("check"), self.producer(None), self.transactional("check", None)]
        {
            drop(config.create_native_config().map_err(refused_setting)?);
        }
        Ok(())
    }

    /// The largest record that the producers send, in bytes, whatever a topic takes.
    pub(super) fn sent_max_bytes(&self) -> usize {
        self.size(MESSAGE_MAX).unwrap_or(64 << 20)
    }

    /// The largest record that a topic is taken to take as long as its limit is not known, in bytes.
    pub(super) fn assumed_max_bytes(&self) -> usize {
        self.size(MESSAGE_MAX).unwrap_or(1_000_000)
    }

    fn size(&self, name: &str) -> Option<usize> {
        usize::try_from(self.number(name)?).ok()
    }

    /// Whether groups begin at the end of partitions that they never committed.
    pub(super) fn starts_at_end(&self) -> bool {
        self.properties.get(START).is_some_and(|start| ["latest", "largest", "end"].contains(&start.as_str()))
    }

    /// How often a member tells the group that it is there.
    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.number("heartbeat.interval.ms").unwrap_or(3000))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.properties.get(name)?.parse().ok()
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", "passflow");
        // The defaults wait 100 ms and longer before an answer like "the last transaction is still being written" is
        // asked for again.
        config.set("retry.backoff.ms", "1").set("retry.backoff.max.ms", "10");
        // The default lets partitions that are added go unread, and unwritten, for five minutes.
        config.set(REFRESH, "30000");
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false")
            // An offset that is out of range is told, and nothing is skipped in silence.
            .set(START, "error");
        config
    }

    /// Of the client that is the group's member. It reads nothing.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config
    }

    /// Of a client that reads what it is told to, without joining.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        let bytes = self.fetch_memory_bytes.max(1 << 20);
        let defaults = [
            ("queued.max.messages.kbytes", bytes / 4 / 1024),
            ("fetch.max.bytes", (bytes / 4).max(self.assumed_max_bytes())),
            ("max.partition.fetch.bytes", (bytes / 16).clamp(64 << 10, 1 << 20)),
            // A partition that is started while others stand at their ends waits for the request on its way.
            ("fetch.wait.max.ms", 100),
            // The default stops reading for a second each time that the memory above is used.
            ("fetch.queue.backoff.ms", 5),
        ];
        for (name, value) in defaults.into_iter().filter(|(name, _)| !self.properties.contains_key(*name)) {
            config.set(name, value.to_string());
        }
        config.set("enable.partition.eof", "true");
        config
    }

    /// Of a reading client whose lines tell the topics' ids. It has to be polled: the lines wait for that.
    pub(super) fn telling_ids(&self, group: &str) -> ClientConfig {
        let mut config = self.reader(group);
        let more = self.properties.get("debug").map_or_else(String::new, |wanted| format!(",{wanted}"));
        config.set("debug", format!("metadata{more}")).set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// Of a client that asks for a group's positions as they are, open transactions or not.
    pub(super) fn onlooker(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// Of a client that administers topics.
    pub(super) fn admin(&self) -> ClientConfig {
        self.base()
    }

    /// Of a producer outside transactions, for topics of which one takes so little at once.
    pub(super) fn producer(&self, smallest: Option<usize>) -> ClientConfig {
        let mut config = self.base();
        config.set("enable.idempotence", "true").set("acks", "all");
        if !self.properties.contains_key("linger.ms") {
            config.set("linger.ms", "0");
        }
        config.set(MESSAGE_MAX, self.sent_max_bytes().to_string());
        config.set("batch.size", self.batch_max_bytes(smallest).to_string());
        config
    }

    /// What a producer sends together.
    pub(super) fn batch_max_bytes(&self, smallest: Option<usize>) -> usize {
        let wanted = self.size("batch.size").unwrap_or(128 << 10);
        wanted.min(smallest.unwrap_or(usize::MAX)).max(1)
    }

    /// Of a producer for `group`'s transactions, the same.
    pub(super) fn transactional(&self, group: &str, smallest: Option<usize>) -> ClientConfig {
        let mut config = self.producer(smallest);
        config
            .set("transactional.id", format!("{group}.{}", self.instance))
            .set("transaction.timeout.ms", self.transaction_timeout.as_millis().to_string());
        config
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .field("instance", &self.instance)
            .field("transactions", &self.transactions)
            .field("fetch_memory_bytes", &self.fetch_memory_bytes)
            .finish_non_exhaustive()
    }
}

const START: &str = "auto.offset.reset";
const REFRESH: &str = "topic.metadata.refresh.interval.ms";
const MESSAGE_MAX: &str = "message.max.bytes";

/// What the guarantees rest on.
const RESERVED: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "consumer.group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "transaction.timeout.ms",
    "transactional.id",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Settings {
        let mut settings = Settings::new("localhost:9092");
        settings.properties.insert(name.to_owned(), value.to_owned());
        settings
    }

    #[test]
    fn refuses_what_the_guarantees_rest_on() {
        for name in RESERVED {
            let error = with(name, "1").check().unwrap_err();
            assert!(error.kind == Failure::Refused && error.message.contains(name), "{error}");
        }
    }

    #[test]
    fn refuses_properties_that_there_are_not_and_bad_values() {
        assert!(with("no.such.property", "1").check().unwrap_err().message.contains("no.such.property"));
        assert!(with(START, "sometimes").check().is_err());
        Settings::new("localhost:9092").check().unwrap();
        with(START, "latest").check().unwrap();
    }

    #[test]
    fn shows_no_secret() {
        let settings = with("sasl.password", "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
        let error = with("sasl.mechanism.of.hunter3", "hunter2").check().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
