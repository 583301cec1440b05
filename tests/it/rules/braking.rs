//! R9: the brake where it meets a revoke, a rehearsal, and what follows long
//! after a removal; and the very instants at which it lets go.

use chrono::TimeDelta;
use usher::facts::{CancelWhen, ShareId, Source, Status};
use usher::ledger::{
    Act, ActKey, EndCause, EndedBecause, HeldBecause, Hold, IntentState, Population, Removal, Verdict,
};
use usher::member::MemberId;
use usher::policy::Drop;
use usher::policy::brake::{self, NotNow, SecondLook};
use usher::policy::plan::Class;

use crate::paper::{MOVIES, Paper, days};

/// Ann is idle, was warned, and is due; ten others watch.
fn ann_is_due() -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    due(&mut paper, &ann);
    paper.crowd(10);
    paper
}

fn due(paper: &mut Paper, id: &MemberId) {
    paper.make_friend(id, days(31));
    paper.warned(id, days(4));
}

/// Why what is due for them waits; `None`: it goes.
fn waits(paper: &Paper, id: &MemberId) -> Option<&'static str> {
    let admission = paper.admit();
    let held = admission.held.iter().find(|(proposal, _)| proposal.member == *id);
    let goes = admission.admitted.iter().any(|proposal| proposal.member == *id);
    assert!(held.is_some() != goes, "{admission:?}");
    held.map(|(_, because)| because.rule())
}

fn classes(paper: &Paper) -> Vec<Class> {
    paper.plan().proposals.iter().map(|proposal| proposal.class).collect()
}

fn second(paper: &Paper, answered: &[Source]) -> Result<(), &'static str> {
    let looked = SecondLook { answered: answered.to_vec(), ..SecondLook::default() };
    match brake::second(paper.scene(), &paper.plan().proposals[0].key, &looked) {
        Ok(_) => Ok(()),
        Err(NotNow::Held(because)) => Err(because.rule()),
        Err(NotNow::NoLongerDue) => Err("no longer due"),
    }
}

#[test]
fn a_revoke_waits_for_no_doubt_about_who_pays() {
    let mut paper = ann_is_due();
    let ann = paper.ann.clone();
    let payer = paper.person("somebody");
    paper.of(&payer).plex = None;
    paper.of(&payer).email = paper.book.members[&ann].email.clone();
    paper.pays(&payer, Status::Active, TimeDelta::hours(1));
    assert_eq!(waits(&paper, &ann), Some("warned"), "somebody pays with her address");
    paper.of(&ann).blocked = Some(paper.now);
    assert_eq!(waits(&paper, &ann), None, "the operator has said so");
}

fn rehearse(paper: &mut Paper, key: ActKey, member: &MemberId, act: Act, ago: TimeDelta) {
    let at = paper.now - ago;
    paper.book.intents.clear();
    paper.intends(key, member, act, ago).state = IntentState::Rehearsed { at };
}

fn end(cause: EndCause) -> Act {
    Act::End { share: ShareId(7), cause }
}

fn idle() -> EndCause {
    EndCause::Idle { spell: crate::paper::noon(), days: 31, warned: None, promised_end: None }
}

fn cancel(idle_days: Option<i64>) -> Act {
    Act::Cancel { subscription: "sub_1".into(), when: CancelWhen::PeriodEnd, idle_days }
}

#[test]
fn whom_a_rehearsal_would_have_removed_counts_in_the_days_budget() {
    let mut paper = ann_is_due();
    let (ann, bob) = (paper.ann.clone(), paper.person("bob"));
    paper.shares(&bob, &[MOVIES], days(90));
    paper.ended(&bob, TimeDelta::hours(2)); // Still in: it has to settle.
    let subscription = paper.book.members[&bob].subscriptions.keys().next().unwrap().clone();
    let stated = EndCause::Lapsed { subscription, ended: paper.now, because: EndedBecause::Canceled };
    let hours = TimeDelta::hours;
    let mut after = |act: Act, ago: TimeDelta| {
        rehearse(&mut paper, ActKey("rehearsed".into()), &bob, act, ago);
        waits(&paper, &ann)
    };
    assert_eq!(after(end(idle()), hours(2)), Some("budget"), "one a day");
    assert_eq!(after(end(idle()), hours(24)), None, "that was yesterday's");
    assert_eq!(after(end(stated), hours(2)), None, "Stripe stated it");
    assert_eq!(after(cancel(Some(40)), hours(2)), Some("budget"), "PRUNE_PAYING removes");
    assert_eq!(after(cancel(None), hours(2)), None, "a cancellation for a revoke or a debt is no removal");
    paper.invited(&bob, &[MOVIES]);
    rehearse(&mut paper, ActKey("rehearsed".into()), &bob, end(idle()), hours(2));
    assert_eq!(waits(&paper, &ann), None, "an invite that is taken back is no removal");
}

#[test]
fn who_is_approved_or_was_rehearsed_is_not_counted_again_in_the_crowd() {
    let three = || {
        let mut paper = Paper::new();
        paper.rules.removals_per_day_max = Some(10);
        let ann = paper.ann.clone();
        due(&mut paper, &ann);
        for name in ["bob", "cleo"] {
            let id = paper.person(name);
            due(&mut paper, &id);
        }
        let first = paper.plan().proposals[0].clone();
        (paper, first)
    };
    let (paper, _) = three();
    assert_eq!(paper.admit().held.len(), 3, "three of three at once");
    let (mut paper, first) = three();
    let hold = Hold {
        id: "h-1".into(),
        key: first.key.clone(),
        member: first.member.clone(),
        what: first.what.clone(),
        why: first.because.clone(),
        because: HeldBecause::HoldAll { many: 3, threshold: 2 },
        since: paper.now,
        verdict: Some(Verdict::Approved { at: paper.now }),
        notice: None,
        rehearsed: false,
    };
    paper.book.holds.insert(first.key.clone(), hold);
    assert_eq!(paper.admit().held, [], "the two others are no crowd");
    let (mut paper, first) = three();
    rehearse(&mut paper, first.key.clone(), &first.member, end(idle()), TimeDelta::hours(1));
    assert_eq!(paper.admit().held, [], "what was rehearsed was held against the count then");
}

