//! Whole readings of Stripe, and looks at one customer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Stripe, rows, terms};
use crate::{
    facts::{
        Billing, Catalogue, Customer, CustomerId, CustomerLook, EventId, Invoice, Moment, PriceId, PriceTag, ProductId,
        Scheme, Stated, Status, StripeAccountId, Subscription, SubscriptionId, Terms,
    },
    services::{failure::Failure, http::segment, loose::text},
};

/// More than these have never gone at once in good order; the continuity
/// brake holds long before.
const STATED_MAX: usize = 50;

/// The payer's bank wants them to confirm a payment themselves (3-D Secure).
const ACTION_REQUIRED: &str = "invoice.payment_action_required";

/// One reading: what it has met so far.
pub(super) struct Reading<'a> {
    pub(super) stripe: &'a Stripe,
    fits: bool,
    customers: BTreeMap<CustomerId, Customer>,
    /// What each subscription costs.
    pub(super) terms: BTreeMap<SubscriptionId, Terms>,
    /// The steps of tiered prices.
    pub(super) steps: BTreeMap<PriceId, Scheme>,
    /// When money last moved, by the events since the cursor.
    pub(super) newest_event: Option<Moment>,
    /// When subscriptions were paused last, by the same events.
    pub(super) pauses: BTreeMap<SubscriptionId, Moment>,
    /// The key may not read invoices.
    invoices_denied: bool,
}

impl Stripe {
    /// Everything: subscriptions in every status, customers, prices, and the
    /// refunds and disputes since `cursor` (none the first time). `running`
    /// are those the book knows as running: whichever the listing doesn't
    /// show so is asked for singly.
    ///
    /// # Errors
    /// When any part that is needed can't be read whole.
    pub async fn billing(
        &self,
        cursor: Option<&EventId>,
        running: &BTreeSet<SubscriptionId>,
    ) -> Result<(Billing, Option<i64>), Failure> {
        let mut reading = Reading::new(self);
        let account = unless_denied(self.get("/v1/account", &vec![]).await)?;
        let account = account.and_then(|(_, value)| text(&value["id"])).map(StripeAccountId);
        let mut subscriptions = BTreeMap::new();
        for subscription in reading.all_subscriptions().await? {
            subscriptions.insert(subscription.id.clone(), subscription);
        }
        reading.open_invoices(&mut subscriptions).await?;
        let stated = reading.stated(running, &subscriptions).await?;
        let catalogue = reading.catalogue().await?;
        let (moments, cursor) = reading.moments(cursor).await;
        reading.complete_terms().await;
        reading.complete_limits().await;
        let endpoints = reading.endpoints().await;
        let billing = Billing {
            account,
            key_livemode: self.key_livemode(),
            livemode_fits: reading.fits,
            catalogue,
            subscriptions,
            terms: reading.terms,
            entitled: BTreeMap::new(),
            endpoints,
            newest_event: reading.newest_event,
            webhook_heard: None,
            customers: reading.customers,
            stated,
            moments,
            pauses: reading.pauses,
            invoices_denied: reading.invoices_denied,
            cursor,
        };
        Ok((billing, self.skew_secs()))
    }

    /// Everything about one customer.
    ///
    /// # Errors
    /// When any of it can't be read; a customer unknown to Stripe is an
    /// answer.
    pub async fn customer(&self, id: &CustomerId) -> Result<CustomerLook, Failure> {
        let begun = self.http.now();
        let mut reading = Reading::new(self);
        let customer = reading.fetch_customer(id).await?;
        let mut subscriptions = BTreeMap::new();
        if customer.is_some() {
            for subscription in reading.subscriptions(&vec![("customer", id.as_str()), ("status", "all")]).await? {
                subscriptions.insert(subscription.id.clone(), subscription);
            }
        }
        let asks = |subscription: &&mut Subscription| needs_invoices(subscription) || may_have_failed(subscription);
        for subscription in subscriptions.values_mut().filter(asks) {
            subscription.open_invoices = reading.invoices_of(&subscription.id).await?;
        }
        reading.mark_those_that_need_action(&mut subscriptions).await?;
        let subscriptions = subscriptions.into_values().collect();
        Ok(CustomerLook { begun, id: id.clone(), customer, subscriptions, entitled: None })
    }

