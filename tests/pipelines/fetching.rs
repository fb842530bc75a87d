//! An API that refuses, slows down, fails, or answers with something else than passes.

use std::time::Duration;

use bytes::Bytes;
use passflow::{
    adapters::memory::Pass,
    domain::cache::List,
    ports::{Answer, Dependency, Endpoint},
};

use super::kit::{BASE_MS, Kit, REQUESTS, RETRY, Reply, body, header, json, run, secs, sleep, status};

const EXPIRED: &str = r#"{"errors":[{"code":50020,"message":"expired"}],"server_time":"now","data":{}}"#;

fn refused(with_status: u16, text: &'static str) -> Reply {
    Reply::Answer(Answer { status: with_status, retry_after: None, body: Bytes::from_static(text.as_bytes()) })
}

#[test]
fn a_user_whose_token_is_refused_rests_until_there_is_another() {
    for reply in [status(401), status(403), refused(401, EXPIRED), refused(200, EXPIRED)] {
        run(async {
            let mut kit = Kit::with_users(1);
            let api = kit.script(move |_, token| (token == "token-1").then(|| reply.clone()));
            kit.start();
            kit.refresh(1).await;
            let asked = api.calls().len();
            assert_eq!(kit.document(1).timestamp, 0);
            assert_eq!(kit.document(1).logs.passes.len(), 1);
            assert_eq!(kit.document(1).logs.passes4.len(), 1);
            assert!(kit.records(RETRY).is_empty() && kit.letters().is_empty());

            for when in ["if-stale", "if-missing", "if-new-token"] {
                kit.request(1, &format!(r#","when":"{when}""#));
            }
            kit.settle().await;
            assert_eq!(api.calls().len(), asked, "a resting user was fetched");
            assert_eq!(kit.outcome("passes", "resting"), 4);

            kit.set_token(1, "another-token");
            kit.change(1, "u");
            kit.settle().await;
            assert!(api.calls().len() > asked);
            assert!(kit.document(1).timestamp > 0);
            assert_eq!(kit.document(1).stream.unwrap().token.refused, None);
        });
    }
}

#[test]
fn a_resting_user_is_woken_by_whoever_asks_in_any_case() {
    run(async {
        let mut kit = Kit::with_users(1);
        let mut refusals = 2;
        kit.script(move |_, _| {
            refusals -= 1;
            (refusals >= 0).then(|| status(401))
        });
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.outcome("passes", "resting"), 1);
        kit.refresh(1).await;
        assert!(kit.document(1).timestamp > 0);
    });
}

#[test]
fn one_users_refused_token_holds_up_nobody_else() {
    run(async {
        let mut kit = Kit::with_users(3);
        kit.script(|_, token| (token == "token-2").then(|| status(403)));
        kit.start();
        (1..=3).for_each(|number| kit.request(number, ""));
        kit.settle().await;
        let refreshed = [1, 2, 3].map(|number| kit.document(number).timestamp > 0);
        assert_eq!(refreshed, [true, false, true]);
    });
}

#[test]
fn when_told_to_stay_away_nobody_asks_for_that_long() {
    for with_status in [429, 503] {
        run(async {
            let mut kit = Kit::with_users(2);
            let mut is_first = true;
            let api = kit.script(move |_, _| {
                std::mem::replace(&mut is_first, false).then(|| {
                    let retry_after = Some(secs(3));
                    Reply::Answer(Answer { status: with_status, retry_after, body: Bytes::new() })
                })
            });
            kit.setup.gate.max_in_flight = 1;
            kit.start();
            kit.request(1, "");
            kit.request(2, "");
            kit.settle().await;
            let calls = api.calls();
            assert!(calls.len() >= 5, "{calls:?}");
            assert!(calls[1..].iter().all(|call| call.at_ms >= calls[0].at_ms + 3_000), "{calls:?}");
            assert!(kit.document(1).timestamp > 0 && kit.document(2).timestamp > 0);
            assert!(kit.document(1).logs.passes.is_empty(), "one a handled request, not an attempt");
        });
    }
}

#[test]
fn a_passing_failure_is_tried_again_at_once() {
    for reply in [status(500), status(502), Reply::None("timed_out"), Reply::None("connection_lost")] {
        run(async {
            let mut kit = Kit::with_users(1);
            let mut failures = 2;
            kit.script(move |endpoint, _| {
                failures -= i32::from(endpoint == Endpoint::Active);
                (endpoint == Endpoint::Active && failures >= 0).then(|| reply.clone())
            });
            kit.start();
            kit.refresh(1).await;
            assert!(kit.document(1).timestamp > 0);
            assert!(kit.records(RETRY).is_empty());
        });
    }
}

#[test]
fn a_lasting_failure_goes_round_by_round_through_the_retry_topic_and_ends_as_a_dead_letter() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.setup.passes.retry_rounds = 2;
        let api = kit.script(|_, _| Some(status(500)));
        kit.start();
        kit.request(1, r#","reason":"support""#);
        kit.settle().await;
        let requests = kit.records(REQUESTS);
        let attempts: Vec<_> = requests.iter().map(|request| json(request)["attempt"].as_u64()).collect();
        assert_eq!(attempts, [None, Some(1), Some(2)]);
        for request in &requests[1..] {
            let id = format!("{REQUESTS}/{}/{}", requests[0].source.partition, requests[0].source.offset);
            assert_eq!(json(request)["request_id"], id);
            assert_eq!(json(request)["reason"], "support");
        }
        for (retry, again) in kit.records(RETRY).iter().zip(&requests[1..]) {
            let waited_ms = again.source.timestamp_ms - retry.source.timestamp_ms;
            assert!((5_000..6_000).contains(&waited_ms), "{waited_ms}");
        }
        assert_eq!(kit.codes(), ["fetch_failed"]);
        let (_, letter) = kit.letters().remove(0);
        assert_eq!(header(&letter, "passflow.error.stage"), "fetch");
        assert_eq!(header(&letter, "passflow.error.attempts"), "3");
        let message = header(&letter, "passflow.error.message");
        assert!(
            message.contains("2 rounds") && message.contains("http_500") && message.contains("passes4"),
            "{message}"
        );
        assert_eq!(api.calls().len(), 3 * 2 * 3, "three rounds, two lists, three attempts");
        assert_eq!(kit.document(1).logs.passes.len(), 3, "one a handled request");
    });
}

