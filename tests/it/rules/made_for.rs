//! R6: what Usher makes carries what it was made for, and is over with it.

use chrono::TimeDelta;
use usher::facts::{PlexId, ShareId, ShareState, Status};
use usher::ledger::{Act, GrantKind, IntentState, MadeFor, Member};
use usher::policy::asks::{self, Ask, Hearing};
use usher::policy::{by_hand, reasons};

use super::house::{House, MOVIES, TV, days};
use crate::paper::Paper;

fn says(house: &mut House, ask: &Ask) {
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    asks::carry_out(hearing, &mut house.book, ask).unwrap();
}

/// Zed is here by hand, so that the house is never empty; Ann pays and is
/// invited.
fn invited() -> (House, usher::facts::SubscriptionId, u64) {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.played(100, TimeDelta::hours(1));
    house.settle();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let row = house.friends.shares.last().unwrap().id.0;
    (house, sub, row)
}

fn of<'a>(house: &'a House, name: &str) -> &'a Member {
    house.payer(name)
}

#[test]
fn an_invite_carries_in_the_book_what_it_was_made_for_from_the_intent_on() {
    let mut house = House::new();
    house.settle();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let Act::Invite { made_for, .. } = &house.book.intents.values().next().unwrap().act else { panic!() };
    assert_eq!(*made_for, [MadeFor::Subscription(sub.clone())].into());
    house.carry_out();
    let row = house.friends.shares[0].id;
    assert_eq!(of(&house, "ann").made_for[&row], [MadeFor::Subscription(sub)].into());
}

#[test]
fn what_ended_in_the_second_in_which_it_began_ended() {
    for taken_up in [false, true] {
        let (mut house, sub, row) = invited();
        let began = house.sub(&sub).created;
        house.cancel(&sub, began);
        if taken_up {
            house.accept(row, 200, "ann");
        }
        house.days(2);
        assert_eq!(house.ends().len(), 1, "taken up: {taken_up}: {:?}", of(&house, "ann").journal);
    }
}

#[test]
fn of_two_that_ended_in_the_second_in_which_they_began_one_counts() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    let began = house.sub(&sub).created;
    let other = house.subscribe("sub_2", "ann", "price_basic");
    house.sub(&other).created = began;
    house.settle();
    house.cancel(&sub, began);
    house.cancel(&other, began);
    house.days(2);
    assert_eq!(house.ends().len(), 1, "{:?}", of(&house, "ann").journal);
}

/// The grant went with an invite that was taken back, and the invite was taken
/// up in that very moment.
#[test]
fn an_invite_that_is_taken_up_while_it_is_taken_back_gives_nothing_for_ever() {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.played(100, TimeDelta::hours(1));
    house.settle();
    says(&mut house, &Ask::Invite { who: "nina@example.com".into(), tier: "Basic".into(), days: None });
    house.settle();
    let id = house.book.members.values().find(|member| member.given_email.is_some()).unwrap().id.clone();
    house.carry_out();
    let row = house.friends.shares.last().unwrap().clone();
    house.days(15);
    assert_eq!(house.ends().len(), 1);
    house.carry_out();
    house.settle();
    assert!(house.book.members[&id].share.is_none());
    house.friends.shares.push(row.clone());
    house.accept(row.id.0, 200, "nina");
    house.settle();
    house.played(200, TimeDelta::hours(1));
    house.read();
    let standing = reasons::standing(
        usher::policy::Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world },
        house.member(200),
    );
    assert!(standing.end_cause().is_some(), "{standing:?}");
    assert_eq!(house.ends().len(), 1, "{:?}", house.member(200).journal);
}

#[test]
fn an_invite_whose_answer_was_lost_and_that_shows_late_is_ours() {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.played(100, TimeDelta::hours(1));
    house.settle();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries, intent.last_try) = (IntentState::Attempted { at: now }, 1, Some(now));
    }
    let ended = house.now;
    house.cancel(&sub, ended);
    house.later(TimeDelta::seconds(160));
    house.settle();
    assert!(house.book.intents.is_empty(), "it is no longer wanted");
    house.invite(70, "ann", &[MOVIES]);
    house.settle();
    assert!(of(&house, "ann").made.contains(&ShareId(70)) && of(&house, "ann").grants.is_empty());
    house.accept(70, 200, "ann");
    house.days(2);
    assert_eq!(house.ends().len(), 1, "{:?}", of(&house, "ann").journal);
}

