//! `POST /webhook/stripe`: a hint where to look, never data.
//!
//! Promises: nothing unsigned, stale or of the wrong mode is listened to;
//! without a configured secret every webhook is refused; the answer says
//! nothing to a forger; no disk, no call, no waiting on this path. When hints
//! pile up they are dropped: the poll covers them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::reply::{Asked, BodyRefused, Reply, empty};
use super::signature::{self, Refusal};
use crate::engine::desk::Hint;
use crate::facts::{CustomerId, Moment};
use crate::secret::Secret;

/// How webhooks are checked.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// The endpoint's secrets; none = every webhook is refused.
    pub secrets: Vec<Secret>,
    /// Whether our key is a live one; events of the other mode are refused.
    pub livemode: Option<bool>,
}

/// Why a webhook was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `STRIPE_WEBHOOK_SECRET` isn't set.
    NotConfigured,
    /// The body was too long, too slow or torn.
    Body(BodyRefused),
    /// The signature didn't pass.
    Signature(Refusal),
    /// Signed, but not an event.
    NotAnEvent,
    /// A test event for a live key, or the other way round.
    WrongMode,
}

impl Cause {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 12] = [
        Self::NotConfigured,
        Self::Body(BodyRefused::TooLong),
        Self::Body(BodyRefused::TooSlow),
        Self::Body(BodyRefused::Torn),
        Self::Signature(Refusal::Missing),
        Self::Signature(Refusal::Malformed),
        Self::Signature(Refusal::NoSignature),
        Self::Signature(Refusal::Stale),
        Self::Signature(Refusal::Future),
        Self::Signature(Refusal::Forged),
        Self::NotAnEvent,
        Self::WrongMode,
    ];

    /// The name of its counter.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Body(BodyRefused::TooLong) => "body_too_long",
            Self::Body(BodyRefused::TooSlow) => "body_too_slow",
            Self::Body(BodyRefused::Torn) => "body_torn",
            Self::Signature(Refusal::Missing) => "signature_missing",
            Self::Signature(Refusal::Malformed) => "signature_malformed",
            Self::Signature(Refusal::NoSignature) => "signature_empty",
            Self::Signature(Refusal::Stale) => "signature_stale",
            Self::Signature(Refusal::Future) => "signature_future",
            Self::Signature(Refusal::Forged) => "signature_forged",
            Self::NotAnEvent => "not_an_event",
            Self::WrongMode => "wrong_mode",
        }
    }
}

/// What came in since the start.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: AtomicU64,
    last_accepted_epoch_secs: AtomicI64,
    refused: [AtomicU64; Cause::ALL.len()],
}

impl Tally {
    /// Webhooks listened to.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// When the last one came; for the silence check.
    #[must_use]
    pub fn last_accepted(&self) -> Option<Moment> {
        let secs = self.last_accepted_epoch_secs.load(Ordering::Relaxed);
        (secs != 0).then(|| Moment::from_timestamp(secs, 0)).flatten()
    }

    /// Those refused, by cause; causes that never occurred are left out.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<&'static str, u64> {
        let counts = Cause::ALL.iter().zip(&self.refused).map(|(cause, count)| (cause.name(), count));
        counts.map(|(name, count)| (name, count.load(Ordering::Relaxed))).filter(|(_, count)| *count > 0).collect()
    }

    fn note_accepted(&self, now: Moment) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.last_accepted_epoch_secs.store(now.timestamp(), Ordering::Relaxed);
    }

    fn note_refused(&self, cause: Cause) {
        let counters = Cause::ALL.iter().zip(&self.refused);
        if let Some((_, count)) = counters.into_iter().find(|(known, _)| **known == cause) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// 200 and a hint, or 400, a count and nothing said.
pub fn receive(
    now: Moment,
    settings: &WebhookSettings,
    tally: &Tally,
    hints: &mpsc::Sender<Hint>,
    asked: &Asked,
) -> Reply {
    match hint(now, settings, asked) {
        Ok(hint) => {
            tally.note_accepted(now);
            if let Some(hint) = hint {
                // Full: the billing loop polls everything instead.
                let _ = hints.try_send(hint);
            }
            empty(StatusCode::OK)
        }
        Err(cause) => {
            tally.note_refused(cause);
            tracing::debug!(cause = cause.name(), "a webhook was refused");
            empty(StatusCode::BAD_REQUEST)
        }
    }
}

/// What a request hints at; `None` for an event that says nothing to us.
///
/// # Errors
/// Why it is not listened to.
pub fn hint(now: Moment, settings: &WebhookSettings, asked: &Asked) -> Result<Option<Hint>, Cause> {
    if settings.secrets.is_empty() {
        return Err(Cause::NotConfigured);
    }
    let body = asked.body.as_ref().map_err(|refused| Cause::Body(*refused))?;
    let header = asked.headers.get("stripe-signature").map(|value| value.to_str().unwrap_or_default());
    signature::verify(header, body, &settings.secrets, now).map_err(Cause::Signature)?;
    let event: Event = serde_json::from_slice(body).map_err(|_| Cause::NotAnEvent)?;
    if let (Some(ours), Some(theirs)) = (settings.livemode, event.livemode)
        && ours != theirs
    {
        return Err(Cause::WrongMode);
    }
    if event.object.as_deref() == Some("v2.core.event") {
        return Ok(None);
    }
    Ok(Some(customer(&event.data.object).map_or(Hint::Everything, Hint::Customer)))
}

/// As little of an event as we look at.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    object: Value,
}

/// Whom the event's object is about: itself, or its `customer` (an id, or the
/// customer expanded).
fn customer(object: &Value) -> Option<CustomerId> {
    let id = match object.get("object").and_then(Value::as_str) {
        Some("customer") => object.get("id"),
        _ => object.get("customer").map(|customer| customer.get("id").unwrap_or(customer)),
    };
    let id = id?.as_str().filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(is_of_an_id))?;
    Some(CustomerId::from(id))
}

/// Stripe: ids are up to 255 characters.
const ID_BYTES_MAX: usize = 255;

fn is_of_an_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
