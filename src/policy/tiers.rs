//! What prices buy: the tiers file, Stripe's products, or one tier for all.

use std::collections::BTreeSet;

use crate::facts::Catalogue;
use crate::ledger::{KnownTiers, TiersFrom};
use crate::tier::{Tier, Wanted};

/// Where tiers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiers {
    /// The tiers file.
    File(Vec<Tier>),
    /// No file: one tier for every price of ours; `None` where not even
    /// `DEFAULT_LIBRARIES` says what to share.
    Default(Option<Tier>),
    /// No file, and Stripe products that say what they open: a tier each, and
    /// the default one, where there is one, for every other price of ours.
    Products {
        /// All of them, the default one included.
        all: Vec<Tier>,
        /// As in [`Tiers::Default`].
        default: Option<Tier>,
    },
}

impl Tiers {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Tier] {
        match self {
            Self::File(tiers) => tiers,
            Self::Default(tier) => tier.as_slice(),
            Self::Products { all, .. } => all,
        }
    }

    /// All of them, as they stand in lists.
    #[must_use]
    pub fn in_order(&self) -> Vec<&Tier> {
        let mut tiers: Vec<&Tier> = self.all().iter().collect();
        tiers.sort_by_key(|tier| tier.order);
        tiers
    }

    /// The tier of every price of ours that no other tier names.
    #[must_use]
    pub fn default_tier(&self) -> Option<&Tier> {
        match self {
            Self::File(_) => None,
            Self::Default(tier) | Self::Products { default: tier, .. } => tier.as_ref(),
        }
    }

    /// Without a tiers file, products with `usher_libraries` (titles by comma)
    /// and `usher_downloads` in their metadata are tiers. `None` where a file
    /// says what prices buy. Also gives what is wrong with a product.
    #[must_use]
    pub fn with_products(&self, catalogue: &Catalogue) -> Option<(Self, Vec<String>)> {
        if matches!(self, Self::File(_)) {
            return None;
        }
        let default = self.default_tier().cloned();
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (id, product) in &catalogue.products {
            let Some(titles) = product.metadata.get("usher_libraries") else { continue };
            let titles: Vec<String> = titles.split(',').map(|title| title.trim().to_owned()).collect();
            match Wanted::parse(&titles) {
                Err(problem) => problems.push(format!("product {id} ({}): usher_{problem}", product.name)),
                Ok(libraries) => {
                    let of_it = catalogue.prices.iter().filter(|(_, of)| *of == id);
                    let said = |name: &str| product.metadata.get(name).map(|word| word.trim());
                    let features = said("usher_features").unwrap_or_default().split(',').map(str::trim);
                    all.push(Tier {
                        prices: of_it.map(|(price, _)| price.clone()).collect(),
                        downloads: said("usher_downloads") == Some("true"),
                        trial_days: said("usher_trial_days").and_then(|days| days.parse().ok()),
                        order: said("usher_order").and_then(|order| order.parse().ok()).unwrap_or(0),
                        active: product.active,
                        features: features.filter(|key| !key.is_empty()).map(str::to_owned).collect(),
                        product: Some(id.clone()),
                        ..Tier::of(&product.name, libraries)
                    });
                }
            }
        }
        if all.is_empty() {
            return Some((Self::Default(default), problems));
        }
        name_apart(&mut all, default.as_ref());
        all.extend(default.clone());
        Some((Self::Products { all, default }, problems))
    }

    /// The tiers of before, as the book has them, while Stripe's products have
    /// not been read yet.
    #[must_use]
    pub fn products_of_before(&self, known: &KnownTiers) -> Option<Self> {
        let Self::Default(default) = self else { return None };
        if known.from != Some(TiersFrom::Products) {
            return None;
        }
        let of_products = known.tiers.iter().filter(|tier| tier.product.is_some());
        let all = of_products.chain(default).cloned().collect();
        Some(Self::Products { all, default: default.clone() })
    }

    /// Where these come from, if from a list that can be taken up.
    #[must_use]
    pub fn from(&self) -> Option<TiersFrom> {
        match self {
            Self::File(_) => Some(TiersFrom::File),
            Self::Products { .. } => Some(TiersFrom::Products),
            Self::Default(_) => None,
        }
    }

    /// What these tiers are called, for members.
    #[must_use]
    pub fn words(&self, names: &BTreeSet<String>) -> Option<String> {
        let shown = |name: &String| self.named(name).map_or(name.clone(), |tier| tier.shown().to_owned());
        (!names.is_empty()).then(|| names.iter().map(shown).collect::<Vec<_>>().join(" and "))
    }

    /// The one that the operator means: its name, in whatever case, or its
    /// label, where only one has it.
    ///
    /// # Errors
    /// Which there are.
    pub fn meant(&self, word: &str) -> Result<&Tier, String> {
        let said = word.trim();
        let word = said.to_lowercase();
        let labelled = || {
            let mut such = self.all().iter().filter(|tier| tier.shown().to_lowercase() == word);
            such.next().filter(|_| such.next().is_none())
        };
        let named = self.all().iter().find(|tier| tier.name.to_lowercase() == word);
        named.or_else(labelled).ok_or_else(|| {
            let names: Vec<&str> = self.all().iter().map(|tier| tier.name.as_str()).collect();
            format!("there is no tier {said:?}; there is {}", names.join(", "))
        })
    }

    /// The first tier that costs nothing: what who pays nothing has.
    #[must_use]
    pub fn free(&self) -> Option<&Tier> {
        let Self::File(tiers) = self else { return None };
        tiers.iter().filter(|tier| tier.active && tier.is_free()).min_by_key(|tier| tier.order)
    }

    /// By name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Tier> {
        self.all().iter().find(|tier| tier.name == name)
    }

    /// The one tier that stands for every price of ours.
    #[must_use]
    pub fn default_for(wanted: Wanted, downloads: bool) -> Self {
        Self::Default(Some(Tier { downloads, ..Tier::of("default", wanted) }))
    }
}

