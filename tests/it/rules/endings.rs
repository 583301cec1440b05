//! R10: a letter before access ends, where nothing else would keep them in;
//! and what a warning says.

use chrono::{NaiveDate, TimeDelta};
use usher::facts::{CancelWhen, Moment, Status};
use usher::ledger::{Channel, Delivery, EndCause, Grant, GrantKind, Letter, Notice, ShareRecord};
use usher::policy::{letters, life};

use crate::paper::{Change, MOVIES, Paper, days};

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// Ann is here as a guest until then.
fn guest(left: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.shares(&ann, &[MOVIES], days(300));
    let until = Some(now + left);
    paper.member().grants.push(Grant { until, ..Grant::new(GrantKind::Complimentary, now - days(300)) });
    paper
}

/// Ann's subscription ends then.
fn payer(left: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let (ann, end) = (paper.ann.clone(), paper.now + left);
    paper.shares(&ann, &[MOVIES], days(300));
    paper.pays(&ann, Status::Active, days(300)).now.cancel_at = Some(end);
    paper
}

/// The letters about an end that are owed and not called back: the day they
/// name, how many days are left, and whether it was given.
fn told(paper: &mut Paper) -> Vec<(NaiveDate, i64, bool)> {
    letters::owe_money_letters(paper.now, &paper.rules, &paper.world, &mut paper.book);
    let open = |notice: &&Notice| !matches!(notice.deliveries[&Channel::Mail], Delivery::Cancelled { .. });
    let of = |notice: &Notice| match notice.letter {
        Letter::AccessEnding { on, days_left, given } => Some((on, days_left, given)),
        _ => None,
    };
    paper.book.outbox.values().filter(open).filter_map(of).collect()
}

#[test]
fn an_end_is_told_seven_and_three_days_before_and_each_once() {
    assert!(told(&mut guest(days(7) + SECOND)).is_empty());
    let mut paper = guest(days(7));
    let on = (paper.now + days(7)).date_naive();
    assert_eq!(told(&mut paper), [(on, 7, true)]);
    paper.now += days(4) - SECOND;
    assert_eq!(told(&mut paper).len(), 1, "not yet three");
    paper.now += SECOND;
    let both = told(&mut paper);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.contains(&(on, 3, true)), "{both:?}");
    assert_eq!(told(&mut guest(SECOND)).len(), 1, "better late than never");
    assert!(told(&mut guest(TimeDelta::zero())).is_empty(), "it is over");
}

#[test]
fn a_day_of_access_is_named_that_is_one() {
    // A grant ends when its last day has: the letter names that day.
    let mut paper = guest(days(3));
    let midnight = (paper.now + days(3)).date_naive().and_hms_opt(0, 0, 0).unwrap().and_utc();
    paper.member().grants[0].until = Some(midnight);
    let last = midnight.date_naive().pred_opt().unwrap();
    assert_eq!(told(&mut paper).iter().map(|(on, ..)| *on).collect::<Vec<_>>(), [last]);
    // A subscription runs into the day on which it ends.
    let mut paper = payer(days(3));
    paper.first().now.cancel_at = Some(midnight);
    assert_eq!(told(&mut paper), [(midnight.date_naive(), 3, false)]);
    let promised = paper.rules.end_of_day(midnight.date_naive());
    assert_eq!(paper.first().promised_end, Some(promised));
}

#[test]
fn no_end_is_told_to_who_stays_and_to_who_is_out_anyway() {
    let not: [(&str, Change); 6] = [
        ("protected", |paper| paper.member().home = true),
        ("grandfathered too", |paper| {
            let ann = paper.ann.clone();
            paper.grant(&ann, GrantKind::Grandfathered);
        }),
        ("a subscription stands beside it", |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(3));
        }),
        ("something later keeps them in", |paper| {
            let until = Some(paper.now + days(90));
            let since = paper.now;
            paper.member().grants.push(Grant { until, ..Grant::new(GrantKind::Extension, since) });
        }),
        ("revoked", |paper| paper.member().blocked = Some(paper.now)),
        ("no share", |paper| paper.member().share = None),
    ];
    for (why, spoil) in not {
        let mut paper = guest(days(3));
        spoil(&mut paper);
        assert!(told(&mut paper).is_empty(), "{why}");
    }
    // Revoked with the end of what is paid for: till then they are in.
    let mut paper = payer(days(3));
    (paper.member().blocked, paper.member().cancels) = (Some(Moment::UNIX_EPOCH), Some(CancelWhen::PeriodEnd));
    assert_eq!(told(&mut paper).len(), 1);
    paper.member().cancels = Some(CancelWhen::Now);
    assert!(told(&mut paper).is_empty(), "and called back");
}

