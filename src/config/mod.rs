//! The environment → [`Config`], every problem at once.
//!
//! Promises: unknown or malformed values are problems, never silent defaults;
//! empty is unset; every problem names its variable and says what to do. All
//! files that the environment names are read here and nowhere else. Never in
//! its `Debug`: a secret.

mod house;
mod older;
mod parse;
mod raw;
mod runtime;
mod services;
mod tiers;
mod whereabouts;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use house::{House, OnPause, OnReversal, PausedCollection, PaymentGrace, Unmanaged};
pub use parse::{ConfigProblem, Network};
pub use raw::VARIABLES;
pub use runtime::{Brand, DoorConfig, Intervals, Log};
pub use services::{Discord, Plex, Smtp, SmtpTls, Stripe, Tautulli};
pub use tiers::{TierSettings, Tiers};
pub use whereabouts::{Whereabouts, environment};

use crate::facts::Email;
use crate::policy::Digest;
use crate::secret::Secret;
use parse::Problems;
use raw::Raw;

/// The right to change the outside world. Only [`Config`] can hand one out,
/// and only when `DRY_RUN` parsed to `false` (promise 5).
#[derive(Debug, Clone)]
pub struct Live(());

/// Everything the operator has set, parsed.
#[derive(Debug, Clone)]
pub struct Config {
    /// plex.tv and our server.
    pub plex: Plex,
    /// `None` = nobody pays here.
    pub stripe: Option<Stripe>,
    /// `None` = nobody is looked at for inactivity.
    pub tautulli: Option<Tautulli>,
    /// `None` = no mail.
    pub smtp: Option<Smtp>,
    /// `None` = no Discord.
    pub discord: Option<Discord>,
    /// The operator.
    pub admin_email: Option<Email>,
    /// PEM certificates of `EXTRA_CA_FILE`, for all clients.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// For public hosts, never for Tautulli. May hold a password.
    pub https_proxy: Option<Secret>,
    /// The rules' numbers.
    pub house: House,
    /// What prices buy; see [`Config::read_tiers`].
    pub tiers: TierSettings,
    /// How often the loops look.
    pub intervals: Intervals,
    /// Where the book lies.
    pub state_dir: std::path::PathBuf,
    /// The listeners.
    pub door: DoorConfig,
    /// How letters look.
    pub brand: Brand,
    /// How often the operator gets a digest.
    pub digest: Digest,
    /// Called while all is well. Holds a token.
    pub heartbeat_url: Option<Secret>,
    /// The log.
    pub log: Log,
    /// The operator's zone, for promised days.
    pub tz: chrono_tz::Tz,
    /// Said once at start: older tools' variables, and settings that are
    /// allowed but unwise.
    pub notes: Vec<String>,
    live: Option<Live>,
}

impl Config {
    /// Parses the environment.
    ///
    /// # Errors
    /// Every problem found, in the order of the variables' groups.
    pub fn from_env(vars: impl Iterator<Item = (String, String)>) -> Result<Self, Vec<ConfigProblem>> {
        let vars: BTreeMap<String, String> = vars.collect();
        let older = older::notes(&vars);
        let (raw, problems) = raw::gather(vars);
        let Some(raw) = raw else { return Err(problems) };
        // A variable whose file can't be read looks unset below; then "is
        // missing" would only be noise beside the real problem.
        let unread: Vec<String> = problems.iter().map(|problem| problem.variable.replace("_FILE", "")).collect();
        let mut problems = Problems(problems);
        let mut config = Self::parse(&raw, &mut problems);
        let mut problems = problems.0;
        problems.retain(|problem| !(problem.problem.starts_with("is missing") && unread.contains(&problem.variable)));
        if !problems.is_empty() {
            return Err(problems);
        }
        config.notes.splice(0..0, older);
        Ok(config)
    }

    /// The right to change the outside world, in live mode only.
    #[must_use]
    pub fn live(&self) -> Option<Live> {
        self.live.clone()
    }

    fn parse(raw: &Raw, problems: &mut Problems) -> Self {
        let state_dir = runtime::state_dir(raw, problems);
        let mut notes = Vec::new();
        let config = Self {
            plex: services::plex(raw, problems),
            stripe: services::stripe(raw, problems),
            tautulli: services::tautulli(raw, problems),
            smtp: services::smtp(raw, problems),
            discord: services::discord(raw, problems),
            admin_email: problems.read(raw.admin_email(), parse::mailbox).map(|(_, address)| address),
            extra_ca_pem: tiers::extra_ca(raw, problems),
            https_proxy: problems.read(raw.https_proxy(), parse::secret_url).map(Secret::new),
            house: house::house(raw, problems),
            tiers: tiers::settings(raw, &state_dir, problems),
            intervals: runtime::intervals(raw, problems, &mut notes),
            door: runtime::door(raw, problems),
            brand: runtime::brand(raw, problems),
            digest: runtime::digest(raw, problems),
            heartbeat_url: problems.read(raw.heartbeat_url(), parse::secret_url).map(Secret::new),
            log: runtime::log(raw, problems),
            tz: runtime::tz(raw, problems),
            live: live(raw, problems),
            state_dir,
            notes,
        };
        config.note_gaps()
    }

    /// Allowed, but the operator should know.
    fn note_gaps(mut self) -> Self {
        if self.stripe.as_ref().is_some_and(|stripe| stripe.webhook_secrets.is_empty()) {
            self.notes.push(
                "STRIPE_WEBHOOK_SECRET is not set: the door refuses webhooks, and payments are seen by polling only"
                    .into(),
            );
        }
        if self.live.is_some() && self.smtp.is_none() {
            self.notes.push("SMTP_HOST is not set: nobody can be warned, so removals wait for your approval".into());
        }
        self.note_what_is_not_acted_on();
        self
    }

    /// A setting that is understood but that this version does nothing about:
    /// an operator who set it must not believe that it works.
    fn note_what_is_not_acted_on(&mut self) {
        if self.heartbeat_url.is_some() {
            self.notes.push("HEARTBEAT_URL is set, but this version does not act on it yet".into());
        }
    }
}

/// Only the word `false` ends the dry run; and whoever lets Usher act must be
/// reachable.
fn live(raw: &Raw, problems: &mut Problems) -> Option<Live> {
    let dry = problems.read_or(raw.dry_run(), true, parse::yes_or_no);
    if dry {
        return None;
    }
    let (email, discord) = (raw.admin_email(), raw.discord_webhook());
    if !email.is_set() && !discord.is_set() {
        problems.tell(
            raw.dry_run(),
            "false needs somebody to tell, and neither ADMIN_EMAIL nor DISCORD_WEBHOOK is set",
            "set at least one of the two",
        );
    } else if !discord.is_set() && !raw.smtp_host().is_set() {
        problems.tell(
            email,
            "is set, but no mail can be sent to it: SMTP_HOST is not set",
            "set SMTP_HOST and SMTP_FROM, or DISCORD_WEBHOOK",
        );
    }
    Some(Live(()))
}
