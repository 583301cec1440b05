//! What the book knows of one member.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Billed, BlindSpans, CodeMark, Grant, GrantKind, InviteOut, MadeFor, NoticeKey, Payer, Person, Stranger};
use crate::facts::{
    CancelWhen, CustomerId, Email, InvoiceId, Moment, PlexId, PriceId, SectionSet, Share, ShareId, SharingSettings,
    SubscriptionId,
};
use crate::limits::JOURNAL_PER_MEMBER_MAX;
use crate::member::MemberId;

/// A person who has, had or is due access.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Usher's own name for them.
    pub id: MemberId,
    /// When the book first heard of them.
    pub since: Moment,
    /// The only identity at Plex. Set once, by proof (RULES R2).
    pub plex: Option<PlexId>,
    /// Accounts that were theirs, until plex.tv knew them no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former_accounts: BTreeSet<PlexId>,
    /// Labels, as plex.tv had them last.
    pub username: Option<String>,
    /// Display name.
    pub title: Option<String>,
    /// The Plex account's address.
    pub email: Option<Email>,
    /// When a listing first showed it in the place of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_since: Option<Moment>,
    /// The address that the operator gave for an invite.
    #[serde(default)]
    pub given_email: Option<Email>,
    /// Seen in the owner's Plex Home: protected.
    pub home: bool,
    /// Every address under which they were seen at Plex, or invited there.
    #[serde(default)]
    pub addresses: BTreeSet<Email>,
    /// Linked customers. Never cleared by a sync.
    pub customers: BTreeMap<CustomerId, Payer>,
    /// Customers that were theirs until they went to somebody else, as they
    /// were then.
    #[serde(default)]
    pub former: BTreeMap<CustomerId, Payer>,
    /// `usher unlink`: customers and subscriptions (`cus_…`, `sub_…`) of whom
    /// the operator said that they are somebody else's. For good.
    #[serde(default)]
    pub strangers: BTreeMap<String, Stranger>,
    /// They pay, and proofs of equal rank say that they are each of these; or the
    /// address they pay with is one of somebody's who is revoked.
    #[serde(default)]
    pub disputed: BTreeSet<MemberId>,
    /// Their subscriptions on prices of ours, as Stripe told them last.
    pub subscriptions: BTreeMap<SubscriptionId, Billed>,
    /// Their share or invite on our server, as plex.tv listed it last.
    pub share: Option<ShareRecord>,
    /// Since when whole listings have lacked that share.
    pub missing_since: Option<Moment>,
    /// The last listing before that: what began later did not stand when the
    /// share went away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_until: Option<Moment>,
    /// Shares and invites that Usher can show it made.
    pub made: BTreeSet<ShareId>,
    /// What each of these was made for, since that is written down.
    #[serde(default)]
    pub made_for: BTreeMap<ShareId, BTreeSet<MadeFor>>,
    /// Invites that were given up and may show all the same, for an hour.
    #[serde(default)]
    pub invites_out: Vec<InviteOut>,
    /// The prices for which the share was last seen to give just what they buy.
    /// A share that would be narrowed while these stay the same is a tier's
    /// edit: held.
    pub matched_prices: BTreeSet<PriceId>,
    /// The grants that stood then: what goes with one of them is no tier's edit.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub matched_grants: BTreeSet<MadeFor>,
    /// Reasons that no subscription gives.
    pub grants: Vec<Grant>,
    /// Free codes of which they have used one use up: once a person (RULES R8).
    #[serde(default)]
    pub redeemed: BTreeSet<CodeMark>,
    /// `usher revoke`: out, whatever else stands.
    pub blocked: Option<Moment>,
    /// `usher revoke --cancel`: what Stripe still charges ends first, so.
    #[serde(default)]
    pub cancels: Option<CancelWhen>,
    /// Subscriptions whose end at Stripe `usher revoke` has set: `restore` takes
    /// it back.
    #[serde(default)]
    pub ends_set: BTreeSet<SubscriptionId>,
    /// The latest play ever seen. It only advances.
    pub last_play: Option<Moment>,
    /// They came back (or were restored) then: 24 h of grace, a new spell.
    pub returned: Option<Moment>,
    /// The idle spell that is under way, once it has a warning.
    pub idle: Option<IdleSpell>,
    /// The unpaid spells that are under way, by subscription: each has its own
    /// letter and its own time.
    #[serde(default, rename = "unpaid_spells")]
    pub unpaid: BTreeMap<SubscriptionId, UnpaidSpell>,
    /// They were asked to subscribe (`UNMANAGED=require-subscription`).
    #[serde(default)]
    pub asked: Option<AskedSpell>,
    /// How their last share came to its end.
    pub gone: Option<Gone>,
    /// What `usher restore` would bring back.
    pub undo: Option<Undo>,
    /// `usher restore` was said: until they have access again, they are
    /// invited with just what they had.
    #[serde(default)]
    pub restoring: Option<Restoring>,
    /// Plex refused to invite them.
    pub invite_refused: Option<InviteRefused>,
    /// Only in books of before: days on which their address bounced for good.
    /// Today each address has its own ([`super::Book::bounced`]).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bounces: BTreeSet<chrono::NaiveDate>,
    /// Spans in which plays of theirs could not have been recorded, though
    /// others' were (RULES R3).
    #[serde(default)]
    pub unseen: BlindSpans,
    /// Since when each reading of Tautulli has shown that their plays are
    /// recorded; `None`: the last one showed the contrary, or there was none.
    #[serde(default)]
    pub seen_since: Option<Moment>,
    /// When the friendship at plex.tv is to end, if still gone.
    #[serde(default)]
    pub unfriend_at: Option<Moment>,
    /// When their Tautulli record is to be deleted, if still gone.
    pub forget_at: Option<Moment>,
    /// What that record held at the last look before it is deleted.
    #[serde(default)]
    pub record: Option<WatchRecord>,
    /// It was deleted then, and nothing is recorded of them until it is back.
    #[serde(default)]
    pub forgotten: Option<Moment>,
    /// What happened, oldest first.
    pub journal: Vec<Entry>,
}

