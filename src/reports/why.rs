//! `usher why WHO`: every fact with its source and age, the rule that fired,
//! what comes next and what would change it (promise 10).

use serde_json::json;

use super::{Page, at, members};
use crate::facts::Source;
use crate::ledger::{Billed, Entitled, Member, SpellKind};
use crate::policy::decide::Waiting;
use crate::policy::pausing::{self, Cause};
use crate::policy::{Scene, inactivity, libraries, pending as invites, plan, reasons, sharing, standing_reports, who};

/// Everything about one person.
pub(super) fn page(scene: Scene<'_>, waiting: &[Waiting], wanted: &str) -> Result<Page, String> {
    let member = who::find(scene.book, wanted)?;
    let standing = reasons::standing(scene, member);
    let mut lines = vec![who::in_full(member)];
    lines.push(format!("Standing: {}", standing.word(member.has_access())));
    if let Some(why) = &standing.protected {
        lines.push(format!("  protected: {why}; never narrowed, warned or removed"));
    }
    for reason in &standing.reasons {
        let until =
            reason.until.map_or(String::new(), |until| format!(" (until {} at the earliest)", at(scene, until)));
        lines.push(format!("  in because: {}{until}", reason.what));
    }
    for (id, ended) in &standing.ended {
        lines.push(format!("  no longer: {id} ended {}", at(scene, ended.ended)));
    }
    for (kind, over) in &standing.over {
        lines.push(format!("  no longer: {}, over since {}", reasons::words(*kind), at(scene, *over)));
    }
    for unknown in &standing.unknown {
        lines.push(format!("  can't be told: {unknown}; nothing is concluded from it"));
    }
    lines.push("Facts:".into());
    facts(scene, member, &mut lines);
    idleness(scene, member, &standing, &mut lines);
    letters(scene, member, &mut lines);
    lines.push(format!("Next: {}", members::next(scene, member, &standing)));
    if let Some(why) = plan::unmatched(member) {
        lines.push(format!("  pays and is outside: {why}"));
    }
    if sharing::opens_nothing(scene, member, &standing) {
        lines.push(
            "  pays and is outside: what they bought opens no library now; look at the tiers file (TIERS_FILE)".into(),
        );
    }
    if let Some(why) = invites::refused_guest(scene.now, member) {
        lines.push(format!("  is your guest and outside: {why}"));
    }
    pending(scene, member, waiting, &mut lines);
    lines.push("What happened:".into());
    for entry in member.journal.iter().rev().take(20).rev() {
        lines.push(format!("  {}  {}", at(scene, entry.at), entry.what));
    }
    let json = json!({
        "member": member.id,
        "name": member.name(),
        "standing": standing.word(member.has_access()),
        "reasons": standing.reasons.iter().map(|reason| json!({ "what": reason.what, "until": reason.until, "tiers": reason.tiers })).collect::<Vec<_>>(),
        "unknown": standing.unknown,
        "protected": standing.protected,
        "waiting": waiting.iter().filter(|waiting| waiting.member == member.id).map(|waiting| json!({
            "what": waiting.what, "rule": waiting.because.rule(), "because": waiting.because.sentence() })).collect::<Vec<_>>(),
        "journal": member.journal,
    });
    Ok(Page { text: lines.join("\n"), json })
}

fn age(scene: Scene<'_>, source: Source) -> String {
    match scene.world.state(source).read_at {
        Some(at) => format!("{source}, read {} ago", standing_reports::words_for(scene.now - at)),
        None => format!("{source}, not read since the start"),
    }
}

fn facts(scene: Scene<'_>, member: &Member, lines: &mut Vec<String>) {
    let plex = age(scene, Source::Plex);
    match (&member.share, &member.gone) {
        (Some(share), _) => {
            let titles =
                libraries::titles(&scene.book.libraries, &share.row.libraries(&scene.book.libraries.known)).join(", ");
            let state = match member.joined() {
                Some(joined) => format!("has access since {}", at(scene, joined)),
                None => format!("invited, first seen {}", at(scene, share.first_seen)),
            };
            let downloads = match share.row.downloads {
                Some(true) => "downloads on",
                Some(false) => "downloads off",
                None => "downloads unknown",
            };
            lines.push(format!("  share {}: {state}: {titles}; {downloads} [{plex}]", share.row.id));
        }
        (None, Some(gone)) => lines.push(format!("  no share since {}: {} [{plex}]", at(scene, gone.at), gone.why)),
        (None, None) => lines.push(format!("  no share [{plex}]")),
    }
    let stripe = age(scene, Source::Stripe);
    for (id, billed) in &member.subscriptions {
        let tier = billed.buys().unwrap_or_else(|| "no tier".into());
        let ends = billed.now.scheduled_end().map_or(String::new(), |end| format!(", set to end {}", at(scene, end)));
        let ended = billed.now.ended_at.map_or(String::new(), |end| format!(", ended {}", at(scene, end)));
        lines.push(format!("  {id}: {} ({tier}){ends}{ended} [{stripe}]", billed.now.status.word()));
        lines.extend(pause(scene, billed));
    }
    for (id, payer) in &member.customers {
        let proof = match payer.proof {
            Some(proof) => format!("theirs, because {}", proof.words()),
            None => "not yet tied to a Plex account".into(),
        };
        lines.push(format!("  customer {id}: {proof}"));
        lines.extend(scene.book.entitled.get(id).map(|entitled| entitlements(scene, entitled)));
    }
}

