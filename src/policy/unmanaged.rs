//! R5: people who were let in by hand, where places need a subscription
//! (`UNMANAGED=require-subscription`). One accepted letter with the way to
//! subscribe and a promised day, then the end. While a paying customer could not
//! be invited, and for two weeks after an invite, nobody hears of it and nobody
//! goes: it could be theirs.

use chrono::TimeDelta;

use super::{
    Rules, Scene, World,
    letters::{fate, find_a_way, keep_promise},
    plan::{Class, Doing, Proposal, unmatched},
    pruning,
    reasons::{self, ReasonKind, Standing},
};
use crate::facts::{Moment, Share, ShareState, Source, SubscriptionId};
use crate::ledger::{Act, ActKey, AskedSpell, Book, Delivery, EndCause, GrantKind, Letter, Member, Owed};
use crate::member::MemberId;

/// So long is the letter worth sending: as long as it is true.
const SHELF: TimeDelta = TimeDelta::days(365);
/// So long a payer has to take up the invite, before only those wait who may be
/// them (RULES R5).
const TIME_TO_ACCEPT: TimeDelta = TimeDelta::days(14);

/// In by hand alone. What can't be told is no answer.
fn is_unmanaged(scene: Scene<'_>, member: &Member, standing: &Standing) -> bool {
    let by_hand = |kind| kind == ReasonKind::Granted(GrantKind::ByHand);
    scene.rules.unmanaged_days.is_some()
        && member.has_access()
        && standing.protected.is_none()
        && !standing.blocked
        && standing.unknown.is_empty()
        && !standing.reasons.is_empty()
        && standing.reasons.iter().all(|reason| by_hand(reason.kind))
}

/// Whether they are in by hand alone, and so asked to subscribe, when this
/// subscription has ended.
#[must_use]
pub fn is_asked_after(rules: &Rules, standing: &Standing, subscription: &SubscriptionId) -> bool {
    let (this, others): (Vec<_>, Vec<_>) =
        standing.reasons.iter().partition(|reason| reason.subscription.as_ref() == Some(subscription));
    let end = this.first().and_then(|reason| reason.until);
    let ends_before = |until: Option<Moment>| until.is_some() && until <= end;
    let mut left = others.into_iter().filter(|reason| !ends_before(reason.until)).peekable();
    rules.unmanaged_days.is_some()
        && standing.protected.is_none()
        && left.peek().is_some()
        && left.all(|reason| reason.kind == ReasonKind::Granted(GrantKind::ByHand))
}

/// Somebody who pays and isn't in: whoever is here by hand could be them. It
/// holds everybody while they could not be invited, and for two weeks after
/// their invite; then only who shares something known with them (see
/// [`super::who`]).
#[must_use]
pub fn hindrance(scene: Scene<'_>) -> Option<String> {
    scene.rules.unmanaged_days?;
    let member = scene.book.members.values().find(|member| {
        let pays = member.has_running_subscription();
        // Whose account is known, and who isn't being invited, is nobody else.
        let known = member.plex.is_some() && !member.is_invited() && member.invite_refused.is_none();
        let had_time = invited_at(member).is_some_and(|at| scene.now - at >= TIME_TO_ACCEPT);
        pays && !member.has_access() && member.blocked.is_none() && !known && !had_time
    })?;
    let why = unmatched(member).unwrap_or_else(|| "not in yet".into());
    Some(format!("{} ({}) pays and is not matched: {why}; anybody here could be them", member.name(), member.id))
}

/// When they were invited for what they pay, also if the invite is gone.
fn invited_at(member: &Member) -> Option<Moment> {
    let began = |row: &Share| match row.state {
        ShareState::Pending { invited_at } => invited_at,
        ShareState::Accepted { .. } => None,
    };
    if let Some(share) = &member.share {
        return Some(began(&share.row).unwrap_or(share.first_seen).max(share.first_seen));
    }
    let gone = member.gone.as_ref().filter(|gone| member.subscriptions.keys().any(|id| gone.standing.contains(id)))?;
    Some(gone.at)
}

/// Asks, or ends.
pub fn propose(scene: Scene<'_>, member: &Member, standing: &Standing, hindrance: Option<&String>) -> Option<Proposal> {
    scene.rules.unmanaged_days?;
    let share = member.share.as_ref().filter(|_| is_unmanaged(scene, member, standing))?;
    let mut proposal = Proposal {
        key: ActKey::new("ask", &member.id, &share.id().to_string()),
        member: member.id.clone(),
        class: Class::Warning,
        what: format!("ask {} to subscribe", member.name()),
        because: "in by hand alone, and places need a subscription (UNMANAGED=require-subscription)".into(),
        rests_on: [Source::Plex, Source::Stripe].into(),
        due: member.joined().unwrap_or(scene.now),
        approval: None,
        unwarned: hindrance.cloned(),
        doing: Doing::AskToSubscribe,
    };
    let Some(spell) = &member.asked else { return Some(proposal) };
    let due = over(scene.rules, spell).filter(|over| scene.now >= *over)?;
    proposal.key = ActKey::new("end", &member.id, &format!("{}-unmanaged", share.id()));
    proposal.class = Class::Removal { stated: false };
    proposal.what = format!("remove {}", member.name());
    proposal.because.push_str("; they were asked, and the day that was promised is over");
    proposal.due = due;
    proposal.unwarned = hindrance.cloned().or_else(|| pruning::charged(member));
    proposal.approval =
        spell.no_channel.then(|| "there is no way to write to them, so they were never asked to subscribe".into());
    let cause = EndCause::Unmanaged { asked: spell.told_at, promised_end: spell.promised_end };
    proposal.doing = Doing::Act(Act::End { share: share.id(), cause });
    Some(proposal)
}

