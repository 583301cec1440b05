//! What each move of the sandbox's alphabets does to the facts that the rules
//! read; or why it does nothing to them without sockets. Each alphabet is
//! matched whole: with a new move this doesn't compile until it is said here.

use sandbox::alphabet::machine::MachineMove;
use sandbox::alphabet::member::MemberMove;
use sandbox::alphabet::operator::OperatorMove;
use sandbox::alphabet::service::{Service, ServiceMove};
use sandbox::faults::Fault;
use sandbox::plex::Told;

use super::deeds::Deed;
use super::weather::Sky;

/// What it does, or why nothing.
pub type Effect<T> = Result<T, &'static str>;

const ONE_CUSTOMER: Effect<Deed> = Err("a life here has one account and one address: who is who is for the years");
const A_PAGE: Effect<Deed> = Err("a page of the house, walked through over HTTP");
const NO_FACT: Effect<Deed> = Err("no rule that says who may stay reads it");
const A_FILE: Effect<Deed> = Err("the tiers file is read and followed by a loop of the daemon");
const A_CALL: Effect<Deed> = Err("a call to Stripe by the daemon");
const FOR_THE_YEARS: Effect<Deed> = Err("the years say it; no life here does");
const NO_DOOR: Effect<Deed> = Err("answered by the door of the daemon, and nothing changes");

/// One match for a whole alphabet.
macro_rules! effects {
    ($name:ident($alphabet:ident) { $($($step:ident)|+ => $effect:expr;)* }) => {
        pub fn $name(step: $alphabet) -> Effect<Deed> {
            match step {
                $($($alphabet::$step)|+ => $effect,)*
            }
        }
    };
}

effects! { of_member(MemberMove) {
    PayByLink | PayInCapitals | PayByInvoice | PayOnTheOldCustomer => Ok(Deed::Subscribe);
    BuySeveral | PayForSomebodyElse => Ok(Deed::Subscribe);
    PayTwice => Ok(Deed::SubscribeTwice);
    UpgradeByANewCheckout => Ok(Deed::UpgradeByANewCheckout);
    PayAndCancelAtOnce => Ok(Deed::SubscribeAndCancel);
    FailToPay => Ok(Deed::FailToPay);
    BeginATrial | BeginATrialWithoutACard => Ok(Deed::BeginATrial);
    BuyBothTiers => Ok(Deed::BuyBoth);
    UpgradeInThePortal => Ok(Deed::ChangePrice);
    CancelNow => Ok(Deed::CancelNow);
    CancelWithThePeriod | CancelForADay => Ok(Deed::CancelLater);
    UndoTheCancellation => Ok(Deed::UndoTheCancellation);
    Pause => Ok(Deed::Pause);
    Resume => Ok(Deed::Resume);
    LetTheCardFail => Ok(Deed::Fail);
    ChangeTheCard | MendTheCard => Ok(Deed::Mend);
    Accept => Ok(Deed::Accept);
    Decline | DeclineAndAskAnew => Ok(Deed::Decline);
    Leave | LeaveAndComeBack => Ok(Deed::Leave);
    FallAsleep => Ok(Deed::FallAsleep);
    WakeUp => Ok(Deed::WakeUp);
    WatchOverMidnight | WatchWithAPause => Ok(Deed::Watch);
    JoinTheHome => Ok(Deed::JoinTheHome);
    LeaveTheHome => Ok(Deed::LeaveTheHome);
    TakeAnothersNameAsTitle => Ok(Deed::TakeATitle);
    PayUnderAnotherAddress | PayBehindARelay | PayUnderAStrangersAddress => ONE_CUSTOMER;
    ChangeTheAddressAtStripe | ChangeTheAddressAtPlex | SwapTheAddresses => ONE_CUSTOMER;
    RenameTheAccount | ChangeTheNameAtStripe => ONE_CUSTOMER;
    SignUpAtPlex | OpenASecondAccount | DeleteTheAccount | WatchWithTheSecondAccount => ONE_CUSTOMER;
    AcceptWithAnotherAccount | AcceptWithSomebodyElsesAccount => ONE_CUSTOMER;
    LeaveTheCheckout | JoinByThePage | JoinWithPlex => A_PAGE;
    RedeemACode | RedeemAWrongCode | AskForTheBillingPage => A_PAGE;
    PayLate | Dispute | WinTheDispute | LoseTheDispute => NO_FACT;
    WatchOneMinute | WatchOffline => Err("Tautulli's client tells no play of it");
} }

