//! R7: a new library joins no tier by itself. Where a tier says `"*"`, it is
//! offered to the operator: `usher approve` takes it into that tier, `usher
//! reject` leaves it out.

use super::{Rules, libraries};
use crate::facts::{Moment, SectionId};
use crate::ledger::{ActKey, Book, Letter, NoticeKey, Offer, Owed};
use crate::tier::{Tier, Wanted};

/// Offers what is new, and forgets offers that make no sense any more.
pub fn offer(now: Moment, rules: &Rules, book: &mut Book) {
    let wanted: Vec<(String, SectionId)> = rules.tiers.all().iter().flat_map(|tier| new_for(book, tier)).collect();
    // A no is kept for a tier that may come back.
    let is_gone = |offer: &Offer| offer.rejected.is_some() && rules.tiers.named(&offer.tier).is_none();
    let still = |offer: &Offer| wanted.contains(&(offer.tier.clone(), offer.section)) || is_gone(offer);
    book.libraries.offers.retain(|_, offer| still(offer));
    for (tier, section) in wanted {
        if book.libraries.offers.values().any(|offer| offer.tier == tier && offer.section == section) {
            continue;
        }
        let id = book.hold_number(&key(&tier, section));
        tell(now, rules, book, &id, &tier, section);
        book.libraries.offers.insert(id, Offer { tier, section, since: now, rejected: None });
    }
}

/// What an offer is about, for its number.
#[must_use]
pub fn key(tier: &str, section: SectionId) -> ActKey {
    ActKey(format!("open/{section}/{tier}"))
}

/// Libraries that a tier of everything was not taken up with.
fn new_for(book: &Book, tier: &Tier) -> Vec<(String, SectionId)> {
    let Wanted::Everything { except } = &tier.libraries else { return Vec::new() };
    let Some(taken_up) = book.libraries.everything.get(&tier.name) else { return Vec::new() };
    let left_out = |id: SectionId, title: &str| {
        except.iter().any(|wanted| wanted.to_lowercase() == title.to_lowercase() || *wanted == format!("#{id}"))
    };
    let new = book.libraries.known.values().filter(|section| !taken_up.contains(&section.id));
    new.filter(|section| !left_out(section.id, &section.title)).map(|section| (tier.name.clone(), section.id)).collect()
}

/// The same key, if it is an offer's, after its tier has got another name.
#[must_use]
pub fn renamed(key: ActKey, now_called: impl Fn(&str) -> String) -> ActKey {
    let parts = key.0.strip_prefix("open/").and_then(|rest| rest.split_once('/'));
    match parts {
        Some((section, tier)) => ActKey(format!("open/{section}/{}", now_called(tier))),
        None => key,
    }
}

fn tell(now: Moment, rules: &Rules, book: &mut Book, id: &str, tier: &str, section: SectionId) {
    let title = libraries::titles(&book.libraries, &[section].into()).join("");
    let letter = Letter::Held {
        title: format!("the new library {title} for tier {tier}"),
        reason: format!("Tier {tier} opens everything that was there when it was taken up; {title} is new."),
        people: vec![format!("{id}: open {title} to everybody of tier {tier}")],
        how_to_approve: vec![format!("usher approve {id}"), format!("usher reject {id}")],
    };
    book.owe(Owed::to_operator(None, id, letter), rules.ways, now);
}

/// The message that tells the operator of an offer.
#[must_use]
pub fn notice(id: &str) -> NoticeKey {
    NoticeKey(format!("house/held/{id}/operator"))
}

/// An offer in words.
#[must_use]
pub fn words(book: &Book, offer: &Offer) -> String {
    let title = libraries::titles(&book.libraries, &[offer.section].into()).join("");
    format!("open {title} to everybody of tier {}", offer.tier)
}

/// The operator's word on one offer; what was done, in words.
pub fn answer(now: Moment, book: &mut Book, id: &str, approve: bool) -> Option<String> {
    let offer = book.libraries.offers.get(id)?.clone();
    let words = words(book, &offer);
    if approve {
        book.libraries.offers.remove(id);
        book.libraries.everything.entry(offer.tier).or_default().insert(offer.section);
        return Some(format!("approved {id}: {words}"));
    }
    book.libraries.offers.get_mut(id)?.rejected = Some(now);
    Some(format!("rejected {id}: {words}"))
}
