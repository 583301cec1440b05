//! Discord's webhooks: one channel's door that keeps what it is given.
//!
//! What it promises: the limits of the real one (a message over a limit is
//! refused whole, never cut), its error shapes, its rate limit of 5 calls in
//! 2 s with the headers that tell. What it never does: ping anybody, and a
//! post that could is noted as unexpected. Known race: none.

use std::ops::Deref;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use usher::{clock::Clock, facts::Moment};

use crate::{
    base::{Answer, Request, StandIn, World},
    faults::Bend,
};

/// The webhook's id; invented.
const ID: &str = "1290000000000000001";
/// The webhook's token; invented, long as real ones are.
const TOKEN: &str = "sandboxToken-abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJKLMNOPQR";
/// Folklore, and Discord says not to count on it: calls in a window.
const CALLS_MAX: u32 = 5;
/// The window of [`CALLS_MAX`].
const WINDOW_MS: i64 = 2_000;

/// A message that was posted.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// When.
    pub at: Moment,
    /// The message's id.
    pub id: String,
    /// Its plain text.
    pub content: String,
    /// The name it was posted under.
    pub username: Option<String>,
    /// Its embeds, in order.
    pub embeds: Vec<Embed>,
    /// The thread it went to.
    pub thread_id: Option<String>,
}

/// One embed of a message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embed {
    /// Title.
    pub title: String,
    /// Text.
    pub description: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
    /// 0–16777215.
    pub color: Option<u64>,
    /// Small print.
    pub footer: String,
}

impl Posted {
    /// Everything a reader sees, line by line.
    #[must_use]
    pub fn all_text(&self) -> String {
        let mut lines = vec![self.content.clone()];
        for embed in &self.embeds {
            lines.extend([embed.title.clone(), embed.description.clone()]);
            lines.extend(embed.fields.iter().map(|(name, value)| format!("{name}: {value}")));
            lines.push(embed.footer.clone());
        }
        lines.retain(|line| !line.is_empty());
        lines.join("\n")
    }
}

/// The stand-in's handle; see [`StandIn`] for requests, faults and unexpected.
#[derive(Clone, Debug)]
pub struct Discord(StandIn<Channel>);

impl Deref for Discord {
    type Target = StandIn<Channel>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Discord {
    /// Listens on a free port of 127.0.0.1, with one webhook.
    #[must_use]
    pub fn start(clock: Clock) -> Self {
        Self::start_on(clock, 0)
    }

    /// The same on this port.
    #[must_use]
    pub fn start_on(clock: Clock, port: u16) -> Self {
        let channel = Channel { messages: Vec::new(), deleted: false, limits: Vec::new(), window: None };
        Self(StandIn::start_on(clock, port, channel))
    }

    /// The URL as people copy it: without a version, on Discord's own host.
    #[must_use]
    pub fn copied_url(&self) -> String {
        format!("https://discord.com/api/webhooks/{ID}/{TOKEN}")
    }

    /// The same on this server, as it should be called.
    #[must_use]
    pub fn webhook_url(&self) -> String {
        format!("{}/api/v10/webhooks/{ID}/{TOKEN}", self.url())
    }

    /// The credential within the URL; must never be seen in logs.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// What was posted, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Posted> {
        self.world().messages.clone()
    }

    /// Forgets what was posted.
    pub fn forget_messages(&self) {
        self.world().messages.clear();
    }

    /// Somebody deletes the webhook: 404 with code 10015 from now on.
    pub fn delete_webhook(&self) {
        self.world().deleted = true;
    }

    /// The next call is answered 429 with this `retry_after` (float seconds).
    /// Several add up to several refusals.
    pub fn limit_next(&self, retry_after_s: f64) {
        self.world().limits.push(retry_after_s);
    }
}

/// The channel behind the webhook.
#[derive(Debug)]
pub struct Channel {
    messages: Vec<Posted>,
    deleted: bool,
    limits: Vec<f64>,
    /// When the present window began, and the calls in it.
    window: Option<(Moment, u32)>,
}

impl World for Channel {
    fn is_change(&self, request: &Request) -> bool {
        request.method != "GET"
    }

    fn answer(&mut self, request: &Request, _: Option<Bend>) -> Answer {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (versioned, id, token) = match parts[..] {
            ["api", "v9" | "v10", "webhooks", id, token] => (true, id, token),
            ["api", "webhooks", id, token] => (false, id, token),
            _ => return error(404, 0, "404: Not Found").unexpected("no such path"),
        };
        let mut wrongs = manners(request);
        if !versioned {
            wrongs.push("unversioned: that is v6, long deprecated".to_owned());
        }
        let mut answer = self.webhook(request, id, token, &mut wrongs);
        if !wrongs.is_empty() {
            answer = answer.unexpected(wrongs.join("; "));
        }
        answer
    }

