//! R1 *paying* and *grace*, and R4: the end of paying.
//!
//! A renewal's draft hour, a null date or an API shape we don't know is never
//! an end: only Stripe's own `ended_at`, or the day count of an open invoice
//! with no further attempt scheduled, ends anything.

use chrono::TimeDelta;

use super::{Rules, Tiers};
use crate::facts::{Catalogue, Moment, PriceId, ProductId, Status, Subscription};
use crate::ledger::{Billed, EndedBecause, Member};

/// If money was the cause, so long must an accepted *payment failed* letter
/// have stood before anything ends.
pub const AFTER_LETTER: TimeDelta = TimeDelta::days(3);

/// What a subscription says about access now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// Paid or in trial.
    Paying,
    /// Not paid, or over, but not yet out: until then at the earliest.
    Grace { until: Option<Moment>, why: String },
    /// Not yet a reason; nothing to end.
    NotYet,
    /// Over: no reason any more.
    Ended(Ended),
    /// Neither grants nor ends: held and told.
    Unknown(String),
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
    if billed.tier.is_none() && sub.status.is_running() {
        return Stands::Unknown(format!("the price of {} is in no tier", sub.id));
    }
    match &sub.status {
        Status::Active | Status::Trialing => match billed.paused_since {
            Some(since) if rules.paused_collection_ends && sub.collection_paused => {
                over(now, rules, member, billed, since, EndedBecause::Canceled, false)
            }
            _ => Stands::Paying,
        },
        Status::PastDue | Status::Unpaid => unpaid(now, rules, member, billed),
        Status::Canceled => match sub.ended_at {
            None => Stands::Unknown(format!("Stripe says {} is {} but not since when", sub.id, sub.status.word())),
            Some(ended) => {
                let failed = sub.ended_by_failed_payment || billed.cut_off.is_some();
                let because = if failed { EndedBecause::PaymentFailed } else { EndedBecause::Canceled };
                over(now, rules, member, billed, ended, because, billed.cut_off.is_none())
            }
        },
        // Never paid: it gave nothing, so there is nothing to settle.
        Status::IncompleteExpired => match sub.ended_at.map(|ended| (ended, ended + rules.settle)) {
            Some((ended, due)) if now >= due => {
                Stands::Ended(Ended { ended, due, because: EndedBecause::Canceled, stated: true, approval: None })
            }
            _ => Stands::NotYet,
        },
        Status::Paused => match sub.trial_end {
            None => Stands::Unknown(format!("Stripe says {} is paused but not when its trial ended", sub.id)),
            Some(ended) => over(now, rules, member, billed, ended, EndedBecause::TrialEnded, true),
        },
        Status::Incomplete => Stands::NotYet,
        Status::Unknown(word) => {
            Stands::Unknown(format!("Stripe says {} is {word:?}, a status that Usher doesn't know", sub.id))
        }
    }
}

fn over(
    now: Moment,
    rules: &Rules,
    member: &Member,
    billed: &Billed,
    ended: Moment,
    because: EndedBecause,
    stated: bool,
) -> Stands {
    // A day that a letter named as the last is over before anything happens.
    let settled = ended + rules.settle;
    let due = billed.promised_end.map_or(settled, |promised| settled.max(promised));
    if now < due {
        return Stands::Grace { until: Some(due), why: format!("{} ended; settling", billed.now.id) };
    }
    let ended = Ended { ended, due, because, stated, approval: None };
    match because {
        EndedBecause::PaymentFailed => after_letter(now, member, billed, ended),
        _ => Stands::Ended(ended),
    }
}

fn unpaid(now: Moment, rules: &Rules, member: &Member, billed: &Billed) -> Stands {
    let sub = &billed.now;
    let word = sub.status.word();
    let Some(invoices) = &sub.open_invoices else {
        return Stands::Grace { until: None, why: format!("{} is {word}; its invoices could not be read", sub.id) };
    };
    let Some(oldest) = invoices.iter().map(|invoice| invoice.due_at.unwrap_or(invoice.opened_at)).min() else {
        return Stands::Grace { until: None, why: format!("{} is {word} without an open invoice", sub.id) };
    };
    let until = oldest + TimeDelta::days(rules.payment_grace_days);
    let attempt = invoices.iter().filter_map(|invoice| invoice.next_attempt_at).max();
    if now < until {
        return Stands::Grace {
            until: Some(until),
            why: format!("{} is {word} since {}", sub.id, oldest.date_naive()),
        };
    }
    if let Some(attempt) = attempt {
        if rules.payment_grace_strict && may_cut_off(now, rules, member, billed) {
            return Stands::Grace {
                until: None,
                why: format!("{} is {word}; the days of grace are over, so it is cancelled", sub.id),
            };
        }
        return Stands::Grace {
            until: Some(attempt.max(until)),
            why: format!("{} is {word}; Stripe will try again on {}", sub.id, attempt.date_naive()),
        };
    }
    let ended = Ended { ended: until, due: until, because: EndedBecause::PaymentFailed, stated: false, approval: None };
    after_letter(now, member, billed, ended)
}

