//! Other programs sell and ask over the admin door: what they write is done at
//! Stripe, and what follows is read from there.

use sandbox::rig::{Rig, address};
use serde_json::{Value, json};
use usher::facts::PlexId;

use super::{all_is_well, nothing_was_done, payer};

/// Basic with a trial of 14 days, Premium with a feature, Old sold no longer.
async fn shop(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.set("PUBLIC_URL", "https://join.example.com");
    write_tiers(
        &rig,
        &json!([
            {"name": "Basic", "prices": [rig.basic], "libraries": ["Movies"], "trial_days": 14, "limits": {"streams": 1}},
            {"name": "Premium", "prices": [rig.premium], "libraries": ["Movies", "TV"], "downloads": true, "features": ["requests"]},
        ]),
    );
    rig.open().await;
    rig
}

fn write_tiers(rig: &Rig, tiers: &Value) {
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
}

async fn post(rig: &Rig, path: &str, body: Value) -> (u16, Value) {
    rig.api("POST", path, &body.to_string()).await
}

/// What is answered when it is done.
async fn done(rig: &Rig, path: &str, body: Value) -> Value {
    let (status, answer) = post(rig, path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// The status and the code of a refusal.
async fn refused(rig: &Rig, path: &str, body: Value) -> (u16, String) {
    let (status, answer) = post(rig, path, body).await;
    (status, answer["error"]["code"].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).to_owned())
}

async fn subscription(rig: &Rig, who: &str) -> Value {
    rig.get(&format!("/api/subscription?member={}", sandbox::wire::url_encoded(who))).await
}

async fn access(rig: &Rig, who: &str, wish: &str) -> u16 {
    rig.api("GET", &format!("/api/access?member={}{wish}", sandbox::wire::url_encoded(who)), "").await.0
}

/// Somebody buys at the page that was made, and is let in.
async fn buy(rig: &Rig, checkout: &Value, id: u64, name: &str) -> (PlexId, String) {
    let account = rig.person(id, name);
    let session = checkout["id"].as_str().expect("a session");
    let sub = rig.stripe.complete_checkout(session, &address(name)).expect("an open page");
    rig.minutes(1).await;
    assert!(rig.plex.accept_invite(address(name).as_str()).is_some(), "{name} was invited");
    rig.minutes(5).await;
    (account, sub)
}

#[tokio::test(start_paused = true)]
async fn a_stranger_without_a_token_is_told_nothing_and_the_reading_one_sells_nothing() {
    let rig = shop("api-token").await;
    let body = json!({"email": address("zoe"), "tier": "Basic"}).to_string();
    for (method, target, status) in
        [("GET", "/api/plans", 401), ("POST", "/api/checkout", 401), ("GET", "/api/openapi.json", 401)]
    {
        let (got, answer) = rig.api_with(method, target, &body, &[("authorization", "Bearer guess")]).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some("unauthorized")), "{target}");
    }
    let read = std::fs::read_to_string(rig.state().join("API_TOKEN_READ")).expect("the reading token");
    let bearer = format!("Bearer {}", read.trim());
    let with = [("authorization", bearer.as_str())];
    assert_eq!(rig.api_with("GET", "/api/plans", "", &with).await.0, 200);
    assert_eq!(rig.api_with("POST", "/api/checkout", &body, &with).await.0, 403);
    assert_eq!(rig.stripe.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_buys_over_the_api_is_invited_and_other_programs_know() {
    let rig = shop("api-checkout").await;
    assert_eq!(access(&rig, &address("zoe"), "").await, 403);
    let checkout = done(&rig, "/api/checkout", json!({"email": address("zoe"), "tier": "Basic", "plex": "zoe"})).await;
    assert!(checkout["url"].as_str().expect("a page").starts_with("https://checkout.stripe.com/"), "{checkout}");
    assert_eq!(checkout["trial_days"], 14);
    let (zoe, sub) = buy(&rig, &checkout, 2_000_001, "zoe").await;
    assert!(rig.plex.has_access(zoe));
    assert_eq!(rig.stripe.object(&sub)["metadata"]["plex"], "zoe");
    let stands = subscription(&rig, &address("zoe")).await;
    assert_eq!((&stands["plan_name"], &stands["plan_status"]), (&json!("Basic"), &json!("trialing")), "{stands}");
    assert_eq!((&stands["is_subscribed"], &stands["days_until_renewal"]), (&json!(true), &json!(13)));
    assert_eq!(access(&rig, &address("zoe"), "&tier=Basic").await, 200);
    assert_eq!(access(&rig, &address("zoe"), "&feature=requests").await, 403);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_trial_is_given_once_and_whoever_comes_back_is_the_same_customer() {
    let rig = shop("api-trial").await;
    let first = done(&rig, "/api/checkout", json!({"email": address("zoe"), "tier": "Basic"})).await;
    let (_, sub) = buy(&rig, &first, 2_000_001, "zoe").await;
    let member = subscription(&rig, &address("zoe")).await["member"].clone();
    let again = json!({"member": member, "tier": "Basic"});
    assert_eq!(refused(&rig, "/api/checkout", again.clone()).await, (409, "already_subscribed".to_owned()));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.minutes(20).await;
    let second = done(&rig, "/api/checkout", again).await;
    assert_eq!(second["trial_days"], Value::Null, "one trial per person");
    let bought = rig.stripe.complete_checkout(second["id"].as_str().expect("a page"), "").expect("an open page");
    assert_eq!(rig.stripe.object(&bought)["customer"], rig.stripe.object(&sub)["customer"]);
    assert_eq!(rig.stripe.object(&bought)["trial_end"], Value::Null);
    // Not under the same address either, without being the member.
    let elsewhere = done(&rig, "/api/checkout", json!({"email": address("zoe"), "tier": "Basic"})).await;
    assert_eq!(elsewhere["trial_days"], Value::Null);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_friend_who_buys_with_another_address_stays_the_same_member() {
    let mut rig = Rig::new("api-friend").await;
    rig.set("PUBLIC_URL", "https://join.example.com");
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.open().await;
    let member = subscription(&rig, &address("ann")).await["member"].clone();
    let checkout = done(&rig, "/api/checkout", json!({"member": member, "tier": "Premium"})).await;
    rig.stripe.complete_checkout(checkout["id"].as_str().expect("a page"), &address("ann-at-work")).expect("a page");
    rig.minutes(20).await;
    let stands = subscription(&rig, &address("ann")).await;
    assert_eq!((&stands["member"], &stands["plan_name"]), (&member, &json!("Premium")), "{stands}");
    assert_eq!(rig.plex.invites_sent().len(), 0, "she is in already");
    assert!(rig.plex.share_of(ann).expect("her share").settings.allow_sync, "and has what she bought");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_customer_has_a_billing_page_and_nobody_else() {
    let rig = shop("api-portal").await;
    rig.old_friend(2_000_009, "kim", 400);
    rig.minutes(5).await;
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let customer = rig.stripe.object(&sub)["customer"].clone();
    let page = done(&rig, "/api/portal", json!({"member": address("ann")})).await;
    assert!(page["url"].as_str().expect("a page").starts_with("https://billing.stripe.com/"));
    assert_eq!(refused(&rig, "/api/portal", json!({"member": address("kim")})).await, (409, "no_customer".to_owned()));
    assert_eq!(refused(&rig, "/api/portal", json!({"member": "nobody"})).await, (404, "not_found".to_owned()));
    let sent = rig.stripe.changes();
    assert_eq!(sent.iter().filter(|request| request.path.contains("billing_portal")).count(), 1);
    assert!(customer.is_string());
    rig.stripe.set_portal_configured(false);
    let (status, answer) = post(&rig, "/api/portal", json!({"member": address("ann")})).await;
    assert_eq!(status, 502);
    assert!(answer["error"]["message"].as_str().expect("why").contains("customer portal"), "{answer}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_changes_the_item_in_place_and_reaches_the_share() {
    let rig = shop("api-upgrade").await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let share = rig.plex.share_of(ann).expect("a share").id;
    let upgrade = json!({"member": address("ann"), "tier": "Premium"});
    let changed = done(&rig, "/api/upgrade", upgrade.clone()).await;
    assert_eq!((&changed["price"], &changed["pending"]), (&json!(rig.premium), &json!(false)));
    let items = rig.stripe.object(&sub)["items"]["data"].clone();
    assert_eq!((items.as_array().map(Vec::len), &items[0]["price"]["id"]), (Some(1), &json!(rig.premium)));
    // No webhook is needed: the book follows at once.
    rig.pass(std::time::Duration::from_secs(30)).await;
    assert_eq!(subscription(&rig, &address("ann")).await["plan_name"], "Premium");
    assert_eq!(access(&rig, &address("ann"), "&feature=requests").await, 200);
    rig.minutes(5).await;
    let now = rig.plex.share_of(ann).expect("a share");
    assert_eq!((now.id, now.sections, now.settings.allow_sync), (share, vec![rig.movies, rig.tv], true));
    assert_eq!(refused(&rig, "/api/upgrade", upgrade).await, (409, "same_price".to_owned()));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_paid_is_not_given_when_somebody_upgrades() {
    let rig = shop("api-upgrade-unpaid").await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.set_card_works(&sub, false);
    let changed = done(&rig, "/api/upgrade", json!({"member": address("ann"), "tier": "Premium"})).await;
    assert_eq!(changed["pending"], true);
    assert!(changed["pay_at"].as_str().expect("a page to pay at").starts_with("https://invoice.stripe.com/"));
    rig.minutes(20).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
    rig.stripe.retry_succeeds(&sub);
    rig.minutes(20).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_keeps_access_until_the_paid_period_ends_and_can_be_taken_back() {
    let mut rig = Rig::new("api-cancel").await;
    super::unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let who = json!({"member": address("ann")});
    let cancel = json!({"member": address("ann"), "at_period_end": true});
    done(&rig, "/api/cancel", cancel.clone()).await;
    rig.minutes(2).await;
    let stands = subscription(&rig, &address("ann")).await;
    assert!(stands["cancel_at"].is_string() && stands["days_until_renewal"].is_null(), "{stands}");
    done(&rig, "/api/uncancel", who).await;
    rig.minutes(2).await;
    assert_eq!(subscription(&rig, &address("ann")).await["cancel_at"], Value::Null);
    done(&rig, "/api/cancel", cancel).await;
    rig.days(20).await;
    assert!(rig.plex.has_access(ann), "it is paid for");
    assert_eq!(access(&rig, &address("ann"), "&tier=Basic").await, 200);
    rig.days(14).await;
    assert_eq!(rig.stripe.object(&sub)["status"], "canceled");
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(subscription(&rig, &address("ann")).await["plan_status"], "canceled");
    assert_eq!(access(&rig, &address("ann"), "&tier=Basic").await, 403);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_at_once_still_settles_before_anybody_is_out() {
    let rig = shop("api-cancel-now").await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    done(&rig, "/api/cancel", json!({"member": address("ann"), "at_period_end": false})).await;
    assert_eq!(rig.stripe.object(&sub)["status"], "canceled");
    rig.hours(20).await;
    assert!(rig.plex.has_access(ann), "EXPIRY_SETTLE_HOURS");
    let again = json!({"member": address("ann"), "at_period_end": false});
    assert_eq!(refused(&rig, "/api/cancel", again).await, (409, "no_subscription".to_owned()));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn usage_is_counted_once_however_often_it_is_told_with_one_key() {
    let rig = shop("api-usage").await;
    rig.stripe.add_meter("streams");
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    let body = json!({"member": address("ann"), "meter": "streams", "value": 3}).to_string();
    for _ in 0..2 {
        let (status, answer) = rig.api_with("POST", "/api/usage", &body, &[("idempotency-key", "night-1")]).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(rig.stripe.metered("streams"), [(customer.clone(), 3)]);
    done(&rig, "/api/usage", json!({"member": address("ann"), "meter": "streams", "value": 3})).await;
    assert_eq!(rig.stripe.metered("streams").len(), 2, "another time is another use");
    let unknown = json!({"member": address("ann"), "meter": "popcorn", "value": 1});
    assert_eq!(refused(&rig, "/api/usage", unknown).await, (502, "stripe_refused".to_owned()));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_purchase_whose_answer_was_lost_is_made_once_with_one_key() {
    let rig = shop("api-lost").await;
    let body = json!({"email": address("zoe"), "tier": "Premium"}).to_string();
    let key = [("idempotency-key", "order-1")];
    rig.stripe.faults().once(sandbox::faults::Matching::Writes, sandbox::faults::Fault::EffectThenDrop);
    let (status, answer) = rig.api_with("POST", "/api/checkout", &body, &key).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (502, Some("stripe_unclear")));
    let (status, answer) = rig.api_with("POST", "/api/checkout", &body, &key).await;
    assert_eq!((status, &answer["id"]), (200, &json!("cs_S000001")), "{answer}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_dry_run_sells_nothing_and_says_so() {
    let mut rig = Rig::new("api-dry").await;
    rig.set("DRY_RUN", "true");
    rig.set("PUBLIC_URL", "https://join.example.com");
    let (_, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.open().await;
    rig.minutes(5).await;
    for (path, body) in [
        ("/api/checkout", json!({"email": address("zoe"), "tier": "Basic"})),
        ("/api/portal", json!({"member": address("ann")})),
        ("/api/cancel", json!({"member": address("ann"), "at_period_end": false})),
        ("/api/upgrade", json!({"member": address("ann"), "tier": "Premium"})),
        ("/api/usage", json!({"member": address("ann"), "meter": "streams", "value": 1})),
    ] {
        assert_eq!(refused(&rig, path, body).await, (409, "dry_run".to_owned()), "{path}");
    }
    assert_eq!(rig.stripe.object(&sub)["status"], "active");
    assert_eq!(rig.stripe.changes().len(), 0);
    nothing_was_done(&rig);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_tier_that_is_sold_no_longer_is_kept_by_who_pays_for_it() {
    let rig = shop("api-inactive").await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    write_tiers(
        &rig,
        &json!([
            {"name": "Basic", "prices": [rig.basic], "libraries": ["Movies"], "active": false},
            {"name": "Premium", "prices": [rig.premium, "price_typo"], "libraries": ["Movies", "TV"]},
        ]),
    );
    rig.minutes(20).await;
    let sale = json!({"email": address("zoe"), "tier": "Basic"});
    assert_eq!(refused(&rig, "/api/checkout", sale).await, (409, "not_for_sale".to_owned()));
    let plans = rig.get("/api/plans").await;
    assert_eq!(plans["plans"].as_array().map(Vec::len), Some(1), "{plans}");
    assert_eq!(access(&rig, &address("ann"), "&tier=Basic").await, 200);
    assert_eq!(super::heard(&rig, "prices don't fit"), 1, "{:?}", rig.operator_subjects());
    rig.days(3).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(super::heard(&rig, "prices don't fit"), 1, "told once");
    all_is_well(&rig);
}
