//! Records as Stripe's JSON, in the old shape or the new one, and expansion.

use serde_json::{Map, Value, json};

use super::{account::Account, query::Fail, records::*};

/// The API version that the sandbox speaks in its new shape.
const VERSION_NEW: &str = "2026-07-29.dahlia";
/// And in its old one.
const VERSION_OLD: &str = "2024-06-20";
/// "You cannot expand more than 4 levels of a property", `data` included.
const LEVELS_MAX: usize = 4;

/// Properties that exist only when asked for, and that nobody has here.
const INCLUDABLE: [&str; 5] = ["applies_to", "tiers", "currency_options", "payments", "subscriptions"];

/// An object by its id, unexpanded.
pub(super) fn object(account: &Account, shape: Shape, id: &str) -> Option<Value> {
    let (prefix, _) = id.split_once('_')?;
    match prefix {
        "sub" => account.sub(id).map(|sub| subscription(account, shape, sub)),
        "cus" => account.customers.iter().find(|o| o.id == id).map(|o| customer(account, o)),
        "in" => account.invoices.iter().find(|o| o.id == id).map(|o| invoice(account, shape, o)),
        "prod" => account.products.iter().find(|o| o.id == id).map(|o| product(account, o)),
        "price" => account.price(id).map(|o| price(account, o)),
        "ch" => account.charges.iter().find(|o| o.id == id).map(|o| charge(account, shape, o)),
        "pi" => account.charges.iter().find(|o| o.payment_intent == id).map(|o| payment_intent(account, shape, o)),
        "re" => account.refunds.iter().find(|o| o.id == id).map(refund),
        "dp" => account.disputes.iter().find(|o| o.id == id).map(|o| dispute(account, o)),
        "co" => account.coupons.iter().find(|o| o.id == id).map(|o| coupon(account, o)),
        "di" => account.discounts.iter().find(|o| o.id == id).map(|o| discount(account, shape, o)),
        "issfr" => account.fraud_warnings.iter().find(|o| o.id == id).map(|o| fraud_warning(account, o)),
        "cs" => account.sessions.iter().find(|o| o.id == id).map(|o| session(account, o)),
        "evt" => account.events.iter().find(|o| o.id == id).map(|o| told_now(account, &o.body)),
        _ => None,
    }
}

/// The values of `before` that `after` has otherwise.
pub(super) fn difference(before: &Value, after: &Value) -> Value {
    let mut changed = Map::new();
    for (key, old) in before.as_object().into_iter().flatten() {
        if after.get(key) != Some(old) {
            changed.insert(key.clone(), old.clone());
        }
    }
    Value::Object(changed)
}

pub(super) fn event(account: &Account, id: &str, at: i64, kind: &str, object: Value, previous: Option<Value>) -> Value {
    let mut data = json!({"object": object});
    if let Some(previous) = previous {
        data["previous_attributes"] = previous;
    }
    json!({
        "id": id, "object": "event", "api_version": version(account.event_shape), "created": at, "type": kind,
        "livemode": account.is_live(), "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "data": data
    })
}

/// An event says the mode of its account, as every object does: also one that was
/// told while objects said another.
pub(super) fn told_now(account: &Account, event: &Value) -> Value {
    let mut event = event.clone();
    event["livemode"] = account.is_live().into();
    event
}

pub(super) fn version(shape: Shape) -> &'static str {
    match shape {
        Shape::Old => VERSION_OLD,
        Shape::New => VERSION_NEW,
    }
}

pub(super) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({"object": "list", "url": url, "has_more": has_more, "data": data})
}

