//! R10: what a payer hears of the life of their subscription: a trial that
//! ends, a cancellation that came in or was taken back, another tier.
//!
//! Level-triggered: how the subscription stands is compared with what they
//! were last told of it ([`Heard`]). What was there before anybody was told
//! anything is taken as it stands, without a letter; so is what the operator
//! or a rule of this house did, of which they hear otherwise.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Rules, Scene, World, letters, libraries, paying,
    reasons::{self, Standing},
    sharing,
};
use crate::facts::{Email, Moment, SectionId, SectionSet, Status, SubscriptionId};
use crate::ledger::{
    Act, Audience, Billed, Book, Delivery, Heard, HeardEnd, Letter, Member, NoticeKey, Owed, Payer, ShareRecord,
};
use crate::member::MemberId;

/// Stripe's own `trial_will_end` comes so long before; a shorter trial is told
/// of at its start.
const TRIAL_TOLD_BEFORE: TimeDelta = TimeDelta::days(3);
/// News of this kind is worth sending for so long.
pub(super) const NEWS_SHELF: TimeDelta = TimeDelta::days(14);

/// Owes what is new to the payer of each subscription.
pub fn tell(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let lives = |billed: &&Billed| billed.now.status.is_running() && billed.vanished.is_none();
    let all = book.members.values().flat_map(|member| {
        let lives = member.subscriptions.values().filter(lives);
        lives.map(|billed| (member.id.clone(), billed.now.id.clone()))
    });
    let all: Vec<(MemberId, SubscriptionId)> = all.collect();
    for (id, subscription) in all {
        let Some(member) = book.members.get(&id) else { continue };
        let Some(billed) = member.subscriptions.get(&subscription) else { continue };
        if paying::is_superseded(member, billed) || is_being_cancelled(book, &subscription) {
            continue;
        }
        if let Some(heard) = news(now, rules, world, book, &id, &subscription) {
            let known = book.members.get_mut(&id).and_then(|member| member.subscriptions.get_mut(&subscription));
            if let Some(billed) = known {
                billed.heard = Some(heard);
            }
        }
    }
}

/// Our own call is under way: its confirmation says what they hear of it.
fn is_being_cancelled(book: &Book, id: &SubscriptionId) -> bool {
    let this = |act: &Act| matches!(act, Act::Cancel { subscription, .. } if subscription == id);
    book.intents.values().any(|intent| intent.was_tried() && this(&intent.act))
}

/// What they know from now on; `None` where that is what they knew.
fn news(
    now: Moment,
    rules: &Rules,
    world: &World,
    book: &mut Book,
    id: &MemberId,
    subscription: &SubscriptionId,
) -> Option<Heard> {
    let member = book.members.get(id)?.clone();
    let billed = member.subscriptions.get(subscription)?;
    let standing = reasons::standing(Scene { now, rules, book, world }, &member);
    let Some(was) = &billed.heard else { return Some(as_it_stands(now, billed)) };
    let mut heard = was.clone();
    hear_of_the_end(now, rules, book, &member, billed, &standing, &mut heard);
    hear_of_the_trial(now, rules, book, &member, billed, &mut heard);
    hear_of_the_tier(Scene { now, rules, book, world }, &member, billed, &standing, &mut heard)
        .into_iter()
        .for_each(|owed| drop(book.owe(owed, rules.ways, now)));
    (heard != *was).then_some(heard)
}

fn as_it_stands(now: Moment, billed: &Billed) -> Heard {
    let end = billed.now.scheduled_end().map(|at| HeardEnd { at, told: now, notice: None });
    let trial_end = billed.now.trial_end.filter(|end| *end - now <= TRIAL_TOLD_BEFORE);
    Heard { end, trial_end, ..Heard::at_its_start(billed) }
}

fn hear_of_the_end(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    member: &Member,
    billed: &Billed,
    standing: &Standing,
    heard: &mut Heard,
) {
    let sub = &billed.now;
    let known = heard.end.clone();
    // Who was revoked is told of that, not of the cancellation that it took.
    let silent = member.blocked.is_some();
    match (sub.scheduled_end(), known) {
        (Some(end), Some(known)) if rules.day_of(known.at) == rules.day_of(end) => {
            heard.end = Some(HeardEnd { at: end, ..known });
        }
        (Some(end), known) if end > now => {
            if let Some(notice) = known.and_then(|known| known.notice) {
                book.cancel_notice(&notice, "its end was moved", now);
            }
            let on = rules.day_of(end);
            let letter = letters::cancellation(rules, member, standing, &sub.id, on);
            let requested = sub.canceled_at.unwrap_or(now).timestamp();
            let occasion = format!("{}-{requested}-{}", sub.id, end.timestamp());
            let notice = (!silent)
                .then(|| book.owe(to_payer(book, member, billed, occasion, letter, end - now), rules.ways, now));
            if !silent {
                promise(rules, book, member, &sub.id, end);
            }
            heard.end = Some(HeardEnd { at: end, told: now, notice });
        }
        (None, Some(known)) if !sub.is_set_to_end() => {
            heard.end = None;
            let unsent = known.notice.as_ref().is_some_and(|notice| is_certainly_unsent(book, notice));
            if let Some(notice) = known.notice.filter(|_| unsent) {
                book.cancel_notice(&notice, "it was taken back", now);
            } else if !silent {
                let letter = Letter::CancellationUndone { renews: sub.period_end().map(|at| rules.day_of(at)) };
                let occasion = format!("{}-{}", sub.id, known.told.timestamp());
                book.owe(to_payer(book, member, billed, occasion, letter, NEWS_SHELF), rules.ways, now);
            }
        }
        _ => {}
    }
}

