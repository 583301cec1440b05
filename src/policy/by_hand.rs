//! R1 *by hand*: a share or invite that Usher can't show it made. It is frozen
//! at what it was when the first subscription beside it began, and survives
//! that subscription only if the share is older than it.
//!
//! A subscription that was over before the share began has no say in it: who
//! lapsed and was then let in by hand is in by hand, also when Stripe cancels
//! only later what nobody paid.

use super::{
    Rules,
    paying::{self, Stands},
};
use crate::facts::{Moment, Share, ShareState};
use crate::ledger::{Billed, Book, Grant, GrantKind, Member};
use crate::member::MemberId;

/// When a row began, as far as plex.tv says.
fn began(row: &Share) -> Option<Moment> {
    match row.state {
        ShareState::Accepted { accepted_at } => accepted_at,
        ShareState::Pending { invited_at } => invited_at,
    }
}

/// When the share of this row began: no earlier than they were seen gone before
/// it, though plex.tv may keep the day on which the account first came (R6).
fn share_began(now: Moment, member: &Member, row: &Share) -> Moment {
    let after = member.share.as_ref().filter(|share| share.row.id == row.id).and_then(|share| share.began_after);
    began(row).unwrap_or(now).max(after.unwrap_or(Moment::MIN_UTC))
}

/// Whether the subscription was over, or never a reason, when a share began.
fn was_over(now: Moment, rules: &Rules, member: &Member, billed: &Billed, share_began: Moment) -> bool {
    match paying::stands(now, rules, member, billed) {
        Stands::NotYet => true,
        Stands::Ended(ended) => ended.ended <= share_began,
        Stands::Paying | Stands::Grace { .. } | Stands::Unknown(_) => {
            billed.now.ended_at.is_some_and(|ended| ended <= share_began)
        }
    }
}

/// Whether a row that is new now was made in Plex for a subscription.
#[must_use]
pub fn is_for_a_subscription(now: Moment, rules: &Rules, member: &Member, row: &Share) -> bool {
    let share_began = share_began(now, member, row);
    member.subscriptions.values().any(|billed| !was_over(now, rules, member, billed, share_began))
}

/// What a row that is new now gives.
#[must_use]
pub fn grant(now: Moment, rules: &Rules, member: &Member, row: &Share) -> Grant {
    let share_began = share_began(now, member, row);
    let is_over = |billed: &&Billed| {
        was_over(now, rules, member, billed, share_began)
            && paying::stands(now, rules, member, billed) != Stands::NotYet
    };
    let outlived = member.subscriptions.values().filter(is_over).map(|billed| billed.now.id.clone()).collect();
    Grant { outlived, ..Grant::new(GrantKind::ByHand, now) }
}

/// Freezes what was had by hand, once a subscription stands beside it.
pub fn freeze(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let known = book.libraries.known.clone();
    let Some(member) = book.members.get_mut(id) else { return };
    let (Some(joined), Some(share)) = (member.joined(), member.share.clone()) else { return };
    let unfrozen = |kind: GrantKind, libraries: bool| kind == GrantKind::ByHand && !libraries;
    if !member.grants.iter().any(|grant| unfrozen(grant.kind, grant.libraries.is_some())) {
        return;
    }
    let share_began = joined.min(share.first_seen);
    let outlived = |id| member.grants.iter().any(|grant| grant.outlived.contains(id));
    let beside = member.subscriptions.values().filter(|billed| !outlived(&billed.now.id));
    let beside = beside.filter(|billed| !was_over(now, rules, member, billed, share_began));
    let Some(sub_began) = beside.map(|billed| billed.now.created).min() else { return };
    // A share whose date plex.tv doesn't give was here at adoption at the
    // latest: missing data never shortens a life, so it counts as older.
    let older = share_began < sub_began || began(&share.row).is_none();
    if older {
        for grant in member.grants.iter_mut().filter(|grant| unfrozen(grant.kind, grant.libraries.is_some())) {
            grant.libraries = Some(share.row.libraries(&known));
            grant.downloads = share.row.downloads;
        }
        member.note(now, "has a subscription now; what they had by hand before stays theirs");
    } else {
        member.grants.retain(|grant| grant.kind != GrantKind::ByHand);
        member.note(now, "has a subscription that is older than the share; the share stands for it");
    }
}

/// As soon as a subscription stands beside it.
pub fn freeze_all(now: Moment, rules: &Rules, book: &mut Book) {
    let paying: Vec<MemberId> = book
        .members
        .values()
        .filter(|member| !member.subscriptions.is_empty() && !member.grants.is_empty())
        .map(|member| member.id.clone())
        .collect();
    for member in paying {
        freeze(now, rules, book, &member);
    }
}
