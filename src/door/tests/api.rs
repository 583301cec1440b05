//! `openapi.json` and the door say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::door::admin::{OPENAPI, ROUTES};
use crate::door::lobby::Till;
use crate::facts::CustomerId;
use crate::services::script::{self, Answer as Said};
use crate::services::stripe::Stripe;

fn described() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// `GET /path` → the statuses that are described.
fn statuses() -> BTreeMap<String, BTreeSet<u16>> {
    let mut all = BTreeMap::new();
    for (path, methods) in described()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let codes = operation["responses"].as_object().unwrap().keys().map(|code| code.parse().unwrap());
            all.insert(format!("{} {path}", method.to_uppercase()), codes.collect());
        }
    }
    all
}

#[test]
fn every_route_is_described_and_no_other() {
    let open = ["GET /health".to_owned(), "GET /ready".to_owned()];
    let routes: BTreeSet<String> =
        ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).chain(open).collect();
    assert_eq!(statuses().into_keys().collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let description = described();
    let mut waiting = vec![&description];
    let mut seen = 0;
    while let Some(value) = waiting.pop() {
        if let Some(target) = value["$ref"].as_str() {
            assert!(description.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            seen += 1;
        }
        waiting.extend(value.as_object().into_iter().flat_map(|map| map.values()));
        waiting.extend(value.as_array().into_iter().flatten());
    }
    assert!(seen > 50);
}

#[test]
fn every_described_ask_is_one() {
    let asks =
        described().pointer("/paths/~1api~1ask/post/requestBody/content/application~1json/schema/oneOf").cloned();
    for ask in asks.unwrap().as_array().unwrap() {
        let sample = |(name, schema): (&String, &Value)| {
            let value = match name.as_str() {
                "ask" => schema["const"].clone(),
                "what" | "cancel" => schema["enum"][0].clone(),
                "ids" => json!(["h-1"]),
                "days" => json!(3),
                "until" => json!("2026-11-21"),
                "dry_run" => json!(true),
                _ => json!("ann"),
            };
            (name.clone(), value)
        };
        let sample: Value =
            ask["properties"].as_object().unwrap().iter().map(sample).collect::<serde_json::Map<_, _>>().into();
        serde_json::from_value::<Wish>(sample.clone()).unwrap_or_else(|why| panic!("{sample}: {why}"));
    }
}

#[tokio::test]
async fn an_ask_is_named_by_its_word_and_never_by_a_number() {
    let house = house(true, &[]);
    let headers = [("authorization", &*format!("Bearer {CHANGE}"))];
    for body in [json!({"ask": 0, "ids": ["all"]}), json!({"ask": null}), json!({"ask": ["approve"], "ids": ["all"]})] {
        let reply = house.admin.answer(asked("POST", "/api/ask", &headers, &body.to_string())).await;
        assert_eq!(reply.status().as_u16(), 400, "{body}");
    }
}

/// Stripe, down for whoever is called so.
fn stripe(line: &str, body: &str) -> Said {
    if line.contains("down") || body.contains("down") {
        return (500, "application/json", "{}".to_owned());
    }
    let item = json!({"id":"si_1","price":{"id":"price_from"}});
    let answer =
        json!({"id": line.rsplit('/').next().unwrap(), "url":"https://stripe.example/page", "items":{"data":[item]}});
    (200, "application/json", answer.to_string())
}

struct Try {
    reads_only: bool,
    method: &'static str,
    path: &'static str,
    body: Value,
}

fn tries() -> Vec<Try> {
    let mut tries = Vec::new();
    let mut add = |method, path, body: Value| tries.push(Try { reads_only: false, method, path, body });
    for path in [
        "/api/members",
        "/api/holds",
        "/api/stats",
        "/api/unmatched",
        "/api/openapi.json",
        "/api/plans",
        "/health",
        "/metrics",
        "/ready",
    ] {
        add("GET", path, json!(null));
    }
    for path in [
        "/api/plan",
        "/api/plan?days=x",
        "/api/why",
        "/api/why?who=ann",
        "/api/why?who=nobody%40b.example",
        "/api/access",
        "/api/access?member=ann",
        "/api/access?member=barred&tier=Basic",
        "/api/access?member=early",
        "/api/access?member=ann&tier=a&feature=b",
        "/api/access?member=ann&feature=",
        "/api/access?member=ann&member=b",
        "/api/subscription",
        "/api/subscription?member=ann",
        "/api/subscription?member=nobody",
        "/api/subscription?member=twice",
        "/api/subscription?member=early",
    ] {
        add("GET", path, json!(null));
    }
    for who in ["ann", "nobody", "twice", "early", "down", " ", "dry"] {
        add("POST", "/api/checkout", json!({"member": who, "tier": "Basic"}));
        add("POST", "/api/portal", json!({"member": who}));
        add("POST", "/api/cancel", json!({"member": who, "at_period_end": true}));
        add("POST", "/api/cancel", json!({"member": who, "at_period_end": false}));
        add("POST", "/api/uncancel", json!({"member": who}));
        add("POST", "/api/upgrade", json!({"member": who, "tier": "Basic"}));
        add("POST", "/api/usage", json!({"member": who, "meter": "streams", "value": 1}));
    }
    for path in
        ["/api/checkout", "/api/portal", "/api/cancel", "/api/uncancel", "/api/upgrade", "/api/usage", "/api/ask"]
    {
        add("POST", path, json!({"member": "ann", "who": 1}));
        add("POST", path, json!([]));
    }
    for body in [
        json!({"member": "ann", "email": "ann@b.example", "tier": "Basic"}),
        json!({"tier": "Basic"}),
        json!({"email": "no address", "tier": "Basic"}),
        json!({"email": "ann@b.example", "tier": "Basic", "plex": "x".repeat(101)}),
        json!({"email": "ann@b.example", "tier": "Basic", "trial_days": 100}),
    ] {
        add("POST", "/api/checkout", body);
    }
    add("POST", "/api/usage", json!({"member": "ann", "meter": "streams", "value": 0}));
    add("POST", "/api/usage", json!({"member": "ann", "meter": "streams", "value": 1.5}));
    let posts: BTreeSet<&str> = tries.iter().filter(|a| a.method == "POST").map(|a| a.path).collect();
    tries.extend(posts.into_iter().map(|path| Try { reads_only: true, method: "POST", path, body: json!({}) }));
    tries
}

#[tokio::test(start_paused = true)]
async fn every_described_answer_is_given_and_no_other() {
    let (base, _) = script::serve(stripe).await;
    let stripe = Stripe::new(script::http(), Some(base), Secret::new("sk_test_x"));
    let mut given: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for (healthy, ready) in [(true, true), (false, false)] {
        let mut house = house(healthy, &[]);
        let public_url = Some("https://join.example/".to_owned());
        house.admin.till = Some(Till { stripe: stripe.clone(), live: Some(script::live()), public_url, mails: false });
        let answers = engine(&mut house);
        let asks = async {
            for attempt in tries() {
                note(&mut given, &house.admin, &attempt, ready).await;
            }
        };
        tokio::select! { biased; () = asks => {} () = answers => {} }
    }
    // The engine's ways not to answer have a test of their own.
    given.entry("POST /api/ask".to_owned()).or_default().extend([503, 504]);
    assert_eq!(given, statuses());
}

/// Answers asks, some with a refusal.
fn engine(house: &mut House) -> impl Future<Output = ()> + use<> {
    let (_, closed) = mpsc::channel(1);
    let mut asks = std::mem::replace(&mut house.asks, closed);
    async move {
        while let Some((wish, answer)) = asks.recv().await {
            let refuses = wish.dry_run;
            let page = Page { text: String::new(), json: json!(null) };
            let _ = answer.send(if refuses { Err("no".into()) } else { Ok(page) });
        }
    }
}

async fn note(given: &mut BTreeMap<String, BTreeSet<u16>>, door: &AdminDoor, attempt: &Try, with_asks: bool) {
    let name = format!("{} {}", attempt.method, attempt.path.split('?').next().unwrap());
    let token = if attempt.reads_only { READ } else { CHANGE };
    let with = |token: &str| {
        asked(attempt.method, attempt.path, &[("authorization", &format!("Bearer {token}"))], &attempt.body.to_string())
    };
    let mut replies = vec![door.answer(with(token)).await, door.answer(with("wrong")).await];
    if with_asks && name == "POST /api/ask" {
        for ask in [json!({"ask":"grandfather_everyone"}), json!({"ask":"grandfather_everyone","dry_run":true})] {
            let headers = [("authorization", &*format!("Bearer {CHANGE}"))];
            replies.push(door.answer(asked("POST", "/api/ask", &headers, &ask.to_string())).await);
        }
    }
    for reply in replies {
        let status = reply.status().as_u16();
        given.entry(name.clone()).or_default().insert(status);
        let page = body_of(reply).await;
        let says_why = page["error"]["code"].is_string() && page["error"]["message"].is_string();
        assert!(status < 400 || says_why || status == 503, "{name}: {status} {page}");
    }
}

/// A customer called after who was asked for.
pub(super) fn customer(who: &str) -> CustomerId {
    CustomerId(format!("cus_{who}"))
}

#[tokio::test]
async fn what_is_not_set_up_is_said_and_nothing_is_asked_of_stripe() {
    let (base, log) = script::serve(stripe).await;
    let stripe = Stripe::new(script::http(), Some(base), Secret::new("sk_test_x"));
    let public_url = Some("https://join.example".to_owned());
    let live = Some(script::live());
    for (till, code) in [
        (None, "no_stripe"),
        (Some(Till { stripe: stripe.clone(), live: None, public_url, mails: false }), "dry_run"),
        (Some(Till { stripe, live, public_url: None, mails: false }), "no_public_url"),
    ] {
        let mut house = house(true, &[]);
        house.admin.till = till;
        let headers = [("authorization", &*format!("Bearer {CHANGE}"))];
        let body = json!({"member": "ann", "tier": "Basic"}).to_string();
        let reply = house.admin.answer(asked("POST", "/api/checkout", &headers, &body)).await;
        assert_eq!((reply.status().as_u16(), body_of(reply).await["error"]["code"].as_str()), (409, Some(code)));
    }
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_leaves_a_hint_and_what_was_sold_leaves_none() {
    let (base, _) = script::serve(stripe).await;
    let mut house = house(true, &[]);
    let stripe = Stripe::new(script::http(), Some(base), Secret::new("sk_test_x"));
    let public_url = Some("https://join.example".to_owned());
    house.admin.till = Some(Till { stripe, live: Some(script::live()), public_url, mails: false });
    for (path, body, hint) in [
        ("/api/checkout", json!({"member": "ann", "tier": "Basic"}), None),
        ("/api/cancel", json!({"member": "ann", "at_period_end": true}), Some(Hint::Customer(customer("ann")))),
        ("/api/upgrade", json!({"member": "ann", "tier": "Basic"}), Some(Hint::Customer(customer("ann")))),
        ("/api/uncancel", json!({"member": "ann"}), Some(Hint::Customer(customer("ann")))),
    ] {
        let headers = [("authorization", &*format!("Bearer {CHANGE}"))];
        let reply = house.admin.answer(asked("POST", path, &headers, &body.to_string())).await;
        assert_eq!((reply.status().as_u16(), house.hints.try_recv().ok()), (200, hint), "{path}");
    }
}
