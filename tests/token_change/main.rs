//! The rules by which a message touches users, one by one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod asides;
mod deletes;
mod flattened;
mod inserts_and_snapshots;
mod updates;
mod wrapper;

use passflow::domain::poison::Code;
use passflow::domain::token_change::{SkipReason, TableNames, TokenChange, decode};
use passflow::domain::user_id::UserId;

fn table() -> TableNames {
    TableNames::new("portal", "bytemark_tokens")
}

fn decode_text(value: &str) -> Result<TokenChange, Code> {
    decode_keyed(r#"{"id":4}"#, value)
}

fn decode_keyed(key: &str, value: &str) -> Result<TokenChange, Code> {
    decode(Some(key.as_bytes()), Some(value.as_bytes()), &table()).map_err(|poison| poison.code)
}

const SOURCE: &str = r#"{"db":"portal","table":"bytemark_tokens","snapshot":"false","ts_ms":1000}"#;

fn envelope(op: &str, before: &str, after: &str) -> String {
    format!(r#"{{"before":{before},"after":{after},"source":{SOURCE},"op":"{op}","ts_ms":2000}}"#)
}

fn row(user_id: &str, token: &str) -> String {
    format!(r#"{{"id":4,"user_id":{user_id},"token":{token},"email":"a@example.org"}}"#)
}

fn insert_of(user_id: &str) -> String {
    envelope("c", "null", &row(user_id, r#""t""#))
}

#[track_caller]
fn assert_touched(value: &str, expected: &[i64]) {
    assert_eq!(touched(decode_text(value)), expected, "{value}");
}

#[track_caller]
fn touched(change: Result<TokenChange, Code>) -> Vec<i64> {
    match change {
        Ok(TokenChange::Touched { users, .. }) => users.iter().map(UserId::get).collect(),
        other => panic!("expected users to be touched, got {other:?}"),
    }
}

#[track_caller]
fn snapshot_of(value: &str) -> bool {
    match decode_text(value) {
        Ok(TokenChange::Touched { snapshot, .. }) => snapshot,
        other => panic!("expected users to be touched, got {other:?}"),
    }
}

#[track_caller]
fn assert_skipped(value: &str, expected: SkipReason) {
    assert_eq!(decode_text(value), Ok(TokenChange::Skipped(expected)), "{value}");
}

#[track_caller]
fn assert_poison(value: &str, expected: Code) {
    assert_eq!(decode_text(value), Err(expected), "{value}");
}
