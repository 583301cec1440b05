//! The book: everything Usher must not forget, in one document.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::{
    ActKey, BlindSpans, Entitled, Hold, Intent, InviteTo, KnownTiers, Looking, Member, Notice, NoticeKey, Numbers,
    Starting, ToldBefore,
};
use crate::facts::{
    CustomerId, Email, EventId, Moment, PlexId, Section, SectionId, ServerId, Source, StripeAccountId, SubscriptionId,
};
use crate::limits::NOTICE_KEPT_DAYS;
use crate::member::MemberId;

/// The book's document. `state.json` holds it beside its generation and sum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// When this book was begun.
    pub begun: Moment,
    /// When it was last committed: a clock before this has gone back.
    pub committed: Moment,
    /// Which outside accounts it belongs to.
    pub identities: Identities,
    /// The first whole reading of each source was folded in then: adoption.
    pub adopted: BTreeMap<Source, Moment>,
    /// Everybody it ever heard of.
    pub members: BTreeMap<MemberId, Member>,
    /// Members that turned out to be somebody already here.
    pub merged: BTreeMap<MemberId, MemberId>,
    /// Actions that are under way.
    pub intents: BTreeMap<ActKey, Intent>,
    /// What waits for the operator.
    pub holds: BTreeMap<ActKey, Hold>,
    /// Messages owed, and those done lately.
    pub outbox: BTreeMap<NoticeKey, Notice>,
    /// Days (UTC) on which mail to an address was refused for good.
    #[serde(default)]
    pub bounced: BTreeMap<Email, BTreeSet<NaiveDate>>,
    /// Removals done: the day's budget and the pace.
    pub removals: Vec<Removal>,
    /// Goings that were explained singly: they don't count as missing.
    pub explained: Vec<Explained>,
    /// Spans in which plays could not have been recorded.
    pub blind: BlindSpans,
    /// Libraries as believed.
    pub libraries: Libraries,
    /// The tiers as they were taken up last.
    #[serde(default)]
    pub tiers: KnownTiers,
    /// Each VIP entry and the account that it first hit.
    pub vips: BTreeMap<String, PlexId>,
    /// Standing conditions that the operator has been told of, and since when.
    pub told: BTreeMap<String, Moment>,
    /// How often each was told of late: it may come and go.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told_before: BTreeMap<String, ToldBefore>,
    /// What customers with running subscriptions are entitled to, as last read.
    #[serde(default)]
    pub entitled: BTreeMap<CustomerId, Entitled>,
    /// Stripe's newest event seen.
    pub cursor: Option<EventId>,
    /// The next numbers of members and holds.
    pub next_member: u64,
    /// See above.
    pub next_hold: u64,
    /// Counts letters: the left side of Message-IDs.
    pub next_letter: u64,
    /// Letters that may have gone out twice (an answer was lost).
    pub repeats: u64,
    /// In a rehearsal: how many commits the live book had made by itself when
    /// the rehearsal was begun ([`Book::goes_with`]).
    #[serde(default)]
    pub rehearses: Option<u64>,
    /// In the live book: how many of its commits only wrote down what the
    /// operator said in a rehearsal. In the rehearsal: how many it has heard.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub words: u64,
    /// The last of them, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_word: Option<serde_json::Value>,
    /// What is known of numbers that the other book has given.
    #[serde(default, skip_serializing_if = "Numbers::is_empty")]
    pub numbers: Numbers,
    /// Until when a service asked not to be called. A restart keeps to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rests: BTreeMap<Source, Moment>,
    /// What waits because of a start (RULES R11).
    #[serde(default, skip_serializing_if = "Starting::is_over")]
    pub starting: Starting,
    /// The version that last ran live on it; empty where none has said so yet.
    #[serde(default)]
    pub version: String,
    /// Watermarks; written at most hourly by themselves.
    pub marks: Marks,
}

/// Which outside accounts the book belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identities {
    /// Our Plex server.
    pub plex_server: Option<ServerId>,
    /// The owner: never touched.
    pub owner: Option<PlexId>,
    /// The Stripe account, where the key may read it.
    pub stripe_account: Option<StripeAccountId>,
    /// Live or test mode.
    pub stripe_livemode: Option<bool>,
    /// The server that Tautulli watches.
    pub tautulli_server: Option<ServerId>,
}

/// Watermarks: they change with every reading, and are written along with
/// other changes, or by themselves at most hourly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Each source's last whole reading (for Tautulli: one while connected).
    pub last_whole: BTreeMap<Source, Moment>,
    /// Each population's largest count a day.
    pub populations: BTreeMap<Population, BTreeMap<NaiveDate, Peak>>,
    /// The latest of what Tautulli has ever called its oldest play: who never
    /// played is measured from no earlier moment.
    #[serde(default)]
    pub history_since: Option<Moment>,
    /// Tautulli's history fell below half of what it was, and is not believed.
    #[serde(default)]
    pub history_fell: bool,
}

