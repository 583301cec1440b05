//! What the operator said, what a letter promised and what is not known: none
//! of it is lost, none of it leaks (R3, R7, R9, R10).

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Section, SectionId, SubscriptionId};
use usher::ledger::{Act, Channel, Delivered, DeliveryOutcome, GrantKind, HeldBecause, Intent, IntentState, Letter};
use usher::policy::asks::{self, Ask, Hearing, Stay};
use usher::policy::{Tiers, decide};

use super::house::{House, MOVIES, TV, days};
use crate::paper::hand_out;

/// Twelve friends by hand; Ann (200) never watches, the others do.
fn idle(downloads: bool) -> House {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.row(10).downloads = Some(downloads);
    for n in 1..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.settle();
    house
}

/// As [`House::days`], while everybody but Ann watches.
fn days_pass(house: &mut House, count: i64) {
    for _ in 0..count {
        for n in 1..12 {
            house.played(200 + n, TimeDelta::hours(1));
        }
        house.days(1);
    }
}

#[test]
fn an_approval_outlives_a_moment_in_which_nothing_is_known() {
    let mut house = idle(true);
    house.deliver();
    days_pass(&mut house, 5);
    let hold = house.book.holds.values().find(|hold| hold.key.0.starts_with("end/")).unwrap().id.clone();
    decide::give_verdict(house.now, &mut house.book, std::slice::from_ref(&hold), true).unwrap();
    // Tautulli loses sight of Plex before the removal is tried.
    house.activity.connected = false;
    house.read();
    assert_eq!(house.ends(), Vec::<String>::new());
    house.activity.connected = true;
    house.later(TimeDelta::minutes(30));
    days_pass(&mut house, 1);
    let after: Vec<_> = house.book.holds.values().map(|hold| (hold.id.clone(), hold.verdict.is_some())).collect();
    assert_eq!(after, [(hold, true)], "no second question");
    assert_eq!(house.ends().len(), 1);
}

#[test]
fn who_has_no_known_account_is_not_idle() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.row(10).account = None;
    house.days(60);
    assert_eq!(house.letters("inactivity_warning").len(), 0);
}

#[test]
fn a_promise_is_made_anew_while_the_letter_is_certainly_not_out() {
    let mut house = idle(false);
    let key = house.letters("inactivity_warning")[0].clone();
    let until = |house: &House| match house.book.outbox[&key].letter {
        Letter::InactivityWarning { until, .. } => until,
        _ => panic!(),
    };
    let first = until(&house);
    for (day, outcome) in [
        DeliveryOutcome::Later { why: "greylisted".into(), after_secs: None },
        DeliveryOutcome::ChannelDown { why: "login refused".into(), for_secs: 60 },
    ]
    .into_iter()
    .enumerate()
    {
        hand_out(&mut house.book, &key, house.now).expect("it is due");
        let report = Delivered { key: key.clone(), channel: Channel::Mail, outcome };
        house.book.delivered(&report, house.now);
        house.later(days(4));
        house.decide();
        assert_eq!(until(&house), first + days(4 * (i64::try_from(day).unwrap() + 1)));
    }
    // From the first try that may have reached them on, it is the same letter.
    let first_id = hand_out(&mut house.book, &key, house.now).unwrap().first.message_id;
    let lost = || DeliveryOutcome::Unknown { why: "250 lost".into() };
    house.book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome: lost() }, house.now);
    let promised = until(&house);
    house.later(days(1));
    house.decide();
    let again = hand_out(&mut house.book, &key, house.now).unwrap();
    assert_eq!((until(&house), &again.first.message_id), (promised, &first_id));
    // When that day is over, it is another letter.
    house.book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome: lost() }, house.now);
    house.later(days(4));
    house.decide();
    let anew = hand_out(&mut house.book, &key, house.now).unwrap();
    assert!(until(&house) >= house.rules.day_of(house.now + days(3)) && anew.first.message_id != first_id);
}

/// Ann pays and is in, as account 200, by an invite of ours.
fn payer(house: &mut House, price: &str) -> SubscriptionId {
    let sub = house.subscribe("sub_1", "ann", price);
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.settle();
    house.carry_out();
    house.settle();
    sub
}

fn approvals(house: &House) -> usize {
    house.waiting.iter().filter(|waiting| matches!(waiting.because, HeldBecause::Approval { .. })).count()
}

#[test]
fn a_price_that_moves_to_a_smaller_tier_takes_nothing_without_approval() {
    let mut house = House::new();
    let sub = payer(&mut house, "price_premium");
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let moved = tiers[1].prices.pop_first().unwrap();
    tiers[0].prices.insert(moved);
    house.settle();
    assert_eq!((house.decided().len(), approvals(&house)), (0, 1), "{:?}", house.waiting);
    // A member who buys less is another matter.
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let moved = tiers[0].prices.pop_last().unwrap();
    tiers[1].prices.insert(moved);
    house.settle();
    house.sub(&sub).items[0].price = "price_basic".into();
    house.settle();
    assert_eq!((house.decided().len(), approvals(&house)), (1, 0), "{:?}", house.waiting);
}

#[test]
fn a_payers_share_that_was_made_by_hand_is_not_narrowed_without_approval() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    let created = house.now - days(100);
    house.sub(&SubscriptionId::from("sub_1")).created = created;
    house.share(10, 200, "ann", &[MOVIES, TV], days(50));
    house.settle();
    assert_eq!((house.decided().len(), approvals(&house)), (0, 1), "{:?}", house.waiting);
}

