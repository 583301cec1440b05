//! R3: inactivity. Looks at members whose **only** reasons are *by hand* or
//! *complimentary*. Only *observed* time counts, and observed means: of this
//! member. What can't be known leads to no action and is said.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    Rules, Scene, brake,
    reasons::{self, Reason, ReasonKind, Standing},
};
use crate::facts::{Activity, Moment, Section, SectionId, Source, Whole};
use crate::ledger::{Book, GrantKind, Member, Population};
use crate::limits::UNSEEN_SPANS_MAX;
use crate::member::MemberId;

/// A day of grace after joining, coming back or being restored.
const GRACE: TimeDelta = TimeDelta::hours(24);
/// Usher down (or without a good reading) for longer than this: nobody saw
/// whether Tautulli was connected, so the span is blind. Polls that are meant
/// to be rarer are no outage.
const UNSEEN_IS_BLIND_AFTER: TimeDelta = TimeDelta::hours(2);

/// How idle a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idle {
    /// The rule doesn't look at them, for this reason.
    Exempt(&'static str),
    /// It can't be told: no action.
    Unknowable(String),
    /// Whole days of observed time since `since`.
    Days { days: i64, since: Moment },
}

/// How idle this member is now.
#[must_use]
pub fn idle(scene: Scene<'_>, member: &Member, standing: &Standing) -> Idle {
    if let Some(why) = exempt(scene.rules, member, standing) {
        return Idle::Exempt(why);
    }
    if let Some(why) = unknowable(scene, member) {
        return Idle::Unknowable(why);
    }
    match clock_start(scene, member) {
        None => Idle::Unknowable("they never played anything, and Tautulli has no history to measure against".into()),
        Some(since) => Idle::Days { days: counted(scene, member, since).num_days(), since },
    }
}

/// Whether it can't be told at present how idle somebody is whom the rule looks
/// at: what was due for them may still be.
#[must_use]
pub fn is_unknowable(scene: Scene<'_>, member: &MemberId) -> bool {
    let Some(member) = scene.book.members.get(member) else { return false };
    let standing = reasons::standing(scene, member);
    matches!(idle(scene, member, &standing), Idle::Unknowable(_))
}

/// The time since then that counts: observed, of this member too, and not on
/// holiday.
#[must_use]
pub fn counted(scene: Scene<'_>, member: &Member, since: Moment) -> TimeDelta {
    let mut holidays = member.grants.iter().filter(|grant| grant.kind == GrantKind::Holiday).peekable();
    if holidays.peek().is_none() && member.unseen.is_empty() {
        return scene.book.blind.observed(since, scene.now);
    }
    let mut stopped = scene.book.blind.clone();
    stopped.join(&member.unseen, scene.now);
    for holiday in holidays {
        stopped.add(holiday.since, holiday.until.map_or(scene.now, |until| until.min(scene.now)));
    }
    stopped.observed(since, scene.now)
}

fn exempt(rules: &Rules, member: &Member, standing: &Standing) -> Option<&'static str> {
    if standing.protected.is_some() {
        return Some("protected");
    }
    if !member.has_access() {
        return Some("no access");
    }
    if standing.blocked || !standing.unknown.is_empty() {
        return Some("not decided by watching");
    }
    // That letter promises a day until which what they have stays, and after
    // it only a subscription keeps them (R5): watching decides nothing.
    if rules.unmanaged_days.is_some() && member.asked.is_some() {
        return Some("asked to subscribe, which watching doesn't change");
    }
    // What is set to end, ends by itself.
    let pruned = |reason: &Reason| match reason.kind {
        ReasonKind::Granted(kind) => matches!(kind, GrantKind::ByHand | GrantKind::Complimentary),
        ReasonKind::Paying => rules.prune_paying && reason.until.is_none(),
        ReasonKind::Grace => false,
    };
    if standing.reasons.is_empty() || !standing.reasons.iter().all(pruned) {
        return Some("has a reason that watching doesn't end");
    }
    None
}

fn unknowable(scene: Scene<'_>, member: &Member) -> Option<String> {
    let Some(whole) = &scene.world.tautulli.last else { return Some("Tautulli has not been read yet".into()) };
    let activity = &whole.value;
    if !activity.connected {
        return Some("Tautulli is cut off from Plex and records nothing".into());
    }
    if let Some(since) = scene.book.blind.since() {
        return Some(why_blind(scene, since));
    }
    unrecorded(&scene.book.libraries.known, member, activity)
}

/// Tautulli is connected, and yet nothing of it counts.
fn why_blind(scene: Scene<'_>, since: Moment) -> String {
    let drop = scene.world.drops.iter().find(|(population, _)| population.source() == Source::Tautulli);
    let because = brake::identity_failure(scene, Source::Tautulli)
        .or_else(|| drop.map(|(population, drop)| brake::drop_words(*population, drop)))
        .unwrap_or_else(|| "no reading of Tautulli was whole and believed".to_owned());
    format!("{because}. Since {} nothing is known of what is watched", since.format("%Y-%m-%d %H:%M UTC"))
}

