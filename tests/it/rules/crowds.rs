//! R9: what comes in crowds, and what the operator's yes is for.

use chrono::TimeDelta;
use usher::facts::{Source, Status};
use usher::ledger::{EndedBecause, HeldBecause, Population, Removal, Reversed, Verdict};
use usher::policy::plan::Class;
use usher::policy::{Drop, brake, decide};

use super::house::{House, MOVIES, days};
use crate::paper::{self, Paper};

/// Twelve friends who watch.
fn friends() -> House {
    let mut house = House::new();
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.settle();
    house
}

/// The first `many` of them leave, and it is believed.
fn leave(house: &mut House, many: u64) -> Vec<usher::facts::Share> {
    let (gone, stay) = house.friends.shares.drain(..).partition(|share: &usher::facts::Share| share.id.0 < 10 + many);
    house.friends.shares = stay;
    house.settle();
    house.later(TimeDelta::minutes(61));
    house.settle();
    house.later(TimeDelta::minutes(11));
    house.settle();
    assert_eq!(house.letters("departed").len(), usize::try_from(many).unwrap());
    gone
}

#[test]
fn a_crowd_that_is_back_at_once_gets_no_welcome_and_is_told_in_one_message() {
    let mut house = friends();
    let gone = leave(&mut house, 5);
    house.friends.shares.extend(gone);
    house.settle();
    assert!((0..12).all(|n| house.member(200 + n).has_access()), "they have access, whatever we write");
    assert_eq!(house.letters("welcome").len(), 0);
    let told = house.letters("attention").into_iter().filter(|key| key.0.contains("crowd")).count();
    assert_eq!(told, 1);
    assert!(house.member(200).returned.is_some(), "the day of grace and the new spell are theirs all the same");
}

#[test]
fn one_or_two_who_are_back_are_welcomed() {
    let mut house = friends();
    let gone = leave(&mut house, 2);
    house.friends.shares.extend(gone);
    house.settle();
    assert_eq!(house.letters("welcome").len(), 2);
}

#[test]
fn while_far_too_few_are_listed_nobody_counts_as_back() {
    let mut house = friends();
    let gone = leave(&mut house, 1);
    house.friends.shares.truncate(2);
    house.friends.shares.extend(gone);
    house.settle();
    assert!(house.world.drops.contains_key(&Population::Friends));
    assert!(!house.member(200).has_access() && house.letters("welcome").is_empty(), "R9.5 holds returns, too");
}

fn idle(paper: &mut Paper, name: &str, ago: i64) -> usher::member::MemberId {
    let id = paper.friend(name, paper::days(ago));
    paper.warned(&id, paper::days(8));
    id
}

fn approve(paper: &mut Paper, id: &usher::member::MemberId) {
    let proposal = paper.plan().proposals.into_iter().find(|proposal| proposal.member == *id).unwrap();
    let hold = usher::ledger::Hold {
        id: "h-1".into(),
        key: proposal.key.clone(),
        member: id.clone(),
        what: proposal.what,
        why: proposal.because,
        because: HeldBecause::HoldAll { many: 9, threshold: 2 },
        since: paper.now,
        verdict: Some(Verdict::Approved { at: paper.now }),
        notice: None,
        rehearsed: false,
    };
    paper.book.holds.insert(proposal.key, hold);
}

#[test]
fn promise_03_an_approved_removal_waits_for_no_budget_but_counts_in_it() {
    let mut paper = Paper::new();
    paper.crowd(10);
    let bob = idle(&mut paper, "bob", 60);
    let cleo = idle(&mut paper, "cleo", 40);
    approve(&mut paper, &cleo);
    let admission = brake::admit(paper.scene(), paper.plan());
    let goes: Vec<_> = admission.admitted.iter().map(|proposal| proposal.member.clone()).collect();
    assert_eq!(
        goes,
        std::slice::from_ref(&cleo),
        "one a day: the approved one takes the place, though Bob is due longer"
    );
    assert!(admission.held.iter().any(|(p, because)| p.member == bob && matches!(because, HeldBecause::Budget { .. })));
    // The day's budget is used up already: the approved one goes all the same.
    let removal = Removal { at: paper.now - TimeDelta::hours(2), member: bob, stated: false };
    paper.book.removals = vec![removal];
    let admission = brake::admit(paper.scene(), paper.plan());
    assert_eq!(admission.admitted.iter().map(|proposal| proposal.member.clone()).collect::<Vec<_>>(), [cleo]);
}

#[test]
fn promise_03_what_usher_itself_ended_at_stripe_counts_in_the_days_budget() {
    let ended = |spoil: fn(&mut usher::ledger::Billed, usher::facts::Moment)| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[paper::MOVIES], days(200));
        paper.ended(&ann, days(5));
        paper.told_unpaid(&ann, Some(days(4)));
        let then = paper.now - days(5);
        paper.member().subscriptions.values_mut().for_each(|billed| spoil(billed, then));
        let classes: Vec<Class> = paper.plan().proposals.iter().map(|proposal| proposal.class).collect();
        assert_eq!(classes.len(), 1, "{classes:?}");
        classes[0]
    };
    assert_eq!(ended(|_, _| ()), Class::Removal { stated: true }, "Stripe alone");
    let cut_off = ended(|billed, then| billed.cut_off = Some(then));
    assert_eq!(cut_off, Class::Removal { stated: false }, "cancelled by us, because it was unpaid");
    let reversed = ended(|billed, at| {
        billed.reversed = Some(Reversed { because: EndedBecause::Refunded, id: "re_1".into(), at });
    });
    assert_eq!(reversed, Class::Removal { stated: false }, "cancelled by us, because it was given back");
}

