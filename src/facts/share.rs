//! Shares and invites, as plex.tv lists them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Email, Moment, PlexId, SectionId, ServerId, ShareId};

/// The libraries of one share.
///
/// plex.tv reads an empty list in a request as *all libraries*, so a set that
/// is to be sent is always a [`SectionSet`], which can't be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SectionSet(BTreeSet<SectionId>);

impl SectionSet {
    /// `None` when `sections` is empty.
    #[must_use]
    pub fn new(sections: BTreeSet<SectionId>) -> Option<Self> {
        (!sections.is_empty()).then_some(Self(sections))
    }

    /// The ids, ascending, at least one.
    #[must_use]
    pub fn ids(&self) -> &BTreeSet<SectionId> {
        &self.0
    }

    /// Everything in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).copied().collect())
    }
}

/// A library section of our server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// plex.tv's global id: what shares take.
    pub id: SectionId,
    /// The server's own number: what Tautulli calls `section_id`.
    pub key: u64,
    /// The title that people see; need not be unique.
    pub title: String,
}

/// The settings of a share besides its libraries, exactly as read, to be sent
/// back as they are when a share is updated in place (RULES R6).
pub type SharingSettings = BTreeMap<String, serde_json::Value>;

/// What plex.tv grants one person on **our** server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share's own id; the same row from invite to acceptance.
    pub id: ShareId,
    /// The account; `None` for an invite to an address without one.
    pub account: Option<PlexId>,
    /// The account's username (`""` for managed users → `None`).
    pub username: Option<String>,
    /// The display name; not unique.
    pub title: Option<String>,
    /// The account's address, or the address that was invited.
    pub email: Option<Email>,
    /// The libraries listed in the share.
    pub sections: BTreeSet<SectionId>,
    /// The "all libraries" flag. Equal to the full list (RULES R7).
    pub all_libraries: bool,
    /// Downloads allowed (`allowSync`); `None` when the row didn't say.
    pub downloads: Option<bool>,
    /// Every setting as read; `None` when the row carried none.
    pub settings: Option<SharingSettings>,
    /// Pending or accepted, and since when.
    pub state: ShareState,
    /// Once it is taken up: when the invite was made, where plex.tv says so. Its
    /// older listing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_at: Option<Moment>,
    /// A member of the owner's Plex Home.
    pub home: bool,
    /// A managed account with a restriction profile.
    pub restricted: bool,
}

/// Where a share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareState {
    /// Invited, not yet accepted: no access.
    Pending {
        /// When the invite was made, where plex.tv says so.
        invited_at: Option<Moment>,
    },
    /// Taken up: this person has access.
    Accepted {
        /// When it was taken up, where plex.tv says so.
        accepted_at: Option<Moment>,
    },
}

impl Share {
    /// Whether this row gives access (an invite doesn't).
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self.state, ShareState::Accepted { .. })
    }

    /// The libraries it stands for among `known` sections: all of them when
    /// the flag is set.
    #[must_use]
    pub fn libraries(&self, known: &BTreeMap<SectionId, Section>) -> BTreeSet<SectionId> {
        if self.all_libraries { known.keys().copied().collect() } else { self.sections.clone() }
    }
}

/// A whole reading of plex.tv: who is in our server's room.
#[derive(Debug, Clone, PartialEq)]
pub struct Friends {
    /// The account that our token belongs to: never touched.
    pub owner: PlexId,
    /// The owner's own addresses and name (the owner is in no listing).
    pub owner_email: Option<Email>,
    /// The addresses of the owner and of everybody in the owner's Plex Home.
    pub house_emails: BTreeSet<Email>,
    /// Our server.
    pub server: ServerId,
    /// Its name as plex.tv has it now.
    pub server_name: String,
    /// Its libraries; never empty in a whole reading.
    pub sections: BTreeMap<SectionId, Section>,
    /// Every share and invite of our server.
    pub shares: Vec<Share>,
    /// Everybody in the owner's Plex Home (shares listed or not).
    pub home: BTreeSet<PlexId>,
    /// Everybody whom plex.tv lists as a friend or in the Home; `None` where
    /// that listing could not be had.
    pub friends: Option<BTreeSet<PlexId>>,
    /// Friends who also have shares on other servers of the owner.
    pub on_other_servers: BTreeSet<PlexId>,
}
