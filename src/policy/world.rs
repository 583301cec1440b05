//! What the services said last, as the engine remembers it in memory. After a
//! restart it is empty, and so the first whole readings only look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::Rules;
use crate::facts::{Activity, Billing, Friends, Moment, Reading, Source, Unread, Whole};

/// The three sources as last seen by this process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// plex.tv.
    pub plex: Seen<Friends>,
    /// Stripe.
    pub stripe: Seen<Billing>,
    /// Tautulli.
    pub tautulli: Seen<Activity>,
    /// Populations that are far smaller than lately, and what is known of it.
    pub drops: BTreeMap<crate::ledger::Population, Drop>,
    /// The operator's word on them, good until the count is normal again.
    pub accepted_drops: BTreeSet<crate::ledger::Population>,
    /// When the newest listing that shows a member's row (or its absence) was
    /// begun, where that is newer than the last whole reading.
    pub listed: BTreeMap<crate::member::MemberId, Moment>,
    /// When the newest look at a customer was begun.
    pub customers_looked: BTreeMap<crate::facts::CustomerId, Moment>,
    /// What was heard by webhook, and what should have been.
    pub hearing: super::webhooks::Hearing,
    /// A changing call is under way.
    pub calling: bool,
    /// When the last changing call, and its reading back, had ended.
    pub call_ended: Option<Moment>,
    /// Services that failed an act or its look: no act calls them for a while.
    pub stalled: BTreeMap<Source, Stalled>,
    /// The book can't be trusted yet: only look, for this reason.
    pub only_look: Option<String>,
    /// What the history tells of the time after such a book, a line each.
    pub forgotten: Vec<String>,
}

/// A population far smaller than lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// When a whole reading first showed it.
    pub since: Moment,
    /// How many there are now.
    pub now: u64,
    /// How many there should be, after explained goings.
    pub expected: u64,
    /// Tautulli's history had fallen below half, and is not the one of before:
    /// growing doesn't make it that.
    pub begun_anew: bool,
}

/// A service that failed an act or its look. All acts wait together, so that
/// many of them don't multiply the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalled {
    /// When the failures began.
    pub first: Moment,
    /// No act calls it before then.
    pub until: Moment,
    /// Failures in a row.
    pub failures: u32,
    /// What it said, where it refused our token or key: then only another
    /// process, with another one, will do better.
    pub refuses_us: Option<String>,
}

/// One source as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    /// The last whole reading; shared, since it may be large and what is published
    /// after each pass holds it too.
    pub last: Option<Arc<Whole<T>>>,
    /// Whole readings in this process that were taken up.
    pub wholes: u32,
    /// Failures since the last whole reading.
    pub failures: u32,
    /// When the failures began.
    pub failing_since: Option<Moment>,
    /// The last failure.
    pub last_error: Option<Unread>,
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self { last: None, wholes: 0, failures: 0, failing_since: None, last_error: None }
    }
}

impl<T> Seen<T> {
    /// Remembers a reading.
    pub fn see(&mut self, reading: Reading<T>) {
        match reading {
            Reading::Read(whole) => {
                self.last = Some(Arc::new(whole));
                self.wholes = self.wholes.saturating_add(1);
                self.failures = 0;
                self.failing_since = None;
                self.last_error = None;
            }
            Reading::Unread(unread) => {
                self.failures = self.failures.saturating_add(1);
                self.failing_since.get_or_insert(unread.at);
                self.last_error = Some(unread);
            }
        }
    }

    /// The last whole reading, to be changed (a copy, where somebody else holds it).
    pub fn whole_mut(&mut self) -> Option<&mut Whole<T>>
    where
        T: Clone,
    {
        self.last.as_mut().map(Arc::make_mut)
    }

    /// The last whole value.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.last.as_ref().map(|whole| &whole.value)
    }
}

/// A source's state without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenState {
    /// When the last whole reading ended.
    pub read_at: Option<Moment>,
    /// Their clock minus ours, then.
    pub skew_secs: Option<i64>,
    /// Whole readings in this process.
    pub wholes: u32,
    /// Failures since.
    pub failures: u32,
    /// Since when.
    pub failing_since: Option<Moment>,
    /// The last one.
    pub last_error: Option<Unread>,
}

impl World {
    /// How a source stands.
    #[must_use]
    pub fn state(&self, source: Source) -> SeenState {
        fn of<T>(seen: &Seen<T>) -> SeenState {
            SeenState {
                read_at: seen.last.as_ref().map(|whole| whole.at),
                skew_secs: seen.last.as_ref().and_then(|whole| whole.skew_secs),
                wholes: seen.wholes,
                failures: seen.failures,
                failing_since: seen.failing_since,
                last_error: seen.last_error.clone(),
            }
        }
        match source {
            Source::Plex => of(&self.plex),
            Source::Stripe => of(&self.stripe),
            Source::Tautulli => of(&self.tautulli),
        }
    }

    /// What was read so far doesn't count as looking (RULES R9.1): it was not
    /// taken up.
    pub fn begin_looking_anew(&mut self, source: Source) {
        match source {
            Source::Plex => self.plex.wholes = 0,
            Source::Stripe => self.stripe.wholes = 0,
            Source::Tautulli => self.tautulli.wholes = 0,
        }
    }

    /// plex.tv or Stripe has answered this process, and so our clock was held
    /// against theirs (RULES R9.4).
    #[must_use]
    pub fn clock_was_compared(&self) -> bool {
        self.plex.last.is_some() || self.stripe.last.is_some()
    }

    /// Why a service refuses our token or key to acts, while it is read all the
    /// same. Where it can't be read either, that is what is told.
    #[must_use]
    pub fn refuses_acts(&self, source: Source) -> Option<&str> {
        let stalled = self.stalled.get(&source)?;
        let read = self.state(source).read_at.is_some_and(|at| at > stalled.first);
        stalled.refuses_us.as_deref().filter(|_| read)
    }

    /// Whether no act may call this service now.
    #[must_use]
    pub fn rests(&self, now: Moment, book: &crate::ledger::Book, source: Source) -> bool {
        let stalled = self.stalled.get(&source).is_some_and(|stalled| stalled.until > now);
        stalled || book.rests.get(&source).is_some_and(|until| *until > now)
    }

    /// When the newest listing that covers this member was begun.
    #[must_use]
    pub fn listed_at(&self, member: &crate::member::MemberId) -> Option<Moment> {
        let whole = self.plex.last.as_ref().map(|whole| whole.begun);
        whole.max(self.listed.get(member).copied())
    }

    /// Whether a source was read whole lately enough (RULES R9.2).
    #[must_use]
    pub fn is_fresh(&self, now: Moment, rules: &Rules, source: Source) -> bool {
        self.state(source).read_at.is_some_and(|at| now - at <= rules.freshness(source))
    }

    /// Failing for 3 intervals and 3 tries: worth telling the operator.
    #[must_use]
    pub fn is_down(&self, now: Moment, rules: &Rules, source: Source) -> bool {
        let state = self.state(source);
        let interval = rules.intervals.get(&source).copied().unwrap_or(TimeDelta::minutes(15));
        state.failures >= 3 && state.failing_since.is_some_and(|since| now - since >= interval * 2)
    }
}
