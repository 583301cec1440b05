//! The rest that a service has asked for by answering 429.
//!
//! It promises: until the rest is over, nothing is sent to that service. A call
//! that is due meanwhile fails here, with the time that is left, as one that
//! was certainly not done. It never sleeps: whoever called waits by its own
//! rules. Clones share the rest.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Failure, Reply};
use crate::{backoff::ASKED_FOR_MAX, facts::FailureKind};

/// Where a service doesn't say how long, the rests grow up to this.
const GROWS_TO: Duration = Duration::from_secs(3600);
/// A service that was well for so long after a rest begins with the shortest one again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The rest of one service.
#[derive(Debug, Clone)]
pub struct Rest {
    shortest: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    last: Duration,
    in_a_row: u32,
}

impl Rest {
    /// `shortest`: how long the first rest is where the service doesn't say.
    #[must_use]
    pub fn new(shortest: Duration) -> Self {
        Self { shortest, state: Arc::default() }
    }

    /// Whether something may be sent now.
    ///
    /// # Errors
    /// `RateLimited` with the time that is left, while the service rests.
    pub fn allows(&self, service: &str) -> Result<(), Failure> {
        let left = self.state().until.map(|until| until.saturating_duration_since(present()));
        match left.filter(|left| !left.is_zero()) {
            None => Ok(()),
            Some(left) => {
                let why = format!("{service} asked for rest; it is called again in {} s", left.as_secs() + 1);
                Err(Failure { retry_after: Some(left), ..Failure::not_done(FailureKind::RateLimited, why) })
            }
        }
    }

    /// Takes note of an answer. A 429 begins a rest: as long as it says, and
    /// where it doesn't, twice as long as the one before. The reply says then
    /// how long.
    pub fn note(&self, reply: &mut Reply) {
        if reply.status == 429 {
            reply.retry_after = Some(self.begin(reply.retry_after));
        }
    }

    /// Begins a rest of this length, or of the next one in the row.
    pub fn begin(&self, asked: Option<Duration>) -> Duration {
        let mut state = self.state();
        let now = present();
        let well_for = state.until.map(|until| now.saturating_duration_since(until));
        if well_for.is_none_or(|well| well > FORGOTTEN_AFTER.max(state.last * 2)) {
            state.in_a_row = 0;
        }
        let doubled = self.shortest.saturating_mul(1 << state.in_a_row.min(10)).min(GROWS_TO);
        let wait = asked.unwrap_or(doubled).clamp(Duration::from_secs(1), ASKED_FOR_MAX);
        state.in_a_row += 1;
        state.last = wait;
        state.until = Some(state.until.map_or(now + wait, |until| until.max(now + wait)));
        wait
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The timer's present: `sleep` is asked only for the instant it would end,
/// and not awaited.
pub(crate) fn present() -> Instant {
    sleep(Duration::ZERO).deadline()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rest_lasts_as_long_as_it_was_asked_for_and_else_twice_as_long_each_time() {
        let rest = Rest::new(Duration::from_secs(60));
        assert!(rest.allows("plex.tv").is_ok());
        for (asked, lasts) in
            [(None, 60), (None, 120), (Some(7), 7), (None, 480), (Some(0), 1), (Some(90_000_000), 86_400)]
        {
            assert_eq!(rest.begin(asked.map(Duration::from_secs)).as_secs(), lasts, "{asked:?}");
            tokio::time::sleep(Duration::from_secs(lasts) - Duration::from_millis(10)).await;
            let failure = rest.clone().allows("plex.tv").unwrap_err();
            assert!(failure.retry_after.is_some_and(|left| left <= Duration::from_millis(10)), "{failure:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(rest.allows("plex.tv").is_ok());
        }
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        assert_eq!(rest.begin(None).as_secs(), 60, "that was long ago");
    }
}