    /// Subscriptions created at `at` or later, with their customers.
    ///
    /// # Errors
    /// When the listing can't be read whole.
    pub async fn created_since(&self, at: Moment) -> Result<Vec<(Subscription, Customer)>, Failure> {
        let mut reading = Reading::new(self);
        let since = at.timestamp().to_string();
        let query = vec![("status", "all"), ("created[gte]", since.as_str()), ("expand[]", "data.customer")];
        let subscriptions = reading.subscriptions(&query).await?;
        let customers = reading.customers;
        let with = |subscription: Subscription| {
            let customer = customers.get(&subscription.customer)?.clone();
            Some((subscription, customer))
        };
        Ok(subscriptions.into_iter().filter_map(with).collect())
    }
}

impl<'a> Reading<'a> {
    fn new(stripe: &'a Stripe) -> Self {
        let (customers, terms, steps) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (pauses, invoices_denied) = (BTreeMap::new(), false);
        Self { stripe, fits: true, customers, terms, steps, newest_event: None, pauses, invoices_denied }
    }

    async fn list(&mut self, path: &str, query: &super::Query<'_>) -> Result<Vec<Value>, Failure> {
        let rows = self.stripe.list(path, query).await?;
        for row in &rows {
            self.met(row);
        }
        Ok(rows)
    }

    pub(super) fn met(&mut self, row: &Value) {
        self.fits &= rows::fits(row, self.stripe.key_livemode());
    }

    /// The subscriptions of a listing, all their items, and their customers.
    pub(super) async fn subscriptions(&mut self, query: &super::Query<'_>) -> Result<Vec<Subscription>, Failure> {
        let rows = self.list("/v1/subscriptions", query).await?;
        let mut subscriptions = Vec::new();
        for row in &rows {
            subscriptions.push(self.subscription(row).await?);
        }
        let asked_for_one = query.iter().any(|(name, _)| *name == "customer");
        let ids: BTreeSet<CustomerId> =
            subscriptions.iter().map(|subscription| subscription.customer.clone()).collect();
        for id in ids {
            // An account that is a customer can't be asked for here.
            if id.0.starts_with("acct_") {
                let customer = Customer { id: id.clone(), email: None, name: None, deleted: false };
                self.customers.entry(id).or_insert(customer);
            } else if !asked_for_one && !self.customers.contains_key(&id) {
                self.fetch_customer(&id).await?;
            }
        }
        Ok(subscriptions)
    }

    async fn subscription(&mut self, row: &Value) -> Result<Subscription, Failure> {
        let broken = || Failure::nonsense("Stripe: a subscription came without what every subscription has");
        let mut subscription = rows::subscription(row).ok_or_else(broken)?;
        self.terms.insert(subscription.id.clone(), terms::terms(row, None));
        if row["items"]["has_more"] == true {
            let query = vec![("subscription", subscription.id.as_str())];
            let items = self.stripe.list("/v1/subscription_items", &query).await?;
            let period = rows::Period::of(row);
            self.terms.insert(subscription.id.clone(), terms::terms(row, Some(&items)));
            subscription.items =
                items.iter().map(|row| rows::item(row, period)).collect::<Option<_>>().ok_or_else(broken)?;
        }
        if row["customer"].is_object() {
            let customer = rows::customer(&row["customer"]).ok_or_else(broken)?;
            self.customers.insert(customer.id.clone(), customer);
        }
        Ok(subscription)
    }

