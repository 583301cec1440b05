//! Intents: actions of the plan, written down before they are tried.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EndedBecause, GrantKind, MadeFor, NoticeKey};
use crate::facts::{CancelWhen, Email, Moment, PlexId, SectionSet, ShareId, SharingSettings, Source, SubscriptionId};
use crate::member::MemberId;

/// `act/member/occasion`: the same action for the same occasion is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActKey(pub String);

impl ActKey {
    /// From its parts.
    #[must_use]
    pub fn new(act: &str, member: &MemberId, occasion: &str) -> Self {
        Self(format!("{act}/{member}/{occasion}"))
    }
}

/// To whom an invite goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteTo {
    /// An account id: safest, usernames can change hands.
    Account(PlexId),
    /// An address.
    Email(Email),
}

/// What can be done to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Invite to our server; with all other settings of a share of before,
    /// where there was one to give back.
    Invite {
        to: InviteTo,
        sections: SectionSet,
        downloads: bool,
        #[serde(default)]
        settings: Option<SharingSettings>,
        /// What calls for it (RULES R6).
        #[serde(default)]
        made_for: BTreeSet<MadeFor>,
    },
    /// Change the share that stands, in place.
    Update { share: ShareId, sections: SectionSet, downloads: Option<bool>, narrows: bool },
    /// Take away the share of this server, or the invite.
    End { share: ShareId, cause: EndCause },
    /// End a subscription at Stripe, so that it charges no more
    /// (`PAYMENT_GRACE=strict`, `usher revoke --cancel`).
    Cancel {
        subscription: SubscriptionId,
        #[serde(default)]
        when: CancelWhen,
        /// So long they had not watched (`PRUNE_PAYING`).
        #[serde(default)]
        idle_days: Option<i64>,
    },
    /// Take back the end at Stripe that `usher revoke` had set; `said`: when the
    /// operator asked for it.
    Uncancel { subscription: SubscriptionId, said: Moment },
    /// End the friendship at plex.tv, once nothing is shared any more.
    Unfriend { plex: PlexId },
    /// Delete the person in Tautulli, once gone.
    Forget { plex: PlexId },
    /// Take the person back in Tautulli, where they were deleted.
    Remember { plex: PlexId },
}

/// Why access ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum EndCause {
    /// Paying ended (RULES R4).
    Lapsed { subscription: SubscriptionId, ended: Moment, because: EndedBecause },
    /// Idle too long (RULES R3).
    Idle { spell: Moment, days: i64, warned: Option<Moment>, promised_end: Option<Moment> },
    /// In by hand alone, where places need a subscription (RULES R5).
    Unmanaged { asked: Option<Moment>, promised_end: Option<Moment> },
    /// An invite for a grant that nobody took up (RULES R6).
    InviteLapsed { days: i64 },
    /// `usher revoke`.
    Revoked,
    /// A grant with an end is over (RULES R1).
    GrantOver { kind: GrantKind, ended: Moment },
}

/// How far an intent has come. Done ones leave the book for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum IntentState {
    /// Written down, not tried.
    Decided,
    /// Tried; whether it took effect is not yet read back.
    Attempted { at: Moment },
    /// Dry run: would have been tried.
    Rehearsed { at: Moment },
}

/// An action that was written down before it is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Also under which it stands in the book.
    pub key: ActKey,
    /// About whom.
    pub member: MemberId,
    /// What.
    pub act: Act,
    /// Why, in words.
    pub because: String,
    /// The sources it rests on.
    pub rests_on: BTreeSet<Source>,
    /// When it was decided.
    pub decided: Moment,
    /// When it had come due: the oldest goes first.
    pub due: Moment,
    /// How far it has come.
    pub state: IntentState,
    /// Tries so far.
    pub tries: u32,
    /// Of these: tries that certainly had no effect.
    #[serde(default)]
    pub not_done: u32,
    /// When it was tried first. Books of before don't say.
    #[serde(default)]
    pub first_try: Option<Moment>,
    /// When it was tried last.
    #[serde(default)]
    pub last_try: Option<Moment>,
    /// Not tried again before this.
    pub not_before: Moment,
    /// What the last try said.
    pub last_error: Option<String>,
    /// When the last call, and its reading back, had ended.
    #[serde(default)]
    pub ended: Option<Moment>,
    /// What kept it from being done.
    #[serde(default)]
    pub hindered: Hindered,
    /// Under which name it is sent to services that know one call for one thing:
    /// the same for every try, another for another occasion. Books of before
    /// have none.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// What kept an intent from being done, as far as that decides when it is