#[test]
fn a_book_of_before_says_nothing_of_it_and_one_reason_is_what_it_was_for() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.settle();
    let id = of(&house, "ann").id.clone();
    house.book.members.get_mut(&id).unwrap().made_for.clear();
    house.read();
    assert_eq!(of(&house, "ann").made_for[&ShareId(row)], [MadeFor::Subscription(sub)].into());
    let second = house.subscribe("sub_2", "ann", "price_basic");
    house.read();
    assert!(of(&house, "ann").made_for[&ShareId(row)].contains(&MadeFor::Subscription(second)), "for that, too");
    house.book.members.get_mut(&id).unwrap().made_for.clear();
    house.read();
    assert!(of(&house, "ann").made_for.is_empty(), "of two, nobody knows");
}

#[test]
fn who_buys_anew_before_the_old_one_ended_stays_and_goes_with_the_new_one() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.settle();
    house.days(3);
    let second = house.subscribe("sub_2", "ann", "price_basic");
    house.read();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(5);
    assert_eq!(house.ends(), Vec::<String>::new());
    let ended = house.now;
    house.cancel(&second, ended);
    house.days(2);
    assert_eq!(house.ends().len(), 1);
}

/// R6: "A share that is new after somebody was gone began no earlier than we
/// saw them gone, whatever plex.tv's `acceptedAt` says."
#[test]
fn who_was_let_go_and_is_let_in_by_hand_stays_whatever_date_plex_gives() {
    for number in [50, 0] {
        let (mut house, sub, row) = invited();
        let number = if number == 0 { row } else { number };
        house.accept(row, 200, "ann");
        house.settle();
        let old = house.row(row).clone();
        house.days(3);
        let ended = house.now;
        house.cancel(&sub, ended);
        house.days(2);
        house.carry_out();
        house.settle();
        assert!(!house.member(200).has_access());
        for _ in 0..3 {
            house.days(2);
            let mut again = old.clone();
            again.id = ShareId(number);
            house.friends.shares.push(again);
            house.days(5);
            assert_eq!(house.ends(), Vec::<String>::new(), "number {number}: {:?}", house.member(200).journal);
            assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some());
            house.unshare(number);
            house.days(1);
        }
    }
}

#[test]
fn a_row_that_a_late_listing_still_shows_after_the_removal_is_no_share_by_hand() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.settle();
    let old = house.row(row).clone();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.carry_out();
    house.later(TimeDelta::seconds(30));
    house.friends.shares.push(old);
    house.read();
    assert!(house.member(200).grants.is_empty(), "{:?}", house.member(200).journal);
}

#[test]
fn who_is_let_in_by_hand_under_another_address_stays_too() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.settle();
    let old = house.row(row).state;
    house.days(3);
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.carry_out();
    house.settle();
    house.invite(60, "ann-new", &[MOVIES]);
    house.days(1);
    house.accept(60, 200, "ann");
    house.row(60).state = old;
    house.days(5);
    assert_eq!(house.ends(), Vec::<String>::new(), "{:?}", house.member(200).journal);
    assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some());
}

#[test]
fn a_checkout_that_expires_unpaid_ends_nothing_beside_a_share_by_hand() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.settle();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.carry_out();
    house.settle();
    let second = house.subscribe("sub_2", "ann", "price_basic");
    house.sub(&second).status = Status::Incomplete;
    house.settle();
    house.later(TimeDelta::hours(1));
    house.share(50, 200, "ann", &[MOVIES], days(0));
    house.played(200, days(0));
    house.settle();
    house.later(TimeDelta::hours(20));
    let ended = house.now;
    house.sub(&second).status = Status::IncompleteExpired;
    house.sub(&second).ended_at = Some(ended);
    house.days(4);
    assert_eq!(house.ends(), Vec::<String>::new(), "{:?}", house.member(200).journal);
}

