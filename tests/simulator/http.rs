//! The simulator over real HTTP: who is let in, what is served, how it stops.

use std::time::{Duration, Instant};

use crate::api::{Api, plain};
use passflow::simulator::{Config, Denial, Endpoint, Fault, Faults, Mode, Outage};

#[tokio::test]
async fn both_lists_are_served_to_the_holder_of_the_token() {
    let api = Api::start(plain()).await;
    let truth = api.simulator.truth(7);
    let active = api.active(7).await.unwrap().text().await.unwrap();
    assert!(truth.passes.iter().all(|pass| active.contains(&pass.text)));
    assert!(active.starts_with(r#"{"errors":[],"server_time":"2026-11-20T10:00:00Z","data":{"passes":[{"uuid":"#));
    let path = "/v4.0/passes?status=EXPIRED&per_page=50&page=1";
    let history = api.get(path, api.simulator.token_of(7)).await.unwrap().text().await.unwrap();
    assert!(truth.passes4.iter().all(|pass| history.contains(&pass.text)));
    assert_eq!(api.simulator.requests_of(7), [1, 1]);
    let counts = api.simulator.counts();
    assert_eq!((counts.active, counts.history, counts.denied, counts.faults), (1, 1, 0, 0));
}

#[tokio::test]
async fn unknown_tokens_are_refused() {
    for (denial, status) in [(Denial::Status401, 401), (Denial::Status403, 403), (Denial::Code50020, 200)] {
        let api = Api::start(Config { denial, ..plain() }).await;
        let old = api.simulator.token_of(1);
        api.simulator.set_token(1, Some("another".to_owned()));
        for token in [None, Some("nobody".to_owned()), old] {
            let answer = api.get("/passes", token).await.unwrap();
            assert_eq!(answer.status(), status);
            assert!(answer.text().await.unwrap().contains(r#""code":50020"#));
        }
        assert_eq!(api.active(1).await.unwrap().status(), 200);
        assert_eq!(api.simulator.counts().denied, 3);
    }
}

#[tokio::test]
async fn senseless_requests_are_refused() {
    let api = Api::start(plain()).await;
    for query in ["", "?status=USABLE", "?status=EXPIRED&page=0", "?status=EXPIRED&per_page=x"] {
        let answer = api.get(&format!("/v4.0/passes{query}"), api.simulator.token_of(1)).await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn an_answer_that_hangs_ends_with_the_freeze_or_the_server() {
    for frozen in [true, false] {
        let api = Api::start(plain()).await;
        api.simulator.fail_next(1, Endpoint::Active, Fault::Hang, 1);
        let url = format!("{}/passes", api.base_url);
        let request = api.client.get(url).bearer_auth(api.simulator.token_of(1).unwrap());
        let mut hanging = tokio::spawn(request.send());
        while api.simulator.counts().faults == 0 {
            tokio::task::yield_now().await;
        }
        let in_time = tokio::time::timeout(Duration::from_millis(50), &mut hanging).await;
        assert!(in_time.is_err());
        if frozen {
            api.simulator.freeze();
            assert!(hanging.await.unwrap().is_err());
            assert_eq!(api.active(1).await.unwrap().status(), 200);
        } else {
            api.stop.send(()).unwrap();
            assert!(hanging.await.unwrap().is_err());
            api.served.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn the_server_stops_soon_whatever_is_under_way() {
    let faults = Faults { slow: Duration::from_secs(600), ..Faults::none() };
    let api = Api::start(Config { faults, ..plain() }).await;
    let _under_way = api.active_with(Fault::Slow).await.unwrap();
    let begin = Instant::now();
    api.stop.send(()).unwrap();
    api.served.await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn the_whole_api_or_one_list_can_be_down() {
    let api = Api::start(plain()).await;
    let history = || api.get("/v4.0/passes?status=EXPIRED", api.simulator.token_of(1));
    api.simulator.set_down(Endpoint::History, Some(Outage::Status(503)));
    assert_eq!(history().await.unwrap().status(), 503);
    assert_eq!(api.active(1).await.unwrap().status(), 200);
    api.simulator.set_all_down(Some(Outage::Reset));
    assert!(history().await.is_err() && api.active(1).await.is_err());
    api.simulator.set_all_down(None);
    assert_eq!(history().await.unwrap().status(), 200);
    assert!(api.simulator.counts().outages >= 3);
}

#[tokio::test]
async fn light_users_are_served_as_well() {
    let api = Api::start(Config { mode: Mode::Light, users: 200_000, ..plain() }).await;
    let body = api.active(123_456).await.unwrap().text().await.unwrap();
    let truth = api.simulator.truth(123_456);
    assert_eq!(truth.passes.len(), 4);
    assert!(truth.passes.iter().all(|pass| body.contains(&pass.text)));
    assert_eq!(api.get("/passes", api.simulator.token_of(200_001)).await.unwrap().status(), 401);
    assert!(api.simulator.counts().peak_in_flight >= 1);
}
