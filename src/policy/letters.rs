//! R10: letters that the rules themselves owe, and what their acceptance
//! means for a spell. All of it is level-triggered: the same book owes the
//! same letters, each at most once.

use chrono::{NaiveDate, TimeDelta};

use super::{
    Rules, Scene, World,
    inactivity::{self, Idle},
    life, pausing, pruning,
    reasons::{self, ReasonKind, Standing},
    undo, unmanaged, unpaid,
};
use crate::facts::{CancelWhen, Email, Moment, ShareId, SubscriptionId};
use crate::ledger::{Book, Channel, Delivery, EndedBecause, IdleSpell, Letter, Member, MemberTold, NoticeKey, Owed};
use crate::member::MemberId;

/// What became of a letter to a member.
pub(super) fn fate(book: &Book, key: &NoticeKey) -> Option<Delivery> {
    book.outbox.get(key)?.deliveries.get(&Channel::Mail).cloned()
}

/// Writes into the spells what became of their letters, and ends spells whose
/// cause is over. A warning dies with its spell.
pub fn take_note(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    book.move_old_bounces();
    book.close_ways(rules.ways);
    let ids: Vec<MemberId> = book.members.keys().cloned().collect();
    for id in ids {
        end_stale_idle_spell(now, rules, world, book, &id);
        note_idle_warning(now, rules, book, &id);
        unpaid::take_note(now, rules, book, &id);
        unmanaged::take_note(now, rules, world, book, &id);
    }
}

/// Any play ends the spell; so does a reason that watching doesn't end.
/// What can't be known ends nothing; nor does what is merely known better: a
/// look at one person tells the end of an old play, where the listing of all
/// told its beginning.
fn end_stale_idle_spell(now: Moment, rules: &Rules, world: &World, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get(id) else { return };
    let Some(spell) = member.idle.clone() else { return };
    let scene = Scene { now, rules, book, world };
    let standing = reasons::standing(scene, member);
    let over = match inactivity::idle(scene, member, &standing) {
        Idle::Days { since, days } if days >= rules.warn_days && is_older(book, &spell, since) => {
            if let Some(idle) = book.members.get_mut(id).and_then(|member| member.idle.as_mut()) {
                idle.started = since;
            }
            book.rename_holds(id, &pruning::occasion(spell.started), &pruning::occasion(since));
            return;
        }
        Idle::Days { since, .. } if since != spell.started => "they watched again",
        Idle::Exempt(why) if why != "not decided by watching" => "it no longer depends on watching",
        _ => return,
    };
    book.cancel_notice(&spell.notice, over, now);
    if let Some(member) = book.members.get_mut(id) {
        member.idle = None;
        member.note(now, format!("the idle spell is over: {over}"));
    }
}

/// The spell's warning is younger than this play: it belongs to it all the same.
fn is_older(book: &Book, spell: &IdleSpell, since: Moment) -> bool {
    let owed = || book.outbox.get(&spell.notice).map(|notice| notice.created);
    since > spell.started && spell.warned_at.or_else(owed).is_some_and(|warned| since < warned)
}

/// The day that the letter of a spell promises, counted from today for as long
/// as the letter can still say so. One that may be out with a day that is over
/// by now is written anew (RULES R10).
pub(super) fn keep_promise(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    key: &NoticeKey,
    wanted: impl FnOnce(NaiveDate) -> NaiveDate,
) -> Option<NaiveDate> {
    let notice = book.outbox.get(key)?;
    let mut letter = notice.letter.clone();
    let day = letter.promised_day_mut()?;
    let waits = matches!(notice.deliveries.get(&Channel::Mail), Some(Delivery::Due { .. }));
    if waits && (notice.first_sending.is_none() || *day < rules.day_of(now)) {
        *day = wanted(*day);
        let day = *day;
        book.reword(key, letter, now);
        return Some(day);
    }
    Some(*day)
}

/// An access letter that could not be sent for want of a way goes after all
/// once there is one: another address, or SMTP is on. True when it does.
pub(super) fn find_a_way(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, key: &NoticeKey) -> bool {
    let address = book.members.get(id).and_then(Member::access_email).cloned();
    find_a_way_to(now, rules, book, address, key)
}