    /// `None` when Stripe answers 404.
    async fn fetch_customer(&mut self, id: &CustomerId) -> Result<Option<Customer>, Failure> {
        let path = format!("/v1/customers/{}", segment(&id.0));
        let value = match self.stripe.get(&path, &vec![]).await {
            Ok((_, value)) => value,
            Err(failure) if failure.status == Some(404) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        self.met(&value);
        let customer = rows::customer(&value).filter(|customer| customer.id == *id);
        let customer = customer.ok_or_else(|| Failure::nonsense("Stripe: the answer isn't the customer asked for"))?;
        self.customers.insert(id.clone(), customer.clone());
        Ok(Some(customer))
    }

    /// Fills in the open invoices of those in trouble: one listing for all,
    /// and one each for whoever isn't in it. Who is paused may be so for
    /// months: for them the one listing must do.
    async fn open_invoices(&mut self, all: &mut BTreeMap<SubscriptionId, Subscription>) -> Result<(), Failure> {
        if !all.values().any(|subscription| needs_invoices(subscription) || may_have_failed(subscription)) {
            return Ok(());
        }
        let mut open: BTreeMap<SubscriptionId, Vec<Invoice>> = BTreeMap::new();
        let listed = self.list("/v1/invoices", &vec![("status", "open")]).await;
        self.note_denial(&listed);
        let listed = unless_refused(listed)?;
        let is_listed = listed.is_some();
        for (id, invoice) in invoices(&listed.unwrap_or_default())? {
            if let Some(id) = id {
                open.entry(id).or_default().push(invoice);
            }
        }
        for subscription in all.values_mut().filter(|subscription| may_have_failed(subscription)) {
            let theirs = oldest_first(open.remove(&subscription.id).unwrap_or_default());
            subscription.open_invoices = Some(theirs).filter(|_| is_listed);
        }
        for subscription in all.values_mut().filter(|subscription| needs_invoices(subscription)) {
            subscription.open_invoices = match open.remove(&subscription.id) {
                Some(invoices) => Some(oldest_first(invoices)),
                None => self.invoices_of(&subscription.id).await?,
            };
        }
        self.mark_those_that_need_action(all).await
    }

    /// Which open invoices wait for their payer's own confirmation: no invoice
    /// says so in both shapes, but an event of the last 30 days did, of which
    /// only the invoice's id is taken. One call, and only while somebody's
    /// payment has failed.
    async fn mark_those_that_need_action(
        &mut self,
        all: &mut BTreeMap<SubscriptionId, Subscription>,
    ) -> Result<(), Failure> {
        let mut open: Vec<&mut Invoice> =
            all.values_mut().flat_map(|subscription| subscription.open_invoices.iter_mut().flatten()).collect();
        if open.is_empty() {
            return Ok(());
        }
        // Not known: they are told of a failed payment, which it is.
        let page = self.stripe.page("/v1/events", &vec![("types[]", ACTION_REQUIRED)]).await;
        let events = unless_refused(page)?.map_or_else(Vec::new, |(rows, _)| rows);
        let such = events.iter().filter(|event| event["type"] == ACTION_REQUIRED);
        let ids: BTreeSet<String> = such.filter_map(|event| text(&event["data"]["object"]["id"])).collect();
        for invoice in &mut open {
            invoice.needs_action = ids.contains(invoice.id.as_str());
        }
        Ok(())
    }

    /// `None` when the key may not read them.
    async fn invoices_of(&mut self, id: &SubscriptionId) -> Result<Option<Vec<Invoice>>, Failure> {
        let query = vec![("subscription", id.as_str()), ("status", "open")];
        let listed = self.list("/v1/invoices", &query).await;
        self.note_denial(&listed);
        let Some(rows) = unless_denied(listed)? else { return Ok(None) };
        // An implementation that ignores the filter must not mix them up.
        let theirs = invoices(&rows)?.into_iter().filter(|(of, _)| of.as_ref().is_none_or(|of| of == id));
        Ok(Some(oldest_first(theirs.map(|(_, invoice)| invoice).collect())))
    }

    fn note_denial<T>(&mut self, listed: &Result<T, Failure>) {
        self.invoices_denied |= listed.as_ref().is_err_and(|failure| failure.status == Some(403));
    }

    /// What Stripe itself says of those that were running and aren't listed so.
    async fn stated(
        &mut self,
        running: &BTreeSet<SubscriptionId>,
        listed: &BTreeMap<SubscriptionId, Subscription>,
    ) -> Result<BTreeMap<SubscriptionId, Stated>, Failure> {
        let runs = |id: &&SubscriptionId| listed.get(*id).is_some_and(|subscription| subscription.status.is_running());
        let mut stated = BTreeMap::new();
        for id in running.iter().filter(|id| !runs(id)).take(STATED_MAX) {
            let path = format!("/v1/subscriptions/{}", segment(&id.0));
            let said = match self.stripe.get(&path, &vec![("expand[]", "customer")]).await {
                Ok((_, value)) => {
                    self.met(&value);
                    let mut subscription = self.subscription(&value).await?;
                    if subscription.id != *id {
                        return Err(Failure::nonsense("Stripe: the answer isn't the subscription asked for"));
                    }
                    if needs_invoices(&subscription) || may_have_failed(&subscription) {
                        subscription.open_invoices = self.invoices_of(id).await?;
                    }
                    Stated::Is(Box::new(subscription))
                }
                Err(failure) if failure.status == Some(404) => Stated::NotFound,
                Err(failure) => return Err(failure),
            };
            stated.insert(id.clone(), said);
        }
        Ok(stated)
    }

    /// `None` when the key may not read them.
    async fn catalogue(&mut self) -> Result<Option<Catalogue>, Failure> {
        let Some(products) = unless_denied(self.list("/v1/products", &vec![]).await)? else { return Ok(None) };
        let mut catalogue = Catalogue::default();
        for row in &products {
            let (id, product) = rows::product(row).ok_or_else(|| Failure::nonsense("Stripe: a product has no id"))?;
            catalogue.products.insert(id, product);
        }
        // Without `active` Stripe lists the active ones; old subscriptions
        // keep old prices.
        for active in ["true", "false"] {
            let mut prices = self.list("/v1/prices", &vec![("active", active), ("expand[]", "data.tiers")]).await;
            // An implementation without these lists them all.
            for simpler in [vec![("active", active)], vec![]] {
                if prices.as_ref().is_err_and(|failure| failure.status == Some(400)) {
                    prices = self.list("/v1/prices", &simpler).await;
                }
            }
            let Some(prices) = unless_denied(prices)? else { return Ok(None) };
            let tiered = prices.iter().filter(|price| price["tiers"].is_array());
            let steps = tiered.filter_map(|price| Some((PriceId(rows::reference(price)?), terms::scheme(price))));
            self.steps.extend(steps.collect::<Vec<_>>());
            for (price, product, tag) in recurring(&prices)? {
                catalogue.tags.insert(price.clone(), tag);
                catalogue.prices.insert(price, product);
            }
        }
        Ok(Some(catalogue))
    }
}

/// The statuses whose start only an open invoice tells.
fn needs_invoices(subscription: &Subscription) -> bool {
    matches!(subscription.status, Status::PastDue | Status::Unpaid)
}

/// A failed payment may be why it is paused.
fn may_have_failed(subscription: &Subscription) -> bool {
    subscription.status == Status::Paused
}

/// 403 and 404: the key may not read it, or it isn't there. Not known.
pub(super) fn unless_denied<T>(outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
    known(outcome, &[403, 404])
}

/// Also 400: it doesn't know this way of asking. Not known either.
pub(super) fn unless_refused<T>(outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
    known(outcome, &[400, 403, 404])
}

fn known<T>(outcome: Result<T, Failure>, unknown: &[u16]) -> Result<Option<T>, Failure> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.status.is_some_and(|status| unknown.contains(&status)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn invoices(rows: &[Value]) -> Result<Vec<(Option<SubscriptionId>, Invoice)>, Failure> {
    let parsed: Option<_> = rows.iter().filter(|row| row["status"] == "open").map(rows::invoice).collect();
    parsed.ok_or_else(|| Failure::nonsense("Stripe: an invoice came without what every invoice has"))
}

fn oldest_first(mut invoices: Vec<Invoice>) -> Vec<Invoice> {
    invoices.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
    invoices
}

fn recurring(rows: &[Value]) -> Result<Vec<(PriceId, ProductId, PriceTag)>, Failure> {
    let parsed: Option<Vec<_>> = rows.iter().map(rows::price).collect();
    Ok(parsed.ok_or_else(|| Failure::nonsense("Stripe: a price has no product"))?.into_iter().flatten().collect())
}