    fn error(&self, _: &Request, code: u16) -> Answer {
        match code {
            401 => error(401, 50027, "Invalid Webhook Token"),
            404 => error(404, 10015, "Unknown Webhook"),
            413 => error(413, 40005, "Request entity too large"),
            429 => too_many(1.25),
            // Cloudflare answers, not Discord.
            403 | 500.. => {
                let page = format!("<html><head><title>{code}</title></head><body>cloudflare</body></html>");
                Answer::of(code, "text/html; charset=UTF-8", page)
            }
            _ => error(code, 0, "error"),
        }
    }
}

impl Channel {
    fn webhook(&mut self, request: &Request, id: &str, token: &str, wrongs: &mut Vec<String>) -> Answer {
        if !self.limits.is_empty() {
            return too_many(self.limits.remove(0));
        }
        if self.deleted || id != ID {
            return error(404, 10015, "Unknown Webhook");
        }
        if token != TOKEN {
            return error(401, 50027, "Invalid Webhook Token");
        }
        let (began, calls) = match self.window {
            Some((began, calls)) if request.at - began < TimeDelta::milliseconds(WINDOW_MS) => (began, calls),
            _ => (request.at, 0),
        };
        let left_ms = WINDOW_MS - (request.at - began).num_milliseconds();
        #[expect(clippy::cast_precision_loss, reason = "at most two seconds")]
        let left_s = left_ms as f64 / 1000.0;
        if calls >= CALLS_MAX {
            return too_many(left_s);
        }
        self.window = Some((began, calls + 1));
        let answer = match request.method.as_str() {
            "GET" => Answer::json(
                200,
                &json!({
                    "id": ID, "type": 1, "name": "Usher", "channel_id": "1290000000000000002",
                    "guild_id": "1290000000000000003", "token": TOKEN, "avatar": null, "application_id": null,
                    "url": self_url()
                }),
            ),
            "POST" => self.post(request, wrongs),
            _ => error(405, 0, "405: Method Not Allowed"),
        };
        answer
            .header("x-ratelimit-limit", &CALLS_MAX.to_string())
            .header("x-ratelimit-remaining", &(CALLS_MAX - calls - 1).to_string())
            .header("x-ratelimit-reset-after", &format!("{left_s:.3}"))
            .header("x-ratelimit-bucket", "sandboxbucket")
    }

    fn post(&mut self, request: &Request, wrongs: &mut Vec<String>) -> Answer {
        if !request.header("content-type").starts_with("application/json") {
            wrongs.push("a body that isn't called JSON".to_owned());
            return error(400, 50035, "Invalid Form Body");
        }
        let Some(body) = request.json() else {
            wrongs.push("a body that isn't JSON".to_owned());
            return error(400, 50109, "The request body contains invalid JSON.");
        };
        if body["allowed_mentions"]["parse"] != json!([]) {
            wrongs.push("allowed_mentions.parse isn't [], so names could ping".to_owned());
        }
        let faults = faults_of(&body);
        if !faults.is_empty() {
            wrongs.push("over a limit".to_owned());
            let mut answer = json!({"code": 50035, "message": "Invalid Form Body", "errors": {}});
            for (path, code) in faults {
                nest(&mut answer["errors"], &path, code);
            }
            return Answer::json(400, &answer);
        }
        let embeds: Vec<Embed> = array(&body["embeds"]).iter().map(embed).collect();
        let content = text(&body["content"]);
        if content.trim().is_empty() && embeds.is_empty() {
            wrongs.push("an empty message".to_owned());
            return error(400, 50006, "Cannot send an empty message");
        }
        let id = (1_300_000_000_000_000_000_u64 + self.messages.len() as u64).to_string();
        self.messages.push(Posted {
            at: request.at,
            id: id.clone(),
            content: content.clone(),
            username: body["username"].as_str().map(str::to_owned),
            embeds,
            thread_id: request.param("thread_id").map(str::to_owned),
        });
        // Without `wait` the answer says nothing, not even whether it was kept.
        if request.param("wait") != Some("true") {
            return Answer::status(204);
        }
        Answer::json(
            200,
            &json!({
                "id": id, "type": 0, "content": content, "channel_id": "1290000000000000002",
                "webhook_id": ID, "embeds": body["embeds"], "timestamp": request.at.to_rfc3339(),
                "author": {"bot": true, "id": ID, "username": body["username"]},
                "attachments": [], "mentions": [], "mention_roles": [], "pinned": false, "tts": false,
                "mention_everyone": false, "edited_timestamp": null, "flags": 0, "components": []
            }),
        )
    }
}

