//! The plan: what should be done, member by member, before the brake says
//! what may be done now.

use std::collections::BTreeSet;

use super::{
    Scene, afterwards,
    inactivity::{self, Idle},
    moments, paying, pending, pruning,
    reasons::{self, Standing},
    sharing, undo, unmanaged, unpaid, who,
};
use crate::facts::{CancelWhen, Moment, Source};
use crate::ledger::{Act, ActKey, EndCause, EndedBecause, Member};
use crate::member::MemberId;

/// Something that should be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The same action for the same occasion has the same key.
    pub key: ActKey,
    /// About whom.
    pub member: MemberId,
    /// What kind, for the brake.
    pub class: Class,
    /// What.
    pub doing: Doing,
    /// What, in words.
    pub what: String,
    /// Why, in words: every reason that was checked.
    pub because: String,
    /// The sources it rests on.
    pub rests_on: BTreeSet<Source>,
    /// When it had come due: the oldest goes first.
    pub due: Moment,
    /// Only the operator may decide, for this reason.
    pub approval: Option<String>,
    /// Why it fails *warned*, for removals that need a warning (RULES R9.7).
    pub unwarned: Option<String>,
}

/// An action, or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// A change outside.
    Act(Act),
    /// An inactivity warning, which opens the spell that began then.
    Warn { spell: Moment, days: i64 },
    /// A letter with the way to subscribe (RULES R5).
    AskToSubscribe,
}

/// What kind of thing it is, for the brake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Takes access away. `stated`: Stripe stated the end.
    Removal { stated: bool },
    /// Takes libraries or downloads away.
    Narrowing,
    /// An invite. `fresh`: for a subscription that began after the book did, or
    /// for a grant of today; it never waits on the count of invites (RULES
    /// R9.9). `adoption`: for a payer from before the book who was not found on
    /// Plex.
    Invite { fresh: bool, adoption: bool },
    /// Adds libraries or downloads.
    Widening,
    /// Takes back an invite that nobody accepted: no removal.
    CancelInvite,
    /// An inactivity warning.
    Warning,
    /// Ends a subscription at Stripe that was not paid.
    CutOff,
    /// Sets a subscription of somebody who doesn't watch to end with its period
    /// (`PRUNE_PAYING`): a removal in all but the day, and counted as one.
    Unsubscribe,
    /// Deletes a record in Tautulli, long after.
    Forget,
    /// Ends the friendship at plex.tv, long after.
    Unfriend,
    /// Takes somebody back in Tautulli.
    Remember,
    /// Has a subscription at Stripe go on that `usher revoke` had set to end.
    Uncancel,
}

impl Class {
    /// Held by every rule of the brake, not only by identity and clock.
    #[must_use]
    pub fn takes_away(self) -> bool {
        matches!(
            self,
            Self::Removal { .. }
                | Self::Narrowing
                | Self::Warning
                | Self::CutOff
                | Self::Unsubscribe
                | Self::Forget
                | Self::Unfriend
        )
    }

    /// Which of the counts of *hold-all* it belongs to.
    #[must_use]
    pub fn crowd(self) -> Option<&'static str> {
        match self {
            Self::Removal { .. } | Self::CutOff | Self::Unsubscribe => Some("removals"),
            Self::Narrowing => Some("narrowings"),
            Self::Warning => Some("warnings"),
            Self::Unfriend => Some("friendships"),
            Self::Invite { fresh: false, adoption: false } => Some("invites"),
            Self::Invite { .. }
            | Self::Widening
            | Self::CancelInvite
            | Self::Forget
            | Self::Remember
            | Self::Uncancel => None,
        }
    }
}

/// The plan and what the operator should hear about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What should be done.
    pub proposals: Vec<Proposal>,
    /// Standing problems, by a stable key: told once each.
    pub problems: Vec<Problem>,
    /// Members of whom something can't be told at present: what was due may
    /// still be, so the operator's word on it stands.
    pub untold: BTreeSet<MemberId>,
    /// Members who wait because they may be somebody who pays.
    pub doubts: Vec<who::Doubt>,
}

/// A standing problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable while it lasts.
    pub key: String,
    /// In words.
    pub title: String,
    /// More words.
    pub detail: String,
    /// The mend.
    pub what_to_do: String,
}

