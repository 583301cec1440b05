//! R9: the brake. On by default, and it holds against any bad day.
//!
//! It runs twice: [`admit`] over the plan, and [`second`] for each intent just
//! before its call, with the looks in hand. Only the second makes an
//! [`Admitted`] action: its field is private, it can't be cloned or read from
//! disk, and the act consumes it. That is the only way to lose access.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    Scene, confirm,
    plan::{Class, Doing, Plan, Proposal},
    reasons, starting,
};
use crate::facts::{Moment, Source};
use crate::ledger::{Act, ActKey, Book, EndCause, HeldBecause, Intent, IntentState, Member, Population, Verdict};
use crate::member::MemberId;

/// Our clock and theirs may differ by so much (RULES R9.4).
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);
/// A day of the removals' budget.
pub const BUDGET_SPAN: TimeDelta = TimeDelta::hours(24);

/// An action that the second admission let through. Nothing else makes one.
#[derive(Debug)]
pub struct Admitted<T>(T);

impl<T> Admitted<T> {
    /// What was admitted.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Uses it up.
    pub fn spend(self) -> T {
        self.0
    }
}

/// What may be done now.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    /// Which intent.
    pub key: ActKey,
    /// About whom.
    pub member: MemberId,
    /// What.
    pub act: Act,
    /// The name of this one call, for services that want one.
    pub idempotency_key: Option<String>,
}

/// What the brake lets through, and what waits.
#[derive(Debug, Default)]
pub struct Admission {
    /// May be written down as intents.
    pub admitted: Vec<Proposal>,
    /// Waits, each with the first rule that failed.
    pub held: Vec<(Proposal, HeldBecause)>,
}

/// The first admission, over the whole plan.
#[must_use]
pub fn admit(scene: Scene<'_>, plan: Plan) -> Admission {
    let mut admission = Admission::default();
    let mut passing = Vec::new();
    for proposal in plan.proposals {
        match first_failing(scene, &proposal) {
            Some(because) => admission.held.push((proposal, because)),
            None => passing.push(proposal),
        }
    }
    let crowds = crowds(scene, &passing);
    // What was approved has its place in the day's budget before the rest.
    passing.sort_by_key(|proposal| !is_approved(scene, &proposal.key));
    let mut budget = Budget::of(scene);
    for proposal in passing {
        let held = hold_all(scene, &proposal, &crowds).or_else(|| budget.take(scene, &proposal));
        match held {
            Some(because) => admission.held.push((proposal, because)),
            None => admission.admitted.push(proposal),
        }
    }
    admission
}

/// Rules 1 to 7, and the operator's own no.
fn first_failing(scene: Scene<'_>, proposal: &Proposal) -> Option<HeldBecause> {
    let takes_away = proposal.class.takes_away();
    if let Some(why) = &scene.world.only_look {
        return Some(HeldBecause::OnlyLook { why: why.clone() });
    }
    let starts = starting::held(scene, proposal);
    let revoked = is_revoked(scene, proposal) && starts.is_none();
    for source in &proposal.rests_on {
        if scene.world.state(*source).wholes < 2 && !revoked {
            // A reading of somebody else's server doesn't count as a look: then
            // that is the news, and no second look would help.
            let another = identity_failure(scene, *source).map(|why| HeldBecause::Identity { source: *source, why });
            return Some(another.unwrap_or(HeldBecause::Looked { source: *source }));
        }
    }
    if takes_away && !revoked {
        let stale = proposal.rests_on.iter().find(|source| !scene.world.is_fresh(scene.now, scene.rules, **source));
        if let Some(source) = stale {
            return Some(HeldBecause::Fresh { source: *source });
        }
    }
    for source in &proposal.rests_on {
        if let Some(why) = identity_failure(scene, *source) {
            return Some(HeldBecause::Identity { source: *source, why });
        }
    }
    if let Some(why) = clock_failure(scene) {
        return Some(HeldBecause::Clock { why });
    }
    if starts.is_some() {
        return starts;
    }
    if !revoked && let Some(because) = continuity(scene, proposal) {
        return Some(because);
    }
    if takes_away {
        let member = scene.book.members.get(&proposal.member);
        if let Some(why) = member.and_then(|member| reasons::protected(scene, member)) {
            return Some(HeldBecause::Protected { why: format!("they are protected: {why}") });
        }
    }
    if revoked { None } else { warned_or_approved(scene, proposal) }
}

