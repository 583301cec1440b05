//! Who signed in with Plex before they paid (R2, `policy/sign_in.rs`).

use usher::facts::{CustomerId, Email, Moment, PlexId, SectionId, SignedIn, SubscriptionId};
use usher::ledger::{Act, Book, GrantKind, InviteRefused, InviteTo, Proof};
use usher::policy::asks::{self, Ask, Hearing};
use usher::policy::sign_in::{self, Trial, Welcome};
use usher::policy::{Scene, two_reports};

use super::house::{House, MOVIES, TV, days, email};

const ANN: u64 = 200;

fn signed_in(account: u64, name: Option<&str>) -> SignedIn {
    SignedIn { account: PlexId(account), email: name.map(email) }
}

/// `cus_NAME` with `NAME@example.com` pays, signed in as this account.
fn pays(house: &mut House, sub: &str, name: &str, account: u64) -> SubscriptionId {
    let sub = house.subscribe(sub, name, "price_basic");
    house.sub(&sub).signed_in = Some(signed_in(account, Some("ann")));
    sub
}

fn open() -> House {
    let mut house = House::new();
    house.settle();
    house
}

/// To whom invites are to go.
fn invited(house: &House) -> Vec<InviteTo> {
    let acts = house.book.intents.values().map(|intent| &intent.act);
    acts.filter_map(|act| if let Act::Invite { to, .. } = act { Some(to.clone()) } else { None }).collect()
}

fn libraries(house: &House, account: u64) -> Vec<SectionId> {
    house.member(account).share.as_ref().map(|share| share.row.sections.iter().copied().collect()).unwrap_or_default()
}

fn proofs(house: &House, account: u64) -> Vec<Option<Proof>> {
    house.member(account).customers.values().map(|payer| payer.proof).collect()
}

fn told(house: &House, part: &str) -> usize {
    house.letters("attention").iter().filter(|key| key.0.contains(part)).count()
}

fn scene(house: &House) -> Scene<'_> {
    Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world }
}

fn ask(house: &mut House, ask: Ask) -> Vec<String> {
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    asks::carry_out(hearing, &mut house.book, &ask).unwrap().lines
}

#[test]
fn whatever_address_they_pay_with_the_invite_goes_to_the_account() {
    for paid_as in ["work", "x7@privaterelay.appleid.com", ""] {
        let mut house = open();
        let sub = pays(&mut house, "sub_1", "work", ANN);
        let customer = house.billing.customers.get_mut(&CustomerId::from("cus_work")).unwrap();
        customer.email = Email::parse(paid_as).or_else(|| (!paid_as.is_empty()).then(|| email(paid_as)));
        house.settle();
        assert_eq!(invited(&house), [InviteTo::Account(PlexId(ANN))], "{paid_as}");
        house.carry_out();
        let id = house.friends.shares[0].id.0;
        house.accept(id, ANN, "ann");
        house.settle();
        let ann = house.member(ANN);
        assert!(ann.has_access() && ann.subscriptions.contains_key(&sub), "{:?}", ann.journal);
        assert!(ann.grant(GrantKind::ByHand, house.now).is_none() && house.book.members.len() == 1);
        assert_eq!(proofs(&house, ANN), [Some(Proof::PlexSignIn)]);
        assert_eq!(house.decided(), Vec::<String>::new());
    }
}

#[test]
fn a_friend_who_signs_in_and_pays_with_another_address_is_one_with_the_payer() {
    let mut house = open();
    house.share(10, ANN, "ann", &[TV], days(400));
    house.share(11, 300, "bob", &[TV], days(400));
    house.settle();
    // Bob's address is the one that is typed at Stripe.
    pays(&mut house, "sub_1", "bob", ANN);
    house.settle();
    assert_eq!((house.book.members.len(), invited(&house)), (2, Vec::new()));
    house.carry_out();
    house.settle();
    assert_eq!((libraries(&house, ANN), libraries(&house, 300)), (vec![MOVIES, TV], vec![TV]));
    assert!(house.member(300).subscriptions.is_empty() && house.member(300).customers.is_empty());
}