/// When their time is over: the promised day is, and the letter has stood,
/// accepted, for as long. Whoever couldn't be written to is asked about by the
/// operator, as late.
#[must_use]
pub fn over(rules: &Rules, spell: &AskedSpell) -> Option<Moment> {
    let time = TimeDelta::days(rules.unmanaged_days?);
    if spell.no_channel {
        return Some(spell.since + time);
    }
    Some(spell.promised_end?.max(spell.told_at? + time))
}

fn promise(now: Moment, rules: &Rules) -> chrono::NaiveDate {
    rules.day_of(now + TimeDelta::days(rules.unmanaged_days.unwrap_or_default()))
}

/// Owes the letter, which the brake has let through.
pub fn open(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get(id).cloned() else { return };
    let Some(share) = &member.share else { return };
    let letter =
        Letter::Subscribe { until: promise(now, rules), address: member.email.clone(), member: Some(id.clone()) };
    let occasion = format!("share-{}-{}", share.id(), now.timestamp());
    let mut owed = Owed::to_member(&member, occasion, letter, SHELF);
    owed.to = owed.to.filter(|address| !book.is_dead(address));
    let notice = book.owe(owed, rules.ways, now);
    if let Some(member) = book.members.get_mut(id) {
        member.note(now, "is asked to subscribe; a letter is owed");
        member.asked = Some(AskedSpell { since: now, notice, told_at: None, promised_end: None, no_channel: false });
    }
    // This letter's day counts from now on: a warning for not watching, which
    // names an earlier one, is not sent beside it.
    let Some(idle) = member.idle else { return };
    book.cancel_notice(&idle.notice, "they are asked to subscribe", now);
    if let Some(member) = book.members.get_mut(id) {
        member.idle = None;
        member.note(now, "the idle spell is over: they are asked to subscribe");
    }
}

/// Ends what no longer applies, and writes down what became of the letter.
pub fn take_note(now: Moment, rules: &Rules, world: &World, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get(id) else { return };
    let Some(spell) = member.asked.clone() else { return };
    let scene = Scene { now, rules, book, world };
    let standing = reasons::standing(scene, member);
    if !is_unmanaged(scene, member, &standing) {
        if standing.unknown.is_empty() {
            end_spell(now, book, id, &spell);
        }
        return;
    }
    let no_channel = spell.no_channel && !find_a_way(now, rules, book, id, &spell.notice);
    if spell.told_at.is_some() || no_channel {
        return;
    }
    let Some(fate) = fate(book, &spell.notice) else { return };
    let Some(until) = keep_promise(now, rules, book, &spell.notice, |_| promise(now, rules)) else { return };
    let no_channel = matches!(fate, Delivery::NoChannel | Delivery::Refused { .. });
    let Some(member) = book.members.get_mut(id) else { return };
    let Some(asked) = member.asked.as_mut() else { return };
    asked.no_channel = no_channel;
    asked.told_at = fate.accepted_at();
    asked.promised_end = fate.accepted_at().map(|_| rules.end_of_day(until));
    let done = match (fate.accepted_at(), no_channel) {
        (Some(_), _) if rules.ways.dry_run => format!("would have been asked to subscribe before the end of {until}"),
        (Some(_), _) => format!("was asked to subscribe before the end of {until}"),
        (None, true) => "could not be asked to subscribe: there is no way to write to them".to_owned(),
        (None, false) => return,
    };
    member.note(now, done.clone());
    let letter = Letter::Attention {
        title: format!("{} {done}", member.name()),
        detail: "They are in by hand alone (UNMANAGED=require-subscription).".into(),
        what_to_do: format!("Nothing, if that is right; `usher grandfather {id}` lets them stay as they are."),
    };
    book.owe(Owed::to_operator(Some(id), format!("asked-{}", spell.since.timestamp()), letter), rules.ways, now);
}

fn end_spell(now: Moment, book: &mut Book, id: &MemberId, spell: &AskedSpell) {
    let over = "they no longer need to be asked to subscribe";
    book.cancel_notice(&spell.notice, over, now);
    if let Some(member) = book.members.get_mut(id) {
        member.asked = None;
        member.note(now, over);
    }
}
