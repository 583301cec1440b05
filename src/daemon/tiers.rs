//! The tiers file, looked at each minute: an edit counts without a restart.

use std::time::Duration;

use tokio::time::sleep;

use super::assembly;
use crate::config::Config;
use crate::engine::mailbox::{Mail, Post};
use crate::policy::Tiers;

/// How often the file is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// Posts each edit of the tiers file, and each new problem of it once.
pub(super) async fn watch(config: Config, known: Tiers, post: Post) {
    let mut last: Result<Tiers, String> = Ok(known);
    let mut bytes = None;
    loop {
        sleep(LOOKED_AT_EVERY).await;
        // The same bytes say the same as a minute ago.
        let now = config.tiers_as_written();
        if now.is_some() && now == bytes {
            continue;
        }
        bytes = now;
        let read = assembly::tiers(&config).map_err(|trouble| trouble.to_string());
        if read == last {
            continue;
        }
        last = read.clone();
        if !post.send(Mail::Tiers(read)).await {
            return;
        }
    }
}
