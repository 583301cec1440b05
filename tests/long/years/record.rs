//! What truly happened, in the stand-ins' and the town's own words. Nothing in
//! here comes from the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use sandbox::plex::Who;
use sandbox::rig::{Rig, address};
use sandbox::stripe::Status;
use usher::facts::{Moment, PlexId, ShareId};

use super::harm::Libraries;

/// A mail by its subject, at "Attic Cinema".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invited,
    /// Of an invitation.
    Reminder,
    Welcome,
    Warning,
    PaymentFailed,
    Ending,
    Ended,
    Other,
}

impl Kind {
    fn of(subject: &str) -> Self {
        let kinds = [
            ("Your invitation to Attic Cinema is still waiting", Self::Reminder),
            ("Your invitation to", Self::Invited),
            ("Welcome to", Self::Welcome),
            ("Still with us?", Self::Warning),
            ("Your payment for", Self::PaymentFailed),
            ("Your access to Attic Cinema ends on", Self::Ending),
            ("Your access to Attic Cinema has ended", Self::Ended),
        ];
        kinds.iter().find(|(start, _)| subject.starts_with(start)).map_or(Self::Other, |(_, kind)| *kind)
    }
}

/// A mail that was accepted.
#[derive(Debug, Clone)]
pub struct Mail {
    pub at: Moment,
    /// `None` = the operator.
    pub to: Option<PlexId>,
    pub kind: Kind,
    pub message_id: String,
    pub answer_lost: bool,
}

/// How a subscription stood since then.
#[derive(Debug, Clone, Copy)]
pub struct Stood {
    pub since: Moment,
    pub status: Status,
    pub ended_at: Option<Moment>,
    /// Money was the cause of its end.
    pub unpaid: bool,
}

/// A subscription's life.
#[derive(Debug, Clone)]
pub struct Sub {
    pub who: PlexId,
    pub began: Moment,
    pub stood: Vec<Stood>,
}

impl Sub {
    pub fn at(&self, at: Moment) -> Option<&Stood> {
        self.stood.iter().rev().find(|stood| stood.since <= at)
    }

    pub fn pays_at(&self, at: Moment) -> bool {
        self.at(at).is_some_and(|stood| matches!(stood.status, Status::Active | Status::Trialing))
    }
}

/// An accepted share.
#[derive(Debug, Clone)]
pub struct Stay {
    pub who: PlexId,
    pub share: ShareId,
    pub from: Moment,
}

/// A share or invite that somebody else than the daemon ended.
#[derive(Debug, Clone)]
pub struct Left {
    pub at: Moment,
    pub who: PlexId,
}

/// A share or invite that was ended through the API.
#[derive(Debug, Clone)]
pub struct Deletion {
    pub at: Moment,
    pub who: Option<PlexId>,
    pub share: ShareId,
    pub accepted: bool,
    /// How many had access just before.
    pub house: usize,
}

/// An invite through the API.
#[derive(Debug, Clone)]
pub struct Invite {
    pub at: Moment,
    pub who: Option<PlexId>,
    pub share: ShareId,
    pub everything: bool,
}

/// Everybody's name, and whether they must never be touched.
#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    pub protected: bool,
    /// Their mails are refused for good: only the operator may end them.
    pub unreachable: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub people: BTreeMap<PlexId, Known>,
    /// Ends of plays that Tautulli wrote down.
    pub plays: BTreeMap<PlexId, Vec<Moment>>,
    pub subs: BTreeMap<String, Sub>,
    pub stays: Vec<Stay>,
    pub left: Vec<Left>,
    pub deletions: Vec<Deletion>,
    pub invites: Vec<Invite>,
    pub mails: Vec<Mail>,
    /// Tautulli was cut off from Plex.
    pub blind: Vec<(Moment, Moment)>,
    /// The daemon ended, by the plug or by itself.
    pub plugs: Vec<Moment>,
    /// Who plays something in this hour.
    pub playing: BTreeSet<PlexId>,
    /// Warnings so far.
    pub warnings: BTreeMap<PlexId, usize>,
    /// When the operator approved what waited.
    pub approvals: Vec<Moment>,
    /// What each share was seen to give.
    pub libraries: Libraries,
    house: usize,
    counted: BTreeMap<PlexId, usize>,
}

impl Record {
    pub fn name(&self, who: PlexId) -> &str {
        self.people.get(&who).map_or("?", |known| known.name.as_str())
    }

    pub fn mails_to(&self, who: PlexId, kind: Kind) -> impl Iterator<Item = &Mail> {
        self.mails.iter().filter(move |mail| mail.kind == kind && mail.to == Some(who))
    }

    pub fn subs_of(&self, who: PlexId) -> impl Iterator<Item = (&String, &Sub)> {
        self.subs.iter().filter(move |(_, sub)| sub.who == who)
    }

    /// Stripe stated the end of everything they had (RULES R9.9).
    pub fn stripe_states_it(&self, gone: &Deletion) -> bool {
        let over = |sub: &Sub| sub.at(gone.at).is_some_and(|stood| stood.ended_at.is_some());
        gone.who.is_some_and(|who| {
            let mut subs = self.subs_of(who).filter(|(_, sub)| sub.began <= gone.at).peekable();
            subs.peek().is_some() && subs.all(|(_, sub)| over(sub))
        })
    }

