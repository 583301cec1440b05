//! `usher link` and `usher unlink`: the operator's word on who is who moves
//! just what was named, and nobody loses access by it (R2).

use chrono::TimeDelta;
use usher::facts::{CustomerId, Status};
use usher::ledger::{GrantKind, Proof};
use usher::member::MemberId;
use usher::policy::asks::{Ask, Said};
use usher::policy::who;

use crate::paper::{MOVIES, Paper, TV, days};

fn link(paper: &mut Paper, plex: Option<&str>, stripe: Option<&str>) -> Result<Said, String> {
    let ask = Ask::Link { who: "ann".into(), plex: plex.map(Into::into), stripe: stripe.map(Into::into) };
    paper.says(&ask)
}

fn unlink(paper: &mut Paper, who: &str, stripe: &str) -> Result<Said, String> {
    paper.says(&Ask::Unlink { who: who.into(), stripe: Some(stripe.into()) })
}

fn customers(paper: &Paper, id: &MemberId) -> Vec<String> {
    paper.book.members[id].customers.keys().map(|customer| customer.0.clone()).collect()
}

fn subscriptions(paper: &Paper, id: &MemberId) -> Vec<String> {
    paper.book.members[id].subscriptions.keys().map(|sub| sub.0.clone()).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// Bob, whose share was made in Plex, pays: it stands for his subscription.
fn bob_pays(paper: &mut Paper) -> MemberId {
    let bob = paper.person("bob");
    paper.shares(&bob, &[MOVIES, TV], days(10));
    paper.pays(&bob, Status::Active, days(30));
    bob
}

fn is_by_hand(paper: &Paper, id: &MemberId) -> bool {
    paper.book.members[id].grant(GrantKind::ByHand, paper.now).is_some()
}

#[test]
fn who_is_that_account_already_is_so_still_and_what_they_pay_is_proven() {
    let mut paper = Paper::new();
    let (ann, now) = (paper.ann.clone(), paper.now);
    paper.pays(&ann, Status::Active, days(1));
    paper.member().customers.values_mut().for_each(|payer| payer.unlinked = Some(now));
    let account = paper.member().plex.unwrap();
    let said = link(&mut paper, Some(&account.to_string()), None).unwrap();
    assert_eq!(said.lines, [format!("ann is Plex account {account} already")]);
    let payer = paper.member().customers.values().next().unwrap().clone();
    assert_eq!((payer.proof, payer.unlinked), (Some(Proof::Operator), None));
    assert!(link(&mut paper, Some("999"), None).unwrap_err().contains("that never changes"));
}

#[test]
fn whose_customer_turns_out_to_be_somebody_elses_stays_in_by_hand() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    let bob = bob_pays(&mut paper);
    let said = link(&mut paper, None, Some("cus_m-2")).unwrap();
    assert_eq!((customers(&paper, &ann), subscriptions(&paper, &ann)), (ids(&["cus_m-2"]), ids(&["sub_m-2_0"])));
    assert_eq!((customers(&paper, &bob), subscriptions(&paper, &bob)), (ids(&[]), ids(&[])));
    assert!(paper.of(&bob).has_access() && is_by_hand(&paper, &bob));
    assert_eq!(paper.next(&said.about), ["next: invite ann to Movies"], "and nobody is removed");
    let proof = paper.member().customers[&CustomerId::from("cus_m-2")].proof;
    assert_eq!(proof, Some(Proof::Operator));
    let written = |id: &MemberId| paper.book.members[id].journal.last().map(|entry| entry.what.clone());
    assert_eq!(written(&bob).as_deref(), Some("you said that cus_m-2 is m-1's"));
    assert_eq!(written(&ann).as_deref(), Some("you said that cus_m-2 is theirs; it was m-2's"));
}

#[test]
fn what_was_by_hand_before_they_paid_is_by_hand_once_and_as_it_was() {
    let mut paper = Paper::new();
    let bob = paper.friend("bob", days(1));
    paper.pays(&bob, Status::Active, days(30));
    paper.of(&bob).grants[0].libraries = Some([MOVIES].into());
    let before = paper.of(&bob).grants.clone();
    link(&mut paper, None, Some("cus_m-2")).unwrap();
    assert_eq!(paper.of(&bob).grants, before);
}

#[test]
fn a_share_that_usher_made_for_the_subscription_is_not_by_hand_without_it() {
    let mut paper = Paper::new();
    let bob = bob_pays(&mut paper);
    let row = paper.of(&bob).share.as_ref().unwrap().row.id;
    paper.of(&bob).made.insert(row);
    link(&mut paper, None, Some("cus_m-2")).unwrap();
    assert!(!is_by_hand(&paper, &bob));
}