/// A share as listed last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShareRecord {
    /// The row.
    pub row: Share,
    /// When a listing first showed it.
    pub first_seen: Moment,
    /// Where the row has none: its settings as they were read last. The older
    /// listing, on which plex.tv is read when the newer one fails, lacks them.
    #[serde(default)]
    pub settings: Option<SharingSettings>,
    /// The number under which it came into the book, where plex.tv lists it
    /// under another now: its older listing has numbers of its own.
    #[serde(default)]
    pub first_id: Option<ShareId>,
    /// They were seen gone then, before this share was there. It began no
    /// earlier, whatever plex.tv says (RULES R6).
    #[serde(default)]
    pub began_after: Option<Moment>,
}

impl ShareRecord {
    /// A row that is listed for the first time now.
    #[must_use]
    pub fn new(row: Share, now: Moment) -> Self {
        Self { row, first_seen: now, settings: None, first_id: None, began_after: None }
    }

    /// What the book knows it by, whatever number the last listing gave it.
    #[must_use]
    pub fn id(&self) -> ShareId {
        self.first_id.unwrap_or(self.row.id)
    }

    /// The share with all that is known of it, for undo.
    #[must_use]
    pub fn whole(&self) -> Share {
        let mut share = self.row.clone();
        if share.settings.is_none() {
            share.settings.clone_from(&self.settings);
            if let (Some(settings), Some(downloads)) = (&mut share.settings, share.downloads) {
                settings.insert("allowSync".to_owned(), downloads.into());
            }
        }
        share
    }
}

/// One stretch of idleness. A warning belongs to it and dies with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleSpell {
    /// Where the idle clock started: names the spell.
    pub started: Moment,
    /// The warning that was owed.
    pub notice: NoticeKey,
    /// When a channel accepted it.
    pub warned_at: Option<Moment>,
    /// Nothing happens before this: the end of the promised day.
    pub promised_end: Option<Moment>,
    /// There was no way to reach them.
    pub no_channel: bool,
}

/// What a spell's letter was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpellKind {
    /// A payment failed.
    #[default]
    Unpaid,
    /// The subscription is paused by somebody's wish, and access ends with what
    /// is paid for.
    Break,
    /// As a break, and something else keeps them in: only what this subscription
    /// alone bought goes.
    Narrowing,
}

