//! What is sold, to whom, and what other programs are told (`policy/sales.rs`,
//! `reports/plans.rs`).

use std::num::NonZeroU32;

use serde_json::{Value, json};
use usher::facts::{Customer, CustomerId, Moment, PriceId, PriceTag, Status, SubscriptionId};
use usher::ledger::{Grant, GrantKind};
use usher::member::MemberId;
use usher::policy::sales::{self, Checkout, CheckoutAsked, Whom};
use usher::policy::{Scene, Tiers};
use usher::reports::{self, Look, Wish};
use usher::tier::Tier;

use super::house::{House, MOVIES, days, email};
use crate::paper::{self, Change, Paper};

/// Basic at a price a month, with a trial; Premium at a price a month and
/// another a year. Nobody has bought anything.
fn house() -> House {
    let mut house = House::new();
    tier(&mut house, "Basic", |basic| {
        basic.trial_days = NonZeroU32::new(14);
        basic.limits = [("streams".to_owned(), 1), ("devices".to_owned(), 4)].into();
    });
    tier(&mut house, "Premium", |premium| {
        premium.prices.insert(PriceId::from("price_premium_year"));
        premium.features.insert("requests".into());
        premium.limits = [("streams".to_owned(), -1), ("devices".to_owned(), 2)].into();
    });
    let catalogue = house.billing.catalogue.as_mut().unwrap();
    for (price, interval) in [("price_basic", "month"), ("price_premium", "month"), ("price_premium_year", "year")] {
        let tag = PriceTag {
            active: true,
            metered: false,
            amount: Some(500),
            currency: "usd".into(),
            interval: interval.into(),
            interval_count: 1,
        };
        catalogue.tags.insert(PriceId::from(price), tag);
        catalogue.prices.insert(PriceId::from(price), "prod_1".into());
    }
    house.settle();
    house
}

fn tier(house: &mut House, name: &str, change: impl FnOnce(&mut Tier)) {
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    change(tiers.iter_mut().find(|tier| tier.name == name).unwrap());
}

fn scene(house: &House) -> Scene<'_> {
    Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world }
}

fn buys(house: &House, whom: Whom, tier: &str) -> Result<Checkout, &'static str> {
    let asked = CheckoutAsked { whom, tier: tier.into(), price: None, plex: None };
    sales::checkout(scene(house), &asked).map_err(|no| no.code)
}

fn by_email(name: &str) -> Whom {
    Whom::Email(email(name))
}

fn ann() -> Whom {
    Whom::Member("ann@example.com".into())
}

/// Ann pays for Basic with a trial and is in.
fn with_ann() -> (House, SubscriptionId) {
    let mut house = house();
    let sub = house.subscribe("sub_ann", "ann", "price_basic");
    let now = house.now;
    house.sub(&sub).trial_end = Some(now + days(14));
    house.sub(&sub).items[0].period_end = Some(now + days(30));
    house.settle();
    house.carry_out();
    let id = house.friends.shares.last().unwrap().id.0;
    house.accept(id, 200, "ann");
    house.settle();
    (house, sub)
}

#[test]
fn price_and_trial_are_the_tiers_own() {
    let house = house();
    let sale = buys(&house, by_email("zoe"), "Basic").unwrap();
    assert_eq!((sale.price, sale.trial_days), (PriceId::from("price_basic"), NonZeroU32::new(14)));
    assert_eq!((sale.customer, sale.email, sale.member), (None, Some(email("zoe")), None));
    assert_eq!(buys(&house, by_email("zoe"), "Premium"), Err("which_price"));
    let asked = |price: &str| CheckoutAsked {
        whom: by_email("zoe"),
        tier: "Premium".into(),
        price: Some(PriceId::from(price)),
        plex: None,
    };
    let year = sales::checkout(scene(&house), &asked("price_premium_year")).unwrap();
    assert_eq!((year.price, year.trial_days), (PriceId::from("price_premium_year"), None));
    assert_eq!(sales::checkout(scene(&house), &asked("price_basic")).unwrap_err().code, "no_such_price");
}

#[test]
fn what_is_not_sold_can_not_be_bought() {
    let mut house = house();
    assert_eq!(buys(&house, by_email("zoe"), "Gold"), Err("no_such_tier"));
    house.rules.seats = Some(0);
    assert_eq!(buys(&house, by_email("zoe"), "Basic"), Err("full"));
    house.rules.seats = None;
    tier(&mut house, "Basic", |basic| basic.active = false);
    assert_eq!(buys(&house, by_email("zoe"), "Basic"), Err("not_for_sale"));
    tier(&mut house, "Basic", |basic| basic.active = true);
    house.billing.catalogue.as_mut().unwrap().tags.get_mut(&PriceId::from("price_basic")).unwrap().active = false;
    house.read();
    assert_eq!(buys(&house, by_email("zoe"), "Basic"), Err("not_for_sale"));
    assert_eq!(house.letters("attention").len(), 1, "a tier that nobody can buy is told");
}

