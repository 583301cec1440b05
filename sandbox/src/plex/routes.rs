//! Which request is which, and what it must look like.

use serde_json::{Value, json};
use usher::facts::ShareId;

use super::{
    ShareView, State,
    paper::{V1_ID_OFFSET, section_attributes, section_json, v2},
};
use crate::{
    base::{Answer, Request, World},
    faults::Bend,
};

/// Headers that every call should bring besides the token.
const INTRODUCTION: [&str; 3] = ["x-plex-client-identifier", "x-plex-product", "x-plex-version"];

impl World for State {
    fn is_change(&self, request: &Request) -> bool {
        request.method != "GET" && request.method != "HEAD"
    }

    fn answer(&mut self, request: &Request, bend: Option<Bend>) -> Answer {
        // Shares long over needn't be kept; an hour is far above any lag.
        let old = request.at - self.switches.lag - chrono::TimeDelta::hours(1);
        self.shares.retain(|_, share| share.left || share.gone_at.is_none_or(|at| at > old));

        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if request.method == "GET" && parts == ["identity"] {
            return Answer::xml(200, &format!("<MediaContainer size=\"0\" machineIdentifier=\"{}\"/>", self.machine));
        }
        let mut manners = Vec::new();
        for name in INTRODUCTION {
            if request.header(name).is_empty() {
                manners.push(format!("no {name}"));
            }
        }
        if request.param("X-Plex-Token").is_some() {
            manners.push("the token is in the URL".to_owned());
        }
        self.clients.insert(request.header(INTRODUCTION[0]).to_owned());
        let answer = match self.pin(request, &parts) {
            Some(answer) => answer,
            None if request.header("x-plex-token") == self.token => self.route(request, &parts, bend),
            None => self.of_a_person(request, &parts),
        };
        if manners.is_empty() { answer } else { answer.unexpected(manners.join(", ")) }
    }

    fn error(&self, request: &Request, code: u16) -> Answer {
        let (number, message) = match code {
            401 => (1001, "User could not be authenticated"),
            404 => (1002, "Not found"),
            422 => (1999, "Could not share the server"),
            429 => (1003, "Too many requests"),
            _ => (1000, "Something went wrong"),
        };
        if !request.path.starts_with("/api/v2") {
            return Answer::xml(code, &format!("<Response code=\"{code}\" status=\"{message}\"/>"));
        }
        if wants_json(request) {
            Answer::json(code, &json!({"errors": [{"code": number, "message": message, "status": code}]}))
        } else {
            let error = format!("<error code=\"{number}\" field=\"base\" status=\"{code}\" message=\"{message}\"/>");
            Answer::xml(code, &format!("<errors>{error}</errors>"))
        }
    }
}

pub(super) fn wants_json(request: &Request) -> bool {
    request.header("accept").contains("json")
}

/// The rows as told, and whether a bend shows.
fn bent<T: Clone>(rows: Vec<T>, bend: Option<Bend>) -> (Vec<T>, bool) {
    match bend {
        Some(bend) if !rows.is_empty() => (bend.of(&rows), true),
        _ => (rows, false),
    }
}

impl State {
    /// With a token that isn't the owner's: they may see who they are.
    fn of_a_person(&self, request: &Request, parts: &[&str]) -> Answer {
        let token = request.header("x-plex-token");
        let Some(account) = self.signed_in(token) else { return self.error(request, 401) };
        match (request.method.as_str(), parts) {
            ("GET", ["api", "v2", "user"]) => v2(200, wants_json(request), "user", &Self::person_json(account, token)),
            _ => self.error(request, 403).unexpected("a person's token for more than who they are"),
        }
    }

    fn route(&mut self, request: &Request, parts: &[&str], bend: Option<Bend>) -> Answer {
        let json = wants_json(request);
        match (request.method.as_str(), parts) {
            ("GET", ["api", "v2", "user"]) => v2(200, json, "user", &self.user_json()),
            ("GET", ["api", "v2", "ping"]) if json => Answer::json(200, &json!({"pong": true})),
            ("GET", ["api", "v2", "ping"]) => Answer::xml(200, "<pong>true</pong>"),
            ("GET", ["api", "v2", "resources"]) => v2(200, json, "resources", &self.resources_json(request.at)),
            ("GET", ["api", "v2", "servers", machine]) => self.sections_v2(request, machine, bend),
            ("GET", ["api", "servers", machine]) => self.sections_v1(request, machine, bend),
            ("GET", ["api", "users"]) => self.users(request, bend),
            ("GET", ["api", "servers", machine, "shared_servers"]) => self.shares_v1(request, machine, bend),
            ("GET", ["api", "servers", machine, "shared_servers", id]) => self.share_v1(request, machine, id),
            ("POST", ["api", "servers", machine, "shared_servers"]) => self.share_by_v1(request, machine),
            ("PUT", ["api", "servers", machine, "shared_servers", id]) => self.update_by_v1(request, machine, id),
            ("DELETE", ["api", "servers", machine, "shared_servers", id]) => self.delete_by_v1(request, machine, id),
            ("DELETE", ["api", "servers", _, "shared_servers"]) => {
                Answer::of(404, "text/html", "<html><body>Not found</body></html>").unexpected("no share id")
            }
            ("GET", ["api", "v2", "shared_servers", "owned", which @ ("accepted" | "pending")]) => {
                self.shares_v2(request, *which == "accepted", bend)
            }
            ("POST", ["api", "v2", "shared_servers"]) => self.share_by_v2(request),
            ("POST", ["api", "v2", "shared_servers", id]) => self.update_by_v2(request, id),
            ("DELETE", ["api", "v2", "shared_servers", id]) => self.delete_by_v2(request, id),
            (_, ["api", "v2", "shared_servers", ..]) => {
                self.error(request, 405).header("allow", "OPTIONS, POST").unexpected("not a method of this path")
            }
            (method @ ("PUT" | "DELETE"), ["api", "v2", "sharings", id]) => self.sharings(request, method, id),
            ("POST", ["api", "v2", "sharing_settings"]) => self.sharing_settings(request),
            ("GET" | "DELETE", ["api", "invites", "requested", ..]) if self.switches.invites_requested_gone => {
                self.error(request, 410)
            }
            ("GET", ["api", "invites", "requested"]) => self.invites(request, bend),
            ("DELETE", ["api", "invites", "requested", id]) => self.cancel_invite(request, id),
            (_, ["api", "v2", "friends", ..] | ["api", "friends", ..] | ["pms", "friends", ..]) => {
                self.error(request, 410).unexpected("a path that is gone for good")
            }
            _ => self.error(request, 404).unexpected("no such path or method"),
        }
    }

