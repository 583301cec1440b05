//! The plan: who is spared, what an end rests on, to the day; and why a payer
//! can't be let in.

use chrono::TimeDelta;
use usher::facts::{Source, Status};
use usher::ledger::{Gone, Grant, GrantKind, Letter};
use usher::policy::plan::{Class, Proposal, unmatched};
use usher::policy::{PruneMode, pruning};

use crate::paper::{Change, MOVIES, Paper, days};

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// Ann is in by hand and watched last so long ago.
fn friend(ago: TimeDelta) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, ago);
    paper
}

/// The one thing that is proposed, if any.
fn only(paper: &Paper) -> Option<Proposal> {
    let mut proposals = paper.plan().proposals;
    assert!(proposals.len() < 2, "{proposals:?}");
    proposals.pop()
}

#[test]
fn a_warning_and_a_removal_come_on_their_very_day() {
    let class = |paper: &Paper| only(paper).map(|proposal| proposal.class);
    assert_eq!(class(&friend(days(27) - SECOND)), None);
    assert_eq!(class(&friend(days(27))), Some(Class::Warning));
    for (ago, class_of) in [(days(30) - SECOND, None), (days(30), Some(Class::Removal { stated: false }))] {
        let mut paper = friend(ago);
        let ann = paper.ann.clone();
        paper.warned(&ann, days(3));
        assert_eq!(class(&paper), class_of);
    }
}

#[test]
fn the_promised_day_is_over_on_the_very_second() {
    let unwarned = |left: TimeDelta| {
        let mut paper = friend(days(40));
        let ann = paper.ann.clone();
        paper.warned(&ann, days(10));
        let promised = paper.now + left;
        paper.member().idle.as_mut().unwrap().promised_end = Some(promised);
        only(&paper).unwrap().unwarned
    };
    assert!(unwarned(SECOND).unwrap().contains("the promised day ends"));
    assert_eq!(unwarned(TimeDelta::zero()), None);
}

#[test]
fn who_pays_with_the_address_of_an_idle_friend_spares_them() {
    let mut paper = friend(days(40));
    let ann = paper.ann.clone();
    paper.warned(&ann, days(10));
    let removal = |paper: &Paper| {
        let of_ann = |proposal: &Proposal| proposal.member == ann && matches!(proposal.class, Class::Removal { .. });
        paper.plan().proposals.into_iter().find(of_ann).unwrap().unwarned
    };
    assert_eq!(removal(&paper), None);
    paper.payer("bob");
    assert_eq!(removal(&paper), None, "another's address");
    paper.payer("ann");
    assert!(removal(&paper).unwrap().contains("pays with their address"));
}

#[test]
fn the_operators_word_on_somebody_of_whom_nothing_can_be_told_stands() {
    let untold = |spell: bool, spoil: Change| {
        let mut paper = friend(days(40));
        let ann = paper.ann.clone();
        if spell {
            paper.warned(&ann, days(10));
        }
        spoil(&mut paper);
        paper.plan().untold.contains(&ann)
    };
    let blind: Change = |paper| {
        let now = paper.now;
        paper.book.blind.open(now);
    };
    assert!(untold(true, blind));
    assert!(!untold(false, blind), "nothing was due");
    assert!(!untold(true, |_| ()) && !untold(false, |_| ()), "it can be told");
    assert!(untold(false, |paper| {
        let (ann, now) = (paper.ann.clone(), paper.now);
        paper.pays(&ann, Status::Active, days(30)).vanished = Some(now);
    }));
}

#[test]
fn an_invite_that_is_taken_back_is_no_removal() {
    let end = |accepted: bool| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(5));
        if !accepted {
            paper.waits(&ann, days(5));
        }
        paper.ended(&ann, days(3));
        let end = only(&paper).unwrap();
        assert_eq!(end.rests_on, [Source::Plex, Source::Stripe].into());
        end.class
    };
    assert_eq!(end(true), Class::Removal { stated: true });
    assert_eq!(end(false), Class::CancelInvite);
}

