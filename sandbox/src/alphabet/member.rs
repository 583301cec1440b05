//! What a member can do: at Stripe's pages and portal, at the pages of the
//! house, at Plex, with a remote control in hand.

mod accounts;
mod bills;
mod buys;
mod clicks;
pub mod pages;
mod watches;

use chrono::TimeDelta;
use usher::facts::Moment;

pub use self::watches::watch;
use super::Town;
use super::letters::alphabet;
use crate::dice::Dice;
use crate::rig::Rig;
use crate::stripe::Status;

alphabet! {
    /// A move of a member's.
    MemberMove {
        PayByLink = "pays by a link",
        PayTwice = "pays twice",
        PayUnderAnotherAddress = "pays under another address",
        PayBehindARelay = "pays behind a relay address",
        PayInCapitals = "pays with the address in capitals",
        PayByInvoice = "pays by sent invoice",
        PayAndCancelAtOnce = "pays, cancels in the same second, and takes the invite",
        FailToPay = "tries to pay, and the card is declined",
        BeginATrial = "begins a trial",
        BeginATrialWithoutACard = "begins a trial without a card",
        BuySeveral = "buys several of one price at once",
        BuyBothTiers = "buys two tiers in one subscription",
        PayOnTheOldCustomer = "pays again as the old customer",
        PayForSomebodyElse = "pays for somebody else",
        PayUnderAStrangersAddress = "pays under a stranger's address",
        LeaveTheCheckout = "leaves the checkout without paying",
        JoinByThePage = "joins by the page",
        JoinWithPlex = "joins by signing in with Plex",
        RedeemACode = "types a free code in",
        RedeemAWrongCode = "types a wrong code in",
        AskForTheBillingPage = "asks for the billing page",
        UpgradeInThePortal = "changes the tier in the portal",
        UpgradeByANewCheckout = "changes the tier by a new checkout",
        CancelNow = "cancels at once",
        CancelWithThePeriod = "cancels with the period",
        CancelForADay = "cancels for a day",
        UndoTheCancellation = "undoes the cancellation",
        Pause = "pauses",
        Resume = "resumes",
        LetTheCardFail = "the card fails",
        ChangeTheCard = "changes the card",
        MendTheCard = "the card works again",
        PayLate = "pays what was open of what is over",
        Dispute = "disputes the payment",
        WinTheDispute = "wins the dispute",
        LoseTheDispute = "loses the dispute",
        ChangeTheAddressAtStripe = "changes the address at Stripe",
        ChangeTheNameAtStripe = "changes the name at Stripe",
        ChangeTheAddressAtPlex = "changes the address at Plex",
        RenameTheAccount = "renames the account",
        TakeAnothersNameAsTitle = "calls themselves by another's username",
        SignUpAtPlex = "signs up at Plex",
        OpenASecondAccount = "opens a second account",
        SwapTheAddresses = "swaps the addresses of two accounts",
        DeleteTheAccount = "deletes the account",
        Accept = "accepts the invite",
        AcceptWithAnotherAccount = "accepts with another account",
        AcceptWithSomebodyElsesAccount = "somebody else accepts the invite",
        Decline = "declines the invite",
        DeclineAndAskAnew = "declines the invite and asks for another",
        Leave = "leaves the server",
        LeaveAndComeBack = "leaves the server for some days",
        WatchOneMinute = "watches one minute",
        WatchOverMidnight = "watches until after midnight",
        WatchWithAPause = "leaves a film paused for a day",
        WatchOffline = "watches offline",
        WatchWithTheSecondAccount = "watches with the second account",
        FallAsleep = "stops watching",
        WakeUp = "watches again",
        JoinTheHome = "joins the Home",
        LeaveTheHome = "leaves the Home",
    }
}

/// Running, as somebody who pays sees it.
const RUNNING: [Status; 2] = [Status::Active, Status::Trialing];

impl MemberMove {
    /// Makes the move. `false`: it makes no sense for them now, and nothing
    /// was done.
    pub fn make(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let never_buys = town.people.get(who).is_some_and(|person| !person.buys);
        if never_buys && self.is_a_purchase() {
            return false;
        }
        let made = match self {
            _ if self.is_bought_by_link() => self.buy(rig, town, who, dice),
            Self::PayForSomebodyElse | Self::PayUnderAStrangersAddress => self.give(rig, town, who, dice),
            Self::PayAndCancelAtOnce => buys::pay_and_cancel(rig, town, who, dice),
            Self::TakeAnothersNameAsTitle => accounts::take_a_title(rig, town, who, dice),
            Self::LeaveTheCheckout => buys::leave(rig, town, who),
            Self::JoinByThePage
            | Self::JoinWithPlex
            | Self::RedeemACode
            | Self::RedeemAWrongCode
            | Self::AskForTheBillingPage => self.visit(rig, town, who, dice),
            Self::Accept
            | Self::AcceptWithAnotherAccount
            | Self::AcceptWithSomebodyElsesAccount
            | Self::Decline
            | Self::DeclineAndAskAnew
            | Self::Leave
            | Self::LeaveAndComeBack => self.click(rig, town, who, dice),
            Self::ChangeTheAddressAtStripe
            | Self::ChangeTheNameAtStripe
            | Self::ChangeTheAddressAtPlex
            | Self::RenameTheAccount
            | Self::SignUpAtPlex
            | Self::OpenASecondAccount
            | Self::SwapTheAddresses
            | Self::DeleteTheAccount => self.rename(rig, town, who),
            Self::WatchOneMinute
            | Self::WatchOverMidnight
            | Self::WatchWithAPause
            | Self::WatchOffline
            | Self::WatchWithTheSecondAccount
            | Self::FallAsleep
            | Self::WakeUp
            | Self::JoinTheHome
            | Self::LeaveTheHome => self.live(rig, town, who, dice),
            _ => self.bill(rig, town, who, dice),
        };
        if let (true, Some(person)) = (made, town.people.get_mut(who)) {
            person.strike(rig.now(), self.name());
        }
        made
    }

    /// Whether they pay for themselves by it.
    fn is_a_purchase(self) -> bool {
        let elsewhere =
            [Self::PayAndCancelAtOnce, Self::UpgradeByANewCheckout, Self::JoinByThePage, Self::JoinWithPlex];
        self.is_bought_by_link() || elsewhere.contains(&self)
    }

    fn is_bought_by_link(self) -> bool {
        matches!(
            self,
            Self::PayByLink
                | Self::PayTwice
                | Self::PayUnderAnotherAddress
                | Self::PayBehindARelay
                | Self::PayInCapitals
                | Self::PayByInvoice
                | Self::FailToPay
                | Self::BeginATrial
                | Self::BeginATrialWithoutACard
                | Self::BuySeveral
                | Self::BuyBothTiers
                | Self::PayOnTheOldCustomer
        )
    }
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
