//! What the rest of the house hands to the engine and sees of it: asks,
//! hints, and the snapshot published after each commit.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::facts::{CustomerId, Moment, Source};
pub use crate::policy::asks::{Accept, Ask, Wish};
use crate::reports::{Page, Question};

/// The engine's answer to an ask: a text for people, or why nothing was done.
pub type Answer = Result<Page, String>;

/// What the webhook noticed: where to look. Never data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Look at this customer first.
    Customer(CustomerId),
    /// Something about money changed, and no customer was named.
    Everything,
}

/// How the daemon is, as `/health` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Every source is read and the book can be written.
    pub healthy: bool,
    /// `dry run` or `live`.
    pub mode: &'static str,
    /// Since when this process has been running.
    pub started: Moment,
    /// The book's generation.
    pub generation: u64,
    /// Per loop.
    pub loops: BTreeMap<&'static str, LoopHealth>,
    /// People with access, waiting holds, notices not yet out.
    pub members: usize,
    pub holds: usize,
    pub outbox: usize,
    /// What is wrong, in sentences; empty when healthy.
    pub problems: Vec<String>,
}

/// One loop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopHealth {
    /// Its last success.
    pub last_success: Option<Moment>,
    /// Failures since then.
    pub failures: u32,
    /// The last failure's sentence.
    pub last_error: Option<String>,
}

/// What everybody may see, published after each pass.
pub trait View: Send + Sync {
    /// For `/health` and `/ready`.
    fn health(&self, now: Moment) -> Health;
    /// Both sources of a decision have been looked at: `/ready`.
    fn ready(&self) -> bool;
    /// For `members`, `holds`, `why`.
    ///
    /// # Errors
    /// A sentence: who was not found, or whom it could mean.
    fn answer(&self, question: &Question, now: Moment) -> Result<Page, String>;
}

/// How to reach the engine. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// Asks and where to answer them; bounded.
    pub asks: mpsc::Sender<(Wish, oneshot::Sender<Answer>)>,
    /// The last published view.
    pub view: watch::Receiver<Arc<dyn View>>,
    /// Where the webhook leaves its hints; when full, one `Everything` is
    /// remembered by the billing loop instead.
    pub hints: mpsc::Sender<Hint>,
}

/// Which loop reads a source.
#[must_use]
pub fn loop_name(source: Source) -> &'static str {
    match source {
        Source::Plex => "friends",
        Source::Stripe => "billing",
        Source::Tautulli => "activity",
    }
}