#[test]
fn who_paid_before_and_was_let_in_by_hand_since_is_not_removed_when_a_wrong_link_is_undone() {
    // Bob lapsed, was shared with by hand, and was then taken for Ann, who pays
    // longer than his share stands.
    for ask in [
        Ask::Unlink { who: "bob".into(), stripe: Some("cus_ann".into()) },
        Ask::Unlink { who: "bob".into(), stripe: Some("sub_m-2_1".into()) },
        Ask::Link { who: "ann".into(), plex: None, stripe: Some("cus_ann".into()) },
        Ask::Link { who: "ann".into(), plex: None, stripe: Some("sub_m-2_1".into()) },
    ] {
        let mut paper = Paper::new();
        let bob = paper.person("bob");
        paper.shares(&bob, &[MOVIES], days(10));
        paper.ended(&bob, days(60));
        paper.pays_as(&bob, "cus_ann", Status::Active, days(30));
        paper.says(&ask).unwrap();
        assert_eq!(paper.next(std::slice::from_ref(&bob)), ["next: nothing; no share is changed by it"], "{ask:?}");
        assert!(is_by_hand(&paper, &bob), "{ask:?}");
        assert_eq!(subscriptions(&paper, &bob), ["sub_m-2_0"], "{ask:?}");
    }
}

#[test]
fn a_share_that_still_stands_for_another_subscription_is_not_by_hand() {
    let mut paper = Paper::new();
    let bob = bob_pays(&mut paper);
    paper.pays_as(&bob, "cus_ann", Status::Active, days(30));
    link(&mut paper, None, Some("cus_ann")).unwrap();
    assert_eq!(subscriptions(&paper, &bob), ["sub_m-2_0"]);
    assert!(!is_by_hand(&paper, &bob));
}

#[test]
fn of_a_payer_with_two_customers_only_the_one_named_moves() {
    let mut paper = Paper::new();
    let (ann, zed) = (paper.ann.clone(), paper.payer("zed"));
    paper.pays_as(&zed, "cus_2", Status::Active, days(20));
    link(&mut paper, None, Some("cus_2")).unwrap();
    assert_eq!((customers(&paper, &ann), subscriptions(&paper, &ann)), (ids(&["cus_2"]), ids(&["sub_m-2_1"])));
    assert_eq!((customers(&paper, &zed), subscriptions(&paper, &zed)), (ids(&["cus_m-2"]), ids(&["sub_m-2_0"])));
    // What is left of them is nothing but that: they are one from now on.
    link(&mut paper, None, Some("cus_m-2")).unwrap();
    assert!(!paper.book.members.contains_key(&zed) && subscriptions(&paper, &ann).len() == 2);
}

#[test]
fn a_payers_only_subscription_brings_the_customer_with_it() {
    let mut paper = Paper::new();
    let (ann, zed) = (paper.ann.clone(), paper.payer("zed"));
    link(&mut paper, None, Some("sub_m-2_0")).unwrap();
    assert_eq!((customers(&paper, &ann), subscriptions(&paper, &ann)), (ids(&["cus_m-2"]), ids(&["sub_m-2_0"])));
    assert!(!paper.book.members.contains_key(&zed));
}

#[test]
fn of_two_subscriptions_only_the_one_named_moves_and_the_customer_stays() {
    let mut paper = Paper::new();
    let (ann, zed) = (paper.ann.clone(), paper.payer("zed"));
    paper.pays(&zed, Status::Active, days(20));
    link(&mut paper, None, Some("sub_m-2_1")).unwrap();
    assert_eq!((customers(&paper, &ann), subscriptions(&paper, &ann)), (ids(&[]), ids(&["sub_m-2_1"])));
    assert_eq!((customers(&paper, &zed), subscriptions(&paper, &zed)), (ids(&["cus_m-2"]), ids(&["sub_m-2_0"])));
}

#[test]
fn a_subscription_paid_for_by_somebody_with_an_account_goes_there_and_back_alone() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), bob_pays(&mut paper));
    paper.pays(&ann, Status::Active, days(5));
    link(&mut paper, None, Some("sub_m-2_0")).unwrap();
    assert_eq!(subscriptions(&paper, &ann), ["sub_m-1_0", "sub_m-2_0"]);
    assert_eq!((customers(&paper, &bob), subscriptions(&paper, &bob)), (ids(&["cus_m-2"]), ids(&[])));
    assert!(is_by_hand(&paper, &bob), "it is what he is in by now");
    let people = paper.book.members.len();
    let said = unlink(&mut paper, "ann", "sub_m-2_0").unwrap();
    assert_eq!((subscriptions(&paper, &ann), subscriptions(&paper, &bob)), (ids(&["sub_m-1_0"]), ids(&["sub_m-2_0"])));
    assert_eq!((said.about, paper.book.members.len()), (vec![ann, bob], people));
}

