//! Moves that anybody could make, aimed at those for whom they matter: who was
//! just removed, who is a guest, who pays in the midst of a failure. By chance
//! alone such moves hardly ever meet such people.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId};

use super::member::{MemberMove, hours};
use super::operator::OperatorMove;
use super::{Later, Person, Town};
use crate::dice::Dice;
use crate::rig::Rig;
use crate::stripe::Status;

/// What is so of the house at the moment.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Present {
    /// Usher rehearses.
    pub rehearses: bool,
    /// A service fails.
    pub fails: bool,
    /// Stripe doesn't show invoices.
    pub invoices_hidden: bool,
    /// The house has a certain number of seats.
    pub seats: bool,
}

/// Somebody for whom a move matters, and that move.
#[derive(Debug, Clone, Copy)]
enum Aim {
    LetInAfterARemoval,
    TakenIntoTheHome,
    NotSeenForWeeks,
    InviteAGuest,
    NameTheGuestAgain,
    RenameATier,
    BreakAfterATrial,
    BeginATrial,
    ChangeWhoseAddressIsAnother,
    PayUnderAnother,
    LapseBeforeTaking,
    PayAnewElsewhere,
    PayWhileItFails,
    FailWhileInvoicesAreHidden,
    SayAWordInARehearsal,
    NoteInARehearsal,
    UseANote,
    SubscribeWhileIn,
    AddALibrary,
    LinkWhoPays,
    BeQuick,
    TakeATitle,
    FallAsleep,
    Forgive,
    LeaveTheHome,
}

const ALL: [Aim; 25] = [
    Aim::LetInAfterARemoval,
    Aim::TakenIntoTheHome,
    Aim::NotSeenForWeeks,
    Aim::InviteAGuest,
    Aim::NameTheGuestAgain,
    Aim::RenameATier,
    Aim::BreakAfterATrial,
    Aim::BeginATrial,
    Aim::ChangeWhoseAddressIsAnother,
    Aim::PayUnderAnother,
    Aim::LapseBeforeTaking,
    Aim::PayAnewElsewhere,
    Aim::PayWhileItFails,
    Aim::FailWhileInvoicesAreHidden,
    Aim::SayAWordInARehearsal,
    Aim::NoteInARehearsal,
    Aim::UseANote,
    Aim::SubscribeWhileIn,
    Aim::AddALibrary,
    Aim::LinkWhoPays,
    Aim::BeQuick,
    Aim::TakeATitle,
    Aim::FallAsleep,
    Aim::Forgive,
    Aim::LeaveTheHome,
];

/// So many people are looked at for one aim.
const TRIES: usize = 12;

/// One move, aimed. Call it each hour, and nothing comes of it most of the time.
pub async fn take_aim(rig: &Rig, town: &mut Town, dice: &mut Dice, present: Present) {
    if !dice.one_in(5) {
        return;
    }
    let Some(aim) = dice.pick(&ALL) else { return };
    let removed = removed_lately(rig);
    for _ in 0..TRIES {
        let who = dice.index(town.people.len());
        let scene = Scene { rig, present, removed: &removed };
        let concerns = town.people.get(who).is_some_and(|person| aim.concerns(&scene, town, person));
        if concerns && aim.make(rig, town, who, dice).await {
            return;
        }
    }
}

/// Whose access Usher ended in the last weeks.
fn removed_lately(rig: &Rig) -> Vec<(Moment, PlexId)> {
    let now = rig.now();
    let deletions = rig.plex.deletions();
    let lately = deletions.iter().rev().take_while(|gone| now - gone.at < TimeDelta::days(20));
    lately.filter(|gone| gone.was_accepted).filter_map(|gone| Some((gone.at, gone.account?))).collect()
}

struct Scene<'a> {
    rig: &'a Rig,
    present: Present,
    removed: &'a [(Moment, PlexId)],
}

