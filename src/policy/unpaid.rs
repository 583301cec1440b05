//! R4 and R10: the spells of failing subscriptions. Each subscription has its
//! own spell, its own letter and its own time, so that two that fail at once
//! neither hide nor hurry each other.

use chrono::TimeDelta;

use super::{
    Rules, Scene,
    letters::{fate, find_a_way_to, keep_promise},
    life, pausing, paying,
    plan::Problem,
};
use crate::facts::{Invoice, InvoiceId, Moment, Status, SubscriptionId};
use crate::ledger::{Billed, Book, Delivery, Letter, Member, Owed, SpellKind, UnpaidSpell};
use crate::member::MemberId;

/// Money letters are worth sending for so long.
const MONEY_SHELF: TimeDelta = TimeDelta::days(365);

/// Ends spells that were paid, and writes into the others what became of their
/// letters.
pub fn take_note(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get(id) else { return };
    let subscriptions: Vec<SubscriptionId> = member.unpaid.keys().cloned().collect();
    for subscription in subscriptions {
        end_if_paid(now, book, id, &subscription);
        note_letter(now, rules, book, id, &subscription);
    }
}

fn end_if_paid(now: Moment, book: &mut Book, id: &MemberId, subscription: &SubscriptionId) {
    let Some(member) = book.members.get_mut(id) else { return };
    let recovered = member
        .subscriptions
        .get(subscription)
        .is_none_or(|billed| matches!(billed.now.status, Status::Active | Status::Trialing));
    if !recovered {
        return;
    }
    if let Some(spell) = member.unpaid.remove(subscription) {
        member.note(now, format!("{subscription} is unpaid no longer: paid"));
        book.cancel_notice(&spell.notice, "it was paid", now);
    }
}

fn note_letter(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, subscription: &SubscriptionId) {
    let spell = |book: &Book| book.members.get(id).and_then(|member| member.unpaid.get(subscription)).cloned();
    let Some(spell) = spell(book).filter(|spell| spell.told_at.is_none()) else { return };
    if spell.no_channel && !finds_a_way(now, rules, book, id, &spell) {
        return;
    }
    let Some(fate) = fate(book, &spell.notice) else { return };
    let earliest = rules.day_of(now + paying::AFTER_LETTER);
    let until = keep_promise(now, rules, book, &spell.notice, |day| day.max(earliest));
    let promised = until.map(|day| rules.end_of_day(day)).or(spell.promised_end);
    let Some(member) = book.members.get_mut(id) else { return };
    let Some(unpaid) = member.unpaid.get_mut(subscription) else { return };
    unpaid.promised_end = promised;
    unpaid.told_at = fate.accepted_at();
    unpaid.no_channel = matches!(fate, Delivery::NoChannel | Delivery::Refused { .. });
    let spell = unpaid.clone();
    if let Some(billed) = member.subscriptions.get_mut(subscription) {
        pausing::keep_word(rules, billed, &spell);
    }
}

/// Its letter could not be sent, and goes after all now that it can be: to the
/// payer's own address about money, to the member's about a break.
fn finds_a_way(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, spell: &UnpaidSpell) -> bool {
    let Some(member) = book.members.get(id) else { return false };
    let to = match (spell.kind, member.subscriptions.get(&spell.subscription)) {
        (SpellKind::Unpaid, Some(billed)) => life::payers_address(book, member, billed),
        (SpellKind::Unpaid, None) => None,
        (SpellKind::Break | SpellKind::Narrowing, _) => member.access_email().cloned(),
    };
    find_a_way_to(now, rules, book, to, &spell.notice)
}

/// Owes a letter for each subscription that is failing, and opens its spell.
pub fn open_spells(now: Moment, rules: &Rules, book: &mut Book, member: &Member) {
    for billed in member.subscriptions.values().filter(|billed| !paying::is_superseded(member, billed)) {
        let invoice = paying::counts_from(billed);
        let fails = match billed.now.status {
            Status::PastDue | Status::Unpaid => invoice.is_some(),
            Status::Canceled => billed.now.ended_by_failed_payment && billed.ran && !billed.tiers.is_empty(),
            Status::Paused => pausing::cause(now, billed) == pausing::Cause::PaymentFailed && !billed.tiers.is_empty(),
            _ => false,
        };
        if fails {
            open(now, rules, book, member, billed, invoice);
        }
    }
}