/// `usher revoke` is the operator's own word: it answers only to identity,
/// clock, protected and the second look.
fn is_revoked(scene: Scene<'_>, proposal: &Proposal) -> bool {
    let blocked = || scene.book.members.get(&proposal.member).is_some_and(|member| member.blocked.is_some());
    match &proposal.doing {
        Doing::Act(Act::End { cause: EndCause::Revoked, .. }) => true,
        Doing::Act(Act::Cancel { .. }) => blocked(),
        _ => false,
    }
}

fn verdict(scene: Scene<'_>, key: &ActKey) -> Option<Verdict> {
    scene.book.holds.get(key).and_then(|hold| hold.verdict)
}

fn is_approved(scene: Scene<'_>, key: &ActKey) -> bool {
    matches!(verdict(scene, key), Some(Verdict::Approved { .. }))
}

/// 7: warned; or approved, where only the operator may decide.
fn warned_or_approved(scene: Scene<'_>, proposal: &Proposal) -> Option<HeldBecause> {
    if matches!(verdict(scene, &proposal.key), Some(Verdict::Rejected { .. })) {
        return Some(HeldBecause::Rejected);
    }
    if let Some(why) = &proposal.unwarned {
        return Some(HeldBecause::Warned { why: why.clone() });
    }
    if is_approved(scene, &proposal.key) {
        return None;
    }
    if let Some(why) = &proposal.approval {
        return Some(HeldBecause::Approval { why: why.clone() });
    }
    matches!(proposal.class, Class::Invite { adoption: true, .. }).then_some(HeldBecause::Adoption)
}

/// 3: Stripe account and mode, Plex server, Tautulli's server as in the book.
/// What can't be known is never a mismatch.
#[must_use]
pub fn identity_failure(scene: Scene<'_>, source: Source) -> Option<String> {
    let book = &scene.book.identities;
    match source {
        Source::Plex => {
            let friends = scene.world.plex.value()?;
            let known = book.plex_server.as_ref()?;
            (friends.server != *known).then(|| {
                format!("plex.tv answers for server {:?}, which is not the one in the book; `usher accept server` if you moved", friends.server_name)
            })
        }
        Source::Stripe => {
            let billing = scene.world.stripe.value()?;
            let other = |known: &crate::facts::StripeAccountId| {
                billing.account.as_ref().is_some_and(|account| account != known)
            };
            if book.stripe_account.as_ref().is_some_and(other) {
                return Some("STRIPE_SECRET_KEY belongs to another Stripe account than the book; `usher accept stripe` if you moved".into());
            }
            if book.stripe_livemode.is_some_and(|mode| mode != billing.key_livemode) {
                return Some("STRIPE_SECRET_KEY is of the other mode (test or live) than the book; `usher accept stripe` if you switched".into());
            }
            (!billing.livemode_fits)
                .then(|| "Stripe answers with objects of the other mode (test or live) than the key".into())
        }
        Source::Tautulli => {
            let activity = scene.world.tautulli.value()?;
            let known = book.plex_server.as_ref()?;
            (activity.server != *known && book.tautulli_server.as_ref() != Some(&activity.server))
                .then(|| "Tautulli watches another Plex server than ours; set TAUTULLI_URL to the right one".to_owned())
        }
    }
}

