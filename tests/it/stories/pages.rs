//! From a link to the cinema: the public pages (R2, R6, R8, R10).

use std::time::Duration;

use sandbox::rig::{Rig, address};
use sandbox::wire::{self, Reply, form};

use super::{all_is_well, book, heard, heard_on_discord, hours, payer, told, unhurried, why};

/// A rig whose pages are set up. The daemon runs.
async fn open(name: &str, more: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 4);
    rig.set("PUBLIC_URL", "https://cinema.example");
    more.iter().for_each(|(name, value)| rig.set(name, value));
    rig.open().await;
    rig
}

async fn visit(rig: &Rig, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let url = format!("{}{path}", rig.door().expect("a door"));
    wire::call(method, &url, &[], &form(fields)).await.expect("an answer")
}

/// Fills in the page of a tier, up to Stripe's page: its session.
async fn to_checkout(rig: &Rig, tier: &str, fields: &[(&str, &str)]) -> String {
    let reply = visit(rig, "POST", &format!("/join/{tier}"), fields).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let to = reply.headers["location"].to_str().expect("an address").to_owned();
    assert!(to.starts_with("https://checkout.stripe.com/"), "{to}");
    to.rsplit('/').next().expect("a session").to_owned()
}

#[tokio::test(start_paused = true)]
async fn promise_04_from_a_link_to_the_cinema() {
    let rig = open("pages-join", &[]).await;
    let ann = rig.person(2_000_001, "ann");
    let plans = visit(&rig, "GET", "/plans", &[]).await.text();
    assert!(plans.contains("href=\"/join/basic\"") && plans.contains("5.00 USD a month"), "{plans}");
    let page = visit(&rig, "GET", "/join/basic", &[]).await;
    assert!(page.status == 200 && page.text().contains("<form method=\"post\" action=\"/join/basic\">"));
    let session = to_checkout(&rig, "basic", &[("email", "ann@example.com"), ("plex", "ann")]).await;
    rig.stripe.complete_checkout(&session, "ann@example.com").expect("she pays");
    assert_eq!(visit(&rig, "GET", &format!("/joined?s={session}"), &[]).await.status, 200);
    rig.minutes(1).await;
    let invites = rig.plex.invites_sent();
    assert_eq!(invites.iter().map(|invite| invite.sections.clone()).collect::<Vec<_>>(), [[rig.movies]]);
    rig.plex.accept_invite("ann@example.com");
    rig.hours(5).await;
    assert!(rig.plex.has_access(ann) && told(&rig, "ann", "Welcome") == 1, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_crawler_costs_nothing() {
    let rig = open("pages-crawler", &[("FREE_TIER_INVITE_CODE", "film:1"), ("FREE_TIER", "Basic")]).await;
    payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.hours(1).await;
    let asked = |rig: &Rig| (rig.stripe.requests().len(), rig.plex.requests().len());
    let state = || std::fs::read(rig.state().join("state.json")).expect("the book");
    let before = (asked(&rig), state());
    let joining = ["/join/basic", "/join/premium", "/join/basic/plex", "/join/basic/plex/42.1.y"];
    let others = ["/", "/plans", "/joined?s=cs_1", "/redeem", "/billing", "/billing/x.1.y"];
    for path in joining.into_iter().chain(others) {
        for method in ["GET", "HEAD"] {
            for _ in 0..20 {
                let reply = visit(&rig, method, path, &[]).await;
                assert!(reply.status < 405, "{method} {path}: {}", reply.status);
                assert_eq!(reply.body.is_empty(), method == "HEAD" || path == "/", "{method} {path}");
            }
        }
    }
    assert_eq!((asked(&rig), state()), before);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_flood_from_one_address_is_limited_and_the_signed_webhook_never_is() {
    let proxies = [("TRUSTED_PROXIES", "127.0.0.1"), ("FREE_TIER_INVITE_CODE", "film"), ("FREE_TIER", "Basic")];
    let rig = open("pages-flood", &proxies).await;
    let door = rig.door().expect("a door");
    let post = async |path: &str, from: &str| {
        let fields = form(&[("email", "x@example.com"), ("code", "guess")]);
        let headers = [("x-forwarded-for", from)];
        wire::call("POST", &format!("{door}{path}"), &headers, &fields).await.expect("an answer").status
    };
    let mut let_through = 0;
    for n in 0..60 {
        // What stands further left is the stranger's own writing.
        let from = format!("198.51.100.{n}, 203.0.113.7");
        let path = ["/join/basic", "/redeem", "/billing"][n % 3];
        let_through += usize::from(post(path, &from).await != 429);
        rig.pass(Duration::from_secs(20)).await;
    }
    assert_eq!(let_through, 10, "in twenty minutes");
    assert_ne!(post("/redeem", "203.0.113.8").await, 429, "somebody else");
    let event = serde_json::json!({ "id": "evt_1", "object": "event", "type": "invoice.paid", "livemode": false });
    for _ in 0..100 {
        let status = rig.stripe.send_webhook(&format!("{door}/webhook/stripe"), &event).await.expect("an answer");
        assert_eq!(status, 200);
    }
    rig.minutes(5).await;
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_billing_link_learns_nothing_and_only_the_payer_gets_it() {
    let rig = open("pages-billing", &[]).await;
    payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.person(2_000_002, "bob");
    let known = visit(&rig, "POST", "/billing", &[("email", "Ann@Example.com")]).await;
    let unknown = visit(&rig, "POST", "/billing", &[("email", "bob@example.com")]).await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    visit(&rig, "POST", "/billing", &[("email", "ann@example.com")]).await;
    rig.hours(1).await;
    visit(&rig, "POST", "/billing", &[("email", "ann@example.com")]).await;
    rig.minutes(5).await;
    assert_eq!((told(&rig, "ann", "Your subscription"), rig.subjects_to("bob").len()), (1, 0), "one letter a day");
    let letter = rig.smtp.received_for(&address("ann")).into_iter().rfind(|mail| mail.subject.contains("Your subsc"));
    let text = letter.expect("the letter").text();
    let link = text.split_whitespace().find(|word| word.starts_with("https://")).expect("a link").to_owned();
    let path = link.strip_prefix("https://cinema.example").expect("our page").to_owned();
    let changes = rig.stripe.changes().len();
    assert!(visit(&rig, "GET", &path, &[]).await.text().contains("Open it"));
    assert_eq!(rig.stripe.changes().len(), changes, "a mail scanner makes nothing at Stripe");
    let opened = visit(&rig, "POST", &path, &[]).await;
    assert_eq!(opened.status, 303, "{}", opened.text());
    assert!(opened.headers["location"].to_str().expect("text").starts_with("https://billing.stripe.com/"));
    assert_eq!(visit(&rig, "POST", &path.replace("cus_", "cus_0"), &[]).await.status, 404, "forged");
    assert!(!book(&rig).to_string().contains(path.rsplit('.').next().expect("a signature")), "no secret in the book");
    rig.hours(24).await;
    assert_eq!(visit(&rig, "POST", &path, &[]).await.status, 404, "its time is over");
    visit(&rig, "POST", "/billing", &[("email", "ann@example.com")]).await;
    rig.minutes(5).await;
    assert_eq!(told(&rig, "ann", "Your subscription"), 2, "another day");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_code_with_one_use_lets_one_person_in() {
    let rig = open("pages-code", &[("FREE_TIER_INVITE_CODE", "film:1"), ("FREE_TIER", "Basic")]).await;
    let ann = rig.person(2_000_001, "ann");
    rig.person(2_000_002, "bob");
    let redeem = async |name: &str, code: &str| {
        visit(&rig, "POST", "/redeem", &[("email", &address(name)), ("code", code)]).await.status
    };
    assert_eq!(redeem("ann", "movie").await, 400);
    assert_eq!(redeem("ann", "film").await, 200);
    assert_eq!(redeem("bob", "film").await, 400, "the open invite keeps the use");
    rig.minutes(1).await;
    rig.plex.accept_invite("ann@example.com");
    rig.hours(5).await;
    assert!(rig.plex.has_access(ann) && told(&rig, "ann", "Welcome") == 1, "{}", why(&rig, "ann").await);
    assert_eq!(redeem("bob", "film").await, 400, "it is used up");
    assert!(why(&rig, "ann").await.contains("grandfathered since 2026-01-03 (by a free code)"));
    rig.days(60).await;
    assert!(rig.plex.has_access(ann), "grandfathered: {}", why(&rig, "ann").await);
    assert_eq!((rig.plex.invites_sent().len(), rig.plex.deletions().len()), (1, 0));
    assert!(!book(&rig).to_string().contains("film"), "the code doesn't stand in the book");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_code_whose_invite_lapsed_can_be_used_again() {
    let more = [("FREE_TIER_INVITE_CODE", "film:1::30"), ("FREE_TIER", "Basic"), ("INVITE_DAYS", "2")];
    let rig = open("pages-code-lapsed", &more).await;
    let redeem =
        async |name: &str| visit(&rig, "POST", "/redeem", &[("email", &address(name)), ("code", "film")]).await.status;
    rig.person(2_000_001, "ann");
    let bob = rig.person(2_000_002, "bob");
    assert_eq!(redeem("ann").await, 200);
    rig.days(3).await;
    assert_eq!(heard(&rig, "did not take up the invite"), 1);
    assert_eq!(redeem("bob").await, 200);
    rig.minutes(1).await;
    rig.plex.accept_invite("bob@example.com");
    rig.hours(5).await;
    assert!(rig.plex.has_access(bob));
    assert!(why(&rig, "bob").await.contains("complimentary"), "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_full_house_says_so_before_it_takes_money() {
    let rig = open("pages-full", &[("SEATS", "1")]).await;
    payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.hours(5).await;
    for path in ["/plans", "/join/basic"] {
        let text = visit(&rig, "GET", path, &[]).await.text();
        assert!(text.contains("All seats are taken"), "{path}: {text}");
        // Only who is in already may still sign in (RULES R5): they need no seat.
        let for_who_is_in = text.matches("<form").count() == text.matches("Are you in already?").count();
        assert!(for_who_is_in && !text.contains("name=\"email\""), "{path}: {text}");
    }
    let reply = visit(&rig, "POST", "/join/basic", &[("email", "bob@example.com")]).await;
    assert_eq!(reply.status, 503);
    assert_eq!(rig.stripe.changes().len(), 0, "{:?}", rig.stripe.changes());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_pages_and_sells_nothing() {
    let rig =
        open("pages-dry", &[("DRY_RUN", "true"), ("FREE_TIER_INVITE_CODE", "film"), ("FREE_TIER", "Basic")]).await;
    assert!(visit(&rig, "GET", "/join/basic", &[]).await.text().contains("still rehearsing"));
    for (path, status) in [("/join/basic", 503), ("/join/basic/plex", 503), ("/redeem", 503), ("/billing", 404)] {
        let fields = [("email", "bob@example.com"), ("code", "film")];
        assert_eq!(visit(&rig, "POST", path, &fields).await.status, status, "{path}");
    }
    rig.minutes(5).await;
    assert_eq!(rig.stripe.changes().len() + rig.plex.changes().len(), 0);
    assert!(!rig.state().join("state.json").exists());
}

/// R2: what a stranger types or pays with says nothing about who they are.
#[tokio::test(start_paused = true)]
async fn whose_address_or_name_is_typed_keeps_just_what_they_had() {
    let more = [("FREE_TIER_INVITE_CODE", "film"), ("FREE_TIER", "Basic")];
    let mut rig = Rig::new("pages-proofs").await;
    unhurried(&mut rig, 4);
    rig.set("PUBLIC_URL", "https://cinema.example");
    more.iter().for_each(|(name, value)| rig.set(name, value));
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.watched(bob, hours(1));
    rig.open().await;
    rig.person(2_000_003, "mallory");
    let shared = || rig.plex.changes().len();
    assert_eq!(shared(), 0);
    // Bob's name with Mallory's address: the invite goes to the one who pays.
    let session = to_checkout(&rig, "basic", &[("email", "mallory@example.com"), ("plex", "bob")]).await;
    let sub = rig.stripe.complete_checkout(&session, "mallory@example.com").expect("paid");
    rig.hours(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{:?}", rig.plex.changes());
    assert!(why(&rig, "mallory@example.com").await.contains(&sub) && !why(&rig, "bob").await.contains(&sub));
    // Bob's address, typed with a code and at Checkout: he has what he had, also
    // when Mallory stops paying.
    let fields = [("email", "bob@example.com"), ("code", "film")];
    assert_eq!(visit(&rig, "POST", "/redeem", &fields).await.status, 200);
    let session = to_checkout(&rig, "basic", &[("email", "bob@example.com")]).await;
    let sub = rig.stripe.complete_checkout(&session, "bob@example.com").expect("paid");
    rig.hours(5).await;
    rig.watched(bob, hours(1));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(5).await;
    assert!(rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    assert_eq!(shared(), 1, "Mallory's invite is all that ever happened: {:?}", rig.plex.changes());
    assert_eq!(heard(&rig, "free code was typed in") + heard_on_discord(&rig, "free code was typed in"), 2);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn one_person_uses_a_code_once_whatever_address_they_type_in() {
    let more = [("FREE_TIER_INVITE_CODE", "film:5::3"), ("FREE_TIER", "Basic")];
    let rig = open("pages-code-twice", &more).await;
    let redeem = async |email: &str| visit(&rig, "POST", "/redeem", &[("email", email), ("code", "film")]).await.status;
    let ann = rig.person(2_000_001, "ann");
    assert_eq!(redeem("work@example.com").await, 200);
    rig.minutes(5).await;
    rig.plex.accept_invite_as("work@example.com", ann).expect("the code's");
    rig.days(6).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    for known in ["work@example.com", "ann@example.com"] {
        assert_eq!(redeem(known).await, 200);
    }
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "they have used it before");
    // An address of which nobody knows that it is hers.
    assert_eq!(redeem("third@example.com").await, 200);
    rig.minutes(5).await;
    rig.plex.accept_invite_as("third@example.com", ann).expect("the code's");
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(heard(&rig, "used a free code a second time"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "without a reason"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_08_nobody_of_the_house_is_invited_whoever_types_or_pays_with_their_address() {
    let mut rig = Rig::new("pages-of-the-house").await;
    unhurried(&mut rig, 4);
    rig.set("PUBLIC_URL", "https://cinema.example");
    rig.set("FREE_TIER_INVITE_CODE", "film:3");
    rig.set("FREE_TIER", "Basic");
    rig.plex.add_home_user(usher::facts::PlexId(2_000_060), "home", "home@example.com");
    rig.old_friend(2_000_061, "zed", 400);
    rig.open().await;
    for of_the_house in ["owner@example.com", "Home@Example.com"] {
        let typed = visit(&rig, "POST", "/redeem", &[("email", of_the_house), ("code", "film")]).await;
        assert_eq!(typed.status, 200, "nobody learns whose it is");
        let ask = serde_json::json!({ "ask": "invite", "who": of_the_house, "tier": "Basic" });
        let answer = super::refused(&rig, ask).await;
        assert!(answer.contains("your Plex Home"), "{answer}");
        let customer = rig.stripe.customer(of_the_house, "Somebody");
        rig.stripe.subscribe(&customer, &rig.basic);
    }
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), 0, "{}", rig.get("/api/members").await);
    assert_eq!(heard(&rig, "in vain"), 0, "{:?}", rig.operator_subjects());
    let unmatched = rig.get("/api/unmatched").await["text"].to_string();
    assert_eq!(unmatched.matches("somebody in your Plex Home").count(), 2, "{unmatched}");
    let page = visit(&rig, "POST", "/redeem", &[("email", "new@example.com"), ("code", "film")]).await;
    assert_eq!(page.status, 200);
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "the uses are left for others");
    all_is_well(&rig);
}
