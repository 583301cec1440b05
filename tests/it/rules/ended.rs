//! R4: how a subscription stands, to the second.

use chrono::TimeDelta;
use usher::facts::{Moment, Status};
use usher::ledger::{EndCause, EndedBecause, Grant, GrantKind};
use usher::policy::paying::{self, Ended, Grace, Stands};
use usher::policy::reasons;

use super::house::unpaid;
use crate::paper::{MOVIES, Paper, days};

const SECOND: TimeDelta = TimeDelta::seconds(1);

fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

/// Ann's only subscription, in this status.
fn billed(status: Status, spoil: impl Fn(&mut Paper, Moment)) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.pays(&ann, status, days(300));
    let now = paper.now;
    spoil(&mut paper, now);
    paper
}

fn stands(paper: &mut Paper) -> Stands {
    let billed = paper.first().clone();
    paying::stands(paper.now, &paper.rules, &paper.book.members[&paper.ann], &billed)
}

fn ended(paper: &mut Paper) -> Option<Ended> {
    match stands(paper) {
        Stands::Ended(ended) => Some(ended),
        Stands::Grace { kind: Grace::Ending, .. } | Stands::NotYet => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_settles_for_a_day_and_a_promised_day_is_over_first() {
    let gone = |ago: TimeDelta, promised: Option<TimeDelta>| {
        let mut paper = billed(Status::Canceled, |paper, now| {
            paper.first().now.ended_at = Some(now - ago);
            paper.first().promised_end = promised.map(|ago| now - ago);
        });
        ended(&mut paper).map(|ended| (paper.now - ended.ended, paper.now - ended.due))
    };
    assert_eq!(gone(hours(24) - SECOND, None), None);
    assert_eq!(gone(hours(24), None), Some((hours(24), TimeDelta::zero())), "on the very second");
    assert_eq!(gone(days(3), Some(-SECOND)), None, "the day that a letter named isn't over");
    assert_eq!(gone(days(3), Some(hours(5))), Some((days(3), hours(5))));
    assert_eq!(gone(days(3), Some(days(9))), Some((days(3), days(2))), "a promise shortens nothing");
}

#[test]
fn one_that_was_never_paid_gave_nothing_and_so_ends_nothing() {
    for ago in [hours(0), hours(24), days(9)] {
        let mut paper = billed(Status::IncompleteExpired, |paper, now| paper.first().now.ended_at = Some(now - ago));
        assert_eq!(stands(&mut paper), Stands::NotYet, "{ago}");
    }
    assert_eq!(stands(&mut billed(Status::IncompleteExpired, |_, _| ())), Stands::NotYet);
}

#[test]
fn why_it_ended_is_what_stripe_shows() {
    let because = |spoil: fn(&mut Paper, Moment)| {
        let mut paper = billed(Status::Canceled, |paper, now| {
            paper.first().now.ended_at = Some(now - days(9));
            spoil(paper, now);
        });
        let ann = paper.ann.clone();
        paper.told_unpaid(&ann, Some(days(5)));
        ended(&mut paper).unwrap().because
    };
    let trial = |asked: Option<TimeDelta>, slack: TimeDelta| {
        let mut paper = billed(Status::Canceled, |paper, now| {
            let sub = &mut paper.first().now;
            sub.ended_at = Some(now - days(9));
            sub.trial_end = Some(now - days(9) + slack);
            sub.canceled_at = asked.map(|ago| now - ago);
        });
        ended(&mut paper).unwrap().because
    };
    assert_eq!(because(|_, _| ()), EndedBecause::Canceled);
    assert_eq!(because(|paper, _| paper.first().now.ended_by_failed_payment = true), EndedBecause::PaymentFailed);
    assert_eq!(because(|paper, now| paper.first().cut_off = Some(now)), EndedBecause::PaymentFailed);
    assert_eq!(trial(None, TimeDelta::zero()), EndedBecause::TrialEnded);
    assert_eq!(trial(None, hours(6)), EndedBecause::TrialEnded, "Stripe's clock");
    assert_eq!(trial(None, hours(6) + SECOND), EndedBecause::Canceled);
    assert_eq!(trial(Some(days(9)), hours(1)), EndedBecause::TrialEnded, "canceled when it ended");
    assert_eq!(trial(Some(days(12)), hours(1)), EndedBecause::Canceled, "they asked for it days before");
}

#[test]
fn grace_is_over_on_the_very_second_and_an_old_debt_shortens_nothing() {
    let unpaid_for = |ago: TimeDelta| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::Unpaid, ago, None);
        paper.told_unpaid(&ann, Some(days(4)));
        matches!(stands(&mut paper), Stands::Ended(_))
    };
    assert!(!unpaid_for(days(7) - SECOND));
    assert!(unpaid_for(days(7)));

    // The invoice with which it began counts, while it is open; of the others,
    // the oldest of this cycle.
    let mut paper = billed(Status::PastDue, |paper, now| {
        let sub = &mut paper.first().now;
        sub.items[0].period_start = Some(now - days(5));
        let open = [("in_before", 40), ("in_edge", 5), ("in_late", 2)];
        let edge = |days_ago| now - days(days_ago) - if days_ago == 5 { hours(6) } else { hours(0) };
        sub.open_invoices = Some(open.map(|(id, ago)| unpaid(id, edge(ago))).into());
    });
    let from = |paper: &mut Paper| paying::counts_from(paper.first()).unwrap().id.0.clone();
    assert_eq!(from(&mut paper), "in_edge", "six hours before the cycle still belong to it");
    paper.first().unpaid_from = Some("in_before".into());
    assert_eq!(from(&mut paper), "in_before");
    paper.first().unpaid_from = Some("in_paid_since".into());
    assert_eq!(from(&mut paper), "in_edge");
    paper.first().now.open_invoices.as_mut().unwrap().retain(|invoice| invoice.id.0 == "in_before");
    assert_eq!(from(&mut paper), "in_before", "where all are older, the youngest");
}

