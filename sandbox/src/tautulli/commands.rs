//! The API's commands and its ways of refusing.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use usher::facts::PlexId;

use super::{State, User};
use crate::{
    base::{Answer, Request, World},
    faults::Bend,
};

/// Every command modelled here; others are unknown.
const COMMANDS: [&str; 15] = [
    "arnold",
    "delete_user",
    "get_activity",
    "get_history",
    "get_libraries_table",
    "get_server_info",
    "get_tautulli_info",
    "get_user",
    "get_users",
    "get_users_table",
    "refresh_users_list",
    "server_status",
    "status",
    "terminate_session",
    "undelete_user",
];

/// Those that change what people see or have.
const CHANGES: [&str; 3] = ["delete_user", "undelete_user", "terminate_session"];

/// The parameters of a call, wherever they were sent.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(request: &Request) -> Self {
        Self(request.query.iter().cloned().chain(request.form()).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A whole number; an error when it's something else.
    pub(super) fn number(&self, name: &str, default: i64) -> Result<i64, Trouble> {
        self.get(name).map_or(Ok(default), |text| text.parse().map_err(|_| Trouble::Exception))
    }

    /// A flag, as most commands read it.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |text| matches!(text, "1" | "true" | "True" | "yes"))
    }

    fn has_doubles(&self) -> bool {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.len() < self.0.len()
    }
}

/// Why a command doesn't succeed.
pub(super) enum Trouble {
    /// 400 with this message.
    Refused(Option<&'static str>),
    /// 500, with a hint at the logs.
    Exception,
}

/// What a command that succeeds says.
pub(super) struct Said {
    pub data: Value,
    pub message: Option<&'static str>,
    pub bent: bool,
    pub takes: Duration,
}

impl From<Value> for Said {
    fn from(data: Value) -> Self {
        Self { data, message: None, bent: false, takes: Duration::ZERO }
    }
}

fn envelope(status: u16, result: &str, message: Option<&str>, data: &Value) -> Answer {
    let body = json!({"response": {"result": result, "message": message, "data": data}});
    Answer::of(status, "application/json;charset=UTF-8", body.to_string())
}

fn refused(status: u16, message: Option<&str>) -> Answer {
    envelope(status, "error", message, &json!({}))
}

impl World for State {
    fn is_change(&self, request: &Request) -> bool {
        Parameters::of(request).get("cmd").is_some_and(|cmd| CHANGES.contains(&cmd))
    }

    fn answer(&mut self, request: &Request, bend: Option<Bend>) -> Answer {
        self.settle(request.at);
        let lost = || {
            let body = json!({"status": "404 Not Found", "message": "The path was not found.", "error": true});
            Answer::json(404, &body).unexpected("no such path")
        };
        let Some(path) = request.path.strip_prefix(self.root.as_str()) else {
            return lost();
        };
        match path {
            "/api/v2" => self.call(request, bend),
            "/api" | "/api/v1" => refused(200, Some("Please use the /api/v2 endpoint.")).unexpected("an old API"),
            "/status" if request.query.is_empty() => Answer::json(200, &json!({"result": "success", "message": "Ok"})),
            "/status" => refused(500, Some("Exception. Please check the logs.")).unexpected("status takes no more"),
            _ => lost(),
        }
    }

    fn error(&self, _: &Request, code: u16) -> Answer {
        refused(code, Some("Something went wrong."))
    }
}

impl State {
    fn call(&mut self, request: &Request, bend: Option<Bend>) -> Answer {
        let parameters = Parameters::of(request);
        if parameters.has_doubles() {
            return refused(500, Some("Exception. Please check the logs.")).unexpected("a parameter given twice");
        }
        let Some(cmd) = parameters.get("cmd").filter(|cmd| COMMANDS.contains(cmd)) else {
            let message = format!("Unknown command. Possible commands are: {}", COMMANDS.join(", "));
            return refused(400, Some(&message)).unexpected("no such command");
        };
        match parameters.get("apikey") {
            None => return refused(400, Some("Parameter apikey is required")).unexpected("no key"),
            Some(key) if key != self.key => return refused(400, Some("Invalid apikey")),
            Some(_) => {}
        }
        match self.command(cmd, request, &parameters, bend) {
            Ok(said) => envelope(200, "success", said.message, &said.data).bent(said.bent).takes(said.takes),
            Err(Trouble::Refused(message)) => refused(400, message),
            Err(Trouble::Exception) => {
                refused(500, Some("Exception. Please check the logs.")).unexpected("a parameter that makes it trip")
            }
        }
    }