effects! { of_operator(OperatorMove) {
    ShareByHand => Ok(Deed::Share);
    UnshareByHand | Unfriend => Ok(Deed::Leave);
    GiveALibraryByHand => Ok(Deed::GiveLibraries);
    TakeALibraryByHand => Ok(Deed::TakeALibrary);
    ShareAllLibraries => Ok(Deed::ShareEverything);
    ChangeTheDownloads => Ok(Deed::ChangeTheDownloads);
    AddALibrary => Ok(Deed::AddALibrary);
    RenameALibrary => Ok(Deed::RenameALibrary);
    DeleteALibrary => Ok(Deed::DeleteALibrary);
    RecreateALibrary => Ok(Deed::RecreateALibrary);
    SubscribeByHand | GiveAFullCoupon => Ok(Deed::Subscribe);
    RefundAndCancel | CancelWithProration | DeleteTheCustomer => Ok(Deed::CancelNow);
    CancelByTheApi => Ok(Deed::CancelLater);
    UncancelByTheApi => Ok(Deed::UndoTheCancellation);
    UpgradeByTheApi | MoveToAPriceOfATier => Ok(Deed::ChangePrice);
    MoveToAPriceOfNoTier => Ok(Deed::MoveToNoTier);
    PauseTheSubscription => Ok(Deed::Pause);
    ResumeTheSubscription => Ok(Deed::Resume);
    ExtendTheTrial => Ok(Deed::ExtendTheTrial);
    TakeMoneyElsewhere => Ok(Deed::Mend);
    PauseCollection => Ok(Deed::PauseCollection);
    ResumeCollection => Ok(Deed::ResumeCollection);
    SwitchHistoryOff => Ok(Deed::HistoryOff);
    SwitchHistoryOn => Ok(Deed::HistoryOn);
    Revoke | RevokeByNumber => Ok(Deed::Revoke);
    Restore => Ok(Deed::Restore);
    Grandfather => Ok(Deed::Grandfather);
    InviteAsAGuest => Ok(Deed::InviteAsAGuest);
    InviteAgain => Ok(Deed::InviteAgain);
    GiveAHoliday => Ok(Deed::GiveAHoliday);
    RejectOne | RejectEverything | RefuseALibrary => Ok(Deed::Reject);
    ApproveOne | ApproveEverything => Ok(Deed::Approve);
    ShareWithTheSecondAccount => ONE_CUSTOMER;
    InviteByHand | InviteForGood | Extend | RedeemForThem => FOR_THE_YEARS;
    LinkRightly | LinkTheAccount | LinkWrongly | Unlink | UnlinkEverything => ONE_CUSTOMER;
    GiveAnothersAddress | TakeTheAddressAway | MergeTheCustomers => ONE_CUSTOMER;
    RenameATier | SplitATier | MergeTheTiers | DeleteATier | PutTheTierBack => A_FILE;
    AddALibraryToATier | TakeALibraryFromATier | SpoilTheTiersFile | MisspellALibrary => A_FILE;
    LoseTheTiersFile | MendTheTiersFile => A_FILE;
    RevokeAndCancel | RevokeWithThePeriod => A_CALL;
    Befriend | ChangeTheFilters | RefundThePayment | ChangeTheAnchor | GiveUpOnTheInvoices => NO_FACT;
    ArchiveAPrice | SellThePriceAgain | RenameTheProduct => NO_FACT;
    EditThePricesMetadata | EditTheProductsMetadata | RenameTheUser => NO_FACT;
    GrandfatherEverybody => Err("nobody could fall idle after it");
    DeleteTheUser | UndeleteTheUser => Err("what Tautulli lists of deleted people is the client's to tell apart");
    SwitchALibrarysHistoryOff | SwitchALibrarysHistoryOn => Err("which plays a library hides is the client's to know");
    RestoreTautullisBackup | ReinstallTautulli => Err("it is a sky here: Tautulli has forgotten");
    AcceptSomething => Err("the operator of this house accepts once a week what has become fewer");
    NoteTheNumbers | AskWhatWouldChange | SayNonsense | SendTheBillingLink => NO_DOOR;
} }

