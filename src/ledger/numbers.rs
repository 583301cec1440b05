//! The numbers of members and holds (RULES R11 *Numbers*): one person or thing
//! has one number, in the live book and in the rehearsal, for ever.
//!
//! Both books count on from the higher of the two, and whoever is met in one
//! is entered in the other under the number that they have. What is left to
//! remember here is what a hold of the rehearsal was called, and the numbers
//! of an older rehearsal that gave them to others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ActKey, Book, Member};
use crate::facts::{CustomerId, Email, Moment, PlexId};
use crate::member::MemberId;

/// What is known of numbers that another book has given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// What holds were called in the rehearsal, by what they are about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<ActKey, String>,
    /// Numbers that meant somebody or something else in an older rehearsal:
    /// nothing is done by them any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Meant>,
    /// Whom numbers of the other book mean who aren't in this one yet: they get
    /// them again when they are met.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<MemberId, Meant>,
    /// The two books agree in their numbers: the rehearsal was begun so, or
    /// what differed is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agreed: bool,
}

impl Numbers {
    /// Nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.refused.is_empty() && self.people.is_empty() && !self.agreed
    }
}

/// Whom or what a number meant in a rehearsal that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meant {
    /// In words.
    pub what: String,
    /// Their Plex account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plex: Option<PlexId>,
    /// Their customers at Stripe.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub customers: BTreeSet<CustomerId>,
    /// The address that the operator gave for an invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_email: Option<Email>,
    /// Every address that is known of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub addresses: BTreeSet<Email>,
}

impl Meant {
    /// This member.
    #[must_use]
    pub fn member(member: &Member) -> Self {
        Self {
            what: in_full(member),
            plex: member.plex,
            customers: member.customers.keys().cloned().collect(),
            given_email: member.given_email.clone(),
            addresses: addresses(member).cloned().collect(),
        }
    }

    /// Somebody of whom only an address is known.
    #[must_use]
    pub fn at(address: Option<Email>) -> Self {
        Self { addresses: address.into_iter().collect(), ..Self::default() }
    }

    /// They have the account, a customer or an address in common; and no account
    /// that differs.
    fn is_same(&self, other: &Self) -> bool {
        if let (Some(account), Some(others)) = (self.plex, other.plex) {
            return account == others;
        }
        !self.customers.is_disjoint(&other.customers) || !self.addresses.is_disjoint(&other.addresses)
    }

    fn is(&self, member: &Member) -> bool {
        (self.plex.is_some() && self.plex == member.plex)
            || self.customers.iter().any(|customer| member.customers.contains_key(customer))
            || (self.given_email.is_some() && self.given_email == member.given_email)
    }
}

impl Book {
    /// Somebody of whom so much is known enters, under the number that they have
    /// had in the other book, else under a new one.
    pub fn enter_known(&mut self, now: Moment, known: &Meant) -> MemberId {
        let meant = self.numbers.people.iter().find(|(_, meant)| meant.is_same(known));
        let Some(id) = meant.map(|(id, _)| id.clone()) else { return self.enter(now) };
        self.numbers.people.remove(&id);
        if self.members.contains_key(&id) || self.merged.contains_key(&id) {
            return self.enter(now);
        }
        self.members.insert(id.clone(), Member::new(id.clone(), now));
        id
    }

    /// New numbers are drawn above those that these lines of a history name: of
    /// a book that is lost, it may be all there is.
    pub fn count_on_from<'a>(&mut self, lines: impl Iterator<Item = (Option<&'a str>, &'a str)>) {
        let number = |text: &str, prefix: &str| text.strip_prefix(prefix)?.parse::<u64>().ok();
        for (member, what) in lines {
            let named = member.and_then(|member| number(member, "m-"));
            self.next_member = self.next_member.max(named.map_or(0, |named| named.saturating_add(1)));
            let words = what.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
            let held = words.filter_map(|word| number(word, "h-")).max();
            self.next_hold = self.next_hold.max(held.map_or(0, |held| held.saturating_add(1)));
        }
    }

    /// The number of what waits: the one that it has had in either book, else
    /// a new one.
    pub fn hold_number(&mut self, key: &ActKey) -> String {
        if let Some(known) = self.holds.get(key) {
            return known.id.clone();
        }
        if let Some(known) = self.numbers.holds.get(key) {
            return known.clone();
        }
        let id = format!("h-{}", self.next_hold);
        self.next_hold += 1;
        id
    }

    /// The same matter under another occasion, since that is known better now: it
    /// keeps its number and what the operator said to it.
    pub fn rename_holds(&mut self, member: &MemberId, from: &str, to: &str) {
        let renamed = |key: &ActKey| key.0.strip_suffix(from).map(|start| ActKey(format!("{start}{to}")));
        let theirs = self.holds.values().filter(|hold| hold.member == *member);
        let keys: Vec<(ActKey, ActKey)> =
            theirs.filter_map(|hold| Some((hold.key.clone(), renamed(&hold.key)?))).collect();
        for (old, new) in keys {
            if let Some(number) = self.numbers.holds.get(&old).cloned() {
                self.numbers.holds.insert(new.clone(), number);
            }
            if let Some(mut hold) = self.holds.remove(&old) {
                hold.key = new.clone();
                self.holds.insert(new, hold);
            }
        }
    }

    /// Why nothing is done by this number, if it meant somebody or something
    /// else in an older rehearsal. Says who is meant now.
    #[must_use]
    pub fn refused_number(&self, number: &str) -> Option<String> {
        let number = number.trim();
        let meant = self.numbers.refused.get(number)?;
        let mut lines = vec![format!("{number} was {} in a rehearsal that is over; nothing was done", meant.what)];
        let holder = crate::member::MemberId(number.to_owned());
        let holder = self.merged.get(&holder).unwrap_or(&holder);
        if let Some(member) = self.members.get(holder) {
            lines.push(format!("in this book {number} is {}", in_full(member)));
        }
        if let Some(hold) = self.holds.values().find(|hold| hold.id == number) {
            lines.push(format!("in this book {number} is: {}", hold.what));
        }
        lines.extend(self.members.values().filter(|member| meant.is(member)).map(|member| {
            let name = member.name();
            format!("{name} is {} now", in_full(member))
        }));
        let how = if number.starts_with("h-") {
            "`usher holds` lists what waits, and its numbers"
        } else {
            "say whom you mean by their address, username or Plex id"
        };
        lines.push(how.to_owned());
        Some(lines.join("; "))
    }
}

/// Where they were invited, are at Plex, or pay.
fn addresses(member: &Member) -> impl Iterator<Item = &Email> {
    let at_stripe = member.customers.values().flat_map(|payer| payer.email.iter().chain(&payer.mail_to));
    member.given_email.iter().chain(&member.email).chain(&member.addresses).chain(at_stripe)
}

/// Somebody's number, name, account and address.
fn in_full(member: &Member) -> String {
    let plex = member.plex.map(|plex| format!(", Plex id {plex}")).unwrap_or_default();
    let email = member.access_email().map(|email| format!(", {email}")).unwrap_or_default();
    format!("{} ({}{plex}{email})", member.name(), member.id)
}
