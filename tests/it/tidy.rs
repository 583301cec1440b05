//! The house is tidy: files are short, the pure modules are pure, and everyone
//! knows only whom they may know (DESIGN §3). Reads the source as text; test
//! code (`#[cfg(test)]` and after, `tests.rs`) is exempt from all but length.

use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 500;

/// Files or folders (without `.rs`) that know no async, I/O, clock or logging.
const PURE: [&str; 11] =
    ["member", "tier", "facts", "policy", "portal", "ledger", "reports", "backoff", "hex", "limits", "door/signature"];

/// Paths that no pure module names.
const IMPURE: [&str; 18] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "tracing",
    "reqwest",
    "hyper",
    "lettre",
    "crate::clock",
    "crate::store",
    "crate::services",
    "crate::engine",
    "crate::config",
    "crate::letters",
];

/// Who may not name what. Only the exceptions after the `|` are let through.
const FORBIDDEN: [(&str, &[&str], &[&str]); 7] = [
    ("services", &["ledger", "policy", "reports", "store", "engine", "loops", "door", "commands", "daemon"], &[]),
    ("loops", &["ledger", "policy", "reports", "store", "door", "commands", "daemon"], &[]),
    ("engine", &["loops", "door", "commands", "daemon"], &[]),
    (
        "door",
        &["ledger", "policy", "store", "loops", "commands", "daemon", "engine::pass", "engine::act", "services"],
        &["services::stripe", "services::sign_in"],
    ),
    ("commands", &["loops", "engine::pass", "engine::act"], &[]),
    ("store", &["ledger", "policy", "services", "engine", "loops", "door", "commands", "daemon", "letters"], &[]),
    ("letters", &["store", "services", "engine", "loops", "door", "commands", "daemon"], &[]),
];

/// What may be named in few places only: the path, where, and why.
const ONLY_IN: [(&str, &[&str], &str); 9] = [
    ("crate::config", &["daemon", "commands", "config", "main", "lib"], "only daemon and commands know the config"),
    ("std::fs", &["store", "config", "commands"], "files belong to the store, the config, or a command's argument"),
    ("std::env", &["config", "main", "commands"], "only config reads the environment"),
    ("envy", &["config"], "only config reads the environment"),
    ("tokio::spawn", &["daemon", "door/server"], "only the daemon spawns"),
    ("tokio::task", &["daemon", "door/server"], "only the daemon spawns"),
    ("std::thread", &[], "there is one thread"),
    ("sandbox", &[], "the shipped binary never contains the sandbox"),
    ("reqwest", &["services"], "only services talk to the outside"),
];

/// The one thing of the config that others hold in their hands.
const LIVE: &str = "crate::config::Live";

/// Texts rather than paths: what, where they may stand, and why.
const TEXT_ONLY_IN: [(&str, &[&str], &str); 5] = [
    ("sleep(", &["services/http", "loops", "daemon/tiers"], "no retries inside: the next pass does it"),
    ("JoinSet", &["daemon", "door/server"], "only the daemon spawns"),
    (".unwrap()", &[], "a daemon never panics on purpose"),
    (".expect(", &[], "a daemon never panics on purpose"),
    ("tokio::fs", &[], "files belong to the store"),
];