#[test]
fn the_letter_of_a_failed_payment_stands_for_three_days_and_its_day_is_over() {
    let stood = |told: TimeDelta, promised: Option<TimeDelta>| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.owes(&ann, Status::Unpaid, days(30), None);
        paper.told_unpaid(&ann, Some(told));
        let promised = promised.map(|ago| paper.now - ago);
        paper.member().unpaid.values_mut().for_each(|spell| spell.promised_end = promised);
        ended(&mut paper).map(|ended| paper.now - ended.due)
    };
    assert_eq!(stood(days(3) - SECOND, None), None);
    assert_eq!(stood(days(3), None), Some(TimeDelta::zero()));
    assert_eq!(stood(days(9), Some(-SECOND)), None);
    assert_eq!(stood(days(9), Some(TimeDelta::zero())), Some(days(6)));
}

#[test]
fn one_that_is_followed_by_another_says_nothing_any_more() {
    let superseded = |status: Status, created: TimeDelta| {
        let mut paper = billed(Status::Canceled, |paper, now| paper.first().now.ended_at = Some(now - days(10)));
        let ann = paper.ann.clone();
        let later = paper.now - days(10) + created;
        paper.pays(&ann, status, days(1)).now.created = later;
        let old = paper.first().clone();
        paying::is_superseded(&paper.book.members[&ann], &old)
    };
    assert!(superseded(Status::Active, days(3)));
    assert!(superseded(Status::Canceled, TimeDelta::zero()), "begun as it ended");
    assert!(!superseded(Status::Active, -SECOND), "they ran side by side");
    assert!(!superseded(Status::Incomplete, days(3)) && !superseded(Status::IncompleteExpired, days(3)));
}

#[test]
fn what_ended_last_is_why_access_ends() {
    let cause = |lapsed_ago: TimeDelta, grant_ago: TimeDelta| {
        let mut paper =
            billed(Status::Canceled, |paper, now| paper.first().now.ended_at = Some(now - lapsed_ago - hours(24)));
        let (since, until) = (paper.now - days(100), Some(paper.now - grant_ago));
        paper.member().grants.push(Grant { until, ..Grant::new(GrantKind::Extension, since) });
        reasons::standing(paper.scene(), &paper.book.members[&paper.ann]).end_cause().unwrap()
    };
    assert!(matches!(cause(days(5), days(2)), EndCause::GrantOver { .. }));
    assert!(matches!(cause(days(2), days(5)), EndCause::Lapsed { .. }));
    assert!(matches!(cause(days(2), days(2)), EndCause::Lapsed { .. }), "Stripe's word where both fall together");
    // A grant ends with its last instant, not after it.
    let grant = |until| Grant { until, ..Grant::new(GrantKind::Extension, Moment::UNIX_EPOCH) };
    let now = Paper::new().now;
    assert!(grant(Some(now + SECOND)).stands(now) && !grant(Some(now)).stands(now) && grant(None).stands(now));
}

#[test]
fn a_price_in_no_tier_of_what_is_over_leaves_nothing_in_doubt() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(300));
    paper.ended(&ann, days(5));
    paper.first().unclear = ["price_x".into()].into();
    let standing = reasons::standing(paper.scene(), &paper.book.members[&ann]);
    assert_eq!((standing.unknown.len(), standing.ended.len()), (0, 1));
    paper.first().now.status = Status::Active;
    let standing = reasons::standing(paper.scene(), &paper.book.members[&ann]);
    assert_eq!(standing.unknown.len(), 1);
}
