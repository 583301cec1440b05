//! Closed by reading, not by a status code: an intent is confirmed when a
//! listing shows its effect, and tried again only when a listing begun well
//! after the try lacks it, or when it was certainly not done.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Rules, World, letters, libraries, pending, pruning, refusals};
use crate::backoff;
use crate::facts::{CancelWhen, Moment, PlexId, ShareId, Source, SubscriptionId};
use crate::ledger::{
    Act, ActKey, Billed, Book, EndCause, EndedBecause, Intent, IntentState, InviteTo, Letter, MadeFor, Member, Owed,
    Population, Removal,
};

/// A whole reading begun sooner after a call of ours is dropped: it may show
/// half of what the call did.
pub const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(10);
/// plex.tv's listings lag behind writes, by up to two minutes: only a listing
/// begun so long after a try shows that it had no effect (DESIGN §1).
pub const LISTED_WITHIN: TimeDelta = TimeDelta::seconds(150);
/// While a try waits to be shown, listings are taken so long after it, in seconds.
const LISTED_AGAIN: [i64; 5] = [3, 10, 30, 70, 150];
/// From this try on, only the listing that must show it is taken early.
const LISTED_ONCE_FROM: u32 = 3;
/// A guest's invite that failed is hurried for so long after it was decided. A
/// payer's is hurried for as long as they wait.
const HURRIED_FOR: TimeDelta = TimeDelta::hours(6);

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
        } else if shows_no_effect(now, world, &intent) {
            free(now, book, &key);
        }
    }
}

/// Whether it was tried, and a listing begun well after the try and its
/// outcome was taken. While a call is under way nothing is concluded.
#[must_use]
pub fn shows_no_effect(now: Moment, world: &World, intent: &Intent) -> bool {
    let (Some(tried), false) = (intent.tried_until(), world.calling) else { return false };
    match &intent.act {
        Act::Unfriend { .. } => world.plex.last.as_ref().is_some_and(|whole| whole.begun >= tried + LISTED_WITHIN),
        // While far too few are listed, a row that is lacking shows nothing.
        Act::Invite { .. } if world.drops.contains_key(&Population::Friends) => false,
        _ if intent.service() == Source::Plex => {
            world.listed_at(&intent.member).is_some_and(|listed| listed >= tried + LISTED_WITHIN)
        }
        // Stripe and Tautulli don't lag: the look before the next try sees it.
        _ => now >= tried + SETTLED_AFTER,
    }
}

/// When a try at Stripe or Tautulli has settled by time alone.
#[must_use]
pub fn settles(intent: &Intent) -> Option<Moment> {
    intent.tried_until().filter(|_| intent.service() != Source::Plex).map(|tried| tried + SETTLED_AFTER)
}

/// When the next listing is wanted that may show what became of tries at
/// plex.tv: soon at first, and at last when it must show it.
#[must_use]
pub fn next_listing(world: &World, book: &Book) -> Option<Moment> {
    let at_plex = book.intents.values().filter(|intent| intent.service() == Source::Plex);
    let next = at_plex.filter_map(|intent| {
        let tried = intent.tried_until()?;
        let listed = match intent.act {
            Act::Unfriend { .. } => world.plex.last.as_ref().map(|whole| whole.begun),
            _ => world.listed_at(&intent.member),
        };
        let early = if intent.tries >= LISTED_ONCE_FROM { LISTED_AGAIN.len() - 1 } else { 0 };
        let steps = LISTED_AGAIN.into_iter().skip(early).map(|secs| tried + TimeDelta::seconds(secs));
        steps.filter(|step| listed.is_none_or(|listed| listed < *step)).min()
    });
    // What was refused is read back as well: it may have been done all the same.
    let refused = book.members.values().filter(|member| member.share.is_none()).filter_map(|member| {
        let refused = member.invites_out.iter().filter_map(|out| out.refused).max()?;
        let listed = world.listed_at(&member.id);
        Some(refused + LISTED_WITHIN).filter(|step| listed.is_none_or(|listed| listed < *step))
    });
    next.chain(refused).min()
}

/// The try had no effect: it may be tried again, later each time.
fn free(now: Moment, book: &mut Book, key: &ActKey) {
    let Some(intent) = book.intents.get(key) else { return };
    if matches!(intent.act, Act::Invite { .. }) && intent.hindered.already >= refusals::ALREADY_BELIEVED {
        let said = intent.last_error.clone().unwrap_or_default();
        return refusals::refuse(now, book, key, &format!("{said}, and no listing shows it"));
    }
    let tried = intent.tried_until().unwrap_or(now);
    try_again(now, book, key, tried);
}

