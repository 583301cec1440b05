//! What Stripe's Entitlements give (`policy/entitlements.rs`).

use std::collections::BTreeSet;

use chrono::TimeDelta;
use usher::facts::{CustomerId, EntitlementLook, ProductId, Status, SubscriptionId, WebhookEndpoint};
use usher::ledger::{Act, HeldBecause, Letter};
use usher::policy::{Tiers, entitlements};
use usher::tier::{Tier, Wanted};

use super::house::{House, MOVIES, TV, days};

/// The house, where the lookup key `plus` gives a tier that opens TV.
fn house() -> House {
    let mut house = House::new();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let plus = Tier::of("Plus", Wanted::Titles(vec!["TV".into()]));
    tiers.push(Tier { entitlement: Some("plus".into()), ..plus });
    house.settle();
    house
}

/// What Stripe answers from now on about `cus_NAME`.
fn answer(house: &mut House, name: &str, keys: Result<&[&str], &str>) {
    let keys = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()).map_err(str::to_owned);
    let look = EntitlementLook { begun: house.now + TimeDelta::seconds(1), keys };
    house.billing.entitled = [(CustomerId(format!("cus_{name}")), look)].into();
}

/// They subscribe to something of which no tier knows anything.
fn subscribe_elsewhere(house: &mut House, sub: &str, name: &str) -> SubscriptionId {
    let id = house.subscribe(sub, name, "price_mug");
    for item in &mut house.sub(&id).items {
        item.product = Some(ProductId::from("prod_mug"));
    }
    id
}

fn tiers<'a>(house: &'a House, name: &str, sub: &SubscriptionId) -> Vec<&'a str> {
    house.payer(name).subscriptions[sub].tiers.iter().map(String::as_str).collect()
}

/// Ann pays for Basic, is entitled to Plus, and is in with both.
fn ann_has_both() -> (House, SubscriptionId) {
    let mut house = house();
    let sub = house.subscribe("sub_ann", "ann", "price_basic");
    answer(&mut house, "ann", Ok(&["plus", "something-else"]));
    house.share(11, 2001, "ann", &[MOVIES, TV], days(0));
    house.settle();
    (house, sub)
}

#[test]
fn an_entitlement_gives_its_tier_beside_what_the_price_buys() {
    let mut house = house();
    let sub = house.subscribe("sub_ann", "ann", "price_basic");
    answer(&mut house, "ann", Ok(&["plus"]));
    house.settle();
    assert_eq!(tiers(&house, "ann", &sub), ["Basic", "Plus"]);
    let invite = house.book.intents.values().find_map(|intent| match &intent.act {
        Act::Invite { sections, .. } => Some(sections.ids().clone()),
        _ => None,
    });
    assert_eq!(invite, Some(BTreeSet::from([MOVIES, TV])));
}

#[test]
fn who_pays_for_something_else_is_let_in_only_by_an_entitlement() {
    let mut house = house();
    let sub = subscribe_elsewhere(&mut house, "sub_ann", "ann");
    subscribe_elsewhere(&mut house, "sub_bob", "bob");
    house.settle();
    assert!(house.invites().is_empty() && house.book.members.is_empty());
    answer(&mut house, "ann", Ok(&["plus"]));
    house.settle();
    assert_eq!(tiers(&house, "ann", &sub), ["Plus"]);
    assert_eq!((house.invites().len(), house.book.members.len()), (1, 1), "nobody else");
}

#[test]
fn a_mug_beside_a_price_of_ours_does_not_carry_what_they_are_entitled_to() {
    let (mut house, sub) = ann_has_both();
    subscribe_elsewhere(&mut house, "sub_mug", "ann");
    house.settle();
    assert_eq!(house.payer("ann").subscriptions.keys().collect::<Vec<_>>(), [&sub]);
}

#[test]
fn promise_02_an_answer_that_is_missing_takes_nothing_away_and_is_told_once() {
    let (mut house, sub) = ann_has_both();
    answer(&mut house, "ann", Err("Stripe GET …: 403"));
    house.settle();
    house.billing.entitled.clear();
    house.days(3);
    assert_eq!(tiers(&house, "ann", &sub), ["Basic", "Plus"]);
    assert!(house.decided().is_empty(), "{:?}", house.decided());
    let told = house.book.told.keys().filter(|condition| *condition == "entitlements").count();
    let known = &house.book.entitled[&CustomerId::from("cus_ann")];
    assert_eq!((told, known.known().map(BTreeSet::len), known.failed.is_some()), (1, Some(2), true));
    // An empty Stripe takes what was known of them, and still nothing from them.
    house.book.entitled.clear();
    house.settle();
    assert_eq!(tiers(&house, "ann", &sub), ["Basic", "Plus"]);
    assert!(house.decided().is_empty() && !house.book.told.contains_key("entitlements"));
}

#[test]
fn an_older_answer_does_not_undo_a_newer_one() {
    let (mut house, _) = ann_has_both();
    let old = EntitlementLook { begun: house.now - days(1), keys: Ok(BTreeSet::new()) };
    entitlements::fold(&mut house.book, &CustomerId::from("cus_ann"), &old);
    assert_eq!(house.book.entitled[&CustomerId::from("cus_ann")].keys.len(), 2);
}

#[test]
fn what_is_taken_away_at_stripe_narrows_only_by_approval() {
    let (mut house, sub) = ann_has_both();
    answer(&mut house, "ann", Ok(&[]));
    house.days(3);
    assert_eq!(tiers(&house, "ann", &sub), ["Basic"]);
    assert!(house.decided().is_empty(), "{:?}", house.decided());
    let waits = house.waiting.iter().find(|waiting| waiting.key.0.starts_with("update/")).expect("it waits");
    assert!(matches!(waits.because, HeldBecause::Approval { .. }), "{waits:?}");
}

