//! What people do at plex.tv that changes more than one share.

use usher::facts::{PlexId, SectionId};

use super::Plex;

impl Plex {
    /// The person deletes the account: every share of it ends, and nobody is
    /// known under its number any more.
    pub fn delete_account(&self, id: PlexId) -> bool {
        let now = self.now();
        let mut state = self.world();
        if state.accounts.remove(&id).is_none() {
            return false;
        }
        let theirs: Vec<_> = state.alive().filter(|share| share.account == Some(id)).map(|share| share.id).collect();
        for share in theirs {
            state.end(share, now, true);
        }
        true
    }

    /// Two accounts get each other's address.
    pub fn swap_addresses(&self, one: PlexId, other: PlexId) -> bool {
        let mut state = self.world();
        let mail = |id: PlexId| state.accounts.get(&id).map(|account| account.email.clone());
        let (Some(first), Some(second)) = (mail(one), mail(other)) else { return false };
        for (id, email) in [(one, second), (other, first)] {
            if let Some(account) = state.accounts.get_mut(&id) {
                account.email = email;
            }
        }
        true
    }

    /// Deletes a section and makes it anew: the same title and kind, another
    /// id, in nobody's share.
    pub fn recreate_section(&self, id: SectionId) -> Option<SectionId> {
        let old = self.sections().into_iter().find(|section| section.id == id)?;
        self.remove_section(id);
        Some(self.add_section(&old.title, &old.kind))
    }

    /// The address of an account; `None` where it has none.
    #[must_use]
    pub fn email_of(&self, id: PlexId) -> Option<String> {
        let email = self.world().accounts.get(&id).map(|account| account.email.clone());
        email.filter(|email| !email.is_empty())
    }
}
