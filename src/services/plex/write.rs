//! The changing calls. Each is sent once, as an act; the effect is for the
//! caller to read back.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Lane, Plex, accept, is_endpoint_gone, not, rows, xml};
use crate::{
    config::Live,
    facts::{Email, FailureKind, PlexId, SectionSet, ServerId, Share, ShareId, SharingSettings},
    services::{
        failure::{Certainty, Failure},
        http::{Call, Reply, segment},
        loose::{flag, list, num, text},
    },
};

/// Whom an invite goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteTo {
    /// An account: never changes hands.
    Account(PlexId),
    /// An address.
    Email(Email),
}

/// What plex.tv said of a new share. It may be accepted already: look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Invited {
    /// The share, when the answer named it.
    pub share: Option<ShareId>,
    /// The account it is bound to, when the answer named one.
    pub account: Option<PlexId>,
}

const JSON: &str = "application/json";

impl Plex {
    /// Shares `sections` with `to`, with nothing else allowed but, perhaps,
    /// downloads.
    ///
    /// # Errors
    /// `Refused` where plex.tv won't (a person or library that it doesn't
    /// know), `Already` where it says that it is done: a listing shows whether
    /// it is. See [`Failure`] for the rest.
    pub async fn invite(
        &self,
        live: &Live,
        server: &ServerId,
        to: &InviteTo,
        sections: &SectionSet,
        downloads: bool,
    ) -> Result<Invited, Failure> {
        self.invite_with(live, server, to, sections, &plain_settings(downloads)).await
    }

    /// As [`Plex::invite`], with every setting given (a restored share).
    ///
    /// # Errors
    /// As [`Plex::invite`].
    pub async fn invite_with(
        &self,
        _live: &Live,
        server: &ServerId,
        to: &InviteTo,
        sections: &SectionSet,
        settings: &SharingSettings,
    ) -> Result<Invited, Failure> {
        let mut body = json!({
            "machineIdentifier": server,
            "librarySectionIds": sections,
            "skipFriendship": true,
            "settings": settings,
        });
        match to {
            InviteTo::Account(id) => body["invitedId"] = json!(id),
            InviteTo::Email(email) => body["invitedEmail"] = json!(email),
        }
        let call = self.call(Method::POST, &self.clients, "/api/v2/shared_servers", JSON).body(JSON, body.to_string());
        let reply = self.write(call).await?;
        let invited = if is_endpoint_gone(&reply) {
            self.invite_v1(server, to, sections, settings).await?
        } else {
            invited_v2(&shareable(reply)?)?
        };
        match (to, invited.account) {
            (InviteTo::Account(meant), Some(account)) if *meant != account => {
                let why = "plex.tv: the new share is for another account than the one that was meant";
                Err(Failure::nonsense(why))
            }
            _ => Ok(invited),
        }
    }

    async fn invite_v1(
        &self,
        server: &ServerId,
        to: &InviteTo,
        sections: &SectionSet,
        settings: &SharingSettings,
    ) -> Result<Invited, Failure> {
        let mut shared = json!({ "library_section_ids": sections });
        match to {
            InviteTo::Account(id) => shared["invited_id"] = json!(id),
            InviteTo::Email(email) => shared["invited_email"] = json!(email),
        }
        let body = json!({ "server_id": server, "shared_server": shared, "sharing_settings": settings_v1(settings) });
        let path = format!("/api/servers/{}/shared_servers", segment(&server.0));
        let call = self.call(Method::POST, &self.site, &path, "application/xml").body(JSON, body.to_string());
        invited_v1(&shareable(self.write(call).await?)?)
    }

    /// Changes the libraries of a share, and its downloads when given; every
    /// other setting is sent back as it was read. A share whose settings
    /// couldn't be read gets only its libraries changed.
    ///
    /// # Errors
    /// `Gone` when the share is.
    pub async fn update(
        &self,
        _live: &Live,
        server: &ServerId,
        share: &Share,
        sections: &SectionSet,
        downloads: Option<bool>,
    ) -> Result<(), Failure> {
        if let Some(settings) = &share.settings {
            let mut settings = settings.clone();
            if let Some(downloads) = downloads {
                settings.insert("allowSync".to_owned(), json!(downloads));
            }
            let body = json!({ "librarySectionIds": sections, "settings": settings });
            let path = format!("/api/v2/shared_servers/{}", share.id);
            let call = self.call(Method::POST, &self.clients, &path, JSON).body(JSON, body.to_string());
            let reply = self.write(call).await?;
            let libraries_only = downloads.is_none() || downloads == share.downloads;
            if !(is_endpoint_gone(&reply) && libraries_only) {
                return done(accept(reply)?);
            }
        }
        let body = json!({ "server_id": server, "shared_server": { "library_section_ids": sections } });
        let path = share_path(server, share.id);
        let call = self.call(Method::PUT, &self.site, &path, "application/xml").body(JSON, body.to_string());
        done(accept(self.write(call).await?)?)
    }

