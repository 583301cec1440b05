//! R4, R5 and R10: what becomes of the letters on which an end waits: of a
//! failed payment, and to whoever is asked to subscribe.

use chrono::{NaiveDate, TimeDelta};
use usher::facts::Status;
use usher::ledger::{AskedSpell, Audience, Channel, Delivery, FirstSending, GrantKind, Letter, NoticeKey, UnpaidSpell};
use usher::policy::{letters, unpaid};

use super::house;
use crate::paper::{Change, MOVIES, Paper, days};

fn due(paper: &Paper) -> Delivery {
    Delivery::Due { not_before: paper.now, tries: 0, last_error: None }
}

fn first(paper: &mut Paper, key: &str) {
    let date = paper.now - days(2);
    let first = FirstSending { message_id: "1@attic.example".into(), date };
    paper.book.outbox.get_mut(&NoticeKey(key.into())).unwrap().first_sending = Some(first);
}

fn failed(until: NaiveDate) -> Letter {
    Letter::PaymentFailed { amount: None, pay_url: None, access_until: Some(until), next_attempt: None }
}

/// Ann is past due; her letter came to be owed 5 days ago, and named this day.
fn past_due(names: TimeDelta, delivery: impl Fn(&Paper) -> Delivery) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.owes(&ann, Status::PastDue, days(5), None);
    paper.told_unpaid(&ann, None);
    let (day, delivery) = (paper.rules.day_of(paper.now + names), delivery(&paper));
    paper.letter("unpaid", failed(day), days(5), delivery);
    let promised = paper.rules.end_of_day(day);
    paper.member().unpaid.values_mut().for_each(|spell| spell.promised_end = Some(promised));
    paper
}

fn spell(paper: &mut Paper) -> Option<UnpaidSpell> {
    let ann = paper.ann.clone();
    unpaid::take_note(paper.now, &paper.rules, &mut paper.book, &ann);
    paper.member().unpaid.values().next().cloned()
}

fn days_left(paper: &Paper, spell: &UnpaidSpell) -> i64 {
    let last = paper.rules.day_of(spell.promised_end.unwrap() - TimeDelta::seconds(1));
    (last - paper.rules.day_of(paper.now)).num_days()
}

#[test]
fn what_became_of_a_payment_letter_stands_in_its_spell() {
    let at = Paper::new().now - days(1);
    let told = |delivery: Delivery| {
        let spell = spell(&mut past_due(days(4), |_| delivery.clone())).unwrap();
        (spell.told_at, spell.no_channel)
    };
    assert_eq!(told(Delivery::Accepted { at }), (Some(at), false));
    assert_eq!(told(Delivery::Imagined { at }), (Some(at), false));
    assert_eq!(told(Delivery::NoChannel), (None, true));
    assert_eq!(told(Delivery::Refused { at, why: "550".into() }), (None, true));
    assert_eq!(told(due(&Paper::new())), (None, false));
    assert_eq!(told(Delivery::Sending { since: at, tries: 0 }), (None, false));
    // What stands once is not asked again.
    let mut paper = past_due(days(4), |_| Delivery::NoChannel);
    let known = spell(&mut paper).unwrap();
    paper.book.outbox.values_mut().for_each(|notice| {
        notice.deliveries.insert(Channel::Mail, Delivery::Accepted { at });
    });
    assert_eq!(spell(&mut paper).unwrap(), known);
}

#[test]
fn the_day_that_a_payment_letter_names_is_three_days_off_until_it_may_be_out() {
    let mut paper = past_due(days(1), due);
    let known = spell(&mut paper).unwrap();
    assert_eq!(days_left(&paper, &known), 3, "there was no mail server for days");
    let mut paper = past_due(days(6), due);
    let known = spell(&mut paper).unwrap();
    assert_eq!(days_left(&paper, &known), 6, "never sooner than it would have been");
    let mut paper = past_due(days(1), due);
    first(&mut paper, "unpaid");
    let known = spell(&mut paper).unwrap();
    assert_eq!(days_left(&paper, &known), 1, "it may be out with that day");
    let mut paper = past_due(days(1), |paper| Delivery::Sending { since: paper.now, tries: 0 });
    let known = spell(&mut paper).unwrap();
    assert_eq!(days_left(&paper, &known), 1);
}

