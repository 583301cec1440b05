//! Subscriptions, customers and invoices, in Stripe's words and spelling.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Amount, CustomerId, Email, EntitlementLook, EventId, InvoiceId, Moment, PlexId, PriceId, PriceTag, ProductId,
    StripeAccountId, SubscriptionId, Terms,
};
use crate::member::MemberId;

/// A subscription's status, every one that Stripe documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// First payment failed or needs action; 23 h to pay.
    Incomplete,
    /// Those 23 h passed; terminal.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid.
    Active,
    /// The latest payment failed and is being retried.
    PastDue,
    /// Retries used up; the account is set to keep it.
    Unpaid,
    /// Paused as a whole: by somebody's wish, after a failed payment, or since
    /// a trial ended without a payment method (facts/stripe.md §11).
    Paused,
    /// Terminal.
    Canceled,
    /// A word that Stripe didn't have when this was written: holds, and is told.
    Unknown(String),
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        match word.as_str() {
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "past_due" => Self::PastDue,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            "canceled" => Self::Canceled,
            _ => Self::Unknown(word),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.word().to_owned()
    }
}

impl Status {
    /// Stripe's word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Unknown(word) => word,
        }
    }

    /// Counted as *running* in the continuity population: it grants, or may
    /// still grant, access.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid)
    }

    /// Stripe would still take money for it by itself.
    #[must_use]
    pub fn is_charging(&self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }

    /// Stripe takes money for it, or would once its pause is over.
    #[must_use]
    pub fn may_charge(&self) -> bool {
        self.is_charging() || matches!(self, Self::Paused)
    }

    /// It waits for a payment that failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        matches!(self, Self::PastDue | Self::Unpaid)
    }
}

/// When a cancellation takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelWhen {
    /// At once; nothing is paid back.
    #[default]
    Now,
    /// When the paid period ends.
    PeriodEnd,
}

/// What becomes of a subscription when its trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterTrial {
    /// The answer didn't say whether there is a way to pay.
    #[default]
    Unknown,
    /// It is charged to a card that is on file.
    Charged,
    /// No way to pay: it is canceled.
    Canceled,
    /// No way to pay: it is paused.
    Paused,
    /// No way to pay: an invoice is made, and stays open.
    Invoiced,
}

/// One price in a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which price.
    pub price: PriceId,
    /// The price's product, when the answer named it.
    pub product: Option<ProductId>,
    /// The running period's begin: on the item since basil, on the subscription
    /// before.
    #[serde(default)]
    pub period_start: Option<Moment>,
    /// The period's end, likewise.
    pub period_end: Option<Moment>,
}

/// A subscription as Stripe told it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_…`
    pub id: SubscriptionId,
    /// Whose.
    pub customer: CustomerId,
    /// How it stands.
    pub status: Status,
    /// When it was created.
    pub created: Moment,
    /// What it is for.
    pub items: Vec<Item>,
    /// A set end.
    pub cancel_at: Option<Moment>,
    /// Ends with the running period.
    pub cancel_at_period_end: bool,
    /// When the cancellation was *requested*.
    pub canceled_at: Option<Moment>,
    /// When it really ended.
    pub ended_at: Option<Moment>,
    /// `cancellation_details.reason` is `payment_failed`.
    pub ended_by_failed_payment: bool,
    /// When the trial ends or ended.
    pub trial_end: Option<Moment>,
    /// And what then.
    #[serde(default)]
    pub after_trial: AfterTrial,
    /// `metadata[member]`: whom Usher's own Checkout page was made for. Only a
    /// secret key can write it.
    #[serde(default)]
    pub member: Option<MemberId>,
    /// `metadata[usher_plex_account]`: who signed in with Plex before they paid.
    /// Only a secret key can write it, too.
    #[serde(default)]
    pub signed_in: Option<SignedIn>,
    /// Collection is paused; the status stays `active`.
    pub collection_paused: bool,
    /// Why and since when it is `paused`, where the answer says so.
    #[serde(default)]
    pub paused: PausedSaid,
    /// Open invoices, oldest first, for the statuses that need them
    /// (`past_due`, `unpaid`, `paused`); `None` where they weren't read.
    pub open_invoices: Option<Vec<Invoice>>,
}

