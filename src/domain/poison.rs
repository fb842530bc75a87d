//! A record that can never be handled, however often it is read again: it becomes a dead letter.

use std::fmt;

/// Why a record is a dead letter: `code` for machines and filters, `message` for whoever has to mend it.
///
/// The message never holds a value of the record that could be a secret: it names columns and kinds of values,
/// and shows only numbers and very short codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Poison {
    /// The kind of fault, stable over versions.
    pub code: Code,
    /// What was being read, what is wrong with it, and what to do.
    pub message: String,
}

impl Poison {
    /// A record refused with `code`, for the reason told in `message`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of dead letters. Their text, as [`Code::as_str`] gives it, stands in the dead letter's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The bytes are no JSON text in UTF-8.
    NotJson,
    /// JSON, but a value of another type than its field has.
    WrongType,
    /// A change whose `op` is none of Debezium's.
    UnknownOp,
    /// JSON of no known form, or a row without the column that is looked for.
    UnknownSchema,
    /// A known format that is not read: Avro, Maxwell, Canal.
    UnsupportedFormat,
    /// A user id that is no whole number in `1..=2^53-1`.
    BadUserId,
    /// The passes could not be fetched in all the rounds of retries.
    FetchFailed,
    /// The change would make the user's document larger than the store takes.
    DocumentTooLarge,
    /// An event would be larger than its topic takes.
    RecordTooLarge,
    /// The document could not be written: another writer was faster every time, or the store refused it.
    WriteFailed,
    /// A fault of passflow itself, to be reported.
    InternalError,
}

impl Code {
    /// Every code, for listings and for reading a code back.
    pub const ALL: [Self; 11] = [
        Self::NotJson,
        Self::WrongType,
        Self::UnknownOp,
        Self::UnknownSchema,
        Self::UnsupportedFormat,
        Self::BadUserId,
        Self::FetchFailed,
        Self::DocumentTooLarge,
        Self::RecordTooLarge,
        Self::WriteFailed,
        Self::InternalError,
    ];

    /// The code's stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::WrongType => "wrong_type",
            Self::UnknownOp => "unknown_op",
            Self::UnknownSchema => "unknown_schema",
            Self::UnsupportedFormat => "unsupported_format",
            Self::BadUserId => "bad_user_id",
            Self::FetchFailed => "fetch_failed",
            Self::DocumentTooLarge => "document_too_large",
            Self::RecordTooLarge => "record_too_large",
            Self::WriteFailed => "write_failed",
            Self::InternalError => "internal_error",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
