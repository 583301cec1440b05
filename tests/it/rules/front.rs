//! What the public pages say and do by the rules alone (R6, R10).

use usher::facts::{Customer, PriceId, PriceTag, Status};
use usher::ledger::{Delivery, NoticeKey};
use usher::policy::asks::{self, Ask, Hearing};
use usher::policy::front::{self, Doors, Front};
use usher::policy::{Scene, Tiers};

use super::house::{House, MOVIES, days, email};
use crate::paper::Paper;

fn front(house: &House) -> Front {
    front::front(Scene { now: house.now, rules: &house.rules, book: &house.book, world: &house.world })
}

fn tag(house: &mut House, price: &str, active: bool, amount: i64) {
    let tag = PriceTag {
        active,
        metered: false,
        amount: Some(amount),
        currency: "usd".into(),
        interval: "month".into(),
        interval_count: 1,
    };
    house.billing.catalogue.as_mut().unwrap().tags.insert(PriceId::from(price), tag);
}

/// What is on sale: each tier's address and prices.
fn sold(house: &House) -> Vec<(String, Vec<String>)> {
    let words = |offer: &front::Offer| offer.words.clone().unwrap_or_else(|| offer.price.to_string());
    front(house).tiers.iter().map(|tier| (tier.slug.clone(), tier.prices.iter().map(words).collect())).collect()
}

#[test]
fn only_what_can_be_bought_and_shared_is_on_sale() {
    let mut house = House::new();
    tag(&mut house, "price_basic", true, 500);
    tag(&mut house, "price_premium", false, 900);
    house.settle();
    assert_eq!(sold(&house), [("basic".to_owned(), vec!["5.00 USD a month".to_owned()])], "premium is sold no longer");
    tag(&mut house, "price_premium", true, 900);
    house.settle();
    assert_eq!(sold(&house).len(), 2);
    let catalogue = house.billing.catalogue.as_mut().unwrap();
    catalogue.tags.get_mut(&PriceId::from("price_premium")).unwrap().metered = true;
    house.settle();
    assert_eq!(sold(&house).len(), 1, "what is charged by use goes with another price, and not alone");
    house.billing.catalogue = None;
    house.settle();
    assert_eq!(sold(&house).len(), 2, "where prices can't be read, Checkout says what they are");
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[0].libraries = usher::tier::Wanted::Titles(vec!["Music".into()]);
    house.settle();
    assert_eq!(sold(&house), [("premium".to_owned(), vec!["price_premium".to_owned()])], "there is no Music");
}

#[test]
fn the_doors_are_open_only_while_who_pays_could_be_let_in() {
    let mut house = House::new();
    assert_eq!(front(&house).doors, Doors::NotNow, "nothing was looked at yet");
    house.settle();
    assert_eq!(front(&house).doors, Doors::Open);
    house.rules.seats = Some(2);
    house.share(10, 200, "bob", &[MOVIES], days(400));
    house.settle();
    assert_eq!(front(&house).doors, Doors::Open);
    // Paid, and not invited yet: the seat is theirs.
    house.subscribe("sub_1", "ann", "price_basic");
    house.read();
    assert_eq!(front(&house).doors, Doors::Full);
    house.rules.seats = None;
    house.billing.account = Some(usher::facts::StripeAccountId::from("acct_2"));
    house.settle();
    assert_eq!(front(&house).doors, Doors::NotNow, "another Stripe account");
    house.rules.ways.dry_run = true;
    assert_eq!(front(&house).doors, Doors::DryRun);
}

#[test]
fn a_book_that_cant_be_trusted_or_a_wrong_clock_closes_the_doors() {
    let spoil: [fn(&mut House); 2] =
        [|house| house.world.only_look = Some("restored".into()), |house| house.book.committed = house.now + days(1)];
    for spoil in spoil {
        let mut house = House::new();
        house.settle();
        assert_eq!(front(&house).doors, Doors::Open);
        spoil(&mut house);
        assert_eq!(front(&house).doors, Doors::NotNow);
    }
}

#[test]
fn each_tier_has_an_address_of_its_own() {
    let mut house = House::new();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    let (basic, premium) = (tiers[0].clone(), tiers[1].clone());
    let named = |name: &str, tier: &usher::tier::Tier| usher::tier::Tier { name: name.into(), ..tier.clone() };
    *tiers = vec![named("Film & TV", &basic), named("映画", &premium)];
    house.settle();
    let slugs = |house: &House| sold(house).into_iter().map(|(slug, _)| slug).collect::<Vec<_>>();
    assert_eq!(slugs(&house), ["film-tv", "2"]);
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].name = "Film/TV".into();
    house.settle();
    assert_eq!(slugs(&house), ["film-tv", "film-tv2"]);
}

