//! What the operator notes, and comes back to: numbers of members, and what was
//! refused.

use serde_json::json;
use usher::facts::PlexId;

use crate::alphabet::Town;
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

/// The number that was noted for somebody. Who is in with another account by now
/// may have another number, too.
pub(super) fn number_of(rig: &Rig, town: &Town, who: usize) -> Option<String> {
    let account = town.people.get(who)?.account_in(rig)?;
    let noted = town.noted.iter().find(|(_, noted, other)| *other == who && *noted == account);
    noted.map(|(number, ..)| number.clone())
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