/// Nina is Usher's guest for 30 days; the older listing has other numbers.
fn guest() -> House {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.settle();
    says(
        &mut house,
        &Ask::Invite { who: "nina@example.com".into(), tier: "Basic".into(), days: Some(asks::Stay::Days(30)) },
    );
    house.settle();
    house.carry_out();
    let row = house.friends.shares.last().unwrap().id.0;
    house.accept(row, 200, "nina");
    house.settle();
    house
}

/// What plex.tv's older listing says of the same people.
fn by_v1(house: &House) -> Vec<usher::facts::Share> {
    let older = |row: &usher::facts::Share| {
        let mut row = row.clone();
        row.id = ShareId(row.id.0 + 5000);
        row.settings = None;
        row
    };
    house.friends.shares.iter().map(older).collect()
}

#[test]
fn the_same_share_under_another_number_is_the_same_share() {
    let mut house = guest();
    let v2 = house.friends.shares.clone();
    let v1 = by_v1(&house);
    let before = house.member(200).share.clone().unwrap();
    for round in 0..6 {
        house.friends.shares = if round % 2 == 0 { v1.clone() } else { v2.clone() };
        house.later(TimeDelta::minutes(2));
        house.read();
        for account in [100, 200] {
            let share = house.member(account).share.clone().unwrap();
            assert!(share.first_seen < house.now - TimeDelta::minutes(2), "round {round}");
            assert!(share.whole().settings.is_some(), "round {round}");
        }
        let share = house.member(200).share.clone().unwrap();
        assert_eq!((share.id(), share.first_seen), (before.id(), before.first_seen), "round {round}");
        assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_none(), "{:?}", house.member(200).journal);
        assert_eq!(
            house.member(200).joined(),
            Some(match before.row.state {
                ShareState::Accepted { accepted_at } => accepted_at.unwrap(),
                ShareState::Pending { .. } => panic!(),
            })
        );
    }
    let letters = house.letters("welcome").len();
    assert_eq!(letters, 1);
    for _ in 0..31 {
        house.played(200, TimeDelta::hours(1));
        house.days(1);
    }
    assert_eq!(house.ends().len(), 1, "a guest for 30 days: {:?}", house.member(200).journal);
}

/// The friends are so few that a drop holds it: nobody is believed to be gone.
#[test]
fn whom_listings_lacked_for_an_hour_was_gone_though_nobody_believed_it() {
    let mut house = House::new();
    let (sub, row) = house.ann_pays("price_basic");
    let old = house.row(row).clone();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.unshare(row);
    for _ in 0..30 {
        house.later(TimeDelta::minutes(2));
        house.read();
    }
    house.friends.shares.push(usher::facts::Share { id: ShareId(50), ..old });
    house.days(4);
    assert!(house.member(200).grant(GrantKind::ByHand, house.now).is_some(), "{:?}", house.member(200).journal);
    assert_eq!(house.ends(), Vec::<String>::new());
}

#[test]
fn promise_06_a_removal_is_not_taken_for_done_because_the_listing_has_other_numbers() {
    let mut house = guest();
    let nina = house.member(200).id.clone();
    says(&mut house, &Ask::Revoke { who: nina.to_string(), cancel: None });
    house.read();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries, intent.last_try) = (IntentState::Attempted { at: now }, 1, Some(now));
    }
    house.friends.shares = by_v1(&house);
    house.later(TimeDelta::seconds(5));
    house.read();
    assert!(house.member(200).has_access(), "she is listed, and has access");
    assert_eq!(house.book.removals.len(), 0);
}

