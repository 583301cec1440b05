//! Golden pages: `BLESS=1 cargo test --lib lobby` writes them anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, num::NonZeroU32, path::PathBuf};

use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::*;
use crate::door::tests::{Glass, House, asked, furnished};
use crate::engine::desk::{Answer, Offer, Wish};
use crate::facts::{CustomerId, Moment};
use crate::portal::Choice;
use crate::reports::Page;
use crate::secret::Secret;
use crate::services::plex::Plex;
use crate::services::script::{http, lines, live, serve};

/// Compares with the golden file, or writes it when `BLESS=1`.
fn golden(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pages").join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == text, "{file} differs from its golden file; look at it, then BLESS=1\n{text}");
}

fn offer(price: &str, words: &str) -> Offer {
    Offer { price: PriceId::from(price), words: Some(words.to_owned()) }
}

/// Two tiers, one of them with two prices and a name that needs escaping.
fn front(doors: Doors) -> Front {
    let tier = |name: &str, slug: &str, libraries: &[&str], downloads: bool, prices| OnSale {
        slug: slug.into(),
        name: name.into(),
        description: downloads.then(|| "Everything we have, in the best quality.".into()),
        libraries: libraries.iter().map(|title| (*title).to_owned()).collect(),
        downloads,
        trial_days: NonZeroU32::new(14).filter(|_| downloads),
        prices,
    };
    let both = vec![offer("price_month", "9.00 USD a month"), offer("price_year", "90.00 USD a year")];
    Front {
        doors,
        tiers: vec![
            tier("Stalls", "stalls", &["Films"], false, vec![offer("price_stalls", "5.00 USD a month")]),
            tier("Box & <Balcony>", "box-balcony", &["Films", "Series"], true, both),
        ],
        has_codes: true,
    }
}

