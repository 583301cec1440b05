use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use sandbox::stripe::*;
use sandbox::{
    base::{Answer, Request, World},
    faults::{Bend, Fault, Matching},
    time::{moment, virtual_clock},
    wire::{self, Reply, call},
};

mod selling;

const START: i64 = 1_790_000_000;
const DAY: Duration = Duration::from_secs(86_400);
const AUTH: (&str, &str) = ("authorization", "Bearer sk_test_sandbox");
const VERSION: (&str, &str) = ("stripe-version", "2026-07-29.dahlia");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn start_stripe() -> (Stripe, String, String) {
    let stripe = Stripe::start(virtual_clock(moment(START)).0);
    let product = stripe.add_product("Basic", &[("usher_tier", "basic")]);
    let price = stripe.add_price(&product, 500, "usd", Some(Interval::Month));
    let ann = stripe.customer("Ann@example.com", "Ann");
    (stripe, price, ann)
}

async fn get(stripe: &Stripe, path: &str) -> Reply {
    call("GET", &format!("{}{path}", stripe.url()), &[AUTH, VERSION], "").await.unwrap()
}

async fn post(stripe: &Stripe, path: &str, key: &str, body: &str) -> Reply {
    let headers = [AUTH, VERSION, FORM, ("idempotency-key", key)];
    call("POST", &format!("{}{path}", stripe.url()), &headers, body).await.unwrap()
}

async fn ids(stripe: &Stripe, path: &str) -> Vec<String> {
    let list = get(stripe, path).await.json();
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    list["data"].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(id).collect()
}

