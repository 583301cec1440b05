//! Which two moves met: every unordered pair of moves that struck the same
//! person within 14 days. A move of the whole house, a service or the machine
//! strikes everybody who is in or invited.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use usher::facts::Moment;

use super::machine::MachineMove;
use super::member::MemberMove;
use super::operator::OperatorMove;
use super::service::ServiceMove;
use super::{Person, Town};
use crate::rig::Rig;

/// So far apart two moves still meet.
pub const WITHIN: TimeDelta = TimeDelta::days(14);

/// Two moves by name, the smaller name first.
pub type Pair = (&'static str, &'static str);

/// Every move that counts, by name.
#[must_use]
pub fn names() -> BTreeSet<&'static str> {
    let members = MemberMove::ALL.iter().map(|next| next.name());
    let operators = OperatorMove::ALL.iter().map(|next| next.name());
    let machines = MachineMove::ALL.iter().map(|next| next.name());
    members.chain(operators).chain(machines).chain(ServiceMove::names()).collect()
}

/// Every pair that makes sense.
#[must_use]
pub fn sensible() -> BTreeSet<Pair> {
    let names = names();
    let all = names.iter().flat_map(|a| names.iter().filter(move |b| a <= *b).map(move |b| (*a, *b)));
    all.filter(|pair| senseless(*pair).is_none()).collect()
}

/// Why two moves can't both strike somebody within a fortnight, or tell nothing
/// when they do.
#[must_use]
pub fn senseless((a, b): Pair) -> Option<&'static str> {
    let is = |name: &str| a == name || b == name;
    let both = |of: fn(&str) -> bool| of(a) && of(b);
    if a == b && lasts(a) {
        return Some("it goes on when it would begin again");
    }
    if is("is down for a month") && both(is_of_the_machine) {
        return Some("who is down for a month does nothing else in that fortnight");
    }
    None
}

/// Moves that last longer than a fortnight.
fn lasts(name: &str) -> bool {
    ["is down for a month", "sleeps for weeks"].contains(&name)
}

fn is_of_the_machine(name: &str) -> bool {
    MachineMove::ALL.iter().any(|next| next.name() == name)
}

/// The pairs that a run has lived.
#[derive(Debug, Default)]
pub struct Pairs {
    /// They were.
    pub lived: BTreeSet<Pair>,
    recent: BTreeMap<String, Vec<(Moment, &'static str)>>,
    house: usize,
    struck: BTreeMap<String, usize>,
}

impl Pairs {
    /// Takes up what struck whom since the last look.
    pub fn look(&mut self, rig: &Rig, town: &Town) {
        let new: Vec<_> = town.house.iter().skip(self.house).copied().collect();
        self.house = town.house.len();
        for person in &town.people {
            let known = self.struck.entry(person.name.clone()).or_default();
            let mut theirs: Vec<_> = person.struck.iter().skip(*known).copied().collect();
            *known = person.struck.len();
            if is_there(rig, person) {
                theirs.extend(new.iter().copied());
            }
            theirs.sort_unstable();
            for (at, what) in theirs {
                self.strikes(&person.name, at, what);
            }
        }
    }

    fn strikes(&mut self, name: &str, at: Moment, what: &'static str) {
        let recent = self.recent.entry(name.to_owned()).or_default();
        recent.retain(|(before, _)| at - *before <= WITHIN);
        self.lived.extend(recent.iter().map(|(_, before)| pair(before, what)));
        recent.push((at, what));
    }

    /// How many pairs this move would add for them.
    #[must_use]
    pub fn would_add(&self, person: &Person, what: &'static str) -> usize {
        let recent = self.recent.get(&person.name).map(Vec::as_slice).unwrap_or_default();
        recent.iter().filter(|(_, before)| !self.lived.contains(&pair(before, what))).count()
    }
}

fn is_there(rig: &Rig, person: &Person) -> bool {
    person.account_in(rig).is_some() || person.is_invited(rig)
}

fn pair(a: &'static str, b: &'static str) -> Pair {
    if a <= b { (a, b) } else { (b, a) }
}