fn subscription(account: &Account, shape: Shape, sub: &Sub) -> Value {
    let data = sub.items.iter().map(|item| {
        let full = account.price(&item.price).map(|p| price(account, p)).unwrap_or_default();
        let mut value = json!({
            "id": item.id, "object": "subscription_item", "created": sub.created, "metadata": {},
            "subscription": sub.id, "quantity": item.quantity, "discounts": item.discounts, "price": full
        });
        if shape == Shape::New {
            value["current_period_start"] = json!(sub.period_start);
            value["current_period_end"] = json!(sub.period_end);
        }
        value
    });
    let first = sub.items.first().and_then(|item| account.price(&item.price));
    let sends = sub.days_until_due.is_some();
    let url = format!("/v1/subscription_items?subscription={}", sub.id);
    let mut value = json!({
        "id": sub.id, "object": "subscription", "status": sub.status.as_str(), "customer": sub.customer,
        "currency": first.map_or("usd", |p| p.currency.as_str()), "created": sub.created,
        "start_date": sub.created, "livemode": account.is_live(), "billing_cycle_anchor": sub.anchor,
        "cancel_at": sub.cancel_at, "cancel_at_period_end": sub.cancel_at_period_end,
        "canceled_at": sub.canceled_at, "ended_at": sub.ended_at,
        "cancellation_details": {"reason": sub.reason, "feedback": null, "comment": sub.comment},
        "trial_start": sub.trial_start, "trial_end": sub.trial_end,
        "pause_collection": sub.pause.as_ref().map(|p| json!({"behavior": p.behavior, "resumes_at": p.resumes_at})),
        "pending_update": sub.pending.as_ref().map(pending_update),
        "collection_method": if sends { "send_invoice" } else { "charge_automatically" },
        "days_until_due": sub.days_until_due, "latest_invoice": sub.latest_invoice, "metadata": sub.metadata,
        "schedule": null, "test_clock": null, "discounts": sub.discounts,
        "default_payment_method": sub.without_card.is_none().then_some("pm_S000001"), "default_source": null,
        "trial_settings": {"end_behavior": {"missing_payment_method":
            sub.without_card.as_deref().unwrap_or("create_invoice")}},
        "items": list(&url, data.collect(), false)
    });
    if account.tells_pauses {
        let details = |(by, since): &(PausedBy, i64)| {
            json!({"paused": {"type": "subscription", "transitioned_at": since,
                "subscription": {"type": by.as_str()}}})
        };
        value["status_details"] = json!(sub.paused.as_ref().map(details));
    }
    match shape {
        Shape::New => {
            value["billing_mode"] = json!({"type": "flexible"});
            value["customer_account"] = Value::Null;
        }
        Shape::Old => {
            value["current_period_start"] = json!(sub.period_start);
            value["current_period_end"] = json!(sub.period_end);
            let on_top = sub.discounts.first().and_then(|id| object(account, shape, id));
            value["discount"] = on_top.unwrap_or_default();
            value["plan"] = first.map_or(Value::Null, |p| {
                json!({"id": p.id, "object": "plan", "amount": p.unit_amount, "currency": p.currency,
                    "interval": p.interval.map(Interval::as_str), "interval_count": p.interval_count,
                    "product": p.product})
            });
        }
    }
    value
}

fn pending_update(pending: &Pending) -> Value {
    let item = |item: &Item| json!({"id": item.id, "price": item.price, "quantity": item.quantity});
    json!({
        "billing_cycle_anchor": null, "expires_at": pending.expires_at, "trial_end": null, "trial_from_plan": null,
        "subscription_items": pending.items.iter().map(item).collect::<Vec<_>>()
    })
}

fn coupon(account: &Account, coupon: &Coupon) -> Value {
    json!({
        "id": coupon.id, "object": "coupon", "percent_off": coupon.percent_off, "amount_off": null, "currency": null,
        "duration": coupon.duration, "duration_in_months": (coupon.duration == "repeating").then_some(3),
        "valid": true, "created": coupon.created, "livemode": account.is_live(), "metadata": {}
    })
}

/// Before clover the coupon stood inside; since then behind its source.
fn discount(account: &Account, shape: Shape, discount: &Discount) -> Value {
    let mut value = json!({
        "id": discount.id, "object": "discount", "subscription": discount.subscription, "start": discount.created,
        "end": null, "promotion_code": null
    });
    match shape {
        Shape::New => value["source"] = json!({"type": "coupon", "coupon": discount.coupon}),
        Shape::Old => value["coupon"] = object(account, shape, &discount.coupon).unwrap_or_default(),
    }
    value
}

pub(super) fn customer(account: &Account, customer: &Customer) -> Value {
    if customer.deleted {
        return json!({"id": customer.id, "object": "customer", "deleted": true});
    }
    json!({
        "id": customer.id, "object": "customer", "email": customer.email, "name": customer.name,
        "created": customer.created, "livemode": account.is_live(), "metadata": customer.metadata,
        "invoice_settings": {"default_payment_method": null}, "default_source": null,
        "delinquent": false, "description": null, "currency": "usd", "balance": 0
    })
}

pub(super) fn product(account: &Account, product: &Product) -> Value {
    json!({
        "id": product.id, "object": "product", "name": product.name, "active": product.active,
        "created": product.created, "updated": product.created, "livemode": account.is_live(),
        "metadata": product.metadata, "default_price": null, "description": null, "marketing_features": [],
        "type": "service"
    })
}

