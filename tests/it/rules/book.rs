//! What the book keeps, and what it forgets.

use chrono::TimeDelta;
use usher::facts::{Source, Status};
use usher::ledger::{Explained, Population, Removal};
use usher::member::MemberId;

use crate::paper::{Paper, days};

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
    let explained = |ago| Explained { at: now - ago, population: Population::Friends, what: format!("{ago}") };
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
