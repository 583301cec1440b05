//! What the operator reads: pure functions from the book to a page.

mod holds;
mod members;
mod plan;
mod unmatched;
mod why;

use serde::{Deserialize, Serialize};

use crate::policy::Scene;
use crate::policy::decide::Waiting;

/// What `members`, `holds` and `why` ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// Everybody, a line each.
    Members,
    /// What waits, and why.
    Holds,
    /// Who pays and can't be let in.
    Unmatched,
    /// What would happen in the next so many days.
    Plan { days: u32 },
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

/// Answers a question.
///
/// # Errors
/// A sentence: who was not found, or whom it could mean.
pub fn answer(scene: Scene<'_>, waiting: &[Waiting], question: &Question) -> Result<Page, String> {
    match question {
        Question::Members => Ok(members::page(scene)),
        Question::Holds => Ok(holds::page(scene, waiting)),
        Question::Unmatched => Ok(unmatched::page(scene)),
        Question::Plan { days } => plan::page(scene, *days),
        Question::Why { who } => why::page(scene, waiting, who),
    }
}

/// An instant as the operator's own day and time.
fn at(scene: Scene<'_>, moment: crate::facts::Moment) -> String {
    moment.with_timezone(&scene.rules.tz).format("%Y-%m-%d %H:%M").to_string()
}
