//! R1 *by hand*: who was let in by hand stays, whatever they once paid.

use chrono::TimeDelta;
use usher::facts::{Share, Status};
use usher::ledger::GrantKind;
use usher::policy::asks::{self, Ask, Hearing};
use usher::policy::by_hand;

use super::house::{House, MOVIES, TV, days};
use crate::paper::Paper;

/// Somebody who paid, lapsed and was removed by Usher; nobody else is here.
fn lapsed(house: &mut House) {
    lapsed_beside(house);
    assert!(house.friends.shares.is_empty());
}

/// The same, beside others.
fn lapsed_beside(house: &mut House) {
    let (sub, _) = house.ann_pays("price_basic");
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    assert_eq!(house.ends().len(), 1, "{:?}", house.decided());
    house.carry_out();
    house.settle();
}

#[test]
fn who_lapsed_and_is_then_shared_with_by_hand_stays() {
    let mut house = House::new();
    lapsed(&mut house);
    house.later(days(10));
    house.share(50, 200, "ann", &[MOVIES, TV], TimeDelta::minutes(1));
    house.days(10);
    assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some(), "{:?}", house.member(200).journal);
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn who_was_removed_unpaid_and_is_then_shared_with_by_hand_stays() {
    let mut house = House::new();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares[0].id.0;
    house.accept(id, 200, "ann");
    house.settle();
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.days(9);
    assert_eq!(house.ends().len(), 1, "{:?}", house.member(200).journal);
    house.carry_out();
    house.settle();
    house.share(50, 200, "ann", &[MOVIES], TimeDelta::minutes(1));
    house.days(10);
    assert_eq!(house.decided(), Vec::<String>::new(), "{:?}", house.member(200).journal);
    // Only now Stripe gives up on what nobody paid.
    let ended = house.now;
    house.cancel(&sub, ended);
    house.sub(&sub).ended_by_failed_payment = true;
    house.days(10);
    assert_eq!(house.decided(), Vec::<String>::new(), "{:?}", house.member(200).journal);
    assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some());
}

#[test]
fn an_old_subscription_doesnt_make_a_later_share_by_hand_younger_than_the_next() {
    let mut house = House::new();
    house.rules.prune_mode = usher::policy::PruneMode::Report; // She never watches.
    lapsed(&mut house);
    house.later(days(10));
    house.share(50, 200, "ann", &[MOVIES, TV], TimeDelta::minutes(1));
    house.days(30);
    let second = house.subscribe("sub_2", "ann", "price_basic");
    house.days(30);
    assert_eq!(house.decided(), Vec::<String>::new(), "by hand: never narrowed");
    let ended = house.now;
    house.cancel(&second, ended);
    house.days(5);
    assert_eq!(house.ends(), Vec::<String>::new(), "the share is older than the subscription that ended");
}

#[test]
fn a_wrong_link_that_is_undone_leaves_who_was_let_in_by_hand_as_they_were() {
    let mut house = House::new();
    house.rules.prune_mode = usher::policy::PruneMode::Report; // She never watches.
    lapsed(&mut house);
    house.later(days(10));
    house.subscribe("sub_bob", "bob", "price_premium");
    house.settle();
    house.later(days(1));
    house.share(50, 200, "ann", &[MOVIES, TV], TimeDelta::minutes(1));
    house.days(1);
    let (ann, bobs) = (house.member(200).id.to_string(), Some("cus_bob".to_owned()));
    for ask in [
        Ask::Link { who: ann.clone(), plex: None, stripe: bobs.clone() },
        Ask::Unlink { who: ann.clone(), stripe: bobs.clone() },
    ] {
        let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
        asks::carry_out(hearing, &mut house.book, &ask).unwrap();
        house.days(3);
        assert_eq!(house.ends(), Vec::<String>::new(), "{ask:?}");
    }
    assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some());
    assert!(house.payer("bob").plex.is_none(), "he stands by himself");
}

#[test]
fn access_for_which_nothing_stands_is_told_and_nobody_is_removed() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.played(200, days(1));
    house.settle();
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().grants.clear();
    house.days(3);
    assert_eq!(house.decided(), Vec::<String>::new(), "nothing is known to have ended");
    let told: Vec<_> = house.book.outbox.values().map(|notice| format!("{:?}", notice.letter)).collect();
    let told = told.iter().filter(|letter| letter.contains("has access without a reason")).count();
    assert_eq!(told, 1);
}

/// Ann on paper, let in `ago`.
fn let_in(paper: &mut Paper, ago: TimeDelta) -> Share {
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], ago);
    paper.member().share.as_ref().unwrap().row.clone()
}

fn is_for_it(paper: &Paper, row: &Share) -> bool {
    by_hand::is_for_a_subscription(paper.now, &paper.rules, &paper.book.members[&paper.ann], row)
}

#[test]
fn a_share_made_at_or_after_the_end_of_a_subscription_is_not_made_for_it() {
    // Days ago, and hours ago: while the end settles they are still in by it.
    for ended in [days(5), TimeDelta::hours(3)] {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.ended(&ann, ended);
        for (ago, is_for) in [(-TimeDelta::hours(1), false), (TimeDelta::zero(), false), (TimeDelta::hours(1), true)] {
            let row = let_in(&mut paper, ended + ago);
            assert_eq!(is_for_it(&paper, &row), is_for, "ended {ended} ago, let in {} ago", ended + ago);
        }
    }
}

#[test]
fn what_is_given_by_hand_outlives_what_is_over_and_not_what_may_yet_begin() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.ended(&ann, days(5));
    let over = paper.member().subscriptions.keys().next().unwrap().clone();
    paper.pays(&ann, Status::Incomplete, TimeDelta::hours(1));
    let row = let_in(&mut paper, TimeDelta::minutes(1));
    let grant = by_hand::grant(paper.now, &paper.rules, &paper.book.members[&ann], &row);
    assert_eq!(grant.outlived, [over].into());
}

#[test]
fn a_share_without_a_date_that_is_made_for_a_payer_ends_with_the_subscription() {
    let mut house = House::new();
    house.share(11, 201, "bob", &[MOVIES], days(400));
    house.played(201, days(0));
    house.settle();
    // She was let go, pays again, and the operator shares with her in Plex.
    lapsed_beside(&mut house);
    let second = house.subscribe("sub_2", "ann", "price_basic");
    house.read();
    house.share(50, 200, "ann", &[MOVIES], days(0));
    house.row(50).state = usher::facts::ShareState::Accepted { accepted_at: None };
    house.settle();
    assert!(house.member(200).grants.is_empty(), "{:?}", house.member(200).journal);
    let ended = house.now;
    house.cancel(&second, ended);
    house.days(2);
    assert_eq!(house.ends().len(), 1, "{:?}", house.member(200).journal);
}

#[test]
fn what_was_frozen_stays_so_beside_any_other_reason() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.shares(&ann, &[MOVIES], days(5));
    paper.pays(&ann, Status::Active, days(300));
    paper.grant(&ann, GrantKind::ByHand);
    paper.member().grants[0].libraries = Some([MOVIES].into());
    paper.grant(&ann, GrantKind::Extension);
    let before = paper.member().clone();
    by_hand::freeze(now, &paper.rules, &mut paper.book, &ann);
    assert_eq!(*paper.member(), before, "a share that is younger than the subscription takes nothing of it");
}
