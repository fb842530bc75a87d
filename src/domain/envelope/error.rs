//! Why a body is not an envelope.

use crate::domain::js_json;

/// Why a body can't be used. The fetch that brought it has failed; nothing is known about the passes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The body is not JSON, an HTML page for one.
    #[error("the body is not JSON: {0}")]
    NotJson(js_json::Error),
    /// The body's arrays and objects lie deeper inside each other than the setting `depth_max` allows.
    #[error("the body is nested deeper than `depth_max` at byte {offset}")]
    TooDeep {
        /// The first byte that is too deep.
        offset: usize,
    },
    /// The body is JSON, but not Bytemark's envelope.
    #[error("the body is not an envelope: {0}")]
    WrongEnvelope(&'static str),
    /// A pass has no `uuid`, or one that is not a text.
    #[error("the pass at index {index} has no uuid")]
    MissingUuid {
        /// Its place among the passes, from 0.
        index: usize,
    },
    /// Two passes of one body have the same `uuid`.
    #[error("two passes have the uuid {uuid}")]
    DuplicateUuid {
        /// The uuid.
        uuid: String,
    },
}

impl EnvelopeError {
    /// A stable name, for outcomes, metrics and dead letters.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::TooDeep { .. } => "too_deep",
            Self::WrongEnvelope(_) => "wrong_envelope",
            Self::MissingUuid { .. } => "missing_uuid",
            Self::DuplicateUuid { .. } => "duplicate_uuid",
        }
    }

    /// The same for a body that has `bytes` more at its start.
    pub(super) fn moved_by(self, bytes: usize) -> Self {
        match self {
            Self::NotJson(error) => Self::NotJson(js_json::Error { offset: error.offset + bytes, ..error }),
            Self::TooDeep { offset } => Self::TooDeep { offset: offset + bytes },
            other => other,
        }
    }
}

impl From<js_json::Error> for EnvelopeError {
    fn from(error: js_json::Error) -> Self {
        match error.kind {
            js_json::ErrorKind::TooDeep => Self::TooDeep { offset: error.offset },
            _ => Self::NotJson(error),
        }
    }
}

/// What is wrong with a body that is JSON. Kept aside while reading: it may turn out not to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Wrong(&'static str),
    MissingUuid { index: usize },
}

impl From<Shape> for EnvelopeError {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Wrong(what) => Self::WrongEnvelope(what),
            Shape::MissingUuid { index } => Self::MissingUuid { index },
        }
    }
}
