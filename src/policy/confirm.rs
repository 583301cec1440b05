//! Closed by reading, not by a status code: an intent is confirmed when a
//! listing shows its effect, and tried again only when a listing begun well
//! after the try lacks it.

use chrono::TimeDelta;

use super::{Rules, World, letters, libraries, pending, pruning};
use crate::backoff;
use crate::facts::{CancelWhen, Moment, PlexId, ShareId, SubscriptionId};
use crate::ledger::{
    Act, ActKey, Billed, Book, EndCause, EndedBecause, Intent, IntentState, Letter, Member, Owed, Removal,
};

/// plex.tv's listings lag behind writes: a listing begun so long after a try
/// shows what became of it.
pub const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(10);
/// Tries are spaced out up to this.
const RETRY_CAP: std::time::Duration = std::time::Duration::from_secs(900);
const RETRY_BASE: std::time::Duration = std::time::Duration::from_secs(15);

/// Confirms what listings show, and frees what they show not to have happened.
pub fn confirm(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let tried: Vec<ActKey> =
        book.intents.values().filter(|intent| intent.was_tried()).map(|intent| intent.key.clone()).collect();
    for key in tried {
        let Some(intent) = book.intents.get(&key).cloned() else { continue };
        let Some(member) = book.members.get(&intent.member).cloned() else {
            book.intents.remove(&key);
            continue;
        };
        if shows_effect(world, book, &intent, &member) {
            book.intents.remove(&key);
            book.holds.remove(&key);
            done(now, rules, book, &intent, &member);
        } else if shows_no_effect(world, &intent) {
            free(now, book, &key);
        }
    }
}

/// Whether it was tried, and a listing begun well after the try and its
/// outcome was taken. While a call is under way nothing is concluded.
#[must_use]
pub fn shows_no_effect(world: &World, intent: &Intent) -> bool {
    let IntentState::Attempted { at } = intent.state else { return false };
    let settled = world.call_ended.map_or(at, |ended| ended.max(at)) + SETTLED_AFTER;
    !world.calling && world.listed_at(&intent.member).is_some_and(|listed| listed >= settled)
}

/// The try had no effect: it may be tried again, later each time.
fn free(now: Moment, book: &mut Book, key: &ActKey) {
    let Some(intent) = book.intents.get_mut(key) else { return };
    let wait = backoff::delay(RETRY_BASE, RETRY_CAP, intent.tries, &key.0);
    intent.state = IntentState::Decided;
    let again = now + TimeDelta::from_std(wait).unwrap_or(TimeDelta::minutes(15));
    intent.not_before = intent.not_before.max(again);
}

fn shows_effect(world: &World, book: &Book, intent: &Intent, member: &Member) -> bool {
    match &intent.act {
        Act::Invite { .. } => member.share.is_some(),
        Act::Update { share, sections, downloads, .. } => member.share.as_ref().is_some_and(|record| {
            let same = record.row.libraries(&book.libraries.known) == *sections.ids();
            record.row.id == *share && same && downloads.is_none_or(|wanted| record.row.downloads == Some(wanted))
        }),
        Act::End { share, .. } => member.share.as_ref().is_none_or(|record| record.row.id != *share),
        Act::Cancel { subscription, when, .. } => member.subscriptions.get(subscription).is_none_or(|billed| {
            let is_set = *when == CancelWhen::PeriodEnd && billed.now.scheduled_end().is_some();
            is_set || !billed.now.status.is_charging()
        }),
        Act::Uncancel { subscription, .. } => member
            .subscriptions
            .get(subscription)
            .is_none_or(|billed| billed.now.scheduled_end().is_none() || !billed.now.status.is_charging()),
        Act::Unfriend { plex } => is_no_friend_since(world, intent, *plex),
        Act::Forget { .. } => member.forget_at.is_none(),
        Act::Remember { .. } => member.forgotten.is_none(),
    }
}

/// A whole listing begun after the try lacks them.
fn is_no_friend_since(world: &World, intent: &Intent, plex: PlexId) -> bool {
    let IntentState::Attempted { at } = intent.state else { return false };
    let listed = world.plex.last.as_ref().filter(|whole| whole.begun > at);
    listed.and_then(|whole| whole.value.friends.as_ref()).is_some_and(|friends| !friends.contains(&plex))
}