/// One stretch in which a subscription brings in nothing: its invoices are
/// unpaid, or it is paused. A letter comes before the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnpaidSpell {
    /// Which of the two.
    #[serde(default)]
    pub kind: SpellKind,
    /// The oldest open invoice, or the subscription that ended unpaid.
    pub occasion: String,
    /// The invoice, where there is one.
    pub invoice: Option<InvoiceId>,
    /// Which subscription.
    pub subscription: SubscriptionId,
    /// The letter that was owed.
    pub notice: NoticeKey,
    /// When a channel accepted it.
    pub told_at: Option<Moment>,
    /// Nothing happens before this: the end of the day that it promised.
    #[serde(default)]
    pub promised_end: Option<Moment>,
    /// There was no way to reach them.
    pub no_channel: bool,
}

/// They are in by hand alone, and were asked to subscribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedSpell {
    /// When the letter came to be owed.
    pub since: Moment,
    /// The letter.
    pub notice: NoticeKey,
    /// When a channel accepted it.
    pub told_at: Option<Moment>,
    /// Nothing happens before this: the end of the promised day.
    pub promised_end: Option<Moment>,
    /// There was no way to reach them.
    pub no_channel: bool,
}

/// How a share ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// When.
    pub at: Moment,
    /// By Usher. Otherwise it went away without us and is not re-made while
    /// the same reason stands (RULES R6).
    pub by_us: bool,
    /// Why, in words.
    pub why: String,
    /// The subscriptions that stood at that time.
    pub standing: BTreeSet<SubscriptionId>,
    /// It was an invite that nobody had taken up.
    #[serde(default)]
    pub was_invite: bool,
    /// The number under which plex.tv listed it last.
    #[serde(default)]
    pub row: Option<ShareId>,
}

/// What a removal took away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// When.
    pub at: Moment,
    /// Libraries, downloads and filters, as they were.
    pub share: Share,
    /// Reasons that the removal extinguished.
    pub grants: Vec<Grant>,
}

/// What Tautulli has recorded of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRecord {
    /// Rows in its history.
    pub plays: u64,
    /// They count among the people with history.
    pub watched: bool,
}

/// What `usher restore` gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restoring {
    /// When it was said.
    pub since: Moment,
    /// Libraries, downloads and filters, as they were.
    pub share: Share,
}

/// Refusals of invites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRefused {
    /// The last one.
    pub at: Moment,
    /// By account id; then it's tried once by address.
    pub by_id: bool,
    /// By address: then the member is unmatched.
    pub by_email: bool,
    /// plex.tv knew no such person, server or library (404), of these libraries.
    #[serde(default)]
    pub unknown: Option<SectionSet>,
    /// What plex.tv said.
    pub why: String,
}

impl InviteRefused {
    /// Whether it still keeps them from being invited (RULES R6).
    #[must_use]
    pub fn stands(&self, now: Moment) -> bool {
        now - self.at < REFUSED_FOR
    }
}

/// A refusal is forgotten then: what it spoke of may have been mended.
const REFUSED_FOR: TimeDelta = TimeDelta::days(1);

/// A line of a member's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Moment,
    /// What happened, in words.
    pub what: String,
}

impl Member {
    /// Somebody new.
    #[must_use]
    pub fn new(id: MemberId, now: Moment) -> Self {
        Self {
            id,
            since: now,
            plex: None,
            former_accounts: BTreeSet::new(),
            username: None,
            title: None,
            email: None,
            email_since: None,
            given_email: None,
            home: false,
            addresses: BTreeSet::new(),
            customers: BTreeMap::new(),
            former: BTreeMap::new(),
            strangers: BTreeMap::new(),
            disputed: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
            share: None,
            missing_since: None,
            listed_until: None,
            made: BTreeSet::new(),
            made_for: BTreeMap::new(),
            invites_out: Vec::new(),
            matched_prices: BTreeSet::new(),
            matched_grants: BTreeSet::new(),
            grants: Vec::new(),
            redeemed: BTreeSet::new(),
            blocked: None,
            cancels: None,
            ends_set: BTreeSet::new(),
            last_play: None,
            returned: None,
            idle: None,
            unpaid: BTreeMap::new(),
            asked: None,
            gone: None,
            undo: None,
            restoring: None,
            invite_refused: None,
            bounces: BTreeSet::new(),
            unseen: BlindSpans::default(),
            seen_since: None,
            unfriend_at: None,
            forget_at: None,
            record: None,
            forgotten: None,
            journal: Vec::new(),
        }
    }

