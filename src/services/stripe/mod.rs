//! Stripe: who pays.
//!
//! It promises: listings to the last page or not at all; both shapes of the
//! API read; one pinned version; the outcome of a change never guessed. What
//! changes anything stands in `write.rs` and demands `Live`. It never repeats a
//! change, and repeats a read only where the object was locked; it never takes a
//! missing row for an end: that is fetched singly.
//!
//! Known races: what is created while pages are read isn't in them.

mod endpoints;
mod entitlements;
mod moments;
mod read;
mod rights;
mod rows;
pub mod terms;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use reqwest::Method;
use serde_json::Value;

use super::{
    http::{Call, Http, Reply, pacer::pause, rest::Rest},
    loose::{flag, list, text},
    skew::Skew,
};
use crate::{
    backoff,
    facts::{AppliesTo, Discount, FailureKind, Moment, WebhookEndpoint},
    limits::{PAGES_MAX, STRIPE_REST},
    secret::Secret,
};

pub use super::failure::{Certainty, Failure};
pub use crate::facts::CancelWhen;
pub use rights::Right;
pub use write::{Buyer, ChangeOf, Changed, CheckoutOf, Session, UsageOf};

const NAME: &str = "Stripe";
const SITE: &str = "https://api.stripe.com";
/// The version whose answers were tested; within a train only additions.
const VERSION: &str = "2026-07-29.dahlia";
/// What is locked is asked for so often again…
const LOCKED_AGAIN: u32 = 2;
/// …after this at first, and then after twice as long (facts: Stripe's own
/// libraries).
const LOCKED_BASE: Duration = Duration::from_millis(500);
/// The longest such wait.
const LOCKED_CAP: Duration = Duration::from_secs(5);
/// Stripe's largest page.
const PAGE: &str = "100";

/// The operator's account at Stripe.
#[derive(Clone)]
pub struct Stripe {
    http: Http,
    base: String,
    key: Secret,
    skew: Skew,
    /// `None` at the door: a buyer's try is their own, and isn't made by itself.
    rest: Option<Rest>,
    /// How far discounts can be expanded here: the first that wasn't refused.
    expands: Arc<AtomicUsize>,
    /// Discounts that were asked for one by one: they never change.
    discounts: Arc<Mutex<BTreeMap<String, Discount>>>,
    /// What each coupon is taken off: it never changes.
    limits: Arc<Mutex<BTreeMap<String, AppliesTo>>>,
    /// The webhook endpoints, and when they were asked for.
    endpoints: Arc<Mutex<Option<Asked>>>,
}

/// When something was asked for, and what came of it.
type Asked = (Moment, Option<Vec<WebhookEndpoint>>);

type Query<'a> = Vec<(&'a str, &'a str)>;

impl Stripe {
    /// `base` is `STRIPE_API_URL`, `key` `STRIPE_SECRET_KEY`.
    #[must_use]
    pub fn new(http: Http, base: Option<String>, key: Secret) -> Self {
        Self {
            http,
            base: base.unwrap_or_else(|| SITE.to_owned()),
            key,
            skew: Skew::default(),
            rest: Some(Rest::new(STRIPE_REST)),
            expands: Arc::default(),
            discounts: Arc::default(),
            limits: Arc::default(),
            endpoints: Arc::default(),
        }
    }

    /// Whether the key is one for real money, by its prefix.
    #[must_use]
    pub fn key_livemode(&self) -> bool {
        ["sk_live_", "rk_live_"].iter().any(|prefix| self.key.expose().starts_with(prefix))
    }

    /// Stripe's clock minus ours at its latest answer, in seconds.
    #[must_use]
    pub fn skew_secs(&self) -> Option<i64> {
        self.skew.secs()
    }

    /// It asked for rest before this process began: nothing is sent for so long.
    pub fn rest_for(&self, wait: Duration) {
        if let Some(rest) = &self.rest {
            rest.begin(Some(wait));
        }
    }

