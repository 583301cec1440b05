//! R3 and R4: payers who don't watch, and nobody ended while Stripe charges.

use chrono::TimeDelta;
use usher::facts::{Status, SubscriptionId};
use usher::ledger::{Act, HeldBecause, IntentState};

use super::house::{House, MOVIES, days};

/// Eleven friends who watch, and Ann, who pays, is in as account 200, and
/// never watches. `PRUNE_PAYING=true`.
fn house() -> (House, SubscriptionId) {
    let mut house = House::new();
    house.rules.prune_paying = true;
    for n in 1..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    let (sub, _) = house.ann_pays("price_basic");
    house.deliver();
    (house, sub)
}

fn days_pass(house: &mut House, count: i64) {
    for _ in 0..count {
        for n in 1..12 {
            house.played(200 + n, TimeDelta::hours(1));
        }
        house.days(1);
    }
}

fn cancels(house: &House) -> Vec<SubscriptionId> {
    let open = house.book.intents.values().filter(|intent| intent.state == IntentState::Decided);
    open.filter_map(|intent| match &intent.act {
        Act::Cancel { subscription, .. } => Some(subscription.clone()),
        _ => None,
    })
    .collect()
}

/// What Stripe does when it is asked to end it with its period.
fn cancelled_at_stripe(house: &mut House, sub: &SubscriptionId) {
    let end = house.now + days(12);
    house.sub(sub).cancel_at = Some(end);
    house.carry_out();
    house.settle();
}

#[test]
fn promise_01_a_payer_who_never_watches_is_warned_and_then_only_the_subscription_ends() {
    let (mut house, sub) = house();
    days_pass(&mut house, 29);
    assert_eq!(house.letters("inactivity_warning").len(), 1);
    assert_eq!(cancels(&house), Vec::new(), "not before the promised day is over");
    days_pass(&mut house, 5);
    assert_eq!(cancels(&house), std::slice::from_ref(&sub));
    assert_eq!(house.ends(), Vec::<String>::new(), "cancel first");
    cancelled_at_stripe(&mut house, &sub);
    assert_eq!(house.letters("subscription_cancelled").len(), 1);
    assert_eq!(house.letters("cancellation_received").len(), 0, "never two letters for one thing");
    assert_eq!(house.book.removals.len(), 1, "it counts in the day's budget");
    days_pass(&mut house, 8);
    assert!(house.member(200).has_access() && house.decided().is_empty(), "what is paid for stays theirs");
    let ended = house.now;
    house.cancel(&sub, ended);
    days_pass(&mut house, 6);
    assert_eq!(house.ends().len(), 1, "billing ends the access");
}

#[test]
fn a_payer_who_watches_again_keeps_everything() {
    let (mut house, _) = house();
    days_pass(&mut house, 29);
    house.played(200, TimeDelta::hours(1));
    days_pass(&mut house, 10);
    assert_eq!(cancels(&house), Vec::new());
    assert!(house.member(200).idle.is_none());
}

#[test]
fn who_takes_the_cancellation_back_is_not_cancelled_again_without_a_new_warning() {
    let (mut house, sub) = house();
    days_pass(&mut house, 34);
    cancelled_at_stripe(&mut house, &sub);
    house.sub(&sub).cancel_at = None;
    days_pass(&mut house, 20);
    assert_eq!((cancels(&house).len(), house.letters("inactivity_warning").len()), (0, 1));
    days_pass(&mut house, 20);
    assert_eq!((cancels(&house).len(), house.letters("inactivity_warning").len()), (1, 2));
}

#[test]
fn payers_are_not_looked_at_unless_the_operator_says_so() {
    let (mut house, _) = house();
    house.rules.prune_paying = false;
    days_pass(&mut house, 60);
    assert_eq!((cancels(&house).len(), house.letters("inactivity_warning").len()), (0, 0));
}

#[test]
fn nobody_is_removed_for_not_watching_while_stripe_still_charges_them() {
    let mut house = House::new();
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.settle();
    let sub = house.subscribe("sub_1", "friend0", "price_basic");
    house.settle();
    let id = house.member(200).id.clone();
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    days_pass(&mut house, 60);
    assert_eq!(house.sub(&sub).status, Status::PastDue);
    assert_eq!(house.ends(), Vec::<String>::new());
    let refused = house.waiting.iter().find(|waiting| waiting.member == id).expect("it is said");
    assert!(matches!(&refused.because, HeldBecause::Warned { why } if why.contains("still charges")), "{refused:?}");
    let ended = house.now;
    house.cancel(&sub, ended);
    // The spell in which they were warned was over with the failed payment: they
    // are warned anew, and have their days.
    days_pass(&mut house, 3);
    assert_eq!(house.ends(), Vec::<String>::new());
    days_pass(&mut house, 4);
    assert_eq!(house.ends().len(), 1, "charged no longer");
}

#[test]
fn in_report_mode_the_operator_hears_once_who_does_not_watch_and_nobody_else_hears_anything() {
    let mut house = House::new();
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    for n in 0..3 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.days(10);
    let told = |house: &House| house.letters("attention").iter().filter(|key| key.0.contains("/idle-")).count();
    assert_eq!(told(&house), 1, "one message for all three");
    house.days(40);
    assert_eq!((told(&house), house.letters("inactivity_warning").len(), house.ends().len()), (1, 0, 0));
    house.played(200, TimeDelta::hours(1));
    house.days(33);
    assert_eq!(told(&house), 2, "a new spell of one of them");
}

/// Ann pays and is invited under her address; the invite goes away, and the
/// operator shares with her account by hand instead. Nothing proves that she is
/// who pays (RULES R2). She never watches.
fn shared_with_by_hand_beside_her_own_invite() -> House {
    let mut house = House::new();
    for n in 1..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let invite = house.friends.shares.last().unwrap().id.0;
    house.unshare(invite);
    days_pass(&mut house, 5);
    house.share(99, 200, "ann", &[MOVIES], days(0));
    house.row(99).downloads = Some(false);
    house.settle();
    assert_ne!(house.payer("ann").id, house.member(200).id, "nothing shows that they are one");
    house
}

#[test]
fn promise_04_who_may_be_a_payer_by_their_address_is_neither_warned_nor_removed() {
    let mut house = shared_with_by_hand_beside_her_own_invite();
    days_pass(&mut house, 90);
    assert_eq!((house.letters("inactivity_warning").len(), house.ends().len()), (0, 0));
    let id = house.member(200).id.clone();
    let waits = house.waiting.iter().find(|waiting| waiting.member == id).expect("it is said");
    let says = |why: &str| why.contains("cus_ann pays with their address") && why.contains("usher link");
    assert!(matches!(&waits.because, HeldBecause::Warned { why } if says(why)), "{waits:?}");
}

#[test]
fn who_pays_no_longer_spares_nobody_by_their_address() {
    let mut house = shared_with_by_hand_beside_her_own_invite();
    let ended = house.now;
    house.cancel(&SubscriptionId::from("sub_1"), ended);
    days_pass(&mut house, 40);
    assert_eq!((house.letters("inactivity_warning").len(), house.ends().len()), (1, 1));
}
