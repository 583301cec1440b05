//! Notices: messages owed, each at most once.
//!
//! A notice's key is (subject, kind, occasion, audience), so the same one
//! can't be owed twice (RULES R10). Its facts and `Message-ID` are fixed at the
//! first try that may have got through; a repeat is the same letter, byte for
//! byte. When what it says is over by then, it is written anew.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::facts::{AfterTrial, CustomerId, Email, Moment, PlexId};
use crate::member::MemberId;

/// `subject/kind/occasion/audience`, as text so that it can be a map's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeKey(pub String);

/// For whom a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The member, by mail.
    Member,
    /// The operator, by mail and on Discord.
    Operator,
}

/// The ways out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// SMTP.
    Mail,
    /// The operator's webhook.
    Discord,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Discord];
}

/// Who the letter speaks of, as the operator knows them. Labels only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `m-…`; stands in logs.
    pub member: MemberId,
    /// Username, else title, else the address's local part.
    pub name: String,
    /// The address, shown to the operator only.
    pub email: Option<Email>,
    /// The account.
    pub plex: Option<PlexId>,
}

/// What a letter says: its kind and its facts. Rendering is `letters/`.
/// All days are whole local days in `TZ`, as promised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    // To members.
    /// An invite is on its way from Plex.
    Invited { tier: Option<String>, libraries: Vec<String>, downloads: bool, address: Email },
    /// They are in.
    Welcome { libraries: Vec<String>, downloads: bool },
    /// Idle: watch before the end of `until`, or lose access.
    InactivityWarning {
        idle_days: i64,
        last_play: Option<NaiveDate>,
        never_watched: bool,
        until: NaiveDate,
        downloads: bool,
        /// `PRUNE_PAYING`: what follows is that their subscription is cancelled.
        #[serde(default)]
        pays: bool,
    },
    /// Removed for inactivity.
    RemovedInactive { idle_days: i64, warned_on: Option<NaiveDate>, was_promised: Option<NaiveDate> },
    /// A payment failed; `access_until` is the last day of grace at the earliest.
    PaymentFailed {
        amount: Option<String>,
        pay_url: Option<String>,
        access_until: Option<NaiveDate>,
        next_attempt: Option<NaiveDate>,
    },
    /// The bank wants the payer to confirm a payment themselves; otherwise as
    /// [`Letter::PaymentFailed`].
    PaymentActionRequired { amount: Option<String>, pay_url: Option<String>, access_until: Option<NaiveDate> },
    /// A trial ends, and what becomes of it then.
    TrialEnding { on: NaiveDate, then: AfterTrial },
    /// A subscription is set to end.
    CancellationReceived {
        /// On this day it ends.
        on: NaiveDate,
        /// Something else keeps them in.
        stays: bool,
        /// But then they are asked to subscribe (RULES R5).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        asked: bool,
    },
    /// It is no longer set to end; `renews`: the next payment.
    CancellationUndone { renews: Option<NaiveDate> },
    /// A subscription buys something else now; what it opens. `also`: what is
    /// open beside it, for another reason.
    TierChanged {
        tier: String,
        libraries: Vec<String>,
        downloads: bool,
        #[serde(default)]
        also: Vec<String>,
    },
    /// Access ends with the paid period.
    AccessEnding {
        on: NaiveDate,
        days_left: i64,
        /// It was given, not paid for.
        #[serde(default)]
        given: bool,
    },
    /// Their subscription is paused by their own or the operator's wish, and
    /// access ends with what is paid for: after the day `until`. `loses`:
    /// something else keeps them in, and only this goes.
    SubscriptionPaused {
        until: NaiveDate,
        #[serde(default)]
        loses: Vec<String>,
    },
    /// They pay for several subscriptions; what each buys.
    Doubled { plans: Vec<String> },
    /// Access ended because paying ended.
    AccessEnded { because: EndedBecause },
    /// Their invite still waits; `lapses`: the day after which it is taken back.
    InviteReminder { libraries: Vec<String>, address: Email, days_ago: i64, lapses: Option<NaiveDate> },
    /// `UNMANAGED=require-subscription`: subscribe before the end of `until`.
    /// `member`: whose place the signed link keeps. The link itself is made when
    /// the letter is written: the book holds no secrets.
    Subscribe {
        until: NaiveDate,
        address: Option<Email>,
        #[serde(default)]
        member: Option<MemberId>,
    },
    /// `PRUNE_PAYING`: cancelled for not watching; paid for until `until`.
    SubscriptionCancelled { idle_days: i64, until: Option<NaiveDate> },
    /// A link to their billing page; `until`: when it ends to work. The link
    /// itself is made when the letter is written: the book holds no secrets.
    BillingLink { customer: CustomerId, until: Moment },

    // To the operator.
    /// Somebody has access now.
    Joined { who: Person, how: String, libraries: Vec<String> },
    /// Somebody's access went away without us, or they left.
    Departed { who: Person, how: String },
    /// A member was warned (the outcome of that letter is told).
    Warned { who: Person, idle_days: i64, until: Option<NaiveDate>, told: MemberTold },
    /// A member was removed, verified by reading Plex back.
    Removed { who: Person, why: String, checked: Vec<String>, told: MemberTold, undo: String },
    /// A payment failed.
    PaymentTrouble { who: Person, detail: String },
    /// Something waits for the operator.
    Held { title: String, reason: String, people: Vec<String>, how_to_approve: Vec<String> },
    /// A source has not been readable for a while. Nobody is harmed by it.
    SourceDown { source: String, since: Moment, why: String, what_to_do: String },
    /// It is back.
    SourceRecovered { source: String, since: Moment, down_for: String },
    /// Something needs the operator's eyes: what, why, and what to do.
    Attention { title: String, detail: String, what_to_do: String },
    /// Dry run: what would have been done.
    WouldHave { who: Person, what: String, why: String },
    /// How the house stands (`DIGEST`), first what there is to do. `day`: of
    /// which morning; `people_in`: with access then.
    Digest { day: NaiveDate, people_in: usize, to_do: Vec<DigestPart>, parts: Vec<DigestPart> },
}

