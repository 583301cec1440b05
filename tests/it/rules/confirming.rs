//! R6: an action is done when a reading shows its effect, and what follows
//! from it follows then.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{CancelWhen, Email, SectionSet, ShareId, Status, SubscriptionId};
use usher::ledger::{Act, ActKey, EndCause, EndedBecause, IntentState, InviteTo, Letter, Undo};
use usher::policy::confirm;

use crate::paper::{MOVIES, Paper, TV, days, noon};

/// This was tried for Ann three minutes ago.
fn tried(paper: &mut Paper, act: Act) {
    let at = paper.now - TimeDelta::minutes(3);
    let key = ActKey::new("act", &paper.ann, "1");
    let ann = paper.ann.clone();
    paper.book.intents.clear();
    let intent = paper.intends(key, &ann, act, TimeDelta::minutes(1));
    (intent.state, intent.tries) = (IntentState::Attempted { at }, 1);
}

/// Whether it counts as done now.
fn is_done(paper: &mut Paper) -> bool {
    confirm::confirm(paper.now, &paper.rules, &paper.world, &mut paper.book);
    paper.book.intents.is_empty()
}

fn letters<'a>(paper: &'a Paper, kind: &str) -> Vec<&'a Letter> {
    paper.book.outbox.values().map(|notice| &notice.letter).filter(|letter| letter.kind() == kind).collect()
}

#[test]
fn a_try_without_effect_is_tried_again_later_and_not_at_once() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(90));
    tried(&mut paper, Act::End { share: ShareId(1010), cause: EndCause::Revoked });
    paper.member().share.as_mut().unwrap().row.id = ShareId(1010);
    assert!(!is_done(&mut paper));
    let intent = paper.book.intents.values().next().unwrap();
    assert_eq!(intent.state, IntentState::Decided);
    let tried = paper.now - TimeDelta::minutes(3);
    assert!(intent.not_before >= tried + TimeDelta::seconds(45), "{intent:?}");
}

/// DESIGN §1: plex.tv's listings lag by up to two minutes.
#[test]
fn a_listing_shows_that_a_try_had_no_effect_only_when_it_was_begun_two_and_a_half_minutes_after_it() {
    let at = noon() - TimeDelta::minutes(10);
    for (call_lasted, begun, conclusive) in [(0, 149, false), (0, 150, true), (25, 174, false), (25, 175, true)] {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(90));
        let share = paper.member().share.as_ref().unwrap().row.id;
        tried(&mut paper, Act::End { share, cause: EndCause::Revoked });
        let intent = paper.book.intents.values_mut().next().unwrap();
        intent.state = IntentState::Attempted { at };
        intent.ended = Some(at + TimeDelta::seconds(call_lasted));
        paper.world.plex.whole_mut().unwrap().begun = at + TimeDelta::seconds(begun);
        // Another member's call just now changes nothing for Ann.
        paper.world.call_ended = Some(paper.now);
        assert!(!is_done(&mut paper));
        let again = paper.book.intents.values().next().unwrap().state == IntentState::Decided;
        assert_eq!(again, conclusive, "{call_lasted} s, {begun} s");
    }
}

#[test]
fn listings_are_taken_soon_after_a_try_and_at_last_when_it_must_be_shown() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(90));
    let share = paper.member().share.as_ref().unwrap().row.id;
    tried(&mut paper, Act::End { share, cause: EndCause::Revoked });
    let at = paper.now - TimeDelta::minutes(3);
    for (listed, next) in [(-40, 3), (0, 3), (3, 10), (12, 30), (30, 70), (100, 150)] {
        paper.world.plex.whole_mut().unwrap().begun = at + TimeDelta::seconds(listed);
        let wanted = confirm::next_listing(&paper.world, &paper.book);
        assert_eq!(wanted, Some(at + TimeDelta::seconds(next)), "after the one at {listed} s");
    }
    paper.world.plex.whole_mut().unwrap().begun = at + TimeDelta::seconds(150);
    assert_eq!(confirm::next_listing(&paper.world, &paper.book), None);
}

