//! What doesn't happen proves nothing: what each year, and all of them
//! together, must have seen.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::alphabet::{pairs, service};

use super::Year;

/// A year that was lived to its end.
pub struct Lived {
    seed: u64,
    /// The house takes only so many.
    seats: bool,
    moves: usize,
    joins: usize,
    lapsed: usize,
    let_go: usize,
    /// How many people were in for a month without watching anything.
    idled: usize,
    /// To watch, or asked to subscribe.
    warned: usize,
    struck: BTreeMap<String, u64>,
    bitten: BTreeMap<String, u64>,
    weather: BTreeMap<String, u32>,
    held: BTreeMap<String, u32>,
    approved: usize,
    pub pairs: BTreeSet<pairs::Pair>,
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
        let oracle = &year.oracle;
        // A house that asks everybody to subscribe has few who fall idle.
        let warns = ["Still with us", "please subscribe"];
        let warnings = oracle.mails.iter().filter(|mail| warns.iter().any(|words| mail.subject.contains(words)));
        let removals = oracle.deletions.iter().filter(|gone| gone.was_accepted);
        let (lapsed, let_go): (Vec<_>, Vec<_>) = removals.partition(|gone| oracle.is_ours(gone.share));
        println!(
            "seed {}: {} holds approved, {} accepted; held: {:?}",
            year.seed, year.approved, year.accepted, year.held
        );
        Self {
            seed: year.seed,
            seats: year.house.seats.is_some(),
            moves: year.town.people.iter().map(|person| person.struck.len()).sum::<usize>() + year.town.house.len(),
            joins: oracle.stays.keys().filter(|share| oracle.is_ours(**share)).count(),
            lapsed: lapsed.len(),
            let_go: let_go.len(),
            idled: year.idled.len(),
            warned: warnings.map(|mail| &mail.message_id).collect::<BTreeSet<_>>().len(),
            struck,
            bitten: year.rig.smtp.bitten().into_iter().map(|(name, times)| (name.to_owned(), times)).collect(),
            weather: year.weather.came.clone(),
            held: year.held.clone(),
            approved: year.approved,
            pairs: year.pairs.lived,
        }
    }

    /// Where `USHER_PAIRS` names files, the pairs of moves go there, a line each: those
    /// that make sense, and those that this seed has lived.
    pub fn write_pairs(&self) {
        let Some(path) = std::env::var_os("USHER_PAIRS").map(std::path::PathBuf::from) else { return };
        let sensible = pairs::sensible();
        let lived = sensible.intersection(&self.pairs).copied().collect();
        for (kind, these) in [("sensible", &sensible), ("lived", &lived)] {
            let lines: String = these.iter().map(|(a, b)| format!("{a} + {b}\n")).collect();
            std::fs::write(path.with_extension(kind), lines).expect("the file of USHER_PAIRS");
        }
    }

    /// What each seed must have seen in a year.
    pub fn saw_enough(&self, days: u64) {
        let sensible = pairs::sensible();
        println!(
            "seed {}: {} moves, {} of {} pairs; {} came in by Usher's invite, {} of them went, {} warned, {} of the \
             operator's own friends went, {} people fell idle; {} kinds of weather, {} faults struck, {} bit the mail",
            self.seed,
            self.moves,
            self.pairs.intersection(&sensible).count(),
            sensible.len(),
            self.joins,
            self.lapsed,
            self.warned,
            self.let_go,
            self.idled,
            self.weather.len(),
            self.struck.len(),
            self.bitten.len(),
        );
        if days < 365 {
            return;
        }
        let enough = |what: &str, had: usize, least: usize| {
            assert!(had >= least, "seed {}: only {had} {what}", self.seed);
        };
        enough("joined", self.joins, 20);
        // Where all seats are taken most of the time, fewer come, and fewer go.
        enough("lapsed and went", self.lapsed, if self.seats { 5 } else { 10 });
        enough("people fell idle", self.idled, 5);
        // Services fail so often here that few idle weeks are seen whole.
        enough("were warned, or asked to subscribe,", self.warned, 1);
        enough("holds were approved", self.approved, 1);
    }
}

/// Of the whole run: every kind of weather and every fault, every rule of the
/// brake that can be seen to hold, and so many of a hundred pairs of moves.
pub fn together(lived: &[Lived], of_a_hundred: usize) {
    let all = |of: fn(&Lived) -> Vec<&String>| lived.iter().flat_map(of).cloned().collect::<BTreeSet<_>>();
    let came = all(|lived| lived.weather.keys().collect());
    let struck = all(|lived| lived.struck.keys().collect());
    let bitten = all(|lived| lived.bitten.keys().collect());
    let held = all(|lived| lived.held.keys().collect());
    let sensible = pairs::sensible();
    let pairs = super::lived_together(lived);
    let missing: Vec<_> = sensible.difference(&pairs).collect();
    let met = sensible.len() - missing.len();
    let all_pairs = pairs::names().len() * (pairs::names().len() + 1) / 2;
    println!("together: {met} of {} pairs that make sense, of {all_pairs}", sensible.len());
    let mut alone: BTreeMap<&str, usize> = BTreeMap::new();
    missing.iter().for_each(|(a, b)| [a, b].into_iter().for_each(|name| *alone.entry(name).or_default() += 1));
    let mut alone: Vec<_> = alone.into_iter().collect();
    alone.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    println!("moves that met the fewest others: {:?}", &alone[..alone.len().min(30)]);
    assert_eq!(came.len(), service::kinds(), "every kind of weather came: {came:?}");
    assert!(struck.len() >= 20, "every fault struck: {struck:?}");
    assert!(bitten.len() >= 12, "mail faults bit: {bitten:?}");
    let never: Vec<&&str> = HELD.iter().filter(|rule| !held.contains(**rule)).collect();
    assert!(never.is_empty(), "these rules of the brake never held: {never:?} (only {held:?})");
    assert!(met * 100 >= of_a_hundred * sensible.len(), "only {met} of {} pairs were lived", sensible.len());
    assert!(sensible.len() * 4 >= all_pairs * 3, "too many pairs are declared senseless");
}
