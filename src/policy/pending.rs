//! R6: the life of an invite that waits to be taken up, and the seats.
//!
//! Only invites that Usher made have a life here: one that the operator made in
//! Plex is theirs to take back.

use chrono::TimeDelta;

use super::{
    Rules, Scene, World, libraries,
    plan::{Class, Doing, Plan, Problem, Proposal},
    reasons::{self, ReasonKind, Standing},
};
use crate::facts::{Moment, Source};
use crate::ledger::{Act, ActKey, Book, EndCause, GrantKind, IntentState, Letter, Member, Owed, ShareRecord};
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
    member.share.as_ref().filter(|share| !share.row.is_accepted() && member.made.contains(&share.row.id))
}

/// When time alone changes something about it.
pub fn deadlines(scene: Scene<'_>, member: &Member) -> impl Iterator<Item = Moment> {
    let began = ours_waiting(member).map(|share| share.first_seen);
    let days = REMIND_ON_DAYS.into_iter().chain([scene.rules.invite_days]);
    began.into_iter().flat_map(move |began| days.clone().map(move |days| began + TimeDelta::days(days)))
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
        let end = share.first_seen + TimeDelta::days(rules.invite_days);
        let letter = Letter::InviteReminder {
            libraries: libraries::titles(&book.libraries, &share.row.libraries(&book.libraries.known)),
            address,
            days_ago: (now - share.first_seen).num_days(),
            lapses: lapses(&standing).then(|| rules.day_of(end)),
        };
        let occasion = format!("share-{}-day-{day}", share.row.id);
        let owed = Owed::to_member(member, occasion, letter, INVITE_SHELF);
        book.owe(owed, rules.ways, now);
    }
}

/// An invite that has waited for `INVITE_DAYS`: a grant's is taken back, which
/// uses the grant up; a payer's stays, and the operator is told.
pub fn lapse(scene: Scene<'_>, member: &Member, standing: &Standing, plan: &mut Plan) -> Option<Proposal> {
    let share = ours_waiting(member)?;
    let due = share.first_seen + TimeDelta::days(scene.rules.invite_days);
    if scene.now < due || !standing.is_in() {
        return None;
    }
    let days = scene.rules.invite_days;
    if standing.has_stripe_reason() {
        plan.problems.push(Problem {
            key: format!("invite/{}/{}", member.id, share.row.id),
            title: format!("{} pays and has not taken up the invite for {days} days", member.name()),
            detail: "The invite stays, and so does the subscription.".into(),
            what_to_do: format!("Ask them whether their Plex account has another address; `usher why {}`.", member.id),
        });
    }
    lapses(standing).then(|| Proposal {
        key: ActKey::new("end", &member.id, &format!("{}-lapsed", share.row.id)),
        member: member.id.clone(),
        class: Class::CancelInvite,
        what: format!("take back the invite of {}", member.name()),
        because: format!("it was not taken up for {days} days (INVITE_DAYS)"),
        rests_on: [Source::Plex].into(),
        due,
        approval: None,
        unwarned: None,
        doing: Doing::Act(Act::End { share: share.row.id, cause: EndCause::InviteLapsed { days } }),
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

/// Seats that nobody has, is invited to, or is about to be; `None` = no limit.
#[must_use]
pub fn seats_free(scene: Scene<'_>) -> Option<usize> {
    let pays = Member::has_running_subscription;
    let comes = |member: &Member| {
        member.gone.is_none() && (pays(member) || member.grants.iter().any(|grant| grant.stands(scene.now)))
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
