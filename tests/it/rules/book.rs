//! What the book keeps, and what it forgets.

use chrono::TimeDelta;
use usher::facts::{Source, Status};
use usher::ledger::{Delivery, Explained, Peak, Population, Removal};
use usher::member::MemberId;

use crate::paper::{Paper, days, warning};

#[test]
fn what_happened_to_a_member_stands_in_their_journal() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.book.note(&ann, now, "invited");
    paper.book.note(&MemberId::number(99), now, "nobody");
    let written: Vec<&str> = paper.member().journal.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(written, ["invited"]);
}

#[test]
fn what_runs_is_what_stripe_charges_or_tries_to_and_still_knows() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    for status in [Status::Active, Status::Trialing, Status::PastDue, Status::Canceled, Status::Incomplete] {
        paper.pays(&ann, status, days(30));
    }
    let now = paper.now;
    paper.pays(&ann, Status::Active, days(30)).vanished = Some(now);
    let running: Vec<String> = paper.book.running_subscriptions().into_iter().map(|id| id.0).collect();
    assert_eq!(running, ["sub_m-1_0", "sub_m-1_1", "sub_m-1_2"]);
}

#[test]
fn who_goes_twice_is_explained_once_and_in_their_own_population() {
    let mut paper = Paper::new();
    let now = paper.now;
    paper.book.explain(now - days(2), Population::Friends, "m-1 10");
    paper.book.explain(now - days(2), Population::Subscriptions, "m-1 10");
    paper.book.explain(now - days(2), Population::Friends, "m-2 20");
    paper.book.explain(now, Population::Friends, "m-1 10");
    let kept: Vec<_> =
        paper.book.explained.iter().map(|known| (known.population, known.what.as_str(), known.at)).collect();
    assert_eq!(
        kept,
        [
            (Population::Subscriptions, "m-1 10", now - days(2)),
            (Population::Friends, "m-2 20", now - days(2)),
            (Population::Friends, "m-1 10", now),
        ]
    );
}

#[test]
fn what_still_matters_for_budget_and_continuity_is_not_forgotten() {
    let mut paper = Paper::new();
    let now = paper.now;
    let removal = |ago: TimeDelta| Removal { at: now - ago, member: MemberId::number(1), stated: false };
    paper.book.removals = vec![removal(days(3)), removal(days(2)), removal(TimeDelta::hours(47))];
    let explained =
        |ago| Explained { at: now - ago, population: Population::Friends, what: format!("{ago}"), count: 1 };
    paper.book.explained = vec![explained(days(9)), explained(days(8)), explained(days(7))];
    paper.book.blind.add(now - days(900), now - days(801));
    paper.book.blind.add(now - days(20), now - days(10));
    paper.book.prune(now);
    assert_eq!(paper.book.removals, [removal(TimeDelta::hours(47))], "the budget looks back 24 hours");
    assert_eq!(paper.book.explained, [explained(days(7))], "continuity looks back 7 days");
    assert_eq!(paper.book.blind.observed(now - days(1000), now), days(990), "no idle clock is older than that");
}

#[test]
fn a_book_that_only_looked_differs_in_nothing() {
    let mut paper = Paper::new();
    let before = paper.book.clone();
    paper.book.marks.last_whole.insert(Source::Plex, paper.now);
    paper.book.committed = paper.now;
    assert!(!paper.book.differs_from(&before), "watermarks are written at most hourly");
    let ann = paper.ann.clone();
    let changes: [fn(&mut usher::ledger::Book, &MemberId); 12] = [
        |book, ann| book.note(ann, book.begun, "something"),
        |book, _| book.identities.owner = None,
        |book, _| book.adopted.clear(),
        |book, ann| _ = book.merged.insert(MemberId::number(99), ann.clone()),
        |book, ann| book.removals.push(Removal { at: book.begun, member: ann.clone(), stated: false }),
        |book, _| book.explain(book.begun, Population::Friends, "m-1"),
        |book, _| book.blind.open(book.begun),
        |book, _| book.libraries.known.clear(),
        |book, _| _ = book.vips.insert("ann".into(), usher::facts::PlexId(7)),
        |book, _| _ = book.tell("outage/plex", book.begun),
        |book, _| book.next_hold += 1,
        |book, _| book.begun += TimeDelta::seconds(1),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut book = before.clone();
        change(&mut book, &ann);
        assert!(book.differs_from(&before), "change {n}");
    }
}

#[test]
fn a_letter_that_is_done_is_kept_for_its_days_and_longer_while_what_it_told_of_is_so() {
    let kept = |ago: TimeDelta, delivery: fn(usher::facts::Moment) -> Delivery, is_told: bool| {
        let mut paper = Paper::new();
        let now = paper.now;
        let key = paper.letter("k", warning(paper.rules.day_of(now)), ago, delivery(now - ago));
        if is_told {
            paper.book.told.insert("outage/plex".into(), now - ago);
        }
        paper.book.prune(now);
        paper.book.outbox.contains_key(&key)
    };
    let accepted = |at| Delivery::Accepted { at };
    let due = |at| Delivery::Due { not_before: at, tries: 0, last_error: None };
    let second = TimeDelta::seconds(1);
    assert!(kept(days(120), accepted, false) && !kept(days(120) + second, accepted, false));
    assert!(kept(days(300), due, false), "it may still go out");
    assert!(kept(days(300), accepted, true), "the digest repeats it");
}

#[test]
fn counts_are_measured_against_the_week_before_the_last_one_that_was_believed() {
    let mut paper = Paper::new();
    let day = paper.rules.day_of(paper.now);
    let peak = Peak { count: 10, at: paper.now };
    let peaks = |days_ago: &[i64]| days_ago.iter().map(|ago| (day - days(*ago), peak)).collect();
    let left = |paper: &mut Paper| {
        let now = paper.now;
        paper.book.prune(now);
        paper.book.marks.populations[&Population::Friends]
            .keys()
            .map(|at| (day - *at).num_days())
            .rev()
            .collect::<Vec<_>>()
    };
    paper.book.marks.populations.insert(Population::Friends, peaks(&[0, 7, 8, 9]));
    assert_eq!(left(&mut paper), [0, 7, 8]);
    paper.book.marks.populations.insert(Population::Friends, peaks(&[400, 408, 409]));
    assert_eq!(left(&mut paper), [400, 408], "however old it is");
    paper.book.marks.populations.insert(Population::Friends, peaks(&[-365, 0, 8, 9]));
    assert_eq!(left(&mut paper), [-365, 0, 8], "a clock that was ahead");
}
