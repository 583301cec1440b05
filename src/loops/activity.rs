//! The activity loop: who watched when, in a constant number of calls.

use chrono::TimeDelta;

use super::{Rhythm, read};
use crate::engine::mailbox::Post;
use crate::facts::Source;
use crate::services::tautulli::Tautulli;

/// Stops are read of plays that began in these last days; older plays are
/// known already. A stream left paused over a weekend is covered.
const STOPS_DAYS: i64 = 4;

/// Reads Tautulli until the engine is gone. `first_days`: how far back stops
/// are read the first time.
pub async fn run(mut rhythm: Rhythm, tautulli: Tautulli, first_days: i64, post: Post) {
    let mut days = first_days.max(STOPS_DAYS);
    loop {
        let since = (rhythm.clock.now() - TimeDelta::days(days)).date_naive();
        let mut taken = read(&rhythm.clock, tautulli.activity(since)).await;
        if taken.succeeded {
            days = STOPS_DAYS;
        }
        post.rests(Source::Tautulli, taken.asked).await;
        taken.reading.take().into_iter().for_each(|reading| post.tautulli(reading));
        rhythm.rest(&taken).await;
    }
}
