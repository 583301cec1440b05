//! Whose row is it? R2, R6: numbers that come again, answers that were lost,
//! two rows of one person.

use chrono::TimeDelta;
use usher::facts::{PlexId, ShareId};
use usher::ledger::{GrantKind, IntentState, Proof};

use super::house::{House, MOVIES, TV, days};

#[test]
fn a_share_number_that_comes_again_for_another_account_is_the_others() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    house.friends.shares.clear();
    house.share(10, 300, "bob", &[TV], days(1));
    house.settle();
    assert_eq!(house.member(300).username.as_deref(), Some("bob"));
    assert_eq!(house.member(200).username.as_deref(), Some("ann"));
}

#[test]
fn an_invite_whose_answer_was_lost_is_ours_also_when_the_account_was_here_before() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.share(11, 300, "bob", &[MOVIES], days(400));
    house.settle();
    house.unshare(10);
    house.later(TimeDelta::minutes(5));
    house.settle();
    house.later(TimeDelta::minutes(11));
    house.settle();
    assert!(!house.member(200).has_access());
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    // plex.tv knows whose address it is, and lists the account at once.
    let id = house.friends.shares.last().unwrap().id.0;
    house.row(id).account = Some(PlexId(200));
    house.settle();
    house.accept(id, 200, "ann");
    house.settle();
    let ann = house.member(200);
    assert!(ann.grant(GrantKind::ByHand, house.now).is_none(), "{:?}", ann.journal);
    assert!(ann.made.contains(&ShareId(id)) && ann.subscriptions.len() == 1);
    assert_eq!(house.payer("ann").plex, Some(PlexId(200)));
}

#[test]
fn of_two_rows_of_one_person_always_the_same_one_counts() {
    let mut house = House::new();
    house.settle();
    house.share(11, 200, "ann", &[MOVIES], days(1));
    house.invite(5, "ann-at-work", &[MOVIES]);
    house.row(5).account = Some(PlexId(200));
    house.settle();
    let before = house.book.clone();
    house.settle();
    assert!(!house.book.differs_from(&before), "{:?}", house.member(200).journal);
    assert!(house.member(200).has_access());
    assert_eq!(house.book.members.len(), 1, "and one person");
    assert_eq!(house.letters("welcome").len(), 1);
}

#[test]
fn an_invite_that_waits_under_the_payers_address_is_not_sent_again() {
    let mut house = House::new();
    house.settle();
    house.invite(5, "ann", &[MOVIES, TV]);
    house.settle();
    house.later(days(2));
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    assert_eq!(house.invites(), Vec::<String>::new());
    house.accept(5, 200, "ann");
    house.settle();
    let ann = house.payer("ann");
    assert_eq!(ann.plex, Some(PlexId(200)));
    assert!(ann.customers.values().all(|payer| payer.proof == Some(Proof::InviteAccepted)));
    assert_eq!(house.decided(), Vec::<String>::new(), "what was promised by hand before is not narrowed");
}

#[test]
fn an_invite_that_gets_another_number_when_it_is_taken_up_is_still_the_payers() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    house.friends.shares.clear();
    house.share(77, 200, "ann", &[MOVIES], days(0));
    house.settle();
    let ann = house.payer("ann");
    assert_eq!(ann.plex, Some(PlexId(200)));
    assert!(ann.grant(GrantKind::ByHand, house.now).is_none(), "{:?}", ann.journal);
}

/// A removal whose call was lost: a listing still shows the share, later it is gone.
#[test]
fn a_removal_that_shows_late_is_ours() {
    let mut house = House::new();
    let sub = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    house.carry_out();
    let id = house.friends.shares[0].id.0;
    house.accept(id, 200, "ann");
    house.settle();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.deliver();
    let row = house.row(id).clone();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        intent.state = IntentState::Attempted { at: now };
        intent.tries = 1;
    }
    house.later(TimeDelta::seconds(150));
    house.read();
    assert!(house.book.intents.values().all(|intent| intent.state == IntentState::Decided), "free to be tried again");
    house.friends.shares.retain(|share| share.id != row.id);
    house.later(TimeDelta::minutes(2));
    house.read();
    assert_eq!(house.book.removals.len(), 1);
    assert!(house.member(200).gone.as_ref().is_some_and(|gone| gone.by_us));
    assert_eq!(house.letters("access_ended").len(), 1);
}

#[test]
fn while_a_call_is_under_way_nothing_is_concluded_about_it() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let now = house.now;
    for intent in house.book.intents.values_mut() {
        intent.state = IntentState::Attempted { at: now };
        intent.tries = 1;
    }
    house.world.calling = true;
    house.later(TimeDelta::seconds(160));
    house.read();
    assert!(house.decided().is_empty(), "it could still take effect");
    house.world.calling = false;
    house.world.call_ended = Some(house.now);
    let ended = house.now;
    house.book.intents.values_mut().for_each(|intent| intent.ended = Some(ended));
    house.decide();
    assert!(house.decided().is_empty(), "a listing begun well after the call's end comes first");
    house.later(TimeDelta::seconds(150));
    house.read();
    assert_eq!(house.invites().len(), 1);
}
