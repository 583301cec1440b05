//! What the operator asks for, and what becomes of the book by it.
//!
//! Promises: an ask names one person or does nothing; it is done whole or
//! refused with a sentence that says what would do; the same ask twice changes
//! nothing the second time. Never: anything outside the book. What follows
//! from the new book is planned and braked like everything else.

mod accept;
mod billing;
mod both;
mod grants;
mod links;
mod redeem;
mod undo;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    Rules, Scene, World, brake,
    confirm::LISTED_WITHIN,
    plan::{self},
    who,
};
use crate::facts::{CancelWhen, Moment, Source};
use crate::ledger::{Act, Book, Intent, IntentState, Member};
use crate::member::MemberId;

pub use accept::accept;
pub use both::carry_over;
pub use redeem::NO_SUCH_CODE;

/// A hundred years.
const DAYS_MAX: i64 = 36_500;

/// What the operator asks for. Words are the commands' own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Let held actions go on. `h-…` ids, or `all`.
    Approve { ids: Vec<String> },
    /// Drop held actions for this occasion. `h-…` ids, or `all`.
    Reject { ids: Vec<String> },
    /// End an identity, clock, continuity or old-state hold.
    Accept { what: Accept },
    /// Give back what a removal took (promise 9).
    Restore { who: String },
    /// Out, whatever else stands.
    Revoke {
        who: String,
        #[serde(default)]
        cancel: Option<CancelWhen>,
    },
    /// In for good with the share as it stands.
    Grandfather { who: String },
    /// Everybody who has access and pays nothing.
    GrandfatherEveryone,
    /// In as a guest with a tier. Somebody new is named by their email.
    Invite {
        who: String,
        tier: String,
        /// For how long; `None` = their end, if they have one, stays as it is.
        #[serde(default)]
        days: Option<Stay>,
    },
    /// A free code, typed in by somebody who says that this is the address of
    /// their Plex account.
    Redeem { email: String, code: String },
    /// A link to their billing page, to be mailed to the customers with this
    /// address, if there are any.
    BillingLink { email: String },
    /// Days added to the last end.
    Extend { who: String, days: u32 },
    /// A holiday: every clock stands still until that day has ended.
    Pause { who: String, until: NaiveDate, note: String },
    /// Which Plex account somebody is; which `cus_…` or `sub_…` is theirs.
    Link {
        who: String,
        #[serde(default)]
        plex: Option<String>,
        #[serde(default)]
        stripe: Option<String>,
    },
    /// Takes a customer or subscription apart from them.
    Unlink {
        who: String,
        #[serde(default)]
        stripe: Option<String>,
    },
}

/// For how long somebody is invited: a number of days, or `"never"`, which
/// takes an end away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stay {
    /// So many days from today.
    Days(u32),
    /// Without an end.
    Word(Endless),
}

/// The word for no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endless {
    /// It never ends.
    Never,
}

impl Stay {
    /// Without an end.
    pub const FOR_GOOD: Self = Self::Word(Endless::Never);
}

/// An ask, or the wish to know what it would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What.
    #[serde(flatten)]
    pub ask: Ask,
    /// `--dry-run`: only say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

impl From<Ask> for Wish {
    fn from(ask: Ask) -> Self {
        Self { ask, dry_run: false }
    }
}

/// What `usher accept` may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// Another Plex server, or far fewer friends than before.
    Server,
    /// Another Stripe account or mode, or far fewer subscriptions.
    Stripe,
    /// Another Tautulli, or far less history.
    Tautulli,
    /// A clock that went back before the last commit.
    Clock,
    /// A book that is older than its history.
    State,
}

impl Accept {
    /// Whose readings it is about, if anybody's.
    #[must_use]
    pub fn source(self) -> Option<Source> {
        match self {
            Self::Server => Some(Source::Plex),
            Self::Stripe => Some(Source::Stripe),
            Self::Tautulli => Some(Source::Tautulli),
            Self::Clock | Self::State => None,
        }
    }
}

/// What an ask came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// What was done, a sentence a line.
    pub lines: Vec<String>,
    /// Whom it concerned, as the book knew them before.
    pub about: Vec<MemberId>,
}

impl Said {
    fn about(member: &MemberId, line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], about: vec![member.clone()] }
    }

    fn and(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
}

/// What an ask may look at besides the book that it changes.
#[derive(Clone, Copy)]
pub struct Hearing<'a> {
    /// The present instant.
    pub now: Moment,
    /// The operator's thresholds.
    pub rules: &'a Rules,
    /// What the services said last.
    pub world: &'a World,
}

