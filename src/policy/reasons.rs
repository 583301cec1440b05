//! R1: who may be in, and why. Access is the union of reasons: ending one
//! touches no other, and an ending names every reason that was checked.

use std::collections::BTreeSet;

use super::{
    Scene, made_for, pausing,
    paying::{self, Ended, Stands},
};
use crate::facts::{Moment, SubscriptionId};
use crate::ledger::{Billed, EndCause, GrantKind, MadeFor, Member};

/// The verdict on a member now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Why they are never narrowed, warned or removed.
    pub protected: Option<String>,
    /// Out, whatever else stands.
    pub blocked: bool,
    /// Every reason that stands.
    pub reasons: Vec<Reason>,
    /// Every paying reason that has ended, the latest last.
    pub ended: Vec<(SubscriptionId, Ended)>,
    /// Grants that are over, and since when.
    pub over: Vec<(GrantKind, Moment)>,
    /// Usher made the share or invite, and all that it was made for is over.
    pub made_over: Option<EndCause>,
    /// What can't be told: nothing is concluded while this isn't empty.
    pub unknown: Vec<String>,
}

/// One reason that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub kind: ReasonKind,
    /// What stands: this subscription, this grant.
    pub of: MadeFor,
    /// In words, with its source.
    pub what: String,
    /// Its end, where it has one.
    pub until: Option<Moment>,
    /// The subscription, for paying and grace.
    pub subscription: Option<SubscriptionId>,
    /// The tiers that it gives.
    pub tiers: BTreeSet<String>,
}

/// The kinds of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReasonKind {
    /// A subscription that is active or in trial.
    Paying,
    /// Unpaid or just ended, not yet out.
    Grace,
    /// A grant in the book.
    Granted(GrantKind),
}

impl Standing {
    /// Some reason stands.
    #[must_use]
    pub fn is_in(&self) -> bool {
        !self.blocked && !self.reasons.is_empty()
    }

    /// A reason that Stripe gives stands.
    #[must_use]
    pub fn has_stripe_reason(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason.kind, ReasonKind::Paying | ReasonKind::Grace))
    }

    /// The tiers that paying and grace give.
    #[must_use]
    pub fn tiers(&self) -> BTreeSet<&str> {
        self.reasons.iter().flat_map(|reason| reason.tiers.iter().map(String::as_str)).collect()
    }

    /// The subscriptions that give a reason now.
    #[must_use]
    pub fn subscriptions(&self) -> BTreeSet<SubscriptionId> {
        self.reasons.iter().filter_map(|reason| reason.subscription.clone()).collect()
    }

    /// The grants that stand now.
    #[must_use]
    pub fn grants(&self) -> BTreeSet<MadeFor> {
        let grants = self.reasons.iter().filter(|reason| matches!(reason.kind, ReasonKind::Granted(_)));
        grants.map(|reason| reason.of.clone()).collect()
    }

    /// Why access ends, when nothing stands and something is known to have
    /// ended. `None` otherwise: a share without a reason and without a known
    /// end is told, never taken.
    #[must_use]
    pub fn end_cause(&self) -> Option<EndCause> {
        if self.protected.is_some() {
            return None;
        }
        if self.blocked {
            return Some(EndCause::Revoked);
        }
        if !self.reasons.is_empty() || !self.unknown.is_empty() {
            return None;
        }
        let lapsed = self.ended.iter().max_by_key(|(_, ended)| ended.due);
        let over = self.over.iter().max_by_key(|(_, over)| *over);
        if let Some((kind, over)) = over.filter(|(_, over)| lapsed.is_none_or(|(_, ended)| ended.due < *over)) {
            return Some(EndCause::GrantOver { kind: *kind, ended: *over });
        }
        let lapsed = lapsed.map(|(subscription, ended)| {
            let (subscription, because) = (subscription.clone(), ended.because);
            EndCause::Lapsed { subscription, ended: ended.ended, because }
        });
        lapsed.or_else(|| self.made_over.clone())
    }

    /// Something that they were in for has ended.
    #[must_use]
    pub fn is_known_to_have_ended(&self) -> bool {
        !self.ended.is_empty() || !self.over.is_empty() || self.made_over.is_some()
    }

    /// One word for lists.
    #[must_use]
    pub fn word(&self, has_access: bool) -> &'static str {
        match self {
            Self { protected: Some(_), .. } => "protected",
            Self { blocked: true, .. } => "blocked",
            _ if self.reasons.iter().any(|reason| reason.kind != ReasonKind::Grace) => "in",
            _ if !self.reasons.is_empty() => "grace",
            _ if !self.unknown.is_empty() => "unknown",
            _ if has_access && !self.is_known_to_have_ended() => "no reason",
            _ if has_access => "ending",
            _ => "out",
        }
    }
}