#[test]
fn when_many_users_fail_consumption_waits_and_goes_on_by_itself() {
    run(async {
        let mut kit = Kit::with_users(12);
        kit.setup.gate.down_after = 5;
        let world = kit.surroundings.world.clone();
        kit.script(move |_, _| (world.now_ms() < BASE_MS + 60_000).then(|| status(500)));
        kit.start();
        (1..=12).for_each(|number| kit.request(number, ""));
        sleep(secs(30)).await;
        let waiting_for = kit.process.as_ref().unwrap().progress[2].snapshot().waiting_for;
        assert_eq!(waiting_for.map(|(dependency, _)| dependency), Some(Dependency::Bytemark));
        kit.settle().await;
        assert!(kit.letters().is_empty());
        assert!((1..=12).all(|number| kit.document(number).timestamp > 0));
    });
}

#[test]
fn an_api_that_cannot_be_reached_costs_nobody_a_log_entry() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.surroundings.world.take_down(Dependency::Bytemark, Duration::from_mins(10));
        kit.start();
        kit.refresh(1).await;
        assert!(kit.surroundings.world.now_ms() >= BASE_MS + 600_000);
        assert!(kit.document(1).timestamp > 0);
        assert!(kit.document(1).logs.passes.is_empty() && kit.letters().is_empty() && kit.records(RETRY).is_empty());
    });
}

