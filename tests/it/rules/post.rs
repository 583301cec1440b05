//! R10: how a letter goes out: handed out once, tried again at growing
//! distances, and never owed to nobody's harm.

use chrono::TimeDelta;
use usher::facts::Moment;
use usher::ledger::{
    Audience, Book, Channel, Delivered, Delivery, DeliveryOutcome, Dispatch, EndedBecause, Letter, NoticeKey, Owed,
    Ways,
};

use crate::paper::{Paper, days, warning};

const MAIL: Ways = Ways { mail: true, operator_mail: true, discord: true, dry_run: false };

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

/// A letter to Ann is owed, worth sending for two weeks.
fn owed() -> (Paper, NoticeKey) {
    let letter = Letter::AccessEnded { because: EndedBecause::Canceled };
    owed_of(letter)
}

fn owed_of(letter: Letter) -> (Paper, NoticeKey) {
    let mut paper = Paper::new();
    let owed = Owed::to_member(paper.member(), "occasion", letter, days(14));
    let key = paper.book.owe(owed, MAIL, paper.now);
    (paper, key)
}

fn hand_out(book: &mut Book, now: Moment) -> Vec<Dispatch> {
    book.hand_out(Channel::Mail, &[Audience::Member], "attic.example", false, now).into_iter().collect()
}

fn report(book: &mut Book, key: &NoticeKey, outcome: DeliveryOutcome, now: Moment) -> Option<u64> {
    book.delivered(&Delivered { key: key.clone(), channel: Channel::Mail, outcome }, now)
}

fn later(after_secs: Option<u64>) -> DeliveryOutcome {
    DeliveryOutcome::Later { why: "451 try later".into(), after_secs }
}

fn state(book: &Book, key: &NoticeKey) -> Delivery {
    book.outbox[key].deliveries[&Channel::Mail].clone()
}

/// How long a due letter waits from now, in minutes (rounded down).
fn waits(book: &Book, key: &NoticeKey, now: Moment) -> i64 {
    let Delivery::Due { not_before, .. } = state(book, key) else { panic!("{:?}", state(book, key)) };
    (not_before - now).num_minutes()
}

#[test]
fn a_letter_is_handed_out_once_and_tried_again_after_1_5_15_30_60_and_120_minutes() {
    let (mut paper, key) = owed();
    let mut now = paper.now;
    for wait in [1, 5, 15, 30, 60, 120, 120] {
        assert!(paper.book.has_letters_due(now));
        assert_eq!(hand_out(&mut paper.book, now).len(), 1);
        assert!(!paper.book.has_letters_due(now), "it is on its way");
        assert_eq!(hand_out(&mut paper.book, now), [], "not twice at once");
        report(&mut paper.book, &key, later(None), now);
        let waited = waits(&paper.book, &key, now);
        assert!((wait..=wait + wait / 20).contains(&waited), "{waited} instead of {wait}");
        let next = paper.book.next_delivery(now).expect("a time for it");
        assert_eq!((next - now).num_minutes(), waited);
        assert!(!paper.book.has_letters_due(next - TimeDelta::seconds(1)));
        assert_eq!(hand_out(&mut paper.book, next - TimeDelta::seconds(1)), []);
        now = next;
    }
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, DeliveryOutcome::Accepted, now);
    assert_eq!(state(&paper.book, &key), Delivery::Accepted { at: now });
    assert_eq!((paper.book.next_delivery(now), paper.book.notices_open()), (None, 0));
    report(&mut paper.book, &key, later(None), now);
    assert_eq!(state(&paper.book, &key), Delivery::Accepted { at: now }, "a late report changes nothing");
}

#[test]
fn who_asks_for_a_longer_pause_gets_it_and_a_channel_that_is_down_counts_against_nobody() {
    let (mut paper, key) = owed();
    let now = paper.now;
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, later(Some(1800)), now);
    assert_eq!(waits(&paper.book, &key, now), 30);
    let now = now + minutes(30);
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, later(Some(1)), now);
    assert_eq!(waits(&paper.book, &key, now), 5, "the second failure");
    let now = now + minutes(6);
    hand_out(&mut paper.book, now);
    let down = DeliveryOutcome::ChannelDown { why: "535".into(), for_secs: 600 };
    assert_eq!(report(&mut paper.book, &key, down, now), Some(600), "the whole channel pauses");
    assert_eq!(waits(&paper.book, &key, now), 10);
    let Delivery::Due { tries, .. } = state(&paper.book, &key) else { panic!() };
    assert_eq!(tries, 2);
}

