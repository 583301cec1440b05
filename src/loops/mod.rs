//! The loops, one file each. The reading loops ask one outside system what is
//! true and post the answer; they never change anything.

pub mod activity;
pub mod billing;
pub mod courier;
pub mod expiry;
pub mod friends;
mod rest;

pub use rest::Rhythm;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::clock::Clock;
use crate::facts::{FailureKind, Moment, Reading, Unread, Whole};
use crate::limits::READING_TIMEOUT;
use crate::services::failure::Failure;

/// What one turn of a loop came to.
#[derive(Debug)]
pub struct Taken<T> {
    /// When it was begun.
    pub begun: Moment,
    /// Whether it is a whole reading.
    pub succeeded: bool,
    /// So long the service asked not to be called.
    pub asked: Option<Duration>,
    /// For the engine, which takes it out.
    reading: Option<Reading<T>>,
}

/// Takes one whole reading. A failure, a time-out and a panic are all the same
/// here: nothing is known from this try.
async fn read<T>(clock: &Clock, what: impl Future<Output = Result<(T, Option<i64>), Failure>>) -> Taken<T> {
    let begun = clock.now();
    let what = futures_catch(what);
    let unread = |kind, why: String| Reading::Unread(Unread { at: clock.now(), kind, why });
    let mut asked = None;
    let reading = match tokio::time::timeout(READING_TIMEOUT, what).await {
        Ok(Some(Ok((value, skew_secs)))) => Reading::Read(Whole { begun, at: clock.now(), skew_secs, value }),
        Ok(Some(Err(failure))) => {
            asked = failure.retry_after;
            unread(failure.kind, failure.why)
        }
        Ok(None) => unread(FailureKind::Internal, "a fault of Usher's own while reading; please report it".into()),
        Err(_) => unread(FailureKind::Unreachable, "the reading took longer than 5 minutes".into()),
    };
    Taken { begun, succeeded: matches!(reading, Reading::Read(_)), asked, reading: Some(reading) }
}

/// `None` when it panicked: a fault in one reading is an unread, not the end.
async fn futures_catch<T>(what: impl Future<Output = T>) -> Option<T> {
    let mut what = std::pin::pin!(what);
    std::future::poll_fn(|context| match std::panic::catch_unwind(AssertUnwindSafe(|| what.as_mut().poll(context))) {
        Ok(poll) => poll.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}