/// 4: within 5 minutes of Stripe's and plex.tv's `Date`, and not before the
/// last commit. While it fails nothing about members is committed.
#[must_use]
pub fn clock_failure(scene: Scene<'_>) -> Option<String> {
    went_back(scene.now, scene.book).or_else(|| {
        [Source::Plex, Source::Stripe]
            .into_iter()
            .find_map(|source| skewed(source, scene.world.state(source).skew_secs?))
    })
}

/// The clock stands before the last commit.
#[must_use]
pub fn went_back(now: Moment, book: &Book) -> Option<String> {
    (now + SKEW_MAX < book.committed).then(|| {
        format!(
            "the clock stands at {} but the book was written at {}; mend the clock, or `usher accept clock`",
            now.format("%Y-%m-%d %H:%M UTC"),
            book.committed.format("%Y-%m-%d %H:%M UTC")
        )
    })
}

/// A service's clock is too far from ours; `skew_secs` is theirs minus ours.
#[must_use]
pub fn skewed(source: Source, skew_secs: i64) -> Option<String> {
    let skew = TimeDelta::seconds(skew_secs);
    (skew.abs() > SKEW_MAX).then(|| {
        let way = if skew > TimeDelta::zero() { "behind" } else { "ahead of" };
        format!("our clock is {} minutes {way} {source}'s; mend the clock of this machine", skew.abs().num_minutes())
    })
}

/// 5: far fewer people than lately. For friends it also holds invites of those
/// whom a listing has ever shown: they may be in already. Somebody whom no
/// listing ever showed can't be missing from this one.
fn continuity(scene: Scene<'_>, proposal: &Proposal) -> Option<HeldBecause> {
    let may_be_in = || match &proposal.doing {
        Doing::Act(Act::Invite { to, .. }) => scene.book.was_ever_listed(to),
        _ => false,
    };
    scene.world.drops.iter().find_map(|(population, drop)| {
        let source = population.source();
        let concerns = proposal.rests_on.contains(&source)
            && (proposal.class.takes_away() || (*population == Population::Friends && may_be_in()));
        concerns.then(|| HeldBecause::Continuity { source, why: drop_words(*population, drop) })
    })
}

/// A drop in words.
#[must_use]
pub fn drop_words(population: Population, drop: &super::Drop) -> String {
    let (source, words, now) = (population.source(), population.words(), drop.now);
    let what = match source {
        Source::Plex => "server",
        Source::Stripe => "stripe",
        Source::Tautulli => "tautulli",
    };
    if drop.begun_anew {
        return format!(
            "{source}'s history was begun anew and shows {now} {words}; if that is true, `usher accept {what}`"
        );
    }
    let way_out = match drop.now * 2 >= drop.expected {
        true => "it is believed when a reading an hour later says the same".to_owned(),
        false => format!("if that is true, `usher accept {what}`"),
    };
    format!("{source} shows {now} {words} where there were {} lately; {way_out}", drop.expected)
}

