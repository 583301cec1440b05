//! What the operator reads: pure functions from the book to a page, or to the
//! digest.

mod digest;
mod holds;
mod members;
pub mod metrics;
pub mod money;
mod plan;
mod plans;
mod unmatched;
mod why;

use serde::{Deserialize, Serialize};

use crate::policy::Scene;
use crate::policy::decide::Waiting;
use crate::policy::sales::No;
pub use digest::digest;
pub use plans::Wish;

/// What `members`, `holds` and `why` ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// Everybody, a line each.
    Members,
    /// What waits, and why.
    Holds,
    /// What comes in each month, and who came and went.
    Stats,
    /// Who pays and can't be let in.
    Unmatched,
    /// What would happen in the next so many days.
    Plan { days: u32 },
    /// Everything about one person. `who`: email, username, Plex id, member id.
    Why { who: String },
}

/// What other programs ask (`/api/plans`, `/api/subscription`, `/api/access`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// What is sold.
    Plans,
    /// How somebody's subscription stands.
    Subscription { who: String },
    /// Whether somebody may use something.
    Access { who: String, wish: Wish },
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
        Question::Stats => money::page(scene),
        Question::Unmatched => Ok(unmatched::page(scene)),
        Question::Plan { days } => plan::page(scene, *days),
        Question::Why { who } => why::page(scene, waiting, who),
    }
}

/// Answers another program.
///
/// # Errors
/// `not_found` or `ambiguous`; `no_access` also of whom nobody knows.
pub fn look(scene: Scene<'_>, look: &Look) -> Result<serde_json::Value, No> {
    match look {
        Look::Plans => Ok(plans::plans(scene)),
        Look::Subscription { who } => plans::subscription(scene, who),
        Look::Access { who, wish } => plans::access(scene, who, wish),
    }
}

/// An instant as the operator's own day and time.
fn at(scene: Scene<'_>, moment: crate::facts::Moment) -> String {
    moment.with_timezone(&scene.rules.tz).format("%Y-%m-%d %H:%M").to_string()
}

/// At most so many characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
