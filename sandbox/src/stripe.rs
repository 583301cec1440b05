//! Stripe: one account with products, customers, subscriptions and invoices,
//! whose time is the world's clock.
//!
//! What it promises: lists, filters, paging, expansion, refusals and webhooks
//! as the real API has them, in the old shape or the new one; what falls due
//! is done before each request and before each change by a test. What it never
//! does: guess. Unknown paths and parameters are refused and noted as
//! unexpected. Known race: a scheduled change tells its webhook when somebody
//! next asks, unless [`Stripe::tick_every`] runs.

mod account;
mod hooks;
mod query;
mod records;
mod render;
mod routes;
mod writes;

use std::{ops::Deref, time::Duration};

use serde_json::Value;
use usher::{clock::Clock, facts::Moment};

pub use account::Account;
pub use hooks::{Attempt, Delivery, send, sign, sign_with};
pub use records::{AfterRetries, CancelForm, Interval, Shape, Status};

use crate::base::StandIn;
use hooks::{Endpoint, Hooks};
use records::{Claim, Customer, Metadata, Pause, Price, Product};

/// The stand-in's handle; see [`StandIn`] for requests, faults and unexpected.
#[derive(Clone, Debug)]
pub struct Stripe(StandIn<Account>);

impl Deref for Stripe {
    type Target = StandIn<Account>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The account and its switches.
impl Stripe {
    /// Listens on a free port of 127.0.0.1, with an empty account.
    #[must_use]
    pub fn start(clock: Clock) -> Self {
        let hooks = Hooks::new(clock.clone());
        Self(StandIn::start(clock, Account::new(hooks)))
    }

    /// The key it takes: `sk_test_sandbox` unless changed.
    #[must_use]
    pub fn key(&self) -> String {
        self.world().key.clone()
    }

    /// Another key from now on; `…_live_…` makes every object live.
    pub fn set_key(&self, key: &str) {
        self.world().key = key.to_owned();
    }

    /// Objects say this livemode whatever the key says; `None` = as the key.
    pub fn set_livemode(&self, live: Option<bool>) {
        self.world().livemode = live;
    }

    /// Another account behind the same address; `None` = the key may not ask (403).
    pub fn set_account_id(&self, id: Option<&str>) {
        self.world().account_id = id.map(str::to_owned);
    }

    /// Answers and events in this shape.
    pub fn set_shape(&self, shape: Shape) {
        let mut account = self.world();
        (account.shape, account.event_shape) = (shape, shape);
    }

    /// Only events in this shape: an endpoint of another API version.
    pub fn set_event_shape(&self, shape: Shape) {
        self.world().event_shape = shape;
    }

    /// Every list is answered with `data: []`.
    pub fn set_lists_empty(&self, empty: bool) {
        self.world().lists_empty = empty;
    }

    /// `starting_after` is ignored: the first page comes again and again.
    pub fn set_paging_stuck(&self, stuck: bool) {
        self.world().paging_stuck = stuck;
    }

    /// What the account does when retries run out by themselves (4 attempts,
    /// 3 days apart). At first: stays past due.
    pub fn set_after_retries(&self, outcome: AfterRetries) {
        self.world().after_retries = outcome;
    }

    /// Where webhooks go. All types; [`Self::set_endpoint_kinds`] narrows them.
    pub fn set_endpoint(&self, url: &str, secret: &str) {
        let (url, secrets) = (url.to_owned(), vec![secret.to_owned()]);
        self.world().hooks.set_endpoint(Some(Endpoint {
            url,
            secrets,
            kinds: Vec::new(),
        }));
    }

    /// Takes the endpoint away; retries under way end, too.
    pub fn remove_endpoint(&self) {
        self.world().hooks.set_endpoint(None);
    }

    /// The endpoint's `enabled_events`.
    pub fn set_endpoint_kinds(&self, kinds: &[&str]) {
        self.edit_endpoint(|endpoint| {
            endpoint.kinds = kinds.iter().map(|&kind| kind.to_owned()).collect()
        });
    }

    /// Signs with these secrets, one `v1` each (two while rolling).
    pub fn set_endpoint_secrets(&self, secrets: &[&str]) {
        self.edit_endpoint(|endpoint| {
            endpoint.secrets = secrets.iter().map(|&secret| secret.to_owned()).collect()
        });
    }