    fn command(
        &mut self,
        cmd: &str,
        request: &Request,
        parameters: &Parameters,
        bend: Option<Bend>,
    ) -> Result<Said, Trouble> {
        Ok(match cmd {
            "arnold" => json!("Get to the chopper!").into(),
            "status" => {
                if parameters.0.iter().any(|(name, _)| !["apikey", "cmd", "check"].contains(&name.as_str())) {
                    return Err(Trouble::Exception);
                }
                let checked = parameters.get("check") == Some("database");
                let data = if checked { json!({"integrity_check": "ok"}) } else { json!({}) };
                Said { message: Some("Ok"), ..data.into() }
            }
            "server_status" => json!({"connected": self.connected}).into(),
            "get_server_info" => json!({
                "pms_identifier": self.server, "pms_name": crate::plex::SERVER_NAME, "pms_version": "1.42.0",
                "pms_ip": "192.0.2.5", "pms_port": 32400, "pms_url": "http://192.0.2.5:32400", "pms_plexpass": 1,
            })
            .into(),
            "get_tautulli_info" => json!({
                "tautulli_version": self.version, "tautulli_branch": "master", "tautulli_platform": "Linux",
            })
            .into(),
            "get_users" if self.sql_error => json!([]).into(),
            "get_users" => self.users.values().filter(|user| !user.deleted).map(user_json).collect::<Value>().into(),
            "get_users_table" => self.users_table(parameters, bend)?,
            "get_libraries_table" => self.libraries_table(parameters, bend)?,
            "get_history" => self.history_table(request.at, parameters, bend)?,
            "get_activity" => self.activity(request).into(),
            "get_user" => self.user(parameters)?,
            "delete_user" => self.delete_user(request, parameters)?,
            "undelete_user" => self.undelete_user(request, parameters)?,
            "refresh_users_list" => {
                self.refresh();
                json!({}).into()
            }
            "terminate_session" => self.terminate(request, parameters)?,
            _ => return Err(Trouble::Exception),
        })
    }

    fn user(&self, parameters: &Parameters) -> Result<Said, Trouble> {
        let id = parameters.get("user_id").ok_or(Trouble::Refused(None))?;
        if self.sql_error {
            return Ok(json!({}).into());
        }
        let found = id.parse().ok().and_then(|id: u64| self.users.get(&id));
        // Somebody unknown becomes Local, after plex.tv has been asked.
        let takes = if found.is_some() { Duration::ZERO } else { Duration::from_secs(3) };
        let user = found.or_else(|| self.users.get(&0)).ok_or(Trouble::Exception)?;
        let mut data = user_json(user);
        data["deleted_user"] = u8::from(user.deleted).into();
        let asked = parameters.flag("include_last_seen", false);
        data["last_seen"] = json!(self.last_seen(user.id).filter(|_| asked).map(|at| at.timestamp()));
        Ok(Said { takes, ..data.into() })
    }

