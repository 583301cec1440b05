//! Promise 5: what the operator says in a rehearsal is said of the same people
//! in the live book, once, and nothing else of the rehearsal is written there.

use usher::facts::Section;
use usher::ledger::{Book, GrantKind, Member};
use usher::member::MemberId;
use usher::policy::asks::{self, Ask};

use crate::paper::{MOVIES, Paper, days};

/// What is said in the rehearsal, and then in the live book.
fn says(paper: &mut Paper, live: &mut Book, ask: &Ask) {
    let rehearsal = paper.book.clone();
    let said = paper.says(ask).unwrap();
    asks::carry_over(paper.hearing(), live, &rehearsal, ask, &said.about).unwrap();
}

fn revoke(who: &MemberId) -> Ask {
    Ask::Revoke { who: who.to_string(), cancel: None }
}

fn blocked(book: &Book) -> Vec<MemberId> {
    book.members.values().filter(|member| member.blocked.is_some()).map(|member| member.id.clone()).collect()
}

/// A live book in which Ann of the rehearsal, known there by what `keep` leaves
/// of her, is `m-3`; `m-1` and `m-2` are others, of whom nothing is known.
fn as_third(paper: &Paper) -> (Book, MemberId) {
    let mut live = Book::new(paper.now - days(400));
    live.libraries = paper.book.libraries.clone();
    for _ in 0..2 {
        live.enter(paper.now - days(300));
    }
    let third = live.enter(paper.now - days(300));
    let ann = &paper.book.members[&paper.ann];
    let since = live.members[&third].since;
    live.members.insert(third.clone(), Member { id: third.clone(), since, ..ann.clone() });
    (live, third)
}

/// The same people, who came to the live book in the other order.
fn in_the_other_order(rehearsal: &Book, one: &MemberId, another: &MemberId) -> Book {
    let mut live = rehearsal.clone();
    for (id, other) in [(one, another), (another, one)] {
        live.members.insert(id.clone(), Member { id: id.clone(), ..rehearsal.members[other].clone() });
    }
    live
}

#[test]
fn what_is_said_of_everyone_is_said_of_all_whom_the_rehearsal_knows_and_of_nobody_else() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let bob = paper.friend("bob", days(1));
    let zed = paper.friend("zed", days(1));
    let mut live = paper.book.clone();
    paper.book.members.remove(&zed);
    for _ in 0..2 {
        says(&mut paper, &mut live, &Ask::GrandfatherEveryone);
        let in_for_good = |id: &MemberId| live.members[id].grant(GrantKind::Grandfathered, paper.now).is_some();
        assert_eq!([&ann, &bob, &zed].map(in_for_good), [true, true, false]);
    }
}

#[test]
fn an_extension_counts_once_in_the_live_book() {
    let mut paper = Paper::new();
    let (ann, until) = (paper.ann.clone(), paper.now + days(5));
    paper.shares(&ann, &[MOVIES], days(100));
    paper.grant(&ann, GrantKind::Complimentary);
    paper.member().grants[0].until = Some(until);
    let mut live = paper.book.clone();
    says(&mut paper, &mut live, &Ask::Extend { who: "ann".into(), days: 30 });
    assert_eq!(live.members[&ann].grants, paper.member().grants);
}

#[test]
fn a_word_on_somebody_falls_on_nobody_else_who_has_their_number_in_the_live_book() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), paper.person("bob"));
    let mut live = in_the_other_order(&paper.book, &ann, &bob);
    says(&mut paper, &mut live, &revoke(&ann));
    assert_eq!((blocked(&live), live.members.len()), (vec![bob], 2));
}

#[test]
fn a_payer_is_linked_to_the_same_account_in_both_books_whatever_its_members_number() {
    let mut paper = Paper::new();
    let (ann, bob, payer) = (paper.ann.clone(), paper.person("bob"), paper.payer("zed"));
    let account = paper.member().plex.unwrap();
    let mut live = in_the_other_order(&paper.book, &ann, &bob);
    let ask = Ask::Link { who: payer.to_string(), plex: Some(ann.to_string()), stripe: None };
    says(&mut paper, &mut live, &ask);
    for book in [&paper.book, &live] {
        assert_eq!(book.by_account(account).unwrap().subscriptions.len(), 1);
        assert!(!book.members.contains_key(&payer));
    }
}

#[test]
fn who_is_known_by_customer_or_invite_alone_is_not_entered_twice() {
    for by_customer in [true, false] {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        match by_customer {
            true => drop(paper.pays(&ann, usher::facts::Status::Canceled, days(9))),
            false => paper.invited(&ann, &[MOVIES]),
        }
        paper.member().plex = None;
        let (mut live, third) = as_third(&paper);
        says(&mut paper, &mut live, &revoke(&ann));
        assert_eq!((blocked(&live), live.members.len()), (vec![third], 3), "by customer: {by_customer}");
    }
}

#[test]
fn who_was_there_when_the_rehearsal_began_is_the_same_person() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.member().plex = None; // Invited by an address, and nothing else is known.
    let bob = paper.person("bob");
    paper.of(&bob).plex = None;
    let mut live = paper.book.clone();
    says(&mut paper, &mut live, &revoke(&ann));
    assert_eq!((blocked(&live), live.members.len()), (vec![ann], 2));
}

#[test]
fn the_live_book_keeps_its_own_libraries_and_learns_them_only_when_it_has_none() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.make_friend(&ann, days(1));
    let mut live = paper.book.clone();
    live.libraries.known.insert(MOVIES, Section { id: MOVIES, key: 1, title: "Films".into() });
    let known = live.libraries.known.clone();
    says(&mut paper, &mut live, &Ask::Grandfather { who: "ann".into() });
    assert_eq!(live.libraries.known, known);
    live.libraries.known.clear();
    says(&mut paper, &mut live, &Ask::Invite { who: "ann".into(), tier: "Basic".into(), days: None });
    assert_eq!(live.libraries.known, paper.book.libraries.known);
    assert_eq!(live.members[&ann].grants.len(), 3, "by hand, for good and as a guest");
}