#[test]
fn a_change_is_done_when_the_row_opens_just_that() {
    let changed = |sections: &[_], number: u64, has: Option<bool>, downloads| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, sections, days(90));
        let row = &mut paper.member().share.as_mut().unwrap().row;
        (row.id, row.downloads) = (ShareId(number), has);
        let sections = SectionSet::new([MOVIES].into()).unwrap();
        tried(&mut paper, Act::Update { share: ShareId(7), sections, downloads, narrows: true });
        is_done(&mut paper)
    };
    assert!(changed(&[MOVIES], 7, Some(false), Some(false)));
    assert!(changed(&[MOVIES], 7, Some(true), None), "downloads were not to change");
    assert!(!changed(&[MOVIES, TV], 7, Some(false), Some(false)), "TV is open still");
    assert!(!changed(&[MOVIES], 8, Some(false), Some(false)), "another share");
    assert!(!changed(&[MOVIES], 7, Some(true), Some(false)), "downloads are on still");
    assert!(!changed(&[MOVIES], 7, None, Some(false)), "downloads are unknown");
}

/// Ann's subscription is to be cancelled.
fn cancels(when: CancelWhen, idle_days: Option<i64>, status: Status, set_to_end: bool) -> (Paper, SubscriptionId) {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    let billed = paper.pays(&ann, status, days(90));
    billed.now.cancel_at = set_to_end.then(|| now + days(9));
    let subscription = billed.now.id.clone();
    tried(&mut paper, Act::Cancel { subscription: subscription.clone(), when, idle_days });
    (paper, subscription)
}

#[test]
fn a_cancellation_is_done_when_stripe_charges_no_more_or_says_when_it_will_end() {
    use CancelWhen::{Now, PeriodEnd};
    let done = |when, status, set| is_done(&mut cancels(when, None, status, set).0);
    assert!(!done(PeriodEnd, Status::Active, false) && done(PeriodEnd, Status::Active, true));
    assert!(!done(Now, Status::Active, true), "it would be charged until then");
    assert!(done(Now, Status::Canceled, false) && done(PeriodEnd, Status::Canceled, false));
}

#[test]
fn a_subscription_that_is_cancelled_for_not_watching_counts_as_a_removal_and_is_told_where_it_goes_on_for_a_while() {
    for (when, told) in [(CancelWhen::PeriodEnd, 1), (CancelWhen::Now, 0)] {
        let status = if told == 1 { Status::Active } else { Status::Canceled };
        let (mut paper, subscription) = cancels(when, Some(40), status, told == 1);
        assert!(is_done(&mut paper));
        assert_eq!(paper.book.removals.iter().map(|removal| removal.stated).collect::<Vec<_>>(), [false]);
        assert_eq!(letters(&paper, "subscription_cancelled").len(), told);
        assert_eq!(paper.member().subscriptions[&subscription].cut_off, None, "it was paid");
    }
}

#[test]
fn a_friendship_is_over_when_a_listing_begun_after_the_try_lacks_them() {
    let over = |since_try: i64, listed: bool| {
        let mut paper = Paper::new();
        let (now, account) = (paper.now, paper.member().plex.unwrap());
        paper.member().unfriend_at = Some(now);
        tried(&mut paper, Act::Unfriend { plex: account });
        let whole = paper.world.plex.whole_mut().unwrap();
        whole.begun = now - TimeDelta::minutes(3) + TimeDelta::seconds(since_try);
        whole.value.friends = Some(if listed { [account].into() } else { BTreeSet::new() });
        is_done(&mut paper) && paper.member().unfriend_at.is_none()
    };
    assert!(over(1, false));
    assert!(!over(1, true), "they are a friend still");
    assert!(!over(0, false) && !over(-5, false), "that listing knows nothing of the try");
}

