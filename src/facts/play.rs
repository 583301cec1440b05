//! Plays, as Tautulli recorded them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Moment, PlexId, ServerId};

/// What Tautulli knows of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watcher {
    /// The latest end of a logged play (its stop where known, else its
    /// start); `None` when nothing was ever logged.
    pub last_play: Option<Moment>,
    /// Tautulli keeps this person's history. `false` → unknowable.
    pub keep_history: bool,
}

/// A whole reading of Tautulli. One taken while Tautulli was cut off from
/// Plex is a reading too: `connected` is `false`, and the span is blind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The Plex server it watches.
    pub server: ServerId,
    /// Its link to Plex is up; while it isn't, no play is recorded.
    pub connected: bool,
    /// Everybody it lists, by Plex account id; without "Local" (id 0).
    pub people: BTreeMap<PlexId, Watcher>,
    /// Who has a stream open now, playing or paused; `None` while Tautulli
    /// can't reach Plex.
    pub watching_now: Option<BTreeSet<PlexId>>,
    /// The oldest play in its history; `None` when the history is empty.
    pub oldest_play: Option<Moment>,
    /// Rows in its history.
    pub history_total: u64,
    /// Libraries whose plays are not kept, by the server's own key.
    pub unlogged_keys: BTreeSet<u64>,
}
