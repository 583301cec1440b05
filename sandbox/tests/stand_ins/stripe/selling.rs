//! What Stripe refuses of those who sell, and what becomes of an upgrade.

use serde_json::Value;

use super::*;

const PATH: &str = "/v1/checkout/sessions";

/// The error's parameter, `""` when all was well.
async fn refusal(stripe: &Stripe, path: &str, key: &str, pairs: &[(&str, &str)]) -> String {
    let reply = post(stripe, path, key, &wire::form(pairs)).await;
    match reply.status {
        200 => String::new(),
        400 => reply.json()["error"]["param"].as_str().unwrap_or("?").to_owned(),
        other => panic!("{other}: {}", reply.text()),
    }
}

#[tokio::test(start_paused = true)]
async fn checkout_refuses_what_the_real_one_refuses() {
    let (stripe, price, ann) = start_stripe();
    let sound = [
        ("mode", "subscription"),
        ("line_items[0][price]", price.as_str()),
        ("line_items[0][quantity]", "1"),
        ("success_url", "https://join.example.com/joined"),
    ];
    assert_eq!(refusal(&stripe, PATH, "sound", &sound).await, "");
    let email = ("customer_email", "ann@example.com");
    let (codes, coupon) = (("allow_promotion_codes", "true"), ("discounts[0][coupon]", "c"));
    let (days, none) = (("subscription_data[trial_period_days]", "14"), ("subscription_data[trial_period_days]", "0"));
    for (key, extra, param) in [
        ("both", vec![("customer", ann.as_str()), email], "customer"),
        ("codes", vec![codes, coupon], "discounts"),
        ("none", vec![none], "subscription_data[trial_period_days]"),
        ("trials", vec![days, ("subscription_data[trial_end]", "1800000000")], "subscription_data[trial_period_days]"),
        ("unknown", vec![("customer_creation", "always")], "customer_creation"),
        ("url", vec![("cancel_url", "/plans")], "cancel_url"),
        ("gone", vec![("customer", "cus_none")], "customer"),
    ] {
        assert_eq!(refusal(&stripe, PATH, key, &[&sound[..], &extra].concat()).await, param, "{key}");
    }
    assert_eq!(refusal(&stripe, PATH, "no quantity", &[sound[0], sound[1], sound[3]]).await, "line_items[0][quantity]");
    stripe.deactivate_price(&price);
    assert_eq!(refusal(&stripe, PATH, "inactive", &sound).await, "line_items[0][price]");
    let other = [("customer", "x")];
    assert_eq!(post(&stripe, PATH, "sound", &wire::form(&other)).await.json()["error"]["type"], "idempotency_error");
}

#[tokio::test(start_paused = true)]
async fn a_portal_needs_its_settings() {
    let (stripe, _, ann) = start_stripe();
    let (path, form) = ("/v1/billing_portal/sessions", [("customer", ann.as_str())]);
    assert_eq!(refusal(&stripe, path, "a", &form).await, "");
    stripe.set_portal_configured(false);
    assert_eq!(refusal(&stripe, path, "b", &form).await, "?");
}

#[tokio::test(start_paused = true)]
async fn a_meter_counts_an_identifier_once() {
    let (stripe, _, ann) = start_stripe();
    stripe.add_meter("streams");
    let path = "/v1/billing/meter_events";
    let event = |meter, value| {
        let customer = ("payload[stripe_customer_id]", ann.as_str());
        [("event_name", meter), customer, ("payload[value]", value), ("identifier", "u-1")]
    };
    assert_eq!(refusal(&stripe, path, "a", &event("streams", "3")).await, "");
    assert_eq!(refusal(&stripe, path, "b", &event("streams", "4")).await, "identifier");
    assert_eq!(refusal(&stripe, path, "c", &event("minutes", "3")).await, "event_name");
    assert_eq!(refusal(&stripe, path, "d", &event("streams", "many")).await, "payload[value]");
    assert_eq!(stripe.metered("streams"), [(ann, 3)]);
}

