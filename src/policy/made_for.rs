//! R6: what Usher made is over with what it was made for.
//!
//! Promises: what a share was made for stands in the book from the intent on;
//! a further reason that comes to stand is added; when all of it is over and no
//! other reason stands, the share or invite ends, whatever the dates say. What
//! can't be told, and what is somebody else's now, is not over.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{
    Rules, Scene, World,
    paying::{self, Stands},
    reasons::{self, Standing},
};
use crate::facts::{Moment, ShareId, Status, SubscriptionId};
use crate::ledger::{Act, Book, EndCause, GrantKind, Intent, InviteOut, MadeFor, Member};
use crate::member::MemberId;

/// An invite that was given up may show for so long after its last try.
pub(super) const SHOWS_WITHIN: TimeDelta = TimeDelta::hours(1);
/// One that plex.tv refused is known by the date of its row, however late a
/// listing shows it: a listing that lacks people may do so for days.
const REFUSED_SHOWS_WITHIN: TimeDelta = TimeDelta::days(30);

impl Standing {
    /// What an invite that is sent now is made for: every reason that stands.
    #[must_use]
    pub fn made_for(&self) -> BTreeSet<MadeFor> {
        self.reasons.iter().map(|reason| reason.of.clone()).collect()
    }
}

/// Why the share or invite that stands is over, if all that Usher made it for is.
#[must_use]
pub fn over(scene: Scene<'_>, member: &Member) -> Option<EndCause> {
    let share = member.share.as_ref()?;
    let made_for = member.made_for.get(&share.id()).filter(|_| member.has_made_share())?;
    let mut last: Option<(Moment, EndCause)> = None;
    for reason in made_for {
        let over = match reason {
            MadeFor::Subscription(id) => subscription_over(scene, member, id)?,
            MadeFor::Grant { kind, since } => grant_over(scene, member, *kind, *since)?,
        };
        last = last.filter(|(at, _)| *at >= over.0).or(Some(over));
    }
    last.map(|(_, cause)| cause)
}

fn subscription_over(scene: Scene<'_>, member: &Member, id: &SubscriptionId) -> Option<(Moment, EndCause)> {
    let (holder, billed) = match member.subscriptions.get(id) {
        Some(billed) => (member, billed),
        None => scene.book.members.values().find_map(|other| Some((other, other.subscriptions.get(id)?)))?,
    };
    match paying::stands(scene.now, scene.rules, holder, billed) {
        // What waits for the operator's word isn't over by itself.
        Stands::Ended(ended) if ended.approval.is_none() => {
            let cause = EndCause::Lapsed { subscription: id.clone(), ended: ended.ended, because: ended.because };
            Some((ended.due, cause))
        }
        Stands::Ended(_) | Stands::NotYet | Stands::Paying | Stands::Grace { .. } | Stands::Unknown(_) => None,
    }
}

/// Over, or taken from them, or replaced by another.
fn grant_over(scene: Scene<'_>, member: &Member, kind: GrantKind, since: Moment) -> Option<(Moment, EndCause)> {
    let known = member.grants.iter().find(|grant| grant.kind == kind && grant.since == since);
    let ended = match known {
        Some(grant) => grant.until.filter(|until| *until <= scene.now)?,
        None => member.undo.as_ref().map(|undo| undo.at).max(Some(since))?,
    };
    Some((ended, EndCause::GrantOver { kind, ended }))
}

/// Adds what has come to stand, and writes down what an older book doesn't say
/// where it can be told: one who has only one subscription or grant was let in
/// for that.
pub fn keep(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let scene = Scene { now, rules, book, world };
    let found: Vec<(MemberId, ShareId, BTreeSet<MadeFor>)> = scene
        .book
        .members
        .values()
        .filter(|member| member.has_made_share())
        .filter_map(|member| {
            let share = member.share.as_ref()?.id();
            let known = member.made_for.get(&share);
            let standing = reasons::standing(scene, member).made_for();
            let all = match known {
                Some(known) => known.union(&standing).cloned().collect(),
                None => derived(member)?,
            };
            (known != Some(&all)).then(|| (member.id.clone(), share, all))
        })
        .collect();
    for (id, share, made_for) in found {
        if let Some(member) = book.members.get_mut(&id) {
            member.note_made(share, made_for);
        }
    }
    for member in book.members.values_mut().filter(|member| !member.invites_out.is_empty()) {
        member.invites_out.retain(|out| match out.refused {
            Some(refused) => now - refused < REFUSED_SHOWS_WITHIN,
            None => now - out.at < SHOWS_WITHIN,
        });
    }
}

fn derived(member: &Member) -> Option<BTreeSet<MadeFor>> {
    // What never was paid never let anybody in.
    let never = |status: &Status| matches!(status, Status::Incomplete | Status::IncompleteExpired);
    let paid = member.subscriptions.iter().filter(|(_, billed)| !never(&billed.now.status));
    let subscriptions = paid.map(|(id, _)| MadeFor::Subscription(id.clone()));
    let grants = member.grants.iter().map(|grant| MadeFor::Grant { kind: grant.kind, since: grant.since });
    let all: BTreeSet<MadeFor> = subscriptions.chain(grants).collect();
    (all.len() == 1).then_some(all)
}

/// An intent leaves the book: an invite of which a try may have had an effect
/// may still show, and is ours.
pub fn give_up(book: &mut Book, intent: &Intent) {
    let Act::Invite { to, made_for, .. } = &intent.act else { return };
    let Some(at) = intent.last_try.filter(|_| intent.may_have_had_effect()) else { return };
    if let Some(member) = book.members.get_mut(&intent.member) {
        member.invites_out.push(InviteOut { to: to.clone(), at, made_for: made_for.clone(), refused: None });
    }
}

/// plex.tv refused an invite. It may have made it all the same: a row that
/// appears now, for the very same person, is ours.
pub fn note_refused(now: Moment, book: &mut Book, intent: &Intent) {
    let Act::Invite { to, made_for, .. } = &intent.act else { return };
    let first = intent.first_try.or(intent.last_try);
    let (Some(at), Some(member)) = (first, book.members.get_mut(&intent.member)) else { return };
    member.invites_out.push(InviteOut { to: to.clone(), at, made_for: made_for.clone(), refused: Some(now) });
}
