//! R1, *price of ours*: which prices count, and what they buy.

use std::collections::BTreeSet;

use usher::facts::{Catalogue, PriceId, Product, ProductId, SubscriptionId};
use usher::policy::prices::{bought, tier_of, undecided};
use usher::policy::{Rules, Tiers};
use usher::tier::{Tier, Wanted};

use super::house::{self, subscription};
use crate::paper::noon;

/// Every product with its prices, by their names.
fn catalogue(products: &[(&str, &[&str])]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (product, prices) in products {
        catalogue.products.insert(ProductId::from(*product), Product::default());
        catalogue.prices.extend(prices.iter().map(|price| (PriceId::from(*price), ProductId::from(*product))));
    }
    catalogue
}

/// No tiers file: one tier for every price of ours.
fn unnamed() -> Rules {
    Rules {
        tiers: Tiers::Default(Some(Tier::of("All", Wanted::Titles(["Movies".to_owned()].into())))),
        ..house::rules()
    }
}

/// What a subscription at this price of this product buys.
fn buys(rules: &Rules, catalogue: &Catalogue, price: &str, product: &str) -> Option<BTreeSet<String>> {
    let id: SubscriptionId = "sub_1".into();
    let mut sub = subscription(&id, "cus_1".into(), price, noon());
    sub.items[0].product = Some(ProductId::from(product));
    bought(rules, Some(catalogue), &sub).map(|bought| bought.tiers)
}

#[test]
fn an_old_price_buys_what_the_new_price_of_its_product_does_unless_that_is_two_things() {
    let rules = house::rules();
    let tier = |catalogue: &Catalogue| tier_of(&rules, Some(catalogue), &"price_old".into(), Some(&"prod_1".into()));
    let one = catalogue(&[("prod_1", &["price_old", "price_premium"]), ("prod_2", &["price_basic"])]);
    assert_eq!(tier(&one), Some("Premium".to_owned()), "who paid before the price went up stays in");
    let both = catalogue(&[("prod_1", &["price_old", "price_basic", "price_premium"])]);
    assert_eq!(tier(&both), None);
    assert_eq!(tier(&catalogue(&[("prod_1", &["price_old"]), ("prod_2", &["price_basic"])])), None);
    assert_eq!(tier_of(&rules, None, &"price_old".into(), Some(&"prod_1".into())), None);
}

#[test]
fn where_nothing_is_named_the_only_product_is_ours_and_of_several_none() {
    let all = Some(BTreeSet::from(["All".to_owned()]));
    let one = catalogue(&[("prod_1", &["price_1", "price_2"])]);
    let two = catalogue(&[("prod_1", &["price_1"]), ("prod_2", &["price_2"])]);
    assert_eq!(buys(&unnamed(), &one, "price_1", "prod_1"), all);
    assert_eq!(buys(&unnamed(), &one, "price_9", "prod_9"), None, "another's");
    assert_eq!(buys(&unnamed(), &two, "price_1", "prod_1"), None, "who buys something else is no member");
    assert_eq!((undecided(&unnamed(), &one), undecided(&unnamed(), &two)), (None, Some(2)));
}

#[test]
fn once_anything_is_named_only_that_is_ours() {
    let one = catalogue(&[("prod_1", &["price_1"])]);
    let two = catalogue(&[("prod_1", &["price_1"]), ("prod_2", &["price_2"])]);
    let marked = |catalogue: &Catalogue, product: &str| {
        let mut catalogue = catalogue.clone();
        let metadata = [("usher_tier".to_owned(), "x".to_owned())].into();
        catalogue.products.insert(product.into(), Product { metadata, ..Product::default() });
        catalogue
    };
    // By STRIPE_PRODUCTS.
    let rules = Rules { products: ["prod_2".into()].into(), ..unnamed() };
    assert_eq!((buys(&rules, &one, "price_1", "prod_1"), undecided(&rules, &two)), (None, None));
    assert!(buys(&rules, &two, "price_2", "prod_2").is_some());
    // By its metadata.
    let other = marked(&one, "prod_archived");
    assert_eq!(
        (buys(&unnamed(), &other, "price_1", "prod_1"), undecided(&unnamed(), &marked(&two, "prod_2"))),
        (None, None)
    );
    assert!(buys(&unnamed(), &marked(&two, "prod_1"), "price_1", "prod_1").is_some());
    // By a tier's price, or its entitlement.
    let tier = || Tier::of("All", Wanted::Titles(["Movies".to_owned()].into()));
    let priced = Tier { prices: ["price_other".into()].into(), ..tier() };
    let entitled = Tier { entitlement: Some("plus".into()), ..tier() };
    for named in [priced, entitled] {
        let rules = Rules { tiers: Tiers::Default(Some(named)), ..house::rules() };
        assert_eq!((buys(&rules, &one, "price_1", "prod_1"), undecided(&rules, &two)), (None, None));
    }
}

