//! `usher plan`: what would happen in the next days if nothing changed.

use chrono::TimeDelta;
use serde_json::json;

use super::Page;
use crate::ledger::Member;
use crate::policy::{
    Scene,
    foresee::{days_max, foresee},
};

/// The next so many days, today included.
///
/// # Errors
/// When there is no reading to plan with.
pub(super) fn page(scene: Scene<'_>, days: u32) -> Result<Page, String> {
    if scene.world.plex.last.is_none() {
        return Err("a plan needs fresh readings, which only a running Usher has; start it, or wait a moment".into());
    }
    let rules = scene.rules;
    let (asked, days) = (days, days.min(days_max(scene.book.members.len())));
    let until = rules.end_of_day(rules.day_of(scene.now + TimeDelta::days(days.into())));
    let foreseen = foresee(scene, until);
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for coming in &foreseen {
        let day = rules.day_of(coming.at);
        let why = if coming.why.is_empty() { String::new() } else { format!(": {}", coming.why) };
        let wants_you = coming.waits.as_ref().is_some_and(crate::ledger::HeldBecause::wants_approval);
        let waits = coming.waits.as_ref().map_or_else(String::new, |because| {
            let for_whom = if wants_you { "waits for you" } else { "waits" };
            format!(" -- {for_whom} ({}): {}", because.rule(), because.sentence())
        });
        lines.push(format!("{day}  {}{why}{waits}", coming.what));
        let name = scene.book.members.get(&coming.member).map(Member::name);
        rows.push(json!({
            "at": coming.at, "day": day, "member": coming.member, "name": name, "what": coming.what, "why": coming.why,
            "waits": coming.waits.as_ref().map(|because| json!({ "rule": because.rule(), "because": because.sentence() })),
        }));
    }
    if lines.is_empty() {
        lines.push(format!("Nothing would happen in the next {days} days."));
    } else {
        lines.push("If nobody watches, pays or accepts anything meanwhile, and nothing else changes.".into());
    }
    if days < asked {
        lines.push(format!("A house of this size is planned {days} days ahead at most."));
    }
    Ok(Page { text: lines.join("\n"), json: json!({ "days": days, "plan": rows }) })
}
