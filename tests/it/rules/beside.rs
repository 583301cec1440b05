//! R1 and R4: each reason has its own end, also beside another one. A break
//! beside something that keeps them in ends what the paused subscription
//! bought; a guest's time beside a subscription ends what it gave.

use chrono::TimeDelta;
use usher::facts::{Status, Subscription, SubscriptionId};
use usher::ledger::{Delivery, Grant, GrantKind, Letter};

use super::house::House;
use crate::paper::{MOVIES, TV, days};

/// Ann's row at plex.tv, when `ann_pays` was first.
const ROW: u64 = 900;

/// Ann pays for this by an invite of ours, is in, and has paid for 20 days.
fn payer(price: &str) -> (House, SubscriptionId) {
    let mut house = House::new();
    let (sub, row) = house.ann_pays(price);
    assert_eq!(row, ROW);
    let end = house.now + days(20);
    house.sub(&sub).items[0].period_end = Some(end);
    go_on(&mut house, 1);
    (house, sub)
}

/// Days pass, mails are accepted, and what is decided is done.
fn go_on(house: &mut House, count: i64) {
    for _ in 0..count {
        house.days(1);
        house.carry_out();
    }
}

/// Ann also pays for this with another subscription.
fn also_pays(house: &mut House, price: &str) -> SubscriptionId {
    let sub = house.subscribe("sub_2", "ann", price);
    let end = house.now + days(90);
    house.sub(&sub).items[0].period_end = Some(end);
    go_on(house, 1);
    sub
}

fn is_guest(house: &mut House, tier: &str, until: Option<TimeDelta>) {
    let (now, id) = (house.now, house.member(200).id.clone());
    let grant = Grant::new(GrantKind::Complimentary, now);
    let grant = Grant { tier: Some(tier.into()), until: until.map(|until| now + until), ..grant };
    house.book.members.get_mut(&id).unwrap().grants.push(grant);
}

fn pause(house: &mut House, sub: &SubscriptionId) {
    let change = |sub: &mut Subscription| (sub.status, sub.open_invoices) = (Status::Paused, Some(Vec::new()));
    change(house.sub(sub));
}

fn resume(house: &mut House, sub: &SubscriptionId) {
    house.sub(sub).status = Status::Active;
    go_on(house, 1);
}

fn has_all(house: &mut House) -> bool {
    house.row(ROW).sections == [MOVIES, TV].into()
}

fn has_movies(house: &mut House) -> bool {
    house.row(ROW).sections == [MOVIES].into() && house.row(ROW).downloads == Some(false)
}

/// The letters about breaks that went out.
fn about_breaks(house: &House) -> Vec<&Letter> {
    let out = |delivery: &Delivery| matches!(delivery, Delivery::Accepted { .. });
    let sent = house.book.outbox.values().filter(|notice| notice.deliveries.values().any(out));
    let letters = sent.map(|notice| &notice.letter);
    letters.filter(|letter| matches!(letter, Letter::SubscriptionPaused { .. })).collect()
}

fn is_gone(house: &House) -> bool {
    house.friends.shares.is_empty()
}

#[test]
fn a_break_beside_another_subscription_ends_what_it_bought_and_nothing_else() {
    let (mut house, premium) = payer("price_premium");
    let basic = also_pays(&mut house, "price_basic");
    pause(&mut house, &premium);
    go_on(&mut house, 2);
    assert_eq!(about_breaks(&house).len(), 1, "{:?}", house.member(200).journal);
    go_on(&mut house, 15);
    assert!(has_all(&mut house), "it is paid for");
    go_on(&mut house, 4);
    assert!(has_movies(&mut house), "{:?} {:?}", house.waiting, house.member(200).journal);
    go_on(&mut house, 30);
    assert!(!is_gone(&house) && has_movies(&mut house), "once and for all");
    assert_eq!(about_breaks(&house).len(), 1);
    // The other one ends, too: the end of access is told of first.
    let now = house.now;
    house.cancel(&basic, now);
    go_on(&mut house, 3);
    assert!(!is_gone(&house), "{:?}", house.member(200).journal);
    assert!(has_movies(&mut house), "nothing is given back for the days of the letter");
    assert_eq!(about_breaks(&house).len(), 2);
    go_on(&mut house, 4);
    assert!(is_gone(&house), "{:?} {:?}", house.waiting, house.book.members.values().next().unwrap().journal);
}

#[test]
fn a_break_that_takes_nothing_away_says_nothing_until_it_would_end_access() {
    let (mut house, first) = payer("price_basic");
    let second = also_pays(&mut house, "price_premium");
    pause(&mut house, &first);
    go_on(&mut house, 40);
    assert!(has_all(&mut house) && about_breaks(&house).is_empty());
    let now = house.now;
    house.cancel(&second, now);
    go_on(&mut house, 2);
    assert!(!is_gone(&house) && about_breaks(&house).len() == 1, "{:?}", house.member(200).journal);
    go_on(&mut house, 5);
    assert!(is_gone(&house));
}

#[test]
fn a_break_beside_a_guests_place_leaves_what_the_guest_has() {
    let (mut house, premium) = payer("price_premium");
    is_guest(&mut house, "Basic", None);
    pause(&mut house, &premium);
    go_on(&mut house, 24);
    assert!(has_movies(&mut house) && !is_gone(&house), "{:?} {:?}", house.waiting, house.member(200).journal);
    // She goes on: it comes back by itself.
    resume(&mut house, &premium);
    go_on(&mut house, 1);
    assert!(has_all(&mut house), "{:?}", house.member(200).journal);
    assert_eq!(about_breaks(&house).len(), 1);
}

