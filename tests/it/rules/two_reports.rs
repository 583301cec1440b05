//! R4: *charged without access* and *access without a reason* alarm when they
//! aren't empty, once a person.

use usher::ledger::InviteRefused;
use usher::policy::{Scene, two_reports};

use super::house::{House, MOVIES, days};

fn alarms(house: &House, part: &str) -> usize {
    house.letters("attention").iter().filter(|key| key.0.contains(part)).count()
}

fn charged(house: &House) -> Vec<String> {
    let scene = Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world };
    two_reports::charged_without_access(scene).map(|(member, why)| format!("{}: {why}", member.name())).collect()
}

#[test]
fn whoever_is_charged_and_cant_be_let_in_is_told_at_once_and_once() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let id = house.payer("ann").id.clone();
    let refused = InviteRefused { at: house.now, by_id: true, by_email: true, why: "no".into() };
    house.book.members.get_mut(&id).unwrap().invite_refused = Some(refused);
    house.settle();
    house.days(5);
    assert_eq!(alarms(&house, "unmatched/"), 1);
    assert_eq!(charged(&house), ["ann: Plex refused the invite: no"]);
}

#[test]
fn whoever_is_charged_and_not_in_after_a_day_is_told_whatever_the_reason() {
    let mut house = House::new();
    house.rules.seats = Some(0);
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.later(days(1) - chrono::TimeDelta::hours(1));
    house.read();
    assert_eq!(alarms(&house, "unmatched/"), 0);
    house.days(3);
    assert_eq!(alarms(&house, "unmatched/"), 1);
    assert_eq!(charged(&house), ["ann: not let in yet"]);
}

#[test]
fn whoever_is_let_in_stands_on_no_report() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.days(3);
    assert_eq!((charged(&house), alarms(&house, "unmatched/")), (Vec::new(), 0));
    assert!(house.book.told.keys().all(|key| !key.starts_with("outside/")));
}

#[test]
fn whoever_was_let_go_for_not_paying_is_not_charged_without_access() {
    let mut house = House::new();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.days(3);
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.days(9);
    house.carry_out();
    house.days(3);
    assert!(!house.member(200).has_access(), "the grace is over");
    assert_eq!((charged(&house), alarms(&house, "unmatched/")), (Vec::new(), 0));
}

#[test]
fn access_that_nothing_stands_for_is_told_and_not_taken() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().grants.clear();
    house.days(5);
    assert_eq!(alarms(&house, "unexplained/"), 1);
    assert_eq!(house.decided(), Vec::<String>::new());
}