/// How many of each crowd would go at once, without those that the operator
/// approved and those that a dry run has already rehearsed.
fn crowds(scene: Scene<'_>, passing: &[Proposal]) -> BTreeMap<&'static str, usize> {
    let mut crowds = BTreeMap::new();
    for proposal in passing {
        let Some(crowd) = proposal.class.crowd().filter(|_| !is_revoked(scene, proposal)) else { continue };
        if !is_approved(scene, &proposal.key) && !is_rehearsed(scene, &proposal.key) {
            *crowds.entry(crowd).or_insert(0) += 1;
        }
    }
    crowds
}

fn is_rehearsed(scene: Scene<'_>, key: &ActKey) -> bool {
    scene.book.intents.get(key).is_some_and(|intent| matches!(intent.state, IntentState::Rehearsed { .. }))
}

/// 9, hold-all: more at once than max(2, 10 %) waits whole. Once it waits it
/// stays, until approved, rejected or no longer due.
fn hold_all(scene: Scene<'_>, proposal: &Proposal, crowds: &BTreeMap<&'static str, usize>) -> Option<HeldBecause> {
    let crowd = proposal.class.crowd()?;
    if is_approved(scene, &proposal.key) || is_rehearsed(scene, &proposal.key) || is_revoked(scene, proposal) {
        return None;
    }
    let waiting =
        scene.book.holds.get(&proposal.key).filter(|hold| matches!(hold.because, HeldBecause::HoldAll { .. }));
    if let Some(hold) = waiting {
        return Some(hold.because.clone());
    }
    let many = crowds.get(crowd).copied().unwrap_or(0);
    let threshold = super::Rules::hold_all_threshold(scene.book.members_with_access());
    (many > threshold).then_some(HeldBecause::HoldAll { many, threshold })
}

/// 9, the day's budget of removals that Stripe didn't state. An intent in the
/// book counts once.
struct Budget {
    max: usize,
    left: usize,
}

impl Budget {
    fn of(scene: Scene<'_>) -> Self {
        let max = scene.rules.removals_per_day(scene.book.members_with_access());
        let done = scene
            .book
            .removals
            .iter()
            .filter(|removal| !removal.stated && scene.now - removal.at < BUDGET_SPAN)
            .count();
        let rehearsed = scene.book.intents.values().filter(|intent| {
            let lately = matches!(intent.state, IntentState::Rehearsed { at } if scene.now - at < BUDGET_SPAN);
            lately && is_unstated_removal(scene, intent)
        });
        Self { max, left: max.saturating_sub(done + rehearsed.count()) }
    }

    fn take(&mut self, scene: Scene<'_>, proposal: &Proposal) -> Option<HeldBecause> {
        let counts = matches!(proposal.class, Class::Removal { stated: false } | Class::Unsubscribe);
        if !counts || is_rehearsed(scene, &proposal.key) || is_revoked(scene, proposal) {
            return None;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            // The operator's yes is for this one person: it doesn't wait for
            // another day. But it counts, so that nobody else goes on top.
            None if is_approved(scene, &proposal.key) => None,
            None => Some(HeldBecause::Budget { max: self.max }),
        }
    }
}

/// What counts in the day's budget once it is done: not an invite that is
/// taken back, nor an end that Stripe stated.
fn is_unstated_removal(scene: Scene<'_>, intent: &Intent) -> bool {
    let Some(member) = scene.book.members.get(&intent.member) else { return false };
    match &intent.act {
        Act::End { cause, .. } => {
            member.share.as_ref().is_some_and(|record| record.row.is_accepted()) && !confirm::is_stated(member, cause)
        }
        Act::Cancel { idle_days, .. } => idle_days.is_some(),
        _ => false,
    }
}

/// What the second look, taken just before the call, came to. The looks
/// themselves are already folded into the book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondLook {
    /// Sources that were asked about this member and answered.
    pub answered: Vec<Source>,
    /// Why a source could not answer.
    pub unanswered: Option<String>,
    /// Which source that is.
    pub by: Option<Source>,
    /// A subscription created since the last whole billing reading that could
    /// be theirs.
    pub could_be_theirs: Option<String>,
}

/// Why an intent is not carried out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotNow {
    /// It waits.
    Held(HeldBecause),
    /// It is no longer in the plan.
    NoLongerDue,
}