    // Sections.

    fn sections_v2(&self, request: &Request, machine: &str, bend: Option<Bend>) -> Answer {
        if machine != self.machine.as_str() {
            return self.error(request, 404);
        }
        let rows = self.sections.iter().map(section_json).collect();
        let (rows, bent) = bent(Self::told(self.switches.sections_told, rows), bend);
        let body = json!({"name": super::SERVER_NAME, "machineIdentifier": machine, "librarySections": rows});
        v2(200, wants_json(request), "server", &body).bent(bent)
    }

    fn sections_v1(&self, request: &Request, machine: &str, bend: Option<Bend>) -> Answer {
        if machine != self.machine.as_str() {
            return self.error(request, 404);
        }
        let row = |section| format!("<Section {}/>", section_attributes(section));
        let rows = self.sections.iter().map(row).collect();
        let (rows, bent) = bent(Self::told(self.switches.sections_told, rows), bend);
        let name = super::SERVER_NAME;
        let server = format!("<Server name=\"{name}\" machineIdentifier=\"{machine}\">{}</Server>", rows.concat());
        Answer::xml(200, &format!("<MediaContainer size=\"1\">{server}</MediaContainer>")).bent(bent)
    }

    // People.

    /// A v1 listing: its counts tell the truth when its rows are bent.
    fn container(rows: Vec<String>, bend: Option<Bend>) -> Answer {
        let size = rows.len();
        let (rows, bent) = bent(rows, bend);
        let head = "friendlyName=\"myPlex\" identifier=\"com.plexapp.plugins.myplex\"";
        let rows = rows.concat();
        let body = format!("<MediaContainer {head} totalSize=\"{size}\" size=\"{size}\">{rows}</MediaContainer>");
        Answer::xml(200, &body).bent(bent)
    }

    fn users(&self, request: &Request, bend: Option<Bend>) -> Answer {
        let mut rows = Vec::new();
        for account in self.accounts.values() {
            let theirs: Vec<&ShareView> = self
                .shares
                .values()
                .filter(|share| share.account == Some(account.id) && self.is_listed(share, request.at))
                .filter(|share| !self.stays_as_left(share))
                .filter(|share| share.accepted_at.is_some() || self.switches.users_show_pending)
                .collect();
            if account.friend || account.home || !theirs.is_empty() {
                rows.push(self.user_xml(account, &theirs, request.at));
            }
        }
        Self::container(Self::told(self.switches.people_told, rows), bend)
    }

    fn shares_v1(&self, request: &Request, machine: &str, bend: Option<Bend>) -> Answer {
        if machine != self.machine.as_str() {
            return self.error(request, 404);
        }
        let rows = self
            .shares
            .values()
            .filter(|share| share.machine == self.machine && self.is_listed(share, request.at))
            .filter(|share| share.accepted_at.is_some() && !self.stays_as_left(share))
            .map(|share| self.shared_server_xml(share))
            .collect();
        Self::container(Self::told(self.switches.people_told, rows), bend)
    }

    fn share_v1(&self, request: &Request, machine: &str, id: &str) -> Answer {
        match self.by_v1_id(machine, id) {
            Some(share) => Answer::xml(
                200,
                &format!("<MediaContainer size=\"1\">{}</MediaContainer>", self.shared_server_xml(share)),
            ),
            None => self.error(request, 404),
        }
    }

    pub(super) fn by_v1_id(&self, machine: &str, id: &str) -> Option<&ShareView> {
        let offset = if self.switches.v1_ids_differ { V1_ID_OFFSET } else { 0 };
        let id = ShareId(id.parse::<u64>().ok()?.checked_sub(offset)?);
        self.shares.get(&id).filter(|share| share.gone_at.is_none() && share.machine.as_str() == machine)
    }

    fn shares_v2(&self, request: &Request, accepted: bool, bend: Option<Bend>) -> Answer {
        let rows = self
            .shares
            .values()
            .filter(|share| share.accepted_at.is_some() == accepted && self.is_listed(share, request.at))
            .map(|share| self.share_json(share))
            .collect();
        let rows: Vec<Value> = Self::told(self.switches.people_told, rows);
        let total = rows.len();
        let (rows, bent) = bent(rows, bend);
        let answer = v2(200, wants_json(request), "sharedServers", &Value::Array(rows)).bent(bent);
        if bent {
            let size = total.to_string();
            answer.header("x-plex-container-start", "0").header("x-plex-container-total-size", &size)
        } else {
            answer
        }
    }

    fn invites(&self, request: &Request, bend: Option<Bend>) -> Answer {
        let rows = self
            .shares
            .values()
            .filter(|share| share.accepted_at.is_none() && self.is_listed(share, request.at))
            .map(|share| self.invite_xml(share))
            .collect();
        Self::container(Self::told(self.switches.people_told, rows), bend)
    }
}
