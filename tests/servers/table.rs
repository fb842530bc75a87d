//! The token table in MySQL, with a change record for each change as Debezium would write it.

use std::sync::Arc;

use async_trait::async_trait;
use passflow::{
    domain::{record::Output, token::Token, user_id::UserId},
    ports::{PortError, Topics},
    wiring::{PutRows, TokenAdmin},
};
use sqlx::{AssertSqlSafe, MySqlPool};

/// A table of the test's own.
pub struct Table {
    pub pool: MySqlPool,
    pub name: String,
    pub topics: Arc<dyn Topics>,
    pub cdc_topic: String,
}

impl Table {
    pub async fn make(&self) {
        self.execute(format!(
            "CREATE TABLE {} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT NULL, \
             token VARCHAR(255), KEY (user_id))",
            self.name
        ))
        .await;
    }

    pub async fn remove(&self) {
        self.execute(format!("DROP TABLE {}", self.name)).await;
    }

    async fn execute(&self, statement: String) {
        sqlx::query(AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
    }

    /// Updates the user's row, or inserts it; whether it was there.
    pub async fn write(&self, user: UserId, token: Option<&str>) -> bool {
        let update = format!("UPDATE {} SET token = ? WHERE user_id = ?", self.name);
        let updated = sqlx::query(AssertSqlSafe(update)).bind(token).bind(user.get()).execute(&self.pool).await;
        let is_there = updated.unwrap().rows_affected() > 0;
        if !is_there {
            let insert = format!("INSERT INTO {} (user_id, token) VALUES (?, ?)", self.name);
            sqlx::query(AssertSqlSafe(insert)).bind(user.get()).bind(token).execute(&self.pool).await.unwrap();
        }
        is_there
    }

    /// Deletes the user's rows.
    pub async fn delete_rows(&self, user: UserId) {
        let delete = format!("DELETE FROM {} WHERE user_id = ?", self.name);
        sqlx::query(AssertSqlSafe(delete)).bind(user.get()).execute(&self.pool).await.unwrap();
    }

    async fn tell(&self, user: UserId, op: &str, token: Option<&Token>) {
        let row = serde_json::json!({"id": user.get(), "user_id": user.get(), "token": token.map(Token::expose)});
        let (before, after) = if op == "d" { (row, serde_json::Value::Null) } else { (serde_json::Value::Null, row) };
        let source = serde_json::json!({"db": "portal", "table": self.name, "snapshot": "false"});
        let value = serde_json::json!({"before": before, "after": after, "source": source, "op": op});
        let output = Output {
            topic: self.cdc_topic.as_str().into(),
            key: Some(format!(r#"{{"id":{user}}}"#).into()),
            value: Some(value.to_string().into()),
            headers: Vec::new(),
        };
        self.topics.append(vec![output]).await.unwrap();
    }
}

#[async_trait]
impl TokenAdmin for Table {
    /// The row first, then its change, as a binlog has it.
    async fn put(&self, rows: Vec<(UserId, Option<Token>)>) -> Result<PutRows, PortError> {
        for (user, token) in rows {
            let is_there = self.write(user, token.as_ref().map(Token::expose)).await;
            self.tell(user, if is_there { "u" } else { "c" }, token.as_ref()).await;
        }
        Ok(PutRows::default())
    }

    async fn delete(&self, user: UserId) -> Result<bool, PortError> {
        self.delete_rows(user).await;
        self.tell(user, "d", None).await;
        Ok(true)
    }
}
