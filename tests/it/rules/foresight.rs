//! `usher plan` on paper: what it says will happen, and when to the minute.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId, Status};
use usher::ledger::{Grant, GrantKind};
use usher::policy::foresee::{self, Foreseen, foresee};

use crate::paper::{MOVIES, Paper, days};

fn ahead(paper: &Paper, until: TimeDelta) -> Vec<Foreseen> {
    foresee(paper.scene(), paper.now + until)
}

/// When this is said to be done; never more than once.
fn done(paper: &Paper, until: TimeDelta, what: &str) -> Option<TimeDelta> {
    let foreseen = ahead(paper, until);
    let mut found = foreseen.iter().filter(|coming| coming.what.starts_with(what) && coming.waits.is_none());
    let at: Option<Moment> = found.next().map(|coming| coming.at);
    assert!(found.next().is_none(), "{foreseen:?}");
    at.map(|at| at - paper.now)
}

/// Ann is here and pays; what ends settles at once.
fn ann_pays() -> Paper {
    let mut paper = Paper::new();
    paper.rules.settle = TimeDelta::zero();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(200));
    paper.pays(&ann, Status::Active, days(90));
    paper
}

fn set_to_end(paper: &mut Paper, after: TimeDelta) {
    let end = paper.now + after;
    paper.member().subscriptions.values_mut().for_each(|billed| billed.now.cancel_at = Some(end));
}

#[test]
fn who_is_set_to_end_goes_when_the_promised_day_is_over_and_who_pays_on_stays() {
    let mut paper = ann_pays();
    assert_eq!(done(&paper, days(30), "remove ann"), None);
    set_to_end(&mut paper, days(3));
    let midnight = days(3) + TimeDelta::hours(12);
    assert_eq!(done(&paper, days(30), "remove ann"), Some(midnight));
    assert_eq!(done(&paper, midnight, "remove ann"), Some(midnight), "the last instant is looked at as well");
    assert_eq!(done(&paper, midnight - TimeDelta::seconds(1), "remove ann"), None);
}

#[test]
fn what_ended_before_the_day_for_which_it_was_set_ended_then() {
    let mut paper = ann_pays();
    paper.rules.settle = TimeDelta::hours(24);
    set_to_end(&mut paper, -TimeDelta::hours(2));
    let ended = paper.now - TimeDelta::hours(30);
    for billed in paper.member().subscriptions.values_mut() {
        (billed.now.status, billed.now.ended_at) = (Status::Canceled, Some(ended));
    }
    assert_eq!(done(&paper, days(3), "remove ann"), Some(TimeDelta::zero()));
}

#[test]
fn a_payment_that_fails_to_the_last_attempt_ends_with_that_attempt() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(200));
    paper.owes(&ann, Status::PastDue, days(6), Some(days(2)));
    paper.told_unpaid(&ann, Some(days(5)));
    assert_eq!(done(&paper, days(30), "remove ann"), Some(days(2)));
}

#[test]
fn what_lies_near_each_other_is_told_as_of_one_time() {
    let mut paper = Paper::new();
    paper.rules.removals_per_day_max = Some(5);
    for (name, minutes) in [("bob", 0), ("cleo", 5)] {
        let id = paper.person(name);
        paper.shares(&id, &[MOVIES], days(20));
        paper.grant(&id, GrantKind::Complimentary);
        let until = paper.now + days(1) + TimeDelta::minutes(minutes);
        paper.watched(&id, days(1));
        paper.of(&id).grants[0].until = Some(until);
    }
    assert_eq!(done(&paper, days(2), "remove bob"), Some(days(1)));
    assert_eq!(done(&paper, days(2), "remove cleo"), Some(days(1) + TimeDelta::minutes(10)));
}

#[test]
fn who_watches_nothing_more_is_written_to_and_then_goes() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(26));
    assert_eq!(done(&paper, days(30), "write to ann: watch something by"), Some(days(1)));
    let promised_over = days(4) + TimeDelta::hours(12);
    assert_eq!(done(&paper, days(30), "remove ann"), Some(promised_over));
    assert!(paper.book.members[&ann].idle.is_none(), "it is all on a copy");
}

#[test]
fn of_two_who_are_due_the_second_goes_a_day_later() {
    let mut paper = Paper::new();
    for (name, ago) in [("bob", 40), ("cleo", 39)] {
        let id = paper.friend(name, days(ago));
        paper.warned(&id, days(6));
    }
    assert_eq!(done(&paper, days(5), "remove bob"), Some(TimeDelta::zero()));
    assert_eq!(done(&paper, days(5), "remove cleo"), Some(days(1)), "one a day");
}

