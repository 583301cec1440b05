//! The account: what changes it, and what time does to it.
//!
//! What it promises: everything that falls due is done in the order of its
//! time, at its own time, before anything else is looked at ([`Account::tick`]);
//! each change tells its events as Stripe does. What it never does: know HTTP.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::Value;

use super::{features::Attached, hooks::Hooks, records::*, render, upgrade};

/// A renewal's draft is finalised and charged an hour later.
pub(super) const DRAFT_S: i64 = 3_600;
/// A first payment may be completed for so long.
const INCOMPLETE_S: i64 = 23 * 3_600;
/// `trial_will_end` comes so long before.
const TRIAL_WARNING_S: i64 = 3 * 86_400;

/// One Stripe account and its switches.
#[derive(Debug)]
pub struct Account {
    pub(super) products: Vec<Product>,
    pub(super) prices: Vec<Price>,
    pub(super) customers: Vec<Customer>,
    pub(super) subs: Vec<Sub>,
    pub(super) coupons: Vec<Coupon>,
    pub(super) discounts: Vec<Discount>,
    pub(super) invoices: Vec<Invoice>,
    pub(super) charges: Vec<Charge>,
    pub(super) refunds: Vec<Claim>,
    pub(super) disputes: Vec<Claim>,
    pub(super) fraud_warnings: Vec<Claim>,
    pub(super) sessions: Vec<Session>,
    pub(super) features: Vec<Attached>,
    /// What each customer's last summary said.
    pub(super) entitlements_told: BTreeMap<String, Vec<String>>,
    pub(super) meters: Vec<String>,
    pub(super) meter_events: Vec<MeterEvent>,
    pub(super) portal_configured: bool,
    pub(super) events: Vec<Event>,
    /// Answers given to idempotency keys: the request, then the answer.
    pub(super) idempotent: BTreeMap<String, (String, Value)>,
    pub(super) key: String,
    pub(super) account_id: Option<String>,
    /// `None` = as the key says.
    pub(super) livemode: Option<bool>,
    pub(super) shape: Shape,
    pub(super) event_shape: Shape,
    pub(super) lists_empty: bool,
    pub(super) paging_stuck: bool,
    /// Answers say why a subscription is paused (`status_details`).
    pub(super) tells_pauses: bool,
    pub(super) after_retries: AfterRetries,
    pub(super) hooks: Hooks,
    numbers: BTreeMap<&'static str, u64>,
    /// When the next thing falls due; `None` = has to be found out.
    next_due: Option<i64>,
    /// What reading requests were answered since the last change, by their target:
    /// who polls asks the same again and again.
    pub(super) answered: BTreeMap<String, Bytes>,
}

/// What time brings, in the order in which it goes at the same second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    TrialWarning,
    End,
    Expire,
    GiveUp,
    Resume,
    TrialOver,
    Roll,
    Finalize,
    Attempt,
    Overdue,
}

