//! What waits because of a start (RULES R11): of going live after a rehearsal,
//! or of a new version on a book that an older one wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Audience, Book, Delivery, HeldBecause, Hold, Letter, Notice, NoticeKey};
use crate::facts::Moment;
use crate::member::MemberId;

/// The version that is running, as it stands in the books that it writes.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What waits because of a start, and a start that is still looking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starting {
    /// A start after which not every source has been read whole twice yet.
    #[serde(default)]
    pub looking: Option<Looking>,
    /// What was due when it had been: it waits for the operator.
    #[serde(default)]
    pub waits: BTreeMap<Matter, Hold>,
}

/// A start that is still looking: what it concerns waits until it has looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looking {
    /// Which kind of start.
    pub cause: StartCause,
    /// When it was. What is said or asked for later doesn't wait.
    pub since: Moment,
    /// Only these wait; `None`: whatever is due.
    #[serde(default)]
    pub only: Option<BTreeSet<Matter>>,
}

/// Which kind of start lets something wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartCause {
    /// Going live after a rehearsal.
    GoLive,
    /// A new version on an older book.
    Upgrade,
}

impl StartCause {
    /// The hold's name, for commands: `usher approve go-live`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GoLive => "go-live",
            Self::Upgrade => "upgrade",
        }
    }

    /// Why something waits.
    #[must_use]
    pub fn because(self) -> HeldBecause {
        match self {
            Self::GoLive => HeldBecause::GoLive,
            Self::Upgrade => HeldBecause::Upgrade,
        }
    }
}

/// What something is about, whatever share, day or libraries it names: one
/// matter waits until it is settled, and what comes up later is another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matter(pub String);

impl Matter {
    /// What is done with a member.
    #[must_use]
    pub fn of(verb: &str, member: &MemberId) -> Self {
        Self(format!("{verb}/{member}"))
    }

    /// One of several such things with the same member.
    #[must_use]
    pub fn about(verb: &str, member: &MemberId, which: &str) -> Self {
        Self(format!("{verb}/{member}/{which}"))
    }

    /// Whether it is a letter.
    #[must_use]
    pub fn is_a_letter(&self) -> bool {
        self.0.starts_with("letter/")
    }

    /// A letter to a member.
    #[must_use]
    pub fn letter(key: &NoticeKey) -> Self {
        Self(format!("letter/{}", key.0))
    }
}

impl Looking {
    /// Whether this matter waits for the looks.
    #[must_use]
    pub fn concerns(&self, matter: &Matter) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(matter))
    }
}

impl Starting {
    /// Nothing waits, and nothing is looked at any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is not handed out now.
    #[must_use]
    pub fn keeps_back(&self, notice: &Notice) -> bool {
        let matter = || Matter::letter(&notice.key);
        notice.audience == Audience::Member
            && (self.waits.contains_key(&matter())
                || self
                    .looking
                    .as_ref()
                    .is_some_and(|looking| looking.concerns(&matter()) && !is_never_kept_back(notice, looking.since)))
    }

    /// Open business of a member who turned out to be another goes on there.
    pub fn rename(&mut self, from: &MemberId, into: &MemberId) {
        let renamed = |matter: &Matter| {
            let (old, new) = (format!("/{from}"), format!("/{into}"));
            let ends = matter.0.strip_suffix(&old).map(|head| format!("{head}{new}"));
            // A letter's key stays as it was: it is the same letter.
            let within = || matter.0.replacen(&format!("{old}/"), &format!("{new}/"), 1);
            if matter.is_a_letter() { matter.clone() } else { Matter(ends.unwrap_or_else(within)) }
        };
        for (matter, mut hold) in std::mem::take(&mut self.waits) {
            let mut to = matter.clone();
            if hold.member == *from {
                to = renamed(&matter);
                hold.member = into.clone();
            }
            self.waits.entry(to).or_insert(hold);
        }
        if let Some(only) = self.looking.as_mut().and_then(|looking| looking.only.as_mut()) {
            let ours = format!("/{from}");
            let more: Vec<Matter> = only.iter().filter(|matter| matter.0.contains(&ours)).map(renamed).collect();
            only.extend(more);
        }
    }
}

/// Letters that go with what may be done at once: what was asked for since, and
/// what tells of a call that was made since.
fn is_never_kept_back(notice: &Notice, since: Moment) -> bool {
    let tells_of_a_call = || {
        matches!(notice.letter, Letter::Invited { .. } | Letter::AccessEnded { .. } | Letter::RemovedInactive { .. })
    };
    matches!(notice.letter, Letter::BillingLink { .. }) || (notice.created >= since && tells_of_a_call())
}

/// A letter to a member that is not out yet.
#[must_use]
pub fn is_owed(notice: &Notice) -> bool {
    let due = |delivery: &Delivery| matches!(delivery, Delivery::Due { .. });
    notice.audience == Audience::Member && notice.deliveries.values().any(due)
}

/// A letter about an invite, to somebody who pays: it never waits.
#[must_use]
pub fn is_of_a_payers_invite(book: &Book, notice: &Notice) -> bool {
    let about =
        matches!(notice.letter, Letter::Invited { .. } | Letter::Welcome { .. } | Letter::InviteReminder { .. });
    let member = || notice.member.as_ref().and_then(|member| book.members.get(member));
    about && member().is_some_and(super::Member::has_running_subscription)
}
