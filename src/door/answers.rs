//! What was answered to requests that had an `Idempotency-Key`: one that comes
//! again is answered alike, and nothing is done for it a second time.
//!
//! Never: kept over a restart. Stripe's own memory of the key (a day, too) then
//! sees to it that a purchase or a cancellation isn't made twice.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::reply::Asked;
use crate::facts::Moment;
use crate::limits::{ANSWERS_KEPT_HOURS, ANSWERS_KEPT_MAX};

/// Which request: its path, its key and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Which([u8; 32]);

impl Which {
    /// `None` where the caller sent no key.
    pub(super) fn of(asked: &Asked) -> Option<Self> {
        let key = asked.headers.get("idempotency-key")?;
        let body = asked.body.as_ref().ok()?;
        // The same wish, however it is laid out.
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut digest = Sha256::new();
        for part in [asked.path.as_bytes(), key.as_bytes(), body.to_string().as_bytes()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Some(Self(digest.finalize().into()))
    }
}

/// The answers of the last day.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<BTreeMap<Which, (Moment, Value)>>);

impl Answers {
    /// What was answered to this very request.
    pub(super) fn to(&self, now: Moment, which: &Which) -> Option<Value> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, answer) = known.get(which).filter(|(at, _)| is_kept(now, *at))?;
        Some(answer.clone())
    }

    /// Takes note of what was done.
    pub(super) fn keep(&self, now: Moment, which: Which, answer: &Value) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| is_kept(now, *at));
        if known.len() >= ANSWERS_KEPT_MAX {
            let oldest = known.iter().min_by_key(|(_, (at, _))| *at).map(|(which, _)| which.clone());
            oldest.into_iter().for_each(|oldest| drop(known.remove(&oldest)));
        }
        known.insert(which, (now, answer.clone()));
    }
}

fn is_kept(now: Moment, at: Moment) -> bool {
    now - at < TimeDelta::hours(ANSWERS_KEPT_HOURS)
}
