//! `LESSONS.md` is complete, and every test that it names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const LESSONS: &str = include_str!("LESSONS.md");

/// Every id there is.
fn ids() -> Vec<String> {
    let series = [("", 58), ("G", 43), ("H", 27), ("F", 12), ("S4-", 6), ("D", 14)];
    series.iter().flat_map(|(name, many)| (1..=*many).map(move |n| format!("{name}{n}"))).collect()
}

/// `(id, what keeps it)` of each row.
fn rows(text: &str) -> Vec<(String, String)> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().map(cells).filter(|cells| cells.len() == 5 && cells[1] != "id" && cells[1] != "---");
    rows.map(|cells| (cells[1].clone(), cells[3].clone())).collect()
}

/// The names of all functions and macro-made tests in the tree.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests", "sandbox/src", "sandbox/tests"] {
        collect(Path::new(folder), &mut names);
    }
    names
}

fn collect(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| collect(&entry.unwrap().path(), names));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.filter(|word| word.matches('_').count() >= 3).map(str::to_owned));
    }
}

/// What is wrong with the list.
fn problems(text: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let rows = rows(text);
    let mut problems = Vec::new();
    for id in ids() {
        match rows.iter().filter(|(row, _)| *row == id).count() {
            1 => {}
            many => problems.push(format!("{id} stands {many} times")),
        }
    }
    for (id, kept_by) in &rows {
        let explained = kept_by.starts_with("By construction: ") || kept_by.starts_with("Elsewhere: ");
        let tests: Vec<&str> =
            kept_by.split('`').skip(1).step_by(2).filter(|name| !name.contains([':', ' '])).collect();
        if !explained && tests.is_empty() {
            problems.push(format!("{id} names no test"));
        }
        let missing = tests.iter().filter(|name| name.matches('_').count() >= 3 && !functions.contains(**name));
        problems.extend(missing.map(|name| format!("{id}: there is no {name}")));
        if explained && kept_by.len() < 60 {
            problems.push(format!("{id}: that is no explanation"));
        }
    }
    problems
}

#[test]
fn every_lesson_is_kept_by_a_test_or_by_construction() {
    assert_eq!(problems(LESSONS, &functions()), Vec::<String>::new());
}

#[test]
fn a_lesson_that_is_dropped_or_names_no_test_is_noticed() {
    let functions = functions();
    let without_g7: String = LESSONS.lines().filter(|line| !line.starts_with("| G7 ")).collect::<Vec<_>>().join("\n");
    assert_eq!(problems(&without_g7, &functions), ["G7 stands 0 times"]);
    let renamed = LESSONS.replace("the_hour_in_which_a_renewal", "the_day_on_which_a_renewal");
    assert_eq!(problems(&renamed, &functions).len(), 1);
}