/// Promise 1 for money: no sooner than 3 days after an accepted letter of this
/// spell, or by approval where there is no way to reach them.
fn after_letter(now: Moment, member: &Member, billed: &Billed, ended: Ended) -> Stands {
    let waiting = |until: Option<Moment>, why: &str| Stands::Grace { until, why: format!("{}: {why}", billed.now.id) };
    match member.unpaid.as_ref().filter(|spell| spell.subscription == billed.now.id) {
        None => waiting(None, "unpaid; the letter about it comes first"),
        Some(spell) => match spell.told_at.map(|told| told + AFTER_LETTER) {
            Some(stood) if now < stood => waiting(Some(stood), "unpaid; the letter about it is younger than 3 days"),
            Some(stood) => match spell.promised_end.filter(|promised| now < *promised) {
                Some(promised) => waiting(Some(promised), "unpaid; the day that the letter promised isn't over"),
                None => Stands::Ended(Ended { due: ended.due.max(stood), ..ended }),
            },
            None if spell.no_channel => Stands::Ended(Ended {
                approval: Some("payment failed and there is no way to write to them".into()),
                ..ended
            }),
            None => waiting(None, "unpaid; the letter about it has not been accepted yet"),
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
        || billed.tier.is_none()
        || billed.vanished.is_some()
    {
        return false;
    }
    let oldest = sub.open_invoices.iter().flatten().map(|invoice| invoice.due_at.unwrap_or(invoice.opened_at)).min();
    let over = oldest.is_some_and(|oldest| now >= oldest + TimeDelta::days(rules.payment_grace_days));
    let spell = member.unpaid.as_ref().filter(|spell| spell.subscription == sub.id);
    let stood = |spell: &crate::ledger::UnpaidSpell| {
        spell.told_at.is_some_and(|told| now >= told + AFTER_LETTER)
            && spell.promised_end.is_none_or(|promised| now >= promised)
    };
    over && spell.is_some_and(stood)
}

/// Over, and followed by another: what became of it says nothing any more.
#[must_use]
pub fn is_superseded(member: &Member, billed: &Billed) -> bool {
    let over = matches!(billed.now.status, Status::Canceled | Status::IncompleteExpired);
    let Some(ended) = billed.now.ended_at.filter(|_| over) else { return false };
    let began = |status: &Status| !matches!(status, Status::Incomplete | Status::IncompleteExpired);
    member.subscriptions.values().any(|other| other.now.created >= ended && began(&other.now.status))
}

/// What a subscription's prices mean here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It buys this tier.
    Tier(String),
    /// A price of ours, but no tier says what it buys: held and told.
    NoTier,
    /// Not ours: ignored, counted, said once.
    Foreign,
}

/// R1 *price of ours*: named in a tier, or its product is named in
/// `STRIPE_PRODUCTS`, carries `usher_*` metadata or has another price of ours.
#[must_use]
pub fn match_tier(rules: &Rules, catalogue: Option<&Catalogue>, sub: &Subscription) -> Match {
    let mut ours = false;
    for item in &sub.items {
        if let Some(tier) = rules.tiers.all().iter().find(|tier| tier.prices.contains(&item.price)) {
            return Match::Tier(tier.name.clone());
        }
        let product = item.product.as_ref().or_else(|| catalogue.and_then(|known| known.prices.get(&item.price)));
        let Some(product) = product else { continue };
        if let Some(tier) = tier_by_product(&rules.tiers, catalogue, product) {
            return Match::Tier(tier);
        }
        ours |= is_product_of_ours(rules, catalogue, product);
    }
    match (rules.tiers.default_tier(), ours) {
        (_, false) => Match::Foreign,
        (Some(tier), true) => Match::Tier(tier.name.clone()),
        (None, true) => Match::NoTier,
    }
}

/// Prices can't be changed, only replaced: an old price of a product whose
/// other price stands in exactly one tier buys that tier.
fn tier_by_product(tiers: &Tiers, catalogue: Option<&Catalogue>, product: &ProductId) -> Option<String> {
    let siblings: Vec<&PriceId> =
        catalogue?.prices.iter().filter(|(_, of)| *of == product).map(|(price, _)| price).collect();
    let mut hits = tiers.all().iter().filter(|tier| siblings.iter().any(|price| tier.prices.contains(*price)));
    match (hits.next(), hits.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    }
}

fn is_product_of_ours(rules: &Rules, catalogue: Option<&Catalogue>, product: &ProductId) -> bool {
    if rules.products.contains(product) {
        return true;
    }
    let Some(catalogue) = catalogue else { return false };
    let marked = catalogue
        .products
        .get(product)
        .is_some_and(|product| product.metadata.keys().any(|key| key.starts_with("usher_")));
    marked || (nothing_is_named(rules, catalogue) && only_product(catalogue) == Some(product))
}

fn nothing_is_named(rules: &Rules, catalogue: &Catalogue) -> bool {
    rules.products.is_empty()
        && rules.tiers.all().iter().all(|tier| tier.prices.is_empty())
        && !catalogue.products.values().any(|product| product.metadata.keys().any(|key| key.starts_with("usher_")))
}

fn only_product(catalogue: &Catalogue) -> Option<&ProductId> {
    let mut products: Vec<&ProductId> = catalogue.prices.values().collect();
    products.sort();
    products.dedup();
    match products.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}