    fn edit_endpoint(&self, edit: impl FnOnce(&mut Endpoint)) {
        let account = self.world();
        if let Some(mut endpoint) = account.hooks.endpoint() {
            edit(&mut endpoint);
            account.hooks.set_endpoint(Some(endpoint));
        }
    }

    /// How events are delivered from now on.
    pub fn set_delivery(&self, delivery: Delivery) {
        self.world().hooks.set_delivery(delivery);
    }

    /// Every attempt to deliver a webhook so far, in order of their end.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Attempt> {
        self.world().hooks.attempts()
    }

    /// Sends one event to `url` now, signed with the endpoint's secrets.
    ///
    /// # Errors
    /// When nobody listens there, or no answer comes in 20 s.
    pub async fn send_webhook(&self, url: &str, event: &Value) -> std::io::Result<u16> {
        let (secrets, t) = (
            self.world()
                .hooks
                .endpoint()
                .map_or_else(Vec::new, |e| e.secrets),
            self.now().timestamp(),
        );
        let body = format!("{event:#}");
        send(url, &body, &sign_with(&secrets, body.as_bytes(), t)).await
    }

    /// All events so far, oldest first, as they were rendered.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.world()
            .events
            .iter()
            .map(|event| event.body.clone())
            .collect()
    }

    /// Does what has fallen due.
    pub fn tick(&self) {
        self.act(|_, _| ());
    }

    /// Ticks for ever in the background, so that webhooks of scheduled changes
    /// come at their time. Keeps the server alive until the runtime ends.
    pub fn tick_every(&self, period: Duration) {
        let stripe = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                stripe.tick();
            }
        });
    }

    fn act<R>(&self, change: impl FnOnce(&mut Account, i64) -> R) -> R {
        let at = self.now().timestamp();
        let mut account = self.world();
        account.tick(at);
        let result = change(&mut account, at);
        account.touch();
        result
    }
}

/// What happens in the world: people buy, cards fail, operators click.
impl Stripe {
    /// A product; its id.
    pub fn add_product(&self, name: &str, metadata: &[(&str, &str)]) -> String {
        let (name, metadata) = (name.to_owned(), owned(metadata));
        self.act(|account, created| {
            let id = account.id("prod");
            account.products.push(Product {
                id: id.clone(),
                name,
                active: true,
                created,
                metadata,
            });
            id
        })
    }

    /// A price of a product, each interval once; its id. `None` = one-time.
    pub fn add_price(
        &self,
        product: &str,
        unit_amount: i64,
        currency: &str,
        interval: Option<Interval>,
    ) -> String {
        let (product, currency) = (product.to_owned(), currency.to_owned());
        self.act(|account, created| {
            let id = account.id("price");
            let (interval_count, active, metadata) = (1, true, Metadata::new());
            let price = Price {
                id: id.clone(),
                product,
                unit_amount,
                currency,
                interval,
                interval_count,
                active,
                created,
                metadata,
            };
            account.prices.push(price);
            id
        })
    }

    /// Takes a price out of sale; subscriptions keep it.
    pub fn deactivate_price(&self, price: &str) {
        self.act(|account, _| {
            if let Some(price) = account.prices.iter_mut().find(|other| other.id == price) {
                price.active = false;
            }
        });
    }

    /// A customer; the id. An empty email means none.
    pub fn customer(&self, email: &str, name: &str) -> String {
        self.act(|account, at| new_customer(account, at, Some(email), Some(name)))
    }

    /// Buys: active, first period paid; the subscription's id.
    pub fn subscribe(&self, customer: &str, price: &str) -> String {
        self.act(|account, at| start(account, at, customer, price, 0))
    }

    /// Begins a trial of so many days; the subscription's id.
    pub fn subscribe_trial(&self, customer: &str, price: &str, trial_days: i64) -> String {
        self.act(|account, at| start(account, at, customer, price, trial_days))
    }

