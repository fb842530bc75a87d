//! What the driver's errors mean to a caller.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

use crate::ports::{Dependency, Failure, PortError};

/// A failed call on the topics.
pub(super) fn failed(kind: Failure, doing: impl Into<String>, message: impl Into<String>) -> PortError {
    PortError { kind, dependency: Dependency::Topics, doing: doing.into(), message: message.into() }
}

/// What the driver's `error` means for a call that only asks, or that is known to have done nothing.
pub(super) fn asking(error: &KafkaError, doing: impl Into<String>) -> PortError {
    if let KafkaError::ClientConfig(..) = error {
        return refused_setting(error.clone());
    }
    failed(error.rdkafka_error_code().map_or(Failure::Down, kind), doing, error.to_string())
}

/// A property that the driver does not take. Its value may be a secret.
pub(super) fn refused_setting(error: KafkaError) -> PortError {
    let message = match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("librdkafka does not take the property {name} with this value; see its CONFIGURATION.md")
        }
        other => other.to_string(),
    };
    failed(Failure::Refused, "checking the Kafka settings", message)
}

/// Whether trying again can help.
fn kind(code: Code) -> Failure {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::UnsupportedSASLMechanism
        | Code::UnsupportedVersion
        | Code::InvalidTopic
        | Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidReplicationFactor
        | Code::PolicyViolation
        | Code::OffsetMetadataTooLarge
        | Code::InvalidMessageSize
        | Code::MessageSizeTooLarge => Failure::Refused,
        _ => Failure::Down,
    }
}

/// Runs a blocking call of the driver off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    doing: impl Into<String>,
    call: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    let answer = tokio::task::spawn_blocking(call).await;
    answer.unwrap_or_else(|error| Err(failed(Failure::Unanswered, doing, error.to_string())))
}
