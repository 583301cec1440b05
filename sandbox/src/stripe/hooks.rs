//! Webhooks: signing, sending, and the ways in which delivery goes wrong.
//!
//! What it promises: signatures over the very bytes that are sent, a fresh
//! time stamp for each attempt, retries over three days as in live mode. What
//! it never does: promise an order; each event travels on its own.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use usher::{clock::Clock, facts::Moment};

use crate::{base::locked, wire};

/// How events reach the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each once, and again after a failure.
    On,
    /// None: they happen, but nobody is told.
    Lost,
    /// Each twice.
    Doubled,
    /// Every second one half a minute late, so it overtakes its elder.
    Reordered,
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// When it was begun.
    pub at: Moment,
    /// The event's id.
    pub event: String,
    /// Its type.
    pub kind: String,
    /// The answer; `None` = nobody was there, or no answer in time.
    pub status: Option<u16>,
}

/// Waits between attempts. Stripe says three days, exponential; the steps
/// themselves aren't published.
const RETRY_S: [u64; 8] = [60, 300, 1_800, 7_200, 18_000, 36_000, 72_000, 115_200];
/// How long an endpoint may take; unpublished, third parties say 10 to 30 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How late [`Delivery::Reordered`] makes every second event.
const LATE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub url: String,
    /// More than one while a secret is being rolled.
    pub secrets: Vec<String>,
    /// Empty = all types.
    pub kinds: Vec<String>,
    /// Nothing is sent.
    pub disabled: bool,
}

/// Everything about delivery; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Hooks {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    endpoint: Option<Endpoint>,
    delivery: Delivery,
    attempts: Vec<Attempt>,
    sent: u64,
}

impl Hooks {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State { endpoint: None, delivery: Delivery::On, attempts: Vec::new(), sent: 0 };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn set_endpoint(&self, endpoint: Option<Endpoint>) {
        locked(&self.state).endpoint = endpoint;
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        locked(&self.state).endpoint.clone()
    }

    pub(super) fn set_delivery(&self, delivery: Delivery) {
        locked(&self.state).delivery = delivery;
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        locked(&self.state).attempts.clone()
    }

    /// Sends the event on its way. Without endpoint or runtime it is lost.
    pub(super) fn deliver(&self, kind: &str, event: &Value) {
        let (first_wait, copies) = {
            let mut state = locked(&self.state);
            let wanted = state.endpoint.as_ref().is_some_and(|endpoint| {
                let all = endpoint.kinds.is_empty();
                !endpoint.disabled && (all || endpoint.kinds.iter().any(|wanted| wanted == kind || wanted == "*"))
            });
            if !wanted {
                return;
            }
            state.sent += 1;
            match state.delivery {
                Delivery::Lost => return,
                Delivery::On => (Duration::ZERO, 1),
                Delivery::Doubled => (Duration::ZERO, 2),
                Delivery::Reordered if state.sent % 2 == 1 => (LATE, 1),
                Delivery::Reordered => (Duration::ZERO, 1),
            }
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        for _ in 0..copies {
            runtime.spawn(self.clone().travel(first_wait, event.clone()));
        }
    }

    async fn travel(self, first_wait: Duration, event: Value) {
        tokio::time::sleep(first_wait).await;
        // Stripe sends its JSON pretty-printed.
        let body = format!("{event:#}");
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let mut waits = RETRY_S.iter();
        loop {
            // An endpoint that was taken away gets nothing more.
            let Some(endpoint) = self.endpoint() else {
                return;
            };
            let at = self.clock.now();
            let header = sign_with(&endpoint.secrets, body.as_bytes(), at.timestamp());
            let status = send(&endpoint.url, &body, &header).await.ok();
            locked(&self.state).attempts.push(Attempt { at, event: text("id"), kind: text("type"), status });
            if status.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
            let Some(&wait) = waits.next() else { return };
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    }
}

/// Posts a body with that `Stripe-Signature`; the status of the answer.
///
/// # Errors
/// When nobody listens, or no answer comes in time.
pub async fn send(url: &str, body: &str, signature: &str) -> io::Result<u16> {
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        ("stripe-signature", signature),
    ];
    let reply = tokio::time::timeout(ANSWER_LIMIT, wire::call("POST", url, &headers, body));
    Ok(reply.await.map_err(io::Error::other)??.status)
}

/// The `Stripe-Signature` header for these very bytes at `t` (epoch seconds).
#[must_use]
pub fn sign(secret: &str, body: &[u8], t: i64) -> String {
    sign_with(&[secret.to_owned()], body, t)
}

/// One `v1` for each secret, as while one is being rolled.
#[must_use]
pub fn sign_with(secrets: &[String], body: &[u8], t: i64) -> String {
    let mut header = format!("t={t}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("keys of any length");
        mac.update(format!("{t}.").as_bytes());
        mac.update(body);
        header.push_str(",v1=");
        for byte in mac.finalize().into_bytes() {
            header.push_str(&format!("{byte:02x}"));
        }
    }
    header
}