    /// For buyers at the door, who wait for no rest that the loops were asked for.
    #[must_use]
    pub fn at_the_door(&self) -> Self {
        Self { rest: None, ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> Call {
        Call::new(NAME, method, &self.base, path)
            .header("authorization", format!("Bearer {}", self.key.expose()))
            .header("stripe-version", VERSION)
            .header("accept", "application/json")
    }

    async fn send(&self, call: Call) -> Result<(Reply, Value), Failure> {
        said(self.reply(call).await?)
    }

    async fn reply(&self, call: Call) -> Result<Reply, Failure> {
        if let Some(rest) = &self.rest {
            rest.allows(NAME)?;
        }
        let mut reply = self.http.send(call).await?;
        self.skew.note(&reply);
        // A lock means that one object is busy for a moment.
        if let Some(rest) = self.rest.as_ref().filter(|_| !is_locked(&reply)) {
            rest.note(&mut reply);
        }
        Ok(reply)
    }

    /// One object. Where it is locked, it is asked for again a moment later, as
    /// Stripe's own libraries do: a reading of many pages would else never be whole
    /// on a busy account.
    async fn get(&self, path: &str, query: &Query<'_>) -> Result<(Reply, Value), Failure> {
        let call = || {
            let call = self.request(Method::GET, path);
            query.iter().fold(call, |call, (name, value)| call.query(name, value))
        };
        for times in 1..=LOCKED_AGAIN {
            let reply = self.reply(call()).await?;
            let wait = backoff::delay(LOCKED_BASE, LOCKED_CAP, times, path);
            if !is_locked(&reply) || reply.retry_after.is_some_and(|asked| asked > wait) {
                return said(reply);
            }
            pause(wait).await;
        }
        self.send(call()).await
    }

    /// All rows of a list, every page of it, newest first.
    async fn list(&self, path: &str, query: &Query<'_>) -> Result<Vec<Value>, Failure> {
        let mut all: Vec<Value> = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = query.clone();
            query.extend(after.as_deref().map(|after| ("starting_after", after)));
            let (rows, has_more) = self.page(path, &query).await?;
            let next = further(path, rows.last(), has_more, after)?;
            all.extend(rows);
            match next {
                Some(next) => after = Some(next),
                None => return distinct(path, all),
            }
        }
        Err(endless(path))
    }

    /// All rows newer than `cursor`, newest first. Stripe gives those next to
    /// the cursor first.
    async fn list_since(&self, path: &str, cursor: &str) -> Result<Vec<Value>, Failure> {
        let mut all: Vec<Value> = Vec::new();
        let mut before = cursor.to_owned();
        for _ in 0..PAGES_MAX {
            let (mut rows, has_more) = self.page(path, &vec![("ending_before", &before)]).await?;
            let next = further(path, rows.first(), has_more, Some(before))?;
            rows.append(&mut all);
            all = rows;
            match next {
                Some(next) => before = next,
                None => return distinct(path, all),
            }
        }
        Err(endless(path))
    }

    async fn page(&self, path: &str, query: &Query<'_>) -> Result<(Vec<Value>, bool), Failure> {
        let mut query = query.clone();
        if !query.iter().any(|(name, _)| *name == "limit") {
            query.push(("limit", PAGE));
        }
        let (reply, value) = self.get(path, &query).await?;
        match (list(&value["data"]), flag(&value["has_more"])) {
            (Some(rows), Some(has_more)) => Ok((rows.to_vec(), has_more)),
            _ => Err(Failure::nonsense(format!("{}: the answer isn't a list", reply.what))),
        }
    }
}

/// The row to go on from; `None` after the last page.
fn further(path: &str, edge: Option<&Value>, has_more: bool, from: Option<String>) -> Result<Option<String>, Failure> {
    if !has_more {
        return Ok(None);
    }
    let next = edge.and_then(|row| text(&row["id"])).filter(|next| Some(next) != from.as_ref());
    let why = || format!("Stripe GET {path}: an empty or repeated page says there are more");
    next.map(Some).ok_or_else(|| Failure::partial(why()))
}

fn endless(path: &str) -> Failure {
    Failure::partial(format!("Stripe GET {path}: no end after {PAGES_MAX} pages"))
}

/// A row seen twice means that another was left out.
fn distinct(path: &str, rows: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let mut seen = BTreeSet::new();
    for row in &rows {
        let id = row["id"].as_str().unwrap_or_default();
        if id.is_empty() {
            return Err(Failure::nonsense(format!("Stripe GET {path}: a row has no id")));
        }
        if !seen.insert(id) {
            return Err(Failure::partial(format!("Stripe GET {path}: the same row came on two pages")));
        }
    }
    Ok(rows)
}

/// What a reply says, where it is no refusal.
fn said(reply: Reply) -> Result<(Reply, Value), Failure> {
    if !reply.is_success() {
        return Err(refusal(&reply));
    }
    match serde_json::from_slice(&reply.body) {
        Ok(value @ Value::Object(_)) if !reply.is_html() => Ok((reply, value)),
        _ if reply.is_html() => {
            let why = format!("{}: a page for people came instead of an answer", reply.what);
            Err(Failure::unknown(FailureKind::Unreachable, why))
        }
        _ => Err(Failure::nonsense(format!("{}: the answer isn't a JSON object", reply.what))),
    }
}

/// One object is busy; the service as a whole asks for nothing.
fn is_locked(reply: &Reply) -> bool {
    if reply.is_success() {
        return false;
    }
    let error: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    error["error"]["code"].as_str() == Some("lock_timeout")
}

/// Stripe's own reading of the statuses. Only its code words are repeated.
fn refusal(reply: &Reply) -> Failure {
    let mut failure = reply.failure();
    let error: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let words = ["type", "code"].map(|name| text(&error["error"][name]).filter(|word| is_word(word)));
    let words: Vec<String> = words.into_iter().flatten().collect();
    if !words.is_empty() {
        failure.why = format!("{} ({})", failure.why, words.join(", "));
    }
    match reply.status {
        401 => failure.why.push_str("; STRIPE_SECRET_KEY is refused: set a valid one"),
        403 => failure.why.push_str("; STRIPE_SECRET_KEY lacks the right for this: add it in Stripe's dashboard"),
        // The object is busy, or the same request still runs.
        409 => (failure.kind, failure.certainty) = (FailureKind::RateLimited, Certainty::Unknown),
        _ => {}
    }
    if let Some(id) = reply.request_id.as_deref().filter(|id| is_word(id)) {
        failure.why = format!("{} [{id}]", failure.why);
    }
    failure
}

fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
#[path = "tests/pages.rs"]
mod tests;
