//! The account: what changes it, and what time does to it.
//!
//! What it promises: everything that falls due is done in the order of its
//! time, at its own time, before anything else is looked at ([`Account::tick`]);
//! each change tells its events as Stripe does. What it never does: know HTTP.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{hooks::Hooks, records::*, render};

/// A renewal's draft is finalised and charged an hour later.
const DRAFT_S: i64 = 3_600;
/// Days between attempts at a failed payment.
const RETRY_S: i64 = 3 * 86_400;
/// Attempts before the account's setting decides.
const ATTEMPTS_MAX: u32 = 4;
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
    pub(super) invoices: Vec<Invoice>,
    pub(super) charges: Vec<Charge>,
    pub(super) refunds: Vec<Claim>,
    pub(super) disputes: Vec<Claim>,
    pub(super) sessions: Vec<Session>,
    pub(super) events: Vec<Event>,
    /// Answers given to idempotency keys: the request, then the answer.
    pub(super) idempotent: BTreeMap<String, (String, u16, Value)>,
    pub(super) key: String,
    pub(super) account_id: Option<String>,
    /// `None` = as the key says.
    pub(super) livemode: Option<bool>,
    pub(super) shape: Shape,
    pub(super) event_shape: Shape,
    pub(super) lists_empty: bool,
    pub(super) paging_stuck: bool,
    pub(super) after_retries: AfterRetries,
    pub(super) hooks: Hooks,
    numbers: BTreeMap<&'static str, u64>,
    /// When the next thing falls due; `None` = has to be found out.
    next_due: Option<i64>,
}

