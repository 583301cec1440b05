//! R2: whose a new customer is, who may be a payer whom nothing ties to them,
//! and who is meant by a name.

use chrono::TimeDelta;
use usher::facts::{Customer, CustomerId, Email, PlexId, SignedIn, Status, SubscriptionId};
use usher::ledger::{Act, GrantKind, HeldBecause, InviteTo, Letter, Proof};
use usher::policy::asks::{self, Ask, Hearing, Said};
use usher::policy::who;

use super::house::{House, MOVIES, TV, days, email};
use crate::paper::Paper;

const ANN: u64 = 200;
const BOB: u64 = 201;

/// A purchase at a page of Stripe's, which makes a new customer each time.
fn buys(house: &mut House, customer: &str, address: &str, called: &str) -> SubscriptionId {
    let id = CustomerId(format!("cus_{customer}"));
    let known = Customer { id: id.clone(), email: Email::parse(address), name: Some(called.into()), deleted: false };
    house.billing.customers.insert(id, known);
    house.subscribe(&format!("sub_{customer}"), customer, "price_basic")
}

/// Ann, whose Plex address is `ann@example.com`, paid as `work@example.com` and
/// took up the invite that went there. Eleven others are here by hand and watch.
fn ann_pays_from_work(house: &mut House) -> SubscriptionId {
    for n in 1..12 {
        house.share(10 + n, 300 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    house.settle();
    let sub = buys(house, "1", "work@example.com", "Ann Smith");
    house.settle();
    house.carry_out();
    let row = house.friends.shares.last().unwrap().id.0;
    house.accept(row, ANN, "ann");
    house.settle();
    assert!(house.member(ANN).subscriptions.contains_key(&sub));
    sub
}

fn here() -> (House, SubscriptionId) {
    let mut house = House::new();
    let sub = ann_pays_from_work(&mut house);
    house.days(3);
    (house, sub)
}

fn ask(house: &mut House, ask: Ask) -> Result<Said, String> {
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    let mut changed = house.book.clone();
    let said = asks::carry_out(hearing, &mut changed, &ask)?;
    house.book = changed;
    Ok(said)
}

fn link(who: &str, stripe: &str) -> Ask {
    Ask::Link { who: who.into(), plex: None, stripe: Some(stripe.into()) }
}

fn unlink(who: &str, stripe: &str) -> Ask {
    Ask::Unlink { who: who.into(), stripe: Some(stripe.into()) }
}

/// What the operator was told that has this in it: title, detail and mend.
fn told(house: &House, part: &str) -> Vec<String> {
    let texts = house.book.outbox.values().filter_map(|notice| match &notice.letter {
        Letter::Attention { title, detail, what_to_do } => Some(format!("{title}. {detail} {what_to_do}")),
        _ => None,
    });
    texts.filter(|text| text.contains(part)).collect()
}

fn invited(house: &House) -> Vec<InviteTo> {
    let acts = house.book.intents.values().map(|intent| &intent.act);
    acts.filter_map(|act| if let Act::Invite { to, .. } = act { Some(to.clone()) } else { None }).collect()
}

fn waits_for(house: &House, account: u64) -> Option<String> {
    let id = &house.member(account).id;
    house.waiting.iter().find(|waiting| waiting.member == *id).map(|waiting| waiting.because.sentence())
}

fn stays(house: &mut House, account: u64) {
    house.days(10);
    assert_eq!(house.ends(), Vec::<String>::new(), "{:?}", house.member(account).journal);
    assert!(house.member(account).has_access());
}

// A customer who is theirs already.

#[test]
fn a_payer_who_buys_anew_at_a_page_of_stripes_is_never_removed() {
    let (mut house, old) = here();
    let new = buys(&mut house, "2", "work@example.com", "Ann");
    house.settle();
    let ann = house.member(ANN);
    assert_eq!(ann.subscriptions.keys().collect::<Vec<_>>(), [&old, &new]);
    assert!(ann.customers.values().all(|payer| payer.proof.is_some()), "{:?}", ann.customers);
    assert_eq!(invited(&house), [], "she is in");
    let ended = house.now;
    house.cancel(&old, ended);
    stays(&mut house, ANN);
    house.cancel(&new, house.now);
    house.days(3);
    assert_eq!(house.ends().len(), 1, "and when that ends as well, she goes");
}

#[test]
fn a_payer_whose_old_subscription_ends_before_the_new_one_is_seen_is_never_removed() {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    house.days(1);
    buys(&mut house, "2", "work@example.com", "Ann");
    stays(&mut house, ANN);
    assert_eq!(invited(&house), []);
}

#[test]
fn a_payer_who_buys_anew_after_the_card_failed_is_never_removed() {
    let (mut house, old) = here();
    house.past_due(&old, "in_1", house.now);
    house.days(2);
    buys(&mut house, "2", "work@example.com", "Ann");
    stays(&mut house, ANN);
    house.cancel(&old, house.now);
    house.sub(&old).ended_by_failed_payment = true;
    stays(&mut house, ANN);
}

#[test]
fn who_pays_twice_and_cancels_one_stays_whichever_it_was() {
    for first in [true, false] {
        let (mut house, old) = here();
        let new = buys(&mut house, "2", "work@example.com", "Ann");
        house.settle();
        house.cancel(if first { &old } else { &new }, house.now);
        stays(&mut house, ANN);
    }
}

#[test]
fn who_was_linked_by_hand_behind_a_relay_address_is_known_when_they_buy_anew() {
    let mut house = House::new();
    house.share(10, ANN, "ann", &[MOVIES], days(0));
    house.settle();
    let old = buys(&mut house, "1", "x7@privaterelay.appleid.com", "A");
    house.settle();
    ask(&mut house, link("ann", "cus_1")).unwrap();
    house.days(2);
    let new = buys(&mut house, "2", "x7@privaterelay.appleid.com", "A");
    house.settle();
    assert!(house.member(ANN).subscriptions.contains_key(&new), "{:?}", house.member(ANN).journal);
    house.cancel(&old, house.now);
    stays(&mut house, ANN);
}

#[test]
fn who_was_let_go_and_buys_anew_is_invited_by_the_account_that_is_known() {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    house.days(2);
    house.carry_out();
    house.days(1);
    assert!(!house.member(ANN).has_access());
    buys(&mut house, "2", "work@example.com", "Ann");
    house.settle();
    assert_eq!(invited(&house), [InviteTo::Account(PlexId(ANN))]);
}

#[test]
fn who_buys_twice_before_the_invite_is_taken_up_is_invited_once() {
    let mut house = House::new();
    house.settle();
    let one = buys(&mut house, "1", "ann@example.com", "Ann");
    house.settle();
    house.carry_out();
    let two = buys(&mut house, "2", "ann@example.com", "Ann");
    house.settle();
    assert_eq!((invited(&house).len(), house.book.members.len()), (0, 1), "{:?}", house.decided());
    let row = house.friends.shares.last().unwrap().id.0;
    house.accept(row, ANN, "ann");
    house.settle();
    assert_eq!(house.member(ANN).subscriptions.keys().collect::<Vec<_>>(), [&one, &two]);
}

// What proves nothing, and proofs that disagree.

/// Ann and Bob share a mailbox, and each pays from it with an account of their
/// own, as the operator said.
fn household() -> House {
    let (mut house, _) = here();
    house.share(11, BOB, "bob", &[MOVIES, TV], days(0));
    house.settle();
    buys(&mut house, "b", "work@example.com", "Bob Smith");
    house.settle();
    ask(&mut house, link("bob", "cus_b")).unwrap();
    house.days(2);
    house
}

#[test]
fn of_a_household_with_one_mailbox_nobody_is_removed_while_it_pays_and_the_operator_is_asked_once() {
    let mut house = household();
    assert_eq!(house.member(BOB).subscriptions.len(), 1);
    let new = buys(&mut house, "3", "work@example.com", "Smith");
    house.cancel(&SubscriptionId::from("sub_1"), house.now);
    house.cancel(&SubscriptionId::from("sub_b"), house.now);
    stays(&mut house, ANN);
    stays(&mut house, BOB);
    let payer = house.payer("3");
    assert!(payer.plex.is_none() && payer.subscriptions.contains_key(&new));
    assert_eq!(invited(&house), [], "nobody is invited to an address of somebody who is in");
    let (ann, bob) = (house.member(ANN).id.clone(), house.member(BOB).id.clone());
    let asked = told(&house, "cus_3");
    let says = |id| asked.iter().any(|text| text.contains(&format!("usher link {id} --stripe cus_3")));
    assert!(says(&ann) && says(&bob), "{asked:#?}");
    let both = asked.iter().filter(|text| text.contains(&format!("link {ann} --stripe cus_3`, `usher link {bob}")));
    assert!(both.count() <= 1 && asked.len() <= 3, "once each: {asked:#?}");
}

#[test]
fn signing_in_with_another_account_counts_for_more_than_an_address() {
    let (mut house, _) = here();
    house.share(11, BOB, "bob", &[TV], days(30));
    house.settle();
    let new = buys(&mut house, "2", "work@example.com", "Ann");
    house.sub(&new).signed_in = Some(SignedIn { account: PlexId(BOB), email: None });
    house.settle();
    assert!(house.member(BOB).subscriptions.contains_key(&new));
    assert!(!house.member(ANN).subscriptions.contains_key(&new));
}

#[test]
fn an_address_that_was_changed_at_stripe_later_moves_nobody() {
    let (mut house, _) = here();
    let eve = buys(&mut house, "eve", "eve@example.com", "Eve");
    house.settle();
    house.billing.customers.get_mut(&CustomerId::from("cus_eve")).unwrap().email = Email::parse("work@example.com");
    house.days(2);
    assert!(!house.member(ANN).subscriptions.contains_key(&eve));
    // And Ann, who changed hers, is known by the one that she paid with.
    let mut later = here().0;
    later.billing.customers.get_mut(&CustomerId::from("cus_1")).unwrap().email = Email::parse("new@example.com");
    later.settle();
    let new = buys(&mut later, "2", "new@example.com", "Ann");
    later.settle();
    assert!(!later.member(ANN).subscriptions.contains_key(&new), "it is told instead");
}

#[test]
fn the_address_of_a_customer_who_was_unlinked_proves_nothing_for_whom_it_was_unlinked_from() {
    let (mut house, _) = here();
    ask(&mut house, unlink("ann", "cus_1")).unwrap();
    house.settle();
    let new = buys(&mut house, "2", "work@example.com", "Ann");
    house.settle();
    assert!(!house.member(ANN).subscriptions.contains_key(&new));
}

#[test]
fn who_is_revoked_doesnt_come_in_again_by_a_new_purchase_and_the_operator_hears_of_it() {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    house.settle();
    ask(&mut house, Ask::Revoke { who: "ann".into(), cancel: None }).unwrap();
    house.settle();
    house.carry_out();
    house.days(1);
    buys(&mut house, "2", "work@example.com", "Ann");
    house.days(2);
    assert_eq!(invited(&house), []);
    assert_eq!(told(&house, "you revoked their access").len(), 1, "{:#?}", told(&house, ""));
}

// Who may be somebody who pays.

/// The subscription of Ann, who is in, ended; and Zed, of whom no account is
/// known, pays.
fn ann_lapses_and_somebody_pays(address: &str, called: &str) -> House {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    // Changed later at Stripe, the address proves nothing, and moves nobody.
    buys(&mut house, "zed", "zed@example.com", called);
    house.settle();
    house.billing.customers.get_mut(&CustomerId::from("cus_zed")).unwrap().email = Email::parse(address);
    house.days(5);
    house
}

fn with_both_commands(house: &House) -> Vec<String> {
    let (ann, zed) = (house.member(ANN).id.clone(), house.payer("zed").id.clone());
    let (one, other) = (format!("usher link {ann} --stripe cus_zed"), format!("usher link {zed} --plex"));
    told(house, &one).into_iter().filter(|text| text.contains(&other)).collect()
}

#[test]
fn who_shares_anything_known_with_a_payer_waits_and_the_operator_reads_both_commands_once() {
    for (address, called, why) in [
        ("ann@example.com", "Zed", "her Plex address"),
        ("zed@example.com", "ANN  smith", "her name at Stripe, after her paying ended"),
    ] {
        let mut house = ann_lapses_and_somebody_pays(address, called);
        stays(&mut house, ANN);
        assert_eq!(with_both_commands(&house).len(), 1, "{why}: {:#?}", told(&house, ""));
        assert!(waits_for(&house, ANN).is_some_and(|why| why.contains("cus_zed")), "{:?}", house.waiting);
    }
    let mut house = ann_lapses_and_somebody_pays("zed@example.com", "Zed");
    assert_eq!(house.ends().len(), 1, "nothing in common");
    house.carry_out();
    assert_eq!(with_both_commands(&house), Vec::<String>::new());
}

#[test]
fn no_approval_overrides_it_and_the_operators_own_word_does() {
    for end in [
        Ask::Revoke { who: "ann".into(), cancel: None },
        unlink("ann", "cus_zed"),
        Ask::Link { who: "cus_zed".into(), plex: Some("999".into()), stripe: None },
    ] {
        let mut house = ann_lapses_and_somebody_pays("ann@example.com", "Zed");
        let _ = usher::policy::decide::give_verdict(house.now, &mut house.book, &["all".to_owned()], true);
        house.settle();
        assert_eq!(house.ends(), Vec::<String>::new());
        ask(&mut house, end.clone()).unwrap_or_else(|why| panic!("{end:?}: {why}"));
        house.settle();
        assert_eq!(house.ends().len(), 1, "{end:?}: {:?}", house.waiting);
    }
}

#[test]
fn two_who_were_said_to_be_different_are_so_for_good() {
    let (mut house, old) = here();
    buys(&mut house, "zed", "zed@example.com", "Zed");
    house.settle();
    house.billing.customers.get_mut(&CustomerId::from("cus_zed")).unwrap().email = Email::parse("ann@example.com");
    house.settle();
    let said = ask(&mut house, unlink("ann", "cus_zed")).unwrap();
    assert!(said.lines[0].contains("cus_zed"), "{said:?}");
    house.cancel(&old, house.now);
    house.days(3);
    assert_eq!(house.ends().len(), 1, "{:?}", house.waiting);
    assert!(ask(&mut house, unlink("ann", "cus_nobody")).is_err(), "a number that was mistyped");
    // Linking is the operator's word as well.
    ask(&mut house, link("ann", "cus_zed")).unwrap();
    house.settle();
    assert_eq!(house.ends(), Vec::<String>::new());
}

#[test]
fn a_payment_of_yesterday_that_ended_since_spares_them_too() {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    house.later(TimeDelta::hours(20));
    let zed = buys(&mut house, "zed", "zed@example.com", "Zed");
    house.settle();
    house.billing.customers.get_mut(&CustomerId::from("cus_zed")).unwrap().email = Email::parse("ann@example.com");
    house.cancel(&zed, house.now);
    house.later(TimeDelta::hours(10));
    house.settle();
    assert_eq!(house.ends(), Vec::<String>::new(), "{:?}", house.waiting);
    house.days(2);
    assert_eq!(house.ends().len(), 1);
}

/// Ann, who doesn't watch or whose paying ended, and Zed, who pays.
fn ann_and_zed(lapsed: bool, names: [&str; 2]) -> Paper {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    if lapsed {
        paper.shares(&ann, &[MOVIES], days(300));
        paper.ended(&ann, days(3));
    } else {
        paper.make_friend(&ann, days(40));
        paper.warned(&ann, days(10));
        paper.pays(&ann, Status::Canceled, days(600)).now.ended_at = None;
        paper.first().now.status = Status::IncompleteExpired;
    }
    let zed = paper.payer("zed");
    for (id, name) in [ann, zed].iter().zip(names) {
        paper.of(id).customers.values_mut().for_each(|payer| payer.name = Some(name.into()));
    }
    paper
}

#[test]
fn equal_names_alone_hold_nothing_but_what_follows_from_the_end_of_paying() {
    for (lapsed, names, held) in [
        (true, ["Ann Smith", "ANN  smith"], true),
        (true, ["Ann Smith", "Ann Smyth"], false),
        (true, ["", " "], false),
        (false, ["Ann Smith", "Ann Smith"], false),
    ] {
        let paper = ann_and_zed(lapsed, names);
        let plan = paper.plan();
        let removal = plan.proposals.iter().find(|proposal| proposal.key.0.starts_with("end/m-1/")).expect("she goes");
        let waits = removal.unwarned.as_ref().is_some_and(|why| why.contains("pays under their name"));
        assert_eq!(waits, held, "{names:?}: {:?}", removal.unwarned);
        assert_eq!(plan.doubts.len(), usize::from(held));
    }
}

#[test]
fn what_was_ever_known_of_somebody_counts_after_a_link_was_corrected() {
    let mut house = household();
    // It was Cleo who paid as Bob's customer all the time: Bob is still known by it.
    house.share(12, 202, "cleo", &[MOVIES], days(0));
    house.settle();
    ask(&mut house, link("cleo", "cus_b")).unwrap();
    house.days(1);
    let bob = house.member(BOB);
    assert!(bob.customers.is_empty() && bob.has_access());
    buys(&mut house, "zed", "zed@example.com", "Bob Smith");
    house.settle();
    let grant = usher::ledger::Grant::new(GrantKind::Extension, house.now);
    let until = Some(house.now + TimeDelta::hours(1));
    let id = house.member(BOB).id.clone();
    let bob = house.book.members.get_mut(&id).unwrap();
    bob.grants = vec![usher::ledger::Grant { until, ..grant }];
    house.days(2);
    assert_eq!(house.ends(), Vec::<String>::new(), "{:?}", house.waiting);
}

#[test]
fn a_payer_who_is_linked_by_a_single_subscription_is_known_by_its_customer() {
    let (mut house, _) = here();
    house.share(11, BOB, "bob", &[MOVIES], days(0));
    house.settle();
    let two = house.subscribe("sub_two", "1", "price_basic");
    house.settle();
    ask(&mut house, link("bob", "sub_two")).unwrap();
    house.days(2);
    // Both pay from one customer; a third purchase with its address is nobody's yet.
    buys(&mut house, "3", "work@example.com", "Smith");
    house.settle();
    assert!(house.payer("3").plex.is_none());
    house.cancel(&two, house.now);
    stays(&mut house, BOB);
}

// People in by hand where places need a subscription.

#[test]
fn a_payer_who_doesnt_take_up_the_invite_holds_everybody_for_two_weeks_and_then_who_could_be_them() {
    let mut house = House::new();
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    for n in 2..12 {
        house.subscribe(&format!("sub_{n}"), &format!("friend{n}"), "price_basic");
    }
    house.rules.prune_mode = usher::policy::PruneMode::Report;
    house.settle();
    house.rules.unmanaged_days = Some(14);
    // The second friend's own address; their share is younger than what is paid.
    let joined = house.now + TimeDelta::hours(1);
    buys(&mut house, "zed", "friend1@example.com", "Zed");
    house.row(11).email = Some(email("elsewhere"));
    house.settle();
    house.carry_out();
    assert!(house.payer("zed").is_invited());
    house.row(11).email = Some(email("friend1"));
    house.row(11).state = usher::facts::ShareState::Accepted { accepted_at: Some(joined) };
    house.days(13);
    assert_eq!(house.letters("subscribe").len(), 0);
    house.days(3);
    let asked: Vec<_> = house.letters("subscribe");
    assert_eq!(asked.len(), 1, "only who shares nothing with them: {asked:?} {:?}", house.waiting);
    assert!(asked[0].0.starts_with(&house.member(200).id.0), "{asked:?}");
}

// Letters and invites.

#[test]
fn the_letter_about_an_invite_names_the_address_that_plex_wrote_to() {
    let (mut house, old) = here();
    house.cancel(&old, house.now);
    house.days(2);
    house.carry_out();
    house.days(1);
    house.share(50, 350, "another", &[MOVIES], days(0)); // So that her row has another id.
    house.subscribe("sub_again", "1", "price_basic");
    house.settle();
    assert_eq!(invited(&house), [InviteTo::Account(PlexId(ANN))]);
    house.carry_out();
    house.settle();
    let named: Vec<String> = house
        .book
        .outbox
        .values()
        .filter_map(|notice| match &notice.letter {
            Letter::Invited { address, .. } => Some(address.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(named.last().map(String::as_str), Some("ann@example.com"), "{named:?}");
}

#[test]
fn an_invite_goes_to_the_address_of_the_customer_whose_subscription_runs() {
    let mut house = House::new();
    house.settle();
    let old = buys(&mut house, "a", "old@example.com", "Old");
    house.settle();
    house.book.intents.clear();
    house.cancel(&old, house.now);
    house.days(3);
    let payer = house.payer("a").id.clone();
    let new = buys(&mut house, "b", "new@example.com", "New");
    house.sub(&new).member = Some(payer);
    house.settle();
    assert_eq!(invited(&house), [InviteTo::Email(email("new"))]);
    assert_eq!(house.payer("b").name(), "New");
}

// Who is meant.

#[test]
fn a_title_is_no_name_where_there_is_a_username() {
    let mut house = House::new();
    house.share(10, ANN, "ann", &[MOVIES], days(400));
    house.share(11, BOB, "zed", &[MOVIES], days(400));
    house.row(11).title = Some("ann".into());
    house.settle();
    assert_eq!(who::find(&house.book, "ann").unwrap().plex, Some(PlexId(ANN)));
    house.unshare(10);
    let mut alone = House::new();
    alone.share(11, BOB, "zed", &[MOVIES], days(400));
    alone.row(11).title = Some("ann".into());
    alone.settle();
    assert!(who::find(&alone.book, "ann").is_err(), "a stranger's title");
    alone.row(11).username = None;
    alone.settle();
    assert_eq!(who::find(&alone.book, "ann").unwrap().plex, Some(PlexId(BOB)), "who has no username goes by it");
}

#[test]
fn of_two_with_one_name_both_are_listed_with_id_and_address_and_nothing_is_done() {
    let mut house = House::new();
    house.share(10, ANN, "greta", &[MOVIES], days(400));
    house.share(11, BOB, "x", &[MOVIES], days(400));
    house.row(11).title = Some("Greta".into());
    house.row(11).username = None;
    house.row(11).email = Some(email("g2"));
    house.settle();
    let before = house.book.clone();
    let why = ask(&mut house, Ask::Revoke { who: "greta".into(), cancel: None }).unwrap_err();
    for part in ["m-1", "greta@example.com", "m-2", "g2@example.com"] {
        assert!(why.contains(part), "{why}");
    }
    assert!(!house.book.differs_from(&before));
}

#[test]
fn a_merge_forgets_nothing_by_which_somebody_is_known() {
    let mut house = House::new();
    house.settle();
    // Zed's invite went to one address; he signs in, and pays from another.
    buys(&mut house, "1", "first@example.com", "Zed");
    house.settle();
    house.carry_out();
    let row = house.friends.shares.last().unwrap().id.0;
    house.accept(row, BOB, "zed");
    house.settle();
    house.unshare(row);
    house.days(1);
    let proof = house.member(BOB).customers.values().next().unwrap().proof;
    assert_eq!(proof, Some(Proof::InviteAccepted));
    // Somebody else pays with the address that he was once invited at.
    let id = house.member(BOB).id.clone();
    house.book.members.get_mut(&id).unwrap().customers.clear();
    house.book.members.get_mut(&id).unwrap().subscriptions.clear();
    house.billing.subscriptions.clear();
    house.share(77, BOB, "zed", &[MOVIES], days(0));
    house.settle();
    house.rules.unmanaged_days = Some(14);
    buys(&mut house, "zed", "first@example.com", "Else");
    house.settle();
    house.carry_out();
    house.days(20);
    assert_eq!(house.letters("subscribe").len(), 0, "{:?}", house.waiting);
    let held = house
        .waiting
        .iter()
        .any(|waiting| matches!(&waiting.because, HeldBecause::Warned { why } if why.contains("cus_zed")));
    assert!(held, "{:?}", house.waiting);
}

// The last look before a call.

#[test]
fn what_was_just_bought_could_be_theirs_unless_it_never_ran_or_is_anothers() {
    let mut paper = Paper::new();
    let (ann, bob) = (paper.ann.clone(), paper.friend("bob", days(1)));
    paper.pays_as(&bob, "cus_bob", Status::Active, days(30));
    let now = paper.now;
    let bought = |status: Status, customer: &str, address: &str| {
        let customer =
            Customer { id: CustomerId::from(customer), email: Email::parse(address), name: None, deleted: false };
        let sub = super::house::subscription(&"sub_new".into(), customer.id.clone(), "price_basic", now);
        (usher::facts::Subscription { status, ..sub }, customer)
    };
    let theirs = |paper: &Paper, status, customer: &str, address: &str| {
        who::could_be_theirs(paper.now, &paper.book, &ann, &[bought(status, customer, address)]).is_some()
    };
    assert!(theirs(&paper, Status::Active, "cus_new", "x@example.com"), "anybody new could be them");
    assert!(theirs(&paper, Status::Canceled, "cus_new", "x@example.com"), "it was paid for today");
    assert!(!theirs(&paper, Status::Incomplete, "cus_new", "x@example.com"));
    assert!(!theirs(&paper, Status::Active, "cus_bob", "x@example.com"), "a customer of Bob's");
    assert!(!theirs(&paper, Status::Active, "cus_new", "bob@example.com"), "bought anew by Bob");
    let zed = paper.payer("zed");
    let customer = format!("cus_{zed}");
    assert!(theirs(&paper, Status::Active, &customer, "zed@example.com"));
    paper.says(&unlink("ann", &customer)).unwrap();
    assert!(!theirs(&paper, Status::Active, &customer, "zed@example.com"), "the operator said so");
}

/// `grandfather --everyone` gives nothing for ever to who may be that payer.
#[test]
fn who_may_be_a_payer_is_left_out_when_everybody_is_grandfathered_and_named_with_what_to_say() {
    for by_name in [false, true] {
        let mut house = House::new();
        for n in 1..12 {
            house.share(10 + n, 300 + n, &format!("friend{n}"), &[MOVIES], days(400));
        }
        house.share(90, ANN, "ann", &[MOVIES], days(400));
        house.settle();
        let id = house.member(ANN).id.clone();
        let ann = house.book.members.get_mut(&id).unwrap();
        if by_name {
            let since = house.now;
            let payer = usher::ledger::Payer {
                email: None,
                mail_to: None,
                name: Some("Ann Smith".into()),
                since,
                proof: None,
                unlinked: None,
            };
            ann.former.insert(CustomerId("cus_old".into()), payer);
        } else {
            ann.addresses.insert(email("work@example.com"));
        }
        buys(&mut house, "1", "ann-pays@example.com", "ann  smith");
        if !by_name {
            let payer = house.billing.customers.get_mut(&CustomerId("cus_1".into())).unwrap();
            (payer.email, payer.name) = (Some(email("work@example.com")), None);
        }
        house.settle();
        let said = ask(&mut house, Ask::GrandfatherEveryone).unwrap().lines.join("\n");
        assert!(house.member(ANN).grant(GrantKind::Grandfathered, house.now).is_none(), "{said}");
        let line = said.lines().find(|line| line.contains("are left out")).unwrap_or_else(|| panic!("{said}"));
        let payer = house.book.by_customer(&CustomerId("cus_1".into())).unwrap().id.clone();
        for part in
            [format!("ann ({id})"), format!("`usher link {id} --stripe cus_1`"), format!("`usher link {payer} --plex`")]
        {
            assert!(line.contains(&part), "{part}: {line}");
        }
        assert_eq!(said.lines().filter(|line| line.ends_with("Movies")).count(), 11, "{said}");
        // Named one by one, that is the operator's word.
        ask(&mut house, Ask::Grandfather { who: id.to_string() }).unwrap();
        assert!(house.member(ANN).grant(GrantKind::Grandfathered, house.now).is_some());
    }
}
