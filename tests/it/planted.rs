//! The planted faults (`tests/planted`) are complete, and speak of what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../planted/README.md");
/// Items of "Mend what a look from outside found".
const ITEMS: u32 = 22;

/// A row of README's table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    item: u32,
    patch: String,
    seen_by: String,
    found: String,
}

/// A patch: its name, and all of its text.
type Patch = (String, String);

fn rows(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, item, _, _, patch, seen_by, found, _] = cells.as_slice() else { return None };
        let patch = patch.split_once('(').map_or("", |(_, link)| link.trim_end_matches(')'));
        let (seen_by, found) = ((*seen_by).to_owned(), (*found).to_owned());
        Some(Row { item: item.parse().ok()?, patch: patch.to_owned(), seen_by, found })
    };
    text.lines().filter_map(row).collect()
}

fn patches() -> Vec<Patch> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let patches = files.filter(|path| path.extension().is_some_and(|ending| ending == "patch"));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut patches: Vec<Patch> = patches.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    patches.sort();
    patches
}

/// The words of the line above the first file that begins with this.
fn said<'a>(patch: &'a str, what: &str) -> Option<&'a str> {
    let header = patch.lines().take_while(|line| !line.starts_with("diff "));
    header.filter_map(|line| line.strip_prefix(what)).find(|words| !words.trim().is_empty())
}

/// What is wrong with a patch: it names files that aren't there, or removes
/// lines that aren't in them, or nothing says what it takes out.
fn problems_of((name, text): &Patch, is_test: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    if said(text, "Takes out: ").is_none() {
        problems.push(format!("{name}: nothing says what it takes out"));
    }
    let tests: Vec<&str> = said(text, "Seen by: ").into_iter().flat_map(|tests| tests.split(", ")).collect();
    if tests.is_empty() {
        problems.push(format!("{name}: nothing says which test sees it"));
    }
    let missing = tests.iter().filter(|test| !is_test(test.rsplit("::").next().unwrap_or_default()));
    problems.extend(missing.map(|test| format!("{name}: there is no test {test}")));
    let (mut file, mut changes) = (None, false);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            file = fs::read_to_string(whole).ok().filter(|_| path.starts_with("src/"));
            changes = true;
            if file.is_none() {
                problems.push(format!("{name}: there is no {path} in src"));
            }
        } else if let Some(gone) = line.strip_prefix('-').filter(|_| !line.starts_with("---")) {
            let stands = file.as_ref().is_none_or(|file: &String| file.lines().any(|line| line == gone));
            if !stands {
                problems.push(format!("{name}: nowhere in its file stands {:?}", gone.trim()));
            }
        }
    }
    if !changes {
        problems.push(format!("{name}: it changes no file"));
    }
    problems
}

/// What is wrong with the table: an item that isn't there once, has neither a
/// patch nor a line that says why, or speaks otherwise than its patch.
fn problems_of_the_table(rows: &[Row], patches: &[Patch]) -> Vec<String> {
    let mut problems = Vec::new();
    for item in 1..=ITEMS {
        let row = match rows.iter().filter(|row| row.item == item).collect::<Vec<_>>().as_slice() {
            [row] => *row,
            others => {
                problems.push(format!("item {item} stands {} times", others.len()));
                continue;
            }
        };
        let patch = patches.iter().find(|(name, _)| *name == row.patch);
        match patch {
            None if row.patch.is_empty() && row.found.len() > 40 => {} // It says why there is none.
            None => problems.push(format!("item {item} has no patch, and nothing says why")),
            Some((name, text)) => {
                if !name.starts_with(&format!("{item:02}-")) {
                    problems.push(format!("item {item} names the patch of another: {name}"));
                }
                let seen_by = row.seen_by.replace('`', "");
                if said(text, "Seen by: ") != Some(seen_by.as_str()) {
                    problems.push(format!("{name}: the table names other tests than the patch"));
                }
            }
        }
        if row.found.is_empty() {
            problems.push(format!("item {item}: nothing says whether the years find it"));
        }
    }
    let in_the_table: BTreeSet<&str> = rows.iter().map(|row| row.patch.as_str()).collect();
    let others = patches.iter().filter(|(name, _)| !in_the_table.contains(name.as_str()));
    problems.extend(others.map(|(name, _)| format!("{name} stands in no row")));
    problems
}

/// Every word in the tests that may be a test's name.
fn names(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| names(&entry.unwrap().path(), found));
    } else if path.extension().is_some_and(|ending| ending == "rs") {
        let text = fs::read_to_string(path).unwrap();
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
        found.extend(functions.map(str::to_owned));
    }
}

#[test]
fn each_item_has_a_planted_fault_that_fits_what_is_there() {
    let mut tests = BTreeSet::new();
    ["src", "tests"].iter().for_each(|folder| names(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut tests));
    let patches = patches();
    let mut problems = problems_of_the_table(&rows(README), &patches);
    problems.extend(patches.iter().flat_map(|patch| problems_of(patch, |test| tests.contains(test))));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_planted_fault_that_fits_no_more_is_noticed() {
    let patch = |text: &str| ("01-a.patch".to_owned(), text.to_owned());
    let sound = "Takes out: a rule\nSeen by: rules::a\n\ndiff --git a/src/lib.rs b/src/lib.rs\n--- a/src/lib.rs\n\
                 +++ b/src/lib.rs\n-pub mod policy;\n";
    assert_eq!(problems_of(&patch(sound), |test| test == "a"), Vec::<String>::new());
    for (from, to) in [
        ("Takes out: a rule\n", ""),
        ("Seen by: rules::a\n", ""),
        ("rules::a", "rules::gone"),
        ("--- a/src/lib.rs", "--- a/src/gone.rs"),
        ("--- a/src/lib.rs", "--- a/Cargo.toml"),
        ("-pub mod policy;", "-pub mod gone;"),
    ] {
        assert_eq!(problems_of(&patch(&sound.replace(from, to)), |test| test == "a").len(), 1, "{from:?} → {to:?}");
    }
    let whole = |item: u32| Row {
        item,
        patch: format!("{item:02}-a.patch"),
        seen_by: "`rules::a`".into(),
        found: "not run yet".into(),
    };
    let rows: Vec<Row> = (1..=ITEMS).map(whole).collect();
    let patches: Vec<Patch> = rows.iter().map(|row| (row.patch.clone(), sound.to_owned())).collect();
    assert_eq!(problems_of_the_table(&rows, &patches), Vec::<String>::new());
    let without = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = rows.clone();
        change(&mut rows);
        problems_of_the_table(&rows, &patches).len()
    };
    assert_eq!(without(&|rows| drop(rows.remove(3))), 2, "the item, and its patch");
    assert_eq!(without(&|rows| rows[3].patch.clear()), 2);
    assert_eq!(without(&|rows| rows[3].found.clear()), 1);
    assert_eq!(without(&|rows| rows[3].seen_by = "`rules::b`".into()), 1);
    assert_eq!(problems_of_the_table(&rows, &patches[1..]).len(), 1);
}