/// What follows from a confirmed action, in the same commit.
fn done(now: Moment, rules: &Rules, book: &mut Book, intent: &Intent, member: &Member) {
    match &intent.act {
        Act::Invite { .. } => invited(now, rules, book, member),
        Act::Update { sections, .. } => {
            let titles = libraries::titles(&book.libraries, sections.ids()).join(", ");
            book.note(&member.id, now, format!("share changed to {titles}: {}", intent.because));
        }
        Act::End { share, cause } => ended(now, rules, book, intent, member, *share, cause),
        Act::Cancel { subscription, when, idle_days: Some(days) } => {
            let known = member.subscriptions.get(subscription);
            if let Some(billed) = known.filter(|_| *when == CancelWhen::PeriodEnd) {
                pruning::tell_cancelled(now, rules, book, member, billed, *days);
            }
            book.removals.push(Removal { at: now, member: member.id.clone(), stated: false });
            book.note(&member.id, now, format!("{subscription} set to end at Stripe: {}", intent.because));
        }
        Act::Cancel { subscription, when, idle_days: None } => {
            let known = book.members.get_mut(&member.id).filter(|known| known.blocked.is_none());
            let billed = known.and_then(|known| known.subscriptions.get_mut(subscription));
            if let Some(billed) = billed.filter(|billed| billed.reversed.is_none()) {
                billed.cut_off = Some(now);
            }
            if let Some(known) = book.members.get_mut(&member.id).filter(|_| *when == CancelWhen::PeriodEnd) {
                known.ends_set.insert(subscription.clone());
            }
            let how = match when {
                CancelWhen::Now => "cancelled",
                CancelWhen::PeriodEnd => "set to end with the paid period",
            };
            book.note(&member.id, now, format!("{subscription} {how} at Stripe: {}", intent.because));
        }
        Act::Uncancel { subscription, .. } => goes_on(now, book, intent, member, subscription),
        Act::Unfriend { .. } => {
            if let Some(known) = book.members.get_mut(&member.id) {
                known.unfriend_at = None;
                known.note(now, "no friend at plex.tv any more");
            }
        }
        Act::Forget { .. } => {
            if let Some(known) = book.members.get_mut(&member.id) {
                known.forgotten = Some(now);
                known.note(now, "deleted in Tautulli");
            }
        }
        Act::Remember { .. } => book.note(&member.id, now, "taken back in Tautulli: what they watch counts again"),
    }
}

/// Who was told of the end hears that it is off; who wasn't hears nothing.
fn goes_on(now: Moment, book: &mut Book, intent: &Intent, member: &Member, subscription: &SubscriptionId) {
    let was_told = letters::was_told_of_an_end(book, &member.id);
    let Some(known) = book.members.get_mut(&member.id) else { return };
    known.ends_set.remove(subscription);
    let heard = known.subscriptions.get_mut(subscription).and_then(|billed| billed.heard.as_mut());
    if let Some(heard) = heard.filter(|_| !was_told) {
        heard.end = None;
    }
    known.note(now, format!("{subscription} goes on at Stripe: {}", intent.because));
}

fn invited(now: Moment, rules: &Rules, book: &mut Book, member: &Member) {
    let Some(share) = &member.share else { return };
    if let Some(known) = book.members.get_mut(&member.id) {
        known.made.insert(share.row.id);
        known.gone = None;
        known.invite_refused = None;
        known.note(now, "invited");
    }
    if share.row.is_accepted() {
        return; // A friend of before: Plex let them in at once, and the welcome says so.
    }
    let Some(address) = member.paying_email().or(share.row.email.as_ref()).or(member.email.as_ref()).cloned() else {
        return;
    };
    let libraries = libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known));
    let running = member.subscriptions.values().find(|billed| billed.now.status.is_running());
    let tier = running.and_then(|billed| rules.tiers.words(&billed.tiers));
    let downloads = share.row.downloads.unwrap_or(false);
    let letter = Letter::Invited { tier, libraries, downloads, address };
    let occasion = format!("share-{}", share.row.id);
    book.owe(Owed::to_member(member, occasion, letter, TimeDelta::days(3)), rules.ways, now);
}

fn ended(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    intent: &Intent,
    member: &Member,
    share: ShareId,
    cause: &EndCause,
) {
    let had_access = member.undo.as_ref().is_some_and(|undo| undo.share.is_accepted());
    if !had_access {
        book.note(&member.id, now, format!("invite taken back: {}", intent.because));
        if let EndCause::InviteLapsed { days } = cause {
            pending::tell_lapsed(now, rules, book, member, *days);
        }
        return;
    }
    let stated = is_stated(member, cause);
    book.removals.push(Removal { at: now, member: member.id.clone(), stated });
    book.note(&member.id, now, format!("removed: {}", intent.because));
    // R3: what Tautulli keeps is deleted after idleness only; who stopped
    // paying may pay again tomorrow.
    if let (Some(days), Some(known)) = (rules.unfriend_days, book.members.get_mut(&member.id)) {
        known.unfriend_at = Some(now + TimeDelta::days(days));
    }
    let forgets = rules.forget_days.filter(|_| matches!(cause, EndCause::Idle { .. }));
    if let (Some(days), Some(known)) = (forgets, book.members.get_mut(&member.id)) {
        known.forget_at = Some(now + TimeDelta::days(days));
    }
    letters::owe_removed(now, rules, book, member, share, cause, &intent.because);
}

/// Stripe itself said that this is over: such a removal uses up nothing of the
/// day's budget (R9.9).
pub(super) fn is_stated(member: &Member, cause: &EndCause) -> bool {
    match cause {
        EndCause::Lapsed { because, subscription, .. } => {
            let said = |billed: &Billed| billed.now.ended_at.is_some() && billed.is_ended_by_stripe();
            let over = member.subscriptions.get(subscription).is_some_and(said);
            over || *because == EndedBecause::TrialEnded
        }
        EndCause::Idle { .. }
        | EndCause::Unmanaged { .. }
        | EndCause::InviteLapsed { .. }
        | EndCause::Revoked
        | EndCause::GrantOver { .. } => false,
    }
}
