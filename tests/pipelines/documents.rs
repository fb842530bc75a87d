//! What a refresh makes of the document, and what it tells.

use passflow::{
    adapters::memory::Pass,
    domain::{cache::List, payload_hash::PayloadHash},
    ports::Endpoint,
};
use serde_json::value::RawValue;

use super::kit::{BASE_S, Kit, TICKET_CHANGED, header, run, secs, sleep, status, user};

fn created(uuid: &str, time_created: &str) -> Pass {
    let payload = format!(r#"{{"status":"USABLE","time_created":"{time_created}","uuid":"{uuid}"}}"#);
    Pass { uuid: uuid.to_owned(), status: "USABLE".to_owned(), payload }
}

#[test]
fn a_pass_that_appears_changes_and_goes_is_told_each_time() {
    run(async {
        let kit = Kit::with_a_pass().await;
        let id = kit.document(1).lists.passes[0].entry.id.clone();
        kit.put_pass(1, List::Passes, Pass::new("a", "USING", 2));
        sleep(secs(60)).await;
        kit.refresh(1).await;
        let entry = kit.document(1).lists.passes[0].entry.clone();
        assert_eq!((entry.id, entry.status.as_str()), (id, "USING"));
        assert!(entry.timestamp >= BASE_S + 60);
        kit.surroundings.api.change(user(1), |truth| truth.remove("a"));
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["added a", "updated a", "removed a"]);
        let events = kit.events();
        let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [1, 2, 3]);
        assert_eq!(events[1]["before"], events[0]["after"]);
        assert_eq!(events[2]["before"], events[1]["after"]);
        assert!(events[0]["before"].is_null() && events[2]["after"].is_null() && events[2]["payload"].is_null());
        assert!(kit.uuids(1, List::Passes).is_empty());
    });
}

#[test]
fn an_event_is_a_cloud_event_whose_payload_has_its_hash() {
    run(async {
        let mut kit = Kit::with_users(42);
        // Not canonical: the text that is hashed and told is another.
        let payload = r#"{ "uuid": "a", "status":"USABLE", "price": 1.50, "2": 0, "1": "\u00e9" }"#.to_owned();
        kit.put_pass(42, List::Passes, Pass { uuid: "a".to_owned(), status: "USABLE".to_owned(), payload });
        kit.start();
        kit.request(42, r#","reason":"support","tick_id":"t1""#);
        kit.settle().await;
        let record = kit.records(TICKET_CHANGED).remove(0);
        assert_eq!(record.key.as_deref(), Some(b"42".as_slice()));
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", "42:1"),
            ("ce_source", "/passflow"),
            ("ce_type", "passflow.ticket-changed.v1"),
            ("ce_subject", "42"),
            ("content-type", "application/json"),
        ];
        for (name, value) in headers {
            assert_eq!(header(&record, name), value);
        }
        let event = &kit.events()[0];
        assert_eq!(header(&record, "ce_time"), event["occurred_at"]);
        assert_eq!(event["cause"], serde_json::json!({"action": "refresh", "reason": "support", "tick_id": "t1"}));
        #[derive(serde::Deserialize)]
        struct Told {
            payload: Box<RawValue>,
        }
        let told: Told = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(told.payload.get(), r#"{"1":"é","2":0,"uuid":"a","status":"USABLE","price":1.5}"#);
        let hash = PayloadHash::of(told.payload.get().as_bytes());
        assert_eq!(event["after"]["payload_hash"], hash.to_string());
        let stored = &kit.document(42).lists.passes[0];
        assert_eq!((stored.entry.payload_hash, &stored.payload[..]), (hash, told.payload.get().as_bytes()));
    });
}

#[test]
fn a_pass_that_moves_to_the_history_is_one_update_and_keeps_what_is_its_own() {
    run(async {
        let kit = Kit::with_a_pass().await;
        kit.surroundings.documents.write_foreign(user(1), |document| {
            document.as_mut().unwrap().lists.passes[0].entry.free_ticket_status = 1;
        });
        let before = kit.document(1).lists.passes[0].entry.clone();
        kit.surroundings.api.change(user(1), |truth| {
            truth.remove("a");
            truth.put(List::Passes4, Pass::new("a", "EXPIRED", 2));
        });
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["added a", "updated a"]);
        let event = &kit.events()[1];
        assert_eq!((&event["before"]["list"], &event["after"]["list"]), (&"passes".into(), &"passes4".into()));
        assert_eq!(event["after"]["status"], "EXPIRED");
        let entry = kit.document(1).lists.passes4[0].entry.clone();
        assert_eq!((&entry.id, entry.free_ticket_status), (&before.id, 1));
        assert!(kit.uuids(1, List::Passes).is_empty());
    });
}

