//! `usher unmatched`: who pays and can't be let in (RULES R2).

use serde_json::json;

use super::Page;
use crate::policy::{Scene, plan};

/// Everybody who pays without access, and why.
pub(super) fn page(scene: Scene<'_>) -> Page {
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for member in scene.book.members.values() {
        let Some(why) = plan::unmatched(member) else { continue };
        let email = member.customers_in_order().into_iter().find_map(|(_, payer)| payer.mail_to.as_ref());
        let paying: Vec<&str> = member.subscriptions.keys().map(|id| id.as_str()).collect();
        let address = email.map_or("no address", |email| email.as_str());
        lines.push(format!("{}  {} ({address}; {}): {why}", member.id, member.name(), paying.join(", ")));
        rows.push(json!({
            "id": member.id, "name": member.name(), "email": email, "customers": member.customers.keys().collect::<Vec<_>>(),
            "subscriptions": paying, "why": why,
        }));
    }
    if lines.is_empty() {
        lines.push("Everybody who pays is in.".into());
    } else {
        lines.push("To say who one is: usher link ID --plex ACCOUNT.".into());
    }
    Page { text: lines.join("\n"), json: json!({ "unmatched": rows }) }
}
