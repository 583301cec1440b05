//! What the API may change: subscriptions, Checkout and portal sessions.

use serde_json::{Value, json};

use super::{
    account::Account,
    query::{Fail, Query},
    records::{Item, Metadata, Pause, Session, Status, Sub},
};
use crate::base::Request;

/// Carries out a POST or DELETE.
pub(super) fn write(account: &mut Account, request: &Request, query: &Query, at: i64) -> Result<Value, Fail> {
    let segments = request.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), &parts[..]) {
        ("DELETE", ["v1", "subscriptions", id]) => cancel(account, query, id, at),
        ("POST", ["v1", "subscriptions", id]) => update(account, query, id, at),
        ("POST", ["v1", "subscriptions", id, "resume"]) => resume(account, query, id, at),
        ("POST", ["v1", "checkout", "sessions"]) => checkout(account, query, at),
        ("POST", ["v1", "billing_portal", "sessions"]) => portal(account, query, at),
        (method, _) => {
            let text = format!("Unrecognized request URL ({method}: {})", request.path);
            Err(Fail::new(404, "invalid_request_error", "", &text).never_expected())
        }
    }
}

fn cancel(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "invoice_now",
        "prorate",
        "cancellation_details[comment]",
        "cancellation_details[feedback]",
        "expand[]",
    ])?;
    // A canceled one can't be canceled again: it is "not there".
    account.sub(id).filter(|sub| !sub.status.is_terminal()).ok_or_else(|| Fail::missing("subscription", id))?;
    if let Some(comment) = query.filled("cancellation_details[comment]")
        && let Some(sub) = account.subs.iter_mut().find(|sub| sub.id == id)
    {
        sub.comment = Some(comment.to_owned());
    }
    account.end(at, id, "cancellation_requested");
    query.expand(account, account.rendered(id))
}

fn update(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "cancel_at_period_end",
        "cancel_at",
        "metadata[]",
        "cancellation_details[comment]",
        "cancellation_details[feedback]",
        "items[][id]",
        "items[][price]",
        "items[][quantity]",
        "proration_behavior",
        "payment_behavior",
        "pause_collection",
        "pause_collection[behavior]",
        "pause_collection[resumes_at]",
        "trial_end",
        "expand[]",
    ])?;
    let sub = account.sub(id).cloned().ok_or_else(|| Fail::missing("subscription", id))?;
    let changes_more = query.get("cancel_at_period_end").or(query.get("cancel_at")).or(query.get("items[][price]"));
    if sub.status.is_terminal() && changes_more.is_some() {
        let text = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Fail::bad("", "", text));
    }
    let price = query.filled("items[][price]");
    if let Some(price) = price.filter(|price| account.price(price).is_none()) {
        return Err(Fail::bad("resource_missing", "items[0][price]", &format!("No such price: '{price}'")));
    }
    let (at_period_end, cancel_at) = (query.truth("cancel_at_period_end")?, query.number("cancel_at")?);
    if cancel_at.is_some_and(|end| end <= at) {
        return Err(Fail::bad("", "cancel_at", "Invalid timestamp: must be in the future"));
    }
    let resumes_at = query.number("pause_collection[resumes_at]")?;
    let quantity = query.number("items[][quantity]")?.and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
    let trial_end = match query.filled("trial_end") {
        Some("now") => Some(at),
        _ => query.number("trial_end")?,
    };
    let fresh_item = account.id("si");
    account.change_sub(at, id, |sub| {
        match at_period_end {
            Some(true) => schedule(sub, at, Some(sub.period_end), true),
            // Only what that very flag set is taken back (a portal's
            // `cancel_at` stays until it is cleared itself).
            Some(false) if sub.cancel_at_period_end => schedule(sub, at, None, false),
            _ => {}
        }
        match (query.get("cancel_at"), cancel_at) {
            (Some(""), _) => schedule(sub, at, None, false),
            (_, Some(end)) => schedule(sub, at, Some(end), false),
            _ => {}
        }
        for (key, value) in query.map("metadata") {
            if value.is_empty() {
                sub.metadata.remove(&key);
            } else {
                sub.metadata.insert(key, value);
            }
        }
        if let Some(comment) = query.get("cancellation_details[comment]") {
            sub.comment = Some(comment.to_owned()).filter(|text| !text.is_empty());
        }
        if let Some(price) = price {
            let item = query.filled("items[][id]");
            match sub.items.iter_mut().find(|other| Some(other.id.as_str()) == item) {
                Some(item) => item.price = price.to_owned(),
                // The trap: without the item's id a second item is added.
                None => sub.items.push(Item { id: fresh_item, price: price.to_owned(), quantity }),
            }
        }
        match (query.get("pause_collection"), query.filled("pause_collection[behavior]")) {
            (Some(""), _) => sub.pause = None,
            (_, Some(behavior)) => sub.pause = Some(Pause { behavior: behavior.to_owned(), resumes_at }),
            _ => {}
        }
        if trial_end.is_some() && sub.status == Status::Trialing {
            sub.trial_end = trial_end;
        }
    });
    account.tick(at);
    query.expand(account, account.rendered(id))
}

