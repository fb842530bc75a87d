//! A simulator over HTTP, for tests.

use std::sync::Arc;

use passflow::simulator::{Config, Endpoint, Fault, Simulator, http};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A simulator that is being served, and a client for it.
pub struct Api {
    pub simulator: Arc<Simulator>,
    pub client: reqwest::Client,
    pub base_url: String,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<std::io::Result<()>>,
}

impl Api {
    pub async fn start(config: Config) -> Self {
        let simulator = Arc::new(Simulator::new(config));
        let (listener, base_url) = http::bind().await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(http::serve(simulator.clone(), listener, async {
            let _ = stopped.await;
        }));
        // Fails only when another test was first, with the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, client, base_url, stop, served }
    }

    pub async fn get(&self, path: &str, token: Option<String>) -> reqwest::Result<reqwest::Response> {
        let request = self.client.get(format!("{}{path}", self.base_url));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await
    }

    pub async fn active(&self, user: u64) -> reqwest::Result<reqwest::Response> {
        self.get("/passes", self.simulator.token_of(user)).await
    }

    /// Lets the next request go wrong in this way.
    pub async fn active_with(&self, fault: Fault) -> reqwest::Result<reqwest::Response> {
        self.simulator.fail_next(1, Endpoint::Active, fault, 1);
        self.active(1).await
    }
}

pub fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// Answers as `JSON.stringify` writes them.
pub fn plain() -> Config {
    Config { careless: 0.0, ..Config::default() }
}