/// What is counted for continuity (RULES R9.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Accepted shares of our server.
    Friends,
    /// Running subscriptions of ours.
    Subscriptions,
    /// People with history in Tautulli.
    Watchers,
    /// Rows in Tautulli's history.
    History,
}

impl Population {
    /// Where it is counted.
    #[must_use]
    pub fn source(self) -> Source {
        match self {
            Self::Friends => Source::Plex,
            Self::Subscriptions => Source::Stripe,
            Self::Watchers | Self::History => Source::Tautulli,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Friends => "people with access",
            Self::Subscriptions => "running subscriptions",
            Self::Watchers => "people with history",
            Self::History => "plays in the history",
        }
    }
}

/// A day's largest count and when it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peak {
    /// How many.
    pub count: u64,
    /// When.
    pub at: Moment,
}

/// A removal that was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When.
    pub at: Moment,
    /// Who.
    pub member: MemberId,
    /// Stripe stated the end: outside the day's budget.
    pub stated: bool,
}

/// One person's or subscription's going, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// When.
    pub at: Moment,
    /// From which population.
    pub population: Population,
    /// Which one: counted once.
    pub what: String,
    /// How many went with it: plays, where we deleted somebody's record.
    #[serde(default = "one")]
    pub count: u64,
}

/// Each going is one, unless it says otherwise.
fn one() -> u64 {
    1
}

/// Libraries as believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libraries {
    /// The sections of our server, as last believed.
    pub known: BTreeMap<SectionId, Section>,
    /// Since when listings have been shorter than that.
    pub shorter_since: Option<Moment>,
    /// Titles in tiers, resolved once to ids (lower-cased title → id).
    pub titles: BTreeMap<String, SectionId>,
    /// What `"*"` meant for each tier when it was taken up.
    pub everything: BTreeMap<String, BTreeSet<SectionId>>,
    /// New libraries that the operator may take into a tier of everything, by
    /// the id of the hold.
    #[serde(default)]
    pub offers: BTreeMap<String, Offer>,
}

/// A library that is newer than a tier of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which tier.
    pub tier: String,
    /// Which library.
    pub section: SectionId,
    /// Since when.
    pub since: Moment,
    /// The operator said no.
    pub rejected: Option<Moment>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none_yet(words: &u64) -> bool {
    *words == 0
}

