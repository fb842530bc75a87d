//! The published schemas against the decoders: the same fields, the same names.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::collections::BTreeSet;

use passflow::domain::parking::{ParkingEvent, Rules, decode};
use passflow::domain::poison::Poison;
use passflow::domain::record::{self, Source};
use passflow::domain::request::{Action, PassRequest, Reason, TEXT_MAX, When};
use passflow::domain::tick::{Kind, Record, Tick};
use passflow::domain::user_id::UserId;
use serde_json::{Value, json};

fn schema(name: &str) -> Value {
    let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the schema is there");
    serde_json::from_str(&text).expect("a schema is JSON")
}

fn names(schema: &Value) -> BTreeSet<String> {
    let properties = schema["properties"].as_object().expect("an object's schema");
    properties.keys().cloned().collect()
}

fn choices(schema: &Value, property: &str) -> Vec<String> {
    let choices = schema["properties"][property]["enum"].as_array();
    let choices = choices.expect("an enumeration").iter();
    choices.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn written(text: &str) -> BTreeSet<String> {
    let value: Value = serde_json::from_str(text).expect("JSON");
    value.as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn every_schema_says_what_it_is() {
    for name in ["bytemark_tickets_cache", "parking-response", "pass-request", "tick", "ticket-changed"] {
        let schema = schema(name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], name);
        assert_described(name, &schema);
    }
}

/// Every property, however deep, has a description.
fn assert_described(place: &str, schema: &Value) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        assert!(property["description"].is_string(), "{place} has no description");
        assert_described(&place, property);
        assert_described(&place, &property["items"]);
    }
}

#[test]
fn a_pass_request_has_the_fields_of_its_schema() {
    let schema = schema("pass-request");
    let full = PassRequest {
        user_id: UserId::new(UserId::MAX).expect("in range"),
        action: Action::CheckStatus,
        when: When::IfStale,
        reason: Reason::TICK,
        tick_id: Some("t".to_owned()),
        requested_at: Some(jiff::Timestamp::UNIX_EPOCH),
        request_id: Some("r".to_owned()),
        attempt: 1,
        snapshot: true,
    };
    assert_eq!(written(&full.encode()), names(&schema));
    let range = &schema["properties"]["user_id"];
    assert_eq!(range["minimum"], json!(1));
    assert_eq!(range["maximum"], json!(UserId::MAX));
    assert_eq!(schema["properties"]["reason"]["maxLength"], json!(TEXT_MAX));
    for property in ["action", "when"] {
        for choice in choices(&schema, property) {
            let value = json!({"user_id": 42, property: choice}).to_string();
            let request = PassRequest::decode(value.as_bytes()).expect("a request");
            let decoded = [request.action.as_str(), request.when.as_str()];
            assert!(decoded.contains(&choice.as_str()), "{choice}");
        }
    }
}

#[test]
fn a_tick_has_the_fields_of_its_schema() {
    let schema = schema("tick");
    let tick = Tick::new(Kind::Backfill, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(written(&tick.encode()), names(&schema));
    let record = Record { key: None, place: "t/0/0", timestamp_ms: 0 };
    for choice in choices(&schema, "kind") {
        let value = json!({ "kind": choice }).to_string();
        let tick = Tick::decode(value.as_bytes(), record).expect("a tick");
        assert_eq!(tick.kind.as_str(), choice);
    }
}

#[test]
fn the_examples_of_requests_and_ticks_are_read() {
    for example in schema("pass-request")["examples"].as_array().expect("examples") {
        PassRequest::decode(example.to_string().as_bytes()).expect("a request");
    }
    let record = Record { key: None, place: "t/0/0", timestamp_ms: 0 };
    for example in schema("tick")["examples"].as_array().expect("examples") {
        Tick::decode(example.to_string().as_bytes(), record).expect("a tick");
    }
}

/// The event in a record of this value.
fn parking(value: &Value) -> Result<Option<ParkingEvent>, Poison> {
    let source = Source { topic: "t".into(), partition: 0, offset: 0, timestamp_ms: 1 };
    let record = record::Record { source, key: None, value: Some(value.to_string().into()), headers: Vec::new() };
    decode(&record, &Rules::new(&[]), 1)
}

#[test]
fn a_parking_response_is_what_its_schema_says() {
    let schema = schema("parking-response");
    let value = |kind: &str| match kind {
        "string" => json!("text"),
        "number" | "integer" => json!(1),
        "boolean" => json!(true),
        "object" => json!({}),
        "array" => json!([]),
        _ => Value::Null,
    };
    for (name, property) in schema["properties"].as_object().expect("properties") {
        for kind in ["string", "number", "boolean", "object", "array", "null"] {
            let listed: Vec<&str> = property["type"]
                .as_array()
                .map_or_else(Vec::new, |kinds| kinds.iter().filter_map(Value::as_str).collect());
            let is_number = kind == "number" && listed.contains(&"integer");
            let allowed = listed.is_empty() || listed.contains(&kind) || is_number;
            let read = parking(&json!({ name: value(kind) }));
            assert_eq!(read.is_ok(), allowed, "{name} as {kind}: {read:?}");
        }
    }
    let range = &schema["properties"]["user_id"];
    assert_eq!((range["minimum"].as_i64(), range["maximum"].as_i64()), (Some(1), Some(UserId::MAX)));
    for example in schema["examples"].as_array().expect("examples") {
        parking(example).expect("a response").expect("no tombstone");
    }
}