#[test]
fn a_price_that_stripe_does_not_have_is_told_once() {
    let mut house = house();
    tier(&mut house, "Basic", |basic| basic.prices.extend([PriceId::from("price_typo")]));
    house.settle();
    assert_eq!(house.letters("attention").len(), 1);
    assert_eq!(buys(&house, by_email("zoe"), "Basic").unwrap().price, PriceId::from("price_basic"));
}

#[test]
fn nothing_is_sold_at_another_stripe_or_before_stripe_was_read() {
    let mut house = house();
    house.billing.key_livemode = false;
    house.read();
    assert_eq!(buys(&house, by_email("zoe"), "Basic"), Err("not_ready"));
    house.world = usher::policy::World::default();
    assert_eq!(buys(&house, by_email("zoe"), "Basic"), Err("not_ready"));
}

#[test]
fn who_has_bought_before_is_the_same_customer_and_has_no_second_trial() {
    let (mut house, sub) = with_ann();
    assert_eq!(buys(&house, ann(), "Premium"), Err("which_price"));
    assert_eq!(buys(&house, ann(), "Basic"), Err("already_subscribed"));
    let now = house.now;
    house.cancel(&sub, now);
    house.settle();
    let again = buys(&house, ann(), "Basic").unwrap();
    assert_eq!((again.customer, again.email, again.trial_days), (Some(CustomerId::from("cus_ann")), None, None));
    assert_eq!(again.member, Some(house.member(200).id.clone()));
    // Nor under the same address without being the member, nor by the name of
    // the Plex account.
    assert_eq!(buys(&house, by_email("ann"), "Basic").unwrap().trial_days, None);
    let plex = Some("ann".to_owned());
    let asked = CheckoutAsked { whom: by_email("zoe"), tier: "Basic".into(), price: None, plex };
    assert_eq!(sales::checkout(scene(&house), &asked).unwrap().trial_days, None);
    assert!(buys(&house, by_email("zoe"), "Basic").unwrap().trial_days.is_some());
}

#[test]
fn a_trial_that_ended_before_the_book_began_counts_as_well() {
    let mut house = house();
    let sub = house.subscribe("sub_old", "kim", "price_basic");
    let now = house.now;
    house.sub(&sub).trial_end = Some(now - days(100));
    house.cancel(&sub, now - days(90));
    house.settle();
    assert!(house.book.by_customer(&CustomerId::from("cus_kim")).is_none());
    assert_eq!(buys(&house, by_email("kim"), "Basic").unwrap().trial_days, None);
}

#[test]
fn who_was_thrown_out_buys_nothing() {
    let (mut house, sub) = with_ann();
    let now = house.now;
    house.cancel(&sub, now);
    house.settle();
    let id = house.member(200).id.clone();
    house.book.members.get_mut(&id).unwrap().blocked = Some(now);
    assert_eq!(buys(&house, ann(), "Basic"), Err("revoked"));
    let nobody = Whom::Member("nobody@example.com".into());
    assert_eq!(buys(&house, nobody, "Basic"), Err("not_found"));
}

fn upgrade(house: &House, tier: &str) -> Result<(PriceId, PriceId), &'static str> {
    let upgrade = sales::upgrade(scene(house), "ann@example.com", None, tier, None).map_err(|no| no.code)?;
    Ok((upgrade.from, upgrade.to))
}

#[test]
fn an_upgrade_keeps_the_rhythm_of_what_is_paid_now() {
    let (mut house, sub) = with_ann();
    assert_eq!(upgrade(&house, "Premium"), Ok(("price_basic".into(), "price_premium".into())));
    assert_eq!(upgrade(&house, "Basic"), Err("same_price"));
    let opened = house.now;
    house.past_due(&sub, "in_1", opened);
    house.settle();
    assert_eq!(upgrade(&house, "Premium"), Err("unpaid"));
    let now = house.now;
    house.cancel(&sub, now);
    house.settle();
    assert_eq!(upgrade(&house, "Premium"), Err("no_subscription"));
}

#[test]
fn which_of_several_subscriptions_is_meant_has_to_be_said() {
    let (mut house, _) = with_ann();
    let second = house.subscribe("sub_second", "ann", "price_premium");
    house.settle();
    let held = |named| sales::held(scene(&house), "ann@example.com", named).map(|held| held.subscription);
    assert_eq!(held(None).unwrap_err().code, "which_subscription");
    assert_eq!(held(Some(&second)).unwrap(), second);
    assert_eq!(sales::payer(scene(&house), "ann@example.com"), Ok(CustomerId::from("cus_ann")));
}