    pub fn last_play(&self, who: PlexId, before: Moment) -> Option<Moment> {
        self.plays.get(&who)?.iter().copied().filter(|stop| *stop <= before).max()
    }

    /// How long Tautulli was cut off in between, as far as hourly looks show.
    pub fn blind_between(&self, from: Moment, to: Moment) -> TimeDelta {
        let seen = self.blind.iter().filter(|(since, until)| *until - *since >= TimeDelta::hours(3));
        let within = seen.map(|(since, until)| (*until.min(&to) - *since.max(&from)).max(TimeDelta::zero()));
        within.fold(TimeDelta::zero(), |sum, span| sum + span)
    }

    /// What was played before the record began.
    pub fn played_before(&mut self, rig: &Rig, who: PlexId, stopped: Moment) {
        self.plays.entry(who).or_default().push(stopped);
        self.counted.insert(who, rig.tautulli.plays(who));
    }

    /// They have access, if they do.
    pub fn came_in(&mut self, rig: &Rig, who: PlexId) {
        let Some(share) = rig.plex.share_of(who) else { return };
        if !self.stays.iter().any(|stay| stay.share == share.id) {
            let from = share.accepted_at.unwrap_or(rig.now());
            self.stays.push(Stay { who, share: share.id, from });
        }
    }

    /// How every subscription stands: asked before the hour, since what people
    /// do at its beginning is known to the daemon at once, and after it.
    pub fn see_subs(&mut self, rig: &Rig) {
        let now = rig.now();
        for (id, sub) in &mut self.subs {
            let Some(status) = rig.stripe.status(id) else { continue };
            if sub.stood.last().is_some_and(|stood| stood.status == status) {
                continue;
            }
            let reason = rig.stripe.object(id)["cancellation_details"]["reason"].clone();
            let unpaid = reason == "payment_failed";
            let ended_at = rig.stripe.ended_at(id);
            sub.stood.push(Stood { since: now, status, ended_at, unpaid });
        }
    }

    /// Takes up the last hour. Mails are taken out of the stand-in.
    pub fn take_up(&mut self, rig: &Rig) {
        let now = rig.now();
        for who in std::mem::take(&mut self.playing) {
            let plays = rig.tautulli.plays(who);
            let known = self.counted.insert(who, plays).unwrap_or(0);
            if plays > known {
                self.plays.entry(who).or_default().push(now);
            }
        }
        for who in self.people.keys().copied().collect::<Vec<_>>() {
            self.came_in(rig, who);
        }
        self.see_subs(rig);
        let account = |who: &Who| match who {
            Who::Id(id) => Some(*id),
            Who::Email(_) => None,
        };
        let invites = rig.plex.invites_sent();
        self.invites.extend(invites.iter().skip(self.invites.len()).map(|invite| Invite {
            at: invite.at,
            who: account(&invite.to),
            share: invite.share,
            everything: invite.sections.is_empty(),
        }));
        let deletions = rig.plex.deletions();
        self.deletions.extend(deletions.iter().skip(self.deletions.len()).map(|gone| Deletion {
            at: gone.at,
            who: gone.account,
            share: gone.share,
            accepted: gone.was_accepted,
            house: self.house,
        }));
        self.house = 0;
        for share in rig.plex.shares().iter().filter(|share| share.accepted_at.is_some()) {
            self.house += 1;
            let mut libraries = share.sections.clone();
            libraries.sort();
            let seen = self.libraries.entry(share.id).or_default();
            if !seen.contains(&libraries) {
                seen.push(libraries);
            }
        }
        let known = self.mails.len();
        self.mails.extend(rig.smtp.received().into_iter().map(|mail| Mail {
            at: mail.at,
            to: self.people.iter().find(|(_, known)| mail.to == [address(&known.name)]).map(|(who, _)| *who),
            kind: Kind::of(&mail.subject),
            message_id: mail.message_id,
            answer_lost: mail.answer_lost,
        }));
        for who in self.mails[known..].iter().filter(|mail| mail.kind == Kind::Warning).filter_map(|mail| mail.to) {
            *self.warnings.entry(who).or_default() += 1;
        }
        rig.smtp.forget_received();
    }

    /// What befell somebody, for whoever asks why something is broken.
    pub fn last_seen_of(&self, who: PlexId) -> String {
        let lines = |what: &str, all: Vec<String>| format!("  {what}: {}\n", all.join(", "));
        let gone = self.deletions.iter().filter(|gone| gone.who == Some(who));
        let gone = gone.map(|gone| format!("{} share {} accepted {}", gone.at, gone.share, gone.accepted)).collect();
        let left = self.left.iter().filter(|left| left.who == who).map(|left| left.at.to_string()).collect();
        let stays = self.stays.iter().filter(|stay| stay.who == who);
        let stays = stays.map(|stay| format!("{} share {}", stay.from, stay.share)).collect();
        let invites = self.invites.iter().filter(|invite| invite.who == Some(who));
        let invites = invites.map(|invite| format!("{} share {}", invite.at, invite.share)).collect();
        [lines("deleted", gone), lines("left", left), lines("stays", stays), lines("invited", invites)].concat()
    }

    /// All of it in one number: two records are the same life or they aren't.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        format!("{self:?}").hash(&mut hasher);
        hasher.finish()
    }

    /// Tautulli's history was lost: what was counted there counts no more.
    pub fn history_is_lost(&mut self) {
        self.counted.clear();
    }
}
