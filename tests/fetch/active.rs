//! An active list that does not come whole.

use std::sync::Arc;

use passflow::{
    domain::{cache::List, token::Token, user_id::UserId},
    simulator::{Config, PageStyle, Simulator},
};

use crate::{
    api::{Limits, Setup, code, fetcher, head, none, passes_and, uuids},
    pages::InProcess,
};

const MORE: [&str; 6] = [
    r#","total_count":3"#,
    r#","page_count":3"#,
    r#","pagination":{"next":"/passes?page=2"}"#,
    r#","pagination":{"next":true}"#,
    r#","total_count":3,"page_count":3,"pagination":{"next":"/passes?page=2"}"#,
    r#","total_count":3,"pagination":{"next":null}"#,
];

#[tokio::test(start_paused = true)]
async fn a_page_that_tells_of_more_and_is_all_that_comes_is_a_failed_fetch() {
    for more in MORE {
        let setup = Setup::new(move |call| if call.page().is_some() { none() } else { passes_and(&["a"], more) });
        let fetched = setup.fetch(&["a", "b", "c"]).await;
        assert_eq!(uuids(&fetched, List::Passes), None, "{more}");
        assert_eq!(code(&fetched, List::Passes), Some("pages_differ"), "{more}");
        // As often as a history whose pages do not add up, and no more.
        assert!(setup.api.active_times().len() <= 6, "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_tells_of_no_more_is_whole() {
    for told in ["", r#","total_count":1"#, r#","page_count":1"#, r#","pagination":{"next":null}"#] {
        let setup = Setup::new(move |call| if call.page().is_some() { none() } else { passes_and(&["a"], told) });
        let fetched = setup.fetch(&["a", "b"]).await;
        assert_eq!(uuids(&fetched, List::Passes).unwrap(), ["a"], "{told}");
        assert_eq!(setup.api.active_times().len(), 1, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn further_pages_are_read_twice_and_put_together_in_every_style() {
    for style in PageStyle::ALL {
        for limit in [1, 2, 3, 4, 7, 8] {
            let config = Config {
                passes_per_user: 12..=12,
                change_rate: 0.0,
                page_styles: vec![style],
                active_limit_max: limit,
                ..Config::default()
            };
            let simulator = Arc::new(Simulator::new(config));
            let expected: Vec<String> = simulator.truth(1).passes.into_iter().map(|pass| pass.uuid).collect();
            let fetcher = fetcher(Arc::new(InProcess(simulator.clone())), Limits::default(), 1);
            let token = Token::new(simulator.token_of(1).unwrap()).unwrap();
            let fetched = fetcher.fetch(UserId::new(1).unwrap(), &token, &head(&[""; 0])).await;
            let pages = expected.len().div_ceil(limit) as u64;
            let requests = if pages == 1 { 1 } else { 2 * pages };
            assert_eq!(simulator.requests_of(1)[0], requests, "{style:?}, {limit}");
            assert_eq!(uuids(&fetched, List::Passes), Some(expected), "{style:?}, {limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_between_two_pages_is_not_lost_when_the_count_stays_the_same() {
    // After the first page, the first pass goes and another comes: the third is on neither page.
    let setup = Setup::new(|call| match (call.active_page(), call.nth) {
        (None, _) => none(),
        (Some(1), 0) => passes_and(&["a", "b"], r#","total_count":4"#),
        (Some(1), _) => passes_and(&["b", "c"], r#","total_count":4"#),
        (Some(_), _) => passes_and(&["d", "e"], r#","total_count":4"#),
    });
    let fetched = setup.fetch(&["a", "b", "c", "d"]).await;
    assert_eq!(uuids(&fetched, List::Passes).unwrap(), ["b", "c", "d", "e"]);
    assert_eq!(setup.api.active_times().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_full_page_that_says_nothing_may_hide_some() {
    let full: Vec<String> = (0..9999).map(|number| number.to_string()).collect();
    let setup = Setup::new(move |call| match call.active_page() {
        None => none(),
        Some(1) => passes_and(&full, ""),
        Some(_) => passes_and(&["last"], ""),
    });
    assert_eq!(uuids(&setup.fetch(&[]).await, List::Passes).unwrap().len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_further_page_that_fails_is_a_failed_fetch() {
    let setup = Setup::new(|call| match call.active_page() {
        None => none(),
        Some(1) => passes_and(&["a"], r#","pagination":{"next":true}"#),
        Some(_) => crate::api::reply(404, ""),
    });
    assert_eq!(code(&setup.fetch(&["a", "b"]).await, List::Passes), Some("http_404"));
}
