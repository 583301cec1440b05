//! The tiers as they were taken up last: what a renamed one is recognised by,
//! and what goes on counting while the tiers file can't be read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::PriceId;
use crate::tier::Tier;

/// The tiers as the book knows them. Everywhere else it names a tier by the
/// name that stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTiers {
    /// Where they stood; `None` = none were ever taken up.
    pub from: Option<TiersFrom>,
    /// As they were taken up last.
    pub tiers: Vec<Tier>,
    /// Those that are in force no more, to know them again if they come back.
    pub gone: Vec<Tier>,
    /// Prices that stand in no tier any more, and the tier in which each stood
    /// last: they get no other one because of their product.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub once: BTreeMap<PriceId, String>,
}

/// Where tiers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TiersFrom {
    /// In the tiers file.
    File,
    /// In the metadata of Stripe's products.
    Products,
}

impl KnownTiers {
    /// The tiers of the file, where one with any tier in it was in force last.
    #[must_use]
    pub fn of_file(&self) -> Option<&[Tier]> {
        (self.from == Some(TiersFrom::File) && !self.tiers.is_empty()).then_some(self.tiers.as_slice())
    }
}