pub(super) fn price(account: &Account, price: &Price) -> Value {
    let recurring = price.interval.map(|interval| {
        json!({"interval": interval.as_str(), "interval_count": price.interval_count,
            "usage_type": "licensed", "meter": null, "trial_period_days": null})
    });
    json!({
        "id": price.id, "object": "price", "product": price.product, "currency": price.currency,
        "type": if price.interval.is_some() { "recurring" } else { "one_time" }, "active": price.active,
        "billing_scheme": "per_unit", "unit_amount": price.unit_amount,
        "unit_amount_decimal": price.unit_amount.to_string(), "recurring": recurring, "created": price.created,
        "livemode": account.is_live(), "metadata": price.metadata, "lookup_key": null, "nickname": null,
        "tiers_mode": null, "transform_quantity": null
    })
}

pub(super) fn invoice(account: &Account, shape: Shape, invoice: &Invoice) -> Value {
    let paid = invoice.status == "paid";
    let charge = invoice.charge.as_ref().and_then(|id| account.charges.iter().find(|c| c.id == *id));
    let metadata = account.sub(&invoice.subscription).map(|sub| sub.metadata.clone()).unwrap_or_default();
    let product = account.price(&invoice.price).map(|p| p.product.clone());
    let page = invoice.finalized_at.map(|_| format!("https://invoice.stripe.com/i/{}", invoice.id));
    let mut line = json!({
        "id": format!("il_{}", invoice.id), "object": "line_item", "amount": invoice.amount,
        "currency": invoice.currency, "quantity": 1, "period": {"start": invoice.period.0, "end": invoice.period.1}
    });
    match shape {
        Shape::New => {
            line["pricing"] = json!({"type": "price_details",
            "price_details": {"price": invoice.price, "product": product}})
        }
        Shape::Old => line["price"] = account.price(&invoice.price).map(|p| price(account, p)).unwrap_or_default(),
    }
    let mut value = json!({
        "id": invoice.id, "object": "invoice", "status": invoice.status, "customer": invoice.customer,
        "currency": invoice.currency, "created": invoice.created, "livemode": account.is_live(),
        "amount_due": invoice.amount, "amount_paid": if paid { invoice.amount } else { 0 },
        "amount_remaining": if paid { 0 } else { invoice.amount }, "total": invoice.amount,
        "attempt_count": invoice.attempt_count, "attempted": invoice.attempt_count > 0,
        "next_payment_attempt": invoice.next_payment_attempt, "hosted_invoice_url": page,
        "billing_reason": invoice.reason, "due_date": invoice.due_date, "period_start": invoice.period.0,
        "period_end": invoice.period.1, "number": invoice.finalized_at.map(|_| format!("SANDBOX-{}", invoice.id)),
        "collection_method": if invoice.due_date.is_some() { "send_invoice" } else { "charge_automatically" },
        "auto_advance": invoice.finalize_at.is_some() || invoice.next_payment_attempt.is_some(),
        "status_transitions": {"finalized_at": invoice.finalized_at, "paid_at": invoice.paid_at,
            "marked_uncollectible_at": null, "voided_at": null},
        "metadata": {}, "lines": list(&format!("/v1/invoices/{}/lines", invoice.id), vec![line], false)
    });
    match shape {
        Shape::New => {
            value["parent"] = json!({"type": "subscription_details", "quote_details": null,
            "subscription_details": {"subscription": invoice.subscription, "metadata": metadata}})
        }
        Shape::Old => {
            value["subscription"] = json!(invoice.subscription);
            value["subscription_details"] = json!({"metadata": metadata});
            value["paid"] = json!(paid);
            value["paid_out_of_band"] = json!(false);
            value["charge"] = json!(charge.map(|c| &c.id));
            value["payment_intent"] = json!(charge.map(|c| &c.payment_intent));
        }
    }
    value
}

pub(super) fn invoice_payment(account: &Account, charge: &Charge) -> Value {
    json!({
        "id": format!("inpay_{}", charge.id), "object": "invoice_payment", "invoice": charge.invoice,
        "amount_paid": charge.amount, "amount_requested": charge.amount, "currency": charge.currency,
        "created": charge.created, "is_default": true, "livemode": account.is_live(), "status": "paid",
        "payment": {"type": "payment_intent", "payment_intent": charge.payment_intent}
    })
}

fn charge(account: &Account, shape: Shape, charge: &Charge) -> Value {
    let mut value = json!({
        "id": charge.id, "object": "charge", "amount": charge.amount, "amount_refunded": charge.refunded,
        "refunded": charge.refunded >= charge.amount, "disputed": charge.disputed, "currency": charge.currency,
        "customer": charge.customer, "payment_intent": charge.payment_intent, "created": charge.created,
        "livemode": account.is_live(), "status": "succeeded", "paid": true, "captured": true, "metadata": {}
    });
    if shape == Shape::Old {
        value["invoice"] = json!(charge.invoice);
    }
    value
}

