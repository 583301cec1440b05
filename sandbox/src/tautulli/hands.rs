//! What an operator does in Tautulli's own pages.

use usher::facts::{Moment, PlexId};

use super::Tautulli;

impl Tautulli {
    /// Whether plays of this person, who has these libraries (by the server's
    /// own keys), become history: they are listed, their history is kept, and so
    /// is that of each library.
    #[must_use]
    pub fn records(&self, id: PlexId, keys: &[u64]) -> bool {
        let state = self.world();
        let listed = state.users.get(&id.0).is_some_and(|user| user.keep_history && !user.deleted);
        listed && state.libraries.iter().all(|library| library.keep_history || !keys.contains(&library.key))
    }

    /// Whether any library's history is off.
    #[must_use]
    pub fn has_blind_libraries(&self) -> bool {
        self.world().libraries.iter().any(|library| !library.keep_history)
    }

    /// Deletes a person and all their history, past the API.
    pub fn delete_by_hand(&self, id: PlexId) -> bool {
        let mut state = self.settled();
        let Some(user) = state.users.get_mut(&id.0).filter(|user| !user.deleted) else { return false };
        user.deleted = true;
        user.keep_history = false;
        user.do_notify = false;
        state.history.retain(|play| play.user != id.0);
        true
    }

    /// Takes a deleted person back; the history stays lost.
    pub fn undelete_by_hand(&self, id: PlexId) -> bool {
        let mut state = self.settled();
        let Some(user) = state.users.get_mut(&id.0).filter(|user| user.deleted) else { return false };
        user.deleted = false;
        user.keep_history = true;
        user.do_notify = true;
        true
    }

    /// The database of that moment is put back: what was played since is lost,
    /// and row numbers are given anew.
    pub fn restore_a_backup(&self, of: Moment) {
        let mut state = self.settled();
        state.history.retain(|play| play.stopped <= of);
        state.next_row = state.history.iter().map(|play| play.row_id + 1).max().unwrap_or(1);
    }
}