/// What should be done now.
#[must_use]
pub fn plan(scene: Scene<'_>) -> Plan {
    let mut plan = Plan::default();
    let hindrance = unmanaged::hindrance(scene);
    for member in scene.book.members.values() {
        let standing = reasons::standing(scene, member);
        if is_untold(scene, member, &standing) {
            plan.untold.insert(member.id.clone());
        }
        match end(scene, member, &standing).or_else(|| pending::lapse(scene, member, &standing, &mut plan)) {
            Some(proposal) => plan.proposals.push(proposal),
            None => {
                let before = plan.proposals.len();
                pruning::propose(scene, member, &standing, &mut plan);
                // Whoever goes for not watching isn't removed twice.
                let goes = |proposal: &Proposal| matches!(proposal.class, Class::Removal { .. });
                if !plan.proposals.iter().skip(before).any(goes) {
                    plan.proposals.extend(unmanaged::propose(scene, member, &standing, hindrance.as_ref()));
                }
                sharing::make_it_so(scene, member, &standing, &mut plan);
            }
        }
        plan.problems.extend(undo::charged_and_revoked(member));
        pending::tell_refused(scene, member, &mut plan);
        plan.proposals.extend(cut_off(scene, member, &standing));
        plan.proposals.extend(moments::propose(scene, member));
        plan.proposals.extend(afterwards::forget(scene, member, &standing));
        plan.proposals.extend(afterwards::unfriend(scene, member, &standing));
        plan.proposals.extend(undo::cancel_for_revoke(scene, member));
        plan.proposals.extend(undo::uncancel(scene, member));
        plan.proposals.extend(undo::remember(scene, member));
    }
    plan.problems.extend(unpaid::invoices_denied(scene));
    who::spare_who_may_pay(scene, &mut plan);
    plan.proposals.sort_by(|a, b| (a.due, &a.key).cmp(&(b.due, &b.key)));
    pending::keep_seats(scene, &mut plan);
    plan
}

fn is_untold(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    let idle = || inactivity::idle(scene, member, standing);
    !standing.unknown.is_empty() || (member.idle.is_some() && matches!(idle(), Idle::Unknowable(_)))
}

