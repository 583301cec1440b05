//! R6: the life of an invite that waits to be taken up, and the seats.
//!
//! Only invites that Usher made have a life here: one that the operator made in
//! Plex is theirs to take back.

use chrono::{NaiveDate, TimeDelta};

use super::{
    Rules, Scene, World, letters, libraries,
    plan::{Class, Doing, Plan, Problem, Proposal},
    reasons::{self, ReasonKind, Standing},
    sharing,
};
use crate::facts::{Moment, Source};
use crate::ledger::{
    Act, ActKey, Book, EndCause, Grant, GrantKind, IntentState, Letter, Member, NoticeKey, Owed, ShareRecord,
};
use crate::member::MemberId;

/// Days after which a reminder goes out.
const REMIND_ON_DAYS: [i64; 2] = [3, 10];
/// A reminder comes to be owed so long. Later none is: notices that are done
/// are forgotten in the end, and it would go out once more.
const REMINDER_OWED_FOR: TimeDelta = TimeDelta::days(3);
/// A letter about an invite is worth sending for so long, if it still waits:
/// until the next one says it.
pub(super) const INVITE_SHELF: TimeDelta = TimeDelta::days(14);

/// An invite of ours that waits.
fn ours_waiting(member: &Member) -> Option<&ShareRecord> {
    member.share.as_ref().filter(|share| !share.row.is_accepted() && member.made.contains(&share.id()))
}

/// When time alone changes something about it.
pub fn deadlines(scene: Scene<'_>, member: &Member) -> impl Iterator<Item = Moment> {
    let waiting = ours_waiting(member);
    let began = waiting.map(|share| share.first_seen);
    let lapses = waiting.map(|share| lapses_at(scene, member, share));
    let refused = refused_until(scene.now, scene.rules, member);
    let reminders = |began| REMIND_ON_DAYS.into_iter().map(move |days| began + TimeDelta::days(days));
    began.into_iter().flat_map(reminders).chain(lapses).chain(refused)
}

/// When an invite lapses: after `INVITE_DAYS`, and not before the day is over
/// that a reminder has named.
fn lapses_at(scene: Scene<'_>, member: &Member, share: &ShareRecord) -> Moment {
    let due = share.first_seen + TimeDelta::days(scene.rules.invite_days);
    named(scene.book, member, share).map_or(due, |day| due.max(scene.rules.end_of_day(day)))
}

/// The last day of an invite, as the reminders that are out name it.
fn named(book: &Book, member: &Member, share: &ShareRecord) -> Option<NaiveDate> {
    let is_of_this = |key: &&NoticeKey| key.0.contains(&format!("/share-{}-day-", share.id()));
    let out = letters::about_invites(book, &member.id).filter(is_of_this).filter(|key| letters::may_be_out(book, key));
    let day = |key: &NoticeKey| match book.outbox.get(key)?.letter {
        Letter::InviteReminder { lapses, .. } => lapses,
        _ => None,
    };
    out.filter_map(day).max()
}

/// Nothing but grants calls for the invite: it lapses. A payer's never does.
fn lapses(standing: &Standing) -> bool {
    let grant = |kind| matches!(kind, ReasonKind::Granted(kind) if kind != GrantKind::ByHand);
    let only_grants = !standing.reasons.is_empty() && standing.reasons.iter().all(|reason| grant(reason.kind));
    only_grants && standing.unknown.is_empty() && standing.protected.is_none()
}

/// Owes the reminders: on day 3 and on day 10, the later one alone where both
/// have come due.
pub fn remind(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let due: Vec<(MemberId, i64)> = book
        .members
        .values()
        .filter_map(|member| {
            let age = (now - ours_waiting(member)?.first_seen).num_days();
            Some((
                member.id.clone(),
                REMIND_ON_DAYS.into_iter().find(|day| (*day..*day + REMINDER_OWED_FOR.num_days()).contains(&age))?,
            ))
        })
        .collect();
    for (id, day) in due {
        let Some(member) = book.members.get(&id) else { continue };
        let standing = reasons::standing(Scene { now, rules, book, world }, member);
        let Some(share) = ours_waiting(member).filter(|_| standing.is_in()) else { continue };
        let Some(address) = share.row.email.as_ref().or(member.access_email()).cloned() else { continue };
        let end = rules.day_of(share.first_seen + TimeDelta::days(rules.invite_days));
        let end = named(book, member, share).map_or(end, |named| named.max(end));
        let letter = Letter::InviteReminder {
            libraries: libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known)),
            address,
            days_ago: (now - share.first_seen).num_days(),
            lapses: lapses(&standing).then_some(end),
        };
        let occasion = format!("share-{}-day-{day}", share.id());
        let owed = Owed::to_member(member, occasion, letter, INVITE_SHELF);
        book.owe(owed, rules.ways, now);
    }
}

