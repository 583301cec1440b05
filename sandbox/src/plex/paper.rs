//! How plex.tv writes things down: v2's JSON, the XML it makes of that, and
//! v1's XML.

use std::fmt::Write as _;

use serde_json::{Value, json};
use usher::facts::Moment;

use super::{Account, SERVER_NAME, Section, Settings, ShareView, State};
use crate::{base::Answer, wire::xml_escaped};

/// v1 numbers shares so much higher, when it numbers them otherwise.
pub(super) const V1_ID_OFFSET: u64 = 5_000_000;

/// A v2 answer in the form asked for.
pub(super) fn v2(status: u16, wants_json: bool, root: &str, value: &Value) -> Answer {
    if wants_json { Answer::json(status, value) } else { Answer::xml(status, &xml_of(root, value)) }
}

/// v2's XML: scalars become attributes, the rest children.
fn xml_of(name: &str, value: &Value) -> String {
    let mut attributes = String::new();
    let mut children = String::new();
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value {
                    Value::Object(_) | Value::Array(_) => children += &xml_of(field, value),
                    scalar => {
                        let _ = write!(attributes, " {field}=\"{}\"", scalar_text(scalar));
                    }
                }
            }
        }
        Value::Array(rows) => {
            let one = match name {
                "libraries" => "library",
                "librarySections" => "librarySection",
                "MediaContainer" => "row",
                plural => plural.strip_suffix('s').unwrap_or(plural),
            };
            rows.iter().for_each(|row| children += &xml_of(one, row));
        }
        scalar => children += &scalar_text(scalar),
    }
    format!("<{name}{attributes}>{children}</{name}>")
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => bit(*flag).to_owned(),
        Value::String(text) => xml_escaped(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn bit(flag: bool) -> &'static str {
    if flag { "1" } else { "0" }
}

pub(super) fn iso(at: Moment) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn section_json(section: &Section) -> Value {
    json!({"id": section.id.0, "key": section.key, "title": section.title, "type": section.kind})
}

impl Settings {
    fn json(&self) -> Value {
        json!({
            "allowSync": self.allow_sync,
            "allowCameraUpload": self.allow_camera_upload,
            "allowChannels": self.allow_channels,
            "allowSubtitleAdmin": self.allow_subtitle_admin,
            "allowTuners": self.allow_tuners,
            "filterAll": if self.filter_all.is_empty() { Value::Null } else { json!(self.filter_all) },
            "filterMovies": self.filter_movies,
            "filterTelevision": self.filter_television,
            "filterMusic": self.filter_music,
            "filterPhotos": self.filter_photos,
        })
    }

    fn attributes(&self) -> String {
        format!(
            "allowTuners=\"{}\" allowSync=\"{}\" allowCameraUpload=\"{}\" allowChannels=\"{}\" \
             allowSubtitleAdmin=\"{}\" filterAll=\"{}\" filterMovies=\"{}\" filterTelevision=\"{}\" \
             filterMusic=\"{}\" filterPhotos=\"{}\"",
            self.allow_tuners,
            bit(self.allow_sync),
            bit(self.allow_camera_upload),
            bit(self.allow_channels),
            bit(self.allow_subtitle_admin),
            xml_escaped(&self.filter_all),
            xml_escaped(&self.filter_movies),
            xml_escaped(&self.filter_television),
            xml_escaped(&self.filter_music),
            xml_escaped(&self.filter_photos),
        )
    }
}

impl State {
    /// `/api/v2/user` of whoever's token it is that isn't the owner's.
    pub(super) fn person_json(account: &Account, token: &str) -> Value {
        json!({
            "id": account.id.0, "uuid": format!("{:016x}", account.id.0), "username": account.username,
            "title": account.title, "email": account.email, "friendlyName": "", "confirmed": account.confirmed,
            "joinedAt": 1_488_534_400, "restricted": account.restricted, "home": account.home, "guest": false,
            "homeSize": 1, "homeAdmin": false, "maxHomeSize": 15, "rememberExpiresAt": 2_000_000_000,
            "authToken": token, "twoFactorEnabled": false,
            "subscription": {"active": false, "subscribedAt": null, "status": "Inactive", "plan": null},
        })
    }

