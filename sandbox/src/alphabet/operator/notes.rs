//! What the operator notes, and comes back to: numbers of members, and what was
//! refused.

use serde_json::json;
use usher::facts::PlexId;

use super::says::is_unwritten;
use crate::alphabet::{Town, Wish};
use crate::rig::Rig;

/// Notes who has which number, as `usher members` lists them.
pub(super) async fn note(rig: &Rig, town: &mut Town) -> bool {
    let Some(page) = rig.try_get("/api/members").await else { return false };
    let rows = page["json"]["members"].as_array().cloned().unwrap_or_default();
    let noted = rows.iter().filter_map(|row| {
        let number = row["id"].as_str()?.to_owned();
        let account = row["plex_id"].as_u64()?;
        let who = town.people.iter().position(|person| person.accounts.iter().any(|other| other.0 == account))?;
        Some((number, PlexId(account), who))
    });
    town.noted = noted.collect();
    !town.noted.is_empty()
}

/// Revokes somebody by the number that was theirs when it was noted.
pub(super) async fn revoke(rig: &Rig, town: &mut Town, who: usize) -> bool {
    let Some(person) = town.people.get_mut(who) else { return false };
    // Who is in with another account by now may have another number, too.
    let account = person.account_in(rig);
    let noted = town.noted.iter().find(|(_, noted, other)| *other == who && Some(*noted) == account);
    let Some((number, ..)) = noted.cloned() else { return false };
    let said = rig.try_ask(json!({ "ask": "revoke", "who": number })).await;
    let Some(said) = said else { return false };
    // It counts once the disk takes it, unless the daemon ends before.
    if is_unwritten(&said) {
        person.dispute(rig.now(), "said to a full disk");
        return true;
    }
    let taken = said.get("error").is_none();
    if taken {
        person.wish = Wish { revoked: Some(rig.now()), ..Wish::default() };
    }
    taken
}

/// Says no to every new library that waits for a word.
pub(super) async fn refuse_a_library(rig: &Rig, town: &mut Town) -> bool {
    let Some(page) = rig.try_get("/api/holds").await else { return false };
    let holds = page["json"]["holds"].as_array().cloned().unwrap_or_default();
    let mut refused = false;
    for hold in holds.iter().filter(|hold| hold["rule"] == "new library" && hold["verdict"] == "waits for you") {
        let said = rig.try_ask(json!({ "ask": "reject", "ids": [hold["id"]] })).await;
        if said.is_none_or(|said| said.get("error").is_some()) {
            continue;
        }
        let what = hold["what"].as_str().unwrap_or_default();
        let named = |title: &str| what.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == title);
        let sections = rig.plex.sections();
        let meant = sections.into_iter().filter(|section| named(&section.title));
        town.refused.extend(meant.map(|section| (rig.now(), section.id, section.title)));
        refused = true;
    }
    refused
}