/// Since when it is paused, why, and until when it is paid for.
fn pause(scene: Scene<'_>, billed: &Billed) -> Option<String> {
    let pause = billed.pause.as_ref()?;
    let since = match billed.now.paused.since.or(pause.began) {
        Some(since) => format!("since {}", at(scene, since)),
        None => format!("since before {}", at(scene, pause.seen)),
    };
    let cause = match pausing::cause(scene.now, billed) {
        Cause::TrialEnded(_) => "its trial ended without a way to pay".to_owned(),
        Cause::PaymentFailed => "a payment failed".to_owned(),
        Cause::Break => "a break that they or you asked for".to_owned(),
        Cause::Unknown(why) => format!("why can't be told: {why}"),
    };
    let paid = pause.paid_until.map_or("unknown".to_owned(), |until| at(scene, until));
    Some(format!("    paused {since}; {cause}; paid for until: {paid}"))
}

fn entitlements(scene: Scene<'_>, entitled: &Entitled) -> String {
    let read = entitled.read.map_or("never read".to_owned(), |read| {
        let keys: Vec<&str> = entitled.keys.iter().map(String::as_str).collect();
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        format!("{keys} [Stripe, read {} ago]", standing_reports::words_for(scene.now - read))
    });
    let failed = entitled.failed.as_ref().map_or(String::new(), |why| format!("; the last try failed: {why}"));
    format!("    entitlements: {read}{failed}")
}

fn idleness(scene: Scene<'_>, member: &Member, standing: &reasons::Standing, lines: &mut Vec<String>) {
    let tautulli = age(scene, Source::Tautulli);
    if let Some(played) = member.last_play {
        lines.push(format!("  last play seen: {} [{tautulli}]", at(scene, played)));
    }
    match inactivity::idle(scene, member, standing) {
        inactivity::Idle::Days { days, since } => lines.push(format!(
            "  idle: {days} days of observed time since {}; warned at {}, removed at {} days; a play of two minutes ends it",
            at(scene, since),
            scene.rules.warn_days,
            scene.rules.kick_days
        )),
        inactivity::Idle::Unknowable(why) => lines.push(format!("  idle: unknown, so nothing is done: {why}")),
        inactivity::Idle::Exempt(why) => lines.push(format!("  idle: not looked at: {why}")),
    }
    if let Some(spell) = &member.idle {
        let warned = spell
            .warned_at
            .map_or("not accepted by a mail server yet".to_owned(), |warned| format!("accepted {}", at(scene, warned)));
        lines.push(format!("  warning of this spell: {warned}"));
    }
}

/// Letters on which an end depends: about money, and the one that asks to
/// subscribe.
fn letters(scene: Scene<'_>, member: &Member, lines: &mut Vec<String>) {
    let accepted = |told: Option<crate::facts::Moment>, no_channel: bool| match told {
        Some(told) => format!("accepted {}", at(scene, told)),
        None if no_channel => "there is no way to write to them".to_owned(),
        None => "not accepted by a mail server yet".to_owned(),
    };
    let until = |promised: Option<crate::facts::Moment>| {
        promised.map_or(String::new(), |promised| format!("; nothing ends before {}", at(scene, promised)))
    };
    for (subscription, spell) in &member.unpaid {
        let fate = accepted(spell.told_at, spell.no_channel);
        let what = match spell.kind {
            SpellKind::Unpaid => "unpaid",
            SpellKind::Break | SpellKind::Narrowing => "paused",
        };
        lines.push(format!("  letter about the {what} {subscription}: {fate}{}", until(spell.promised_end)));
    }
    if let Some(asked) = &member.asked {
        let fate = accepted(asked.told_at, asked.no_channel);
        lines.push(format!("  letter that asks to subscribe: {fate}{}", until(asked.promised_end)));
    }
}

fn pending(scene: Scene<'_>, member: &Member, waiting: &[Waiting], lines: &mut Vec<String>) {
    for intent in scene.book.intents.values().filter(|intent| intent.member == member.id) {
        let error = intent.last_error.as_ref().map_or(String::new(), |error| format!(" (last: {error})"));
        lines.push(format!("  under way: {}{error}", intent.because));
    }
    for waiting in waiting.iter().filter(|waiting| waiting.member == member.id) {
        let starts = scene.book.starting.waits.values();
        let known = scene.book.holds.get(&waiting.key).filter(|_| !waiting.because.is_of_a_start());
        let hold = known.or_else(|| starts.clone().find(|hold| hold.key == waiting.key));
        let id = hold.map_or(String::new(), |hold| format!(" [{}]", hold.id));
        lines.push(format!(
            "  waits{id}: {}: {}: {}",
            waiting.what,
            waiting.because.rule(),
            waiting.because.sentence()
        ));
    }
    let letters = scene.book.starting.waits.iter().filter(|(matter, _)| matter.is_a_letter());
    for (_, hold) in letters.filter(|(_, hold)| hold.member == member.id) {
        let because = &hold.because;
        lines.push(format!("  waits [{}]: {}: {}: {}", hold.id, hold.what, because.rule(), because.sentence()));
    }
}
