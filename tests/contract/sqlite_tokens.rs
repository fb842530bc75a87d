//! What the embedded tokens do beyond the port: changes, and their records on the CDC topic.

use std::sync::Arc;

use passflow::{
    adapters::sqlite_tokens::{ImportError, Imported, SqliteTokens},
    domain::{token::Token, user_id::UserId},
    ports::{Tokens as _, Topics},
};

use crate::{
    sqlite::Sqlite,
    storage::{TopicsStorage as _, user},
    topics::read_all,
};

type Row = Result<(UserId, Option<Token>), String>;

#[expect(clippy::unnecessary_wraps, reason = "as a source gives it")]
fn row(number: i64, token: &str) -> Row {
    Ok((user(number), Token::new(token.to_owned())))
}

async fn import(tokens: &SqliteTokens, rows: Vec<Row>) -> Imported {
    tokens.import(rows.into_iter()).await.unwrap()
}

/// `op key before after` of each record, in the order of their keys' partitions.
async fn changes(topics: &Arc<dyn Topics>) -> Vec<String> {
    let describe = |record: &passflow::domain::record::Record| {
        let key = String::from_utf8(record.key.as_ref().unwrap().to_vec()).unwrap();
        let Some(value) = &record.value else { return format!("tombstone {key}") };
        let value: serde_json::Value = serde_json::from_slice(value).unwrap();
        let side = |name: &str| match &value[name] {
            serde_json::Value::Null => "-".to_owned(),
            row => format!("{}:{}", row["user_id"], row["token"]),
        };
        assert_eq!(value["source"]["table"], "bytemark_tokens");
        format!("{} {key} {} {}", value["op"].as_str().unwrap(), side("before"), side("after"))
    };
    let mut changes: Vec<_> = read_all(topics, "cdc.portal.bytemark_tokens").await.iter().map(describe).collect();
    changes.sort();
    changes
}

#[tokio::test]
async fn an_import_inserts_updates_and_leaves_what_is_there() {
    let storage = Sqlite::new().await;
    let (tokens, topics) = (storage.sqlite_tokens().await, storage.topics().await);
    let first = import(&tokens, vec![row(1, "a"), row(2, ""), row(1, "b")]).await;
    assert_eq!(first, Imported { inserted: 2, updated: 1, unchanged: 0 });
    let expected = [r#"c {"id":1} - 1:"a""#, r#"c {"id":2} - 2:null"#, r#"u {"id":1} 1:"a" 1:"b""#];
    assert_eq!(changes(&topics).await, expected);
    let again = import(&tokens, vec![row(1, "b"), row(2, "")]).await;
    assert_eq!(again, Imported { unchanged: 2, ..Imported::default() });
    assert_eq!(changes(&topics).await, expected, "no change, no record");
    assert_eq!(tokens.tokens(&[user(1)]).await.unwrap()[0].as_ref().unwrap().expose(), "b");
}

#[tokio::test]
async fn an_import_takes_any_number_of_rows() {
    let storage = Sqlite::new().await;
    let tokens = storage.sqlite_tokens().await;
    let done = import(&tokens, (1..=2345).map(|number| row(number, "t")).collect()).await;
    assert_eq!(done.inserted, 2345);
    assert_eq!(tokens.users(None, 10_000).await.unwrap().len(), 2345);
    assert_eq!(changes(&storage.topics().await).await.len(), 2345);
}

#[tokio::test]
async fn an_import_stops_at_a_bad_row_and_keeps_what_came_before() {
    let storage = Sqlite::new().await;
    let tokens = storage.sqlite_tokens().await;
    let rows = vec![row(1, "a"), Err("line 3".to_owned()), row(2, "b")];
    let stopped = tokens.import(rows.into_iter()).await;
    assert!(matches!(stopped, Err(ImportError::Source(line)) if line == "line 3"));
    assert_eq!(tokens.users(None, 10).await.unwrap(), [user(1)]);
}

#[tokio::test]
async fn setting_and_deleting_tell_what_they_did() {
    let storage = Sqlite::new().await;
    let (tokens, topics) = (storage.sqlite_tokens().await, storage.topics().await);
    let token = |text: &str| Token::new(text.to_owned());
    assert!(tokens.set(user(7), token("x")).await.unwrap());
    assert!(!tokens.set(user(7), token("x")).await.unwrap());
    assert_eq!(tokens.delete(user(7)).await.unwrap(), 1);
    assert_eq!(tokens.delete(user(7)).await.unwrap(), 0);
    assert_eq!(tokens.tokens(&[user(7)]).await.unwrap(), [None]);
    let expected = [r#"c {"id":1} - 7:"x""#, r#"d {"id":1} 7:"x" -"#, r#"tombstone {"id":1}"#];
    assert_eq!(changes(&topics).await, expected);
}
