//! R6: invites that wait, grace without a share, and seats.

use chrono::TimeDelta;
use usher::facts::{Status, SubscriptionId};
use usher::ledger::{Grant, GrantKind, Letter};
use usher::member::MemberId;

use super::house::{House, MOVIES, days, email};

/// Ann pays and was invited; she has not taken it up.
fn invited(house: &mut House) -> SubscriptionId {
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    assert!(house.payer("ann").is_invited());
    sub
}

/// Bob was here before; he is granted a place for nothing, and invited.
fn granted(house: &mut House) -> MemberId {
    let id = house.book.enter(house.now);
    let since = house.now;
    let bob = house.book.members.get_mut(&id).unwrap();
    bob.plex = Some(usher::facts::PlexId(300));
    bob.email = Some(email("bob"));
    let libraries = Some([MOVIES].into());
    bob.grants.push(Grant { libraries, downloads: Some(false), ..Grant::new(GrantKind::Complimentary, since) });
    house.settle();
    house.carry_out();
    assert!(house.book.members[&id].is_invited());
    id
}

fn reminders(house: &House) -> Vec<String> {
    house.letters("invite_reminder").into_iter().map(|key| key.0.rsplit("day-").next().unwrap().to_owned()).collect()
}

#[test]
fn who_has_not_taken_up_the_invite_is_reminded_on_day_3_and_on_day_10() {
    let mut house = House::new();
    invited(&mut house);
    house.days(2);
    assert!(reminders(&house).is_empty());
    house.days(1);
    assert_eq!(reminders(&house), ["3/member"]);
    house.days(6);
    assert_eq!(reminders(&house).len(), 1);
    house.days(30);
    assert_eq!(reminders(&house).len(), 2);
    house.days(150);
    assert_eq!(reminders(&house).len(), 0, "long forgotten, and not owed again");
}

#[test]
fn whoever_was_not_reminded_while_usher_was_down_hears_once_not_twice() {
    let mut house = House::new();
    invited(&mut house);
    house.later(days(11));
    house.settle();
    assert_eq!(reminders(&house), ["10/member"]);
}

#[test]
fn who_has_taken_up_the_invite_is_not_reminded() {
    let mut house = House::new();
    invited(&mut house);
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.days(12);
    assert!(reminders(&house).is_empty());
}

#[test]
fn promise_04_a_payers_invite_never_lapses_and_the_operator_is_told_once() {
    let mut house = House::new();
    invited(&mut house);
    house.days(60);
    assert_eq!(house.decided(), Vec::<String>::new());
    assert!(house.payer("ann").is_invited());
    let told: Vec<_> = house.letters("attention").into_iter().filter(|key| key.0.contains("invite/")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_grants_invite_lapses_and_uses_the_grant_up() {
    let mut house = House::new();
    let bob = granted(&mut house);
    house.days(11);
    let letter = house.letters("invite_reminder").into_iter().next_back().unwrap();
    let Letter::InviteReminder { lapses, .. } = &house.book.outbox[letter].letter else { panic!() };
    assert!(lapses.is_some(), "the letter says so");
    house.days(3);
    assert_eq!(house.decided(), Vec::<String>::new(), "the day that the letter names is not over");
    house.days(1);
    assert_eq!(house.ends().len(), 1);
    house.carry_out();
    house.deliver();
    house.days(3);
    let bob = &house.book.members[&bob];
    assert!(bob.share.is_none() && bob.grants.is_empty(), "{:?}", bob.journal);
    assert_eq!(house.decided(), Vec::<String>::new(), "not invited again");
    assert_eq!(house.book.removals.len(), 0, "an invite that nobody took up is no removal");
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("lapsed")).count(), 1);
    assert_eq!(house.letters("access_ended").len(), 0);
}

#[test]
fn a_grants_invite_that_is_taken_up_on_the_last_day_stays() {
    let mut house = House::new();
    let bob = granted(&mut house);
    house.days(13);
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 300, "bob");
    house.played(300, days(0));
    house.days(5);
    assert!(house.book.members[&bob].has_access());
    assert_eq!(house.ends(), Vec::<String>::new());
}

#[test]
fn an_invite_that_the_operator_made_by_hand_is_theirs_to_take_back() {
    let mut house = House::new();
    house.settle();
    house.invite(5, "cleo", &[MOVIES]);
    house.days(40);
    assert_eq!(house.decided(), Vec::<String>::new());
    assert!(reminders(&house).is_empty());
}

#[test]
fn who_is_in_grace_and_has_no_share_is_let_in() {
    let mut house = House::new();
    house.settle();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.settle();
    assert_eq!(house.invites().len(), 1, "{:?}", house.waiting);
}

#[test]
fn who_was_removed_for_not_paying_waits_for_the_money_not_for_the_next_bill() {
    let mut house = House::new();
    let sub = invited(&mut house);
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.settle();
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.days(9);
    house.carry_out();
    house.deliver();
    assert!(!house.member(200).has_access());
    // The next cycle's bill, of which the first days are grace again.
    let opened = house.now;
    house.past_due(&sub, "in_2", opened);
    house.days(3);
    assert_eq!(house.invites(), Vec::<String>::new());
    house.sub(&sub).status = Status::Active;
    house.settle();
    assert_eq!(house.invites().len(), 1, "the money came");
}

#[test]
fn an_end_that_only_settles_invites_nobody() {
    let mut house = House::new();
    house.settle();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.rules.seats = Some(0);
    house.settle();
    house.rules.seats = None;
    let ended = house.now;
    house.cancel(&sub, ended);
    house.settle();
    assert_eq!(house.invites(), Vec::<String>::new(), "it would be taken back a day later");
}

#[test]
fn when_all_seats_are_taken_nobody_is_invited_and_it_is_told_once() {
    let mut house = House::new();
    house.rules.seats = Some(4);
    house.share(9, 199, "zoe", &[MOVIES], days(400));
    house.share(10, 200, "bob", &[MOVIES], days(400));
    house.invite(11, "cleo", &[MOVIES]);
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.later(TimeDelta::minutes(1));
    house.read();
    house.subscribe("sub_2", "dora", "price_basic");
    house.settle();
    assert_eq!(house.invites().len(), 1, "one seat was free, and the invited have one");
    assert!(house.invites()[0].contains(&house.payer("ann").id.0), "who paid first");
    house.carry_out();
    house.days(3);
    assert_eq!(house.invites(), Vec::<String>::new());
    let told = || house.letters("attention").iter().filter(|key| key.0.contains("problem/seats")).count();
    assert_eq!(told(), 1);
    house.unshare(10);
    house.days(1);
    assert_eq!(house.invites().len(), 1, "a seat is free");
}