/// A part of the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestPart {
    /// What it is about.
    pub title: String,
    /// A short line each.
    pub lines: Vec<String>,
    /// So many lines more are left out.
    pub more: usize,
    /// Where to see more, or what to do; a command stands between backticks.
    pub see: String,
}

/// Why paid access ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBecause {
    /// They canceled, and the paid time is over.
    Canceled,
    /// Payment failed for good.
    PaymentFailed,
    /// The trial ended without a payment method.
    TrialEnded,
    /// Places need a subscription, and they have none (RULES R5).
    NoSubscription,
    /// The operator ended it.
    Operator,
    /// The time for which it was given is over.
    GrantOver,
    /// The last payment was given back (`ON_REFUND=end`).
    Refunded,
    /// The payer's bank claims a payment back (`ON_DISPUTE=end`).
    Disputed,
    /// The subscription is paused, and the paid time is over.
    Paused,
}

/// What became of the member's own letter, for the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberTold {
    /// The mail server accepted it.
    Accepted,
    /// It is on its way.
    Queued,
    /// There is no way to reach them.
    NoChannel,
    /// Dry run: it was not sent.
    DryRun,
}

impl Letter {
    /// It is of its day: what comes late is of no use, to the operator neither.
    #[must_use]
    pub fn is_of_its_day(&self) -> bool {
        matches!(self, Self::Digest { .. })
    }

    /// The kind in words, for journals.
    #[must_use]
    pub fn words(&self) -> String {
        self.kind().replace('_', " ")
    }

    /// The day that a warning promises: nothing happens before it is over.
    pub fn promised_day_mut(&mut self) -> Option<&mut NaiveDate> {
        match self {
            Self::InactivityWarning { until, .. }
            | Self::Subscribe { until, .. }
            | Self::SubscriptionPaused { until, .. } => Some(until),
            Self::PaymentFailed { access_until, .. } | Self::PaymentActionRequired { access_until, .. } => {
                access_until.as_mut()
            }
            _ => None,
        }
    }

    /// It names a day ahead that is over, or counts the days to it wrongly.
    #[must_use]
    pub fn is_outdated(&self, today: NaiveDate) -> bool {
        let over = |day: &Option<NaiveDate>| day.is_some_and(|day| day < today);
        match self {
            Self::InactivityWarning { until, .. }
            | Self::Subscribe { until, .. }
            | Self::SubscriptionPaused { until, .. } => *until < today,
            Self::PaymentFailed { access_until, next_attempt, .. } => over(access_until) || over(next_attempt),
            Self::PaymentActionRequired { access_until, .. } => over(access_until),
            Self::TrialEnding { on, .. } | Self::CancellationReceived { on, .. } => *on < today,
            Self::CancellationUndone { renews } => over(renews),
            Self::AccessEnding { on, days_left, .. } => (*on - today).num_days() != *days_left,
            Self::InviteReminder { lapses, .. } => over(lapses),
            Self::SubscriptionCancelled { until, .. } => over(until),
            _ => false,
        }
    }

