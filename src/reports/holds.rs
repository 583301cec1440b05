//! `usher holds`: what waits for the operator, and what waits by itself.

use serde_json::json;

use super::{Page, at};
use crate::facts::{Moment, Source};
use crate::ledger::{HeldBecause, Hold, Offer, Verdict};
use crate::policy::decide::Waiting;
use crate::policy::{Scene, brake, offers};

/// The names of the holds of a start (RULES R11).
fn starts(scene: Scene<'_>) -> impl Iterator<Item = &'static str> {
    let waits = &scene.book.starting.waits;
    [HeldBecause::GoLive, HeldBecause::Upgrade]
        .into_iter()
        .filter(|because| waits.values().any(|hold| hold.because == *because))
        .map(|because| because.rule())
}

/// What the operator said to it, and when.
fn said(verdict: Option<Verdict>) -> (&'static str, Option<Moment>) {
    match verdict {
        None => ("waits for you", None),
        Some(Verdict::Approved { at }) => ("approved", Some(at)),
        Some(Verdict::Rejected { at }) => ("rejected", Some(at)),
    }
}

fn is_waiting(hold: &Hold, waiting: &[Waiting]) -> bool {
    waiting.iter().any(|waiting| waiting.key == hold.key)
}

/// Why it is not done: what was said to it counts before the rule of then.
fn holds_now(hold: &Hold, waiting: &[Waiting]) -> HeldBecause {
    let now = || waiting.iter().find(|waiting| waiting.key == hold.key).map(|waiting| waiting.because.clone());
    match hold.verdict {
        Some(Verdict::Rejected { .. }) => HeldBecause::Rejected,
        Some(Verdict::Approved { .. }) => now().unwrap_or_else(|| hold.because.clone()),
        None => hold.because.clone(),
    }
}

/// Services whose readings aren't believed, and the command that believes them
/// (RULES R9.3, R9.5). Nothing may be due because of it, so no hold shows it.
fn doubted(scene: Scene<'_>) -> Vec<(Source, String)> {
    let mut doubted = Vec::new();
    for source in Source::ALL {
        doubted.extend(brake::identity_failure(scene, source).map(|why| (source, why)));
        let drops = scene.world.drops.iter().filter(|(population, _)| population.source() == source);
        doubted.extend(drops.map(|(population, drop)| (source, brake::drop_words(*population, drop))));
    }
    doubted
}

/// What waits, and why.
pub(super) fn page(scene: Scene<'_>, waiting: &[Waiting]) -> Page {
    let mut lines = Vec::new();
    let mut holds = Vec::new();
    let starting = &scene.book.starting;
    // One thing has one number: first it waits because of the start.
    let others = scene.book.holds.values().filter(|hold| !starting.waits.values().any(|start| start.id == hold.id));
    for hold in others.chain(starting.waits.values()) {
        let (verdict, said) = said(hold.verdict);
        let day = said.map_or_else(String::new, |said| format!(" by you on {}", scene.rules.day_of(said)));
        lines.push(format!("{}  {} ({}): {verdict}{day}", hold.id, hold.what, hold.member));
        lines.push(format!("      since {}; due because {}", at(scene, hold.since), hold.why));
        let because = holds_now(hold, waiting);
        match (&because, hold.verdict) {
            (HeldBecause::Rejected, _) => lines.push("      dropped, until you approve it".to_owned()),
            (because, Some(_)) if !is_waiting(hold, waiting) => {
                lines.push(format!("      was held because {}", because.sentence()));
            }
            (because, _) => lines.push(format!("      held because {}", because.sentence())),
        }
        holds.push(json!({
            "id": hold.id, "member": hold.member, "what": hold.what, "why": hold.why, "rule": because.rule(),
            "because": because.sentence(), "since": hold.since, "verdict": verdict, "said": said,
        }));
    }
    let in_force = |offer: &Offer| scene.rules.tiers.named(&offer.tier).is_some();
    for (id, offer) in scene.book.libraries.offers.iter().filter(|(_, offer)| in_force(offer)) {
        let (verdict, said) = said(offer.rejected.map(|at| Verdict::Rejected { at }));
        let day = said.map_or_else(String::new, |said| format!(" by you on {}", scene.rules.day_of(said)));
        let what = offers::words(scene.book, offer);
        lines.push(format!("{id}  {what}: {verdict}{day}"));
        lines.push(format!("      since {}; the library is newer than the tier", at(scene, offer.since)));
        holds.push(json!({
            "id": id, "member": null, "what": what, "why": "the library is newer than the tier", "rule": "new library",
            "because": "a new library joins no tier by itself", "since": offer.since, "verdict": verdict, "said": said,
        }));
    }
    let by_itself: Vec<&Waiting> = waiting
        .iter()
        .filter(|waiting| !scene.book.holds.contains_key(&waiting.key) && !waiting.because.is_of_a_start())
        .collect();
    if lines.is_empty() {
        lines.push("Nothing waits for you.".into());
    } else {
        lines.push("To let one go on: usher approve ID (or all). To drop it: usher reject ID.".into());
        lines.extend(starts(scene).map(|name| format!("All that waits because of the start: usher approve {name}.")));
    }
    if !by_itself.is_empty() {
        lines.push("Waiting by itself:".into());
    }
    for waiting in &by_itself {
        lines.push(format!(
            "  {} ({}): {}: {}",
            waiting.what,
            waiting.member,
            waiting.because.rule(),
            waiting.because.sentence()
        ));
    }
    let doubted = doubted(scene);
    if !doubted.is_empty() {
        lines.push("Not believed, and nobody is removed, warned or narrowed because of it:".into());
    }
    lines.extend(doubted.iter().map(|(_, why)| format!("  {why}")));
    let doubted: Vec<_> = doubted.iter().map(|(source, why)| json!({ "source": source.name(), "why": why })).collect();
    let others: Vec<_> = by_itself
        .iter()
        .map(|waiting| {
            json!({ "member": waiting.member, "what": waiting.what, "why": waiting.why, "rule": waiting.because.rule(), "because": waiting.because.sentence() })
        })
        .collect();
    Page { text: lines.join("\n"), json: json!({ "holds": holds, "waiting": others, "doubted": doubted }) }
}
