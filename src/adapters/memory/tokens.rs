//! The riders' tokens, as rows that a reader may see late.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    chaos::Chaos,
    world::{World, lock},
};
use crate::{
    domain::{token::Token, user_id::UserId},
    ports::{Dependency, PortError, Tokens},
};

/// The token table. Cheap to clone; all clones are the same table. A change puts nothing on any topic.
#[derive(Clone, Debug)]
pub struct MemoryTokens(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct Row {
    user: UserId,
    token: Option<Token>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<i64, Row>,
    /// The rows as readers see them.
    seen: BTreeMap<i64, Row>,
    /// Changes that readers don't see yet, with their times.
    unseen: VecDeque<(i64, i64, Option<Row>)>,
    lag_ms: i64,
}

impl State {
    fn change(&mut self, now_ms: i64, key: i64, row: Option<Row>) {
        set(&mut self.rows, key, row.clone());
        self.unseen.push_back((now_ms, key, row));
    }

    fn catch_up(&mut self, now_ms: i64) {
        while self.unseen.front().is_some_and(|(at_ms, ..)| at_ms + self.lag_ms <= now_ms) {
            if let Some((_, key, row)) = self.unseen.pop_front() {
                set(&mut self.seen, key, row);
            }
        }
    }
}

fn set(rows: &mut BTreeMap<i64, Row>, key: i64, row: Option<Row>) {
    match row {
        Some(row) => rows.insert(key, row),
        None => rows.remove(&key),
    };
}

/// Of several rows the one with the greatest key and a token counts.
fn present(rows: &BTreeMap<i64, Row>, user: UserId) -> Option<Token> {
    rows.values().rev().filter(|row| row.user == user).find_map(|row| row.token.clone())
}

impl MemoryTokens {
    /// An empty table.
    pub fn new(world: &World) -> Self {
        Self(Arc::new(Shared { world: world.clone(), state: Mutex::default() }))
    }

    /// The connection of the process `chaos`.
    pub fn client(&self, chaos: &Chaos) -> TokensClient {
        TokensClient { tokens: self.clone(), chaos: chaos.clone() }
    }

    /// Makes readers see changes this much later.
    pub fn set_lag(&self, lag: Duration) {
        lock(&self.0.state).lag_ms = i64::try_from(lag.as_millis()).unwrap_or(i64::MAX);
    }

    /// Sets the row of `user` whose key is the user's number; an empty token is none.
    pub fn set(&self, user: UserId, token: &str) {
        self.set_row(user.get(), user, token);
    }

    /// Sets the row of this key; an empty token is none.
    pub fn set_row(&self, key: i64, user: UserId, token: &str) {
        let row = Row { user, token: Token::new(token.to_owned()) };
        lock(&self.0.state).change(self.0.world.now_ms(), key, Some(row));
    }

    /// Deletes the row of this key.
    pub fn delete_row(&self, key: i64) {
        lock(&self.0.state).change(self.0.world.now_ms(), key, None);
    }

    /// The token of `user` as it really is.
    pub fn present(&self, user: UserId) -> Option<Token> {
        present(&lock(&self.0.state).rows, user)
    }

    fn seen(&self) -> BTreeMap<i64, Row> {
        let mut state = lock(&self.0.state);
        state.catch_up(self.0.world.now_ms());
        state.seen.clone()
    }
}

/// One process's connection to [`MemoryTokens`].
#[derive(Clone, Debug)]
pub struct TokensClient {
    tokens: MemoryTokens,
    chaos: Chaos,
}

impl TokensClient {
    async fn call<T: Send + 'static>(
        &self,
        doing: &str,
        apply: impl FnOnce(&BTreeMap<i64, Row>) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let tokens = self.tokens.clone();
        let world = &self.tokens.0.world;
        self.chaos.call(world, Dependency::Tokens, doing, move || Ok(apply(&tokens.seen()))).await
    }
}

#[async_trait]
impl Tokens for TokensClient {
    async fn tokens(&self, users: &[UserId]) -> Result<Vec<Option<Token>>, PortError> {
        let users = users.to_vec();
        self.call("read tokens", move |rows| users.iter().map(|user| present(rows, *user)).collect()).await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        self.call("list users with a token", move |rows| {
            let with_token = rows.values().filter(|row| row.token.is_some()).map(|row| row.user);
            let behind: BTreeSet<UserId> = with_token.filter(|user| Some(*user) > after).collect();
            behind.into_iter().take(limit).collect()
        })
        .await
    }
}