/// Why Tautulli, which sees others, records no plays of this member (or not all
/// of them), if it doesn't.
fn unrecorded(known: &BTreeMap<SectionId, Section>, member: &Member, activity: &Activity) -> Option<String> {
    let Some(account) = member.plex else { return Some("plex.tv doesn't say which account it is".into()) };
    let Some(watcher) = activity.people.get(&account) else {
        return Some("Tautulli doesn't list them".into());
    };
    if !watcher.keep_history {
        return Some("Tautulli keeps no history for them".into());
    }
    let libraries = member.share.as_ref()?.row.libraries(known);
    let unlogged = libraries
        .iter()
        .filter_map(|id| known.get(id))
        .find(|section| activity.unlogged_keys.contains(&section.key))?;
    Some(format!("library {:?} is shared with them, and Tautulli keeps no history for it", unlogged.title))
}

/// The latest of: the last play ever seen, access + 24 h, return + 24 h, and,
/// for those who never played, Tautulli's oldest recorded play. A Tautulli that
/// was begun anew knows less than the one before, and another one's history is
/// not of ours: the oldest play only advances, too.
#[must_use]
pub fn clock_start(scene: Scene<'_>, member: &Member) -> Option<Moment> {
    let joined = member.joined().map(|at| at + GRACE);
    let returned = member.returned.map(|at| at + GRACE);
    let history = match member.last_play {
        Some(_) => None,
        None => Some(scene.world.tautulli.value()?.oldest_play?).max(scene.book.marks.history_since),
    };
    [member.last_play, joined, returned, history].into_iter().flatten().max()
}

/// Folds a whole reading of Tautulli that is believed into the book: plays
/// advance, spans that were blind are closed, populations are counted by the
/// caller.
pub fn fold_activity(rules: &Rules, book: &mut Book, whole: &Whole<Activity>) {
    if is_cut_off(&whole.value) {
        open_blind(book, whole.begun);
        return;
    }
    let interval = rules.intervals.get(&Source::Tautulli).copied().unwrap_or(TimeDelta::zero());
    let unseen_after = UNSEEN_IS_BLIND_AFTER.max(interval * 2);
    let last_good = book.marks.last_whole.get(&Source::Tautulli).copied();
    if book.blind.is_blind() {
        book.blind.close(whole.at);
    } else if let Some(last) = last_good.filter(|last| whole.begun - *last > unseen_after) {
        book.blind.add(last, whole.begun);
    }
    note_who_is_seen(book, whole, last_good);
    book.marks.history_since = book.marks.history_since.max(whole.value.oldest_play);
    advance_plays(book, whole);
}

/// Tautulli answers, but says nothing of what plays now.
pub fn is_cut_off(activity: &Activity) -> bool {
    !activity.connected || activity.watching_now.is_none()
}

/// The plays that a reading shows. A play is a play, also where the reading as a
/// whole isn't believed.
pub fn advance_plays(book: &mut Book, whole: &Whole<Activity>) {
    let activity = &whole.value;
    for member in book.members.values_mut() {
        let Some(account) = member.plex else { continue };
        let watching = activity.watching_now.as_ref().is_some_and(|now| now.contains(&account));
        let played = activity.people.get(&account).and_then(|watcher| watcher.last_play);
        advance_play(member, if watching { Some(whole.begun) } else { played.map(|at| at.min(whole.at)) });
    }
}

/// Opens a span for whoever's plays could not be recorded since the last good
/// reading, and closes it for those whose plays are recorded again: meanwhile
/// their clock stands (RULES R3). Whoever was never seen before this reading
/// has no time behind them that counts: nobody knows since when it is so.
fn note_who_is_seen(book: &mut Book, whole: &Whole<Activity>, last_good: Option<Moment>) {
    let Book { libraries, members, .. } = book;
    for member in members.values_mut().filter(|member| member.has_access()) {
        match (unrecorded(&libraries.known, member, &whole.value), member.seen_since) {
            (None, Some(_)) => {}
            (None, None) => {
                member.unseen.close(whole.at);
                member.seen_since = Some(whole.at);
            }
            (Some(_), seen) => {
                member.unseen.open(seen.map_or(Moment::UNIX_EPOCH, |since| last_good.unwrap_or(since).max(since)));
                member.seen_since = None;
            }
        }
        // No clock of theirs begins before their last play.
        if let Some(last_play) = member.last_play {
            member.unseen.forget_before(last_play);
        }
        member.unseen.keep_at_most(UNSEEN_SPANS_MAX);
    }
}

/// The last play only ever advances.
pub fn advance_play(member: &mut Member, played: Option<Moment>) {
    member.last_play = member.last_play.max(played);
}

/// Nothing can be seen since the last good reading (or now).
pub fn open_blind(book: &mut Book, now: Moment) {
    let since = book.marks.last_whole.get(&Source::Tautulli).copied().unwrap_or(now);
    book.blind.open(since);
}

/// What a whole reading counts for continuity.
#[must_use]
pub fn populations(activity: &Activity) -> [(Population, u64); 2] {
    let watchers = activity.people.values().filter(|watcher| watcher.last_play.is_some()).count();
    [(Population::Watchers, watchers as u64), (Population::History, activity.history_total)]
}
