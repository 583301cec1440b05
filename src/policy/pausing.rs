//! R4: subscriptions that are `paused` as a whole. Stripe has several causes
//! since 2026-09-30 (facts/stripe.md §11), and each ends differently:
//!
//! - a trial that ended without a card ends access as Stripe stated;
//! - a break, which the member or the operator asked for, ends access with what
//!   is paid for, after a letter (`ON_PAUSE=end`), or not at all (`keep`). Where
//!   something else keeps them in, it ends what only it bought, after a letter
//!   that says so; the end of access has a letter of its own;
//! - a failed payment has the grace and the letter of one;
//! - where the cause can't be told, nothing ends without the operator's word.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};

use super::{
    Rules, Scene, World,
    letters::fate,
    libraries,
    paying::{self, Ended, Grace, Stands},
    reasons::{self, Reason, ReasonKind, Standing},
    sharing,
    standing_reports::attention,
};
use crate::facts::{Moment, Status, Subscription};
use crate::ledger::{
    Billed, Book, Delivery, EndedBecause, Letter, MadeFor, Member, Owed, Pause, SpellKind, UnpaidSpell,
};
use crate::member::MemberId;

/// A trial's end and a pause are one thing only if they are so near.
const ONE_THING: TimeDelta = TimeDelta::days(1);
/// The letter about a break is worth sending for so long.
const SHELF: TimeDelta = TimeDelta::days(365);

/// Why a subscription is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Its trial ended then, and there was no card.
    TrialEnded(Moment),
    /// A payment failed.
    PaymentFailed,
    /// The member or the operator asked for it.
    Break,
    /// It can't be told, for this reason.
    Unknown(String),
}

/// What Stripe's word for the cause means.
enum Word<'a> {
    Trial,
    Payment,
    Request,
    Other(&'a str),
}

impl<'a> Word<'a> {
    /// Known are `pause_requested`, `trial_end_without_payment_method`,
    /// `first_payment_failure` and `final_payment_failure`; their like is
    /// understood, and anything else is not.
    fn of(word: &'a str) -> Self {
        let has = |part: &str| word.contains(part);
        match () {
            () if has("trial") => Self::Trial,
            () if has("payment") || has("invoice") => Self::Payment,
            () if has("request") || has("portal") || has("schedule") => Self::Request,
            () => Self::Other(word),
        }
    }
}

/// What the book notes of a pause, from the reading that shows it on: `was` is
/// the subscription as it was known before.
#[must_use]
pub fn noted(now: Moment, was: Option<&Billed>, sub: &Subscription, told_by_event: Option<Moment>) -> Option<Pause> {
    if sub.status != Status::Paused {
        return None;
    }
    let known = was.filter(|was| was.now.status == Status::Paused).and_then(|was| was.pause.clone());
    let mut pause = known.unwrap_or_else(|| first_noted(now, was, sub));
    // An event of an earlier pause says nothing of this one.
    let of_this = |at: &Moment| was.is_none_or(|was| was.now.status != Status::Paused) || *at >= pause.seen - ONE_THING;
    let event = told_by_event.filter(of_this);
    pause.began = sub.paused.since.or(event).or(pause.began);
    Some(pause)
}

fn first_noted(now: Moment, was: Option<&Billed>, sub: &Subscription) -> Pause {
    let before = was.map(|was| &was.now).filter(|before| before.status != Status::Paused);
    // It was in its trial when last seen, and the trial is over: nobody looked
    // when it ended, and it ended then.
    let in_trial = before.filter(|before| before.status == Status::Trialing);
    let trial_end = sub.trial_end.filter(|end| in_trial.is_some() && *end <= now);
    let paid = before.and_then(Subscription::period_end);
    Pause {
        seen: now,
        began: before.map(|_| trial_end.unwrap_or(now)),
        was_failing: before.is_some_and(|before| before.status.is_failing()),
        was_paid: before.is_some_and(|before| before.status == Status::Active),
        paid_until: paid.max(sub.period_end()),
    }
}

/// When it was paused, as well as that is known.
fn at(billed: &Billed) -> Option<Moment> {
    let pause = billed.pause.as_ref();
    billed.now.paused.since.or(pause.and_then(|pause| pause.began)).or(pause.map(|pause| pause.seen))
}

