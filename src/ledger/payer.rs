//! Customers at Stripe, as far as they are somebody's.

use serde::{Deserialize, Serialize};

use super::Member;
use crate::facts::{CustomerId, Email, Moment};

/// A linked customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payer {
    /// The address they paid with *when first seen*. A later change proves
    /// nothing and moves nothing (RULES R2).
    pub email: Option<Email>,
    /// Their address at Stripe now: where money letters go.
    pub mail_to: Option<Email>,
    /// A label.
    pub name: Option<String>,
    /// When the book first saw them.
    pub since: Moment,
    /// What ties them to the Plex account, once something does.
    pub proof: Option<Proof>,
    /// `usher unlink`: only the operator ties them to anybody again.
    #[serde(default)]
    pub unlinked: Option<Moment>,
}

/// What ties a payer to a Plex account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// An invite to their own address, seen pending and then accepted.
    InviteAccepted,
    /// A share stood under that same address when the subscription began.
    ShareStood,
    /// Another customer with the very same address was theirs already.
    SameAddress,
    /// They signed in with Plex, and Usher wrote the account down at Stripe.
    PlexSignIn,
    /// Usher made the Checkout page for them.
    Checkout,
    /// `usher link`.
    Operator,
}

impl Proof {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::InviteAccepted => "the invite to its address was accepted",
            Self::ShareStood => "a share stood under its address already",
            Self::SameAddress => "a customer with the same address was theirs already",
            Self::PlexSignIn => "they signed in with Plex before they paid",
            Self::Checkout => "the page they paid at was made for them",
            Self::Operator => "the operator said so",
        }
    }
}

/// A customer or subscription that the operator said is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// When that was said.
    pub since: Moment,
    /// Its address: it proves nothing any more for whom it isn't.
    pub email: Option<Email>,
}

impl Member {
    /// Their customers, the one that counts first: whose subscription runs, the
    /// newest before older ones (RULES R2). Those that were unlinked stand last.
    #[must_use]
    pub fn customers_in_order(&self) -> Vec<(&CustomerId, &Payer)> {
        let newest = |customer: &CustomerId| {
            let theirs = self.subscriptions.values().filter(|billed| billed.now.customer == *customer);
            theirs.map(|billed| (billed.now.status.is_running(), billed.now.created)).max()
        };
        let mut all: Vec<_> = self.customers.iter().collect();
        all.sort_by_key(|(id, payer)| std::cmp::Reverse((payer.unlinked.is_none(), newest(id), payer.since)));
        all
    }

    /// The address at Stripe by now of a payer who was invited under the one
    /// that they paid with, which they have changed since. The invite stays where
    /// it is (RULES R2), and they read where that is.
    #[must_use]
    pub fn corrected_email(&self) -> Option<&Email> {
        let row = &self.share.as_ref()?.row;
        let to = row.email.as_ref().filter(|_| !row.is_accepted() && row.account.is_none())?;
        let (_, payer) = self.customers_in_order().into_iter().find(|(_, payer)| payer.unlinked.is_none())?;
        payer.mail_to.as_ref().filter(|now| payer.email.as_ref() == Some(to) && *now != to)
    }

    /// The payer's own address for an invite: that of the customer who counts,
    /// as first seen. Not of one who signed in with Plex: the account is known,
    /// and the address could be another account's.
    #[must_use]
    pub fn paying_email(&self) -> Option<&Email> {
        let by_address = |payer: &Payer| payer.unlinked.is_none() && payer.proof != Some(Proof::PlexSignIn);
        let all = self.customers_in_order().into_iter();
        all.filter(|(_, payer)| by_address(payer)).find_map(|(_, payer)| payer.email.as_ref())
    }
}