#[test]
fn who_was_given_anothers_subscription_by_mistake_stays_themselves_without_it() {
    let mut paper = Paper::new();
    let (ann, bob, cleo) = (paper.ann.clone(), bob_pays(&mut paper), paper.person("cleo"));
    link(&mut paper, None, Some("sub_m-2_0")).unwrap();
    paper.says(&Ask::Link { who: "cleo".into(), plex: None, stripe: Some("sub_m-2_0".into()) }).unwrap();
    assert_eq!(paper.book.members.keys().collect::<Vec<_>>(), [&ann, &bob, &cleo]);
    assert_eq!((subscriptions(&paper, &ann), subscriptions(&paper, &cleo)), (ids(&[]), ids(&["sub_m-2_0"])));
    assert_eq!(customers(&paper, &bob), ["cus_m-2"]);
}

#[test]
fn a_subscription_of_their_own_stands_by_itself_until_it_is_linked_again() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    for _ in 0..2 {
        paper.pays(&ann, Status::Active, days(1));
    }
    paper.shares(&ann, &[MOVIES], days(1));
    let said = unlink(&mut paper, "ann", "sub_m-1_1").unwrap();
    let apart = said.about[1].clone();
    assert_eq!(
        (subscriptions(&paper, &ann), subscriptions(&paper, &apart)),
        (ids(&["sub_m-1_0"]), ids(&["sub_m-1_1"]))
    );
    assert_eq!(paper.next(&said.about), ["next: nothing; no share is changed by it"], "nobody is invited for it");
    link(&mut paper, None, Some("sub_m-1_1")).unwrap();
    assert_eq!(subscriptions(&paper, &ann), ["sub_m-1_0", "sub_m-1_1"]);
    assert!(!paper.book.members.contains_key(&apart), "nobody is left who is nobody");
}

#[test]
fn a_subscription_that_is_unlinked_goes_back_to_the_customer_who_pays_it_and_the_answer_says_so() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), bob_pays(&mut paper));
    paper.pays(&bob, Status::Active, days(30));
    link(&mut paper, None, Some("sub_m-2_1")).unwrap();
    assert_eq!(subscriptions(&paper, &ann), ["sub_m-2_1"]);
    let said = unlink(&mut paper, "ann", "sub_m-2_1").unwrap();
    assert_eq!(subscriptions(&paper, &bob), ["sub_m-2_0", "sub_m-2_1"]);
    let lines = said.lines.join("; ");
    assert!(
        lines.contains("it is with the customer who pays it: bob (m-2") && !lines.contains("nobody is invited"),
        "{lines}"
    );
    assert!(lines.contains("`usher link m-1 --stripe sub_m-2_1` takes it back"), "{lines}");
}

#[test]
fn a_subscription_that_was_taken_apart_goes_to_another_and_leaves_the_payer_what_else_they_pay() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), bob_pays(&mut paper));
    paper.pays(&bob, Status::Active, days(30));
    unlink(&mut paper, "bob", "sub_m-2_1").unwrap();
    let said = link(&mut paper, None, Some("sub_m-2_1")).unwrap();
    assert_eq!((customers(&paper, &bob), subscriptions(&paper, &bob)), (ids(&["cus_m-2"]), ids(&["sub_m-2_0"])));
    assert_eq!((customers(&paper, &ann), subscriptions(&paper, &ann)), (ids(&[]), ids(&["sub_m-2_1"])));
    assert_eq!(paper.next(&said.about), ["next: invite ann to Movies"]);
}

#[test]
fn only_what_is_tied_to_their_account_is_unlinked() {
    let mut paper = Paper::new();
    let zed = paper.payer("zed");
    let why = unlink(&mut paper, "zed", "cus_m-2").unwrap_err();
    assert!(why.contains("zed is tied to no Plex account"), "{why}");
    // Of who was never linked it says that they are two, which moves nothing.
    let said = unlink(&mut paper, "ann", "cus_m-2").unwrap();
    assert_eq!(said.lines[0], "ann is somebody else than cus_m-2, for good");
    assert_eq!((customers(&paper, &zed), said.about), (ids(&["cus_m-2"]), vec![paper.ann.clone(), zed]));
    assert!(unlink(&mut paper, "ann", "cus_9").unwrap_err().contains("is the number right?"));
}

