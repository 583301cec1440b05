//! Whose a customer is: linked once, by proof (RULES R2).
//!
//! Proofs, the strongest first: `usher link`, Plex sign-in, an invite to the
//! payer's own address that was accepted, and the address itself: a share that
//! stood under it when the subscription began, or a customer with the very same
//! address who is theirs already. The first two are taken up where they are
//! said; this is about the others. Where two members have an equal claim, or the
//! address became a member's only after the subscription began, nobody gets the
//! customer, and the operator is told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::merge;
use crate::facts::{CustomerId, Email, Moment, PlexId, Source};
use crate::ledger::{Book, Member, Payer, Proof};
use crate::member::MemberId;
use crate::policy::Rules;
use crate::policy::standing_reports::attention;

/// Why an address may be a member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// Their share stands under it.
    Share,
    /// A customer with it is theirs, and their account is known.
    Customer,
    /// An invite of the operator's waits under it.
    Invite,
    /// It is theirs, and the operator said that it is somebody else's, too.
    Shared,
    /// They paid with it, too, and no account of theirs is known either.
    Unknown,
    /// They are revoked, and Plex knew, or invited, them under it.
    Revoked,
}

/// Between two listings nobody sees when an address changes: who pays with one that
/// is theirs for so long, or will be, is believed to have had it.
const SEEN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Who has which claim to an address.
type Claims = BTreeMap<Email, BTreeSet<(Claim, MemberId)>>;

