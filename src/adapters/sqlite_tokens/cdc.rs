//! A change of a token row as Debezium's MySQL connector tells it, without schemas.

use bytes::Bytes;
use serde::Serialize;

use crate::domain::record::{Output, TopicName};

/// A row of the table; without `Debug`: it holds a token.
#[derive(Clone, Serialize)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) token: Option<String>,
}

#[derive(Serialize)]
struct Key {
    id: i64,
}

#[derive(Serialize)]
struct Value<'a> {
    before: Option<&'a Row>,
    after: Option<&'a Row>,
    source: Source,
    op: &'static str,
    ts_ms: i64,
}

#[derive(Serialize)]
struct Source {
    connector: &'static str,
    name: &'static str,
    ts_ms: i64,
    snapshot: &'static str,
    db: &'static str,
    table: &'static str,
}

/// The record of a change: before `None` is an insert, after `None` a delete.
pub(super) fn change(
    topic: &TopicName,
    before: Option<&Row>,
    after: Option<&Row>,
    ts_ms: i64,
) -> Result<Output, serde_json::Error> {
    let op = match (before, after) {
        (None, _) => "c",
        (_, None) => "d",
        _ => "u",
    };
    let source =
        Source { connector: "passflow", name: "cdc", ts_ms, snapshot: "false", db: "portal", table: "bytemark_tokens" };
    let value = serde_json::to_vec(&Value { before, after, source, op, ts_ms })?;
    let id = after.or(before).map_or(0, |row| row.id);
    Ok(Output { topic: topic.clone(), key: Some(key(id)?), value: Some(value.into()), headers: Vec::new() })
}

/// What follows a delete, so that compaction forgets the row.
pub(super) fn tombstone(topic: &TopicName, id: i64) -> Result<Output, serde_json::Error> {
    Ok(Output { topic: topic.clone(), key: Some(key(id)?), value: None, headers: Vec::new() })
}

fn key(id: i64) -> Result<Bytes, serde_json::Error> {
    Ok(serde_json::to_vec(&Key { id })?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_debeziums_plain_form() {
        let before = Row { id: 7, user_id: 42, token: None };
        let after = Row { token: Some("t".to_owned()), ..before.clone() };
        let output = change(&"cdc".into(), Some(&before), Some(&after), 5).unwrap();
        assert_eq!(output.key.as_deref(), Some(br#"{"id":7}"#.as_slice()));
        assert_eq!(
            String::from_utf8_lossy(&output.value.unwrap()),
            r#"{"before":{"id":7,"user_id":42,"token":null},"after":{"id":7,"user_id":42,"token":"t"},"source":{"connector":"passflow","name":"cdc","ts_ms":5,"snapshot":"false","db":"portal","table":"bytemark_tokens"},"op":"u","ts_ms":5}"#
        );
    }
}
