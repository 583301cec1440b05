//! `usher run`: the daemon.

use std::process::ExitCode;

use super::misconfigured;
use crate::clock::Clock;
use crate::config::Config;
use crate::{daemon, telemetry};

/// Reads the environment; tells every problem and exits with 78, or runs.
pub(super) async fn run(environment: impl Iterator<Item = (String, String)>, clock: Clock) -> ExitCode {
    let config = match Config::from_env(environment) {
        Ok(config) => config,
        Err(problems) => return misconfigured(&problems),
    };
    // Where tiers were in force before, they go on, and the daemon tells.
    if let Err(problems) = config.read_tiers()
        && !daemon::knows_tiers(&config)
    {
        return misconfigured(&problems);
    }
    let format = if config.log.json { telemetry::Format::Json } else { telemetry::Format::Text };
    telemetry::init(config.log.level, format, clock.clone());
    // The only error is that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    daemon::run(config, clock).await
}
