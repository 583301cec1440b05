//! Virtual time: a clock that runs with tokio's paused clock.
//!
//! What it promises: the [`Clock`] given to the daemon moves exactly as its
//! timers do, from a start chosen by the test; a test can put the daemon's
//! clock wrong (by a day, say) while the world's stays right.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;
use tokio::time::Instant;
use usher::{clock::Clock, facts::Moment};

/// Steers a virtual clock, and tells the true time beside it.
#[derive(Clone, Debug)]
pub struct ClockHandle {
    world: Clock,
    offset_ms: Arc<AtomicI64>,
    slept_ms: Arc<AtomicI64>,
}

/// A clock that reads `start` now, moves with tokio's time, and can be put
/// wrong by the handle. Call inside the runtime whose time it shall follow.
#[must_use]
pub fn virtual_clock(start: Moment) -> (Clock, ClockHandle) {
    let created = tokio_now();
    let slept_ms = Arc::new(AtomicI64::new(0));
    let world = Clock::from_fn({
        let slept_ms = slept_ms.clone();
        move || {
            let gone = tokio_now().saturating_duration_since(created);
            let slept = TimeDelta::milliseconds(slept_ms.load(Ordering::Relaxed));
            start + TimeDelta::from_std(gone).unwrap_or(TimeDelta::MAX) + slept
        }
    });
    let offset_ms = Arc::new(AtomicI64::new(0));
    let daemon = Clock::from_fn({
        let (world, offset_ms) = (world.clone(), offset_ms.clone());
        move || world.now() + TimeDelta::milliseconds(offset_ms.load(Ordering::Relaxed))
    });
    (daemon, ClockHandle { world, offset_ms, slept_ms })
}

/// A moment from epoch seconds.
///
/// # Panics
/// On a number outside chrono's range.
#[must_use]
pub fn moment(epoch_s: i64) -> Moment {
    Moment::from_timestamp(epoch_s, 0).expect("epoch seconds in range")
}

impl ClockHandle {
    /// The world's clock, always right: the one for the stand-ins.
    #[must_use]
    pub fn world(&self) -> Clock {
        self.world.clone()
    }

    /// The true present.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.world.now()
    }

    /// Puts the daemon's clock wrong by this much; zero puts it right.
    pub fn set_offset(&self, offset: TimeDelta) {
        self.offset_ms.store(offset.num_milliseconds(), Ordering::Relaxed);
    }

    /// The machine sleeps for so long, as a suspended one does: the world's time
    /// goes on, the daemon's clock with it when it wakes, and no timer of the
    /// daemon's has moved.
    pub fn sleep(&self, long: TimeDelta) {
        self.slept_ms.fetch_add(long.num_milliseconds(), Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock is the virtual time")]
fn tokio_now() -> Instant {
    Instant::now()
}
