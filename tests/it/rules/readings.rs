//! R9: what a whole reading leaves behind, when nothing is seen of anybody's
//! plays, and what counts as a source that can't be read.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{CustomerId, FailureKind, Moment, Reading, Source, Unread};
use usher::policy::{World, readings};

use crate::paper::{Change, Paper};

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// Tautulli was not read.
fn fails(paper: &mut Paper, at: Moment) {
    let unread = Unread { at, kind: FailureKind::Unreachable, why: "no answer".into() };
    paper.world.tautulli.see(Reading::Unread(unread));
}

/// Tautulli's last reading is taken up.
fn tautulli(paper: &mut Paper) {
    readings::fold_tautulli(paper.now, &paper.rules, &mut paper.world, &mut paper.book);
}

fn note(paper: &mut Paper) {
    readings::note_blindness(paper.now, &paper.rules, &paper.world, &mut paper.book);
}

#[test]
fn a_newer_look_at_one_of_them_outlives_an_older_whole_reading_and_no_other_does() {
    let mut paper = Paper::new();
    let begun = paper.world.plex.last.as_ref().unwrap().begun;
    let (newer, ann) = (begun + seconds(5), paper.ann.clone());
    let bob = paper.person("bob");
    let (looked, stale): (CustomerId, CustomerId) = ("cus_looked".into(), "cus_stale".into());
    paper.world.listed = [(ann.clone(), newer), (bob.clone(), begun)].into();
    paper.world.customers_looked = [(looked.clone(), newer), (stale, begun)].into();
    readings::fold_plex(paper.now, &paper.rules, &mut paper.world, &mut paper.book);
    readings::fold_stripe(paper.now, &paper.rules, &mut paper.world, &mut paper.book);
    assert_eq!((paper.world.listed_at(&ann), paper.world.listed_at(&bob)), (Some(newer), Some(begun)));
    assert_eq!(paper.world.listed, [(ann, newer)].into());
    assert_eq!(paper.world.customers_looked, [(looked, newer)].into());
}

#[test]
fn while_tautulli_cant_be_read_no_time_counts_since_its_last_good_reading() {
    let mut paper = Paper::new();
    tautulli(&mut paper);
    let good = paper.world.tautulli.last.as_ref().unwrap().at;
    paper.now += TimeDelta::hours(1);
    note(&mut paper);
    assert!(!paper.book.blind.is_blind(), "it answers");
    let now = paper.now;
    fails(&mut paper, now);
    note(&mut paper);
    assert_eq!(paper.book.blind.since(), Some(good));

    let mut without = Paper::new();
    without.rules.configured.remove(&Source::Tautulli);
    fails(&mut without, now);
    note(&mut without);
    assert!(!without.book.blind.is_blind(), "there is none to see with");
}

#[test]
fn a_reading_that_can_have_missed_plays_is_no_good_one() {
    let good = |spoil: Change| {
        let mut paper = Paper::new();
        spoil(&mut paper);
        tautulli(&mut paper);
        (paper.book.marks.last_whole.contains_key(&Source::Tautulli), paper.book.blind.is_blind())
    };
    assert_eq!(good(|_| ()), (true, false));
    let cut_off: Change = |paper| paper.world.tautulli.last.as_mut().unwrap().value.connected = false;
    assert_eq!(good(cut_off), (false, true));
    let no_sessions: Change = |paper| paper.world.tautulli.last.as_mut().unwrap().value.watching_now = None;
    assert_eq!(good(no_sessions), (false, true));
    assert_eq!(
        good(|paper| paper.world.tautulli.last.as_mut().unwrap().value.watching_now = Some(BTreeSet::new())),
        (true, false)
    );
}

#[test]
fn a_source_is_down_after_three_failures_and_two_intervals_and_not_before() {
    let mut paper = Paper::new();
    let began = paper.now;
    let is_down = |paper: &Paper, now: Moment| paper.world.is_down(now, &paper.rules, Source::Tautulli);
    let two = TimeDelta::hours(1);
    for _ in 0..2 {
        fails(&mut paper, began);
    }
    assert!(!is_down(&paper, began + two * 9), "twice is chance");
    fails(&mut paper, began + two);
    assert!(!is_down(&paper, began + two - seconds(1)), "a restart of its own");
    assert!(is_down(&paper, began + two));
    assert!(!paper.world.is_down(began + two, &paper.rules, Source::Plex));
}

#[test]
fn a_reading_is_fresh_to_the_second() {
    let paper = Paper::new();
    for source in Source::ALL {
        let limit = paper.world.state(source).read_at.unwrap() + paper.rules.freshness(source);
        assert!(paper.world.is_fresh(limit, &paper.rules, source));
        assert!(!paper.world.is_fresh(limit + seconds(1), &paper.rules, source));
    }
}

#[test]
fn nothing_is_done_before_our_clock_was_held_against_another() {
    let world = Paper::new().world;
    let compared = |plex: bool, stripe: bool| {
        let mut seen = World { tautulli: world.tautulli.clone(), ..World::default() };
        if plex {
            seen.plex = world.plex.clone();
        }
        if stripe {
            seen.stripe = world.stripe.clone();
        }
        seen.clock_was_compared()
    };
    assert!(!compared(false, false), "Tautulli stands on our own machine, perhaps");
    assert!(compared(true, false) && compared(false, true) && compared(true, true));
}
