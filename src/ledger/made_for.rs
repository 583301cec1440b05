//! R6: what Usher makes carries what it was made for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{GrantKind, InviteTo};
use crate::facts::{Moment, SubscriptionId};

/// What a share or an invite was made for. When all of it is over, the share
/// or the invite is over with it, whatever plex.tv's dates say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeFor {
    /// A subscription.
    Subscription(SubscriptionId),
    /// A grant, by its kind and its beginning.
    Grant { kind: GrantKind, since: Moment },
}

/// An invite whose intent is no longer in the book, and which may have had an
/// effect all the same: its row may still show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteOut {
    /// To whom it went.
    pub to: InviteTo,
    /// When it was tried last; where plex.tv refused it, first.
    pub at: Moment,
    /// What it was made for.
    pub made_for: BTreeSet<MadeFor>,
    /// When plex.tv refused it, if it did.
    #[serde(default)]
    pub refused: Option<Moment>,
}