#[test]
fn whom_plex_lets_in_at_once_hears_of_no_invite() {
    let invited = |taken_up: bool| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.invited(&ann, &[MOVIES]);
        if taken_up {
            paper.shares(&ann, &[MOVIES], TimeDelta::zero());
        }
        let to = InviteTo::Email(Email::parse("ann@example.com").unwrap());
        let sections = SectionSet::new([MOVIES].into()).unwrap();
        tried(&mut paper, Act::Invite { to, sections, downloads: false, settings: None, made_for: BTreeSet::new() });
        assert!(is_done(&mut paper));
        assert!(!paper.member().made.is_empty(), "it is ours");
        letters(&paper, "invited").len()
    };
    assert_eq!((invited(false), invited(true)), (1, 0));
}

/// Ann's share was taken away for this reason; the subscription is her first.
fn removed(cause: impl FnOnce(SubscriptionId) -> EndCause, make: impl FnOnce(&mut Paper)) -> Paper {
    let mut paper = Paper::new();
    paper.rules.unfriend_days = Some(5);
    let ann = paper.ann.clone();
    make(&mut paper);
    paper.shares(&ann, &[MOVIES], days(200));
    let row = paper.member().share.take().unwrap().row;
    paper.member().undo = Some(Undo { at: paper.now, share: row.clone(), grants: Vec::new() });
    let subscription = paper.member().subscriptions.keys().next().cloned().unwrap_or_else(|| "sub_none".into());
    tried(&mut paper, Act::End { share: row.id, cause: cause(subscription) });
    assert!(is_done(&mut paper));
    assert_eq!(paper.book.removals.len(), 1);
    paper
}

fn lapsed(because: EndedBecause) -> impl FnOnce(SubscriptionId) -> EndCause {
    move |subscription| EndCause::Lapsed { subscription, ended: noon(), because }
}

#[test]
fn promise_03_only_an_end_that_stripe_states_leaves_the_days_budget_alone() {
    let ann = |paper: &Paper| paper.ann.clone();
    let stated = |paper: &Paper| paper.book.removals[0].stated;
    let canceled = removed(lapsed(EndedBecause::Canceled), |paper| paper.ended(&ann(paper), days(2)));
    assert!(stated(&canceled));
    let trial = removed(lapsed(EndedBecause::TrialEnded), |paper| {
        paper.pays(&ann(paper), Status::Paused, days(30));
    });
    assert!(stated(&trial), "a trial that ended without a payment method");
    let unpaid =
        removed(lapsed(EndedBecause::PaymentFailed), |paper| paper.owes(&ann(paper), Status::PastDue, days(20), None));
    assert!(!stated(&unpaid), "we counted the days");
    let cut_off = removed(lapsed(EndedBecause::PaymentFailed), |paper| {
        paper.ended(&ann(paper), days(2));
        paper.member().subscriptions.values_mut().for_each(|billed| billed.cut_off = Some(noon()));
    });
    assert!(!stated(&cut_off), "we had it cancelled");
    let idle = EndCause::Idle { spell: noon(), days: 40, warned: None, promised_end: None };
    assert!(!stated(&removed(|_| idle, |_| ())));
}

#[test]
fn what_follows_a_removal_follows_days_later_and_tautulli_forgets_only_who_did_not_watch() {
    let idle = EndCause::Idle { spell: noon(), days: 40, warned: None, promised_end: None };
    let mut idle = removed(|_| idle, |_| ());
    assert_eq!(idle.member().forget_at, Some(noon() + days(30)));
    assert_eq!(idle.member().unfriend_at, Some(noon() + days(5)));
    let mut lapsed = removed(lapsed(EndedBecause::Canceled), |paper| paper.ended(&paper.ann.clone(), days(2)));
    assert_eq!(lapsed.member().forget_at, None, "they may pay again tomorrow");
    assert_eq!(lapsed.member().unfriend_at, Some(noon() + days(5)));
}
