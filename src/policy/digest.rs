//! When the operator's digest is due: at 09:00 of the local day, each day or
//! each Monday. What stands in it is computed by `reports/digest`.
//!
//! What it promises: it is named by its day and stands in the outbox under that
//! name, so the same one is never owed twice; the first one comes at the first
//! such time after the book was begun. What came too late is of no use: a
//! daily one may be late on its own day, a weekly one until Wednesday, and then
//! it is skipped (RULES R10). After a start it waits for what it tells of to
//! be read, but not for ever.

use chrono::{Datelike, NaiveDate, TimeDelta};

use super::{Rules, Scene};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Letter, Owed};

/// At breakfast.
const HOUR: i64 = 9;
/// A weekly one is worth reading for so many days more than its own.
const WEEKLY_LATE_DAYS: i64 = 2;
/// It goes out with what is known so long before it is of no use: a mail
/// server may need some tries.
const LAST_CALL: TimeDelta = TimeDelta::hours(1);

/// `DIGEST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Never.
    Off,
    /// Each day.
    Daily,
    /// Each Monday.
    Weekly,
}

impl Digest {
    /// Days from one to the next; `None`: there is none.
    fn every_days(self) -> Option<i64> {
        match self {
            Self::Off => None,
            Self::Daily => Some(1),
            Self::Weekly => Some(7),
        }
    }

    /// The day of the one that this day belongs to.
    fn day_of(self, today: NaiveDate) -> NaiveDate {
        let since = match self {
            Self::Off | Self::Daily => 0,
            Self::Weekly => today.weekday().num_days_from_monday(),
        };
        today - TimeDelta::days(since.into())
    }
}

/// A digest whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its day, which names it.
    pub day: NaiveDate,
    /// The one before was made then; else the book was begun.
    pub since: Moment,
    /// When the one after is due.
    pub next: Moment,
    /// From then on it is of no use.
    stale: Moment,
}

impl Due {
    /// As it stands in the outbox.
    #[must_use]
    pub fn owed(&self, now: Moment, letter: Letter) -> Owed {
        Owed { shelf: self.stale - now, ..Owed::to_operator(None, self.day.to_string(), letter) }
    }
}

/// The digest that is to be made now.
#[must_use]
pub fn due(scene: Scene<'_>) -> Option<Due> {
    let due = under_way(scene)?;
    let waits = is_unread(scene) && scene.now < due.stale - LAST_CALL;
    (!waits).then_some(due)
}

/// When time alone makes one due.
#[must_use]
pub fn next(scene: Scene<'_>) -> Option<Moment> {
    let last_call = under_way(scene).map(|due| due.stale - LAST_CALL);
    let every = scene.rules.digest.every_days()?;
    let day = scene.rules.digest.day_of(scene.rules.day_of(scene.now));
    let times = [0, every].map(|days| scene.rules.at_hour(day + TimeDelta::days(days), HOUR));
    times.into_iter().chain(last_call).filter(|at| *at > scene.now).min()
}

/// Its time has come, it is still of use, and it was not made yet.
fn under_way(scene: Scene<'_>) -> Option<Due> {
    let Scene { now, rules, book, .. } = scene;
    let every = rules.digest.every_days().filter(|_| rules.ways.operator_mail || rules.ways.discord)?;
    let day = rules.digest.day_of(rules.day_of(now));
    let due = Due {
        day,
        since: made(book).map(|(_, at)| at).max().unwrap_or(book.begun),
        next: rules.at_hour(day + TimeDelta::days(every), HOUR),
        stale: stale(rules, day),
    };
    let at = rules.at_hour(day, HOUR);
    let is_time = at <= now && now < due.stale && at > book.begun;
    let is_made = || made(book).any(|(made, _)| made == day);
    (is_time && !is_made()).then_some(due)
}

fn stale(rules: &Rules, day: NaiveDate) -> Moment {
    match rules.digest {
        Digest::Off | Digest::Daily => rules.end_of_day(day),
        Digest::Weekly => rules.end_of_day(day + TimeDelta::days(WEEKLY_LATE_DAYS)),
    }
}

/// Those of lately: their days, and when they were made.
fn made(book: &Book) -> impl Iterator<Item = (NaiveDate, Moment)> {
    book.outbox.values().filter_map(|notice| match &notice.letter {
        Letter::Digest { day, .. } => Some((*day, notice.created)),
        _ => None,
    })
}

/// After a start: what it tells of was not read yet. Who doesn't watch is the
/// least of it, so a Tautulli that doesn't answer is not waited for.
fn is_unread(scene: Scene<'_>) -> bool {
    scene.rules.configured.iter().any(|source| {
        let state = scene.world.state(*source);
        let may_go_without = *source == Source::Tautulli && state.failures > 0;
        state.read_at.is_none() && !may_go_without
    })
}
