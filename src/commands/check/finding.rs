//! A line of the check, and the table of all of them.

use serde::Serialize;
use serde_json::json;

use crate::commands::{MISCONFIGURED, REFUSED};
use crate::reports::Page;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Not set up, which may be just as it should be.
    Off,
    /// Usher works, but the operator should know.
    Warn,
    /// To be mended.
    Fail,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it stands.
    pub level: Level,
    /// Of what it speaks; several lines may speak of the same.
    pub what: String,
    /// A sentence: what was found, and how to mend it.
    pub says: String,
}

impl Finding {
    pub(super) fn ok(what: &str, says: impl Into<String>) -> Self {
        Self::new(Level::Ok, what, says)
    }

    pub(super) fn off(what: &str, says: impl Into<String>) -> Self {
        Self::new(Level::Off, what, says)
    }

    pub(super) fn warn(what: &str, says: impl Into<String>) -> Self {
        Self::new(Level::Warn, what, says)
    }

    pub(super) fn fail(what: &str, says: impl Into<String>) -> Self {
        Self::new(Level::Fail, what, says)
    }

    /// Names and titles come from outside: nothing in them moves a terminal's
    /// cursor or begins another line.
    fn new(level: Level, what: &str, says: impl Into<String>) -> Self {
        let says: String = says.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { level, what: what.to_owned(), says: says.trim().to_owned() }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The environment or the tiers file is wrong: Usher wouldn't start.
    pub misconfigured: bool,
    /// In their order.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// The exit code: 0 = all is well (warnings allowed), 1 = something failed,
    /// 78 = the configuration is wrong.
    #[must_use]
    pub fn code(&self) -> u8 {
        if self.misconfigured {
            MISCONFIGURED
        } else if self.count(Level::Fail) > 0 {
            REFUSED
        } else {
            0
        }
    }

    /// For people and for programs.
    #[must_use]
    pub fn page(&self) -> Page {
        let (failed, warnings) = (self.count(Level::Fail), self.count(Level::Warn));
        let width = self.findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
        let line = |finding: &Finding| {
            let Finding { level, what, says } = finding;
            format!("{:<5} {what:<width$}  {says}\n", level.word())
        };
        let lines: String = self.findings.iter().map(line).collect();
        let many = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {one}s"),
        };
        let sum = match (failed, warnings) {
            _ if self.misconfigured => {
                "The configuration is wrong, and Usher doesn't start so: mend it first.".to_owned()
            }
            (0, 0) => "All is well.".to_owned(),
            (0, _) => format!("All is well, with {}.", many(warnings, "warning")),
            _ => format!(
                "{} and {}: mend what says FAIL, then check again.",
                many(failed, "failure"),
                many(warnings, "warning")
            ),
        };
        let json = json!({
            "code": self.code(), "failures": failed, "warnings": warnings, "checks": self.findings
        });
        Page { text: format!("{lines}\n{sum}\n"), json }
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}
