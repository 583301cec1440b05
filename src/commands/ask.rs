//! Commands that change something: only the daemon changes the book.

use std::process::ExitCode;

use super::client::{self, Trouble};
use super::{REFUSED, UNREACHABLE, complain, say};
use crate::config::Whereabouts;
use crate::engine::desk::Wish;

/// Asks, and prints what was done.
pub(super) async fn ask(at: &Whereabouts, wish: &Wish) -> ExitCode {
    let body = match serde_json::to_string(wish) {
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