    /// Pays by sent invoices, due so many days later; the first is open.
    pub fn subscribe_by_invoice(&self, customer: &str, price: &str, days_until_due: i64) -> String {
        self.act(|account, at| {
            let id = account.new_sub(at, customer, price, 0);
            if let Some(sub) = account.subs.iter_mut().find(|sub| sub.id == id) {
                sub.days_until_due = Some(days_until_due);
            }
            let invoice = account.bill(at, &id, "subscription_create", None);
            account.finalize(at, &invoice);
            account.tell(at, "customer.subscription.created", &id);
            id
        })
    }

    /// Tries to buy, but the first payment fails: incomplete, for 23 h.
    pub fn subscribe_incomplete(&self, customer: &str, price: &str) -> String {
        self.act(|account, at| {
            let id = account.new_sub(at, customer, price, 0);
            if let Some(sub) = account.subs.iter_mut().find(|sub| sub.id == id) {
                sub.status = Status::Incomplete;
                sub.card_works = false;
            }
            let invoice = account.bill(at, &id, "subscription_create", None);
            account.finalize(at, &invoice);
            account.tell(at, "customer.subscription.created", &id);
            id
        })
    }

    /// The visitor pays at a Checkout session made over the API; the
    /// subscription's id, or `None` when there's no such open session.
    pub fn complete_checkout(&self, session: &str, email: &str) -> Option<String> {
        self.act(|account, at| {
            let open = account
                .sessions
                .iter()
                .find(|s| s.id == session && s.subscription.is_none())?
                .clone();
            let typed = open.customer_email.as_deref().unwrap_or(email);
            let customer = match &open.customer {
                Some(id) => id.clone(),
                // Without `customer`, Checkout always makes a new one.
                None => new_customer(account, at, Some(typed), None),
            };
            let sub = account.new_sub(at, &customer, &open.price, open.trial_days);
            if let Some(sub) = account.subs.iter_mut().find(|other| other.id == sub) {
                sub.metadata = open.subscription_metadata.clone();
                sub.items
                    .iter_mut()
                    .for_each(|item| item.quantity = open.quantity);
            }
            if let Some(session) = account
                .sessions
                .iter_mut()
                .find(|other| other.id == session)
            {
                session.customer = Some(customer);
                session.subscription = Some(sub.clone());
            }
            begin(account, at, &sub);
            account.tell(at, "checkout.session.completed", session);
            Some(sub)
        })
    }

    /// Shall end with the period, written down in this form.
    pub fn cancel_at_period_end(&self, sub: &str, form: CancelForm) {
        self.change(sub, |sub, at| {
            writes::schedule(sub, at, Some(sub.period_end), form == CancelForm::Classic)
        });
    }

    /// Shall end at that time.
    pub fn cancel_at(&self, sub: &str, end: Moment) {
        self.change(sub, |sub, at| {
            writes::schedule(sub, at, Some(end.timestamp()), false)
        });
    }

    /// Takes a scheduled end back.
    pub fn undo_cancel(&self, sub: &str) {
        self.change(sub, |sub, at| writes::schedule(sub, at, None, false));
    }

    /// Ends now. Reasons: `cancellation_requested`, `payment_failed`,
    /// `payment_disputed`, `canceled_by_retention_policy`.
    pub fn cancel_now(&self, sub: &str, reason: &str) {
        self.act(|account, at| account.end(at, sub, reason));
    }

    /// The period ends now and its renewal can't be charged: past due, with an
    /// open invoice and the next attempt in 3 days. Later charges fail, too.
    pub fn card_fails(&self, sub: &str) {
        self.set_card_works(sub, false);
        self.act(|account, at| {
            account.re_anchor(at, sub);
            let invoice = account.roll(at, sub, None);
            account.finalize(at, &invoice);
        });
    }

    /// Whether charging this subscription's card will succeed from now on.
    pub fn set_card_works(&self, sub: &str, works: bool) {
        self.change(sub, |sub, _| sub.card_works = works);
    }

    /// The card works again and everything open is paid: active.
    pub fn retry_succeeds(&self, sub: &str) {
        self.set_card_works(sub, true);
        self.act(|account, at| {
            for invoice in account.invoices_of(sub, "open") {
                account.pay(at, &invoice);
            }
        });
    }

    /// The last attempt has failed; this becomes of it.
    pub fn retries_exhausted(&self, sub: &str, outcome: AfterRetries) {
        self.act(|account, at| account.exhaust(at, sub, outcome));
    }