#[test]
fn a_payment_that_came_ends_the_spell_and_calls_the_letter_back() {
    for paid in [Status::Active, Status::Trialing] {
        let mut paper = past_due(days(4), due);
        paper.first().now.status = paid;
        assert_eq!(spell(&mut paper), None);
        let fate = &paper.book.outbox[&NoticeKey("unpaid".into())].deliveries[&Channel::Mail];
        assert!(matches!(fate, Delivery::Cancelled { .. }), "{fate:?}");
    }
    for unpaid in [Status::PastDue, Status::Unpaid, Status::Canceled] {
        let mut paper = past_due(days(4), due);
        paper.first().now.status = unpaid;
        assert!(spell(&mut paper).is_some());
    }
}

/// The letters that a failing subscription opens: to the member, and whether
/// the operator hears that the bank must confirm.
fn opened(spoil: Change) -> (Vec<Letter>, Vec<String>) {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.owes(&ann, Status::PastDue, days(1), None);
    spoil(&mut paper);
    let member = paper.member().clone();
    unpaid::open_spells(paper.now, &paper.rules, &mut paper.book, &member);
    assert_eq!(paper.member().unpaid.len(), paper.book.outbox.len() / 2);
    let letters = |audience| paper.book.outbox.values().filter(move |notice| notice.audience == audience);
    let details = letters(Audience::Operator).filter_map(|notice| match &notice.letter {
        Letter::PaymentTrouble { detail, .. } => Some(detail.clone()),
        _ => None,
    });
    (letters(Audience::Member).map(|notice| notice.letter.clone()).collect(), details.collect())
}

#[test]
fn a_failed_payment_is_told_with_what_is_owed_and_until_when() {
    let (letters, details) = opened(|_| ());
    let [Letter::PaymentFailed { amount, access_until, .. }] = letters.as_slice() else { panic!("{letters:?}") };
    let today = Paper::new().now.date_naive();
    assert_eq!(*access_until, Some(today + days(6)), "seven days from when it was due");
    assert!(amount.as_ref().is_some_and(|amount| amount.contains("5.00")), "{amount:?}");
    assert!(!details[0].contains("bank"), "{details:?}");
    // Found late: three days from now at least.
    let late = |paper: &mut Paper| {
        let opened = paper.now - days(30);
        paper.first().now.open_invoices = Some(vec![house::unpaid("in_1", opened)]);
    };
    let (letters, _) = opened(late);
    let [Letter::PaymentFailed { access_until, .. }] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(*access_until, Some(today + days(3)));
    // A bank that wants to be asked is another letter.
    let asks = |paper: &mut Paper| {
        paper.first().now.open_invoices.as_mut().unwrap().iter_mut().for_each(|invoice| invoice.needs_action = true);
    };
    let (letters, details) = opened(asks);
    assert!(matches!(letters.as_slice(), [Letter::PaymentActionRequired { .. }]), "{letters:?}");
    assert!(details[0].contains("bank"), "{details:?}");
}

#[test]
fn one_that_stripe_ended_unpaid_is_told_if_it_bought_anything() {
    let ended: Change = |paper| {
        let now = paper.now;
        let sub = &mut paper.first().now;
        (sub.status, sub.ended_at, sub.ended_by_failed_payment) = (Status::Canceled, Some(now), true);
        sub.open_invoices = None;
    };
    assert_eq!(opened(ended).0.len(), 1);
    let nothing: [(&str, Change); 2] = [
        ("it bought nothing of ours", |paper| paper.first().tiers.clear()),
        ("they cancelled it themselves", |paper| paper.first().now.ended_by_failed_payment = false),
    ];
    for (why, spoil) in nothing {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::PastDue, days(1), None);
        ended(&mut paper);
        spoil(&mut paper);
        let member = paper.member().clone();
        unpaid::open_spells(paper.now, &paper.rules, &mut paper.book, &member);
        assert!(paper.book.outbox.is_empty(), "{why}");
    }
}

