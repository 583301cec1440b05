//! `approve`, `reject`, `accept`: only the daemon changes the book.

use std::process::ExitCode;

use super::client::{self, Trouble};
use super::{REFUSED, UNREACHABLE, complain, say};
use crate::config::Whereabouts;
use crate::engine::desk::Ask;

/// Asks, and prints what was done.
pub(super) async fn ask(at: &Whereabouts, ask: &Ask) -> ExitCode {
    let body = match serde_json::to_string(ask) {
        Ok(body) => body,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(REFUSED);
        }
    };
    match client::page(at, "/api/ask", Some(&body)).await {
        Ok(page) => {
            say(&page.text);
            ExitCode::SUCCESS
        }
        Err(Trouble::Refused(sentence)) => {
            complain(&sentence);
            ExitCode::from(REFUSED)
        }
        Err(Trouble::NotRunning) => {
            complain("Usher is not running, and only a running Usher changes anything; start it");
            ExitCode::from(UNREACHABLE)
        }
    }
}