/// Explained goings matter for the 7 days of continuity, and for as long as the
/// count from which they are subtracted is the measure.
const EXPLAINED_KEPT_DAYS: i64 = 8;
/// An address that nobody has written to for so long may be another's by now.
const BOUNCES_KEPT_DAYS: i64 = 400;
/// Blind spans matter while they can lie inside an idle spell.
const BLIND_KEPT_DAYS: i64 = 800;

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            begun: now,
            committed: now,
            identities: Identities::default(),
            adopted: BTreeMap::new(),
            members: BTreeMap::new(),
            merged: BTreeMap::new(),
            intents: BTreeMap::new(),
            holds: BTreeMap::new(),
            outbox: BTreeMap::new(),
            bounced: BTreeMap::new(),
            removals: Vec::new(),
            explained: Vec::new(),
            blind: BlindSpans::default(),
            libraries: Libraries::default(),
            tiers: KnownTiers::default(),
            vips: BTreeMap::new(),
            told: BTreeMap::new(),
            told_before: BTreeMap::new(),
            entitled: BTreeMap::new(),
            cursor: None,
            next_member: 1,
            next_hold: 1,
            next_letter: 1,
            repeats: 0,
            rehearses: None,
            words: 0,
            last_word: None,
            numbers: Numbers::default(),
            rests: BTreeMap::new(),
            starting: Starting::default(),
            version: String::new(),
            marks: Marks::default(),
        }
    }

    /// A new member, entered.
    pub fn enter(&mut self, now: Moment) -> MemberId {
        let id = MemberId::number(self.next_member);
        self.next_member += 1;
        self.members.insert(id.clone(), Member::new(id.clone(), now));
        id
    }

    /// Whether a start that is looking keeps this letter back.
    #[must_use]
    pub fn starting_keeps_back(&self, looking: &Looking, notice: &Notice) -> bool {
        let starting = Starting { looking: Some(looking.clone()), ..Starting::default() };
        starting.keeps_back(notice) && !super::is_of_a_payers_invite(self, notice)
    }

    /// The member with this account; else one of whom no account is known, and
    /// whose it was.
    #[must_use]
    pub fn by_account(&self, account: PlexId) -> Option<&Member> {
        let was = |member: &&Member| member.plex.is_none() && member.former_accounts.contains(&account);
        let has = self.members.values().find(|member| member.plex == Some(account));
        has.or_else(|| self.members.values().find(was))
    }

    /// The member to whom this customer is linked.
    #[must_use]
    pub fn by_customer(&self, customer: &CustomerId) -> Option<&Member> {
        self.members.values().find(|member| member.customers.contains_key(customer))
    }

    /// Whether any listing of plex.tv ever showed this account or address on our
    /// server, as a share or as an invite.
    #[must_use]
    pub fn was_ever_listed(&self, to: &InviteTo) -> bool {
        // Only a listing tells a username or a title.
        let listed = |member: &&Member| {
            let labelled = member.username.is_some() || member.title.is_some();
            labelled || member.share.is_some() || member.gone.is_some() || member.undo.is_some()
        };
        self.members.values().filter(listed).any(|member| match to {
            InviteTo::Account(account) => member.plex == Some(*account),
            InviteTo::Email(email) => {
                let standing = member.share.as_ref().map(|share| &share.row);
                let rows = standing.into_iter().chain(member.undo.as_ref().map(|undo| &undo.share));
                member.email.as_ref() == Some(email) || rows.into_iter().any(|row| row.email.as_ref() == Some(email))
            }
        })
    }

    /// Subscriptions that are known as running.
    #[must_use]
    pub fn running_subscriptions(&self) -> BTreeSet<SubscriptionId> {
        let all = self.members.values().flat_map(|member| member.subscriptions.values());
        let running = all.filter(|billed| billed.now.status.is_running() && billed.vanished.is_none());
        running.map(|billed| billed.now.id.clone()).collect()
    }

    /// People with access now.
    #[must_use]
    pub fn members_with_access(&self) -> usize {
        self.members.values().filter(|member| member.has_access()).count()
    }

    /// Writes into a member's journal, if they are in the book.
    pub fn note(&mut self, member: &MemberId, at: Moment, what: impl Into<String>) {
        if let Some(member) = self.members.get_mut(member) {
            member.note(at, what);
        }
    }

    /// Remembers that one going of a population is explained.
    pub fn explain(&mut self, at: Moment, population: Population, what: impl Into<String>) {
        self.explain_many(at, population, what, 1);
    }

    /// Remembers that a going took so many of a population with it.
    pub fn explain_many(&mut self, at: Moment, population: Population, what: impl Into<String>, count: u64) {
        let what = what.into();
        // Whoever came back and went again is missing from the later counts, too.
        self.explained.retain(|known| known.population != population || known.what != what);
        self.explained.push(Explained { at, population, what, count });
    }

    /// Forgets what can no longer matter.
    pub fn prune(&mut self, now: Moment) {
        let kept = now - TimeDelta::days(NOTICE_KEPT_DAYS);
        // What is still so keeps the message that told of it: the digest repeats it.
        self.forget_what_was_told(now);
        let told = &self.told;
        let tells = |at: Moment| told.values().any(|since| *since == at);
        self.outbox.retain(|_, notice| {
            let done = notice.deliveries.values().all(super::Delivery::is_done);
            notice.created >= kept || !done || tells(notice.created)
        });
        self.rests.retain(|_, until| *until > now);
        self.removals.retain(|removal| now - removal.at < TimeDelta::days(2));
        self.blind.forget_before(now - TimeDelta::days(BLIND_KEPT_DAYS));
        let dead = now.date_naive() - TimeDelta::days(BOUNCES_KEPT_DAYS);
        self.bounced.retain(|_, days| days.last().is_some_and(|day| *day >= dead));
        let week = (now - TimeDelta::days(EXPLAINED_KEPT_DAYS)).date_naive();
        for peaks in self.marks.populations.values_mut() {
            // The last count that was believed stays the measure, however old.
            let last = peaks.keys().next_back().copied();
            let kept = last.map_or(week, |last| week.min(last - TimeDelta::days(EXPLAINED_KEPT_DAYS)));
            peaks.retain(|day, _| *day >= kept);
        }
        // An explanation is kept as long as the peak that it is subtracted from.
        let populations = &self.marks.populations;
        self.explained.retain(|explained| {
            let peaks = populations.get(&explained.population);
            let oldest = peaks.and_then(|peaks| peaks.values().map(|peak| peak.at).min());
            let lately = now - explained.at < TimeDelta::days(EXPLAINED_KEPT_DAYS);
            lately || oldest.is_some_and(|oldest| explained.at >= oldest)
        });
    }

    /// Whether anything but watermarks differs.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        // Everything but `marks` and `committed`, which the commit itself sets.
        let Self {
            begun, committed: _, identities, adopted, members, merged, intents, holds, outbox, removals, ..
        } = self;
        *begun != other.begun
            || *identities != other.identities
            || *adopted != other.adopted
            || *members != other.members
            || *merged != other.merged
            || *intents != other.intents
            || *holds != other.holds
            || *outbox != other.outbox
            || *removals != other.removals
            || self.differs_in_small_things(other)
    }

    fn differs_in_small_things(&self, other: &Self) -> bool {
        self.explained != other.explained
            || self.blind != other.blind
            || self.bounced != other.bounced
            || self.libraries != other.libraries
            || self.tiers != other.tiers
            || self.vips != other.vips
            || self.told != other.told
            || self.told_before != other.told_before
            || self.cursor != other.cursor
            || self.words != other.words
            || self.numbers != other.numbers
            || self.rests != other.rests
            || self.starting != other.starting
            || self.version != other.version
            || (self.next_member, self.next_hold, self.next_letter, self.repeats)
                != (other.next_member, other.next_hold, other.next_letter, other.repeats)
    }
}
