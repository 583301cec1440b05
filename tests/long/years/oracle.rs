//! The oracle: knows who is who, who has truly paid until when, who truly
//! watched when, and what the operator truly wanted. It reads the stand-ins and
//! the letters, never the book, and shares no code with the rules.

mod heard;
mod letters;
mod removals;
mod standing;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use sandbox::alphabet::{Bought, LINKED_WRONGLY, Person, TAKEN_BY_A_STRANGER, Town};
use sandbox::http::Recorded;
use sandbox::plex::{Deleted, Who};
use sandbox::rig::{OPERATOR, Rig};
use sandbox::stripe::Status;
use usher::facts::{Moment, PlexId, SectionId, ShareId};

/// The world is looked at hourly.
const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);

/// A letter that was accepted.
#[derive(Debug, Clone)]
pub struct Mail {
    pub at: Moment,
    /// In lower case.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub message_id: String,
    pub answer_lost: bool,
}

/// What is so of the world in this hour.
pub struct Hour<'a> {
    pub rig: &'a Rig,
    pub town: &'a Town,
    /// When Tautulli saw nobody.
    pub blind: &'a [(Moment, Moment)],
    pub now: Moment,
}

/// Since when something is so of somebody.
#[derive(Default)]
struct Since {
    paying: Option<Moment>,
    outside: Option<Moment>,
    inside: Option<Moment>,
    without_reason: Option<Moment>,
    too_much: Option<Moment>,
    too_little: Option<Moment>,
}

/// A share, as it was seen.
pub struct Stay {
    pub from: Moment,
    /// Every set of libraries that it was seen to give, each sorted.
    pub gave: Vec<Vec<SectionId>>,
}

/// Somebody's access that Usher ended.
pub struct Removed {
    pub at: Moment,
    pub account: Option<PlexId>,
    pub name: String,
    /// How many were in just before.
    pub house: usize,
    /// The operator revoked it.
    pub revoked: bool,
    /// Stripe states the end of all they had, or the operator revoked it.
    pub stated: bool,
}

/// A letter that must have come by then.
struct Owed {
    since: Moment,
    by: Moment,
    name: String,
    subject: &'static str,
}

/// See the module.
pub struct Oracle {
    /// Whether who is there and doesn't pay is asked to.
    asks: bool,
    since: BTreeMap<String, Since>,
    pub mails: Vec<Mail>,
    pub deletions: Vec<Deleted>,
    pub removed: Vec<Removed>,
    /// When somebody's access was ended last: it ends what the operator gave
    /// before.
    ended: BTreeMap<String, Moment>,
    people_in: usize,
    troubled: Moment,
    /// When Usher waited for the operator's `usher accept` last.
    waiting: Moment,
    /// When each invite through the API was made.
    invited: BTreeMap<ShareId, Moment>,
    invites: usize,
    /// When plex.tv answered 403 or 404 to an invite of somebody, or to a removal
    /// while they were revoked: it is tried again after a day (R6).
    turned_away: BTreeMap<String, Moment>,
    pub stays: BTreeMap<ShareId, Stay>,
    /// How each subscription stands, and between which two looks that began.
    stood: BTreeMap<String, (Status, Moment, Moment)>,
    looked: Moment,
    told: BTreeSet<String>,
    /// Since when Usher rehearses, if it does.
    dry: Option<Moment>,
    owed: Vec<Owed>,
    /// When the daemon ended in the midst of work, or found the disk full.
    pub ends: Vec<Moment>,
    /// When the operator approved what waited.
    pub approvals: Vec<Moment>,
    forgotten: usize,
    cancelled: usize,
    /// When the house went live last.
    pub live_since: Option<Moment>,
    /// Whoever has been in at some time, and when last.
    been_in: BTreeMap<String, Moment>,
    /// Everything that was posted at Discord.
    posted: String,
    updates: usize,
    /// When all seats were taken last.
    pub full: Option<Moment>,
    /// Since when somebody's payment fails, and nobody heard.
    failing: BTreeMap<String, Moment>,
}

impl Oracle {
    pub fn new(now: Moment, asks: bool) -> Self {
        Self {
            asks,
            since: BTreeMap::new(),
            mails: Vec::new(),
            deletions: Vec::new(),
            removed: Vec::new(),
            ended: BTreeMap::new(),
            people_in: 0,
            troubled: now,
            waiting: now,
            invited: BTreeMap::new(),
            invites: 0,
            stays: BTreeMap::new(),
            stood: BTreeMap::new(),
            looked: now,
            told: BTreeSet::new(),
            dry: None,
            owed: Vec::new(),
            ends: Vec::new(),
            approvals: Vec::new(),
            forgotten: 0,
            cancelled: 0,
            live_since: None,
            been_in: BTreeMap::new(),
            posted: String::new(),
            updates: 0,
            full: None,
            failing: BTreeMap::new(),
            turned_away: BTreeMap::new(),
        }
    }