fn self_url() -> String {
    format!("https://discord.com/api/webhooks/{ID}/{TOKEN}")
}

/// What every call owes: a bot's `User-Agent`, known parameters.
fn manners(request: &Request) -> Vec<String> {
    let mut wrongs = Vec::new();
    if !request.header("user-agent").starts_with("DiscordBot (") {
        wrongs.push("User-Agent isn't `DiscordBot (url, version)`".to_owned());
    }
    if !request.header("authorization").is_empty() {
        wrongs.push("a credential that webhooks don't take".to_owned());
    }
    for (name, _) in &request.query {
        if !["wait", "thread_id", "with_components"].contains(&name.as_str()) {
            wrongs.push(format!("unknown parameter {name}"));
        }
    }
    wrongs
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message, "code": code}))
}

fn too_many(retry_after_s: f64) -> Answer {
    Answer::json(
        429,
        &json!({
            "message": "You are being rate limited.", "retry_after": retry_after_s, "global": false, "code": 0
        }),
    )
    .header("retry-after", &format!("{:.0}", retry_after_s.ceil()))
    .header("x-ratelimit-remaining", "0")
    .header("x-ratelimit-reset-after", &format!("{retry_after_s:.3}"))
    .header("x-ratelimit-scope", "user")
}

/// Every breach of a limit: its path in the body and Discord's code for it.
fn faults_of(body: &Value) -> Vec<(Vec<String>, &'static str)> {
    const LONG: &str = "BASE_TYPE_MAX_LENGTH";
    let mut found = Vec::new();
    let mut add = |path: &[&str], code| found.push((path.iter().map(|&p| p.to_owned()).collect(), code));
    if length(&body["content"]) > 2000 {
        add(&["content"], LONG);
    }
    if let Some(name) = body["username"].as_str() {
        let lower = name.to_lowercase();
        if lower.contains("clyde") || lower.contains("discord") {
            add(&["username"], "USERNAME_INVALID_CONTAINS");
        }
        if !(1..=80).contains(&length(&body["username"])) {
            add(&["username"], "BASE_TYPE_BAD_LENGTH");
        }
    }
    let embeds = array(&body["embeds"]);
    if embeds.len() > 10 {
        add(&["embeds"], LONG);
    }
    let mut sum = 0;
    for (i, embed) in embeds.iter().enumerate() {
        let i = i.to_string();
        for (path, max) in
            [(&["title"][..], 256), (&["description"], 4096), (&["footer", "text"], 2048), (&["author", "name"], 256)]
        {
            let size = length(path.iter().fold(embed, |at, key| &at[key]));
            sum += size;
            if size > max {
                add(&[&["embeds", &i], path].concat(), LONG);
            }
        }
        if embed.get("color").is_some_and(|c| !c.is_null() && c.as_u64().is_none_or(|c| c > 16_777_215)) {
            add(&["embeds", &i, "color"], "NUMBER_TYPE_MAX");
        }
        let stamp = embed["timestamp"].as_str();
        if stamp.is_some_and(|stamp| chrono::DateTime::parse_from_rfc3339(stamp).is_err()) {
            add(&["embeds", &i, "timestamp"], "DATE_TIME_TYPE_PARSE");
        }
        let fields = array(&embed["fields"]);
        if fields.len() > 25 {
            add(&["embeds", &i, "fields"], LONG);
        }
        for (j, field) in fields.iter().enumerate() {
            for (key, max) in [("name", 256), ("value", 1024)] {
                let size = length(&field[key]);
                sum += size;
                if size == 0 || size > max {
                    let code = if size == 0 { "BASE_TYPE_REQUIRED" } else { LONG };
                    add(&["embeds", &i, "fields", &j.to_string(), key], code);
                }
            }
        }
    }
    if sum > 6000 {
        add(&["embeds"], "MAX_EMBED_SIZE_EXCEEDED");
    }
    found
}

/// Puts `_errors` at that path, making the levels between.
fn nest(errors: &mut Value, path: &[String], code: &str) {
    let mut at = errors;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key.as_str()];
    }
    at["_errors"] = json!([{"code": code, "message": "refused"}]);
}

/// Length after trimming, in UTF-16 units (the stricter reading).
fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.trim().encode_utf16().count())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn embed(value: &Value) -> Embed {
    Embed {
        title: text(&value["title"]),
        description: text(&value["description"]),
        fields: array(&value["fields"]).iter().map(|f| (text(&f["name"]), text(&f["value"]))).collect(),
        color: value["color"].as_u64(),
        footer: text(&value["footer"]["text"]),
    }
}
