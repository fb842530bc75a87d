//! Changes of the token table. Each change and its CDC record are written in one transaction.

use std::{collections::HashMap, sync::Arc};

use super::{SqliteTokens, cdc, failed};
use crate::{
    adapters::{
        sqlite_store::{StoreError, Tx, for_rows, json_array},
        sqlite_topics::{Placer, append_placed},
    },
    domain::{
        record::{Output, TopicName},
        token::Token,
        user_id::UserId,
    },
    ports::{Clock, PortError},
};

/// Rows of one transaction.
const BATCH: usize = 500;
/// Rows of one statement at most.
const ROWS_MAX: usize = 50;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were not there.
    pub inserted: u64,
    /// Rows whose token was another.
    pub updated: u64,
    /// Rows that were there already, with this token.
    pub unchanged: u64,
}

/// An import stopped; what came before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError<E> {
    /// The rows could not be read.
    #[error(transparent)]
    Source(E),
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] PortError),
}

/// A user's token to be; `None` is NULL.
type Wanted = (UserId, Option<Token>);

impl SqliteTokens {
    /// Inserts or updates a row for each user named, in batches: any number of rows in constant memory. Of several
    /// rows of a user the last one counts. When `rows` fails, what came before it is written first.
    pub async fn import<E: Send>(
        &self,
        rows: impl Iterator<Item = Result<Wanted, E>> + Send,
    ) -> Result<Imported, ImportError<E>> {
        let mut total = Imported::default();
        let mut rows = rows.fuse();
        loop {
            let (batch, stopped) = next_batch(&mut rows);
            if !batch.is_empty() {
                total.add(self.put(batch, "importing tokens").await?);
            }
            match stopped {
                Some(Err(error)) => return Err(ImportError::Source(error)),
                Some(Ok(())) => return Ok(total),
                None => {}
            }
        }
    }

    /// Sets a user's token; tells whether that changed anything.
    pub async fn set(&self, user: UserId, token: Option<Token>) -> Result<bool, PortError> {
        let done = self.put(vec![(user, token)], &format!("setting the token of user {user}")).await?;
        Ok(done.unchanged == 0)
    }

    /// Adds one more row for a user, as the portal's table may have several; tells its key.
    pub async fn add_row(&self, user: UserId, token: Option<Token>) -> Result<i64, PortError> {
        let write = self.write(move |tx, changes| Box::pin(async move { add_row(tx, changes, user, token).await }));
        write.await.map_err(|error| failed(error, format!("adding a token of user {user}")))
    }

    /// Deletes all rows of a user; tells how many there were.
    pub async fn delete(&self, user: UserId) -> Result<usize, PortError> {
        let write = self.write(move |tx, changes| Box::pin(async move { delete(tx, changes, user).await }));
        write.await.map_err(|error| failed(error, format!("deleting the token of user {user}")))
    }

    async fn put(&self, batch: Vec<Wanted>, doing: &str) -> Result<Imported, PortError> {
        let write = self.write(move |tx, changes| Box::pin(async move { put(tx, changes, batch).await }));
        write.await.map_err(|error| failed(error, doing))
    }

    /// Runs `work`, and appends the changes that it notes.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx, &'t mut Changes) -> crate::adapters::sqlite_store::Work<'t, T> + Send + 'static,
    {
        let placer = self.topics.placer(std::slice::from_ref(&self.cdc_topic)).await?;
        let clock = self.topics.clock();
        let topic = self.cdc_topic.clone();
        let write = self.store.write(move |tx| {
            Box::pin(async move {
                let mut changes = Changes { topic, now_ms: clock.now_ms(), outputs: Vec::new() };
                let done = work(tx, &mut changes).await?;
                changes.append(tx, &placer, &clock).await?;
                Ok(done)
            })
        });
        write.await
    }
}

impl Imported {
    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
    }
}

/// Up to a batch of rows, and how the source ended if it did.
fn next_batch<E>(rows: &mut impl Iterator<Item = Result<Wanted, E>>) -> (Vec<Wanted>, Option<Result<(), E>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while batch.len() < BATCH {
        match rows.next() {
            Some(Ok(row)) => batch.push(row),
            Some(Err(error)) => return (batch, Some(Err(error))),
            None => return (batch, Some(Ok(()))),
        }
    }
    (batch, None)
}

/// CDC records of a transaction.
struct Changes {
    topic: TopicName,
    now_ms: i64,
    outputs: Vec<Output>,
}