/// looked at or tried again (RULES R9, last paragraph).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hindered {
    /// Last looks in a row that held it.
    pub looks: u32,
    /// The source that held it: when that has changed, it is looked at again.
    pub by: Option<Source>,
    /// So often plex.tv said that it is done already, and no listing showed it.
    pub already: u32,
    /// plex.tv said 403 or 404: told at once, and tried again after a day.
    pub denied: bool,
}

impl Intent {
    /// When its last try was over, as far as it is known: a process that ended
    /// within the call knows only when it began.
    #[must_use]
    pub fn tried_until(&self) -> Option<Moment> {
        match self.state {
            IntentState::Attempted { at } => Some(self.ended.map_or(at, |ended| ended.max(at))),
            _ => None,
        }
    }

    /// The service that its call goes to.
    #[must_use]
    pub fn service(&self) -> Source {
        match self.act {
            Act::Invite { .. } | Act::Update { .. } | Act::End { .. } | Act::Unfriend { .. } => Source::Plex,
            Act::Cancel { .. } | Act::Uncancel { .. } => Source::Stripe,
            Act::Forget { .. } | Act::Remember { .. } => Source::Tautulli,
        }
    }

    /// Whether it takes something away.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        match &self.act {
            Act::End { .. } | Act::Cancel { .. } | Act::Forget { .. } | Act::Unfriend { .. } => true,
            Act::Update { narrows, .. } => *narrows,
            Act::Invite { .. } | Act::Remember { .. } | Act::Uncancel { .. } => false,
        }
    }

    /// The services that its last look and its call go to.
    #[must_use]
    pub fn calls(&self) -> BTreeSet<Source> {
        let mut sources = BTreeSet::from([Source::Plex, self.service()]);
        if self.takes_away() {
            sources.insert(Source::Stripe);
        }
        if self.is_for_idleness() || matches!(self.act, Act::Forget { .. }) {
            sources.insert(Source::Tautulli);
        }
        sources
    }

    /// Whether it is done because they don't watch.
    #[must_use]
    pub fn is_for_idleness(&self) -> bool {
        matches!(&self.act, Act::End { cause: EndCause::Idle { .. }, .. } | Act::Cancel { idle_days: Some(_), .. })
    }

    /// It was tried at least once, whatever a listing showed since: what plex.tv
    /// did with a lost call may show late.
    #[must_use]
    pub fn was_tried(&self) -> bool {
        self.tries > 0
    }

    /// A try of it may have had an effect, whatever a listing showed since. One
    /// that the service refused, or that never reached it, had none.
    #[must_use]
    pub fn may_have_had_effect(&self) -> bool {
        self.tries > self.not_done
    }
}

/// Why something waits. The order is the brake's (RULES R9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum HeldBecause {
    /// 1: this process has not looked twice at a source.
    Looked { source: Source },
    /// 2: a source has not been read for too long.
    Fresh { source: Source },
    /// 3: another server, account or mode than in the book.
    Identity { source: Source, why: String },
    /// 4: our clock and theirs differ, or ours went back.
    Clock { why: String },
    /// 5: far fewer people than lately.
    Continuity { source: Source, why: String },
    /// 6: they are protected.
    Protected { why: String },
    /// 7: no accepted warning long enough ago.
    Warned { why: String },
    /// 7: only the operator may decide this one.
    Approval { why: String },
    /// 8: a second look could not be taken, or showed something else.
    SecondLook { why: String },
    /// 9: the day's budget is used up.
    Budget { max: usize },
    /// 9: too many at once.
    HoldAll { many: usize, threshold: usize },
    /// 10: one removal at a time.
    Pace { until: Moment },
    /// R11: due at the first live start after a rehearsal.
    GoLive,
    /// R11: a new version would do it, and the one before would not.
    Upgrade,
    /// R8: payers from before the book, not found on Plex.
    Adoption,
    /// The operator said no for this occasion.
    Rejected,
    /// The book is not to be trusted yet (restored or older than its history).
    OnlyLook { why: String },
}

