//! What other programs ask for and write: `/api/plans`, `/api/subscription`,
//! `/api/access`, and the sales.
//!
//! Promises: trial and price are the operator's tier's; nothing is created in a
//! dry run, and that is said; what Stripe may have done is never called undone.
//! Never: access. A cancellation or another price is the member's own wish to
//! Stripe, as if made on its billing page; what follows is read from Stripe,
//! planned and braked like everything else. A hint makes that look at once.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::admin::AdminDoor;
use super::reply::{Asked, Reply, error, json as reply_json, json_of, query_value};
use super::till::{Request, open};
use crate::engine::desk::{CheckoutAsked, Hint, No, Whom};
use crate::facts::{CustomerId, Email, PriceId, SubscriptionId};
use crate::limits::PLEX_NAME_CHARS_MAX;
use crate::reports::{Look, Wish};
use crate::services::stripe::{Buyer, CancelWhen, Certainty, ChangeOf, Changed, CheckoutOf, Failure, UsageOf};

/// Stripe's own limit for an idempotency key.
const KEY_CHARS_MAX: usize = 255;
/// More than a meter takes at once.
const USAGE_MAX: u64 = 1_000_000_000_000;

/// Why nothing came of it.
pub(super) enum Trouble {
    /// It wasn't asked well.
    Bad(String),
    /// It can't be, as things are.
    No(No),
    /// Stripe refused, or wasn't reached.
    Stripe(Failure),
}

impl Trouble {
    fn bad(why: impl Into<String>) -> Self {
        Self::Bad(why.into())
    }

    /// Something that the operator has to set up first.
    pub(super) fn not_set_up(code: &'static str, why: &str) -> Self {
        Self::No(No { code, why: why.to_owned() })
    }

    fn reply(self) -> Reply {
        match self {
            Self::Bad(why) => error(StatusCode::BAD_REQUEST, "bad_request", &why),
            Self::No(no) => {
                let status = match no.code {
                    "no_access" => StatusCode::FORBIDDEN,
                    "not_found" | "no_such_tier" => StatusCode::NOT_FOUND,
                    "not_ready" => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::CONFLICT,
                };
                error(status, no.code, &no.why)
            }
            Self::Stripe(failure) => {
                tracing::warn!("a sale came to nothing: {failure}");
                if let Some(wait) = failure.retry_after.filter(|_| failure.status == Some(429)) {
                    let mut reply = error(StatusCode::SERVICE_UNAVAILABLE, "stripe_is_busy", &failure.why);
                    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
                    return reply;
                }
                match failure.certainty {
                    Certainty::NotDone => error(StatusCode::BAD_GATEWAY, "stripe_refused", &failure.why),
                    Certainty::Unknown => {
                        let why =
                            format!("{}; it may have been done: ask again with the same Idempotency-Key", failure.why);
                        error(StatusCode::BAD_GATEWAY, "stripe_unclear", &why)
                    }
                }
            }
        }
    }
}

impl From<No> for Trouble {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Stripe(failure)
    }
}

