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

use crate::clock::Clock;
use crate::facts::{FailureKind, Moment, Reading, Unread, Whole};
use crate::limits::READING_TIMEOUT;
use crate::services::failure::Failure;

/// Takes one whole reading. A failure, a time-out and a panic are all the same
/// here: nothing is known from this try.
async fn read<T>(clock: &Clock, what: impl Future<Output = Result<(T, Option<i64>), Failure>>) -> (Moment, Reading<T>) {
    let begun = clock.now();
    let what = futures_catch(what);
    let unread = |kind, why: String| Reading::Unread(Unread { at: clock.now(), kind, why });
    let reading = match tokio::time::timeout(READING_TIMEOUT, what).await {
        Ok(Some(Ok((value, skew_secs)))) => Reading::Read(Whole { begun, at: clock.now(), skew_secs, value }),
        Ok(Some(Err(failure))) => unread(failure.kind, failure.why),
        Ok(None) => unread(FailureKind::Internal, "a fault of Usher's own while reading; please report it".into()),
        Err(_) => unread(FailureKind::Unreachable, "the reading took longer than 5 minutes".into()),
    };
    (begun, reading)
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
