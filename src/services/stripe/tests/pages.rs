use serde_json::json;

use super::*;
use crate::{
    facts::{CustomerId, EventId, PriceId, Stated, Status, SubscriptionId},
    services::script::{Answer, Asked, http, lines, serve},
};

type Script = fn(&str) -> Answer;

const JSON: &str = "application/json";

async fn stripe(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (Stripe, Asked) {
    let (base, asked) = serve(move |line, _| answer(line)).await;
    (Stripe::new(http(), Some(base), Secret::new("sk_test_SECRET")), asked)
}

fn sub(id: &str, status: &str) -> Value {
    json!({"id":id,"status":status,"customer":{"id":"cus_A","object":"customer","email":"ann@example.com","livemode":false},
        "created":1700000000,"livemode":false,"items":{"has_more":false,"data":[{"id":"si","price":{"id":"price_A","product":"prod_A"}}]}})
}

fn page(rows: &[Value], has_more: bool) -> Answer {
    (200, JSON, json!({"object":"list","has_more":has_more,"data":rows}).to_string())
}

fn error(status: u16, code: &str) -> Answer {
    (
        status,
        JSON,
        json!({"error":{"type":"invalid_request_error","code":code,"message":"about ann@example.com"}}).to_string(),
    )
}

/// A healthy Stripe: two pages of subscriptions, one of them past due, and
/// one that has ended and another that was never there.
fn healthy(line: &str) -> Answer {
    let (path, query) = line.split_once('?').unwrap_or((line, ""));
    match path {
        "GET /v1/account" => (200, JSON, r#"{"id":"acct_A"}"#.to_owned()),
        "GET /v1/subscriptions" if query.contains("starting_after=sub_2") => page(&[sub("sub_1", "active")], false),
        "GET /v1/subscriptions" => page(&[sub("sub_3", "past_due"), sub("sub_2", "canceled")], true),
        "GET /v1/subscriptions/sub_2" => (200, JSON, sub("sub_2", "canceled").to_string()),
        "GET /v1/invoices" => page(
            &[
                json!({"id":"in_2","status":"open","created":1700000200,"subscription":"sub_3","amount_due":5,"currency":"usd"}),
                json!({"id":"in_1","status":"open","created":1700000100,"subscription":"sub_3","amount_due":5,"currency":"usd"}),
            ],
            false,
        ),
        "GET /v1/products" => {
            page(&[json!({"id":"prod_A","name":"Films","metadata":{"usher_libraries":"Films"}})], false)
        }
        "GET /v1/prices" => {
            let id = if query.contains("active=false") { "price_old" } else { "price_A" };
            page(&[json!({"id":id,"type":"recurring","recurring":{},"product":"prod_A"})], false)
        }
        "GET /v1/events" if query.contains("ending_before=evt_1") => {
            let refund = json!({"id":"evt_2","type":"charge.refunded","created":1700000300,"data":{"object":{"id":"ch_A","customer":"cus_A"}}});
            page(&[json!({"id":"evt_3","type":"invoice.paid"}), refund], true)
        }
        "GET /v1/events" if query.contains("ending_before=evt_3") => page(
            &[
                json!({"id":"evt_5","type":"charge.dispute.created","created":1700000400,"data":{"object":{"id":"dp_A","charge":"ch_B"}}}),
            ],
            false,
        ),
        "GET /v1/events" => page(&[json!({"id":"evt_5"})], true),
        "GET /v1/charges/ch_B" => (200, JSON, r#"{"id":"ch_B","customer":"cus_B"}"#.to_owned()),
        _ => error(404, "resource_missing"),
    }
}

fn running() -> BTreeSet<SubscriptionId> {
    ["sub_1", "sub_2", "sub_9"].map(SubscriptionId::from).into()
}

#[tokio::test(start_paused = true)]
async fn everything_to_the_last_page() {
    let (stripe, asked) = stripe(healthy).await;
    let (billing, skew) = stripe.billing(Some(&EventId::from("evt_1")), &running()).await.unwrap();
    assert_eq!((billing.account.unwrap().as_str(), billing.livemode_fits, skew), ("acct_A", true, Some(7)));
    assert_eq!((billing.subscriptions.len(), billing.customers.len()), (3, 1));
    let invoices = billing.subscriptions[&SubscriptionId::from("sub_3")].open_invoices.clone().unwrap();
    assert_eq!(invoices.iter().map(|invoice| invoice.id.as_str()).collect::<Vec<_>>(), ["in_1", "in_2"]);
    assert_eq!(billing.stated.len(), 2);
    assert_eq!(billing.stated[&SubscriptionId::from("sub_9")], Stated::NotFound);
    assert!(
        matches!(&billing.stated[&SubscriptionId::from("sub_2")], Stated::Is(sub) if sub.status == Status::Canceled)
    );
    let catalogue = billing.catalogue.unwrap();
    assert!(catalogue.prices.contains_key(&PriceId::from("price_old")) && catalogue.prices.len() == 2);
    let moments: Vec<_> =
        billing.moments.iter().map(|moment| (moment.event.as_str(), moment.customer.clone())).collect();
    assert_eq!(moments, [("evt_2", Some(CustomerId::from("cus_A"))), ("evt_5", Some(CustomerId::from("cus_B")))]);
    assert_eq!(billing.cursor, Some(EventId::from("evt_5")));
    assert!(lines(&asked).iter().all(|line| line.starts_with("GET ")));
}

#[tokio::test(start_paused = true)]
async fn prices_are_known_even_where_they_cannot_be_filtered() {
    let refused = |line: &str| {
        if line.contains("/prices?") && line.contains("active=") {
            error(400, "parameter_unknown")
        } else {
            healthy(line)
        }
    };
    let (stripe, _) = stripe(refused).await;
    let (billing, _) = stripe.billing(None, &BTreeSet::new()).await.unwrap();
    assert!(billing.catalogue.unwrap().prices.contains_key(&PriceId::from("price_A")));
}

#[tokio::test(start_paused = true)]
async fn the_first_time_only_the_cursor_is_taken() {
    let (stripe, _) = stripe(healthy).await;
    let (billing, _) = stripe.billing(None, &BTreeSet::new()).await.unwrap();
    assert_eq!((billing.moments.len(), billing.cursor), (0, Some(EventId::from("evt_5"))));
}

#[tokio::test(start_paused = true)]
async fn promise_02_pages_that_lie_fail_the_reading() {
    let repeated = |line: &str| {
        if line.contains("starting_after=sub_2") { page(&[sub("sub_2", "canceled")], false) } else { healthy(line) }
    };
    let empty = |line: &str| if line.contains("starting_after=sub_2") { page(&[], true) } else { healthy(line) };
    let circle = |line: &str| {
        if line.contains("/subscriptions?") {
            page(&[sub("sub_3", "active"), sub("sub_2", "active")], true)
        } else {
            healthy(line)
        }
    };
    let html = |line: &str| {
        if line.contains("/subscriptions?") { (200, "text/html", "<html/>".to_owned()) } else { healthy(line) }
    };
    let shapeless =
        |line: &str| if line.contains("/subscriptions?") { (200, JSON, "{}".to_owned()) } else { healthy(line) };
    let faults: [(Script, FailureKind); 5] = [
        (repeated, FailureKind::Partial),
        (empty, FailureKind::Partial),
        (circle, FailureKind::Partial),
        (html, FailureKind::Unreachable),
        (shapeless, FailureKind::Nonsense),
    ];
    for (answer, kind) in faults {
        let (stripe, _) = stripe(answer).await;
        assert_eq!(stripe.billing(None, &BTreeSet::new()).await.unwrap_err().kind, kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restricted_key_reads_what_it_may() {
    let restricted = |line: &str| {
        let denied =
            ["account", "products", "invoices", "events"].iter().any(|what| line.contains(&format!("/v1/{what}")));
        if denied { error(403, "permission") } else { healthy(line) }
    };
    let (stripe, _) = stripe(restricted).await;
    let (billing, _) = stripe.billing(Some(&EventId::from("evt_1")), &BTreeSet::new()).await.unwrap();
    assert!(billing.account.is_none() && billing.catalogue.is_none() && billing.moments.is_empty());
    assert_eq!(billing.cursor, Some(EventId::from("evt_1")));
    assert_eq!(billing.subscriptions[&SubscriptionId::from("sub_3")].open_invoices, None);
}

/// Ann pays with a discount that only a call of its own tells.
fn discounted(line: &str) -> Answer {
    let mut one = sub("sub_1", "active");
    one["items"]["data"][0]["discounts"] = json!(["di_A"]);
    match line.split('?').next().unwrap() {
        "GET /v1/subscriptions" => page(&[one], false),
        _ => healthy(line),
    }
}

#[tokio::test(start_paused = true)]
async fn promise_04_what_only_reports_and_refunds_need_keeps_nobody_outside() {
    let evt = |id: &str| Some(EventId::from(id));
    // Which call fails, and where the next reading of events begins.
    for (broken, cursor) in [
        ("/v1/events", evt("evt_1")),
        ("/v1/charges/ch_A", evt("evt_1")),
        ("/v1/charges/ch_B", evt("evt_3")),
        ("/v1/subscriptions/sub_1", evt("evt_5")),
    ] {
        let sick = move |line: &str| if line.contains(broken) { error(500, "api_error") } else { discounted(line) };
        let (stripe, asked) = stripe(sick).await;
        let (billing, _) = stripe.billing(evt("evt_1").as_ref(), &BTreeSet::new()).await.expect(broken);
        assert!(lines(&asked).iter().any(|line| line.contains(broken)), "{broken} was asked");
        assert_eq!((billing.subscriptions.len(), billing.cursor), (1, cursor), "{broken}");
        let before_it = usize::from(broken.ends_with("ch_B")) + 2 * usize::from(broken.ends_with("sub_1"));
        assert_eq!(billing.moments.len(), before_it, "{broken}");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_of_the_other_mode_are_noticed() {
    let mixed = |line: &str| {
        let (status, kind, body) = healthy(line);
        (status, kind, body.replacen("\"livemode\":false", "\"livemode\":true", 1))
    };
    let (stripe, _) = stripe(mixed).await;
    assert!(!stripe.billing(None, &BTreeSet::new()).await.unwrap().0.livemode_fits);
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_to_do_and_no_address() {
    for (status, kind, word) in [
        (401, FailureKind::Unauthorized, "STRIPE_SECRET_KEY is refused"),
        (403, FailureKind::Forbidden, "lacks the right"),
        (400, FailureKind::Refused, "invalid_request_error"),
        (429, FailureKind::RateLimited, "lock_timeout"),
        (409, FailureKind::RateLimited, "lock_timeout"),
    ] {
        let (stripe, _) = stripe(move |_| error(status, "lock_timeout")).await;
        let failure = stripe.list("/v1/subscriptions", &vec![]).await.unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(failure.why.contains(word) && !failure.why.contains("ann@"), "{}", failure.why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_is_all_about_one_customer() {
    let one = |line: &str| match line.split('?').next().unwrap() {
        "GET /v1/customers/cus_A" => (200, JSON, r#"{"id":"cus_A","object":"customer","deleted":true}"#.to_owned()),
        "GET /v1/subscriptions" => page(&[sub("sub_1", "past_due")], false),
        _ => healthy(line),
    };
    let (stripe, asked) = stripe(one).await;
    let look = stripe.customer(&CustomerId::from("cus_A")).await.unwrap();
    assert!(look.customer.unwrap().deleted);
    assert_eq!(look.subscriptions.len(), 1);
    assert!(asked.lock().unwrap()[1].0.contains("customer=cus_A&status=all"));
    let unknown = stripe.customer(&CustomerId::from("cus_X")).await.unwrap();
    assert!(unknown.customer.is_none() && unknown.subscriptions.is_empty());
}