effects! { of_machine(MachineMove) {
    Restart | LosePower | DownForMinutes | DownForHours | SleepForAnHour => Ok(Deed::BeginAnew);
    DownForDays | SleepForDays => Ok(Deed::StandStill { days: 3 });
    DownForAWeek => Ok(Deed::StandStill { days: 7 });
    SleepForWeeks => Ok(Deed::StandStill { days: 17 });
    DownForAMonth => Ok(Deed::StandStill { days: 31 });
    ClockAhead | ClockBehind | ClockDrifts => Ok(Deed::WrongClock);
    DiskFull | DiskFails => Err("nothing is decided where nothing can be written: the store stands before the rules");
    TearTheBook | RestoreAnOldBook => Err("how old a book is, is found out where it is read from the disk");
    Rehearse => Err("the daemon begins a book of its own for a rehearsal");
} }

/// A service's move makes a sky.
pub fn of_service(step: &ServiceMove) -> Effect<Sky> {
    let sky = |fault: &Fault, [down, half]: [Sky; 2]| match fault {
        Fault::HalfPages | Fault::RepeatPage => Ok(half),
        Fault::Status { .. }
        | Fault::Html
        | Fault::Malformed
        | Fault::Truncated
        | Fault::Empty
        | Fault::DropBeforeEffect
        | Fault::EffectThenDrop
        | Fault::EffectThenStatus(_)
        | Fault::Hang
        | Fault::SlowDrip(_)
        | Fault::Delay(_) => Ok(down),
    };
    match step {
        ServiceMove::Http(Service::Plex, fault) => sky(fault, [Sky::PlexDown, Sky::PlexTellsHalf]),
        ServiceMove::Http(Service::Stripe, fault) => sky(fault, [Sky::StripeDown, Sky::StripeTellsHalf]),
        ServiceMove::Http(Service::Tautulli, fault) => sky(fault, [Sky::TautulliDown, Sky::TautulliDown]),
        ServiceMove::Http(Service::Discord, _) => Err("letters go by mail here"),
        ServiceMove::Mail(_) => Ok(Sky::MailDown),
        ServiceMove::Webhooks(_) => Err("a hint makes the daemon look sooner, and says nothing"),
        ServiceMove::OtherMode | ServiceMove::OtherAccount => Ok(Sky::StripeOfAnother),
        ServiceMove::StripeEmpty => Ok(Sky::StripeTellsNothing),
        ServiceMove::PagingStuck => Ok(Sky::StripeTellsHalf),
        ServiceMove::PeopleTold(Told::Nothing) => Ok(Sky::PlexTellsNobody),
        ServiceMove::PeopleTold(_) => Ok(Sky::PlexTellsHalf),
        ServiceMove::SectionsTold(_) => Err("what a shorter list of libraries means is for the years"),
        ServiceMove::OtherServer => Ok(Sky::PlexOfAnother),
        ServiceMove::ServerAway => Ok(Sky::PlexDown),
        ServiceMove::Lag(_) => Err("a day is longer than any lag"),
        ServiceMove::V2Gone(_) => Err("the client reads the older listing, and tells the same"),
        ServiceMove::InvoicesHidden => Err("which payment is open is asked about singly, by the client"),
        ServiceMove::CutOff | ServiceMove::PlexUnreachable => Ok(Sky::TautulliCutOff),
        ServiceMove::SqlError => Ok(Sky::TautulliDown),
        ServiceMove::OtherTautulli => Ok(Sky::TautulliOfAnother),
        ServiceMove::NoHistoryKept => Ok(Sky::KeepsNoHistory),
        ServiceMove::Forgotten => Ok(Sky::TautulliForgot),
    }
}
