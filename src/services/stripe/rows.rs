//! Stripe's objects → facts, in every shape since acacia. Pure.
//!
//! A reference may be an id, the object, `{id, deleted}` or null.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    facts::{
        AfterTrial, Customer, CustomerId, Email, Invoice, InvoiceId, Item, Moment, PausedSaid, PlexId, PriceId,
        PriceTag, Product, ProductId, SignedIn, Status, Subscription, SubscriptionId,
    },
    member::MemberId,
    services::loose::{flag, int, list, moment, num, text},
};

/// The id behind a reference.
pub fn reference(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

/// One subscription; `None` when a field is missing that all of them have.
pub fn subscription(row: &Value) -> Option<Subscription> {
    let period = Period::of(row);
    let mut items: Vec<Item> =
        list(&row["items"]["data"]).unwrap_or_default().iter().map(|row| item(row, period)).collect::<Option<_>>()?;
    if items.is_empty() {
        // Before prices there was one plan on top.
        let plan = reference(&row["plan"]).map(PriceId);
        items.extend(plan.map(|price| Item {
            price,
            product: reference(&row["plan"]["product"]).map(ProductId),
            period_start: period.start,
            period_end: period.end,
        }));
    }
    Some(Subscription {
        id: SubscriptionId(text(&row["id"])?),
        // Accounts that are customers have no `cus_…`.
        customer: CustomerId(reference(&row["customer"]).or_else(|| reference(&row["customer_account"]))?),
        status: Status::from(text(&row["status"])?),
        created: moment(&row["created"])?,
        items,
        cancel_at: moment(&row["cancel_at"]),
        cancel_at_period_end: flag(&row["cancel_at_period_end"]).unwrap_or(false),
        canceled_at: moment(&row["canceled_at"]),
        ended_at: moment(&row["ended_at"]),
        ended_by_failed_payment: row["cancellation_details"]["reason"] == "payment_failed",
        trial_end: moment(&row["trial_end"]),
        after_trial: after_trial(row),
        member: text(&row["metadata"]["member"]).map(MemberId),
        signed_in: signed_in(&row["metadata"]),
        collection_paused: row["pause_collection"].is_object(),
        paused: paused(&row["status_details"]["paused"]),
        open_invoices: None,
    })
}

/// Since endive (2026-09-30) Stripe says why and since when it is paused.
fn paused(details: &Value) -> PausedSaid {
    PausedSaid { cause: text(&details["subscription"]["type"]), since: moment(&details["transitioned_at"]) }
}

/// The account that our own Checkout wrote down. What is no account id says
/// nothing.
fn signed_in(metadata: &Value) -> Option<SignedIn> {
    let account = num(&metadata["usher_plex_account"]).filter(|id| *id > 0).map(PlexId)?;
    Some(SignedIn { account, email: metadata["usher_plex_email"].as_str().and_then(Email::parse) })
}

/// Whether somebody will be charged when the trial ends. A card may hang on the
/// subscription or on the customer; only a customer shown whole can lack one.
fn after_trial(row: &Value) -> AfterTrial {
    let customer = &row["customer"];
    let cards = [
        &row["default_payment_method"],
        &row["default_source"],
        &customer["invoice_settings"]["default_payment_method"],
        &customer["default_source"],
    ];
    if cards.iter().any(|card| !card.is_null()) {
        return AfterTrial::Charged;
    }
    if !customer["invoice_settings"].is_object() {
        return AfterTrial::Unknown;
    }
    match row["trial_settings"]["end_behavior"]["missing_payment_method"].as_str() {
        Some("cancel") => AfterTrial::Canceled,
        Some("pause") => AfterTrial::Paused,
        Some("create_invoice") => AfterTrial::Invoiced,
        _ => AfterTrial::Unknown,
    }
}

/// The running period, as far as a row names it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Period {
    start: Option<Moment>,
    end: Option<Moment>,
}

impl Period {
    /// What `row` itself says.
    pub fn of(row: &Value) -> Self {
        Self { start: moment(&row["current_period_start"]), end: moment(&row["current_period_end"]) }
    }
}

/// One item; `whole` is the subscription's own period (before basil).
pub fn item(row: &Value, whole: Period) -> Option<Item> {
    let period = Period::of(row);
    let price = if row["price"].is_null() { &row["plan"] } else { &row["price"] };
    Some(Item {
        price: PriceId(reference(price)?),
        product: reference(&price["product"]).map(ProductId),
        period_start: period.start.or(whole.start),
        period_end: period.end.or(whole.end),
    })
}

/// A customer, from the object itself.
pub fn customer(row: &Value) -> Option<Customer> {
    Some(Customer {
        id: CustomerId(text(&row["id"])?),
        email: row["email"].as_str().and_then(Email::parse),
        name: text(&row["name"]),
        deleted: flag(&row["deleted"]).unwrap_or(false),
    })
}

/// An open invoice and the subscription that it is for.
pub fn invoice(row: &Value) -> Option<(Option<SubscriptionId>, Invoice)> {
    let details = &row["parent"]["subscription_details"]["subscription"];
    let subscription = reference(details).or_else(|| reference(&row["subscription"])).map(SubscriptionId);
    let invoice = Invoice {
        id: InvoiceId(text(&row["id"])?),
        opened_at: moment(&row["status_transitions"]["finalized_at"]).or_else(|| moment(&row["created"]))?,
        due_at: moment(&row["due_date"]),
        next_attempt_at: moment(&row["next_payment_attempt"]),
        hosted_url: text(&row["hosted_invoice_url"]),
        amount_due: int(&row["amount_due"]).unwrap_or(0),
        currency: text(&row["currency"]).unwrap_or_default().to_lowercase(),
        needs_action: false,
    };
    Some((subscription, invoice))
}

/// A recurring price, its product and what it costs; `Ok(None)` for a one-time
/// price.
pub fn price(row: &Value) -> Option<Option<(PriceId, ProductId, PriceTag)>> {
    if row["type"] == "one_time" || row["recurring"].is_null() {
        return Some(None);
    }
    let tag = PriceTag {
        active: flag(&row["active"]).unwrap_or(true),
        metered: row["recurring"]["usage_type"] == "metered",
        amount: int(&row["unit_amount"]),
        currency: text(&row["currency"]).unwrap_or_default().to_lowercase(),
        interval: text(&row["recurring"]["interval"]).unwrap_or_else(|| "month".to_owned()),
        interval_count: int(&row["recurring"]["interval_count"]).unwrap_or(1),
    };
    Some(Some((PriceId(text(&row["id"])?), ProductId(reference(&row["product"])?), tag)))
}

/// A product.
pub fn product(row: &Value) -> Option<(ProductId, Product)> {
    let metadata: BTreeMap<String, String> = row["metadata"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let name = text(&row["name"]).unwrap_or_default();
    Some((ProductId(text(&row["id"])?), Product { name, active: flag(&row["active"]).unwrap_or(true), metadata }))
}

/// Whether `row`, and the customer inside it, are of the key's mode. Objects
/// that don't say fit.
pub fn fits(row: &Value, livemode: bool) -> bool {
    [&row["livemode"], &row["customer"]["livemode"]]
        .into_iter()
        .all(|said| flag(said).is_none_or(|said| said == livemode))
}

#[cfg(test)]
#[path = "tests/rows.rs"]
mod tests;