fn link(house: &mut House, name: &str) {
    let ask = Ask::BillingLink { email: email(name).as_str().to_uppercase() };
    let hearing = Hearing { now: house.now, rules: &house.rules, world: &house.world };
    asks::carry_out(hearing, &mut house.book, &ask).unwrap();
}

fn links(house: &House) -> Vec<NoticeKey> {
    house.letters("billing_link").into_iter().cloned().collect()
}

#[test]
fn a_billing_link_goes_to_the_customers_own_address_once_a_day() {
    let mut house = House::new();
    house.subscribe("sub_1", "ann", "price_basic");
    house.share(10, 200, "bob", &[MOVIES], days(400));
    house.settle();
    for name in ["ann", "ann", "bob", "nobody"] {
        link(&mut house, name);
    }
    assert_eq!(links(&house).len(), 1, "{:?}", links(&house));
    let notice = &house.book.outbox[&links(&house)[0]];
    assert_eq!(notice.to, Some(email("ann")));
    assert!(notice.deliveries.values().all(|delivery| matches!(delivery, Delivery::Due { .. })));
    house.later(days(1));
    link(&mut house, "ann");
    assert_eq!(links(&house).len(), 2);
}

#[test]
fn a_billing_link_follows_the_address_at_stripe_and_not_what_was_unlinked() {
    let mut house = House::new();
    let old = house.subscribe("sub_1", "ann", "price_basic");
    house.settle();
    let customer = house.sub(&old).customer.clone();
    let moved = Customer { id: customer.clone(), email: Some(email("anna")), name: None, deleted: false };
    house.billing.customers.insert(customer, moved);
    house.settle();
    link(&mut house, "ann");
    assert!(links(&house).is_empty(), "her address of before is nobody's now");
    link(&mut house, "anna");
    assert_eq!(links(&house).len(), 1);
    house.later(days(1));
    let ann = house.payer("ann").id.clone();
    let payers = &mut house.book.members.get_mut(&ann).unwrap().customers;
    payers.values_mut().for_each(|payer| payer.unlinked = Some(house.now));
    link(&mut house, "anna");
    assert_eq!(links(&house).len(), 1);
}

#[test]
fn of_two_customers_with_one_address_the_link_goes_to_the_one_that_is_charged() {
    let mut paper = Paper::new();
    let ann = paper.ann.clone();
    paper.ended(&ann, days(90));
    paper.pays_as(&ann, "cus_now", Status::Active, days(80));
    let ask = Ask::BillingLink { email: "ann@example.com".into() };
    let said = paper.says(&ask).unwrap();
    let to: Vec<_> = paper.book.outbox.values().filter_map(|notice| notice.customer.clone()).collect();
    assert_eq!(to, ["cus_now".into()]);
    assert_eq!(said.lines, ["a link is mailed, once a day"]);
    let nobody = paper.says(&Ask::BillingLink { email: "eve@example.com".into() }).unwrap();
    assert_eq!(nobody.lines, ["no customer has this address"]);
    paper.rules.ways.dry_run = true;
    assert_eq!(paper.says(&ask), Err("this is a dry run, which writes to nobody".into()));
}

#[test]
fn a_second_trial_is_told_once_and_taken_from_nobody() {
    let mut house = House::new();
    let told = |house: &House| house.letters("attention").iter().filter(|key| key.0.contains("trial/")).count();
    let first = house.subscribe("sub_1", "ann", "price_basic");
    let end = house.now + days(7);
    let sub = house.sub(&first);
    (sub.status, sub.trial_end) = (Status::Trialing, Some(end));
    house.settle();
    assert_eq!(told(&house), 0, "the first is hers");
    house.cancel(&first, end);
    house.later(days(7));
    let second = house.subscribe("sub_2", "ann", "price_basic");
    let end = house.now + days(7);
    let sub = house.sub(&second);
    (sub.status, sub.trial_end) = (Status::Trialing, Some(end));
    house.days(2);
    assert_eq!(told(&house), 1);
    house.sub(&second).status = Status::Active;
    house.days(2);
    assert_eq!((told(&house), house.ends()), (1, Vec::new()));
}
