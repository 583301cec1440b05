use serde_json::json;

use super::*;
use crate::{
    facts::PlexId,
    secret::Secret,
    services::{
        http::form,
        script::{Answer, Asked, http, live, serve},
    },
};

const JSON: &str = "application/json";

async fn stripe(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (Stripe, Asked) {
    let (base, asked) = serve(move |line, _| answer(line)).await;
    (Stripe::new(http(), Some(base), Secret::new("sk_test_SECRET")), asked)
}

/// The only POST: its path and its parameters, in order.
fn posted(asked: &Asked) -> (String, Vec<(String, String)>) {
    let asked = asked.lock().unwrap();
    let posts: Vec<_> = asked.iter().filter(|(line, _)| line.starts_with("POST ")).collect();
    assert_eq!(posts.len(), 1, "{asked:?}");
    let url = reqwest::Url::parse(&format!("form:/?{}", posts[0].1)).unwrap();
    (posts[0].0.clone(), url.query_pairs().into_owned().collect())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn session() -> Answer {
    (200, JSON, json!({"id":"cs_A","object":"checkout.session","url":"https://checkout.example/cs_A"}).to_string())
}

fn of<'a>(price: &'a PriceId, buyer: Buyer<'a>) -> CheckoutOf<'a> {
    let (member, plex, trial_days) = (None, None, None);
    let success_url = "https://join.example/joined?s={CHECKOUT_SESSION_ID}";
    CheckoutOf {
        price,
        buyer,
        member,
        signed_in: None,
        plex,
        trial_days,
        success_url,
        cancel_url: "https://join.example/plans",
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_customer_goes_to_checkout_as_the_member_they_are() {
    let (stripe, asked) = stripe(|_| session()).await;
    let (price, customer, member) = (PriceId::from("price_A"), CustomerId::from("cus_A"), MemberId::number(42));
    let trial_days = NonZeroU32::new(14);
    let of =
        CheckoutOf { member: Some(&member), plex: Some("ann"), trial_days, ..of(&price, Buyer::Customer(&customer)) };
    let made = stripe.checkout(&live(), of, "key").await.unwrap();
    assert_eq!((made.id.as_str(), made.url.as_str()), ("cs_A", "https://checkout.example/cs_A"));
    let expected = pairs(&[
        ("mode", "subscription"),
        ("line_items[0][price]", "price_A"),
        ("line_items[0][quantity]", "1"),
        ("success_url", "https://join.example/joined?s={CHECKOUT_SESSION_ID}"),
        ("cancel_url", "https://join.example/plans"),
        ("allow_promotion_codes", "true"),
        ("customer", "cus_A"),
        ("client_reference_id", "m-42"),
        ("metadata[member]", "m-42"),
        ("subscription_data[metadata][member]", "m-42"),
        ("metadata[plex]", "ann"),
        ("subscription_data[metadata][plex]", "ann"),
        ("subscription_data[trial_period_days]", "14"),
        ("subscription_data[trial_settings][end_behavior][missing_payment_method]", "cancel"),
    ]);
    assert_eq!(posted(&asked), ("POST /v1/checkout/sessions".to_owned(), expected));
}

#[tokio::test(start_paused = true)]
async fn who_signed_in_is_written_where_only_a_secret_key_writes() {
    let (stripe, asked) = stripe(|_| session()).await;
    let (price, email) = (PriceId::from("price_A"), Email::parse("ann@example.com").unwrap());
    let mut ann = SignedIn { account: PlexId(2_000_001), email: Some(email) };
    for with_email in [true, false] {
        ann.email = ann.email.filter(|_| with_email);
        let of = CheckoutOf { signed_in: Some(&ann), ..of(&price, Buyer::Stranger) };
        stripe.checkout(&live(), of, "key").await.unwrap();
        let (_, form) = posted(&asked);
        asked.lock().unwrap().clear();
        let written: Vec<_> = form.into_iter().filter(|(name, _)| name.contains("metadata")).collect();
        let mut expected = pairs(&[
            ("metadata[usher_plex_account]", "2000001"),
            ("subscription_data[metadata][usher_plex_account]", "2000001"),
        ]);
        if with_email {
            expected.extend(pairs(&[
                ("metadata[usher_plex_email]", "ann@example.com"),
                ("subscription_data[metadata][usher_plex_email]", "ann@example.com"),
            ]));
        }
        assert_eq!(written, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_leaves_no_name_and_an_address_never_stands_beside_a_customer() {
    let price = PriceId::from("price_A");
    let email = Email::parse("ann@example.com").unwrap();
    for (buyer, extra) in [(Buyer::Stranger, None), (Buyer::Email(&email), Some(("customer_email", "ann@example.com")))]
    {
        let (stripe, asked) = stripe(|_| session()).await;
        stripe.checkout(&live(), of(&price, buyer), "key").await.unwrap();
        let (_, form) = posted(&asked);
        assert_eq!(form.get(6), extra.map(|pair| pairs(&[pair]).remove(0)).as_ref());
        assert_eq!(form.len(), 6 + usize::from(extra.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_portal_that_was_never_set_up_is_said_so() {
    let (answering, asked) = stripe(|_| session()).await;
    let customer = CustomerId::from("cus_A");
    answering.portal(&live(), &customer, Some("https://join.example/"), "key").await.unwrap();
    let expected = pairs(&[("customer", "cus_A"), ("return_url", "https://join.example/")]);
    assert_eq!(posted(&asked), ("POST /v1/billing_portal/sessions".to_owned(), expected));
    let refused = |_: &str| {
        (400, JSON, json!({"error":{"type":"invalid_request_error","message":"No configuration"}}).to_string())
    };
    let (refusing, _) = stripe(refused).await;
    let failure = refusing.portal(&live(), &customer, None, "key").await.unwrap_err();
    assert!(failure.why.contains("customer portal"), "{failure}");
}

fn sub(price: &str, pending: Value) -> Value {
    let item = |id: &str, price: &str| json!({"id":id,"quantity":2,"price":{"id":price}});
    json!({"id":"sub_A","items":{"has_more":false,"data":[item("si_other", "price_other"), item("si_A", price)]},
        "pending_update":pending,"latest_invoice":{"id":"in_A","hosted_invoice_url":"https://invoice.example/in_A"}})
}

fn change<'a>(subscription: &'a SubscriptionId, prices: &'a [PriceId; 2]) -> ChangeOf<'a> {
    ChangeOf { subscription, from: &prices[0], to: &prices[1] }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_names_the_item_and_waits_for_its_payment() {
    let id = SubscriptionId::from("sub_A");
    let prices = ["price_A", "price_B"].map(PriceId::from);
    let waits = |line: &str| {
        let pending = if line.starts_with("POST") { json!({"expires_at":1_700_000_000}) } else { Value::Null };
        (200, JSON, sub("price_A", pending).to_string())
    };
    let (waiting, asked) = stripe(waits).await;
    let changed = waiting.change_price(&live(), change(&id, &prices), "key").await.unwrap();
    let pay_at = Some("https://invoice.example/in_A".to_owned());
    assert_eq!(changed, Changed::WaitsForPayment { pay_at, until: Moment::from_timestamp(1_700_000_000, 0) });
    let expected = pairs(&[
        ("items[0][id]", "si_A"),
        ("items[0][price]", "price_B"),
        ("payment_behavior", "pending_if_incomplete"),
        ("proration_behavior", "always_invoice"),
        ("expand[]", "latest_invoice"),
        ("items[0][quantity]", "2"),
    ]);
    assert_eq!(posted(&asked), ("POST /v1/subscriptions/sub_A".to_owned(), expected));
    let (paid, _) = stripe(|_| (200, JSON, sub("price_A", Value::Null).to_string())).await;
    assert_eq!(paid.change_price(&live(), change(&id, &prices), "key").await.unwrap(), Changed::Done);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_was_made_already_is_not_made_again() {
    let id = SubscriptionId::from("sub_A");
    for (has, outcome) in [("price_B", Ok(Changed::Done)), ("price_C", Err(FailureKind::Refused))] {
        let (stripe, asked) = stripe(move |_| (200, JSON, sub(has, Value::Null).to_string())).await;
        let prices = ["price_A", "price_B"].map(PriceId::from);
        let changed = stripe.change_price(&live(), change(&id, &prices), "key").await;
        assert_eq!(changed.map_err(|failure| failure.kind), outcome);
        assert!(asked.lock().unwrap().iter().all(|(line, _)| line.starts_with("GET ")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_sent_once() {
    let (stripe, asked) = stripe(|_| (200, JSON, json!({"id":"sub_1"}).to_string())).await;
    let id = SubscriptionId::from("sub_1");
    stripe.cancel(&live(), &id, CancelWhen::Now, "key").await.unwrap();
    stripe.cancel(&live(), &id, CancelWhen::PeriodEnd, "key").await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked[0], ("DELETE /v1/subscriptions/sub_1".to_owned(), String::new()));
    assert_eq!(asked[1], ("POST /v1/subscriptions/sub_1".to_owned(), "cancel_at_period_end=true".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_end_is_taken_back_in_the_form_it_was_set() {
    let id = SubscriptionId::from("sub_1");
    for (now, expected) in [
        (
            json!({"id":"sub_1","cancel_at_period_end":true,"cancel_at":null}),
            vec![form([("cancel_at_period_end", "false")])],
        ),
        (json!({"id":"sub_1","cancel_at_period_end":false,"cancel_at":1_800_000_000}), vec![form([("cancel_at", "")])]),
        (json!({"id":"sub_1","cancel_at_period_end":false,"cancel_at":null}), vec![]),
    ] {
        let answer = move |line: &str| {
            let cleared = json!({"id":"sub_1","cancel_at_period_end":false,"cancel_at":null});
            (200, JSON, if line.starts_with("GET") { now.to_string() } else { cleared.to_string() })
        };
        let (stripe, asked) = stripe(answer).await;
        stripe.keep(&live(), &id, "key").await.unwrap();
        let bodies: Vec<String> = asked.lock().unwrap().iter().skip(1).map(|(_, body)| body.clone()).collect();
        assert_eq!(bodies, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn usage_is_told_with_an_identifier_that_counts_once() {
    let (stripe, asked) = stripe(|_| (200, JSON, json!({"object":"billing.meter_event"}).to_string())).await;
    let customer = CustomerId::from("cus_A");
    let of = UsageOf { meter: "streams", customer: &customer, value: 3, identifier: "u-1" };
    stripe.meter_event(&live(), of, "key").await.unwrap();
    let expected = pairs(&[
        ("event_name", "streams"),
        ("payload[stripe_customer_id]", "cus_A"),
        ("payload[value]", "3"),
        ("identifier", "u-1"),
    ]);
    assert_eq!(posted(&asked), ("POST /v1/billing/meter_events".to_owned(), expected));
}
