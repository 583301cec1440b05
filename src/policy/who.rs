//! R2: who is who. A customer is linked to a Plex account once, by proof. A
//! typed name, an email changed later or a label prove nothing and move nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::libraries;
use crate::facts::{CustomerId, Email, Moment, PlexId, Source};
use crate::ledger::{ActKey, Book, Member, Proof};
use crate::member::MemberId;

/// Binds each VIP entry to the account that it first hits. Returns entries
/// that hit somebody else as well: told, not granted.
pub fn bind_vips(book: &mut Book, entries: &[String]) -> Vec<(String, MemberId)> {
    let mut second_hits = Vec::new();
    for entry in entries {
        let hits: Vec<(MemberId, PlexId)> = book
            .members
            .values()
            .filter_map(|member| {
                member.plex.filter(|account| is_vip(member, *account, entry)).map(|id| (member.id.clone(), id))
            })
            .collect();
        for (member, account) in hits {
            let bound = *book.vips.entry(entry.clone()).or_insert(account);
            if bound != account {
                second_hits.push((entry.clone(), member));
            }
        }
    }
    second_hits
}

/// Id, email or username; the title only for accounts without a username.
fn is_vip(member: &Member, account: PlexId, entry: &str) -> bool {
    let is = |text: Option<&str>| text.is_some_and(|text| text.trim().to_lowercase() == entry);
    entry == account.to_string()
        || is(member.email.as_ref().map(|email| email.as_str()))
        || is(member.username.as_deref())
        || (member.username.is_none() && is(member.title.as_deref()))
}

/// Links payers to accounts whose share already stood under the very address
/// they paid with when the subscription began; and to an invite that waits
/// under that address, which becomes a proof once it is taken up.
pub fn link_by_standing_share(now: Moment, book: &mut Book) {
    let Some(adopted) = book.adopted.get(&Source::Plex).copied() else { return };
    let payers: Vec<MemberId> = book.members.values().filter(|member| is_alone(member)).map(|m| m.id.clone()).collect();
    if payers.is_empty() {
        return;
    }
    let holders = holders(book);
    for payer in payers {
        match holder_for(book, &holders, adopted, &payer) {
            Some((holder, true)) => {
                for known in book.members.get_mut(&payer).into_iter().flat_map(|member| member.customers.values_mut()) {
                    known.proof.get_or_insert(Proof::ShareStood);
                }
                merge(now, book, &payer, &holder, "their share already stood under the address they paid with");
            }
            Some((holder, false)) => {
                merge(now, book, &payer, &holder, "an invite already waits under the address they paid with");
            }
            None => {}
        }
    }
}

/// A payer who isn't known to have an account, a share or an invite.
fn is_alone(member: &Member) -> bool {
    member.plex.is_none() && member.share.is_none() && member.has_running_subscription()
}

/// Who has a share or an invite, by its address.
fn holders(book: &Book) -> BTreeMap<Email, Vec<MemberId>> {
    let mut holders: BTreeMap<Email, Vec<MemberId>> = BTreeMap::new();
    for member in book.members.values().filter(|member| member.blocked.is_none()) {
        let Some(share) = &member.share else { continue };
        let address = match (share.row.is_accepted(), member.plex) {
            (true, Some(_)) => member.email.as_ref(),
            (false, None) if member.customers.is_empty() => share.row.email.as_ref(),
            _ => None,
        };
        if let Some(address) = address {
            holders.entry(address.clone()).or_default().push(member.id.clone());
        }
    }
    holders
}

/// The only one who has a share or invite under an address that this payer
/// paid with, and whether that share stood before the subscription.
fn holder_for(
    book: &Book,
    holders: &BTreeMap<Email, Vec<MemberId>>,
    adopted: Moment,
    payer: &MemberId,
) -> Option<(MemberId, bool)> {
    let stood = |member: &Member, since: Moment| {
        member.share.as_ref().is_some_and(|share| share.first_seen <= adopted)
            || member.joined().is_some_and(|joined| joined <= since)
    };
    for customer in book.members.get(payer)?.customers.values().filter(|customer| customer.unlinked.is_none()) {
        let Some(email) = &customer.email else { continue };
        let Some([holder]) = holders.get(email).map(Vec::as_slice) else { continue };
        let Some(member) = book.members.get(holder) else { continue };
        if !member.has_access() {
            return Some((holder.clone(), false));
        }
        if stood(member, customer.since) {
            return Some((holder.clone(), true));
        }
    }
    None
}

/// An accepted invite shows whose account it is. Returns the member who holds
/// the account now: the two merge if it was already in the book.
pub fn bind_account(now: Moment, book: &mut Book, id: &MemberId, account: PlexId) -> MemberId {
    let other = book.by_account(account).map(|member| member.id.clone()).filter(|other| other != id);
    if let Some(member) = book.members.get_mut(id) {
        prove_by_acceptance(member);
    }
    match other {
        None => {
            if let Some(member) = book.members.get_mut(id) {
                member.plex = Some(account);
                member.note(now, format!("accepted with Plex account {account}"));
            }
            id.clone()
        }
        Some(other) => {
            merge(now, book, id, &other, "accepted an invite with this account");
            other
        }
    }
}

/// The invite to their own address was taken up.
pub fn prove_by_acceptance(member: &mut Member) {
    for payer in member.customers.values_mut() {
        payer.proof.get_or_insert(Proof::InviteAccepted);
    }
}

