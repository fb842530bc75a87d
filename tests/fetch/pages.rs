//! The history's pages, in all the ways in which they are told.

use std::sync::Arc;

use async_trait::async_trait;
use passflow::{
    domain::{cache::List, token::Token, user_id::UserId},
    ports::{ACTIVE_LIMIT, Answer, Endpoint, PassApi},
    simulator::{self, Config, Fault, PageStyle, Simulator, answer},
};

use crate::api::{Limits, Reply, Setup, all_uuids, code, fetcher, head, none, passes, passes_and, uuids};

/// The simulator in process, without any faults of delivery.
pub struct InProcess(pub Arc<Simulator>);

#[async_trait]
impl PassApi for InProcess {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Reply {
        Ok(ask(&self.0, endpoint, token))
    }
}

pub fn ask(simulator: &Simulator, endpoint: Endpoint, token: &Token) -> Answer {
    let token = Some(token.expose().to_owned());
    let (endpoint, per_page, page) = match endpoint {
        Endpoint::Active => (simulator::Endpoint::Active, ACTIVE_LIMIT, 1),
        Endpoint::ActivePage { page } => (simulator::Endpoint::Active, ACTIVE_LIMIT, page),
        Endpoint::History { per_page, page } => (simulator::Endpoint::History, per_page, page),
    };
    let (per_page, page) = (Some(per_page as usize), page as usize);
    let answer = simulator.answer(answer::Request { endpoint, token, per_page, page });
    Answer { status: answer.status, retry_after: None, body: answer.body }
}