#[test]
fn a_letter_about_an_end_that_is_no_longer_set_is_called_back() {
    let mut paper = guest(days(3));
    assert_eq!(told(&mut paper).len(), 1);
    assert_eq!(told(&mut paper).len(), 1, "it stands while the end does");
    let moved = paper.now + days(2);
    paper.member().grants[0].until = Some(moved);
    let now = told(&mut paper);
    assert_eq!(now.iter().map(|(_, left, _)| *left).collect::<Vec<_>>(), [2], "the other end alone");
    paper.member().grants[0].until = None;
    assert!(told(&mut paper).is_empty());
}

/// Ann has another subscription, which ends so many days from now, or never.
fn second(paper: &mut Paper, ends_in: Option<i64>) {
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.pays(&ann, Status::Active, days(9)).now.cancel_at = ends_in.map(|left| now + days(left));
}

#[test]
fn who_cancels_hears_whether_they_stay_all_the_same() {
    let stays = |spoil: Change| {
        let mut paper = payer(days(20));
        paper.first().now.cancel_at = None;
        life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
        let end = paper.now + days(20);
        paper.first().now.cancel_at = Some(end);
        spoil(&mut paper);
        life::tell(paper.now, &paper.rules, &paper.world, &mut paper.book);
        paper.book.outbox.values().find_map(|notice| match notice.letter {
            Letter::CancellationReceived { stays, .. } => Some(stays),
            _ => None,
        })
    };
    assert_eq!(stays(|_| ()), Some(false));
    assert_eq!(stays(|paper| second(paper, None)), Some(true), "another subscription");
    assert_eq!(stays(|paper| second(paper, Some(90))), Some(true), "one that ends later");
    assert_eq!(stays(|paper| paper.member().home = true), Some(true), "protected");
    assert_eq!(
        stays(|paper| {
            let ann = paper.ann.clone();
            paper.grant(&ann, GrantKind::Grandfathered);
        }),
        Some(true)
    );
}

/// What the warning says of downloads, and of what they pay.
fn warning(prune_paying: bool, downloads: Option<bool>, pays: bool) -> (bool, bool) {
    let mut paper = Paper::new();
    paper.rules.prune_paying = prune_paying;
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.make_friend(&ann, days(30));
    let ShareRecord { row, .. } = paper.member().share.as_mut().unwrap();
    row.downloads = downloads;
    if pays {
        paper.pays(&ann, Status::Active, days(200));
    }
    letters::open_idle_spell(now, &paper.rules, &mut paper.book, &ann, now - days(30), 30);
    let notice = paper.member().idle.clone().unwrap().notice;
    match paper.book.outbox[&notice].letter {
        Letter::InactivityWarning { downloads, pays, .. } => (downloads, pays),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_warning_speaks_of_downloads_and_payment_only_where_there_are_any() {
    assert_eq!(warning(false, Some(false), false), (false, false));
    assert_eq!(warning(false, Some(true), false), (true, false));
    assert_eq!(warning(false, None, false), (true, false), "they may have some");
    assert_eq!(warning(true, Some(false), true), (false, true), "their subscription would end");
    assert_eq!(warning(true, Some(false), false), (false, false));
    assert_eq!(warning(false, Some(false), true), (false, false), "it wouldn't");
}

#[test]
fn who_is_removed_reads_which_day_was_promised() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.make_friend(&ann, days(31));
    let promised = paper.rules.end_of_day((now - days(1)).date_naive());
    let share = paper.member().share.clone().unwrap().row.id;
    let cause =
        EndCause::Idle { spell: now - days(31), days: 31, warned: Some(now - days(4)), promised_end: Some(promised) };
    let member = paper.member().clone();
    letters::owe_removed(now, &paper.rules, &mut paper.book, &member, share, &cause, "idle");
    let said = paper.book.outbox.values().find_map(|notice| match notice.letter {
        Letter::RemovedInactive { warned_on, was_promised, .. } => Some((warned_on, was_promised)),
        _ => None,
    });
    assert_eq!(said, Some((Some((now - days(4)).date_naive()), Some((now - days(1)).date_naive()))));
}

#[test]
fn of_an_end_that_has_come_nothing_is_said_beforehand() {
    assert!(told(&mut guest(TimeDelta::zero())).is_empty());
    assert!(told(&mut payer(TimeDelta::zero())).is_empty());
    assert_eq!(told(&mut payer(SECOND)).len(), 1);
}
