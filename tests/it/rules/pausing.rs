//! R4, `paused`: why a subscription is paused, and what follows.

use chrono::TimeDelta;
use usher::facts::{Moment, Status, Subscription, SubscriptionId};
use usher::ledger::{EndedBecause, GrantKind, Letter, Pause, SpellKind};
use usher::policy::pausing::{self, Cause};
use usher::policy::paying::{self, Grace, Stands};
use usher::policy::{letters, reasons};

use super::house::{House, unpaid};
use crate::paper::{MOVIES, Paper, days};

/// Ann's subscription is paused since `ago`, and paid for until `left` from now.
fn paused(ago: TimeDelta, left: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.shares(&ann, &[MOVIES], days(300));
    let billed = paper.pays(&ann, Status::Paused, days(900));
    billed.now.open_invoices = Some(Vec::new());
    let began = now - ago;
    billed.pause = Some(Pause {
        seen: began,
        began: Some(began),
        was_failing: false,
        was_paid: false,
        paid_until: Some(now + left),
    });
    paper
}

fn cause(paper: &mut Paper) -> Cause {
    let now = paper.now;
    pausing::cause(now, paper.first())
}

fn stands(paper: &mut Paper) -> Stands {
    let billed = paper.first().clone();
    paying::stands(paper.now, &paper.rules, &paper.book.members[&paper.ann], &billed)
}

fn is_unknown(cause: &Cause) -> bool {
    matches!(cause, Cause::Unknown(_))
}

#[test]
fn a_trial_paused_it_only_where_the_two_are_close_in_time() {
    let with = |ended_before_pause: TimeDelta| {
        let mut paper = paused(days(3), days(5));
        let end = paper.now - days(3) - ended_before_pause;
        paper.first().now.trial_end = Some(end);
        matches!(cause(&mut paper), Cause::TrialEnded(at) if at == end)
    };
    assert!(with(TimeDelta::zero()) && with(days(1)));
    assert!(!with(days(1) + TimeDelta::seconds(1)) && !with(days(800)), "a trial of long ago");
    assert!(with(-days(1)), "RULES R4: within a day of the pause, on either side");
    assert!(!with(-days(1) - TimeDelta::seconds(1)), "it hadn't ended yet");
}

#[test]
fn who_had_paid_after_the_trial_takes_a_break_even_on_the_day_after_it() {
    let mut paper = paused(days(3), days(5));
    paper.first().now.trial_end = Some(paper.now - days(3) - TimeDelta::hours(9));
    paper.first().pause.as_mut().unwrap().was_paid = true;
    assert_eq!(cause(&mut paper), Cause::Break);
}

#[test]
fn stripes_own_word_counts_before_everything_else() {
    let named = |word: &str, spoil: fn(&mut Paper)| {
        let mut paper = paused(days(3), days(5));
        paper.first().now.trial_end = Some(paper.now - days(3));
        paper.first().now.paused.cause = Some(word.into());
        spoil(&mut paper);
        cause(&mut paper)
    };
    assert_eq!(named("pause_requested", |_| ()), Cause::Break, "though a trial ended then");
    assert_eq!(named("first_payment_failure", |_| ()), Cause::PaymentFailed);
    assert_eq!(named("final_payment_failure", |_| ()), Cause::PaymentFailed);
    let long_ago = |paper: &mut Paper| {
        let now = paper.now;
        let sub = &mut paper.first().now;
        (sub.trial_end, sub.paused.since) = (Some(now - days(800)), Some(now - days(3)));
    };
    let trial = named("trial_end_without_payment_method", long_ago);
    assert!(matches!(trial, Cause::TrialEnded(_)), "{trial:?}");
    assert!(is_unknown(&named("moon_phase", |_| ())));
    assert!(is_unknown(&named("moon_phase", long_ago)));
}

#[test]
fn without_a_word_what_else_stripe_shows_decides_and_what_is_not_shown_is_unknown() {
    let so = |spoil: fn(&mut Paper)| {
        let mut paper = paused(days(3), days(5));
        spoil(&mut paper);
        cause(&mut paper)
    };
    let owes = |paper: &mut Paper| {
        let opened = paper.now - days(4);
        paper.first().now.open_invoices = Some(vec![unpaid("in_1", opened)]);
    };
    assert_eq!(so(|_| ()), Cause::Break, "who never had a trial");
    assert_eq!(so(owes), Cause::PaymentFailed);
    assert!(is_unknown(&so(|paper| paper.first().now.open_invoices = None)));
    let failed = |paper: &mut Paper| paper.first().pause.as_mut().unwrap().was_failing = true;
    assert!(is_unknown(&so(failed)), "a debt that is gone: paid, or given up");
    let first_seen = |paper: &mut Paper| {
        let now = paper.now;
        paper.first().now.trial_end = Some(now - days(30));
        paper.first().pause.as_mut().unwrap().began = None;
    };
    assert!(is_unknown(&so(first_seen)), "perhaps since its trial ended, perhaps not");
    assert_eq!(so(|paper| paper.first().pause.as_mut().unwrap().began = None), Cause::Break, "no trial, no doubt");
}

