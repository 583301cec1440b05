//! plex.tv's rows → facts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    facts::{Email, PlexId, Section, SectionId, ServerId, Share, ShareId, ShareState, SharingSettings},
    services::loose::{flag, is_unset, list, moment, num, text},
};

/// One server that the token's account owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnServer {
    /// The machineIdentifier.
    pub id: ServerId,
    /// Its name now.
    pub name: String,
}

/// The owned servers among the rows of `/api/v2/resources`.
pub fn own_servers(rows: &[Value]) -> Vec<OwnServer> {
    rows.iter()
        .filter(|row| flag(&row["owned"]) == Some(true))
        .filter(|row| row["provides"].as_str().unwrap_or_default().split(',').any(|what| what.trim() == "server"))
        .filter_map(|row| {
            let id = ServerId(text(&row["clientIdentifier"])?);
            Some(OwnServer { id, name: text(&row["name"]).unwrap_or_default() })
        })
        .collect()
}

/// Which of them is ours: the `known` id, else the name, else the only one.
///
/// # Errors
/// A sentence that lists the names.
pub fn pick<'a>(
    servers: &'a [OwnServer],
    name: Option<&str>,
    known: Option<&ServerId>,
) -> Result<&'a OwnServer, String> {
    if let Some(server) = servers.iter().find(|server| Some(&server.id) == known) {
        return Ok(server);
    }
    let same = |server: &&OwnServer| name.is_none_or(|name| server.name.to_lowercase() == name.trim().to_lowercase());
    let mut matching = servers.iter().filter(same);
    match (matching.next(), matching.next()) {
        (Some(server), None) => Ok(server),
        (found, _) => {
            let names: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(match (name, found) {
                (Some(name), None) => {
                    format!(
                        "this account owns no server called \"{name}\" (it owns: {names}): correct PLEX_SERVER_NAME"
                    )
                }
                (Some(name), Some(_)) => {
                    format!("this account owns several servers called \"{name}\": rename one of them at Plex")
                }
                (None, Some(_)) => format!("this account owns several servers ({names}): set PLEX_SERVER_NAME"),
                (None, None) => "this account owns no Plex server: is PLEX_TOKEN the owner's?".to_owned(),
            })
        }
    }
}

/// Sections by plex.tv's global id. `None` when a row has none.
pub fn sections(rows: &[Value]) -> Option<BTreeMap<SectionId, Section>> {
    rows.iter()
        .map(|row| {
            let id = SectionId(num(&row["id"])?);
            let title = text(&row["title"]).unwrap_or_default();
            Some((id, Section { id, key: num(&row["key"])?, title }))
        })
        .collect()
}

/// One row of `owned/accepted` or `owned/pending` (v2): `Ok(None)` when it is
/// of another server or over; `Err` when it can't be understood.
pub fn share_v2(row: &Value, ours: &ServerId, accepted_list: bool) -> Result<Option<Share>, &'static str> {
    match text(&row["machineIdentifier"]) {
        None => return Err("a share names no server"),
        Some(id) if id != ours.0 => return Ok(None),
        Some(_) if !is_unset(&row["deletedAt"]) || !is_unset(&row["leftAt"]) => return Ok(None),
        Some(_) => {}
    }
    let invited = &row["invited"];
    let id = ShareId(num(&row["id"]).ok_or("a share has no id")?);
    let settings = settings(row);
    let all_libraries = flag(&row["allLibraries"]).unwrap_or(false);
    let sections = match list(&row["libraries"]) {
        Some(rows) => {
            rows.iter().map(|row| num(&row["id"]).map(SectionId)).collect::<Option<_>>().ok_or("a library has no id")?
        }
        None if all_libraries || num(&row["numLibraries"]) == Some(0) => BTreeSet::new(),
        None => return Err("a share lists no libraries"),
    };
    let address = |value: &Value| value.as_str().and_then(Email::parse);
    Ok(Some(Share {
        id,
        account: num(&row["invitedId"]).or_else(|| num(&invited["id"])).filter(|id| *id != 0).map(PlexId),
        username: text(&invited["username"]),
        title: text(&invited["title"]).or_else(|| text(&invited["friendlyName"])),
        email: address(&invited["email"]).or_else(|| address(&row["invitedEmail"])),
        sections,
        all_libraries,
        downloads: settings.as_ref().and_then(|settings| settings.get("allowSync")).and_then(flag),
        settings,
        state: if flag(&row["accepted"]).unwrap_or(accepted_list) {
            ShareState::Accepted { accepted_at: moment(&row["acceptedAt"]) }
        } else {
            ShareState::Pending { invited_at: moment(&row["invitedAt"]).or_else(|| moment(&row["createdAt"])) }
        },
        invited_at: None,
        home: flag(&invited["home"]).unwrap_or(false),
        restricted: flag(&invited["restricted"]).unwrap_or(false),
    }))
}