/// What time brings, in the order in which it goes at the same second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    TrialWarning,
    End,
    Expire,
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
            invoices: Vec::new(),
            charges: Vec::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            sessions: Vec::new(),
            events: Vec::new(),
            idempotent: BTreeMap::new(),
            key: "sk_test_sandbox".to_owned(),
            account_id: Some("acct_sandbox".to_owned()),
            livemode: None,
            shape: Shape::New,
            event_shape: Shape::New,
            lists_empty: false,
            paging_stuck: false,
            after_retries: AfterRetries::StaysPastDue,
            hooks,
            numbers: BTreeMap::new(),
            next_due: None,
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

    /// Something changed, so the next due time isn't known any more.
    pub(super) fn touch(&mut self) {
        self.next_due = None;
    }

    /// Does all that has fallen due by `now`.
    pub(super) fn tick(&mut self, now: i64) {
        loop {
            if self.next_due.is_some_and(|due| due > now) {
                return;
            }
            match self.due() {
                Some((at, due, place)) if at <= now => self.apply(at, due, place),
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
        for (place, sub) in self
            .subs
            .iter()
            .enumerate()
            .filter(|(_, sub)| !sub.status.is_terminal())
        {
            let mut add = |at: Option<i64>, due| all.extend(at.map(|at| (at, due, place)));
            let period_end = sub.cancel_at_period_end.then_some(sub.period_end);
            add(sub.cancel_at.or(period_end), Due::End);
            add(
                sub.pause.as_ref().and_then(|pause| pause.resumes_at),
                Due::Resume,
            );
            match sub.status {
                Status::Trialing => {
                    add(sub.trial_end, Due::TrialOver);
                    let warning = sub.trial_end.filter(|_| !sub.trial_told);
                    add(
                        warning.map(|end| (end - TRIAL_WARNING_S).max(sub.created)),
                        Due::TrialWarning,
                    );
                }
                Status::Active | Status::PastDue | Status::Unpaid => {
                    add(Some(sub.period_end), Due::Roll)
                }
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
                    if self
                        .sub(&invoice.subscription)
                        .is_some_and(|sub| sub.status == Status::Active)
                    {
                        add(invoice.due_date, Due::Overdue);
                    }
                }
                _ => {}
            }
        }
        all.into_iter().min()
    }

    fn apply(&mut self, at: i64, due: Due, place: usize) {
        let sub = self
            .subs
            .get(place)
            .map(|sub| sub.id.clone())
            .unwrap_or_default();
        let invoice = self
            .invoices
            .get(place)
            .map(|invoice| invoice.id.clone())
            .unwrap_or_default();
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
            Due::Resume => self.change_sub(at, &sub, |sub| sub.pause = None),
            Due::TrialOver | Due::Roll => {
                self.roll(at, &sub, Some(at + DRAFT_S));
            }
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
        self.invoices
            .iter()
            .filter(such)
            .map(|i| i.id.clone())
            .collect()
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
        self.events.push(Event {
            id,
            kind: kind.to_owned(),
            created: at,
            body,
        });
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

    fn change_invoice(&mut self, id: &str, change: impl FnOnce(&mut Invoice)) {
        if let Some(invoice) = self.invoices.iter_mut().find(|invoice| invoice.id == id) {
            change(invoice);
        }
        self.touch();
    }

    /// A new subscription of one price; the caller bills it.
    pub(super) fn new_sub(
        &mut self,
        at: i64,
        customer: &str,
        price: &str,
        trial_days: i64,
    ) -> String {
        let (id, item) = (self.id("sub"), self.id("si"));
        let trial_end = (trial_days > 0).then_some(at + trial_days * 86_400);
        let period_end = trial_end.unwrap_or_else(|| self.period_end(price, at, 1));
        self.subs.push(Sub {
            id: id.clone(),
            customer: customer.to_owned(),
            items: vec![Item {
                id: item,
                price: price.to_owned(),
                quantity: 1,
            }],
            status: if trial_days > 0 {
                Status::Trialing
            } else {
                Status::Active
            },
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
            days_until_due: None,
            latest_invoice: None,
            metadata: Metadata::new(),
            card_works: true,
        });
        self.touch();
        id
    }

    fn period_end(&self, price: &str, anchor: i64, cycle: u32) -> i64 {
        let (interval, count) = self.price(price).map_or((Interval::Month, 1), |p| {
            (p.interval.unwrap_or(Interval::Month), p.interval_count)
        });
        interval.after(anchor, count * cycle)
    }

    /// An invoice for the present period of a subscription, still a draft.
    pub(super) fn bill(
        &mut self,
        at: i64,
        sub: &str,
        reason: &'static str,
        finalize_at: Option<i64>,
    ) -> String {
        let id = self.id("in");
        let Some(sub) = self.sub(sub).cloned() else {
            return id;
        };
        let amounts = sub.items.iter().filter_map(|item| {
            self.price(&item.price)
                .map(|price| price.unit_amount * i64::try_from(item.quantity).unwrap_or(1))
        });
        let first = sub
            .items
            .first()
            .map(|item| item.price.clone())
            .unwrap_or_default();
        let amount = if sub.status == Status::Trialing {
            0
        } else {
            amounts.sum()
        };
        let currency = self
            .price(&first)
            .map_or("usd".to_owned(), |price| price.currency.clone());
        self.invoices.push(Invoice {
            id: id.clone(),
            customer: sub.customer.clone(),
            subscription: sub.id.clone(),
            status: "draft",
            amount,
            currency,
            price: first,
            created: at,
            finalize_at,
            finalized_at: None,
            paid_at: None,
            due_date: sub.days_until_due.map(|days| at + days * 86_400),
            attempt_count: 0,
            next_payment_attempt: None,
            reason,
            period: (sub.period_start, sub.period_end),
            charge: None,
        });
        if let Some(sub) = self.subs.iter_mut().find(|other| other.id == sub.id) {
            sub.latest_invoice = Some(id.clone());
        }
        self.touch();
        id
    }

    /// The next period begins, with a draft that is finalised at `finalize_at`.
    pub(super) fn roll(&mut self, at: i64, id: &str, finalize_at: Option<i64>) -> String {
        let Some(sub) = self.sub(id).cloned() else {
            return String::new();
        };
        let price = sub
            .items
            .first()
            .map(|item| item.price.clone())
            .unwrap_or_default();
        let period_end = self.period_end(&price, sub.anchor, sub.cycle + 1);
        let before = render::object(self, self.event_shape, id).unwrap_or_default();
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.id == id) {
            sub.cycle += 1;
            sub.period_start = at;
            sub.period_end = period_end;
            if sub.status == Status::Trialing {
                sub.status = Status::Active;
            }
        }
        // An unpaid subscription's invoices are made, but nobody charges them.
        let finalize_at = finalize_at.filter(|_| sub.status != Status::Unpaid);
        let invoice = self.bill(at, id, "subscription_cycle", finalize_at);
        let after = render::object(self, self.event_shape, id).unwrap_or_default();
        let previous = render::difference(&before, &after);
        self.emit(at, "customer.subscription.updated", after, Some(previous));
        invoice
    }

    /// A draft becomes final and is charged, sent, or set aside while paused.
    pub(super) fn finalize(&mut self, at: i64, id: &str) {
        let Some(invoice) = self
            .invoices
            .iter()
            .find(|invoice| invoice.id == id)
            .cloned()
        else {
            return;
        };
        let sub = self.sub(&invoice.subscription).cloned();
        let pause = sub
            .as_ref()
            .and_then(|sub| sub.pause.as_ref())
            .map(|pause| pause.behavior.clone());
        let (status, final_at) = match pause.as_deref() {
            Some("keep_as_draft") => ("draft", None),
            Some("mark_uncollectible") => ("uncollectible", Some(at)),
            Some("void") => ("void", Some(at)),
            _ => ("open", Some(at)),
        };
        self.change_invoice(id, |invoice| {
            invoice.finalize_at = None;
            invoice.status = status;
            invoice.finalized_at = final_at;
        });
        match status {
            "open" if sub.is_none_or(|sub| sub.days_until_due.is_none()) => self.attempt(at, id),
            "open" => self.tell(at, "invoice.finalized", id),
            "void" => self.tell(at, "invoice.voided", id),
            "uncollectible" => self.tell(at, "invoice.marked_uncollectible", id),
            _ => {}
        }
    }

    /// Charges an open invoice.
    fn attempt(&mut self, at: i64, id: &str) {
        let Some(invoice) = self
            .invoices
            .iter()
            .find(|invoice| invoice.id == id)
            .cloned()
        else {
            return;
        };
        let works = self
            .sub(&invoice.subscription)
            .is_none_or(|sub| sub.card_works);
        if works || invoice.amount == 0 {
            return self.pay(at, id);
        }
        let last = invoice.attempt_count + 1 >= ATTEMPTS_MAX;
        let incomplete = self
            .sub(&invoice.subscription)
            .is_some_and(|sub| sub.status == Status::Incomplete);
        self.change_invoice(id, |invoice| {
            invoice.attempt_count += 1;
            invoice.next_payment_attempt = (!last && !incomplete).then_some(at + RETRY_S);
        });
        self.tell(at, "invoice.payment_failed", id);
        self.change_sub(at, &invoice.subscription, |sub| {
            if sub.status == Status::Active {
                sub.status = Status::PastDue;
            }
        });
        if last {
            self.exhaust(at, &invoice.subscription, self.after_retries);
        }
    }

    /// The invoice is paid; the last open one paid heals the subscription.
    pub(super) fn pay(&mut self, at: i64, id: &str) {
        let Some(invoice) = self
            .invoices
            .iter()
            .find(|invoice| invoice.id == id)
            .cloned()
        else {
            return;
        };
        let charge = (invoice.amount > 0).then(|| (self.id("ch"), self.id("pi")));
        let sent = invoice.due_date.is_some();
        self.change_invoice(id, |invoice| {
            invoice.status = "paid";
            invoice.finalize_at = None;
            invoice.finalized_at = invoice.finalized_at.or(Some(at));
            invoice.paid_at = Some(at);
            invoice.next_payment_attempt = None;
            invoice.attempt_count += u32::from(!sent && invoice.amount > 0);
            invoice.charge = charge.as_ref().map(|(charge, _)| charge.clone());
        });
        if let Some((charge, payment_intent)) = charge {
            self.charges.push(Charge {
                id: charge,
                payment_intent,
                customer: invoice.customer.clone(),
                invoice: id.to_owned(),
                amount: invoice.amount,
                refunded: 0,
                disputed: false,
                currency: invoice.currency.clone(),
                created: at,
            });
        }
        self.tell(at, "invoice.paid", id);
        self.tell(at, "invoice.payment_succeeded", id);
        let owes = !self.invoices_of(&invoice.subscription, "open").is_empty();
        self.change_sub(at, &invoice.subscription, |sub| {
            let ill = matches!(
                sub.status,
                Status::PastDue | Status::Unpaid | Status::Incomplete
            );
            if ill && !owes {
                sub.status = Status::Active;
            }
        });
    }

    /// No attempt will follow; the setting decides about the subscription.
    pub(super) fn exhaust(&mut self, at: i64, sub: &str, outcome: AfterRetries) {
        for invoice in self.invoices_of(sub, "open") {
            self.change_invoice(&invoice, |invoice| invoice.next_payment_attempt = None);
        }
        match outcome {
            AfterRetries::Canceled => self.end(at, sub, "payment_failed"),
            AfterRetries::Unpaid => self.change_sub(at, sub, |sub| sub.status = Status::Unpaid),
            AfterRetries::StaysPastDue => {}
        }
    }

    /// The subscription ends now, for good.
    pub(super) fn end(&mut self, at: i64, id: &str, reason: &str) {
        let Some(sub) = self
            .subs
            .iter_mut()
            .find(|sub| sub.id == id && !sub.status.is_terminal())
        else {
            return;
        };
        sub.status = Status::Canceled;
        sub.ended_at = Some(at);
        sub.canceled_at = sub.canceled_at.or(Some(at));
        sub.reason = Some(reason.to_owned());
        for invoice in self
            .invoices
            .iter_mut()
            .filter(|invoice| invoice.subscription == id)
        {
            invoice.finalize_at = None;
            invoice.next_payment_attempt = None;
        }
        self.tell(at, "customer.subscription.deleted", id);
    }

    /// Moves the period's beginning to now (tests renew at will).
    pub(super) fn re_anchor(&mut self, at: i64, id: &str) {
        if let Some(sub) = self.subs.iter_mut().find(|sub| sub.id == id) {
            sub.anchor = at;
            sub.cycle = 0;
        }
    }
}
