//! The pass API over HTTP: one client for all, whose connections are kept and whose every wait has an end.

mod body;
mod error;
mod patience;
mod retry_after;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client, ClientBuilder, Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};

use self::patience::Patience;
use crate::{
    domain::token::Token,
    ports::{ACTIVE_LIMIT, Answer, Clock, Endpoint, NoAnswer, PassApi, Room, Unbounded},
};

/// How long to wait for the API, and how much to take from it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// The longest silence: until the answer begins, and between two pieces of its body.
    pub read_timeout: Duration,
    /// For a whole request; waiting for room for its body does not count.
    pub request_timeout: Duration,
    /// How long an unused connection is kept: shorter than the proxies on the way keep it.
    pub pool_idle: Duration,
    /// Requests at once, and so the connections that are worth keeping.
    pub max_in_flight: usize,
    /// The largest body, in bytes.
    pub body_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            pool_idle: Duration::from_secs(15),
            max_in_flight: 64,
            body_max: 32 << 20,
        }
    }
}

/// Why there is no client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be used.
    #[error("PASSFLOW_BYTEMARK_URL (bytemark_url): {0}; set it to something like https://api.example.com/v1")]
    BaseUrl(String),
    /// The client cannot be made: no certificates, for one.
    #[error("making the HTTP client for Bytemark: {0}")]
    Client(String),
}

/// The pass API at a base URL.
pub struct BytemarkHttp {
    client: Client,
    base: Url,
    active: Url,
    history: Url,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl BytemarkHttp {
    /// A client for the API at `base_url` (`http` or `https`, a path in front of the API's own is fine).
    ///
    /// Proxies are those that the environment names (`HTTPS_PROXY`, `NO_PROXY`, ...); none for this machine itself. `clock` tells how far away the
    /// date of a `Retry-After` is.
    ///
    /// # Errors
    /// [`SetupError`] when the URL is none, or the system gives no TLS certificates for an `https` one.
    pub fn new(base_url: &str, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let base = parse_base(base_url)?;
        Ok(Self {
            client: client(&base, &limits)?,
            active: below(&base, "passes"),
            history: below(&base, "v4.0/passes"),
            base,
            limits,
            clock,
        })
    }

    /// Asks for the base URL without a token, as the passes are asked for else: gives the status of whatever answers.
    ///
    /// # Errors
    /// Why nothing answered.
    pub async fn probe(&self) -> Result<u16, NoAnswer> {
        let request = Request::new(Method::GET, self.base.clone());
        let response = Patience::new(&self.limits).head(self.client.execute(request)).await?;
        Ok(response.status().as_u16())
    }

    fn url(&self, endpoint: Endpoint) -> Url {
        let (list, query) = match endpoint {
            Endpoint::Active => (&self.active, format!("limit={ACTIVE_LIMIT}")),
            Endpoint::ActivePage { page } => (&self.active, format!("limit={ACTIVE_LIMIT}&page={page}")),
            Endpoint::History { per_page, page } => {
                (&self.history, format!("status=EXPIRED&per_page={per_page}&page={page}"))
            }
        };
        let mut url = list.clone();
        url.set_query(Some(&query));
        url
    }
}

#[async_trait]
impl PassApi for BytemarkHttp {
    async fn get(&self, endpoint: Endpoint, token: &Token) -> Result<Answer, NoAnswer> {
        self.get_within(endpoint, token, &Unbounded).await
    }

    async fn get_within(&self, endpoint: Endpoint, token: &Token, room: &dyn Room) -> Result<Answer, NoAnswer> {
        let mut request = Request::new(Method::GET, self.url(endpoint));
        request.headers_mut().insert(AUTHORIZATION, bearer(token)?);
        let mut patience = Patience::new(&self.limits);
        let response = patience.head(self.client.execute(request)).await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| retry_after::parse(value.to_str().ok()?, self.clock.now_ms()));
        let body = body::read(response, self.limits.body_max, room, &mut patience).await?;
        Ok(Answer { status, retry_after, body })
    }
}

impl fmt::Debug for BytemarkHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BytemarkHttp").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn client(base: &Url, limits: &Limits) -> Result<Client, SetupError> {
    // Somebody else in this process may have chosen one already: theirs is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    // Proxies are for the way out: a simulator on this machine is not reached through one.
    let builder = || if is_here(base) { builder(limits).no_proxy() } else { builder(limits) };
    let built = builder().build();
    let built = match base.scheme() {
        // Without TLS no certificates are needed, and a small container has none.
        "http" => built.or_else(|_| builder().tls_certs_only([]).build()),
        _ => built,
    };
    built.map_err(|error| SetupError::Client(error::in_words(error)))
}

/// Whether the API is on this machine.
fn is_here(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn builder(limits: &Limits) -> ClientBuilder {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    Client::builder()
        .user_agent(concat!("passflow/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        // A redirect is an answer: following it could carry the token to somewhere else.
        .redirect(redirect::Policy::none())
        .connect_timeout(limits.connect_timeout)
        .pool_idle_timeout(limits.pool_idle)
        .pool_max_idle_per_host(limits.max_in_flight)
}

/// What is wrong with a base URL is said without repeating it: it may hold a password.
fn parse_base(text: &str) -> Result<Url, SetupError> {
    let wrong = |what: &str| SetupError::BaseUrl(what.to_owned());
    if text.is_empty() {
        return Err(wrong("it is empty"));
    }
    let base = Url::parse(text).map_err(|error| SetupError::BaseUrl(format!("it is not a URL: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong("it begins with neither http:// nor https://"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(wrong("it holds a user name or a password, but the API takes each rider's token only"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("it holds a `?` or a `#`"));
    }
    Ok(base)
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn bearer(token: &Token) -> Result<HeaderValue, NoAnswer> {
    let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose())) else {
        let message = "the token holds control characters, so it cannot be sent; nothing was asked".to_owned();
        return Err(NoAnswer { code: "bad_token", message });
    };
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_behind_the_base_url() {
        for (base, path) in
            [("http://host", "/passes"), ("http://host/api", "/api/passes"), ("https://host/a/b/", "/a/b/passes")]
        {
            assert_eq!(below(&parse_base(base).unwrap(), "passes").path(), path);
        }
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        let here = |base| is_here(&parse_base(base).unwrap());
        assert!(here("http://localhost:1") && here("http://127.0.0.2") && here("http://[::1]/api"));
        assert!(!here("http://10.0.0.1") && !here("https://localhost.example.com"));
    }

    #[test]
    fn a_wrong_base_url_is_named_by_its_setting_and_not_repeated() {
        for wrong in
            ["", "host", "host:80", "ftp://host", "http://", "http://me:secret@host", "http://host/?key=secret"]
        {
            let error = parse_base(wrong).unwrap_err().to_string();
            assert!(error.starts_with("PASSFLOW_BYTEMARK_URL"), "{wrong}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_is_sensitive_and_must_fit_a_header() {
        let header = |token: &str| bearer(&Token::new(token.to_owned()).unwrap());
        assert!(!format!("{:?}", header("abc").unwrap()).contains("abc"));
        assert_eq!(header("é").unwrap().as_bytes(), "Bearer é".as_bytes());
        for bad in ["ab\nc", "ab\0c", "\u{7f}"] {
            let error = header(bad).unwrap_err();
            assert_eq!(error.code, "bad_token");
            assert!(!format!("{error} {error:?}").contains(bad));
        }
    }
}