/// The settings stand in `sharingSettings` of the row, in the row itself, or
/// inside `invited`.
fn settings(row: &Value) -> Option<SharingSettings> {
    let own = |value: &Value| {
        let nested = value["sharingSettings"].as_object();
        let found = nested.map_or_else(|| picked(value.as_object()), |map| map.clone().into_iter().collect());
        (!found.is_empty()).then_some(found)
    };
    own(row).or_else(|| own(&row["invited"]))
}

fn picked(row: Option<&Map<String, Value>>) -> SharingSettings {
    let is_setting = |name: &str| name.starts_with("allow") || name.starts_with("filter");
    row.into_iter()
        .flatten()
        .filter(|(name, _)| is_setting(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// One `SharedServer` of v1. Its settings are incomplete, so they are none.
pub fn share_v1(row: &Value) -> Option<Share> {
    let shared = |section: &&Value| flag(&section["shared"]) == Some(true);
    let (accepted_at, invited_at) = (moment(&row["acceptedAt"]), moment(&row["invitedAt"]));
    let is_accepted = flag(&row["accepted"]).unwrap_or(accepted_at.is_some());
    Some(Share {
        id: ShareId(num(&row["id"])?),
        account: num(&row["userID"]).filter(|id| *id != 0).map(PlexId),
        username: text(&row["username"]),
        title: None,
        email: row["email"].as_str().and_then(Email::parse),
        sections: list(&row["Section"])
            .unwrap_or_default()
            .iter()
            .filter(shared)
            .map(|section| num(&section["id"]).map(SectionId))
            .collect::<Option<_>>()?,
        all_libraries: flag(&row["allLibraries"]).unwrap_or(false),
        downloads: flag(&row["allowSync"]),
        settings: None,
        state: match is_accepted {
            true => ShareState::Accepted { accepted_at },
            false => ShareState::Pending { invited_at },
        },
        invited_at: invited_at.filter(|_| is_accepted),
        home: false,
        restricted: false,
    })
}

/// One `Invite` of v1, when it is for a share of the server named `ours`.
/// It has no share id: one is made up ([`is_made_up`]).
pub fn invite_v1(row: &Value, ours: &str) -> Option<Share> {
    let of_ours = |server: &Value| text(&server["name"]).is_some_and(|name| name == ours);
    if flag(&row["server"]) == Some(false) || !list(&row["Server"]).unwrap_or_default().iter().any(of_ours) {
        return None;
    }
    let id = text(&row["id"])?;
    Some(Share {
        id: made_up(&id),
        account: num(&row["id"]).map(PlexId),
        username: text(&row["username"]),
        title: None,
        email: row["email"].as_str().and_then(Email::parse).or_else(|| Email::parse(&id)),
        sections: BTreeSet::new(),
        all_libraries: false,
        downloads: None,
        settings: None,
        state: ShareState::Pending { invited_at: moment(&row["createdAt"]) },
        invited_at: None,
        home: flag(&row["home"]).unwrap_or(false),
        restricted: false,
    })
}

/// plex.tv's own ids are far below this.
const MADE_UP: u64 = 1 << 52;

/// A stable id for an invite that has none (FNV-1a, above every real id, and
/// small enough to survive any JSON reader).
fn made_up(text: &str) -> ShareId {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    ShareId(MADE_UP | (text.bytes().fold(0xcbf2_9ce4_8422_2325, step) % MADE_UP))
}

/// Whether plex.tv would not know this id.
pub fn is_made_up(id: ShareId) -> bool {
    id.0 >= MADE_UP
}

/// What `/api/users` adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Every one of them.
    pub all: BTreeSet<PlexId>,
    /// In the owner's Plex Home.
    pub home: BTreeSet<PlexId>,
    /// Their addresses.
    pub home_emails: BTreeSet<Email>,
    /// With a restriction profile.
    pub restricted: BTreeSet<PlexId>,
    /// With access to our server, and not in the Home.
    pub on_ours: BTreeSet<PlexId>,
    /// With something on another server.
    pub on_others: BTreeSet<PlexId>,
}

/// The rows of `/api/users`; `None` when a row has no id.
pub fn people(rows: &[Value], ours: &ServerId) -> Option<People> {
    let mut people = People::default();
    for row in rows {
        let id = PlexId(num(&row["id"])?);
        people.all.insert(id);
        let home = flag(&row["home"]) == Some(true);
        if home {
            people.home.insert(id);
            people.home_emails.extend(text(&row["email"]).as_deref().and_then(Email::parse));
        }
        if flag(&row["restricted"]) == Some(true) {
            people.restricted.insert(id);
        }
        for server in list(&row["Server"]).unwrap_or_default() {
            match text(&server["machineIdentifier"]) {
                Some(machine) if machine != ours.0 && flag(&server["owned"]) != Some(false) => {
                    people.on_others.insert(id);
                }
                Some(machine) if machine == ours.0 && !home && flag(&server["pending"]) != Some(true) => {
                    people.on_ours.insert(id);
                }
                _ => {}
            }
        }
    }
    Some(people)
}

#[cfg(test)]
#[path = "tests/rows.rs"]
mod tests;
