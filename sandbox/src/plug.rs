//! The plug, pulled in the midst of work: so many requests after it was taken
//! in hand, and a few turns of the runtime later, wherever the daemon awaits
//! something then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::dice::Dice;
use crate::faults::{Fault, Matching, Rule};
use crate::rig::Rig;

/// A hand on the plug.
#[derive(Debug)]
pub struct Hand {
    pulls: Arc<Notify>,
    turns: u64,
}

impl Hand {
    /// Takes the plug in hand. A daemon that asks nobody anything keeps its power.
    #[must_use]
    pub fn on_the_plug(rig: &Rig, dice: &mut Dice) -> Self {
        let pulls = Arc::new(Notify::new());
        let left = Arc::new(AtomicU64::new(dice.between(1, 30)));
        for faults in [rig.plex.faults(), rig.stripe.faults(), rig.tautulli.faults(), rig.discord.faults()] {
            let (pulls, left) = (pulls.clone(), left.clone());
            // It strikes nobody: it only counts.
            let counts = Matching::when(move |_| {
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    pulls.notify_one();
                }
                false
            });
            faults.add(Rule::new(counts, Fault::Hang));
        }
        Self { pulls, turns: dice.below(12) }
    }

    /// Until it is pulled.
    pub async fn pulls(&self) {
        self.pulls.notified().await;
        for _ in 0..self.turns {
            tokio::task::yield_now().await;
        }
    }
}
