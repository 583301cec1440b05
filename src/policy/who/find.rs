//! R11 *WHO*: a member id, a Plex id, an address or a username; a display title
//! only for accounts without a username, since anybody can choose any title.
//! Who pays may be named by `cus_…` or `sub_…` as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Email;
use crate::ledger::{Book, Member};
use crate::member::MemberId;

/// Finds whom an operator or a program means.
///
/// # Errors
/// A sentence: nobody is meant, or whom it could mean, with ids and addresses.
pub fn find<'a>(book: &'a Book, who: &str) -> Result<&'a Member, String> {
    let who = who.trim();
    if let Some(why) = book.refused_number(who) {
        return Err(why);
    }
    let id = MemberId(who.to_owned());
    let id = book.merged.get(&id).unwrap_or(&id);
    if let Some(member) = book.members.get(id) {
        return Ok(member);
    }
    match called(book, who).as_slice() {
        [one] => Ok(one),
        [] => Err(format!("nobody in the book is {who:?}; `usher members` lists everybody")),
        several => {
            let names: Vec<String> = several.iter().map(|member| in_full(member)).collect();
            Err(format!("{who:?} could be {}; use the member id", names.join(" or ")))
        }
    }
}

/// Somebody in the book is called so, or several are.
#[must_use]
pub fn is_known(book: &Book, who: &str) -> bool {
    !called(book, who.trim()).is_empty()
}

/// Everybody whom this text names.
#[must_use]
pub fn called<'a>(book: &'a Book, who: &str) -> Vec<&'a Member> {
    let wanted = who.trim().to_lowercase();
    book.members.values().filter(|member| names(member).any(|name| name == wanted)).collect()
}

/// Everybody to whom this address belongs.
#[must_use]
pub fn with_address<'a>(book: &'a Book, email: &Email) -> Vec<&'a Member> {
    book.members.values().filter(|member| addresses(member).any(|address| address == email)).collect()
}

/// The addresses of a member that name them.
fn addresses(member: &Member) -> impl Iterator<Item = &Email> {
    let row = member.share.as_ref().and_then(|share| share.row.email.as_ref());
    let paying = member.customers.values().flat_map(|payer| payer.email.iter().chain(&payer.mail_to));
    member.email.iter().chain(&member.given_email).chain(row).chain(paying)
}

/// Everything that names a member besides their id, in lower case.
fn names(member: &Member) -> impl Iterator<Item = String> {
    let label = member.username.as_ref().or(member.title.as_ref());
    member
        .plex
        .iter()
        .chain(&member.former_accounts)
        .map(|account| account.to_string())
        .chain(label.map(|name| name.trim().to_lowercase()))
        .chain(addresses(member).map(|email| email.as_str().to_owned()))
        .chain(member.customers.keys().map(|customer| customer.as_str().to_lowercase()))
        .chain(member.subscriptions.keys().map(|subscription| subscription.as_str().to_lowercase()))
}

/// By what each member can be called so that nobody else is meant: their
/// username (or title, if they have none), else an address, else their id.
#[must_use]
pub fn callable(book: &Book) -> BTreeMap<&MemberId, String> {
    let mut meant: BTreeMap<String, BTreeSet<&MemberId>> = BTreeMap::new();
    for member in book.members.values() {
        for name in names(member) {
            meant.entry(name).or_default().insert(&member.id);
        }
    }
    let is_id = |name: &str| {
        let id = MemberId(name.to_owned());
        book.members.contains_key(&id) || book.merged.contains_key(&id)
    };
    let alone = |name: &str| {
        let name = name.trim();
        !name.is_empty() && !is_id(name) && meant.get(&name.to_lowercase()).is_some_and(|ids| ids.len() == 1)
    };
    let by = |member: &Member| {
        let label = member.username.as_deref().or(member.title.as_deref());
        let address = member.access_email().map(Email::as_str);
        label.into_iter().chain(address).find(|name| alone(name)).map_or_else(|| member.id.to_string(), str::to_owned)
    };
    book.members.values().map(|member| (&member.id, by(member))).collect()
}

/// A member as confirmations and lists name them: with id and address.
#[must_use]
pub fn in_full(member: &Member) -> String {
    let address = member.access_email().map_or_else(|| "no address".to_owned(), ToString::to_string);
    let account = member.plex.map_or_else(String::new, |account| format!(", Plex account {account}"));
    format!("{} ({}, {address}{account})", member.name(), member.id)
}
