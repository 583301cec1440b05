//! What the rest of the house hands to the engine and sees of it: asks,
//! hints, and the snapshot published after each commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::facts::{CustomerId, Moment, PriceId, SignedIn, Source, SubscriptionId};
pub use crate::policy::asks::{Accept, Ask, NO_SUCH_CODE, Stay, Wish};
pub use crate::policy::front::{Doors, Front, Offer, OnSale};
pub use crate::policy::sales::{Checkout, CheckoutAsked, Held, No, Upgrade, Whom};
pub use crate::policy::sign_in::{Trial, Welcome};
use crate::reports::metrics::Gauge;
use crate::reports::{Look, Page, Question};

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
    /// For the public pages.
    fn front(&self, now: Moment) -> Front;
    /// For `members`, `holds`, `why`.
    ///
    /// # Errors
    /// A sentence: who was not found, or whom it could mean.
    fn answer(&self, question: &Question, now: Moment) -> Result<Page, String>;
    /// For `/metrics`.
    fn gauges(&self, _now: Moment) -> Vec<Gauge> {
        Vec::new()
    }
    /// For `/api/plans`, `/api/subscription`, `/api/access`.
    ///
    /// # Errors
    /// Why nothing is said.
    fn look(&self, _look: &Look, _now: Moment) -> Result<serde_json::Value, No> {
        Err(not_ready())
    }
    /// What `/api/checkout` may sell.
    ///
    /// # Errors
    /// Why it isn't sold.
    fn checkout(&self, _asked: &CheckoutAsked, _now: Moment) -> Result<Checkout, No> {
        Err(not_ready())
    }
    /// What `/join` may sell to who signed in with Plex.
    ///
    /// # Errors
    /// Nothing is known yet.
    fn welcome(&self, _signed_in: &SignedIn, _now: Moment) -> Result<Welcome, No> {
        Err(not_ready())
    }
    /// Whose billing page and meters somebody's are.
    ///
    /// # Errors
    /// Why there is none.
    fn payer(&self, _who: &str, _now: Moment) -> Result<CustomerId, No> {
        Err(not_ready())
    }
    /// The subscription that `/api/cancel` ends.
    ///
    /// # Errors
    /// Why there is none, or which there are.
    fn held(&self, _who: &str, _named: Option<&SubscriptionId>, _now: Moment) -> Result<Held, No> {
        Err(not_ready())
    }
    /// What `/api/upgrade` changes.
    ///
    /// # Errors
    /// Why it can't be changed.
    fn upgrade(
        &self,
        _who: &str,
        _named: Option<&SubscriptionId>,
        _tier: &str,
        _price: Option<&PriceId>,
        _now: Moment,
    ) -> Result<Upgrade, No> {
        Err(not_ready())
    }
}

fn not_ready() -> No {
    No { code: "not_ready", why: "Usher is starting; ask again in a moment".into() }
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

/// For the engine to answer an ask. It answers within milliseconds, or it is
/// busy with the disk.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an ask got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The engine is on its way out; it may still have been done.
    Stopping,
    /// Not in time; it may still be done.
    Late,
}

impl Desk {
    /// Asks the engine and waits for its answer.
    ///
    /// # Errors
    /// When there is none within [`ANSWER_TIMEOUT`].
    pub async fn ask(&self, wish: impl Into<Wish>) -> Result<Answer, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let round = async {
            self.asks.send((wish.into(), answer)).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, round).await {
            Ok(answer) => answer.ok_or(Unanswered::Stopping),
            Err(_) => Err(Unanswered::Late),
        }
    }

    /// Leaves an ask without waiting for what becomes of it. False when there
    /// is no room for it.
    #[must_use]
    pub fn leave(&self, wish: impl Into<Wish>) -> bool {
        let (answer, _) = oneshot::channel();
        self.asks.try_send((wish.into(), answer)).is_ok()
    }
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
