//! What went wrong in other systems of this kind, told as stories that end
//! well here. `tests/it/LESSONS.md` says which lesson each story keeps.

use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, address};

use super::{all_is_well, book, days, heard, hours, old_payer, payer, told, told_at, unhurried, why};

/// A house in which six friends watch, so that one person more or less is no
/// crowd.
fn friends(rig: &Rig) {
    for n in 0..6 {
        let friend = rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        rig.watched(friend, hours(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_keeps_failing_is_told_once_and_the_member_hears_nothing() {
    let mut rig = Rig::new("removal-fails").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    let fault = rig.plex.faults().always(Matching::when(|request| request.method == "DELETE"), Fault::status(500));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(4).await;
    assert!(rig.plex.has_access(ann), "plex.tv did nothing");
    assert!(rig.plex.faults().struck(&Fault::status(500)) >= 3, "it is tried again");
    assert_eq!(told(&rig, "ann", "has ended"), 0, "nothing has ended yet");
    assert_eq!(heard(&rig, "ann was removed"), 0);
    assert_eq!(heard(&rig, "in vain"), 1, "{:?}", rig.operator_subjects());
    assert!(why(&rig, "ann").await.contains("m-"), "she is still in the book");
    rig.plex.faults().remove(fault);
    rig.hours(26).await;
    assert!(!rig.plex.has_access(ann));
    assert_eq!((told(&rig, "ann", "has ended"), heard(&rig, "ann was removed"), rig.plex.deletions().len()), (1, 1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_else_the_stripe_account_sells_lets_nobody_in_and_is_said_once() {
    let mut rig = Rig::new("foreign-products").await;
    unhurried(&mut rig, 1);
    let shop = rig.stripe.add_product("Newsletter", &[]);
    let price = rig.stripe.add_price(&shop, 300, "usd", Some(sandbox::stripe::Interval::Month));
    rig.open().await;
    for n in 0..3 {
        rig.person(2_000_001 + n, &format!("reader{n}"));
        let customer = rig.stripe.customer(&address(&format!("reader{n}")), "Reader");
        rig.stripe.subscribe(&customer, &price);
    }
    rig.days(3).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "none of ours"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(book(&rig)["members"].as_object().map(serde_json::Map::len), Some(0), "none of them is a member");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_changes_their_address_stays_the_same_member() {
    let mut rig = Rig::new("new-address").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    let (ann, _) = old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.watched(bob, days(1));
    rig.open().await;
    rig.hours(3).await;
    let before = book(&rig)["members"].as_object().map(serde_json::Map::len);
    rig.plex.with_account(ann, |account| account.email = "ann@new.example".into());
    rig.plex.with_account(bob, |account| {
        account.email = "BOB@Example.com".into();
        account.username = "bobby".into();
    });
    rig.days(3).await;
    super::nothing_was_done(&rig);
    assert_eq!(book(&rig)["members"].as_object().map(serde_json::Map::len), before, "nobody became somebody else");
    assert!(why(&rig, "ann@new.example").await.contains("is active"), "she still pays");
    assert!(why(&rig, "bobby").await.contains("shared by hand"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_managed_user_without_an_address_stops_nobodys_day() {
    let mut rig = Rig::new("odd-accounts").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    let kid = usher::facts::PlexId(2_000_050);
    rig.plex.add_managed_user(kid, "Kid");
    // A guest whom plex.tv lists with neither name nor address.
    let guest = rig.old_friend(2_000_060, "guest", 400);
    rig.plex.with_account(guest, |account| {
        account.username = String::new();
        account.email = String::new();
    });
    let idle = rig.old_friend(2_000_070, "idle", 400);
    rig.watched(idle, days(28));
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(told(&rig, "idle", "Still with us"), 1, "everybody else's day goes on");
    payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Welcome"), 1);
    assert_eq!(rig.plex.deletions().len(), 0, "nobody odd is removed");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn two_people_of_one_display_name_are_two_members() {
    let mut rig = Rig::new("one-name").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    let (mom, other) = (rig.old_friend(2_000_001, "mom1", 400), rig.old_friend(2_000_002, "mom2", 400));
    for account in [mom, other] {
        rig.plex.with_account(account, |account| account.title = "Mom".into());
    }
    rig.watched(mom, days(28));
    rig.watched(other, hours(2));
    rig.open().await;
    rig.hours(4).await;
    assert_eq!((told(&rig, "mom1", "Still with us"), told(&rig, "mom2", "Still with us")), (1, 0));
    let page = rig.get("/api/why?who=Mom").await.to_string();
    assert!(!page.contains("shared by hand"), "a display name is nobody's key: {page}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_also_has_a_share_of_another_server_keeps_that_one() {
    let mut rig = Rig::new("second-server").await;
    unhurried(&mut rig, 1);
    rig.set("PLEX_SERVER_NAME", sandbox::plex::SERVER_NAME);
    friends(&rig);
    rig.plex.add_other_server("eeee2222bbbb2222cccc3333dddd4444eeee9999");
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let at = rig.now() - days(100);
    let theirs = rig.plex.share_other_server("eeee2222bbbb2222cccc3333dddd4444eeee9999", ann, at);
    // And one who is a friend of that server alone is none of ours.
    let stranger = usher::facts::PlexId(2_000_090);
    rig.plex.add_account(stranger, "stranger", "stranger@example.com");
    let elsewhere = rig.plex.share_other_server("eeee2222bbbb2222cccc3333dddd4444eeee9999", stranger, at);
    rig.hours(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "here it ended");
    assert_eq!(rig.plex.deletions().len(), 1);
    assert!(rig.plex.deletions().iter().all(|gone| gone.share != theirs && gone.share != elsewhere));
    assert_eq!(rig.subjects_to("stranger"), Vec::<String>::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_hour_in_which_a_renewal_is_a_draft_ends_nobody() {
    let mut rig = Rig::new("draft-hour").await;
    rig.set("CHECK_BILLING_SECS", "600");
    rig.set("CHECK_INACTIVITY_SECS", "3600");
    rig.set("EXPIRY_SETTLE_HOURS", "0");
    let product = rig.stripe.add_product("By the day", &[]);
    let daily = rig.stripe.add_price(&product, 100, "usd", Some(sandbox::stripe::Interval::Day));
    let tiers = serde_json::json!([{ "name": "Daily", "prices": [daily], "libraries": ["Movies"] }]);
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &daily).await;
    let letters = rig.subjects_to("ann");
    // Two renewals, each an hour long a draft.
    rig.hours(51).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.stripe.status(&sub), Some(sandbox::stripe::Status::Active));
    assert_eq!((rig.plex.changes().len(), rig.subjects_to("ann")), (1, letters), "the invite, and nothing since");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_joined_while_usher_was_down_is_welcomed_at_the_next_start() {
    let mut rig = Rig::new("joined-meanwhile").await;
    friends(&rig);
    rig.open().await;
    rig.minutes(5).await;
    rig.close().await;
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.days(1).await;
    rig.open().await;
    rig.minutes(30).await;
    assert_eq!((told(&rig, "ann", "Welcome"), heard(&rig, "ann is in")), (1, 1));
    assert_eq!(heard(&rig, "friend"), 0, "the others were known");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_watches_again_after_a_warning_must_be_warned_again_the_next_time() {
    let mut rig = Rig::new("second-spell").await;
    unhurried(&mut rig, 4);
    let ann = super::idle::ann_watched(&mut rig, days(26)).await;
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    rig.watched(ann, hours(1));
    let watched = rig.now();
    rig.days(26).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "that spell is over");
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 2);
    assert!(rig.plex.has_access(ann), "an old warning is no warning");
    let warned = told_at(&rig, "ann", "Still with us");
    assert!(warned - watched >= days(26), "{}", warned - watched);
    rig.days(5).await;
    let gone = rig.plex.deletions().into_iter().find(|gone| gone.account == Some(ann));
    let gone = gone.expect("she is gone").at;
    assert!(gone - warned >= days(3), "{} after the warning", gone - warned);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_types_anothers_plex_name_at_checkout_moves_nobodys_access() {
    let mut rig = Rig::new("typed-name").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ann, hours(2));
    rig.open().await;
    rig.hours(2).await;
    let before = format!("{:?}", rig.plex.share_of(ann));
    let customer = rig.stripe.customer("mallory@example.com", "Mallory");
    let sub = rig.stripe.subscribe(&customer, &rig.premium);
    for key in ["plex", "plex_username", "plex_id", "username", "usher_plex", "usher_member"] {
        rig.stripe.set_metadata(&sub, key, "ann");
    }
    rig.days(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(4).await;
    assert_eq!(format!("{:?}", rig.plex.share_of(ann)), before, "Ann is as she was");
    assert_eq!(rig.subjects_to("ann"), Vec::<String>::new());
    let invited = rig.plex.invites_sent();
    assert_eq!(invited.len(), 1, "only the address that paid: {invited:?}");
    assert!(rig.plex.deletions().iter().all(|gone| !gone.was_accepted));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_pays_with_anothers_address_and_cancels_takes_nothing_from_them() {
    let mut rig = Rig::new("others-address").await;
    unhurried(&mut rig, 1);
    friends(&rig);
    let by_hand = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(by_hand, hours(2));
    let (pays, own) = old_payer(&rig, 2_000_002, "bea", &rig.basic.clone());
    rig.watched(pays, hours(2));
    rig.open().await;
    rig.hours(2).await;
    let shares = |rig: &Rig| format!("{:?} {:?}", rig.plex.share_of(by_hand), rig.plex.share_of(pays));
    let before = shares(&rig);
    for name in ["ann", "bea"] {
        let customer = rig.stripe.customer(&address(name), "Mallory");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        rig.days(1).await;
        rig.stripe.cancel_now(&sub, "cancellation_requested");
    }
    rig.days(4).await;
    assert_eq!(shares(&rig), before);
    assert_eq!(rig.stripe.status(&own), Some(sandbox::stripe::Status::Active));
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_pays_with_a_relay_address_waits_for_the_operator() {
    let mut rig = Rig::new("relay-address").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let customer = rig.stripe.customer("x7k2p9@privaterelay.appleid.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), 0, "another Plex account hides behind it");
    assert_eq!(heard(&rig, "can't be let in"), 1, "{:?}", rig.operator_subjects());
    assert!(why(&rig, "x7k2p9@privaterelay.appleid.com").await.contains("relay"));
    all_is_well(&rig);
}