/// Two products of one name are two tiers: each is told apart by its id.
fn name_apart(tiers: &mut [Tier], default: Option<&Tier>) {
    let names: Vec<String> = tiers.iter().chain(default).map(|tier| tier.name.clone()).collect();
    let is_twice = |name: &str| names.iter().filter(|other| *other == name).count() > 1;
    for tier in tiers.iter_mut().filter(|tier| is_twice(&tier.name)) {
        let Some(product) = &tier.product else { continue };
        let apart = format!("{} ({product})", tier.name);
        tier.label = Some(std::mem::replace(&mut tier.name, apart));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{PriceId, Product, ProductId};

    fn catalogue(libraries: &str) -> Catalogue {
        let metadata = [
            ("usher_libraries", libraries),
            ("usher_downloads", "true"),
            ("usher_trial_days", "7"),
            ("usher_features", "requests, 4k"),
        ];
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let product = Product { name: "Film club".into(), active: true, metadata };
        Catalogue {
            tags: BTreeMap::new(),
            prices: BTreeMap::from([(PriceId::from("price_a"), ProductId::from("prod_a"))]),
            products: BTreeMap::from([(ProductId::from("prod_a"), product)]),
        }
    }

    #[test]
    fn a_product_may_say_itself_what_it_opens() {
        let (tiers, problems) = Tiers::Default(None).with_products(&catalogue("Movies, TV")).unwrap();
        let tier = tiers.named("Film club").unwrap();
        assert_eq!(tier.libraries, Wanted::Titles(vec!["Movies".into(), "TV".into()]));
        assert_eq!(tier.trial_days.map(|days| days.get()), Some(7));
        assert_eq!(tier.features, ["4k", "requests"].map(str::to_owned).into());
        assert!(tier.downloads && tier.prices.contains(&PriceId::from("price_a")) && problems.is_empty());
    }

    #[test]
    fn a_product_that_says_nonsense_is_told_and_opens_nothing() {
        let (tiers, problems) = Tiers::Default(None).with_products(&catalogue("*, Movies")).unwrap();
        assert_eq!((tiers.all().len(), problems.len()), (0, 1));
    }

    #[test]
    fn a_tiers_file_has_the_last_word() {
        assert!(Tiers::File(Vec::new()).with_products(&catalogue("Movies")).is_none());
    }
}
