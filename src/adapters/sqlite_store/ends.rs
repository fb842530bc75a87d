//! How far each partition reaches, known without asking the file for each.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::watch;

use super::StoreError;

/// The ends of all partitions, as this process knows them. Its own commits are told at once; those of other processes
/// are found by [`Ends::refresh`].
#[derive(Debug)]
pub(crate) struct Ends {
    known: Mutex<HashMap<i64, i64>>,
    moved: watch::Sender<()>,
    watcher: tokio::sync::Mutex<Watcher>,
    interval: Duration,
}

#[derive(Debug)]
struct Watcher {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
    log: WriteLog,
    /// `PRAGMA data_version`: moves when another connection has committed. Only one connection's values compare.
    data_version: i64,
    refreshed_at: Option<Instant>,
    /// When SQLite itself was asked.
    asked_at: Option<Instant>,
}

impl Ends {
    pub(super) fn new(options: SqliteConnectOptions, interval: Duration) -> Self {
        let options = options.pragma("query_only", "ON").pragma("cache_size", "-64");
        let log = WriteLog::of(&options);
        let watcher = Watcher { options, connection: None, log, data_version: 0, refreshed_at: None, asked_at: None };
        Self {
            known: Mutex::default(),
            moved: watch::Sender::new(()),
            watcher: tokio::sync::Mutex::new(watcher),
            interval,
        }
    }

    /// The end of a partition; 0 when nothing is known of it.
    pub(crate) fn of(&self, partition_id: i64) -> i64 {
        self.lock().get(&partition_id).copied().unwrap_or(0)
    }

    /// Tells when any end moves.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// How often to refresh.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes over ends that were committed. They never move back.
    pub(super) fn publish(&self, ends: &[(i64, i64)]) {
        let mut moved = false;
        let mut known = self.lock();
        for (partition_id, end) in ends {
            let entry = known.entry(*partition_id).or_insert(0);
            moved |= *end > *entry;
            *entry = (*entry).max(*end);
        }
        drop(known);
        if moved {
            self.moved.send_replace(());
        }
    }

    /// Finds what other processes have put, unless somebody just did or does so now.
    pub(crate) async fn refresh_when_due(&self) -> Result<(), StoreError> {
        let Ok(mut watcher) = self.watcher.try_lock() else { return Ok(()) };
        if watcher.refreshed_at.is_some_and(|at| at.elapsed() < self.interval) {
            return Ok(());
        }
        watcher.refreshed_at = Some(Instant::now());
        let asked_lately = watcher.asked_at.is_some_and(|at| at.elapsed() < ASK_EVERY);
        if asked_lately && watcher.log.is_unchanged() {
            return Ok(());
        }
        self.read(&mut watcher).await
    }

    /// Knows all that was committed before this call.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let mut watcher = self.watcher.lock().await;
        self.read(&mut watcher).await
    }

    async fn read(&self, watcher: &mut Watcher) -> Result<(), StoreError> {
        if watcher.connection.is_none() {
            watcher.connection = Some(watcher.options.connect().await?);
        }
        let Some(connection) = watcher.connection.as_mut() else { return Ok(()) };
        watcher.asked_at = Some(Instant::now());
        let stamp = WriteLog::stamp(&watcher.log.path);
        let data_version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
        if data_version != watcher.data_version {
            let ends: Vec<(i64, i64)> =
                sqlx::query_as("SELECT id, next_offset FROM partitions").fetch_all(&mut *connection).await?;
            self.publish(&ends);
            watcher.data_version = data_version;
        }
        watcher.log.seen = stamp;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file that every commit is written to first. Asking the system for its time costs a tenth of asking SQLite,
/// and an idle consumer asks many times a second.
#[derive(Debug)]
struct WriteLog {
    path: PathBuf,
    /// As it was before the last look into the database, if nothing can have changed since without changing this.
    seen: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

/// Of a file changed this recently more may be to come under the same time: file times move in steps, and a commit is
/// to be seen only some time after it was written to the log, when the log was synced, which takes as long as the disk
/// takes.
const SETTLING_TIME: Duration = Duration::from_millis(250);

/// SQLite is asked this often whatever the log's time says, for a commit that took even longer to be seen.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl WriteLog {
    fn of(options: &SqliteConnectOptions) -> Self {
        let mut path = options.get_filename().as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), seen: None }
    }

    fn is_unchanged(&self) -> bool {
        self.seen.is_some() && self.seen == Self::stamp(&self.path)
    }

    fn stamp(path: &std::path::Path) -> Option<Stamp> {
        let metadata = fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?;
        let age = SystemTime::now().duration_since(modified).ok()?;
        (age > SETTLING_TIME).then_some(Stamp { modified, bytes: metadata.len() })
    }
}