    fn activity(&self, request: &Request) -> Value {
        if !self.plex_reachable {
            return json!({});
        }
        let sessions: Vec<Value> = self
            .running(request.at)
            .map(|stream| {
                let user = self.users.get(&stream.user);
                let name = user.map_or("unknown", |user| user.username.as_str());
                json!({
                    "session_key": stream.session_key.to_string(), "session_id": format!("s{}", stream.session_key),
                    "user_id": stream.user, "user": name, "username": name, "friendly_name": name,
                    "email": user.and_then(|user| user.email.clone()), "state": "playing", "media_type": "movie",
                    "full_title": "Some Film", "view_offset": "60000", "duration": "7200000",
                    "progress_percent": "1", "player": "TV", "product": "Plex for Roku", "ip_address": "192.0.2.9",
                    "location": "wan", "keep_history": u8::from(user.is_some_and(|user| user.keep_history)),
                    "section_id": stream.section.to_string(), "rating_key": "12",
                    "started": stream.started.timestamp(),
                })
            })
            .collect();
        json!({
            "stream_count": sessions.len().to_string(), "stream_count_direct_play": sessions.len(),
            "stream_count_direct_stream": 0, "stream_count_transcode": 0, "total_bandwidth": 0, "lan_bandwidth": 0,
            "wan_bandwidth": 0, "sessions": sessions,
        })
    }

    fn delete_user(&mut self, request: &Request, parameters: &Parameters) -> Result<Said, Trouble> {
        let numbers = |name| -> Option<Vec<u64>> {
            parameters.get(name).map(|text| text.split(',').filter_map(|id| id.trim().parse().ok()).collect())
        };
        let ids = match (numbers("user_id"), numbers("row_ids")) {
            (Some(ids), _) => ids,
            (None, Some(rows)) => {
                self.users.values().filter(|user| rows.contains(&user.row_id)).map(|user| user.id).collect()
            }
            (None, None) => return Err(Trouble::Refused(None)),
        };
        for id in ids {
            self.history.retain(|play| play.user != id);
            if let Some(user) = self.users.get_mut(&id) {
                user.deleted = true;
                user.keep_history = false;
                user.do_notify = false;
            }
            self.deleted.push((request.at, PlexId(id)));
        }
        Ok(Said { takes: self.delete_takes, message: Some("Deleted user."), ..json!({}).into() })
    }

    fn undelete_user(&mut self, request: &Request, parameters: &Parameters) -> Result<Said, Trouble> {
        let by_id = parameters.get("user_id").and_then(|id| id.parse::<u64>().ok());
        let by_name = parameters.get("username");
        let such = |user: &&mut User| Some(user.id) == by_id || Some(user.username.as_str()) == by_name;
        let user = self.users.values_mut().find(such).ok_or(Trouble::Refused(Some("Unable to re-add user.")))?;
        user.deleted = false;
        user.keep_history = true;
        user.do_notify = true;
        self.undeleted.push((request.at, PlexId(user.id)));
        Ok(Said { message: Some("Re-added user."), ..json!({}).into() })
    }

    fn terminate(&mut self, request: &Request, parameters: &Parameters) -> Result<Said, Trouble> {
        if !self.plex_pass {
            return Err(Trouble::Refused(Some("Failed to terminate session: no Plex Pass.")));
        }
        let key = parameters.get("session_key").or_else(|| parameters.get("session_id")).unwrap_or_default();
        let key = key.trim_start_matches('s').parse().unwrap_or(0);
        let stream = self.streams.iter_mut().find(|stream| stream.session_key == key && stream.started <= request.at);
        stream.ok_or(Trouble::Refused(Some("No session found.")))?.until = Some(request.at);
        Ok(json!({}).into())
    }
}

/// A row of `get_users`.
fn user_json(user: &User) -> Value {
    let local = user.id == 0;
    let unless_local = |value: Value| if local { Value::Null } else { value };
    json!({
        "row_id": user.row_id, "user_id": user.id, "username": user.username, "friendly_name": user.username,
        "thumb": null, "email": user.email, "is_active": u8::from(user.active), "is_admin": u8::from(user.admin),
        "is_home_user": unless_local(json!(0)), "is_allow_sync": unless_local(json!(0)),
        "is_restricted": unless_local(json!(0)), "do_notify": u8::from(user.do_notify),
        "keep_history": u8::from(user.keep_history), "allow_guest": u8::from(!local),
        "shared_libraries": if local || !user.active { json!([]) } else { json!(["1", "2"]) },
        "filter_all": unless_local(json!("")), "filter_movies": unless_local(json!("")),
        "filter_tv": unless_local(json!("")), "filter_music": unless_local(json!("")),
        "filter_photos": unless_local(json!("")),
    })
}