/// Sets or clears a scheduled end, as one step.
pub(super) fn schedule(sub: &mut Sub, at: i64, cancel_at: Option<i64>, at_period_end: bool) {
    sub.cancel_at = cancel_at;
    sub.cancel_at_period_end = at_period_end;
    sub.canceled_at = cancel_at.map(|_| at);
    sub.reason = cancel_at.map(|_| "cancellation_requested".to_owned());
}

fn resume(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&["billing_cycle_anchor", "proration_behavior", "expand[]"])?;
    let paused = account.sub(id).filter(|sub| sub.status == Status::Paused);
    paused.ok_or_else(|| Fail::bad("", "", "This subscription is not paused"))?;
    account.change_sub(at, id, |sub| sub.status = Status::Active);
    let invoice = account.roll(at, id, None);
    account.finalize(at, &invoice);
    query.expand(account, account.rendered(id))
}

fn checkout(account: &mut Account, query: &Query, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "mode",
        "line_items[][price]",
        "line_items[][quantity]",
        "success_url",
        "cancel_url",
        "customer",
        "customer_email",
        "client_reference_id",
        "metadata[]",
        "subscription_data[metadata][]",
        "subscription_data[trial_period_days]",
        "subscription_data[trial_settings][end_behavior][missing_payment_method]",
        "payment_method_collection",
        "allow_promotion_codes",
        "billing_address_collection",
        "expires_at",
        "locale",
        "expand[]",
    ])?;
    let price = query.filled("line_items[][price]").unwrap_or_default();
    let known = account.price(price).is_some_and(|price| price.active && price.interval.is_some());
    if !known || query.get("mode") != Some("subscription") {
        return Err(Fail::bad("resource_missing", "line_items[0][price]", &format!("No such price: '{price}'")));
    }
    if query.filled("customer").is_some() && query.filled("customer_email").is_some() {
        let text = "You may only specify one of these parameters: customer, customer_email.";
        return Err(Fail::bad("parameter_invalid_empty", "customer", text).never_expected());
    }
    let customer = query.filled("customer");
    let alive = |id: &str| account.customers.iter().any(|c| c.id == id && !c.deleted);
    if let Some(id) = customer.filter(|id| !alive(id)) {
        return Err(Fail::bad("resource_missing", "customer", &format!("No such customer: '{id}'")));
    }
    let trial_days = query.number("subscription_data[trial_period_days]")?;
    if trial_days.is_some_and(|days| days < 1) {
        let text = "The minimum number of trial period days is 1.";
        return Err(Fail::bad("", "subscription_data[trial_period_days]", text).never_expected());
    }
    let owned = |name: &str| query.filled(name).map(str::to_owned);
    let quantity = query.number("line_items[][quantity]")?.and_then(|n| u64::try_from(n).ok());
    let session = Session {
        id: account.id("cs"),
        created: at,
        price: price.to_owned(),
        quantity: quantity.unwrap_or(1),
        trial_days: trial_days.unwrap_or(0),
        customer: owned("customer"),
        customer_email: owned("customer_email"),
        client_reference_id: owned("client_reference_id"),
        metadata: query.map("metadata").into_iter().collect(),
        subscription_metadata: query.map("subscription_data[metadata]").into_iter().collect::<Metadata>(),
        success_url: owned("success_url").unwrap_or_default(),
        subscription: None,
    };
    let id = session.id.clone();
    account.sessions.push(session);
    query.expand(account, account.rendered(&id))
}

fn portal(account: &mut Account, query: &Query, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "customer",
        "return_url",
        "configuration",
        "locale",
        "flow_data[type]",
        "flow_data[subscription_cancel][subscription]",
        "flow_data[subscription_update][subscription]",
        "expand[]",
    ])?;
    let customer = query.filled("customer").unwrap_or_default();
    if !account.customers.iter().any(|c| c.id == customer && !c.deleted) {
        return Err(Fail::bad("resource_missing", "customer", &format!("No such customer: '{customer}'")));
    }
    let id = account.id("bps");
    Ok(json!({
        "id": id, "object": "billing_portal.session", "customer": customer, "created": at,
        "url": format!("https://billing.stripe.com/p/session/{id}"),
        "return_url": query.filled("return_url"), "livemode": account.is_live()
    }))
}
