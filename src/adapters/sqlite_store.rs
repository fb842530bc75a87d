//! The one SQLite file that holds topics, documents and tokens when nothing else is installed.
//!
//! All writes of a process go through one connection, owned by a task that puts queued jobs into one transaction: so
//! they share the disk's flush, and a caller that goes away leaves nothing open. Reads have connections of their own;
//! in WAL mode neither waits for the other. Other processes may use the file at the same time.

mod bytes_codec;
mod ends;
mod error;
mod run_lock;
mod schema;
mod sql;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, SqlitePool,
    pool::PoolConnection,
    sqlite::{Sqlite, SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use bytes_codec::{Malformed, Reader, Writer as BytesWriter};
pub(crate) use ends::Ends;
pub(crate) use error::StoreError;
pub use error::{OpenError, RunLockError};
pub use run_lock::RunLock;
pub(crate) use sql::{for_rows, json_array};
pub(crate) use writer::{Tx, Work};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "passflow.db";

/// How a store uses memory, connections and time.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections for reading.
    pub readers: u32,
    /// Page cache of each connection, in KiB.
    pub cache_kib: u32,
    /// How long a write waits for another process's.
    pub busy_timeout: Duration,
    /// How soon what other processes put on topics is noticed.
    pub poll_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            readers: 2,
            cache_kib: 1024,
            busy_timeout: Duration::from_secs(10),
            poll_interval: Duration::from_millis(25),
        }
    }
}

/// The opened file. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    path: Arc<PathBuf>,
    writer: writer::Handle,
    readers: SqlitePool,
    ends: Arc<Ends>,
}

impl Store {
    /// Opens the store in `data_dir`; makes the directory (mode 0700) and the file (0600: it holds tokens) when they
    /// are missing, and brings an older file up to date. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the directory or file cannot be made or opened, is no passflow store, or is one of a newer passflow.
    pub async fn open(data_dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        make_private(data_dir)?;
        let path = data_dir.join(FILE_NAME);
        let options = connect_options(&path, &settings);
        let mut connection = options.connect().await.map_err(|error| OpenError::sql(&path, &error))?;
        schema::bring_up_to_date(&mut connection, &path, settings.busy_timeout).await?;
        let readers = reader_pool(&options, &settings);
        let ends = Arc::new(Ends::new(options.clone(), settings.poll_interval));
        let writer = writer::start(connection, options, Arc::clone(&ends));
        Ok(Self { path: Arc::new(path), writer, readers, ends })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in a transaction; it is done when this returns `Ok`. A caller that stops waiting does not stop it.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// A connection for reading, in which every statement sees the last commit before it.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// A transaction for reading, in which all statements see the same.
    pub(crate) async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }

    /// How far each partition is known to reach.
    pub(crate) fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }
}

fn connect_options(path: &Path, settings: &Settings) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(settings.busy_timeout)
        .statement_cache_capacity(256)
        // Larger than a usual answer, so that the connection's thread and the reader don't wait for each other by turns.
        .row_buffer_size(512)
        .pragma("cache_size", format!("-{}", settings.cache_kib))
        .pragma("journal_size_limit", "16777216")
        .disable_statement_logging()
}

fn reader_pool(options: &SqliteConnectOptions, settings: &Settings) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(settings.readers.max(1))
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().pragma("query_only", "ON"))
}

/// The directory is made before SQLite makes its files, and the file before SQLite opens it: so nobody else can read
/// either at any moment. SQLite gives its side files the mode of the main one.
fn make_private(data_dir: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path, error: std::io::Error| OpenError::Io { path: path.to_owned(), error };
    run_lock::make_dir(data_dir).map_err(|error| failed(data_dir, error))?;
    let path = data_dir.join(FILE_NAME);
    run_lock::open_private(&path).map_err(|error| failed(&path, error))?;
    Ok(())
}
