//! What the public pages may say: what is sold here, and whether anybody can be
//! let in at all. Nothing about anybody (RULES R6: no money is taken while
//! nobody could be let in for it).

use std::num::NonZeroU32;

use super::{Scene, brake, libraries, pending, selling};
use crate::facts::{Catalogue, PriceId, PriceTag, Source};
use crate::tier::Tier;

/// What everybody may know of the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Whether people can be let in.
    pub doors: Doors,
    /// What is sold, in the order of the tiers.
    pub tiers: Vec<OnSale>,
    /// There are free codes.
    pub has_codes: bool,
}

/// Whether people can be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// They can.
    Open,
    /// All seats are taken.
    Full,
    /// A dry run: nobody is let in.
    DryRun,
    /// Something is amiss, and whoever pays now would wait.
    NotNow,
}

/// A tier that can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnSale {
    /// As it stands in an address.
    pub slug: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Titles of what it opens.
    pub libraries: Vec<String>,
    /// Whether downloads are allowed.
    pub downloads: bool,
    /// Days before the first charge.
    pub trial_days: Option<NonZeroU32>,
    /// Every price that buys it now, the cheapest first.
    pub prices: Vec<Offer>,
}

/// One price of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// At Stripe.
    pub price: PriceId,
    /// What it costs; `None` where the key may not read prices: Checkout says it.
    pub words: Option<String>,
}

/// See the module.
#[must_use]
pub fn front(scene: Scene<'_>) -> Front {
    let catalogue = scene.world.stripe.value().and_then(|billing| billing.catalogue.as_ref());
    let mut tiers: Vec<OnSale> = Vec::new();
    for tier in scene.rules.tiers.in_order() {
        let Some(mut tier) = on_sale(scene, catalogue, tier) else { continue };
        if tier.slug.is_empty() || tiers.iter().any(|other| other.slug == tier.slug) {
            tier.slug = format!("{}{}", tier.slug, tiers.len() + 1);
        }
        tiers.push(tier);
    }
    Front { doors: doors(scene), tiers, has_codes: !scene.rules.free_codes.is_empty() }
}

fn doors(scene: Scene<'_>) -> Doors {
    let sources = [Source::Plex, Source::Stripe].into_iter().filter(|source| scene.rules.configured.contains(source));
    let trouble = |source| scene.world.state(source).wholes < 2 || brake::identity_failure(scene, source).is_some();
    let amiss = scene.world.only_look.is_some() || brake::clock_failure(scene).is_some();
    match () {
        () if scene.rules.ways.dry_run => Doors::DryRun,
        () if amiss || sources.into_iter().any(trouble) => Doors::NotNow,
        () if pending::seats_free(scene) == Some(0) => Doors::Full,
        () => Doors::Open,
    }
}

/// Nothing that can't be shared is sold, nor what has no price.
fn on_sale(scene: Scene<'_>, catalogue: Option<&Catalogue>, tier: &Tier) -> Option<OnSale> {
    let opens = libraries::resolve(&scene.book.libraries, tier).ok()?;
    let prices = prices_of(scene, catalogue, tier);
    (!prices.is_empty()).then(|| OnSale {
        slug: slug(tier.shown()),
        name: tier.shown().to_owned(),
        description: tier.description.clone(),
        libraries: libraries::titles(&scene.book.libraries, opens.ids()),
        downloads: tier.downloads,
        trial_days: tier.trial_days,
        prices,
    })
}

/// The prices at which it can be bought, the cheapest first.
fn prices_of(scene: Scene<'_>, catalogue: Option<&Catalogue>, tier: &Tier) -> Vec<Offer> {
    let tag = |price: &PriceId| catalogue.and_then(|known| known.tags.get(price));
    let mut prices: Vec<PriceId> = selling::prices_of(scene.rules, catalogue, tier).into_iter().collect();
    prices.sort_by_key(|price| tag(price).and_then(|tag| tag.amount));
    let offer = |price: PriceId| Offer { words: tag(&price).map(PriceTag::words), price };
    prices.into_iter().map(offer).collect()
}

/// "Film & TV" → "film-tv": what needs no encoding in an address.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Before anything is known.
#[must_use]
pub fn unknown() -> Front {
    Front { doors: Doors::NotNow, tiers: Vec::new(), has_codes: false }
}