/// Why it is paused. Stripe's own word counts first; without one, what else
/// Stripe shows.
#[must_use]
pub fn cause(now: Moment, billed: &Billed) -> Cause {
    let sub = &billed.now;
    let owed = is_owed(now, sub);
    let (was_failing, was_paid) =
        billed.pause.as_ref().map_or((false, false), |pause| (pause.was_failing, pause.was_paid));
    match sub.paused.cause.as_deref().map(Word::of) {
        Some(Word::Trial) => match trial_ended(billed).or(sub.paused.since) {
            Some(ended) => Cause::TrialEnded(ended),
            None => Cause::Unknown("Stripe says that a trial ended, but not when".into()),
        },
        Some(Word::Payment) => Cause::PaymentFailed,
        Some(Word::Request) if was_failing && owed == Some(true) => Cause::PaymentFailed,
        Some(Word::Request) => Cause::Break,
        Some(Word::Other(word)) => Cause::Unknown(format!("Stripe calls the cause {word:?}, which Usher doesn't know")),
        None => by_exclusion(billed, owed, was_failing, was_paid),
    }
}

fn by_exclusion(billed: &Billed, owed: Option<bool>, was_failing: bool, was_paid: bool) -> Cause {
    match (owed, trial_ended(billed)) {
        (Some(true), _) => Cause::PaymentFailed,
        (_, Some(ended)) if !was_failing && !was_paid => Cause::TrialEnded(ended),
        (None, _) if was_failing => Cause::PaymentFailed,
        (None, _) => Cause::Unknown("its invoices could not be read".into()),
        (Some(false), _) if was_failing => {
            Cause::Unknown("a payment had failed before, and no invoice is open any more".into())
        }
        (Some(false), _) => {
            let pause = billed.pause.as_ref();
            let since = pause.and_then(|pause| pause.began).or(billed.now.paused.since);
            // It was paused already when it was first seen: perhaps since its
            // trial ended, perhaps not.
            let ended_before = |pause: &Pause| billed.now.trial_end.is_some_and(|end| end <= pause.seen);
            if since.is_none() && pause.is_none_or(ended_before) {
                return Cause::Unknown("it was paused before Usher first saw it".into());
            }
            Cause::Break
        }
    }
}

/// An open invoice should have been paid by now; `None` where that couldn't be
/// read.
fn is_owed(now: Moment, sub: &Subscription) -> Option<bool> {
    let open = sub.open_invoices.as_ref()?;
    Some(open.iter().any(|invoice| invoice.owed_since() <= now))
}

/// The end of its trial, if that is what paused it: the two lie within a day of
/// each other (RULES R4). A trial of long ago isn't what paused it.
fn trial_ended(billed: &Billed) -> Option<Moment> {
    let at = at(billed)?;
    billed.now.trial_end.filter(|end| (*end - at).abs() <= ONE_THING)
}