impl Changes {
    fn note(&mut self, before: Option<&cdc::Row>, after: Option<&cdc::Row>) -> Result<(), StoreError> {
        let output = cdc::change(&self.topic, before, after, self.now_ms).map_err(|error| unwritable(&error))?;
        self.outputs.push(output);
        Ok(())
    }

    fn note_gone(&mut self, row: &cdc::Row) -> Result<(), StoreError> {
        self.note(Some(row), None)?;
        self.outputs.push(cdc::tombstone(&self.topic, row.id).map_err(|error| unwritable(&error))?);
        Ok(())
    }

    async fn append(self, tx: &mut Tx, placer: &Placer, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
        append_placed(tx, &**clock, placer.place(&self.outputs)).await
    }
}

fn unwritable(error: &serde_json::Error) -> StoreError {
    StoreError::refused(format!("writing a change record: {error}"))
}

async fn rows_of(tx: &mut Tx, users: impl Iterator<Item = UserId>) -> Result<Vec<cdc::Row>, StoreError> {
    let rows: Vec<(i64, i64, Option<String>)> = sqlx::query_as(
        "SELECT id, user_id, token FROM bytemark_tokens WHERE user_id IN (SELECT value FROM json_each(?)) ORDER BY id",
    )
    .bind(json_array(users.map(UserId::get)))
    .fetch_all(&mut tx.connection)
    .await?;
    Ok(rows.into_iter().map(|(id, user_id, token)| cdc::Row { id, user_id, token }).collect())
}

async fn next_id(tx: &mut Tx) -> Result<i64, StoreError> {
    let last: i64 =
        sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM bytemark_tokens").fetch_one(&mut tx.connection).await?;
    Ok(last + 1)
}

/// The user's row with the greatest key is the one to update.
async fn put(tx: &mut Tx, changes: &mut Changes, batch: Vec<Wanted>) -> Result<Imported, StoreError> {
    let rows = rows_of(tx, batch.iter().map(|(user, _)| *user)).await?;
    let mut present: HashMap<i64, cdc::Row> = rows.into_iter().map(|row| (row.user_id, row)).collect();
    let mut next_id = next_id(tx).await?;
    let mut done = Imported::default();
    let mut written: HashMap<i64, cdc::Row> = HashMap::new();
    for (user, token) in batch {
        let token = token.map(|token| token.expose().to_owned());
        let before = present.remove(&user.get());
        let after = match &before {
            Some(before) => cdc::Row { token, ..before.clone() },
            None => cdc::Row { id: next_id, user_id: user.get(), token },
        };
        match &before {
            None => {
                next_id += 1;
                done.inserted += 1;
            }
            Some(before) if before.token == after.token => done.unchanged += 1,
            Some(_) => done.updated += 1,
        }
        if before.as_ref().is_none_or(|before| before.token != after.token) {
            changes.note(before.as_ref(), Some(&after))?;
            written.insert(after.id, after.clone());
        }
        present.insert(user.get(), after);
    }
    write_rows(tx, written.into_values().collect()).await?;
    Ok(done)
}

async fn write_rows(tx: &mut Tx, rows: Vec<cdc::Row>) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_MAX) {
        let sql = for_rows("REPLACE INTO bytemark_tokens (id, user_id, token) VALUES ", chunk.len(), 3, "");
        let mut query = sqlx::query(sql);
        for row in chunk {
            query = query.bind(row.id).bind(row.user_id).bind(row.token.as_deref());
        }
        query.execute(&mut tx.connection).await?;
    }
    Ok(())
}

async fn add_row(tx: &mut Tx, changes: &mut Changes, user: UserId, token: Option<Token>) -> Result<i64, StoreError> {
    let id = next_id(tx).await?;
    let row = cdc::Row { id, user_id: user.get(), token: token.map(|token| token.expose().to_owned()) };
    changes.note(None, Some(&row))?;
    write_rows(tx, vec![row]).await?;
    Ok(id)
}

async fn delete(tx: &mut Tx, changes: &mut Changes, user: UserId) -> Result<usize, StoreError> {
    let rows = rows_of(tx, [user].into_iter()).await?;
    rows.iter().try_for_each(|row| changes.note_gone(row))?;
    sqlx::query("DELETE FROM bytemark_tokens WHERE user_id = ?").bind(user.get()).execute(&mut tx.connection).await?;
    Ok(rows.len())
}
