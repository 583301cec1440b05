//! Commands that change something: what they take, and what they ask for.

use crate::engine::desk::{Accept, Ask, Stay, Wish};
use crate::facts::CancelWhen;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Change {
    /// Let held actions go on
    Approve {
        /// h-… ids, go-live, upgrade, or all
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        dry: Dry,
    },
    /// Drop held actions
    Reject {
        /// h-… ids, go-live, upgrade, or all
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
    /// In for good, with the share as it stands
    Grandfather {
        /// Email, username, Plex id or member id
        #[arg(required_unless_present = "everyone", conflicts_with = "everyone")]
        who: Option<String>,
        /// Everybody who has access and pays nothing
        #[arg(long)]
        everyone: bool,
        #[command(flatten)]
        dry: Dry,
    },
    /// Invite a guest, perhaps for some days; somebody new by their email
    Invite {
        #[command(flatten)]
        whom: Whom,
        /// What they get
        #[arg(long)]
        tier: String,
        /// For so many days from today, or never, which takes an end away;
        /// without it an end that they have stays
        #[arg(long, value_parser = stay)]
        days: Option<Stay>,
    },
    /// Add days to somebody's last end
    Extend {
        #[command(flatten)]
        whom: Whom,
        /// How many
        #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Stop every clock of somebody's until a day has ended
    Pause {
        #[command(flatten)]
        whom: Whom,
        /// The last day of it: 2026-12-31
        #[arg(long)]
        until: chrono::NaiveDate,
        /// Why, for later
        #[arg(long)]
        note: String,
    },
    /// Say which Plex account somebody is, or what at Stripe is theirs
    Link {
        #[command(flatten)]
        whom: Whom,
        /// Their Plex account: its number, or a name or email in the book
        #[arg(long, required_unless_present = "stripe")]
        plex: Option<String>,
        /// cus_… or sub_…
        #[arg(long)]
        stripe: Option<String>,
    },
    /// Take apart what was linked
    Unlink {
        #[command(flatten)]
        whom: Whom,
        /// cus_… or sub_…, where there are several
        #[arg(long)]
        stripe: Option<String>,
    },
}

/// A person, and whether it is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Whom {
    /// Email, username, Plex id or member id
    who: String,
    #[command(flatten)]
    dry: Dry,
}

#[derive(Debug, clap::Args)]
pub(super) struct Dry {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

fn stay(word: &str) -> Result<Stay, String> {
    match word.to_lowercase().as_str() {
        "never" => Ok(Stay::FOR_GOOD),
        days => match days.parse() {
            Ok(days @ 1..=3650) => Ok(Stay::Days(days)),
            _ => Err("say a number of days, from 1 to 3650, or never".to_owned()),
        },
    }
}

fn cancel(word: &str) -> Result<CancelWhen, String> {
    serde_json::from_value(word.to_lowercase().into()).map_err(|_| "say now or period-end".to_owned())
}

pub(super) fn accept(word: &str) -> Result<Accept, String> {
    serde_json::from_value(word.to_lowercase().into())
        .map_err(|_| "say one of: server, stripe, tautulli, clock, state".to_owned())
}

impl From<Change> for Wish {
    fn from(change: Change) -> Self {
        let (ask, dry) = match change {
            Change::Approve { ids, dry } => (Ask::Approve { ids }, dry),
            Change::Reject { ids, dry } => (Ask::Reject { ids }, dry),
            Change::Accept { what, dry } => (Ask::Accept { what }, dry),
            Change::Restore { whom } => (Ask::Restore { who: whom.who }, whom.dry),
            Change::Revoke { whom, cancel } => (Ask::Revoke { who: whom.who, cancel }, whom.dry),
            Change::Grandfather { who: Some(who), dry, .. } => (Ask::Grandfather { who }, dry),
            Change::Grandfather { who: None, dry, .. } => (Ask::GrandfatherEveryone, dry),
            Change::Invite { whom, tier, days } => (Ask::Invite { who: whom.who, tier, days }, whom.dry),
            Change::Link { whom, plex, stripe } => (Ask::Link { who: whom.who, plex, stripe }, whom.dry),
            Change::Unlink { whom, stripe } => (Ask::Unlink { who: whom.who, stripe }, whom.dry),
            Change::Extend { whom, days } => (Ask::Extend { who: whom.who, days }, whom.dry),
            Change::Pause { whom, until, note } => (Ask::Pause { who: whom.who, until, note }, whom.dry),
        };
        Wish { ask, dry_run: dry.dry_run }
    }
}