/// An invite that has waited for `INVITE_DAYS`: a grant's is taken back, which
/// uses the grant up; a payer's stays, and the operator is told.
pub fn lapse(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) -> Option<Proposal> {
    let share = ours_waiting(member)?;
    let due = lapses_at(scene, member, share);
    if scene.now < due || !standing.is_in() {
        return None;
    }
    let days = scene.rules.invite_days;
    if standing.has_stripe_reason() {
        plan.problems.push(Problem {
            key: format!("invite/{}/{}", member.id, share.id()),
            title: format!("{} pays and has not taken up the invite for {days} days", member.name()),
            detail: "The invite stays, and so does the subscription.".into(),
            what_to_do: format!("Ask them whether their Plex account has another address; `usher why {}`.", member.id),
        });
    }
    lapses(standing).then(|| Proposal {
        key: ActKey::new("end", &member.id, &format!("{}-lapsed", share.id())),
        member: member.id.clone(),
        class: Class::CancelInvite,
        what: format!("take back the invite of {}", member.name()),
        because: format!("it was not taken up for {days} days (INVITE_DAYS)"),
        rests_on: [Source::Plex].into(),
        due,
        approval: None,
        unwarned: None,
        doing: Doing::Act(Act::End { share: share.id(), cause: EndCause::InviteLapsed { days } }),
    })
}

/// What the operator hears of an invite that lapsed.
pub fn tell_lapsed(now: Moment, rules: &Rules, book: &mut Book, member: &Member, days: i64) {
    let letter = Letter::Attention {
        title: format!("{} did not take up the invite", member.name()),
        detail: format!("It waited for {days} days and was taken back; what was granted is used up."),
        what_to_do: "Nothing, if that is right. A new grant invites them again.".into(),
    };
    book.owe(Owed::to_operator(Some(&member.id), format!("lapsed-{}", now.timestamp()), letter), rules.ways, now);
}

/// Plex refused their invite in every way that there is: nothing is on its way
/// to them, and so it holds neither a seat nor a code's use (RULES R6).
#[must_use]
pub fn is_refused(member: &Member) -> bool {
    member.share.is_none() && member.invite_refused.is_some() && sharing::invite_to(member).is_none()
}

/// The grants that call for an invite which Plex refuses.
fn refused_grants(now: Moment, member: &Member) -> impl Iterator<Item = &Grant> {
    let calls = |grant: &&Grant| matches!(grant.kind, GrantKind::Complimentary | GrantKind::Grandfathered);
    let is_refused = is_refused(member) && member.blocked.is_none();
    member.grants.iter().filter(move |grant| is_refused && grant.stands(now)).filter(calls)
}

/// A guest whom Plex refuses to invite, and why (RULES R2: *unmatched*).
#[must_use]
pub fn refused_guest(now: Moment, member: &Member) -> Option<String> {
    refused_grants(now, member).next()?;
    Some(format!("Plex refused the invite: {}", member.invite_refused.as_ref()?.why))
}

/// Told while it lasts, with what to mend.
pub fn tell_refused(scene: Scene<'_>, member: &Member, plan: &mut Plan) {
    let Some(why) = refused_guest(scene.now, member) else { return };
    if member.has_running_subscription() {
        return; // Told as a payer who isn't in.
    }
    let lapses = scene.rules.day_of(refused_until(scene.now, scene.rules, member).unwrap_or(scene.now));
    plan.problems.push(Problem {
        key: format!("refused/{}", member.id),
        title: format!("{} can't be invited", member.name()),
        detail: format!("{why}. What was granted holds no seat, and lapses on {lapses}."),
        what_to_do: "Is the address right? `usher invite` with the address of their Plex account invites them there; \
                     a code is typed in again with the right one."
            .into(),
    });
}