#[test]
fn a_removal_rests_on_stripe_only_where_there_is_one() {
    let mut paper = ann_is_due();
    let looked = [Source::Plex, Source::Tautulli];
    assert_eq!(second(&paper, &looked), Err("second look"));
    paper.rules.configured.remove(&Source::Stripe);
    assert_eq!(second(&paper, &looked), Ok(()));
}

/// Ann is gone, and her record in Tautulli is to go now.
fn to_be_forgotten() -> Paper {
    let mut paper = Paper::new();
    let now = paper.now;
    paper.member().forget_at = Some(now);
    paper
}

#[test]
fn a_record_in_tautulli_is_deleted_after_a_look_at_all_that_it_rests_on() {
    let paper = to_be_forgotten();
    assert_eq!(classes(&paper), [Class::Forget]);
    let all = [Source::Plex, Source::Stripe, Source::Tautulli];
    assert_eq!(second(&paper, &all), Ok(()));
    for lacking in all {
        let looked: Vec<Source> = all.into_iter().filter(|source| *source != lacking).collect();
        assert_eq!(second(&paper, &looked), Err("second look"), "without {lacking:?}");
    }
}

#[test]
fn nobody_is_forgotten_too_soon_nor_while_an_invite_waits_for_them() {
    let mut early = to_be_forgotten();
    early.member().forget_at = Some(early.now + TimeDelta::seconds(1));
    let mut invited = to_be_forgotten();
    let ann = invited.ann.clone();
    invited.invited(&ann, &[MOVIES]);
    let mut without = to_be_forgotten();
    without.rules.configured.remove(&Source::Tautulli);
    for paper in [early, invited, without] {
        assert_eq!(classes(&paper), []);
    }
}

#[test]
fn a_friendship_ends_at_its_instant_and_not_before() {
    let mut paper = Paper::new();
    paper.rules.unfriend_days = Some(5);
    let (now, account) = (paper.now, paper.member().plex.unwrap());
    paper.world.plex.whole_mut().unwrap().value.friends = Some([account].into());
    paper.member().unfriend_at = Some(now + TimeDelta::seconds(1));
    assert_eq!(classes(&paper), []);
    paper.member().unfriend_at = Some(now);
    assert_eq!(classes(&paper), [Class::Unfriend]);
}

#[test]
fn five_minutes_of_clock_and_a_day_of_budget_are_whole() {
    let mut paper = ann_is_due();
    let ann = paper.ann.clone();
    paper.book.committed = paper.now + TimeDelta::minutes(5);
    assert_eq!(waits(&paper, &ann), None);
    paper.book.committed += TimeDelta::seconds(1);
    assert_eq!(waits(&paper, &ann), Some("clock"));
    let mut paper = ann_is_due();
    let mut removed = |ago| {
        paper.book.removals = vec![Removal { at: paper.now - ago, member: MemberId::number(99), stated: false }];
        waits(&paper, &ann)
    };
    assert_eq!(removed(TimeDelta::hours(24) - TimeDelta::seconds(1)), Some("budget"));
    assert_eq!(removed(TimeDelta::hours(24)), None);
}

#[test]
fn what_the_operator_can_do_about_missing_people_depends_on_how_many_are_missing() {
    let words = |population, now| {
        let drop = Drop { since: crate::paper::noon(), now, expected: 20, begun_anew: false };
        brake::drop_words(population, &drop)
    };
    let half = words(Population::Friends, 10);
    assert!(half.contains("10 ") && half.contains("20 lately") && half.contains("an hour later"), "{half}");
    for (population, what) in [
        (Population::Friends, "usher accept server"),
        (Population::Subscriptions, "usher accept stripe"),
        (Population::Watchers, "usher accept tautulli"),
    ] {
        for now in [0, 9] {
            let few = words(population, now);
            assert!(few.ends_with(&format!("`{what}`")) && few.contains(&format!("{now} ")), "{few}");
        }
    }
}

#[test]
fn each_hold_says_in_a_sentence_what_it_waits_for() {
    let at = crate::paper::noon();
    let why = || "because of this".to_owned();
    let source = usher::facts::Source::Plex;
    for (because, words) in [
        (HeldBecause::Looked { source }, "looked at only once since the start"),
        (HeldBecause::Fresh { source }, "has not been read for too long"),
        (HeldBecause::SecondLook { why: why() }, "because of this"),
        (HeldBecause::Clock { why: why() }, "because of this"),
        (HeldBecause::Warned { why: why() }, "because of this"),
        (HeldBecause::Budget { max: 2 }, "the budget of 2 (MAX_REMOVALS_PER_DAY)"),
        (HeldBecause::HoldAll { many: 7, threshold: 4 }, "7 at once is more than 4"),
        (HeldBecause::Pace { until: at }, "the next not before 12:00 UTC"),
        (HeldBecause::Adoption, "they paid before Usher came"),
        (HeldBecause::Rejected, "you rejected it"),
    ] {
        let sentence = because.sentence();
        assert!(sentence.contains(words), "{}: {sentence}", because.rule());
    }
}