#[tokio::test(start_paused = true)]
async fn both_lists_are_asked_for_at_once() {
    let setup = Setup::new(|call| match call.page() {
        None => passes(&["a", "b"]),
        Some(_) => passes_and(&["c"], r#","total_count":1"#),
    });
    let fetched = setup.fetch(&[]).await;
    assert_eq!(uuids(&fetched, List::Passes).unwrap(), ["a", "b"]);
    assert_eq!(uuids(&fetched, List::Passes4).unwrap(), ["c"]);
    let asked = [(0, Endpoint::Active), (0, Endpoint::History { per_page: 2, page: 1 })];
    assert_eq!(setup.api.asked(), asked);
    assert_eq!(setup.api.peak(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_pages_come_in_order_in_every_style() {
    for style in PageStyle::ALL {
        for (count, per_page) in [(0, 2), (1, 2), (2, 2), (7, 2), (8, 3), (30, 100)] {
            let config = Config {
                passes_per_user: 40..=40,
                change_rate: 0.0,
                page_styles: vec![style],
                careless: 0.5,
                ..Config::default()
            };
            let simulator = Arc::new(Simulator::new(config));
            let mut truth = simulator.truth(1);
            let all: Vec<_> = truth.passes.iter().chain(&truth.passes4).cloned().collect();
            truth.passes4 = all[..count].to_vec();
            truth.passes.clear();
            simulator.script(1, truth.clone());
            let mut limits = Limits::default();
            limits.fetch.history_per_page = per_page;
            let fetcher = fetcher(Arc::new(InProcess(simulator.clone())), limits, 1);
            let token = Token::new(simulator.token_of(1).unwrap()).unwrap();
            let fetched = fetcher.fetch(UserId::new(1).unwrap(), &token, &head(&[""; 0])).await;
            let expected: Vec<String> = truth.passes4.into_iter().map(|pass| pass.uuid).collect();
            assert_eq!(uuids(&fetched, List::Passes4), Some(expected), "{style:?}, {count} by {per_page}");
            assert!(simulator.requests_of(1)[1] <= count as u64 / u64::from(per_page) + 2, "{style:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_ignores_paging_is_understood() {
    for told in ["", r#","total_count":3"#, r#","page_count":1"#, r#","pagination":{"next":null}"#] {
        let setup = Setup::new(move |call| match call.page() {
            None => none(),
            Some(_) => passes_and(&["a", "b", "c"], told),
        });
        let fetched = setup.fetch(&[]).await;
        assert_eq!(uuids(&fetched, List::Passes4).unwrap(), ["a", "b", "c"], "{told}");
        assert_eq!(setup.api.history_times().len(), if told.is_empty() { 3 } else { 1 }, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_repeat_once_by_chance_are_read_again() {
    // Between the first page and the second, the history moved by a page.
    let setup = Setup::new(|call| match (call.page(), call.nth) {
        (None, _) => none(),
        (Some(1), 0) | (Some(2), _) => passes(&["a", "b"]),
        (Some(1), _) => passes(&["x", "y"]),
        (Some(3), _) => passes(&["c"]),
        (Some(_), _) => none(),
    });
    let fetched = setup.fetch(&["a", "b", "c"]).await;
    assert_eq!(uuids(&fetched, List::Passes4).unwrap(), ["x", "y", "a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn pages_that_do_not_add_up_are_read_again_from_the_first() {
    let simulator = Simulator::new(Config {
        passes_per_user: 15..=15,
        change_rate: 0.0,
        page_styles: vec![PageStyle::Counts],
        ..Config::default()
    });
    let simulator = Arc::new(simulator);
    let truth = simulator.truth(1);
    assert_eq!(truth.passes4.len(), 5);
    let fetcher = fetcher(Arc::new(InProcess(simulator.clone())), Limits::default(), 1);
    let token = Token::new(simulator.token_of(1).unwrap()).unwrap();
    for fault in [Fault::RepeatedPass, Fault::WrongTotal] {
        for (faulty, is_answered) in [(1, true), (3, true), (9, false)] {
            simulator.freeze();
            simulator.fail_next(1, simulator::Endpoint::History, fault, faulty);
            let asked_before = simulator.requests_of(1)[1];
            let fetched = fetcher.fetch(UserId::new(1).unwrap(), &token, &head(&[""; 0])).await;
            let expected = (!is_answered).then_some("pages_differ");
            assert_eq!(code(&fetched, List::Passes4), expected, "{fault:?}, {faulty}");
            assert_eq!(uuids(&fetched, List::Passes4).map(|uuids| uuids.len()), is_answered.then_some(5));
            assert!(simulator.requests_of(1)[1] - asked_before <= 9);
            assert_eq!(code(&fetched, List::Passes), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn re_reading_is_bounded() {
    let setup = Setup::new(|call| match call.page() {
        None => passes(&["z"]),
        Some(page) => passes_and(&["a", "b"], &format!(r#","pagination":{{"next":{}}}"#, page < 3)),
    });
    let fetched = setup.fetch(&["known"]).await;
    assert_eq!(code(&fetched, List::Passes4), Some("pages_differ"));
    let failure = fetched.failures.passes4.as_ref().unwrap();
    assert_eq!(failure.message, "the history's pages do not add up: pass a stands on two pages");
    assert_eq!(all_uuids(&fetched).into_iter().collect::<Vec<_>>(), ["z"]);
    // Once, and two times more, two pages each.
    assert_eq!(setup.api.history_times().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_total_that_changes_from_page_to_page_does_not_add_up() {
    let setup = Setup::new(|call| match call.page() {
        None => none(),
        Some(page) => passes_and(&[page.to_string()], &format!(r#","total_count":{}"#, page + 1)),
    });
    assert_eq!(code(&setup.fetch(&[]).await, List::Passes4), Some("pages_differ"));
}

#[tokio::test(start_paused = true)]
async fn pages_without_end_are_a_failure() {
    let setup = Setup::new(|call| match call.page() {
        None => none(),
        Some(page) => passes_and(&[page.to_string()], r#","pagination":{"next":true}"#),
    });
    assert_eq!(code(&setup.fetch(&[]).await, List::Passes4), Some("too_many_pages"));
    assert_eq!(setup.api.history_times().len(), 20);
}
