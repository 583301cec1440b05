//! R7: a tier is known by its product or its prices, and its name is a label.
//! When another list of tiers is taken up, each tier of before is looked for in
//! it, and everything in the book that names it follows to its present name:
//! nobody is moved by a rename, and nothing that was refused is opened.
//!
//! It promises: two tiers that swap their names swap nobody; a tier that is
//! gone keeps its people apart from a new one of its name. A price that stands
//! in another tier now is a change, and its payers follow the price. One that
//! stands in none any more is remembered with the tier that it stood in.

use std::collections::{BTreeMap, BTreeSet};

use super::{Tiers, offers};
use crate::facts::{PriceId, SectionId};
use crate::ledger::{Book, KnownTiers, Member, Offer, TiersFrom};
use crate::tier::{Tier, Wanted};

/// Present name by name of before.
type Names = BTreeMap<String, String>;

/// Has the book know these tiers, by their present names. The same tiers again
/// change nothing; nor does a list that isn't whole yet.
pub fn take_up(book: &mut Book, tiers: &Tiers) {
    if let Some(from) = tiers.from() {
        follow(book, from, tiers.all());
    }
}

/// Has the book call its tiers as another one does.
pub fn like(book: &mut Book, other: &KnownTiers) {
    if let Some(from) = other.from {
        follow(book, from, &other.tiers);
    }
}

fn follow(book: &mut Book, from: TiersFrom, present: &[Tier]) {
    if book.tiers.from == Some(from) && book.tiers.tiers == present {
        return;
    }
    let before = of_before(book);
    let heirs = Heirs::of(&before, present, book.tiers.from.is_some());
    let names = heirs.names(&before, present);
    let gone = before.iter().filter(|old| book.tiers.from.is_some() && !heirs.live_on(old));
    let gone = gone.map(|old| Tier { name: now_called(&names, &old.name), ..old.clone() }).collect();
    follow_libraries(book, &before, present, &heirs, &names);
    for member in book.members.values_mut() {
        rename(member, &names);
    }
    for (key, id) in std::mem::take(&mut book.numbers.holds) {
        book.numbers.holds.insert(offers::renamed(key, |name| now_called(&names, name)), id);
    }
    let once = in_no_tier(&book.tiers, present, &names);
    book.tiers = KnownTiers { from: Some(from), tiers: present.to_vec(), gone, once };
}

/// The prices that stood in a tier and stand in none of the present ones, and
/// where they stood last.
fn in_no_tier(known: &KnownTiers, present: &[Tier], names: &Names) -> BTreeMap<PriceId, String> {
    let stood = known.tiers.iter().flat_map(|tier| tier.prices.iter().map(|price| (price, &tier.name)));
    let left = known.once.iter().chain(stood);
    let left = left.filter(|(price, _)| !present.iter().any(|tier| tier.prices.contains(*price)));
    left.map(|(price, tier)| (price.clone(), now_called(names, tier))).collect()
}

/// What was taken up before, and what was gone before that. A book of an older
/// version has names only.
fn of_before(book: &Book) -> Vec<Tier> {
    let known = &book.tiers;
    if known.from.is_some() {
        return known.tiers.iter().chain(&known.gone).cloned().collect();
    }
    let everything = || Wanted::Everything { except: Vec::new() };
    book.libraries.everything.keys().map(|name| Tier::of(name, everything())).collect()
}

/// Who is whose: tiers of before by name, and those of now.
#[derive(Default)]
struct Heirs {
    /// The one tier of before that a present one is.
    same: Names,
    /// The present tier that a former one has become, or has become part of.
    heir: Names,
}

/// How much says that a present tier is this one of before; nothing = 0.
type Sign = fn(&Tier, &Tier) -> usize;

/// The strongest first. A price that moves between two tiers that keep their
/// names moves only its payers, so an unchanged name counts before the number
/// of prices.
const SIGNS: [Sign; 6] = [
    |old, new| usize::from(old.product.is_some() && old.product == new.product),
    |old, new| if old.name == new.name { in_common(old, new) } else { 0 },
    in_common,
    |old, new| usize::from(old.name == new.name && !are_two_products(old, new)),
    |old, new| usize::from(old.product.is_none() && new.label.as_ref() == Some(&old.name)),
    |old, new| usize::from(old.is_free() && new.is_free() && gives_the_same(old, new)),
];

impl Heirs {
    fn of(before: &[Tier], present: &[Tier], known_whole: bool) -> Self {
        let mut heirs = Self::default();
        // Of an older book's tiers nothing is known that could be compared last.
        let signs = if known_whole { SIGNS.len() } else { SIGNS.len() - 1 };
        for sign in SIGNS.iter().take(signs) {
            heirs.claim(before, present, *sign);
        }
        // What is left and shares a price with a tier has become part of it.
        for old in before {
            let into = present.iter().filter(|new| in_common(old, new) > 0 && !are_two_products(old, new));
            if let Some(into) = into.max_by_key(|new| in_common(old, new)) {
                heirs.heir.entry(old.name.clone()).or_insert(into.name.clone());
            }
        }
        heirs
    }

    fn claim(&mut self, before: &[Tier], present: &[Tier], sign: Sign) {
        let mut pairs: Vec<(usize, &Tier, &Tier)> = Vec::new();
        for old in before.iter().filter(|old| !self.live_on(old)) {
            pairs.extend(present.iter().map(|new| (sign(old, new), old, new)).filter(|(weight, ..)| *weight > 0));
        }
        pairs.sort_by_key(|(weight, ..)| std::cmp::Reverse(*weight)); // Stable: as they stand in the lists.
        for (_, old, new) in pairs {
            if !self.live_on(old) && !self.same.contains_key(&new.name) {
                self.same.insert(new.name.clone(), old.name.clone());
                self.heir.insert(old.name.clone(), new.name.clone());
            }
        }
    }

