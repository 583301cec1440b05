//! The daemon.

use std::process::ExitCode;

use crate::{clock::Clock, config::Config};

/// Runs until told to stop.
pub async fn run(config: Config, clock: Clock) -> ExitCode {
    tracing::info!(state_dir = %config.state_dir.display(), now = %clock.now(), "started");
    std::future::pending().await
}
