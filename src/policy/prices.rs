//! R1 *price of ours*: which prices count, and what they buy. A subscription
//! with several items buys the union; an item of ours that no tier knows takes
//! nothing away from what the others buy.

use std::collections::BTreeSet;

use super::{Rules, Tiers};
use crate::facts::{Catalogue, Item, PriceId, ProductId, Subscription};
use crate::ledger::KnownTiers;

/// What a subscription on prices of ours buys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bought {
    /// The tiers of its items.
    pub tiers: BTreeSet<String>,
    /// Prices of ours of which no tier says what they buy: held and told.
    pub unclear: BTreeSet<PriceId>,
}

/// What a subscription buys; `None` when no price of it is ours: ignored,
/// counted, said once. A price is ours when it is named in a tier, or when its
/// product is named in `STRIPE_PRODUCTS`, carries `usher_*` metadata or has
/// another price of ours.
#[must_use]
pub fn bought(rules: &Rules, catalogue: Option<&Catalogue>, sub: &Subscription) -> Option<Bought> {
    all_of(sub, |item| match_price(rules, catalogue, &item.price, item.product.as_ref()))
}

/// As [`bought`], and by what the book knows: a price that stood in a tier and
/// stands in none any more is ours, and gets no other tier because of its
/// product. That takes the operator's word (RULES R7).
#[must_use]
pub fn bought_by_book(
    rules: &Rules,
    catalogue: Option<&Catalogue>,
    known: &KnownTiers,
    sub: &Subscription,
) -> Option<Bought> {
    all_of(sub, |item| {
        let found = match_price(rules, catalogue, &item.price, item.product.as_ref());
        // One tier for every price of ours is the operator's word already.
        let stood = known.once.get(&item.price).filter(|_| !matches!(rules.tiers, Tiers::Default(_)));
        match (stood, found) {
            (None, found) => found,
            (Some(stood), Match::Tier(tier)) if tier == *stood => Match::Tier(tier),
            (Some(_), _) => Match::NoTier,
        }
    })
}

/// What all items come to together.
fn all_of(sub: &Subscription, found: impl Fn(&Item) -> Match) -> Option<Bought> {
    let mut bought = Bought::default();
    for item in &sub.items {
        match found(item) {
            Match::Tier(tier) => drop(bought.tiers.insert(tier)),
            Match::NoTier => drop(bought.unclear.insert(item.price.clone())),
            Match::Foreign => {}
        }
    }
    let ours = !bought.tiers.is_empty() || !bought.unclear.is_empty();
    ours.then_some(bought)
}

/// The tier that a price buys, if it is ours.
#[must_use]
pub fn tier_of(
    rules: &Rules,
    catalogue: Option<&Catalogue>,
    price: &PriceId,
    product: Option<&ProductId>,
) -> Option<String> {
    match match_price(rules, catalogue, price, product) {
        Match::Tier(tier) => Some(tier),
        Match::NoTier | Match::Foreign => None,
    }
}

enum Match {
    Tier(String),
    NoTier,
    Foreign,
}

fn match_price(rules: &Rules, catalogue: Option<&Catalogue>, price: &PriceId, product: Option<&ProductId>) -> Match {
    if let Some(tier) = rules.tiers.all().iter().find(|tier| tier.prices.contains(price)) {
        return Match::Tier(tier.name.clone());
    }
    let product = product.or_else(|| catalogue.and_then(|known| known.prices.get(price)));
    let Some(product) = product else { return Match::Foreign };
    if let Some(tier) = tier_by_product(&rules.tiers, catalogue, product) {
        return Match::Tier(tier);
    }
    let ours = || is_product_of_ours(rules, catalogue, product) || has_prices_of_ours(&rules.tiers, catalogue, product);
    match (rules.tiers.default_tier(), ours()) {
        (_, false) => Match::Foreign,
        (Some(tier), true) => Match::Tier(tier.name.clone()),
        (None, true) => Match::NoTier,
    }
}

/// Prices can't be changed, only replaced: an old price of a product whose
/// other price stands in exactly one tier buys that tier.
fn tier_by_product(tiers: &Tiers, catalogue: Option<&Catalogue>, product: &ProductId) -> Option<String> {
    let siblings: Vec<&PriceId> =
        catalogue?.prices.iter().filter(|(_, of)| *of == product).map(|(price, _)| price).collect();
    let mut hits = tiers.all().iter().filter(|tier| siblings.iter().any(|price| tier.prices.contains(*price)));
    match (hits.next(), hits.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    }
}

/// Other prices of this product stand in tiers: in several, so that none can be
/// taken for this one.
fn has_prices_of_ours(tiers: &Tiers, catalogue: Option<&Catalogue>, product: &ProductId) -> bool {
    let named = |price: &PriceId| tiers.all().iter().any(|tier| tier.prices.contains(price));
    catalogue.is_some_and(|known| known.prices.iter().any(|(price, of)| of == product && named(price)))
}

fn is_product_of_ours(rules: &Rules, catalogue: Option<&Catalogue>, product: &ProductId) -> bool {
    if rules.products.contains(product) {
        return true;
    }
    let Some(catalogue) = catalogue else { return false };
    let marked = catalogue
        .products
        .get(product)
        .is_some_and(|product| product.metadata.keys().any(|key| key.starts_with("usher_")));
    marked || (nothing_is_named(rules, catalogue) && only_product(catalogue) == Some(product))
}

/// R1: nothing says which prices are ours, and the account sells several
/// recurring products, of which none is taken then; how many.
#[must_use]
pub fn undecided(rules: &Rules, catalogue: &Catalogue) -> Option<usize> {
    let several = recurring_products(catalogue).len();
    (nothing_is_named(rules, catalogue) && several > 1).then_some(several)
}

fn nothing_is_named(rules: &Rules, catalogue: &Catalogue) -> bool {
    rules.products.is_empty()
        && rules.tiers.all().iter().all(|tier| tier.prices.is_empty() && tier.entitlement.is_none())
        && !catalogue.products.values().any(|product| product.metadata.keys().any(|key| key.starts_with("usher_")))
}

fn only_product(catalogue: &Catalogue) -> Option<&ProductId> {
    let products = recurring_products(catalogue);
    products.first().copied().filter(|_| products.len() == 1)
}

fn recurring_products(catalogue: &Catalogue) -> BTreeSet<&ProductId> {
    catalogue.prices.values().collect()
}