    /// The period ends now, the next begins and is charged at once.
    pub fn renew(&self, sub: &str) {
        self.act(|account, at| {
            account.re_anchor(at, sub);
            let invoice = account.roll(at, sub, None);
            account.finalize(at, &invoice);
        });
    }

    /// Moves the first item to another price, without proration.
    pub fn change_price(&self, sub: &str, price: &str) {
        self.change(sub, |sub, _| {
            if let Some(item) = sub.items.first_mut() {
                item.price = price.to_owned();
            }
        });
    }

    /// Nothing is collected: `keep_as_draft`, `mark_uncollectible` or `void`.
    pub fn pause_collection(&self, sub: &str, behavior: &str, resumes_at: Option<Moment>) {
        let pause = Pause {
            behavior: behavior.to_owned(),
            resumes_at: resumes_at.map(|at| at.timestamp()),
        };
        self.change(sub, |sub, _| sub.pause = Some(pause));
    }

    /// Collection goes on.
    pub fn resume_collection(&self, sub: &str) {
        self.change(sub, |sub, _| sub.pause = None);
    }

    /// Any status, without anything that usually goes with it.
    pub fn set_status(&self, sub: &str, status: Status) {
        self.change(sub, |sub, _| sub.status = status);
    }

    /// Metadata of a subscription; an empty value removes the key.
    pub fn set_metadata(&self, sub: &str, key: &str, value: &str) {
        self.change(sub, |sub, _| {
            sub.metadata.insert(key.to_owned(), value.to_owned());
            sub.metadata.retain(|_, value| !value.is_empty());
        });
    }

    /// Deletes a customer, which cancels the subscriptions.
    pub fn delete_customer(&self, customer: &str) {
        self.act(|account, at| {
            let subs: Vec<String> = account
                .subs
                .iter()
                .filter(|s| s.customer == customer)
                .map(|s| s.id.clone())
                .collect();
            for sub in subs {
                account.end(at, &sub, "cancellation_requested");
            }
            let last = account.rendered(customer);
            if let Some(customer) = account
                .customers
                .iter_mut()
                .find(|other| other.id == customer)
            {
                customer.deleted = true;
            }
            account.emit(at, "customer.deleted", last, None);
        });
    }

    /// Another address; empty = none.
    pub fn change_email(&self, customer: &str, email: &str) {
        self.act(|account, at| {
            let before = account.rendered(customer);
            if let Some(customer) = account
                .customers
                .iter_mut()
                .find(|other| other.id == customer)
            {
                customer.email = Some(email.to_owned()).filter(|email| !email.is_empty());
            }
            let after = account.rendered(customer);
            let previous = render::difference(&before, &after);
            account.emit(at, "customer.updated", after, Some(previous));
        });
    }

    /// Gives back (part of) the last charge of a subscription; the refund's
    /// id, or `None` when nothing was ever charged. Cancels nothing.
    pub fn refund(&self, sub: &str, amount: Option<i64>) -> Option<String> {
        self.act(|account, at| {
            let mut claim = last_charge(account, sub, at, "succeeded", "requested_by_customer")?;
            claim.id = account.id("re");
            claim.amount = amount.unwrap_or(claim.amount);
            if let Some(charge) = account
                .charges
                .iter_mut()
                .find(|charge| charge.id == claim.charge)
            {
                charge.refunded += claim.amount;
            }
            account.refunds.push(claim.clone());
            account.tell(at, "charge.refunded", &claim.charge);
            account.tell(at, "refund.created", &claim.id);
            Some(claim.id)
        })
    }

    /// The last charge is disputed; the dispute's id. Cancels nothing by itself.
    pub fn dispute(&self, sub: &str) -> Option<String> {
        self.act(|account, at| {
            let mut claim = last_charge(account, sub, at, "needs_response", "fraudulent")?;
            claim.id = account.id("dp");
            if let Some(charge) = account
                .charges
                .iter_mut()
                .find(|charge| charge.id == claim.charge)
            {
                charge.disputed = true;
            }
            account.disputes.push(claim.clone());
            account.tell(at, "charge.dispute.created", &claim.id);
            Some(claim.id)
        })
    }

