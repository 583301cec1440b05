//! What an operator can do: by hand at Plex, at Stripe, at Tautulli and in the
//! tiers file, and with Usher's own commands, wrong ones too.

mod at_home;
mod at_plex;
mod at_stripe;
mod at_tautulli;
mod notes;
mod says;

use super::Town;
use super::letters::alphabet;
use crate::dice::Dice;
use crate::rig::Rig;

alphabet! {
    /// A move of the operator's.
    OperatorMove {
        ShareByHand = "shared with by hand",
        ShareWithTheSecondAccount = "the second account shared with by hand",
        InviteByHand = "invited by hand",
        UnshareByHand = "unshared by hand",
        GiveALibraryByHand = "given a library by hand",
        TakeALibraryByHand = "a library taken by hand",
        ShareAllLibraries = "shared everything with by hand",
        ChangeTheFilters = "filters changed by hand",
        ChangeTheDownloads = "downloads changed by hand",
        Befriend = "befriended by hand",
        Unfriend = "unfriended by hand",
        AddALibrary = "a new library",
        RenameALibrary = "a library renamed",
        DeleteALibrary = "a library deleted",
        RecreateALibrary = "a library deleted and made anew",
        RenameATier = "a tier renamed",
        SplitATier = "a tier split",
        MergeTheTiers = "two tiers merged",
        DeleteATier = "a tier deleted",
        PutTheTierBack = "a deleted tier put back",
        AddALibraryToATier = "a library added to a tier",
        TakeALibraryFromATier = "a library taken from a tier",
        SpoilTheTiersFile = "the tiers file spoilt",
        MisspellALibrary = "a library misspelt in the tiers file",
        LoseTheTiersFile = "the tiers file lost",
        MendTheTiersFile = "the tiers file mended",
        ArchiveAPrice = "a price archived",
        SellThePriceAgain = "an archived price sold again",
        EditThePricesMetadata = "a price's metadata edited",
        EditTheProductsMetadata = "the product's metadata edited",
        RenameTheProduct = "the product renamed",
        SubscribeByHand = "a subscription made by the operator",
        RefundThePayment = "the payment refunded",
        RefundAndCancel = "refunded and cancelled",
        CancelWithProration = "cancelled, and the rest paid back",
        DeleteTheCustomer = "the customer deleted",
        PauseTheSubscription = "paused by the operator",
        ResumeTheSubscription = "resumed by the operator",
        MoveToAPriceOfNoTier = "moved to a price of no tier",
        MoveToAPriceOfATier = "moved to another tier's price",
        GiveAnothersAddress = "the customer given somebody else's address",
        TakeTheAddressAway = "the customer's address taken away",
        MergeTheCustomers = "two customers merged",
        ExtendTheTrial = "the trial extended",
        GiveAFullCoupon = "given a coupon of 100 %",
        ChangeTheAnchor = "the billing day changed",
        TakeMoneyElsewhere = "the invoice paid outside Stripe",
        PauseCollection = "collection paused",
        ResumeCollection = "collection resumed",
        GiveUpOnTheInvoices = "invoices given up",
        SwitchHistoryOff = "history switched off",
        SwitchHistoryOn = "history switched on",
        DeleteTheUser = "deleted in Tautulli by hand",
        UndeleteTheUser = "taken back in Tautulli by hand",
        RenameTheUser = "renamed in Tautulli",
        SwitchALibrarysHistoryOff = "a library's history switched off",
        SwitchALibrarysHistoryOn = "a library's history switched on",
        RestoreTautullisBackup = "Tautulli's backup restored",
        ReinstallTautulli = "Tautulli reinstalled",
        Revoke = "revoked",
        RevokeAndCancel = "revoked and cancelled",
        RevokeWithThePeriod = "revoked and cancelled with the period",
        Restore = "restored",
        Grandfather = "grandfathered",
        GrandfatherEverybody = "everybody grandfathered",
        InviteAsAGuest = "invited as a guest",
        InviteForGood = "invited for good",
        InviteAgain = "invited again without days",
        Extend = "extended",
        GiveAHoliday = "given a holiday",
        LinkRightly = "linked rightly",
        LinkTheAccount = "linked to the account",
        LinkWrongly = "linked wrongly",
        Unlink = "unlinked",
        UnlinkEverything = "unlinked from everything",
        ApproveOne = "one hold approved",
        ApproveEverything = "everything approved",
        RejectOne = "one hold rejected",
        RejectEverything = "everything rejected",
        NoteTheNumbers = "the members' numbers noted",
        RevokeByNumber = "revoked by a noted number",
        RefuseALibrary = "a new library refused",
        AcceptSomething = "something accepted",
        RedeemForThem = "a code redeemed for them",
        SendTheBillingLink = "the billing link sent",
        AskWhatWouldChange = "a command tried out",
        CancelByTheApi = "cancelled over the API",
        UncancelByTheApi = "the cancellation undone over the API",
        UpgradeByTheApi = "upgraded over the API",
        SayNonsense = "nonsense said",
    }
}

