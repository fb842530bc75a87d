//! Fan-outs.

use std::{collections::BTreeMap, time::Duration};

use super::kit::{BASE_MS, Kit, REQUESTS, TICKS, json, run, secs, sleep};

impl Kit {
    /// How many requests each user had.
    fn requested(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for request in self.records(REQUESTS) {
            *counts.entry(json(&request)["user_id"].as_i64().unwrap()).or_default() += 1;
        }
        counts
    }

    fn tick(&self, more: &str) {
        self.put(TICKS, "t", more);
    }
}

fn once(users: i64) -> BTreeMap<i64, usize> {
    (1..=users).map(|number| (number, 1)).collect()
}

#[test]
fn a_tick_asks_for_every_user_with_a_token_once() {
    run(async {
        let mut kit = Kit::with_users(10);
        kit.set_token(4, "");
        kit.surroundings.tokens.set_row(1_000, super::kit::user(5), "second row");
        kit.start();
        kit.tick(r#"{"tick_id":"noon"}"#);
        kit.settle().await;
        let mut expected = once(10);
        expected.remove(&4);
        assert_eq!(kit.requested(), expected);
        for request in kit.records(REQUESTS) {
            let value = json(&request);
            assert_eq!(
                (&value["when"], &value["reason"], &value["tick_id"]),
                (&"if-stale".into(), &"tick".into(), &"noon".into())
            );
            assert_eq!(request.key.unwrap(), value["user_id"].to_string());
        }
        assert!([1, 10].iter().all(|number| kit.document(*number).timestamp > 0));
    });
}

#[test]
fn a_backfill_asks_only_for_what_is_missing() {
    run(async {
        let mut kit = Kit::with_users(2);
        kit.start();
        kit.tick(r#"{"kind":"backfill"}"#);
        kit.settle().await;
        assert!(kit.records(REQUESTS).iter().all(|request| json(request)["when"] == "if-missing"));
        assert_eq!(kit.requested(), once(2));
    });
}

#[test]
fn a_fan_out_goes_on_after_a_crash_where_it_stopped_and_never_far_ahead_of_the_passes() {
    run(async {
        let mut kit = Kit::with_users(9);
        let all = kit.setup.pipelines.clone();
        kit.setup.ticks.page = 2;
        kit.setup.pipelines = vec!["ticks"];
        kit.start();
        kit.tick("{}");
        sleep(secs(60)).await;
        let lying = kit.records(REQUESTS).len();
        assert!((2..=4).contains(&lying), "{lying} requests lie there although nobody handles them");
        kit.kill();
        kit.setup.pipelines = all;
        kit.start();
        sleep(secs(30)).await;
        kit.settle().await;
        assert_eq!(kit.requested(), once(9));
    });
}

#[test]
fn a_fan_out_is_killed_over_and_over_and_asks_for_nobody_twice() {
    run(async {
        let mut kit = Kit::with_users(20);
        kit.setup.ticks.page = 1;
        kit.start();
        kit.tick("{}");
        for number in 0..10 {
            sleep(Duration::from_millis(150 + 37 * number)).await;
            kit.kill();
            kit.start();
        }
        sleep(secs(60)).await;
        kit.settle().await;
        assert_eq!(kit.requested(), once(20));
    });
}

#[test]
fn a_tick_of_an_id_that_was_handled_is_skipped() {
    run(async {
        let mut kit = Kit::with_users(3);
        kit.start();
        for _ in 0..3 {
            kit.tick(r#"{"tick_id":"noon"}"#);
            kit.settle().await;
        }
        kit.kill();
        kit.start();
        sleep(secs(30)).await;
        kit.tick(r#"{"tick_id":"noon"}"#);
        kit.settle().await;
        assert_eq!(kit.requested(), once(3));
    });
}

#[test]
fn a_tick_that_is_too_old_is_skipped() {
    run(async {
        let mut kit = Kit::with_users(3);
        kit.start();
        let at = |age_min: i64| {
            let time = jiff::Timestamp::from_millisecond(BASE_MS - age_min * 60_000).unwrap();
            format!(r#"{{"scheduled_at":"{time}"}}"#)
        };
        kit.tick(&at(61));
        kit.settle().await;
        assert!(kit.requested().is_empty());
        assert_eq!(kit.outcome("ticks", "skipped"), 1);
        kit.tick(&at(59));
        kit.settle().await;
        assert_eq!(kit.requested(), once(3));
    });
}

#[test]
fn a_tick_with_a_later_one_of_its_kind_behind_it_is_skipped() {
    run(async {
        let mut kit = Kit::with_users(3);
        // All of one key, so that they lie in one partition.
        kit.setup.pipelines = vec!["ticks"];
        for (id, kind) in [("a", "refresh"), ("b", "backfill"), ("c", "refresh")] {
            kit.tick(&format!(r#"{{"tick_id":"{id}","kind":"{kind}"}}"#));
        }
        kit.setup.pipelines = vec!["token_changes", "ticks", "passes"];
        kit.start();
        sleep(secs(30)).await;
        kit.settle().await;
        let mut ids: Vec<String> =
            kit.records(REQUESTS).iter().map(|request| json(request)["tick_id"].as_str().unwrap().into()).collect();
        ids.sort();
        assert_eq!(ids, ["b", "b", "b", "c", "c", "c"]);
    });
}

#[test]
fn requests_of_one_tick_are_spread_over_time() {
    run(async {
        let mut kit = Kit::with_users(10);
        kit.setup.ticks.spread = secs(100);
        kit.start();
        kit.tick("{}");
        kit.settle().await;
        let mut times: Vec<i64> = kit.records(REQUESTS).iter().map(|request| request.source.timestamp_ms).collect();
        times.sort_unstable();
        assert_eq!(kit.requested(), once(10));
        for pair in times.windows(2) {
            assert!((9_000..12_000).contains(&(pair[1] - pair[0])), "{times:?}");
        }
    });
}
