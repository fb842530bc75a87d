//! Changes of the token table, as Debezium tells them, and a tick.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::process::{Bytemark, Place};

const CDC_TOPIC: &str = "cdc.portal.bytemark_tokens";
const REQUESTS: &str = "bytemark.pass-requests";
const EVENTS: &str = "bytemark.ticket-changed";
const DEAD_LETTERS: &str = "passflow.dead-letters";
/// Users of the captures that have a row, and one (99) that no message tells of.
const WITH_TOKEN: [u64; 8] = [1, 2, 3, 7, 42, 43, 45, 99];
/// Users of the captures whose row is gone.
const WITHOUT_TOKEN: [u64; 2] = [44, 420];

fn captures() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cdc");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).collect();
    files.sort();
    assert!(files.len() >= 10);
    files
}

fn produce_captures(place: &Place) {
    for file in captures() {
        place.run(&["produce", CDC_TOPIC, &file.display().to_string()]).exits(0);
    }
    let other_table =
        r#"{"op":"c","before":null,"after":{"id":9,"user_id":55},"source":{"db":"portal","table":"users"}}"#;
    let line = json!({"key": "{\"id\":9}", "value": other_table});
    place.run_with_input(&["produce", CDC_TOPIC], line.to_string().as_bytes()).exits(0);
}

/// How often each was refreshed: each time asks once for the active list, and for as many pages of the history as it says.
fn refreshes(bytemark: &Bytemark) -> [u64; WITH_TOKEN.len()] {
    WITH_TOKEN.map(|user| bytemark.simulator.requests_of(user)[0])
}

/// Of each user, why they were asked for.
fn reasons(requests: &[Value]) -> BTreeMap<u64, Vec<&str>> {
    let mut reasons: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for request in requests {
        let of_user = reasons.entry(request["user_id"].as_u64().unwrap()).or_default();
        of_user.push(request["reason"].as_str().unwrap());
        of_user.sort_unstable();
        of_user.dedup();
    }
    reasons
}

#[test]
fn exactly_the_users_concerned_are_refreshed_once() {
    let bytemark = Bytemark::still(500);
    let place = Place::new(Some(&bytemark.url), "freshness = \"60m\"");
    place.write("tokens.csv", &bytemark.tokens_csv(WITH_TOKEN));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    produce_captures(&place);
    let tick = place.run(&["tick", "--output", "json"]).exits(0).stdout();
    place.run_until_end();

    let once = WITH_TOKEN.map(|_| 1);
    assert_eq!(refreshes(&bytemark), once);
    assert_eq!(bytemark.simulator.counts().active, WITH_TOKEN.len() as u64, "somebody else was asked for");
    let requests = place.values(REQUESTS);
    let mut expected: BTreeMap<u64, Vec<&str>> = WITH_TOKEN.map(|user| (user, vec!["tick", "token-change"])).into();
    expected.extend(WITHOUT_TOKEN.map(|user| (user, vec!["token-change"])));
    assert_eq!(reasons(&requests), expected);
    let passes = |user| {
        let truth = bytemark.simulator.truth(user);
        truth.passes.len() + truth.passes4.len()
    };
    let events = place.records(EVENTS);
    assert_eq!(events.len(), WITH_TOKEN.map(passes).iter().sum::<usize>());
    let letters = place.records(DEAD_LETTERS);
    assert!(!letters.is_empty());
    for letter in &letters {
        let headers = letter["headers"].to_string();
        assert!(headers.contains(r#"["passflow.error.code","bad_user_id"]"#), "{headers}");
    }

    let id = serde_json::from_str::<Value>(&tick).unwrap()["tick_id"].clone();
    let again = json!({"key": id, "value": tick.trim()});
    place.run_with_input(&["produce", "bytemark.ticks"], again.to_string().as_bytes()).exits(0);
    produce_captures(&place);
    place.run_until_end();
    assert_eq!(refreshes(&bytemark), once, "refreshed within the time of freshness");
    assert_eq!(place.records(EVENTS), events);
    let of_ticks = |requests: &[Value]| requests.iter().filter(|request| request["reason"] == "tick").count();
    assert_eq!(of_ticks(&place.values(REQUESTS)), of_ticks(&requests), "one tick, two fan-outs");
    assert_eq!(place.records(DEAD_LETTERS).len(), 2 * letters.len());
}