#[test]
fn who_goes_on_in_time_loses_nothing() {
    let (mut house, premium) = payer("price_premium");
    also_pays(&mut house, "price_basic");
    pause(&mut house, &premium);
    go_on(&mut house, 5);
    resume(&mut house, &premium);
    go_on(&mut house, 40);
    assert!(has_all(&mut house));
}

#[test]
fn of_two_breaks_the_one_that_is_paid_for_longer_ends_access() {
    let (mut house, premium) = payer("price_premium");
    let basic = also_pays(&mut house, "price_basic");
    pause(&mut house, &premium);
    pause(&mut house, &basic);
    go_on(&mut house, 24);
    assert!(has_movies(&mut house), "the second is paid for: {:?}", house.member(200).journal);
    go_on(&mut house, 60);
    assert!(!is_gone(&house));
    go_on(&mut house, 10);
    assert!(is_gone(&house), "{:?}", house.member(200).journal);
    assert_eq!(about_breaks(&house).len(), 2, "one each");
}

#[test]
fn a_pause_of_which_nobody_knows_why_takes_nothing_away_by_itself() {
    let (mut house, premium) = payer("price_premium");
    also_pays(&mut house, "price_basic");
    house.sub(&premium).paused.cause = Some("moon_phase".into());
    pause(&mut house, &premium);
    go_on(&mut house, 40);
    assert!(has_all(&mut house), "{:?}", house.member(200).journal);
    assert!(about_breaks(&house).is_empty());
    assert_eq!(house.book.holds.values().filter(|hold| hold.key.0.starts_with("update/")).count(), 1);
}

#[test]
fn who_can_not_be_written_to_loses_nothing_by_a_break_without_the_operators_word() {
    let (mut house, premium) = payer("price_premium");
    also_pays(&mut house, "price_basic");
    house.rules.ways.mail = false;
    pause(&mut house, &premium);
    go_on(&mut house, 40);
    assert!(has_all(&mut house), "{:?}", house.member(200).journal);
    assert_eq!(house.book.holds.values().filter(|hold| hold.key.0.starts_with("update/")).count(), 1);
}

#[test]
fn what_keeps_everything_as_it_is_needs_no_letter_about_a_break() {
    type Keep = fn(&mut House);
    let kept: [(&str, Keep); 3] = [
        ("a holiday", |house| {
            let (now, id) = (house.now, house.member(200).id.clone());
            let holiday = Grant { until: Some(now + days(60)), ..Grant::new(GrantKind::Holiday, now) };
            house.book.members.get_mut(&id).unwrap().grants.push(holiday);
        }),
        ("ON_PAUSE=keep", |house| house.rules.pause_keeps = true),
        ("protected", |house| {
            house.friends.home.insert(usher::facts::PlexId(200));
        }),
    ];
    for (why, keep) in kept {
        let (mut house, premium) = payer("price_premium");
        also_pays(&mut house, "price_basic");
        keep(&mut house);
        pause(&mut house, &premium);
        go_on(&mut house, 40);
        assert!(has_all(&mut house) && about_breaks(&house).is_empty(), "{why}: {:?}", house.member(200).journal);
    }
}

#[test]
fn a_guests_time_beside_a_subscription_ends_without_a_question() {
    let (mut house, _) = payer("price_basic");
    is_guest(&mut house, "Premium", Some(days(7)));
    go_on(&mut house, 2);
    assert!(has_all(&mut house), "{:?}", house.member(200).journal);
    go_on(&mut house, 7);
    assert!(has_movies(&mut house), "{:?} {:?}", house.waiting, house.member(200).journal);
    assert!(house.book.holds.is_empty());
}

#[test]
fn a_tier_that_is_edited_while_a_guests_time_runs_is_asked_about() {
    let (mut house, _) = payer("price_premium");
    is_guest(&mut house, "Basic", Some(days(7)));
    go_on(&mut house, 2);
    let usher::policy::Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = usher::tier::Wanted::Titles(vec!["Movies".into()]);
    go_on(&mut house, 12);
    assert!(has_all(&mut house), "the guest's time had given none of it: {:?}", house.member(200).journal);
    assert_eq!(house.book.holds.len(), 1, "{:?}", house.book.holds);
}

#[test]
fn a_letter_about_another_tier_says_what_the_subscription_opens() {
    let (mut house, sub) = payer("price_basic");
    is_guest(&mut house, "Premium", Some(days(30)));
    go_on(&mut house, 2);
    house.sub(&sub).items[0].price = "price_home".into();
    let usher::policy::Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let prices = ["price_home".into()].into();
    tiers.push(usher::tier::Tier { name: "Home".into(), prices, ..tiers[0].clone() });
    tiers[2].prices = ["price_home".into()].into();
    go_on(&mut house, 2);
    let letter = house.book.outbox.values().find(|notice| notice.letter.kind() == "tier_changed").unwrap();
    let Letter::TierChanged { tier, libraries, downloads, .. } = &letter.letter else { panic!() };
    assert_eq!((tier.as_str(), libraries.as_slice(), *downloads), ("Home", ["Movies".to_owned()].as_slice(), false));
}