impl HeldBecause {
    /// Whether it waits because of a start: its hold stands apart, so that a yes
    /// lifts nothing else.
    #[must_use]
    pub fn is_of_a_start(&self) -> bool {
        matches!(self, Self::GoLive | Self::Upgrade)
    }

    /// Whether it waits for `usher approve`.
    #[must_use]
    pub fn wants_approval(&self) -> bool {
        matches!(self, Self::Approval { .. } | Self::HoldAll { .. } | Self::Adoption | Self::GoLive | Self::Upgrade)
    }

    /// The rule's name in RULES R9.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Looked { .. } => "looked",
            Self::Fresh { .. } => "fresh",
            Self::Identity { .. } => "identity",
            Self::Clock { .. } => "clock",
            Self::Continuity { .. } => "continuity",
            Self::Protected { .. } => "protected",
            Self::Warned { .. } => "warned",
            Self::Approval { .. } => "approval",
            Self::SecondLook { .. } => "second look",
            Self::Budget { .. } => "budget",
            Self::HoldAll { .. } => "hold-all",
            Self::Pace { .. } => "pace",
            Self::GoLive => "go-live",
            Self::Upgrade => "upgrade",
            Self::Adoption => "adoption",
            Self::Rejected => "rejected",
            Self::OnlyLook { .. } => "only look",
        }
    }

    /// A sentence for the operator.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Looked { source } => format!("{source} has been looked at only once since the start; a second look comes first"),
            Self::Fresh { source } => format!("{source} has not been read for too long"),
            Self::Identity { why, .. } | Self::Clock { why } | Self::Continuity { why, .. } | Self::Protected { why } => why.clone(),
            Self::Warned { why } | Self::Approval { why } | Self::SecondLook { why } | Self::OnlyLook { why } => why.clone(),
            Self::Budget { max } => format!("the removals of the last 24 hours have used up the budget of {max} (MAX_REMOVALS_PER_DAY); the rest follow one day at a time"),
            Self::HoldAll { many, threshold } => {
                format!("{many} at once is more than {threshold}; so many wait for you, in case something is wrong")
            }
            Self::Pace { until } => format!("one removal at a time; the next not before {}", until.format("%H:%M UTC")),
            Self::GoLive => "it was due when Usher went live, and waits until you have seen it".into(),
            Self::Upgrade => "this version of Usher would do it and the one before would not, so it waits until you have seen it".into(),
            Self::Adoption => "they paid before Usher came and were not found on Plex; inviting them could give old payers a second invite".into(),
            Self::Rejected => "you rejected it".into(),
        }
    }
}

/// Something that waits for the operator, and stays until approved, rejected
/// or no longer due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// `h-…`, for commands.
    pub id: String,
    /// Which action.
    pub key: ActKey,
    /// About whom.
    pub member: MemberId,
    /// What would be done, in words.
    pub what: String,
    /// Why it is due, in words.
    pub why: String,
    /// Why it waits.
    pub because: HeldBecause,
    /// Since when.
    pub since: Moment,
    /// What the operator said.
    pub verdict: Option<Verdict>,
    /// The message that told the operator of it.
    #[serde(default)]
    pub notice: Option<NoticeKey>,
    /// The verdict was said in a rehearsal, and counts here as well.
    #[serde(default)]
    pub rehearsed: bool,
}

/// The operator's word on a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Good until done or no longer due.
    Approved { at: Moment },
    /// Not for this occasion.
    Rejected { at: Moment },
}
