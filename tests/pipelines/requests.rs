//! Requests: on which condition they fetch, and how they find their way.

use bytes::Bytes;
use passflow::{
    adapters::memory::Pass,
    domain::{
        cache::List,
        partitioner::partition_of,
        record::{Output, Record},
    },
};

use super::kit::{Kit, REQUESTS, TICKET_CHANGED, cdc, header, json, output, run, user};

impl Kit {
    /// Whether a request with this `when` fetches.
    async fn fetches(&self, when: &str) -> bool {
        let before = self.surroundings.api.calls(user(1));
        self.request(1, &format!(r#","when":"{when}""#));
        self.settle().await;
        self.surroundings.api.calls(user(1)) > before
    }

    fn set_timestamp(&self, timestamp: i64) {
        self.surroundings.documents.write_foreign(user(1), |document| document.as_mut().unwrap().timestamp = timestamp);
    }
}

#[test]
fn always_fetches_always() {
    run(async {
        let kit = Kit::with_a_pass().await;
        assert!(kit.fetches("always").await && kit.fetches("always").await);
    });
}

#[test]
fn if_stale_fetches_what_is_older_than_the_freshness_less_its_slack() {
    run(async {
        let kit = Kit::with_a_pass().await;
        let now_s = kit.surroundings.world.now_ms() / 1000;
        for (age_s, fetches) in [(0, false), (54 * 60, false), (55 * 60 + 5, true), (61 * 60, true)] {
            kit.set_timestamp(now_s - age_s);
            assert_eq!(kit.fetches("if-stale").await, fetches, "{age_s} s");
        }
        for (timestamp, fetches) in [((now_s - 60) * 1000, false), ((now_s - 3_700) * 1000, true), (0, true)] {
            kit.set_timestamp(timestamp);
            assert_eq!(kit.fetches("if-stale").await, fetches, "{timestamp}");
        }
    });
}

#[test]
fn if_missing_fetches_only_who_was_never_fetched() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.start();
        assert!(kit.fetches("if-missing").await);
        assert!(!kit.fetches("if-missing").await);
        kit.set_timestamp(0);
        assert!(kit.fetches("if-missing").await);
    });
}

#[test]
fn if_new_token_fetches_only_with_a_token_that_was_not_yet_used() {
    run(async {
        let kit = Kit::with_a_pass().await;
        for op in ["c", "u", "r", "d"] {
            let before = kit.surroundings.api.calls(user(1));
            kit.change(1, op);
            kit.settle().await;
            assert_eq!(kit.surroundings.api.calls(user(1)), before, "{op}");
        }
        kit.set_token(1, "other");
        assert!(kit.fetches("if-new-token").await);
        assert!(!kit.fetches("if-new-token").await);
    });
}

#[test]
fn a_change_that_a_query_does_not_see_yet_is_looked_for_once_more() {
    run(async {
        let kit = Kit::with_a_pass().await;
        kit.surroundings.tokens.set_lag(std::time::Duration::from_millis(800));
        kit.set_token(1, "other");
        let before = kit.surroundings.api.calls(user(1));
        kit.change(1, "u");
        kit.settle().await;
        assert!(kit.surroundings.api.calls(user(1)) > before);
    });
}

#[test]
fn rows_of_a_snapshot_and_old_requests_are_not_looked_for_twice() {
    run(async {
        let kit = Kit::with_a_pass().await;
        let start_ms = kit.surroundings.world.now_ms();
        kit.change(1, "r");
        kit.request(1, r#","when":"if-new-token","requested_at":"2026-01-01T00:00:00Z""#);
        kit.settle().await;
        assert!(kit.surroundings.world.now_ms() < start_ms + 900);
        kit.change(1, "u");
        kit.settle().await;
        assert!(kit.surroundings.world.now_ms() > start_ms + 1_000, "but a young one is");
    });
}

#[test]
fn of_several_rows_the_one_with_the_greatest_key_and_a_token_counts() {
    run(async {
        let mut kit = Kit::new();
        for (key, token) in [(5, "old"), (9, "newest"), (12, "")] {
            kit.surroundings.tokens.set_row(key, user(1), token);
            kit.surroundings.api.admit(user(1), token);
        }
        let api = kit.script(|_, _| None);
        kit.start();
        kit.refresh(1).await;
        assert!(!api.calls().is_empty() && api.calls().iter().all(|call| call.token == "newest"));
    });
}

#[test]
fn a_request_under_another_key_is_put_back_where_its_user_belongs_and_keeps_its_id() {
    run(async {
        let mut kit = Kit::with_users(7);
        kit.start();
        let value = r#"{"user_id":7,"reason":"x"}"#;
        kit.put(REQUESTS, "somebody", value);
        kit.put_output(Output { key: None, ..output("", value) });
        kit.put(REQUESTS, "07", r#"{"user_id":7,"request_id":"mine"}"#);
        kit.settle().await;
        let (right, wrong): (Vec<Record>, Vec<Record>) =
            kit.records(REQUESTS).into_iter().partition(|record| record.key.as_deref() == Some(b"7"));
        assert_eq!((right.len(), wrong.len()), (3, 3));
        let mut ids: Vec<String> =
            right.iter().map(|record| json(record)["request_id"].as_str().unwrap().into()).collect();
        let mut expected: Vec<String> = wrong
            .iter()
            .map(
                |record| {
                    if record.key.as_deref() == Some(b"07") { "mine".to_owned() } else { record.source.to_string() }
                },
            )
            .collect();
        ids.sort();
        expected.sort();
        assert_eq!(ids, expected);
        assert!(right.iter().all(|record| record.source.partition == partition_of(b"7", 12)));
        assert!(kit.document(7).timestamp > 0);
        assert!(kit.letters().is_empty());
    });
}

#[test]
fn a_trace_goes_with_what_follows_from_a_record() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.start();
        let headers = vec![("traceparent".to_owned(), Some(Bytes::from_static(b"00-abc-def-01")))];
        let change = output("k", &cdc(1, "c"));
        kit.put_output(Output { topic: super::kit::CDC.into(), headers, ..change });
        kit.settle().await;
        assert_eq!(header(&kit.records(REQUESTS)[0], "traceparent"), "00-abc-def-01");
        assert_eq!(header(&kit.records(TICKET_CHANGED)[0], "traceparent"), "00-abc-def-01");
    });
}

#[test]
fn a_request_of_a_tick_too_long_ago_is_skipped() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.start();
        let old = "2026-01-01T00:00:00Z";
        kit.request(1, &format!(r#","when":"if-stale","tick_id":"t","requested_at":"{old}""#));
        kit.settle().await;
        assert_eq!(kit.document(1).timestamp, 0);
        assert_eq!(kit.outcome("passes", "skipped"), 1);
        kit.request(1, &format!(r#","when":"if-stale","requested_at":"{old}""#));
        kit.settle().await;
        assert!(kit.document(1).timestamp > 0, "one on demand is not");
    });
}