#[test]
fn a_break_ends_with_what_is_paid_once_its_letter_has_stood_for_three_days() {
    let with = |ago: i64, left: i64, told: Option<i64>| {
        let mut paper = paused(days(ago), days(left));
        let ann = paper.ann.clone();
        if let Some(told) = told {
            paper.told_unpaid(&ann, Some(days(told)));
            paper.member().unpaid.values_mut().for_each(|spell| spell.kind = SpellKind::Break);
        }
        stands(&mut paper)
    };
    assert!(matches!(with(2, 5, Some(9)), Stands::Grace { kind: Grace::Paid, until: Some(_), .. }));
    assert!(matches!(with(9, -3, None), Stands::Grace { kind: Grace::Ending, .. }), "the letter first");
    assert!(matches!(with(9, -3, Some(2)), Stands::Grace { kind: Grace::Ending, .. }));
    let Stands::Ended(ended) = with(9, -3, Some(3)) else { panic!() };
    assert_eq!((ended.because, ended.stated, ended.approval), (EndedBecause::Paused, false, None));
    // The letter about a failed payment of before is not the one about the break.
    let mut paper = paused(days(9), -days(3));
    let ann = paper.ann.clone();
    paper.told_unpaid(&ann, Some(days(9)));
    assert!(matches!(stands(&mut paper), Stands::Grace { kind: Grace::Ending, .. }));
    paper.rules.pause_keeps = true;
    assert_eq!(stands(&mut paper), Stands::Paying);
}

#[test]
fn a_pause_of_which_nobody_knows_why_needs_the_operators_word() {
    let mut paper = paused(days(9), -days(3));
    paper.first().now.paused.cause = Some("moon_phase".into());
    for keeps in [false, true] {
        paper.rules.pause_keeps = keeps;
        let Stands::Ended(ended) = stands(&mut paper) else { panic!() };
        assert!(ended.approval.is_some() && !ended.stated);
    }
    paper.first().pause.as_mut().unwrap().paid_until = None;
    assert!(matches!(stands(&mut paper), Stands::Unknown(_)), "a null date is not an end");
}

#[test]
fn a_failed_payment_that_paused_it_has_its_days_of_grace_and_its_letter() {
    let with = |failed: i64, told: Option<i64>, invoice: bool| {
        let mut paper = paused(days(failed), days(20));
        let (ann, opened) = (paper.ann.clone(), paper.now - days(failed));
        paper.first().now.paused.cause = Some("final_payment_failure".into());
        if invoice {
            paper.first().now.open_invoices = Some(vec![unpaid("in_1", opened)]);
        }
        paper.told_unpaid(&ann, told.map(days));
        stands(&mut paper)
    };
    for invoice in [true, false] {
        assert!(matches!(with(6, Some(6), invoice), Stands::Grace { kind: Grace::Money, until: Some(_), .. }));
        assert!(matches!(with(8, None, invoice), Stands::Grace { kind: Grace::Ending, .. }));
        let Stands::Ended(ended) = with(8, Some(4), invoice) else { panic!() };
        assert_eq!((ended.because, ended.stated), (EndedBecause::PaymentFailed, false));
    }
}

/// The letters about breaks that are owed and not called back.
fn told(paper: &mut Paper) -> Vec<chrono::NaiveDate> {
    letters::owe_money_letters(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let open = |notice: &&usher::ledger::Notice| {
        !matches!(notice.deliveries.values().next(), Some(usher::ledger::Delivery::Cancelled { .. }))
    };
    let of = |notice: &usher::ledger::Notice| match notice.letter {
        Letter::SubscriptionPaused { until, .. } => Some(until),
        _ => None,
    };
    paper.book.outbox.values().filter(open).filter_map(of).collect()
}

#[test]
fn the_letter_names_the_last_day_and_is_for_those_whose_access_ends() {
    let mut paper = paused(days(1), days(10));
    let last = (paper.now + days(10)).date_naive();
    assert_eq!(told(&mut paper), [last]);
    assert_eq!(told(&mut paper), [last], "once");
    let mut late = paused(days(1), days(1));
    assert_eq!(told(&mut late), [(late.now + days(3)).date_naive()], "three days at the least");

    let ann = paper.ann.clone();
    paper.grant(&ann, GrantKind::Grandfathered);
    assert_eq!(told(&mut paper), [], "something else keeps her in: called back");
    let spoil: [(&str, crate::paper::Change); 4] = [
        ("protected", |paper| paper.member().home = true),
        ("ON_PAUSE=keep", |paper| paper.rules.pause_keeps = true),
        ("another subscription", |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(3));
        }),
        ("not in", |paper| paper.member().share = None),
    ];
    for (why, spoil) in spoil {
        let mut paper = paused(days(1), days(10));
        spoil(&mut paper);
        assert_eq!(told(&mut paper), [], "{why}");
    }
}

