//! `usher health`: for Docker's HEALTHCHECK.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{self, Listener, Trouble};
use super::{REFUSED, complain, say};
use crate::config::Whereabouts;

/// 0 when the daemon says it is well, else 1 and why.
pub(super) async fn health(at: &Whereabouts) -> ExitCode {
    let address = client::address(at, Listener::Public);
    match client::call(address, "/health", None, None).await {
        Ok(answer) if answer.status == 200 => {
            say("healthy");
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let problems = told.get("problems").and_then(Value::as_array).cloned().unwrap_or_default();
            complain("unhealthy");
            problems.iter().filter_map(Value::as_str).for_each(complain);
            ExitCode::from(REFUSED)
        }
        Err(Trouble::NotRunning) => {
            complain(&format!("nobody answers at {address}"));
            ExitCode::from(REFUSED)
        }
        Err(Trouble::Refused(sentence)) => {
            complain(&sentence);
            ExitCode::from(REFUSED)
        }
    }
}
