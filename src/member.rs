//! A member: a person who has, had or is due access.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Usher's own stable id, `m-…`: what stands in logs and commands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub String);

impl MemberId {
    /// The `n`th member.
    #[must_use]
    pub fn number(n: u64) -> Self {
        Self(format!("m-{n}"))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
