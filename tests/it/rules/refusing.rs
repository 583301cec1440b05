//! R6, "refusal": what is refused, how long that counts, and what isn't.

use chrono::TimeDelta;
use usher::facts::{Email, PlexId, SectionSet, ShareId, Status};
use usher::ledger::{Act, ActKey, Book, EndCause, Intent, IntentState, InviteRefused, InviteTo};
use usher::policy::{confirm, refusals, who};

use crate::paper::{MOVIES, Paper, TV, days};
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
    paper.member().invite_refused =
        Some(InviteRefused { at, by_id: true, by_email: true, unknown: None, why: "no".into() });
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
        Some(InviteRefused { at, by_id: true, by_email: true, unknown: None, why: "no".into() });
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

/// Ann's account was refused with a 404; the next try goes to her address.
fn unknown(paper: &mut Paper) -> Intent {
    let key = invited(paper);
    let intent = paper.book.intents[&key].clone();
    let Act::Invite { sections, .. } = &intent.act else { panic!("an invite") };
    let (at, unknown) = (paper.now, Some(sections.clone()));
    let why = "404".to_owned();
    let ann = paper.member();
    ann.plex = Some(PlexId(200));
    ann.invite_refused = Some(InviteRefused { at, by_id: true, by_email: false, unknown, why });
    intent
}

#[test]
fn an_account_that_plex_does_not_know_any_more_is_theirs_no_longer_and_may_be_again() {
    let mut paper = Paper::new();
    let intent = unknown(&mut paper);
    refusals::leave_unknown_account(paper.now, &paper.world, &mut paper.book, &intent);
    let ann = paper.member().clone();
    assert_eq!((ann.plex, ann.former_accounts.contains(&PlexId(200))), (None, true));
    assert_eq!(paper.book.by_account(PlexId(200)).map(|member| &member.id), Some(&ann.id));
    who::bind_account(paper.now, &mut paper.book, &ann.id, PlexId(200));
    assert_eq!((paper.member().plex, paper.member().former_accounts.len()), (Some(PlexId(200)), 0));
}

#[test]
fn whoever_has_a_former_account_of_somebody_is_one_with_them() {
    let mut paper = Paper::new();
    let intent = unknown(&mut paper);
    refusals::leave_unknown_account(paper.now, &paper.world, &mut paper.book, &intent);
    let (ann, now, bob) = (paper.ann.clone(), paper.now, paper.person("bob"));
    paper.of(&bob).plex = None;
    assert_eq!(who::bind_account(now, &mut paper.book, &bob, PlexId(200)), ann);
    assert_eq!((paper.member().plex, paper.book.members.contains_key(&bob)), (Some(PlexId(200)), false));
}

#[test]
fn an_account_that_plex_lists_or_that_was_refused_otherwise_stays_theirs() {
    type Change = fn(&mut Paper, &mut Intent);
    let kept: [(&str, Change); 4] = [
        ("a friend", |paper, _| {
            let friends = &mut paper.world.plex.whole_mut().unwrap().value.friends;
            friends.get_or_insert_default().insert(PlexId(200));
        }),
        ("no 404", |paper, _| paper.member().invite_refused.as_mut().unwrap().unknown = None),
        ("other libraries", |paper, _| {
            paper.member().invite_refused.as_mut().unwrap().unknown = SectionSet::new([MOVIES, TV].into());
        }),
        ("by account", |_, intent| {
            let Act::Invite { to, .. } = &mut intent.act else { panic!("an invite") };
            *to = InviteTo::Account(PlexId(200));
        }),
    ];
    for (what, change) in kept {
        let mut paper = Paper::new();
        let mut intent = unknown(&mut paper);
        change(&mut paper, &mut intent);
        refusals::leave_unknown_account(paper.now, &paper.world, &mut paper.book, &intent);
        assert_eq!(paper.member().plex, Some(PlexId(200)), "{what}");
    }
}

/// A 404 may have spoken of a library that is gone by now.
#[test]
fn a_404_counts_only_for_the_libraries_of_which_it_was_said() {
    let mut paper = Paper::new();
    unknown(&mut paper);
    let (now, set) = (paper.now, |ids: &[_]| SectionSet::new(ids.iter().copied().collect()).unwrap());
    let refused = paper.member().invite_refused.clone().unwrap();
    assert!(refusals::stands(now, &refused, &set(&[MOVIES])));
    assert!(!refusals::stands(now, &refused, &set(&[MOVIES, TV])));
    assert!(!refusals::stands(now + days(1), &refused, &set(&[MOVIES])));
    let otherwise = InviteRefused { unknown: None, ..refused };
    assert!(refusals::stands(now, &otherwise, &set(&[MOVIES, TV])));
}
