//! The wrong account, server or clock (R9.3, R9.4; promise 3).

use chrono::TimeDelta;
use sandbox::rig::Rig;

use super::{accept, all_is_well, days, heard, old_payer, payer, unhurried};

async fn a_house_with_one_payer(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..3 {
        rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
    }
    old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.open().await;
    rig.hours(3).await;
    super::nothing_was_done(&rig);
    rig
}

/// Somebody new pays meanwhile; it must wait.
fn zoe_pays(rig: &Rig) {
    rig.person(2_000_090, "zoe");
    let customer = rig.stripe.customer("zoe@example.com", "Zoe");
    rig.stripe.subscribe(&customer, &rig.basic);
}

#[tokio::test(start_paused = true)]
async fn another_stripe_account_is_held_and_told_once_until_accepted() {
    let rig = a_house_with_one_payer("other-account").await;
    rig.stripe.set_account_id(Some("acct_somebody_else"));
    rig.hours(2).await;
    zoe_pays(&rig);
    rig.days(2).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Stripe is not the one in the book"), 1, "{:?}", rig.operator_subjects());
    accept(&rig, "stripe").await;
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_an_account_that_is_accepted_in_a_rehearsal_is_ours_when_live() {
    let mut rig = a_house_with_one_payer("accepted-rehearsed").await;
    rig.close().await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.stripe.set_account_id(Some("acct_somebody_else"));
    rig.hours(2).await;
    let asked = rig.ask(serde_json::json!({ "ask": "accept", "what": "stripe", "dry_run": true })).await;
    assert!(asked["text"].as_str().is_some_and(|text| text.contains("nothing was changed")), "{asked}");
    accept(&rig, "stripe").await;
    let again = super::asked(&rig, serde_json::json!({ "ask": "accept", "what": "stripe" })).await;
    assert_eq!(again, "there is nothing to accept");
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    zoe_pays(&rig);
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_name_its_account_is_no_mismatch() {
    let rig = a_house_with_one_payer("unnamed-account").await;
    rig.stripe.set_account_id(None);
    rig.hours(2).await;
    zoe_pays(&rig);
    rig.hours(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(heard(&rig, "not the one"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn objects_of_the_other_livemode_are_held_and_told() {
    let rig = a_house_with_one_payer("other-livemode").await;
    rig.stripe.set_livemode(Some(true));
    rig.hours(2).await;
    zoe_pays(&rig);
    rig.days(1).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Stripe is not the one in the book"), 1, "{:?}", rig.operator_subjects());
    rig.stripe.set_livemode(None);
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_live_key_on_a_book_of_the_test_mode_is_held_and_told() {
    let mut rig = a_house_with_one_payer("live-key").await;
    rig.close().await;
    rig.stripe.set_key("sk_live_sandbox");
    rig.set("STRIPE_SECRET_KEY", "sk_live_sandbox");
    rig.open().await;
    zoe_pays(&rig);
    rig.days(1).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Stripe is not the one in the book"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn another_plex_server_is_held_and_told_until_accepted() {
    let rig = a_house_with_one_payer("other-server").await;
    rig.plex.set_machine("ffff1111bbbb2222cccc3333dddd4444eeee9999");
    rig.hours(2).await;
    zoe_pays(&rig);
    rig.days(2).await;
    super::nothing_was_done(&rig);
    let told = heard(&rig, "plex.tv") + heard(&rig, "Far fewer");
    assert_eq!(told, 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "is gone"), 0);
    accept(&rig, "server").await;
    rig.hours(3).await;
    assert_eq!(
        rig.plex.invites_sent().len(),
        2,
        "who pays is let in there, Ann and Zoe: {:?}",
        rig.operator_subjects()
    );
    assert_eq!((heard(&rig, "is gone"), heard(&rig, "Far fewer")), (0, 0), "adoption is silent");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_tautulli_that_watches_another_server_makes_nobody_idle() {
    let mut rig = Rig::new("other-tautulli").await;
    super::idle::ann_watched(&mut rig, days(26) + super::hours(20)).await;
    rig.open().await;
    rig.hours(2).await;
    rig.tautulli.set_server("ffff1111bbbb2222cccc3333dddd4444eeee9999");
    rig.days(4).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Tautulli is not the one in the book"), 1, "{:?}", rig.operator_subjects());
    accept(&rig, "tautulli").await;
    rig.minutes(50).await;
    assert_eq!(rig.subjects_to("ann"), Vec::<String>::new(), "four days were seen by nobody");
    rig.hours(3).await;
    assert_eq!(rig.subjects_to("ann").len(), 1, "and now it counts again: {:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

/// Our clock is wrong by so much, for a day: nothing is committed, it is told
/// once, and afterwards life goes on.
async fn a_wrong_clock(name: &str, offset: TimeDelta) {
    let mut rig = Rig::new(name).await;
    rig.set("DIGEST", "daily");
    super::idle::ann_watched(&mut rig, days(26) + super::hours(20)).await;
    rig.open().await;
    rig.hours(1).await;
    rig.time.set_offset(offset);
    rig.minutes(30).await;
    let before = std::fs::read(rig.state().join("state.json")).expect("the book");
    zoe_pays(&rig);
    rig.hours(20).await;
    assert_eq!(std::fs::read(rig.state().join("state.json")).expect("the book"), before, "nothing was committed");
    super::nothing_was_done(&rig);
    assert_eq!(rig.operator_subjects(), ["The clocks disagree: Usher only waits"], "nor a digest of that other day");
    rig.time.set_offset(TimeDelta::zero());
    rig.hours(4).await;
    assert_eq!(heard(&rig, "Digest of 4 January 2026"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(
        rig.plex.invites_sent().len(),
        1,
        "{}",
        rig.get("/api/members").await["text"].as_str().unwrap_or_default()
    );
    assert_eq!(heard(&rig, "clocks disagree"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_clock_a_day_ahead_decides_nothing() {
    a_wrong_clock("clock-ahead", TimeDelta::days(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_a_day_behind_decides_nothing() {
    a_wrong_clock("clock-behind", -TimeDelta::days(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_with_a_wrong_clock_harms_nobody() {
    let mut rig = Rig::new("clock-start").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.close().await;
    rig.time.set_offset(TimeDelta::days(400));
    rig.open().await;
    rig.hours(3).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(heard(&rig, "clocks disagree"), 1, "{:?}", rig.operator_subjects());
    rig.close().await;
    rig.time.set_offset(TimeDelta::zero());
    rig.open().await;
    rig.hours(1).await;
    assert_eq!((rig.plex.deletions().len(), rig.plex.invites_sent().len()), (0, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_the_clock_a_day_ahead_writes_no_book_from_the_future() {
    let mut rig = Rig::new("clock-restart").await;
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.close().await;
    let before = std::fs::read(rig.state().join("state.json")).expect("the book");
    rig.time.set_offset(TimeDelta::days(1));
    rig.open().await;
    rig.minutes(30).await;
    assert_eq!(std::fs::read(rig.state().join("state.json")).expect("the book"), before, "nothing was committed");
    rig.time.set_offset(TimeDelta::zero());
    zoe_pays(&rig);
    rig.minutes(45).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "the right time needs no `accept`: {:?}", rig.operator_subjects());
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}
