//! Our clock against theirs (RULES R9.4).

use super::Finding;
use crate::facts::{Moment, Source};
use crate::ledger::Book;
use crate::policy::brake;

const WHAT: &str = "Clock";

/// `skews`: theirs minus ours in seconds, of those that said the time.
pub(super) fn judge(now: Moment, book: Option<&Book>, skews: &[(Source, Option<i64>)]) -> Vec<Finding> {
    let known: Vec<(Source, i64)> = skews.iter().filter_map(|(source, secs)| Some((*source, (*secs)?))).collect();
    let mut wrong: Vec<String> = known.iter().filter_map(|(source, secs)| brake::skewed(*source, *secs)).collect();
    wrong.extend(book.and_then(|book| brake::went_back(now, book)));
    if !wrong.is_empty() {
        return wrong.into_iter().map(|why| Finding::fail(WHAT, why)).collect();
    }
    let says: Vec<String> = known.iter().map(|(source, secs)| format!("{} s from {source}'s", secs.abs())).collect();
    vec![match says.as_slice() {
        [] => Finding::warn(WHAT, "nobody who answered said the time, so it couldn't be compared"),
        _ => Finding::ok(WHAT, format!("{}; 5 minutes are allowed", says.join(", "))),
    }]
}
