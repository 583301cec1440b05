//! Everything by which a person may be recognised (RULES R2).
//!
//! What is known protects: who shares any of it with somebody who pays waits.
//! It proves nothing; proofs are in [`super::link`].

use std::collections::BTreeSet;

use crate::facts::{Customer, Email, PlexId, Subscription};
use crate::ledger::{Act, Book, InviteTo, Member, Payer};
use crate::member::MemberId;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// Plex addresses, addresses of invites, addresses at Stripe.
    addresses: BTreeSet<&'a Email>,
    /// Plex accounts: their own, and those that our key wrote down at Stripe.
    accounts: BTreeSet<PlexId>,
    /// Names at Stripe, without case and spaces.
    names: BTreeSet<String>,
}

/// What two have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Common<'a> {
    /// An address.
    Address(&'a Email),
    /// A Plex account.
    Account(PlexId),
    /// Only a name at Stripe.
    Name,
}

impl<'a> Known<'a> {
    /// Everything known of a member.
    #[must_use]
    pub fn of(book: &'a Book, member: &'a Member) -> Self {
        let mut known = Self::default();
        let share = member.share.as_ref().map(|share| &share.row);
        let given_back = member.restoring.as_ref().map(|restoring| &restoring.share);
        let taken = member.undo.as_ref().map(|undo| &undo.share);
        for row in share.into_iter().chain(given_back).chain(taken) {
            known.addresses.extend(&row.email);
            known.accounts.extend(row.account);
        }
        known.addresses.extend(member.email.iter().chain(&member.given_email).chain(&member.addresses));
        known.accounts.extend(member.plex.iter().chain(&member.former_accounts));
        // What the operator said was never theirs says nothing of them.
        let former = member.former.iter().filter(|(id, _)| !member.strangers.contains_key(id.as_str()));
        // Where only a subscription is theirs, its customer is somebody else's.
        let others = member.subscriptions.values().map(|billed| &billed.now.customer);
        let others = others.filter(|customer| !member.customers.contains_key(*customer));
        let others = others.filter_map(|customer| book.by_customer(customer)?.customers.get(customer));
        for payer in member.customers.values().chain(former.map(|(_, payer)| payer)).chain(others) {
            known.add_payer(payer);
        }
        for billed in member.subscriptions.values() {
            known.add_sign_in(&billed.now);
        }
        known
    }

    /// What is known of a customer who isn't in the book.
    #[must_use]
    pub fn of_customer(customer: Option<&'a Customer>, subscription: &'a Subscription) -> Self {
        let mut known = Self::default();
        if let Some(customer) = customer {
            known.addresses.extend(&customer.email);
            known.names.extend(customer.name.as_deref().and_then(folded));
        }
        known.add_sign_in(subscription);
        known
    }

    fn add_payer(&mut self, payer: &'a Payer) {
        self.addresses.extend(payer.email.iter().chain(&payer.mail_to));
        self.names.extend(payer.name.as_deref().and_then(folded));
    }

    fn add_sign_in(&mut self, subscription: &'a Subscription) {
        if let Some(signed_in) = &subscription.signed_in {
            self.addresses.extend(&signed_in.email);
            self.accounts.insert(signed_in.account);
        }
    }

    /// What both have, the strongest first.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Common<'a>> {
        let account = self.accounts.intersection(&other.accounts).next().map(|account| Common::Account(*account));
        let address = || self.addresses.intersection(&other.addresses).next().map(|email| Common::Address(email));
        let name = || self.names.intersection(&other.names).next().map(|_| Common::Name);
        account.or_else(address).or_else(name)
    }
}

/// A name without case and spaces.
fn folded(name: &str) -> Option<String> {
    let folded: String = name.to_lowercase().split_whitespace().collect();
    (!folded.is_empty()).then_some(folded)
}

/// Writes down the addresses under which somebody is seen at Plex, or invited
/// there: also when the row is gone, or the account's address is another one.
pub fn remember_addresses(book: &mut Book) {
    let mut seen: Vec<(MemberId, Email)> = Vec::new();
    for member in book.members.values() {
        let row = member.share.as_ref().and_then(|share| share.row.email.as_ref());
        let new = member.email.iter().chain(row).filter(|email| !member.addresses.contains(email));
        seen.extend(new.map(|email| (member.id.clone(), email.clone())));
    }
    for intent in book.intents.values().filter(|intent| intent.was_tried()) {
        if let Act::Invite { to: InviteTo::Email(email), .. } = &intent.act {
            seen.push((intent.member.clone(), email.clone()));
        }
    }
    for (id, email) in seen {
        if let Some(member) = book.members.get_mut(&id) {
            member.addresses.insert(email);
        }
    }
}
