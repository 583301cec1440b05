//! What the book knows of one subscription.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EndedBecause, NoticeKey};
use crate::facts::{InvoiceId, Moment, PriceId, Subscription};

/// A subscription and what we made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    /// As Stripe told it last.
    pub now: Subscription,
    /// When the book first saw it.
    pub first_seen: Moment,
    /// The tiers that its prices and entitlements gave last. A price that leaves every tier
    /// ends nobody: it holds and is told.
    #[serde(default, alias = "tier", deserialize_with = "one_or_many")]
    pub tiers: BTreeSet<String>,
    /// Of these tiers: what an active entitlement gave.
    #[serde(default)]
    pub entitled: BTreeSet<String>,
    /// Prices of ours in it of which no tier says what they buy.
    #[serde(default)]
    pub unclear: BTreeSet<PriceId>,
    /// The open invoice from which its grace counts, while that stays open.
    #[serde(default)]
    pub unpaid_from: Option<InvoiceId>,
    /// Since when its collection has been paused, as far as we saw.
    pub paused_since: Option<Moment>,
    /// Until when it was paid for when that was first seen. (Books of before didn't
    /// keep it.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_paid_until: Option<Moment>,
    /// While it is `paused` as a whole: what the book knows of that pause.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// The book saw it running once. What had ended before is no news. (Books of
    /// before didn't say: there it counts as seen.)
    #[serde(default = "seen_running")]
    pub ran: bool,
    /// Usher ended it at Stripe because it was not paid (`PAYMENT_GRACE=strict`).
    #[serde(default)]
    pub cut_off: Option<Moment>,
    /// The end of the last day of access that a letter named.
    #[serde(default)]
    pub promised_end: Option<Moment>,
    /// It is paused beside something else that keeps them in, and a letter said
    /// so: from then on it gives no libraries and no downloads. Until it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go: Option<Moment>,
    /// What its payer was told of it last; `None` = it was there before anybody
    /// was told anything, and is taken as it stands.
    #[serde(default)]
    pub heard: Option<Heard>,
    /// Its payment was given back or claimed back, for which it is cancelled
    /// (`ON_REFUND=end`, `ON_DISPUTE=end`).
    #[serde(default)]
    pub reversed: Option<Reversed>,
    /// Stripe answered 404 to its id: neither standing nor ended.
    pub vanished: Option<Moment>,
    /// It was running before the book began, and its payer was not found on
    /// Plex: waits for the `adoption` approval (RULES R8).
    pub adopted: bool,
}

fn seen_running() -> bool {
    true
}

/// A pause of a whole subscription, as the book came to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When a reading first showed it.
    pub seen: Moment,
    /// When it began; `None` where it may have begun long before it was seen.
    pub began: Option<Moment>,
    /// A payment had failed when it began.
    pub was_failing: bool,
    /// It was paid for when it was last seen before: its trial, if it had one,
    /// was over by then.
    #[serde(default)]
    pub was_paid: bool,
    /// Until when it was paid for when it began.
    pub paid_until: Option<Moment>,
}

/// A payment that was given back or claimed back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversed {
    /// Which of the two.
    pub because: EndedBecause,
    /// The refund's or dispute's id.
    pub id: String,
    /// When.
    pub at: Moment,
}

impl Billed {
    /// Neither unpaid nor reversed, for which we would have cancelled it.
    #[must_use]
    pub fn is_ended_by_stripe(&self) -> bool {
        self.cut_off.is_none() && self.reversed.is_none()
    }

    /// What it buys, in words.
    #[must_use]
    pub fn buys(&self) -> Option<String> {
        (!self.tiers.is_empty()).then(|| self.tiers.iter().cloned().collect::<Vec<_>>().join(" and "))
    }
}

impl Heard {
    /// Nothing but what they bought is known to them yet.
    #[must_use]
    pub fn at_its_start(billed: &Billed) -> Self {
        Self { prices: billed.now.prices(), tiers: billed.tiers.clone(), ..Self::default() }
    }
}

/// Books of before knew at most one tier a subscription.
fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tiers {
        One(Option<String>),
        Many(BTreeSet<String>),
    }
    Ok(match Tiers::deserialize(from)? {
        Tiers::One(one) => one.into_iter().collect(),
        Tiers::Many(many) => many,
    })
}

/// How a subscription stood when its payer was last told of it. What differs
/// from this is news, once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The end that is set.
    pub end: Option<HeardEnd>,
    /// The end of the trial.
    pub trial_end: Option<Moment>,
    /// The prices that it is for.
    pub prices: BTreeSet<PriceId>,
    /// What they bought.
    pub tiers: BTreeSet<String>,
}

/// A set end of which the payer was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardEnd {
    /// When it ends.
    pub at: Moment,
    /// When they were told.
    pub told: Moment,
    /// The letter; `None` where there was none to write.
    pub notice: Option<NoticeKey>,
}
