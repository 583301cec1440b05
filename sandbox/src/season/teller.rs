//! Tells the story: dates, sentences, and the checks behind them.

use std::fmt::Debug;
use std::io::Write;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, TimeDelta};
use usher::facts::{Moment, PlexId};

use super::{Failed, Tally};
use crate::mailbag;
use crate::rig::{OPERATOR, Rig, address};

/// What a check found: nothing amiss, or what was seen instead.
pub(super) type Held = Result<(), String>;

/// What is awaited is looked for more and more seldom: so long after the
/// beginning, this often. Small steps at first, since a busy machine may let
/// virtual time run a step ahead of what is still on the wire.
const LOOKS: [(TimeDelta, Duration); 3] = [
    (TimeDelta::seconds(10), Duration::from_millis(20)),
    (TimeDelta::minutes(5), Duration::from_secs(1)),
    (TimeDelta::MAX, Duration::from_secs(30)),
];

/// The season as it is told.
pub(super) struct Season<'a> {
    /// The house on the stand-ins.
    pub(super) rig: Rig,
    /// Actions that waited for the operator.
    pub(super) held: usize,
    out: &'a mut dyn Write,
    day: Option<NaiveDate>,
    lines: usize,
}

impl<'a> Season<'a> {
    /// Before the first line.
    pub(super) fn new(rig: Rig, out: &'a mut dyn Write) -> Self {
        Self { rig, held: 0, out, day: None, lines: 0 }
    }

    /// The heading of an episode.
    pub(super) fn episode(&mut self, title: &str) -> Result<(), Failed> {
        self.day = None;
        writeln!(self.out, "\n{title}\n")?;
        Ok(())
    }

    /// A sentence about the setting, with nothing to bear out.
    pub(super) fn aside(&mut self, sentence: &str) -> Result<(), Failed> {
        writeln!(self.out, "  {sentence}")?;
        Ok(())
    }

    /// Tells a sentence, if it holds now.
    pub(super) fn line(&mut self, sentence: &str, check: impl FnOnce(&Rig) -> Held) -> Result<(), Failed> {
        let now = self.rig.now();
        let held = if self.rig.is_running() { check(&self.rig) } else { Err("Usher is not running".to_owned()) };
        if let Err(seen) = held {
            let line = format!("{}  {sentence}", now.format("%a %e %b %H:%M"));
            return Err(Failed { line, seen });
        }
        let day = now.date_naive();
        let date = if self.day == Some(day) { " ".repeat(10) } else { day.format("%a %e %b").to_string() };
        self.day = Some(day);
        self.lines += 1;
        writeln!(self.out, "  {date}  {}  {sentence}", now.format("%H:%M"))?;
        Ok(())
    }

    /// Tells a sentence as soon as it holds, at the latest after `limit`.
    pub(super) async fn within(
        &mut self,
        limit: TimeDelta,
        sentence: &str,
        check: impl Fn(&Rig) -> Held,
    ) -> Result<(), Failed> {
        let began = self.rig.now();
        while check(&self.rig).is_err() && self.rig.now() - began < limit {
            let waited = self.rig.now() - began;
            let step =
                LOOKS.iter().find(|(until, _)| waited < *until).map_or(Duration::from_secs(30), |(_, step)| *step);
            self.rig.pass(step).await;
        }
        self.line(sentence, check)
    }

    /// Lets time pass until that day and time of the season's year.
    ///
    /// # Panics
    /// When that is no date, or lies behind.
    pub(super) async fn to(&mut self, month: u32, day: u32, hour: u32, minute: u32) {
        let at = date(&self.rig, month, day, hour, minute);
        self.until(at).await;
    }

    /// Lets time pass until then.
    ///
    /// # Panics
    /// When that lies behind.
    pub(super) async fn until(&mut self, at: Moment) {
        let left = at - self.rig.now();
        self.rig.pass(left.to_std().unwrap_or_else(|_| panic!("the story is past {at} already"))).await;
    }

    /// The last line: what must be so at the end of every season.
    pub(super) async fn curtain(&mut self) -> Result<Tally, Failed> {
        self.episode("The curtain falls")?;
        let health = self.rig.get("/health").await;
        self.line("Every notice is delivered, nothing waits, and Usher is well", |_| {
            same("notices open", &health["outbox"], &0.into())?;
            same("holds", &health["holds"], &0.into())?;
            same("problems", &health["problems"], &serde_json::json!([]))
        })?;
        self.line("Every letter has a text and an HTML part, and none came twice", |rig| {
            mailbag::are_sound(&rig.smtp.received())
        })?;
        self.line("No service met a request that it wouldn't expect", |rig| same("amiss", &rig.amiss(), &Vec::new()))?;
        self.rig.close().await;
        Ok(self.tally())
    }

    /// The last words.
    pub(super) fn last(&mut self, words: &str) -> Result<(), Failed> {
        writeln!(self.out, "\n{words}")?;
        Ok(())
    }