    pub(super) fn user_json(&self) -> Value {
        json!({
            "id": self.owner.id.0, "uuid": "0f0f0f0f0f0f0f0f", "username": self.owner.username,
            "title": self.owner.username, "email": self.owner.email, "friendlyName": "", "confirmed": true,
            "joinedAt": 1_388_534_400, "restricted": false, "home": true, "guest": false,
            "homeSize": 1 + self.accounts.values().filter(|account| account.home).count(),
            "homeAdmin": true, "maxHomeSize": 15, "rememberExpiresAt": 2_000_000_000,
            "authToken": self.token, "twoFactorEnabled": false,
            "subscription": {"active": true, "subscribedAt": "2020-01-02 03:04:05 UTC", "status": "Active",
                "plan": "lifetime"},
        })
    }

    pub(super) fn resources_json(&self, now: Moment) -> Value {
        let device = |name: &str, product: &str, id: &str, provides: &str, owned: bool| {
            json!({
                "name": name, "product": product, "productVersion": "1.42.0", "platform": "Linux",
                "clientIdentifier": id, "createdAt": "2021-05-01T10:00:00Z", "lastSeenAt": iso(now),
                "provides": provides, "owned": owned, "ownerId": if owned { Value::Null } else { json!(9_000_001) },
                "accessToken": "SECRET", "presence": !(owned && self.switches.server_away),
                "publicAddressMatches": true, "relay": true,
                "connections": [{"protocol": "https", "address": "192.0.2.5", "port": 32400,
                    "uri": "https://192-0-2-5.example.plex.direct:32400", "local": true, "relay": false}],
            })
        };
        let server = "Plex Media Server";
        let mut rows = vec![
            device("Sofa", "Plex for Roku", "bbbb-player", "player", true),
            device(SERVER_NAME, server, self.machine.as_str(), "server", true),
            device("Neighbour", server, "dddd-of-somebody-else", "server", false),
        ];
        for (other, number) in self.other_servers.iter().zip(2..) {
            rows.push(device(&format!("{SERVER_NAME} {number}"), server, other.as_str(), "server", true));
        }
        Value::Array(rows)
    }

    pub(super) fn share_json(&self, share: &ShareView) -> Value {
        let account = share.account.and_then(|id| self.accounts.get(&id));
        let ours = share.machine == self.machine;
        let libraries: Vec<Value> = if ours {
            self.sections_of(share).into_iter().map(section_json).collect()
        } else {
            vec![json!({"id": 990_000_001, "key": 1, "title": "Elsewhere", "type": "movie"})]
        };
        let invited = account.map(|account| {
            let email = (!account.email_hidden).then_some(&account.email);
            json!({
                "id": account.id.0, "uuid": format!("uuid-{}", account.id), "username": account.username,
                "title": account.title, "email": email, "friendlyName": "",
                "thumb": "https://plex.tv/users/u/avatar", "home": account.home,
                "restricted": account.restricted, "status": null,
            })
        });
        let left = self.stays_as_left(share).then_some(share.gone_at).flatten();
        json!({
            "id": share.id.0, "name": SERVER_NAME, "machineIdentifier": share.machine, "serverId": 7_000_001,
            "ownerId": self.owner.id.0, "owned": true, "accepted": share.accepted_at.is_some(),
            "acceptedAt": share.accepted_at.map(iso), "deletedAt": null, "leftAt": left.map(iso),
            "invitedId": share.account, "invitedEmail": share.email, "inviteToken": "SECRET",
            "allLibraries": share.all_libraries, "numLibraries": libraries.len(), "searchEnabled": true,
            "invited": invited, "libraries": libraries, "sharingSettings": share.settings.json(),
        })
    }

    /// The id that v1 gives this share.
    pub(super) fn v1_id(&self, share: &ShareView) -> u64 {
        share.id.0 + if self.switches.v1_ids_differ { V1_ID_OFFSET } else { 0 }
    }

