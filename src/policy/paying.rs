//! R1 *paying* and *grace*, and R4: the end of paying.
//!
//! A renewal's draft hour, a null date or an API shape we don't know is never
//! an end: only Stripe's own `ended_at`, or the day count of an open invoice
//! with no further attempt scheduled, ends anything.

use chrono::TimeDelta;

use super::{Rules, pausing};
use crate::facts::{Invoice, Moment, Status, Subscription};
use crate::ledger::{Billed, EndedBecause, Member, SpellKind, UnpaidSpell};

/// If money was the cause, so long must an accepted *payment failed* letter
/// have stood before anything ends.
pub const AFTER_LETTER: TimeDelta = TimeDelta::days(3);

/// What a subscription says about access now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// Paid or in trial.
    Paying,
    /// Not paid, or over, but not yet out: until then at the earliest.
    Grace { until: Option<Moment>, why: String, kind: Grace },
    /// Not yet a reason; nothing to end.
    NotYet,
    /// Over: no reason any more.
    Ended(Ended),
    /// Neither grants nor ends: held and told.
    Unknown(String),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// The money: the days run, or Stripe will try again.
    Money,
    /// Nothing yet: it is paused, and what is paid for runs on.
    Paid,
    /// Only what must come before an end: a letter, a day that it promised, the
    /// hours in which an end settles.
    Ending,
}

/// How and when paying ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When Stripe says it ended, or the day count ran out.
    pub ended: Moment,
    /// When its consequences had come due.
    pub due: Moment,
    /// Why.
    pub because: EndedBecause,
    /// Stripe stated the end: outside the day's budget.
    pub stated: bool,
    /// Only the operator may decide, for this reason.
    pub approval: Option<String>,
}

