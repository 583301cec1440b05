//! Grants: reasons that no subscription gives.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::facts::{Moment, SectionId, SubscriptionId};

/// A reason that no subscription gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which.
    pub kind: GrantKind,
    /// Since when.
    pub since: Moment,
    /// Its end, if it has one.
    pub until: Option<Moment>,
    /// *By hand* frozen at what it was when the first subscription began, or
    /// the tier's libraries; `None` = the share as it stands.
    pub libraries: Option<BTreeSet<SectionId>>,
    /// Downloads likewise.
    pub downloads: Option<bool>,
    /// The tier that it gives instead.
    #[serde(default)]
    pub tier: Option<String>,
    /// What the operator wrote beside it.
    #[serde(default)]
    pub note: Option<String>,
    /// The free code that gave it.
    #[serde(default)]
    pub code: Option<FreeUse>,
    /// *By hand*: subscriptions that were over when it began. They have no say
    /// in it, whatever becomes of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub outlived: BTreeSet<SubscriptionId>,
}

impl Grant {
    /// The share as it stands, without an end.
    #[must_use]
    pub fn new(kind: GrantKind, since: Moment) -> Self {
        let (until, libraries, downloads, tier, note, code) = (None, None, None, None, None, None);
        Self { kind, since, until, libraries, downloads, tier, note, code, outlived: BTreeSet::new() }
    }

    /// It has no end, or that is still to come.
    #[must_use]
    pub fn stands(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The kinds of grant (RULES R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// A share or invite that Usher can't show it made.
    ByHand,
    /// `usher grandfather`.
    Grandfathered,
    /// `usher invite`, or a code.
    Complimentary,
    /// `usher extend`.
    Extension,
    /// `usher pause`.
    Holiday,
}

/// A use of a free code, as it was when it was typed in: whatever becomes of
/// the code, what it gave stays (RULES R8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeUse {
    /// Which code.
    pub mark: CodeMark,
    /// For how many days it lets in, from when they are in; `None` = for good.
    pub days: Option<u32>,
}

/// Tells codes apart in the book, where the code itself doesn't stand: the
/// book holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeMark(pub String);
