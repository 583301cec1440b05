//! The decision table: RULES.md in rows, worked out by the rules themselves
//! (`reasons::standing`, `plan::plan`, `brake::admit`) and kept in
//! `tests/golden/decision-table.txt`. `BLESS=1 cargo test` writes it anew;
//! then read it, line by line, against the rules.

mod letters;
mod money;
mod people;
mod waiting;

use std::fmt::Write as _;
use std::{env, fs, path::Path};

use usher::policy::brake::{self, SecondLook};
use usher::policy::inactivity::{self, Idle};
use usher::policy::{reasons, two_reports};

use crate::paper::Paper;

/// The table under way.
struct Table {
    text: String,
    rows: usize,
}

impl Table {
    fn heading(&mut self, rule: &str, says: &[&str]) {
        let _ = writeln!(self.text, "\n\n{rule}\n{}", "=".repeat(rule.chars().count()));
        for line in says {
            let _ = writeln!(self.text, "{line}");
        }
    }

    fn group(&mut self, what: &str) {
        let _ = writeln!(self.text, "\n-- {what}");
    }

    /// One situation, made on a fresh sheet of paper.
    fn row(&mut self, words: &str, make: impl FnOnce(&mut Paper)) {
        let mut paper = Paper::new();
        make(&mut paper);
        self.rows += 1;
        let _ = writeln!(self.text, "{words:<74} | {:<34} | {}", standing(&paper), what_is_done(&paper));
    }

    /// A situation that is shown by what comes of it alone.
    fn result(&mut self, words: &str, result: &str) {
        self.rows += 1;
        let _ = writeln!(self.text, "{words:<74} | {result}");
    }

    /// A situation in which a look was taken just before the call.
    fn looked(&mut self, words: &str, looked: &SecondLook, make: impl FnOnce(&mut Paper)) {
        let mut paper = Paper::new();
        make(&mut paper);
        self.rows += 1;
        let _ = writeln!(self.text, "{words:<74} | {:<34} | {}", standing(&paper), after_looks(&paper, looked));
    }
}

/// The verdict on Ann.
fn standing(paper: &Paper) -> String {
    let Some(ann) = paper.book.members.get(&paper.ann) else { return "-".into() };
    if ann.share.is_none() && ann.subscriptions.is_empty() && ann.grants.is_empty() {
        return "-".into(); // The row is about others.
    }
    let scene = paper.scene();
    let standing = reasons::standing(scene, ann);
    let word = standing.word(ann.has_access());
    let because = match (&standing.protected, standing.blocked) {
        (Some(why), _) => why.clone(),
        (None, true) => String::new(),
        (None, false) if !standing.unknown.is_empty() => "can't be told".into(),
        (None, false) => {
            let kinds = standing.reasons.iter().map(|reason| match reason.kind {
                reasons::ReasonKind::Paying => "paying".to_owned(),
                reasons::ReasonKind::Grace => "grace".to_owned(),
                reasons::ReasonKind::Granted(kind) => reasons::words(kind).to_owned(),
            });
            let kinds: Vec<String> = kinds.collect();
            if kinds.iter().any(|kind| kind == word) && kinds.len() == 1 { String::new() } else { kinds.join(" + ") }
        }
    };
    let idle = match inactivity::idle(scene, ann, &standing) {
        Idle::Days { days, .. } => format!(", idle {days}"),
        Idle::Unknowable(_) => ", idle unknown".into(),
        Idle::Exempt(_) => String::new(),
    };
    let because = if because.is_empty() { String::new() } else { format!(": {because}") };
    // One who is about to be invited stands there for minutes only.
    let invited = paper.plan().proposals.iter().any(|proposal| proposal.key.0.starts_with("invite/"));
    let charged = !invited && two_reports::charged_without_access(scene).any(|(member, _)| member.id == paper.ann);
    let unexplained = two_reports::access_without_reason(scene).any(|member| member.id == paper.ann);
    let report = match (charged, unexplained) {
        (true, _) => " [charged without access]",
        (_, true) => " [access without a reason]",
        _ => "",
    };
    format!("{word}{because}{idle}{report}")
}

/// What is planned for Ann (or for everybody, where more are in the row), and
/// what the brake says.
fn what_is_done(paper: &Paper) -> String {
    let asked = SecondLook { answered: usher::facts::Source::ALL.to_vec(), ..SecondLook::default() };
    after_looks(paper, &asked)
}

fn after_looks(paper: &Paper, asked: &SecondLook) -> String {
    let plan = paper.plan();
    let problems: Vec<String> = plan.problems.iter().map(|problem| format!("TOLD: {}", problem.title)).collect();
    let admission = brake::admit(paper.scene(), plan);
    let mut done: Vec<String> = Vec::new();
    for proposal in &admission.admitted {
        let paced = brake::second(paper.scene(), &proposal.key, asked);
        let word = match paced {
            Err(brake::NotNow::Held(because)) => format!("{} -> waits: {}", proposal.what, because.rule()),
            _ => format!("{} -> GOES", proposal.what),
        };
        done.push(word);
    }
    for (proposal, because) in &admission.held {
        done.push(format!("{} -> waits: {}", proposal.what, because.rule()));
    }
    done.sort();
    done.extend(problems);
    if done.is_empty() { "nothing".into() } else { done.join("; ") }
}

const HEAD: &str = "\
The decision table
==================
Who is in, what is planned, and what the brake says of it. Made by the rules
themselves; today is Saturday, 31 January 2026, noon. Warned at 27 idle days,
out after 30; a letter must have stood 3 days. Basic opens Movies, Premium
opens Movies and TV with downloads. Every source is fresh, Ann has an address
and downloads are off, unless the row says otherwise. \"Here\" is an accepted
share of Movies and TV from 400 days ago; GOES: the brake lets it through.

situation | verdict | what is planned -> what the brake says";

#[test]
fn the_decision_table_is_as_it_was_read() {
    let mut table = Table { text: HEAD.to_owned(), rows: 0 };
    people::reasons(&mut table);
    people::who_is_who(&mut table);
    people::inactivity(&mut table);
    money::the_end_of_paying(&mut table);
    people::unmanaged(&mut table);
    people::operator(&mut table);
    money::making_it_so(&mut table);
    money::libraries(&mut table);
    waiting::comings(&mut table);
    waiting::the_brake(&mut table);
    waiting::starts(&mut table);
    letters::letters(&mut table);
    let _ = write!(table.text, "\n\n{} situations\n", table.rows);
    let text: String = table.text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decision-table.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let differs = text.lines().zip(golden.lines()).find(|(now, read)| now != read);
    if let Some((now, read)) = differs {
        panic!(
            "the rules decide otherwise than was read:\n  was: {read}\n  now: {now}\n`BLESS=1 cargo test` and read it"
        );
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "rows came or went; `BLESS=1 cargo test` and read it");
}
