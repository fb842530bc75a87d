//! `demo`: everything at once, and a verdict.

use crate::process::Place;

#[test]
fn the_demonstration_ends_with_a_verdict() {
    let place = Place::new(None, "");
    let told = place.run(&["demo", "--users", "20", "--seconds", "5"]).exits(0).stdout();
    let last = told.lines().last().unwrap();
    let expected =
        "verdict    cache = truth, events = cache, every seq without gap or repeat, parking events = responses";
    assert_eq!(last, expected);
}

#[test]
fn with_all_faults_each_line_is_json_and_the_last_the_verdict() {
    let place = Place::new(None, "");
    let args = ["demo", "--users", "20", "--seconds", "5", "--faults", "all", "--seed", "3", "--output", "json"];
    let mut lines = place.run(&args).exits(0).lines();
    let verdict = lines.pop().unwrap();
    assert_eq!(verdict["differences"], serde_json::json!([]));
    assert!(verdict["faults"].as_u64().unwrap() > 0);
    assert!(verdict["parking_events"].as_u64().unwrap() > 20);
    assert!(verdict["outcomes"]["parking_events"]["written"].as_u64() >= verdict["parking_events"].as_u64());
    assert_eq!(verdict["events"].as_u64().unwrap(), lines.len() as u64, "each event is shown once");
    assert!(lines.iter().all(|line| line["id"].is_string() && line["change"].is_string()));
}
