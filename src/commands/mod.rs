//! The command line: one file a command.
//!
//! Promises: a command changes nothing itself; it asks the running daemon, and
//! refuses when there is none. What it prints goes to stdout, why it failed to
//! stderr.

mod ask;
mod client;
mod health;
mod look;
mod run;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Clock;
use crate::config::{ConfigProblem, Whereabouts, environment};
use crate::engine::desk::{Accept, Ask, Wish};
use crate::facts::CancelWhen;
use crate::reports::Question;

pub use look::{Offline, offline};

/// Refused, not found, or unhealthy.
pub const REFUSED: u8 = 1;
/// The daemon isn't reachable (sysexits: a temporary failure).
pub const UNREACHABLE: u8 = 75;
/// The configuration is wrong (sysexits).
pub const MISCONFIGURED: u8 = 78;

/// Usher runs the door of a Plex server.
#[derive(Debug, Parser)]
#[command(name = "usher", version, about, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (the default)
    Run,
    /// Ask the running daemon how it is: exit code 0 or 1
    Health,
    /// List what waits for you, and why
    Holds {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Let held actions go on
    Approve {
        /// h-… ids, or all
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        dry: Dry,
    },
    /// Drop held actions
    Reject {
        /// h-… ids, or all
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        dry: Dry,
    },
    /// Accept that something has changed: server, stripe, tautulli, clock or state
    Accept {
        /// What has changed
        #[arg(value_parser = accept)]
        what: Accept,
        #[command(flatten)]
        dry: Dry,
    },
    /// Give back what a removal took: libraries, downloads, filters, reasons
    Restore {
        #[command(flatten)]
        whom: Whom,
    },
    /// Take access away for good, whatever else stands
    Revoke {
        #[command(flatten)]
        whom: Whom,
        /// When Stripe still charges them: end that first, now or period-end
        #[arg(long, value_parser = cancel)]
        cancel: Option<CancelWhen>,
    },
    /// List everybody
    Members {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Explain one person: every fact, the rule that fired, what comes next
    Why {
        /// Email, username, Plex id or member id
        who: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

/// A person, and whether it is meant.
#[derive(Debug, clap::Args)]
struct Whom {
    /// Email, username, Plex id or member id
    who: String,
    #[command(flatten)]
    dry: Dry,
}

#[derive(Debug, clap::Args)]
struct Dry {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

fn cancel(word: &str) -> Result<CancelWhen, String> {
    serde_json::from_value(word.to_lowercase().into()).map_err(|_| "say now or period-end".to_owned())
}

fn accept(word: &str) -> Result<Accept, String> {
    serde_json::from_value(word.to_lowercase().into())
        .map_err(|_| "say one of: server, stripe, tautulli, clock, state".to_owned())
}

/// Carries out a command.
pub async fn carry_out(args: Args) -> ExitCode {
    let command = args.command.unwrap_or(Command::Run);
    let clock = Clock::system();
    if matches!(command, Command::Run) {
        return run::run(environment(), clock).await;
    }
    let at = match Whereabouts::from_env(environment()) {
        Ok(at) => at,
        Err(problems) => return misconfigured(&problems),
    };
    match command {
        Command::Run | Command::Health => health::health(&at).await,
        Command::Holds { json } => look::look(&at, &Question::Holds, look::Form::of(json), clock.now()).await,
        Command::Members { json } => look::look(&at, &Question::Members, look::Form::of(json), clock.now()).await,
        Command::Why { who, json } => look::look(&at, &Question::Why { who }, look::Form::of(json), clock.now()).await,
        Command::Approve { ids, dry } => ask::ask(&at, &wish(Ask::Approve { ids }, &dry)).await,
        Command::Reject { ids, dry } => ask::ask(&at, &wish(Ask::Reject { ids }, &dry)).await,
        Command::Accept { what, dry } => ask::ask(&at, &wish(Ask::Accept { what }, &dry)).await,
        Command::Restore { whom } => ask::ask(&at, &wish(Ask::Restore { who: whom.who }, &whom.dry)).await,
        Command::Revoke { whom, cancel } => {
            ask::ask(&at, &wish(Ask::Revoke { who: whom.who, cancel }, &whom.dry)).await
        }
    }
}

fn wish(ask: Ask, dry: &Dry) -> Wish {
    Wish { ask, dry_run: dry.dry_run }
}

fn misconfigured(problems: &[ConfigProblem]) -> ExitCode {
    for problem in problems {
        complain(&problem.to_string());
    }
    ExitCode::from(MISCONFIGURED)
}

/// To stdout. A reader that has gone (`| head`) is no trouble.
fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// To stderr.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "usher: {}", text.trim_end());
}
