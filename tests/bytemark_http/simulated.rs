//! Against the simulated Bytemark.

use std::{sync::Arc, time::Duration};

use passflow::{
    adapters::bytemark_http::{BytemarkHttp, Limits},
    domain::{envelope::Envelope, token::Token},
    ports::{self, Answer, NoAnswer, PassApi as _},
    simulator::{Config, Endpoint, Fault, Faults, Simulator, http},
};

use crate::client;

struct Simulated {
    simulator: Arc<Simulator>,
    api: BytemarkHttp,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Simulated {
    async fn start(faults: Faults) -> Self {
        let simulator = Arc::new(Simulator::new(Config { faults, ..Config::default() }));
        let (listener, base_url) = http::bind().await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(http::serve(simulator.clone(), listener, async { _ = stopped.await }));
        let limits = Limits { body_max: 1 << 20, read_timeout: Duration::from_millis(500), ..Limits::default() };
        Self { simulator, api: client(&base_url, limits), _stop: stop }
    }

    async fn active(&self, user: u64) -> Result<Answer, NoAnswer> {
        let token = Token::new(self.simulator.token_of(user).unwrap()).unwrap();
        self.api.get(ports::Endpoint::Active, &token).await
    }
}

#[tokio::test]
async fn both_lists_are_the_truth() {
    let simulated = Simulated::start(Faults::none()).await;
    for user in 1..=20 {
        let truth = simulated.simulator.truth(user);
        let token = Token::new(simulated.simulator.token_of(user).unwrap()).unwrap();
        let history = ports::Endpoint::History { per_page: 100, page: 1 };
        for (endpoint, expected) in [(ports::Endpoint::Active, truth.passes), (history, truth.passes4)] {
            let answer = simulated.api.get(endpoint, &token).await.unwrap();
            let passes = Envelope::parse(&answer.body, 100).unwrap().passes.unwrap();
            let texts: Vec<&str> = passes.iter().map(|pass| pass.text.as_ref()).collect();
            assert_eq!(texts, expected.iter().map(|pass| pass.text.as_str()).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn each_fault_is_told_by_its_name_and_the_next_request_succeeds() {
    let simulated = Simulated::start(Faults { padding_bytes: 2 << 20, ..Faults::none() }).await;
    for (fault, expected) in [
        (Fault::Status500, Ok(500)),
        (Fault::Status502, Ok(502)),
        (Fault::Status503, Ok(503)),
        (Fault::Status429, Ok(429)),
        (Fault::Html, Ok(200)),
        (Fault::Truncated, Ok(200)),
        (Fault::Slow, Ok(200)),
        (Fault::Reset, Err("connection_lost")),
        (Fault::Cut, Err("connection_lost")),
        (Fault::Hang, Err("timed_out")),
        (Fault::TooLarge, Err("body_too_large")),
    ] {
        simulated.simulator.fail_next(1, Endpoint::Active, fault, 1);
        let answer = simulated.active(1).await;
        assert_eq!(answer.map(|answer| answer.status).map_err(|error| error.code), expected, "{fault:?}");
        assert_eq!(simulated.active(1).await.unwrap().status, 200, "after {fault:?}");
    }
}

#[tokio::test]
async fn retry_after_comes_through_in_both_forms() {
    let simulated = Simulated::start(Faults { retry_after_s: 3, ..Faults::none() }).await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        simulated.simulator.fail_next(1, Endpoint::Active, Fault::Status429, 1);
        seen.push(simulated.active(1).await.unwrap().retry_after.unwrap());
    }
    // The clock of this test stands in 1994, so that a date of today tells itself from seconds.
    assert!(seen.contains(&Duration::from_secs(3)));
    assert!(seen.iter().any(|delay| *delay > Duration::from_hours(24)));
}
