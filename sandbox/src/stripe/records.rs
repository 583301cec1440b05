//! What a Stripe account holds. Times are epoch seconds, as on the wire.

use std::collections::BTreeMap;

use chrono::{DateTime, Months};
use serde_json::Value;

/// Free texts by name.
pub type Metadata = BTreeMap<String, String>;

/// How often a price is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Every 24 h.
    Day,
    /// Every 7 days.
    Week,
    /// Every calendar month.
    Month,
    /// Every calendar year.
    Year,
}

impl Interval {
    /// Stripe's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// `count` intervals after `anchor`; a 31st becomes the month's last day.
    #[must_use]
    pub fn after(self, anchor: i64, count: u32) -> i64 {
        let months = |months: u32| {
            DateTime::from_timestamp(anchor, 0)
                .and_then(|at| at.checked_add_months(Months::new(months)))
                .map_or(i64::MAX, |at| at.timestamp())
        };
        match self {
            Self::Day => anchor + 86_400 * i64::from(count),
            Self::Week => anchor + 7 * 86_400 * i64::from(count),
            Self::Month => months(count),
            Self::Year => months(12 * count),
        }
    }
}

/// A subscription's status, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Stripe's own words")]
pub enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Unpaid,
    Paused,
    Canceled,
}

impl Status {
    /// Stripe's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
        }
    }

    /// No way back.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// What becomes of a subscription when the last retry failed: an account
/// setting at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRetries {
    /// It is canceled, reason `payment_failed`.
    Canceled,
    /// It stays, unpaid.
    Unpaid,
    /// It stays past due, without a further attempt.
    StaysPastDue,
    /// It is paused, its invoice stays open.
    Paused,
}

/// Why a subscription is paused, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PausedBy {
    /// The member, in the portal, or the operator.
    Request,
    /// A trial that ended without a card.
    TrialEnd,
    /// The account's setting, at the first failed payment.
    FirstFailure,
    /// The account's setting, at the last failed payment.
    FinalFailure,
    /// A word that nobody knew when this was written.
    Other(String),
}

impl PausedBy {
    /// `status_details.paused.subscription.type`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Request => "pause_requested",
            Self::TrialEnd => "trial_end_without_payment_method",
            Self::FirstFailure => "first_payment_failure",
            Self::FinalFailure => "final_payment_failure",
            Self::Other(word) => word,
        }
    }
}

/// How a cancellation at the period's end is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelForm {
    /// `cancel_at_period_end` and `cancel_at`.
    Classic,
    /// `cancel_at` alone, as the customer portal does under flexible billing.
    Flexible,
}

/// Which generation of the API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Before basil (2025-03-31): periods on the subscription.
    Old,
    /// Basil and later: periods on the items.
    New,
}

#[derive(Debug, Clone)]
pub(super) struct Product {
    pub id: String,
    pub name: String,
    pub active: bool,
    pub created: i64,
    pub metadata: Metadata,
}

#[derive(Debug, Clone)]
pub(super) struct Price {
    pub id: String,
    pub product: String,
    pub unit_amount: i64,
    pub currency: String,
    /// `None` = one-time.
    pub interval: Option<Interval>,
    pub interval_count: u32,
    pub active: bool,
    pub created: i64,
    pub metadata: Metadata,
}

#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub id: String,
    pub email: Option<String>,
    pub name: Option<String>,
    pub created: i64,
    pub deleted: bool,
    pub metadata: Metadata,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub id: String,
    pub price: String,
    pub quantity: u64,
    /// Ids of discounts.
    pub discounts: Vec<String>,
}

/// A coupon in percent.
#[derive(Debug, Clone)]
pub(super) struct Coupon {
    pub id: String,
    pub percent_off: f64,
    /// `once`, `repeating` or `forever`.
    pub duration: String,
    /// The products that it is limited to; empty = all.
    pub products: Vec<String>,
    pub created: i64,
}

/// A coupon, applied.
#[derive(Debug, Clone)]
pub(super) struct Discount {
    pub id: String,
    pub coupon: String,
    pub subscription: String,
    pub created: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Pause {
    pub behavior: String,
    pub resumes_at: Option<i64>,
}

/// A change of items that waits until its invoice is paid.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub items: Vec<Item>,
    pub invoice: String,
    pub expires_at: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Sub {
    pub id: String,
    pub customer: String,
    pub items: Vec<Item>,
    pub status: Status,
    pub created: i64,
    /// Where the periods are counted from.
    pub anchor: i64,
    /// Periods begun since the anchor.
    pub cycle: u32,
    pub period_start: i64,
    pub period_end: i64,
    pub cancel_at: Option<i64>,
    pub cancel_at_period_end: bool,
    pub canceled_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub reason: Option<String>,
    pub comment: Option<String>,
    pub trial_start: Option<i64>,
    pub trial_end: Option<i64>,
    /// `customer.subscription.trial_will_end` has been sent.
    pub trial_told: bool,
    pub pause: Option<Pause>,
    /// The whole subscription is paused: why, and since when.
    pub paused: Option<(PausedBy, i64)>,
    pub pending: Option<Pending>,
    /// Ids of discounts on the whole.
    pub discounts: Vec<String>,
    /// `Some` = invoices are sent rather than charged.
    pub days_until_due: Option<i64>,
    pub latest_invoice: Option<String>,
    pub metadata: Metadata,
    /// Whether charging succeeds. Not on the wire.
    pub card_works: bool,
    /// Whether the bank asks the payer to confirm what can't be charged.
    pub bank_asks: bool,
    /// No card was given: what becomes of its trial then (`cancel`, `pause`,
    /// `create_invoice`).
    pub without_card: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Invoice {
    pub id: String,
    pub customer: String,
    pub subscription: String,
    pub status: &'static str,
    pub amount: i64,
    pub currency: String,
    pub price: String,
    pub created: i64,
    /// A draft is finalised then. `None` = it stays a draft.
    pub finalize_at: Option<i64>,
    pub finalized_at: Option<i64>,
    pub paid_at: Option<i64>,
    pub due_date: Option<i64>,
    pub attempt_count: u32,
    pub next_payment_attempt: Option<i64>,
    pub reason: &'static str,
    pub period: (i64, i64),
    pub charge: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub id: String,
    pub payment_intent: String,
    pub customer: String,
    pub invoice: String,
    pub amount: i64,
    pub refunded: i64,
    pub disputed: bool,
    pub currency: String,
    pub created: i64,
}

/// Money back or claimed back: a refund or a dispute of a charge.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub id: String,
    pub charge: String,
    pub payment_intent: String,
    pub amount: i64,
    pub currency: String,
    pub created: i64,
    pub status: String,
    pub reason: Option<String>,
    /// `evidence_details.due_by`, of a dispute.
    pub due_by: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub id: String,
    pub created: i64,
    pub price: String,
    pub quantity: u64,
    pub trial_days: i64,
    pub customer: Option<String>,
    pub customer_email: Option<String>,
    pub client_reference_id: Option<String>,
    pub metadata: Metadata,
    pub subscription_metadata: Metadata,
    pub success_url: String,
    pub subscription: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct MeterEvent {
    pub event_name: String,
    pub identifier: String,
    pub customer: String,
    pub value: u64,
    pub created: i64,
}

/// An event as it was rendered when it happened.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub id: String,
    pub kind: String,
    pub created: i64,
    pub body: Value,
}
