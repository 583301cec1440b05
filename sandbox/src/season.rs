//! A season at "Attic Cinema", told line by line, against the real daemon in
//! virtual time.
//!
//! What it promises: a sentence is printed only after what a stand-in recorded
//! has borne it out; the first that doesn't hold ends the story and is named,
//! with what was seen instead. Every letter is written down as `.eml` and
//! `.html`, also when the story breaks off. What it never does: ask the daemon
//! itself whether it did well.
//!
//! Reading order: [`teller`], then the episodes as they follow each other in
//! [`play`].

mod brake;
mod cast;
mod idle;
mod opening;
mod outages;
mod paying;
mod teller;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use usher::daemon::{Options, Part};

use self::teller::Season;
use crate::mailbag;
use crate::rig::Rig;

/// What a season came to, as the stand-ins recorded it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Welcomes: people who took up an invite.
    pub let_in: usize,
    /// Warnings for idleness that a mail server accepted.
    pub warned: usize,
    /// Shares that were ended.
    pub removed: usize,
    /// Actions that the brake held for the operator.
    pub held: usize,
    /// Letters, the operator's included.
    pub letters: usize,
    /// Sentences that were borne out.
    pub lines: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { let_in, warned, removed, held, letters, .. } = self;
        write!(f, "{let_in} let in, {warned} warned, {removed} removed, {held} held, {letters} letters sent")
    }
}

/// The line at which the story broke off.
#[derive(Debug)]
pub struct Failed {
    /// When, and the sentence that didn't hold.
    pub line: String,
    /// What was seen instead.
    pub seen: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  but {}", self.line, self.seen)
    }
}

impl std::error::Error for Failed {}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { line: "The story is told".into(), seen: error.to_string() }
    }
}

/// Plays the season and tells it to `out`; the letters go to `folder`. Call it
/// in a current-thread runtime with paused time.
///
/// # Errors
/// The line that failed.
pub async fn play(options: Options, out: &mut dyn Write, folder: &Path) -> Result<Tally, Failed> {
    let without: Vec<&str> = options.without.iter().map(|part| name(*part)).collect();
    let mut rig = Rig::new(&format!("season-{}", without.join("-"))).await;
    rig.options = options;
    let mut season = Season::new(rig, out);
    let told = tell(&mut season).await;
    mailbag::write_down(&season.rig.smtp.received(), folder)?;
    let tally = told?;
    season.last(&format!("The letters lie in {}, as .eml and .html.\n{tally}", folder.display()))?;
    Ok(tally)
}

async fn tell(season: &mut Season<'_>) -> Result<Tally, Failed> {
    opening::play(season).await?;
    paying::they_come(season).await?;
    idle::january(season).await?;
    paying::they_change(season).await?;
    paying::they_end(season).await?;
    outages::plex(season).await?;
    outages::stripe(season).await?;
    outages::tautulli(season).await?;
    outages::mail(season).await?;
    outages::discord(season).await?;
    brake::a_crash(season).await?;
    brake::film_night(season).await?;
    brake::back_again(season).await?;
    season.curtain().await
}

/// The loops by the names that `--without` takes.
pub const LOOPS: [Part; 5] = [Part::Billing, Part::Friends, Part::Activity, Part::Expiry, Part::Courier];

/// A loop's name.
#[must_use]
pub fn name(part: Part) -> &'static str {
    match part {
        Part::Billing => "billing",
        Part::Friends => "friends",
        Part::Activity => "activity",
        Part::Expiry => "expiry",
        Part::Courier => "courier",
    }
}
