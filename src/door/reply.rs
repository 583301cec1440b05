//! What the door is asked and what it answers.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Up to here, 64-bit floating point numbers are exact.
const WHOLE_MAX: f64 = 9e15;

/// A request, its body read whole under our limits.
#[derive(Debug)]
pub struct Asked {
    /// The other end of the connection: perhaps a proxy.
    pub peer: std::net::IpAddr,
    /// GET, POST, …
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// After the `?`, still encoded.
    pub query: Option<String>,
    /// As sent.
    pub headers: HeaderMap,
    /// As sent, or why it wasn't taken.
    pub body: Result<Bytes, BodyRefused>,
}

/// Why a body wasn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRefused {
    /// Longer than the limit.
    TooLong,
    /// Not there in time.
    TooSlow,
    /// Cut off.
    Torn,
}

/// An answer.
pub type Reply = Response<Full<Bytes>>;

/// A status and nothing else.
#[must_use]
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// A status and JSON, never to be cached.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // What we answer with always serializes; were that ever wrong, it is an
    // empty 500 and not a panic.
    let Ok(text) = serde_json::to_vec(value) else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// JSON that is text already.
#[must_use]
pub fn json_text(text: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Plain text, never to be cached.
#[must_use]
pub fn text(status: StatusCode, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// `{"error":{"code","message"}}`.
#[must_use]
pub fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// Nothing lives at this path.
#[must_use]
pub fn not_found() -> Reply {
    error(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
}

/// The path is right, the method isn't.
#[must_use]
pub fn wrong_method(allowed: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", &format!("use {allowed}"));
    reply.headers_mut().insert(hyper::header::ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// JSON as other programs mean it: `3.0` is the whole number 3.
pub fn json_of<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(body)?;
    for number in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let whole = number.as_f64().filter(|whole| whole.fract() == 0.0 && whole.abs() <= WHOLE_MAX);
        if number.is_f64()
            && let Some(whole) = whole
        {
            // Exact: it has no fraction, and is far below 2^53.
            *number = format!("{whole:.0}").parse::<i64>().map_or(Value::Null, Value::from);
        }
    }
    serde_json::from_value(value)
}

/// The value of `name` in a query, decoded.
#[must_use]
pub fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| percent_decoded(value))
    })
}

/// The value of `name` in a form's body, decoded and trimmed; empty when it
/// isn't there or the body wasn't taken.
#[must_use]
pub fn form_value(asked: &Asked, name: &str) -> String {
    let body = asked.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
    query_value(body.ok().as_deref(), name).map(|value| value.trim().to_owned()).unwrap_or_default()
}

/// Undoes percent-encoding; what isn't valid stays as it was.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut ahead = bytes.clone();
                let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        u8::try_from(high * 16 + low).unwrap_or(b'?')
                    }
                    // Not an encoding, so it stands for itself.
                    _ => b'%',
                }
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_spelled_with_a_point() {
        #[derive(serde::Deserialize)]
        struct Used {
            value: u64,
        }
        assert_eq!(json_of::<Used>(br#"{"value": 3.0}"#).unwrap().value, 3);
        for odd in [r#"{"value": 3.5}"#, r#"{"value": 1e300}"#, r#"{"value": -1.0}"#, r#"{"value": "3"}"#, "[3.0]"] {
            assert!(json_of::<Used>(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_query_is_decoded() {
        let query = Some("x=1&who=ann%40b.example+%C3%AB%zz%2");
        assert_eq!(query_value(query, "who").as_deref(), Some("ann@b.example ë%zz%2"));
        assert_eq!(query_value(query, "y"), None);
        assert_eq!(query_value(Some("who"), "who").as_deref(), Some(""));
        assert_eq!(query_value(None, "who"), None);
    }
}
