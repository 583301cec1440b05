//! The expiry loop: wakes the engine when time alone has changed something (a
//! lapse, a promised day that is over, a letter to try again).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::engine::mailbox::{Mail, Post};
use crate::engine::snapshot::Needs;

/// A deadline is looked for again at the latest after this: the wall clock
/// may be set while we sleep.
const LOOK_UP: Duration = Duration::from_secs(3600);

/// Wakes the engine until it is gone.
pub async fn run(mut needs: watch::Receiver<Arc<Needs>>, post: Post, clock: Clock) {
    loop {
        let deadline = needs.borrow_and_update().deadline;
        let pause = deadline
            .map_or(LOOK_UP, |deadline| (deadline - clock.now()).to_std().unwrap_or(Duration::ZERO).min(LOOK_UP));
        tokio::select! {
            biased;
            changed = needs.changed() => if changed.is_err() { return },
            // Never faster than once a second, whatever the deadlines say.
            () = sleep(pause.max(Duration::from_secs(1))) => {
                let has_come = deadline.is_some_and(|deadline| deadline <= clock.now());
                if has_come && !post.send(Mail::Tick).await {
                    return;
                }
            }
        }
    }
}