    /// Something was wrong until now, or the operator was away.
    pub fn troubled(&mut self, now: Moment) {
        self.troubled = now;
    }

    /// Usher has waited for a word in the last hours.
    pub fn waited_lately(&self, rig: &Rig) -> bool {
        rig.now() - self.waiting < HOUR * 3
    }

    /// Usher waits for the operator's `usher accept`.
    pub fn waits_for_accept(&mut self, now: Moment) {
        self.waiting = now;
    }

    /// Usher rehearses since then, or doesn't.
    pub fn rehearses(&mut self, since: Option<Moment>) {
        self.dry = since;
    }

    /// Made through the API.
    pub fn is_ours(&self, share: ShareId) -> bool {
        self.invited.contains_key(&share)
    }

    /// Whom the notices ask about, as the persons truly are: `(who, customer)`.
    pub fn asked_who(&mut self, town: &Town) -> Vec<(String, String)> {
        let mut answers = Vec::new();
        for mail in self.mails.iter().filter(|mail| mail.to == OPERATOR && mail.text.contains("usher link")) {
            for person in &town.people {
                for bought in &person.bought {
                    if mail.text.contains(&format!("--stripe {}", bought.customer))
                        && person.main().is_some()
                        && self.told.insert(bought.customer.clone())
                    {
                        // Who was never in is known by what they paid before.
                        let before = person.bought.iter().find(|other| other.customer != bought.customer);
                        let by_mail = before.filter(|_| !self.been_in.contains_key(&person.name));
                        let who = by_mail.map_or_else(|| person.who(), |before| before.email.clone());
                        answers.push((who, bought.customer.clone()));
                    }
                }
            }
        }
        answers
    }

    /// What the last hour broke.
    pub fn look(&mut self, hour: &Hour<'_>) -> Vec<String> {
        let Hour { rig, town, now, .. } = *hour;
        let mut broken = Vec::new();
        if !rig.is_running() || self.dry.is_some() {
            self.troubled = now;
        }
        let new = self.mails.len();
        self.take_up(rig, town);
        let known = self.deletions.len();
        let all: Vec<Deleted> = rig.plex.deletions().into_iter().skip(known).collect();
        self.deletions.extend(all.iter().cloned());
        for gone in all {
            if gone.was_accepted {
                self.removed.push(self.seen_removed(hour, &gone));
                broken.extend(self.judge_removal(hour, &gone));
            }
        }
        broken.extend(self.judge_invites(hour));
        self.people_in = rig.plex.shares().iter().filter(|share| share.accepted_at.is_some()).count();
        broken.extend(self.unwritten(rig, town));
        if let Some(since) = self.dry {
            broken.extend(self.acted_in_rehearsal(rig, new, since));
        }
        broken.extend(self.judge_mails(hour, new));
        for person in &town.people {
            broken.extend(self.judge_standing(hour, person));
            broken.extend(self.judge_what_was_heard(hour, person));
        }
        broken.extend(self.judge_updates(hour));
        broken.extend(self.judge_going_live(hour, new));
        broken.extend(self.undone_by_us(hour));
        broken
    }

