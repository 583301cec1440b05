//! What happens in the world: people buy, cards fail, operators click.

use usher::facts::Moment;

use super::{
    AfterRetries, CancelForm, Interval, Status, Stripe,
    account::Account,
    records::{self, Claim, Customer, Metadata, Pause, Price, Product},
    render, writes,
};

impl Stripe {
    /// A product; its id.
    pub fn add_product(&self, name: &str, metadata: &[(&str, &str)]) -> String {
        let (name, metadata) = (name.to_owned(), owned(metadata));
        self.act(|account, created| {
            let id = account.id("prod");
            account.products.push(Product { id: id.clone(), name, active: true, created, metadata });
            id
        })
    }

    /// The product gets another name, as in the dashboard.
    pub fn rename_product(&self, product: &str, name: &str) {
        self.act(|account, _| {
            if let Some(product) = account.products.iter_mut().find(|other| other.id == product) {
                name.clone_into(&mut product.name);
            }
        });
    }

    /// A price of a product, each interval once; its id. `None` = one-time.
    pub fn add_price(&self, product: &str, unit_amount: i64, currency: &str, interval: Option<Interval>) -> String {
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

    /// The same without giving a card: `cancel`, `pause` or `create_invoice`
    /// when it ends.
    pub fn subscribe_trial_without_card(&self, customer: &str, price: &str, trial_days: i64, then: &str) -> String {
        self.act(|account, at| {
            let id = start(account, at, customer, price, trial_days);
            if let Some(sub) = account.subs.iter_mut().find(|sub| sub.id == id) {
                sub.without_card = Some(then.to_owned());
                sub.card_works = false;
            }
            id
        })
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
            let open = account.sessions.iter().find(|s| s.id == session && s.subscription.is_none())?.clone();
            let typed = open.customer_email.as_deref().unwrap_or(email);
            let customer = match &open.customer {
                Some(id) => id.clone(),
                // Without `customer`, Checkout always makes a new one.
                None => new_customer(account, at, Some(typed), None),
            };
            let sub = account.new_sub(at, &customer, &open.price, open.trial_days);
            if let Some(sub) = account.subs.iter_mut().find(|other| other.id == sub) {
                sub.metadata = open.subscription_metadata.clone();
                sub.items.iter_mut().for_each(|item| item.quantity = open.quantity);
            }
            if let Some(session) = account.sessions.iter_mut().find(|other| other.id == session) {
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
        self.change(sub, |sub, at| writes::schedule(sub, at, Some(sub.period_end), form == CancelForm::Classic));
    }

    /// Shall end at that time.
    pub fn cancel_at(&self, sub: &str, end: Moment) {
        self.change(sub, |sub, at| writes::schedule(sub, at, Some(end.timestamp()), false));
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

    /// As [`Stripe::card_fails`], because the bank wants the payer to confirm it.
    pub fn bank_asks(&self, sub: &str) {
        self.act(|account, _| {
            let known = account.subs.iter_mut().find(|other| other.id == sub);
            known.into_iter().for_each(|sub| sub.bank_asks = true);
        });
        self.card_fails(sub);
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
        let pause = Pause { behavior: behavior.to_owned(), resumes_at: resumes_at.map(|at| at.timestamp()) };
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
            let subs: Vec<String> =
                account.subs.iter().filter(|s| s.customer == customer).map(|s| s.id.clone()).collect();
            for sub in subs {
                account.end(at, &sub, "cancellation_requested");
            }
            let last = account.rendered(customer);
            if let Some(customer) = account.customers.iter_mut().find(|other| other.id == customer) {
                customer.deleted = true;
            }
            account.emit(at, "customer.deleted", last, None);
        });
    }

    /// Another address; empty = none.
    pub fn change_email(&self, customer: &str, email: &str) {
        self.act(|account, at| {
            let before = account.rendered(customer);
            if let Some(customer) = account.customers.iter_mut().find(|other| other.id == customer) {
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
            if let Some(charge) = account.charges.iter_mut().find(|charge| charge.id == claim.charge) {
                charge.refunded += claim.amount;
            }
            account.refunds.push(claim.clone());
            account.tell(at, "charge.refunded", &claim.charge);
            account.tell(at, "refund.created", &claim.id);
            Some(claim.id)
        })
    }

    /// Gives back all of what was charged for an invoice; the refund's id.
    pub fn refund_of(&self, invoice: &str) -> Option<String> {
        self.act(|account, at| {
            let charge = account.charges.iter_mut().find(|charge| charge.invoice == invoice)?;
            let mut claim = claim_of(charge, at, "succeeded", "requested_by_customer");
            charge.refunded = charge.amount;
            claim.id = account.id("re");
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
            if let Some(charge) = account.charges.iter_mut().find(|charge| charge.id == claim.charge) {
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
            if let Some(claim) = account.disputes.iter_mut().find(|claim| claim.id == dispute) {
                claim.status = status.to_owned();
            }
            account.tell(at, "charge.dispute.closed", dispute);
        });
    }

    /// The payer's bank suspects fraud in the last charge; the warning's id.
    pub fn fraud_warning(&self, sub: &str) -> Option<String> {
        self.act(|account, at| {
            let mut claim = last_charge(account, sub, at, "", "misc")?;
            claim.id = account.id("issfr");
            account.fraud_warnings.push(claim.clone());
            account.tell(at, "radar.early_fraud_warning.created", &claim.id);
            Some(claim.id)
        })
    }

    /// The operator gives up on the open invoices of a subscription.
    pub fn mark_uncollectible(&self, sub: &str) {
        self.act(|account, at| {
            for invoice in account.invoices_of(sub, "open") {
                account.change_invoice(&invoice, |i| {
                    i.status = "uncollectible";
                    i.next_payment_attempt = None;
                });
                account.tell(at, "invoice.marked_uncollectible", &invoice);
            }
        });
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut records::Sub, i64)) {
        self.act(|account, at| account.change_sub(at, id, |sub| change(sub, at)));
    }
}

fn owned(metadata: &[(&str, &str)]) -> Metadata {
    metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn new_customer(account: &mut Account, at: i64, email: Option<&str>, name: Option<&str>) -> String {
    let id = account.id("cus");
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let (email, name) = (text(email), text(name));
    let customer = Customer { id: id.clone(), email, name, created: at, deleted: false, metadata: Metadata::new() };
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
    let of_sub = |invoice: &str| account.invoices.iter().any(|i| i.id == invoice && i.subscription == sub);
    let charge = account.charges.iter().rev().find(|charge| of_sub(&charge.invoice))?;
    Some(claim_of(charge, at, status, reason))
}

/// What is left of a charge, claimed or given back.
fn claim_of(charge: &records::Charge, at: i64, status: &str, reason: &str) -> Claim {
    Claim {
        id: String::new(),
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        amount: charge.amount - charge.refunded,
        currency: charge.currency.clone(),
        created: at,
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
    }
}
