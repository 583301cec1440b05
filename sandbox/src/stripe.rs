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
mod billing;
mod coupons;
mod desk;
mod features;
mod hooks;
mod life;
mod lists;
mod pausing;
mod query;
mod records;
mod render;
mod routes;
mod sell;
mod upgrade;
mod writes;

use std::{ops::Deref, sync::MutexGuard, time::Duration};

use serde_json::Value;
use usher::{clock::Clock, facts::Moment};

pub use account::Account;
pub use hooks::{Attempt, Delivery, send, sign, sign_with};
pub use records::{AfterRetries, CancelForm, Interval, PausedBy, Shape, Status};

use crate::base::StandIn;
use hooks::{Endpoint, Hooks};

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
        Self::start_on(clock, 0)
    }

    /// The same on this port.
    #[must_use]
    pub fn start_on(clock: Clock, port: u16) -> Self {
        let hooks = Hooks::new(clock.clone());
        Self(StandIn::start_on(clock, port, Account::new(hooks)))
    }

    /// The key it takes: `sk_test_sandbox` unless changed.
    #[must_use]
    pub fn key(&self) -> String {
        self.world().key.clone()
    }

    /// Another key from now on; `…_live_…` makes every object live.
    pub fn set_key(&self, key: &str) {
        self.switches().key = key.to_owned();
    }

    /// Objects say this livemode whatever the key says; `None` = as the key.
    pub fn set_livemode(&self, live: Option<bool>) {
        self.switches().livemode = live;
    }

    /// Another account behind the same address; `None` = the key may not ask (403).
    pub fn set_account_id(&self, id: Option<&str>) {
        self.switches().account_id = id.map(str::to_owned);
    }

    /// Answers and events in this shape.
    pub fn set_shape(&self, shape: Shape) {
        let mut account = self.switches();
        (account.shape, account.event_shape) = (shape, shape);
    }

    /// Only events in this shape: an endpoint of another API version.
    pub fn set_event_shape(&self, shape: Shape) {
        self.switches().event_shape = shape;
    }

    /// Every list is answered with `data: []`.
    pub fn set_lists_empty(&self, empty: bool) {
        self.switches().lists_empty = empty;
    }

    /// `starting_after` is ignored: the first page comes again and again.
    pub fn set_paging_stuck(&self, stuck: bool) {
        self.switches().paging_stuck = stuck;
    }

    /// Whether the customer portal was ever set up for this mode. At first: yes.
    pub fn set_portal_configured(&self, configured: bool) {
        self.switches().portal_configured = configured;
    }

    /// An active billing meter of that `event_name`.
    pub fn add_meter(&self, event_name: &str) {
        self.world().meters.push(event_name.to_owned());
    }

    /// What a meter was told, in order: whose, how much.
    #[must_use]
    pub fn metered(&self, event_name: &str) -> Vec<(String, u64)> {
        let of = |event: &&records::MeterEvent| event.event_name == event_name;
        let told = |event: &records::MeterEvent| (event.customer.clone(), event.value);
        self.world().meter_events.iter().filter(of).map(told).collect()
    }

    /// What the account does when retries run out by themselves (4 attempts,
    /// 3 days apart). At first: stays past due.
    pub fn set_after_retries(&self, outcome: AfterRetries) {
        self.switches().after_retries = outcome;
    }

    /// Where webhooks go. All types; [`Self::set_endpoint_kinds`] narrows them.
    pub fn set_endpoint(&self, url: &str, secret: &str) {
        let (url, secrets) = (url.to_owned(), vec![secret.to_owned()]);
        self.world().hooks.set_endpoint(Some(Endpoint { url, secrets, kinds: Vec::new(), disabled: false }));
    }

    /// Takes the endpoint away; retries under way end, too.
    pub fn remove_endpoint(&self) {
        self.world().hooks.set_endpoint(None);
    }

    /// The endpoint's `enabled_events`.
    pub fn set_endpoint_kinds(&self, kinds: &[&str]) {
        self.edit_endpoint(|endpoint| endpoint.kinds = kinds.iter().map(|&kind| kind.to_owned()).collect());
    }

    /// Switches the endpoint off, or on again.
    pub fn set_endpoint_disabled(&self, disabled: bool) {
        self.edit_endpoint(|endpoint| endpoint.disabled = disabled);
    }

    /// Signs with these secrets, one `v1` each (two while rolling).
    pub fn set_endpoint_secrets(&self, secrets: &[&str]) {
        self.edit_endpoint(|endpoint| endpoint.secrets = secrets.iter().map(|&secret| secret.to_owned()).collect());
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
        let (secrets, t) = (self.world().hooks.endpoint().map_or_else(Vec::new, |e| e.secrets), self.now().timestamp());
        let body = format!("{event:#}");
        send(url, &body, &sign_with(&secrets, body.as_bytes(), t)).await
    }

    /// All events so far, oldest first, as they were rendered.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.world().events.iter().map(|event| event.body.clone()).collect()
    }

    /// Does what has fallen due.
    pub fn tick(&self) {
        self.look(|_| ());
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

    /// Looks at the account as time has left it.
    fn look<R>(&self, read: impl FnOnce(&Account) -> R) -> R {
        let at = self.now().timestamp();
        let mut account = self.world();
        account.tick(at);
        read(&account)
    }

    /// The account, to be changed without letting time pass.
    fn switches(&self) -> MutexGuard<'_, Account> {
        let mut account = self.world();
        account.touch();
        account
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

/// What is so now.
impl Stripe {
    /// A subscription's status; `None` = no such subscription.
    #[must_use]
    pub fn status(&self, sub: &str) -> Option<Status> {
        self.look(|account| account.sub(sub).map(|sub| sub.status))
    }

    /// When it really ended.
    #[must_use]
    pub fn ended_at(&self, sub: &str) -> Option<Moment> {
        self.look(|account| account.sub(sub).and_then(|sub| sub.ended_at)).and_then(at)
    }

    /// When the present period ends.
    #[must_use]
    pub fn period_end(&self, sub: &str) -> Option<Moment> {
        self.look(|account| account.sub(sub).map(|sub| sub.period_end)).and_then(at)
    }

    /// Whether an end is scheduled, and for when.
    #[must_use]
    pub fn scheduled_end(&self, sub: &str) -> Option<Moment> {
        self.look(|account| account.sub(sub).and_then(|sub| sub.cancel_at)).and_then(at)
    }

    /// The newest customer with this address.
    #[must_use]
    pub fn customer_of(&self, email: &str) -> Option<String> {
        self.look(|account| {
            let mut customers = account.customers.iter().rev().filter(|customer| !customer.deleted);
            customers.find(|customer| customer.email.as_deref() == Some(email)).map(|customer| customer.id.clone())
        })
    }

    /// Ids of all subscriptions of a customer, oldest first.
    #[must_use]
    pub fn subscriptions_of(&self, customer: &str) -> Vec<String> {
        self.look(|account| {
            account.subs.iter().filter(|sub| sub.customer == customer).map(|sub| sub.id.clone()).collect()
        })
    }

    /// Any object by id as the API shows it; `Null` when there is none.
    #[must_use]
    pub fn object(&self, id: &str) -> Value {
        self.look(|account| account.rendered(id))
    }
}

fn at(epoch_s: i64) -> Option<Moment> {
    Moment::from_timestamp(epoch_s, 0)
}
