//! One person or thing has one number, in the live book and in the rehearsal,
//! for ever (RULES R11 *Numbers*).
//!
//! Books of older versions numbered each for itself. Where theirs have diverged
//! the live book stays as it is, the rehearsal begins anew, and the numbers
//! that it gave to others are refused.

use super::{handover::is_same, offers};
use crate::facts::Moment;
use crate::ledger::{ActKey, Book, Meant, Member};
use crate::member::MemberId;

/// New numbers are drawn above the highest of both.
pub(super) fn count_on(book: &mut Book, other: &Book) {
    book.next_member = book.next_member.max(other.next_member);
    book.next_hold = book.next_hold.max(other.next_hold);
}

/// The book to rehearse on: the rehearsal that lies there, if it was begun from
/// this live book; else a new one.
#[must_use]
pub fn rehearse(now: Moment, live: Option<&Book>, generation: u64, there: Option<Book>) -> Book {
    let goes_on = |there: &Book| there.goes_with(live, generation) && live.is_none_or(|live| agrees(live, there));
    match there {
        Some(mut there) if goes_on(&there) => {
            there.numbers.agreed = true;
            there
        }
        there => {
            let mut book = Book::rehearsal(live, generation, now);
            if let Some(there) = there {
                agree(&mut book, &there);
            }
            book.numbers.agreed = true;
            book
        }
    }
}

/// Whether the same number means the same person or thing in both books.
fn agrees(live: &Book, there: &Book) -> bool {
    let there_too = |member: &Member| match by_number(there, &member.id) {
        Some(known) => is_same(member, known),
        None => !there.members.values().any(|known| is_same(member, known)),
    };
    there.numbers.agreed
        || (live.members.values().all(there_too) && holds(live).all(|(id, key, _)| is_same_hold(there, id, &key)))
}

fn by_number<'a>(book: &'a Book, id: &MemberId) -> Option<&'a Member> {
    book.members.get(book.merged.get(id).unwrap_or(id))
}

/// Number, key and words of everything that waits in a book.
fn holds(book: &Book) -> impl Iterator<Item = (&String, ActKey, String)> {
    let offers = book
        .libraries
        .offers
        .iter()
        .map(|(id, offer)| (id, offers::key(&offer.tier, offer.section), offers::words(book, offer)));
    book.holds.values().map(|hold| (&hold.id, hold.key.clone(), hold.what.clone())).chain(offers)
}

fn is_same_hold(book: &Book, id: &str, key: &ActKey) -> bool {
    let mut same = holds(book).filter(|(other, ..)| *other == id).map(|(_, other, _)| other == *key);
    same.next().unwrap_or(true)
}

/// From now on the numbers mean one thing: what an older rehearsal gave to
/// others is refused, and what it never gave is counted on from.
pub fn agree(book: &mut Book, there: &Book) {
    count_on(book, there);
    for (number, meant) in &there.numbers.refused {
        book.numbers.refused.entry(number.clone()).or_insert_with(|| meant.clone());
    }
    if !there.numbers.agreed && !book.numbers.agreed {
        refuse_what_differs(book, there);
    } else {
        keep_for_whom_they_mean(book, there);
    }
    renumber_refused_holds(book);
    book.numbers.agreed = true;
}

/// Who is not in this book yet gets the number of the other one when they are
/// met; who is in it under another is named where the old number is said.
fn keep_for_whom_they_mean(book: &mut Book, there: &Book) {
    let is_free = |book: &Book, number: &MemberId| {
        let taken = book.members.contains_key(number) || book.merged.contains_key(number);
        !taken && !book.numbers.refused.contains_key(&number.to_string())
    };
    for known in there.members.values().filter(|known| is_free(book, &known.id)).cloned().collect::<Vec<_>>() {
        let meant = Meant::member(&known);
        match book.members.values().any(|member| is_same(member, &known)) {
            true => drop(book.numbers.refused.insert(known.id.to_string(), meant)),
            false => drop(book.numbers.people.insert(known.id.clone(), meant)),
        }
    }
    for (number, meant) in &there.numbers.people {
        if is_free(book, number) {
            book.numbers.people.entry(number.clone()).or_insert_with(|| meant.clone());
        }
    }
    let named: Vec<(ActKey, String)> = holds(there)
        .map(|(id, key, _)| (key, id.clone()))
        .chain(there.numbers.holds.iter().map(|(key, id)| (key.clone(), id.clone())))
        .filter(|(_, id)| holds(book).all(|(here, ..)| here != id) && !book.numbers.refused.contains_key(id))
        .collect();
    for (key, id) in named {
        book.numbers.holds.entry(key).or_insert(id);
    }
}

fn refuse_what_differs(book: &mut Book, there: &Book) {
    for number in there.members.keys().chain(there.merged.keys()) {
        let Some(known) = by_number(there, number) else { continue };
        if by_number(book, number).is_none_or(|member| !is_same(member, known)) {
            book.numbers.refused.entry(number.to_string()).or_insert_with(|| Meant::member(known));
        }
    }
    for (id, key, what) in holds(there) {
        let same = book.numbers.holds.get(&key) == Some(id)
            || holds(book).any(|(other, known, _)| other == id && known == key);
        if !same {
            let meant = Meant { what: format!("{what:?}"), ..Meant::default() };
            book.numbers.refused.entry(id.clone()).or_insert(meant);
        }
    }
}

/// What waits here under a number that is refused could be answered by no
/// number: it gets a new one.
fn renumber_refused_holds(book: &mut Book) {
    let refused: Vec<(String, ActKey)> = holds(book)
        .filter(|(id, ..)| book.numbers.refused.contains_key(*id))
        .map(|(id, key, _)| (id.clone(), key))
        .collect();
    for (old, key) in refused {
        let known = book.numbers.holds.get(&key).filter(|id| !book.numbers.refused.contains_key(*id)).cloned();
        let new = known.unwrap_or_else(|| {
            let id = format!("h-{}", book.next_hold);
            book.next_hold += 1;
            id
        });
        if let Some(hold) = book.holds.get_mut(&key) {
            hold.id.clone_from(&new);
        } else if let Some(offer) = book.libraries.offers.remove(&old) {
            book.libraries.offers.insert(new.clone(), offer);
        }
        book.numbers.holds.insert(key, new);
    }
}
