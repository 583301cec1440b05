//! How far a service's clock is from ours, as of its latest answer.

use std::sync::{Arc, Mutex, PoisonError};

use super::http::Reply;

/// Shared by the clones of one client.
#[derive(Debug, Clone, Default)]
pub struct Skew(Arc<Mutex<Option<i64>>>);

impl Skew {
    /// Notes what `reply` said of the time.
    pub fn note(&self, reply: &Reply) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reply.skew_secs;
    }

    /// Theirs minus ours in seconds; `None` when the latest answer had none.
    #[must_use]
    pub fn secs(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
