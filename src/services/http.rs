//! One request to the outside: time limit, size cap, no redirects, our
//! User-Agent, redaction. What a failed call means is said by [`Failure`].
//!
//! It never retries and never sleeps (the [pacer] does). A
//! stale pooled connection can only make a call fail, never send it twice:
//! hyper repeats a request only when nothing of it was written.

pub mod pacer;
pub mod rest;

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use chrono::DateTime;
use reqwest::{
    Client, Method, Proxy, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect, retry,
};

use super::failure::{Certainty, Failure, certainty_of, kind_of};
use crate::{
    clock::Clock,
    facts::{FailureKind, Moment},
    limits::{ANSWER_BYTES_MAX, CALL_TIMEOUT, CONNECT_TIMEOUT, ERROR_ANSWER_BYTES_MAX},
};

/// Dead peers behind a NAT are noticed by then, so that a pooled connection
/// doesn't swallow a request.
const KEEPALIVE_SECS: u64 = 30;
/// Who we say we are.
pub const USER_AGENT: &str = "usher/0.1 (+https://github.com/usher-door/usher)";

/// May a call go through `HTTPS_PROXY`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A host of the public internet: through the proxy, if there is one.
    Public,
    /// The operator's own network: always straight.
    Local,
}

/// One request, described.
#[derive(Clone)]
pub struct Call {
    service: &'static str,
    method: Method,
    url: Result<Url, &'static str>,
    shown: String,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, Vec<u8>)>,
    limit: Duration,
    reach: Reach,
}

impl Call {
    /// `path` is appended to `base`, which may hold a path of its own. It is
    /// shown in errors: see [`Call::shown`] when it holds a secret.
    #[must_use]
    pub fn new(service: &'static str, method: Method, base: &str, path: &str) -> Self {
        let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).map_err(|_| "its address is not a URL");
        let (headers, limit) = (Vec::new(), CALL_TIMEOUT);
        let shown = path.split('?').next().unwrap_or_default().to_owned();
        Self { service, method, url, shown, headers, body: None, limit, reach: Reach::Public }
    }

    /// What errors show instead of the path.
    #[must_use]
    pub fn shown(mut self, path: &str) -> Self {
        path.clone_into(&mut self.shown);
        self
    }

    /// Adds a query parameter, encoded. Never shown.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// Adds a header. Never shown. A second `user-agent` replaces ours.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The body and its type. Never shown.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type, body.into()));
        self
    }

    /// A form body.
    #[must_use]
    pub fn form<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.body("application/x-www-form-urlencoded", form(pairs))
    }

    /// How long the whole call may take ([`CALL_TIMEOUT`] unless said).
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Straight to the operator's own network.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    fn what(&self) -> String {
        format!("{} {} {}", self.service, self.method, self.shown)
    }
}

/// `a=1&b=2`, encoded.
#[must_use]
pub fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let Ok(mut url) = Url::parse("form:/") else { return String::new() };
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// One path segment, encoded.
#[must_use]
pub fn segment(text: &str) -> String {
    let Ok(mut url) = Url::parse("http://path/") else { return String::new() };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().push(text);
    }
    url.path().trim_start_matches('/').to_owned()
}

/// An answer, of whatever status.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Their clock.
    pub date: Option<Moment>,
    /// Their clock minus ours when the head arrived, in seconds.
    pub skew_secs: Option<i64>,
    /// `Request-Id`, for the log.
    pub request_id: Option<String>,
    /// Without parameters, lower-cased; `""` when absent.
    pub content_type: String,
    /// From `Retry-After`, in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// At most [`ANSWER_BYTES_MAX`]; of an error [`ERROR_ANSWER_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Service, method and path, for sentences.
    pub what: String,
    headers: HeaderMap,
}

/// Without the body and the headers, which may hold tokens.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} answered {}, {} bytes)", self.what, self.status, self.body.len())
    }
}

impl Reply {
    /// Any other header, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer says it is HTML: a page for people, from something in
    /// between or from an endpoint that is gone.
    #[must_use]
    pub fn is_html(&self) -> bool {
        self.content_type.contains("html")
    }

    /// The failure that this answer is, when it isn't 2xx.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let kind = match kind_of(self.status) {
            // Whatever a page for people says, the service itself didn't say it.
            FailureKind::Refused | FailureKind::Forbidden | FailureKind::Unauthorized if self.is_html() => {
                FailureKind::Unreachable
            }
            kind => kind,
        };
        Failure {
            certainty: certainty_of(self.status),
            kind,
            status: Some(self.status),
            why: format!("{} answered {}", self.what, self.status),
            retry_after: self.retry_after,
        }
    }

    /// Itself when 2xx.
    ///
    /// # Errors
    /// [`Reply::failure`] otherwise.
    pub fn accept(self) -> Result<Self, Failure> {
        if self.is_success() { Ok(self) } else { Err(self.failure()) }
    }
}