/// It was certainly not done, or a listing shows that it had no effect: it is
/// tried again, a minute after the try and then longer each time (RULES R9).
pub fn try_again(now: Moment, book: &mut Book, key: &ActKey, tried: Moment) {
    let Some(intent) = book.intents.get_mut(key) else { return };
    let pays = book.members.get(&intent.member).is_some_and(Member::has_running_subscription);
    let cap = match intent.act {
        Act::Invite { .. } if pays || now - intent.decided < HURRIED_FOR => backoff::HURRIED_CAP,
        Act::Invite { .. } => backoff::LOOP_CAP,
        _ => backoff::AGAIN_CAP,
    };
    intent.state = IntentState::Decided;
    intent.not_before = intent.not_before.max(tried + backoff::again(cap, intent.tries, &intent.key.0));
}

fn shows_effect(world: &World, book: &Book, intent: &Intent, member: &Member) -> bool {
    match &intent.act {
        Act::Invite { .. } => member.share.is_some(),
        Act::Update { share, sections, downloads, .. } => member.share.as_ref().is_some_and(|record| {
            let same = record.row.libraries(&book.libraries.known) == *sections.ids();
            record.id() == *share && same && downloads.is_none_or(|wanted| record.row.downloads == Some(wanted))
        }),
        Act::End { share, .. } => member.share.as_ref().is_none_or(|record| record.id() != *share),
        Act::Cancel { subscription, when, .. } => member.subscriptions.get(subscription).is_none_or(|billed| {
            let sub = &billed.now;
            match when {
                CancelWhen::PeriodEnd => sub.scheduled_end().is_some() || !sub.status.is_charging(),
                // One that is paused isn't cancelled yet.
                CancelWhen::Now => !sub.status.may_charge(),
            }
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
        Act::Invite { to, made_for, .. } => invited(now, rules, book, member, to, made_for),
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
                known.record = None;
                known.note(now, "deleted in Tautulli");
            }
            explain_deleted(now, book, member);
        }
        Act::Remember { .. } => book.note(&member.id, now, "taken back in Tautulli: what they watch counts again"),
    }
}

/// What we deleted in Tautulli ourselves is no drop (R9.5).
fn explain_deleted(now: Moment, book: &mut Book, member: &Member) {
    let Some(record) = member.record else { return };
    let what = format!("{} {}", member.id, now.timestamp());
    book.explain_many(now, Population::History, what.clone(), record.plays);
    if record.watched {
        book.explain(now, Population::Watchers, what);
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

/// An invite of ours is listed: it is noted, and their letter is owed.
pub(super) fn invited(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    member: &Member,
    to: &InviteTo,
    made_for: &BTreeSet<MadeFor>,
) {
    let Some(share) = &member.share else { return };
    if let Some(known) = book.members.get_mut(&member.id) {
        known.note_made(share.id(), made_for.iter().cloned());
        known.gone = None;
        known.invite_refused = None;
        known.note(now, "invited");
    }
    if share.row.is_accepted() {
        return; // A friend of before: Plex let them in at once, and the welcome says so.
    }
    // The address that plex.tv wrote to is that of its row.
    let sent_to = match to {
        InviteTo::Email(email) => Some(email),
        InviteTo::Account(_) => member.email.as_ref(),
    };
    let Some(address) = share.row.email.as_ref().or(sent_to).or(member.paying_email()).cloned() else { return };
    let libraries = libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known));
    let running = member.subscriptions.values().find(|billed| billed.now.status.is_running());
    let tier = running.and_then(|billed| rules.tiers.words(&billed.tiers));
    let downloads = share.row.downloads.unwrap_or(false);
    let letter = Letter::Invited { tier, libraries, downloads, address };
    let occasion = format!("share-{}", share.id());
    book.owe(Owed::to_member(member, occasion, letter, pending::INVITE_SHELF), rules.ways, now);
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
    let was_invite = match &member.gone {
        Some(gone) => gone.was_invite,
        None => member.undo.as_ref().is_none_or(|undo| !undo.share.is_accepted()),
    };
    if was_invite {
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
