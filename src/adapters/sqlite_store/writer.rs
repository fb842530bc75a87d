//! The task that owns the writing connection.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};

use super::{Ends, StoreError};

/// Jobs that wait at most; who comes later waits for room.
const QUEUE_MAX: usize = 256;
/// Jobs that share a transaction at most.
const GROUP_MAX: usize = 64;

/// A job's future; it may borrow the transaction.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 't>>;

/// An open write transaction, as a job sees it.
#[derive(Debug)]
pub(crate) struct Tx {
    /// To run statements on.
    pub(crate) connection: SqliteConnection,
    /// Partitions that this transaction makes longer, with their new ends; told to readers once it is committed.
    pub(crate) new_ends: Vec<(i64, i64)>,
}

trait Job: Send {
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> Work<'t, ()>;
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Typed<F, T> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Typed<F, T>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> Work<'t, ()> {
        Box::pin(async move {
            if let Some(work) = self.work.take() {
                self.value = Some(work(tx).await?);
            }
            Ok(())
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        let answer = outcome.and_then(|()| value.ok_or_else(|| StoreError::down("the write was not begun")));
        // Who asked may have stopped waiting; the write is done all the same.
        let _nobody_waits = reply.send(answer);
    }
}

/// Queues jobs.
#[derive(Clone)]
pub(super) struct Handle(mpsc::Sender<Box<dyn Job>>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { work: Some(work), value: None, reply });
        self.0.send(job).await.map_err(|_| StoreError::down("the store is closed"))?;
        answer.await.map_err(|_| StoreError::unanswered("the store was closed during the write"))?
    }
}

/// Starts the task; it ends when all handles are gone.
pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions, ends: Arc<Ends>) -> Handle {
    let (sender, jobs) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(Writer { tx: Some(Tx { connection, new_ends: Vec::new() }), options, ends }.serve(jobs));
    Handle(sender)
}

struct Writer {
    /// None after a failure that leaves the connection's state unknown.
    tx: Option<Tx>,
    options: SqliteConnectOptions,
    ends: Arc<Ends>,
}

type Outcome = Result<(), StoreError>;

impl Writer {
    async fn serve(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while jobs.recv_many(&mut group, GROUP_MAX).await > 0 {
            let outcomes = self.commit(&mut group).await;
            for (job, outcome) in group.drain(..).zip(outcomes) {
                job.finish(outcome);
            }
        }
    }

    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Vec<Outcome> {
        match self.try_commit(group).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                // Its transaction may still be open: closing the connection rolls back.
                self.tx = None;
                vec![Err(error); group.len()]
            }
        }
    }

    /// One outcome for each job, or the error that undid them all.
    async fn try_commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<Outcome>, StoreError> {
        let tx = self.connected().await?;
        tx.execute("BEGIN IMMEDIATE").await?;
        let outcomes = match group {
            [alone] => vec![alone.run(tx).await],
            many => run_apart(tx, many).await?,
        };
        if outcomes.iter().all(Result::is_err) {
            // SQLite may have rolled back by itself already, and refuses then: a new connection is sure.
            tx.execute("ROLLBACK").await.map_err(|error| first_error(&outcomes, error))?;
            tx.new_ends.clear();
            return Ok(outcomes);
        }
        sqlx::query("COMMIT").execute(&mut tx.connection).await.map_err(|error| StoreError::of_commit(&error))?;
        let new_ends = std::mem::take(&mut tx.new_ends);
        self.ends.publish(&new_ends);
        Ok(outcomes)
    }

    async fn connected(&mut self) -> Result<&mut Tx, StoreError> {
        let tx = match self.tx.take() {
            Some(tx) => tx,
            None => Tx { connection: self.options.connect().await?, new_ends: Vec::new() },
        };
        Ok(self.tx.insert(tx))
    }
}

impl Tx {
    async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(&mut self.connection).await?;
        Ok(())
    }
}

/// Runs jobs in one transaction so that one's failure undoes itself alone.
async fn run_apart(tx: &mut Tx, jobs: &mut [Box<dyn Job>]) -> Result<Vec<Outcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        let ends_before = tx.new_ends.len();
        tx.execute("SAVEPOINT job").await?;
        let outcome = job.run(tx).await;
        if let Err(error) = &outcome {
            tx.new_ends.truncate(ends_before);
            // When this is refused, SQLite has rolled back the whole transaction for that error.
            tx.execute("ROLLBACK TO job").await.map_err(|_| error.clone())?;
        }
        tx.execute("RELEASE job").await?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn first_error(outcomes: &[Outcome], or_else: StoreError) -> StoreError {
    outcomes.iter().find_map(|outcome| outcome.clone().err()).unwrap_or(or_else)
}
