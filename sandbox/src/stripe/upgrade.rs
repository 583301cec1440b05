//! Changes of a subscription's items: what is owed for them now, and what
//! waits until it is paid (`pending_if_incomplete`).

use super::{
    account::Account,
    query::{Fail, Query},
    records::*,
};

/// A pending update waits so long for its payment.
const PENDING_S: i64 = 23 * 3_600;

/// All that may be sent beside `payment_behavior=pending_if_incomplete`.
const WITH_PENDING: [&str; 7] = [
    "items[][id]",
    "items[][price]",
    "items[][quantity]",
    "payment_behavior",
    "proration_behavior",
    "trial_end",
    "expand[]",
];

/// A change that Stripe would take.
pub(super) struct Change {
    items: Vec<Item>,
    /// Owed now; the rest of it waits for the next invoice.
    amount: i64,
    /// Not given before it is paid.
    may_wait: bool,
}

impl Change {
    /// What a request wants; `None` when it changes no item.
    pub(super) fn of(account: &mut Account, query: &Query, sub: &Sub, at: i64) -> Result<Option<Self>, Fail> {
        let one_of = |name: &str, known: &[&str]| match query.filled(name) {
            Some(word) if !known.contains(&word) => Err(Fail::bad("", name, &format!("Invalid {name}: {word}"))),
            word => Ok(word.map(str::to_owned)),
        };
        let payment =
            one_of("payment_behavior", &["allow_incomplete", "pending_if_incomplete", "error_if_incomplete"])?;
        let proration = one_of("proration_behavior", &["create_prorations", "always_invoice", "none"])?;
        let may_wait = payment.as_deref() == Some("pending_if_incomplete");
        if may_wait && let Err(fail) = query.only(&WITH_PENDING) {
            let text = "You cannot pass this with `payment_behavior=pending_if_incomplete`.";
            return Err(Fail::bad("", fail.param(), text).never_expected());
        }
        let Some(items) = items(account, query, sub)? else { return Ok(None) };
        let invoices_now = proration.as_deref() == Some("always_invoice")
            || interval(account, &items) != interval(account, &sub.items);
        let amount =
            if invoices_now && proration.as_deref() != Some("none") { owed(account, sub, &items, at) } else { 0 };
        if amount > 0 && !sub.card_works && payment.as_deref() == Some("error_if_incomplete") {
            return Err(Fail::new(402, "card_error", "card_declined", "Your card was declined."));
        }
        Ok(Some(Self { items, amount, may_wait }))
    }
}

/// The items as they would be.
fn items(account: &mut Account, query: &Query, sub: &Sub) -> Result<Option<Vec<Item>>, Fail> {
    let (id, price) = (query.filled("items[][id]"), query.filled("items[][price]"));
    let quantity = query.number("items[][quantity]")?.and_then(|n| u64::try_from(n).ok());
    if let Some(price) = price {
        let missing = || Fail::bad("resource_missing", "items[0][price]", &format!("No such price: '{price}'"));
        let known = account.price(price).ok_or_else(missing)?;
        let (active, recurring) = (known.active, known.interval.is_some());
        if !active || !recurring {
            let text = "The price specified is inactive or not recurring.";
            return Err(Fail::bad("", "items[0][price]", text));
        }
        if sub.items.iter().any(|item| item.price == price && Some(item.id.as_str()) != id) {
            let text = format!("Cannot add multiple subscription items with the same price: {price}");
            return Err(Fail::bad("", "items[0][price]", &text));
        }
    }
    let mut items = sub.items.clone();
    match (id, price) {
        (None, None) => return Ok(None),
        (Some(id), price) => {
            let missing =
                || Fail::bad("resource_missing", "items[0][id]", &format!("Invalid subscription item id: {id}"));
            let item = items.iter_mut().find(|item| item.id == id).ok_or_else(missing)?;
            item.price = price.map_or_else(|| item.price.clone(), str::to_owned);
            item.quantity = quantity.unwrap_or(item.quantity);
        }
        // The trap: without the item's id a second item is added.
        (None, Some(price)) => {
            items.push(Item {
                id: account.id("si"),
                price: price.to_owned(),
                quantity: quantity.unwrap_or(1),
                discounts: Vec::new(),
            });
        }
    }
    Ok(Some(items))
}