/// The verdict on a member now.
#[must_use]
pub fn standing(scene: Scene<'_>, member: &Member) -> Standing {
    let mut standing = Standing {
        protected: protected(scene, member),
        blocked: member.blocked.is_some(),
        reasons: Vec::new(),
        ended: Vec::new(),
        over: Vec::new(),
        made_over: made_for::over(scene, member),
        unknown: Vec::new(),
    };
    let counts = |billed: &&Billed| !paying::is_superseded(member, billed);
    for billed in member.subscriptions.values().filter(counts) {
        let id = &billed.now.id;
        let reason = |kind, what: String, until| Reason {
            kind,
            of: MadeFor::Subscription(id.clone()),
            what,
            until,
            subscription: Some(id.clone()),
            tiers: if pausing::gives(scene.now, scene.rules, billed) { billed.tiers.clone() } else { BTreeSet::new() },
        };
        if billed.now.status.is_running() && !billed.tiers.is_empty() {
            let unclear = billed.unclear.iter().map(|price| format!("{price} of {id} is in no tier"));
            standing.unknown.extend(unclear);
        }
        match paying::stands(scene.now, scene.rules, member, billed) {
            Stands::Paying => {
                let what = format!("{} is {}", id, billed.now.status.word());
                standing.reasons.push(reason(ReasonKind::Paying, what, billed.now.scheduled_end()));
            }
            Stands::Grace { until, why, .. } => standing.reasons.push(reason(ReasonKind::Grace, why, until)),
            Stands::NotYet => {}
            Stands::Ended(ended) => standing.ended.push((id.clone(), ended)),
            Stands::Unknown(why) => standing.unknown.push(why),
        }
    }
    for grant in &member.grants {
        if let Some(until) = grant.until.filter(|_| !grant.stands(scene.now)) {
            standing.over.push((grant.kind, until));
            continue;
        }
        let by_code = grant.code.as_ref().map(|_| "by a free code");
        let note = grant.note.as_deref().or(by_code).map_or_else(String::new, |note| format!(" ({note})"));
        standing.reasons.push(Reason {
            kind: ReasonKind::Granted(grant.kind),
            of: MadeFor::Grant { kind: grant.kind, since: grant.since },
            what: format!("{} since {}{note}", words(grant.kind), grant.since.date_naive()),
            until: grant.until,
            subscription: None,
            tiers: grant.tier.iter().cloned().collect(),
        });
    }
    standing
}

/// A grant's kind in words.
#[must_use]
pub fn words(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::ByHand => "shared by hand",
        GrantKind::Grandfathered => "grandfathered",
        GrantKind::Complimentary => "complimentary",
        GrantKind::Extension => "extended",
        GrantKind::Holiday => "on holiday",
    }
}

/// Owner, home users, `ADMIN_EMAIL` and VIPs are never narrowed, warned or
/// removed. Any hit protects.
#[must_use]
pub fn protected(scene: Scene<'_>, member: &Member) -> Option<String> {
    let account = member.plex?;
    if scene.book.identities.owner == Some(account) {
        return Some("the owner".into());
    }
    let home_now = scene.world.plex.value().is_some_and(|friends| friends.home.contains(&account));
    if member.home || home_now {
        return Some("a member of the owner's Plex Home".into());
    }
    if member.email.is_some() && member.email == scene.rules.admin_email {
        return Some("ADMIN_EMAIL".into());
    }
    let vip = scene.book.vips.iter().find(|(entry, bound)| **bound == account && scene.rules.vip_names.contains(entry));
    vip.map(|(entry, _)| format!("VIP_NAMES ({entry})"))
}