/// The same for a letter that goes to this address.
pub(super) fn find_a_way_to(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    address: Option<Email>,
    key: &NoticeKey,
) -> bool {
    let Some(address) = address.filter(|address| rules.ways.mail && !book.is_dead(address)) else { return false };
    let Some(notice) = book.outbox.get(key) else { return false };
    let no_way = match notice.deliveries.get(&Channel::Mail) {
        Some(Delivery::NoChannel) => true,
        Some(Delivery::Refused { .. }) => notice.to.as_ref() != Some(&address),
        _ => false,
    };
    if no_way {
        book.send_after_all(key, &address, rules.ways.dry_run, now);
    }
    no_way
}

fn note_idle_warning(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let Some(mut spell) = book.members.get(id).and_then(|member| member.idle.clone()) else { return };
    if spell.no_channel && find_a_way(now, rules, book, id, &spell.notice) {
        spell.no_channel = false;
        if let Some(idle) = book.members.get_mut(id).and_then(|member| member.idle.as_mut()) {
            idle.no_channel = false;
        }
    }
    if spell.warned_at.is_some() || spell.no_channel {
        return;
    }
    let Some(fate) = fate(book, &spell.notice) else { return };
    let Some(until) = keep_promise(now, rules, book, &spell.notice, |_| promise(now, rules)) else { return };
    let told = match (&fate, fate.accepted_at()) {
        (Delivery::Imagined { .. }, _) => MemberTold::DryRun,
        (_, Some(_)) => MemberTold::Accepted,
        (Delivery::NoChannel | Delivery::Refused { .. }, _) => MemberTold::NoChannel,
        _ => return,
    };
    let Some(member) = book.members.get_mut(id) else { return };
    let Some(idle) = member.idle.as_mut() else { return };
    match fate.accepted_at() {
        Some(at) => {
            idle.warned_at = Some(at);
            idle.promised_end = Some(rules.end_of_day(until));
            let was = if rules.ways.dry_run { "would have been" } else { "was" };
            member.note(now, format!("{was} warned: to watch before the end of {until}"));
        }
        None => {
            idle.no_channel = true;
            member.note(now, "could not be warned: there is no way to write to them");
        }
    }
    let days = (now - spell.started).num_days();
    let letter = Letter::Warned {
        who: member.person(),
        idle_days: days,
        until: (told != MemberTold::NoChannel).then_some(until),
        told,
    };
    let warning = spell.notice.0.split('/').nth(2).unwrap_or_default().to_owned();
    book.owe(Owed::to_operator(Some(id), warning, letter), rules.ways, now);
}

/// The day until whose end a warning sent now gives time.
fn promise(now: Moment, rules: &Rules) -> NaiveDate {
    rules.day_of(now + TimeDelta::days(rules.warning_days()))
}

/// Opens an idle spell with its warning, which the brake has let through.
pub fn open_idle_spell(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, spell: Moment, days: i64) {
    let Some(member) = book.members.get(id).cloned() else { return };
    let letter = idle_warning(rules, &member, days, promise(now, rules));
    let mut owed = Owed::to_member(&member, format!("idle-{}", spell.timestamp()), letter, TimeDelta::days(365));
    // A warning dies with its spell. One that begins at the same play again has
    // a warning of its own.
    if book.outbox.contains_key(&owed.key()) {
        owed.occasion = format!("{}-{}", owed.occasion, now.timestamp());
    }
    owed.to = owed.to.filter(|address| !book.is_dead(address));
    let notice = book.owe(owed, rules.ways, now);
    if let Some(member) = book.members.get_mut(id) {
        member.note(now, format!("idle for {days} days; a warning is owed"));
        member.idle =
            Some(IdleSpell { started: spell, notice, warned_at: None, promised_end: None, no_channel: false });
    }
}

/// What a warning says of somebody who has been idle for so many days.
pub(super) fn idle_warning(rules: &Rules, member: &Member, days: i64, until: NaiveDate) -> Letter {
    Letter::InactivityWarning {
        idle_days: days,
        last_play: member.last_play.map(|at| rules.day_of(at)),
        never_watched: member.last_play.is_none(),
        until,
        downloads: member.share.as_ref().and_then(|share| share.row.downloads) != Some(false),
        pays: rules.prune_paying && undo::charging(member).next().is_some(),
    }
}

/// Owes what follows from money: a failed payment, a scheduled end.
pub fn owe_money_letters(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let may_end = |member: &Member| member.grants.iter().any(|grant| grant.until.is_some());
    let was_to_end = |member: &Member| about_an_end(book, &member.id).next().is_some();
    let concerned = |member: &&Member| {
        member.share.is_some() && (!member.subscriptions.is_empty() || may_end(member) || was_to_end(member))
    };
    let ids: Vec<MemberId> = book.members.values().filter(concerned).map(|member| member.id.clone()).collect();
    for id in ids {
        let Some(member) = book.members.get(&id).cloned() else { continue };
        unpaid::open_spells(now, rules, book, &member);
        let Some(member) = book.members.get(&id).cloned() else { continue };
        pausing::open_spells(now, rules, world, book, &member);
        owe_access_ending(now, rules, world, book, &member);
    }
}