fn interval(account: &Account, items: &[Item]) -> Option<(Interval, u32)> {
    let price = items.first().and_then(|item| account.price(&item.price))?;
    Some((price.interval?, price.interval_count))
}

fn sum(account: &Account, items: &[Item]) -> i64 {
    let amount = |item: &Item| {
        account.price(&item.price).map_or(0, |price| price.unit_amount * i64::try_from(item.quantity).unwrap_or(1))
    };
    items.iter().map(amount).sum()
}

/// The difference for what is left of the period; for another interval the
/// whole new price, less what is left of the old one.
fn owed(account: &Account, sub: &Sub, items: &[Item], at: i64) -> i64 {
    if sub.status == Status::Trialing {
        return 0;
    }
    let whole = (sub.period_end - sub.period_start).max(1);
    let left = (sub.period_end - at).clamp(0, whole);
    let unused = sum(account, &sub.items) * left / whole;
    let fresh = sum(account, items);
    if interval(account, items) == interval(account, &sub.items) {
        fresh * left / whole - unused
    } else {
        fresh - unused
    }
}

/// Does it, or lets it wait for its payment.
pub(super) fn carry_out(account: &mut Account, at: i64, id: &str, change: Change) {
    let Some(sub) = account.sub(id).cloned() else { return };
    if change.amount <= 0 {
        return apply(account, at, id, change.items);
    }
    let invoice = account.bill(at, id, "subscription_update", None);
    account.change_invoice(&invoice, |invoice| invoice.amount = change.amount);
    if sub.card_works || !change.may_wait {
        apply(account, at, id, change.items);
        return account.finalize(at, &invoice);
    }
    account.change_invoice(&invoice, |invoice| {
        invoice.status = "open";
        invoice.finalized_at = Some(at);
        invoice.attempt_count = 1;
    });
    account.tell(at, "invoice.payment_failed", &invoice);
    let pending = Pending { items: change.items, invoice, expires_at: at + PENDING_S };
    account.change_sub(at, id, |sub| sub.pending = Some(pending));
}

fn apply(account: &mut Account, at: i64, id: &str, items: Vec<Item>) {
    let Some(sub) = account.sub(id) else { return };
    let resets = interval(account, &items) != interval(account, &sub.items) && sub.status != Status::Trialing;
    let first = items.first().map(|item| item.price.clone()).unwrap_or_default();
    let period_end = account.period_end(&first, at, 1);
    account.change_sub(at, id, |sub| {
        sub.items = items;
        if resets {
            (sub.anchor, sub.cycle, sub.period_start, sub.period_end) = (at, 1, at, period_end);
        }
    });
}

/// An invoice was paid: the update that waited for it is made.
pub(super) fn paid(account: &mut Account, at: i64, sub: &str, invoice: &str) {
    let Some(sub) = account.subs.iter_mut().find(|other| other.id == sub) else { return };
    let Some(pending) = sub.pending.take_if(|pending| pending.invoice == invoice) else { return };
    let id = sub.id.clone();
    apply(account, at, &id, pending.items);
    account.tell(at, "customer.subscription.pending_update_applied", &id);
}

/// Nobody paid: the update is dropped and its invoice voided.
pub(super) fn give_up(account: &mut Account, at: i64, sub: &str) {
    let Some(sub) = account.subs.iter_mut().find(|other| other.id == sub) else { return };
    let Some(pending) = sub.pending.take() else { return };
    let id = sub.id.clone();
    account.change_invoice(&pending.invoice, |invoice| invoice.status = "void");
    account.tell(at, "invoice.voided", &pending.invoice);
    account.tell(at, "customer.subscription.pending_update_expired", &id);
}
