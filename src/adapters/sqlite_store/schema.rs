//! The file's tables, by version.

use std::{path::Path, time::Duration};

use sqlx::{SqliteConnection, sqlite::SqliteQueryResult};

use super::OpenError;

/// The steps from an empty file to the newest format; `PRAGMA user_version` counts those that were taken. A step that
/// was once released is never changed.
const STEPS: [&str; 3] = [include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

pub(super) async fn bring_up_to_date(
    connection: &mut SqliteConnection,
    path: &Path,
    patience: Duration,
) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::sql(path, &error);
    switch_to_wal(connection, patience).await.map_err(failed)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = version(connection).await.map_err(failed)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        take_steps(connection).await.map_err(failed)?;
    }
    Ok(())
}

async fn take_steps(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    let taken = take_missing_steps(connection).await;
    // Closing the connection, which follows an error, rolls back as well.
    execute(connection, if taken.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    taken
}

async fn take_missing_steps(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // Read again: another process may have taken them while this one waited for the lock.
    let found = version(connection).await?;
    for (number, step) in (1_i64..).zip(STEPS) {
        if number > found {
            execute(connection, step).await?;
            let set = format!("PRAGMA user_version = {number}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Two processes that make the file at once get `SQLITE_BUSY` here, which SQLite does not wait out by itself.
async fn switch_to_wal(connection: &mut SqliteConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode {
            Err(error) if error.as_database_error().is_some() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<SqliteQueryResult, sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await
}
