//! How a reading loop rests: until its interval is over, a back-off has
//! passed, or a reading is wanted earlier.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::backoff;
use crate::clock::Clock;
use crate::engine::snapshot::Needs;
use crate::facts::{Moment, Source};

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
    failures: u32,
    turns: u64,
}

impl Rhythm {
    /// The first turn is taken at once.
    #[must_use]
    pub fn new(source: Source, interval: Duration, needs: watch::Receiver<Arc<Needs>>, clock: Clock) -> Self {
        Self { source, interval, needs, clock, failures: 0, turns: 0 }
    }

    /// Rests until the next reading is due. `begun`: when the last one was.
    pub async fn rest(&mut self, begun: Moment, succeeded: bool) {
        self.turns += 1;
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
        let key = self.source.name();
        let pause = match self.failures {
            0 => backoff::interval_with_jitter(self.interval, key, self.turns),
            failures => backoff::loop_delay(self.interval, failures, key),
        };
        let mut over = std::pin::pin!(sleep(pause));
        loop {
            let early = self.wanted_in(begun);
            tokio::select! {
                biased;
                () = &mut over => return,
                () = sleep(early.unwrap_or(Duration::MAX)), if early.is_some() => return,
                changed = self.needs.changed() => if changed.is_err() { return over.await },
            }
        }
    }

    /// How long until a wanted reading, unless one begun since has met the
    /// wish. While the source fails, only the back-off counts.
    fn wanted_in(&mut self, begun: Moment) -> Option<Duration> {
        let wanted = self.needs.borrow_and_update().wanted.get(&self.source).copied()?;
        if wanted <= begun || self.failures > 0 {
            return None;
        }
        Some((wanted - self.clock.now()).to_std().unwrap_or(Duration::ZERO))
    }
}
