//! `members`, `holds`, `why`: reading, from the daemon or from the book.

use std::path::Path;
use std::process::ExitCode;

use super::client::{self, Trouble, percent_encoded};
use super::{REFUSED, UNREACHABLE, complain, say};
use crate::config::Whereabouts;
use crate::reports::{Page, Question};

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
pub(super) async fn look(at: &Whereabouts, question: &Question, form: Form) -> ExitCode {
    match client::page(at, &target(question), None).await {
        Ok(page) => show(&page, form),
        Err(Trouble::Refused(sentence)) => {
            complain(&sentence);
            ExitCode::from(REFUSED)
        }
        Err(Trouble::NotRunning) => match offline(question, &at.state_dir) {
            Ok(page) => {
                complain("the daemon is not running; this is what its book says");
                show(&page, form)
            }
            Err(sentence) => {
                complain(&sentence);
                ExitCode::from(UNREACHABLE)
            }
        },
    }
}

fn target(question: &Question) -> String {
    match question {
        Question::Members => "/api/members".to_owned(),
        Question::Holds => "/api/holds".to_owned(),
        Question::Why { who } => format!("/api/why?who={}", percent_encoded(who)),
    }
}

fn show(page: &Page, form: Form) -> ExitCode {
    match form {
        Form::People => say(&page.text),
        Form::Programs => say(&format!("{:#}", page.json)),
    }
    ExitCode::SUCCESS
}

/// Answers from the book in `state_dir`, when no daemon runs.
///
/// # Errors
/// A sentence why the book can't answer.
pub fn offline(_question: &Question, _state_dir: &Path) -> Result<Page, String> {
    Err("Usher is not running; start it".to_owned())
}