/// R4: no reason stands any more.
fn end(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Proposal> {
    let share = member.share.as_ref()?;
    let cause = standing.end_cause()?;
    let ended = standing.ended.iter().map(|(_, ended)| ended).max_by_key(|ended| ended.due);
    let accepted = share.row.is_accepted();
    let (occasion, because, due, stated) = match &cause {
        EndCause::Lapsed { subscription, ended: at, because } => {
            let why = match because {
                EndedBecause::Canceled => "was canceled, and the paid time is over",
                EndedBecause::PaymentFailed => "was not paid",
                EndedBecause::TrialEnded => "had a trial that ended without a payment method",
                EndedBecause::NoSubscription => "is missing",
                EndedBecause::Operator => "was ended by you",
                EndedBecause::GrantOver => "is over",
                EndedBecause::Refunded => "was cancelled because its payment was refunded",
                EndedBecause::Disputed => "was cancelled because its payment was disputed",
                EndedBecause::Paused => "is paused, and the paid time is over",
            };
            let due = ended.map_or(*at, |ended| ended.due);
            let words =
                format!("{subscription} {why} (ended {}); no other reason stands", at.format("%Y-%m-%d %H:%M UTC"));
            (subscription.0.clone(), words, due, ended.is_some_and(|ended| ended.stated))
        }
        EndCause::Revoked if undo::is_charged_first(member) => return None,
        EndCause::Revoked => ("revoked".into(), "you revoked it".into(), member.blocked.unwrap_or(scene.now), false),
        EndCause::GrantOver { kind, ended } => {
            let last = scene.rules.day_of(*ended - chrono::TimeDelta::seconds(1));
            let words = format!("{} until {last}, which is over; no other reason stands", reasons::words(*kind));
            (format!("grant-{}", ended.timestamp()), words, *ended, false)
        }
        EndCause::Idle { .. } | EndCause::Unmanaged { .. } | EndCause::InviteLapsed { .. } => return None,
    };
    let by_invoices = matches!(cause, EndCause::Lapsed { because: EndedBecause::PaymentFailed, .. }) && !stated;
    let unwarned = (by_invoices && unpaid::are_denied(scene))
        .then(|| "Stripe doesn't show their invoices, so what they owe can't be told".to_owned());
    let mut rests_on = BTreeSet::from([Source::Plex]);
    let pays_nothing_else = matches!(cause, EndCause::GrantOver { .. });
    if matches!(cause, EndCause::Lapsed { .. })
        || (pays_nothing_else && scene.rules.configured.contains(&Source::Stripe))
    {
        rests_on.insert(Source::Stripe);
    }
    Some(Proposal {
        key: ActKey::new("end", &member.id, &format!("{}-{occasion}", share.id())),
        member: member.id.clone(),
        class: if accepted { Class::Removal { stated } } else { Class::CancelInvite },
        what: if accepted {
            format!("remove {}", member.name())
        } else {
            format!("take back the invite of {}", member.name())
        },
        because,
        rests_on,
        due,
        approval: ended.filter(|_| accepted).and_then(|ended| ended.approval.clone()),
        unwarned,
        doing: Doing::Act(Act::End { share: share.id(), cause }),
    })
}

/// R4, `PAYMENT_GRACE=strict`: cancel what Stripe would still try to charge.
fn cut_off(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Proposal> {
    if standing.protected.is_some() {
        return None;
    }
    let due = |billed: &&crate::ledger::Billed| paying::may_cut_off(scene.now, scene.rules, member, billed);
    let billed = member.subscriptions.values().find(due)?;
    let subscription = billed.now.id.clone();
    Some(Proposal {
        key: ActKey::new("cancel", &member.id, subscription.as_str()),
        member: member.id.clone(),
        class: Class::CutOff,
        what: format!("cancel {subscription} of {} at Stripe", member.name()),
        because: format!(
            "{subscription} was not paid for {} days (PAYMENT_GRACE=strict)",
            scene.rules.payment_grace_days
        ),
        rests_on: BTreeSet::from([Source::Plex, Source::Stripe]),
        due: scene.now,
        approval: None,
        unwarned: unpaid::are_denied(scene).then(|| "Stripe doesn't show their invoices".to_owned()),
        doing: Doing::Act(Act::Cancel { subscription, when: CancelWhen::Now, idle_days: None }),
    })
}

/// Members who pay (or are due access) and can't be let in, and why.
#[must_use]
pub fn unmatched(member: &Member) -> Option<String> {
    let running = member.has_running_subscription();
    if !running || member.has_access() {
        return None;
    }
    if member.blocked.is_some() {
        return Some("you revoked them, and they pay".into());
    }
    if member.plex.is_none() && !member.customers.values().any(|payer| payer.unlinked.is_none()) {
        return Some("you unlinked them, and have not said yet whose it is".into());
    }
    let nobody_else = || sharing::invite_to(member).is_none();
    let refused = member.invite_refused.as_ref().filter(|_| !member.is_invited());
    if let Some(refused) = refused.filter(|refused| refused.by_email || nobody_else()) {
        return Some(format!("Plex refused the invite: {}", refused.why));
    }
    let gone = member.gone.as_ref().filter(|gone| !gone.by_us && member.share.is_none());
    if let Some(gone) = gone.filter(|gone| member.subscriptions.keys().any(|id| gone.standing.contains(id))) {
        return Some(format!("{}, and is not made again by itself", gone.why));
    }
    if !member.disputed.is_empty() && !member.is_invited() {
        let ids: Vec<String> = member.disputed.iter().map(ToString::to_string).collect();
        return Some(format!(
            "the address they paid with speaks for {}, and nobody gets it by itself",
            ids.join(" and for ")
        ));
    }
    match member.paying_email() {
        None if !who::has_had_account(member) => Some("Stripe has no address for them".into()),
        Some(email) if who::is_relay(email) && !who::has_had_account(member) => {
            Some("they paid with a relay address, behind which another Plex account hides".into())
        }
        _ if member.is_invited() => Some(invited(member)),
        _ => buys_no_tier(member),
    }
}

/// Invited; under an address that they have changed at Stripe since, it may be
/// that nobody reads what Plex wrote there.
fn invited(member: &Member) -> String {
    let to = member.share.as_ref().and_then(|share| share.row.email.as_ref());
    match (to, member.corrected_email()) {
        (Some(to), Some(now)) => format!(
            "invited as {to}, not yet accepted; their address at Stripe is {now} by now \
             (`usher link {} --plex ACCOUNT` invites that account)",
            member.id
        ),
        _ => "invited, not yet accepted".into(),
    }
}

/// What they pay for stands in no tier.
#[must_use]
pub fn buys_no_tier(member: &Member) -> Option<String> {
    let mut running = member.subscriptions.values().filter(|billed| billed.now.status.is_running()).peekable();
    let first = running.peek().map(|billed| &billed.now.id)?;
    let nothing = running.all(|billed| billed.tiers.is_empty() && billed.vanished.is_none());
    nothing.then(|| format!("the price of {first} is in no tier"))
}
