//! Status checks, and the logs that auditors read.

use std::time::Duration;

use passflow::{
    adapters::memory::Pass,
    domain::{
        audit::{Finding, StatusEntry},
        cache::List,
        day_pass::{DayPassRule, Ends, Matches},
    },
    ports::Endpoint,
};

use super::kit::{BASE_MS, BASE_S, Kit, REQUESTS, TICKS, json, run, secs, sleep, status, user};

const CHECK: &str = r#","action":"check-status","request_id":"r""#;

/// A pass with times in seconds from the beginning.
fn timed(uuid: &str, status: &str, first_use: Option<i64>, expiration: Option<i64>) -> Pass {
    let at = |seconds: Option<i64>| seconds.map(|seconds| BASE_S + seconds);
    let payload = serde_json::json!({
        "expiration": at(expiration), "first_use": at(first_use), "product_uuid": "day", "status": status, "uuid": uuid,
    });
    Pass { uuid: uuid.to_owned(), status: status.to_owned(), payload: payload.to_string() }
}

impl Kit {
    async fn with(passes: impl IntoIterator<Item = Pass>) -> Self {
        let mut kit = Self::with_users(1);
        for pass in passes {
            kit.put_pass(1, List::Passes, pass);
        }
        kit.start();
        kit.refresh(1).await;
        kit
    }

    async fn check(&self) {
        self.request(1, CHECK);
        self.settle().await;
    }

    async fn sleep_until(&self, seconds: i64) {
        let left = BASE_MS + seconds * 1000 - self.surroundings.world.now_ms();
        sleep(Duration::from_millis(u64::try_from(left).unwrap())).await;
    }

    fn statuses(&self) -> Vec<String> {
        self.document(1).lists.passes.iter().map(|pass| pass.entry.status.clone()).collect()
    }

    fn checked(&self, uuid: &str) -> StatusEntry {
        self.surroundings.audit.checks().remove(&format!("r/1/{uuid}")).expect("an entry")
    }
}

#[test]
fn an_activated_pass_goes_its_way_at_the_right_instants() {
    run(async {
        let kit = Kit::with([timed("a", "USABLE", Some(600), Some(4200))]).await;
        let stored = kit.document(1).lists.passes[0].clone();
        for (at, status, change) in [
            (599, "USABLE", None),
            (600, "USING", Some("USABLE to USING")),
            (4199, "USING", None),
            (4200, "EXPIRED", Some("USING to EXPIRED")),
        ] {
            kit.sleep_until(at).await;
            kit.check().await;
            assert_eq!(kit.statuses(), [status], "{at}");
            let entry = kit.checked("a");
            assert_eq!(entry.change().as_deref(), change, "{at}");
            assert_eq!(entry.expiry.unwrap().0, BASE_MS + 4_200_000);
            assert_eq!((entry.status.as_str(), entry.finding.status()), (status, "validated"));
            assert_eq!(entry.is_valid(), status != "EXPIRED");
        }
        assert_eq!(kit.changes(), ["added a", "updated a", "updated a"]);
        let event = &kit.events()[1];
        assert_eq!(event["cause"], serde_json::json!({"action": "check-status", "reason": "request"}));
        assert_eq!((&event["before"]["status"], &event["after"]["status"]), (&"USABLE".into(), &"USING".into()));
        // Payload and hash are the vendor's.
        assert_eq!(event["payload"]["status"], "USABLE");
        let now = kit.document(1).lists.passes[0].clone();
        assert_eq!((now.payload, now.entry.payload_hash), (stored.payload, stored.entry.payload_hash));
    });
}