impl<'a> Hearing<'a> {
    fn scene(self, book: &'a Book) -> Scene<'a> {
        Scene { now: self.now, rules: self.rules, book, world: self.world }
    }

    fn day(self, at: Moment) -> NaiveDate {
        self.rules.day_of(at - chrono::TimeDelta::seconds(1))
    }
}

/// Changes the book as asked. On an error the book may be half changed: throw
/// it away.
///
/// # Errors
/// A sentence: why nothing is done, and what would do.
pub fn carry_out(hearing: Hearing<'_>, book: &mut Book, ask: &Ask) -> Result<Said, String> {
    within_reason(hearing, ask)?;
    match ask {
        Ask::Approve { .. } | Ask::Reject { .. } | Ask::Accept { .. } => Ok(Said::default()),
        Ask::Restore { who } => undo::restore(hearing, book, &to_stay(hearing, book, who)?),
        Ask::Revoke { who, cancel } => undo::revoke(hearing, book, &meant(book, who)?, *cancel),
        Ask::GrandfatherEveryone => grants::grandfather_everyone(hearing, book),
        Ask::Grandfather { who } => grants::grandfather(hearing, book, &to_stay(hearing, book, who)?),
        Ask::Invite { who, tier, days } => grants::invite(hearing, book, who, tier, *days),
        Ask::Link { who, plex, stripe } => {
            links::link(hearing, book, &meant(book, who)?, plex.as_deref(), stripe.as_deref())
        }
        Ask::Unlink { who, stripe } => links::unlink(hearing, book, &meant(book, who)?, stripe.as_deref()),
        Ask::Redeem { email, code } => redeem::redeem(hearing, book, email, code),
        Ask::BillingLink { email } => billing::link(hearing, book, email),
        Ask::Extend { who, days } => grants::extend(hearing, book, &to_stay(hearing, book, who)?, *days),
        Ask::Pause { who, until, note } => grants::pause(hearing, book, &to_stay(hearing, book, who)?, *until, note),
    }
}

/// What lies further off than any member lives was mistyped, and can't be
/// reckoned with.
fn within_reason(hearing: Hearing<'_>, ask: &Ask) -> Result<(), String> {
    let days = match ask {
        Ask::Invite { days: Some(Stay::Days(days)), .. } | Ask::Extend { days, .. } => i64::from(*days),
        Ask::Pause { until, .. } => (*until - hearing.rules.day_of(hearing.now)).num_days(),
        _ => 0,
    };
    if days > DAYS_MAX { Err(format!("at most {DAYS_MAX} days can be given")) } else { Ok(()) }
}

fn of<'a>(book: &'a Book, id: &MemberId) -> Result<&'a Member, String> {
    book.members.get(id).ok_or_else(|| format!("{id} is not in the book"))
}

fn meant(book: &Book, who: &str) -> Result<MemberId, String> {
    who::find(book, who).map(|member| member.id.clone())
}

/// Whoever is meant to stay.
fn to_stay(hearing: Hearing<'_>, book: &Book, who: &str) -> Result<MemberId, String> {
    let id = meant(book, who)?;
    not_on_the_way_out(hearing, book, &id)?;
    Ok(id)
}

/// A call that ends their share or invite can't be called back, and takes what
/// was said meanwhile with it (RULES R3.3): it is to be said once that is over.
fn not_on_the_way_out(hearing: Hearing<'_>, book: &Book, id: &MemberId) -> Result<(), String> {
    let name = of(book, id)?.name();
    if is_on_the_way_out(hearing, book, id) {
        return Err(format!("the share of {name} is being ended at Plex at this moment; say it again in a minute"));
    }
    Ok(())
}

fn is_on_the_way_out(hearing: Hearing<'_>, book: &Book, id: &MemberId) -> bool {
    let calls = |intent: &Intent| match intent.state {
        IntentState::Attempted { at } => matches!(intent.act, Act::End { .. }) && hearing.now - at < LISTED_WITHIN,
        IntentState::Decided | IntentState::Rehearsed { .. } => false,
    };
    book.intents.values().any(|intent| intent.member == *id && calls(intent))
}

/// What follows for these people from the book as it stands now.
#[must_use]
pub fn what_comes_next(scene: Scene<'_>, about: &[MemberId]) -> Vec<String> {
    let mut about: Vec<&MemberId> = about.iter().map(|id| scene.book.merged.get(id).unwrap_or(id)).collect();
    about.sort();
    about.dedup();
    let admission = brake::admit(scene, plan::plan(scene));
    let mut lines = Vec::new();
    for proposal in admission.admitted.iter().filter(|proposal| about.contains(&&proposal.member)) {
        let dry = if scene.rules.ways.dry_run { " (dry run: told, not done)" } else { "" };
        lines.push(format!("next: {}{dry}", proposal.what));
    }
    for (proposal, because) in admission.held.iter().filter(|(proposal, _)| about.contains(&&proposal.member)) {
        lines.push(format!("next: {}; it waits ({}): {}", proposal.what, because.rule(), because.sentence()));
    }
    if lines.is_empty() {
        lines.push("next: nothing; no share is changed by it".into());
    }
    lines
}