#[test]
fn nobody_is_out_because_a_payer_who_is_revoked_is_linked_to_them() {
    let mut paper = Paper::new();
    let (ann, zed, now) = (paper.ann.clone(), paper.payer("zed"), paper.now);
    paper.make_friend(&ann, days(1));
    paper.of(&zed).blocked = Some(now);
    bob_pays(&mut paper);
    let apart = unlink(&mut paper, "bob", "sub_m-3_0").unwrap().about[1].clone();
    paper.of(&apart).blocked = Some(now);
    let to_ann = Ask::Link { who: "zed".into(), plex: Some("ann".into()), stripe: None };
    let whys = [
        paper.says(&to_ann).unwrap_err(),
        link(&mut paper, None, Some("cus_m-2")).unwrap_err(),
        link(&mut paper, None, Some("sub_m-2_0")).unwrap_err(),
        link(&mut paper, None, Some("sub_m-3_0")).unwrap_err(),
    ];
    for (why, revoked) in whys.iter().zip(["m-2", "m-2", "m-2", "m-4"]) {
        let first = format!("say `usher restore {revoked}` or `usher revoke m-1` first");
        assert!(why.contains(&first), "{why}");
    }
    paper.says(&Ask::Revoke { who: "ann".into(), cancel: None }).unwrap();
    paper.says(&to_ann).unwrap();
    assert!(paper.member().blocked.is_some() && subscriptions(&paper, &ann).len() == 1);
}

#[test]
fn who_is_invited_at_plex_is_not_made_one_with_who_has_a_share() {
    let mut paper = Paper::new();
    let (ann, zed) = (paper.ann.clone(), paper.payer("zed"));
    paper.make_friend(&ann, days(1));
    paper.invited(&zed, &[MOVIES]);
    paper.of(&zed).share.as_mut().unwrap().row.email = usher::facts::Email::parse("zed@example.com");
    for stripe in ["cus_m-2", "sub_m-2_0"] {
        let why = link(&mut paper, None, Some(stripe)).unwrap_err();
        assert!(why.contains("zed has an invite for zed@example.com at Plex and ann has a share"), "{why}");
    }
}

#[test]
fn who_paid_with_the_address_of_a_payers_invite_waits_for_the_same_invite() {
    let mut paper = Paper::new();
    let (bob, twin) = (paper.payer("bob"), paper.payer("bob2"));
    paper.invited(&bob, &[MOVIES]);
    let address = paper.of(&bob).customers.values().next().unwrap().email.clone();
    paper.of(&bob).share.as_mut().unwrap().row.email = address.clone();
    paper.of(&twin).customers.values_mut().next().unwrap().email = address;
    who::link_by_standing_share(paper.now, &mut paper.book);
    assert_eq!(paper.book.merged, [(twin, bob)].into());
}

#[test]
fn who_was_here_when_usher_came_stood_before_any_subscription() {
    let linked = |seen_after: TimeDelta| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(1));
        let first_seen = paper.book.adopted[&usher::facts::Source::Plex] + seen_after;
        paper.member().share.as_mut().unwrap().first_seen = first_seen;
        let payer = paper.payer("payer");
        let address = paper.member().email.clone();
        paper.of(&payer).customers.values_mut().next().unwrap().email = address;
        who::link_by_standing_share(paper.now, &mut paper.book);
        paper.book.merged == [(payer, ann)].into()
    };
    assert!(linked(TimeDelta::zero()), "adopted at that very instant");
    assert!(!linked(TimeDelta::seconds(1)), "they came after they had begun to pay");
}

#[test]
fn an_address_that_became_theirs_only_after_a_subscription_began_proves_nothing() {
    let told = |seen_after: Option<TimeDelta>| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], days(400));
        let payer = paper.payer("payer");
        let address = paper.member().email.clone();
        paper.of(&payer).customers.values_mut().next().unwrap().email = address;
        let began = paper.of(&payer).subscriptions.values().next().unwrap().now.created;
        paper.member().email_since = seen_after.map(|after| began + after);
        who::link_by_standing_share(paper.now, &mut paper.book);
        match paper.book.members.get(&payer) {
            Some(payer) => payer.disputed == [ann].into(),
            None => false,
        }
    };
    assert!(!told(None) && !told(Some(-days(3))), "it was theirs when it began");
    assert!(!told(Some(TimeDelta::minutes(30))), "no listing in between");
    assert!(told(Some(TimeDelta::hours(2))) && told(Some(days(3))));
}

#[test]
fn a_payer_is_found_by_either_address_that_stripe_has_had() {
    let mut paper = Paper::new();
    let payer = paper.payer("payer");
    let known = paper.of(&payer).customers.values_mut().next().unwrap();
    known.mail_to = usher::facts::Email::parse("new@example.com");
    for address in ["payer@example.com", "new@example.com"] {
        assert_eq!(who::called(&paper.book, address).len(), 1, "{address}");
    }
    assert!(who::called(&paper.book, "nobody@example.com").is_empty());
}
