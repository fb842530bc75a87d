//! The vendor's answers, true and otherwise.

use passflow::{
    adapters::memory::{ApiOdds, Chaos, MemoryApi, Odds, Pass, Span, World},
    domain::{cache::List, token::Token},
    ports::{Answer, Endpoint, NoAnswer, PassApi},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::kit::{BASE_MS, run, secs, user};

fn vendor() -> MemoryApi {
    let api = MemoryApi::new(&World::new(BASE_MS));
    api.admit(user(1), "secret");
    api.change(user(1), |truth| {
        for number in 0..5 {
            truth.put(List::Passes4, Pass::new(&format!("h{number}"), "EXPIRED", 1));
        }
        truth.put(List::Passes, Pass::new("a", "USABLE", 1));
    });
    api
}

async fn get(api: &MemoryApi, odds: ApiOdds, endpoint: Endpoint, token: &str) -> Result<Answer, NoAnswer> {
    let chaos = Chaos::new("a", 4, Odds { api: odds, ..Odds::default() });
    api.client(&chaos).get(endpoint, &Token::new(token.to_owned()).unwrap()).await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn uuids(answer: &Answer) -> Vec<String> {
    let passes = json(answer)["data"]["passes"].as_array().unwrap().clone();
    passes.iter().map(|pass| pass["uuid"].as_str().unwrap().to_owned()).collect()
}

const fn page(page: u32) -> Endpoint {
    Endpoint::History { per_page: 2, page }
}

#[test]
fn it_answers_with_envelopes_and_pages() {
    run(async {
        let api = vendor();
        let none = ApiOdds::default;
        let active = get(&api, none(), Endpoint::Active, "secret").await.unwrap();
        assert_eq!((active.status, uuids(&active)), (200, vec!["a".to_owned()]));
        assert_eq!(json(&active)["errors"], serde_json::json!([]));
        let mut all = Vec::new();
        for number in 1..=3 {
            let answer = get(&api, none(), page(number), "secret").await.unwrap();
            let data = &json(&answer)["data"];
            assert_eq!((data["total_count"].as_u64(), data["page_count"].as_u64()), (Some(5), Some(3)));
            assert_eq!(data["pagination"]["next"].is_null(), number == 3);
            all.extend(uuids(&answer));
        }
        assert_eq!(all, ["h0", "h1", "h2", "h3", "h4"]);
        assert_eq!(api.calls(user(1)), 4);
    });
}

#[test]
fn an_unknown_token_is_not_let_in() {
    run(async {
        let api = vendor();
        let answer = get(&api, ApiOdds::default(), Endpoint::Active, "other").await.unwrap();
        assert_eq!((answer.status, json(&answer)["errors"][0]["code"].as_u64()), (401, Some(50020)));
        api.refuse(user(1));
        assert_eq!(get(&api, ApiOdds::default(), Endpoint::Active, "secret").await.unwrap().status, 401);
        assert_eq!(api.calls(user(1)), 0);
    });
}

#[test]
fn a_pass_can_go_between_two_reads_and_be_in_neither() {
    run(async {
        let api = vendor();
        let all = Endpoint::History { per_page: 100, page: 1 };
        api.expire_after_next_read(user(1), "a");
        let history = get(&api, ApiOdds::default(), all, "secret").await.unwrap();
        let active = get(&api, ApiOdds::default(), Endpoint::Active, "secret").await.unwrap();
        assert!(!uuids(&history).contains(&"a".to_owned()) && uuids(&active).is_empty());
        let again = get(&api, ApiOdds::default(), all, "secret").await.unwrap();
        assert!(uuids(&again).contains(&"a".to_owned()));
        let versions: Vec<_> = api.truths(user(1)).iter().map(|truth| truth.version).collect();
        assert_eq!(versions, [1, 2]);
    });
}

#[test]
fn each_fault_looks_like_itself() {
    run(async {
        let api = vendor();
        let code = |answer: Result<Answer, NoAnswer>| answer.unwrap_err().code;
        let fault = |odds: ApiOdds| get(&api, odds, page(1), "secret");
        let none = ApiOdds::default;
        assert_eq!(code(fault(ApiOdds { connect_failed: 1.0, ..none() }).await), "connect_failed");
        assert_eq!(code(fault(ApiOdds { connection_lost: 1.0, ..none() }).await), "connection_lost");
        let began = Instant::now();
        assert_eq!(code(fault(ApiOdds { hang: 1.0, timeout: Span::ms(5_000, 5_000), ..none() }).await), "timed_out");
        assert_eq!(began.elapsed(), secs(5));
        assert!(fault(ApiOdds { server_error: 1.0, ..none() }).await.unwrap().status >= 500);
        let busy = fault(ApiOdds { too_many: 1.0, ..none() }).await.unwrap();
        assert_eq!((busy.status, busy.retry_after), (429, Some(secs(2))));
        for odds in [ApiOdds { html: 1.0, ..none() }, ApiOdds { truncated: 1.0, ..none() }] {
            let answer = fault(odds).await.unwrap();
            assert_eq!(answer.status, 200);
            assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
        }
        let envelope = fault(ApiOdds { error_envelope: 1.0, ..none() }).await.unwrap();
        assert_eq!((envelope.status, json(&envelope)["errors"].as_array().unwrap().len()), (200, 1));
        assert_eq!(fault(ApiOdds { unauthorized: 1.0, ..none() }).await.unwrap().status, 401);
        let uneven = fault(ApiOdds { uneven_pages: 1.0, ..none() }).await.unwrap();
        let total = json(&uneven)["data"]["total_count"].as_u64();
        assert!(total == Some(6) || uuids(&uneven).len() != 2);
    });
}
