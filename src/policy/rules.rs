//! The operator's thresholds, as the rules want them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};

use super::{Digest, FreeCode, Tiers};
use crate::facts::{Email, Moment, ProductId, Source};
use crate::ledger::Ways;

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
    /// `PAYMENT_GRACE=strict`: the days count, whatever Stripe still tries.
    pub payment_grace_strict: bool,
    /// How long after Stripe's end nothing happens yet.
    pub settle: TimeDelta,
    /// Days before a scheduled end at which a letter goes out, largest first.
    pub expiry_warn_days: Vec<i64>,
    /// `PAUSED_COLLECTION=end`.
    pub paused_collection_ends: bool,
    /// `ON_REFUND=end`.
    pub refund_ends: bool,
    /// `ON_DISPUTE=end`.
    pub dispute_ends: bool,
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
    /// `PRUNE_PAYING`: payers who don't watch are looked at, too.
    pub prune_paying: bool,
    /// `INVITE_DAYS`: a grant's invite lapses after so long.
    pub invite_days: i64,
    /// `SEATS`; `None` = no limit.
    pub seats: Option<usize>,
    /// `UNMANAGED=require-subscription`: the days that people in by hand have to
    /// subscribe (`ADOPTION_GRACE_DAYS`); `None` = they stay.
    pub unmanaged_days: Option<i64>,
    /// `UNFRIEND_AFTER_DAYS`; `None` = never.
    pub unfriend_days: Option<i64>,
    /// `FREE_TIER_INVITE_CODE`.
    pub free_codes: Vec<FreeCode>,
    /// `FREE_TIER`: what a free code opens; `None` = the default tier.
    pub free_tier: Option<String>,
    /// Webhooks are expected: their secret is set.
    pub webhooks: bool,
    /// `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// `DIGEST`.
    pub digest: Digest,
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
        self.at_hour(day + TimeDelta::days(1), 0)
    }

    /// The instant at which a local day's clocks show this full hour. Where they
    /// skip it (a clock change), the first hour after it that they show.
    #[must_use]
    pub fn at_hour(&self, day: NaiveDate, hour: i64) -> Moment {
        let wanted = day.and_time(NaiveTime::MIN) + TimeDelta::hours(hour);
        (0..=4)
            .find_map(|hours| self.tz.from_local_datetime(&(wanted + TimeDelta::hours(hours))).latest())
            .map_or_else(|| wanted.and_utc() + TimeDelta::hours(14), |local| local.to_utc())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_day_ends_at_local_midnight_also_when_clocks_change() {
        let mut rules = sample();
        rules.tz = chrono_tz::America::Sao_Paulo; // Midnight of 2018-11-04 did not exist there.
        let day = NaiveDate::from_ymd_opt(2018, 11, 3).unwrap();
        assert_eq!(rules.end_of_day(day).to_rfc3339(), "2018-11-04T03:00:00+00:00");
        rules.tz = chrono_tz::Europe::Berlin;
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        assert_eq!(rules.end_of_day(day).to_rfc3339(), "2026-11-21T23:00:00+00:00");
    }

    fn sample() -> Rules {
        Rules {
            warn_days: 27,
            kick_days: 30,
            prune_mode: PruneMode::Auto,
            payment_grace_days: 7,
            payment_grace_strict: false,
            settle: TimeDelta::hours(24),
            expiry_warn_days: vec![7, 3],
            paused_collection_ends: false,
            refund_ends: false,
            dispute_ends: false,
            vip_names: Vec::new(),
            admin_email: None,
            removals_per_day_max: None,
            removal_pace: TimeDelta::minutes(10),
            intervals: BTreeMap::new(),
            configured: BTreeSet::new(),
            ways: Ways { mail: true, operator_mail: true, discord: true, dry_run: false },
            tz: chrono_tz::UTC,
            tiers: Tiers::Default(None),
            products: BTreeSet::new(),
            forget_days: Some(30),
            prune_paying: false,
            invite_days: 14,
            seats: None,
            unmanaged_days: None,
            unfriend_days: None,
            free_codes: Vec::new(),
            free_tier: None,
            webhooks: true,
            public_url: None,
            digest: Digest::Weekly,
        }
    }
}
