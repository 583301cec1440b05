//! The only clock. Everyone else is handed `now`.
//!
//! What it promises: one place reads the machine's time, so a test (or the
//! sandbox) can put the whole daemon into another time by passing another
//! [`Clock`]. What it never does: go anywhere else for the time. `clippy.toml`
//! forbids `SystemTime::now`, both `Instant::now` and `Utc::now` elsewhere.

use std::{fmt, sync::Arc, time::SystemTime};

use crate::facts::Moment;

/// Tells the time in UTC. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Moment + Send + Sync>,
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
        Self::from_fn(|| Moment::from(SystemTime::now()))
    }

    /// A clock that answers whatever `read` answers (virtual time in tests).
    pub fn from_fn(read: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read) }
    }

    /// The present instant in UTC.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.read)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