    /// The dispute ends: `won` or `lost`.
    pub fn close_dispute(&self, dispute: &str, status: &str) {
        self.act(|account, at| {
            if let Some(claim) = account
                .disputes
                .iter_mut()
                .find(|claim| claim.id == dispute)
            {
                claim.status = status.to_owned();
            }
            account.tell(at, "charge.dispute.closed", dispute);
        });
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut records::Sub, i64)) {
        self.act(|account, at| account.change_sub(at, id, |sub| change(sub, at)));
    }
}

/// What is so now.
impl Stripe {
    /// A subscription's status; `None` = no such subscription.
    #[must_use]
    pub fn status(&self, sub: &str) -> Option<Status> {
        self.act(|account, _| account.sub(sub).map(|sub| sub.status))
    }

    /// When it really ended.
    #[must_use]
    pub fn ended_at(&self, sub: &str) -> Option<Moment> {
        self.act(|account, _| account.sub(sub).and_then(|sub| sub.ended_at))
            .and_then(at)
    }

    /// When the present period ends.
    #[must_use]
    pub fn period_end(&self, sub: &str) -> Option<Moment> {
        self.act(|account, _| account.sub(sub).map(|sub| sub.period_end))
            .and_then(at)
    }

    /// Whether an end is scheduled, and for when.
    #[must_use]
    pub fn scheduled_end(&self, sub: &str) -> Option<Moment> {
        self.act(|account, _| account.sub(sub).and_then(|sub| sub.cancel_at))
            .and_then(at)
    }

    /// Ids of all subscriptions of a customer, oldest first.
    #[must_use]
    pub fn subscriptions_of(&self, customer: &str) -> Vec<String> {
        self.act(|account, _| {
            account
                .subs
                .iter()
                .filter(|sub| sub.customer == customer)
                .map(|sub| sub.id.clone())
                .collect()
        })
    }

    /// Any object by id as the API shows it; `Null` when there is none.
    #[must_use]
    pub fn object(&self, id: &str) -> Value {
        self.act(|account, _| account.rendered(id))
    }
}

fn at(epoch_s: i64) -> Option<Moment> {
    Moment::from_timestamp(epoch_s, 0)
}

fn owned(metadata: &[(&str, &str)]) -> Metadata {
    metadata
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn new_customer(account: &mut Account, at: i64, email: Option<&str>, name: Option<&str>) -> String {
    let id = account.id("cus");
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let (email, name) = (text(email), text(name));
    let customer = Customer {
        id: id.clone(),
        email,
        name,
        created: at,
        deleted: false,
        metadata: Metadata::new(),
    };
    account.customers.push(customer);
    account.tell(at, "customer.created", &id);
    id
}

/// A purchase through a Checkout page of Stripe's own (a payment link).
fn start(account: &mut Account, at: i64, customer: &str, price: &str, trial_days: i64) -> String {
    let sub = account.new_sub(at, customer, price, trial_days);
    let session = records::Session {
        id: account.id("cs"),
        created: at,
        price: price.to_owned(),
        quantity: 1,
        trial_days,
        customer: Some(customer.to_owned()),
        customer_email: None,
        client_reference_id: None,
        metadata: Metadata::new(),
        subscription_metadata: Metadata::new(),
        success_url: String::new(),
        subscription: Some(sub.clone()),
    };
    let id = session.id.clone();
    account.sessions.push(session);
    begin(account, at, &sub);
    account.tell(at, "checkout.session.completed", &id);
    sub
}

/// The first invoice of a subscription that begins well.
fn begin(account: &mut Account, at: i64, sub: &str) {
    let invoice = account.bill(at, sub, "subscription_create", None);
    account.tell(at, "customer.subscription.created", sub);
    account.finalize(at, &invoice);
}

fn last_charge(account: &Account, sub: &str, at: i64, status: &str, reason: &str) -> Option<Claim> {
    let of_sub = |invoice: &str| {
        account
            .invoices
            .iter()
            .any(|i| i.id == invoice && i.subscription == sub)
    };
    let charge = account
        .charges
        .iter()
        .rev()
        .find(|charge| of_sub(&charge.invoice))?;
    Some(Claim {
        id: String::new(),
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        amount: charge.amount - charge.refunded,
        currency: charge.currency.clone(),
        created: at,
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
    })
}

#[cfg(test)]
mod tests;