    fn live_on(&self, old: &Tier) -> bool {
        self.heir.contains_key(&old.name)
    }

    /// Every name of before and the present one. A tier that is gone gets
    /// another name where a present tier has taken its own.
    fn names(&self, before: &[Tier], present: &[Tier]) -> Names {
        let mut taken: BTreeSet<String> = before.iter().chain(present).map(|tier| tier.name.clone()).collect();
        let is_present = |name: &String| present.iter().any(|tier| tier.name == *name);
        let mut names = Names::new();
        for old in before {
            let now = match self.heir.get(&old.name) {
                Some(heir) => heir.clone(),
                None if is_present(&old.name) => apart(&old.name, &taken),
                None => old.name.clone(),
            };
            taken.insert(now.clone());
            names.insert(old.name.clone(), now);
        }
        names
    }

    /// The tiers of before by which it is known what a present one may open.
    fn parents<'a>(&self, before: &'a [Tier], new: &Tier) -> Vec<&'a str> {
        let same = self.same.get(&new.name);
        let is_parent = |old: &&Tier| match same {
            Some(same) if *same == new.name => old.name == *same,
            Some(same) => old.name == *same || self.heir.get(&old.name) == Some(&new.name),
            None => in_common(old, new) > 0 || (old.product.is_none() && new.label.as_ref() == Some(&old.name)),
        };
        before.iter().filter(is_parent).map(|old| old.name.as_str()).collect()
    }
}

/// Prices that both have; an entitlement is as good as one.
fn in_common(old: &Tier, new: &Tier) -> usize {
    let entitled = old.entitlement.is_some() && old.entitlement == new.entitlement;
    old.prices.intersection(&new.prices).count() + usize::from(entitled)
}

fn are_two_products(old: &Tier, new: &Tier) -> bool {
    old.product.is_some() && new.product.is_some() && old.product != new.product
}

fn gives_the_same(old: &Tier, new: &Tier) -> bool {
    old.product == new.product && old.libraries == new.libraries && old.downloads == new.downloads
}

fn apart(name: &str, taken: &BTreeSet<String>) -> String {
    let mut apart = format!("{name} (gone)");
    while taken.contains(&apart) {
        apart.push('+');
    }
    apart
}

fn now_called(names: &Names, name: &str) -> String {
    names.get(name).map_or_else(|| name.to_owned(), Clone::clone)
}

/// What `"*"` meant for a tier, and what the operator said to new libraries,
/// goes on under the present name. A tier that was made of several opens no
/// more than each of them did.
fn follow_libraries(book: &mut Book, before: &[Tier], present: &[Tier], heirs: &Heirs, names: &Names) {
    let meant = std::mem::take(&mut book.libraries.everything);
    let is_gone = |name: &str| !heirs.heir.contains_key(name);
    let mut now: BTreeMap<String, BTreeSet<SectionId>> = BTreeMap::new();
    for (name, sections) in meant.iter().filter(|(name, _)| is_gone(name)) {
        now.insert(now_called(names, name), sections.clone());
    }
    for tier in present {
        let sets = heirs.parents(before, tier).into_iter().filter_map(|parent| meant.get(parent));
        if let Some(open) = sets.cloned().reduce(|all, set| all.intersection(&set).copied().collect()) {
            now.insert(tier.name.clone(), open);
        }
    }
    book.libraries.everything = now;
    for (id, offer) in std::mem::take(&mut book.libraries.offers) {
        let of_it = |tier: &&Tier| heirs.parents(before, tier).contains(&offer.tier.as_str());
        let mut tiers: Vec<String> = present.iter().filter(of_it).map(|tier| tier.name.clone()).collect();
        if is_gone(&offer.tier) {
            tiers.push(now_called(names, &offer.tier));
        }
        for (at, tier) in tiers.into_iter().enumerate() {
            let own_id = (at == 0).then(|| id.clone());
            put_offer(book, own_id, Offer { tier, ..offer.clone() });
        }
    }
}

/// Where two offers come together, the no counts. A further one is entered
/// only for the sake of it: what is open is offered anew by itself.
fn put_offer(book: &mut Book, id: Option<String>, offer: Offer) {
    let same = |other: &&mut Offer| other.tier == offer.tier && other.section == offer.section;
    if let Some(known) = book.libraries.offers.values_mut().find(same) {
        known.rejected = known.rejected.or(offer.rejected);
        return;
    }
    if id.is_none() && offer.rejected.is_none() {
        return;
    }
    let id = id.unwrap_or_else(|| book.hold_number(&offers::key(&offer.tier, offer.section)));
    book.libraries.offers.insert(id, offer);
}

fn rename(member: &mut Member, names: &Names) {
    let all = |tiers: &BTreeSet<String>| tiers.iter().map(|name| now_called(names, name)).collect();
    for billed in member.subscriptions.values_mut() {
        billed.tiers = all(&billed.tiers);
        billed.entitled = all(&billed.entitled);
        if let Some(heard) = &mut billed.heard {
            heard.tiers = all(&heard.tiers);
        }
    }
    let of_before = member.undo.iter_mut().flat_map(|undo| undo.grants.iter_mut());
    for tier in member.grants.iter_mut().chain(of_before).filter_map(|grant| grant.tier.as_mut()) {
        *tier = now_called(names, tier);
    }
}
