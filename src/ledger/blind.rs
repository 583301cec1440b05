//! Spans in which plays could not have been recorded. They lengthen the idle
//! clock and the warning's (RULES R3): only *observed* time counts.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::facts::Moment;

/// Blind spans, oldest first, not overlapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlindSpans {
    closed: Vec<(Moment, Moment)>,
    /// Blind since then, until a good reading closes it.
    open_since: Option<Moment>,
}

impl BlindSpans {
    /// Blind from `since` on, until [`BlindSpans::close`]. An earlier opening stands.
    pub fn open(&mut self, since: Moment) {
        self.open_since.get_or_insert(since);
    }

    /// Sees again since `at`.
    pub fn close(&mut self, at: Moment) {
        if let Some(since) = self.open_since.take() {
            self.add(since, at);
        }
    }

    /// Adds a span that was blind, seen only afterwards.
    pub fn add(&mut self, from: Moment, to: Moment) {
        if to <= from {
            return;
        }
        self.closed.push((from, to));
        self.closed.sort_unstable();
        let mut merged: Vec<(Moment, Moment)> = Vec::with_capacity(self.closed.len());
        for (from, to) in self.closed.drain(..) {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.closed = merged;
    }

    /// Adds another's spans; one that is still open counts up to `now`.
    pub fn join(&mut self, other: &Self, now: Moment) {
        for (from, to) in &other.closed {
            self.add(*from, *to);
        }
        for open in [other.open_since, self.open_since.take()].into_iter().flatten() {
            self.add(open, now);
        }
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open_since.is_none()
    }

    /// Keeps at most `spans_max`: where there are more, the shortest pauses
    /// between two count as blind, too.
    pub fn keep_at_most(&mut self, spans_max: usize) {
        while self.closed.len() > spans_max.max(1) {
            let pauses = self.closed.iter().zip(self.closed.iter().skip(1)).map(|(one, next)| (one.1, next.0));
            let Some((from, to)) = pauses.min_by_key(|(from, to)| *to - *from) else { return };
            self.add(from, to);
        }
    }

    /// Forgets spans that ended before `horizon`.
    pub fn forget_before(&mut self, horizon: Moment) {
        self.closed.retain(|(_, to)| *to >= horizon);
    }

    /// Since when nothing can be seen, if nothing can at present.
    #[must_use]
    pub fn since(&self) -> Option<Moment> {
        self.open_since
    }

    /// Whether nothing can be seen at present.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.open_since.is_some()
    }

    /// The part of `from..to` in which a play would have been recorded.
    /// Never negative.
    #[must_use]
    pub fn observed(&self, from: Moment, to: Moment) -> TimeDelta {
        if to <= from {
            return TimeDelta::zero();
        }
        let overlap = |span: (Moment, Moment)| (span.1.min(to) - span.0.max(from)).max(TimeDelta::zero());
        let mut seen = to - from;
        for span in &self.closed {
            seen -= overlap(*span);
        }
        if let Some(since) = self.open_since {
            seen -= overlap((since, to.max(since)));
        }
        seen.max(TimeDelta::zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Moment {
        Moment::from_timestamp(hour * 3600, 0).unwrap()
    }

    #[test]
    fn blind_time_is_not_idle_time() {
        let mut blind = BlindSpans::default();
        blind.add(at(10), at(20));
        blind.add(at(15), at(30));
        assert_eq!(blind.observed(at(0), at(40)), TimeDelta::hours(20));
        assert_eq!(blind.observed(at(12), at(18)), TimeDelta::zero());
        blind.open(at(35));
        assert_eq!(blind.observed(at(0), at(40)), TimeDelta::hours(15));
        blind.close(at(37));
        assert_eq!(blind.observed(at(0), at(40)), TimeDelta::hours(18));
    }

    #[test]
    fn spans_that_touch_are_one_and_an_empty_one_is_none() {
        let mut blind = BlindSpans::default();
        blind.add(at(10), at(20));
        blind.add(at(20), at(30));
        assert_eq!(blind.closed, [(at(10), at(30))]);
        blind.add(at(40), at(40));
        blind.add(at(50), at(45));
        assert_eq!(blind.closed, [(at(10), at(30))]);
    }

    #[test]
    fn it_is_blind_from_the_first_opening_to_the_close() {
        let mut blind = BlindSpans::default();
        assert!(!blind.is_blind() && blind.since().is_none());
        blind.open(at(10));
        blind.open(at(12));
        assert!(blind.is_blind());
        assert_eq!(blind.since(), Some(at(10)));
        blind.close(at(15));
        assert!(!blind.is_blind());
        assert_eq!(blind.observed(at(0), at(20)), TimeDelta::hours(15));
    }

    #[test]
    fn what_ended_before_the_horizon_is_forgotten_and_nothing_else() {
        let mut blind = BlindSpans::default();
        blind.add(at(10), at(20));
        blind.add(at(30), at(40));
        blind.add(at(50), at(60));
        blind.forget_before(at(40));
        assert_eq!(blind.closed, [(at(30), at(40)), (at(50), at(60))]);
    }

    #[test]
    fn what_two_saw_nothing_of_counts_once() {
        let (mut house, mut person) = (BlindSpans::default(), BlindSpans::default());
        house.add(at(10), at(20));
        house.open(at(40));
        person.add(at(15), at(25));
        person.open(at(45));
        house.join(&person, at(50));
        assert_eq!(house.closed, [(at(10), at(25)), (at(40), at(50))]);
        assert!(!house.is_blind() && !house.is_empty());
    }

    #[test]
    fn of_too_many_spans_the_nearest_become_one() {
        let mut blind = BlindSpans::default();
        for from in [0, 10, 13, 30] {
            blind.add(at(from), at(from + 2));
        }
        blind.keep_at_most(3);
        assert_eq!(blind.closed, [(at(0), at(2)), (at(10), at(15)), (at(30), at(32))]);
        blind.keep_at_most(1);
        assert_eq!(blind.closed, [(at(0), at(32))]);
        blind.keep_at_most(0);
        assert_eq!(blind.closed.len(), 1);
    }

    #[test]
    fn a_clock_that_runs_backwards_observes_nothing() {
        assert_eq!(BlindSpans::default().observed(at(5), at(1)), TimeDelta::zero());
    }
}
