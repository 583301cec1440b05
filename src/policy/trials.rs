//! R2: one trial per Plex account and per person. On the public pages nobody
//! is known, and refusing a trial to a known address would reveal it: so who
//! turns out to be in a second one is told, and keeps what Stripe gave them.

use super::plan::Problem;
use crate::facts::Status;
use crate::ledger::{Book, Member};

/// Members who are in a trial and have had another.
#[must_use]
pub fn problems(book: &Book) -> Vec<Problem> {
    book.members.values().filter_map(problem).collect()
}

fn problem(member: &Member) -> Option<Problem> {
    let mut trials: Vec<_> = member.subscriptions.values().filter(|billed| billed.now.trial_end.is_some()).collect();
    trials.sort_by_key(|billed| billed.now.created);
    let (latest, before) = trials.split_last()?;
    if latest.now.status != Status::Trialing || before.is_empty() {
        return None;
    }
    let before: Vec<&str> = before.iter().map(|billed| billed.now.id.as_str()).collect();
    Some(Problem {
        key: format!("trial/{}/{}", member.id, latest.now.id),
        title: format!("{} is in another trial", member.name()),
        detail: format!(
            "{} is a trial, and so was {}. One is meant for each person.",
            latest.now.id,
            before.join(", ")
        ),
        what_to_do: "Nothing, or end the trial in Stripe's dashboard. Usher leaves it as it is.".into(),
    })
}