/// So many friends who are here, of whom three left and are back at once: are
/// they welcomed one by one?
fn three_of_them_are_welcomed(many: u64) -> bool {
    let mut house = House::new();
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    for n in 0..many {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.settle();
    let mut gone = leave(&mut house, 3);
    let now = house.now;
    for row in &mut gone {
        row.state = usher::facts::ShareState::Accepted { accepted_at: Some(now) };
    }
    house.friends.shares.extend(gone);
    house.settle();
    let welcomed = house.letters("welcome").len();
    assert!(welcomed == 0 || welcomed == 3);
    welcomed == 3
}

#[test]
fn a_crowd_is_more_than_two_and_more_than_a_tenth_of_all() {
    assert!(!three_of_them_are_welcomed(13));
    assert!(!three_of_them_are_welcomed(20));
    assert!(three_of_them_are_welcomed(21));
    assert!(three_of_them_are_welcomed(30));
}

/// Nine friends who are in, and five who subscribed while Usher was away.
fn five_payers_at_once() -> (Paper, Vec<usher::member::MemberId>) {
    let mut paper = Paper::new();
    paper.crowd(9);
    let payers = ["pia", "quinn", "rosa", "sven", "tess"].map(|name| paper.payer(name));
    (paper, payers.to_vec())
}

#[test]
fn promise_04_payers_who_came_while_usher_was_away_for_days_are_all_invited_at_once() {
    let (paper, payers) = five_payers_at_once();
    let admission = paper.admit();
    let invited: Vec<_> = admission.admitted.iter().map(|proposal| proposal.member.clone()).collect();
    assert_eq!(invited, payers, "R9.9: an invite for a subscription that began after the book never waits");
    assert_eq!(admission.held.len(), 0);
}

#[test]
fn where_many_payers_are_invited_at_once_stripe_is_asked_about_each_before_the_call() {
    let (mut paper, payers) = five_payers_at_once();
    decide::decide(paper.now, &paper.rules.clone(), &paper.world, &mut paper.book);
    let key = paper.book.intents.values().find(|intent| intent.member == payers[0]).unwrap().key.clone();
    let looked = |sources: &[Source]| brake::SecondLook { answered: sources.to_vec(), ..Default::default() };
    let held = brake::second(paper.scene(), &key, &looked(&[Source::Plex])).map(|_| ());
    assert!(matches!(held, Err(brake::NotNow::Held(HeldBecause::SecondLook { .. }))), "{held:?}");
    let both = looked(&[Source::Plex, Source::Stripe]);
    assert!(brake::second(paper.scene(), &key, &both).is_ok());
    // One alone is not confirmed first: a payer waits for nothing.
    paper.book.intents.retain(|_, intent| intent.member == payers[0]);
    assert!(brake::second(paper.scene(), &key, &looked(&[Source::Plex])).is_ok());
}

#[test]
fn promise_04_a_new_payer_is_invited_while_far_too_few_friends_are_listed() {
    let mut paper = Paper::new();
    paper.crowd(9);
    let (new, old) = (paper.payer("pia"), paper.person("quinn"));
    paper.shares(&old, &[paper::MOVIES], days(90));
    paper.left(&old, days(30));
    paper.pays(&old, Status::Active, days(20));
    paper.world.drops.insert(Population::Friends, Drop { since: paper.now, now: 3, expected: 9, begun_anew: false });
    let admission = paper.admit();
    assert_eq!(admission.admitted.iter().map(|p| p.member.clone()).collect::<Vec<_>>(), [new]);
    let waits: Vec<_> = admission.held.iter().map(|(p, because)| (p.member.clone(), because.rule())).collect();
    assert_eq!(waits, [(old, "continuity")], "a listing showed them once: they may be among the missing");
}

#[test]
fn whom_usher_itself_let_go_nobody_misses() {
    let mut house = friends();
    for account in 200..206 {
        let id = house.member(account).id.clone();
        house.book.members.get_mut(&id).unwrap().blocked = Some(house.now);
    }
    house.settle();
    assert_eq!(house.ends().len(), 6, "revoked one by one, by the operator's word");
    house.carry_out();
    house.settle();
    assert!((200..206).all(|account| !house.member(account).has_access()));
    assert_eq!(house.world.drops.len(), 0);
    assert!(house.letters("attention").iter().all(|key| !key.0.contains("drop/")), "{:?}", house.letters("attention"));
    // Half a house gone by itself is another matter.
    house.friends.shares.truncate(3);
    house.settle();
    assert_eq!(house.world.drops.len(), 1);
}

#[test]
fn who_has_access_is_neither_the_owner_nor_a_mere_invite() {
    let mut house = friends();
    house.invite(50, "guest", &[MOVIES]);
    house.share(51, house.friends.owner.0, "owner", &[MOVIES], days(400));
    assert_eq!(usher::policy::comings::with_access(&house.friends), 12);
}
