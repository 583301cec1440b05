//! What an operator can do: by hand at Plex, at Stripe, at Tautulli and in the
//! tiers file, and with Usher's own commands, wrong ones too.

use chrono::TimeDelta;
use serde_json::{Value, json};
use usher::facts::PlexId;

use super::member::hours;
use super::{Guest, Later, Person, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};
use crate::stripe::{PausedBy, Status};

/// A move of the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is said in words by `name`")]
pub enum OperatorMove {
    ShareByHand,
    InviteByHand,
    UnshareByHand,
    GiveALibraryByHand,
    TakeALibraryByHand,
    Unfriend,
    AddALibrary,
    RenameALibrary,
    DeleteALibrary,
    RenameATier,
    SpoilTheTiersFile,
    MendTheTiersFile,
    RefundThePayment,
    RefundAndCancel,
    DeleteTheCustomer,
    PauseTheSubscription,
    MoveToAPriceOfNoTier,
    PauseCollection,
    ResumeCollection,
    GiveUpOnTheInvoices,
    SwitchHistoryOff,
    SwitchHistoryOn,
    ReinstallTautulli,
    Revoke,
    RevokeAndCancel,
    Restore,
    Grandfather,
    InviteAsAGuest,
    Extend,
    GiveAHoliday,
    RejectEverything,
    SayNonsense,
}

