//! `SEATS` (R5, R6): who is in needs no free seat to subscribe, and what Plex
//! refuses for good holds none.

use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, address};
use sandbox::wire::{self, Reply, form};
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, asked, days, heard, told, unhurried, why};

async fn visit(rig: &Rig, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let url = format!("{}{path}", rig.door().expect("a door"));
    wire::call(method, &url, &[], &form(fields)).await.expect("an answer")
}

fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.headers["location"].to_str().expect("an address").to_owned()
}

/// Ann and Zed have both seats, were let in by hand, and are asked to subscribe.
async fn all_seats_are_taken(name: &str) -> (Rig, PlexId) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 2);
    rig.set("PUBLIC_URL", "https://cinema.example");
    rig.set("UNMANAGED", "require-subscription");
    rig.set("SEATS", "2");
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.old_friend(2_000_002, "zed", 400);
    rig.open().await;
    rig.hours(5).await;
    (rig, ann)
}

/// The address in her letter, without the house's own.
fn link_in_the_letter(rig: &Rig) -> String {
    let letters = rig.smtp.received_for(&address("ann"));
    let letter = letters.iter().rfind(|mail| mail.subject.contains("please subscribe")).expect("a letter");
    let text = letter.text().replace("=\r\n", "").replace("=\n", "");
    let (_, link) = text.split_once("https://cinema.example/plans/").expect("a link");
    format!("/plans/{}", link.split_whitespace().next().expect("its end"))
}

#[tokio::test(start_paused = true)]
async fn who_was_asked_to_subscribe_can_though_all_seats_are_taken_their_own_among_them() {
    let (rig, ann) = all_seats_are_taken("seats-asked").await;
    assert_eq!(told(&rig, "ann", "please subscribe"), 1, "{}", why(&rig, "ann").await);
    let anybody = visit(&rig, "POST", "/join/basic", &[]).await;
    assert!(anybody.status == 503 && anybody.text().contains("All seats are taken"), "{}", anybody.text());
    let link = link_in_the_letter(&rig);
    let plans = visit(&rig, "GET", &link, &[]).await;
    let token = link.strip_prefix("/plans/").unwrap();
    assert!(plans.text().contains(&format!("/join/basic/for/{token}")), "{}", plans.text());
    let page = visit(&rig, "GET", &format!("/join/basic/for/{token}"), &[]).await;
    assert!(page.status == 200 && page.text().contains("Continue to payment"), "{}", page.text());
    let to = location(&visit(&rig, "POST", &format!("/join/basic/for/{token}"), &[]).await);
    let session = to.rsplit('/').next().expect("a session");
    // She pays with another address than her Plex account's.
    let sub = rig.stripe.complete_checkout(session, "work@example.com").expect("she pays");
    rig.days(20).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(why(&rig, "ann").await.contains(&sub), "{}", why(&rig, "ann").await);
    assert_eq!(rig.plex.invites_sent().len(), 0);
    // The link sells nothing twice.
    let again = visit(&rig, "POST", &format!("/join/basic/for/{token}"), &[]).await;
    assert!(again.status == 200 && again.text().contains("sell you a second one"), "{}", again.text());
    let forged = token.replacen("m-1", "m-2", 1);
    assert_eq!(visit(&rig, "POST", &format!("/join/basic/for/{forged}"), &[]).await.status, 404);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_signs_in_with_plex_and_subscribes_though_all_seats_are_taken() {
    let (rig, ann) = all_seats_are_taken("seats-sign-in").await;
    let page = visit(&rig, "GET", "/join/basic", &[]).await;
    assert!(page.text().contains("action=\"/join/basic/plex\""), "{}", page.text());
    let signs_in = async |account: PlexId| {
        let link = location(&visit(&rig, "POST", "/join/basic/plex", &[]).await);
        let back = rig.plex.sign_in_at(&link, account).expect("plex.tv's page");
        visit(&rig, "POST", back.strip_prefix("https://cinema.example").expect("our page"), &[]).await
    };
    let stranger = rig.person(2_000_009, "mallory");
    let refused = signs_in(stranger).await;
    assert!(refused.status == 503 && refused.text().contains("All seats are taken"), "{}", refused.text());
    let to = location(&signs_in(ann).await);
    rig.stripe.complete_checkout(to.rsplit('/').next().unwrap(), "work@example.com").expect("she pays");
    rig.days(20).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

/// Plex will not share with this address.
async fn nina_is_refused(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 2);
    rig.set("SEATS", "2");
    rig.set("FREE_TIER_INVITE_CODE", "film:1");
    rig.set("FREE_TIER", "Basic");
    let zed = rig.old_friend(2_000_002, "zed", 400);
    rig.watched(zed, days(0));
    rig.open().await;
    let typo = |request: &sandbox::http::Request| {
        request.json().is_some_and(|body| body.to_string().contains("nina@exmaple.com"))
    };
    let body = r#"{"errors":[{"code":1010,"message":"This account can't be shared with","status":422}]}"#.to_owned();
    let refusal = Fault::Status { code: 422, retry_after_s: None, body: Some(body) };
    rig.plex.faults().always(Matching::when(typo), refusal);
    rig
}

#[tokio::test(start_paused = true)]
async fn a_guest_whom_plex_refuses_is_told_listed_lapses_and_holds_no_seat() {
    let rig = nina_is_refused("refused-guest").await;
    asked(&rig, json!({ "ask": "invite", "who": "nina@exmaple.com", "tier": "Basic" })).await;
    rig.hours(3).await;
    assert_eq!(heard(&rig, "can't be invited"), 1, "{:?}", rig.operator_subjects());
    let unmatched = rig.get("/api/unmatched").await;
    assert!(unmatched["text"].as_str().unwrap_or_default().contains("nina@exmaple.com"), "{unmatched}");
    // The seat is free for somebody who pays.
    rig.person(2_000_003, "bob");
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    assert!(rig.plex.pending_of("bob@example.com").is_some(), "{}", why(&rig, "bob@example.com").await);
    rig.days(15).await;
    assert_eq!(heard(&rig, "could not be invited"), 1, "{:?}", rig.operator_subjects());
    let unmatched = rig.get("/api/unmatched").await;
    assert!(!unmatched["text"].as_str().unwrap_or_default().contains("nina@exmaple.com"), "{unmatched}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_was_typed_in_with_a_typo_in_the_address_is_not_used_up() {
    let rig = nina_is_refused("refused-code").await;
    asked(&rig, json!({ "ask": "redeem", "email": "nina@exmaple.com", "code": "film" })).await;
    rig.hours(3).await;
    let nina = rig.person(2_000_003, "nina");
    asked(&rig, json!({ "ask": "redeem", "email": "nina@example.com", "code": "film" })).await;
    rig.hours(3).await;
    rig.plex.accept_invite("nina@example.com").expect("an invite");
    rig.hours(3).await;
    assert!(rig.plex.has_access(nina));
    all_is_well(&rig);
}