/// What Stripe says of a pause (`status_details.paused`); older API versions
/// say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PausedSaid {
    /// `subscription.type`, in Stripe's word.
    #[serde(default)]
    pub cause: Option<String>,
    /// `transitioned_at`.
    #[serde(default)]
    pub since: Option<Moment>,
}

/// A Plex account that somebody has shown to be theirs, by signing in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The account.
    pub account: PlexId,
    /// Its address, where plex.tv has seen it confirmed.
    pub email: Option<Email>,
}

impl Invoice {
    /// Since when it ought to have been paid.
    #[must_use]
    pub fn owed_since(&self) -> Moment {
        self.due_at.unwrap_or(self.opened_at)
    }
}

impl Subscription {
    /// When it is set to end, if it is: `cancel_at`, else the period's end
    /// when `cancel_at_period_end`. Flexible billing sets only the former.
    #[must_use]
    pub fn scheduled_end(&self) -> Option<Moment> {
        self.cancel_at.or_else(|| if self.cancel_at_period_end { self.period_end() } else { None })
    }

    /// The prices that it is for.
    #[must_use]
    pub fn prices(&self) -> BTreeSet<PriceId> {
        self.items.iter().map(|item| item.price.clone()).collect()
    }

    /// It is set to end, even where Stripe didn't say when.
    #[must_use]
    pub fn is_set_to_end(&self) -> bool {
        self.cancel_at.is_some() || self.cancel_at_period_end
    }

    /// When the running cycle began: the latest over its items.
    #[must_use]
    pub fn period_start(&self) -> Option<Moment> {
        self.items.iter().filter_map(|item| item.period_start).max()
    }

    /// The end of the paid period: the earliest over its items.
    #[must_use]
    pub fn period_end(&self) -> Option<Moment> {
        self.items.iter().filter_map(|item| item.period_end).min()
    }
}

/// An open invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// `in_…`
    pub id: InvoiceId,
    /// When it was finalised, else created.
    pub opened_at: Moment,
    /// For invoices that are sent rather than charged.
    pub due_at: Option<Moment>,
    /// The next automatic attempt; `None` when there will be none.
    pub next_attempt_at: Option<Moment>,
    /// Stripe's page where it can be paid.
    pub hosted_url: Option<String>,
    /// In minor units of `currency`.
    pub amount_due: i64,
    /// Lower-case ISO code.
    pub currency: String,
    /// The payer's bank wants them to confirm the payment themselves
    /// (`invoice.payment_action_required`).
    #[serde(default)]
    pub needs_action: bool,
}

impl Invoice {
    /// What is owed, as people write it.
    #[must_use]
    pub fn amount(&self) -> String {
        Amount { minor: self.amount_due, currency: self.currency.clone() }.to_string()
    }
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// `cus_…`
    pub id: CustomerId,
    /// Their address at Stripe, when there is one.
    pub email: Option<Email>,
    /// A label.
    pub name: Option<String>,
    /// Deleted at Stripe (which cancels their subscriptions).
    pub deleted: bool,
}

/// Prices and products, as far as they say which prices are ours (RULES R1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Every recurring price and its product.
    pub prices: BTreeMap<PriceId, ProductId>,
    /// What each costs.
    pub tags: BTreeMap<PriceId, PriceTag>,
    /// Each product's name and metadata.
    pub products: BTreeMap<ProductId, Product>,
}

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// Still sold.
    pub active: bool,
    /// `usher_…` keys mark it as ours.
    pub metadata: BTreeMap<String, String>,
}

