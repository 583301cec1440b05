//! R9.4: while the clock can't be trusted nothing is decided, and it is looked
//! at again each minute, so that a payer is in soon after it was set right.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Engine, outcomes};
use crate::backoff::WAIT_MAX;
use crate::facts::{Moment, Source};
use crate::ledger::Book;
use crate::policy::brake;

/// The condition that the clocks disagree.
const CLOCK: &str = "clock";

/// While they do, both are compared again so often.
const COMPARED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A wish for a reading lies never so far ahead, unless the clock was when it
/// was wished for.
const WISHED_AHEAD_MAX: TimeDelta = TimeDelta::hours(1);

/// The next try of a letter never lies farther ahead: the last step of its schedule,
/// and what its hash adds to it.
const LETTER_AHEAD_MAX: TimeDelta = TimeDelta::minutes(130);

/// A clock that is kept right goes back by seconds at most.
const SET_BACK: TimeDelta = TimeDelta::minutes(1);

/// When the clock was last right, and when it was found wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// By the right time: what a service agreed with.
    pub(super) right: Moment,
    /// By the wrong one; `None` while it is right.
    wrong: Option<Moment>,
    /// What it said at the last pass.
    seen: Moment,
}

impl Watch {
    /// `written`: when the book was, which was by the right time.
    pub(super) fn begun(written: Moment) -> Self {
        Self { right: written, wrong: None, seen: written }
    }

    /// The clocks disagree.
    pub(super) fn goes_wrong(&mut self, now: Moment) {
        self.wrong.get_or_insert(now);
    }

    /// The present, by the right time, as far as it can be told.
    fn reckoned(&self, now: Moment) -> Moment {
        let wrong_for = self.wrong.map_or(TimeDelta::zero(), |since| now - since);
        self.right + wrong_for.max(TimeDelta::zero())
    }

    /// A pass is made then at the latest: our own clock may have been set.
    pub(super) fn look_again(&self, now: Moment) -> Option<Moment> {
        self.wrong.map(|_| now + COMPARED_EVERY)
    }
}

/// At a start: our clock may have been ahead, and set right while Usher was down. What
/// waits for longer than anything waits was put off by that clock.
pub(super) fn forget_times_ahead(now: Moment, book: &mut Book) {
    book.rests.retain(|_, until| *until <= now + WAIT_MAX);
    book.wait_no_longer_than(WAIT_MAX, now);
    outcomes::put_off_no_longer_than(WAIT_MAX, now, book);
}

impl Engine {
    /// The clocks agree. What was read or wished for by a wrong one counts for
    /// nothing: each source is looked at anew, at once, and what it put off is tried.
    pub(super) fn note_right_clock(&mut self, now: Moment, book: &mut Book) {
        // A clock that was set a moment ago isn't found out yet: right is what a
        // service agreed with.
        let agreed = [Source::Plex, Source::Stripe].into_iter().filter_map(|source| self.world.state(source).read_at);
        if let Some(agreed) = agreed.max() {
            self.clock.right = agreed;
        }
        if self.clock.wrong.take().is_none() {
            return;
        }
        tracing::info!("the clocks agree again");
        self.aside.untell(CLOCK);
        self.wanted.retain(|_, wanted| *wanted <= now + WISHED_AHEAD_MAX);
        self.end_waits(now, book);
        let unseen =
            |source: &Source| self.world.state(*source).read_at.is_some_and(|_| self.world.state(*source).wholes == 0);
        let anew: Vec<Source> = Source::ALL.into_iter().filter(unseen).collect();
        self.wanted.extend(anew.into_iter().map(|source| (source, now)));
    }

    /// Looks whether our clock was set back, which nobody may have found wrong before.
    pub(super) fn note_time(&mut self, now: Moment, book: &mut Book) {
        let before = std::mem::replace(&mut self.clock.seen, now);
        if before - now >= SET_BACK {
            self.end_waits(now, book);
        }
    }

    /// What was put off by a clock that was ahead is tried. A service that asked for
    /// rest isn't called all the same: its client counts by a clock that nobody sets.
    fn end_waits(&mut self, now: Moment, book: &mut Book) {
        self.paused.clear();
        book.rests.clear();
        for stalled in self.world.stalled.values_mut() {
            stalled.until = stalled.until.min(now + WISHED_AHEAD_MAX);
        }
        book.wait_no_longer_than(LETTER_AHEAD_MAX, now);
        self.aside.wait_no_longer_than(LETTER_AHEAD_MAX, now);
        outcomes::put_off_no_longer_than(WISHED_AHEAD_MAX, now, book);
    }

    /// Nothing about members is committed; its one notice goes out from memory.
    pub(super) fn only_tell_of_the_clock(&mut self, now: Moment, book: Book) {
        if let Some(why) = brake::clock_failure(self.scene(now, &book))
            && self.aside.tell(CLOCK, self.clock.reckoned(now))
        {
            tracing::error!("{why}; nothing is decided until the clocks agree");
            let mend = "Mend the clock (NTP). Nobody is invited, warned or removed meanwhile.";
            self.tell_aside(now, "The clocks disagree: Usher only waits", why, mend);
        }
        self.keep_in_memory(book);
        self.carry_aside(now);
    }

    /// While the clocks disagree: those with whom ours is compared.
    pub(super) fn clock_wishes(&self, now: Moment) -> BTreeMap<Source, Moment> {
        let compared = |source: Source| {
            let begun = match source {
                Source::Plex => self.world.plex.last.as_ref()?.begun,
                Source::Stripe => self.world.stripe.last.as_ref()?.begun,
                Source::Tautulli => return None,
            };
            // By a clock that was set since, it may lie anywhere.
            Some((source, (begun + COMPARED_EVERY).clamp(now, now + COMPARED_EVERY)))
        };
        let wrong = self.clock.wrong.is_some();
        Source::ALL.into_iter().filter(|_| wrong).filter_map(compared).collect()
    }
}