#[test]
fn a_body_that_is_no_list_of_passes_leaves_the_cache_untouched_and_is_named() {
    let deep = format!(r#"{{"errors":[],"data":{{"passes":{}{}}}}}"#, "[".repeat(200), "]".repeat(200));
    let pass = r#"{"uuid":"x","status":"USABLE"}"#;
    let twice = format!(r#"{{"errors":[],"data":{{"passes":[{pass},{pass}]}}}}"#);
    let bodies = [
        ("<html>", "not_json"),
        (r#"{"errors":[],"data":{"passes":["#, "not_json"),
        (&deep, "too_deep"),
        (r#"{"something":1}"#, "wrong_envelope"),
        (r#"{"errors":[],"data":{"passes":7}}"#, "wrong_envelope"),
        (&twice, "duplicate_uuid"),
        (r#"{"errors":[],"data":{"passes":[{"status":"USABLE"}]}}"#, "missing_uuid"),
    ];
    for (text, reason) in bodies {
        run(fails_with(body(text), reason));
    }
    run(fails_with(Reply::None("body_too_large"), "body_too_large"));
}

async fn fails_with(reply: Reply, reason: &str) {
    let mut kit = Kit::with_users(1);
    kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
    kit.setup.passes.retry_rounds = 0;
    let mut is_bad = false;
    kit.script(move |endpoint, _| {
        // The first refresh is a good one.
        let reply = (is_bad && endpoint == Endpoint::Active).then(|| reply.clone());
        is_bad |= endpoint != Endpoint::Active;
        reply
    });
    kit.start();
    kit.refresh(1).await;
    let before = kit.document(1);
    assert_eq!(before.lists.passes.len(), 1);
    sleep(secs(60)).await;
    kit.refresh(1).await;
    let after = kit.document(1);
    assert_eq!((&after.lists, after.timestamp), (&before.lists, before.timestamp), "{reason}");
    assert_eq!(after.logs.passes.len(), 1, "{reason}");
    assert!(after.logs.passes[0].errors.contains(reason), "{reason}: {:?}", after.logs.passes);
    assert_eq!(kit.events().len(), 1);
    let (code, letter) = kit.letters().remove(0);
    assert_eq!(code, "fetch_failed");
    assert!(header(&letter, "passflow.error.message").contains(reason));
}

#[test]
fn the_token_stands_in_no_log_and_no_dead_letter() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.set_token(1, "secret-token-of-user-1");
        kit.setup.passes.retry_rounds = 0;
        let text = r#"{"errors":[{"code":1,"message":"bad oauth_token secret-token-of-user-1"}],"data":{}}"#;
        kit.script(move |_, _| Some(body(text)));
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.codes(), ["fetch_failed"]);
        let everything = format!("{:?} {:?}", kit.letters(), kit.document(1));
        assert!(!everything.contains("secret-token-of-user-1"), "{everything}");
    });
}

#[test]
fn a_half_read_active_list_removes_no_pass() {
    run(async {
        let mut kit = Kit::with_users(1);
        for (nth, uuid) in ["a", "b", "c"].into_iter().enumerate() {
            kit.put_pass(1, List::Passes, Pass::new(uuid, "USABLE", nth as u64));
        }
        kit.setup.passes.retry_rounds = 0;
        let mut is_second = false;
        kit.script(move |endpoint, _| {
            let half = r#"{"errors":[],"data":{"passes":[{"uuid":"a","status":"USABLE"}],"total_count":3,"page_count":3,
                "pagination":{"page":1,"next":"/passes?page=2"}}}"#;
            let is_half = is_second && !matches!(endpoint, Endpoint::History { .. });
            is_second |= matches!(endpoint, Endpoint::History { .. });
            is_half.then(|| body(half))
        });
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.events().len(), 3);
        kit.refresh(1).await;
        assert_eq!(kit.uuids(1, List::Passes), ["a", "b", "c"]);
        assert_eq!(kit.events().len(), 3, "{:?}", kit.changes());
        assert_eq!(kit.codes(), ["fetch_failed"]);
    });
}

#[test]
fn an_error_answer_of_many_megabytes_leaves_a_short_log_entry_and_the_rider_rests() {
    run(async {
        let mut kit = Kit::with_users(1);
        let data = "x".repeat(9 << 20);
        let text = format!(r#"{{"errors":[{{"code":50020,"message":"expired"}}],"data":{{"why":"{data}"}}}}"#);
        let api = kit.script(move |_, _| Some(body(&text)));
        kit.start();
        kit.refresh(1).await;
        kit.request(1, r#","when":"if-stale""#);
        kit.settle().await;
        assert_eq!((api.calls().len(), kit.outcome("passes", "resting"), kit.letters().len()), (2, 2, 0));
        let document = kit.document(1);
        for entry in document.logs.passes.iter().chain(&document.logs.passes4) {
            assert_eq!(entry.errors, r#"[{"code":50020,"message":"expired"}]"#);
            assert!(entry.errors.len() + entry.data.len() <= 16 << 10, "{}", entry.data.len());
        }
    });
}
