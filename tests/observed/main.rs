//! What is seen of a running passflow from outside: health, metrics, traces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod collector;
mod http;
#[path = "../process/mod.rs"]
mod process;

use std::{collections::BTreeMap, time::Duration};

use prometheus_parse::{Scrape, Value};
use serde_json::{Value as Json, json};

use self::{
    collector::Collector,
    http::{Reply, get},
    process::{Bytemark, Place, Process, wait_within},
};

const USERS: u64 = 5;
const BOUND: Duration = Duration::from_secs(30);

struct Running {
    bytemark: Bytemark,
    place: Place,
    run: Process,
    addr: String,
}

impl Running {
    /// With the console on a free port, and users whose passes have been fetched.
    fn start(settings: &[(&'static str, String)]) -> Self {
        let bytemark = Bytemark::still(USERS);
        let mut place = Place::new(Some(&bytemark.url), "").with("PASSFLOW_HTTP_ADDR", "127.0.0.1:0");
        for (name, value) in settings {
            place = place.with(name, value);
        }
        place.write("tokens.csv", &bytemark.tokens_csv(1..=USERS));
        place.run(&["tokens", "import", "tokens.csv"]).exits(0);
        let run = place.start(&["run"]);
        let mut addr = None;
        wait_within(BOUND, "the console's address", || {
            let log = run.log();
            let found = log.split("the console listens addr=").nth(1).and_then(|rest| rest.split_whitespace().next());
            addr = found.map(str::to_owned);
            addr.is_some()
        });
        wait_within(BOUND, "the first refreshes", || (1..=USERS).all(|user| place.is_refreshed(user)));
        Self { bytemark, place, run, addr: addr.unwrap() }
    }

    fn get(&self, path: &str) -> Reply {
        get(&self.addr, path, &[])
    }

    fn metrics(&self) -> Scrape {
        let reply = self.get("/metrics");
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
        Scrape::parse(reply.body.lines().map(|line| Ok(line.to_owned()))).unwrap()
    }
}

fn of(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(*value))
    };
    scrape.samples.iter().find(has).map(|sample| match &sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
        Value::Histogram(counts) => counts.last().unwrap().count,
        Value::Summary(_) => panic!("{name} is a summary"),
    })
}

/// The contract's names, with their labels.
const NAMES: [(&str, &[&str]); 10] = [
    ("passflow_records_total", &["pipeline", "outcome"]),
    ("passflow_record_seconds", &["pipeline"]),
    ("passflow_consumer_lag", &["topic", "partition"]),
    ("passflow_in_flight", &["pipeline"]),
    ("passflow_fetch_seconds", &["endpoint", "outcome"]),
    ("passflow_changes_total", &["change"]),
    ("passflow_dead_letters_total", &["pipeline", "code"]),
    ("passflow_commit_seconds", &[]),
    ("passflow_circuit_open", &["dependency"]),
    ("passflow_change_latency_seconds", &[]),
];

#[test]
fn metrics_have_the_documented_names_and_count_what_happened() {
    let running = Running::start(&[]);
    running
        .place
        .run_with_input(&["produce", "bytemark.pass-requests"], b"{\"key\":\"1\",\"value\":\"no json\"}\n")
        .exits(0);
    let mut scrape = running.metrics();
    wait_within(BOUND, "the dead letter's count", || {
        scrape = running.metrics();
        of(&scrape, "passflow_dead_letters_total", &[("pipeline", "passes")]) == Some(1.0)
    });
    for (name, labels) in NAMES {
        let sample = scrape.samples.iter().find(|sample| sample.metric == name).unwrap_or_else(|| panic!("no {name}"));
        assert!(scrape.docs.contains_key(name), "{name} has no description");
        let named: Vec<&str> = sample.labels.keys().map(String::as_str).collect();
        assert!(labels.iter().all(|label| named.contains(label)) && named.len() == labels.len(), "{name}: {named:?}");
    }
    let users = USERS as f64;
    assert_eq!(of(&scrape, "passflow_records_total", &[("pipeline", "passes"), ("outcome", "changed")]), Some(users));
    assert_eq!(of(&scrape, "passflow_records_total", &[("pipeline", "token_changes")]), Some(users));
    assert!(of(&scrape, "passflow_fetch_seconds", &[("endpoint", "active"), ("outcome", "ok")]) >= Some(users));
    assert!(of(&scrape, "passflow_changes_total", &[("change", "added")]) >= Some(users));
    assert_eq!(of(&scrape, "passflow_change_latency_seconds", &[]), Some(users));
    assert!(of(&scrape, "passflow_commit_seconds", &[]) >= Some(1.0));
    assert_eq!(of(&scrape, "passflow_circuit_open", &[("dependency", "bytemark")]), Some(0.0));
    wait_within(BOUND, "no lag", || {
        let lag = running.metrics().samples.into_iter().filter(|sample| sample.metric == "passflow_consumer_lag");
        lag.map(|sample| if let Value::Gauge(lag) = sample.value { lag } else { 1.0 }).all(|lag| lag == 0.0)
    });
}