#[test]
fn two_breaks_at_once_keep_nobody_in_for_ever() {
    let mut paper = paused(days(9), -days(3));
    let ann = paper.ann.clone();
    let first = paper.first().clone();
    let second = paper.pays(&ann, Status::Paused, days(100));
    (second.pause, second.now.open_invoices) = (first.pause, Some(Vec::new()));
    assert_eq!(told(&mut paper).len(), 2);
}

/// Ann pays for Basic, by an invite of ours, and is in.
fn member() -> (House, SubscriptionId) {
    let mut house = House::new();
    let (sub, _) = house.ann_pays("price_basic");
    house.carry_out();
    house.deliver();
    let end = house.now + days(20);
    house.sub(&sub).items[0].period_end = Some(end);
    house.settle();
    (house, sub)
}

fn pause(house: &mut House, sub: &SubscriptionId) {
    let change = |sub: &mut Subscription| (sub.status, sub.open_invoices) = (Status::Paused, Some(Vec::new()));
    change(house.sub(sub));
}

fn noted(house: &House) -> Option<Pause> {
    house.member(200).subscriptions.values().next().unwrap().pause.clone()
}

#[test]
fn the_book_keeps_when_it_first_saw_the_pause_and_what_was_paid_then() {
    let (mut house, sub) = member();
    let paid_until = house.sub(&sub).period_end();
    house.days(1);
    pause(&mut house, &sub);
    house.settle();
    let first = noted(&house).unwrap();
    assert!((house.now - first.seen) < days(1) && first.began == Some(first.seen), "{first:?}");
    assert_eq!(first.paid_until, paid_until);
    house.days(3);
    house.sub(&sub).items[0].period_end = Some(Moment::MAX_UTC);
    house.settle();
    assert_eq!(noted(&house), Some(first.clone()), "whatever Stripe's period does meanwhile");
    // An event says it better; Stripe itself best.
    let event = first.seen - TimeDelta::minutes(20);
    house.billing.pauses.insert(sub.clone(), event);
    house.settle();
    assert_eq!(noted(&house).unwrap().began, Some(event));
    house.sub(&sub).status = Status::Active;
    house.settle();
    assert_eq!(noted(&house), None);
}

#[test]
fn a_trial_that_ended_while_nobody_looked_is_the_end_of_a_trial() {
    let (mut house, sub) = member();
    let end = house.now + days(1);
    house.sub(&sub).trial_end = Some(end);
    house.sub(&sub).status = Status::Trialing;
    house.settle();
    house.later(days(9));
    pause(&mut house, &sub);
    house.settle();
    assert_eq!(noted(&house).unwrap().began, Some(end));
    let standing = reasons::standing(
        usher::policy::Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world },
        house.member(200),
    );
    assert!(standing.ended.iter().any(|(_, ended)| ended.because == EndedBecause::TrialEnded && ended.stated));
}

#[test]
fn one_that_a_book_of_before_has_as_paused_is_ended_by_nobody_but_the_operator() {
    let (mut house, sub) = member();
    let now = house.now;
    house.sub(&sub).trial_end = Some(now - days(3));
    pause(&mut house, &sub);
    // As the version of before wrote it: without the pause.
    let id = house.member(200).id.clone();
    let billed = house.book.members.get_mut(&id).unwrap().subscriptions.get_mut(&sub).unwrap();
    billed.now.status = Status::Paused;
    house.settle();
    assert_eq!(noted(&house).unwrap().began, None);
    house.days(40);
    assert_eq!(house.ends(), Vec::<String>::new());
    assert_eq!(house.letters("subscription_paused").len(), 0);
}

#[test]
fn what_had_ended_before_the_book_saw_it_is_no_news_and_no_end() {
    for failed in [false, true] {
        let mut paper = Paper::new();
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.shares(&ann, &[MOVIES], days(300));
        let billed = paper.pays(&ann, Status::Canceled, days(900));
        (billed.ran, billed.now.ended_at, billed.now.ended_by_failed_payment) = (false, Some(now - days(700)), failed);
        assert_eq!(stands(&mut paper), Stands::NotYet);
        letters::owe_money_letters(paper.now, &paper.rules, &paper.world, &mut paper.book);
        assert!(paper.book.outbox.is_empty() && paper.member().unpaid.is_empty());
        assert!(paper.plan().proposals.is_empty());
    }
}

#[test]
fn the_day_that_the_letter_about_a_break_named_is_kept_though_the_subscription_is_canceled_before() {
    let (mut house, sub) = member();
    pause(&mut house, &sub);
    house.settle();
    house.deliver();
    house.days(1);
    let now = house.now;
    house.cancel(&sub, now);
    house.settle();
    house.days(15);
    assert_eq!(house.ends(), Vec::<String>::new(), "until the day that the letter named is over");
    house.days(6);
    assert_eq!(house.ends().len(), 1);
}