/// A whole reading of Stripe.
#[derive(Debug, Clone, PartialEq)]
pub struct Billing {
    /// `acct_…`; `None` when the key may not read it (never a mismatch).
    pub account: Option<StripeAccountId>,
    /// From the key's prefix.
    pub key_livemode: bool,
    /// Whether every object said the same mode as the key.
    pub livemode_fits: bool,
    /// Prices and products; `None` when the key may not read them.
    pub catalogue: Option<Catalogue>,
    /// All of them, in every status.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// What each costs: for the money report alone.
    pub terms: BTreeMap<SubscriptionId, Terms>,
    /// What customers with running subscriptions are entitled to: those who were
    /// asked about this time, where a tier names an entitlement.
    pub entitled: BTreeMap<CustomerId, EntitlementLook>,
    /// Their customers.
    pub customers: BTreeMap<CustomerId, Customer>,
    /// Subscriptions that the book knew as running and that this listing no
    /// longer shows as running, each fetched singly: Stripe's own statement
    /// of an end, or that the listing was wrong.
    pub stated: BTreeMap<SubscriptionId, Stated>,
    /// Moments that no listing shows, since the cursor.
    pub moments: Vec<MoneyMoment>,
    /// When subscriptions were paused last, by the events since the cursor.
    pub pauses: BTreeMap<SubscriptionId, Moment>,
    /// The key may not read invoices (403): since when somebody owes is not
    /// known.
    pub invoices_denied: bool,
    /// The webhook endpoints of the account; `None` = not known.
    pub endpoints: Option<Vec<WebhookEndpoint>>,
    /// When money last moved, by the events since the cursor.
    pub newest_event: Option<Moment>,
    /// When our own door last took a webhook.
    pub webhook_heard: Option<Moment>,
    /// The newest event seen: the next cursor.
    pub cursor: Option<EventId>,
}

impl Billing {
    /// A reading that found nothing: what is sold and who pays is put in.
    #[must_use]
    pub fn empty(account: Option<StripeAccountId>, key_livemode: bool) -> Self {
        Self {
            account,
            key_livemode,
            livemode_fits: true,
            catalogue: None,
            subscriptions: BTreeMap::new(),
            terms: BTreeMap::new(),
            entitled: BTreeMap::new(),
            customers: BTreeMap::new(),
            stated: BTreeMap::new(),
            moments: Vec::new(),
            pauses: BTreeMap::new(),
            invoices_denied: false,
            endpoints: None,
            newest_event: None,
            webhook_heard: None,
            cursor: None,
        }
    }
}

/// Where Stripe sends webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// `we_…`
    pub id: String,
    /// The address.
    pub url: String,
    /// `enabled_events`; `*` = all.
    pub events: BTreeSet<String>,
    /// Nothing is sent.
    pub disabled: bool,
    /// The version of its payloads; `None` = the account's default.
    pub version: Option<String>,
}

/// What Stripe said of one subscription that had gone from the listing.
#[derive(Debug, Clone, PartialEq)]
pub enum Stated {
    /// It stands as given.
    Is(Box<Subscription>),
    /// Stripe doesn't know it (404): not an end, unknown.
    NotFound,
}

/// Something that happened to money, as Stripe tells it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoneyMoment {
    /// The event that made us look.
    pub event: EventId,
    /// When that was.
    pub at: Moment,
    /// What.
    pub what: MoneyWhat,
    /// Whose, when known.
    pub customer: Option<CustomerId>,
    /// For which subscription it was paid, when known.
    pub subscription: Option<SubscriptionId>,
    /// How much, when known.
    pub amount: Option<Amount>,
}

/// The moments of money that no listing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoneyWhat {
    /// Money was given back. `whole`: nothing of the charge is left;
    /// `of_the_latest`: and it was for the newest paid invoice.
    Refund { id: String, failed: bool, whole: bool, of_the_latest: bool },
    /// The payer's bank claims it back; in Stripe's word for how that stands.
    /// `due_by`: until when Stripe takes an answer.
    Dispute { id: String, status: String, due_by: Option<Moment> },
    /// The payer's bank suspects fraud.
    FraudWarning { id: String },
    /// An invoice was given up.
    Uncollectible { invoice: InvoiceId },
    /// The payer's bank wants them to confirm this open invoice's payment.
    ActionRequired { invoice: Invoice },
}

/// Which customers are known to exist at all.
pub type CustomerIds = BTreeSet<CustomerId>;