#[test]
fn a_customer_who_is_somebody_elses_stays_theirs_and_it_is_told_once() {
    let mut house = open();
    house.share(10, ANN, "ann", &[TV], days(400));
    house.share(11, 300, "bob", &[TV], days(400));
    house.settle();
    house.subscribe("sub_1", "bob", "price_basic");
    house.settle();
    house.carry_out();
    house.settle();
    let before = (libraries(&house, ANN), libraries(&house, 300));
    let second = pays(&mut house, "sub_2", "bob", ANN);
    house.settle();
    house.days(3);
    assert_eq!((libraries(&house, ANN), libraries(&house, 300)), before);
    assert!(house.member(300).subscriptions.contains_key(&second) && house.member(ANN).subscriptions.is_empty());
    assert_eq!((told(&house, "sign-in-sub_2"), house.ends().len()), (1, 0));
}

#[test]
fn who_is_revoked_is_not_let_in_by_signing_in_and_the_operator_hears_of_the_money() {
    let mut house = open();
    house.share(10, ANN, "ann", &[TV], days(400));
    house.settle();
    ask(&mut house, Ask::Revoke { who: "ann".into(), cancel: None });
    house.settle();
    house.carry_out();
    house.settle();
    assert!(!house.member(ANN).has_access());
    pays(&mut house, "sub_1", "work", ANN);
    house.settle();
    house.days(2);
    assert_eq!((invited(&house), told(&house, "unmatched/")), (Vec::new(), 1));
    assert_eq!(two_reports::charged_without_access(scene(&house)).count(), 1);
}

#[test]
fn what_the_operator_unlinks_stays_apart_whatever_stripe_says() {
    let mut house = open();
    house.share(10, ANN, "ann", &[TV], days(400));
    house.settle();
    let sub = pays(&mut house, "sub_1", "work", ANN);
    house.settle();
    ask(&mut house, Ask::Unlink { who: "ann".into(), stripe: None });
    house.settle();
    house.days(2);
    assert!(house.member(ANN).customers.is_empty() && house.member(ANN).subscriptions.is_empty());
    let apart = house.payer("work");
    assert!(apart.plex.is_none() && apart.subscriptions.contains_key(&sub));
    // Not by another subscription of the same customer, either.
    pays(&mut house, "sub_2", "work", ANN);
    house.settle();
    assert!(house.member(ANN).subscriptions.is_empty() && invited(&house).is_empty());
    assert_eq!(told(&house, "sign-in-sub_2"), 1);
    // What the operator then says is the operator's word, and nothing else.
    ask(&mut house, Ask::Link { who: "ann".into(), plex: None, stripe: Some("cus_work".into()) });
    assert_eq!(proofs(&house, ANN), [Some(Proof::Operator)]);
}

#[test]
fn an_invite_that_waits_for_the_account_is_not_sent_again() {
    let mut house = open();
    house.invite(5, "ann", &[MOVIES]);
    house.row(5).account = Some(PlexId(ANN));
    house.settle();
    pays(&mut house, "sub_1", "work", ANN);
    house.settle();
    assert_eq!((invited(&house), house.book.members.len()), (Vec::new(), 1));
    house.accept(5, ANN, "ann");
    house.settle();
    assert!(house.member(ANN).has_access() && house.member(ANN).subscriptions.len() == 1);
    assert_eq!(proofs(&house, ANN), [Some(Proof::PlexSignIn)]);
}

#[test]
fn an_account_that_plex_will_not_invite_is_invited_at_its_own_address_and_at_no_other() {
    for name in [Some("ann"), None] {
        let mut house = open();
        let sub = pays(&mut house, "sub_1", "bob", ANN);
        house.sub(&sub).signed_in = Some(signed_in(ANN, name));
        house.settle();
        let id = house.member(ANN).id.clone();
        house.book.intents.clear();
        let refused = InviteRefused { at: house.now, by_id: true, by_email: false, unknown: None, why: "no".into() };
        house.book.members.get_mut(&id).unwrap().invite_refused = Some(refused);
        house.settle();
        let to = name.map(|name| InviteTo::Email(email(name)));
        assert_eq!(invited(&house), Vec::from_iter(to), "{name:?}");
        assert_eq!(told(&house, "unmatched/"), usize::from(name.is_none()), "{name:?}");
    }
}

