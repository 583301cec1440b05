//! R1 *entitlement*: what Stripe's Entitlements give beside prices. An active
//! entitlement whose lookup key stands in a tier gives that tier for as long as
//! a subscription of its customer runs; when that ends says R4 alone.
//!
//! Unknown takes nothing away: where Stripe doesn't answer, what was known
//! stands. And an entitlement that is gone ends nobody: it narrows, through the
//! brake, or where nothing is left it is unknown and told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{Rules, prices, standing_reports::attention};
use crate::facts::{Billing, Catalogue, CustomerId, EntitlementLook, Moment, Subscription};
use crate::ledger::{Billed, Book, Entitled};

/// A customer is asked about so often; hints of webhooks come on top.
const ASKED_EVERY: TimeDelta = TimeDelta::hours(1);

/// Some tier names an entitlement: only then is anybody asked about.
#[must_use]
pub fn are_used(rules: &Rules) -> bool {
    rules.tiers.all().iter().any(|tier| tier.entitlement.is_some())
}

/// From when each customer may be asked about anew; who isn't in it never was
/// asked about. `None` where no tier names an entitlement.
#[must_use]
pub fn due(rules: &Rules, book: &Book) -> Option<BTreeMap<CustomerId, Moment>> {
    let again = |entitled: &Entitled| match entitled.failed {
        Some(_) => entitled.asked,
        None => entitled.asked + ASKED_EVERY,
    };
    let all = book.entitled.iter().map(|(customer, entitled)| (customer.clone(), again(entitled)));
    are_used(rules).then(|| all.collect())
}

/// Takes up one answer, unless a later one is known.
pub fn fold(book: &mut Book, customer: &CustomerId, look: &EntitlementLook) {
    let was = book.entitled.get(customer);
    if was.is_some_and(|was| was.asked > look.begun) {
        return;
    }
    let entitled = match &look.keys {
        Ok(keys) => Entitled { asked: look.begun, read: Some(look.begun), keys: keys.clone(), failed: None },
        Err(why) => Entitled {
            asked: look.begun,
            read: was.and_then(|was| was.read),
            keys: was.map(|was| was.keys.clone()).unwrap_or_default(),
            failed: Some(why.clone()),
        },
    };
    book.entitled.insert(customer.clone(), entitled);
}

/// Takes up a whole reading's answers, and forgets who has no running
/// subscription in it: what they gave stands with the subscription itself.
pub fn fold_all(begun: Moment, book: &mut Book, billing: &Billing) {
    for (customer, look) in &billing.entitled {
        fold(book, customer, look);
    }
    let running = running_customers(billing.subscriptions.values(), |_| true);
    book.entitled.retain(|customer, entitled| running.contains(customer) || entitled.asked >= begun);
}

/// Customers with a running subscription on a price of ours: their
/// entitlements are that one's, and not those of whatever else they buy.
pub fn buy_ours<'a>(
    rules: &Rules,
    catalogue: Option<&Catalogue>,
    subscriptions: impl Iterator<Item = &'a Subscription>,
) -> BTreeSet<CustomerId> {
    if !are_used(rules) {
        return BTreeSet::new();
    }
    running_customers(subscriptions, |sub| prices::bought(rules, catalogue, sub).is_some())
}

fn running_customers<'a>(
    subscriptions: impl Iterator<Item = &'a Subscription>,
    such: impl Fn(&Subscription) -> bool,
) -> BTreeSet<CustomerId> {
    let running = subscriptions.filter(|sub| sub.status.is_running() && such(sub));
    running.map(|sub| sub.customer.clone()).collect()
}

/// The tiers that a subscription gives because its customer is entitled to
/// them. `elsewhere`: another one of theirs is on a price of ours, and this one
/// isn't.
#[must_use]
pub fn given(
    rules: &Rules,
    book: &Book,
    sub: &Subscription,
    was: Option<&Billed>,
    elsewhere: bool,
) -> BTreeSet<String> {
    let before = was.map(|was| was.entitled.clone()).unwrap_or_default();
    // Which statuses keep entitlements, Stripe doesn't say: while a payment has
    // failed, and at the end, what they had stands until R4 has its way.
    let settles = !sub.status.is_running() || (sub.status.is_failing() && was.is_some());
    if settles {
        return before;
    }
    if elsewhere && before.is_empty() {
        return before;
    }
    let Some(keys) = book.entitled.get(&sub.customer).and_then(Entitled::known) else {
        // A key that was taken out of the tiers file gives nothing any more.
        let still = |tier: &String| rules.tiers.named(tier).is_none_or(|tier| tier.entitlement.is_some());
        return before.into_iter().filter(still).collect();
    };
    let such = rules.tiers.all().iter().filter(|tier| tier.entitlement.as_ref().is_some_and(|key| keys.contains(key)));
    such.map(|tier| tier.name.clone()).collect()
}

/// Tells, once, that entitlements can't be read.
pub fn tell(now: Moment, rules: &Rules, book: &mut Book) {
    let condition = "entitlements";
    let failing = book.entitled.values().find_map(|entitled| entitled.failed.clone());
    let Some(why) = failing.filter(|_| are_used(rules)) else {
        book.untell(condition);
        return;
    };
    attention(
        now,
        rules,
        book,
        condition,
        "Stripe's entitlements can't be read",
        &format!(
            "{why}. What they gave before stands, and nobody is ended for it; a new one opens nothing until then."
        ),
        "If it is a restricted key, let it read Entitlements; otherwise wait: it is tried again at each poll.",
    );
}