#[test]
fn signatures_fit_the_vectors() {
    let b1: &[u8] = br#"{"id":"evt_A1","object":"event","type":"invoice.paid"}"#;
    let b2 = "{\n  \"id\": \"evt_A2\",\n  \"name\": \"Zo\u{eb} \u{2013} \u{2615}\"\n}".as_bytes();
    let b3 = [b1, b"\n"].concat();
    let (s1, s2, t) = ("whsec_FactSheetAlpha0001", "whsec_FactSheetBravo0002", 1_700_000_000);
    assert_eq!((b1.len(), b2.len(), b3.len()), (54, 46, 55));
    for (secret, body, t, mac) in [
        (s1, b1, t, "02abec381b0316025ae82bba8a52b3c278bb8446c0e271c1e117c35b6539840a"),
        (s2, b1, t, "c19b097137e2006bbc6bd65161d5ec8c3a69d3f8eaf63d17079cdd95398f54a5"),
        (s1, b2, t, "9fe5ca9313f3df0bf459b8e21cc58e57a17a101e28915cf3af93ad762daa93fa"),
        (s1, &b3[..], t, "38eba3e089ed4cda4bd69731c98a1b791bd2369e79a6c3fabaaa76d33df31249"),
        (s1, b1, t - 301, "a41258cb8765e4ad8b1a4ee0e5ef7b52f907ff053abd246e347b8e435c3db66c"),
        (s1, b1, t - 300, "1b43dabdc8f10232dd556b194c371455a8e56000710cf450df6baa5b6623059b"),
        (s1, b1, t + 301, "3f85313dbea3aea2d2d8eae005ab931c44dff0a98e2fb6fcf558c4ccfd8d222e"),
        (&s1[6..], b1, t, "49eb926f6ccbb98ad46d69cd314f06025103173171d9198b7f6509a1ebf91e2c"),
        (s1, b"", t, "05d37f0c99338318b751f58c8aad634180fb2e0ddb8d61f0b303d369414019d7"),
    ] {
        assert_eq!(sign(secret, body, t), format!("t={t},v1={mac}"));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_leave_canceled_ones_out_and_page_by_place() {
    let (stripe, price, ann) = start_stripe();
    let subs: Vec<String> = (0..12).map(|_| stripe.subscribe(&ann, &price)).collect();
    stripe.cancel_now(&subs[10], "cancellation_requested");
    let newest: Vec<String> = subs.iter().rev().cloned().collect();
    assert_eq!(ids(&stripe, "/v1/subscriptions?limit=100").await.len(), 11);
    assert_eq!(ids(&stripe, "/v1/subscriptions?status=all").await, newest[..10]);
    assert_eq!(ids(&stripe, "/v1/subscriptions?status=ended").await, [subs[10].clone()]);
    let path = format!("/v1/subscriptions?status=all&limit=2&starting_after={}", subs[10]);
    let page = get(&stripe, &path).await.json();
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(subs[9]), &json!(true)));
    // A last id that the filter hides still marks its place.
    let hidden = format!("/v1/subscriptions?starting_after={}&limit=1", subs[10]);
    assert_eq!(ids(&stripe, &hidden).await, [subs[9].clone()]);
    let before = format!("/v1/subscriptions?status=all&limit=2&ending_before={}", subs[0]);
    assert_eq!(ids(&stripe, &before).await, [subs[2].clone(), subs[1].clone()]);
    assert_eq!(ids(&stripe, "/v1/customers?email=ann%40example.com").await, Vec::<String>::new());
    assert_eq!(ids(&stripe, "/v1/customers?email=Ann%40example.com").await, [ann]);
    assert_eq!(stripe.unexpected(), Vec::<String>::new());

    stripe.faults().once(Matching::All, Fault::HalfPages);
    assert_eq!(ids(&stripe, "/v1/subscriptions?status=all").await.len(), 5);
    stripe.set_lists_empty(true);
    assert!(ids(&stripe, "/v1/subscriptions?status=all").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn expansion_goes_four_levels_deep_and_both_shapes_are_spoken() {
    let (stripe, price, ann) = start_stripe();
    let sub = stripe.subscribe(&ann, &price);
    let path = "/v1/subscriptions?expand[]=data.customer&expand%5B1%5D=data.latest_invoice";
    let row = get(&stripe, path).await.json()["data"][0].clone();
    assert_eq!(row["customer"]["email"], "Ann@example.com");
    assert_eq!(row["latest_invoice"]["parent"]["subscription_details"]["subscription"], sub);
    assert_eq!(row["items"]["data"][0]["current_period_end"], START + 30 * 86_400);
    assert!(row.get("current_period_end").is_none());
    let one = get(&stripe, &format!("/v1/subscriptions/{sub}?expand[]=items.data.price.product")).await.json();
    assert_eq!(one["items"]["data"][0]["price"]["product"]["metadata"]["usher_tier"], "basic");
    assert_eq!(stripe.unexpected(), Vec::<String>::new());
    let deep = get(&stripe, "/v1/subscriptions?expand[]=data.items.data.price.product").await;
    assert_eq!((deep.status, stripe.unexpected().len()), (400, 1));

    stripe.set_shape(Shape::Old);
    let old = get(&stripe, &format!("/v1/subscriptions/{sub}?expand[]=latest_invoice")).await.json();
    assert_eq!(old["current_period_end"], START + 30 * 86_400);
    assert_eq!(old["latest_invoice"]["subscription"], sub);
}

#[tokio::test(start_paused = true)]
async fn manners_are_asked_for() {
    let (stripe, price, ann) = start_stripe();
    let url = format!("{}/v1/account", stripe.url());
    let no_key = call("GET", &url, &[VERSION], "").await.unwrap();
    assert_eq!((no_key.status, &no_key.json()["error"]["type"]), (401, &json!("invalid_request_error")));
    assert!(no_key.headers.contains_key("request-id"));
    let unknown = get(&stripe, "/v1/customers?nmae=x").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (400, &json!("parameter_unknown")));
    assert_eq!(get(&stripe, "/v1/customers?limit=101").await.status, 400);
    assert_eq!(get(&stripe, "/v1/subscriptions/sub_none").await.json()["error"]["code"], "resource_missing");
    call("GET", &url, &[AUTH], "").await.unwrap();
    let sub = stripe.subscribe(&ann, &price);
    let path = format!("{}/v1/subscriptions/{sub}", stripe.url());
    let headers = [AUTH, VERSION, ("content-type", "application/json"), ("idempotency-key", "j")];
    assert_eq!(call("POST", &path, &headers, "{}").await.unwrap().status, 400);
    let wrongs = stripe.unexpected();
    assert_eq!(wrongs.len(), 4, "{wrongs:?}");

    let path = format!("/v1/subscriptions/{sub}");
    let first = post(&stripe, &path, "k", "cancel_at_period_end=true").await;
    let again = post(&stripe, &path, "k", "cancel_at_period_end=true").await;
    assert_eq!((first.body, again.headers["idempotent-replayed"].to_str().unwrap()), (again.body, "true"));
    let other = post(&stripe, &path, "k", "cancel_at_period_end=false").await;
    assert_eq!((other.status, &other.json()["error"]["type"]), (400, &json!("idempotency_error")));
    // What the caller never heard is found done when asked again with its key.
    stripe.faults().once(Matching::Writes, Fault::EffectThenDrop);
    let target = format!("{}{path}", stripe.url());
    let headers = [AUTH, VERSION, FORM, ("idempotency-key", "u")];
    assert!(call("POST", &target, &headers, "cancel_at=&cancel_at_period_end=false").await.is_err());
    assert_eq!(stripe.scheduled_end(&sub), None);
    assert_eq!(post(&stripe, &path, "u", "cancel_at_period_end=false&cancel_at=").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn time_renews_ends_and_expires() {
    let (stripe, price, ann) = start_stripe();
    let [stays, classic, flexible] = [0; 3].map(|_| stripe.subscribe(&ann, &price));
    let trial = stripe.subscribe_trial(&ann, &price, 14);
    let incomplete = stripe.subscribe_incomplete(&ann, &price);
    stripe.cancel_at_period_end(&classic, CancelForm::Classic);
    stripe.cancel_at_period_end(&flexible, CancelForm::Flexible);
    let seen = stripe.object(&flexible);
    assert_eq!((&seen["cancel_at_period_end"], seen["cancel_at"].is_i64()), (&json!(false), true));
    let end = stripe.period_end(&stays).unwrap();
    tokio::time::sleep(40 * DAY).await;
    assert_eq!(stripe.status(&stays), Some(Status::Active));
    assert!(stripe.period_end(&stays).unwrap() > end + TimeDelta::days(27));
    for sub in [&classic, &flexible] {
        assert_eq!((stripe.status(sub), stripe.ended_at(sub)), (Some(Status::Canceled), Some(end)));
    }
    assert_eq!(stripe.status(&incomplete), Some(Status::IncompleteExpired));
    assert_eq!(stripe.status(&trial), Some(Status::Active));
    assert_eq!(ids(&stripe, &format!("/v1/invoices?subscription={stays}&status=paid")).await.len(), 2);
    let kinds: Vec<Value> = stripe.events().iter().map(|event| event["type"].clone()).collect();
    for kind in ["customer.subscription.trial_will_end", "customer.subscription.deleted", "invoice.paid"] {
        assert!(kinds.contains(&json!(kind)), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_card_is_retried_and_then_given_up() {
    let (stripe, price, ann) = start_stripe();
    let sub = stripe.subscribe(&ann, &price);
    stripe.card_fails(&sub);
    assert_eq!(stripe.status(&sub), Some(Status::PastDue));
    let path = format!("/v1/invoices?subscription={sub}&status=open");
    let open = get(&stripe, &path).await.json()["data"][0].clone();
    assert_eq!((&open["attempt_count"], &open["next_payment_attempt"]), (&json!(1), &json!(START + 3 * 86_400)));
    assert_eq!(open["status_transitions"]["finalized_at"], START);
    stripe.retry_succeeds(&sub);
    assert_eq!(stripe.status(&sub), Some(Status::Active));
    assert!(stripe.refund(&sub, Some(200)).is_some() && stripe.dispute(&sub).is_some());
    stripe.card_fails(&sub);
    tokio::time::sleep(10 * DAY).await;
    assert_eq!(stripe.status(&sub), Some(Status::PastDue));
    assert_eq!(get(&stripe, &path).await.json()["data"][0]["next_payment_attempt"], Value::Null);
    stripe.retries_exhausted(&sub, AfterRetries::Canceled);
    assert_eq!(stripe.object(&sub)["cancellation_details"]["reason"], "payment_failed");
    let canceled = get(&stripe, "/v1/events?types[]=customer.subscription.deleted").await.json();
    assert_eq!(canceled["data"][0]["data"]["object"]["id"], sub);
}

/// A door that refuses the first knock.
struct Door(u32);

impl World for Door {
    fn is_change(&self, _: &Request) -> bool {
        true
    }
    fn answer(&mut self, request: &Request, _: Option<Bend>) -> Answer {
        self.0 += 1;
        let header = request.header("stripe-signature");
        let fits = header == sign("whsec_x", &request.body, request.at.timestamp());
        Answer::status(if !fits {
            400
        } else if self.0 == 1 {
            503
        } else {
            200
        })
    }
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_signed_retried_doubled_and_lost() {
    let (stripe, _, ann) = start_stripe();
    let door = sandbox::base::StandIn::start(stripe.clock().clone(), Door(0));
    stripe.set_endpoint(&format!("{}/webhook/stripe", door.url()), "whsec_x");
    stripe.change_email(&ann, "new@example.com");
    tokio::time::sleep(Duration::from_secs(70)).await;
    let statuses: Vec<_> = stripe.deliveries().iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(503), Some(200)]);
    stripe.set_delivery(Delivery::Doubled);
    stripe.change_email(&ann, "b@example.com");
    stripe.set_delivery(Delivery::Lost);
    stripe.change_email(&ann, "c@example.com");
    tokio::time::sleep(DAY).await;
    assert_eq!(stripe.deliveries().len(), 4);
    let sent = stripe.send_webhook(&door.url(), &stripe.events()[0]).await.unwrap();
    assert_eq!(sent, 200);
}

#[tokio::test(start_paused = true)]
async fn a_checkout_session_becomes_a_subscription() {
    let (stripe, price, _) = start_stripe();
    let body = wire::form(&[
        ("mode", "subscription"),
        ("line_items[0][price]", &price),
        ("line_items[0][quantity]", "1"),
        ("success_url", "https://join.example.com/joined?s={CHECKOUT_SESSION_ID}"),
        ("subscription_data[metadata][member]", "m-42"),
    ]);
    let reply = post(&stripe, "/v1/checkout/sessions", "c1", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let session = reply.json()["id"].as_str().unwrap().to_owned();
    let sub = stripe.complete_checkout(&session, "zoe@example.com").unwrap();
    assert_eq!(stripe.object(&sub)["metadata"]["member"], "m-42");
    assert_eq!(get(&stripe, &format!("/v1/checkout/sessions/{session}")).await.json()["payment_status"], "paid");
    assert_eq!(stripe.complete_checkout(&session, "zoe@example.com"), None);
    assert_eq!(stripe.unexpected(), Vec::<String>::new());
}