impl Account {
    pub(super) fn new(hooks: Hooks) -> Self {
        Self {
            products: Vec::new(),
            prices: Vec::new(),
            customers: Vec::new(),
            subs: Vec::new(),
            coupons: Vec::new(),
            discounts: Vec::new(),
            invoices: Vec::new(),
            charges: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            fraud_warnings: Vec::new(),
            sessions: Vec::new(),
            features: Vec::new(),
            entitlements_told: BTreeMap::new(),
            meters: Vec::new(),
            meter_events: Vec::new(),
            portal_configured: true,
            events: Vec::new(),
            idempotent: BTreeMap::new(),
            key: "sk_test_sandbox".to_owned(),
            account_id: Some("acct_sandbox".to_owned()),
            livemode: None,
            shape: Shape::New,
            event_shape: Shape::New,
            lists_empty: false,
            paging_stuck: false,
            tells_pauses: false,
            after_retries: AfterRetries::StaysPastDue,
            hooks,
            numbers: BTreeMap::new(),
            next_due: None,
            answered: BTreeMap::new(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.livemode.unwrap_or_else(|| self.key.contains("_live_"))
    }

    /// A fresh id with that prefix.
    pub(super) fn id(&mut self, prefix: &'static str) -> String {
        let number = self.numbers.entry(prefix).or_default();
        *number += 1;
        format!("{prefix}_S{number:06}")
    }

    /// Something changed: the next due time isn't known any more, and answers of
    /// before don't stand.
    pub(super) fn touch(&mut self) {
        self.next_due = None;
        self.answered.clear();
    }

    /// Does all that has fallen due by `now`.
    pub(super) fn tick(&mut self, now: i64) {
        loop {
            if self.next_due.is_some_and(|due| due > now) {
                return;
            }
            match self.due() {
                Some((at, due, place)) if at <= now => {
                    self.touch();
                    self.apply(at, due, place);
                }
                next => {
                    self.next_due = Some(next.map_or(i64::MAX, |(at, ..)| at));
                    return;
                }
            }
        }
    }

    /// The earliest thing due, and its place among subscriptions or invoices.
    fn due(&self) -> Option<(i64, Due, usize)> {
        let mut all = Vec::new();
        for (place, sub) in self.subs.iter().enumerate().filter(|(_, sub)| !sub.status.is_terminal()) {
            let mut add = |at: Option<i64>, due| all.extend(at.map(|at| (at, due, place)));
            let period_end = sub.cancel_at_period_end.then_some(sub.period_end);
            add(sub.cancel_at.or(period_end), Due::End);
            add(sub.pause.as_ref().and_then(|pause| pause.resumes_at), Due::Resume);
            add(sub.pending.as_ref().map(|pending| pending.expires_at), Due::GiveUp);
            match sub.status {
                Status::Trialing => {
                    add(sub.trial_end, Due::TrialOver);
                    let warning = sub.trial_end.filter(|_| !sub.trial_told);
                    add(warning.map(|end| (end - TRIAL_WARNING_S).max(sub.created)), Due::TrialWarning);
                }
                Status::Active | Status::PastDue | Status::Unpaid => add(Some(sub.period_end), Due::Roll),
                Status::Incomplete => add(Some(sub.created + INCOMPLETE_S), Due::Expire),
                _ => {}
            }
        }
        for (place, invoice) in self.invoices.iter().enumerate() {
            let mut add = |at: Option<i64>, due| all.extend(at.map(|at| (at, due, place)));
            match invoice.status {
                "draft" => add(invoice.finalize_at, Due::Finalize),
                "open" => {
                    add(invoice.next_payment_attempt, Due::Attempt);
                    if self.sub(&invoice.subscription).is_some_and(|sub| sub.status == Status::Active) {
                        add(invoice.due_date, Due::Overdue);
                    }
                }
                _ => {}
            }
        }
        all.into_iter().min()
    }

    fn apply(&mut self, at: i64, due: Due, place: usize) {
        let sub = self.subs.get(place).map(|sub| sub.id.clone()).unwrap_or_default();
        let invoice = self.invoices.get(place).map(|invoice| invoice.id.clone()).unwrap_or_default();
        match due {
            Due::TrialWarning => {
                self.subs[place].trial_told = true;
                let object = self.rendered(&sub);
                self.emit(at, "customer.subscription.trial_will_end", object, None);
            }
            Due::End => self.end(at, &sub, "cancellation_requested"),
            Due::Expire => {
                self.change_sub(at, &sub, |sub| sub.status = Status::IncompleteExpired);
                for invoice in self.invoices_of(&sub, "open") {
                    self.change_invoice(&invoice, |i| i.status = "void");
                }
            }
            Due::GiveUp => upgrade::give_up(self, at, &sub),
            Due::Resume => self.change_sub(at, &sub, |sub| sub.pause = None),
            Due::TrialOver => self.trial_over(at, &sub),
            Due::Roll => drop(self.roll(at, &sub, Some(at + DRAFT_S))),
            Due::Finalize => self.finalize(at, &invoice),
            Due::Attempt => self.attempt(at, &invoice),
            Due::Overdue => {
                let sub = self.invoices[place].subscription.clone();
                self.change_sub(at, &sub, |sub| sub.status = Status::PastDue);
            }
        }
    }

    pub(super) fn sub(&self, id: &str) -> Option<&Sub> {
        self.subs.iter().find(|sub| sub.id == id)
    }

    pub(super) fn price(&self, id: &str) -> Option<&Price> {
        self.prices.iter().find(|price| price.id == id)
    }

    pub(super) fn invoices_of(&self, sub: &str, status: &str) -> Vec<String> {
        let such = |i: &&Invoice| i.subscription == sub && i.status == status;
        self.invoices.iter().filter(such).map(|i| i.id.clone()).collect()
    }

    /// Any object by id, as an answer shows it; `Null` when there is none.
    pub(super) fn rendered(&self, id: &str) -> Value {
        render::object(self, self.shape, id).unwrap_or_default()
    }

    /// Notes an event and has it delivered.
    pub(super) fn emit(&mut self, at: i64, kind: &str, object: Value, previous: Option<Value>) {
        self.touch();
        let id = self.id("evt");
        let body = render::event(self, &id, at, kind, object, previous);
        self.hooks.deliver(kind, &body);
        self.events.push(Event { id, kind: kind.to_owned(), created: at, body });
        if kind.starts_with("customer.subscription.") {
            self.tell_entitlements(at);
        }
    }

    /// Tells an event about an object in the shape that events have.
    pub(super) fn tell(&mut self, at: i64, kind: &str, id: &str) {
        let object = render::object(self, self.event_shape, id).unwrap_or_default();
        self.emit(at, kind, object, None);
    }

    /// Changes a subscription and tells what it was before, if it shows.
    pub(super) fn change_sub(&mut self, at: i64, id: &str, change: impl FnOnce(&mut Sub)) {
        let before = render::object(self, self.event_shape, id).unwrap_or_default();
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.id == id) {
            change(sub);
        }
        self.touch();
        let after = render::object(self, self.event_shape, id).unwrap_or_default();
        if before != after {
            let previous = render::difference(&before, &after);
            self.emit(at, "customer.subscription.updated", after, Some(previous));
        }
    }

    pub(super) fn change_invoice(&mut self, id: &str, change: impl FnOnce(&mut Invoice)) {
        if let Some(invoice) = self.invoices.iter_mut().find(|invoice| invoice.id == id) {
            change(invoice);
        }
        self.touch();
    }

    /// A new subscription of one price; the caller bills it.
    pub(super) fn new_sub(&mut self, at: i64, customer: &str, price: &str, trial_days: i64) -> String {
        let (id, item) = (self.id("sub"), self.id("si"));
        let trial_end = (trial_days > 0).then_some(at + trial_days * 86_400);
        let period_end = trial_end.unwrap_or_else(|| self.period_end(price, at, 1));
        self.subs.push(Sub {
            id: id.clone(),
            customer: customer.to_owned(),
            items: vec![Item { id: item, price: price.to_owned(), quantity: 1, discounts: Vec::new() }],
            status: if trial_days > 0 { Status::Trialing } else { Status::Active },
            created: at,
            anchor: trial_end.unwrap_or(at),
            cycle: u32::from(trial_days <= 0),
            period_start: at,
            period_end,
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            reason: None,
            comment: None,
            trial_start: trial_end.map(|_| at),
            trial_end,
            trial_told: false,
            pause: None,
            paused: None,
            pending: None,
            discounts: Vec::new(),
            days_until_due: None,
            latest_invoice: None,
            metadata: Metadata::new(),
            card_works: true,
            bank_asks: false,
            without_card: None,
        });
        self.touch();
        id
    }

    pub(super) fn period_end(&self, price: &str, anchor: i64, cycle: u32) -> i64 {
        let (interval, count) = self
            .price(price)
            .map_or((Interval::Month, 1), |p| (p.interval.unwrap_or(Interval::Month), p.interval_count));
        interval.after(anchor, count * cycle)
    }

    /// Moves the period's beginning to now (tests renew at will).
    pub(super) fn re_anchor(&mut self, at: i64, id: &str) {
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.id == id) {
            sub.anchor = at;
            sub.cycle = 0;
        }
    }
}
