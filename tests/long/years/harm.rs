//! Promises that are asked of the stand-ins together with what lies on the
//! disk: bounded harm, crash-safety, undo, explained.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::TimeDelta;
use sandbox::plex::Deleted;
use sandbox::rig::{Rig, WEBHOOK_SECRET};
use usher::facts::Moment;
use usher::ledger::Book;
use usher::store::{Store, Which};

use super::oracle::{Oracle, Removed};

/// `REMOVAL_PACE_MINS`, less what a call may take: Usher counts from when it was made,
/// and here it counts when plex.tv acted.
const PACE: TimeDelta = TimeDelta::seconds(10 * 60 - 30);
const DAY: TimeDelta = TimeDelta::hours(24);

/// Promise 3: no two removals within the pace; and of those that neither Stripe
/// nor the operator stated no more in any 24 h than the budget, but for what was
/// approved. The house never has more than 39 people, so the budget is 1 to 3
/// (RULES R9.9).
pub fn promise_03_bounded_harm(oracle: &Oracle) -> Vec<String> {
    let mut broken = Vec::new();
    // What the operator revokes goes at once.
    let paced: Vec<&Removed> = oracle.removed.iter().filter(|removed| !removed.revoked).collect();
    for pair in paced.windows(2) {
        let [first, second] = pair else { continue };
        // A call whose answer was lost is made again; and who is shared with anew is
        // removed anew.
        if second.at - first.at < PACE && first.account != second.account {
            let ([one, other], [at, then]) = ([&first.name, &second.name], [first.at, second.at]);
            broken.push(format!("promise 3: {one} removed {at} and {other} {then}, too soon"));
        }
    }
    let unstated: Vec<&Removed> = oracle.removed.iter().filter(|removed| !removed.stated).collect();
    for (i, first) in unstated.iter().enumerate() {
        let within: Vec<&&Removed> = unstated[i..].iter().take_while(|later| later.at - first.at < DAY).collect();
        let approved = oracle.approvals.iter().any(|at| (first.at - DAY * 40..first.at + DAY).contains(at));
        let budget = (first.house / 10).clamp(1, 3);
        let people: BTreeSet<_> = within.iter().map(|removed| removed.account).collect();
        if people.len() > budget && !approved {
            let who: Vec<&str> = within.iter().map(|removed| removed.name.as_str()).collect();
            let (who, at) = (who.join(" and "), first.at);
            broken.push(format!("promise 3: removed within 24 h of {at}, budget {budget}: {who}"));
        }
    }
    broken
}

/// Promise 6: what lies on the disk when the plug was pulled is a whole book.
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
pub fn promise_09_and_10_undo_and_explained(oracle: &Oracle, gone: &Deleted, book: &Book) -> Vec<String> {
    let who = gone.account.map_or_else(|| "somebody".to_owned(), |account| account.to_string());
    let Some(member) = gone.account.and_then(|account| book.by_account(account)) else {
        return vec![format!("promise 10: the book has forgotten {who}")];
    };
    let mut broken = Vec::new();
    let name = member.name();
    let had = oracle.stays.get(&gone.share).map(|stay| &stay.gave);
    // plex.tv's older listing has numbers of its own.
    let is_of_it =
        |undo: &usher::ledger::Undo| undo.share.id == gone.share || (undo.at - gone.at).abs() < TimeDelta::minutes(10);
    match &member.undo {
        Some(undo) if is_of_it(undo) => {
            let gives = undo.share.sections.iter().copied().collect();
            if had.is_some_and(|had| !had.contains(&gives)) {
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