impl Aim {
    fn concerns(self, scene: &Scene<'_>, town: &Town, person: &Person) -> bool {
        let rig = scene.rig;
        let is_in = person.account_in(rig).is_some();
        let outside = !is_in && !person.is_invited(rig) && !person.protected;
        let pays = !person.subs(rig).is_empty();
        let by_hand = is_in && !pays && person.bought.is_empty() && !person.by_hand.is_empty();
        let was_removed = person.main().is_some_and(|main| scene.removed.iter().any(|(_, account)| *account == main));
        let active = person.sub(rig, &[Status::Active]);
        let live = !scene.present.rehearses;
        match self {
            Self::LetInAfterARemoval => {
                outside && !pays && (was_removed || !person.buys && person.wish.revoked.is_none())
            }
            Self::TakenIntoTheHome => outside && was_removed,
            Self::NotSeenForWeeks => {
                // One at a time: the others' idleness is to be seen.
                let all_seen = town.people.iter().all(|person| person.unseen_since.is_none());
                by_hand && all_seen && person.temper == super::Temper::Calm && !person.protected
            }
            Self::InviteAGuest => outside && !pays,
            Self::NameTheGuestAgain => person.wish.guest.as_ref().is_some_and(|guest| guest.until.is_some()),
            Self::RenameATier => !town.refused.is_empty(),
            Self::BreakAfterATrial => active.is_some_and(|sub| had_a_trial(rig, &sub.id)),
            Self::BeginATrial | Self::PayUnderAnother | Self::BeQuick => outside && !pays,
            Self::ChangeWhoseAddressIsAnother => {
                is_in && active.is_some_and(|sub| sub.email != person.home(rig).to_lowercase())
            }
            Self::LapseBeforeTaking => live && !is_in && person.is_invited(rig) && active.is_some(),
            Self::PayAnewElsewhere => outside && !pays && !person.bought.is_empty(),
            Self::PayWhileItFails => scene.present.fails && outside && !pays,
            Self::FailWhileInvoicesAreHidden => scene.present.invoices_hidden && is_in && active.is_some(),
            Self::SayAWordInARehearsal => !live && is_in && !pays,
            Self::NoteInARehearsal => !live,
            Self::UseANote => live && is_in && person.buys && !town.noted.is_empty(),
            Self::SubscribeWhileIn => scene.present.seats && by_hand,
            Self::AddALibrary => town.refused.is_empty() && rig.plex.sections().len() < 5,
            Self::LinkWhoPays => pays && person.main().is_some(),
            Self::TakeATitle => person.main().is_some(),
            // Or before long nobody would be left who could fall idle.
            Self::Forgive => person.wish.revoked.is_some_and(|since| rig.now() - since > TimeDelta::days(7)),
            Self::LeaveTheHome => person.protected && !person.buys,
            Self::FallAsleep => is_in && !pays && person.awake && !person.protected,
        }
    }

    async fn make(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let member = match self {
            Self::TakenIntoTheHome => MemberMove::JoinTheHome,
            Self::BreakAfterATrial => MemberMove::Pause,
            Self::BeginATrial => MemberMove::BeginATrial,
            Self::ChangeWhoseAddressIsAnother => MemberMove::UpgradeByANewCheckout,
            Self::PayUnderAnother | Self::PayAnewElsewhere => MemberMove::PayUnderAnotherAddress,
            Self::LapseBeforeTaking => {
                town.later.retain(|(_, other, what)| *other != who || !matches!(what, Later::Accept));
                MemberMove::CancelNow
            }
            Self::PayWhileItFails => MemberMove::PayByLink,
            Self::FailWhileInvoicesAreHidden => MemberMove::LetTheCardFail,
            Self::SubscribeWhileIn => MemberMove::JoinWithPlex,
            Self::BeQuick => MemberMove::PayAndCancelAtOnce,
            Self::TakeATitle => MemberMove::TakeAnothersNameAsTitle,
            Self::FallAsleep => MemberMove::FallAsleep,
            Self::LeaveTheHome => MemberMove::LeaveTheHome,
            _ => return self.says(rig, town, who, dice).await,
        };
        member.make(rig, town, who, dice)
    }

    async fn says(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let operator = match self {
            Self::LetInAfterARemoval => OperatorMove::ShareByHand,
            Self::NotSeenForWeeks => OperatorMove::SwitchHistoryOff,
            Self::InviteAGuest => OperatorMove::InviteAsAGuest,
            Self::Forgive => OperatorMove::Restore,
            Self::NameTheGuestAgain => OperatorMove::InviteAgain,
            Self::RenameATier => OperatorMove::RenameATier,
            Self::NoteInARehearsal => OperatorMove::NoteTheNumbers,
            Self::UseANote => OperatorMove::RevokeByNumber,
            Self::AddALibrary => OperatorMove::AddALibrary,
            Self::LinkWhoPays => OperatorMove::LinkRightly,
            _ if dice.one_in(2) => OperatorMove::GiveAHoliday,
            _ => OperatorMove::Extend,
        };
        let account = town.people.get(who).and_then(Person::main);
        let made = operator.make(rig, town, who, dice).await;
        if let (true, Self::NotSeenForWeeks, Some(account)) = (made, self, account) {
            let days = dice.between(15, 40);
            town.later.push((rig.now() + hours(days * 24), who, Later::SeeAgain(account)));
        }
        made
    }
}

/// Its trial has been over for days.
fn had_a_trial(rig: &Rig, sub: &str) -> bool {
    let end = rig.stripe.object(sub)["trial_end"].as_i64();
    end.is_some_and(|end| rig.now().timestamp() - end > 3 * 24 * 3600)
}
