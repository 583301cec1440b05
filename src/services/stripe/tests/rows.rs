use serde_json::json;

use super::*;
use crate::facts::Moment;

fn at(epoch: i64) -> Option<Moment> {
    Moment::from_timestamp(epoch, 0)
}

/// The contract's sample, basil and later.
fn new_shape() -> Value {
    json!({"id":"sub_A","object":"subscription","status":"active","customer":"cus_A","created":1700000000,"livemode":false,
     "cancel_at":null,"cancel_at_period_end":false,"canceled_at":null,"ended_at":null,
     "cancellation_details":{"reason":null},"trial_end":null,"pause_collection":null,
     "items":{"object":"list","has_more":false,"data":[{"id":"si_A","current_period_end":1702592000,
       "price":{"id":"price_A","product":"prod_A","recurring":{"interval":"month"}}}]}})
}

#[test]
fn both_shapes_say_the_same() {
    let mut old = new_shape();
    old["current_period_end"] = json!(1702592000);
    old["items"]["data"][0].as_object_mut().unwrap().remove("current_period_end");
    old["customer"] = json!({"id":"cus_A","object":"customer","deleted":true});
    old["items"]["data"][0]["price"]["product"] = json!({"id":"prod_A","object":"product"});
    let subscription = subscription(&new_shape()).unwrap();
    assert_eq!(super::subscription(&old), Some(subscription.clone()));
    assert_eq!((subscription.period_end(), subscription.status), (at(1702592000), Status::Active));
    assert_eq!(subscription.items[0].product, Some(ProductId::from("prod_A")));

    let mut plan_only = old.clone();
    plan_only.as_object_mut().unwrap().remove("items");
    plan_only["plan"] = json!({"id":"price_A","product":"prod_A"});
    assert_eq!(super::subscription(&plan_only).unwrap().items, subscription.items);
}

#[test]
fn ends_pauses_and_failed_payments_are_read() {
    let mut row = new_shape();
    row["cancel_at"] = json!(1703000000);
    row["pause_collection"] = json!({"behavior":"void","resumes_at":null});
    row["cancellation_details"] = json!({"reason":"payment_failed"});
    row["status"] = json!("dozing");
    let read = subscription(&row).unwrap();
    assert_eq!(
        (read.scheduled_end(), read.collection_paused, read.ended_by_failed_payment),
        (at(1703000000), true, true)
    );
    assert_eq!(read.status, Status::Unknown("dozing".to_owned()));
}

#[test]
fn why_and_since_when_it_is_paused_is_read_where_stripe_says_so() {
    let mut row = new_shape();
    row["status"] = json!("paused");
    assert_eq!(subscription(&row).unwrap().paused, PausedSaid::default());
    for shape in
        [json!(null), json!({"paused": null}), json!({"paused": {"type": "subscription", "subscription": null}})]
    {
        row["status_details"] = shape;
        assert_eq!(subscription(&row).unwrap().paused, PausedSaid::default());
    }
    row["status_details"] = json!({"paused": {"type": "subscription", "transitioned_at": 1703000000,
        "subscription": {"type": "pause_requested"}}});
    let paused = PausedSaid { cause: Some("pause_requested".to_owned()), since: at(1703000000) };
    assert_eq!(subscription(&row).unwrap().paused, paused);
}

#[test]
fn a_trial_offer_leaves_the_product_as_it_is() {
    let mut row = new_shape();
    row["items"]["data"][0]["current_trial"] =
        json!({"trial_offer": "to_A", "start_date": 1700000000, "end_date": 1702592000});
    row["items"]["data"][0]["price"]["id"] = json!("price_offer");
    let read = subscription(&row).unwrap();
    assert_eq!(read.items[0].product, Some(ProductId::from("prod_A")));
}

