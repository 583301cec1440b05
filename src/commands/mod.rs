//! The command line: one file a command.
//!
//! Promises: a command changes nothing itself; it asks the running daemon, and
//! refuses when there is none ([`inspect`] alone asks the services). What it prints goes to stdout, why it failed to
//! stderr.

mod ask;
mod change;
mod check;
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
use crate::policy::foresee;
use crate::reports::Question;

use change::Change;
pub use check::{Checked, Finding, Level, inspect};
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
    /// Try every key, right, name and connection, and change nothing: exit code 0, 1 or 78
    Check {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Ask the running daemon how it is: exit code 0 or 1
    Health,
    /// List what waits for you, and why
    Holds {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// List everybody
    Members {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// List who pays and can't be let in, and why
    Unmatched {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What comes in each month by Stripe, and who came and went
    Stats {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What would happen in the next days if nothing changed
    Plan {
        /// How many days
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(0..=i64::from(foresee::DAYS_MAX)))]
        days: u32,
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
    #[command(flatten)]
    Change(Change),
}

/// Carries out a command.
pub async fn carry_out(args: Args) -> ExitCode {
    let command = args.command.unwrap_or(Command::Run);
    let clock = Clock::system();
    match command {
        Command::Run => return run::run(environment(), clock).await,
        Command::Check { json } => return check::check(environment(), &clock, look::Form::of(json)).await,
        _ => {}
    }
    let at = match Whereabouts::from_env(environment()) {
        Ok(at) => at,
        Err(problems) => return misconfigured(&problems),
    };
    match command {
        Command::Run | Command::Check { .. } | Command::Health => health::health(&at).await,
        Command::Holds { json } => look::look(&at, &Question::Holds, look::Form::of(json), clock.now()).await,
        Command::Members { json } => look::look(&at, &Question::Members, look::Form::of(json), clock.now()).await,
        Command::Stats { json } => look::look(&at, &Question::Stats, look::Form::of(json), clock.now()).await,
        Command::Unmatched { json } => look::look(&at, &Question::Unmatched, look::Form::of(json), clock.now()).await,
        Command::Plan { days, json } => {
            look::look(&at, &Question::Plan { days }, look::Form::of(json), clock.now()).await
        }
        Command::Why { who, json } => look::look(&at, &Question::Why { who }, look::Form::of(json), clock.now()).await,
        Command::Change(change) => ask::ask(&at, &change.into()).await,
    }
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
