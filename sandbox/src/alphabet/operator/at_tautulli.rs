//! In Tautulli's own pages.

use super::OperatorMove;
use crate::alphabet::Town;
use crate::alphabet::member::hours;
use crate::dice::Dice;
use crate::rig::Rig;

impl OperatorMove {
    /// Whom it strikes unseen is written down by [`Town::catch_up`] within the
    /// hour, and at once where it is one person.
    pub(super) fn at_tautulli(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let tautulli = &rig.tautulli;
        let key = rig.plex.sections().into_iter().find(|section| section.id == rig.movies).map(|section| section.key);
        match (self, key) {
            (Self::ReinstallTautulli, _) => {
                tautulli.reinstall();
                tautulli.refresh();
                return true;
            }
            (Self::RestoreTautullisBackup, _) => {
                tautulli.restore_a_backup(now - hours(dice.between(10, 24 * 10)));
                return true;
            }
            (Self::SwitchALibrarysHistoryOff | Self::SwitchALibrarysHistoryOn, key) => {
                let off = self == Self::SwitchALibrarysHistoryOff;
                let Some(key) = key.filter(|_| off != tautulli.has_blind_libraries()) else { return false };
                tautulli.set_library_keep_history(key, !off);
                return true;
            }
            _ => {}
        }
        let fresh = town.fresh("called");
        let Some(person) = town.people.get_mut(who) else { return false };
        let Some(account) = person.main() else { return false };
        let deleted = tautulli.is_deleted(account);
        match self {
            Self::RenameTheUser => {
                tautulli.add_user(account, &fresh, &rig.plex.email_of(account).unwrap_or_default());
                return true;
            }
            Self::UndeleteTheUser => return tautulli.undelete_by_hand(account),
            Self::SwitchHistoryOn => {
                let off = !deleted && !tautulli.records(account, &[]);
                if off {
                    tautulli.set_keep_history(account, true);
                }
                return off;
            }
            _ => {}
        }
        let sees = tautulli.records(account, &[]);
        match self {
            _ if !sees => return false,
            Self::SwitchHistoryOff => tautulli.set_keep_history(account, false),
            _ => {
                tautulli.delete_by_hand(account);
            }
        }
        person.unseen_since.get_or_insert(now);
        true
    }
}
