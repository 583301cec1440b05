//! `usher health`: for Docker's HEALTHCHECK.
//!
//! Promises: 0 only when an Usher itself said just now that it is well; else
//! 1 and why. Of the environment it needs `STATE_DIR` alone, since the ports
//! stand in `listening.json` there.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::client::{self, Listener, Trouble};
use super::{REFUSED, complain, say};
use crate::config::Whereabouts;

/// The daemon answers this from memory, so it takes milliseconds. Shorter than
/// Docker's own limit (10 s in our image), so that Docker shows the reason.
const TIMEOUT: Duration = Duration::from_secs(5);

/// As much of `/health` as tells an Usher from whoever else has the port now.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) healthy: bool,
    pub(super) mode: String,
    pub(super) problems: Vec<String>,
}

/// 0 when the daemon says it is well, else 1 and why.
pub(super) async fn health(at: &Whereabouts) -> ExitCode {
    let address = client::address(at, Listener::Public);
    match ask(address).await {
        Ok(told) if told.healthy => {
            say(&format!("healthy ({})", told.mode));
            ExitCode::SUCCESS
        }
        Ok(told) => {
            complain("unhealthy");
            told.problems.iter().for_each(|problem| complain(problem));
            ExitCode::from(REFUSED)
        }
        Err(trouble) => {
            match trouble {
                Trouble::NotRunning => complain(&format!("nobody answers at {address}")),
                Trouble::Refused(sentence) => complain(&sentence),
            }
            ExitCode::from(REFUSED)
        }
    }
}

/// What the Usher at `address` says of itself.
pub(super) async fn ask(address: SocketAddr) -> Result<Told, Trouble> {
    match tokio::time::timeout(TIMEOUT, client::call(address, "/health", None, None)).await {
        Ok(Ok(answer)) => {
            let told: Told = serde_json::from_slice(&answer.body).map_err(|_| {
                Trouble::Refused(format!("what answers at {address} is not Usher (status {})", answer.status))
            })?;
            // Two words for one thing; a proxy's page would have only one.
            Ok(Told { healthy: told.healthy && answer.status == 200, ..told })
        }
        Ok(Err(trouble)) => Err(trouble),
        Err(_) => Err(Trouble::Refused(format!("the daemon at {address} does not answer"))),
    }
}
