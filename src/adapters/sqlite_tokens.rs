//! The riders' tokens in the embedded store, and the changes of them as change data capture tells them.

mod admin;
mod cdc;

use std::collections::HashMap;

use async_trait::async_trait;

pub use admin::{ImportError, Imported};

use crate::{
    adapters::{
        sqlite_store::{Store, StoreError, json_array},
        sqlite_topics::SqliteTopics,
    },
    domain::{record::TopicName, token::Token, user_id::UserId},
    ports::{Dependency, PortError, Tokens},
};

/// The embedded tokens.
#[derive(Clone)]
pub struct SqliteTokens {
    store: Store,
    topics: SqliteTopics,
    cdc_topic: TopicName,
}

impl SqliteTokens {
    /// Tokens in `store`; each change of them puts a record on `cdc_topic` of `topics`, which lie in the same store.
    pub fn new(store: Store, topics: SqliteTopics, cdc_topic: TopicName) -> Self {
        Self { store, topics, cdc_topic }
    }
}

fn failed(error: StoreError, doing: impl Into<String>) -> PortError {
    error.while_doing(Dependency::Tokens, doing)
}

#[async_trait]
impl Tokens for SqliteTokens {
    async fn tokens(&self, users: &[UserId]) -> Result<Vec<Option<Token>>, PortError> {
        let tokens = tokens(&self.store, users).await;
        tokens.map_err(|error| failed(error, format!("reading the tokens of {} users", users.len())))
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        users(&self.store, after, limit).await.map_err(|error| failed(error, "listing the users with a token"))
    }
}

async fn tokens(store: &Store, users: &[UserId]) -> Result<Vec<Option<Token>>, StoreError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT user_id, token FROM bytemark_tokens \
         WHERE user_id IN (SELECT value FROM json_each(?)) AND token <> '' ORDER BY id",
    )
    .bind(json_array(users.iter().map(|user| user.get())))
    .fetch_all(&mut *store.reader().await?)
    .await?;
    // Of several rows the last one stays.
    let by_user: HashMap<i64, Token> =
        rows.into_iter().filter_map(|(user, token)| Some((user, Token::new(token)?))).collect();
    Ok(users.iter().map(|user| by_user.get(&user.get()).cloned()).collect())
}

async fn users(store: &Store, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, StoreError> {
    let numbers: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT user_id FROM bytemark_tokens WHERE user_id > ? AND token <> '' ORDER BY user_id LIMIT ?",
    )
    .bind(after.map_or(0, UserId::get))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *store.reader().await?)
    .await?;
    numbers.into_iter().map(user).collect()
}

fn user(number: i64) -> Result<UserId, StoreError> {
    UserId::new(number).map_err(|error| StoreError::refused(format!("a stored user is damaged: {error}")))
}