/// What becomes of a payer of whom no account is known.
enum Verdict {
    /// They are this member, by proof or because both wait for the same invite.
    Is { member: MemberId, proof: Option<Proof>, why: &'static str },
    /// They may be any of these: by proofs of equal rank, or because one whom the
    /// operator revoked is known under the address they paid with, or has come to
    /// it since.
    Disputed(BTreeSet<MemberId>),
    /// Nothing shows who they are.
    Unknown,
}

/// Links payers to whom their address shows to be: see the module.
pub fn link_payers(now: Moment, book: &mut Book) {
    let Some(adopted) = book.adopted.get(&Source::Plex).copied() else { return };
    let mut payers: Vec<(Moment, MemberId)> = book
        .members
        .values()
        .filter(|member| is_alone(member))
        .map(|member| (member.since, member.id.clone()))
        .collect();
    payers.sort();
    let mut claims = if payers.is_empty() { Claims::new() } else { claims(book) };
    let mut disputed: BTreeMap<MemberId, BTreeSet<MemberId>> = BTreeMap::new();
    for (_, payer) in payers {
        match verdict(book, &claims, adopted, &payer) {
            Verdict::Is { member, proof, why } => {
                let addresses = addresses(book, &payer);
                join(now, book, &payer, &member, proof, why);
                hand_over(book, &mut claims, &addresses, &payer, &member);
            }
            Verdict::Disputed(members) => {
                disputed.insert(payer, members);
            }
            Verdict::Unknown => {}
        }
    }
    for member in book.members.values_mut() {
        let members = disputed.remove(&member.id).unwrap_or_default();
        if member.disputed != members {
            member.disputed = members;
        }
    }
}

/// As [`link_payers`]: the name of before, for whoever knows it.
pub fn link_by_standing_share(now: Moment, book: &mut Book) {
    link_payers(now, book);
}

/// A payer who isn't known to have an account, a share or an invite. Who is
/// revoked stays apart: nobody would be out with them. So does who had an account
/// that plex.tv doesn't know any more: what was proved for it shows no other.
fn is_alone(member: &Member) -> bool {
    !super::has_had_account(member)
        && member.share.is_none()
        && member.blocked.is_none()
        && member.has_running_subscription()
}

fn addresses(book: &Book, payer: &MemberId) -> Vec<Email> {
    let customers = book.members.get(payer).into_iter().flat_map(|payer| payer.customers.values());
    customers.filter_map(|payer| payer.email.clone()).collect()
}

/// What a payer had a claim to is the member's whom they are one with.
fn hand_over(book: &Book, claims: &mut Claims, addresses: &[Email], payer: &MemberId, member: &MemberId) {
    let account = book.members.get(member).is_some_and(|member| member.plex.is_some());
    let claim = if account { Claim::Customer } else { Claim::Unknown };
    for email in addresses {
        let known = claims.entry(email.clone()).or_default();
        known.retain(|(_, other)| other != payer);
        known.insert((claim, member.clone()));
    }
}

fn join(now: Moment, book: &mut Book, payer: &MemberId, member: &MemberId, proof: Option<Proof>, why: &str) {
    let customers = book.members.get_mut(payer).into_iter().flat_map(|payer| payer.customers.values_mut());
    for known in customers.filter(|_| proof.is_some()) {
        known.proof = known.proof.or(proof);
    }
    merge(now, book, payer, member, why);
    if let Some(member) = book.members.get_mut(member) {
        member.invite_refused = None; // A new payment is worth another try.
    }
}

/// Whose each address may be.
fn claims(book: &Book) -> Claims {
    let mut claims = Claims::new();
    let mut add = |email: &Email, claim: Claim, member: &Member| {
        claims.entry(email.clone()).or_default().insert((claim, member.id.clone()));
    };
    for member in book.members.values() {
        // An address that is theirs and, as the operator said, somebody else's as
        // well shows nothing by itself.
        let is_shared =
            |email: &Email| member.strangers.values().any(|stranger| stranger.email.as_ref() == Some(email));
        if let Some(share) = member.share.as_ref().filter(|_| member.blocked.is_none()) {
            match (share.row.is_accepted(), member.plex) {
                (true, Some(_)) => member.email.iter().for_each(|email| {
                    add(email, if is_shared(email) { Claim::Shared } else { Claim::Share }, member);
                }),
                (false, None) if member.customers.is_empty() => {
                    share.row.email.iter().for_each(|email| add(email, Claim::Invite, member));
                }
                _ => {}
            }
        }
        if member.blocked.is_some() {
            let known = member.email.iter().chain(&member.addresses).filter(|email| !is_shared(email));
            known.for_each(|email| add(email, Claim::Revoked, member));
        }
        let claim = if member.plex.is_some() { Claim::Customer } else { Claim::Unknown };
        for payer in theirs(book, member).filter(|payer| payer.unlinked.is_none()) {
            payer.email.iter().for_each(|email| {
                let shared = is_shared(email);
                // Without an account, it shows no more than that they paid with it.
                if !shared || member.plex.is_some() {
                    add(email, if shared { Claim::Shared } else { claim }, member);
                }
            });
        }
    }
    claims
}

/// Customers of a member, and those of whom only a subscription is theirs, by
/// the operator's word. The latter count only for who has an account.
fn theirs<'a>(book: &'a Book, member: &'a Member) -> impl Iterator<Item = &'a Payer> {
    let of_others = member.subscriptions.values().map(|billed| &billed.now.customer);
    let of_others = of_others.filter(|customer| member.plex.is_some() && !member.customers.contains_key(*customer));
    let of_others = of_others.filter_map(|customer: &CustomerId| book.by_customer(customer)?.customers.get(customer));
    member.customers.values().chain(of_others)
}

/// Whose this payer is. See [`Verdict`].
fn verdict(book: &Book, claims: &Claims, adopted: Moment, id: &MemberId) -> Verdict {
    let Some(payer) = book.members.get(id) else { return Verdict::Unknown };
    let mut proofs: BTreeMap<MemberId, Proof> = BTreeMap::new();
    let mut waits: BTreeSet<(Claim, &MemberId)> = BTreeSet::new();
    let mut shared: BTreeSet<MemberId> = BTreeSet::new();
    let mut revoked: BTreeSet<MemberId> = BTreeSet::new();
    let mut since_then: BTreeSet<MemberId> = BTreeSet::new();
    for (customer, bought) in payer.customers.iter().filter(|(_, customer)| customer.unlinked.is_none()) {
        let began = payer.subscriptions.values().filter(|billed| billed.now.customer == *customer);
        let began = began.map(|billed| billed.now.created).min().unwrap_or(bought.since);
        let same = bought.email.as_ref().and_then(|email| claims.get(email)).into_iter().flatten();
        for (claim, other) in same.filter(|(_, other)| other != id) {
            let Some(member) = book.members.get(other) else { continue };
            if member.strangers.contains_key(customer.as_str()) {
                continue; // The operator said that they aren't.
            }
            match claim {
                Claim::Share if !had_address(member, began) => {
                    since_then.insert(other.clone());
                }
                Claim::Share if stood(member, adopted, bought.since) => {
                    proofs.insert(other.clone(), Proof::ShareStood);
                }
                Claim::Share => {}
                Claim::Customer => {
                    proofs.entry(other.clone()).or_insert(Proof::SameAddress);
                }
                Claim::Shared => {
                    shared.insert(other.clone());
                }
                Claim::Revoked => {
                    revoked.insert(other.clone());
                }
                Claim::Invite | Claim::Unknown => {
                    waits.insert((*claim, other));
                }
            }
        }
    }
    // Two who share an address: whoever of them bought, only the operator knows.
    if !shared.is_empty() && !proofs.is_empty() {
        return Verdict::Disputed(proofs.into_keys().chain(shared).collect());
    }
    let one = proofs.first_key_value().map(|(member, proof)| (member.clone(), *proof));
    match (proofs.len(), one) {
        (1, Some((member, proof))) => {
            let why = match proof {
                Proof::ShareStood => "their share already stood under the address they paid with",
                _ => "a customer with the address they paid with was theirs already",
            };
            Verdict::Is { member, proof: Some(proof), why }
        }
        (0, _) if !revoked.is_empty() => Verdict::Disputed(revoked),
        (0, _) if !since_then.is_empty() => Verdict::Disputed(since_then),
        (0, _) => wait_together(book, &waits, payer),
        _ => Verdict::Disputed(proofs.into_keys().collect()),
    }
}

/// Whether a share stood before a subscription began, as far as is known.
fn stood(member: &Member, adopted: Moment, since: Moment) -> bool {
    member.share.as_ref().is_some_and(|share| share.first_seen <= adopted)
        || member.joined().is_some_and(|joined| joined <= since)
}

/// Whether their address was theirs when a subscription began. One that changed
/// later proves nothing (RULES R2): two may swap theirs.
fn had_address(member: &Member, began: Moment) -> bool {
    member.email_since.is_none_or(|since| since - SEEN_WITHIN <= began)
}

/// Who waits for an invite to one address waits for the same invite: whoever
/// takes it up has shown to be all of them.
fn wait_together(book: &Book, waits: &BTreeSet<(Claim, &MemberId)>, payer: &Member) -> Verdict {
    let invites: Vec<&MemberId> =
        waits.iter().filter(|(claim, _)| *claim == Claim::Invite).map(|(_, member)| *member).collect();
    if let [invited] = invites.as_slice() {
        let why = "an invite already waits under the address they paid with";
        return Verdict::Is { member: (*invited).clone(), proof: None, why };
    }
    let others = waits.iter().filter(|(claim, _)| *claim == Claim::Unknown);
    let others = others.filter_map(|(_, member)| book.members.get(*member));
    // Who is invited already; else who came first.
    let rank = |member: &Member| (!member.is_invited(), member.since, member.id.clone());
    let first = others.min_by_key(|member| rank(member)).filter(|first| rank(first) < rank(payer));
    match first {
        Some(first) => {
            let why = "both paid with the same address, and wait for the same invite";
            Verdict::Is { member: first.id.clone(), proof: None, why }
        }
        None => Verdict::Unknown,
    }
}

/// The only member to whom an address would show that a new customer belongs.
pub(super) fn whose_address(book: &Book, email: &Email, since: Moment) -> Option<MemberId> {
    let adopted = book.adopted.get(&Source::Plex).copied()?;
    let claims = claims(book);
    let proves = |(claim, id): &&(Claim, MemberId)| match claim {
        Claim::Share => {
            let member = book.members.get(id);
            member.is_some_and(|member| stood(member, adopted, since) && had_address(member, since))
        }
        Claim::Customer => true,
        Claim::Shared | Claim::Invite | Claim::Unknown | Claim::Revoked => false,
    };
    let all = || claims.get(email).into_iter().flatten();
    let members: BTreeSet<&MemberId> = all().filter(proves).map(|(_, id)| id).collect();
    let is_shared = all().any(|(claim, _)| *claim == Claim::Shared);
    members.first().filter(|_| members.len() == 1 && !is_shared).map(|id| (*id).clone())
}

/// Tells of payers who may be one of several, once each.
pub fn tell_disputes(now: Moment, rules: &Rules, book: &mut Book) {
    let disputed = book.members.values().filter(|member| !member.disputed.is_empty());
    let found: Vec<(MemberId, Vec<CustomerId>, BTreeSet<MemberId>)> = disputed
        .map(|member| (member.id.clone(), member.customers.keys().cloned().collect(), member.disputed.clone()))
        .collect();
    let standing: BTreeSet<String> = found.iter().map(|(id, ..)| format!("disputed/{id}")).collect();
    book.untell_others("disputed/", |key| standing.contains(key));
    for (id, customers, members) in found {
        let customer = customers.first().map(ToString::to_string).unwrap_or_default();
        let (title, detail, mend) = dispute(book, &customer, &members);
        attention(now, rules, book, &format!("disputed/{id}"), &title, &detail, &mend);
    }
}

/// What the operator hears of a payer who may be any of these: title, detail and
/// mend.
fn dispute(book: &Book, customer: &str, members: &BTreeSet<MemberId>) -> (String, String, String) {
    let revoked = members.first().and_then(|id| book.members.get(id)).filter(|member| member.blocked.is_some());
    if let (1, Some(member)) = (members.len(), revoked) {
        let id = &member.id;
        return (
            format!("{customer} pays, and may be {}, whom you revoked", member.name()),
            format!(
                "The address it pays with is one of {}'s. Nobody is invited for it by itself.",
                super::in_full(member)
            ),
            format!(
                "If it is them, `usher link {id} --stripe {customer}`, and then `usher restore {id}` to let them in or \
                 `usher revoke {id} --cancel now` to end what they pay. If it is somebody else, `usher unlink {id} \
                 --stripe {customer}`."
            ),
        );
    }
    let one = members.first().and_then(|id| book.members.get(id)).filter(|_| members.len() == 1);
    if let Some(member) = one {
        let id = &member.id;
        return (
            format!("{customer} pays, and could be {}", member.name()),
            format!(
                "The address it pays with is that of {} now, and was not when the subscription began. Nobody gets it by \
                 itself.",
                super::in_full(member)
            ),
            format!(
                "If it is them, `usher link {id} --stripe {customer}`; if not, the same with the id of whose it is, or \
                 `usher unlink {id} --stripe {customer}`."
            ),
        );
    }
    let named = |id: &MemberId| book.members.get(id).map(super::in_full).unwrap_or_default();
    let names: Vec<String> = members.iter().map(named).collect();
    let commands: Vec<String> =
        members.iter().map(|member| format!("`usher link {member} --stripe {customer}`")).collect();
    (
        format!("{customer} pays, and could be {} people", members.len()),
        format!("The address it pays with speaks for {}. Nobody gets it by itself.", names.join(" and for ")),
        format!("Say whose it is: {}.", commands.join(" or ")),
    )
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
                set_account(member, account);
                member.note(now, format!("accepted with Plex account {account}"));
            }
            id.clone()
        }
        Some(other) => {
            merge(now, book, id, &other, "accepted an invite with this account");
            if let Some(member) = book.members.get_mut(&other) {
                set_account(member, account);
            }
            other
        }
    }
}

/// This is their account; also one that was theirs before.
pub fn set_account(member: &mut Member, account: PlexId) {
    member.plex = Some(account);
    member.former_accounts.remove(&account);
}

/// plex.tv doesn't know their account any more: no account of theirs is known,
/// until an invite to them is taken up.
pub fn lose_account(now: Moment, member: &mut Member) {
    let Some(account) = member.plex.take() else { return };
    member.former_accounts.insert(account);
    member.note(now, format!("plex.tv doesn't know Plex account {account} any more"));
}

/// The invite to their own address was taken up.
pub fn prove_by_acceptance(member: &mut Member) {
    for payer in member.customers.values_mut() {
        payer.proof.get_or_insert(Proof::InviteAccepted);
    }
}
