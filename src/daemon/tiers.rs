//! The tiers file, looked at each minute: an edit counts without a restart.
//!
//! It promises: a file that can't be understood, or that was there and is gone,
//! changes nothing. The tiers of before stand, over a restart too, and the
//! operator hears of it.

use std::time::Duration;

use tokio::time::sleep;

use super::assembly::{self, Trouble};
use crate::config::Config;
use crate::engine::mailbox::{Mail, Post};
use crate::ledger::KnownTiers;
use crate::policy::Tiers;
use crate::tier::Tier;

/// How often the file is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// What prices buy, at a start.
#[derive(Debug, Clone)]
pub(super) struct AtStart {
    /// What is in force.
    pub(super) tiers: Tiers,
    /// Why these are the tiers of before, if they are.
    pub(super) problem: Option<String>,
}

/// The tiers file as it is, or the tiers of before where it can't be read.
pub(super) fn at_start(config: &Config, known: &KnownTiers) -> Result<AtStart, Trouble> {
    let before = known.of_file().unwrap_or_default();
    match assembly::tiers_after(config, before) {
        Ok(tiers) => Ok(AtStart { tiers, problem: None }),
        Err(trouble) if before.is_empty() => Err(trouble),
        Err(trouble) => Ok(AtStart { tiers: Tiers::File(before.to_vec()), problem: Some(trouble.to_string()) }),
    }
}

/// Posts each edit of the tiers file, and each new problem of it once.
pub(super) async fn watch(config: Config, start: AtStart, post: Post) {
    let mut in_force = start.tiers;
    let mut last: Result<Tiers, String> = match start.problem {
        None => Ok(in_force.clone()),
        Some(problem) => Err(problem),
    };
    if last.is_err() && !post.send(Mail::Tiers(last.clone())).await {
        return;
    }
    let mut bytes = None;
    loop {
        sleep(LOOKED_AT_EVERY).await;
        // The same bytes say the same as a minute ago.
        let now = config.tiers_as_written();
        if now.is_some() && now == bytes {
            continue;
        }
        bytes = now;
        let read = assembly::tiers_after(&config, of_file(&in_force)).map_err(|trouble| trouble.to_string());
        if read == last {
            continue;
        }
        if let Ok(tiers) = &read {
            in_force.clone_from(tiers);
        }
        last = read.clone();
        if !post.send(Mail::Tiers(read)).await {
            return;
        }
    }
}

fn of_file(tiers: &Tiers) -> &[Tier] {
    match tiers {
        Tiers::File(tiers) => tiers,
        Tiers::Default(_) | Tiers::Products { .. } => &[],
    }
}