#[test]
fn promise_09_an_invite_that_is_taken_back_forgets_nothing_of_what_an_earlier_removal_took() {
    let (mut house, sub, row) = invited();
    house.accept(row, 200, "ann");
    house.row(row).sections = [MOVIES, TV].into();
    house.settle();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.carry_out();
    house.settle();
    let taken = house.member(200).undo.clone().unwrap();
    // She is invited as a guest, and doesn't come.
    let id = house.member(200).id.to_string();
    says(&mut house, &Ask::Invite { who: id, tier: "Basic".into(), days: None });
    house.settle();
    house.carry_out();
    assert!(house.member(200).is_invited());
    house.days(15);
    house.carry_out();
    house.settle();
    assert!(house.member(200).share.is_none());
    let undo = house.member(200).undo.clone().unwrap();
    assert_eq!((undo.share, undo.at), (taken.share, taken.at));
    assert_eq!(house.book.removals.len(), 0, "long ago, and an invite is none");
}

#[test]
fn an_invite_of_which_every_try_certainly_failed_awaits_no_row() {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries, intent.not_done) = (IntentState::Attempted { at: now }, 2, 2);
        intent.last_try = Some(now);
    }
    house.invite(70, "carl", &[MOVIES]);
    house.row(70).email = None;
    house.row(70).account = Some(PlexId(300));
    house.read();
    assert_eq!(of(&house, "ann").share, None, "the operator made it, for somebody else");
}

#[test]
fn a_row_without_an_address_is_tied_to_nobody_long_after_the_try_that_might_have_made_it() {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let long_ago = house.now - TimeDelta::minutes(10);
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries, intent.last_try) = (IntentState::Decided, 1, Some(long_ago));
    }
    house.invite(70, "carl", &[MOVIES]);
    house.row(70).email = None;
    house.read();
    assert_eq!(of(&house, "ann").share, None);
}

#[test]
fn a_row_that_may_be_one_of_several_invites_is_told() {
    let mut house = House::new();
    house.share(10, 100, "zed", &[MOVIES], days(400));
    house.settle();
    house.subscribe("sub_1", "ann", "price_basic");
    house.subscribe("sub_2", "bob", "price_basic");
    house.settle();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        (intent.state, intent.tries, intent.last_try) = (IntentState::Attempted { at: now }, 1, Some(now));
    }
    house.invite(70, "nobody", &[MOVIES]);
    house.row(70).email = None;
    house.read();
    assert!(of(&house, "ann").share.is_none() && of(&house, "bob").share.is_none());
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("untied")).count(), 1);
}

/// A library that was deleted stays in no grant that is sent.
#[test]
fn frozen_libraries_are_cut_to_those_that_exist() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.shares(&ann, &[MOVIES], days(400));
    paper.pays(&ann, Status::Active, days(30));
    paper.grant(&ann, GrantKind::ByHand);
    let gone = usher::facts::SectionId(77);
    paper.member().grants[0].libraries = Some([MOVIES, gone].into());
    paper.watched(&ann, days(1));
    assert_eq!(paper.plan().proposals, Vec::new(), "nothing can change");
    let scene = paper.scene();
    let standing = reasons::standing(scene, &paper.book.members[&ann]);
    let matched = usher::policy::sharing::matching_prices(scene, &paper.book.members[&ann], &standing);
    assert!(matched.is_some(), "it gives just what it should");
}

#[test]
fn a_library_that_is_shared_and_not_yet_known_is_not_taken_away() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    let new = usher::facts::SectionId(77);
    paper.shares(&ann, &[MOVIES, new], days(400));
    paper.pays(&ann, Status::Active, days(30));
    paper.grant(&ann, GrantKind::ByHand);
    paper.watched(&ann, days(1));
    assert_eq!(paper.plan().proposals, Vec::new());
}

#[test]
fn a_date_that_plex_gives_says_nothing_of_a_time_at_which_they_were_gone() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.ended(&ann, days(5));
    paper.shares(&ann, &[MOVIES], days(300));
    let gone = paper.now - days(4);
    paper.member().share.as_mut().unwrap().began_after = Some(gone);
    let row = paper.member().share.as_ref().unwrap().row.clone();
    assert!(!by_hand::is_for_a_subscription(paper.now, &paper.rules, &paper.book.members[&ann], &row));
    assert_eq!(paper.member().joined(), Some(gone));
}