    fn tally(&self) -> Tally {
        let letters = self.rig.smtp.received();
        let with = |start: &str| letters.iter().filter(|letter| letter.subject.starts_with(start)).count();
        Tally {
            let_in: with(WELCOME),
            warned: with(WARNING),
            removed: self.rig.plex.deletions().iter().filter(|deleted| deleted.was_accepted).count(),
            held: self.held,
            letters: letters.len(),
            lines: self.lines,
        }
    }
}

/// The beginnings of subjects.
pub(super) const INVITED: &str = "Your invitation to Attic Cinema";
pub(super) const WELCOME: &str = "Welcome to Attic Cinema";
pub(super) const WARNING: &str = "Still with us? Watch something by ";
pub(super) const ENDED: &str = "Your access to Attic Cinema has ended";
pub(super) const ENDS: &str = "Your access to Attic Cinema ends on ";
pub(super) const UNPAID: &str = "Your payment for Attic Cinema didn";

/// A day and time of the season's year.
///
/// # Panics
/// When that is no date.
pub(super) fn date(rig: &Rig, month: u32, day: u32, hour: u32, minute: u32) -> Moment {
    let day = NaiveDate::from_ymd_opt(rig.now().year(), month, day);
    day.and_then(|day| day.and_hms_opt(hour, minute, 0)).expect("a day of the calendar").and_utc()
}

/// Seen as wanted?
pub(super) fn same<T: PartialEq + Debug + ?Sized>(what: &str, seen: &T, wanted: &T) -> Held {
    if seen == wanted { Ok(()) } else { Err(format!("{what}: {seen:?}, not {wanted:?}")) }
}

/// Is it so?
pub(super) fn so(is: bool, otherwise: &str) -> Held {
    if is { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// How many letters with such a subject this person has had.
pub(super) fn had(rig: &Rig, name: &str, subject: &str, times: usize) -> Held {
    let subjects = rig.subjects_to(name);
    let count = subjects.iter().filter(|known| known.starts_with(subject)).count();
    so(count == times, &format!("{name} has {count} letters {subject:?}, not {times}; all: {subjects:?}"))
}

/// The operator was told, by mail and on Discord, so often.
pub(super) fn told(rig: &Rig, title: &str, times: usize) -> Held {
    told_by_mail(rig, title, times)?;
    told_on_discord(rig, title, times)
}

/// The operator was told by mail.
pub(super) fn told_by_mail(rig: &Rig, title: &str, times: usize) -> Held {
    let subjects = rig.operator_subjects();
    let count = subjects.iter().filter(|subject| subject.contains(title)).count();
    so(count == times, &format!("{OPERATOR} has {count} mails {title:?}, not {times}; all: {subjects:?}"))
}

/// The operator was told on Discord.
pub(super) fn told_on_discord(rig: &Rig, title: &str, times: usize) -> Held {
    let embeds = rig.discord.messages().into_iter().flat_map(|message| message.embeds);
    let titles: Vec<String> = embeds.map(|embed| embed.title).collect();
    let count = titles.iter().filter(|known| known.contains(title)).count();
    so(count == times, &format!("Discord has {count} messages {title:?}, not {times}; all: {titles:?}"))
}

/// Invites to this person's address or account since the beginning.
pub(super) fn invited(rig: &Rig, name: &str, times: usize) -> Held {
    let invites = rig.plex.invites_sent();
    let count = invites.iter().filter(|invite| is_for(rig, name, &invite.to)).count();
    so(count == times, &format!("{name} was invited {count} times, not {times}"))
}

fn is_for(rig: &Rig, name: &str, to: &crate::plex::Who) -> bool {
    match to {
        crate::plex::Who::Email(email) => *email == address(name),
        crate::plex::Who::Id(id) => rig.plex.account_of(&address(name)) == Some(*id),
    }
}

/// Whether this account may watch.
pub(super) fn is_in(rig: &Rig, who: PlexId) -> Held {
    so(rig.plex.has_access(who), "access is gone")
}

/// Out, by one call of ours.
pub(super) fn is_out(rig: &Rig, who: PlexId) -> Held {
    let ended = rig.plex.deletions().into_iter().filter(|deleted| deleted.account == Some(who)).count();
    so(!rig.plex.has_access(who), "they still have access")?;
    same("shares of theirs that were ended", &ended, &1)
}

/// Nothing was changed at plex.tv since then, and everybody is still there.
pub(super) fn nothing_changed(rig: &Rig, since: Moment, people: usize) -> Held {
    let changes = rig.plex.changes();
    let late: Vec<&str> =
        changes.iter().filter(|change| change.at > since).map(|change| change.path.as_str()).collect();
    same("changes at plex.tv", &late, &Vec::new())?;
    same("people with access", &people_in(rig), &people)
}

/// How many have access.
pub(super) fn people_in(rig: &Rig) -> usize {
    rig.plex.shares().iter().filter(|share| share.accepted_at.is_some()).count()
}
