//! Passes that move from the active list to the history while both are read.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use passflow::{
    domain::{cache::List, token::Token, user_id::UserId},
    ports::{Endpoint, PassApi},
    simulator::{Config, PageStyle, Simulator},
};
use proptest::prelude::*;

use crate::{
    api::{Limits, Reply, Setup, all_uuids, code, failed, fetcher, head, none, passes, uuids},
    pages::ask,
};

#[tokio::test(start_paused = true)]
async fn a_pass_in_neither_list_is_looked_for_in_the_history_again() {
    let setup = Setup::new(|call| match (call.page(), call.nth) {
        (Some(1), 1) => passes(&["moved"]),
        _ => none(),
    });
    let fetched = setup.fetch(&["moved"]).await;
    assert_eq!(uuids(&fetched, List::Passes).unwrap(), Vec::<String>::new());
    assert_eq!(uuids(&fetched, List::Passes4).unwrap(), ["moved"]);
    // The active list was answered before the history was asked for again.
    assert_eq!((setup.api.active_times(), setup.api.history_times()), (vec![0], vec![0, 10, 20]));
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_gone_is_gone_after_the_second_look() {
    let setup = Setup::new(|call| if call.page() == Some(1) { passes(&["b"]) } else { none() });
    let fetched = setup.fetch(&["a"]).await;
    assert_eq!(all_uuids(&fetched).into_iter().collect::<Vec<_>>(), ["b"]);
    assert_eq!((setup.api.active_times().len(), setup.api.history_times().len()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn when_the_second_look_fails_the_history_counts_as_failed() {
    let setup = Setup::new(|call| if call.page().is_some() && call.nth > 0 { failed("timed_out") } else { none() });
    let fetched = setup.fetch(&["a"]).await;
    assert_eq!((code(&fetched, List::Passes), code(&fetched, List::Passes4)), (None, Some("timed_out")));
    assert_eq!(fetched.answers.passes4, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_for_when_a_list_failed_or_nothing_is_missing() {
    let setup = Setup::new(|call| if call.page().is_some() { failed("body_too_large") } else { none() });
    setup.fetch(&["a"]).await;
    assert_eq!(setup.api.history_times().len(), 1);
    let setup = Setup::new(|call| if call.page().is_some() { none() } else { passes(&["a", "new"]) });
    setup.fetch(&["a"]).await;
    assert_eq!(setup.api.history_times().len(), 1);
}

/// The simulator, each of whose answers is as of a moment between question and answer.
struct Delayed {
    simulator: Arc<Simulator>,
    random: std::sync::Mutex<fastrand::Rng>,
}

impl Delayed {
    async fn pause(&self) {
        let pause_ms = self.random.lock().unwrap().u64(0..10);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

#[async_trait]
impl PassApi for Delayed {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Reply {
        self.pause().await;
        let answer = ask(&self.simulator, endpoint, token);
        self.pause().await;
        Ok(answer)
    }
}

/// Fetches while passes move at these times; every pass must be found, or the fetch must say that it failed.
async fn fetch_while_moving(seed: u64, per_page: u32, limit: usize, style: PageStyle, moves_ms: Vec<u64>) -> bool {
    let config = Config {
        seed,
        change_rate: 0.0,
        passes_per_user: 12..=12,
        page_styles: vec![style],
        active_limit_max: limit,
        ..Config::default()
    };
    let simulator = Arc::new(Simulator::new(config));
    let truth = simulator.truth(1);
    let known: Vec<String> = truth.passes.iter().chain(&truth.passes4).map(|pass| pass.uuid.clone()).collect();
    let random = std::sync::Mutex::new(fastrand::Rng::with_seed(seed));
    let api = Arc::new(Delayed { simulator: simulator.clone(), random });
    let mut limits = Limits::default();
    limits.fetch.history_per_page = per_page;
    let fetcher = fetcher(api, limits, seed);
    let token = Token::new(simulator.token_of(1).unwrap()).unwrap();
    let moving = async {
        for (pass, after_ms) in truth.passes.iter().zip(moves_ms) {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            assert!(simulator.move_to_history(1, &pass.uuid));
        }
    };
    let head = head(&known);
    let (fetched, ()) = tokio::join!(fetcher.fetch(UserId::new(1).unwrap(), &token, &head), moving);
    let found = all_uuids(&fetched);
    let is_answered = fetched.answers.passes.is_some() && fetched.answers.passes4.is_some();
    if is_answered {
        let lost: Vec<&String> = known.iter().filter(|uuid| !found.contains(*uuid)).collect();
        assert!(lost.is_empty(), "lost {lost:?}");
    } else {
        assert!(List::BOTH.into_iter().any(|list| code(&fetched, list) == Some("pages_differ")));
    }
    is_answered
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_pass_is_lost_however_it_moves(
        seed in any::<u64>(),
        per_page in 1_u32..8,
        limit in 1_usize..20,
        style in prop::sample::select(PageStyle::ALL.to_vec()),
        moves_ms in prop::collection::vec(0_u64..30, 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let is_still = moves_ms.is_empty();
        let is_answered = runtime.block_on(fetch_while_moving(seed, per_page, limit, style, moves_ms));
        prop_assert!(is_answered || !is_still);
    }
}