#[test]
fn health_tells_of_the_loops_and_of_the_dependencies() {
    let running = Running::start(&[]);
    let live = running.get("/health/live");
    assert_eq!((live.status, &live.json()["live"]), (200, &json!(true)), "{}", live.body);
    assert_eq!(live.json()["pipelines"].as_array().unwrap().len(), 3);
    let ready = running.get("/health/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)), "{}", ready.body);
    let names: Vec<Json> =
        ready.json()["dependencies"].as_array().unwrap().iter().map(|state| state["name"].clone()).collect();
    assert_eq!(names, [json!("topics"), json!("documents"), json!("tokens")]);

    // Bytemark goes away: noticed when somebody asks for something.
    let Running { bytemark, place, run, addr } = running;
    bytemark.runtime.shutdown_background();
    place.run(&["refresh", "1", "2", "3", "4", "5"]).exits(0);
    wait_within(BOUND, "not ready", || get(&addr, "/health/ready", &[]).status == 503);
    let ready = get(&addr, "/health/ready", &[]).json();
    assert!(ready["dependencies"].as_array().unwrap().iter().any(|it| it["name"] == "bytemark" && it["ok"] == false));
    assert_eq!(get(&addr, "/health/live", &[]).status, 200);
    drop(run);
}

#[test]
fn without_a_token_only_localhost_is_answered_and_errors_are_problem_documents() {
    let running = Running::start(&[]);
    let evil = get(&running.addr, "/metrics", &[("Host", "evil.example")]);
    assert_eq!((evil.status, evil.header("content-type")), (403, "application/problem+json"));
    assert!(evil.json()["detail"].as_str().unwrap().contains("PASSFLOW_API_TOKEN"));
    assert_eq!(get(&running.addr, "/metrics", &[("Host", "localhost:1234")]).status, 200);
    let nowhere = running.get("/nowhere");
    assert_eq!((nowhere.status, nowhere.header("content-type")), (404, "application/problem+json"));
    assert_eq!(nowhere.json()["status"], 404);
}

#[test]
fn with_a_token_all_but_health_wants_it() {
    let running = Running::start(&[("PASSFLOW_API_TOKEN", "a-secret-token".to_owned())]);
    for refused in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "a-secret-token")]] {
        let reply = get(&running.addr, "/metrics", refused);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{refused:?}");
        assert!(!reply.body.contains("a-secret"));
    }
    assert_eq!(get(&running.addr, "/metrics", &[("Authorization", "Bearer a-secret-token")]).status, 200);
    assert_eq!(get(&running.addr, "/health/live", &[("Host", "pod.example")]).status, 200);
    assert!(!running.run.log().contains("a-secret-token"));
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_do() {
    let running = Running::start(&[]);
    let place = Place::new(Some(&running.bytemark.url), "").with("PASSFLOW_HTTP_ADDR", &running.addr);
    let told = place.run(&["run"]).exits(1).stderr();
    assert!(told.contains(&running.addr) && told.contains("PASSFLOW_HTTP_ADDR"), "{told}");
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_trace_goes_from_a_tick_over_the_request_to_the_event() {
    let collector = Collector::start();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone());
    let soon = ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned());
    let often = ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned());
    let running = Running::start(&[endpoint, soon, often]);
    running.bytemark.simulator.add_pass(3);
    let tick = json!({
        "key": "t",
        "value": r#"{"tick_id":"t"}"#,
        "headers": [["traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")]],
    });
    wait_within(BOUND, "documents that are stale", || running.place.show(3)["age_seconds"].as_u64() >= Some(2));
    running.place.run_with_input(&["produce", "bytemark.ticks"], format!("{tick}\n").as_bytes()).exits(0);
    // The event is the one of the new pass: nothing else changes here.
    let mut told = None;
    wait_within(BOUND, "the event", || {
        let events = running.place.records("bytemark.ticket-changed");
        let parent_of = |event: &Json| {
            let headers = event["headers"].as_array()?;
            let parent = headers.iter().find(|header| header[0] == "traceparent")?;
            parent[1].as_str().map(str::to_owned)
        };
        told = events.iter().filter_map(parent_of).find(|parent| parent.contains(TRACE));
        told.is_some()
    });
    let mut spans = BTreeMap::new();
    wait_within(BOUND, "the spans of the trace", || {
        spans = collector.spans_of(TRACE);
        let request = told.as_deref().and_then(|told| told.split('-').nth(2)).unwrap_or_default();
        spans.contains_key("ticks process") && spans.contains_key(request)
    });
    let request = &spans[told.as_deref().unwrap().split('-').nth(2).unwrap()];
    let tick = &spans["ticks process"];
    assert_eq!(tick.parent, "00f067aa0ba902b7");
    assert_eq!((request.name.as_str(), &request.parent), ("passes process", &tick.id));
    wait_within(BOUND, "metrics", || collector.metrics().contains("passflow_records_total"));
}
