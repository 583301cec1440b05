//! R3: what counts as idle, and what ends a spell of it.

use chrono::TimeDelta;
use usher::facts::{Activity, Moment, PlexId, Status, Whole};
use usher::ledger::{Delivery, FirstSending, Grant, GrantKind, IdleSpell, Letter, MemberTold, NoticeKey};
use usher::policy::inactivity::{self, Idle};
use usher::policy::{letters, reasons};

use crate::paper::{Change, MOVIES, Paper, TV, days, warning};

/// Ann, shared with by hand long ago, who watched last `ago`.
fn friend(ago: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, ago);
    paper
}

fn idle(paper: &Paper) -> Idle {
    let ann = &paper.book.members[&paper.ann];
    inactivity::idle(paper.scene(), ann, &reasons::standing(paper.scene(), ann))
}

fn idle_days(paper: &Paper) -> i64 {
    let Idle::Days { days, .. } = idle(paper) else { panic!("{:?}", idle(paper)) };
    days
}

fn activity(paper: &mut Paper) -> &mut Activity {
    &mut paper.world.tautulli.whole_mut().unwrap().value
}

fn holiday(paper: &mut Paper, from: TimeDelta, until: Option<Moment>) {
    let since = paper.now - from;
    paper.member().grants.push(Grant { until, ..Grant::new(GrantKind::Holiday, since) });
}

#[test]
fn on_holiday_no_day_counts_and_none_is_left_out_twice() {
    let mut paper = friend(days(40));
    assert_eq!(idle_days(&paper), 40);
    let now = paper.now;
    holiday(&mut paper, days(20), Some(now - days(10)));
    assert_eq!(idle_days(&paper), 30);
    holiday(&mut paper, days(15), Some(now - days(5)));
    assert_eq!(idle_days(&paper), 25, "the two overlap");
    paper.book.blind.add(now - days(30), now - days(19));
    assert_eq!(idle_days(&paper), 15, "nor what Tautulli couldn't see");
    holiday(&mut paper, days(3), Some(now + days(100)));
    let ann = &paper.book.members[&paper.ann];
    let since = now - days(40);
    assert_eq!(inactivity::counted(paper.scene(), ann, since).num_days(), 12, "until now, not until it ends");
}

#[test]
fn what_tautulli_can_not_know_makes_nobody_idle() {
    let spoil: [(&str, Change); 7] = [
        ("read yet", |paper| paper.world.tautulli.last = None),
        ("cut off", |paper| activity(paper).connected = false),
        ("no reading of Tautulli was whole", |paper| paper.book.blind.open(paper.now - TimeDelta::minutes(1))),
        ("which account", |paper| paper.member().plex = None),
        ("list them", |paper| activity(paper).people.clear()),
        ("no history for them", |paper| {
            activity(paper).people.values_mut().for_each(|watcher| watcher.keep_history = false);
        }),
        ("\"TV\" is shared", |paper| {
            let key = paper.book.libraries.known[&TV].key;
            activity(paper).unlogged_keys.insert(key);
        }),
    ];
    for (words, spoil) in spoil {
        let mut paper = friend(days(40));
        spoil(&mut paper);
        let Idle::Unknowable(why) = idle(&paper) else { panic!("{words}: {:?}", idle(&paper)) };
        assert!(why.contains(words), "{why}");
    }
    let mut paper = friend(days(40));
    let key = paper.book.libraries.known[&TV].key;
    activity(&mut paper).unlogged_keys.insert(key);
    paper.member().share.as_mut().unwrap().row.sections = [MOVIES].into();
    assert_eq!(idle_days(&paper), 40, "a library that isn't shared with them hides nothing");
}

#[test]
fn watching_decides_only_where_nothing_else_does() {
    let exempt = |spoil: fn(&mut Paper)| {
        let mut paper = friend(days(40));
        spoil(&mut paper);
        let Idle::Exempt(why) = idle(&paper) else { panic!("{:?}", idle(&paper)) };
        why
    };
    assert_eq!(exempt(|paper| paper.member().home = true), "protected");
    assert_eq!(exempt(|paper| paper.member().share = None), "no access");
    assert_eq!(exempt(|paper| paper.member().blocked = Some(paper.now)), "not decided by watching");
    let unknown = exempt(|paper| {
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.pays(&ann, Status::Active, days(300)).vanished = Some(now);
    });
    assert_eq!(unknown, "not decided by watching", "what Stripe no longer knows is no end");
    let pays = exempt(|paper| {
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(300));
    });
    assert_eq!(pays, "has a reason that watching doesn't end");
}

