//! Real messages of Debezium 3.5 and MariaDB 10.11: what each of them means.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::fmt::Write as _;
use std::path::Path;

use passflow::domain::token_change::{TableNames, TokenChange, decode};

#[derive(serde::Deserialize)]
struct Capture {
    step: String,
    topic: String,
    key: Option<String>,
    value: Option<String>,
}

fn captures(name: &str) -> Vec<Capture> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/cdc/{name}.jsonl"));
    let lines = std::fs::read_to_string(&path).expect("the captures are there");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line is a capture")).collect()
}

/// A line a message: the step that caused it, the topic where it is another one, the outcome.
fn outcomes(name: &str) -> String {
    let table = TableNames::new("portal", "bytemark_tokens");
    let mut lines = String::new();
    for capture in captures(name) {
        let key = capture.key.as_deref().map(str::as_bytes);
        let value = capture.value.as_deref().map(str::as_bytes);
        let topic = capture.topic.trim_start_matches("cdc.portal.bytemark_tokens");
        let separator = if topic.is_empty() { "" } else { " @" };
        let outcome = outcome(key, value, &table);
        writeln!(lines, "{}{separator}{topic}: {outcome}", capture.step).unwrap();
    }
    lines
}

fn outcome(key: Option<&[u8]>, value: Option<&[u8]>, table: &TableNames) -> String {
    match decode(key, value, table) {
        Ok(TokenChange::Skipped(reason)) => format!("skipped {reason}"),
        Ok(TokenChange::Touched { users, snapshot, changed_at_ms }) => {
            let users: Vec<String> = users.iter().map(|user| user.to_string()).collect();
            let snapshot = if snapshot { " snapshot" } else { "" };
            let time = changed_at_ms.map_or(String::new(), |ms| format!(" at {ms}"));
            format!("touched {}{snapshot}{time}", users.join(" and "))
        }
        Err(poison) => format!("poison {poison}"),
    }
}

macro_rules! capture_tests {
    ($($test:ident: $file:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                insta::assert_snapshot!($file, outcomes($file));
            }
        )*

        #[test]
        fn every_captured_file_has_its_test() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cdc");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .expect("the folder of captures is there")
                .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
                .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
                .collect();
            found.sort_unstable();
            let mut tested = vec![$($file),*];
            tested.sort_unstable();
            assert_eq!(found, tested);
        }
    };
}

capture_tests! {
    extras: "extras",
    flat: "flat",
    flat_rewrite: "flat-rewrite",
    flat_rewrite_tombstone: "flat-rewrite-tombstone",
    key_schema_only: "key-schema-only",
    no_tombstones: "no-tombstones",
    plain: "plain",
    schemas: "schemas",
    wide: "wide",
    wide_schemas: "wide-schemas",
}

#[test]
fn schemas_on_the_value_change_no_outcome() {
    let times_apart = |name: &str| -> Vec<String> {
        let mut lines: Vec<String> =
            outcomes(name).lines().map(|line| line.split(" at ").next().unwrap_or_default().to_owned()).collect();
        // The order across partitions is not fixed.
        lines.sort_unstable();
        lines
    };
    assert_eq!(times_apart("plain"), times_apart("schemas"));
    assert_eq!(times_apart("wide"), times_apart("wide-schemas"));
}