    /// Ends a share of this server, and nothing else. A share that isn't
    /// there (any more) is `Ok`: a listing shows it.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn unshare(&self, live: &Live, server: &ServerId, share: &Share) -> Result<(), Failure> {
        let reply = match self.id_v1(server, share).await? {
            Some(id) => self.delete(live, &self.site, &share_path(server, id)).await?,
            None => self.delete_v2(live, share.id).await?,
        };
        if matches!(reply.status, 405 | 410) {
            return gone_is_done(self.delete_v2(live, share.id).await?);
        }
        gone_is_done(reply)
    }

    /// The id by which v1 deletes. That v2's is the same is only likely, so
    /// it is looked up; `None` when v2's id is somebody else's there.
    async fn id_v1(&self, server: &ServerId, share: &Share) -> Result<Option<ShareId>, Failure> {
        match self.shared_servers_v1(server, Lane::Act).await {
            Ok((_, rows)) => Ok(id_v1(&rows, share)),
            Err(failure) if failure.is_gone() => Ok(Some(share.id)),
            Err(failure) => Err(Failure { certainty: Certainty::NotDone, ..failure }),
        }
    }

    /// Takes back an invite: three ways, the next one when plex.tv doesn't
    /// know the one before. An invite that isn't there (any more) is `Ok`.
    ///
    /// # Errors
    /// `Gone` when all three endpoints are.
    pub async fn cancel_invite(&self, live: &Live, server: &ServerId, share: &Share) -> Result<(), Failure> {
        let mut absent = rows::is_made_up(share.id);
        let id = if absent { None } else { self.id_v1(server, share).await? };
        if let Some(id) = id {
            let reply = self.delete(live, &self.site, &share_path(server, id)).await?;
            match tried(reply)? {
                None => return Ok(()),
                Some(status) => absent = status == 404,
            }
        }
        if let Some(reply) = self.cancel_requested(live, share).await? {
            match tried(reply)? {
                None => return Ok(()),
                Some(status) => absent |= status == 404,
            }
        }
        if rows::is_made_up(share.id) {
            return Ok(());
        }
        let reply = self.delete_v2(live, share.id).await?;
        // Contested: it answers 405 for some, and then the others' 404 stands.
        if reply.status == 404 || (absent && matches!(reply.status, 405 | 410)) {
            return Ok(());
        }
        done(accept(reply)?)
    }

    /// `None` when v1's listing of invites doesn't have it, or is gone.
    async fn cancel_requested(&self, live: &Live, share: &Share) -> Result<Option<Reply>, Failure> {
        let rows = match self.invites_v1(Lane::Act).await {
            Ok(rows) => rows,
            Err(failure) if failure.is_gone() => return Ok(None),
            Err(failure) => return Err(Failure { certainty: Certainty::NotDone, ..failure }),
        };
        let theirs = |row: &&Value| {
            let email = row["email"].as_str().or(row["id"].as_str()).and_then(Email::parse);
            let known = (share.account.is_some() && num(&row["id"]).map(PlexId) == share.account)
                || (email.is_some() && email == share.email);
            // An invite to several servers isn't ours alone to take back.
            known && list(&row["Server"]).is_none_or(|servers| servers.len() <= 1)
        };
        let Some((row, id)) = rows.iter().find(theirs).and_then(|row| Some((row, text(&row["id"])?))) else {
            return Ok(None);
        };
        let path = format!("/api/invites/requested/{}", segment(&id));
        let mut call =
            self.call(Method::DELETE, &self.site, &path, "application/xml").shown("/api/invites/requested/…");
        for name in ["friend", "home", "server"] {
            call = call.query(name, if flag(&row[name]) == Some(true) { "1" } else { "0" });
        }
        self.send_delete(live, call).await.map(Some)
    }

    /// Ends the friendship with an account, and with it whatever is shared with
    /// it on any server. One that isn't there (any more) is `Ok`.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn unfriend(&self, live: &Live, account: PlexId) -> Result<(), Failure> {
        let call = self.call(Method::DELETE, &self.site, &format!("/api/v2/sharings/{account}"), JSON);
        gone_is_done(self.send_delete(live, call).await?)
    }

    async fn delete(&self, live: &Live, base: &str, path: &str) -> Result<Reply, Failure> {
        let call = self.call(Method::DELETE, base, path, "application/xml");
        self.send_delete(live, call).await
    }

    async fn delete_v2(&self, live: &Live, id: ShareId) -> Result<Reply, Failure> {
        let call = self.call(Method::DELETE, &self.clients, &format!("/api/v2/shared_servers/{id}"), JSON);
        self.send_delete(live, call).await
    }

    async fn send_delete(&self, _live: &Live, call: Call) -> Result<Reply, Failure> {
        self.write(call).await
    }
}

fn share_path(server: &ServerId, id: ShareId) -> String {
    format!("/api/servers/{}/shared_servers/{id}", segment(&server.0))
}

