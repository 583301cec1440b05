//! Why a call failed, as far as it changes what we do next.

use std::time::Duration;

use crate::facts::FailureKind;

/// Whether the other side may have done what we asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It did nothing: never reached, or refused.
    NotDone,
    /// It may have: look before asking again.
    Unknown,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// Whether it may have been done all the same.
    pub certainty: Certainty,
    /// What kind, which decides what the operator is told.
    pub kind: FailureKind,
    /// The answer's status, when there was one.
    pub status: Option<u16>,
    /// A sentence with the service, the path and the cause chain; never a
    /// query, token, address or body.
    pub why: String,
    /// How long the other side asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure known to have changed nothing.
    #[must_use]
    pub fn not_done(kind: FailureKind, why: impl Into<String>) -> Self {
        Self { certainty: Certainty::NotDone, kind, status: None, why: why.into(), retry_after: None }
    }

    /// A failure after which the effect may be there.
    #[must_use]
    pub fn unknown(kind: FailureKind, why: impl Into<String>) -> Self {
        Self { certainty: Certainty::Unknown, ..Self::not_done(kind, why) }
    }

    /// An answer of the wrong shape.
    #[must_use]
    pub fn nonsense(why: impl Into<String>) -> Self {
        Self::unknown(FailureKind::Nonsense, why)
    }

    /// An answer that says of itself that something is missing.
    #[must_use]
    pub fn partial(why: impl Into<String>) -> Self {
        Self::unknown(FailureKind::Partial, why)
    }

    /// 404 or 410.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kind == FailureKind::Gone
    }
}

/// What a status other than 2xx means, before a service adds its own reading.
#[must_use]
pub fn kind_of(status: u16) -> FailureKind {
    match status {
        // 498: a token of plex.tv's newer kind that has expired.
        401 | 498 => FailureKind::Unauthorized,
        403 => FailureKind::Forbidden,
        404 | 410 => FailureKind::Gone,
        // A time-out, a conflict with another request, and "too early".
        408 | 409 | 425 => FailureKind::Unreachable,
        429 => FailureKind::RateLimited,
        400..=499 => FailureKind::Refused,
        // A redirect comes from something in between (a login page, a proxy).
        _ => FailureKind::Unreachable,
    }
}

/// Only a 4xx (or a redirect) says that nothing was done. 408 is a time-out,
/// and 409 may be the conflict with an earlier try of our own.
#[must_use]
pub fn certainty_of(status: u16) -> Certainty {
    match status {
        408 | 409 => Certainty::Unknown,
        300..=499 => Certainty::NotDone,
        _ => Certainty::Unknown,
    }
}