fn look(house: &House, look: Look) -> Result<Value, &'static str> {
    reports::look(scene(house), &look).map_err(|no| no.code)
}

fn ann_stands(house: &House) -> Value {
    look(house, Look::Subscription { who: "ann@example.com".into() }).unwrap()
}

fn tier_named(name: &str) -> Wish {
    Wish { tier: Some(name.into()), feature: None }
}

fn feature(key: &str) -> Wish {
    Wish { tier: None, feature: Some(key.into()) }
}

fn may(house: &House, wish: Wish) -> bool {
    look(house, Look::Access { who: "ann@example.com".into(), wish }).is_ok()
}

#[test]
fn a_subscription_is_told_in_stripes_words() {
    let (mut house, sub) = with_ann();
    house.sub(&sub).status = Status::Trialing;
    house.settle();
    let told = ann_stands(&house);
    assert_eq!((&told["plan_name"], &told["plan_status"]), (&json!("Basic"), &json!("trialing")));
    assert_eq!((&told["is_subscribed"], &told["days_until_renewal"]), (&json!(true), &json!(29)));
    assert_eq!(told["limits"], json!({"streams": 1, "devices": 4}));
    assert!(may(&house, tier_named("Basic")) && may(&house, Wish::default()));
    assert!(!may(&house, tier_named("Premium")) && !may(&house, feature("requests")));
    let ends = house.now + days(10);
    house.sub(&sub).cancel_at = Some(ends);
    house.settle();
    assert_eq!(
        (&ann_stands(&house)["cancel_at"], &ann_stands(&house)["days_until_renewal"]),
        (&json!(ends), &Value::Null)
    );
    house.subscribe("sub_second", "ann", "price_premium");
    house.settle();
    let told = ann_stands(&house);
    assert_eq!(
        (&told["plan_name"], &told["limits"]),
        (&json!("Basic and Premium"), &json!({"streams": -1, "devices": 4}))
    );
    assert!(may(&house, feature("requests")));
    assert!(may(&house, Wish { tier: Some("Basic".into()), ..feature("requests") }));
    assert!(!may(&house, Wish { tier: Some("Gold".into()), ..feature("requests") }), "both");
}

#[test]
fn who_is_in_without_paying_is_grandfathered_or_free() {
    let mut house = house();
    house.share(1, 200, "ann", &[MOVIES], days(100));
    house.settle();
    assert_eq!((&ann_stands(&house)["plan_status"], &ann_stands(&house)["plan_name"]), (&json!("free"), &Value::Null));
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let free = Tier { features: ["catalogue".to_owned()].into(), prices: [].into(), ..tiers[0].clone() };
    tiers.push(Tier { name: "Free".into(), trial_days: None, ..free });
    assert_eq!(ann_stands(&house)["plan_name"], "Free");
    assert!(may(&house, feature("catalogue")));
    let id = house.member(200).id.clone();
    let since = house.now;
    house.book.members.get_mut(&id).unwrap().grants.push(Grant::new(GrantKind::Grandfathered, since));
    assert_eq!(ann_stands(&house)["plan_status"], "grandfathered");
    house.book.members.get_mut(&id).unwrap().blocked = Some(since);
    assert!(!may(&house, Wish::default()) && !may(&house, tier_named("Free")));
}

#[test]
fn whom_nobody_knows_has_no_access_and_no_subscription() {
    let house = house();
    let who = || "nobody@example.com".to_owned();
    assert_eq!(look(&house, Look::Access { who: who(), wish: Wish::default() }), Err("no_access"));
    assert_eq!(look(&house, Look::Subscription { who: who() }), Err("not_found"));
}

#[test]
fn plans_show_what_is_sold_in_its_order() {
    let mut house = house();
    tier(&mut house, "Premium", |premium| premium.order = -1);
    let plans = look(&house, Look::Plans).unwrap();
    let names: Vec<&Value> = plans["plans"].as_array().unwrap().iter().map(|plan| &plan["name"]).collect();
    assert_eq!(names, ["Premium", "Basic"]);
    let prices: Vec<&Value> = plans["plans"][0]["prices"].as_array().unwrap().iter().map(|p| &p["interval"]).collect();
    assert_eq!(prices, ["month", "year"]);
    assert_eq!(plans["plans"][1]["trial_days"], 14);
    tier(&mut house, "Premium", |premium| premium.active = false);
    assert_eq!(look(&house, Look::Plans).unwrap()["plans"].as_array().unwrap().len(), 1);
}

