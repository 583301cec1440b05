//! What a member can do: at Stripe's pages and portal, at Plex, with a remote
//! control in hand.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId};

use super::{Bought, Later, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};
use crate::stripe::{CancelForm, PausedBy, Status};

/// A move of a member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is said in words by `name`")]
pub enum MemberMove {
    PayByLink,
    PayTwice,
    PayUnderAnotherAddress,
    PayBehindARelay,
    PayInCapitals,
    PayByInvoice,
    FailToPay,
    BeginATrial,
    BeginATrialWithoutACard,
    UpgradeInThePortal,
    UpgradeByANewCheckout,
    CancelNow,
    CancelWithThePeriod,
    CancelForADay,
    UndoTheCancellation,
    Pause,
    Resume,
    LetTheCardFail,
    MendTheCard,
    Dispute,
    ChangeTheAddressAtStripe,
    ChangeTheAddressAtPlex,
    RenameTheAccount,
    SignUpAtPlex,
    Accept,
    AcceptWithAnotherAccount,
    Decline,
    Leave,
    WatchOneMinute,
    FallAsleep,
    WakeUp,
    JoinTheHome,
    LeaveTheHome,
}

/// Running, as somebody who pays sees it.
const RUNNING: [Status; 2] = [Status::Active, Status::Trialing];