async fn prices(stripe: &Stripe, sub: &str) -> Vec<String> {
    let rows = stripe.object(sub)["items"]["data"].clone();
    let price = |row: &Value| row["price"]["id"].as_str().unwrap().to_owned();
    rows.as_array().unwrap().iter().map(price).collect()
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_not_named_is_added() {
    let (stripe, price, ann) = start_stripe();
    let product = stripe.add_product("Premium", &[]);
    let premium = stripe.add_price(&product, 900, "usd", Some(Interval::Month));
    let sub = stripe.subscribe(&ann, &price);
    let path = format!("/v1/subscriptions/{sub}");
    assert_eq!(refusal(&stripe, &path, "a", &[("items[0][price]", premium.as_str())]).await, "");
    assert_eq!(prices(&stripe, &sub).await, [price, premium]);
    assert_eq!(refusal(&stripe, &path, "b", &[("items[0][id]", "si_none")]).await, "items[0][id]");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_waits_for_its_money_and_is_dropped_without_it() {
    let (stripe, price, ann) = start_stripe();
    let product = stripe.add_product("Premium", &[]);
    let premium = stripe.add_price(&product, 900, "usd", Some(Interval::Month));
    let sub = stripe.subscribe(&ann, &price);
    let path = format!("/v1/subscriptions/{sub}");
    let item = stripe.object(&sub)["items"]["data"][0]["id"].as_str().unwrap().to_owned();
    let change = |to| {
        let behaviour = [("payment_behavior", "pending_if_incomplete"), ("proration_behavior", "always_invoice")];
        [("items[0][id]", item.as_str()), ("items[0][price]", to), behaviour[0], behaviour[1]]
    };
    let more = [&change(&premium)[..], &[("metadata[a]", "b")]].concat();
    assert_eq!(refusal(&stripe, &path, "more", &more).await, "metadata[a]");
    stripe.set_card_works(&sub, false);
    let waiting = post(&stripe, &path, "a", &wire::form(&change(&premium))).await.json();
    assert!(waiting["pending_update"]["expires_at"].is_i64(), "{waiting}");
    assert_eq!((waiting["status"].as_str().unwrap(), prices(&stripe, &sub).await), ("active", vec![price.clone()]));
    tokio::time::sleep(DAY).await;
    assert_eq!(stripe.object(&sub)["pending_update"], Value::Null);
    assert_eq!(prices(&stripe, &sub).await, [price]);
    post(&stripe, &path, "b", &wire::form(&change(&premium))).await;
    stripe.retry_succeeds(&sub);
    assert_eq!(
        (stripe.object(&sub)["pending_update"].clone(), prices(&stripe, &sub).await),
        (Value::Null, vec![premium])
    );
    let paid = stripe.object(stripe.object(&sub)["latest_invoice"].as_str().unwrap());
    assert!((300..=400).contains(&paid["amount_paid"].as_i64().unwrap()), "{paid}");
}

#[tokio::test(start_paused = true)]
async fn a_feature_reaches_who_has_its_product_with_their_next_period() {
    let (stripe, price, ann) = start_stripe();
    let product = stripe.object(&price)["product"].as_str().unwrap().to_owned();
    let sub = stripe.subscribe(&ann, &price);
    let path = format!("/v1/entitlements/active_entitlements?customer={ann}&limit=100");
    let told = || {
        let such = |event: &&Value| event["type"] == "entitlements.active_entitlement_summary.updated";
        stripe.events().iter().filter(such).map(|event| event["data"]["object"].clone()).collect::<Vec<_>>()
    };
    tokio::time::sleep(DAY).await;
    stripe.attach_feature(&product, "plus");
    assert_eq!((ids(&stripe, &path).await.len(), told().len()), (0, 0));
    tokio::time::sleep(DAY).await;
    stripe.renew(&sub);
    assert_eq!(get(&stripe, &path).await.json()["data"][0]["lookup_key"], "plus");
    assert_eq!(told().len(), 1);
    assert!(told()[0]["customer"] == ann.as_str() && told()[0]["id"].is_null(), "{:?}", told());
    stripe.cancel_now(&sub, "cancellation_requested");
    assert_eq!((ids(&stripe, &path).await.len(), told().len()), (0, 2));
    assert_eq!(get(&stripe, "/v1/entitlements/active_entitlements?customer=cus_none").await.status, 404);
}