#[test]
fn an_account_may_be_the_customer() {
    let mut row = new_shape();
    row["customer"] = json!(null);
    assert_eq!(subscription(&row), None);
    row["customer_account"] = json!("acct_C");
    assert_eq!(subscription(&row).unwrap().customer, CustomerId::from("acct_C"));
}

#[test]
fn the_account_of_a_sign_in_is_read_and_what_is_no_account_says_nothing() {
    let signed_in = |metadata: Value| {
        let row = json!({"id":"sub_A","customer":"cus_A","status":"active","created":1700000000,"metadata":metadata,
            "items":{"data":[{"price":{"id":"price_A"}}]}});
        subscription(&row).unwrap().signed_in
    };
    let ann = SignedIn { account: PlexId(2_000_001), email: Email::parse("ann@example.com") };
    let both = json!({"usher_plex_account":"2000001","usher_plex_email":"Ann@Example.com","plex":"bob"});
    assert_eq!(signed_in(both), Some(ann.clone()));
    let without = json!({"usher_plex_account":"2000001","usher_plex_email":"ann"});
    assert_eq!(signed_in(without), Some(SignedIn { email: None, ..ann }));
    for odd in ["ann", "", "0", "-7", "20000010000000000000000", "2000001 2000002"] {
        assert_eq!(signed_in(json!({"usher_plex_account":odd,"usher_plex_email":"ann@example.com"})), None, "{odd}");
    }
    assert_eq!(signed_in(json!({"plex":"2000001","plex_account":"2000001","member":"2000001"})), None, "typed");
}

#[test]
fn invoices_name_their_subscription_in_both_shapes() {
    let new = json!({"id":"in_A","status":"open","created":1700000000,"status_transitions":{"finalized_at":1700003600},
        "due_date":null,"next_payment_attempt":1700090000,"hosted_invoice_url":"https://pay","amount_due":500,"currency":"USD",
        "parent":{"subscription_details":{"subscription":"sub_A"}}});
    let (of, invoice) = invoice(&new).unwrap();
    assert_eq!((of, invoice.opened_at), (Some(SubscriptionId::from("sub_A")), at(1700003600).unwrap()));
    assert_eq!((invoice.amount_due, invoice.currency.as_str(), invoice.due_at), (500, "usd", None));
    let old = json!({"id":"in_B","created":1700000000,"subscription":{"id":"sub_B"},"parent":null});
    let (of, invoice) = super::invoice(&old).unwrap();
    assert_eq!((of, invoice.opened_at), (Some(SubscriptionId::from("sub_B")), at(1700000000).unwrap()));
}

#[test]
fn the_mode_is_looked_at_in_the_object_and_its_customer() {
    let row = json!({"livemode":true,"customer":{"livemode":false}});
    assert!(!fits(&row, true) && !fits(&row, false));
    assert!(fits(&json!({"livemode":true,"customer":"cus_A"}), true) && fits(&json!({}), true));
}

#[test]
fn only_recurring_prices_count() {
    assert_eq!(price(&json!({"id":"price_A","type":"one_time","recurring":null,"product":"prod_A"})), Some(None));
    let recurring = json!({"id":"price_A","type":"recurring","recurring":{"interval":"year","interval_count":2},
        "product":"prod_A","currency":"EUR","unit_amount":1999,"active":false});
    let (id, product, tag) = price(&recurring).unwrap().unwrap();
    assert_eq!((id, product), (PriceId::from("price_A"), ProductId::from("prod_A")));
    assert_eq!((tag.active, tag.words().as_str()), (false, "19.99 EUR every 2 years"));
    assert!(!tag.metered);
    let by_use = json!({"id":"price_A","recurring":{"interval":"month","usage_type":"metered"},"product":"prod_A"});
    assert!(price(&by_use).unwrap().unwrap().2.metered);
    let sub_cent = json!({"id":"price_A","recurring":{"interval":"month"},"product":"prod_A","unit_amount":null});
    assert_eq!(price(&sub_cent).unwrap().unwrap().2.amount, None);
}
