//! Standing conditions: the operator is told when one begins, once.
//!
//! What comes and goes (a service that is up and down, a clock that is right
//! and wrong) is told a few times, and then is one thing to look at: it is told
//! again when it stands for some hours, or a day after it was told first. Until
//! then it is only among what the digest lists.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::Book;
use crate::facts::Moment;

/// In one day the same condition is told so often.
const TOLD_A_DAY: usize = 3;
/// A telling counts for so long.
const A_DAY: TimeDelta = TimeDelta::hours(24);
/// What begins once more after that is told when it has stood for so long.
const STANDS_FOR_GOOD: TimeDelta = TimeDelta::hours(6);

/// How often a condition was told of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldBefore {
    /// When it was told, within a day.
    pub at: Vec<Moment>,
    /// Since when it stood, as it was told last.
    pub since: Moment,
    /// It stands again since then, and that was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold_since: Option<Moment>,
}

impl ToldBefore {
    /// The tellings that still count.
    fn of_late(&mut self, now: Moment) -> usize {
        self.at.retain(|at| (now - *at).abs() < A_DAY);
        self.at.len()
    }
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
        let untold = self.told_before.get(&condition).and_then(|before| before.untold_since);
        match untold {
            None if stands => return false,
            Some(again) if stands && now - again < STANDS_FOR_GOOD => return false,
            _ => {}
        }
        let new = || ToldBefore { at: Vec::new(), since, untold_since: None };
        let before = self.told_before.entry(condition.clone()).or_insert_with(new);
        let too_often = before.of_late(now) >= TOLD_A_DAY && untold.is_none();
        before.untold_since = too_often.then_some(now);
        if !too_often {
            before.at.push(now);
            before.since = since;
        }
        // The digest finds by it the message that told of it.
        self.told.insert(condition, before.since);
        !too_often
    }

    /// The condition is over. Since when it stood, where that was told.
    pub fn untell(&mut self, condition: &str) -> Option<Moment> {
        let since = self.told.remove(condition)?;
        let untold = self.told_before.get_mut(condition).and_then(|before| before.untold_since.take());
        untold.is_none().then_some(since)
    }

    /// Of the conditions whose name begins so, those that no longer stand are over.
    pub fn untell_others(&mut self, prefix: &str, stands: impl Fn(&str) -> bool) {
        let of_it = self.told.keys().filter(|condition| condition.starts_with(prefix));
        let over: Vec<String> = of_it.filter(|condition| !stands(condition)).cloned().collect();
        for condition in over {
            self.untell(&condition);
        }
    }

    /// Tellings of more than a day ago, which count no more.
    pub(super) fn forget_what_was_told(&mut self, now: Moment) {
        self.told_before.retain(|_, before| before.of_late(now) > 0 || before.untold_since.is_some());
    }
}
