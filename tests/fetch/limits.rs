//! How many requests at once, how fast, and when the API counts as down.

use std::time::Duration;

use futures::future::join_all;
use passflow::ports::{Dependency, Failure};
use proptest::prelude::*;

use crate::api::{Limits, Reply, Setup, failed, none, passes, passes_and, reply};

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_in_flight_than_allowed() {
    for max_in_flight in [1, 2, 7, 64] {
        let mut limits = Limits::default();
        limits.gate.max_in_flight = max_in_flight;
        let setup = Setup::with(limits, |call| match call.page() {
            None => passes(&["a"]),
            Some(page) => passes_and(&[page.to_string()], &format!(r#","pagination":{{"next":{}}}"#, page < 3)),
        });
        let fetched = join_all((1..=50).map(|user| setup.fetch_of(user, &["a"]))).await;
        assert!(fetched.iter().all(|it| it.answers.passes.is_some() && it.answers.passes4.is_some()));
        assert_eq!(setup.api.peak(), max_in_flight);
        assert_eq!(setup.api.asked().len(), 50 * 4);
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_next_attempt_is_not_in_flight() {
    let mut limits = Limits::default();
    limits.gate.max_in_flight = 1;
    limits.fetch.backoff = Duration::from_secs(100);
    limits.fetch.backoff_max = Duration::from_secs(100);
    let setup = Setup::with(limits, |call| if call.token.ends_with("-1") { failed("timed_out") } else { none() });
    let (slow, begin) = (setup.fetch_of(1, &[]), tokio::time::Instant::now());
    let quick = async {
        join_all((2..=20).map(|user| setup.fetch_of(user, &[]))).await;
        begin.elapsed()
    };
    let (_, quick) = tokio::join!(slow, quick);
    assert!(quick < Duration::from_secs(1), "{quick:?}");
}

/// The most requests in any ten seconds.
fn most_in_ten_seconds(times_ms: &[u64]) -> usize {
    let first_behind = |from: u64| times_ms.partition_point(|at_ms| *at_ms < from + 10_000);
    times_ms.iter().enumerate().map(|(nth, from)| first_behind(*from) - nth).max().unwrap_or(0)
}

/// When so many users' requests leave at this rate, asked for in bursts with pauses.
async fn times_at(rate: u32, bursts: &[(u64, i64)]) -> Vec<u64> {
    let mut limits = Limits::default();
    limits.gate.requests_per_second = rate;
    let setup = Setup::with(limits, |_| none());
    for (pause_ms, users) in bursts {
        tokio::time::sleep(Duration::from_millis(*pause_ms)).await;
        join_all((1..=*users).map(|user| setup.fetch_of(user, &[]))).await;
    }
    setup.api.asked().into_iter().map(|(at_ms, _)| at_ms).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_and_nearly_reached() {
    for rate in [1, 3, 50, 99, 101, 150, 333] {
        let users = i64::from(rate) * 10;
        let times_ms = times_at(rate, &[(0, users), (3_000, users / 2), (1, users)]).await;
        let most = most_in_ten_seconds(&times_ms);
        let allowed = rate as usize * 10;
        assert!((allowed * 19 / 20..=allowed).contains(&most), "{most} in 10 s at {rate}/s");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_ten_seconds_see_more_than_the_rate_allows(
        rate in 1_u32..400,
        bursts in prop::collection::vec((0_u64..20_000, 1_i64..200), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let times_ms = runtime.block_on(times_at(rate, &bursts));
        prop_assert!(most_in_ten_seconds(&times_ms) <= rate as usize * 10);
    }
}

fn failing(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Setup {
    Setup::new(move |call| answer(call.token))
}

#[tokio::test(start_paused = true)]
async fn the_api_is_down_when_many_users_requests_failed_in_a_row() {
    let setup = failing(|_| failed("timed_out"));
    for user in 1..=4 {
        setup.fetch_of(user, &[]).await;
        assert!(setup.fetcher.gate().down().is_none(), "after user {user}");
    }
    setup.fetch_of(5, &[]).await;
    let error = setup.fetcher.gate().down().unwrap();
    assert_eq!((error.kind, error.dependency), (Failure::Down, Dependency::Bytemark));
    assert_eq!(error.to_string(), "fetching passes, 40 requests in a row failed: as told");
}

#[tokio::test(start_paused = true)]
async fn the_api_is_not_down_for_few_failures_or_for_one_user() {
    let mut limits = Limits::default();
    limits.fetch.attempts = 1;
    limits.gate.down_after = 15;
    let setup = Setup::with(limits, |_| reply(500, ""));
    for user in 1..=7 {
        setup.fetch_of(user, &[]).await;
    }
    assert!(setup.fetcher.gate().down().is_none());
    setup.fetch_of(8, &[]).await;
    assert!(setup.fetcher.gate().down().is_some());
    let setup = failing(|_| reply(500, ""));
    for _ in 0..20 {
        setup.fetch_of(1, &[]).await;
    }
    assert!(setup.fetcher.gate().down().is_none());
}

#[tokio::test(start_paused = true)]
async fn any_answer_shows_that_the_api_is_up() {
    let refused = r#"{"errors":[{"code":1,"message":"no"}],"data":{}}"#;
    for answer in [none(), reply(401, ""), reply(200, refused), reply(404, "")] {
        let setup = failing(move |token| if token.ends_with("-99") { answer.clone() } else { reply(503, "") });
        join_all((1..=9).map(|user| setup.fetch_of(user, &[]))).await;
        assert!(setup.fetcher.gate().down().is_some());
        setup.fetch_of(99, &[]).await;
        assert!(setup.fetcher.gate().down().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_not_sent_shows_nothing() {
    let setup = failing(|token| failed(if token.ends_with("-99") { "bad_token" } else { "timed_out" }));
    join_all((1..=9).map(|user| setup.fetch_of(user, &[]))).await;
    setup.fetch_of(99, &[]).await;
    assert!(setup.fetcher.gate().down().is_some());
}
