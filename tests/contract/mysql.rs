//! Tokens in a real MySQL or MariaDB, in a table of their own.

use std::sync::Arc;

use async_trait::async_trait;
use passflow::{
    adapters::mysql_tokens::{Columns, MysqlTokens, Settings},
    domain::user_id::UserId,
    ports::Tokens,
};
use sqlx::{AssertSqlSafe, MySqlPool};

use crate::storage::{Storage, TokensStorage, server, unique};

pub struct Mysql {
    pub pool: MySqlPool,
    pub table: String,
}

impl Mysql {
    pub async fn new() -> Self {
        Self::with("id INT AUTO_INCREMENT PRIMARY KEY, user_id INT NOT NULL, token VARCHAR(512) NULL, KEY (user_id)")
            .await
    }

    /// With a table of these columns.
    pub async fn with(columns: &str) -> Self {
        let storage = Self {
            pool: MySqlPool::connect(&server("PASSFLOW_TEST_MYSQL")).await.unwrap(),
            table: unique("tokens_test"),
        };
        storage.execute(&format!("CREATE TABLE {} ({columns})", storage.table)).await;
        storage
    }

    pub async fn execute(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.pool).await.unwrap();
    }

    pub fn settings(&self) -> Settings {
        Settings { columns: Columns { table: self.table.clone(), ..Columns::default() }, ..Settings::default() }
    }

    pub fn mysql_tokens(&self) -> MysqlTokens {
        MysqlTokens::new(&server("PASSFLOW_TEST_MYSQL"), &self.settings()).unwrap()
    }
}

#[async_trait]
impl Storage for Mysql {
    async fn remove(&self) {
        self.execute(&format!("DROP TABLE {}", self.table)).await;
    }
}

#[async_trait]
impl TokensStorage for Mysql {
    async fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::new(self.mysql_tokens())
    }

    async fn put_tokens(&self, rows: &[(UserId, Option<&str>)]) {
        for (user, token) in rows {
            let insert = format!("INSERT INTO {} (user_id, token) VALUES (?, ?)", self.table);
            let insert = sqlx::query(AssertSqlSafe(insert)).bind(user.get()).bind(*token);
            insert.execute(&self.pool).await.unwrap();
        }
    }
}
