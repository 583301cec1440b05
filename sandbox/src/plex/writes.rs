//! The requests that change shares, invites and settings.

use serde_json::{Map, Value, json};
use usher::facts::{PlexId, SectionId, ShareId};

use super::{
    Settings, State, Who,
    paper::v2,
    routes::wants_json,
    rules::{Flags, Offer, Refusal},
};
use crate::base::{Answer, Request, World};

impl State {
    fn refused(&self, request: &Request, refusal: Refusal) -> Answer {
        match refusal {
            Refusal::Unknown => self.error(request, 404),
            Refusal::Owner => self.error(request, 422),
            Refusal::Already if request.path.starts_with("/api/v2") && !self.switches.already_is_400 => {
                self.error(request, 422)
            }
            Refusal::Already if request.path.starts_with("/api/v2") => {
                Answer::json(400, &json!({"errors": [{"code": 1999, "message": "Already shared", "status": 400}]}))
            }
            Refusal::Already => {
                Answer::xml(400, "<Response code=\"400\" status=\"You are already sharing this server with them\"/>")
            }
        }
    }

    fn malformed(&self, request: &Request, why: &str) -> Answer {
        self.error(request, 400).unexpected(why)
    }

    pub(super) fn share_by_v2(&mut self, request: &Request) -> Answer {
        let read = || -> Result<(String, Offer), String> {
            let body = object(request.json())?;
            let machine = body.get("machineIdentifier").and_then(Value::as_str).ok_or("no machineIdentifier")?;
            let mut settings = Settings::default();
            if let Some(named) = body.get("settings") {
                settings.take(&object(Some(named.clone()))?, Flags::Bool)?;
            }
            let offer = Offer {
                at: request.at,
                to: invitee(&body, "invitedId", "invitedEmail")?,
                sections: section_ids(body.get("librarySectionIds"))?,
                settings,
                with_friendship: body.get("skipFriendship") != Some(&Value::Bool(true)),
            };
            Ok((machine.to_owned(), offer))
        };
        match read() {
            Err(why) => self.malformed(request, &why),
            Ok((machine, _)) if machine != self.machine.as_str() => self.error(request, 404),
            Ok((_, offer)) => match self.offer(offer, &line(request)) {
                Ok(id) => {
                    let share = self.shares.get(&id).map(|share| self.share_json(share)).unwrap_or_default();
                    v2(201, wants_json(request), "sharedServer", &share)
                }
                Err(refusal) => self.refused(request, refusal),
            },
        }
    }

    pub(super) fn share_by_v1(&mut self, request: &Request, machine: &str) -> Answer {
        if machine != self.machine.as_str() {
            return self.error(request, 404);
        }
        let read = || -> Result<Offer, String> {
            let body = object(request.json())?;
            let share = object(body.get("shared_server").cloned())?;
            let mut settings = Settings::default();
            if let Some(named) = body.get("sharing_settings") {
                settings.take(&object(Some(named.clone()))?, Flags::Text)?;
            }
            Ok(Offer {
                at: request.at,
                to: invitee(&share, "invited_id", "invited_email")?,
                sections: section_ids(share.get("library_section_ids"))?,
                settings,
                with_friendship: true,
            })
        };
        match read() {
            Err(why) => self.malformed(request, &why),
            Ok(offer) => match self.offer(offer, &line(request)) {
                Ok(id) => {
                    let share = self.shares.get(&id).map(|share| self.shared_server_xml(share)).unwrap_or_default();
                    Answer::xml(201, &format!("<MediaContainer size=\"1\">{share}</MediaContainer>"))
                }
                Err(refusal) => self.refused(request, refusal),
            },
        }
    }

    pub(super) fn update_by_v2(&mut self, request: &Request, id: &str) -> Answer {
        let known = id.parse().ok().and_then(|id| self.shares.get(&ShareId(id)));
        let before = known.filter(|_| self.switches.update_keeps_settings).map(|share| share.settings.clone());
        let read = || -> Result<(Vec<SectionId>, Settings), String> {
            let body = object(request.json())?;
            // What isn't sent falls back to its default: the worst that may be.
            let mut settings = before.unwrap_or_default();
            if let Some(named) = body.get("settings") {
                settings.take(&object(Some(named.clone()))?, Flags::Bool)?;
            }
            Ok((section_ids(body.get("librarySectionIds"))?, settings))
        };
        let Ok(id) = id.parse().map(ShareId) else {
            return self.error(request, 404);
        };
        match read() {
            Err(why) => self.malformed(request, &why),
            Ok((sections, settings)) => match self.update(request.at, id, sections, Some(settings), &line(request)) {
                Ok(()) => {
                    let share = self.shares.get(&id).map(|share| self.share_json(share)).unwrap_or_default();
                    v2(200, wants_json(request), "sharedServer", &share)
                }
                Err(refusal) => self.refused(request, refusal),
            },
        }
    }

