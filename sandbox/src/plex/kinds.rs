//! What plex.tv's state is made of, and what tests get to see of it.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId, SectionId, ServerId, ShareId};

/// A person's account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account id.
    pub id: PlexId,
    /// Empty for managed users.
    pub username: String,
    /// The display name.
    pub title: String,
    /// Empty for managed users.
    pub email: String,
    /// Belongs to the owner's Plex Home.
    pub home: bool,
    /// A managed user.
    pub restricted: bool,
    /// A friend of the owner, share or not.
    pub friend: bool,
    /// Shares are accepted the moment they are offered.
    pub accepts_at_once: bool,
    /// Listings don't tell the address.
    pub email_hidden: bool,
    /// They answered the mail that plex.tv sent there.
    pub confirmed: bool,
}

/// A section of a library.
#[derive(Debug, Clone)]
pub struct Section {
    /// plex.tv's global id.
    pub id: SectionId,
    /// The server's own number.
    pub key: u64,
    /// The title, not unique.
    pub title: String,
    /// `movie`, `show`, `artist`, `photo`.
    pub kind: String,
}

/// What a share allows besides looking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "plex.tv's own names")]
pub struct Settings {
    pub allow_sync: bool,
    pub allow_camera_upload: bool,
    pub allow_channels: bool,
    pub allow_subtitle_admin: bool,
    /// 0, 1 or 2.
    pub allow_tuners: u8,
    pub filter_all: String,
    pub filter_movies: String,
    pub filter_television: String,
    pub filter_music: String,
    pub filter_photos: String,
}

/// A share or invite, as it truly is.
#[derive(Debug, Clone)]
pub struct ShareView {
    /// Its id (v2's).
    pub id: ShareId,
    /// The server.
    pub machine: ServerId,
    /// The account; `None` while it is offered to a mere address.
    pub account: Option<PlexId>,
    /// The address it was offered to, for those without account.
    pub email: Option<String>,
    /// The sections shared (all present ones when `all_libraries`).
    pub sections: Vec<SectionId>,
    /// Everything, also what comes later.
    pub all_libraries: bool,
    /// The settings.
    pub settings: Settings,
    /// When offered.
    pub invited_at: Moment,
    /// When taken up; `None` = pending.
    pub accepted_at: Option<Moment>,
    /// When it ended.
    pub gone_at: Option<Moment>,
    /// The person left (rather than being removed).
    pub(super) left: bool,
    /// Offered together with a friendship.
    pub(super) with_friendship: bool,
    /// First seen in listings then.
    pub(super) listed_from: Moment,
}

/// Whom an invite is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An account.
    Id(PlexId),
    /// An address.
    Email(String),
}

impl From<PlexId> for Who {
    fn from(id: PlexId) -> Self {
        Self::Id(id)
    }
}

impl From<&str> for Who {
    fn from(email: &str) -> Self {
        Self::Email(email.to_lowercase())
    }
}

/// An invite sent through the API.
#[derive(Debug, Clone)]
pub struct Invited {
    /// When.
    pub at: Moment,
    /// The share made.
    pub share: ShareId,
    /// The account or address, as resolved.
    pub to: Who,
    /// The sections named in the request (empty = everything!).
    pub sections: Vec<SectionId>,
    /// Downloads.
    pub allow_sync: bool,
}

/// A share ended through the API.
#[derive(Debug, Clone)]
pub struct Deleted {
    /// When.
    pub at: Moment,
    /// The share.
    pub share: ShareId,
    /// The account, when bound.
    pub account: Option<PlexId>,
    /// The address, when not.
    pub email: Option<String>,
    /// Whether it had been taken up.
    pub was_accepted: bool,
    /// The request's path.
    pub path: String,
}

/// A share changed through the API.
#[derive(Debug, Clone)]
pub struct Updated {
    /// When.
    pub at: Moment,
    /// The share.
    pub share: ShareId,
    /// The sections named in the request.
    pub sections: Vec<SectionId>,
    /// The settings that hold from now.
    pub settings: Settings,
    /// Whether it took (a pending share may ignore it).
    pub took: bool,
}

/// How much of a list is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Told {
    /// Everything.
    #[default]
    All,
    /// The first half, as if that were all.
    Half,
    /// Nothing, as if there were nothing.
    Nothing,
}

/// What plex.tv does differently from account to account, or day to day.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Switches {
    /// How much of the people is told, with counts that fit the lie.
    pub people_told: Told,
    /// How much of the sections is told.
    pub sections_told: Told,
    /// New rows appear, and ended ones vanish, this much later in listings.
    pub lag: TimeDelta,
    /// `DELETE /api/v2/shared_servers/{id}` works (else 405).
    pub v2_delete_works: bool,
    /// `DELETE` of a v1 share also ends a pending one (else 404).
    pub v1_delete_ends_pending: bool,
    /// `/api/invites/requested` is gone (410).
    pub invites_requested_gone: bool,
    /// An update reaches a pending share (else: 200, and nothing happens).
    pub pending_takes_update: bool,
    /// `/api/users` shows pending shares as `Server pending="1"`.
    pub users_show_pending: bool,
    /// Who left stays in the accepted listing, with `leftAt`.
    pub left_stay_listed: bool,
    /// v1 numbers shares otherwise than v2.
    pub v1_ids_differ: bool,
    /// plex.tv can't see the server now (`presence:false`).
    pub server_away: bool,
    /// Who accepts anew is listed as having joined when they first did.
    pub keeps_first_date: bool,
    /// An update leaves the settings that it doesn't name as they were (else:
    /// they fall back to their defaults).
    pub update_keeps_settings: bool,
    /// A second invite of the same person is refused with 400 (else 422).
    pub already_is_400: bool,
    /// Who is a friend has a share the moment it is offered.
    pub friends_accept_at_once: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            people_told: Told::All,
            sections_told: Told::All,
            lag: TimeDelta::zero(),
            v2_delete_works: false,
            v1_delete_ends_pending: true,
            invites_requested_gone: false,
            pending_takes_update: false,
            users_show_pending: false,
            left_stay_listed: false,
            v1_ids_differ: false,
            server_away: false,
            keeps_first_date: false,
            update_keeps_settings: false,
            already_is_400: false,
            friends_accept_at_once: false,
        }
    }
}

impl Account {
    pub(super) fn new(id: PlexId, username: &str, email: &str) -> Self {
        Self {
            id,
            username: username.into(),
            title: username.into(),
            email: email.into(),
            home: false,
            restricted: false,
            friend: false,
            accepts_at_once: false,
            email_hidden: false,
            confirmed: true,
        }
    }
}