#[test]
fn what_may_be_out_goes_again_as_the_very_same_letter_and_is_counted() {
    let (mut paper, key) = owed();
    let now = paper.now;
    let first = hand_out(&mut paper.book, now);
    let lost = DeliveryOutcome::Unknown { why: "no answer after the dot".into() };
    report(&mut paper.book, &key, lost, now);
    assert_eq!((waits(&paper.book, &key, now), paper.book.repeats), (1, 1));
    let now = now + minutes(2);
    let second = hand_out(&mut paper.book, now);
    assert_eq!(second[0].first, first[0].first, "the same Message-ID and date");
    // Nor is it another once a later try has certainly failed.
    report(&mut paper.book, &key, later(None), now);
    let now = now + minutes(6);
    assert_eq!(hand_out(&mut paper.book, now)[0].first, first[0].first);
    // The plug is pulled while it is being sent.
    assert_eq!(paper.book.reopen_sendings(now), 1);
    let Delivery::Due { not_before, tries, .. } = state(&paper.book, &key) else { panic!() };
    assert_eq!((not_before, tries, paper.book.repeats), (now, 3, 2));
    assert_eq!(hand_out(&mut paper.book, now)[0].first, first[0].first);
    assert_eq!(paper.book.reopen_sendings(now), 1);
    assert_eq!(paper.book.reopen_sendings(now), 0);
}

#[test]
fn what_certainly_reached_nobody_was_no_first_sending() {
    for letter in [warning(Paper::new().now.date_naive()), Letter::AccessEnded { because: EndedBecause::Canceled }] {
        let (mut paper, key) = owed_of(letter);
        let now = paper.now;
        hand_out(&mut paper.book, now);
        assert!(paper.book.outbox[&key].first_sending.is_some());
        report(&mut paper.book, &key, later(None), now);
        assert_eq!(paper.book.outbox[&key].first_sending, None);
    }
    // Nor for the operator.
    let mut paper = Paper::new();
    let letter = Letter::AccessEnded { because: EndedBecause::Canceled };
    let key = paper.book.owe(Owed::to_operator(None, "occasion", letter), MAIL, paper.now);
    let now = paper.now;
    paper.book.hand_out(Channel::Mail, &[Audience::Operator], "attic.example", false, now);
    report(&mut paper.book, &key, later(None), now);
    assert_eq!(paper.book.outbox[&key].first_sending, None);
}

#[test]
fn what_is_stale_is_not_sent_unless_it_may_be_out() {
    let (mut paper, key) = owed();
    let end = paper.now + days(14);
    let mut book = paper.book.clone();
    assert_eq!(hand_out(&mut book, end).len(), 1, "on the last instant");
    assert_eq!(hand_out(&mut paper.book, end + TimeDelta::seconds(1)), []);
    assert!(matches!(state(&paper.book, &key), Delivery::Cancelled { .. }));
    let (mut paper, key) = owed();
    hand_out(&mut paper.book, paper.now);
    report(&mut paper.book, &key, DeliveryOutcome::Unknown { why: "lost".into() }, paper.now);
    assert_eq!(hand_out(&mut paper.book, end + days(1)).len(), 1, "it is finished");
}

#[test]
fn only_what_is_not_on_its_way_can_be_cancelled() {
    let (mut paper, key) = owed();
    let now = paper.now;
    let mut waiting = paper.book.clone();
    waiting.cancel_notice(&key, "it was paid", now);
    assert_eq!(state(&waiting, &key), Delivery::Cancelled { at: now, why: "it was paid".into() });
    hand_out(&mut paper.book, now);
    paper.book.cancel_notice(&key, "it was paid", now);
    assert_eq!(state(&paper.book, &key), Delivery::Sending { since: now, tries: 0 });
}

#[test]
fn a_dead_address_is_tried_once_more_a_day_later() {
    let (mut paper, key) = owed();
    let dead = || DeliveryOutcome::Never { why: "550 no such user".into(), bad_address: true };
    let now = paper.now;
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, dead(), now);
    assert_eq!(waits(&paper.book, &key, now), 24 * 60);
    assert_eq!(paper.book.outbox[&key].first_sending, None, "nobody was reached");
    let next = now + days(1);
    assert_eq!(hand_out(&mut paper.book, next).len(), 1);
    report(&mut paper.book, &key, dead(), next);
    assert_eq!(state(&paper.book, &key), Delivery::Refused { at: next, why: "550 no such user".into() });
    let ann = paper.member().email.clone().unwrap();
    assert!(paper.book.is_dead(&ann));
    // What nobody is known for can't be held against an address.
    let letter = Letter::AccessEnded { because: EndedBecause::Canceled };
    let house = paper.book.owe(Owed::to_operator(None, "occasion", letter), MAIL, next);
    paper.book.hand_out(Channel::Mail, &[Audience::Operator], "attic.example", false, next);
    report(&mut paper.book, &house, dead(), next);
    assert!(matches!(state(&paper.book, &house), Delivery::Refused { .. }));
}

