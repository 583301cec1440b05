//! Finding members by what services call them, without reading the whole book
//! for each row of a listing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Book, Member};
use crate::facts::{CustomerId, Email, PlexId, ShareId, SubscriptionId};
use crate::member::MemberId;

/// Made from the book for one fold, and told of each change that it makes.
/// Whoever asks checks the answer against the book.
#[derive(Debug, Default)]
pub struct Index {
    accounts: BTreeMap<PlexId, MemberId>,
    former_accounts: BTreeMap<PlexId, MemberId>,
    shares: BTreeMap<ShareId, BTreeSet<MemberId>>,
    customers: BTreeMap<CustomerId, MemberId>,
    subscriptions: BTreeMap<SubscriptionId, MemberId>,
    addresses: BTreeMap<Email, BTreeSet<MemberId>>,
}

impl Index {
    /// Of everybody in the book.
    #[must_use]
    pub fn of(book: &Book) -> Self {
        let mut index = Self::default();
        for member in book.members.values() {
            index.note(member);
        }
        index
    }

    /// A member is new, or something of theirs is.
    pub fn note(&mut self, member: &Member) {
        let id = || member.id.clone();
        if let Some(account) = member.plex {
            self.accounts.entry(account).or_insert_with(id);
        }
        for account in member.former_accounts.iter().filter(|_| member.plex.is_none()) {
            self.former_accounts.entry(*account).or_insert_with(id);
        }
        let standing = member.share.as_ref();
        let listed = standing.iter().flat_map(|share| [share.row.id, share.id()]);
        for share in member.made.iter().copied().chain(listed) {
            self.shares.entry(share).or_default().insert(id());
        }
        for (customer, payer) in &member.customers {
            self.customers.entry(customer.clone()).or_insert_with(id);
            if let Some(email) = &payer.email {
                self.addresses.entry(email.clone()).or_default().insert(id());
            }
        }
        if let Some(email) = &member.given_email {
            self.addresses.entry(email.clone()).or_default().insert(id());
        }
        if let Some(email) = standing.and_then(|share| share.row.email.as_ref()) {
            self.addresses.entry(email.clone()).or_default().insert(id());
        }
        for subscription in member.subscriptions.keys() {
            self.subscriptions.entry(subscription.clone()).or_insert_with(id);
        }
    }

    /// The member with this account; else one of whom no account is known, and
    /// whose it was.
    #[must_use]
    pub fn account(&self, account: PlexId) -> Option<&MemberId> {
        self.accounts.get(&account).or_else(|| self.former_accounts.get(&account))
    }

    /// Members who have this row, or for whom it was made.
    pub fn share(&self, share: ShareId) -> impl Iterator<Item = &MemberId> {
        self.shares.get(&share).into_iter().flatten()
    }

    /// The member to whom this customer is linked.
    #[must_use]
    pub fn customer(&self, customer: &CustomerId) -> Option<&MemberId> {
        self.customers.get(customer)
    }

    /// The member who has this subscription.
    #[must_use]
    pub fn subscription(&self, subscription: &SubscriptionId) -> Option<&MemberId> {
        self.subscriptions.get(subscription)
    }

    /// Members who paid with this address, or whose row stands under it.
    pub fn address(&self, email: &Email) -> impl Iterator<Item = &MemberId> {
        self.addresses.get(email).into_iter().flatten()
    }
}
