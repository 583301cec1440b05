//! R4 with `PAYMENT_GRACE=strict`: when the days are over, what Stripe would
//! still try to charge is cancelled first, and its end takes the access.

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Status, SubscriptionId};
use usher::ledger::{Act, GrantKind, IntentState};
use usher::policy::plan::{Class, Doing};
use usher::policy::reasons;

use super::house::{House, days, unpaid};
use crate::paper::{Change, MOVIES, Paper};

/// Ann has been past due for `ago`, Stripe tries again in 3 days, and the
/// letter about it was accepted `told` ago.
fn past_due(ago: TimeDelta, told: Option<TimeDelta>) -> Paper {
    let mut paper = Paper::new();
    paper.rules.payment_grace_strict = true;
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.owes(&ann, Status::PastDue, ago, Some(days(3)));
    paper.told_unpaid(&ann, told);
    paper
}

/// What is proposed, by class.
fn classes(paper: &Paper) -> Vec<Class> {
    paper.plan().proposals.iter().map(|proposal| proposal.class).collect()
}

#[test]
fn what_stripe_still_tries_is_cancelled_when_the_days_are_over_and_the_letter_has_stood() {
    let second = TimeDelta::seconds(1);
    let cut_off = |ago, told| match classes(&past_due(ago, told)).as_slice() {
        [] => false,
        [Class::CutOff] => true,
        other => panic!("{other:?}"),
    };
    assert!(cut_off(days(7), Some(days(3))), "on the very day");
    assert!(!cut_off(days(7) - second, Some(days(3))), "7 days of grace");
    assert!(!cut_off(days(30), Some(days(3) - second)), "3 days after an accepted letter");
    assert!(!cut_off(days(30), None), "no letter was accepted");
    let paper = past_due(days(7), Some(days(3)));
    let Doing::Act(act) = &paper.plan().proposals[0].doing else { panic!("an act") };
    assert!(matches!(act, Act::Cancel { when: CancelWhen::Now, idle_days: None, .. }), "{act:?}");
}

#[test]
fn it_is_not_cancelled_without_strict_nor_where_anything_speaks_against_it() {
    let spoil: [(&str, Change); 9] = [
        ("PAYMENT_GRACE is not strict", |paper| paper.rules.payment_grace_strict = false),
        ("it was paid", |paper| paper.first().now.status = Status::Active),
        ("it has ended already", |paper| {
            let now = paper.now;
            let sub = &mut paper.first().now;
            (sub.status, sub.ended_at) = (Status::Canceled, Some(now));
        }),
        ("Stripe has given up charging", |paper| paper.first().now.status = Status::Unpaid),
        ("Stripe no longer knows it", |paper| paper.first().vanished = Some(paper.now)),
        ("it buys nothing of ours", |paper| paper.first().tiers.clear()),
        ("its invoices can't be read", |paper| paper.first().now.open_invoices = None),
        ("they are protected", |paper| paper.member().home = true),
        ("the day that the letter promised isn't over", |paper| {
            let tomorrow = paper.now + days(1);
            paper.member().unpaid.values_mut().for_each(|spell| spell.promised_end = Some(tomorrow));
        }),
    ];
    for (why, spoil) in spoil {
        let mut paper = past_due(days(30), Some(days(10)));
        assert_eq!(classes(&paper), [Class::CutOff]);
        spoil(&mut paper);
        assert!(!classes(&paper).contains(&Class::CutOff), "{why}");
    }
    // A holiday lengthens the grace.
    let mut paper = past_due(days(9), Some(days(5)));
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.grant(&ann, GrantKind::Holiday);
    let grant = paper.member().grants.last_mut().unwrap();
    (grant.since, grant.until) = (now - days(8), Some(now - days(5)));
    assert_eq!(classes(&paper), [], "7 days, and 3 of holiday");
}

#[test]
fn promise_01_strict_cancels_after_the_letter_and_the_end_at_stripe_takes_the_access() {
    let mut house = House::new();
    house.rules.payment_grace_strict = true;
    let (sub, _) = house.ann_pays("price_basic");
    house.deliver();
    // Stripe tries, and tries again.
    let failed = house.now;
    let keep_trying = |house: &mut House, sub: &SubscriptionId| {
        let next = house.now + days(2);
        let failing = house.sub(sub);
        failing.status = Status::PastDue;
        let mut invoice = unpaid("in_1", failed);
        invoice.next_attempt_at = Some(next);
        failing.open_invoices = Some(vec![invoice]);
    };
    for _ in 0..7 {
        keep_trying(&mut house, &sub);
        house.days(1);
        assert_eq!(house.decided(), Vec::<String>::new(), "day {}", (house.now - failed).num_days());
    }
    keep_trying(&mut house, &sub);
    // The day that the letter named as the last is over before anything happens.
    house.days(1);
    let cancels: Vec<bool> = house
        .book
        .intents
        .values()
        .filter(|intent| intent.state == IntentState::Decided)
        .map(|intent| matches!(intent.act, Act::Cancel { when: CancelWhen::Now, .. }))
        .collect();
    assert_eq!(cancels, [true], "the subscription goes first, not the access");
    house.carry_out();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.sub(&sub).ended_by_failed_payment = true;
    house.settle();
    house.days(1);
    assert!(house.member(200).has_access(), "it settles");
    house.days(1);
    assert_eq!(house.ends().len(), 1, "{:?}", house.member(200).journal);
    assert_eq!(house.letters("payment_failed").iter().filter(|key| key.0.ends_with("/member")).count(), 1);
    assert!(house.payer("ann").subscriptions[&sub].cut_off.is_some(), "Usher did it: it counts in the day's budget");
}

#[test]
fn until_the_letter_has_stood_it_is_stripe_who_tries_again() {
    let why = |paper: &Paper| {
        let standing = reasons::standing(paper.scene(), &paper.book.members[&paper.ann]);
        standing.reasons[0].what.clone()
    };
    assert!(why(&past_due(days(30), None)).contains("Stripe will try again"));
    assert!(why(&past_due(days(30), Some(days(10)))).contains("so it is cancelled"));
    let mut lenient = past_due(days(30), Some(days(10)));
    lenient.rules.payment_grace_strict = false;
    assert!(why(&lenient).contains("Stripe will try again"));
}

#[test]
fn the_promised_instant_itself_is_over() {
    for (left, cut_off) in [(TimeDelta::zero(), true), (TimeDelta::seconds(1), false)] {
        let mut paper = past_due(days(30), Some(days(10)));
        let promised = Some(paper.now + left);
        paper.member().unpaid.values_mut().for_each(|spell| spell.promised_end = promised);
        assert_eq!(classes(&paper).contains(&Class::CutOff), cut_off, "{left}");
    }
}
