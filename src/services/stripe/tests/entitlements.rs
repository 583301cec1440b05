use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::{
    secret::Secret,
    services::script::{Answer, Asked, http, lines, serve},
};

const JSON: &str = "application/json";

fn page(rows: &[Value], has_more: bool) -> Answer {
    (200, JSON, json!({"object":"list","has_more":has_more,"data":rows}).to_string())
}

fn entitlement(id: &str, key: &str) -> Value {
    json!({"id":id,"object":"entitlements.active_entitlement","feature":"feat_1","lookup_key":key,"livemode":false})
}

/// An account with so many running subscribers, and one whose is over, that
/// answers so about what they are entitled to.
async fn house(many: usize, answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (Stripe, Asked, Billing) {
    let sub = |n: usize, status: &str| {
        json!({"id":format!("sub_{n:02}"),"status":status,"customer":{"id":format!("cus_{n:02}"),"livemode":false},
            "created":1_700_000_000,"livemode":false,
            "items":{"has_more":false,"data":[{"id":"si","price":{"id":"price_A","product":"prod_A"}}]}})
    };
    let mut rows: Vec<Value> = (0..many).map(|n| sub(n, "active")).collect();
    rows.push(sub(99, "canceled"));
    let (base, asked) = serve(move |line, _| match line.split_once('?').unwrap_or((line, "")) {
        ("GET /v1/account", _) => (200, JSON, r#"{"id":"acct_A"}"#.to_owned()),
        ("GET /v1/subscriptions", _) => page(&rows, false),
        ("GET /v1/entitlements/active_entitlements", query) => answer(query),
        _ => page(&[], false),
    })
    .await;
    let stripe = Stripe::new(http(), Some(base), Secret::new("sk_test_SECRET"));
    let (billing, _) = stripe.billing(None, &BTreeSet::new()).await.unwrap();
    (stripe, asked, billing)
}

fn asked_about(asked: &Asked) -> usize {
    lines(asked).iter().filter(|line| line.contains("active_entitlements")).count()
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_what_a_customer_is_entitled_to() {
    let (stripe, _, billing) = house(1, |query| {
        assert!(query.contains("customer=cus_00") && query.contains("limit=100"), "{query}");
        match query.contains("starting_after=ent_1") {
            true => {
                let feature = json!({"id":"feat_2","lookup_key":"four-k"});
                page(&[json!({"id":"ent_2","feature":feature,"livemode":false})], false)
            }
            false => page(&[entitlement("ent_1", "plus")], true),
        }
    })
    .await;
    let looks = stripe.entitled(&billing, &BTreeMap::new()).await;
    assert_eq!(looks.len(), 1, "whose subscription is over isn't asked about");
    assert_eq!(looks[&CustomerId::from("cus_00")].keys, Ok(["four-k", "plus"].map(str::to_owned).into()));
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_and_one_of_the_other_mode_are_not_known() {
    let live = json!({"id":"ent_1","lookup_key":"plus","livemode":true});
    for row in [json!({"id":"ent_1","feature":"feat_1","livemode":false}), live] {
        let (stripe, _, _) = house(1, move |_| page(std::slice::from_ref(&row), false)).await;
        assert!(stripe.entitlement_look(&CustomerId::from("cus_00")).await.keys.is_err());
    }
    let (stripe, _, _) = house(1, |_| page(&[], true)).await;
    assert!(stripe.entitlement_look(&CustomerId::from("cus_00")).await.keys.is_err(), "more, but nothing shown");
}

#[tokio::test(start_paused = true)]
async fn few_are_asked_about_at_a_time_new_ones_first_and_then_who_waits_longest() {
    let (stripe, asked, billing) = house(30, |_| page(&[], false)).await;
    let now = stripe.http.now();
    let mut due: BTreeMap<CustomerId, Moment> = BTreeMap::new();
    for n in 0..20 {
        due.insert(CustomerId(format!("cus_{n:02}")), now - TimeDelta::minutes(n));
    }
    due.insert(CustomerId::from("cus_20"), now + TimeDelta::minutes(1));
    let looks = stripe.entitled(&billing, &due).await;
    assert_eq!((looks.len(), asked_about(&asked)), (ASKED_MAX, ASKED_MAX));
    let has = |n: usize| looks.contains_key(&CustomerId(format!("cus_{n:02}")));
    assert!((21..30).all(has) && (9..20).all(has) && !has(20) && !has(0));
}

#[tokio::test(start_paused = true)]
async fn what_would_meet_the_next_one_too_ends_the_asking() {
    for (status, asked_then) in [(403, 1), (500, 1), (404, 5)] {
        let (stripe, asked, billing) = house(5, move |_| (status, JSON, "{}".to_owned())).await;
        let looks = stripe.entitled(&billing, &BTreeMap::new()).await;
        assert_eq!((looks.len(), asked_about(&asked)), (asked_then, asked_then), "{status}");
        assert!(looks.values().all(|look| look.keys.is_err()));
    }
}
