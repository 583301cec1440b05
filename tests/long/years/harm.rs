//! Promises that are asked of the record together with the book, or with the
//! operator's word: bounded harm, crash-safety, undo, explained.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use sandbox::rig::{Rig, WEBHOOK_SECRET};
use usher::facts::{Moment, SectionId, ShareId};
use usher::ledger::Book;
use usher::store::{Store, Which};

use super::record::{Deletion, Record};

/// `REMOVAL_PACE_MINS`.
const PACE: TimeDelta = TimeDelta::minutes(10);
const DAY: TimeDelta = TimeDelta::hours(24);

/// Promise 3: no two removals within the pace; and of those that Stripe didn't
/// state no more in any 24 h than the budget, but for what was approved. The
/// house has never fewer than 10 and never more than 39 people, so the budget
/// is 1 to 3 (RULES R9.9).
pub fn promise_03_bounded_harm(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    let removals: Vec<&Deletion> = record.deletions.iter().filter(|gone| gone.accepted).collect();
    for pair in removals.windows(2) {
        // A call whose answer was lost is made again, for the same share.
        if pair[1].at - pair[0].at < PACE && pair[0].share != pair[1].share {
            broken.push(format!("promise 3: removed {} and {}, too soon", pair[0].at, pair[1].at));
        }
    }
    let unstated: Vec<&&Deletion> = removals.iter().filter(|gone| !record.stripe_states_it(gone)).collect();
    for (i, first) in unstated.iter().enumerate() {
        let within = unstated[i..].iter().take_while(|later| later.at - first.at < DAY).count();
        let approved = record.approvals.iter().any(|at| (first.at - DAY * 8..first.at + DAY).contains(at));
        let budget = (first.house / 10).clamp(1, 3);
        if within > budget && !approved {
            broken.push(format!("promise 3: {within} removed within 24 h of {}, budget {budget}", first.at));
        }
    }
    broken
}

/// Promise 6: what lies on the disk when the plug was pulled is a whole book,
/// and the one that was written last.
pub fn promise_06_crash_safe(state: &Path, now: Moment) -> Vec<String> {
    let broken = |why: String| vec![format!("promise 6: after the plug was pulled {now}: {why}")];
    match Store::<Book>::read_only(state, Which::Live) {
        Err(why) => broken(why.to_string()),
        Ok(loaded) if loaded.book.is_none() => broken("there is no book".into()),
        Ok(_) => Vec::new(),
    }
}

/// Promises 9 and 10, of one removal, once the dust has settled: the book can
/// bring back exactly what was taken, and says why it went.
pub fn promise_09_and_10_undo_and_explained(record: &Record, gone: &Deletion, book: &Book) -> Vec<String> {
    let name = gone.who.map_or("somebody", |who| record.name(who));
    let Some(member) = gone.who.and_then(|who| book.by_account(who)) else {
        return vec![format!("promise 10: the book has forgotten {name}")];
    };
    let mut broken = Vec::new();
    let had = record.libraries.get(&gone.share);
    match &member.undo {
        Some(undo) if undo.share.id == gone.share => {
            if had.is_some_and(|had| !had.contains(&undo.share.sections.iter().copied().collect())) {
                broken.push(format!("promise 9: {name} would get back {:?}, not {had:?}", undo.share.sections));
            }
            if undo.share.settings.is_none() {
                broken.push(format!("promise 9: nothing is remembered of the settings of {name}"));
            }
        }
        // Gone again since, by whatever way: a later undo stands there.
        Some(undo) if undo.at > gone.at => {}
        _ => broken.push(format!("promise 9: nothing would bring {name} back, removed {}", gone.at)),
    }
    let removed = |at: Moment, what: &str| what.starts_with("removed: ") && at >= gone.at && at - gone.at < DAY;
    if !member.journal.iter().any(|entry| removed(entry.at, &entry.what)) {
        broken.push(format!("promise 10: the journal of {name} doesn't say why they were removed {}", gone.at));
    }
    broken
}

/// Promise 10: no secret in the book, its history, or what the door says.
pub fn promise_10_no_secret(rig: &Rig, said: &str) -> Vec<String> {
    let file = |name: &str| std::fs::read_to_string(rig.state().join(name)).unwrap_or_default();
    let texts = BTreeMap::from([
        ("the book", file("state.json")),
        ("the history", file("history.jsonl")),
        ("the door", said.to_owned()),
    ]);
    let key = rig.stripe.key();
    let secrets = [sandbox::plex::TOKEN, key.as_str(), WEBHOOK_SECRET, sandbox::tautulli::KEY, "letmein"];
    let tokens = [file("API_TOKEN"), file("API_TOKEN_READ")];
    let tokens = tokens.iter().map(|token| token.trim()).filter(|token| !token.is_empty());
    let mut broken = Vec::new();
    for secret in secrets.into_iter().chain(tokens) {
        let shown = texts.iter().filter(|(_, text)| text.contains(secret)).map(|(name, _)| *name);
        broken.extend(shown.map(|name| format!("promise 10: a secret stands in {name}")));
    }
    broken
}

/// The libraries of a share, sorted.
pub type Libraries = BTreeMap<ShareId, Vec<Vec<SectionId>>>;
