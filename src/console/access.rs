//! Who may see what.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::settings::Secret;

/// With a token: who shows it. Without: who says that it talks to this machine, so that no page of another site can have
/// a browser ask here in its name (DNS rebinding).
pub(super) struct Access(Option<[u8; 32]>);

impl Access {
    pub(super) fn new(token: Option<&Secret>) -> Self {
        Self(token.map(|token| digest(token.expose().as_bytes())))
    }

    /// Whether details are for whoever sent this.
    fn trusts(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0 else { return true };
        // Digests are compared, so that the time tells nothing of the token.
        let shown = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        shown.is_some_and(|shown| digest(shown) == *token)
    }

    fn refusal(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        if path.starts_with("/health/") && self.0.is_some() {
            return None;
        }
        if self.0.is_none() {
            let is_here = headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(is_loopback);
            let why = "without PASSFLOW_API_TOKEN only requests to localhost are answered";
            return (!is_here).then(|| Problem::new(StatusCode::FORBIDDEN, why).into_response());
        }
        if self.trusts(headers) {
            return None;
        }
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "send `Authorization: Bearer` with PASSFLOW_API_TOKEN");
        let mut response = problem.into_response();
        response.headers_mut().insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
        Some(response)
    }
}

/// Whether the one who asks may see details.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trusted(pub(super) bool);

pub(super) async fn guard(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let trusted = Trusted(access.trusts(request.headers()));
    request.extensions_mut().insert(trusted);
    match access.refusal(request.uri().path(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether a `Host` header names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.3.2.1", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:8080", "10.0.0.1:8080", "[2001:db8::1]:80", "[", ":"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn reads_a_bearer_token() {
        assert_eq!(bearer(b"bearer abc"), Some(&b"abc"[..]));
        for other in [&b""[..], b"Bearer", b"Basic abcdef", "Bearér x".as_bytes()] {
            assert_eq!(bearer(other), None);
        }
    }
}
