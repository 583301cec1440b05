//! What the API makes without changing a subscription: Checkout and portal
//! sessions, and meter events.

use serde_json::{Value, json};

use super::{
    account::Account,
    query::{Fail, Query},
    records::{Metadata, MeterEvent, Session},
};

/// One identifier counts once in so long.
const IDENTIFIER_S: i64 = 86_400;
/// A meter event's identifier.
const IDENTIFIER_CHARS_MAX: usize = 100;

const CHECKOUT: [&str; 21] = [
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
    "subscription_data[trial_end]",
    "subscription_data[trial_settings][end_behavior][missing_payment_method]",
    "payment_method_collection",
    "allow_promotion_codes",
    "discounts[][coupon]",
    "discounts[][promotion_code]",
    "billing_address_collection",
    "expires_at",
    "locale",
    "expand[]",
];

/// `POST /v1/checkout/sessions`.
pub(super) fn checkout(account: &mut Account, query: &Query, at: i64) -> Result<Value, Fail> {
    query.only(&CHECKOUT)?;
    let price = query.filled("line_items[][price]").unwrap_or_default();
    let known = account.price(price).is_some_and(|price| price.active && price.interval.is_some());
    if !known || query.get("mode") != Some("subscription") {
        return Err(Fail::bad("resource_missing", "line_items[0][price]", &format!("No such price: '{price}'")));
    }
    for url in ["success_url", "cancel_url"] {
        let given = query.filled(url).unwrap_or_default();
        // Only success_url must be there; neither may be anything but an address.
        let is_url = given.starts_with("https://") || given.starts_with("http://");
        if !is_url && (url == "success_url" || query.get(url).is_some()) {
            return Err(Fail::bad("url_invalid", url, "Not a valid URL").never_expected());
        }
    }
    check_buyer(account, query)?;
    let trial_days = trial_days(query)?;
    let has_discount = query.filled("discounts[][coupon]").or(query.filled("discounts[][promotion_code]")).is_some();
    if query.truth("allow_promotion_codes")?.is_some() && has_discount {
        let text = "You may only specify one of these parameters: allow_promotion_codes, discounts.";
        return Err(Fail::bad("", "discounts", text).never_expected());
    }
    let owned = |name: &str| query.filled(name).map(str::to_owned);
    let quantity = query.number("line_items[][quantity]")?.and_then(|n| u64::try_from(n).ok());
    let quantity = quantity.filter(|quantity| *quantity > 0);
    let session = Session {
        id: account.id("cs"),
        created: at,
        price: price.to_owned(),
        quantity: quantity
            .ok_or_else(|| Fail::bad("", "line_items[0][quantity]", "Quantity is required.").never_expected())?,
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

fn check_buyer(account: &Account, query: &Query) -> Result<(), Fail> {
    let (customer, email) = (query.filled("customer"), query.filled("customer_email"));
    if customer.is_some() && email.is_some() {
        let text = "You may only specify one of these parameters: customer, customer_email.";
        return Err(Fail::bad("", "customer", text).never_expected());
    }
    if let Some(email) = email.filter(|email| !email.contains('@')) {
        return Err(Fail::bad("email_invalid", "customer_email", &format!("Invalid email address: {email}")));
    }
    customer.map_or(Ok(()), |id| alive(account, id))
}

fn trial_days(query: &Query) -> Result<Option<i64>, Fail> {
    let name = "subscription_data[trial_period_days]";
    let days = query.number(name)?;
    if days.is_some_and(|days| days < 1) {
        return Err(Fail::bad("", name, "The minimum number of trial period days is 1.").never_expected());
    }
    if days.is_some() && query.filled("subscription_data[trial_end]").is_some() {
        let text = "You may only specify one of these parameters: trial_period_days, trial_end.";
        return Err(Fail::bad("", name, text).never_expected());
    }
    Ok(days)
}

fn alive(account: &Account, id: &str) -> Result<(), Fail> {
    if account.customers.iter().any(|customer| customer.id == id && !customer.deleted) {
        Ok(())
    } else {
        Err(Fail::bad("resource_missing", "customer", &format!("No such customer: '{id}'")))
    }
}

/// `POST /v1/billing_portal/sessions`.
pub(super) fn portal(account: &mut Account, query: &Query, at: i64) -> Result<Value, Fail> {
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
    alive(account, customer)?;
    if !account.portal_configured {
        let text = "No configuration provided and your test mode default configuration has not been created. \
            Provide a configuration or create your default by saving your customer portal settings.";
        return Err(Fail::bad("", "", text));
    }
    let id = account.id("bps");
    Ok(json!({
        "id": id, "object": "billing_portal.session", "customer": customer, "created": at,
        "url": format!("https://billing.stripe.com/p/session/{id}"),
        "return_url": query.filled("return_url"), "livemode": account.is_live()
    }))
}

/// `POST /v1/billing/meter_events`.
pub(super) fn meter_event(account: &mut Account, query: &Query, at: i64) -> Result<Value, Fail> {
    query.only(&["event_name", "payload[stripe_customer_id]", "payload[value]", "identifier", "timestamp"])?;
    let filled = |name: &str| {
        let missing =
            || Fail::bad("parameter_missing", name, &format!("Missing required param: {name}.")).never_expected();
        query.filled(name).map(str::to_owned).ok_or_else(missing)
    };
    let (event_name, customer) = (filled("event_name")?, filled("payload[stripe_customer_id]")?);
    let value = filled("payload[value]")?;
    let not_a_number = Fail::bad("", "payload[value]", &format!("Invalid value: {value}")).never_expected();
    let value: u64 = value.parse().map_err(|_| not_a_number)?;
    alive(account, &customer)?;
    if !account.meters.contains(&event_name) {
        let text = format!("No active meter found for event name '{event_name}'.");
        return Err(Fail::bad("no_meter", "event_name", &text));
    }
    let identifier = query.filled("identifier").map_or_else(|| account.id("mevt"), str::to_owned);
    if identifier.chars().count() > IDENTIFIER_CHARS_MAX {
        return Err(Fail::bad("", "identifier", "Invalid string: must be at most 100 characters").never_expected());
    }
    let same = |event: &MeterEvent| event.identifier == identifier && at - event.created < IDENTIFIER_S;
    if account.meter_events.iter().any(same) {
        let text = format!("An event already exists with identifier {identifier}.");
        return Err(Fail::bad("duplicate_meter_event", "identifier", &text));
    }
    let answer = json!({
        "object": "billing.meter_event", "event_name": event_name, "identifier": identifier, "created": at,
        "timestamp": at, "livemode": account.is_live(),
        "payload": {"stripe_customer_id": customer, "value": value.to_string()}
    });
    account.meter_events.push(MeterEvent { event_name, identifier, customer, value, created: at });
    Ok(answer)
}
