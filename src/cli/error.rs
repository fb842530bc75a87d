use std::io;

use crate::{ports::PortError, settings::Problems, wiring};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Message(String),
    #[error("the settings are refused:\n{0}")]
    Settings(Problems),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("writing to standard output: {0}")]
    Output(io::Error),
}

impl Error {
    pub(super) fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }

    /// Whether the reader of standard output has gone: nothing is left to do, and nobody to tell.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::Settings(problems)
    }
}

impl From<wiring::Error> for Error {
    fn from(error: wiring::Error) -> Self {
        match error {
            wiring::Error::Settings(problems) => Self::Settings(problems),
            wiring::Error::Port(error) => Self::Port(error),
            wiring::Error::Other(message) => Self::Message(message),
        }
    }
}
