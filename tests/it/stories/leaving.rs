//! How paid access ends (R4, promise 1).

use sandbox::rig::Rig;
use sandbox::stripe::CancelForm;

use super::{all_is_well, days, heard, hours, old_payer, payer, told, told_at, unhurried};

/// Cancels at the period's end and lets the time pass until well after it.
async fn leaves_at_the_end_of_the_period(name: &str, form: CancelForm) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(7).await;
    rig.stripe.cancel_at_period_end(&sub, form);
    let end = rig.stripe.scheduled_end(&sub).expect("an end is set");
    rig.days(29).await;
    assert!(rig.plex.has_access(ann), "until the end it is paid for");
    rig.days(5).await;
    assert_eq!(rig.stripe.ended_at(&sub), Some(end));
    assert_eq!(told(&rig, "ann", "ends on"), 2, "{:?}", rig.subjects_to("ann"));
    let first = rig.smtp.received_for("ann@example.com").into_iter().find(|mail| mail.subject.contains("ends on"));
    let before_first = end - first.expect("a letter").at;
    assert!(before_first <= days(7) && before_first > days(7) - hours(7), "{before_first}");
    let before_last = end - told_at(&rig, "ann", "ends on");
    assert!(before_last <= days(3) && before_last > days(3) - hours(7), "{before_last}");
    let deletions = rig.plex.deletions();
    assert_eq!(deletions.len(), 1, "{deletions:?}");
    let after = deletions[0].at - end;
    assert!(after >= hours(24) && after < hours(37), "{after} after the end");
    assert_eq!(told(&rig, "ann", "has ended"), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!(rig.subjects_to("ann").len(), 6, "{:?}", rig.subjects_to("ann"));
    assert_eq!(heard(&rig, "ann was removed"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_cancels_stays_until_the_paid_time_is_over_and_a_day() {
    leaves_at_the_end_of_the_period("cancels-classic", CancelForm::Classic).await;
}

#[tokio::test(start_paused = true)]
async fn who_cancels_under_flexible_billing_stays_just_as_long() {
    leaves_at_the_end_of_the_period("cancels-flexible", CancelForm::Flexible).await;
}

#[tokio::test(start_paused = true)]
async fn who_takes_the_cancellation_back_stays() {
    let mut rig = Rig::new("cancels-not").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(9));
    rig.days(4).await;
    assert_eq!(told(&rig, "ann", "ends on"), 1);
    rig.stripe.undo_cancel(&sub);
    rig.days(10).await;
    assert_eq!(told(&rig, "ann", "ends on"), 1, "nothing ends any more");
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_invited_and_cancels_before_accepting_loses_the_invite_and_no_removal_is_counted() {
    let mut rig = Rig::new("cancels-invited").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert!(rig.plex.pending_of("ann@example.com").is_some());
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(23).await;
    assert!(rig.plex.pending_of("ann@example.com").is_some(), "settling");
    rig.hours(4).await;
    assert!(rig.plex.pending_of("ann@example.com").is_none());
    assert_eq!(rig.plex.deletions().iter().map(|gone| gone.was_accepted).collect::<Vec<_>>(), [false]);
    assert_eq!(super::book(&rig)["removals"].as_array().map(Vec::len), Some(0));
    assert_eq!(told(&rig, "ann", "has ended"), 0, "they never had access");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_ends_without_a_card_ends_access_a_day_later() {
    let mut rig = Rig::new("trial-ends").await;
    unhurried(&mut rig, 3);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe_trial(&customer, &rig.basic, 3);
    rig.minutes(1).await;
    rig.plex.accept_invite("ann@example.com");
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "a trial counts");
    rig.stripe.set_status(&sub, sandbox::stripe::Status::Paused);
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_and_pays_is_invited_again_with_a_new_start() {
    let mut rig = Rig::new("comes-back-paying").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    assert!(!rig.plex.has_access(ann));
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{}", super::why(&rig, "ann").await);
    rig.plex.accept_invite(ann);
    rig.hours(40).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_second_subscription_keeps_in_whose_first_has_ended() {
    let mut rig = Rig::new("two-subscriptions").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, first) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    let customer = rig.stripe.object(&first)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(5).await;
    rig.stripe.cancel_now(&first, "cancellation_requested");
    rig.hours(50).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_customer_ends_like_a_cancelled_one() {
    let mut rig = Rig::new("customer-deleted").await;
    unhurried(&mut rig, 1);
    let (ann, sub) = old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    let (bob, _) = old_payer(&rig, 2_000_002, "bob", &rig.basic.clone());
    rig.open().await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.delete_customer(&customer);
    rig.hours(40).await;
    // Both were here by hand before they paid: that is what stays.
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bob));
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

/// Ann lapses and is removed; `UNFRIEND_AFTER_DAYS=3`.
async fn removed_and_a_friend(name: &str, elsewhere: bool) -> (Rig, usher::facts::PlexId) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 6);
    rig.set("UNFRIEND_AFTER_DAYS", "3");
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.plex.befriend(ann);
    rig.plex.add_other_server("another");
    if elsewhere {
        rig.plex.share_other_server("another", ann, rig.now());
    }
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann) && rig.plex.is_friend(ann), "not yet");
    rig.days(4).await;
    (rig, ann)
}

#[tokio::test(start_paused = true)]
async fn the_friendship_of_who_is_gone_ends_later_if_the_operator_wants_so() {
    let (rig, ann) = removed_and_a_friend("unfriended", false).await;
    assert!(!rig.plex.is_friend(ann), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_has_something_on_another_server_of_the_owner_stays_a_friend() {
    let (rig, ann) = removed_and_a_friend("still-a-friend", true).await;
    assert!(rig.plex.is_friend(ann));
    assert_eq!(rig.plex.deletions().len(), 1, "what is on the other server stays");
    all_is_well(&rig);
}