#[test]
fn what_has_expired_is_not_logged_again() {
    run(async {
        let kit = Kit::with([timed("a", "USABLE", None, Some(10)), timed("b", "USES_GONE", Some(1), Some(2))]).await;
        kit.sleep_until(20).await;
        kit.check().await;
        let first = kit.surroundings.audit.checks();
        assert_eq!(first.len(), 2);
        kit.request(1, r#","action":"check-status","request_id":"second""#);
        kit.settle().await;
        let second: Vec<String> =
            kit.surroundings.audit.checks().into_keys().filter(|id| !first.contains_key(id)).collect();
        assert_eq!(second, ["second/1/b"]);
        assert_eq!(kit.statuses(), ["EXPIRED", "USES_GONE"]);
    });
}

#[test]
fn a_refresh_of_an_unchanged_payload_undoes_nothing_and_a_changed_one_does_not_flap() {
    run(async {
        let kit = Kit::with([timed("a", "USABLE", Some(60), Some(4200))]).await;
        kit.sleep_until(100).await;
        kit.check().await;
        kit.refresh(1).await;
        assert_eq!(kit.statuses(), ["USING"]);
        assert_eq!(kit.changes(), ["added a", "updated a"]);
        // The vendor tells more, but not yet that it is in use.
        let mut changed = timed("a", "USABLE", Some(60), Some(4200));
        changed.payload = changed.payload.replace("day", "week");
        kit.put_pass(1, List::Passes, changed);
        kit.put_pass(1, List::Passes, timed("b", "USABLE", Some(60), Some(90)));
        kit.refresh(1).await;
        assert_eq!(kit.statuses(), ["USING", "EXPIRED"]);
        let statuses: Vec<_> = kit.events().iter().map(|event| event["after"]["status"].clone()).collect();
        assert_eq!(statuses, ["USABLE", "USING", "USING", "EXPIRED"]);
        kit.check().await;
        assert_eq!(kit.events().len(), 4);
    });
}

#[test]
fn a_day_pass_ends_by_its_rule() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, timed("a", "USABLE", Some(60), None));
        let ends = Ends::After(Duration::from_mins(10));
        let rule = DayPassRule { matches: Matches::ProductUuid("day".to_owned()), ends };
        kit.setup.passes.status_rules.day_passes = vec![rule];
        kit.start();
        kit.refresh(1).await;
        kit.sleep_until(660).await;
        kit.check().await;
        assert_eq!(kit.statuses(), ["EXPIRED"]);
        assert_eq!(kit.checked("a").change().unwrap(), "USABLE to EXPIRED");
    });
}

#[test]
fn a_payload_that_somebody_changed_is_found_and_fetched_anew() {
    run(async {
        let kit = Kit::with([timed("a", "USABLE", None, None), timed("b", "USABLE", Some(60), None)]).await;
        let stored = kit.document(1).lists.passes[0].payload.clone();
        kit.surroundings.documents.write_foreign(user(1), |document| {
            document.as_mut().unwrap().lists.passes[0].payload = br#"{"status":"USABLE","uuid":"a"}"#.as_slice().into();
        });
        kit.sleep_until(100).await;
        kit.check().await;
        let entry = kit.checked("a");
        assert!(matches!(entry.finding, Finding::Invalid(_)), "{entry:?}");
        assert!(!entry.is_valid());
        // The other one is checked all the same.
        assert_eq!(kit.checked("b").change().unwrap(), "USABLE to USING");
        let requests: Vec<_> = kit.records(REQUESTS).iter().map(json).collect();
        let last = requests.last().unwrap();
        assert_eq!((&last["reason"], &last["when"], requests.len()), (&"tampered".into(), &"always".into(), 3));
        assert_eq!(kit.document(1).lists.passes[0].payload, stored);
        assert_eq!(kit.statuses(), ["USABLE", "USING"]);
        assert_eq!(kit.changes(), ["added a", "added b", "updated b"]);
        kit.check().await;
        assert!(matches!(kit.checked("a").finding, Finding::Validated { was: None }));
        assert_eq!(kit.records(REQUESTS).len(), 4);
    });
}

#[test]
fn a_hash_that_somebody_changed_is_told_to_nobody() {
    run(async {
        let kit = Kit::with([timed("a", "USABLE", None, None)]).await;
        let before = kit.document(1).lists.passes[0].entry.payload_hash;
        kit.surroundings.documents.write_foreign(user(1), |document| {
            document.as_mut().unwrap().lists.passes[0].entry.payload_hash = [7; 16].into();
        });
        kit.check().await;
        assert!(matches!(kit.checked("a").finding, Finding::Invalid(_)));
        assert_eq!(kit.document(1).lists.passes[0].entry.payload_hash, before);
        assert_eq!(kit.changes(), ["added a"]);
    });
}

