//! R4 and R10: what failed payments, ended subscriptions and their letters
//! come to, one spell at a time.

use chrono::TimeDelta;
use usher::facts::{Status, SubscriptionId};
use usher::ledger::{Delivery, InviteRefused, Letter};
use usher::policy::Scene;
use usher::policy::reasons::{self, ReasonKind};

use super::house::{House, MOVIES, days};

/// Ann pays for this and is in, as account 200, by an invite of ours.
fn member(house: &mut House, price: &str) -> (SubscriptionId, u64) {
    let ann = house.ann_pays(price);
    house.carry_out();
    house.deliver();
    ann
}

fn kinds(house: &House) -> Vec<(ReasonKind, String)> {
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    let standing = reasons::standing(scene, house.member(200));
    standing
        .reasons
        .into_iter()
        .map(|reason| (reason.kind, reason.tiers.into_iter().collect::<Vec<_>>().join(" and ")))
        .collect()
}

#[test]
fn who_pays_again_hears_nothing_of_the_subscription_that_failed_before() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    // Customers of years ago, known to Stripe with all they ever had.
    let old = house.subscribe("sub_0", "ann", "price_premium");
    let (created, ended) = (house.now - days(300), house.now - days(200));
    house.sub(&old).created = created;
    house.sub(&old).ended_by_failed_payment = true;
    house.cancel(&old, ended);
    house.subscribe("sub_1", "ann", "price_basic");
    house.days(5);
    assert_eq!(house.letters("payment_failed").len(), 0);
    assert!(kinds(&house).iter().all(|(kind, tier)| *kind != ReasonKind::Grace && tier != "Premium"));
}

