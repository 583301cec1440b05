//! R6, "refusal": what is refused, how long that counts, and what isn't.

use chrono::TimeDelta;
use usher::facts::{Email, SectionSet, ShareId, Status};
use usher::ledger::{Act, ActKey, Book, EndCause, IntentState, InviteRefused, InviteTo};
use usher::policy::{confirm, refusals};

use crate::paper::{MOVIES, Paper, days};
use crate::rules::house::House;

/// Ann pays, and her invite was tried three minutes ago.
fn invited(paper: &mut Paper) -> ActKey {
    let (ann, at) = (paper.ann.clone(), paper.now - TimeDelta::minutes(3));
    paper.pays(&ann, Status::Active, TimeDelta::hours(1));
    let to = InviteTo::Email(Email::parse("ann@example.com").unwrap());
    let sections = SectionSet::new([MOVIES].into()).unwrap();
    let key = ActKey::new("invite", &ann, "sub");
    let act = Act::Invite { to, sections, downloads: false, settings: None, made_for: [].into() };
    let intent = paper.intends(key.clone(), &ann, act, TimeDelta::minutes(4));
    (intent.state, intent.tries) = (IntentState::Attempted { at }, 1);
    key
}

#[test]
fn already_shared_is_believed_until_listings_have_shown_three_times_that_it_is_not() {
    for already in 1..=4 {
        let mut paper = Paper::new();
        let key = invited(&mut paper);
        paper.book.intents.get_mut(&key).unwrap().hindered.already = already;
        confirm::confirm(paper.now, &paper.rules, &paper.world, &mut paper.book);
        assert_eq!(paper.member().invite_refused.is_some(), already >= refusals::ALREADY_BELIEVED, "{already}");
        assert_eq!(paper.book.intents.contains_key(&key), already < refusals::ALREADY_BELIEVED, "{already}");
    }
}

fn refused(paper: &mut Paper) {
    let at = paper.now;
    paper.member().invite_refused = Some(InviteRefused { at, by_id: true, by_email: true, why: "no".into() });
}

/// Bob's invite under Ann's address is taken back: it may have stood in her way.
#[test]
fn a_refusal_is_forgotten_when_the_row_goes_that_may_have_stood_in_its_way() {
    for (address, forgotten) in [("ann@example.com", true), ("somebody@example.com", false)] {
        let mut paper = Paper::new();
        refused(&mut paper);
        let bob = paper.person("bob");
        paper.invited(&bob, &[MOVIES]);
        let row = &mut paper.of(&bob).share.as_mut().unwrap().row;
        (row.email, row.account) = (Email::parse(address), None);
        let row = row.clone();
        refusals::forget_in_way_of(&mut paper.book, &row);
        assert_eq!(paper.member().invite_refused.is_none(), forgotten, "{address}");
    }
}

#[test]
fn a_refusal_is_forgotten_when_they_pay_as_a_new_customer() {
    let mut house = House::new();
    house.ann_pays("price_basic");
    let id = house.member(200).id.clone();
    let at = house.now;
    house.book.members.get_mut(&id).unwrap().invite_refused =
        Some(InviteRefused { at, by_id: true, by_email: true, why: "no".into() });
    house.later(TimeDelta::minutes(5));
    house.subscribe("sub_again", "ann", "price_premium");
    house.settle();
    let ann =
        house.book.members.values().find(|member| member.subscriptions.contains_key(&"sub_again".into())).unwrap();
    assert_eq!(ann.invite_refused, None);
}

/// A listing that lags shows what another has shown to be gone.
#[test]
fn who_was_let_go_a_moment_ago_is_not_back_because_a_listing_lags() {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    house.settle();
    let id = house.book.by_account(usher::facts::PlexId(200)).unwrap().id.clone();
    let (now, row) = (house.now, house.friends.shares[0].clone());
    let act = Act::End { share: ShareId(10), cause: EndCause::Revoked };
    let key = ActKey::new("end", &id, "10");
    let mut paper = Paper::new();
    let mut intent = paper.intends(key.clone(), &id, act, TimeDelta::zero()).clone();
    (intent.state, intent.tries, intent.decided) = (IntentState::Attempted { at: now }, 1, now);
    house.book.intents.insert(key, intent);
    house.unshare(10);
    house.later(TimeDelta::seconds(20));
    house.read();
    assert!(house.book.members[&id].share.is_none());
    house.friends.shares.push(row);
    let back = |house: &House| house.book.members[&id].has_access();
    house.later(TimeDelta::seconds(100));
    house.read();
    assert!(!back(&house), "the listing lags");
    house.later(TimeDelta::seconds(60));
    house.read();
    assert!(back(&house), "by now it is true");
}

/// R11: a book of before loads, and what it knew counts on.
#[test]
fn an_intent_and_a_refusal_of_an_older_book_are_read() {
    let mut paper = Paper::new();
    let key = invited(&mut paper);
    refused(&mut paper);
    let mut book = serde_json::to_value(&paper.book).unwrap();
    book.as_object_mut().unwrap().remove("rests");
    let intent = book["intents"][&key.0].as_object_mut().unwrap();
    assert!(intent.remove("ended").is_some() && intent.remove("hindered").is_some());
    let read: Book = serde_json::from_value(book).unwrap();
    assert_eq!(read, paper.book);
}