/// A reading of Tautulli, begun and ended so long ago.
fn reading(paper: &Paper, ago: TimeDelta, spoil: fn(&mut Activity)) -> Whole<Activity> {
    let mut whole = Whole::clone(paper.world.tautulli.last.as_ref().unwrap());
    (whole.begun, whole.at) = (paper.now - ago - TimeDelta::minutes(1), paper.now - ago);
    spoil(&mut whole.value);
    whole
}

#[test]
fn a_reading_that_shows_nothing_of_now_is_blind_since_the_last_good_one() {
    let spoil: [fn(&mut Activity); 2] =
        [|activity| activity.connected = false, |activity| activity.watching_now = None];
    for spoil in spoil {
        let mut paper = friend(days(40));
        let good = paper.now - TimeDelta::hours(5);
        paper.book.marks.last_whole.insert(usher::facts::Source::Tautulli, good);
        let blind = reading(&paper, TimeDelta::hours(1), spoil);
        inactivity::fold_activity(&paper.rules, &mut paper.book, &blind);
        assert_eq!(paper.book.blind.since(), Some(good), "nobody saw whether it recorded since");
        let seeing = reading(&paper, TimeDelta::zero(), |_| ());
        inactivity::fold_activity(&paper.rules, &mut paper.book, &seeing);
        assert!(!paper.book.blind.is_blind());
        let seen = paper.book.blind.observed(good - TimeDelta::hours(1), paper.now);
        assert_eq!(seen, TimeDelta::hours(1), "until it was seen again");
    }
}

#[test]
fn a_gap_between_two_good_readings_is_blind_only_if_it_was_no_ordinary_pause() {
    let seen_after = |pause: TimeDelta, interval: TimeDelta| {
        let mut paper = friend(days(40));
        paper.rules.intervals.insert(usher::facts::Source::Tautulli, interval);
        paper.book.marks.last_whole.insert(usher::facts::Source::Tautulli, paper.now - pause);
        let whole = reading(&paper, TimeDelta::zero(), |_| ());
        inactivity::fold_activity(&paper.rules, &mut paper.book, &whole);
        paper.book.blind.observed(paper.now - days(2), whole.begun)
    };
    let (all, minutes, hours) = (days(2) - TimeDelta::minutes(1), TimeDelta::minutes, TimeDelta::hours);
    assert_eq!(seen_after(minutes(121), minutes(30)), all, "two hours are no outage");
    assert_eq!(seen_after(minutes(123), minutes(30)), days(2) - minutes(123), "more are");
    assert_eq!(seen_after(hours(8), hours(4)), all, "polls that are meant to be rare");
    assert_eq!(seen_after(hours(9), hours(4)), days(2) - hours(9));
}

#[test]
fn who_is_watching_now_has_played_now_and_no_play_lies_in_the_future() {
    let mut paper = friend(days(40));
    let account = paper.member().plex.unwrap();
    let mut watching = reading(&paper, TimeDelta::zero(), |_| ());
    watching.value.watching_now = Some([account, PlexId(999)].into());
    inactivity::fold_activity(&paper.rules, &mut paper.book, &watching);
    assert_eq!(paper.member().last_play, Some(watching.begun));
    let mut paper = friend(days(40));
    let mut ahead = reading(&paper, TimeDelta::zero(), |_| ());
    ahead.value.people.get_mut(&account).unwrap().last_play = Some(paper.now + days(3));
    inactivity::fold_activity(&paper.rules, &mut paper.book, &ahead);
    assert_eq!(paper.member().last_play, Some(ahead.at));
}

/// Ann has been idle for 31 days, and her warning was accepted 4 days ago.
fn warned() -> Paper {
    let mut paper = friend(days(31));
    let ann = paper.ann.clone();
    paper.warned(&ann, days(4));
    paper
}

fn take_note(paper: &mut Paper) -> Option<IdleSpell> {
    letters::take_note(paper.now, &paper.rules, &paper.world, &mut paper.book);
    paper.member().idle.clone()
}

