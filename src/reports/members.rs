//! `usher members`: everybody, a line each.

use serde_json::json;

use super::{Page, at, cut};
use crate::ledger::Member;
use crate::policy::{Scene, inactivity, libraries, pending, plan, reasons, two_reports, who};

/// Everybody in the book.
pub(super) fn page(scene: Scene<'_>) -> Page {
    // What stands here can be typed, and means nobody else: so it isn't cut.
    let names = who::callable(scene.book);
    let width = names.values().map(|name| name.chars().count()).max().unwrap_or_default().max(20);
    let mut lines =
        vec![format!("{:<7} {:<10} {:<width$} {:<9} {:<34} {}", "ID", "STANDING", "NAME", "SHARE", "WHY", "NEXT")];
    let mut rows = Vec::new();
    let mut members: Vec<&Member> = scene.book.members.values().collect();
    // As they came: m-2 before m-10.
    members.sort_by_key(|member| (member.id.0.len(), &member.id));
    for member in members {
        let standing = reasons::standing(scene, member);
        let word = standing.word(member.has_access());
        let share = share_word(member);
        let why = match (&standing.protected, standing.reasons.as_slice()) {
            (Some(why), _) => why.clone(),
            (None, []) => standing.unknown.first().cloned().unwrap_or_else(|| "no reason stands".into()),
            (None, reasons) => reasons.iter().map(|reason| reason.what.as_str()).collect::<Vec<_>>().join(", "),
        };
        let next = next(scene, member, &standing);
        let name = names.get(&member.id).map_or(member.id.0.as_str(), String::as_str);
        lines.push(format!(
            "{:<7} {:<10} {:<width$} {:<9} {:<34} {}",
            member.id,
            word,
            name,
            share,
            cut(&why, 34),
            next
        ));
        let shared = member.share.as_ref().map_or_else(Vec::new, |share| {
            libraries::titles(&scene.book.libraries, &share.row.libraries(&scene.book.libraries.known))
        });
        rows.push(json!({
            "id": member.id,
            "name": name,
            "label": member.name(),
            "username": member.username,
            "email": member.access_email(),
            "plex_id": member.plex,
            "customers": member.customers.keys().collect::<Vec<_>>(),
            "subscriptions": member.subscriptions.iter().map(|(id, billed)| json!({
                "id": id, "status": billed.now.status.word(), "tiers": billed.tiers, "ends": billed.now.scheduled_end(),
            })).collect::<Vec<_>>(),
            "standing": word,
            "share": share,
            "libraries": shared,
            "downloads": member.share.as_ref().and_then(|share| share.row.downloads),
            "joined": member.joined(),
            "last_play": member.last_play,
            "reasons": standing.reasons.iter().map(|reason| &reason.what).collect::<Vec<_>>(),
            "unknown": standing.unknown,
            "protected": standing.protected,
            "unmatched": plan::unmatched(member).or_else(|| pending::refused_guest(scene.now, member)),
            "next": next,
        }));
    }
    let count = scene.book.members_with_access();
    lines.push(format!("{count} with access, {} in the book", scene.book.members.len()));
    let charged: Vec<String> =
        two_reports::charged_without_access(scene).map(|(member, why)| format!("{} ({why})", member.id)).collect();
    let unexplained: Vec<String> =
        two_reports::access_without_reason(scene).map(|member| member.id.to_string()).collect();
    for (what, who) in [("Charged without access", &charged), ("Access without a reason", &unexplained)] {
        if !who.is_empty() {
            lines.push(format!("{what}: {}", who.join(", ")));
        }
    }
    let json = json!({
        "members": rows, "with_access": count,
        "charged_without_access": charged, "access_without_reason": unexplained,
    });
    Page { text: lines.join("\n"), json }
}

fn share_word(member: &Member) -> &'static str {
    match &member.share {
        Some(share) if share.row.is_accepted() => "accepted",
        Some(_) => "invited",
        None => "none",
    }
}

/// What comes next for a member, in a few words.
pub(super) fn next(scene: Scene<'_>, member: &Member, standing: &reasons::Standing) -> String {
    if let Some(until) = standing.reasons.iter().filter_map(|reason| reason.until).min() {
        return format!("until {}", at(scene, until));
    }
    if let Some(promised) = member.idle.as_ref().and_then(|spell| spell.promised_end) {
        return format!("warned; may be removed after {}", at(scene, promised));
    }
    match inactivity::idle(scene, member, standing) {
        inactivity::Idle::Days { days, .. } => format!("idle {days} of {} days", scene.rules.warn_days),
        inactivity::Idle::Unknowable(why) => format!("idle time unknown: {why}"),
        inactivity::Idle::Exempt(_) => "-".into(),
    }
}