/// Sends calls. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    straight: Client,
    proxied: Option<Client>,
    clock: Clock,
}

impl Http {
    /// `proxy` is `HTTPS_PROXY`.
    ///
    /// # Errors
    /// A sentence, when `proxy` isn't a usable address.
    pub fn new(tls: &Arc<rustls::ClientConfig>, clock: Clock, proxy: Option<&str>) -> Result<Self, String> {
        let build = |proxy: Option<Proxy>| {
            let builder = Client::builder()
                .tls_backend_preconfigured(rustls::ClientConfig::clone(tls))
                .no_proxy()
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .http1_only()
                .tcp_nodelay(true)
                .tcp_keepalive(Duration::from_secs(KEEPALIVE_SECS))
                .pool_idle_timeout(None)
                .connect_timeout(CONNECT_TIMEOUT);
            let builder = if let Some(proxy) = proxy { builder.proxy(proxy) } else { builder };
            builder.build().map_err(|e| format!("the HTTP client can't be set up: {}", chain(&e.without_url())))
        };
        let proxied = match proxy {
            // The address may hold a password: it is not repeated.
            Some(address) => Some(build(Some(Proxy::all(address).map_err(|_| "HTTPS_PROXY is not a URL")?))?),
            None => None,
        };
        Ok(Self { straight: build(None)?, proxied, clock })
    }

    /// Our own clock, for `begun`.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Sends `call`; any status is an answer.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send(&self, call: Call) -> Result<Reply, Failure> {
        let what = call.what();
        let url = call.url.map_err(|why| Failure::not_done(FailureKind::Internal, format!("{what}: {why}")))?;
        let client = match (&self.proxied, call.reach) {
            (Some(proxied), Reach::Public) if is_public(&url) => proxied,
            _ => &self.straight,
        };
        let mut request = client.request(call.method, url).timeout(call.limit).headers(headers(&what, call.headers)?);
        if let Some((content_type, body)) = call.body {
            request = request.header("content-type", content_type).body(body);
        }
        let answer = request.send().await.map_err(|e| failed(&what, e))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let now = self.clock.now();
        let date = text(&headers, "date").and_then(http_date);
        let body = body(&what, answer).await?;
        Ok(Reply {
            status,
            date,
            skew_secs: date.map(|date| (date - now).num_seconds()),
            request_id: text(&headers, "request-id").map(str::to_owned),
            content_type: content_type(&headers),
            retry_after: text(&headers, "retry-after").and_then(|text| retry_after(text, now)),
            body,
            what,
            headers,
        })
    }

    /// Sends `call` and wants 2xx.
    ///
    /// # Errors
    /// When no whole answer came, or one of another status.
    pub async fn call(&self, call: Call) -> Result<Reply, Failure> {
        self.send(call).await?.accept()
    }
}

fn headers(what: &str, list: Vec<(&'static str, String)>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static(USER_AGENT));
    for (name, value) in list {
        let (Ok(header), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        else {
            let why = format!("{what}: the value for {name} holds characters that no header may hold");
            return Err(Failure::not_done(FailureKind::Unauthorized, why));
        };
        value.set_sensitive(name != "user-agent");
        headers.insert(header, value);
    }
    Ok(headers)
}

async fn body(what: &str, mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let success = answer.status().is_success();
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            // The status has said it all.
            Err(_) if !success => return Ok(body),
            Err(e) => return Err(failed(what, e)),
        }
        if !success && body.len() >= ERROR_ANSWER_BYTES_MAX {
            body.truncate(ERROR_ANSWER_BYTES_MAX);
            return Ok(body);
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Failure::partial(format!("{what}: the answer is larger than {ANSWER_BYTES_MAX} bytes")));
        }
    }
}

fn failed(what: &str, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let (certainty, kind) = if error.is_builder() {
        (Certainty::NotDone, FailureKind::Internal)
    } else if error.is_connect() {
        (Certainty::NotDone, FailureKind::Unreachable)
    } else {
        (Certainty::Unknown, FailureKind::Unreachable)
    };
    Failure { certainty, kind, status: None, why: format!("{what}: {}", chain(&error)), retry_after: None }
}

/// The whole cause chain: `error sending request: …: connection refused`.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn content_type(headers: &HeaderMap) -> String {
    let whole = text(headers, "content-type").unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn http_date(text: &str) -> Option<Moment> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(Into::into)
}

fn retry_after(text: &str, now: Moment) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(secs).ok();
    }
    http_date(text).map(|at| (at - now).to_std().unwrap_or_default())
}

fn is_public(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
        Ok(IpAddr::V6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        Err(_) => host.contains('.') && !host.ends_with(".local") && !host.ends_with(".localhost"),
    }
}

#[cfg(test)]
#[path = "tests/http.rs"]
mod tests;
