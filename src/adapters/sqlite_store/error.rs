//! What can go wrong with the file, in the ports' terms.

use std::{io, path::PathBuf};

use crate::ports::{Dependency, Failure, PortError};

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or file could not be made or opened.
    #[error(
        "opening the embedded store {}: {error}; give passflow the right to write there, or name another folder with \
         PASSFLOW_DATA_DIR (data_dir)",
        path.display()
    )]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// SQLite refused.
    #[error("opening the embedded store {}: {message}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A newer passflow made it.
    #[error(
        "the embedded store {} has format {found}, and this passflow knows up to {known}: use the newer passflow that made it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
}

impl OpenError {
    pub(super) fn sql(path: &std::path::Path, error: &sqlx::Error) -> Self {
        Self::Sql { path: path.to_owned(), message: describe(error) }
    }
}

/// The data directory could not be locked for a run.
#[derive(Debug, thiserror::Error)]
pub enum RunLockError {
    /// Another process runs on it.
    #[error(
        "another `passflow run` or `demo` uses the data directory {}: stop it, or give this one another with PASSFLOW_DATA_DIR",
        data_dir.display()
    )]
    InUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// The lock file could not be made.
    #[error(
        "locking the data directory {}: {error}; give passflow the right to write there, or name another folder with \
         PASSFLOW_DATA_DIR (data_dir)",
        data_dir.display()
    )]
    Io {
        /// The directory.
        data_dir: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A statement or transaction that failed.
#[derive(Clone, Debug)]
pub(crate) struct StoreError {
    kind: Failure,
    message: String,
}

impl StoreError {
    /// It cannot be done, now or later.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Failure::Refused, message: message.into() }
    }

    /// Nothing was done.
    pub(crate) fn down(message: impl Into<String>) -> Self {
        Self { kind: Failure::Down, message: message.into() }
    }

    /// The writer went away before it answered.
    pub(super) fn unanswered(message: impl Into<String>) -> Self {
        Self { kind: Failure::Unanswered, message: message.into() }
    }

    /// Of a failed `COMMIT`: busy, full and read-only files leave nothing behind; after anything else, the log may
    /// hold the transaction already.
    pub(super) fn of_commit(error: &sqlx::Error) -> Self {
        let kind = match primary_code(error) {
            Some(BUSY | LOCKED | FULL | READ_ONLY) => Failure::Down,
            _ => Failure::Unanswered,
        };
        Self { kind, message: describe(error) }
    }

    /// The error as callers of a port get it.
    pub(crate) fn while_doing(self, dependency: Dependency, doing: impl Into<String>) -> PortError {
        PortError { kind: self.kind, dependency, doing: doing.into(), message: self.message }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self { kind: failure(&error), message: describe(&error) }
    }
}

impl From<super::Malformed> for StoreError {
    fn from(error: super::Malformed) -> Self {
        Self::refused(format!("a stored value is damaged: {error}"))
    }
}

// SQLite's primary result codes: https://www.sqlite.org/rescode.html
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANT_OPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const NO_DATABASE: i32 = 26;

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn failure(error: &sqlx::Error) -> Failure {
    match (error, primary_code(error)) {
        (_, Some(BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPT | IO | FULL | CANT_OPEN | PROTOCOL))
        | (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed, _) => {
            Failure::Down
        }
        _ => Failure::Refused,
    }
}

fn describe(error: &sqlx::Error) -> String {
    let advice = match primary_code(error) {
        Some(BUSY | LOCKED) => " (another process holds the file's write lock: it is tried again)",
        Some(FULL) => " (the disk is full: make room in the data directory)",
        Some(READ_ONLY | CANT_OPEN) => " (check the owner and mode of the data directory and its files)",
        Some(IO) => " (check the disk under the data directory)",
        Some(CORRUPT | NO_DATABASE) => " (restore the data directory from a copy)",
        _ => "",
    };
    match error.as_database_error() {
        Some(error) => format!("{}{advice}", error.message()),
        None => format!("{error}{advice}"),
    }
}