#[test]
fn products_that_name_no_tier_change_nothing() {
    let (tiers, problems) = unnamed().tiers.with_products(&catalogue(&[("prod_1", &["price_1"])])).unwrap();
    assert_eq!((tiers, problems), (unnamed().tiers, Vec::new()));
}

#[test]
fn a_day_that_a_place_left_out_ends_when_it_has_ended_everywhere() {
    let mut rules = house::rules();
    rules.tz = chrono_tz::Pacific::Apia; // There was no 30 December 2011 in Samoa.
    let day = chrono::NaiveDate::from_ymd_opt(2011, 12, 29).unwrap();
    assert_eq!(rules.end_of_day(day).to_rfc3339(), "2011-12-30T14:00:00+00:00");
}

#[test]
fn a_trial_offer_has_another_price_and_buys_what_its_product_does() {
    let rules = house::rules();
    // The offer's price isn't even among those that are listed.
    let known = catalogue(&[("prod_1", &["price_premium"]), ("prod_2", &["price_basic"])]);
    assert_eq!(buys(&rules, &known, "price_offer", "prod_1"), Some(["Premium".to_owned()].into()));
    assert_eq!(buys(&rules, &known, "price_offer", "prod_9"), None);
}

#[test]
fn a_price_that_was_in_a_tier_gets_no_other_one_because_of_its_product() {
    let mut house = house::House::new();
    usher::policy::follow::take_up(&mut house.book, &house.rules.tiers);
    house.ann_pays("price_premium");
    house.carry_out();
    let tiers = |house: &house::House| house.member(200).subscriptions.values().next().unwrap().tiers.clone();
    let edit = |house: &mut house::House, change: fn(&mut Vec<Tier>)| {
        let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
        change(tiers);
        usher::policy::follow::take_up(&mut house.book, &house.rules.tiers);
        house.settle();
    };
    assert_eq!(tiers(&house), ["Premium".to_owned()].into());
    // The product's other price buys Basic.
    edit(&mut house, |tiers| tiers.truncate(1));
    assert!(tiers(&house).is_empty(), "{:?}", tiers(&house));
    assert!(house.decided().is_empty() && house.book.holds.is_empty(), "nobody is moved");
    assert_eq!(house.letters("attention").iter().filter(|key| key.0.contains("no-tier")).count(), 1, "it is told");
    let back = house::rules().tiers;
    house.rules.tiers = back;
    edit(&mut house, |_| ());
    assert_eq!(tiers(&house), ["Premium".to_owned()].into(), "the tier is back");
    // Replaced by another price in the same tier: it buys what it bought.
    house.billing.catalogue.as_mut().unwrap().prices.insert("price_new".into(), "prod_1".into());
    edit(&mut house, |tiers| {
        tiers.remove(0);
        tiers[0].prices = ["price_new".into(), "price_premium".into()].into();
    });
    edit(&mut house, |tiers| tiers[0].prices = ["price_new".into()].into());
    assert_eq!(tiers(&house), ["Premium".to_owned()].into());
    // A price that was never in any tier buys what its product does.
    house.billing.catalogue.as_mut().unwrap().prices.insert("price_newest".into(), "prod_1".into());
    house.subscribe("sub_9", "bob", "price_newest");
    house.settle();
    assert_eq!(house.payer("bob").subscriptions.values().next().unwrap().tiers, ["Premium".to_owned()].into());
}