impl OperatorMove {
    /// Whether it strikes everybody.
    #[must_use]
    pub fn is_of_the_house(self) -> bool {
        self.is_at_home()
            || self.is_of_the_catalogue()
            || matches!(
                self,
                Self::ReinstallTautulli
                    | Self::RestoreTautullisBackup
                    | Self::SwitchALibrarysHistoryOff
                    | Self::SwitchALibrarysHistoryOn
                    | Self::GrandfatherEverybody
                    | Self::ApproveOne
                    | Self::ApproveEverything
                    | Self::RejectOne
                    | Self::RejectEverything
                    | Self::NoteTheNumbers
                    | Self::RefuseALibrary
                    | Self::AcceptSomething
                    | Self::SayNonsense
            )
    }

    /// Libraries and the tiers file.
    fn is_at_home(self) -> bool {
        matches!(
            self,
            Self::AddALibrary
                | Self::RenameALibrary
                | Self::DeleteALibrary
                | Self::RecreateALibrary
                | Self::RenameATier
                | Self::SplitATier
                | Self::MergeTheTiers
                | Self::DeleteATier
                | Self::PutTheTierBack
                | Self::AddALibraryToATier
                | Self::TakeALibraryFromATier
                | Self::SpoilTheTiersFile
                | Self::MisspellALibrary
                | Self::LoseTheTiersFile
                | Self::MendTheTiersFile
        )
    }

    /// What is sold.
    fn is_of_the_catalogue(self) -> bool {
        matches!(
            self,
            Self::ArchiveAPrice
                | Self::SellThePriceAgain
                | Self::EditThePricesMetadata
                | Self::EditTheProductsMetadata
                | Self::RenameTheProduct
        )
    }

    /// Whether the move of this name is a word about somebody.
    #[must_use]
    pub fn is_word(name: &str) -> bool {
        let words = [
            Self::Revoke,
            Self::RevokeAndCancel,
            Self::RevokeWithThePeriod,
            Self::RevokeByNumber,
            Self::Restore,
            Self::Grandfather,
            Self::InviteAsAGuest,
            Self::InviteForGood,
            Self::InviteAgain,
            Self::Extend,
            Self::GiveAHoliday,
            Self::LinkRightly,
            Self::LinkTheAccount,
            Self::LinkWrongly,
            Self::Unlink,
            Self::UnlinkEverything,
            Self::RedeemForThem,
        ];
        words.iter().any(|word| word.name() == name)
    }

    /// Makes the move. `false`: it makes no sense now, or Usher refused it.
    pub async fn make(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let made = match self {
            Self::ShareByHand
            | Self::ShareWithTheSecondAccount
            | Self::InviteByHand
            | Self::UnshareByHand
            | Self::GiveALibraryByHand
            | Self::TakeALibraryByHand
            | Self::ShareAllLibraries
            | Self::ChangeTheFilters
            | Self::ChangeTheDownloads
            | Self::Befriend
            | Self::Unfriend => self.at_plex(rig, town, who, dice),
            _ if self.is_at_home() => self.at_home(rig, town, dice),
            _ if self.is_of_the_catalogue() => self.in_the_catalogue(rig, town),
            Self::SubscribeByHand
            | Self::RefundThePayment
            | Self::RefundAndCancel
            | Self::CancelWithProration
            | Self::DeleteTheCustomer
            | Self::PauseTheSubscription
            | Self::ResumeTheSubscription
            | Self::MoveToAPriceOfNoTier
            | Self::MoveToAPriceOfATier
            | Self::GiveAnothersAddress
            | Self::TakeTheAddressAway
            | Self::MergeTheCustomers
            | Self::ExtendTheTrial
            | Self::GiveAFullCoupon
            | Self::ChangeTheAnchor
            | Self::TakeMoneyElsewhere
            | Self::PauseCollection
            | Self::ResumeCollection
            | Self::GiveUpOnTheInvoices => self.at_stripe(rig, town, who, dice),
            Self::SwitchHistoryOff
            | Self::SwitchHistoryOn
            | Self::DeleteTheUser
            | Self::UndeleteTheUser
            | Self::RenameTheUser
            | Self::SwitchALibrarysHistoryOff
            | Self::SwitchALibrarysHistoryOn
            | Self::RestoreTautullisBackup
            | Self::ReinstallTautulli => self.at_tautulli(rig, town, who, dice),
            _ => self.says(rig, town, who, dice).await,
        };
        if made && self.is_of_the_house() {
            town.house.push((now, self.name()));
        } else if let (true, Some(person)) = (made, town.people.get_mut(who)) {
            person.strike(now, self.name());
        }
        made
    }
}
