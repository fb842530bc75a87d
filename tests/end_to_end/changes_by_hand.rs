//! Passes that change by hand between two ticks: each change comes out, and nothing else.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use passflow::simulator::{Pass, Simulator};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::process::{Bytemark, Place, wait_until};

const EVENTS: &str = "bytemark.ticket-changed";
const USER: u64 = 1;

/// What an event tells, its payload to the letter.
#[derive(Deserialize)]
struct Told {
    seq: u64,
    pass_uuid: String,
    change: String,
    before: Value,
    after: Value,
    payload: Box<RawValue>,
}

/// Each pass's list, status and hash, and its text.
type Sides = BTreeMap<String, (Value, String)>;

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn sides(simulator: &Simulator) -> Sides {
    let truth = simulator.truth(USER);
    let side = |list: &str, pass: Pass| {
        let side = json!({"list": list, "status": pass.status, "payload_hash": md5(&pass.text)});
        (pass.uuid, (side, pass.text))
    };
    let active = truth.passes.into_iter().map(|pass| side("passes", pass));
    active.chain(truth.passes4.into_iter().map(|pass| side("passes4", pass))).collect()
}

/// The events that lead from one state to the other: (pass, change, before, after, payload).
type Expected = BTreeMap<String, (String, Value, Value, String)>;

fn expected(before: &Sides, after: &Sides) -> Expected {
    let uuids = before.keys().chain(after.keys()).cloned();
    let event = |uuid: String| {
        let (old, new) = (before.get(&uuid), after.get(&uuid));
        let change = match (old, new) {
            (Some(old), Some(new)) if old.0 == new.0 => return None,
            (None, _) => "added",
            (_, None) => "removed",
            _ => "updated",
        };
        let side = |it: Option<&(Value, String)>| it.map_or(Value::Null, |it| it.0.clone());
        let payload = new.map_or("null", |it| &it.1);
        Some((uuid, (change.to_owned(), side(old), side(new), payload.to_owned())))
    };
    uuids.filter_map(event).collect()
}

/// The events behind `seen`, numbered without gap.
fn told(place: &Place, seen: u64) -> Expected {
    let mut told = Expected::new();
    let mut last = seen;
    for record in place.records(EVENTS) {
        let event: Told = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        if event.seq <= seen {
            continue;
        }
        last += 1;
        assert_eq!(event.seq, last);
        let event_text = event.payload.get().to_owned();
        if let Some(hash) = event.after.get("payload_hash") {
            assert_eq!(*hash, md5(&event_text));
        }
        let doubled = told.insert(event.pass_uuid, (event.change, event.before, event.after, event_text));
        assert!(doubled.is_none(), "two events of one pass");
    }
    told
}

/// A tick, when the document has become stale.
fn tick(place: &Place) {
    wait_until("a stale document", || place.show(USER)["age_seconds"].as_i64().is_none_or(|age| age >= 2));
    place.run(&["tick"]).exits(0);
    place.run_until_end();
}

fn change_by_hand(simulator: &Simulator) {
    let passes = simulator.truth(USER).passes;
    let usable = |pass: &&Pass| pass.status == "USABLE";
    let (to_activate, others): (Vec<_>, Vec<_>) = passes.iter().partition(usable);
    let [activated, changed, moved] = [&to_activate[0], &to_activate[1], &to_activate[2]];
    let removed = to_activate.get(3).or(others.first()).unwrap();
    simulator.add_pass(USER);
    assert!(simulator.activate(USER, &activated.uuid));
    assert!(simulator.change_pass(USER, &changed.uuid));
    assert!(simulator.move_to_history(USER, &moved.uuid));
    assert!(simulator.remove_pass(USER, &removed.uuid));
}

#[test]
fn every_change_is_told_and_only_these() {
    let bytemark = Bytemark::still(5);
    let simulator = &bytemark.simulator;
    (0..6).for_each(|_| _ = simulator.add_pass(USER));
    let place = Place::new(Some(&bytemark.url), "");
    place.run_with_input(&["tokens", "set", "1"], bytemark.token(USER).as_bytes()).exits(0);
    place.run_until_end();
    let first = sides(simulator);
    assert_eq!(told(&place, 0), expected(&Sides::new(), &first));

    let seen = first.len() as u64;
    change_by_hand(simulator);
    tick(&place);
    let second = sides(simulator);
    let changes = expected(&first, &second);
    assert_eq!(changes.len(), 5);
    assert_eq!(told(&place, seen), changes);
    tick(&place);
    assert_eq!(told(&place, seen + 5), Expected::new(), "nothing changed");

    let shown = place.show(USER);
    for list in ["passes", "passes4"] {
        let of_list = second.iter().filter(|(_, (side, _))| side["list"] == list);
        let real: BTreeMap<&str, &Value> =
            of_list.map(|(uuid, (side, _))| (uuid.as_str(), &side["payload_hash"])).collect();
        let cached = shown["document"][list].as_array().unwrap().iter();
        let cached: BTreeMap<&str, &Value> =
            cached.map(|pass| (pass["pass_uuid"].as_str().unwrap(), &pass["payload_hash"])).collect();
        assert_eq!(cached, real, "{list}");
    }
    let people = place.run(&["show", "1"]).exits(0).stdout();
    assert!(people.contains("token           present") && people.contains("\"passes4\""), "{people}");
}

#[test]
fn events_can_be_replayed_into_another_place_unchanged() {
    let bytemark = Bytemark::still(10);
    let place = Place::new(Some(&bytemark.url), "");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=10));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    place.run_until_end();
    let replayed = place.run(&["replay", EVENTS, "--format", "jsonl"]).exits(0);
    assert!(replayed.lines().len() > 10);

    let other = Place::new(None, "");
    other.run_with_input(&["produce", EVENTS], replayed.stdout().as_bytes()).exits(0);
    let without_time = |mut record: Value| {
        record.as_object_mut().unwrap().remove("timestamp").unwrap();
        record
    };
    let original: Vec<Value> = replayed.lines().into_iter().map(without_time).collect();
    let copy: Vec<Value> = other.records(EVENTS).into_iter().map(without_time).collect();
    assert_eq!(copy, original);
}