/// A letter some days before a scheduled end, if nothing else would keep them in.
fn owe_access_ending(now: Moment, rules: &Rules, world: &World, book: &mut Book, member: &Member) {
    let standing = reasons::standing(Scene { now, rules, book, world }, member);
    // Who isn't in yet has nothing that ends.
    let concerns = standing.protected.is_none() && member.has_access();
    let last = last_end(member, &standing).filter(|_| concerns);
    withdraw_access_ending(now, book, &member.id, last.as_ref().map(|last| last.end));
    let Some(LastEnd { end, day, subscription }) = last else { return };
    let left = end - now;
    if left <= TimeDelta::zero() {
        return;
    }
    let threshold = rules.expiry_warn_days.iter().copied().filter(|days| left <= TimeDelta::days(*days)).min();
    let Some(threshold) = threshold else { return };
    let billed = subscription.as_ref().and_then(|subscription| member.subscriptions.get(subscription));
    let heard = billed.is_some_and(|billed| life::was_told_of(book, member, billed, threshold));
    if heard || has_just_said(book, &member.id, end, threshold) {
        return;
    }
    let days_left = (rules.day_of(day) - rules.day_of(now)).num_days();
    let letter = Letter::AccessEnding { on: rules.day_of(day), days_left, given: subscription.is_none() };
    let mut owed = Owed::to_member(member, format!("{}-{}", end.timestamp(), threshold), letter, left);
    owed.customer = billed.map(|billed| billed.now.customer.clone());
    book.owe(owed, rules.ways, now);
    if let Some(subscription) = subscription {
        life::promise(rules, book, member, &subscription, end);
    }
}

/// A letter about this very end that went out late was accepted so near to this
/// threshold that it has said the same.
fn has_just_said(book: &Book, id: &MemberId, end: Moment, threshold_days: i64) -> bool {
    let this = format!("{}{}-", prefix_about_an_end(id), end.timestamp());
    let near = |at: Moment| end - at <= TimeDelta::days(threshold_days) + TimeDelta::hours(12);
    let accepted = |key: &NoticeKey| fate(book, key).and_then(|fate| fate.accepted_at());
    about_an_end(book, id).filter(|key| key.0.starts_with(&this)).filter_map(accepted).any(near)
}

/// Their cancellation was seen: on which day it ends, and what becomes of their
/// place then.
pub(super) fn cancellation(
    rules: &Rules,
    member: &Member,
    standing: &Standing,
    subscription: &SubscriptionId,
    on: NaiveDate,
) -> Letter {
    let stays = !ends_with(member, standing, subscription);
    let asked = stays && unmanaged::is_asked_after(rules, standing, subscription);
    Letter::CancellationReceived { on, stays, asked }
}

/// Whether access ends when this subscription does.
fn ends_with(member: &Member, standing: &Standing, subscription: &SubscriptionId) -> bool {
    let last = last_end(member, standing).filter(|_| standing.protected.is_none());
    last.is_some_and(|last| last.subscription.as_ref() == Some(subscription))
}

/// The end after which nothing keeps them in.
struct LastEnd {
    end: Moment,
    /// On the last day of access: a grant ends when that day has.
    day: Moment,
    /// Whose end it is; a grant's where there is none.
    subscription: Option<SubscriptionId>,
}

/// Where every reason has an end, the last of them.
fn last_end(member: &Member, standing: &Standing) -> Option<LastEnd> {
    if standing.blocked && member.cancels != Some(CancelWhen::PeriodEnd) {
        return None;
    }
    let ends = |kind| matches!(kind, ReasonKind::Paying | ReasonKind::Granted(_));
    if standing.reasons.iter().any(|reason| reason.until.is_none() || !ends(reason.kind)) {
        return None;
    }
    let last = standing.reasons.iter().max_by_key(|reason| reason.until)?;
    // The revocation that set this end was taken back, and so is the end.
    if !standing.blocked && last.subscription.as_ref().is_some_and(|id| member.ends_set.contains(id)) {
        return None;
    }
    let end = last.until?;
    let day = if last.subscription.is_some() { end } else { end - TimeDelta::seconds(1) };
    Some(LastEnd { end, day, subscription: last.subscription.clone() })
}

