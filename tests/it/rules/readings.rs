//! R9: what a whole reading leaves behind, when nothing is seen of anybody's
//! plays, and what counts as a source that can't be read.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{CustomerId, FailureKind, Moment, Reading, Source, Unread};
use usher::policy::asks::{self, Accept};
use usher::policy::{World, inactivity, readings};

use crate::paper::{Change, Paper, days, noon};

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
    let cut_off: Change = |paper| paper.world.tautulli.whole_mut().unwrap().value.connected = false;
    assert_eq!(good(cut_off), (false, true));
    let no_sessions: Change = |paper| paper.world.tautulli.whole_mut().unwrap().value.watching_now = None;
    assert_eq!(good(no_sessions), (false, true));
    assert_eq!(
        good(|paper| paper.world.tautulli.whole_mut().unwrap().value.watching_now = Some(BTreeSet::new())),
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

/// A further reading of Tautulli, an hour after the one before.
fn an_hour_later(paper: &mut Paper, change: impl FnOnce(&mut usher::facts::Activity)) {
    paper.now += TimeDelta::hours(1);
    let whole = paper.world.tautulli.whole_mut().unwrap();
    (whole.begun, whole.at) = (paper.now, paper.now);
    change(&mut whole.value);
    tautulli(paper);
}

/// Two held readings, one that is believed, and one more: the hours that count.
fn hours_observed(held: fn(&mut Paper), believed: fn(&mut Paper)) -> i64 {
    let mut paper = Paper::new();
    an_hour_later(&mut paper, |activity| activity.history_total = 100);
    let begun = paper.now;
    for _ in 0..2 {
        held(&mut paper);
        an_hour_later(&mut paper, |_| ());
        assert!(paper.book.blind.is_blind());
        assert_eq!(paper.book.marks.last_whole[&Source::Tautulli], begun, "it is no good reading");
    }
    believed(&mut paper);
    an_hour_later(&mut paper, |_| ());
    an_hour_later(&mut paper, |_| ());
    assert!(!paper.book.blind.is_blind());
    paper.book.blind.observed(begun, paper.now).num_hours()
}

fn shows(paper: &mut Paper, plays: u64) {
    paper.world.tautulli.whole_mut().unwrap().value.history_total = plays;
}

fn watches(paper: &mut Paper, server: &str) {
    paper.world.tautulli.whole_mut().unwrap().value.server = server.into();
}

fn accept(paper: &mut Paper) {
    let done = asks::accept(paper.now, &mut paper.world, &mut paper.book, Accept::Tautulli);
    assert_eq!(done.len(), 1, "{done:?}");
}

#[test]
fn the_hours_of_readings_that_nobody_believes_are_not_observed() {
    assert_eq!(hours_observed(|paper| shows(paper, 3), |paper| shows(paper, 100)), 1, "it was a mistake");
    assert_eq!(hours_observed(|paper| shows(paper, 3), accept), 1);
    assert_eq!(hours_observed(|paper| watches(paper, "another"), |paper| watches(paper, "server")), 1);
    assert_eq!(hours_observed(|paper| watches(paper, "another"), accept), 1);
}

#[test]
fn a_drop_to_half_counts_from_the_reading_that_confirms_it() {
    let mut paper = Paper::new();
    an_hour_later(&mut paper, |activity| activity.history_total = 100);
    let good = paper.now;
    an_hour_later(&mut paper, |activity| activity.history_total = 60);
    assert_eq!(paper.book.blind.since(), Some(good));
    an_hour_later(&mut paper, |_| ());
    assert!(!paper.book.blind.is_blind());
    assert_eq!(paper.book.blind.observed(good, paper.now), TimeDelta::zero());
}

#[test]
fn a_history_begun_anew_grows_and_is_not_believed_for_it() {
    for restart in [false, true] {
        let mut paper = Paper::new();
        an_hour_later(&mut paper, |activity| activity.history_total = 10);
        let good = paper.now;
        let oldest = Some(good);
        for plays in [0, 3, 6, 7, 9, 30] {
            an_hour_later(&mut paper, |activity| {
                activity.history_total = plays;
                activity.oldest_play = oldest.filter(|_| plays > 0);
            });
            assert_eq!(paper.book.blind.since(), Some(good), "{plays} plays");
            if restart {
                paper.world.drops.clear();
            }
        }
        an_hour_later(&mut paper, |_| ());
        accept(&mut paper);
        an_hour_later(&mut paper, |_| ());
        assert!(!paper.book.blind.is_blind());
        assert_eq!(paper.book.blind.observed(good, paper.now), TimeDelta::zero());
    }
    // The history of before is believed as soon as it is back.
    let mut paper = Paper::new();
    an_hour_later(&mut paper, |activity| activity.history_total = 10);
    an_hour_later(&mut paper, |activity| activity.history_total = 0);
    assert!(paper.book.blind.is_blind());
    an_hour_later(&mut paper, |activity| activity.history_total = 9);
    assert!(!paper.book.blind.is_blind());
}

#[test]
fn a_play_is_a_play_also_in_a_reading_that_is_not_believed() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(40));
    an_hour_later(&mut paper, |activity| activity.history_total = 100);
    let played = paper.now - TimeDelta::minutes(30);
    an_hour_later(&mut paper, |activity| {
        activity.history_total = 3;
        activity.people.values_mut().for_each(|watcher| watcher.last_play = Some(played));
    });
    assert!(paper.book.blind.is_blind());
    assert_eq!(paper.member().last_play, Some(played));
}

#[test]
fn who_never_played_is_measured_from_the_latest_oldest_play_that_was_believed() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(40));
    paper.member().last_play = None;
    let (now, oldest) = (paper.now, |ago| Some(noon() - days(ago)));
    an_hour_later(&mut paper, |activity| {
        activity.people.values_mut().for_each(|watcher| watcher.last_play = None);
        (activity.oldest_play, activity.history_total) = (oldest(20), 100);
    });
    let start = |paper: &Paper| inactivity::clock_start(paper.scene(), &paper.book.members[&paper.ann]);
    assert_eq!(start(&paper), oldest(20));
    an_hour_later(&mut paper, |activity| activity.oldest_play = oldest(900));
    assert_eq!(start(&paper), oldest(20), "an older history that is brought in is not ours");
    an_hour_later(&mut paper, |activity| activity.oldest_play = oldest(2));
    assert_eq!(start(&paper), oldest(2));
    an_hour_later(&mut paper, |activity| activity.oldest_play = None);
    assert_eq!((start(&paper), paper.now > now), (None, true), "an empty history measures nothing");
}
