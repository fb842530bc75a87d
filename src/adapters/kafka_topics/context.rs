//! What all clients tell beside their answers: log lines and errors of connections.

use super::topic_ids::TopicIds;
use rdkafka::{
    client::ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode as Code,
};

/// The context of a client that is asked and read from, outside any group.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    /// The topics' ids as the client knows them; of clients made with [`Settings::telling_ids`] alone.
    ///
    /// [`Settings::telling_ids`]: super::Settings::telling_ids
    pub(super) topic_ids: TopicIds,
}

/// A client outside any group.
pub(super) type PlainClient = BaseConsumer<Plain>;

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        if matches!(level, RDKafkaLogLevel::Debug) {
            self.topic_ids.read(text);
        }
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Plain {}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    // Every property is given to every client, and each tells which ones it has no use for. Connections that fail are
    // told several times a second by each client; that reading fails is told once, where it is noticed.
    let level = if ["CONFWARN", "FAIL"].contains(&facility) { RDKafkaLogLevel::Debug } else { level };
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(facility, text, "the Kafka client reports an error");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(facility, text, "the Kafka client warns"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, text, "the Kafka client reports"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, text, "the Kafka client reports"),
    }
}

/// What goes on with the connections. Calls that fail by it say so themselves.
pub(super) fn log_error(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(Code::PartitionEOF) {
        tracing::debug!(%error, reason, "the Kafka client reports");
    }
}
