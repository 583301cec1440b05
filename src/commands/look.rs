//! `members`, `holds`, `why`: reading, from the daemon or from the book.

use std::path::Path;
use std::process::ExitCode;

use super::client::{self, Trouble, percent_encoded};
use super::{REFUSED, UNREACHABLE, complain, say};
use crate::config::{Config, ConfigProblem, Whereabouts, environment};
use crate::daemon;
use crate::facts::Moment;
use crate::ledger::Book;
use crate::policy::{Rules, Scene, World, follow};
use crate::reports::{self, Page, Question};
use crate::store::{Loaded, Store, Which};

/// For whom the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    People,
    Programs,
}

impl Form {
    /// From `--json`.
    pub(super) fn of(json: bool) -> Self {
        if json { Self::Programs } else { Self::People }
    }
}

/// Answers a question.
pub(super) async fn look(at: &Whereabouts, question: &Question, form: Form, now: Moment) -> ExitCode {
    match client::page(at, &target(question), None).await {
        Ok(page) => show(&page, form),
        Err(Trouble::Refused(sentence)) => {
            complain(&sentence);
            ExitCode::from(REFUSED)
        }
        Err(Trouble::NotRunning) => match from_the_book(question, &at.state_dir, now) {
            Ok(Offline { notes, answer }) => {
                notes.iter().for_each(|note| complain(note));
                match answer {
                    Ok(page) => show(&page, form),
                    Err(sentence) => {
                        complain(&sentence);
                        ExitCode::from(REFUSED)
                    }
                }
            }
            Err(sentence) => {
                complain(&format!("Usher is not running, and its book can't answer: {sentence}"));
                ExitCode::from(UNREACHABLE)
            }
        },
    }
}

fn target(question: &Question) -> String {
    match question {
        Question::Members => "/api/members".to_owned(),
        Question::Holds => "/api/holds".to_owned(),
        Question::Plan { days } => format!("/api/plan?days={days}"),
        Question::Stats => "/api/stats".to_owned(),
        Question::Unmatched => "/api/unmatched".to_owned(),
        Question::Why { who } => format!("/api/why?who={}", percent_encoded(who)),
    }
}

pub(super) fn show(page: &Page, form: Form) -> ExitCode {
    match form {
        Form::People => say(&page.text),
        Form::Programs => say(&format!("{:#}", page.json)),
    }
    ExitCode::SUCCESS
}

/// An answer from the book.
#[derive(Debug)]
pub struct Offline {
    /// How old it is, and whether it can be trusted.
    pub notes: Vec<String>,
    /// As [`reports::answer`] gives it.
    pub answer: Result<Page, String>,
}

/// The rules come from the same environment as the daemon's; without them a
/// book can't be explained, only misread.
fn from_the_book(question: &Question, state_dir: &Path, now: Moment) -> Result<Offline, String> {
    let told = |problems: Vec<ConfigProblem>| {
        let problems = problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
        format!("what it means depends on the configuration, which is wrong here:{problems}")
    };
    let config = Config::from_env(environment()).map_err(told)?;
    offline(question, state_dir, &daemon::rules(&config)?, now)
}

/// Answers from the book in `state_dir`, when no daemon runs. It takes no lock
/// and writes nothing.
///
/// # Errors
/// A sentence why there is no book that could be read.
pub fn offline(question: &Question, state_dir: &Path, rules: &Rules, now: Moment) -> Result<Offline, String> {
    let read = |which| Store::<Book>::read_only(state_dir, which).map_err(|error| error.to_string());
    let live = read(Which::Live)?;
    // A rehearsal that can't be read is no loss where there is a real book.
    let rehearsal = match read(Which::DryRun) {
        Err(sentence) if live.book.is_none() => return Err(sentence),
        read => read.ok(),
    };
    let of = |which, loaded: Loaded<Book>| loaded.book.map(|book| (which, book, loaded.trust));
    let books = [of(Which::Live, live), rehearsal.and_then(|loaded| of(Which::DryRun, loaded))];
    let newest = books.into_iter().flatten().max_by_key(|(which, book, _)| (book.committed, *which == Which::Live));
    let Some((which, mut book, trust)) = newest else {
        return Err(format!("there is none in {}; is it the STATE_DIR of an Usher?", state_dir.display()));
    };
    let name = if which == Which::Live { "book" } else { "rehearsal (dry run)" };
    let written = book.committed.with_timezone(&rules.tz).format("%Y-%m-%d %H:%M");
    let mut notes = vec![format!("the daemon is not running; this is what its {name} of {written} says")];
    if !trust.is_sound() {
        notes.push(trust.to_string());
    }
    // It may be called otherwise since.
    follow::take_up(&mut book, &rules.tiers);
    let scene = Scene { now, rules, book: &book, world: &World::default() };
    Ok(Offline { notes, answer: reports::answer(scene, &[], question) })
}