#[test]
fn no_file_is_longer_than_a_sitting() {
    let files = ["src", "sandbox/src", "sandbox/tests"].into_iter().flat_map(sources);
    let problems: Vec<_> = files.filter_map(too_long).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// A bound that nobody asks after binds nothing.
#[test]
fn every_bound_is_asked_after_where_it_binds() {
    let sources = sources("src");
    let (_, limits) = sources.iter().find(|(name, _)| name == "limits.rs").expect("the bounds");
    let others = sources.iter().filter(|(name, _)| name != "limits.rs");
    let code: String = others.map(|(_, text)| code_of(text)).collect();
    let bounds = limits.lines().filter_map(|line| line.trim_start().strip_prefix("pub const ")?.split(':').next());
    let idle: Vec<&str> = bounds.filter(|bound| !code.contains(bound)).collect();
    assert!(limits.contains("pub const CONNECTIONS_MAX") && idle.is_empty(), "in limits.rs alone: {idle:?}");
}

#[test]
fn everyone_knows_only_whom_they_may_know() {
    let sources = sources("src");
    assert!(sources.len() > 10, "the source tree wasn't found");
    let problems: Vec<_> = sources.iter().flat_map(|(name, text)| problems(name, text)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_rule_that_is_broken_is_noticed() {
    for (name, text) in [
        ("policy/who.rs", "async fn look() {}"),
        ("policy/who.rs", "let x = ask().await;"),
        ("ledger/mod.rs", "use std::{collections::BTreeMap, fs};"),
        ("ledger/mod.rs", "use crate::{clock::Clock, facts::Moment};"),
        ("facts/play.rs", "let t = std::time::SystemTime::UNIX_EPOCH;"),
        ("facts/play.rs", "use tracing::{info, warn};"),
        ("door/signature.rs", "use tokio::time::Duration;"),
        ("backoff.rs", "tokio::time::pause();"),
        ("services/plex/mod.rs", "use crate::{facts::Share, ledger::Book};"),
        ("services/plex/v1.rs", "use super::super::super::store::Store;"),
        ("services/stripe.rs", "fn f(b: &crate::policy::Rules) {}"),
        ("services/stripe.rs", "use crate::config::Config;"),
        ("services/stripe.rs", "use crate::config::{Config, Live};"),
        ("loops/billing.rs", "use crate::store::Store;"),
        ("loops/billing.rs", "use super::super::ledger::Book;"),
        ("engine/pass.rs", "use crate::{\n    config::Config,\n    facts::Moment,\n};"),
        ("engine/pass.rs", "std::fs::write(path, b\"\");"),
        ("engine/pass.rs", "tokio::time::sleep(pause).await;"),
        ("engine/act.rs", "tokio::spawn(async {});"),
        ("engine/act.rs", "use tokio::task::spawn_local;"),
        ("engine/act.rs", "let mut set = tokio::task::JoinSet::new();"),
        ("door/join.rs", "use crate::services::plex::Plex;"),
        ("door/join.rs", "use crate::engine::act;"),
        ("commands/why.rs", "let first = list.first().unwrap();"),
        ("commands/why.rs", "use sandbox::World;"),
        ("letters/mod.rs", "std::env::var(\"BRAND_NAME\")"),
        ("config.rs", "tokio::fs::read(path)"),
    ] {
        assert!(!problems(name, text).is_empty(), "not noticed in {name}: {text}");
    }
    assert!(too_long(("a.rs".into(), "\n".repeat(LINES_MAX + 1))).is_some());
}

#[test]
fn what_is_allowed_is_let_through() {
    for (name, text) in [
        ("policy/who.rs", "//! Nothing here is `async fn`, nor `tokio`.\nuse std::{collections::BTreeMap, fmt};"),
        ("policy/who.rs", "let tracing_is = 1; // tokio would be wrong here"),
        ("policy/who.rs", "use super::brake;\nuse crate::{facts, ledger::Book};"),
        ("policy/who.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; fn g() { x.unwrap(); } }"),
        ("services/stripe.rs", "use crate::{config::Live, facts::{Moment, Share}};"),
        ("services/http.rs", "tokio::time::sleep(pace).await;"),
        ("engine/mod.rs", "tokio::time::sleep_until(deadline).await;"),
        ("door/portal.rs", "use crate::services::stripe::Stripe;"),
        ("door/lobby.rs", "use crate::services::sign_in::SignIn;"),
        ("door/mod.rs", "use crate::engine::{mailbox::Mailbox, snapshot};"),
        ("store/tests.rs", "fs::read(path).unwrap();"),
        ("commands/import.rs", "use std::fs;\nuse crate::config::Config;"),
        ("letters/mod.rs", "let said = \"it doesn't \\\n    sleep(1), does it?\";\nlet quote = '\"'; // sleep(1)"),
        ("letters/mod.rs", "let link = \"https://example.com/crate::store\";"),
    ] {
        assert_eq!(problems(name, text), Vec::<String>::new(), "{name}: {text}");
    }
    assert_eq!(too_long(("a.rs".into(), "\n".repeat(LINES_MAX))), None);
}

fn too_long((name, text): (String, String)) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX).then(|| format!("{name}: {lines} lines, at most {LINES_MAX}"))
}

/// What is wrong with this file; `name` is its path below `src/`.
fn problems(name: &str, text: &str) -> Vec<String> {
    let place = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if place.ends_with("/tests") || place.contains("/tests/") {
        return Vec::new();
    }
    let code = code_of(text);
    let paths = paths_of(place, &code);
    let mut problems = Vec::new();
    if within(place, &PURE) {
        problems
            .extend(IMPURE.iter().filter(|path| names(&paths, path)).map(|path| format!("{name}: pure, names {path}")));
        let texts = ["async fn", ".await"].into_iter().filter(|text| code.contains(text));
        problems.extend(texts.map(|text| format!("{name}: pure, has {text}")));
    }
    for (who, whom, except) in FORBIDDEN {
        for module in whom.iter().filter(|_| within(place, &[who])) {
            let except: Vec<_> = except.iter().map(|path| format!("crate::{path}")).collect();
            let mut others = paths.iter().filter(|path| !except.iter().any(|except| under(path, except)));
            if others.any(|path| under(path, &format!("crate::{module}"))) {
                problems.push(format!("{name}: {who} may not know {module}"));
            }
        }
    }
    for (path, places, why) in ONLY_IN {
        let named = paths.iter().any(|named| under(named, path) && !under(named, LIVE));
        if named && !within(place, places) {
            problems.push(format!("{name}: names {path}, but {why}"));
        }
    }
    for (text, places, why) in TEXT_ONLY_IN {
        if code.contains(text) && !within(place, places) {
            problems.push(format!("{name}: has {text}, but {why}"));
        }
    }
    problems
}

fn within(place: &str, places: &[&str]) -> bool {
    places.iter().any(|whole| place == *whole || place.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/')))
}

fn names(paths: &[String], wanted: &str) -> bool {
    paths.iter().any(|path| under(path, wanted))
}

fn under(path: &str, whole: &str) -> bool {
    path == whole || path.strip_prefix(whole).is_some_and(|rest| rest.starts_with("::"))
}

/// The text without comments, strings and tests.
fn code_of(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    let mut in_string = false;
    for line in before_tests.lines() {
        // Only a line that ends in a backslash carries its string on.
        in_string &= code.ends_with('\\');
        code.truncate(code.trim_end_matches('\\').len());
        code.push('\n');
        let mut last = ' ';
        for letter in line.chars() {
            match letter {
                '"' if last != '\\' && last != '\'' => in_string = !in_string,
                '/' if !in_string && last == '/' => {
                    code.pop();
                    break;
                }
                _ if in_string => {}
                letter => code.push(letter),
            }
            last = letter;
        }
        if in_string && last == '\\' {
            code.push(last);
        }
    }
    code
}

/// Every path that the code names: `use` trees spread out, and those in line;
/// `super` resolved to `crate::…`.
fn paths_of(place: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = String::new();
    for piece in code.split_inclusive(';') {
        let use_at = piece.rmatch_indices("use ").map(|(at, _)| at).find(|at| {
            let before = &piece[..*at];
            before.is_empty() || before.ends_with(|c: char| c.is_whitespace())
        });
        match use_at {
            Some(at) => {
                let tree: String =
                    piece[at + 4..].trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
                spread("", &tree, &mut paths);
                rest.push_str(&piece[..at]);
            }
            None => rest.push_str(piece),
        }
    }
    let in_line = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    paths.extend(in_line.filter(|word| word.contains("::")).map(str::to_owned));
    // `super` in `a/mod.rs` leaves `a`, as it does in `a.rs`.
    let module: Vec<&str> = match place {
        "main" | "lib" => Vec::new(),
        place => place.split('/').collect(),
    };
    paths.into_iter().map(|path| resolve(&module, &path)).collect()
}

/// `a::{b, c::{d, self}}` → `a::b`, `a::c::d`, `a::c`.
fn spread(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        paths.push(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&prefix, &inner[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        spread(&prefix, &inner[start..], paths);
    }
}

fn resolve(module: &[&str], path: &str) -> String {
    let mut up = module.len();
    let mut rest = path.trim_start_matches("::");
    if !rest.starts_with("super::") {
        return rest.trim_start_matches("usher::").to_owned();
    }
    while let Some(shorter) = rest.strip_prefix("super::") {
        up = up.saturating_sub(1);
        rest = shorter;
    }
    let mut parts = vec!["crate"];
    parts.extend(&module[..up]);
    parts.push(rest);
    parts.join("::")
}

/// All Rust files below a folder of the repository, with their path in it;
/// none when the folder isn't there.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