    /// Letters, shares and subscriptions, as they are seen now.
    fn take_up(&mut self, rig: &Rig, town: &Town) {
        let now = rig.now();
        self.mails.extend(rig.smtp.received().into_iter().map(|mail| Mail {
            at: mail.at,
            to: mail.to.first().cloned().unwrap_or_default().to_lowercase(),
            text: mail.text(),
            subject: mail.subject,
            message_id: mail.message_id,
            answer_lost: mail.answer_lost,
        }));
        rig.smtp.forget_received();
        for share in rig.plex.shares().iter().filter(|share| share.accepted_at.is_some()) {
            let stay = self.stays.entry(share.id).or_insert(Stay { from: now, gave: Vec::new() });
            let everything = || rig.plex.sections().iter().map(|section| section.id).collect();
            let mut gives = if share.all_libraries { everything() } else { share.sections.clone() };
            gives.sort();
            if !stay.gave.contains(&gives) {
                stay.gave.push(gives);
            }
        }
        let changes = rig.plex.changes();
        let shut = |call: &Recorded, method: &str| call.method == method && matches!(call.status, Some(403 | 404));
        for body in changes.iter().filter(|call| shut(call, "POST")).filter_map(|call| call.json()) {
            let by_id = body["invitedId"].as_u64().and_then(|id| town.with_account(PlexId(id)));
            let whom = by_id.or_else(|| town.with_address(body["invitedEmail"].as_str()?));
            self.turned_away.extend(whom.map(|person| (person.name.clone(), now)));
        }
        if changes.iter().any(|call| shut(call, "DELETE")) {
            let revoked = town.people.iter().filter(|person| person.wish.revoked.is_some());
            self.turned_away.extend(revoked.map(|person| (person.name.clone(), now)));
        }
        for person in town.people.iter().filter(|person| person.account_in(rig).is_some()) {
            self.been_in.insert(person.name.clone(), now);
        }
        for bought in town.people.iter().flat_map(|person| &person.bought) {
            let Some(status) = rig.stripe.status(&bought.id) else { continue };
            let stood = self.stood.entry(bought.id.clone()).or_insert((status, self.looked, now));
            if stood.0 != status {
                *stood = (status, self.looked, now);
            }
        }
        self.looked = now;
    }

    /// Who was invited, and whether anything spoke for it.
    fn judge_invites(&mut self, hour: &Hour<'_>) -> Vec<String> {
        let Hour { rig, town, .. } = *hour;
        let mut broken = Vec::new();
        let invites = rig.plex.invites_sent();
        for invite in invites.iter().skip(self.invites) {
            self.invited.insert(invite.share, invite.at);
            if invite.sections.is_empty() {
                broken.push(format!("everything was shared with {:?} {}", invite.to, invite.at));
            }
            let to = match &invite.to {
                Who::Id(id) => town.with_account(*id),
                Who::Email(email) => town.with_address(email),
            };
            let Some(person) = to else {
                broken.push(format!("somebody unknown was invited {}: {:?}", invite.at, invite.to));
                continue;
            };
            if !is_unclear(rig, person, invite.at) && !self.speaks_for(rig, person, invite.at) {
                broken.push(format!("{} was invited {}, and nothing speaks for it", person.name, invite.at));
            }
            if let Who::Email(email) = &invite.to {
                broken.extend(self.invited_at(hour, person, email, invite.at));
            }
            if person.is_invited(rig) {
                let (since, by) = (invite.at, self.letter_by(invite.at));
                self.owed.push(Owed { since, by, name: person.name.clone(), subject: letters::INVITED });
            }
        }
        self.invites = invites.len();
        broken
    }

    /// As a guest, until then (`None` = for good), unless that ended with an
    /// earlier end of their access.
    fn guest(&self, person: &Person) -> Option<Option<Moment>> {
        let ended = self.ended.get(&person.name);
        let guest = person.wish.guest.as_ref()?;
        ended.is_none_or(|ended| *ended < guest.from).then_some(guest.until)
    }

    /// Whether they pay, or the operator wants them in.
    fn speaks_for(&self, rig: &Rig, person: &Person, at: Moment) -> bool {
        let wish = &person.wish;
        let lately = |bought: &Bought| match self.stood.get(&bought.id) {
            Some((Status::Canceled | Status::IncompleteExpired, _, since)) => *since >= at - HOUR * 3,
            Some((Status::Incomplete, _, since)) => *since >= at - HOUR * 3,
            _ => true,
        };
        person.bought.iter().any(lately)
            || wish.grandfathered
            || wish.extended.is_some_and(|until| until > at)
            || self.guest(person).is_some_and(|until| until.is_none_or(|until| until > at - HOUR))
            || !person.subs(rig).is_empty()
    }