impl OperatorMove {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::ShareByHand,
        Self::InviteByHand,
        Self::UnshareByHand,
        Self::GiveALibraryByHand,
        Self::TakeALibraryByHand,
        Self::Unfriend,
        Self::AddALibrary,
        Self::RenameALibrary,
        Self::DeleteALibrary,
        Self::RenameATier,
        Self::SpoilTheTiersFile,
        Self::MendTheTiersFile,
        Self::RefundThePayment,
        Self::RefundAndCancel,
        Self::DeleteTheCustomer,
        Self::PauseTheSubscription,
        Self::MoveToAPriceOfNoTier,
        Self::PauseCollection,
        Self::ResumeCollection,
        Self::GiveUpOnTheInvoices,
        Self::SwitchHistoryOff,
        Self::SwitchHistoryOn,
        Self::ReinstallTautulli,
        Self::Revoke,
        Self::RevokeAndCancel,
        Self::Restore,
        Self::Grandfather,
        Self::InviteAsAGuest,
        Self::Extend,
        Self::GiveAHoliday,
        Self::RejectEverything,
        Self::SayNonsense,
    ];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ShareByHand => "shared with by hand",
            Self::InviteByHand => "invited by hand",
            Self::UnshareByHand => "unshared by hand",
            Self::GiveALibraryByHand => "given a library by hand",
            Self::TakeALibraryByHand => "a library taken by hand",
            Self::Unfriend => "unfriended by hand",
            Self::AddALibrary => "a new library",
            Self::RenameALibrary => "a library renamed",
            Self::DeleteALibrary => "a library deleted",
            Self::RenameATier => "a tier renamed",
            Self::SpoilTheTiersFile => "the tiers file spoilt",
            Self::MendTheTiersFile => "the tiers file mended",
            Self::RefundThePayment => "the payment refunded",
            Self::RefundAndCancel => "refunded and cancelled",
            Self::DeleteTheCustomer => "the customer deleted",
            Self::PauseTheSubscription => "paused by the operator",
            Self::MoveToAPriceOfNoTier => "moved to a price of no tier",
            Self::PauseCollection => "collection paused",
            Self::ResumeCollection => "collection resumed",
            Self::GiveUpOnTheInvoices => "invoices given up",
            Self::SwitchHistoryOff => "history switched off",
            Self::SwitchHistoryOn => "history switched on",
            Self::ReinstallTautulli => "Tautulli reinstalled",
            Self::Revoke => "revoked",
            Self::RevokeAndCancel => "revoked and cancelled",
            Self::Restore => "restored",
            Self::Grandfather => "grandfathered",
            Self::InviteAsAGuest => "invited as a guest",
            Self::Extend => "extended",
            Self::GiveAHoliday => "given a holiday",
            Self::RejectEverything => "everything rejected",
            Self::SayNonsense => "nonsense said",
        }
    }

    /// Whether it strikes everybody.
    #[must_use]
    pub fn is_of_the_house(self) -> bool {
        matches!(
            self,
            Self::AddALibrary
                | Self::RenameALibrary
                | Self::DeleteALibrary
                | Self::RenameATier
                | Self::SpoilTheTiersFile
                | Self::MendTheTiersFile
                | Self::ReinstallTautulli
                | Self::RejectEverything
        )
    }

    /// Makes the move. `false`: it makes no sense now, or Usher refused it.
    pub async fn make(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let made = match self {
            Self::ShareByHand
            | Self::InviteByHand
            | Self::UnshareByHand
            | Self::GiveALibraryByHand
            | Self::TakeALibraryByHand
            | Self::Unfriend => self.at_plex(rig, town, who),
            Self::AddALibrary
            | Self::RenameALibrary
            | Self::DeleteALibrary
            | Self::RenameATier
            | Self::SpoilTheTiersFile
            | Self::MendTheTiersFile => self.at_home(rig, town),
            Self::RefundThePayment
            | Self::RefundAndCancel
            | Self::DeleteTheCustomer
            | Self::PauseTheSubscription
            | Self::MoveToAPriceOfNoTier
            | Self::PauseCollection
            | Self::ResumeCollection
            | Self::GiveUpOnTheInvoices => self.at_stripe(rig, town, who),
            Self::SwitchHistoryOff | Self::SwitchHistoryOn | Self::ReinstallTautulli => {
                self.at_tautulli(rig, town, who)
            }
            _ => self.says(rig, town, who, dice).await,
        };
        if made && self.is_of_the_house() {
            town.house.push((now, self.name()));
        } else if let (true, Some(person)) = (made, town.people.get_mut(who)) {
            person.strike(now, self.name());
        }
        made
    }

    fn at_plex(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        let libraries = vec![rig.movies, rig.tv];
        let outside = person.account_in(rig).is_none() && !person.is_invited(rig);
        match self {
            Self::ShareByHand => match person.main().filter(|_| outside) {
                Some(account) => {
                    rig.plex.share_with(account, &libraries, now);
                    person.by_hand.push((now, libraries));
                    true
                }
                None => false,
            },
            Self::InviteByHand => {
                if outside {
                    rig.plex.invite_by_hand(&address(&person.name), &libraries);
                    person.by_hand.push((now, libraries));
                    town.later.push((now + hours(20), who, Later::Accept));
                }
                outside
            }
            Self::UnshareByHand | Self::Unfriend => {
                let ended = ended_by_hand(rig, person);
                person.went.extend(ended.then_some(now));
                if let (Self::Unfriend, Some(account)) = (self, person.main()) {
                    rig.plex.with_account(account, |account| account.friend = false);
                }
                ended
            }
            _ => {
                let Some(share) = person.account_in(rig).and_then(|account| rig.plex.share_of(account)) else {
                    return false;
                };
                let sections = if self == Self::GiveALibraryByHand { libraries } else { vec![rig.movies] };
                let changes = share.sections.len() != sections.len();
                if changes {
                    person.by_hand.push((now, sections.clone()));
                    rig.plex.with_share(share.id, |share| share.sections = sections);
                }
                changes
            }
        }
    }

    fn at_home(self, rig: &Rig, town: &mut Town) -> bool {
        let file = rig.state().join("tiers.json");
        let extra: Vec<_> = rig.plex.sections().into_iter().filter(|s| ![rig.movies, rig.tv].contains(&s.id)).collect();
        match self {
            Self::AddALibrary => {
                let section = rig.plex.add_section(&town.fresh("Extra"), "movie");
                if let Some(section) = rig.plex.sections().iter().find(|other| other.id == section) {
                    rig.tautulli.add_library(section.key, &section.title);
                }
                true
            }
            Self::RenameALibrary => extra.first().is_some_and(|section| {
                rig.plex.rename_section(section.id, &town.fresh("Extra"));
                true
            }),
            Self::DeleteALibrary => extra.first().is_some_and(|section| {
                rig.plex.remove_section(section.id);
                true
            }),
            Self::RenameATier => {
                let name = town.fresh("Basic");
                let Ok(mut tiers) = serde_json::from_str::<Value>(&town.tiers) else { return false };
                tiers[0]["name"] = name.into();
                town.tiers = tiers.to_string();
                std::fs::write(file, &town.tiers).is_ok()
            }
            Self::SpoilTheTiersFile => std::fs::write(file, r#"[{"name": "Bas"#).is_ok(),
            _ => std::fs::write(file, &town.tiers).is_ok(),
        }
    }

    fn at_stripe(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let fresh = town.fresh("Other");
        let Some(person) = town.people.get(who) else { return false };
        let stripe = &rig.stripe;
        let sub = |stands: &[Status]| person.sub(rig, stands);
        let active = sub(&[Status::Active]);
        match self {
            Self::RefundThePayment => active.and_then(|sub| stripe.refund(&sub.id, None)).is_some(),
            Self::RefundAndCancel => active.is_some_and(|sub| {
                let refunded = stripe.refund(&sub.id, None).is_some();
                stripe.cancel_now(&sub.id, "cancellation_requested");
                refunded
            }),
            Self::DeleteTheCustomer => active.is_some_and(|sub| {
                stripe.delete_customer(&sub.customer);
                true
            }),
            Self::PauseTheSubscription => active.is_some_and(|sub| {
                stripe.pause(&sub.id, PausedBy::Request);
                true
            }),
            Self::MoveToAPriceOfNoTier => active.is_some_and(|sub| {
                let product = stripe.add_product(&fresh, &[]);
                let price = stripe.add_price(&product, 100, "usd", Some(crate::stripe::Interval::Month));
                stripe.change_price(&sub.id, &price);
                true
            }),
            Self::PauseCollection => active.is_some_and(|sub| {
                stripe.pause_collection(&sub.id, "void", None);
                true
            }),
            Self::ResumeCollection => active.is_some_and(|sub| {
                let paused = !stripe.object(&sub.id)["pause_collection"].is_null();
                stripe.resume_collection(&sub.id);
                paused
            }),
            _ => sub(&[Status::PastDue, Status::Unpaid]).is_some_and(|sub| {
                stripe.mark_uncollectible(&sub.id);
                true
            }),
        }
    }

    fn at_tautulli(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let now = rig.now();
        match self {
            Self::ReinstallTautulli => {
                rig.tautulli.reinstall();
                rig.tautulli.refresh();
                true
            }
            _ => {
                let Some(person) = town.people.get_mut(who) else { return false };
                let Some(account) = person.main() else { return false };
                let off = self == Self::SwitchHistoryOff;
                if off == person.unseen_since.is_some() {
                    return false;
                }
                rig.tautulli.set_keep_history(account, !off);
                match person.unseen_since.take() {
                    Some(since) => person.unseen.push((since, now)),
                    None => person.unseen_since = Some(now),
                }
                true
            }
        }
    }

    async fn says(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        if !rig.is_running() {
            return false;
        }
        let now = rig.now();
        let Some(person) = town.people.get(who) else { return false };
        let name = person.who();
        let days = dice.between(2, 30);
        let until = (now + TimeDelta::days(i64::try_from(days).unwrap_or(2))).date_naive();
        let ask = match self {
            Self::Revoke => json!({ "ask": "revoke", "who": name }),
            Self::RevokeAndCancel => json!({ "ask": "revoke", "who": name, "cancel": "now" }),
            Self::Restore => json!({ "ask": "restore", "who": name }),
            Self::Grandfather => json!({ "ask": "grandfather", "who": name }),
            Self::InviteAsAGuest => json!({ "ask": "invite", "who": name, "tier": "Premium", "days": days }),
            Self::Extend => json!({ "ask": "extend", "who": name, "days": days }),
            Self::GiveAHoliday => json!({ "ask": "pause", "who": name, "until": until, "note": "away" }),
            Self::RejectEverything => json!({ "ask": "reject", "ids": ["all"] }),
            _ => nonsense(dice),
        };
        let said = rig.try_ask(ask).await;
        if said.is_none_or(|answer| answer.get("error").is_some()) {
            return false;
        }
        let Some(person) = town.people.get_mut(who) else { return false };
        let ends = now + TimeDelta::days(i64::try_from(days + 1).unwrap_or(3));
        let wish = &mut person.wish;
        match self {
            Self::Revoke | Self::RevokeAndCancel => {
                *wish = super::Wish { revoked: Some(now), ..super::Wish::default() };
            }
            Self::Restore => {
                wish.revoked = None;
                wish.guest = Some(Guest { from: now, until: None });
            }
            Self::Grandfather => wish.grandfathered = true,
            Self::InviteAsAGuest => {
                wish.guest = Some(Guest { from: now, until: Some(ends) });
                town.later.push((now + hours(20), who, Later::Accept));
            }
            Self::GiveAHoliday => wish.holiday = Some(ends - TimeDelta::days(1)),
            _ => {}
        }
        true
    }
}

fn ended_by_hand(rig: &Rig, person: &Person) -> bool {
    let account = |account: &PlexId| rig.plex.remove_share_by_hand(*account);
    person.accounts.iter().any(account) || person.addresses.iter().any(|to| rig.plex.remove_share_by_hand(to.as_str()))
}

fn nonsense(dice: &mut Dice) -> Value {
    let all = [
        json!({ "ask": "approve", "ids": ["h-99999"] }),
        json!({ "ask": "revoke", "who": "nobody at all" }),
        json!({ "ask": "link", "who": "2000001", "stripe": "cus_nowhere" }),
        json!({ "ask": "invite", "who": "not an address", "tier": "Premium" }),
        json!({ "ask": "extend", "who": "2000001", "days": 999_999 }),
        json!({ "ask": "dance" }),
    ];
    dice.pick(&all).unwrap_or_default()
}