/// Everything said explicitly: what plex.tv does with what is left out is
/// not known.
fn plain_settings(downloads: bool) -> SharingSettings {
    let off = ["allowCameraUpload", "allowChannels", "allowSubtitleAdmin"].map(|name| (name, json!(false)));
    let none = ["filterMovies", "filterTelevision", "filterMusic"].map(|name| (name, json!("")));
    let rest = [("allowSync", json!(downloads)), ("allowTuners", json!(0))];
    off.into_iter().chain(none).chain(rest).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// v1 takes six of them, flags as texts.
fn settings_v1(settings: &SharingSettings) -> Value {
    let mut all = serde_json::Map::new();
    for name in ["allowSync", "allowCameraUpload", "allowChannels"] {
        let on = settings.get(name).and_then(flag) == Some(true);
        all.insert(name.to_owned(), json!(if on { "1" } else { "0" }));
    }
    for name in ["filterMovies", "filterTelevision", "filterMusic"] {
        let filter = settings.get(name).and_then(Value::as_str).unwrap_or_default();
        all.insert(name.to_owned(), json!(filter));
    }
    Value::Object(all)
}

/// A 404 to an invite speaks of the address, account, server or library.
fn shareable(reply: Reply) -> Result<Reply, Failure> {
    let endpoint_gone = is_endpoint_gone(&reply);
    accept(reply).map_err(|mut failure| {
        match failure.status {
            Some(404) if !endpoint_gone => {
                failure.kind = FailureKind::Refused;
                failure.why.push_str("; it doesn't know that person, server or library (or it is the owner)");
            }
            Some(400 | 422) if failure.kind == FailureKind::Refused => {
                failure.why.push_str("; it won't share this with them");
            }
            _ if failure.kind == FailureKind::Already => {
                failure.why.push_str("; it says that this is shared already (or it is the owner's own address)");
            }
            _ => {}
        }
        failure
    })
}

fn invited_v2(reply: &Reply) -> Result<Invited, Failure> {
    if reply.body.trim_ascii().is_empty() {
        return Ok(Invited::default());
    }
    let value = super::json(reply)?;
    // One share; some answers wrap it in a list.
    let row = if value.is_array() { &value[0] } else { &value };
    Ok(Invited {
        share: num(&row["id"]).map(ShareId),
        account: num(&row["invitedId"]).or_else(|| num(&row["invited"]["id"])).filter(|id| *id != 0).map(PlexId),
    })
}

fn invited_v1(reply: &Reply) -> Result<Invited, Failure> {
    if reply.body.trim_ascii().is_empty() {
        return Ok(Invited::default());
    }
    let row = match xml::parse(&reply.body) {
        Some((root, value)) if root == "SharedServer" => value,
        Some((root, value)) if root == "MediaContainer" => value["SharedServer"][0].clone(),
        _ => return Err(not(reply, "a share")),
    };
    let account = num(&row["userID"]).or_else(|| num(&row["invitedId"])).filter(|id| *id != 0).map(PlexId);
    Ok(Invited { share: num(&row["id"]).map(ShareId), account })
}

/// v1's id for this very share or invite: by its number, by the account, by the
/// address; v2's id when v1 doesn't list them, unless it is somebody else's there.
/// Somebody may have access by one row and an invite in another: an invite is
/// never looked for among those that have access, which would end it. By its
/// address only an invite is known, since addresses change.
fn id_v1(rows: &[Value], share: &Share) -> Option<ShareId> {
    let waits = |row: &Value| rows::share_v1(row).is_some_and(|row| !row.is_accepted());
    let is_theirs = |row: &Value| share.account.is_some_and(|account| num(&row["userID"]) == Some(account.0));
    let has_number = |row: &Value| num(&row["id"]) == Some(share.id.0);
    let has_address = |row: &Value| {
        let address = row["email"].as_str().and_then(Email::parse);
        share.account.is_none() && share.email.is_some() && address == share.email && waits(row)
    };
    let find = |is_it: &dyn Fn(&Value) -> bool| rows.iter().find(|row| is_it(row));
    let by_account = || match share.is_accepted() {
        true => find(&|row| is_theirs(row) && !waits(row)).or_else(|| find(&is_theirs)),
        false => find(&|row| is_theirs(row) && waits(row)),
    };
    let row = find(&|row| is_theirs(row) && has_number(row)).or_else(by_account).or_else(|| find(&has_address));
    match row {
        Some(row) => num(&row["id"]).map(ShareId),
        None => (!rows.iter().any(has_number)).then_some(share.id),
    }
}

/// A page for people with 200 comes from something in between. An answer without
/// a body is no page, whatever type it bears (facts §1).
fn done(reply: Reply) -> Result<(), Failure> {
    if reply.is_html() && !reply.body.trim_ascii().is_empty() { Err(not(&reply, "plex.tv's")) } else { Ok(()) }
}

fn gone_is_done(reply: Reply) -> Result<(), Failure> {
    if reply.status == 404 { Ok(()) } else { done(accept(reply)?) }
}

/// `None`: it took it back. `Some`: it doesn't know it this way.
fn tried(reply: Reply) -> Result<Option<u16>, Failure> {
    match reply.status {
        status @ (400 | 404 | 405 | 410 | 422) => Ok(Some(status)),
        _ => done(accept(reply)?).map(|()| None),
    }
}

#[cfg(test)]
#[path = "tests/write.rs"]
mod tests;