#[test]
fn who_has_nothing_left_while_they_pay_is_not_ended_and_it_is_told() {
    let mut house = house();
    let sub = subscribe_elsewhere(&mut house, "sub_ann", "ann");
    answer(&mut house, "ann", Ok(&["plus"]));
    house.share(11, 2001, "ann", &[TV], days(0));
    house.settle();
    assert_eq!(tiers(&house, "ann", &sub), ["Plus"]);
    answer(&mut house, "ann", Ok(&[]));
    house.days(40);
    assert!(tiers(&house, "ann", &sub).is_empty());
    assert!(house.ends().is_empty() && house.waiting.iter().all(|waiting| !waiting.key.0.starts_with("end/")));
    let told = house.book.outbox.iter().filter(|(key, _)| key.0.contains("no-tier-sub_ann"));
    let told: Vec<&Letter> = told.map(|(_, notice)| &notice.letter).collect();
    let [Letter::Attention { title, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(title, "A subscription lost the entitlement that gave its tier");
}

#[test]
fn an_entitlement_does_not_outlive_the_subscription_nor_end_before_it() {
    let mut house = house();
    let sub = subscribe_elsewhere(&mut house, "sub_ann", "ann");
    answer(&mut house, "ann", Ok(&["plus"]));
    house.share(11, 2001, "ann", &[TV], days(0));
    house.settle();
    // Stripe may take it while a payment has failed: grace is R4's affair.
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    answer(&mut house, "ann", Ok(&[]));
    house.days(2);
    assert_eq!((tiers(&house, "ann", &sub), house.decided().len()), (vec!["Plus"], 0));
    // Canceled at Stripe, which still calls them entitled.
    let ended = house.now;
    house.cancel(&sub, ended);
    answer(&mut house, "ann", Ok(&["plus"]));
    // Until the day is over that the letter about the payment named.
    house.days(4);
    assert!(house.ends().is_empty());
    house.days(3);
    assert_eq!(house.payer("ann").subscriptions[&sub].now.status, Status::Canceled);
    assert_eq!(house.ends().len(), 1, "{:?} {:?}", house.decided(), house.waiting);
}

#[test]
fn nobody_is_asked_about_where_no_tier_names_an_entitlement() {
    let (mut house, _) = ann_has_both();
    let due = entitlements::due(&house.rules, &house.book).expect("a tier names one");
    let asked = house.book.entitled[&CustomerId::from("cus_ann")].asked;
    assert_eq!(due[&CustomerId::from("cus_ann")], asked + TimeDelta::hours(1));
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers.retain(|tier| tier.entitlement.is_none());
    assert_eq!(entitlements::due(&house.rules, &house.book), None);
    assert!(house.rules.tiers.free().is_none());
}

#[test]
fn a_tier_of_an_entitlement_is_not_free() {
    let house = house();
    let plus = house.rules.tiers.named("Plus").unwrap();
    assert!(!plus.is_free() && house.rules.tiers.free().is_none());
}

#[test]
fn an_endpoint_lacks_their_event_only_where_a_tier_names_one() {
    let mut house = house();
    let endpoint = WebhookEndpoint {
        id: "we_1".into(),
        url: "https://cinema.example.com/webhook/stripe".into(),
        events: ["customer.*", "invoice.*", "charge.*"].map(str::to_owned).into(),
        disabled: false,
        version: None,
    };
    house.billing.endpoints = Some(vec![endpoint]);
    house.settle();
    assert!(house.book.told.contains_key("webhooks/endpoint"));
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers.retain(|tier| tier.entitlement.is_none());
    house.settle();
    assert!(!house.book.told.contains_key("webhooks/endpoint"));
}

#[test]
fn while_a_payment_has_failed_and_at_the_end_what_they_had_stands() {
    let (mut house, sub) = ann_has_both();
    let was = house.payer("ann").subscriptions[&sub].clone();
    answer(&mut house, "ann", Ok(&[]));
    entitlements::fold_all(house.now, &mut house.book, &house.billing);
    let given = |house: &House, status, was| {
        let sub = usher::facts::Subscription { status, ..house.billing.subscriptions[&sub].clone() };
        entitlements::given(&house.rules, &house.book, &sub, was, false)
    };
    for (status, tiers) in [(Status::PastDue, 1), (Status::Unpaid, 1), (Status::Canceled, 1), (Status::Active, 0)] {
        assert_eq!(given(&house, status.clone(), Some(&was)).len(), tiers, "{status:?}");
    }
    // Seen first while it fails: what Stripe says is all that is known.
    answer(&mut house, "ann", Ok(&["plus"]));
    house.billing.entitled.values_mut().for_each(|look| look.begun += days(1));
    entitlements::fold_all(house.now, &mut house.book, &house.billing);
    assert_eq!(given(&house, Status::PastDue, None), ["Plus".to_owned()].into());
}

#[test]
fn what_was_asked_while_the_listing_was_read_outlives_it() {
    let (mut house, _) = ann_has_both();
    let (ann, begun) = (CustomerId::from("cus_ann"), house.now);
    house.billing.subscriptions.clear();
    house.billing.entitled.clear();
    let kept = |house: &mut House, asked| {
        house.book.entitled.get_mut(&ann).unwrap().asked = asked;
        entitlements::fold_all(begun, &mut house.book, &house.billing);
        house.book.entitled.contains_key(&ann)
    };
    assert!(kept(&mut house, begun + TimeDelta::seconds(1)) && kept(&mut house, begun));
    assert!(!kept(&mut house, begun - TimeDelta::seconds(1)), "who has no running subscription is forgotten");
}