fn payment_intent(account: &Account, shape: Shape, charge: &Charge) -> Value {
    let mut value = json!({
        "id": charge.payment_intent, "object": "payment_intent", "amount": charge.amount,
        "currency": charge.currency, "customer": charge.customer, "latest_charge": charge.id,
        "created": charge.created, "livemode": account.is_live(), "status": "succeeded"
    });
    if shape == Shape::Old {
        value["invoice"] = json!(charge.invoice);
    }
    value
}

pub(super) fn refund(claim: &Claim) -> Value {
    json!({
        "id": claim.id, "object": "refund", "amount": claim.amount, "charge": claim.charge,
        "payment_intent": claim.payment_intent, "currency": claim.currency, "created": claim.created,
        "status": claim.status, "reason": claim.reason, "metadata": {}
    })
}

pub(super) fn dispute(account: &Account, claim: &Claim) -> Value {
    json!({
        "id": claim.id, "object": "dispute", "amount": claim.amount, "charge": claim.charge,
        "payment_intent": claim.payment_intent, "currency": claim.currency, "created": claim.created,
        "status": claim.status, "reason": claim.reason, "livemode": account.is_live(), "metadata": {},
        "is_charge_refundable": false,
        "evidence_details": {"due_by": claim.due_by, "has_evidence": false, "past_due": false, "submission_count": 0}
    })
}

fn fraud_warning(account: &Account, claim: &Claim) -> Value {
    json!({
        "id": claim.id, "object": "radar.early_fraud_warning", "actionable": true, "charge": claim.charge,
        "payment_intent": claim.payment_intent, "created": claim.created, "fraud_type": claim.reason,
        "livemode": account.is_live()
    })
}

fn session(account: &Account, session: &Session) -> Value {
    let done = session.subscription.is_some();
    let url = (!done).then(|| format!("https://checkout.stripe.com/c/pay/{}", session.id));
    let email = session.customer.as_ref().and_then(|id| account.customers.iter().find(|c| c.id == *id));
    let email = email.and_then(|c| c.email.clone()).or_else(|| session.customer_email.clone());
    json!({
        "id": session.id, "object": "checkout.session", "mode": "subscription", "url": url,
        "status": if done { "complete" } else { "open" },
        "payment_status": match (done, session.trial_days > 0) {
            (false, _) => "unpaid",
            (true, true) => "no_payment_required",
            (true, false) => "paid",
        },
        "customer": session.customer, "subscription": session.subscription,
        "customer_email": session.customer_email, "customer_details": {"email": email},
        "client_reference_id": session.client_reference_id, "metadata": session.metadata,
        "created": session.created, "expires_at": session.created + 86_400, "livemode": account.is_live(),
        "success_url": session.success_url, "payment_link": null
    })
}

/// Puts objects in the place of ids along `path` (`data.customer`).
pub(super) fn expand(account: &Account, value: &mut Value, path: &str) -> Result<(), Fail> {
    let levels: Vec<&str> = path.split('.').collect();
    if levels.len() > LEVELS_MAX {
        let text = format!("You cannot expand more than {LEVELS_MAX} levels of a property. Property: {path}");
        return Err(Fail::bad("", "expand", &text).never_expected());
    }
    walk(account, value, &levels, path)
}

fn walk(account: &Account, value: &mut Value, levels: &[&str], path: &str) -> Result<(), Fail> {
    if let Value::String(id) = value
        && let Some(full) = object(account, account.shape, id)
    {
        *value = full;
    }
    if let Value::Array(rows) = value {
        return rows.iter_mut().try_for_each(|row| walk(account, row, levels, path));
    }
    let Some((level, rest)) = levels.split_first() else {
        return Ok(());
    };
    if *level == "applies_to"
        && let Some(coupon) = account.coupons.iter().find(|coupon| value["id"] == *coupon.id)
    {
        let limits = (!coupon.products.is_empty()).then(|| json!({"products": coupon.products}));
        value["applies_to"] = json!(limits);
        return Ok(());
    }
    let is_deleted = value.get("deleted").is_some();
    match value {
        Value::Object(map) => match map.get_mut(*level) {
            Some(inner) => walk(account, inner, rest, path),
            None if is_deleted || INCLUDABLE.contains(level) => Ok(()),
            None => {
                let fail = Fail::bad("", "expand", &format!("This property cannot be expanded ({path})."));
                // A client of newer versions finds out so that this one is older.
                Err(if account.shape == Shape::Old { fail } else { fail.never_expected() })
            }
        },
        _ => Ok(()),
    }
}
