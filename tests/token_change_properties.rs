//! What must never be seen or happen, whatever a message holds.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use passflow::domain::poison::{Code, Poison};
use passflow::domain::token_change::{TableNames, TokenChange, decode};
use passflow::domain::user_id::UserId;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn decode_bytes(value: &[u8]) -> Result<TokenChange, Poison> {
    let table = TableNames::new("portal", "bytemark_tokens");
    decode(Some(b"{\"id\":4}"), Some(value), &table)
}

fn user_of(user_id: &str) -> Result<i64, Code> {
    let value = format!(r#"{{"op":"c","before":null,"after":{{"user_id":{user_id}}}}}"#);
    match decode_bytes(value.as_bytes()) {
        Ok(TokenChange::Touched { users, .. }) => Ok(users.iter().map(UserId::get).sum()),
        Ok(skipped) => panic!("expected a user or poison, got {skipped:?}"),
        Err(poison) => Err(poison.code),
    }
}

/// A text of the captures, cut and spliced, so that arbitrary bytes get past the first one.
fn mutated_capture() -> impl Strategy<Value = Vec<u8>> {
    let captures = include_str!("data/cdc/extras.jsonl");
    let values: Vec<String> = captures
        .lines()
        .filter_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            line.get("value")?.as_str().map(str::to_owned)
        })
        .collect();
    let piece = prop_oneof![
        Just(b"null".to_vec()),
        Just(b"{}".to_vec()),
        Just(b"\"\\ud800\"".to_vec()),
        Just(b"-1e999".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    let value = proptest::sample::select(values);
    (value, any::<proptest::sample::Index>(), 0..40_usize, piece).prop_map(|(value, at, removed, piece)| {
        let mut bytes = value.into_bytes();
        let start = at.index(bytes.len());
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, piece);
        bytes
    })
}

/// What users and connectors write that must never be shown, long enough not to stand in a message by chance.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9]{8,40}", "[0-9]{25,40}", "[A-Za-z0-9+/=_.-]{8,40}"]
}

/// Messages in many forms, right and wrong, with the secret in every place that may hold a token, a password or an
/// address.
fn messages_with(secret: &str) -> Vec<String> {
    let row = |user_id: &str| {
        format!(r#"{{"user_id":{user_id},"token":"{secret}","email":"{secret}","password":"{secret}"}}"#)
    };
    let mut messages = Vec::new();
    for user_id in ["42", "-1", "null", "true", "[]", "1e999", &format!("\"{secret}!\""), &format!("\"{secret}\"")] {
        let row = row(user_id);
        messages.push(row.clone());
        for op in ["c", "u", "d", "r", "x", secret] {
            messages.push(format!(r#"{{"op":"{op}","before":{row},"after":{row}}}"#));
            messages.push(format!(r#"{{"op":"{op}","before":"{secret}","after":"{secret}"}}"#));
        }
    }
    let row = row("42");
    messages.extend([
        row[..row.len() - 1].to_owned(),
        row.replace(':', " "),
        row.replace('}', &format!(r#","{secret}":1"#)),
        format!("\"{secret}\""),
        secret.to_owned(),
        format!("[{row}]"),
        format!("{row}{secret}"),
        format!(r#"{{"token":"{secret}","{secret}":"{secret}"}}"#),
        format!(r#"{{"schema":{{}},"payload":"{secret}"}}"#),
        format!(r#"{{"source":"{secret}","op":"u","before":null,"after":{row}}}"#),
        format!(r#"{{"database":"d","table":"t","type":"{secret}","data":{row}}}"#),
        format!("\0{secret}"),
    ]);
    messages
}

/// The same cases in every run.
fn fixed_cases() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(42), failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed_cases())]

    #[test]
    fn arbitrary_bytes_never_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_bytes(&value);
    }

    #[test]
    fn mutated_messages_never_panic(value in mutated_capture()) {
        let _ = decode_bytes(&value);
    }

    #[test]
    fn secrets_are_never_shown(secret in secret()) {
        for message in messages_with(&secret) {
            let outcome = decode_bytes(message.as_bytes());
            let shown = match &outcome {
                Ok(change) => format!("{change:?}"),
                Err(poison) => format!("{poison} {poison:?}"),
            };
            prop_assert!(!shown.contains(&secret), "{shown}");
        }
    }

    #[test]
    fn every_user_id_is_read_in_each_of_its_shapes(number in 1..=9_007_199_254_740_991_i64) {
        use base64::Engine as _;
        let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        // Java's BigInteger keeps one more byte where the topmost bit would be taken for the sign.
        let sign = bytes.first().is_some_and(|byte| *byte > 0x7f);
        let bytes = [vec![0; usize::from(sign)], bytes].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        prop_assert_eq!(user_of(&number.to_string()), Ok(number));
        let quoted = format!("\"{number}\"");
        prop_assert_eq!(user_of(&quoted), Ok(number));
        let quoted_base64 = format!("\"{base64}\"");
        prop_assert_eq!(user_of(&quoted_base64), Ok(number));
    }
}
