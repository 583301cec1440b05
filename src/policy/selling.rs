//! What can be bought now: the active prices of the tiers that are still sold,
//! without those that are metered, which go with another price and not alone.
//! Who pays for a price or a tier that is sold no longer keeps it.

use std::collections::BTreeSet;

use super::{Rules, World, plan::Problem, prices};
use crate::facts::{Catalogue, PriceId};
use crate::tier::Tier;

/// The prices at which a tier can be bought. Where Stripe's prices can't be
/// read, all that the tier names.
#[must_use]
pub fn prices_of(rules: &Rules, catalogue: Option<&Catalogue>, tier: &Tier) -> BTreeSet<PriceId> {
    if !tier.active {
        return BTreeSet::new();
    }
    let Some(catalogue) = catalogue else { return tier.prices.clone() };
    let is_sold = |price: &&PriceId| {
        catalogue.prices.contains_key(*price) && catalogue.tags.get(*price).is_none_or(|tag| tag.active && !tag.metered)
    };
    let is_default = rules.tiers.default_tier().is_some_and(|default| default.name == tier.name);
    if !is_default {
        return tier.prices.iter().filter(is_sold).cloned().collect();
    }
    let buys_it = |price: &&PriceId| {
        prices::tier_of(rules, Some(catalogue), price, catalogue.prices.get(*price)).as_ref() == Some(&tier.name)
    };
    catalogue.prices.keys().filter(is_sold).filter(buys_it).cloned().collect()
}

/// Tiers that name prices which Stripe doesn't have, or that nobody can buy.
#[must_use]
pub fn problems(rules: &Rules, world: &World) -> Vec<Problem> {
    let catalogue = world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    // A Stripe without any price is a wrong or a sick one, which is told as such.
    let Some(catalogue) = catalogue.filter(|catalogue| !catalogue.prices.is_empty()) else { return Vec::new() };
    rules
        .tiers
        .all()
        .iter()
        .filter(|tier| !tier.prices.is_empty())
        .filter_map(|tier| problem(rules, catalogue, tier))
        .collect()
}

fn problem(rules: &Rules, catalogue: &Catalogue, tier: &Tier) -> Option<Problem> {
    let unknown: Vec<&str> =
        tier.prices.iter().filter(|price| !catalogue.prices.contains_key(*price)).map(PriceId::as_str).collect();
    let name = &tier.name;
    let detail = if !unknown.is_empty() {
        let which = unknown.join(", ");
        format!(
            "Tier {name:?} names {which}, which Stripe doesn't have as a recurring price. Nobody is ended because of it."
        )
    } else if tier.active && prices_of(rules, Some(catalogue), tier).is_empty() {
        format!(
            "None of the prices of tier {name:?} is active at Stripe and not metered, so nobody can buy it here. \
             Who pays for it keeps it."
        )
    } else {
        return None;
    };
    Some(Problem {
        key: format!("price: {detail}"),
        title: "A tier's prices don't fit Stripe's".into(),
        detail,
        what_to_do: "Mend the tiers file, activate the price at Stripe, or set the tier's \"active\" to false.".into(),
    })
}