#[test]
fn an_invite_that_nobody_takes_up_is_taken_back_and_not_called_a_removal() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.waits(&ann, days(10));
    let granted = Grant::new(GrantKind::Complimentary, paper.now - days(10));
    paper.member().grants.push(granted);
    assert_eq!(done(&paper, days(30), "take back the invite of ann"), Some(days(4) + TimeDelta::hours(12)));
    assert_eq!(done(&paper, days(30), "remove ann"), None);
}

#[test]
fn who_just_paid_is_invited_now() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    assert_eq!(done(&paper, days(2), "invite ann"), Some(TimeDelta::zero()));
}

/// Ann pays and doesn't watch, which PRUNE_PAYING ends.
fn prune_paying(period_end: Option<TimeDelta>) -> Paper {
    let mut paper = ann_pays();
    paper.rules.prune_paying = true;
    let ann = paper.ann.clone();
    let end = period_end.map(|end| paper.now + end);
    for item in paper.member().subscriptions.values_mut().flat_map(|billed| &mut billed.now.items) {
        item.period_end = end;
    }
    paper.watched(&ann, days(60));
    paper.warned(&ann, days(8));
    paper
}

#[test]
fn a_subscription_that_is_cancelled_for_not_watching_lets_in_until_its_period_ends() {
    let paper = prune_paying(Some(days(10)));
    assert_eq!(done(&paper, days(30), "cancel sub_"), Some(TimeDelta::zero()));
    assert_eq!(done(&paper, days(30), "remove ann"), Some(days(10) + TimeDelta::hours(12)));
    // Where Stripe names no period, it is over at once.
    let paper = prune_paying(None);
    assert_eq!(done(&paper, days(30), "remove ann"), Some(TimeDelta::zero()));
}

#[test]
fn friendships_end_one_by_one_each_on_its_day() {
    let mut paper = Paper::new();
    paper.rules.unfriend_days = Some(5);
    let bob = paper.person("bob");
    let now = paper.now;
    let accounts: Vec<PlexId> = paper.book.members.values().filter_map(|member| member.plex).collect();
    paper.world.plex.whole_mut().unwrap().value.friends = Some(accounts.into_iter().collect());
    paper.member().unfriend_at = Some(now + days(2));
    paper.of(&bob).unfriend_at = Some(now + days(3));
    assert_eq!(done(&paper, days(9), "end the friendship with ann"), Some(days(2)));
    assert_eq!(done(&paper, days(9), "end the friendship with bob"), Some(days(3)));
}

#[test]
fn what_was_decided_and_must_wait_again_is_told_as_waiting_and_not_as_done() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(31));
    paper.warned(&ann, days(4));
    let (now, rules, world) = (paper.now, paper.rules.clone(), paper.world.clone());
    usher::policy::decide::decide(now, &rules, &world, &mut paper.book);
    assert_eq!(paper.book.intents.len(), 1);
    assert_eq!(done(&paper, days(5), "remove ann"), Some(TimeDelta::zero()));
    paper.member().share.as_mut().unwrap().row.downloads = Some(true);
    assert_eq!(done(&paper, days(5), "remove ann"), None, "who downloads goes by the operator's word");
    let waits: Vec<_> = ahead(&paper, days(5)).into_iter().filter_map(|coming| coming.waits).collect();
    assert_eq!(waits.iter().map(usher::ledger::HeldBecause::rule).collect::<Vec<_>>(), ["approval"]);
}

#[test]
fn the_larger_the_house_the_nearer_the_plan_ends() {
    assert_eq!([0, 1, 1666, 5000, 1_000_000].map(foresee::days_max), [60, 60, 60, 20, 1]);
}

#[test]
fn a_share_that_is_to_be_widened_is_so_once_and_nobody_is_invited_for_it() {
    let mut paper = ann_pays();
    paper.first().tiers = ["Premium".into()].into();
    paper.first().now.items[0].price = "price_premium".into();
    assert_eq!(done(&paper, days(3), "give ann more libraries"), Some(TimeDelta::zero()));
    assert_eq!(done(&paper, days(3), "invite"), None);
    assert_eq!(done(&paper, days(3), "remove"), None);
}