/// What was owed about an end that is no longer set is not sent any more.
fn withdraw_access_ending(now: Moment, book: &mut Book, id: &MemberId, end: Option<Moment>) {
    let still = end.map(|end| format!("{}{}-", prefix_about_an_end(id), end.timestamp()));
    let over: Vec<NoticeKey> = about_an_end(book, id)
        .filter(|key| still.as_ref().is_none_or(|still| !key.0.starts_with(still)))
        .cloned()
        .collect();
    for key in over {
        book.cancel_notice(&key, "their access does not end then", now);
    }
}

/// A letter about the end of their access has gone out, or may have.
pub(super) fn was_told_of_an_end(book: &Book, id: &MemberId) -> bool {
    about_an_end(book, id).any(|key| may_be_out(book, key))
}

/// It has gone out, or may have.
pub(super) fn may_be_out(book: &Book, key: &NoticeKey) -> bool {
    let maybe = book.outbox.get(key).is_some_and(|notice| notice.first_sending.is_some());
    maybe || fate(book, key).is_some_and(|fate| fate.accepted_at().is_some())
}

fn prefix_about_an_end(id: &MemberId) -> String {
    format!("{id}/access_ending/")
}

/// Letters that were ever owed about an end of this member's access.
fn about_an_end<'a>(book: &'a Book, id: &MemberId) -> impl Iterator<Item = &'a NoticeKey> {
    with_prefix(book, prefix_about_an_end(id))
}

/// Reminders that were ever owed about an invite of this member's.
pub(super) fn about_invites<'a>(book: &'a Book, id: &MemberId) -> impl Iterator<Item = &'a NoticeKey> {
    with_prefix(book, format!("{id}/invite_reminder/"))
}

fn with_prefix(book: &Book, prefix: String) -> impl Iterator<Item = &NoticeKey> {
    let from = std::ops::Bound::Included(NoticeKey(prefix.clone()));
    let owed = book.outbox.range((from, std::ops::Bound::Unbounded)).map(|(key, _)| key);
    owed.take_while(move |key| key.0.starts_with(&prefix))
}

/// Letters about an ending that was read back.
pub fn owe_removed(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    member: &Member,
    share: ShareId,
    cause: &crate::ledger::EndCause,
    why: &str,
) {
    use crate::ledger::EndCause;
    let day = |at: Option<Moment>| at.map(|at| rules.day_of(at));
    let (occasion, letter) = match cause {
        EndCause::Lapsed { subscription, because, .. } => {
            (format!("ended-{subscription}-{share}"), Letter::AccessEnded { because: *because })
        }
        EndCause::Unmanaged { .. } => {
            (format!("unmanaged-{share}"), Letter::AccessEnded { because: EndedBecause::NoSubscription })
        }
        EndCause::InviteLapsed { .. } => return, // Nobody lost access.
        EndCause::Revoked => {
            (format!("revoked-{}", now.timestamp()), Letter::AccessEnded { because: EndedBecause::Operator })
        }
        EndCause::GrantOver { ended, .. } => {
            (format!("grant-{}-{share}", ended.timestamp()), Letter::AccessEnded { because: EndedBecause::GrantOver })
        }
        EndCause::Idle { spell, days, warned, promised_end } => (
            format!("idle-{}-{share}", spell.timestamp()),
            Letter::RemovedInactive {
                idle_days: *days,
                warned_on: day(*warned),
                // The promised day is the one that ended then.
                was_promised: day(promised_end.map(|end| end - TimeDelta::seconds(1))),
            },
        ),
    };
    let key = book.owe(Owed::to_member(member, &occasion, letter, TimeDelta::days(14)), rules.ways, now);
    let told = match fate(book, &key) {
        Some(Delivery::NoChannel) | None => MemberTold::NoChannel,
        Some(Delivery::Imagined { .. }) => MemberTold::DryRun,
        Some(_) => MemberTold::Queued,
    };
    let checked = member.undo.as_ref().map_or_else(Vec::new, |undo| {
        undo.grants
            .iter()
            .map(|grant| format!("{} since {}", reasons::words(grant.kind), grant.since.date_naive()))
            .collect()
    });
    let undo = format!("usher restore {}", member.id);
    let letter = Letter::Removed { who: member.person(), why: why.to_owned(), checked, told, undo };
    book.owe(Owed::to_operator(Some(&member.id), &occasion, letter), rules.ways, now);
}
