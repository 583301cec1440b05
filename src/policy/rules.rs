//! The operator's thresholds, as the rules want them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};

use crate::facts::{Email, Moment, ProductId, Source};
use crate::ledger::Ways;
use crate::tier::{Tier, Wanted};

/// All thresholds, from `Config`.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Idle days until the warning.
    pub warn_days: i64,
    /// Idle days until the removal.
    pub kick_days: i64,
    /// What pruning may do by itself.
    pub prune_mode: PruneMode,
    /// Days of grace after a failed payment.
    pub payment_grace_days: i64,
    /// How long after Stripe's end nothing happens yet.
    pub settle: TimeDelta,
    /// Days before a scheduled end at which a letter goes out, largest first.
    pub expiry_warn_days: Vec<i64>,
    /// `PAUSED_COLLECTION=end`.
    pub paused_collection_ends: bool,
    /// `VIP_NAMES`, lower-cased.
    pub vip_names: Vec<String>,
    /// `ADMIN_EMAIL`: protected.
    pub admin_email: Option<Email>,
    /// `MAX_REMOVALS_PER_DAY`; `None` = by the size of the house.
    pub removals_per_day_max: Option<usize>,
    /// `REMOVAL_PACE_MINS`.
    pub removal_pace: TimeDelta,
    /// How often each source is read.
    pub intervals: BTreeMap<Source, TimeDelta>,
    /// Which sources are configured (Plex always).
    pub configured: BTreeSet<Source>,
    /// Which ways out exist.
    pub ways: Ways,
    /// For promised days.
    pub tz: chrono_tz::Tz,
    /// What prices buy.
    pub tiers: Tiers,
    /// `STRIPE_PRODUCTS`.
    pub products: BTreeSet<ProductId>,
    /// Days after a removal until Tautulli's record is deleted; `None` = never.
    pub forget_days: Option<i64>,
}

/// `PRUNE_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneMode {
    /// Warn and remove.
    Auto,
    /// Warn; remove only what is approved.
    Approve,
    /// Only say who is idle.
    Report,
}

/// Where tiers come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tiers {
    /// The tiers file.
    File(Vec<Tier>),
    /// No file: one tier for every price of ours; `None` where not even
    /// `DEFAULT_LIBRARIES` says what to share.
    Default(Option<Tier>),
}

impl Tiers {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Tier] {
        match self {
            Self::File(tiers) => tiers,
            Self::Default(tier) => tier.as_slice(),
        }
    }

    /// By name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Tier> {
        self.all().iter().find(|tier| tier.name == name)
    }

    /// The one tier that stands for every price of ours.
    #[must_use]
    pub fn default_for(wanted: Wanted, downloads: bool) -> Self {
        let prices = BTreeSet::new();
        Self::Default(Some(Tier { name: "default".into(), description: None, prices, libraries: wanted, downloads }))
    }
}

impl Rules {
    /// The local day of an instant.
    #[must_use]
    pub fn day_of(&self, at: Moment) -> NaiveDate {
        at.with_timezone(&self.tz).date_naive()
    }

    /// The instant at which a local day has ended. Where that midnight doesn't
    /// exist (a clock change), the first instant after it.
    #[must_use]
    pub fn end_of_day(&self, day: NaiveDate) -> Moment {
        let midnight = (day + TimeDelta::days(1)).and_time(NaiveTime::MIN);
        (0..=4)
            .find_map(|hours| self.tz.from_local_datetime(&(midnight + TimeDelta::hours(hours))).latest())
            .map_or_else(|| midnight.and_utc() + TimeDelta::hours(14), |local| local.to_utc())
    }

    /// The days that a warning must have stood: `KICK_DAYS − WARN_DAYS`.
    #[must_use]
    pub fn warning_days(&self) -> i64 {
        (self.kick_days - self.warn_days).max(1)
    }

    /// The threshold above which a plan is held whole: max(2, 10 % rounded up)
    /// of the people with access (RULES R9.9).
    #[must_use]
    pub fn hold_all_threshold(members: usize) -> usize {
        members.div_ceil(10).max(2)
    }

    /// The day's budget of removals that Stripe didn't state: the larger of 1
    /// and the smaller of 3 and 10 %, unless set (RULES R9.9).
    #[must_use]
    pub fn removals_per_day(&self, members: usize) -> usize {
        self.removals_per_day_max.unwrap_or_else(|| (members / 10).clamp(1, 3))
    }

    /// How old a source's last whole reading may be: max(3 intervals, 10 min).
    #[must_use]
    pub fn freshness(&self, source: Source) -> TimeDelta {
        let interval = self.intervals.get(&source).copied().unwrap_or(TimeDelta::zero());
        (interval * 3).max(TimeDelta::minutes(10))
    }
}
