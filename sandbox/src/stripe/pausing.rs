//! Subscriptions that are paused as a whole (`status: paused`), in every way
//! that Stripe has since 2026-09-30, and resumed. Nothing is invoiced meanwhile,
//! and no new period begins.

use usher::facts::Moment;

use super::{
    Stripe,
    account::Account,
    records::{PausedBy, Status},
};

impl Stripe {
    /// Whether answers say why a subscription is paused, as newer API versions
    /// do. At first: no.
    pub fn set_tells_pauses(&self, tells: bool) {
        self.switches().tells_pauses = tells;
    }

    /// Pauses a subscription.
    pub fn pause(&self, sub: &str, by: PausedBy) {
        self.act(|account, at| account.pause(at, sub, by));
    }

    /// Goes on: a new period begins, and is charged at once.
    pub fn resume(&self, sub: &str) {
        self.act(|account, at| {
            account.change_sub(at, sub, |sub| {
                sub.paused = None;
                sub.status = Status::Active;
            });
            account.tell(at, "customer.subscription.resumed", sub);
            account.re_anchor(at, sub);
            let invoice = account.roll(at, sub, None);
            account.finalize(at, &invoice);
        });
    }

    /// It had a trial, which ended then. Stripe keeps that date for ever.
    pub fn set_trial_end(&self, sub: &str, end: Moment) {
        self.act(|account, at| {
            account.change_sub(at, sub, |sub| {
                sub.trial_start = Some(end.timestamp() - 7 * 86_400);
                sub.trial_end = Some(end.timestamp());
            });
        });
    }
}

impl Account {
    pub(super) fn pause(&mut self, at: i64, id: &str, by: PausedBy) {
        for invoice in self.invoices_of(id, "open") {
            self.change_invoice(&invoice, |invoice| invoice.next_payment_attempt = None);
        }
        self.change_sub(at, id, |sub| {
            sub.status = Status::Paused;
            sub.paused = Some((by, at));
        });
        self.tell(at, "customer.subscription.paused", id);
    }
}
