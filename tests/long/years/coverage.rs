//! What doesn't happen proves nothing: what each year, and all of them
//! together, must have seen.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Deletion, Kind, Record, Stay};
use super::{Year, weather};

/// A year that was lived to its end.
pub struct Lived {
    seed: u64,
    pub record: Record,
    struck: BTreeMap<String, u64>,
    bitten: BTreeMap<String, u64>,
    weather: BTreeMap<String, u32>,
    held: BTreeMap<String, u32>,
    approved: usize,
}

/// Rules of the brake that a year can show to hold (RULES R9). *Identity*
/// shows as *looked*, since the looking begins anew; *clock* keeps
/// everything from being decided at all, *protected* never comes into the
/// plan of a well-behaved house, and *pace* and *second look* hold just before
/// a call: those have their own tests.
const HELD: [&str; 7] = ["looked", "fresh", "continuity", "warned", "approval", "budget", "hold-all"];

impl Lived {
    pub fn of(year: Year) -> Self {
        let mut struck = year.rig.plex.faults().strikes();
        for strikes in [&year.rig.stripe.faults(), &year.rig.tautulli.faults(), &year.rig.discord.faults()] {
            strikes.strikes().into_iter().for_each(|(label, times)| *struck.entry(label).or_default() += times);
        }
        struck.retain(|_, times| *times > 0);
        println!(
            "seed {}: {} holds approved, {} accepted; {:?}; held: {:?}",
            year.seed, year.approved, year.accepted, year.town.lives, year.held
        );
        Self {
            seed: year.seed,
            struck,
            bitten: year.rig.smtp.bitten().into_iter().map(|(name, times)| (name.to_owned(), times)).collect(),
            weather: year.weather.came.clone(),
            held: year.held.clone(),
            approved: year.approved,
            record: year.record.clone(),
        }
    }

    /// Of each seed ≥ 20 joins, 10 lapses, 10 idle spells, 3 removals a year;
    /// of a season its share, rounded down.
    pub fn saw_enough(&self, days: u64) {
        let (seed, record) = (self.seed, &self.record);
        let ours = |stay: &&Stay| record.invites.iter().any(|invite| invite.share == stay.share);
        let joins = record.stays.iter().filter(ours).count();
        let by_hand = |gone: &Deletion| !record.invites.iter().any(|invite| invite.share == gone.share);
        let removed = |by: bool| record.deletions.iter().filter(|gone| gone.accepted && by_hand(gone) == by).count();
        let warned = record.mails.iter().filter(|mail| mail.kind == Kind::Warning).map(|mail| &mail.message_id);
        let warned = warned.collect::<BTreeSet<_>>().len();
        println!(
            "seed {seed}: {joins} joined by paying, {} lapsed and were removed, {warned} warned, {} removed for \
             idleness, {} invites, {} mails, {} plugs; {} kinds of weather, {} faults struck, {} bit the mail",
            removed(false),
            removed(true),
            record.invites.len(),
            record.mails.len(),
            record.plugs.len(),
            self.weather.len(),
            self.struck.len(),
            self.bitten.len(),
        );
        let share = |a_year: u64| usize::try_from(a_year * days / 365).unwrap_or(usize::MAX);
        assert!(joins >= share(20), "seed {seed}: only {joins} joined");
        assert!(removed(false) >= share(10), "seed {seed}: only {} lapsed", removed(false));
        assert!(warned >= share(10), "seed {seed}: only {warned} idle spells were warned");
        assert!(removed(true) >= share(3), "seed {seed}: only {} removed for idleness", removed(true));
        assert!(self.approved >= share(1), "seed {seed}: nothing was ever held");
        assert!(record.plugs.len() >= share(8), "seed {seed}: the plug was pulled {} times", record.plugs.len());
    }
}

/// Of the whole run: every kind of weather and every fault, every rule of the
/// brake that can be seen to hold.
pub fn together(lived: &[Lived]) {
    let all = |of: fn(&Lived) -> Vec<&String>| lived.iter().flat_map(of).cloned().collect::<BTreeSet<_>>();
    let came = all(|lived| lived.weather.keys().collect());
    assert_eq!(came.len(), weather::kinds(), "every kind of weather came: {came:?}");
    let struck = all(|lived| lived.struck.keys().collect());
    assert!(struck.len() >= 18, "every fault struck: {struck:?}");
    let bitten = all(|lived| lived.bitten.keys().collect());
    assert!(bitten.len() >= 12, "mail faults bit: {bitten:?}");
    let held = all(|lived| lived.held.keys().collect());
    let never: Vec<&&str> = HELD.iter().filter(|rule| !held.contains(**rule)).collect();
    assert!(never.is_empty(), "these rules of the brake never held: {never:?} (only {held:?})");
}