#[test]
fn a_house_that_sold_already_asks_before_it_invites_old_payers_who_signed_in() {
    let mut house = House::new();
    let sub = pays(&mut house, "sub_1", "work", ANN);
    house.sub(&sub).created = house.now - days(100);
    house.settle();
    assert_eq!(invited(&house), Vec::new());
    assert_eq!(house.book.holds.values().filter(|hold| hold.key.0.starts_with("invite/")).count(), 1);
}

#[test]
fn the_owner_is_never_invited() {
    let mut house = open();
    let sub = pays(&mut house, "sub_1", "work", 1);
    house.sub(&sub).signed_in = Some(SignedIn { account: PlexId(1), email: None });
    house.settle();
    assert_eq!(house.payer("work").plex, None);
    assert_eq!(proofs_of(&house.book, "work"), [None]);
}

fn proofs_of(book: &Book, name: &str) -> Vec<Option<Proof>> {
    let member = book.by_customer(&CustomerId(format!("cus_{name}"))).unwrap();
    member.customers.values().map(|payer| payer.proof).collect()
}

#[test]
fn what_is_sold_to_who_signed_in_depends_on_who_that_is() {
    let mut house = open();
    let welcome = |house: &House, account| sign_in::welcome(scene(house), &signed_in(account, Some("ann")));
    let sale = |trial| Welcome::Sale { email: Some(email("ann")), trial };
    assert_eq!((welcome(&house, ANN), welcome(&house, 1)), (sale(Trial::Fresh), Welcome::OfTheHouse));
    let relay = SignedIn { account: PlexId(ANN), email: Email::parse("x@privaterelay.appleid.com") };
    assert_eq!(sign_in::welcome(scene(&house), &relay), Welcome::Sale { email: None, trial: Trial::Fresh });

    house.share(10, ANN, "ann", &[TV], days(400));
    house.share(12, 500, "kid", &[TV], days(400));
    house.friends.home.insert(PlexId(500));
    house.settle();
    assert_eq!((welcome(&house, ANN), welcome(&house, 500)), (sale(Trial::Fresh), Welcome::OfTheHouse));
    let sub = pays(&mut house, "sub_1", "work", ANN);
    house.sub(&sub).trial_end = Some(house.now + days(14));
    house.settle();
    assert_eq!(welcome(&house, ANN), Welcome::Subscribed);
    let ended: Moment = house.now;
    house.cancel(&sub, ended);
    house.settle();
    assert_eq!(welcome(&house, ANN), sale(Trial::Had));
    ask(&mut house, Ask::Revoke { who: "ann".into(), cancel: None });
    assert_eq!(welcome(&house, ANN), Welcome::Revoked);

    house.invite(5, "zoe", &[MOVIES]);
    house.row(5).account = Some(PlexId(600));
    house.subscribe("sub_2", "zoe", "price_basic");
    house.settle();
    assert_eq!(welcome(&house, 600), Welcome::Subscribed, "their invite waits, and their subscription runs");
}

#[test]
fn who_signs_in_is_not_taken_for_somebody_who_is_invited_with_another_account() {
    let mut house = open();
    house.subscribe("sub_bob", "bob", "price_basic");
    house.settle();
    house.carry_out();
    let bob = house.payer("bob").id.clone();
    assert!(house.book.members[&bob].is_invited() && house.book.members[&bob].plex.is_none());
    pays(&mut house, "sub_1", "work", ANN);
    house.settle();
    assert!(house.book.members[&bob].plex.is_none());
    assert_ne!(house.payer("work").id, bob);
}

#[test]
fn who_signs_in_has_an_address_from_then_on_if_there_was_none() {
    for (known, after) in [(None, "ann"), (Some("old"), "old")] {
        let mut house = open();
        house.share(10, ANN, "ann", &[TV], days(400));
        house.settle();
        let id = house.member(ANN).id.clone();
        house.row(10).email = known.map(email);
        house.book.members.get_mut(&id).unwrap().email = known.map(email);
        pays(&mut house, "sub_1", "work", ANN);
        house.settle();
        assert_eq!(house.member(ANN).email, Some(email(after)));
    }
}
