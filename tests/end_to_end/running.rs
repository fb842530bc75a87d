//! One `run` on a data directory, its end at a signal, and what it refuses at its start.

use std::time::Duration;

use passflow::simulator::{Endpoint, Fault, Outage};

use crate::process::{Bytemark, Place, Process, wait_until};

fn start(place: &Place) -> Process {
    let run = place.start(&["run"]);
    wait_until("the start of run", || run.log().contains("running"));
    run
}

#[test]
fn a_second_run_is_refused_and_other_commands_work_beside_the_first() {
    let bytemark = Bytemark::still(5);
    let place = Place::new(Some(&bytemark.url), "");
    let mut run = start(&place);
    let refused = place.run(&["run"]).exits(1).stderr();
    let state = place.path().join("state").display().to_string();
    assert!(refused.contains(&format!("uses the data directory {state}")), "{refused}");
    let refused = place.run(&["demo", "--users", "1", "--seconds", "1"]).exits(1).stderr();
    assert!(refused.contains(&format!("uses the data directory {state}:")), "{refused}");

    place.run_with_input(&["tokens", "set", "3"], bytemark.token(3).as_bytes()).exits(0);
    wait_until("the first refresh", || place.is_refreshed(3));
    let asked = bytemark.simulator.requests_of(3)[0];
    place.run(&["refresh", "3"]).exits(0);
    wait_until("a refresh on demand", || bytemark.simulator.requests_of(3)[0] > asked);
    place.run(&["tick"]).exits(0);
    place.run(&["topics", "describe"]).exits(0);
    place.run(&["replay", "bytemark.ticket-changed"]).exits(0);
    place.run(&["check"]).exits(0);
    run.terminate();
    assert_eq!(run.end_within(Duration::from_secs(10)).code(), Some(0), "{}", run.log());
}

#[test]
fn at_a_signal_it_drains_in_time_and_loses_nothing() {
    let bytemark = Bytemark::still(5);
    let settings = "fetch_attempts = 1\nretry_delay = \"1h\"\nread_timeout = \"60s\"\ndrain_timeout = \"1s\"";
    let place = Place::new(Some(&bytemark.url), settings);
    bytemark.simulator.fail_next(1, Endpoint::Active, Fault::Status500, 1);
    bytemark.simulator.fail_next(2, Endpoint::Active, Fault::Hang, 1);
    place.write("tokens.csv", &bytemark.tokens_csv(1..=3));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    let mut run = start(&place);
    wait_until("a request that waits for its next round", || {
        place.run(&["replay", "bytemark.pass-requests.retry", "--format", "jsonl"]).lines().len() == 1
    });
    wait_until("a fetch that hangs", || bytemark.simulator.requests_of(2)[0] == 1);
    wait_until("a user who is served meanwhile", || place.is_refreshed(3));
    run.terminate();
    assert_eq!(run.end_within(Duration::from_secs(8)).code(), Some(0), "{}", run.log());
    assert!(!place.is_refreshed(2), "its fetch was to hang");

    let mut run = start(&place);
    wait_until("the fetch that was broken off", || place.is_refreshed(2));
    run.terminate();
    assert_eq!(run.end_within(Duration::from_secs(8)).code(), Some(0), "{}", run.log());
    assert_eq!(place.records("passflow.dead-letters").len(), 0);
}

#[test]
fn a_signal_during_the_start_ends_it_well() {
    let place = Place::new(Some("http://127.0.0.1:1"), "");
    let lock = place.path().join("state/run.lock");
    let mut run = place.start(&["run"]);
    wait_until("the lock of the data directory", || lock.exists());
    run.terminate();
    assert_eq!(run.end_within(Duration::from_secs(8)).code(), Some(0), "{}", run.log());
}

#[test]
fn a_signal_is_obeyed_while_bytemark_is_down() {
    let bytemark = Bytemark::still(20);
    let settings = "fetch_attempts = 1\ncircuit_failures = 5\ndrain_timeout = \"1s\"";
    let place = Place::new(Some(&bytemark.url), settings);
    place.write("tokens.csv", &bytemark.tokens_csv(1..=20));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    bytemark.simulator.set_all_down(Some(Outage::Hang));
    let mut hanging = start(&place);
    wait_until("fetches that hang", || bytemark.simulator.counts().outages > 0);
    hanging.terminate();
    assert_eq!(hanging.end_within(Duration::from_secs(8)).code(), Some(0), "{}", hanging.log());

    bytemark.simulator.set_all_down(Some(Outage::Reset));
    let mut waiting = start(&place);
    wait_until("the circuit to open", || waiting.log().contains("waiting for a dependency"));
    waiting.terminate();
    assert_eq!(waiting.end_within(Duration::from_secs(8)).code(), Some(0), "{}", waiting.log());

    bytemark.simulator.set_all_down(None);
    place.run_until_end();
    assert!((1..=20).all(|user| place.is_refreshed(user)));
    assert_eq!(place.records("passflow.dead-letters").len(), 0);
}

#[test]
fn what_is_missing_or_unreachable_is_told_before_anything_is_consumed() {
    let place = Place::new(None, "");
    place.run(&["refresh", "1"]).exits(0);
    let refused = place.run(&["run", "passes"]).exits(1).stderr();
    assert!(refused.contains("PASSFLOW_BYTEMARK_URL: is not set"), "{refused}");
    let described = place.run(&["topics", "describe", "--output", "json"]).exits(0).stdout();
    assert!(!described.contains("passflow.passes"), "the group has come somewhere: {described}");
    place.run_with_input(&["tokens", "set", "1"], b"token").exits(0);
    // This one fetches nothing, so it lacks nothing.
    place.run(&["run", "--until-end", "token_changes"]).exits(0);
    assert_eq!(place.records("bytemark.pass-requests").len(), 2);

    // Port 1 of this machine: nobody listens there.
    let place = Place::new(Some("http://127.0.0.1:1"), "");
    let told = place.run(&["check"]).exits(1).stdout();
    let wrong: Vec<&str> = told.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert_eq!(wrong.len(), 1, "{told}");
    assert!(wrong[0].contains("Bytemark at http://127.0.0.1:1") && wrong[0].contains("check PASSFLOW_BYTEMARK_URL"));
}

#[test]
fn a_server_on_this_machine_is_checked_as_it_is_run_with() {
    let bytemark = Bytemark::still(1);
    // Nobody listens there.
    let place = Place::new(Some(&bytemark.url), "").with("http_proxy", "http://127.0.0.1:1");
    let told = place.run(&["check"]).exits(0).stdout();
    assert!(told.contains(&format!("Bytemark at {}: answers", bytemark.url)), "{told}");
}

#[test]
fn dead_letters_are_found_in_json_logs_by_their_message() {
    let place = Place::new(Some("http://127.0.0.1:1"), "");
    place.run_with_input(&["produce", "bytemark.pass-requests"], b"{\"key\":\"1\",\"value\":\"{}\"}").exits(0);
    let logs = place.run(&["run", "--until-end", "--log-format", "json", "passes"]).exits(0).stderr();
    let line = logs.lines().find(|line| line.contains("dead letter")).unwrap();
    assert_eq!(line.matches("\"message\":").count(), 1, "{line}");
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(entry["message"], "dead letter");
    assert!(entry["reason"].is_string() && entry["code"].is_string(), "{line}");
}