#[test]
fn the_end_of_a_grant_names_its_last_day_and_asks_stripe_whether_they_pay() {
    let guest = || {
        let mut paper = friend(days(1));
        let until = paper.rules.end_of_day(paper.rules.day_of(paper.now - days(3)));
        paper.member().grants = vec![Grant { until: Some(until), ..Grant::new(GrantKind::Complimentary, until) }];
        paper
    };
    let mut paper = guest();
    let end = only(&paper).unwrap();
    assert!(end.because.starts_with("complimentary until 2026-01-28, which is over"), "{}", end.because);
    assert_eq!(end.rests_on, [Source::Plex, Source::Stripe].into());
    paper.rules.configured.retain(|source| *source != Source::Stripe);
    assert_eq!(only(&paper).unwrap().rests_on, [Source::Plex].into());
    let mut paper = guest();
    paper.member().blocked = Some(paper.now);
    assert_eq!(only(&paper).unwrap().rests_on, [Source::Plex].into(), "the operator's word needs no other");
}

#[test]
fn a_payer_who_is_not_in_is_told_with_the_reason_and_nobody_else() {
    let why = |spoil: Change| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.pays(&ann, Status::Active, days(30));
        spoil(&mut paper);
        unmatched(&paper.book.members[&ann])
    };
    fn no_address(paper: &mut Paper) {
        paper.member().customers.values_mut().for_each(|payer| payer.email = None);
    }
    fn gone(paper: &mut Paper, by_us: bool) {
        let standing = paper.member().subscriptions.keys().cloned().collect();
        paper.member().gone =
            Some(Gone { at: paper.now, by_us, why: "it went away".into(), standing, was_invite: false, row: None });
    }
    fn invited(paper: &mut Paper) {
        let ann = paper.ann.clone();
        paper.invited(&ann, &[MOVIES]);
    }
    assert_eq!(why(|_| ()), None, "the invite is on its way");
    let in_already: Change = |paper| {
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(20));
        paper.member().blocked = Some(paper.now);
    };
    assert_eq!(why(in_already), None);
    let over: Change = |paper| {
        paper.first().now.status = Status::Canceled;
        paper.member().blocked = Some(paper.now);
    };
    assert_eq!(why(over), None);
    assert_eq!(why(|paper| paper.member().blocked = Some(paper.now)).unwrap(), "you revoked them, and they pay");
    assert_eq!(why(|paper| gone(paper, false)).unwrap(), "it went away, and is not made again by itself");
    assert_eq!(why(|paper| gone(paper, true)), None);
    assert_eq!(why(invited).unwrap(), "invited, not yet accepted");
    let invited_since: Change = |paper| {
        gone(paper, false);
        invited(paper);
    };
    assert_eq!(why(invited_since).unwrap(), "invited, not yet accepted");
    let nameless: Change = |paper| {
        no_address(paper);
        paper.member().plex = None;
    };
    assert_eq!(why(nameless).unwrap(), "Stripe has no address for them");
    assert_eq!(why(no_address), None, "their account is known");
}

#[test]
fn in_report_mode_each_spell_is_told_once_whatever_cant_be_told_meanwhile() {
    let mut paper = friend(days(30));
    paper.rules.prune_mode = PruneMode::Report;
    let bob = paper.friend("bob", days(30) - SECOND);
    let report = |paper: &mut Paper| -> Vec<String> {
        pruning::report(paper.now, &paper.rules, &paper.world, &mut paper.book);
        let letters = std::mem::take(&mut paper.book.outbox).into_values();
        letters
            .map(|notice| if let Letter::Attention { detail, .. } = notice.letter { detail } else { panic!() })
            .collect()
    };
    assert_eq!(report(&mut paper), ["ann (m-1): 30 days."], "bob has a second left");
    assert!(report(&mut paper).is_empty(), "once");
    // Tautulli is gone for a while; nothing is forgotten over it.
    let now = paper.now;
    paper.book.blind.open(now);
    paper.world.tautulli.failures = 3;
    assert!(report(&mut paper).is_empty());
    paper.book.blind.close(now);
    paper.world.tautulli.failures = 0;
    assert!(report(&mut paper).is_empty());
    paper.watched(&bob, days(31));
    assert_eq!(report(&mut paper), ["bob (m-2): 31 days."]);
    for name in [paper.ann.clone(), bob] {
        paper.watched(&name, days(1));
    }
    assert!(report(&mut paper).is_empty() && paper.book.told.is_empty(), "they watch again");
    let ann = paper.ann.clone();
    paper.watched(&ann, days(40));
    assert_eq!(report(&mut paper).len(), 1);
    paper.world.tautulli.failures = 1;
    paper.rules.prune_mode = PruneMode::Auto;
    assert!(report(&mut paper).is_empty() && paper.book.told.is_empty(), "reports are no longer wanted");
}