#[test]
fn a_spell_ends_with_a_play_with_another_reason_and_with_nothing_else() {
    let spell = warned().member().idle.clone();
    assert_eq!(take_note(&mut warned()), spell);
    let ends: [fn(&mut Paper); 3] = [
        |paper| paper.member().last_play = Some(paper.now - days(3)),
        |paper| paper.member().home = true,
        |paper| {
            let ann = paper.ann.clone();
            paper.pays(&ann, Status::Active, days(1));
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut paper = warned();
        end(&mut paper);
        assert_eq!(take_note(&mut paper), None, "end {n}");
        assert!(paper.member().journal.last().unwrap().what.starts_with("the idle spell is over"));
    }
    let stays: [fn(&mut Paper); 3] = [
        |paper| activity(paper).connected = false,
        |paper| paper.world.tautulli.last = None,
        |paper| {
            let (ann, now) = (paper.ann.clone(), paper.now);
            paper.pays(&ann, Status::Active, days(300)).vanished = Some(now);
        },
    ];
    for (n, stay) in stays.into_iter().enumerate() {
        let mut paper = warned();
        stay(&mut paper);
        assert_eq!(take_note(&mut paper), spell, "what can't be known ends nothing: {n}");
    }
}

/// A look at one person tells the end of an old play, where the listing told
/// its beginning: the warning that came after it still speaks of this spell.
#[test]
fn an_old_play_that_is_known_better_keeps_the_warning() {
    let mut paper = warned();
    let known_better = paper.now - days(30);
    paper.member().last_play = Some(known_better);
    let spell = take_note(&mut paper).expect("it goes on");
    assert_eq!(spell.started, known_better);
    assert_eq!(spell.warned_at, warned().member().idle.clone().unwrap().warned_at);

    // So recent that no warning would be due: they watched.
    let mut paper = warned();
    paper.member().last_play = Some(paper.now - days(26));
    assert_eq!(take_note(&mut paper), None);

    // At the very instant of the warning, or after it: they watched.
    for after in [TimeDelta::zero(), TimeDelta::hours(1)] {
        let mut paper = friend(days(80));
        let ann = paper.ann.clone();
        paper.warned(&ann, days(40));
        paper.member().last_play = Some(paper.now - days(40) + after);
        assert_eq!(take_note(&mut paper), None, "{after}");
    }

    // Not delivered yet: what counts is when the warning came to be owed.
    for (owed, stays) in [(days(20), true), (days(30), false)] {
        let mut paper = friend(days(35));
        let ann = paper.ann.clone();
        let mut spell = paper.spell(&ann);
        let since = paper.now;
        spell.notice = owe_warning(&mut paper, owed, Delivery::Sending { since, tries: 0 });
        paper.member().idle = Some(spell);
        paper.member().last_play = Some(paper.now - days(29));
        assert_eq!(take_note(&mut paper).is_some(), stays, "owed {owed} ago");
    }
}

/// A warning that came to be owed `ago`, and what became of it.
fn owe_warning(paper: &mut Paper, ago: TimeDelta, delivery: Delivery) -> NoticeKey {
    let until = paper.rules.day_of(paper.now - ago + days(3));
    paper.letter("m-1/inactivity_warning/idle/member", warning(until), ago, delivery)
}

/// Ann's warning came to be owed 5 days ago; what did that come to?
fn warned_by(dry_run: bool, delivery: Delivery, first: Option<FirstSending>) -> (IdleSpell, Option<Letter>, Letter) {
    let mut paper = friend(days(33));
    paper.rules.ways.dry_run = dry_run;
    let ann = paper.ann.clone();
    let spell = paper.spell(&ann);
    let notice = owe_warning(&mut paper, days(5), delivery);
    paper.book.outbox.get_mut(&notice).unwrap().first_sending = first;
    paper.member().idle = Some(IdleSpell { notice: notice.clone(), ..spell });
    let spell = take_note(&mut paper).unwrap();
    let told = paper.book.outbox.values().map(|notice| notice.letter.clone());
    let told = told.into_iter().find(|letter| matches!(letter, Letter::Warned { .. }));
    (spell, told, paper.book.outbox[&notice].letter.clone())
}

#[test]
fn what_became_of_a_warning_stands_in_its_spell_and_is_told() {
    let at = Paper::new().now - days(4);
    let told = |told: &Option<Letter>| match told {
        Some(Letter::Warned { told, until, .. }) => Some((*told, until.is_some())),
        _ => None,
    };
    let (spell, letter, _) = warned_by(false, Delivery::Accepted { at }, None);
    assert_eq!((spell.warned_at, spell.promised_end.is_some(), spell.no_channel), (Some(at), true, false));
    assert_eq!(told(&letter), Some((MemberTold::Accepted, true)));
    let (spell, letter, _) = warned_by(true, Delivery::Imagined { at }, None);
    assert_eq!((spell.warned_at, spell.no_channel), (Some(at), false));
    assert_eq!(told(&letter), Some((MemberTold::DryRun, true)));
    for no_channel in [Delivery::NoChannel, Delivery::Refused { at, why: "550".into() }] {
        let (spell, letter, _) = warned_by(false, no_channel, None);
        assert_eq!((spell.warned_at, spell.promised_end, spell.no_channel), (None, None, true));
        assert_eq!(told(&letter), Some((MemberTold::NoChannel, false)), "no day was promised to them");
    }
    let due = Delivery::Due { not_before: at, tries: 3, last_error: None };
    for waits in [due, Delivery::Sending { since: at, tries: 0 }, Delivery::Cancelled { at, why: "old".into() }] {
        let (spell, letter, _) = warned_by(false, waits, None);
        assert_eq!((spell.warned_at, spell.no_channel, told(&letter)), (None, false, None));
    }
}

#[test]
fn the_promised_day_moves_until_the_letter_may_be_out_and_never_after() {
    let paper = Paper::new();
    let (owed, now) = (paper.rules.day_of(paper.now - days(2)), paper.rules.day_of(paper.now + days(3)));
    let until = |letter: Letter| match letter {
        Letter::InactivityWarning { until, .. } => until,
        other => panic!("{other:?}"),
    };
    let due = || Delivery::Due { not_before: paper.now, tries: 0, last_error: None };
    assert_eq!(until(warned_by(false, due(), None).2), now, "SMTP was down: three days from now");
    let first = || Some(FirstSending { message_id: "1@attic.example".into(), date: paper.now - days(5) });
    assert_eq!(until(warned_by(false, due(), first()).2), now, "it may be out, but its day is over: written anew");
    let sending = Delivery::Sending { since: paper.now, tries: 0 };
    assert_eq!(until(warned_by(false, sending, None).2), owed);
}

#[test]
fn a_play_from_before_the_warning_that_comes_late_moves_the_spell_also_on_its_first_day() {
    let mut paper = friend(days(80));
    let ann = paper.ann.clone();
    paper.warned(&ann, days(2));
    let since = paper.now - days(paper.rules.warn_days);
    paper.member().last_play = Some(since);
    assert_eq!(idle_days(&paper), paper.rules.warn_days);
    let spell = take_note(&mut paper).expect("the warning was right");
    assert_eq!((spell.started, spell.warned_at.is_some()), (since, true));
}

#[test]
fn that_somebody_was_warned_is_noted_once_and_in_a_rehearsal_as_what_would_have_been() {
    for (dry_run, word) in [(false, "was warned"), (true, "would have been warned")] {
        let mut paper = friend(days(33));
        paper.rules.ways.dry_run = dry_run;
        let (ann, now) = (paper.ann.clone(), paper.now);
        let spell = paper.spell(&ann);
        let delivery = if dry_run { Delivery::Imagined { at: now } } else { Delivery::Accepted { at: now } };
        let notice = owe_warning(&mut paper, days(1), delivery);
        paper.member().idle = Some(IdleSpell { notice, ..spell });
        let first = take_note(&mut paper).unwrap();
        // What the operator gives them afterwards isn't taken back.
        let promised = first.promised_end.unwrap() + days(9);
        paper.member().idle.as_mut().unwrap().promised_end = Some(promised);
        let second = take_note(&mut paper).unwrap();
        assert_eq!(second.promised_end, Some(promised));
        let notes = paper.member().journal.iter().filter(|entry| entry.what.starts_with(word)).count();
        assert_eq!(notes, 1, "{:?}", paper.member().journal);
    }
}
