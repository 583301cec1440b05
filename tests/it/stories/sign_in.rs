//! From a link to the cinema with Plex's own sign-in (R2).

use sandbox::rig::Rig;
use sandbox::wire::{self, Reply, form};
use usher::facts::PlexId;

use super::{all_is_well, asked, book, days, told, unhurried, why};

const RELAY: &str = "x7@privaterelay.appleid.com";

async fn house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 4);
    rig.set("PUBLIC_URL", "https://cinema.example");
    rig
}

async fn visit(rig: &Rig, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let url = format!("{}{path}", rig.door().expect("a door"));
    wire::call(method, &url, &[], &form(fields)).await.expect("an answer")
}

fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.headers["location"].to_str().expect("an address").to_owned()
}

/// Presses the button and signs in at plex.tv: the way back.
async fn signs_in(rig: &Rig, account: PlexId) -> String {
    let link = location(&visit(rig, "POST", "/join/basic/plex", &[]).await);
    let back = rig.plex.sign_in_at(&link, account).expect("plex.tv's page");
    back.strip_prefix("https://cinema.example").expect("our page").to_owned()
}

/// The Checkout session that it leads to.
fn session(reply: &Reply) -> String {
    location(reply).strip_prefix("https://checkout.stripe.com/").expect("Stripe's").rsplit('/').next().unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_with_plex_is_invited_by_account_even_with_another_address_at_stripe() {
    let mut rig = house("sign-in").await;
    rig.open().await;
    let ann = PlexId(2_000_001);
    rig.plex.add_account(ann, "ann", RELAY);
    let link = location(&visit(&rig, "POST", "/join/basic/plex", &[]).await);
    let way_back = wire::pairs(link.split_once('?').expect("a query").1).pop().expect("forwardUrl").1;
    let way_back = way_back.strip_prefix("https://cinema.example").expect("our page");
    let before = (rig.plex.requests().len(), rig.stripe.requests().len());
    for _ in 0..20 {
        assert_eq!(visit(&rig, "GET", way_back, &[]).await.status, 200);
    }
    assert_eq!((rig.plex.requests().len(), rig.stripe.requests().len()), before, "a crawler costs nothing");
    let early = visit(&rig, "POST", way_back, &[]).await;
    assert!(early.status == 400 && early.text().contains("signed in yet"), "{}", early.text());
    rig.plex.sign_in_at(&link, ann).expect("plex.tv's page");
    let session = session(&visit(&rig, "POST", way_back, &[]).await);
    rig.stripe.complete_checkout(&session, "work@example.com").expect("she pays");
    rig.minutes(1).await;
    assert!(rig.plex.pending_of(ann).is_some(), "{:?}", rig.plex.changes());
    rig.plex.accept_invite(ann);
    rig.hours(5).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(why(&rig, "ann").await.contains("they signed in with Plex before they paid"), "{}", why(&rig, "ann").await);
    assert_eq!((rig.plex.invites_sent().len(), rig.plex.clients().len()), (1, 1));
    assert!(!book(&rig).to_string().contains("token-of-"), "nobody's token is kept");
    let again = visit(&rig, "POST", &signs_in(&rig, ann).await, &[]).await;
    assert!(again.status == 200 && again.text().contains("sell you a second one"), "{}", again.text());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_never_moves_anybody_elses_access() {
    let mut rig = house("sign-in-others").await;
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.watched(bob, days(1));
    rig.open().await;
    let mallory = rig.person(2_000_003, "mallory");
    rig.plex.with_account(mallory, |account| account.confirmed = false);
    // Mallory signs in as herself and pays with Bob's address.
    let session = session(&visit(&rig, "POST", &signs_in(&rig, mallory).await, &[("plex", "bob")]).await);
    let sub = rig.stripe.complete_checkout(&session, "bob@example.com").expect("paid");
    rig.hours(5).await;
    assert!(rig.plex.pending_of(mallory).is_some() && rig.plex.has_access(bob));
    assert!(!why(&rig, "2000002").await.contains(&sub), "{}", why(&rig, "2000002").await);
    rig.plex.accept_invite(mallory);
    rig.hours(5).await;
    // The operator takes it apart, and it stays apart.
    asked(&rig, serde_json::json!({ "ask": "unlink", "who": "2000003" })).await;
    rig.watched(bob, days(1));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.has_access(bob) && told(&rig, "bob", "Welcome") == 0, "{}", why(&rig, "2000002").await);
    assert_eq!(rig.plex.deletions().iter().filter(|gone| gone.account == Some(bob)).count(), 0);
    // A sign-in that nobody finished within half an hour is over.
    let link = location(&visit(&rig, "POST", "/join/basic/plex", &[]).await);
    rig.minutes(31).await;
    assert_eq!(rig.plex.sign_in_at(&link, bob), None);
    all_is_well(&rig);
}

/// R2: signing in counts more than the address that was paid with.
#[tokio::test(start_paused = true)]
async fn what_somebody_buys_for_a_friend_who_signs_in_is_the_friends() {
    let mut rig = house("sign-in-gift").await;
    rig.open().await;
    let (bob, bobs) = super::payer(&rig, 2_000_002, "bob", &rig.basic).await;
    let ann = rig.person(2_000_001, "ann");
    let session = session(&visit(&rig, "POST", &signs_in(&rig, ann).await, &[]).await);
    let gift = rig.stripe.complete_checkout(&session, "bob@example.com").expect("Bob pays");
    rig.hours(3).await;
    rig.plex.accept_invite(ann).expect("an invite to her account");
    rig.days(2).await;
    rig.stripe.cancel_now(&bobs, "cancellation_requested");
    rig.days(3).await;
    assert!(rig.plex.has_access(ann) && !rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    rig.stripe.cancel_now(&gift, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!((rig.plex.invites_sent().len(), rig.plex.deletions().len()), (2, 2));
    all_is_well(&rig);
}