#[test]
fn a_pass_on_its_way_between_the_lists_is_not_told_to_be_gone() {
    run(async {
        let kit = Kit::with_a_pass().await;
        kit.surroundings.api.expire_after_next_read(user(1), "a");
        kit.refresh(1).await;
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["added a", "updated a"]);
        assert_eq!(kit.uuids(1, List::Passes4), ["a"]);
    });
}

#[test]
fn a_pass_in_both_lists_counts_as_in_the_history() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.put_pass(1, List::Passes4, Pass::new("a", "EXPIRED", 2));
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["added a"]);
        assert_eq!(kit.events()[0]["after"]["list"], "passes4");
        assert_eq!((kit.uuids(1, List::Passes), kit.uuids(1, List::Passes4)), (vec!["a".into()], vec!["a".into()]));
    });
}

#[test]
fn when_one_list_fails_the_other_is_stored_nothing_is_removed_and_the_time_stays() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.put_pass(1, List::Passes4, Pass::new("old", "EXPIRED", 1));
        kit.setup.passes.retry_rounds = 0;
        let world = kit.surroundings.world.clone();
        let fails_from_s = BASE_S + 30;
        kit.script(move |endpoint, _| {
            let fails = world.now_ms() / 1000 >= fails_from_s && endpoint != Endpoint::Active;
            fails.then(|| status(500))
        });
        kit.start();
        kit.refresh(1).await;
        let before = kit.document(1);
        sleep(secs(60)).await;
        kit.put_pass(1, List::Passes, Pass::new("b", "USABLE", 1));
        kit.surroundings.api.change(user(1), |truth| truth.remove("a"));
        kit.refresh(1).await;
        let after = kit.document(1);
        assert_eq!(after.timestamp, before.timestamp);
        assert_eq!(kit.uuids(1, List::Passes), ["a", "b"], "`a` may be on its way to the history");
        assert_eq!(kit.uuids(1, List::Passes4), ["old"]);
        assert_eq!((after.logs.passes.len(), after.logs.passes4.len()), (0, 1));
        assert!(!kit.changes().iter().any(|change| change.starts_with("removed")));
    });
}

#[test]
fn a_user_whose_first_fetch_fails_has_a_document_of_time_0() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.setup.passes.retry_rounds = 0;
        kit.script(|_, _| Some(status(404)));
        kit.start();
        kit.refresh(1).await;
        let document = kit.document(1);
        assert_eq!((document.timestamp, document.logs.passes.len(), document.logs.passes4.len()), (0, 1, 1));
    });
}

#[test]
fn an_error_log_keeps_the_newest_entries() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.setup.passes.retry_rounds = 0;
        kit.setup.passes.error_log_max = 3;
        let mut number = 399;
        kit.script(move |endpoint, _| {
            number += u16::from(endpoint == Endpoint::Active);
            Some(status(if endpoint == Endpoint::Active { number } else { 404 }))
        });
        kit.start();
        kit.setup.limits.window = 1;
        for _ in 0..8 {
            kit.refresh(1).await;
        }
        let log = kit.document(1).logs.passes;
        assert_eq!(log.len(), 3);
        assert!(log[2].errors.contains("http_407"), "{log:?}");
        assert!(log.iter().all(|entry| entry.id.len() == 24));
    });
}

#[test]
fn new_passes_are_appended_by_their_time_and_known_ones_stay_where_they_are() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, created("late", "2026-05-01T00:00:00Z"));
        kit.start();
        kit.refresh(1).await;
        let times = [("none", "whenever"), ("c", "2026-03-01T00:00:00Z"), ("b", "2026-02-01T00:00:00Z")];
        for (uuid, time) in times {
            kit.put_pass(1, List::Passes, created(uuid, time));
        }
        kit.refresh(1).await;
        assert_eq!(kit.uuids(1, List::Passes), ["late", "b", "c", "none"]);
    });
}

#[test]
fn when_nothing_changed_only_the_time_moves() {
    run(async {
        let kit = Kit::with_a_pass().await;
        let before = kit.document(1);
        sleep(secs(100)).await;
        kit.refresh(1).await;
        let after = kit.document(1);
        assert_eq!((&after.lists, after.document_version), (&before.lists, before.document_version));
        assert!(after.timestamp >= before.timestamp + 100);
        assert_eq!(kit.events().len(), 1);
    });
}

#[test]
fn a_new_pass_of_a_free_product_is_a_free_ticket() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.setup.passes.free_ticket_products = vec!["free".to_owned()];
        for (uuid, product) in [("a", "free"), ("b", "paid")] {
            let payload = format!(r#"{{"uuid":"{uuid}","status":"USABLE","product_uuid":"{product}"}}"#);
            kit.put_pass(1, List::Passes, Pass { uuid: uuid.to_owned(), status: "USABLE".to_owned(), payload });
        }
        kit.start();
        kit.refresh(1).await;
        let free: Vec<_> = kit.document(1).lists.passes.iter().map(|pass| pass.entry.free_ticket_status).collect();
        assert_eq!(free, [1, 0]);
    });
}