/// Makes two members one: `from`'s facts move to `into`, whose account stays.
pub fn merge(now: Moment, book: &mut Book, from: &MemberId, into: &MemberId, why: &str) {
    let Some(old) = book.members.remove(from) else { return };
    let Some(member) = book.members.get_mut(into) else {
        book.members.insert(from.clone(), old);
        return;
    };
    member.customers.extend(old.customers);
    member.subscriptions.extend(old.subscriptions);
    member.made.extend(old.made);
    member.grants.extend(old.grants);
    member.redeemed.extend(old.redeemed);
    member.bounces.extend(old.bounces);
    member.blocked = member.blocked.or(old.blocked);
    member.cancels = member.cancels.or(old.cancels);
    member.restoring = member.restoring.take().or(old.restoring);
    member.since = member.since.min(old.since);
    member.given_email = member.given_email.take().or(old.given_email);
    if old.share.is_some() {
        member.share = old.share;
        member.missing_since = None;
    }
    member.unpaid.extend(old.unpaid);
    member.last_play = member.last_play.max(old.last_play);
    member.journal.extend(old.journal);
    member.journal.sort_by_key(|entry| entry.at);
    member.note(now, format!("merged with {from}: {why}"));
    for earlier in book.merged.values_mut().filter(|earlier| *earlier == from) {
        *earlier = into.clone();
    }
    book.merged.insert(from.clone(), into.clone());
    rename_open_business(book, from, into);
}

/// Open business of the old id goes on under the new one.
fn rename_open_business(book: &mut Book, from: &MemberId, into: &MemberId) {
    let keys: BTreeSet<ActKey> = book
        .intents
        .values()
        .filter(|intent| intent.member == *from)
        .map(|intent| intent.key.clone())
        .chain(book.holds.values().filter(|hold| hold.member == *from).map(|hold| hold.key.clone()))
        .collect();
    for key in keys {
        let renamed = ActKey(key.0.replacen(&format!("/{from}/"), &format!("/{into}/"), 1));
        if let Some(mut intent) = book.intents.remove(&key) {
            intent.key = renamed.clone();
            intent.member = into.clone();
            book.intents.insert(renamed.clone(), intent);
        }
        if let Some(mut hold) = book.holds.remove(&key) {
            hold.key = renamed.clone();
            hold.member = into.clone();
            book.holds.insert(renamed, hold);
        }
    }
    for notice in book.outbox.values_mut().filter(|notice| notice.member.as_ref() == Some(from)) {
        notice.member = Some(into.clone());
    }
    book.starting.rename(from, into);
}

/// Who pays and isn't known to have an account, by the addresses they paid with.
#[must_use]
pub fn unlinked_payers(book: &Book) -> BTreeMap<&Email, (&MemberId, &CustomerId)> {
    let mut payers = BTreeMap::new();
    for member in book.members.values().filter(|member| member.plex.is_none() && member.blocked.is_none()) {
        if !member.has_running_subscription() {
            continue;
        }
        for (customer, payer) in member.customers.iter().filter(|(_, payer)| payer.unlinked.is_none()) {
            let addresses = payer.email.iter().chain(&payer.mail_to);
            payers.extend(addresses.map(|email| (email, (&member.id, customer))));
        }
    }
    payers
}

/// Addresses behind which another Plex identity hides: not invited, asked for
/// a Plex address instead.
#[must_use]
pub fn is_relay(email: &Email) -> bool {
    const RELAYS: [&str; 3] = ["@privaterelay.appleid.com", "@relay.firefox.com", "@mozmail.com"];
    RELAYS.iter().any(|relay| email.as_str().ends_with(relay))
}

/// Finds whom an operator means: member id, Plex id, email, username. `Err`
/// says that nobody is meant, or lists whom it could mean.
///
/// # Errors
/// A sentence.
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
            let names: Vec<String> =
                several.iter().map(|member| format!("{} ({})", member.id, member.name())).collect();
            Err(format!("{who:?} could be {}; use the member id", names.join(" or ")))
        }
    }
}

/// Somebody in the book is called so, or several are.
#[must_use]
pub fn is_known(book: &Book, who: &str) -> bool {
    !called(book, who.trim()).is_empty()
}

/// Everybody to whom an id, name or address belongs.
#[must_use]
pub fn called<'a>(book: &'a Book, who: &str) -> Vec<&'a Member> {
    let wanted = who.to_lowercase();
    let is = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase() == wanted);
    let matches = |member: &&Member| {
        member.plex.is_some_and(|account| account.to_string() == wanted)
            || is(member.email.as_ref().map(|email| email.as_str()))
            || is(member.username.as_deref())
            || is(member.title.as_deref())
            || is(member.given_email.as_ref().map(|email| email.as_str()))
            || is(member.share.as_ref().and_then(|share| share.row.email.as_ref()).map(|email| email.as_str()))
            || member.customers.keys().any(|customer| customer.0.to_lowercase() == wanted)
            || member.subscriptions.keys().any(|subscription| subscription.0.to_lowercase() == wanted)
            || member.customers.values().any(|payer| {
                is(payer.email.as_ref().map(|email| email.as_str()))
                    || is(payer.mail_to.as_ref().map(|email| email.as_str()))
            })
    };
    book.members.values().filter(matches).collect()
}

/// Titles of what a member's share opens, for letters.
#[must_use]
pub fn open_to(book: &Book, member: &Member) -> Vec<String> {
    member
        .share
        .as_ref()
        .map_or_else(Vec::new, |share| libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known)))
}
