//! What is served over HTTP: health and metrics.

mod access;
mod health;
mod problem;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

pub use self::health::{Health, Probe};
use self::{
    access::{Access, Trusted},
    problem::Problem,
};
use crate::settings::Secret;

/// What there is to serve.
pub struct Console {
    /// Whether it lives, and whether it can work.
    pub health: Health,
    /// The metrics in Prometheus' text format, version 0.0.4.
    pub metrics: Box<dyn Fn() -> Result<String, String> + Send + Sync>,
}

/// Serves until the future is dropped. Without a token only clients that say that they talk to this very machine are
/// answered.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, console: Arc<Console>, token: Option<&Secret>) -> std::io::Result<()> {
    axum::serve(listener, router(console, token)).await
}

/// The routes, guarded.
pub fn router(console: Arc<Console>, token: Option<&Secret>) -> Router {
    let access = Arc::new(Access::new(token));
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
        })
        .layer(middleware::from_fn_with_state(access, access::guard))
        .with_state(console)
}

async fn live(State(console): State<Arc<Console>>) -> Response {
    console.health.live().into_response()
}

async fn ready(State(console): State<Arc<Console>>, Extension(Trusted(is_trusted)): Extension<Trusted>) -> Response {
    let ready = console.health.ready().await;
    if is_trusted { ready.into_response() } else { ready.without_messages().into_response() }
}

async fn metrics(State(console): State<Arc<Console>>) -> Response {
    match (console.metrics)() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &error).into_response(),
    }
}