/// What one of a member's subscriptions says about access now.
#[must_use]
pub fn stands(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> Stands {
    let sub = &billed.now;
    if billed.vanished.is_some() {
        return Stands::Unknown(format!("Stripe no longer knows {}; that is no end", sub.id));
    }
    let counts = sub.status.is_running() || sub.status == Status::Paused;
    if billed.tiers.is_empty() && counts {
        return Stands::Unknown(format!("the price of {} is in no tier", sub.id));
    }
    match &sub.status {
        Status::Active | Status::Trialing => match billed.paused_since {
            Some(since) if rules.paused_collection_ends && sub.collection_paused => {
                collection_paused(now, rules, member, billed, since)
            }
            _ => Stands::Paying,
        },
        Status::PastDue | Status::Unpaid => unpaid(now, rules, member, billed),
        // It ended before Usher came, or before anybody saw it run: that is no
        // news, and nothing of ours hangs on it.
        Status::Canceled if !billed.ran => Stands::NotYet,
        Status::Canceled => match sub.ended_at {
            None => Stands::Unknown(format!("Stripe says {} is {} but not since when", sub.id, sub.status.word())),
            Some(ended) => {
                let failed = sub.ended_by_failed_payment || billed.cut_off.is_some();
                let because = match (&billed.reversed, failed) {
                    (_, true) => EndedBecause::PaymentFailed,
                    (Some(reversed), false) => reversed.because,
                    (None, false) if ended_with_the_trial(sub, ended) => EndedBecause::TrialEnded,
                    (None, false) => EndedBecause::Canceled,
                };
                over(now, rules, member, billed, ended, because, billed.is_ended_by_stripe())
            }
        },
        Status::Paused => pausing::stands(now, rules, member, billed),
        // Never paid: it gave nothing, so it ends nothing.
        Status::Incomplete | Status::IncompleteExpired => Stands::NotYet,
        Status::Unknown(word) => {
            Stands::Unknown(format!("Stripe says {} is {word:?}, a status that Usher doesn't know", sub.id))
        }
    }
}

/// Its collection is paused, and that counts as no payment
/// (`PAUSED_COLLECTION=end`): it ends with the period in which it was paused,
/// which is paid for. Later periods are nobody's payment.
fn collection_paused(now: Moment, rules: &Rules, member: &Member, billed: &Billed, since: Moment) -> Stands {
    let sub = &billed.now;
    let paid_until = billed.paused_paid_until.map_or(since, |end| end.max(since));
    if now < paid_until {
        let why = format!("the collection of {} is paused; paid for until {}", sub.id, rules.day_of(paid_until));
        return Stands::Grace { until: Some(paid_until + rules.settle), why, kind: Grace::Paid };
    }
    over(now, rules, member, billed, paid_until, EndedBecause::Paused, false)
}

/// It was canceled when its trial ended, without having been asked for before:
/// no way to pay had been added.
fn ended_with_the_trial(sub: &Subscription, ended: Moment) -> bool {
    let then = |at: Moment| (at - ended).abs() <= CYCLE_SLACK;
    sub.trial_end.is_some_and(then) && sub.canceled_at.is_none_or(then)
}

/// It ended then: its consequences come once that has settled and every day
/// that a letter named is over.
pub(super) fn over(
    now: Moment,
    rules: &Rules,
    member: &Member,
    billed: &Billed,
    ended: Moment,
    because: EndedBecause,
    stated: bool,
) -> Stands {
    // A day that a letter named as the last is over before anything happens,
    // also if the letter was about a payment, and it ended for another reason.
    let settled = ended + rules.settle;
    let spell = member.unpaid.get(&billed.now.id).filter(|spell| spell.told_at.is_some());
    let promised = billed.promised_end.max(spell.and_then(|spell| spell.promised_end));
    let due = promised.map_or(settled, |promised| settled.max(promised));
    if now < due {
        let why = format!("{} ended; settling", billed.now.id);
        return Stands::Grace { until: Some(due), why, kind: Grace::Ending };
    }
    let ended = Ended { ended, due, because, stated, approval: None };
    match because {
        EndedBecause::PaymentFailed => after_letter(now, member, billed, ended, SpellKind::Unpaid),
        _ => Stands::Ended(ended),
    }
}

/// It waits for a payment that failed.
pub(super) fn unpaid(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> Stands {
    let sub = &billed.now;
    let word = sub.status.word();
    let money = |until: Option<Moment>, why: String| Stands::Grace { until, why, kind: Grace::Money };
    let unread = sub.open_invoices.is_none() && sub.status != Status::Paused;
    if unread {
        return money(None, format!("{} is {word}; its invoices could not be read", sub.id));
    }
    let invoices = || sub.open_invoices.iter().flatten();
    let since = counts_from(billed).map(Invoice::owed_since).or_else(|| pausing::owed_since(billed));
    let Some(since) = since else {
        return money(None, format!("{} is {word} without an open invoice", sub.id));
    };
    let until = since + TimeDelta::days(rules.payment_grace_days) + member.on_holiday(since, now);
    if now < until {
        return money(Some(until), format!("{} is {word} since {}", sub.id, since.date_naive()));
    }
    if let Some(attempt) = invoices().filter_map(|invoice| invoice.next_attempt_at).max() {
        if may_cut_off(now, rules, member, billed) {
            let why = format!("{} is {word}; the days of grace are over, so it is cancelled", sub.id);
            return Stands::Grace { until: None, why, kind: Grace::Ending };
        }
        let why = format!("{} is {word}; Stripe will try again on {}", sub.id, attempt.date_naive());
        return money(Some(attempt.max(until)), why);
    }
    let ended = Ended { ended: until, due: until, because: EndedBecause::PaymentFailed, stated: false, approval: None };
    after_letter(now, member, billed, ended, SpellKind::Unpaid)
}

/// Stripe's clock, or a renewal's draft, may put an invoice this much before
/// the cycle that it is for.
const CYCLE_SLACK: TimeDelta = TimeDelta::hours(6);

/// The open invoice from which the grace of a failing subscription counts: the
/// one that it began with, while that is open.
#[must_use]
pub fn counts_from(billed: &Billed) -> Option<&Invoice> {
    let began = billed.now.open_invoices.iter().flatten().find(|open| Some(&open.id) == billed.unpaid_from.as_ref());
    began.or_else(|| oldest_of_this_cycle(&billed.now))
}

/// R4: the oldest open invoice of this cycle. One that was forgotten long ago
/// doesn't shorten this cycle's grace; where all of them are older, the
/// youngest counts.
#[must_use]
pub fn oldest_of_this_cycle(sub: &Subscription) -> Option<&Invoice> {
    let open = || sub.open_invoices.iter().flatten();
    let began = sub.period_start().map(|start| start - CYCLE_SLACK);
    let of_this_cycle = open().filter(|invoice| began.is_none_or(|began| invoice.opened_at >= began));
    of_this_cycle.min_by_key(|invoice| invoice.owed_since()).or_else(|| open().max_by_key(|invoice| invoice.opened_at))
}

/// Promise 1 for money: no sooner than 3 days after an accepted letter of this
/// spell, or by approval where there is no way to reach them.
pub(super) fn after_letter(now: Moment, member: &Member, billed: &Billed, ended: Ended, kind: SpellKind) -> Stands {
    let what = match kind {
        SpellKind::Unpaid => "unpaid",
        SpellKind::Break | SpellKind::Narrowing => "paused",
    };
    let waiting = |until: Option<Moment>, why: &str| {
        let why = format!("{}: {what}; {why}", billed.now.id);
        Stands::Grace { until, why, kind: Grace::Ending }
    };
    match member.unpaid.get(&billed.now.id).filter(|spell| spell.kind == kind) {
        None if kind == SpellKind::Narrowing => waiting(None, "something else keeps them in, and gives as much"),
        None => waiting(None, "the letter about it comes first"),
        Some(spell) => match spell.told_at.map(|told| told + AFTER_LETTER) {
            Some(stood) if now < stood => waiting(Some(stood), "the letter about it is younger than 3 days"),
            Some(stood) => match spell.promised_end.filter(|promised| now < *promised) {
                Some(promised) => waiting(Some(promised), "the day that the letter promised isn't over"),
                None => Stands::Ended(Ended { due: ended.due.max(stood), ..ended }),
            },
            None if spell.no_channel => Stands::Ended(Ended {
                approval: Some(format!(
                    "{} and there is no way to write to them",
                    match kind {
                        SpellKind::Unpaid => "payment failed",
                        SpellKind::Break | SpellKind::Narrowing => "the subscription is paused",
                    }
                )),
                ..ended
            }),
            None => waiting(None, "the letter about it has not been accepted yet"),
        },
    }
}

/// `PAYMENT_GRACE=strict`: the days are over, the letter has stood for 3 days,
/// and Stripe would still try to charge: the subscription is cancelled first.
#[must_use]
pub fn may_cut_off(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> bool {
    let sub = &billed.now;
    if !rules.payment_grace_strict
        || sub.status != Status::PastDue
        || billed.tiers.is_empty()
        || billed.vanished.is_some()
    {
        return false;
    }
    let since = counts_from(billed).map(Invoice::owed_since);
    let grace = |since| TimeDelta::days(rules.payment_grace_days) + member.on_holiday(since, now);
    let over = since.is_some_and(|since| now >= since + grace(since));
    let stood = |spell: &UnpaidSpell| {
        spell.told_at.is_some_and(|told| now >= told + AFTER_LETTER)
            && spell.promised_end.is_none_or(|promised| now >= promised)
    };
    over && member.unpaid.get(&sub.id).is_some_and(stood)
}

/// Over, and followed by another: what became of it says nothing any more. Of
/// two that follow each other within a second, the later one counts.
#[must_use]
pub fn is_superseded(member: &Member, billed: &Billed) -> bool {
    let over = matches!(billed.now.status, Status::Canceled | Status::IncompleteExpired);
    let Some(ended) = billed.now.ended_at.filter(|_| over) else { return false };
    let began = |status: &Status| !matches!(status, Status::Incomplete | Status::IncompleteExpired);
    let order = |sub: &Subscription| (sub.created, sub.id.clone());
    let follows = |other: &Subscription| other.created >= ended && order(other) > order(&billed.now);
    member.subscriptions.values().any(|other| follows(&other.now) && began(&other.now.status))
}