    /// The kind's word, as in keys, logs, template names and `preview`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invited { .. } => "invited",
            Self::Welcome { .. } => "welcome",
            Self::InactivityWarning { .. } => "inactivity_warning",
            Self::RemovedInactive { .. } => "removed_inactive",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::PaymentActionRequired { .. } => "payment_action_required",
            Self::TrialEnding { .. } => "trial_ending",
            Self::CancellationReceived { .. } => "cancellation_received",
            Self::CancellationUndone { .. } => "cancellation_undone",
            Self::TierChanged { .. } => "tier_changed",
            Self::AccessEnding { .. } => "access_ending",
            Self::SubscriptionPaused { .. } => "subscription_paused",
            Self::Doubled { .. } => "doubled",
            Self::AccessEnded { .. } => "access_ended",
            Self::InviteReminder { .. } => "invite_reminder",
            Self::Subscribe { .. } => "subscribe",
            Self::SubscriptionCancelled { .. } => "subscription_cancelled",
            Self::BillingLink { .. } => "billing_link",
            Self::Joined { .. } => "joined",
            Self::Departed { .. } => "departed",
            Self::Warned { .. } => "warned",
            Self::Removed { .. } => "removed",
            Self::PaymentTrouble { .. } => "payment_trouble",
            Self::Held { .. } => "held",
            Self::SourceDown { .. } => "source_down",
            Self::SourceRecovered { .. } => "source_recovered",
            Self::Attention { .. } => "attention",
            Self::WouldHave { .. } => "would_have",
            Self::Digest { .. } => "digest",
        }
    }
}

/// A message owed, until it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Also under which it stands in the outbox.
    pub key: NoticeKey,
    /// The member it is about, if any.
    pub member: Option<MemberId>,
    /// For whom.
    pub audience: Audience,
    /// Where a member's mail goes; the operator's addresses are configuration.
    pub to: Option<Email>,
    /// Money letters go only to that customer's own Stripe address.
    pub customer: Option<CustomerId>,
    /// What it says. Fixed once `message_id` is set.
    pub letter: Letter,
    /// When it came to be owed.
    pub created: Moment,
    /// After this it isn't worth sending any more.
    pub stale_after: Moment,
    /// Set at the first sending that may have reached anybody, and never
    /// changed since.
    pub first_sending: Option<FirstSending>,
    /// A try ended without an answer: it may be out.
    #[serde(default)]
    pub maybe_out: bool,
    /// One per channel.
    pub deliveries: BTreeMap<Channel, Delivery>,
}

/// What makes a repeat the same letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSending {
    /// Without angle brackets: `left@domain-of-From`.
    pub message_id: String,
    /// The letter's `Date`.
    pub date: Moment,
}

/// How one channel stands with a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Delivery {
    /// To be tried at `not_before`; `tries` so far failed.
    Due { not_before: Moment, tries: u32, last_error: Option<String> },
    /// Written down before it is sent. Found after a restart: sent again,
    /// same Message-ID, and counted.
    Sending { since: Moment, tries: u32 },
    /// The channel accepted it.
    Accepted { at: Moment },
    /// Dry run: thought of as accepted.
    Imagined { at: Moment },
    /// There is no way to reach them.
    NoChannel,
    /// Refused for good.
    Refused { at: Moment, why: String },
    /// No longer worth sending.
    Cancelled { at: Moment, why: String },
}

impl Delivery {
    /// Nothing more will happen to it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(self, Self::Due { .. } | Self::Sending { .. })
    }

    /// When the channel took it (in dry run: would have).
    #[must_use]
    pub fn accepted_at(&self) -> Option<Moment> {
        match self {
            Self::Accepted { at } | Self::Imagined { at } => Some(*at),
            _ => None,
        }
    }
}

/// One notice handed to a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// Which notice.
    pub key: NoticeKey,
    /// For whom.
    pub audience: Audience,
    /// Where to, for mail to a member.
    pub to: Option<Email>,
    /// What it says.
    pub letter: Letter,
    /// Fixed before this was handed out.
    pub first: FirstSending,
    /// Shown on the operator's messages.
    pub dry_run: bool,
}

/// What a channel reported of one dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Which notice.
    pub key: NoticeKey,
    /// Which channel.
    pub channel: Channel,
    /// What became of it.
    pub outcome: DeliveryOutcome,
}

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Accepted by the channel.
    Accepted,
    /// Certainly not delivered; worth trying later. `after_secs` when the
    /// other side said how long to wait.
    Later { why: String, after_secs: Option<u64> },
    /// Perhaps delivered (the answer to the final dot was lost): try again
    /// with the same Message-ID, counted.
    Unknown { why: String },
    /// The whole channel is unusable (login refused, quota, webhook deleted):
    /// nothing counts against this recipient. `for_secs` until the next try.
    ChannelDown { why: String, for_secs: u64 },
    /// Refused for good. `bad_address` when the address itself is dead.
    Never { why: String, bad_address: bool },
}