/// When the grants of somebody whom Plex refuses lapse.
fn refused_until(now: Moment, rules: &Rules, member: &Member) -> Option<Moment> {
    let since = refused_grants(now, member).map(|grant| grant.since).max()?;
    let returned = member.gone.as_ref().map(|gone| gone.at);
    Some(returned.map_or(since, |returned| since.max(returned)) + TimeDelta::days(rules.invite_days))
}

/// A grant of which Plex refuses the invite lapses like one that nobody takes up.
pub fn lapse_refused(now: Moment, rules: &Rules, book: &mut Book) {
    let due = |member: &&Member| refused_until(now, rules, member).is_some_and(|due| now >= due);
    let lapsed: Vec<MemberId> = book.members.values().filter(due).map(|member| member.id.clone()).collect();
    for id in lapsed {
        let Some(member) = book.members.get_mut(&id) else { continue };
        let why = member.invite_refused.as_ref().map(|refused| refused.why.clone()).unwrap_or_default();
        member.grants.retain(|grant| {
            !matches!(grant.kind, GrantKind::Complimentary | GrantKind::Grandfathered) || !grant.stands(now)
        });
        member.note(now, format!("what was granted lapsed: Plex refused the invite for {} days", rules.invite_days));
        let letter = Letter::Attention {
            title: format!("{} could not be invited", member.name()),
            detail: format!(
                "Plex refused the invite for {} days ({why}); what was granted is used up.",
                rules.invite_days
            ),
            what_to_do: "Nothing, or a new grant with the address of their Plex account.".into(),
        };
        book.owe(Owed::to_operator(Some(&id), format!("refused-{}", now.timestamp()), letter), rules.ways, now);
    }
}

/// Seats that nobody has, is invited to, or is about to be; `None` = no limit.
#[must_use]
pub fn seats_free(scene: Scene<'_>) -> Option<usize> {
    let pays = Member::has_running_subscription;
    let comes = |member: &Member| {
        member.gone.is_none()
            && !is_refused(member)
            && (pays(member) || member.grants.iter().any(|grant| grant.stands(scene.now)))
    };
    let sits = |member: &&Member| member.share.is_some() || (member.blocked.is_none() && comes(member));
    Some(scene.rules.seats?.saturating_sub(scene.book.members.values().filter(sits).count()))
}

/// `SEATS` full: no invites. People with access and people invited have a
/// seat; what is free goes to the oldest due, and an invite that was tried
/// already keeps its place until it is read back.
pub fn keep_seats(scene: Scene<'_>, plan: &mut Plan) {
    let Some(seats) = scene.rules.seats else { return };
    let taken = scene.book.members.values().filter(|member| member.share.is_some()).count();
    let mut free = seats.saturating_sub(taken);
    let tried = |proposal: &Proposal| {
        let intent = scene.book.intents.get(&proposal.key);
        intent.is_some_and(|intent| matches!(intent.state, IntentState::Attempted { .. }))
    };
    let is_invite = |proposal: &Proposal| matches!(proposal.class, Class::Invite { .. });
    free = free.saturating_sub(plan.proposals.iter().filter(|p| is_invite(p) && tried(p)).count());
    let mut without: Vec<String> = Vec::new();
    plan.proposals.retain(|proposal| {
        if !is_invite(proposal) || tried(proposal) {
            return true;
        }
        if free > 0 {
            free -= 1;
            return true;
        }
        without.push(scene.book.members.get(&proposal.member).map(Member::name).unwrap_or_default());
        false
    });
    if !without.is_empty() {
        plan.problems.push(Problem {
            key: "seats".into(),
            title: format!("All seats are taken (SEATS={seats})"),
            detail: format!("Nobody is invited until one is free. Without a seat: {}.", without.join(", ")),
            what_to_do: "Raise SEATS, or give those who paid their money back.".into(),
        });
    }
}
