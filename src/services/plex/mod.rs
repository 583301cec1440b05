//! plex.tv: who is let in, and letting in and out.
//!
//! It promises: a reading is whole or fails; one request at a time; every
//! write carries [`Live`](crate::config::Live) and is sent once; an empty
//! list of libraries, which plex.tv reads as *all*, can't be sent.
//! It never removes a friend, a home user, or anything on another server.
//!
//! Known races: listings lag 1–2 s behind writes, and somebody may accept
//! between the two listings (pending is read first, so they are in both, not
//! in neither).

mod read;
mod rows;
mod write;
mod xml;

pub use self::{
    read::Listing,
    write::{InviteTo, Invited},
};
pub use super::http::pacer::Lane;

use reqwest::Method;
use serde_json::Value;

use super::{
    failure::Failure,
    http::{Call, Http, Reply, pacer::Pacer, rest::Rest},
    sign_in::SignIn,
    skew::Skew,
};
use crate::{
    facts::FailureKind,
    limits::{PLEX_REST, PLEX_WRITE_SPACING},
    secret::Secret,
};

pub(super) const NAME: &str = "plex.tv";
/// What people see in their list of devices, and where they sign in.
pub(super) const PRODUCT: &str = "Usher";
const SITE: &str = "https://plex.tv";
const CLIENTS: &str = "https://clients.plex.tv";

/// The owner's account at plex.tv. Clones share their pace.
#[derive(Clone)]
pub struct Plex {
    http: Http,
    site: String,
    clients: String,
    token: Secret,
    client_id: String,
    pacer: Pacer,
    rest: Rest,
    skew: Skew,
}

impl Plex {
    /// `base` (`PLEX_API_URL`) stands for both plex.tv and clients.plex.tv.
    /// `client_id` is made once and kept for ever: a new one is a new device
    /// in the owner's list.
    #[must_use]
    pub fn new(http: Http, base: Option<String>, token: Secret, client_id: String) -> Self {
        let site = base.clone().unwrap_or_else(|| SITE.to_owned());
        let clients = base.unwrap_or_else(|| CLIENTS.to_owned());
        let pacer = Pacer::new(PLEX_WRITE_SPACING);
        let rest = Rest::new(PLEX_REST);
        Self { http, site, clients, token, client_id, pacer, rest, skew: Skew::default() }
    }

    /// plex.tv's clock minus ours at its latest answer, in seconds.
    #[must_use]
    pub fn skew_secs(&self) -> Option<i64> {
        self.skew.secs()
    }

    /// It asked for rest before this process began: nothing is sent for so long.
    pub fn rest_for(&self, wait: std::time::Duration) {
        self.rest.begin(Some(wait));
    }

    /// For other people's sign-ins: at the same pace, and without the token.
    #[must_use]
    pub fn sign_in(&self) -> SignIn {
        SignIn::new(self.http.clone(), self.site.clone(), self.client_id.clone(), self.pacer.clone())
    }

    fn call(&self, method: Method, base: &str, path: &str, accept: &str) -> Call {
        introduced(Call::new(NAME, method, base, path), &self.client_id)
            .header("accept", accept)
            .header("x-plex-token", self.token.expose())
    }

    async fn get(&self, lane: Lane, call: Call) -> Result<Reply, Failure> {
        let _turn = self.pacer.read(lane).await;
        self.rest.allows(NAME)?;
        let mut reply = self.http.send(call).await?;
        self.rest.note(&mut reply);
        self.skew.note(&reply);
        accept(reply)
    }

    /// Any status is an answer here; see [`accept`].
    async fn write(&self, call: Call) -> Result<Reply, Failure> {
        let turn = self.pacer.write().await;
        self.rest.allows(NAME)?;
        let reply = self.http.send(call).await;
        turn.wrote();
        let mut reply = reply?;
        self.rest.note(&mut reply);
        self.skew.note(&reply);
        Ok(reply)
    }

    /// v2: JSON.
    async fn get_json(&self, lane: Lane, base: &str, path: &str) -> Result<(Reply, Value), Failure> {
        let reply = self.get(lane, self.call(Method::GET, base, path, "application/json")).await?;
        let value = json(&reply)?;
        Ok((reply, value))
    }