    pub(super) fn shared_server_xml(&self, share: &ShareView) -> String {
        let account = share.account.and_then(|id| self.accounts.get(&id));
        let (username, email, id) = account.map_or(("", share.email.as_deref().unwrap_or_default(), 0), |account| {
            (account.username.as_str(), account.email.as_str(), account.id.0)
        });
        let sections: String = self
            .sections
            .iter()
            .map(|section| {
                let shared = share.all_libraries || share.sections.contains(&section.id);
                format!("<Section {} shared=\"{}\"/>", section_attributes(section), bit(shared))
            })
            .collect();
        let accepted_at = share.accepted_at.map_or(0, |at| at.timestamp());
        format!(
            "<SharedServer id=\"{}\" username=\"{}\" email=\"{}\" userID=\"{id}\" accessToken=\"SECRET\" \
             name=\"{SERVER_NAME}\" acceptedAt=\"{accepted_at}\" invitedAt=\"{}\" {} allLibraries=\"{}\" \
             owned=\"1\">{sections}</SharedServer>",
            self.v1_id(share),
            xml_escaped(username),
            xml_escaped(email),
            share.invited_at.timestamp(),
            share.settings.attributes(),
            bit(share.all_libraries),
        )
    }

    /// One row of `/api/users` with the servers shared with that person.
    pub(super) fn user_xml(&self, account: &Account, shares: &[&ShareView], now: Moment) -> String {
        let settings = shares.first().map(|share| share.settings.clone()).unwrap_or_default();
        let email = if account.email_hidden { "" } else { &account.email };
        let servers: String = shares
            .iter()
            .map(|share| {
                let libraries = if share.machine == self.machine { self.sections_of(share).len() } else { 1 };
                format!(
                    "<Server id=\"{}\" serverId=\"7000001\" machineIdentifier=\"{}\" name=\"{SERVER_NAME}\" \
                     lastSeenAt=\"{}\" numLibraries=\"{libraries}\" allLibraries=\"{}\" owned=\"1\" pending=\"{}\"/>",
                    self.v1_id(share),
                    share.machine,
                    now.timestamp(),
                    bit(share.all_libraries),
                    bit(share.accepted_at.is_none()),
                )
            })
            .collect();
        format!(
            "<User id=\"{}\" title=\"{}\" username=\"{}\" email=\"{}\" thumb=\"https://plex.tv/users/u/avatar\" \
             protected=\"0\" home=\"{}\" restricted=\"{}\" {}>{servers}</User>",
            account.id,
            xml_escaped(&account.title),
            xml_escaped(&account.username),
            xml_escaped(email),
            bit(account.home),
            bit(account.restricted),
            settings.attributes(),
        )
    }

    /// One row of `/api/invites/requested`.
    pub(super) fn invite_xml(&self, share: &ShareView) -> String {
        let account = share.account.and_then(|id| self.accounts.get(&id));
        let address = share.email.clone().unwrap_or_default();
        let (id, username, email) = account.map_or((address.clone(), "", address.as_str()), |account| {
            (account.id.to_string(), account.username.as_str(), account.email.as_str())
        });
        let email = xml_escaped(email);
        format!(
            "<Invite id=\"{}\" createdAt=\"{}\" friend=\"{}\" home=\"0\" server=\"1\" username=\"{}\" \
             email=\"{email}\" friendlyName=\"{email}\" thumb=\"\"><Server name=\"{SERVER_NAME}\" \
             numLibraries=\"{}\"/></Invite>",
            xml_escaped(&id),
            share.invited_at.timestamp(),
            bit(share.with_friendship),
            xml_escaped(username),
            self.sections_of(share).len(),
        )
    }
}

pub(super) fn section_attributes(section: &Section) -> String {
    let (title, kind) = (xml_escaped(&section.title), xml_escaped(&section.kind));
    format!("id=\"{}\" key=\"{}\" title=\"{title}\" type=\"{kind}\"", section.id, section.key)
}
