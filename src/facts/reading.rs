//! A reading: one source read whole, or not at all.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Moment;

/// The three outside systems that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Who is let in: plex.tv.
    Plex,
    /// Who pays: Stripe.
    Stripe,
    /// Who watches: Tautulli.
    Tautulli,
}

impl Source {
    /// All three, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Plex, Self::Stripe, Self::Tautulli];

    /// The name people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plex => "plex.tv",
            Self::Stripe => "Stripe",
            Self::Tautulli => "Tautulli",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A source read whole, or the reason why it could not be. There is no
/// partial form: half a listing is [`Reading::Unread`] (promise 2).
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T> {
    /// Everything the source had to say.
    Read(Whole<T>),
    /// Nothing is known from this try.
    Unread(Unread),
}

/// A whole reading and when it was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole<T> {
    /// Before the first request was sent.
    pub begun: Moment,
    /// After the last answer was read.
    pub at: Moment,
    /// The service's own clock (its `Date` header) minus ours at that moment,
    /// in seconds; `None` when it sent none. The clock brake looks at it.
    pub skew_secs: Option<i64>,
    /// What it said.
    pub value: T,
}

/// Why a source could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// When the try ended.
    pub at: Moment,
    /// What kind of failure, which decides what the operator is told.
    pub kind: FailureKind,
    /// A sentence for the operator, without secrets or addresses.
    pub why: String,
}

/// What went wrong with a call, as far as it changes what we do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No connection, a time-out, TLS trouble, 5xx, an HTML page, or "not now"
    /// (408, 409, 425): an outage. It is tried again.
    Unreachable,
    /// The key or token is refused: the operator must act.
    Unauthorized,
    /// The key lacks a right (403).
    Forbidden,
    /// 404 or 410: the thing, or the endpoint itself, isn't there.
    Gone,
    /// 429, or a lock at the other side.
    RateLimited,
    /// 400 or 422 in the service's own words: this very request is refused.
    Refused,
    /// plex.tv says that it is shared, or invited, already: a listing shows it.
    Already,
    /// An answer of the wrong shape, or one known to be a lie (Tautulli's
    /// empty success).
    Nonsense,
    /// An answer that says of itself that something is missing.
    Partial,
    /// A fault of ours (a panic in the reading loop).
    Internal,
}