/// Ann is in by hand alone, and was asked to subscribe 5 days ago.
fn asked(delivery: impl Fn(&Paper) -> Delivery, spoil: Change) -> (Paper, Option<AskedSpell>) {
    let mut paper = Paper::new();
    paper.rules.unmanaged_days = Some(14);
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let until = paper.rules.day_of(paper.now + days(9));
    let delivery = delivery(&paper);
    paper.letter("asked", Letter::Subscribe { until, address: None, member: None }, days(5), delivery);
    let (since, notice) = (paper.now - days(5), NoticeKey("asked".into()));
    paper.member().asked = Some(AskedSpell { since, notice, told_at: None, promised_end: None, no_channel: false });
    spoil(&mut paper);
    letters::take_note(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let spell = paper.member().asked.clone();
    (paper, spell)
}

fn until(paper: &Paper) -> i64 {
    let Letter::Subscribe { until, .. } = paper.book.outbox[&NoticeKey("asked".into())].letter else { panic!() };
    (until - paper.rules.day_of(paper.now)).num_days()
}

#[test]
fn what_became_of_the_letter_that_asks_to_subscribe_stands_in_its_spell_and_is_told() {
    let at = Paper::new().now - days(1);
    let (mut paper, spell) = asked(|_| Delivery::Accepted { at }, |_| ());
    let spell = spell.unwrap();
    let promised = paper.rules.end_of_day(paper.rules.day_of(paper.now + days(9)));
    assert_eq!((spell.told_at, spell.promised_end, spell.no_channel), (Some(at), Some(promised), false));
    assert!(paper.member().journal.last().unwrap().what.starts_with("was asked to subscribe"));
    let (mut paper, spell) = asked(|_| Delivery::Imagined { at }, |paper| paper.rules.ways.dry_run = true);
    assert_eq!(spell.unwrap().told_at, Some(at));
    assert!(paper.member().journal.last().unwrap().what.starts_with("would have been asked"));
    for none in [Delivery::NoChannel, Delivery::Refused { at, why: "550".into() }] {
        let spell = asked(|_| none.clone(), |_| ()).1.unwrap();
        assert_eq!((spell.told_at, spell.promised_end, spell.no_channel), (None, None, true));
    }
    // Until it may be out, the day moves on with today.
    let (paper, spell) = asked(due, |_| ());
    assert_eq!((until(&paper), spell.unwrap().told_at), (14, None));
    let (paper, _) = asked(due, |paper| first(paper, "asked"));
    assert_eq!(until(&paper), 9);
    let (paper, _) = asked(|_| Delivery::Sending { since: at, tries: 0 }, |_| ());
    assert_eq!(until(&paper), 9);
}

#[test]
fn who_need_not_subscribe_any_more_is_no_longer_asked_and_what_cant_be_told_ends_nothing() {
    let grandfathered: Change = |paper| {
        let ann = paper.ann.clone();
        paper.grant(&ann, GrantKind::Grandfathered);
    };
    let (paper, spell) = asked(due, grandfathered);
    assert_eq!(spell, None);
    let fate = &paper.book.outbox[&NoticeKey("asked".into())].deliveries[&Channel::Mail];
    assert!(matches!(fate, Delivery::Cancelled { .. }), "{fate:?}");
    let unclear: Change = |paper| {
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.pays(&ann, Status::Active, days(3)).vanished = Some(now);
    };
    assert!(asked(due, unclear).1.is_some());
    // Once told, it stands as it was told.
    let told: Change = |paper| {
        let at = paper.now - days(4);
        let asked = paper.member().asked.as_mut().unwrap();
        (asked.told_at, asked.promised_end) = (Some(at), Some(at + days(14)));
    };
    let at = Paper::new().now;
    let spell = asked(|_| Delivery::Accepted { at }, told).1.unwrap();
    assert_eq!((spell.told_at, spell.promised_end), (Some(at - days(4)), Some(at + days(10))));
}
