//! Two members who turn out to be one.

use std::collections::BTreeSet;

use crate::facts::Moment;
use crate::ledger::{ActKey, Book, CodeMark, Grant, Member};
use crate::member::MemberId;
use crate::policy::undo;

/// Makes two members one: `from`'s facts move to `into`, whose account stays.
/// Nothing by which either was known is lost.
pub fn merge(now: Moment, book: &mut Book, from: &MemberId, into: &MemberId, why: &str) {
    let Some(old) = book.members.remove(from) else { return };
    let Some(member) = book.members.get_mut(into) else {
        book.members.insert(from.clone(), old);
        return;
    };
    take_what_is_known(member, &old);
    // `usher revoke --cancel` spoke of what this one was charged for, and that is
    // over: what somebody else pays is cancelled by a word of its own (RULES R2).
    if old.blocked.is_none() && member.blocked.is_some() && undo::charging(member).next().is_none() {
        member.cancels = None;
    }
    member.customers.extend(old.customers);
    member.subscriptions.extend(old.subscriptions);
    member.made.extend(old.made);
    member.made_for.extend(old.made_for);
    member.invites_out.extend(old.invites_out);
    let mut grants = old.grants;
    use_no_code_twice(now, member, &old.redeemed, &mut grants);
    member.grants.extend(grants);
    member.redeemed.extend(old.redeemed);
    member.bounces.extend(old.bounces);
    member.blocked = member.blocked.or(old.blocked);
    member.cancels = member.cancels.or(old.cancels);
    member.restoring = member.restoring.take().or(old.restoring);
    member.since = member.since.min(old.since);
    member.given_email = member.given_email.take().or(old.given_email);
    let only_invited = old.share.as_ref().is_some_and(|share| !share.row.is_accepted());
    // An invite that waits takes nobody's access.
    if let Some(mut share) = old.share.filter(|_| !(only_invited && member.has_access())) {
        // Whoever was seen gone before has it from then on, at the earliest.
        share.began_after = share.began_after.max(member.gone.as_ref().map(|gone| gone.at));
        member.share = Some(share);
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
    for disputed in book.members.values_mut().map(|member| &mut member.disputed) {
        if disputed.remove(from) {
            disputed.insert(into.clone());
        }
    }
    rename_open_business(book, from, into);
}

/// One person uses a code once: what one of the two typed in and has not come in
/// by, and the other has used before, gives nothing (RULES R8).
fn use_no_code_twice(now: Moment, member: &mut Member, theirs: &BTreeSet<CodeMark>, grants: &mut Vec<Grant>) {
    let of = |grant: &Grant| grant.code.as_ref().map(|code| code.mark.clone());
    let ours = member.redeemed.clone();
    let mut twice: BTreeSet<CodeMark> = BTreeSet::new();
    let mut drop_open = |grants: &mut Vec<Grant>, own: &BTreeSet<CodeMark>, other: &BTreeSet<CodeMark>| {
        grants.retain(|grant| match of(grant) {
            Some(mark) if other.contains(&mark) && !own.contains(&mark) => {
                twice.insert(mark);
                false
            }
            _ => true,
        });
    };
    drop_open(grants, theirs, &ours);
    drop_open(&mut member.grants, &ours, theirs);
    for mark in twice {
        member.note(now, format!("free code {} was typed in with another address of theirs; they had used it", mark.0));
    }
}

/// What either was known by, both are known by.
fn take_what_is_known(member: &mut Member, old: &Member) {
    let row = old.share.as_ref().and_then(|share| share.row.email.as_ref());
    let addresses = old.addresses.iter().chain(&old.email).chain(&old.given_email).chain(row);
    member.addresses.extend(addresses.cloned());
    member.former_accounts.extend(&old.former_accounts);
    for (customer, payer) in &old.former {
        member.former.entry(customer.clone()).or_insert_with(|| payer.clone());
    }
    member.strangers.extend(old.strangers.clone());
    // Who is one with a customer is no stranger to it.
    let theirs = old.customers.keys().chain(member.customers.keys()).map(|customer| customer.as_str().to_owned());
    let subscriptions = old.subscriptions.keys().chain(member.subscriptions.keys()).map(|sub| sub.as_str().to_owned());
    let theirs: BTreeSet<String> = theirs.chain(subscriptions).collect();
    member.strangers.retain(|stranger, _| !theirs.contains(stranger));
    if member.username.is_none() && member.title.is_none() {
        (member.username, member.title) = (old.username.clone(), old.title.clone());
    }
    if member.undo.is_none() {
        member.undo = old.undo.clone().filter(|undo| undo.share.is_accepted());
    }
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