    /// v1: XML, with the root we expect.
    async fn get_xml(&self, lane: Lane, path: &str) -> Result<(Reply, Value), Failure> {
        let reply = self.get(lane, self.call(Method::GET, &self.site, path, "application/xml")).await?;
        let value = match xml::parse(&reply.body) {
            Some((root, value)) if root == "MediaContainer" && !reply.is_html() => value,
            _ => return Err(not(&reply, "the XML listing that was asked for")),
        };
        Ok((reply, value))
    }
}

/// Who asks, as plex.tv wants to know it of everybody.
pub(super) fn introduced(call: Call, client_id: &str) -> Call {
    call.header("x-plex-client-identifier", client_id)
        .header("x-plex-product", PRODUCT)
        .header("x-plex-version", env!("CARGO_PKG_VERSION"))
}

pub(super) fn json(reply: &Reply) -> Result<Value, Failure> {
    let typed = reply.content_type.is_empty() || reply.content_type.contains("json");
    match serde_json::from_slice(&reply.body) {
        Ok(value) if typed => Ok(value),
        _ => Err(not(reply, "JSON")),
    }
}

/// A 2xx answer of the wrong shape: never an empty answer.
fn not(reply: &Reply, expected: &str) -> Failure {
    let kind = if reply.is_html() { FailureKind::Unreachable } else { FailureKind::Nonsense };
    let mut failure = Failure::unknown(kind, format!("{}: the answer isn't {expected}", reply.what));
    failure.status = Some(reply.status);
    failure
}

/// plex.tv's own reading of the statuses.
fn accept(reply: Reply) -> Result<Reply, Failure> {
    if reply.is_success() {
        return Ok(reply);
    }
    let mut failure = reply.failure();
    if failure.kind == FailureKind::Refused {
        failure.kind = meaning(&reply);
    }
    let more = match failure.kind {
        FailureKind::Unauthorized => {
            "; PLEX_TOKEN is refused: sign in again for a new PLEX_TOKEN (tokens die on \"sign out all devices\")"
                .to_owned()
        }
        FailureKind::Forbidden => "; the account of PLEX_TOKEN may not do this: is it the server's owner?".to_owned(),
        FailureKind::Gone if reply.status == 410 => "; plex.tv has removed this endpoint".to_owned(),
        _ => code(&reply).map_or_else(String::new, |code| format!(" (code {code})")),
    };
    failure.why.push_str(&more);
    Err(failure)
}

/// What a 4xx in plex.tv's own words speaks of (RULES R6, "refusal"). Only a
/// 400 or 422 in JSON or XML is a refusal; anything else comes from something
/// in between, or passes.
fn meaning(reply: &Reply) -> FailureKind {
    let body = String::from_utf8_lossy(&reply.body).to_lowercase();
    let in_its_words = serde_json::from_slice::<Value>(&reply.body).is_ok() || xml::parse(&reply.body).is_some();
    match (reply.status, code(reply)) {
        _ if !in_its_words => FailureKind::Unreachable,
        (_, Some(1001)) => FailureKind::Unauthorized,
        _ if body.contains("invalid token") => FailureKind::Unauthorized,
        (_, Some(1003)) => FailureKind::RateLimited,
        (400 | 422, Some(1999)) => FailureKind::Already,
        (400 | 422, _) if body.contains("already") => FailureKind::Already,
        (400 | 422, _) => FailureKind::Refused,
        _ => FailureKind::Unreachable,
    }
}

/// The number in an error body. The message may hold addresses: left alone.
fn code(reply: &Reply) -> Option<u64> {
    if let Ok(value) = serde_json::from_slice::<Value>(&reply.body) {
        return super::loose::num(&value["errors"][0]["code"]);
    }
    let (root, value) = xml::parse(&reply.body)?;
    let row = if root == "errors" { &value["error"][0] } else { &value };
    super::loose::num(&row["code"])
}

/// The endpoint itself isn't there (any more); a 404 with a proper error body
/// speaks of the thing that was asked for.
fn is_endpoint_gone(reply: &Reply) -> bool {
    matches!(reply.status, 405 | 410) || (reply.status == 404 && reply.is_html())
}
