//! R1: each entry of `VIP_NAMES` is one account.

use crate::facts::PlexId;
use crate::ledger::{Book, Member};
use crate::member::MemberId;

/// Binds each VIP entry to the account that it first hits. Returns entries
/// that hit somebody else as well: told, not granted.
pub fn bind_vips(book: &mut Book, entries: &[String]) -> Vec<(String, MemberId)> {
    let mut second_hits = Vec::new();
    for entry in entries {
        let hits: Vec<(MemberId, PlexId)> = book
            .members
            .values()
            .filter_map(|member| {
                member.plex.filter(|account| is_vip(member, *account, entry)).map(|id| (member.id.clone(), id))
            })
            .collect();
        for (member, account) in hits {
            let bound = *book.vips.entry(entry.clone()).or_insert(account);
            if bound != account {
                second_hits.push((entry.clone(), member));
            }
        }
    }
    second_hits
}

/// Id, email or username; the title only for accounts without a username.
fn is_vip(member: &Member, account: PlexId, entry: &str) -> bool {
    let is = |text: Option<&str>| text.is_some_and(|text| text.trim().to_lowercase() == entry);
    entry == account.to_string()
        || is(member.email.as_ref().map(|email| email.as_str()))
        || is(member.username.as_deref())
        || (member.username.is_none() && is(member.title.as_deref()))
}