/// What is answered when all is well.
pub(super) fn answered(outcome: Result<Value, Trouble>) -> Reply {
    match outcome {
        Ok(value) => reply_json(StatusCode::OK, &value),
        Err(trouble) => trouble.reply(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckoutBody {
    member: Option<String>,
    email: Option<String>,
    tier: String,
    price: Option<String>,
    plex: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody {
    member: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    member: String,
    at_period_end: bool,
    subscription: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldBody {
    member: String,
    subscription: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpgradeBody {
    member: String,
    tier: String,
    price: Option<String>,
    subscription: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageBody {
    member: String,
    meter: String,
    value: u64,
}

fn body<T: DeserializeOwned>(asked: &Asked) -> Result<T, Trouble> {
    let body = asked.body.as_ref().map_err(|_| Trouble::bad("the body is too long, too slow or torn"))?;
    json_of(body).map_err(|why| Trouble::bad(format!("the body can't be read: {why}")))
}

fn filled<'a>(name: &str, text: &'a str) -> Result<&'a str, Trouble> {
    let text = text.trim();
    if text.is_empty() { Err(Trouble::bad(format!("{name} is empty"))) } else { Ok(text) }
}

fn filled_if_there<T: From<String>>(name: &str, text: Option<&String>) -> Result<Option<T>, Trouble> {
    text.map(|text| filled(name, text).map(|text| T::from(text.to_owned()))).transpose()
}

fn query(asked: &Asked, name: &str) -> Result<Option<String>, Trouble> {
    let names = asked.query.iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split('=').next());
    if names.filter(|other| *other == name).count() > 1 {
        // A name that somebody chose could have put a second one there.
        return Err(Trouble::bad(format!("{name} stands twice")));
    }
    let value = query_value(asked.query.as_deref(), name);
    value.map(|value| filled(name, &value).map(str::to_owned)).transpose()
}

fn member_of(asked: &Asked) -> Result<String, Trouble> {
    query(asked, "member")?.ok_or_else(|| Trouble::bad("say whose: ?member=… (id, email, username or Plex id)"))
}

/// The caller's own key, if it sent one.
fn callers_key(asked: &Asked) -> Result<Option<String>, Trouble> {
    let Some(key) = asked.headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.chars().count() <= KEY_CHARS_MAX => Ok(Some(key.to_owned())),
        _ => Err(Trouble::bad(format!("Idempotency-Key takes 1 to {KEY_CHARS_MAX} plain characters"))),
    }
}

impl AdminDoor {
    /// `GET /api/plans`.
    pub(super) fn plans(&self) -> Result<Value, Trouble> {
        Ok(self.desk.view.borrow().look(&Look::Plans, self.clock.now())?)
    }

    /// `GET /api/subscription`.
    pub(super) fn subscription(&self, asked: &Asked) -> Result<Value, Trouble> {
        let who = member_of(asked)?;
        Ok(self.desk.view.borrow().look(&Look::Subscription { who }, self.clock.now())?)
    }

    /// `GET /api/access`.
    pub(super) fn access(&self, asked: &Asked) -> Result<Value, Trouble> {
        let who = member_of(asked)?;
        let wish = Wish { tier: query(asked, "tier")?, feature: query(asked, "feature")? };
        Ok(self.desk.view.borrow().look(&Look::Access { who, wish }, self.clock.now())?)
    }

    /// `POST /api/checkout`.
    pub(super) async fn checkout(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: CheckoutBody = body(asked)?;
        let whom = match (&body.member, &body.email) {
            (Some(member), None) => Whom::Member(filled("member", member)?.to_owned()),
            (None, Some(email)) => Whom::Email(Email::parse(email).ok_or_else(|| Trouble::bad("email is no address"))?),
            _ => return Err(Trouble::bad("say member or email, one of them")),
        };
        let plex: Option<String> = filled_if_there("plex", body.plex.as_ref())?;
        if plex.as_ref().is_some_and(|plex| plex.chars().count() > PLEX_NAME_CHARS_MAX) {
            return Err(Trouble::bad(format!("plex is longer than {PLEX_NAME_CHARS_MAX} characters")));
        }
        let price: Option<PriceId> = filled_if_there("price", body.price.as_ref())?;
        let tier = filled("tier", &body.tier)?.to_owned();
        let key = callers_key(asked)?;
        let wanted = CheckoutAsked { whom, tier, price, plex };
        let sale = self.desk.view.borrow().checkout(&wanted, self.clock.now())?;
        let till = open(self.till.as_ref())?;
        let (success_url, cancel_url) = till.ways_back()?;
        let buyer = match (&sale.customer, &sale.email) {
            (Some(customer), _) => Buyer::Customer(customer),
            (None, Some(email)) => Buyer::Email(email),
            (None, None) => Buyer::Stranger,
        };
        let of = CheckoutOf {
            signed_in: None,
            price: &sale.price,
            buyer,
            member: sale.member.as_ref(),
            plex: wanted.plex.as_deref(),
            trial_days: sale.trial_days,
            success_url: &success_url,
            cancel_url: &cancel_url,
        };
        // An address isn't shown by `{:?}`, and here it has to count.
        let about = format!("{sale:?} {:?} {:?} {success_url}", sale.email.as_ref().map(Email::as_str), wanted.plex);
        let key = Request { verb: "checkout", callers: key, about }.key()?;
        let session = till.stripe.checkout(till.live, of, &key).await?;
        Ok(json!({ "url": session.url, "id": session.id, "trial_days": sale.trial_days }))
    }

    /// `POST /api/portal`.
    pub(super) async fn portal(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: MemberBody = body(asked)?;
        let key = callers_key(asked)?;
        let customer = self.payer(&body.member)?;
        let till = open(self.till.as_ref())?;
        let key = Request { verb: "portal", callers: key, about: customer.to_string() }.key()?;
        let session = till.stripe.portal(till.live, &customer, till.public_url, &key).await?;
        Ok(json!({ "url": session.url }))
    }

    /// `POST /api/usage`.
    pub(super) async fn usage(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: UsageBody = body(asked)?;
        let meter = filled("meter", &body.meter)?;
        if !(1..=USAGE_MAX).contains(&body.value) {
            return Err(Trouble::bad(format!("value takes 1 to {USAGE_MAX}")));
        }
        let key = callers_key(asked)?;
        let customer = self.payer(&body.member)?;
        let till = open(self.till.as_ref())?;
        let about = format!("{customer} {meter} {}", body.value);
        // The identifier counts once, too, when Stripe has forgotten the key.
        let key = Request { verb: "usage", callers: key, about }.key()?;
        let of = UsageOf { meter, customer: &customer, value: body.value, identifier: &key };
        till.stripe.meter_event(till.live, of, &key).await?;
        Ok(json!({ "customer": customer, "meter": meter, "value": body.value, "identifier": key }))
    }

    /// `POST /api/cancel`.
    pub(super) async fn cancel(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: CancelBody = body(asked)?;
        let named: Option<SubscriptionId> = filled_if_there("subscription", body.subscription.as_ref())?;
        let member = filled("member", &body.member)?;
        let key = callers_key(asked)?;
        let held = self.desk.view.borrow().held(member, named.as_ref(), self.clock.now())?;
        let till = open(self.till.as_ref())?;
        let when = if body.at_period_end { CancelWhen::PeriodEnd } else { CancelWhen::Now };
        let key = Request { verb: "cancel", callers: key, about: format!("{held:?} {when:?}") }.key()?;
        till.stripe.cancel(till.live, &held.subscription, when, &key).await?;
        self.hint(held.customer);
        tracing::info!(subscription = %held.subscription, ?when, "canceled over the API");
        Ok(json!({ "subscription": held.subscription, "at_period_end": body.at_period_end }))
    }

    /// `POST /api/uncancel`.
    pub(super) async fn uncancel(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: HeldBody = body(asked)?;
        let named: Option<SubscriptionId> = filled_if_there("subscription", body.subscription.as_ref())?;
        let member = filled("member", &body.member)?;
        let key = callers_key(asked)?;
        let held = self.desk.view.borrow().held(member, named.as_ref(), self.clock.now())?;
        let till = open(self.till.as_ref())?;
        let key = Request { verb: "uncancel", callers: key, about: format!("{held:?}") }.key()?;
        till.stripe.keep(till.live, &held.subscription, &key).await?;
        self.hint(held.customer);
        tracing::info!(subscription = %held.subscription, "goes on, over the API");
        Ok(json!({ "subscription": held.subscription }))
    }

    /// `POST /api/upgrade`.
    pub(super) async fn upgrade(&self, asked: &Asked) -> Result<Value, Trouble> {
        let body: UpgradeBody = body(asked)?;
        let named: Option<SubscriptionId> = filled_if_there("subscription", body.subscription.as_ref())?;
        let price: Option<PriceId> = filled_if_there("price", body.price.as_ref())?;
        let (member, tier) = (filled("member", &body.member)?, filled("tier", &body.tier)?);
        let key = callers_key(asked)?;
        let now = self.clock.now();
        let upgrade = self.desk.view.borrow().upgrade(member, named.as_ref(), tier, price.as_ref(), now)?;
        let till = open(self.till.as_ref())?;
        let of = ChangeOf { subscription: &upgrade.held.subscription, from: &upgrade.from, to: &upgrade.to };
        let key = Request { verb: "upgrade", callers: key, about: format!("{upgrade:?}") }.key()?;
        let changed = till.stripe.change_price(till.live, of, &key).await?;
        self.hint(upgrade.held.customer);
        let subscription = &upgrade.held.subscription;
        tracing::info!(%subscription, from = %upgrade.from, to = %upgrade.to, "another price, over the API");
        let (pending, pay_at, until) = match changed {
            Changed::Done => (false, None, None),
            Changed::WaitsForPayment { pay_at, until } => (true, pay_at, until),
        };
        Ok(json!({
            "subscription": subscription, "price": upgrade.to, "pending": pending, "pay_at": pay_at, "pending_until": until
        }))
    }

    fn payer(&self, member: &str) -> Result<CustomerId, Trouble> {
        let member = filled("member", member)?;
        Ok(self.desk.view.borrow().payer(member, self.clock.now())?)
    }

    /// So that the book follows at once. When the queue is full, the billing
    /// loop reads everything anyhow.
    fn hint(&self, customer: CustomerId) {
        let _ = self.desk.hints.try_send(Hint::Customer(customer));
    }
}
