//! How a reading loop rests: until its interval is over, a back-off has
//! passed, or a reading is wanted earlier.
//!
//! It promises: a failure counts once a wait, however often the wait is cut
//! short; a service that asked for rest is not called sooner.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::Taken;
use crate::backoff;
use crate::clock::Clock;
use crate::engine::snapshot::Needs;
use crate::facts::{Moment, Source};
use crate::services::http::rest::present;

/// One loop's rhythm.
pub struct Rhythm {
    /// Which source it reads.
    pub source: Source,
    /// How often.
    pub interval: Duration,
    /// What the engine wants.
    pub needs: watch::Receiver<Arc<Needs>>,
    /// The time.
    pub clock: Clock,
    /// Whether a hint waits for this source.
    hints: Option<watch::Receiver<bool>>,
    failures: u32,
    /// The last wait was not cut short.
    waited: bool,
    turns: u64,
}

impl Rhythm {
    /// The first turn is taken at once.
    #[must_use]
    pub fn new(source: Source, interval: Duration, needs: watch::Receiver<Arc<Needs>>, clock: Clock) -> Self {
        Self { source, interval, needs, clock, hints: None, failures: 0, waited: true, turns: 0 }
    }

    /// Hurries while a hint waits.
    #[must_use]
    pub fn hurried_by(mut self, hints: watch::Receiver<bool>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Rests until the next reading is due. Dropped before its end, it doesn't
    /// count as a wait.
    pub async fn rest<T>(&mut self, last: &Taken<T>) {
        self.turns += 1;
        match last.succeeded {
            true => self.failures = 0,
            false if self.waited || self.failures == 0 => self.failures = self.failures.saturating_add(1),
            false => {}
        }
        self.waited = false;
        let started = present();
        loop {
            let over = started + self.pause().max(last.asked.unwrap_or_default());
            let early = if last.asked.is_none() { self.wanted_in(last.begun) } else { None };
            tokio::select! {
                biased;
                () = sleep_until(over) => break,
                () = sleep(early.unwrap_or(Duration::MAX)), if early.is_some() => break,
                changed = self.needs.changed() => if changed.is_err() {
                    // The engine is gone, and the process ends.
                    return sleep_until(over).await;
                },
                () = changed(&mut self.hints) => {}
            }
        }
        self.waited = true;
    }

    fn pause(&self) -> Duration {
        let key = self.source.name();
        let hurries = self.needs.borrow().hurried.contains(&self.source)
            || self.hints.as_ref().is_some_and(|waits| *waits.borrow());
        let cap = if hurries { backoff::HURRIED_CAP } else { backoff::LOOP_CAP };
        match self.failures {
            0 => backoff::interval_with_jitter(self.interval, key, self.turns),
            failures => backoff::loop_delay(self.interval, cap, failures, key),
        }
    }

    /// How long until a wanted reading, unless one begun since has met the
    /// wish. While the source fails, only the back-off counts, until somebody
    /// else has had a good answer.
    fn wanted_in(&mut self, begun: Moment) -> Option<Duration> {
        let needs = self.needs.borrow_and_update();
        if self.failures > 0 {
            return needs
                .answered
                .get(&self.source)
                .is_some_and(|answered| *answered > begun)
                .then_some(Duration::ZERO);
        }
        // A reading that was begun in the future was begun by a wrong clock, and
        // says nothing of when.
        let now = self.clock.now();
        let wanted = needs.wanted.get(&self.source).copied().filter(|wanted| *wanted > begun || begun > now)?;
        Some((wanted - now).to_std().unwrap_or(Duration::ZERO))
    }
}

async fn changed(hints: &mut Option<watch::Receiver<bool>>) {
    if let Some(waits) = hints
        && waits.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