#[test]
fn promise_01_another_unpaid_invoice_is_another_spell_with_a_letter_of_its_own() {
    let mut house = House::new();
    let (sub, _) = member(&mut house, "price_basic");
    let january = house.now;
    house.past_due(&sub, "in_jan", january);
    house.settle();
    house.deliver();
    house.days(1);
    // Usher is down for months; January was paid, April is not.
    house.later(days(90));
    let april = house.now - days(20);
    house.past_due(&sub, "in_apr", april);
    house.settle();
    assert_eq!(house.ends(), Vec::<String>::new(), "they were not told of this one");
    assert_eq!(house.letters("payment_failed").len(), 2);
    house.deliver();
    house.days(2);
    assert_eq!(house.ends(), Vec::<String>::new());
    house.days(3);
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn the_day_that_a_payment_letter_promises_is_over_before_anything_ends() {
    let mut house = House::new();
    house.rules.tz = chrono_tz::America::Los_Angeles;
    let (sub, _) = member(&mut house, "price_basic");
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.settle();
    house.deliver();
    let key = house.letters("payment_failed").into_iter().find(|key| key.0.ends_with("/member")).unwrap().clone();
    let Letter::PaymentFailed { access_until: Some(until), .. } = house.book.outbox[&key].letter else { panic!() };
    let over = house.rules.end_of_day(until);
    assert!(over > opened + days(7));
    while house.now < over {
        assert_eq!(house.ends(), Vec::<String>::new(), "{} is before {over}", house.now);
        house.later(TimeDelta::hours(1));
        house.read();
    }
    house.read();
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn the_day_that_a_letter_named_as_the_last_is_over_before_anything_ends() {
    let mut house = House::new();
    house.rules.settle = TimeDelta::zero();
    let (sub, _) = member(&mut house, "price_basic");
    let end = house.now + days(3);
    house.sub(&sub).cancel_at = Some(end);
    house.settle();
    assert_eq!((house.letters("cancellation_received").len(), house.letters("access_ending").len()), (1, 0));
    house.later(days(3));
    house.cancel(&sub, end);
    house.read();
    let over = house.rules.end_of_day(house.rules.day_of(end));
    assert!(house.now < over, "the day still runs");
    assert_eq!(house.ends(), Vec::<String>::new());
    house.later(over - house.now);
    house.settle();
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn an_end_that_no_letter_named_waits_only_to_settle() {
    let mut house = House::new();
    house.rules.settle = TimeDelta::zero();
    let (sub, _) = member(&mut house, "price_basic");
    // It was to end, and then was not: that letter promises nothing any more.
    let end = house.now + days(3);
    house.sub(&sub).cancel_at = Some(end);
    house.settle();
    house.sub(&sub).cancel_at = None;
    house.settle();
    house.later(days(3));
    let now = house.now;
    house.cancel(&sub, now);
    house.settle();
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn a_first_payment_that_never_came_opens_nothing_not_even_for_a_day() {
    let mut house = House::new();
    member(&mut house, "price_basic");
    let upgrade = house.subscribe("sub_2", "ann", "price_premium");
    house.sub(&upgrade).status = Status::Incomplete;
    house.settle();
    let now = house.now;
    house.sub(&upgrade).status = Status::IncompleteExpired;
    house.sub(&upgrade).ended_at = Some(now);
    house.settle();
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn grace_gives_what_was_paid_for_last() {
    let mut house = House::new();
    let (sub, _) = member(&mut house, "price_basic");
    let now = house.now;
    house.past_due(&sub, "in_1", now);
    house.sub(&sub).items[0].price = "price_premium".into();
    house.settle();
    assert_eq!(kinds(&house), [(ReasonKind::Grace, "Basic".to_owned())]);
    house.sub(&sub).status = Status::Active;
    house.settle();
    assert_eq!(kinds(&house), [(ReasonKind::Paying, "Premium".to_owned())]);
}

#[test]
fn who_is_removed_a_second_time_for_the_same_subscription_is_written_to_again() {
    let mut house = House::new();
    let (sub, id) = member(&mut house, "price_basic");
    let now = house.now;
    house.past_due(&sub, "in_1", now);
    house.sub(&sub).status = Status::Unpaid;
    house.days(9);
    house.carry_out();
    house.settle();
    assert_eq!(house.letters("access_ended").len(), 1);
    house.sub(&sub).status = Status::Active;
    house.settle();
    house.carry_out();
    let again = house.friends.shares.last().unwrap().id.0 + 1;
    house.friends.shares.clear();
    house.share(again, 200, "ann", &[MOVIES], days(0));
    assert_ne!(again, id);
    house.settle();
    let now = house.now;
    house.past_due(&sub, "in_2", now);
    house.sub(&sub).status = Status::Unpaid;
    house.days(9);
    house.carry_out();
    house.settle();
    assert_eq!(house.letters("access_ended").len(), 2, "{:?}", house.member(200).journal);
}

#[test]
fn a_letter_about_an_end_that_is_taken_back_is_not_sent() {
    let mut house = House::new();
    let (sub, _) = member(&mut house, "price_basic");
    let end = house.now + days(12);
    house.sub(&sub).cancel_at = Some(end);
    house.days(4);
    house.later(TimeDelta::hours(26));
    house.read();
    assert_eq!(house.letters("access_ending").len(), 1);
    house.sub(&sub).cancel_at = None;
    house.settle();
    let letter = house.letters("access_ending")[0].clone();
    let fate = house.book.outbox[&letter].deliveries.values().next().unwrap();
    assert!(matches!(fate, Delivery::Cancelled { .. }), "{fate:?}");
}

#[test]
fn a_new_payment_is_worth_another_invite_although_plex_refused_the_last() {
    let mut house = House::new();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let id = house.payer("ann").id.clone();
    let refused = InviteRefused { at: house.now, by_id: false, by_email: true, unknown: None, why: "no".into() };
    house.book.members.get_mut(&id).unwrap().invite_refused = Some(refused);
    house.settle();
    assert_eq!(house.invites(), Vec::<String>::new());
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(30);
    house.subscribe("sub_2", "ann", "price_premium");
    house.settle();
    assert_eq!(house.invites().len(), 1);
}

#[test]
fn what_the_operator_or_the_house_cancelled_is_no_cancellation_that_came_in() {
    let mut house = House::new();
    let (sub, _) = member(&mut house, "price_basic");
    let (end, now) = (house.now + days(20), house.now);
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().blocked = Some(now);
    house.sub(&sub).cancel_at = Some(end);
    house.settle();
    assert_eq!(house.letters("cancellation_received").len(), 0, "revoked: they hear of that");
}

#[test]
fn a_tier_that_is_renamed_is_no_news_and_a_cheaper_price_of_the_same_tier_neither() {
    let mut house = House::new();
    let (sub, _) = member(&mut house, "price_basic");
    if let usher::policy::Tiers::File(tiers) = &mut house.rules.tiers {
        tiers[0].name = "Stalls".into();
        tiers[0].prices.insert(usher::facts::PriceId::from("price_yearly"));
    }
    house.settle();
    house.sub(&sub).items[0].price = usher::facts::PriceId::from("price_yearly");
    house.settle();
    assert_eq!(house.letters("tier_changed").len(), 0);
    house.sub(&sub).items[0].price = usher::facts::PriceId::from("price_premium");
    house.settle();
    assert_eq!(house.letters("tier_changed").len(), 0, "not before the share gives it");
    house.carry_out();
    house.settle();
    assert_eq!(house.letters("tier_changed").len(), 1, "{:?}", house.member(200).journal);
}