    /// What Usher did to others that nobody wanted: an account deleted in
    /// Tautulli that is in, a subscription cancelled that nobody gave up.
    fn undone_by_us(&mut self, hour: &Hour<'_>) -> Vec<String> {
        let Hour { rig, town, .. } = *hour;
        let mut broken = Vec::new();
        let forgotten = rig.tautulli.deleted_users();
        for (at, who) in forgotten.iter().skip(self.forgotten) {
            let Some(person) = town.with_account(*who) else { continue };
            let since_in = rig.plex.share_of(*who).and_then(|share| share.accepted_at);
            // Another account of somebody protected isn't.
            let protected = person.protected && person.main() == Some(*who);
            if protected || since_in.is_some_and(|since| since < *at - HOUR) {
                broken.push(format!("{} was deleted in Tautulli {at}, and is in", person.name));
            }
        }
        self.forgotten = forgotten.len();
        let ends = |call: &sandbox::base::Recorded| {
            call.target.contains("/v1/subscriptions/")
                && (call.method == "DELETE"
                    || String::from_utf8_lossy(&call.body).contains("cancel_at_period_end=true"))
        };
        let calls: Vec<_> = rig.stripe.changes().into_iter().filter(ends).collect();
        for call in calls.iter().skip(self.cancelled) {
            let sub = call.target.rsplit('/').next().unwrap_or_default();
            let owner = town.people.iter().find(|person| person.bought.iter().any(|bought| bought.id == sub));
            // Who pays under a stranger's address shares the stranger's fate.
            let under = |person: &&Person| {
                let bought = |bought: &Bought| bought.id == sub && person.addresses.contains(&bought.email);
                town.people.iter().any(|other| other.bought.iter().any(bought))
            };
            let concerned = owner.into_iter().chain(town.people.iter().filter(under));
            let wanted = |person: &Person| {
                if is_unclear(rig, person, hour.now) {
                    return true;
                }
                let said = |(_, what): &(Moment, &str)| what.contains("over the API");
                person.wish.revoked.is_some() || person.struck.iter().rev().take(20).any(said)
            };
            if !concerned.into_iter().any(wanted) {
                let name = owner.map_or("somebody", |person| person.name.as_str());
                let body = String::from_utf8_lossy(&call.body);
                broken.push(format!("{name} had {sub} ended at Stripe by Usher ({body}), and nobody asked for it"));
            }
        }
        self.cancelled = calls.len();
        broken
    }

    /// A rehearsal touches nobody. What went out before it began came from the live daemon.
    fn acted_in_rehearsal(&self, rig: &Rig, new: usize, since: Moment) -> Vec<String> {
        let members = self.mails[new..].iter().filter(|mail| mail.to != OPERATOR && mail.at > since);
        let mut broken: Vec<String> =
            members.map(|mail| format!("{} was written to in a rehearsal: {}", mail.to, mail.subject)).collect();
        for (service, calls) in [("Plex", rig.plex.changes()), ("Tautulli", rig.tautulli.changes())] {
            broken.extend(calls.iter().map(|call| format!("{service} was called in a rehearsal: {call:?}")));
        }
        broken
    }

    /// What the last day broke.
    pub fn day(&mut self, rig: &Rig) -> Vec<String> {
        let mut broken = rig.amiss();
        let now = rig.now();
        let today = self.mails.iter().filter(|mail| now - mail.at < DAY && !mail.answer_lost);
        let mut by_reader: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        today.for_each(|mail| by_reader.entry(&mail.to).or_default().push(&mail.subject));
        for (to, subjects) in by_reader {
            // After a bad day all that happened meanwhile is told at once.
            let bad = now - self.troubled < DAY * 2;
            let most = match (to == OPERATOR, bad) {
                (true, true) => 60,
                (true, false) => 25,
                (false, _) => 6,
            };
            if subjects.len() > most {
                broken.push(format!("{to} got {} letters in a day: {subjects:#?}", subjects.len()));
            }
        }
        rig.plex.clear();
        rig.stripe.clear();
        rig.tautulli.clear();
        rig.discord.clear();
        self.keep_posts(rig);
        self.cancelled = 0;
        broken
    }

    /// All that happened in one number: two worlds are the same or they aren't.
    /// What a letter says has links in it, and those are never the same.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.mails.iter().for_each(|mail| (mail.at, &mail.to, &mail.subject).hash(&mut hasher));
        format!("{:?} {:?}", self.deletions, self.invited).hash(&mut hasher);
        hasher.finish()
    }
}

/// On a price that a tier names, as the operator wants the tiers.
fn is_sold(hour: &Hour<'_>, bought: &Bought) -> bool {
    bought.prices(hour.rig).iter().any(|price| hour.town.tiers.of_price(price).is_some())
}

/// Whether a sentence is about somebody of this name.
pub fn names(line: &str, name: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name)
}

/// Whether it is honestly unclear what is right for them now: lately, or as long
/// as they have something that they bought before. An address that was linked
/// wrongly, or with which a stranger took up an invite, stays the other one's,
/// whatever is bought with it.
pub fn is_unclear(rig: &Rig, person: &Person, now: Moment) -> bool {
    person.disputed.iter().any(|(at, why)| {
        let before = |(bought, _): &(Bought, Status)| bought.began <= *at;
        [LINKED_WRONGLY, TAKEN_BY_A_STRANGER].contains(why)
            || now - *at < TimeDelta::days(60)
            || person.subs(rig).iter().any(before)
    })
}
