//! The riders' tokens in MySQL 5.7 or later, or MariaDB: a table that belongs to others and is only read.

mod connect;
mod plan;
mod sql;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlPool};

pub use sql::{Columns, NotAName};

use self::sql::Statements;
use crate::{
    domain::{token::Token, user_id::UserId},
    ports::{Dependency, Failure, PortError, Tokens},
};

/// How the server is talked to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the tokens stand.
    pub columns: Columns,
    /// Connections, at most.
    pub connections_max: u32,
    /// Time to get a connection, a new one included.
    pub connect_max: Duration,
    /// The server ends a statement after this time.
    pub statement_max: Duration,
    /// An unused connection is closed after this time.
    pub idle_max: Duration,
    /// A connection is replaced after this time.
    pub lifetime_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            connections_max: 8,
            connect_max: Duration::from_secs(5),
            statement_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(120),
            lifetime_max: Duration::from_secs(600),
        }
    }
}

/// The tokens of a table. Cheap to clone.
#[derive(Clone)]
pub struct MysqlTokens {
    pool: MySqlPool,
    statements: Arc<Statements>,
    place: String,
}

impl fmt::Debug for MysqlTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlTokens").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Users of one statement.
const USERS_MAX: usize = 1024;

impl MysqlTokens {
    /// Tokens at `url` (`mysql://user:password@host:port/database`). It connects when it is first used.
    ///
    /// # Errors
    /// When the URL can't be read, or a name is none. The message never holds the password.
    pub fn new(url: &str, settings: &Settings) -> Result<Self, PortError> {
        let refused = |message: String| PortError {
            kind: Failure::Refused,
            dependency: Dependency::Tokens,
            doing: "setting up the connection to MySQL".to_owned(),
            message,
        };
        let statements = Statements::new(&settings.columns).map_err(|error| refused(error.to_string()))?;
        let pool = connect::pool(url, settings).map_err(|error| refused(format!("PASSFLOW_MYSQL_URL: {error}")))?;
        Ok(Self { pool, statements: Arc::new(statements), place: settings.columns.table.clone() })
    }

    /// What keeps pages of users from being read in the order of an index, if anything does: then every page reads the
    /// whole table, and a tick over many users takes long.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn missing_index(&self) -> Result<Option<String>, PortError> {
        plan::missing_index(&self.pool, &self.statements)
            .await
            .map_err(|error| failed(&error, format!("asking how pages of {} are read", self.place)))
    }

    /// Connects once, without the pool, which tries again and again and then says only that it was late.
    ///
    /// # Errors
    /// When that fails, and why.
    pub async fn reach(&self) -> Result<(), PortError> {
        let options = self.pool.connect_options();
        let doing = || format!("connecting to MySQL at {}:{}", options.get_host(), options.get_port());
        let connecting = tokio::time::timeout(self.pool.options().get_acquire_timeout(), options.connect());
        let connected = connecting.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        let connection = connected.map_err(|error| failed(&error, doing()))?;
        connection.close().await.map_err(|error| failed(&error, doing()))
    }

    async fn page_of_tokens(&self, users: &[UserId]) -> Result<HashMap<i64, Token>, sqlx::Error> {
        let marks = sql::marks(users.len());
        let mut query = sqlx::query_as(AssertSqlSafe(self.statements.tokens(marks)));
        // The last one fills the rest: few different texts stay in the cache of prepared statements.
        for place in 0..marks {
            query = query.bind(users.get(place).or(users.last()).map_or(0, |user| user.get()));
        }
        let rows: Vec<(i64, Option<Vec<u8>>)> = query.fetch_all(&self.pool).await?;
        let token = |bytes: Vec<u8>| String::from_utf8(bytes).ok().and_then(Token::new);
        // They come in the order of their keys, so of several rows the last one stays.
        Ok(rows.into_iter().filter_map(|(user, bytes)| Some((user, token(bytes?)?))).collect())
    }

    async fn page_of_users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, sqlx::Error> {
        let numbers: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(self.statements.users()))
            .bind(after.map_or(0, UserId::get))
            .bind(UserId::MAX)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(numbers.into_iter().filter_map(|number| UserId::new(number).ok()).collect())
    }
}

#[async_trait]
impl Tokens for MysqlTokens {
    async fn tokens(&self, users: &[UserId]) -> Result<Vec<Option<Token>>, PortError> {
        let mut tokens = HashMap::with_capacity(users.len());
        for page in users.chunks(USERS_MAX) {
            let found = self.page_of_tokens(page).await;
            tokens.extend(found.map_err(|error| {
                failed(&error, format!("reading the tokens of {} users from {}", page.len(), self.place))
            })?);
        }
        Ok(users.iter().map(|user| tokens.get(&user.get()).cloned()).collect())
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        let found = self.page_of_users(after, limit).await;
        found.map_err(|error| failed(&error, format!("listing the users with a token of {}", self.place)))
    }

    async fn count(&self) -> Result<u64, PortError> {
        let count: Result<i64, _> =
            sqlx::query_scalar(AssertSqlSafe(self.statements.count())).bind(UserId::MAX).fetch_one(&self.pool).await;
        count
            .map(i64::unsigned_abs)
            .map_err(|error| failed(&error, format!("counting the users with a token of {}", self.place)))
    }
}

/// Only reads are made, so whatever failed has done nothing, and may work later or once it is mended.
fn failed(error: &sqlx::Error, doing: String) -> PortError {
    let advice = match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => "; is the server up, and is PASSFLOW_MYSQL_URL its address?",
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28000") => "; look at the user and password in PASSFLOW_MYSQL_URL",
            Some("42S02" | "42S22" | "42000") => {
                "; look at the names of the table and its columns, and at the user's right to read them"
            }
            _ => "",
        },
        sqlx::Error::ColumnDecode { .. } => "; user ids must be whole numbers",
        _ => "",
    };
    PortError { kind: Failure::Down, dependency: Dependency::Tokens, doing, message: format!("{error}{advice}") }
}
