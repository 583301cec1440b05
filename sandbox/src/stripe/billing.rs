//! Invoices from draft to paid, and what they do to their subscription.

use super::{account::Account, records::*, render, upgrade};

/// Days between attempts at a failed payment.
const RETRY_S: i64 = 3 * 86_400;
/// Attempts before the account's setting decides.
const ATTEMPTS_MAX: u32 = 4;

impl Account {
    /// An invoice for the present period of a subscription, still a draft.
    pub(super) fn bill(&mut self, at: i64, sub: &str, reason: &'static str, finalize_at: Option<i64>) -> String {
        let id = self.id("in");
        let Some(sub) = self.sub(sub).cloned() else {
            return id;
        };
        let amounts = sub.items.iter().filter_map(|item| {
            self.price(&item.price).map(|price| price.unit_amount * i64::try_from(item.quantity).unwrap_or(1))
        });
        let first = sub.items.first().map(|item| item.price.clone()).unwrap_or_default();
        let amount = if sub.status == Status::Trialing { 0 } else { amounts.sum() };
        let currency = self.price(&first).map_or("usd".to_owned(), |price| price.currency.clone());
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
        let price = sub.items.first().map(|item| item.price.clone()).unwrap_or_default();
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

    /// A trial ends; without a card the trial's own setting says what then.
    pub(super) fn trial_over(&mut self, at: i64, id: &str) {
        let without_card = self.sub(id).and_then(|sub| sub.without_card.clone());
        match without_card.as_deref() {
            Some("cancel") => self.end(at, id, "cancellation_requested"),
            Some("pause") => self.pause(at, id, PausedBy::TrialEnd),
            _ => drop(self.roll(at, id, Some(at + super::account::DRAFT_S))),
        }
    }

    /// A draft becomes final and is charged, sent, or set aside while paused.
    pub(super) fn finalize(&mut self, at: i64, id: &str) {
        let Some(invoice) = self.invoices.iter().find(|invoice| invoice.id == id).cloned() else {
            return;
        };
        let sub = self.sub(&invoice.subscription).cloned();
        let pause = sub.as_ref().and_then(|sub| sub.pause.as_ref()).map(|pause| pause.behavior.clone());
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
    pub(super) fn attempt(&mut self, at: i64, id: &str) {
        let Some(invoice) = self.invoices.iter().find(|invoice| invoice.id == id).cloned() else {
            return;
        };
        let works = self.sub(&invoice.subscription).is_none_or(|sub| sub.card_works);
        if works || invoice.amount == 0 {
            return self.pay(at, id);
        }
        let last = invoice.attempt_count + 1 >= ATTEMPTS_MAX;
        let incomplete = self.sub(&invoice.subscription).is_some_and(|sub| sub.status == Status::Incomplete);
        self.change_invoice(id, |invoice| {
            invoice.attempt_count += 1;
            invoice.next_payment_attempt = (!last && !incomplete).then_some(at + RETRY_S);
        });
        if self.sub(&invoice.subscription).is_some_and(|sub| sub.bank_asks) {
            self.tell(at, "invoice.payment_action_required", id);
        }
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
        let Some(invoice) = self.invoices.iter().find(|invoice| invoice.id == id).cloned() else {
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
        upgrade::paid(self, at, &invoice.subscription, id);
        let owes = !self.invoices_of(&invoice.subscription, "open").is_empty();
        self.change_sub(at, &invoice.subscription, |sub| {
            let ill = matches!(sub.status, Status::PastDue | Status::Unpaid | Status::Incomplete);
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
            AfterRetries::Paused => self.pause(at, sub, PausedBy::FinalFailure),
            AfterRetries::StaysPastDue => {}
        }
    }

    /// The subscription ends now, for good.
    pub(super) fn end(&mut self, at: i64, id: &str, reason: &str) {
        let Some(sub) = self.subs.iter_mut().find(|sub| sub.id == id && !sub.status.is_terminal()) else {
            return;
        };
        sub.status = Status::Canceled;
        sub.ended_at = Some(at);
        sub.canceled_at = sub.canceled_at.or(Some(at));
        sub.reason = Some(reason.to_owned());
        for invoice in self.invoices.iter_mut().filter(|invoice| invoice.subscription == id) {
            invoice.finalize_at = None;
            invoice.next_payment_attempt = None;
        }
        self.tell(at, "customer.subscription.deleted", id);
    }
}