    /// Writes a line into the journal.
    pub fn note(&mut self, at: Moment, what: impl Into<String>) {
        self.journal.push(Entry { at, what: what.into() });
        let too_many = self.journal.len().saturating_sub(JOURNAL_PER_MEMBER_MAX);
        self.journal.drain(..too_many);
    }

    /// Has access now: an accepted share.
    #[must_use]
    pub fn has_access(&self) -> bool {
        self.share.as_ref().is_some_and(|share| share.row.is_accepted())
    }

    /// Some subscription of theirs runs, paid or not.
    #[must_use]
    pub fn has_running_subscription(&self) -> bool {
        self.subscriptions.values().any(|billed| billed.now.status.is_running())
    }

    /// An invite is waiting for them.
    #[must_use]
    pub fn is_invited(&self) -> bool {
        self.share.as_ref().is_some_and(|share| !share.row.is_accepted())
    }

    /// The grant of this kind that stands at `now`.
    #[must_use]
    pub fn grant(&self, kind: GrantKind, now: Moment) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.kind == kind && grant.stands(now))
    }

    /// How much of a span they were on holiday: no clock of theirs ran then.
    #[must_use]
    pub fn on_holiday(&self, from: Moment, to: Moment) -> TimeDelta {
        let mut holidays = BlindSpans::default();
        for holiday in self.grants.iter().filter(|grant| grant.kind == GrantKind::Holiday) {
            holidays.add(holiday.since, holiday.until.map_or(to, |until| until.min(to)));
        }
        (to - from).max(TimeDelta::zero()) - holidays.observed(from, to)
    }

    /// The name that people know them by.
    #[must_use]
    pub fn name(&self) -> String {
        let local = |email: &Email| email.as_str().split('@').next().unwrap_or_default().to_owned();
        self.username
            .clone()
            .or_else(|| self.title.clone())
            .or_else(|| self.customers_in_order().into_iter().find_map(|(_, payer)| payer.name.clone()))
            .or_else(|| self.access_email().map(local))
            .unwrap_or_else(|| self.id.to_string())
    }

    /// Where access letters go: the Plex address, else the one they paid with.
    #[must_use]
    pub fn access_email(&self) -> Option<&Email> {
        let invited = || self.corrected_email().or_else(|| self.share.as_ref()?.row.email.as_ref());
        self.email
            .as_ref()
            .or_else(invited)
            .or_else(|| self.customers_in_order().into_iter().find_map(|(_, payer)| payer.mail_to.as_ref()))
            .or(self.given_email.as_ref())
    }

    /// As the operator knows them.
    #[must_use]
    pub fn person(&self) -> Person {
        Person { member: self.id.clone(), name: self.name(), email: self.access_email().cloned(), plex: self.plex }
    }

    /// When the share that stands was taken up, or first seen. No earlier than
    /// they were seen gone before it.
    #[must_use]
    pub fn joined(&self) -> Option<Moment> {
        use crate::facts::ShareState::Accepted;
        let share = self.share.as_ref()?;
        match share.row.state {
            Accepted { accepted_at } => Some(accepted_at.unwrap_or(share.first_seen)).max(share.began_after),
            _ => None,
        }
    }

    /// Usher made the share or invite that stands.
    #[must_use]
    pub fn has_made_share(&self) -> bool {
        self.share.as_ref().is_some_and(|share| self.made.contains(&share.id()))
    }

    /// Usher made this one, for this.
    pub fn note_made(&mut self, share: ShareId, made_for: impl IntoIterator<Item = MadeFor>) {
        self.made.insert(share);
        let mut made_for = made_for.into_iter().peekable();
        if made_for.peek().is_some() {
            self.made_for.entry(share).or_default().extend(made_for);
        }
    }
}
