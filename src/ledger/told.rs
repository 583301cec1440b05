//! Standing conditions: the operator is told when one begins, once.
//!
//! What comes and goes (a service that is up and down, a clock that is right
//! and wrong) is one thing to look at. It is told again when it had been over
//! for a day, or when it then stands for some hours; until then it is only
//! among what the digest lists.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Book;
use crate::facts::Moment;

/// Whatever was over for so long is told anew when it begins again.
const OVER_FOR_GOOD: TimeDelta = TimeDelta::hours(24);
/// What began again sooner is told when it has stood for so long.
const STANDS_FOR_GOOD: TimeDelta = TimeDelta::hours(6);

/// A condition that was told, and was over after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBefore {
    /// Since when it stood, as it was told.
    pub since: Moment,
    /// What it has done since.
    pub now: ComesAndGoes,
}

/// Whether a condition that comes and goes stands at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComesAndGoes {
    /// It is over since then.
    Over(Moment),
    /// It stands again since then, and that was not told.
    Again(Moment),
}

impl Book {
    /// Tells once: true when the operator must be told now. Said at each pass
    /// while the condition stands. Ends by [`Book::untell`].
    pub fn tell(&mut self, condition: impl Into<String>, now: Moment) -> bool {
        self.tell_since(condition, now, now)
    }

    /// The same of what has stood for a while.
    pub fn tell_since(&mut self, condition: impl Into<String>, since: Moment, now: Moment) -> bool {
        let condition = condition.into();
        let stands = self.told.contains_key(&condition);
        match self.told_before.get_mut(&condition) {
            None if stands => return false,
            Some(ToldBefore { now: ComesAndGoes::Again(again), .. }) if stands && now - *again < STANDS_FOR_GOOD => {
                return false;
            }
            Some(ToldBefore { since, now: before }) if !stands => {
                if matches!(*before, ComesAndGoes::Over(over) if (now - over).abs() < OVER_FOR_GOOD) {
                    *before = ComesAndGoes::Again(now);
                    self.told.insert(condition, *since);
                    return false;
                }
            }
            _ => {}
        }
        self.told_before.remove(&condition);
        self.told.insert(condition, since);
        true
    }

    /// The condition is over. Since when it stood, where that was told.
    pub fn untell(&mut self, condition: &str, now: Moment) -> Option<Moment> {
        let since = self.told.remove(condition)?;
        let over = ToldBefore { since, now: ComesAndGoes::Over(now) };
        let before = self.told_before.insert(condition.to_owned(), over);
        before.is_none().then_some(since)
    }

    /// Of the conditions whose name begins so, those that no longer stand are over.
    pub fn untell_others(&mut self, prefix: &str, now: Moment, stands: impl Fn(&str) -> bool) {
        let of_it = self.told.keys().filter(|condition| condition.starts_with(prefix));
        let over: Vec<String> = of_it.filter(|condition| !stands(condition)).cloned().collect();
        for condition in over {
            self.untell(&condition, now);
        }
    }

    /// What has been over for so long that it would be told anew.
    pub(super) fn forget_what_was_told(&mut self, now: Moment) {
        let told = &self.told;
        self.told_before.retain(|condition, before| match before.now {
            ComesAndGoes::Over(over) => (now - over).abs() < OVER_FOR_GOOD,
            ComesAndGoes::Again(_) => told.contains_key(condition),
        });
    }
}
