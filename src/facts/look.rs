//! A look: a whole answer about *one* customer or account. It replaces that
//! person's facts only, and counts for no population, freshness or absence.

use std::collections::{BTreeMap, BTreeSet};

use super::{Customer, CustomerId, Email, Moment, PlexId, Section, SectionId, Share, ShareId, Subscription, Watcher};

/// Everything Stripe says about one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerLook {
    /// Before the first request.
    pub begun: Moment,
    /// The customer asked about.
    pub id: CustomerId,
    /// The customer; `None` when Stripe answered 404.
    pub customer: Option<Customer>,
    /// All their subscriptions, in every status, open invoices included.
    pub subscriptions: Vec<Subscription>,
    /// What they are entitled to, where it was asked for.
    pub entitled: Option<EntitlementLook>,
}

/// What Stripe says of one customer's active entitlements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementLook {
    /// Before the first request.
    pub begun: Moment,
    /// Their lookup keys; otherwise why they aren't known.
    pub keys: Result<BTreeSet<String>, String>,
}

/// Whom a look at plex.tv asks about. Any of the three identifies the row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whom {
    /// The account.
    pub account: Option<PlexId>,
    /// The address an invite went to.
    pub email: Option<Email>,
    /// The share's own id.
    pub share: Option<ShareId>,
}

impl Whom {
    /// Whether `share` is this person's row.
    #[must_use]
    pub fn is(&self, share: &Share) -> bool {
        self.share == Some(share.id)
            || (self.account.is_some() && self.account == share.account)
            || (self.email.is_some() && self.email == share.email)
    }
}

/// What plex.tv lists for one person on our server, taken from a fresh whole
/// listing of shares and invites.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareLook {
    /// Before the first request.
    pub begun: Moment,
    /// Whom it is about.
    pub whom: Whom,
    /// Their rows: at most one in good order.
    pub shares: Vec<Share>,
    /// They have a share on another server of the owner.
    pub elsewhere: bool,
    /// They are in the owner's Plex Home, as far as was asked.
    pub home: bool,
    /// The sections of the server, where they were read along.
    pub sections: Option<BTreeMap<SectionId, Section>>,
}

/// What Tautulli says about one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchLook {
    /// Before the first request.
    pub begun: Moment,
    /// Whom it is about.
    pub account: PlexId,
    /// Tautulli's link to Plex is up.
    pub connected: bool,
    /// `None` when Tautulli doesn't list them.
    pub watcher: Option<Watcher>,
    /// They have a stream open now; `None` when that can't be told.
    pub watching_now: Option<bool>,
    /// Rows of theirs in the history.
    pub plays: u64,
}
