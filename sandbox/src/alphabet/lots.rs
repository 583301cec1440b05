//! What nobody has seen the services do for certain: drawn by lot for each
//! seed, both ways. Each lot names the line of `facts/` that it stands for.

use crate::dice::Dice;
use crate::rig::Rig;

/// The lots of a seed.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent lots")]
pub struct Lots {
    /// plex.md, 8: "that the v2 `id` of 5c is the same number is likely but
    /// UNVERIFIED".
    pub v1_ids_differ: bool,
    /// plex.md, 8: `DELETE` of a v2 share: "another project saw 405 → contested".
    pub v2_delete_works: bool,
    /// plex.md, 8: the v1 `DELETE` is "also used for pending" by one project only.
    pub v1_delete_ends_pending: bool,
    /// plex.md, 9: `/api/invites/requested`: "contested: 410 for some".
    pub invites_requested_gone: bool,
    /// plex.md, 7: "whether an update reaches a pending row UNVERIFIED".
    pub pending_takes_update: bool,
    /// plex.md, 7: "what is left out: UNVERIFIED kept or reset".
    pub update_keeps_settings: bool,
    /// plex.md, 5a: "some answers list them with `Server pending="1"`".
    pub users_show_pending: bool,
    /// plex.md, 5c: `leftAt` of a row that is listed on.
    pub left_stay_listed: bool,
    /// plex.md, 11.4: "a re-invite makes a new share, so presumably a new date
    /// (UNVERIFIED)".
    pub keeps_first_date: bool,
    /// plex.md, 6c: already pending: "exact answer UNVERIFIED (400 or 422)".
    pub already_is_400: bool,
    /// plex.md, 6a: "may be accepted at once (someone who is still a friend / had
    /// a share before)".
    pub friends_accept_at_once: bool,
    /// plex.md, 4: "ids survive a rename (UNVERIFIED)".
    pub rename_changes_the_id: bool,
    /// plex.md, 6c: "whoever accepts may have another primary email (UNVERIFIED
    /// how Plex binds)".
    pub strangers_may_accept: bool,
    /// tautulli.md, 7: downloads watched offline are "synced later as view state
    /// only (UNVERIFIED)"; else they are written into the history, days late.
    pub offline_is_written: bool,
    /// stripe.md, pausing: "UNVERIFIED whether under an older pin" answers say why
    /// a subscription is paused.
    pub tells_pauses: bool,
    /// stripe.md: a restricted key "may get 403" for the account (UNVERIFIED which
    /// right it needs).
    pub account_is_hidden: bool,
    /// stripe.md: what the account does when retries run out is a setting of the
    /// operator's: 0 stays past due, 1 unpaid, 2 canceled, 3 paused.
    pub after_retries: u64,
}

impl Lots {
    /// Draws them.
    pub fn draw(dice: &mut Dice) -> Self {
        let mut lot = || dice.one_in(2);
        let lots = Self {
            v1_ids_differ: lot(),
            v2_delete_works: lot(),
            v1_delete_ends_pending: lot(),
            invites_requested_gone: lot(),
            pending_takes_update: lot(),
            update_keeps_settings: lot(),
            users_show_pending: lot(),
            left_stay_listed: lot(),
            keeps_first_date: lot(),
            already_is_400: lot(),
            friends_accept_at_once: lot(),
            rename_changes_the_id: lot(),
            strangers_may_accept: lot(),
            offline_is_written: lot(),
            tells_pauses: lot(),
            account_is_hidden: lot(),
            after_retries: dice.below(4),
        };
        // Some way of ending a pending invite must work.
        let none = !lots.v2_delete_works && !lots.v1_delete_ends_pending && lots.invites_requested_gone;
        Self { invites_requested_gone: lots.invites_requested_gone && !none, ..lots }
    }

    /// Has the stand-ins behave so.
    pub fn apply(&self, rig: &Rig) {
        use crate::stripe::AfterRetries;
        rig.plex.switch(|switches| {
            switches.v1_ids_differ = self.v1_ids_differ;
            switches.v2_delete_works = self.v2_delete_works;
            switches.v1_delete_ends_pending = self.v1_delete_ends_pending;
            switches.invites_requested_gone = self.invites_requested_gone;
            switches.pending_takes_update = self.pending_takes_update;
            switches.update_keeps_settings = self.update_keeps_settings;
            switches.users_show_pending = self.users_show_pending;
            switches.left_stay_listed = self.left_stay_listed;
            switches.keeps_first_date = self.keeps_first_date;
            switches.already_is_400 = self.already_is_400;
            switches.friends_accept_at_once = self.friends_accept_at_once;
        });
        rig.stripe.set_tells_pauses(self.tells_pauses);
        if self.account_is_hidden {
            rig.stripe.set_account_id(None);
        }
        rig.stripe.set_after_retries(match self.after_retries {
            0 => AfterRetries::StaysPastDue,
            1 => AfterRetries::Unpaid,
            2 => AfterRetries::Canceled,
            _ => AfterRetries::Paused,
        });
    }
}
