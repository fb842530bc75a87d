//! What the driver's and the server's errors tell about a call's effect.

use mongodb::error::{Error, ErrorKind};

use crate::ports::{Dependency, Failure, PortError};

/// Whether a call could change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

/// The error of a call that was sent, or was to be.
pub(super) fn failed(error: &Error, effect: Effect, doing: String) -> PortError {
    port_error(kind_of(error, effect), doing, message_of(error))
}

pub(super) fn port_error(kind: Failure, doing: String, message: String) -> PortError {
    PortError { kind, dependency: Dependency::Documents, doing, message }
}

fn kind_of(error: &Error, effect: Effect) -> Failure {
    match &*error.kind {
        ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::ConnectionPoolCleared { .. } => Failure::Down,
        ErrorKind::InvalidArgument { .. } | ErrorKind::Bson(_) | ErrorKind::BsonSerialization(_) => Failure::Refused,
        ErrorKind::Command(error) => kind_of_code(error.code, effect),
        _ => unsettled(effect),
    }
}

/// What a lost answer means.
fn unsettled(effect: Effect) -> Failure {
    match effect {
        Effect::Reads => Failure::Down,
        Effect::Writes => Failure::Unanswered,
    }
}

/// The server's codes, as `error_codes.yml` of its source names them.
pub(super) fn kind_of_code(code: i32, effect: Effect) -> Failure {
    match code {
        // Unauthorized, AuthenticationFailed, NotWritablePrimary, NotPrimaryNoSecondaryOk, CommandNotFound: nothing
        // was done, and it helps to mend it.
        13 | 18 | 10107 | 13435 | 59 => Failure::Down,
        // BadValue, FailedToParse, TypeMismatch, Overflow, InvalidLength, InvalidBSON, InvalidOptions,
        // BSONObjectTooLarge.
        2 | 9 | 14 | 15 | 16 | 22 | 72 | 10334 => Failure::Refused,
        _ => unsettled(effect),
    }
}

/// Whether a single statement's error says that its document would be too large.
pub(super) fn is_too_large(code: i32, message: &str) -> bool {
    // BSONObjectTooLarge, and what updates have answered with through the versions.
    matches!(code, 10334 | 17419 | 17420) || message.contains(super::write::TOO_LARGE)
}

/// Whether a single statement's error is about the server's state, not about the statement: time is up, it is
/// interrupted or steps down, conflicts with others.
pub(super) fn is_passing(code: i32) -> bool {
    matches!(code, 24 | 50 | 64 | 89 | 91 | 100 | 112 | 189 | 202 | 237 | 262 | 9001 | 10107 | 11600 | 11602 | 13435)
}

fn message_of(error: &Error) -> String {
    let advice = match &*error.kind {
        ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } => {
            "; is MongoDB up, and is PASSFLOW_MONGODB_URI its address?"
        }
        ErrorKind::Authentication { .. } => "; look at the user and password in PASSFLOW_MONGODB_URI",
        ErrorKind::Command(error) if matches!(error.code, 13 | 18) => {
            "; the user of PASSFLOW_MONGODB_URI needs the role readWrite on the database"
        }
        _ => "",
    };
    format!("{}{advice}", error.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_is_unanswered_unless_it_surely_did_nothing() {
        let lost = Error::from(std::io::Error::other("reset"));
        assert_eq!(failed(&lost, Effect::Writes, "x".into()).kind, Failure::Unanswered);
        assert_eq!(failed(&lost, Effect::Reads, "x".into()).kind, Failure::Down);
        for (code, kind) in [
            (50, Failure::Unanswered),
            (189, Failure::Unanswered),
            (11602, Failure::Unanswered),
            (10107, Failure::Down),
            (13, Failure::Down),
            (10334, Failure::Refused),
        ] {
            assert_eq!(kind_of_code(code, Effect::Writes), kind, "{code}");
        }
    }
}
