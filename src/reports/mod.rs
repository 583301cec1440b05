//! What the operator reads: pure functions from the book to a page.

use serde::{Deserialize, Serialize};

/// What `members`, `holds` and `why` ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// Everybody, a line each.
    Members,
    /// What waits, and why.
    Holds,
    /// Everything about one person. `who`: email, username, Plex id, member id.
    Why { who: String },
}

/// An answer in two forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// For people.
    pub text: String,
    /// For programs (`--json`).
    pub json: serde_json::Value,
}