fn open(now: Moment, rules: &Rules, book: &mut Book, member: &Member, billed: &Billed, invoice: Option<&Invoice>) {
    let paused_since = pausing::owed_since(billed);
    if let Some(spell) = member.unpaid.get(&billed.now.id) {
        if is_the_same_spell(spell, billed) {
            return;
        }
        book.cancel_notice(&spell.notice, "it spoke of another invoice", now);
    }
    let without_invoice = || match paused_since {
        Some(since) => format!("paused-{}-{}", billed.now.id, since.timestamp()),
        None => format!("ended-{}", billed.now.id),
    };
    let occasion = invoice.map_or_else(without_invoice, |invoice| invoice.id.0.clone());
    let earliest = now + paying::AFTER_LETTER;
    let days = TimeDelta::days(rules.payment_grace_days);
    let owed_since = invoice.map(Invoice::owed_since).or(paused_since);
    let access_until = owed_since.map(|since| rules.day_of((since + days).max(earliest)));
    let (amount, pay_url) = (invoice.map(Invoice::amount), invoice.and_then(|invoice| invoice.hosted_url.clone()));
    let by_themselves = invoice.is_some_and(|invoice| invoice.needs_action);
    let letter = match by_themselves {
        true => Letter::PaymentActionRequired { amount, pay_url, access_until },
        false => Letter::PaymentFailed {
            amount,
            pay_url,
            access_until,
            next_attempt: invoice.and_then(|invoice| invoice.next_attempt_at).map(|at| rules.day_of(at)),
        },
    };
    let notice = book.owe(life::to_payer(book, member, billed, occasion.clone(), letter, MONEY_SHELF), rules.ways, now);
    let (id, word) = (&billed.now.id, billed.now.status.word());
    let why = if by_themselves { " until the payer confirms the payment with their bank" } else { "" };
    let detail = format!("{id} is {word}{why}; they were written to, and keep access while it is sorted out");
    let trouble = Letter::PaymentTrouble { who: member.person(), detail };
    book.owe(Owed::to_operator(Some(&member.id), &occasion, trouble), rules.ways, now);
    let Some(known) = book.members.get_mut(&member.id) else { return };
    known.note(now, format!("a payment for {id} failed; a letter is owed"));
    let spell = UnpaidSpell {
        kind: SpellKind::Unpaid,
        occasion,
        invoice: invoice.map(|invoice| invoice.id.clone()),
        subscription: billed.now.id.clone(),
        notice,
        told_at: None,
        promised_end: access_until.map(|until| rules.end_of_day(until)),
        no_channel: false,
    };
    known.unpaid.insert(billed.now.id.clone(), spell);
}

/// The key may not read invoices (403): since when somebody owes isn't known, so
/// they are neither written to nor ended. The operator hears what to mend.
#[must_use]
pub fn invoices_denied(scene: Scene<'_>) -> Option<Problem> {
    if !are_denied(scene) {
        return None;
    }
    let owes = |billed: &Billed| {
        let paused = billed.now.status == Status::Paused && billed.now.open_invoices.is_none();
        billed.vanished.is_none() && (billed.now.status.is_failing() || paused)
    };
    let who = scene.book.members.values().filter(|member| member.subscriptions.values().any(owes));
    let who: Vec<String> = who.map(|member| format!("{} ({})", member.name(), member.id)).collect();
    (!who.is_empty()).then(|| Problem {
        key: "invoices-denied".into(),
        title: "The Stripe key may not read invoices".into(),
        detail: format!(
            "So it can't be seen since when a payment is owed. Neither written to nor ended meanwhile: {}.",
            who.join(", ")
        ),
        what_to_do: "Give the restricted key the right to read Invoices in Stripe's dashboard; nothing else is needed."
            .into(),
    })
}

/// Whether Stripe refused to show invoices at the last reading.
#[must_use]
pub fn are_denied(scene: Scene<'_>) -> bool {
    scene.world.stripe.value().is_some_and(|billing| billing.invoices_denied)
}

/// The invoice of which the letter spoke is still open; or the subscription
/// has ended since. Another open invoice is another spell: its letter first.
fn is_the_same_spell(spell: &UnpaidSpell, billed: &Billed) -> bool {
    let open = billed.now.open_invoices.as_ref();
    let spoken_of = |id: &InvoiceId| open.is_none_or(|open| open.iter().any(|invoice| invoice.id == *id));
    let is_unpaid = spell.kind == SpellKind::Unpaid;
    is_unpaid && spell.subscription == billed.now.id && spell.invoice.as_ref().is_none_or(spoken_of)
}