impl MemberMove {
    /// All of them.
    pub const ALL: [Self; 33] = [
        Self::PayByLink,
        Self::PayTwice,
        Self::PayUnderAnotherAddress,
        Self::PayBehindARelay,
        Self::PayInCapitals,
        Self::PayByInvoice,
        Self::FailToPay,
        Self::BeginATrial,
        Self::BeginATrialWithoutACard,
        Self::UpgradeInThePortal,
        Self::UpgradeByANewCheckout,
        Self::CancelNow,
        Self::CancelWithThePeriod,
        Self::CancelForADay,
        Self::UndoTheCancellation,
        Self::Pause,
        Self::Resume,
        Self::LetTheCardFail,
        Self::MendTheCard,
        Self::Dispute,
        Self::ChangeTheAddressAtStripe,
        Self::ChangeTheAddressAtPlex,
        Self::RenameTheAccount,
        Self::SignUpAtPlex,
        Self::Accept,
        Self::AcceptWithAnotherAccount,
        Self::Decline,
        Self::Leave,
        Self::WatchOneMinute,
        Self::FallAsleep,
        Self::WakeUp,
        Self::JoinTheHome,
        Self::LeaveTheHome,
    ];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PayByLink => "pays by a link",
            Self::PayTwice => "pays twice",
            Self::PayUnderAnotherAddress => "pays under another address",
            Self::PayBehindARelay => "pays behind a relay address",
            Self::PayInCapitals => "pays with the address in capitals",
            Self::PayByInvoice => "pays by sent invoice",
            Self::FailToPay => "tries to pay, and the card is declined",
            Self::BeginATrial => "begins a trial",
            Self::BeginATrialWithoutACard => "begins a trial without a card",
            Self::UpgradeInThePortal => "changes the tier in the portal",
            Self::UpgradeByANewCheckout => "changes the tier by a new checkout",
            Self::CancelNow => "cancels at once",
            Self::CancelWithThePeriod => "cancels with the period",
            Self::CancelForADay => "cancels for a day",
            Self::UndoTheCancellation => "undoes the cancellation",
            Self::Pause => "pauses",
            Self::Resume => "resumes",
            Self::LetTheCardFail => "the card fails",
            Self::MendTheCard => "the card works again",
            Self::Dispute => "disputes the payment",
            Self::ChangeTheAddressAtStripe => "changes the address at Stripe",
            Self::ChangeTheAddressAtPlex => "changes the address at Plex",
            Self::RenameTheAccount => "renames the account",
            Self::SignUpAtPlex => "signs up at Plex",
            Self::Accept => "accepts the invite",
            Self::AcceptWithAnotherAccount => "accepts with another account",
            Self::Decline => "declines the invite",
            Self::Leave => "leaves the server",
            Self::WatchOneMinute => "watches one minute",
            Self::FallAsleep => "stops watching",
            Self::WakeUp => "watches again",
            Self::JoinTheHome => "joins the Home",
            Self::LeaveTheHome => "leaves the Home",
        }
    }

    /// Makes the move. `false`: it makes no sense for them now, and nothing
    /// was done.
    pub fn make(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let made = match self {
            Self::PayByLink
            | Self::PayTwice
            | Self::PayUnderAnotherAddress
            | Self::PayBehindARelay
            | Self::PayInCapitals
            | Self::PayByInvoice
            | Self::FailToPay
            | Self::BeginATrial
            | Self::BeginATrialWithoutACard => self.buy(rig, town, who, dice),
            Self::Accept | Self::AcceptWithAnotherAccount | Self::Decline | Self::Leave => self.click(rig, town, who),
            Self::ChangeTheAddressAtStripe
            | Self::ChangeTheAddressAtPlex
            | Self::RenameTheAccount
            | Self::SignUpAtPlex => self.rename(rig, town, who),
            Self::WatchOneMinute | Self::FallAsleep | Self::WakeUp | Self::JoinTheHome | Self::LeaveTheHome => {
                self.live(rig, town, who)
            }
            _ => self.bill(rig, town, who, dice),
        };
        if let (true, Some(person)) = (made, town.people.get_mut(who)) {
            person.strike(rig.now(), self.name());
        }
        made
    }

    fn buy(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let fresh = town.fresh("pays");
        let Some(person) = town.people.get_mut(who) else { return false };
        let running = person.sub(rig, &RUNNING).is_some();
        if running != (self == Self::PayTwice) {
            return false;
        }
        let home = person.main().and_then(|account| mail_of(rig, account)).unwrap_or_else(|| address(&person.name));
        let email = match self {
            Self::PayUnderAnotherAddress => address(&format!("{}.{fresh}", person.name)),
            Self::PayBehindARelay => format!("{}{fresh}@privaterelay.appleid.com", person.name),
            Self::PayInCapitals => home.to_uppercase(),
            _ => home,
        };
        person.addresses.insert(email.to_lowercase());
        let customer = rig.stripe.customer(&email, &person.name);
        let price = if dice.one_in(3) { &rig.premium } else { &rig.basic };
        let id = match self {
            Self::PayByInvoice => rig.stripe.subscribe_by_invoice(&customer, price, 7),
            Self::FailToPay => rig.stripe.subscribe_incomplete(&customer, price),
            Self::BeginATrial => rig.stripe.subscribe_trial(&customer, price, 7),
            Self::BeginATrialWithoutACard => {
                let then = if dice.one_in(2) { "pause" } else { "cancel" };
                rig.stripe.subscribe_trial_without_card(&customer, price, 7, then)
            }
            _ => rig.stripe.subscribe(&customer, price),
        };
        let soon = dice.between(1, 40);
        person.bought.push(Bought { id, customer, email: email.to_lowercase(), began: rig.now() });
        town.later.push((rig.now() + hours(soon), who, Later::Accept));
        true
    }

    fn bill(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        let sub = |stands: &[Status]| person.sub(rig, stands);
        let stripe = &rig.stripe;
        match self {
            Self::UpgradeInThePortal => sub(&RUNNING).map(|sub| {
                stripe.change_price(&sub.id, if dice.one_in(2) { &rig.basic } else { &rig.premium });
            }),
            Self::UpgradeByANewCheckout => sub(&RUNNING).map(|old| {
                let email = stripe.object(&old.customer)["email"].as_str().unwrap_or_default().to_owned();
                let customer = stripe.customer(&email, &person.name);
                let id = stripe.subscribe(&customer, if dice.one_in(2) { &rig.basic } else { &rig.premium });
                person.bought.push(Bought { id, customer, email: email.to_lowercase(), began: now });
                town.later.push((now + hours(dice.between(0, 60)), who, Later::Cancel(old.id)));
            }),
            Self::CancelNow => sub(&[Status::Active, Status::Trialing, Status::PastDue, Status::Paused])
                .map(|sub| stripe.cancel_now(&sub.id, "cancellation_requested")),
            Self::CancelWithThePeriod => sub(&RUNNING).map(|sub| {
                let form = if dice.one_in(2) { CancelForm::Classic } else { CancelForm::Flexible };
                stripe.cancel_at_period_end(&sub.id, form);
            }),
            Self::CancelForADay => {
                sub(&RUNNING).map(|sub| stripe.cancel_at(&sub.id, now + hours(dice.between(12, 400))))
            }
            Self::UndoTheCancellation => sub(&RUNNING)
                .filter(|sub| stripe.scheduled_end(&sub.id).is_some())
                .map(|sub| stripe.undo_cancel(&sub.id)),
            Self::Pause => sub(&[Status::Active]).map(|sub| stripe.pause(&sub.id, PausedBy::Request)),
            Self::Resume => sub(&[Status::Paused]).map(|sub| stripe.resume(&sub.id)),
            Self::LetTheCardFail => sub(&[Status::Active])
                .map(|sub| if dice.one_in(4) { stripe.bank_asks(&sub.id) } else { stripe.card_fails(&sub.id) }),
            Self::MendTheCard => sub(&[Status::PastDue, Status::Unpaid]).map(|sub| stripe.retry_succeeds(&sub.id)),
            Self::Dispute => sub(&[Status::Active]).and_then(|sub| stripe.dispute(&sub.id)).map(|_| ()),
            _ => None,
        }
        .is_some()
    }

    fn click(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let fresh = town.fresh("two");
        let second = PlexId(2_600_000 + town.fresh);
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        match self {
            Self::Leave => {
                let left = person.account_in(rig).is_some_and(|account| rig.plex.leave(account));
                person.went.extend(left.then_some(now));
                left
            }
            Self::Decline => {
                let by_account = person.accounts.iter().any(|account| rig.plex.decline_invite(*account));
                let declined = by_account || person.addresses.iter().any(|to| rig.plex.decline_invite(to.as_str()));
                person.went.extend(declined.then_some(now));
                declined
            }
            Self::Accept => {
                if person.accounts.iter().any(|account| rig.plex.accept_invite(*account).is_some()) {
                    return true;
                }
                let Some(to) = person.addresses.iter().find(|to| rig.plex.pending_of(to.as_str()).is_some()) else {
                    return false;
                };
                let to = to.clone();
                let taken = match person.main() {
                    Some(account) => rig.plex.accept_invite_as(to.as_str(), account),
                    None => rig.plex.accept_invite(to.as_str()),
                };
                if let Some(account) = taken.filter(|account| !person.accounts.contains(account)) {
                    rig.tautulli.add_user(account, &rig.plex.username_of(account).unwrap_or_default(), &to);
                    person.accounts.push(account);
                }
                if taken.is_some() {
                    person.proven.insert(to);
                }
                taken.is_some()
            }
            _ => {
                let invite = person.addresses.iter().find(|to| rig.plex.pending_of(to.as_str()).is_some());
                let pending = person.accounts.iter().find_map(|account| rig.plex.pending_of(*account));
                let Some(to) = invite.cloned().filter(|_| pending.is_none()) else { return false };
                let name = format!("{}{fresh}", person.name);
                rig.person(second.0, &name);
                person.addresses.insert(address(&name));
                person.accounts.push(second);
                person.proven.extend([address(&name), to.clone()]);
                rig.plex.accept_invite_as(to.as_str(), second).is_some()
            }
        }
    }

    fn rename(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let fresh = town.fresh("new");
        let Some(person) = town.people.get_mut(who) else { return false };
        let new = format!("{}.{fresh}", person.name);
        match self {
            Self::ChangeTheAddressAtStripe => {
                let Some(bought) = person.bought.last() else { return false };
                rig.stripe.change_email(&bought.customer, &address(&new));
                person.addresses.insert(address(&new));
                true
            }
            Self::SignUpAtPlex => {
                if person.main().is_some() {
                    return false;
                }
                let account = PlexId(2_700_000 + u64::try_from(who).unwrap_or(0));
                rig.person(account.0, &person.name);
                person.accounts.push(account);
                person.proven.insert(address(&person.name));
                true
            }
            _ => {
                let Some(account) = person.main() else { return false };
                let username = rig.plex.username_of(account).unwrap_or_default();
                let mail = mail_of(rig, account).unwrap_or_default();
                let (username, mail) = match self {
                    Self::RenameTheAccount => (new, mail),
                    _ => (username, address(&new)),
                };
                person.addresses.insert(mail.to_lowercase());
                person.proven.insert(mail.to_lowercase());
                rig.plex.add_account(account, &username, &mail);
                rig.tautulli.add_user(account, &username, &mail);
                true
            }
        }
    }

    fn live(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        let Some(account) = person.main() else { return false };
        match self {
            Self::WatchOneMinute => {
                let may = rig.plex.has_access(account);
                if may {
                    rig.tautulli.play(account, now, now + TimeDelta::minutes(1));
                }
                may
            }
            Self::FallAsleep => std::mem::replace(&mut person.awake, false),
            Self::WakeUp => !std::mem::replace(&mut person.awake, true),
            Self::JoinTheHome => {
                let may = !person.protected && person.account_in(rig).is_some();
                if may {
                    rig.plex.join_home(account);
                    person.protected = true;
                }
                may
            }
            _ => {
                let may = person.protected && person.name != "vera";
                if may {
                    rig.plex.with_account(account, |account| account.home = false);
                    person.protected = false;
                }
                may
            }
        }
    }
}

/// They watch for an hour, if they can.
pub fn watch(rig: &Rig, town: &mut Town, who: usize) {
    let now = rig.now();
    let Some(person) = town.people.get_mut(who) else { return };
    let Some(account) = person.account_in(rig) else { return };
    let stops = now + TimeDelta::minutes(50);
    rig.tautulli.play(account, now + TimeDelta::minutes(5), stops);
    person.plays.push(stops);
}

fn mail_of(rig: &Rig, account: PlexId) -> Option<String> {
    let mut mail = None;
    rig.plex.with_account(account, |account| mail = Some(account.email.clone()));
    mail.filter(|mail| !mail.is_empty())
}

/// So many.
#[must_use]
pub fn hours(n: u64) -> TimeDelta {
    TimeDelta::hours(i64::try_from(n).unwrap_or(0))
}

/// Since when nobody has watched.
#[must_use]
pub fn last_play(plays: &[Moment], before: Moment) -> Option<Moment> {
    plays.iter().copied().filter(|play| *play <= before).max()
}