#[test]
fn all_libraries_by_hand_stay_all_when_a_library_is_added() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[], days(400));
    house.row(10).all_libraries = true;
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let music = SectionId(3);
    house.friends.sections.insert(music, Section { id: music, key: 3, title: "Music".into() });
    house.settle();
    assert_eq!((house.decided().len(), house.book.holds.len()), (0, 0), "{:?}", house.waiting);
}

#[test]
fn what_cant_be_told_takes_nothing_and_what_is_known_still_gives() {
    let mut house = House::new();
    let sub = payer(&mut house, "price_basic");
    let odd = house.subscribe("sub_2", "ann", "price_basic");
    house.settle();
    house.sub(&odd).status = usher::facts::Status::from("frozen".to_owned());
    house.sub(&sub).items[0].price = "price_premium".into();
    house.settle();
    assert_eq!(house.decided().len(), 1, "the upgrade is theirs: {:?}", house.waiting);
    house.carry_out();
    house.sub(&sub).items[0].price = "price_basic".into();
    house.settle();
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn a_share_that_was_hidden_for_a_while_comes_back_with_all_its_reasons() {
    let mut house = House::new();
    for n in 0..5 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES, TV], days(400));
    }
    house.settle();
    house.subscribe("sub_1", "friend0", "price_basic");
    house.settle();
    let row = house.row(10).clone();
    house.unshare(10);
    for _ in 0..4 {
        house.later(TimeDelta::minutes(5));
        house.read();
    }
    assert!(!house.member(200).has_access());
    house.friends.shares.push(row);
    house.settle();
    let friend = house.member(200);
    assert!(friend.grant(GrantKind::ByHand, house.now).is_some_and(|grant| grant.libraries.is_some()));
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn a_library_that_was_made_anew_is_found_by_its_title() {
    let mut house = House::new();
    house.settle();
    house.friends.sections.remove(&MOVIES);
    let anew = SectionId(9);
    house.friends.sections.insert(anew, Section { id: anew, key: 9, title: "Movies".into() });
    house.settle();
    house.later(TimeDelta::minutes(61));
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    assert_eq!(house.invites().len(), 1, "{:?}", house.book.told);
}

#[test]
fn removals_that_wait_for_another_day_are_told_once() {
    let mut house = House::new();
    for n in 0..30 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.rules.removals_per_day_max = Some(1);
    for n in 2..30 {
        house.played(200 + n, days(0));
    }
    house.settle();
    house.deliver();
    for _ in 0..5 {
        for n in 2..30 {
            house.played(200 + n, days(0));
        }
        house.days(1);
    }
    assert_eq!(house.ends().len(), 1);
    let told = house.book.outbox.values().filter(|notice| match &notice.letter {
        Letter::Attention { title, .. } => title.contains("another day"),
        _ => false,
    });
    assert_eq!(told.count(), 1);
}

#[test]
fn a_letter_that_was_never_out_is_not_sent_when_it_is_no_longer_worth_it() {
    let mut house = House::new();
    house.settle();
    house.share(10, 200, "ann", &[MOVIES], days(0));
    house.settle();
    let key = house.letters("welcome")[0].clone();
    let try_it = |house: &mut House| {
        let tried = hand_out(&mut house.book, &key, house.now).is_some();
        let outcome = DeliveryOutcome::ChannelDown { why: "connection refused".into(), for_secs: 60 };
        house.book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome }, house.now);
        tried
    };
    assert!(try_it(&mut house));
    house.later(days(13));
    assert!(try_it(&mut house), "worth sending for 14 days");
    house.later(days(2));
    assert!(!try_it(&mut house), "a welcome fifteen days later is none");
    let fate = house.book.outbox[&key].deliveries.values().next().unwrap();
    assert!(matches!(fate, usher::ledger::Delivery::Cancelled { .. }), "{fate:?}");
}

#[test]
fn what_lies_further_off_than_a_life_was_mistyped_and_changes_nothing() {
    let mut house = idle(false);
    let who = house.member(200).id.to_string();
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    let far = house.rules.day_of(house.now) + days(36_501);
    for ask in [
        Ask::Extend { who: who.clone(), days: 36_501 },
        Ask::Invite { who: "eve@example.com".into(), tier: "Basic".into(), days: Some(Stay::Days(u32::MAX)) },
        Ask::Pause { who: who.clone(), until: far, note: "round the world".into() },
    ] {
        let mut book = house.book.clone();
        assert_eq!(asks::carry_out(hearing, &mut book, &ask), Err("at most 36500 days can be given".into()), "{ask:?}");
        assert!(!book.differs_from(&house.book));
    }
    let as_far = Ask::Pause { who, until: far - days(1), note: "round the world".into() };
    assert!(asks::carry_out(hearing, &mut house.book, &as_far).is_ok());
}

#[test]
fn what_is_revoked_is_cancelled_at_stripe_also_when_a_crowd_is() {
    let mut house = House::new();
    for name in ["ann", "bob", "cleo", "dan"] {
        house.subscribe(&format!("sub_{name}"), name, "price_basic");
    }
    house.settle();
    for name in ["ann", "bob", "cleo", "dan"] {
        let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
        let ask = Ask::Revoke { who: format!("{name}@example.com"), cancel: Some(CancelWhen::Now) };
        asks::carry_out(hearing, &mut house.book, &ask).unwrap();
    }
    house.decide();
    let decided = |intent: &&Intent| intent.state == IntentState::Decided && matches!(intent.act, Act::Cancel { .. });
    assert_eq!(house.book.intents.values().filter(decided).count(), 4, "{:?}", house.waiting);
}