    pub(super) fn update_by_v1(&mut self, request: &Request, machine: &str, id: &str) -> Answer {
        let Some(id) = self.by_v1_id(machine, id).map(|share| share.id) else {
            return self.error(request, 404);
        };
        let read = || -> Result<Vec<SectionId>, String> {
            let body = object(request.json())?;
            section_ids(object(body.get("shared_server").cloned())?.get("library_section_ids"))
        };
        match read() {
            Err(why) => self.malformed(request, &why),
            Ok(sections) => match self.update(request.at, id, sections, None, &line(request)) {
                Ok(()) => Answer::xml(200, "<MediaContainer size=\"0\"></MediaContainer>"),
                Err(refusal) => self.refused(request, refusal),
            },
        }
    }

    pub(super) fn delete_by_v1(&mut self, request: &Request, machine: &str, id: &str) -> Answer {
        let Some(share) = self.by_v1_id(machine, id) else {
            return self.error(request, 404);
        };
        if share.accepted_at.is_none() && !self.switches.v1_delete_ends_pending {
            return self.error(request, 404);
        }
        let id = share.id;
        self.delete(request.at, id, &request.path);
        Answer::status(200)
    }

    pub(super) fn delete_by_v2(&mut self, request: &Request, id: &str) -> Answer {
        if !self.switches.v2_delete_works {
            return self.error(request, 405).header("allow", "OPTIONS, POST");
        }
        match id.parse().map(ShareId) {
            Ok(id) if self.delete(request.at, id, &request.path) => Answer::status(204),
            _ => self.error(request, 404),
        }
    }

    /// Settings of a friend, or the end of everything with him.
    pub(super) fn sharings(&mut self, request: &Request, method: &str, id: &str) -> Answer {
        let id = PlexId(id.parse().unwrap_or_default());
        let theirs: Vec<ShareId> =
            self.alive().filter(|share| share.account == Some(id)).map(|share| share.id).collect();
        let friend = self.accounts.get(&id).is_some_and(|account| account.friend);
        if theirs.is_empty() && !friend {
            return self.error(request, 404);
        }
        if method == "DELETE" {
            for share in theirs {
                self.delete(request.at, share, &request.path);
            }
            if let Some(account) = self.accounts.get_mut(&id) {
                account.friend = false;
            }
            return Answer::status(204);
        }
        let named = request.query.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        for id in theirs {
            let taken = self.shares.get_mut(&id).map(|share| share.settings.take(&named, Flags::Text));
            if let Some(Err(why)) = taken {
                return self.malformed(request, &why);
            }
        }
        Answer::status(200)
    }

    pub(super) fn sharing_settings(&mut self, request: &Request) -> Answer {
        let read = || -> Result<(Who, Settings), String> {
            let body = object(request.json())?;
            let mut settings = Settings::default();
            settings.take(&object(body.get("settings").cloned())?, Flags::Bool)?;
            Ok((invitee(&body, "invitedId", "invitedEmail")?, settings))
        };
        let (who, settings) = match read() {
            Ok(read) => read,
            Err(why) => return self.malformed(request, &why),
        };
        let account = match who {
            Who::Id(id) => Some(id),
            Who::Email(name) => self.account_named(&name),
        };
        let mut found = false;
        for share in self.shares.values_mut() {
            if share.gone_at.is_none() && share.account.is_some() && share.account == account {
                share.settings = settings.clone();
                found = true;
            }
        }
        if found { Answer::status(204) } else { self.error(request, 404) }
    }

    pub(super) fn cancel_invite(&mut self, request: &Request, id: &str) -> Answer {
        let who = id.parse().map_or_else(|_| Who::from(id), |id| Who::Id(PlexId(id)));
        // An account's invite goes by its id, never by its address.
        let pending = self.pending(&who).filter(|share| share.account.is_some() == matches!(who, Who::Id(_)));
        let Some(share) = pending else {
            return self.error(request, 404);
        };
        let friend = if share.with_friendship { "1" } else { "0" };
        let flags = [("friend", friend), ("home", "0"), ("server", "1")];
        if flags.iter().any(|(name, value)| request.param(name) != Some(value)) {
            return self.error(request, 404).unexpected("the flags don't mirror the invite's");
        }
        self.delete(request.at, share.id, &request.path);
        Answer::status(200)
    }
}

fn line(request: &Request) -> String {
    format!("{} {} at {}", request.method, request.path, request.at)
}

fn object(value: Option<Value>) -> Result<Map<String, Value>, String> {
    match value {
        Some(Value::Object(fields)) => Ok(fields),
        other => Err(format!("an object was expected, not {}", other.unwrap_or_default())),
    }
}

fn invitee(body: &Map<String, Value>, id: &str, email: &str) -> Result<Who, String> {
    match (body.get(id), body.get(email)) {
        (Some(value), None) => value.as_u64().map(|id| Who::Id(PlexId(id))).ok_or("the invited id is no number".into()),
        (None, Some(Value::String(name))) if !name.is_empty() => Ok(Who::from(name.as_str())),
        _ => Err(format!("exactly one of {id} and {email} was expected")),
    }
}

/// Missing and empty are the same here: everything.
fn section_ids(value: Option<&Value>) -> Result<Vec<SectionId>, String> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(ids)) => {
            let id = |value: &Value| value.as_u64().map(SectionId).ok_or("a section id is no number".to_owned());
            ids.iter().map(id).collect()
        }
        Some(_) => Err("the section ids are no list".into()),
    }
}
