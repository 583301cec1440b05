//! What comes in and what goes out: requests, their record, answers.

use std::{ops::Deref, time::Duration};

use hyper::{HeaderMap, body::Bytes};
use usher::facts::Moment;

use crate::wire;

/// What JSON is sent as.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// When, by the world's clock.
    pub at: Moment,
    /// `GET`, `POST`…
    pub method: String,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// Path and query as sent.
    pub target: String,
    /// The query's pairs, decoded, in order, doubles kept.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
    /// Whether the stand-in takes it for one that changes something.
    pub change: bool,
}

impl Request {
    /// A header's text; empty when absent or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The first value of a query parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body's pairs, when it is a form.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        if self.header("content-type").starts_with("application/x-www-form-urlencoded") {
            wire::pairs(&String::from_utf8_lossy(&self.body))
        } else {
            Vec::new()
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The path's parts, decoded.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(wire::url_decoded).collect()
    }
}

/// A request and what became of it. Reads like the [`Request`].
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The request.
    pub request: Request,
    /// The status given; `None` when no answer was begun.
    pub status: Option<u16>,
    /// Whether the stand-in carried it out (or tried to).
    pub done: bool,
    /// The label of the fault that struck it.
    pub fault: Option<String>,
    /// Why the real service wouldn't have expected it.
    pub unexpected: Option<String>,
}

impl Deref for Recorded {
    type Target = Request;
    fn deref(&self) -> &Request {
        &self.request
    }
}

/// What a stand-in answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers besides `Date` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the service takes over it (the effect comes first).
    pub takes: Duration,
    /// Why the request is one that nobody should send.
    pub unexpected: Option<String>,
    /// Whether a [`Bend`](crate::faults::Bend) showed in it.
    pub bent: bool,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), takes: Duration::ZERO, unexpected: None, bent: false }
    }

    /// An answer with a body of this type.
    #[must_use]
    pub fn of(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(status) }.header("content-type", content_type)
    }

    /// JSON.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of(status, JSON, serde_json::to_vec(body).unwrap_or_default())
    }

    /// XML, with its declaration put in front.
    #[must_use]
    pub fn xml(status: u16, body: &str) -> Self {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n");
        Self::of(status, "application/xml; charset=utf-8", body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes this long.
    #[must_use]
    pub fn takes(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    /// Marks the request as one that nobody should send.
    #[must_use]
    pub fn unexpected(self, why: impl Into<String>) -> Self {
        Self { unexpected: Some(why.into()), ..self }
    }

    /// Notes that a bend showed in it.
    #[must_use]
    pub fn bent(self, bent: bool) -> Self {
        Self { bent, ..self }
    }
}