/// The second admission, just before the call.
///
/// # Errors
/// Why it is not carried out now.
pub fn second(scene: Scene<'_>, key: &ActKey, looked: &SecondLook) -> Result<Admitted<Order>, NotNow> {
    let plan = super::plan::plan(scene);
    let admission = admit(scene, plan);
    if let Some((_, because)) = admission.held.into_iter().find(|(proposal, _)| proposal.key == *key) {
        return Err(NotNow::Held(because));
    }
    let Some(proposal) = admission.admitted.into_iter().find(|proposal| proposal.key == *key) else {
        return Err(NotNow::NoLongerDue);
    };
    if proposal.class.takes_away() {
        second_look(scene, &proposal, looked).map_err(NotNow::Held)?;
    } else if let Some(why) = &looked.unanswered {
        return Err(NotNow::Held(HeldBecause::SecondLook { why: why.clone() }));
    } else if scene.book.intents.get(key).is_some_and(|intent| asks_stripe_before(scene.book, intent))
        && !looked.answered.contains(&Source::Stripe)
    {
        return Err(NotNow::Held(not_asked_again(Source::Stripe)));
    }
    if let (Class::Removal { .. } | Class::Unsubscribe, Some(until), false) =
        (proposal.class, pace(scene), is_revoked(scene, &proposal))
    {
        return Err(NotNow::Held(HeldBecause::Pace { until }));
    }
    match proposal.doing {
        Doing::Act(act) => {
            let intent = scene.book.intents.get(key);
            let idempotency_key = intent.and_then(|intent| intent.idempotency_key.clone());
            Ok(Admitted(Order { key: key.clone(), member: proposal.member, act, idempotency_key }))
        }
        Doing::Warn { .. } | Doing::AskToSubscribe => Err(NotNow::NoLongerDue),
    }
}

/// 8: re-read at every source that it rests on: Plex always, Stripe when
/// configured, Tautulli for idleness and before it forgets somebody.
fn second_look(scene: Scene<'_>, proposal: &Proposal, looked: &SecondLook) -> Result<(), HeldBecause> {
    if let Some(why) = &looked.unanswered {
        return Err(HeldBecause::SecondLook { why: why.clone() });
    }
    if let Some(subscription) = &looked.could_be_theirs {
        let why = format!("{subscription} is new at Stripe and could be theirs");
        return Err(HeldBecause::SecondLook { why });
    }
    let stripe = scene.rules.configured.contains(&Source::Stripe);
    let needed = proposal.rests_on.iter().copied().chain(stripe.then_some(Source::Stripe));
    for source in needed {
        if !looked.answered.contains(&source) {
            return Err(not_asked_again(source));
        }
    }
    Ok(())
}

fn not_asked_again(source: Source) -> HeldBecause {
    HeldBecause::SecondLook { why: format!("{source} was not asked again") }
}

fn pays(book: &Book, member: &MemberId) -> bool {
    book.members.get(member).is_some_and(Member::has_running_subscription)
}

fn invites_are_many(book: &Book) -> bool {
    let invites = book.intents.values().filter(|intent| matches!(intent.act, Act::Invite { .. }));
    invites.count() > super::Rules::hold_all_threshold(book.members_with_access())
}

/// 9: the invites of payers never wait on the count of invites. But where so
/// many are due that others would wait, Stripe is asked about each of them once
/// more just before the call.
#[must_use]
pub fn asks_stripe_before(book: &Book, intent: &Intent) -> bool {
    matches!(intent.act, Act::Invite { .. }) && pays(book, &intent.member) && invites_are_many(book)
}

/// Whether it takes somebody's access, other than by the operator's own word.
#[must_use]
pub fn keeps_pace(book: &Book, intent: &Intent) -> bool {
    let accepted = || book.members.get(&intent.member).is_some_and(Member::has_access);
    match &intent.act {
        Act::End { cause, .. } => *cause != EndCause::Revoked && accepted(),
        Act::Cancel { idle_days, .. } => idle_days.is_some(),
        _ => false,
    }
}

/// 10: one removal per `REMOVAL_PACE_MINS`. When the next may be done, if
/// not now. One that was tried counts, though nobody could read it back yet.
#[must_use]
pub fn pace(scene: Scene<'_>) -> Option<Moment> {
    let tried = scene.book.intents.values().filter(|intent| keeps_pace(scene.book, intent));
    let tried = tried.filter_map(|intent| match intent.state {
        IntentState::Attempted { at } => Some(at),
        _ => None,
    });
    let last = scene.book.removals.iter().map(|removal| removal.at).chain(tried).max()?;
    let until = last + scene.rules.removal_pace;
    (scene.now < until).then_some(until)
}