#[test]
fn a_time_that_cannot_be_read_is_an_error_and_changes_nothing() {
    run(async {
        let mut pass = timed("a", "USABLE", Some(60), None);
        pass.payload = pass.payload.replace(r#""expiration":null"#, r#""expiration":"next week""#);
        let kit = Kit::with([pass]).await;
        kit.sleep_until(100).await;
        kit.check().await;
        let entry = kit.checked("a");
        assert_eq!(entry.finding, Finding::Error("expiration is no time: \"next week\"".to_owned()));
        assert_eq!((kit.statuses(), kit.codes().len()), (vec!["USABLE".to_owned()], 0));
    });
}

#[test]
fn changes_alone_are_logged_if_the_settings_say_so() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, timed("a", "USABLE", None, None));
        kit.put_pass(1, List::Passes, timed("b", "USABLE", Some(60), None));
        kit.setup.passes.logs_all_checks = false;
        kit.start();
        kit.refresh(1).await;
        kit.sleep_until(100).await;
        kit.check().await;
        assert_eq!(kit.surroundings.audit.checks().into_keys().collect::<Vec<_>>(), ["r/1/b"]);
    });
}

#[test]
fn a_tick_checks_every_cached_user_without_a_fetch() {
    run(async {
        let mut kit = Kit::with_users(5);
        for number in 1..=4 {
            kit.put_pass(number, List::Passes, timed("a", "USABLE", Some(60), None));
        }
        kit.start();
        for number in 1..=4 {
            kit.refresh(number).await;
        }
        kit.kill();
        let script = kit.script(|_: Endpoint, _| Some(status(500)));
        kit.start();
        // A cached user whose token is gone is checked, too; one who was never fetched is not.
        kit.set_token(4, "");
        kit.sleep_until(100).await;
        kit.put(TICKS, "t", r#"{"tick_id":"noon","kind":"check-status"}"#);
        kit.settle().await;
        let checks: Vec<_> = kit.records(REQUESTS).iter().map(json).filter(|it| it["tick_id"] == "noon").collect();
        assert_eq!(checks.len(), 4);
        assert!(checks.iter().all(|check| check["action"] == "check-status"));
        assert!((1..=4).all(|number| kit.document(number).lists.passes[0].entry.status == "USING"));
        let told = |event: &serde_json::Value| event["cause"]["action"] == "check-status";
        let told: Vec<_> =
            kit.events().into_iter().filter(told).map(|event| event["cause"]["tick_id"].clone()).collect();
        assert_eq!(told, ["noon"; 4]);
        assert!(script.calls().is_empty());
    });
}

#[test]
fn each_event_is_logged_once_whatever_crashes() {
    run(async {
        let mut kit = Kit::with([timed("a", "USABLE", Some(60), Some(500))]).await;
        for at in [100, 600] {
            kit.sleep_until(at).await;
            kit.request(1, CHECK);
            sleep(secs(0)).await;
            kit.kill();
            kit.start();
            kit.settle().await;
        }
        kit.surroundings.api.change(user(1), |truth| truth.remove("a"));
        kit.refresh(1).await;
        let tickets: Vec<_> = kit.surroundings.audit.tickets().into_values().collect();
        let told: Vec<_> = kit.events();
        assert_eq!((tickets.len(), told.len()), (4, 4));
        for (ticket, event) in tickets.iter().zip(&told) {
            assert_eq!((&event["id"], &event["change"]), (&ticket.id.clone().into(), &ticket.change.as_str().into()));
            assert_eq!(event["pass_uuid"], ticket.uuid);
            assert_eq!(serde_json::to_value(&ticket.before).unwrap(), event["before"]);
            assert_eq!(serde_json::to_value(&ticket.after).unwrap(), event["after"]);
        }
        let statuses: Vec<_> = tickets.iter().map(|ticket| ticket.status.as_str()).collect();
        assert_eq!(statuses, ["USABLE", "USING", "EXPIRED", "EXPIRED"]);
    });
}
