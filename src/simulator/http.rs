//! The simulator as an HTTP server: routes, headers, and the ways in which answers come or do not.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::{Answer, Delivery, Request, RetryAfter};
use super::wire::{Scissors, Wires};
use super::{Endpoint, Simulator};

/// How long answers may still be under way once the server is to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Pieces in which a slow body comes.
const SLOW_PIECES: u32 = 8;

/// White space is sent in blocks of this size.
const PADDING_BLOCK: usize = 64 << 10;

/// The wait before a connection is cut, so that what was written before goes out.
const CUT_DELAY: Duration = Duration::from_millis(5);

/// A free port on loopback, and the base URL for clients.
///
/// # Errors
/// When no port can be had.
pub async fn bind() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    Ok((listener, base_url))
}

/// Serves the API until `shutdown`; then answers that hang are let go, and the others have a second to end.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    simulator: Arc<Simulator>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/passes", get(active))
        .route("/v4.0/passes", get(history))
        .with_state(simulator.clone())
        .into_make_service_with_connect_info::<Scissors>();
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = async move {
        shutdown.await;
        simulator.let_go();
        // The receiver is gone only when serving has ended already.
        let _ = stopping.send(());
    };
    let out_of_grace = async {
        if stopped.await.is_ok() {
            sleep(SHUTDOWN_GRACE).await;
        }
    };
    tokio::select! {
        served = axum::serve(Wires(listener), router).with_graceful_shutdown(stop).into_future() => served,
        () = out_of_grace => Ok(()),
    }
}

type Parameters = Query<Vec<(String, String)>>;

async fn active(
    State(simulator): State<Arc<Simulator>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let request = Request {
        endpoint: Endpoint::Active,
        token: bearer(&headers),
        per_page: number(&parameters, "limit"),
        page: number(&parameters, "page").unwrap_or(1),
    };
    respond(&simulator, &scissors, request).await
}

async fn history(
    State(simulator): State<Arc<Simulator>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    if find(&parameters, "status") != Some("EXPIRED") {
        return (StatusCode::BAD_REQUEST, "status must be EXPIRED").into_response();
    }
    let request = Request {
        endpoint: Endpoint::History,
        token: bearer(&headers),
        per_page: number(&parameters, "per_page"),
        page: number(&parameters, "page").unwrap_or(1),
    };
    respond(&simulator, &scissors, request).await
}

fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is no number is treated as 0, which is refused.
fn number(parameters: &[(String, String)], name: &str) -> Option<usize> {
    find(parameters, name).map(|value| value.parse().unwrap_or(0))
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

/// Half of the latency passes before the passes are read and half after, so that an answer can be out of date.
async fn respond(simulator: &Simulator, scissors: &Scissors, request: Request) -> Response {
    let _in_flight = simulator.counters.in_flight();
    // Before the plan is made, so that a freeze in between is not missed.
    let let_go = simulator.wake.subscribe();
    let plan = simulator.plan(request);
    let half = plan.latency / 2;
    pause(half).await;
    let answer = simulator.fulfil(&plan);
    pause(half).await;
    deliver(let_go, scissors, answer).await
}

/// A timer has a resolution of a millisecond, so no time is better not waited for at all.
async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

async fn deliver(mut let_go: watch::Receiver<()>, scissors: &Scissors, answer: Answer) -> Response {
    let mut response = head(&answer);
    let body = answer.body;
    *response.body_mut() = match answer.delivery {
        Delivery::Whole => Body::from(body),
        Delivery::Slow(time) => {
            set_length(&mut response, body.len());
            slow(body, time)
        }
        Delivery::Padded(bytes) => padded(body, bytes),
        Delivery::CutAfter(bytes) => {
            set_length(&mut response, body.len());
            cut_after(&body, bytes, scissors.clone())
        }
        Delivery::Reset => {
            scissors.cut();
            Body::empty()
        }
        Delivery::Hang(time) => {
            tokio::select! {
                () = sleep(time) => {}
                _ = let_go.changed() => {}
            }
            scissors.cut();
            Body::empty()
        }
    };
    response
}

fn head(answer: &Answer) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = if answer.is_html { "text/html; charset=utf-8" } else { "application/json" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    let retry_after = answer.retry_after.map(retry_after_text).and_then(|text| text.parse().ok());
    if let Some(value) = retry_after {
        headers.insert(header::RETRY_AFTER, value);
    }
    response
}

fn retry_after_text(retry_after: RetryAfter) -> String {
    match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::DateIn(seconds) => {
            let now = Timestamp::now();
            let date = now.checked_add(SignedDuration::from_secs(seconds.into())).unwrap_or(now);
            date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
    }
}

fn set_length(response: &mut Response, bytes: usize) {
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
}

fn slow(body: Bytes, time: Duration) -> Body {
    let piece = body.len().div_ceil(SLOW_PIECES as usize).max(1);
    let pieces = stream::unfold(body, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        sleep(time / SLOW_PIECES).await;
        let next = left.split_to(piece.min(left.len()));
        Some((Ok::<_, io::Error>(next), left))
    });
    Body::from_stream(pieces)
}

fn padded(body: Bytes, bytes: u64) -> Body {
    let block = Bytes::from(vec![b' '; PADDING_BLOCK]);
    let blocks = bytes.div_ceil(PADDING_BLOCK as u64);
    let pieces = stream::unfold(0, move |nth| {
        let piece = match nth {
            _ if nth < blocks => Some(block.clone()),
            _ if nth == blocks => Some(body.clone()),
            _ => None,
        };
        std::future::ready(piece.map(|piece| (Ok::<_, io::Error>(piece), nth + 1)))
    });
    Body::from_stream(pieces)
}

fn cut_after(body: &Bytes, bytes: usize, scissors: Scissors) -> Body {
    let begin = body.slice(..bytes.min(body.len()));
    let pieces = stream::unfold((Some(begin), scissors), |(begin, scissors)| async move {
        if let Some(begin) = begin {
            return Some((Ok(begin), (None, scissors)));
        }
        sleep(CUT_DELAY).await;
        scissors.cut();
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), (None, scissors)))
    });
    Body::from_stream(pieces)
}
