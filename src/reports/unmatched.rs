//! `usher unmatched`: who pays, or is granted a place, and can't be let in
//! (RULES R2).

use serde_json::json;

use super::Page;
use crate::ledger::Member;
use crate::policy::{Scene, pending, plan, two_reports};

/// Everybody who pays or is a guest without access, and why.
pub(super) fn page(scene: Scene<'_>) -> Page {
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for member in scene.book.members.values() {
        let guest = || pending::refused_guest(scene.now, member);
        let of_the_house = || two_reports::paid_from_the_house(scene, member);
        let Some(why) = plan::unmatched(member).or_else(of_the_house).or_else(guest) else { continue };
        let email = member.customers_in_order().into_iter().find_map(|(_, payer)| payer.mail_to.as_ref());
        let email = email.or_else(|| member.access_email());
        let paying: Vec<&str> = member.subscriptions.keys().map(|id| id.as_str()).collect();
        let address = email.map_or("no address", |email| email.as_str());
        let by = if paying.is_empty() { by_what(member) } else { paying.join(", ") };
        lines.push(format!("{}  {} ({address}; {by}): {why}", member.id, member.name()));
        rows.push(json!({
            "id": member.id, "name": member.name(), "email": email, "customers": member.customers.keys().collect::<Vec<_>>(),
            "subscriptions": paying, "why": why,
        }));
    }
    if lines.is_empty() {
        lines.push("Everybody who pays, or is your guest, is in.".into());
    } else {
        lines
            .push("To say who one is: usher link ID --plex ACCOUNT. A guest: usher invite ADDRESS --tier TIER.".into());
    }
    Page { text: lines.join("\n"), json: json!({ "unmatched": rows }) }
}

/// Of a guest.
fn by_what(member: &Member) -> String {
    let by_code = member.grants.iter().any(|grant| grant.code.is_some());
    if by_code { "by a free code".into() } else { "your guest".into() }
}