/// A house that sells, and Stripe's one answer; plex.tv's page was taken up by
/// the account whose number the sign-in has, except the odd ones.
async fn selling(doors: Doors) -> (House, crate::services::script::Asked) {
    let signing_in = Arc::new(AtomicU64::new(0));
    let answers = move |line: &str, _: &str| {
        let (status, text) = match line.split(['?', ' ']).nth(1).unwrap_or_default() {
            "/api/v2/pins" => (201, r#"{"id":10,"code":"code+1","expiresIn":1800,"authToken":null}"#.to_owned()),
            "/api/v2/pins/404" => (404, r#"{"errors":[{"code":1020}]}"#.to_owned()),
            "/api/v2/pins/500" => (500, String::new()),
            "/api/v2/pins/204" => (200, r#"{"authToken":null}"#.to_owned()),
            "/api/v2/user" => {
                let id = signing_in.load(Ordering::Relaxed);
                (200, json!({ "id": id, "email": "ann@example.com", "confirmed": true }).to_string())
            }
            pin if pin.starts_with("/api/v2/pins/") => {
                signing_in.store(pin.rsplit('/').next().unwrap().parse().unwrap(), Ordering::Relaxed);
                (200, r#"{"authToken":"PERSON"}"#.to_owned())
            }
            _ => (200, r#"{"id":"cs_1","url":"https://checkout.stripe.com/c/pay/cs_1"}"#.to_owned()),
        };
        (status, "application/json", text)
    };
    let (base, called) = serve(answers).await;
    let plex = Plex::new(http(), Some(base.clone()), Secret::new("OWNER"), "client-1".into());
    let till = Till {
        stripe: Stripe::new(http(), Some(base), Secret::new("sk_test_x")),
        public_url: Some("https://cinema.example.com".into()),
        live: (doors != Doors::DryRun).then(live),
        mails: true,
    };
    let mut house = furnished(Glass { healthy: true, front: front(doors) }, &[], Some(till));
    house.public.lobby.sign_in = plex.sign_in();
    (house, called)
}

async fn answer(house: &House, method: &str, path: &str, body: &str) -> (u16, String) {
    let reply = house.public.answer(&asked(method, path, &[], body)).await;
    let status = reply.status().as_u16();
    if status == 303 {
        return (status, reply.headers()["location"].to_str().unwrap().to_owned());
    }
    for header in ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"] {
        assert!(reply.headers().contains_key(header), "{path}: {header}");
    }
    assert_eq!(reply.headers()["cache-control"], "no-store", "{path}");
    (status, String::from_utf8(reply.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

fn token(house: &House) -> String {
    let until = Moment::from_timestamp(1_700_000_060, 0).unwrap();
    house.public.lobby.portal.token(&CustomerId::from("cus_ann"), until)
}

/// The link back from plex.tv's page for the tier with two prices.
fn back(house: &House, pin: u64, price: &str) -> String {
    let until = Moment::from_timestamp(1_700_000_060, 0).unwrap();
    let price = PriceId::from(price);
    let choice = Choice { tier: "box-balcony", price: &price };
    format!("/join/box-balcony/plex/{}", house.public.lobby.portal.sign_in_token(choice, pin, until))
}

#[tokio::test]
async fn every_page_is_as_in_its_golden_file_and_looking_costs_nothing() {
    let (house, called) = selling(Doors::Open).await;
    for (path, status, file) in [
        ("/plans", 200, "plans.html"),
        ("/join/stalls", 200, "join.html"),
        ("/join/Box%20%26%20%3Cbalcony%3e", 200, "join_choice.html"),
        ("/join/gods", 404, "join_unknown.html"),
        ("/join/stalls/plex/10.99999999999.00", 404, "sign_in_over.html"),
        ("/joined?s=cs_1", 200, "joined.html"),
        ("/redeem", 200, "redeem.html"),
        ("/billing", 200, "billing.html"),
        ("/billing/cus_bob.99999999999.00", 404, "billing_expired.html"),
        ("/style.css", 200, "style.css"),
    ] {
        let (got, text) = answer(&house, "GET", path, "").await;
        assert_eq!(got, status, "{path}");
        assert!(!text.contains("<script") && !text.contains("<Balcony>") && !text.contains("<Cinema>"), "{text}");
        golden(file, &text);
        assert_eq!(answer(&house, "HEAD", path, "").await.0, status, "{path}");
    }
    let (got, text) = answer(&house, "GET", &format!("/billing/{}", token(&house)), "").await;
    assert_eq!(got, 200);
    golden("billing_open.html", &text);
    let (got, text) = answer(&house, "GET", &back(&house, 10, "price_year"), "").await;
    assert_eq!(got, 200);
    golden("sign_in.html", &text);
    assert_eq!(
        answer(&house, "GET", "/join/stalls/plex", "").await.1,
        answer(&house, "GET", "/join/stalls", "").await.1
    );
    assert_eq!(answer(&house, "GET", "/", "").await, (303, "/plans".to_owned()));
    assert_eq!(called.lock().unwrap().len(), 0, "crawlers are free");
    for (doors, file) in [(Doors::Full, "full"), (Doors::DryRun, "dry_run"), (Doors::NotNow, "not_now")] {
        let (house, _) = selling(doors).await;
        golden(&format!("plans_{file}.html"), &answer(&house, "GET", "/plans", "").await.1);
        golden(&format!("join_{file}.html"), &answer(&house, "GET", "/join/stalls", "").await.1);
    }
}

#[tokio::test]
async fn the_plans_are_there_for_programs_too() {
    let (house, _) = selling(Doors::Open).await;
    let reply = house.public.answer(&asked("GET", "/plans", &[("accept", "application/json")], "")).await;
    let text = reply.into_body().collect().await.unwrap().to_bytes();
    let plans: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&plans["open"], &plans["plans"][1]["prices"][0]["id"]), (&json!(true), &json!("price_month")));
}

#[tokio::test]
async fn who_joins_goes_to_checkout_as_a_stranger_with_what_they_typed() {
    let (house, called) = selling(Doors::Open).await;
    let (status, to) = answer(&house, "POST", "/join/stalls", "email=Ann%40Example.com&plex=ann").await;
    assert_eq!((status, to.as_str()), (303, "https://checkout.stripe.com/c/pay/cs_1"));
    let form = called.lock().unwrap()[0].1.clone();
    for part in [
        "line_items%5B0%5D%5Bprice%5D=price_stalls",
        "customer_email=ann%40example.com",
        "metadata%5Bplex%5D=ann",
        "allow_promotion_codes=true",
        "success_url=https%3A%2F%2Fcinema.example.com%2Fjoined",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    assert!(!form.contains("customer=") && !form.contains("member") && !form.contains("trial"), "{form}");
    answer(&house, "POST", "/join/box-balcony", "price=price_year&trial_days=99").await;
    let form = called.lock().unwrap()[1].1.clone();
    assert!(form.contains("price_year") && form.contains("trial_period_days%5D=14"), "the tier's trial: {form}");
    assert!(!form.contains("customer_email"), "{form}");
}

#[tokio::test]
async fn what_makes_no_sense_is_said_and_costs_no_call() {
    let (house, called) = selling(Doors::Open).await;
    for (path, body, part) in [
        ("/join/box-balcony", "email=", "choose how"),
        ("/join/box-balcony", "price=price_stalls", "choose how"),
        ("/join/stalls", "email=ann", "no email address"),
        ("/join/stalls", "plex=a%0Ab", "no Plex name"),
        ("/redeem", "email=ann&code=film", "email address of your Plex account"),
    ] {
        let (status, text) = answer(&house, "POST", path, body).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(called.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn no_money_is_asked_for_while_nobody_could_be_let_in() {
    for doors in [Doors::Full, Doors::DryRun, Doors::NotNow] {
        let (house, called) = selling(doors).await;
        assert_eq!(answer(&house, "POST", "/join/stalls", "").await.0, 503);
        assert_eq!(answer(&house, "POST", "/redeem", "email=ann%40example.com&code=film").await.0, 503);
        assert_eq!(called.lock().unwrap().len(), 0, "{doors:?}");
    }
}

#[tokio::test]
async fn without_stripe_or_an_address_to_come_back_to_nothing_is_sold() {
    let bare = furnished(Glass { healthy: true, front: Front { has_codes: false, ..front(Doors::Open) } }, &[], None);
    for path in ["/plans", "/join/stalls", "/redeem", "/billing", "/billing/x"] {
        let (status, text) = answer(&bare, "GET", path, "").await;
        assert_eq!(status, 404, "{path}");
        assert!(text.contains("has not set this page up"), "{text}");
    }
    assert_eq!(answer(&bare, "POST", "/join/stalls", "").await.0, 404);
}

#[tokio::test]
async fn a_flood_from_one_address_is_limited_and_told_when_to_come_back() {
    let (house, called) = selling(Doors::Open).await;
    let mut statuses = Vec::new();
    for path in ["/join/stalls", "/redeem", "/billing", "/join/stalls", "/billing", "/join/stalls", "/billing/x"] {
        statuses.push(answer(&house, "POST", path, "").await.0);
    }
    assert_eq!(statuses, [303, 400, 400, 303, 400, 429, 429]);
    let (_, text) = answer(&house, "POST", "/redeem", "").await;
    golden("too_many.html", &text);
    assert_eq!(called.lock().unwrap().len(), 2);
    assert_eq!(answer(&house, "GET", "/join/stalls", "").await.0, 200, "looking is free");
}

/// Answers the engine's next ask.
async fn engine(house: &mut House, with: Answer) -> Wish {
    let (wish, reply): (Wish, oneshot::Sender<Answer>) = house.asks.recv().await.unwrap();
    let _ = reply.send(with);
    wish
}

#[tokio::test]
async fn a_code_is_asked_of_the_engine_and_a_wrong_one_says_no_more() {
    let ok = || Ok(Page { text: String::new(), json: Value::Null });
    for (with, status, file) in [
        (ok(), 200, "redeemed.html"),
        (Err(NO_SUCH_CODE.to_owned()), 400, "redeem_wrong.html"),
        (Err("the book can't be written".to_owned()), 503, "not_now.html"),
    ] {
        let (mut house, _) = selling(Doors::Open).await;
        let public = house.public.clone();
        let posted = asked("POST", "/redeem", &[], "email=ann%40example.com&code=+film+");
        let (reply, wish) = tokio::join!(public.answer(&posted), engine(&mut house, with));
        assert_eq!(wish.ask, Ask::Redeem { email: "ann@example.com".into(), code: "film".into() });
        assert_eq!(reply.status().as_u16(), status);
        let text = reply.into_body().collect().await.unwrap().to_bytes();
        golden(file, std::str::from_utf8(&text).unwrap());
    }
}

#[tokio::test]
async fn whoever_asks_for_a_billing_link_is_answered_before_anybody_looks() {
    let (mut house, _) = selling(Doors::Open).await;
    let (status, text) = answer(&house, "POST", "/billing", "email=ann%40example.com").await;
    assert_eq!(status, 200);
    golden("billing_asked.html", &text);
    let wish = engine(&mut house, Err("nobody".into())).await;
    assert_eq!(wish.ask, Ask::BillingLink { email: "ann@example.com".into() });
}

#[tokio::test]
async fn only_a_signed_link_opens_a_billing_page_and_only_its_button() {
    let (house, called) = selling(Doors::Open).await;
    let link = format!("/billing/{}", token(&house));
    assert_eq!(answer(&house, "POST", &link, "").await.0, 303);
    assert!(called.lock().unwrap()[0].1.contains("customer=cus_ann"));
    assert_eq!(answer(&house, "POST", &link.replace("ann", "bob"), "").await.0, 404);
    assert_eq!(called.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_without_a_path_is_nobodys_page() {
    let (house, _) = selling(Doors::Open).await;
    for path in ["", "/", "//", "*"] {
        let status = house.public.answer(&asked("GET", path, &[], "")).await.status();
        assert!([303, 404].contains(&status.as_u16()), "{path:?}: {status}");
    }
}

#[tokio::test]
async fn a_sign_in_leads_to_plex_and_back_and_then_to_checkout_for_that_account() {
    let (house, called) = selling(Doors::Open).await;
    let (status, to) = answer(&house, "POST", "/join/box-balcony/plex", "price=price_year&email=x&plex=bob").await;
    let page =
        "https://app.plex.tv/auth#?clientID=client-1&code=code%2B1&context%5Bdevice%5D%5Bproduct%5D=Usher&forwardUrl=";
    let back = percent_decoded(to.strip_prefix(page).expect("plex.tv's page"));
    let back = back.strip_prefix("https://cinema.example.com").expect("our page").to_owned();
    assert_eq!(status, 303);
    assert!(back.starts_with("/join/box-balcony/plex/10."), "{back}");
    assert_eq!(lines(&called), ["POST /api/v2/pins"]);
    assert_eq!(answer(&house, "GET", &back, "").await.0, 200);
    assert_eq!(called.lock().unwrap().len(), 1, "looking asks nobody");
    let (status, to) = answer(&house, "POST", &back, "price=price_month&email=x%40example.com&plex=bob").await;
    assert_eq!((status, to.as_str()), (303, "https://checkout.stripe.com/c/pay/cs_1"));
    let asked = lines(&called);
    assert_eq!(asked[1..], ["GET /api/v2/pins/10", "GET /api/v2/user", "POST /v1/checkout/sessions"]);
    let form = called.lock().unwrap()[3].1.clone();
    for part in [
        "price_year",
        "customer_email=ann%40example.com",
        "metadata%5Busher_plex_account%5D=10",
        "subscription_data%5Bmetadata%5D%5Busher_plex_account%5D=10",
        "trial_period_days%5D=14",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    for typed in ["bob", "price_month", "x%40", "customer=", "member%5D", "PERSON", "OWNER"] {
        assert!(!form.contains(typed), "{typed} is in {form}");
    }
}

#[tokio::test]
async fn what_is_known_of_an_account_is_told_to_who_signed_in_as_it() {
    for (account, status, part) in [
        (9, 503, "Not now"),
        (12, 200, "sell you a second one"),
        (13, 403, "No place is sold"),
        (14, 200, "belongs to the house"),
        (204, 400, "you haven&#x27;t signed in yet"),
        (404, 404, "This sign-in is over"),
        (500, 502, "Plex can&#x27;t be reached"),
    ] {
        let (house, called) = selling(Doors::Open).await;
        let (got, text) = answer(&house, "POST", &back(&house, account, "price_month"), "").await;
        assert_eq!(got, status, "{account}: {text}");
        assert!(text.contains(part) && !text.contains("ann@"), "{account}: {text}");
        assert!(!lines(&called).iter().any(|line| line.contains("/v1/")), "nothing is made at Stripe: {account}");
        if account == 12 {
            golden("subscribed.html", &text);
        }
    }
    let (house, called) = selling(Doors::Open).await;
    assert_eq!(answer(&house, "POST", &back(&house, 11, "price_month"), "").await.0, 303);
    let form = called.lock().unwrap().last().unwrap().1.clone();
    assert!(!form.contains("trial") && !form.contains("customer_email"), "one trial, and no relay: {form}");
}

#[tokio::test]
async fn only_our_own_link_takes_a_sign_in_up_and_only_for_what_it_was_begun_for() {
    let (house, called) = selling(Doors::Open).await;
    let good = back(&house, 10, "price_month");
    for forged in [
        good.replace("/10.", "/11."),
        good.replace("box-balcony", "stalls"),
        back(&house, 10, "price_stalls"),
        format!("/join/box-balcony/plex/{}", token(&house)),
        good.replace("/plex/", "/plex/x/"),
    ] {
        assert_eq!(answer(&house, "POST", &forged, "").await.0, 404, "{forged}");
    }
    assert_eq!(called.lock().unwrap().len(), 0);
    assert_eq!(answer(&house, "POST", "/join/stalls", "").await.0, 429, "all of them count");
}

#[tokio::test]
async fn no_sign_in_is_begun_while_nobody_could_be_let_in() {
    let (full, _) = selling(Doors::Full).await;
    assert_eq!(answer(&full, "POST", "/join/stalls/plex", "").await.0, 303, "who is in already shows it so");
    assert_eq!(answer(&full, "POST", "/join/stalls", "").await.0, 503, "anybody could come");
    for doors in [Doors::DryRun, Doors::NotNow] {
        let (house, called) = selling(doors).await;
        assert_eq!(answer(&house, "POST", "/join/stalls/plex", "").await.0, 503);
        assert_eq!(answer(&house, "POST", &back(&house, 10, "price_month"), "").await.0, 503);
        assert_eq!(called.lock().unwrap().len(), 0, "{doors:?}");
    }
    let (house, called) = selling(Doors::Open).await;
    assert_eq!(answer(&house, "POST", "/join/box-balcony/plex", "price=price_stalls").await.0, 400);
    assert_eq!(called.lock().unwrap().len(), 0);
}