/// The day that a letter named as the last is over before anything happens.
pub(super) fn promise(rules: &Rules, book: &mut Book, member: &Member, id: &SubscriptionId, end: Moment) {
    let known = book.members.get_mut(&member.id).and_then(|member| member.subscriptions.get_mut(id));
    if let Some(billed) = known {
        billed.promised_end = Some(rules.end_of_day(rules.day_of(end)));
    }
}

fn is_certainly_unsent(book: &Book, notice: &NoticeKey) -> bool {
    let due = matches!(letters::fate(book, notice), Some(Delivery::Due { .. }));
    due && book.outbox.get(notice).is_some_and(|notice| notice.first_sending.is_none() && !notice.maybe_out)
}

/// Once, three days before; and not where a cancellation has said already that
/// it ends then.
fn hear_of_the_trial(now: Moment, rules: &Rules, book: &mut Book, member: &Member, billed: &Billed, heard: &mut Heard) {
    let sub = &billed.now;
    let soon = |end: &Moment| now < *end && *end - now <= TRIAL_TOLD_BEFORE;
    let Some(end) = sub.trial_end.filter(soon).filter(|_| sub.status == Status::Trialing) else { return };
    if heard.trial_end == Some(end) {
        return;
    }
    heard.trial_end = Some(end);
    if sub.is_set_to_end() || member.blocked.is_some() {
        return;
    }
    let letter = Letter::TrialEnding { on: rules.day_of(end), then: sub.after_trial };
    let occasion = format!("{}-{}", sub.id, end.timestamp());
    book.owe(to_payer(book, member, billed, occasion, letter, end - now), rules.ways, now);
}

/// Told once the share gives what the new price buys, so that what the letter
/// says is so. A tier that was only renamed or edited is no news of theirs; and
/// who isn't in yet hears what they can see when they come in.
fn hear_of_the_tier(
    scene: Scene<'_>,
    member: &Member,
    billed: &Billed,
    standing: &Standing,
    heard: &mut Heard,
) -> Option<Owed> {
    let start = Heard::at_its_start(billed);
    if start.tiers.is_empty() || (start.prices == heard.prices && start.tiers == heard.tiers) {
        return None;
    }
    let is_news = start.prices != heard.prices && start.tiers != heard.tiers && !heard.tiers.is_empty();
    let may_hear = member.has_access() && member.blocked.is_none() && standing.protected.is_none();
    let share = member.share.as_ref().filter(|_| is_news && may_hear);
    let Some(share) = share else {
        (heard.prices, heard.tiers) = (start.prices, start.tiers);
        return None;
    };
    sharing::matching_prices(scene, member, standing).filter(|prices| start.prices.is_subset(prices))?;
    (heard.prices, heard.tiers) = (start.prices, start.tiers);
    let letter = tier_changed(scene, billed, share)?;
    let occasion = format!("{}-{}", billed.now.id, scene.now.timestamp());
    Some(Owed::to_member(member, occasion, letter, NEWS_SHELF))
}

/// What a subscription buys now, of what is open to them; and what else is open,
/// which something else gives.
pub(super) fn tier_changed(scene: Scene<'_>, billed: &Billed, share: &ShareRecord) -> Option<Letter> {
    let known = &scene.book.libraries;
    let open = share.row.libraries(&known.known);
    let tiers = || billed.tiers.iter().filter_map(|tier| scene.rules.tiers.named(tier));
    let bought: Vec<SectionSet> = tiers().filter_map(|tier| libraries::resolve(known, tier).ok()).collect();
    let (bought, also): (BTreeSet<SectionId>, BTreeSet<SectionId>) =
        open.into_iter().partition(|id| bought.iter().any(|bought| bought.ids().contains(id)));
    let may = share.row.downloads == Some(true);
    let downloads = may && tiers().any(|tier| tier.downloads);
    let mut also = libraries::titles(known, &also);
    also.extend((may && !downloads).then(|| "Downloads".to_owned()));
    let tier = scene.rules.tiers.words(&billed.tiers)?;
    Some(Letter::TierChanged { tier, libraries: libraries::titles(known, &bought), downloads, also })
}

/// A money letter: it goes only to that customer's own address at Stripe.
/// Linked by `sub_…`, the customer may be somebody else's: that one's mail.
pub(super) fn to_payer(
    book: &Book,
    member: &Member,
    billed: &Billed,
    occasion: String,
    letter: Letter,
    shelf: TimeDelta,
) -> Owed {
    let customer = &billed.now.customer;
    Owed {
        member: Some(member.id.clone()),
        audience: Audience::Member,
        occasion,
        to: payers_address(book, member, billed),
        customer: Some(customer.clone()),
        letter,
        shelf,
    }
}

/// Where a money letter about this subscription goes.
pub(super) fn payers_address(book: &Book, member: &Member, billed: &Billed) -> Option<Email> {
    payer(book, member, billed).and_then(|payer| payer.mail_to.clone())
}

fn payer<'a>(book: &'a Book, member: &'a Member, billed: &Billed) -> Option<&'a Payer> {
    let customer = &billed.now.customer;
    let elsewhere = || book.by_customer(customer)?.customers.get(customer);
    member.customers.get(customer).or_else(elsewhere)
}

/// A letter about this end has reached (or is on its way to) the very address
/// that access letters go to, within a day of the time at which it would be
/// told once more.
#[must_use]
pub fn was_told_of(book: &Book, member: &Member, billed: &Billed, threshold_days: i64) -> bool {
    let Some(heard) = billed.heard.as_ref().and_then(|heard| heard.end.as_ref()) else { return false };
    let Some(notice) = heard.notice.as_ref().and_then(|notice| book.outbox.get(notice)) else { return false };
    let near = heard.at - heard.told <= TimeDelta::days(threshold_days + 1);
    near && notice.to.is_some() && notice.to.as_ref() == member.access_email()
}
