//! How the server would read a page of users.

use sqlx::{AssertSqlSafe, MySqlPool, Row};

use super::sql::Statements;
use crate::domain::user_id::UserId;

/// What to do when no index serves the pages; `None` when one does.
pub(super) async fn missing_index(pool: &MySqlPool, statements: &Statements) -> Result<Option<String>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN {}", statements.users())))
        .bind(0_i64)
        .bind(UserId::MAX)
        .bind(1_000_i64)
        .fetch_all(pool)
        .await?;
    // A small table may be read without the index that a large one would be read by: possible ones count.
    let names = |row: &sqlx::mysql::MySqlRow, column| row.try_get::<Option<String>, _>(column).ok().flatten();
    let is_served = rows.iter().any(|row| names(row, "possible_keys").or_else(|| names(row, "key")).is_some());
    let advice = || {
        format!(
            "no index begins with the user's id, so each page of users reads the whole table: {}",
            statements.create_index()
        )
    };
    // An empty table may have no plan at all.
    Ok((!rows.is_empty() && !is_served).then(advice))
}