fn bought_for(house: &mut House, member: &str, at: Moment) -> MemberId {
    let sub = house.subscribe("sub_new", "work", "price_basic");
    house.sub(&sub).member = Some(MemberId(member.to_owned()));
    house.sub(&sub).created = at;
    house.settle();
    house.payer("work").id.clone()
}

#[test]
fn what_was_bought_at_a_page_of_ours_belongs_to_the_member_it_was_made_for() {
    let mut house = house();
    house.share(1, 200, "ann", &[MOVIES], days(100));
    house.settle();
    let ann = house.member(200).id.clone();
    let now = house.now;
    assert_eq!(bought_for(&mut house, &ann.0, now), ann);
    assert!(house.payer("work").customers.values().all(|payer| payer.proof.is_some()));
    assert!(house.invites().is_empty(), "{:?}", house.decided());
}

#[test]
fn an_id_from_a_book_that_is_lost_means_nobody() {
    let mut house = house();
    house.share(1, 200, "ann", &[MOVIES], days(100));
    house.settle();
    let ann = house.member(200).id.clone();
    let before = house.now - days(1);
    assert_ne!(bought_for(&mut house, &ann.0, before), ann);
}

#[test]
fn the_billing_page_is_that_of_the_customer_who_pays_now() {
    let page = |spoil: Change| {
        let mut paper = Paper::new();
        let ann = paper.ann.clone();
        paper.pays_as(&ann, "cus_old", Status::Canceled, paper::days(300));
        paper.pays_as(&ann, "cus_runs", Status::Active, paper::days(200));
        paper.pays_as(&ann, "cus_young", Status::Canceled, paper::days(3));
        spoil(&mut paper);
        sales::payer(paper.scene(), "ann@example.com").map(|customer| customer.0).unwrap_or_default()
    };
    assert_eq!(page(|_| ()), "cus_runs");
    let over: Change = |paper| {
        for billed in paper.member().subscriptions.values_mut() {
            billed.now.status = Status::Canceled;
        }
    };
    assert_eq!(page(over), "cus_young", "the newest, where nothing runs");
    let unlinked: Change = |paper| {
        let now = Some(paper.now);
        paper.member().customers.get_mut(&CustomerId::from("cus_runs")).unwrap().unlinked = now;
    };
    assert_eq!(page(unlinked), "cus_young", "whose that is the operator has not said");
    let deleted: Change = |paper| {
        let id = CustomerId::from("cus_runs");
        let gone = Customer { id: id.clone(), email: None, name: None, deleted: true };
        paper.world.stripe.whole_mut().unwrap().value.customers.insert(id, gone);
    };
    assert_eq!(page(deleted), "cus_young", "it is gone at Stripe");
}

#[test]
fn who_is_meant_by_a_name_of_two_must_be_said_more_closely() {
    let mut house = house();
    house.share(10, 200, "ann", &[MOVIES], days(100));
    house.share(11, 201, "bob", &[MOVIES], days(100));
    (house.row(11).title, house.row(11).username) = (Some("ann".into()), None);
    house.settle();
    assert_eq!(buys(&house, Whom::Member("ann".into()), "Basic").unwrap_err(), "ambiguous");
    assert_eq!(buys(&house, Whom::Member("carl".into()), "Basic").unwrap_err(), "not_found");
}

#[test]
fn the_free_tier_is_what_they_have_who_are_in_and_pay_nothing() {
    let tiers = |spoil: Change| {
        let mut paper = Paper::new();
        let Tiers::File(all) = &mut paper.rules.tiers else { panic!() };
        all.push(Tier::of("Free", usher::tier::Wanted::Titles(vec!["Movies".into()])));
        let ann = paper.ann.clone();
        paper.shares(&ann, &[MOVIES], paper::days(300));
        spoil(&mut paper);
        let has = sales::tiers_of(paper.scene(), &paper.book.members[&ann]);
        has.into_iter().map(|tier| tier.name.clone()).collect::<Vec<_>>()
    };
    let pays: Change = |paper| _ = paper.pays(&paper.ann.clone(), Status::Active, paper::days(3));
    let in_by_hand: Change = |paper| paper.grant(&paper.ann.clone(), GrantKind::ByHand);
    assert_eq!(tiers(pays), ["Basic"]);
    assert_eq!(tiers(in_by_hand), ["Free"]);
    assert_eq!(tiers(|paper| paper.member().home = true), ["Free"], "protected");
    assert_eq!(tiers(|_| ()), [""; 0], "nothing stands for it");
    let revoked: Change = |paper| {
        paper.pays(&paper.ann.clone(), Status::Active, paper::days(3));
        paper.member().blocked = Some(paper.now);
    };
    assert_eq!(tiers(revoked), [""; 0]);
}