/// What a paused subscription says about access now.
#[must_use]
pub fn stands(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> Stands {
    let id = &billed.now.id;
    let cause = cause(now, billed);
    match &cause {
        Cause::TrialEnded(ended) => {
            return paying::over(now, rules, member, billed, *ended, EndedBecause::TrialEnded, true);
        }
        Cause::PaymentFailed => return paying::unpaid(now, rules, member, billed),
        Cause::Break if rules.pause_keeps => return Stands::Paying,
        Cause::Break | Cause::Unknown(_) => {}
    }
    let Some(paid_until) = billed.pause.as_ref().and_then(|pause| pause.paid_until) else {
        return Stands::Unknown(format!("{id} is paused, and until when it is paid for isn't known"));
    };
    let due = paid_until + rules.settle;
    if now < due {
        let why = format!("{id} is paused; paid for until {}", rules.day_of(paid_until));
        return Stands::Grace { until: Some(due), why, kind: Grace::Paid };
    }
    let because = EndedBecause::Paused;
    let ended = Ended { ended: paid_until, due, because, stated: false, approval: None };
    match cause {
        Cause::Unknown(why) => {
            let approval = Some(format!("the subscription is paused, and why can't be told: {why}"));
            Stands::Ended(Ended { approval, ..ended })
        }
        _ => after_its_letter(now, rules, member, billed, ended),
    }
}

/// From when the grace of a failed payment counts where no invoice is open:
/// from the pause that followed it.
#[must_use]
pub fn owed_since(billed: &Billed) -> Option<Moment> {
    at(billed).filter(|_| billed.now.status == Status::Paused)
}

fn is_break(now: Moment, billed: &Billed) -> bool {
    billed.now.status == Status::Paused && billed.vanished.is_none() && cause(now, billed) == Cause::Break
}

/// Its libraries and downloads still count. Once a letter has said that they go,
/// and that day is over, they come back only when it is resumed.
#[must_use]
pub fn gives(now: Moment, rules: &Rules, billed: &Billed) -> bool {
    let is_kept = rules.pause_keeps && is_break(now, billed);
    is_kept || billed.let_go.is_none_or(|day| now < day)
}

/// Something else keeps them in: a grant, a subscription that is no break, or a
/// break that is paid for until a later day. (Each looks only at later ones.)
fn is_beside(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> bool {
    let last_day = |of: &Billed| of.pause.as_ref().and_then(|pause| pause.paid_until).map(|until| rules.day_of(until));
    let keeps_in = |other: &&Billed| {
        other.now.id != billed.now.id
            && !paying::is_superseded(member, other)
            && (!is_break(now, other) || rules.pause_keeps || last_day(other) > last_day(billed))
            && matches!(paying::stands(now, rules, member, other), Stands::Paying | Stands::Grace { .. })
    };
    member.grants.iter().any(|grant| grant.stands(now)) || member.subscriptions.values().any(|sub| keeps_in(&sub))
}

/// Each end of a break comes after its own letter: the end of what it bought,
/// where something else keeps them in, and the end of access.
fn after_its_letter(now: Moment, rules: &Rules, member: &Member, billed: &Billed, ended: Ended) -> Stands {
    let is_beside = is_beside(now, rules, member, billed);
    if !gives(now, rules, billed) && (is_beside || was_told_of_the_end(now, member)) {
        return Stands::Ended(ended);
    }
    let kind = if is_beside { SpellKind::Narrowing } else { SpellKind::Break };
    paying::after_letter(now, member, billed, ended, kind)
}

/// A letter has said that access ends with a break, and that day is over.
fn was_told_of_the_end(now: Moment, member: &Member) -> bool {
    let stood = |spell: &UnpaidSpell| spell.told_at.is_some_and(|told| now >= told + paying::AFTER_LETTER);
    let over = |spell: &UnpaidSpell| spell.promised_end.is_none_or(|promised| now >= promised);
    member.unpaid.values().any(|spell| spell.kind == SpellKind::Break && stood(spell) && over(spell))
}

/// What goes with a break where something else keeps them in: libraries and
/// downloads that nothing else gives them. `None` = it can't be told.
fn loses(scene: Scene<'_>, member: &Member, standing: &Standing, billed: &Billed) -> Option<Vec<String>> {
    let id = &billed.now.id;
    let mut without = standing.clone();
    without.reasons.retain(|reason| reason.subscription.as_ref() != Some(id));
    let mut with = without.clone();
    with.reasons.push(Reason {
        kind: ReasonKind::Grace,
        of: MadeFor::Subscription(id.clone()),
        what: format!("{id} is paused"),
        until: None,
        subscription: Some(id.clone()),
        tiers: billed.tiers.clone(),
    });
    let (all, rest) = (sharing::granted(scene, member, &with)?, sharing::granted(scene, member, &without)?);
    if without.tiers().is_empty() && member.matched_prices.is_empty() {
        return Some(Vec::new()); // What they have was never measured by a price.
    }
    let lost = all.sections.difference(&rest.sections).copied().collect();
    let mut lost = libraries::titles(&scene.book.libraries, &lost);
    lost.extend((all.downloads && !rest.downloads).then(|| "Downloads".to_owned()));
    Some(lost)
}

/// What the letter about a break has to say, and so what kind of spell it is.
struct Announced {
    kind: SpellKind,
    loses: Vec<String>,
}

/// What is to be said of each break: where it is the end of access, that; where
/// something else keeps them in, what goes.
fn to_announce(scene: Scene<'_>, member: &Member, billed: &Billed) -> Option<Announced> {
    let Scene { now, rules, .. } = scene;
    if rules.pause_keeps || billed.tiers.is_empty() || !is_break(now, billed) {
        return None;
    }
    let standing = reasons::standing(scene, member);
    if standing.blocked || standing.protected.is_some() || !standing.unknown.is_empty() {
        return None;
    }
    let of_kind = |kind| member.unpaid.get(&billed.now.id).filter(|spell| spell.kind == kind);
    if !is_beside(now, rules, member, billed) {
        // Where it gives nothing any more, another break's letter is enough.
        let by_another = !gives(now, rules, billed) && was_told_of_the_end(now, member);
        let has_own = of_kind(SpellKind::Break).is_some();
        return (has_own || !by_another).then(|| Announced { kind: SpellKind::Break, loses: Vec::new() });
    }
    let spell = of_kind(SpellKind::Narrowing);
    if billed.let_go.is_some() {
        return spell.map(|_| Announced { kind: SpellKind::Narrowing, loses: Vec::new() });
    }
    match loses(scene, member, &standing, billed) {
        Some(loses) if loses.is_empty() => None,
        Some(loses) => Some(Announced { kind: SpellKind::Narrowing, loses }),
        None => spell.map(|_| Announced { kind: SpellKind::Narrowing, loses: Vec::new() }),
    }
}

/// Owes the letter that comes before what a break ends, and opens its spell; and
/// withdraws what is no longer so.
pub fn open_spells(now: Moment, rules: &Rules, world: &World, book: &mut Book, member: &Member) {
    for billed in member.subscriptions.values() {
        let spell = member.unpaid.get(&billed.now.id);
        match (to_announce(Scene { now, rules, book, world }, member, billed), spell) {
            (None, Some(spell)) if spell.kind != SpellKind::Unpaid => retire(now, book, member, spell),
            (Some(said), Some(spell)) if said.kind != spell.kind => {
                let why = match spell.kind {
                    SpellKind::Unpaid => "it is paused by their own wish",
                    SpellKind::Break => "something else keeps them in",
                    SpellKind::Narrowing => "nothing else keeps them in any more",
                };
                book.cancel_notice(&spell.notice, why, now);
                open(now, rules, book, member, billed, said);
            }
            (Some(said), None) => open(now, rules, book, member, billed, said),
            _ => {}
        }
    }
}

/// What the letter of a spell says now; `None` = nothing any more.
pub(super) fn letter_now(scene: Scene<'_>, member: &Member, spell: &UnpaidSpell, until: NaiveDate) -> Option<Letter> {
    let billed = member.subscriptions.get(&spell.subscription)?;
    let said = to_announce(scene, member, billed).filter(|said| said.kind == spell.kind)?;
    let known = || match scene.book.outbox.get(&spell.notice).map(|notice| &notice.letter) {
        Some(Letter::SubscriptionPaused { loses, .. }) => loses.clone(),
        _ => Vec::new(),
    };
    let loses = if said.loses.is_empty() && said.kind == SpellKind::Narrowing { known() } else { said.loses };
    Some(Letter::SubscriptionPaused { until, loses })
}

/// A letter about a break was accepted: whatever becomes of the pause, the day
/// that it named is kept; and where it said so, what was bought goes then.
pub(super) fn keep_word(rules: &Rules, billed: &mut Billed, spell: &UnpaidSpell) {
    let Some(told) = spell.told_at.filter(|_| spell.kind != SpellKind::Unpaid) else { return };
    billed.promised_end = billed.promised_end.max(spell.promised_end);
    if spell.kind == SpellKind::Narrowing {
        let paid_until = billed.pause.as_ref().and_then(|pause| pause.paid_until);
        let settled = paid_until.map(|until| until + rules.settle);
        billed.let_go = Some(told + paying::AFTER_LETTER).max(spell.promised_end).max(settled);
    }
}

fn retire(now: Moment, book: &mut Book, member: &Member, spell: &UnpaidSpell) {
    let why = match spell.kind {
        SpellKind::Narrowing => "nothing is lost with the pause",
        SpellKind::Unpaid | SpellKind::Break => "their access does not end with the pause",
    };
    book.cancel_notice(&spell.notice, why, now);
    if let Some(known) = book.members.get_mut(&member.id) {
        known.unpaid.remove(&spell.subscription);
    }
}

/// The last day that a letter sent now can name.
#[must_use]
pub fn last_day(now: Moment, rules: &Rules, billed: &Billed) -> NaiveDate {
    let paid_until = billed.pause.as_ref().and_then(|pause| pause.paid_until);
    rules.day_of(paid_until.unwrap_or(now).max(now + paying::AFTER_LETTER))
}

fn open(now: Moment, rules: &Rules, book: &mut Book, member: &Member, billed: &Billed, said: Announced) {
    let Some(pause) = billed.pause.as_ref().filter(|pause| pause.paid_until.is_some()) else {
        return; // No day can be named, and nothing ends.
    };
    let Announced { kind, loses } = said;
    let until = last_day(now, rules, billed);
    let sub = &billed.now.id;
    let (occasion, what) = match kind {
        SpellKind::Narrowing => (format!("pause-{sub}-beside-{}", pause.seen.timestamp()), "what ends with it"),
        SpellKind::Break | SpellKind::Unpaid => (format!("pause-{sub}-{}", now.timestamp()), "the end of access"),
    };
    let mut owed = Owed::to_member(member, occasion, Letter::SubscriptionPaused { until, loses }, SHELF);
    if book.outbox.contains_key(&owed.key()) {
        owed.occasion = format!("{}-{}", owed.occasion, now.timestamp());
    }
    owed.to = owed.to.filter(|address| !book.is_dead(address));
    let occasion = owed.occasion.clone();
    let notice = book.owe(owed, rules.ways, now);
    let no_channel = matches!(fate(book, &notice), Some(Delivery::NoChannel));
    let Some(known) = book.members.get_mut(&member.id) else { return };
    known.note(now, format!("{sub} is paused; a letter about {what} is owed"));
    let spell = UnpaidSpell {
        kind,
        occasion,
        invoice: None,
        subscription: sub.clone(),
        notice,
        told_at: None,
        promised_end: Some(rules.end_of_day(until)),
        no_channel,
    };
    known.unpaid.insert(sub.clone(), spell);
}

/// The operator hears of each pause that is no trial's end, once.
pub fn tell(now: Moment, rules: &Rules, book: &mut Book) {
    let mut found: Vec<(String, String, String, String)> = Vec::new();
    for member in book.members.values().filter(|member| member.share.is_some() && member.blocked.is_none()) {
        let paused = |billed: &&Billed| billed.now.status == Status::Paused && billed.vanished.is_none();
        for billed in member.subscriptions.values().filter(paused) {
            found.extend(words(now, rules, member, billed));
        }
    }
    let standing: BTreeSet<&str> = found.iter().map(|(condition, ..)| condition.as_str()).collect();
    book.untell_others("paused/", |key| standing.contains(key));
    for (condition, title, detail, what_to_do) in found {
        attention(now, rules, book, &condition, &title, &detail, &what_to_do);
    }
}

/// Under which condition, title, detail, and what to do.
fn words(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> Option<(String, String, String, String)> {
    let (id, sub): (&MemberId, _) = (&member.id, &billed.now.id);
    let paid_until = billed.pause.as_ref().and_then(|pause| pause.paid_until);
    let paid = paid_until.map_or("an unknown day".to_owned(), |until| rules.day_of(until).to_string());
    let (word, detail, mend) = match cause(now, billed) {
        Cause::TrialEnded(_) | Cause::PaymentFailed => return None,
        Cause::Break if rules.pause_keeps => (
            "break",
            format!("{sub} is paused by their own wish or by yours. ON_PAUSE=keep: access stays meanwhile."),
            "Nothing, if that is right.".to_owned(),
        ),
        Cause::Break if is_beside(now, rules, member, billed) => (
            "break",
            format!(
                "{sub} is paused by their own wish or by yours; it is paid for until {paid}. Something else keeps them \
                 in: only what this subscription alone gives goes then, three days after a letter to them at the \
                 earliest (ON_PAUSE=end), and comes back when it is resumed."
            ),
            "Nothing, if that is right.".to_owned(),
        ),
        Cause::Break => (
            "break",
            format!(
                "{sub} is paused by their own wish or by yours; it is paid for until {paid}. Access ends then, three \
                 days after a letter to them at the earliest (ON_PAUSE=end), and comes back when it is resumed."
            ),
            format!("Nothing, if that is right; `usher extend {id} DAYS` gives them more time."),
        ),
        Cause::Unknown(why) => (
            "unknown",
            format!(
                "{sub} is paused, and why can't be told: {why}. It is paid for until {paid}, and ends only by your word."
            ),
            format!(
                "Look at it in Stripe's dashboard: resume or cancel it there. `usher why {id}` shows how they stand."
            ),
        ),
    };
    Some((format!("paused/{sub}/{word}"), format!("{}'s subscription is paused", member.name()), detail, mend))
}