#[test]
fn an_address_that_bounces_on_two_days_is_no_channel_until_mail_arrives_again() {
    let (mut paper, key) = owed();
    let never = |bad_address| DeliveryOutcome::Never { why: "550".into(), bad_address };
    let ann_at = || usher::facts::Email::parse("ann@example.com").unwrap();
    let refuse = |paper: &mut Paper, bad_address, now: Moment| {
        let waiting = Delivery::Due { not_before: now, tries: 0, last_error: None };
        paper.book.outbox.get_mut(&key).unwrap().deliveries.insert(Channel::Mail, waiting);
        hand_out(&mut paper.book, now);
        report(&mut paper.book, &key, never(bad_address), now);
        paper.book.is_dead(&ann_at())
    };
    let now = paper.now;
    assert!(!refuse(&mut paper, true, now));
    assert!(!refuse(&mut paper, true, now + minutes(30)), "the same day");
    assert!(!refuse(&mut paper, false, now + days(1)), "refused, but the address is no dead one");
    assert!(refuse(&mut paper, true, now + days(1)));
    let waiting = Delivery::Due { not_before: now, tries: 0, last_error: None };
    paper.book.outbox.get_mut(&key).unwrap().deliveries.insert(Channel::Mail, waiting);
    hand_out(&mut paper.book, now + days(2));
    report(&mut paper.book, &key, DeliveryOutcome::Accepted, now + days(2));
    assert!(!paper.book.is_dead(&ann_at()));
    // What the operator's own server refuses is no member's bounce.
    let letter = Letter::AccessEnded { because: EndedBecause::Canceled };
    let ann = paper.ann.clone();
    let owed = paper.book.owe(Owed::to_operator(Some(&ann), "occasion", letter), MAIL, now);
    paper.book.hand_out(Channel::Mail, &[Audience::Operator], "attic.example", false, now);
    report(&mut paper.book, &owed, never(true), now);
    assert!(paper.book.bounced.is_empty());
}

#[test]
fn what_could_not_be_sent_for_a_week_is_told() {
    let (mut paper, key) = owed();
    let created = paper.now;
    let late = created + days(7) + TimeDelta::seconds(1);
    assert!(paper.book.undeliverable_for_long(late).is_empty(), "it was never tried");
    hand_out(&mut paper.book, created);
    report(&mut paper.book, &key, later(None), created);
    assert!(paper.book.undeliverable_for_long(created + days(7)).is_empty());
    assert_eq!(paper.book.undeliverable_for_long(late).len(), 1);
    hand_out(&mut paper.book, late);
    assert_eq!(paper.book.undeliverable_for_long(late).len(), 1, "while it is tried once more");
    report(&mut paper.book, &key, DeliveryOutcome::Accepted, late);
    assert!(paper.book.undeliverable_for_long(late).is_empty());
}

#[test]
fn a_service_that_asks_for_a_thousand_years_waits_a_day() {
    let (mut paper, key) = owed();
    let now = paper.now;
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, later(Some(u64::MAX)), now);
    assert_eq!(waits(&paper.book, &key, now), 24 * 60);
}

#[test]
fn what_is_due_now_is_no_later_delivery_and_stays_open_until_it_is_done() {
    let (mut paper, key) = owed();
    let now = paper.now;
    assert_eq!((paper.book.next_delivery(now), paper.book.notices_open()), (None, 1));
    hand_out(&mut paper.book, now);
    report(&mut paper.book, &key, later(None), now);
    let Delivery::Due { not_before, .. } = state(&paper.book, &key) else { panic!() };
    assert_eq!(paper.book.next_delivery(now), Some(not_before));
    assert_eq!(paper.book.next_delivery(not_before), None);
    hand_out(&mut paper.book, not_before);
    report(&mut paper.book, &key, DeliveryOutcome::Accepted, not_before);
    assert_eq!(paper.book.notices_open(), 0);
}
