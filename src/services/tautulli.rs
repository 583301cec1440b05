//! Tautulli: who watches.
//!
//! It promises: a constant number of calls however many people there are;
//! an answer that Tautulli gives when it has failed inside (success, but
//! `draw:0` or `{}`) is a failure, never "nobody has watched".
//! The key goes in the body, and into an address only where nothing else is
//! let through. It is asked straight, never through a proxy.
//!
//! Known races: a play is logged when it stops, so one that stops between two
//! calls may be in neither; the next reading has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::NaiveDate;
use reqwest::Method;
use serde_json::Value;

use super::{
    failure::{Certainty, Failure},
    http::{Call, Http, Reach, Reply},
    loose::{flag, list, moment, num, text},
    skew::Skew,
};
use crate::{
    config::Live,
    facts::{Activity, FailureKind, Moment, PlexId, ServerId, WatchLook, Watcher},
    limits::{CALL_TIMEOUT, TAUTULLI_DELETE_TIMEOUT},
    secret::Secret,
};

const NAME: &str = "Tautulli";
/// `-1` silently drops the last row, and the default is 25.
const ALL: &str = "100000";
/// How the commands begin that change nothing.
const READS: [&str; 2] = ["get_", "server_status"];
const NO_SUCH_COMMAND: &str = "it doesn't know this command: is it up to date?";

/// The operator's Tautulli.
#[derive(Clone)]
pub struct Tautulli {
    http: Http,
    base: String,
    key: Secret,
    skew: Skew,
}

type Form<'a> = Vec<(&'a str, &'a str)>;

impl Tautulli {
    /// `base_url` is `TAUTULLI_URL`, with or without a path.
    #[must_use]
    pub fn new(http: Http, base_url: &str, key: Secret) -> Self {
        let base = base_url.trim().trim_end_matches('/').trim_end_matches("/api/v2").trim_end_matches('/').to_owned();
        Self { http, base, key, skew: Skew::default() }
    }

    /// Tautulli's clock minus ours at its latest answer, in seconds.
    #[must_use]
    pub fn skew_secs(&self) -> Option<i64> {
        self.skew.secs()
    }

    /// Everybody's last play. Stops are read from the plays that began on
    /// `stops_since` (a day in Tautulli's own zone) or later; an older last
    /// play is known by its start.
    ///
    /// # Errors
    /// When any of its calls fails, or answers as Tautulli does when it
    /// failed inside.
    pub async fn activity(&self, stops_since: NaiveDate) -> Result<(Activity, Option<i64>), Failure> {
        let info = self.object("get_server_info", vec![]).await?;
        let server = text(&info["pms_identifier"]).map(ServerId);
        let server = server.ok_or_else(|| nonsense("get_server_info", "it names no Plex server"))?;
        let connected = self.connected().await?;
        let mut people = self.people().await?;
        let unlogged_keys = self.unlogged().await?;
        let since = stops_since.to_string();
        let stops = self.history(vec![("after", since.as_str()), ("length", ALL)], Rows::All).await?;
        for (id, stop) in latest_stops(&stops.rows) {
            if let Some(watcher) = people.get_mut(&id) {
                watcher.last_play = watcher.last_play.max(Some(stop));
            }
        }
        let oldest = vec![("order_column", "date"), ("order_dir", "asc"), ("length", "1")];
        let oldest = self.history(oldest, Rows::First).await?;
        let activity = Activity {
            server,
            connected,
            people,
            watching_now: self.watching().await?,
            oldest_play: oldest.rows.first().and_then(began),
            history_total: oldest.total,
            unlogged_keys,
        };
        Ok((activity, self.skew_secs()))
    }

    /// One person.
    ///
    /// # Errors
    /// As [`Tautulli::activity`].
    pub async fn look(&self, id: PlexId) -> Result<WatchLook, Failure> {
        let begun = self.http.now();
        let connected = self.connected().await?;
        let number = id.to_string();
        // An undocumented filter: whoever else is in the answer is left out.
        let query = vec![("user_id", number.as_str()), ("length", ALL)];
        let table = self.table("get_users_table", query, Rows::All).await?;
        let mut watcher = watchers(&table.rows)?.remove(&id);
        let history = vec![("user_id", number.as_str()), ("length", "100")];
        let history = self.history(history, Rows::First).await?;
        let plays = history.filtered;
        let stop = latest_stops(&history.rows).remove(&id);
        if let Some(watcher) = &mut watcher {
            watcher.last_play = watcher.last_play.max(stop);
        }
        let watching_now = self.watching().await?.map(|now| now.contains(&id));
        Ok(WatchLook { begun, account: id, connected, watcher, watching_now, plays })
    }

    /// Erases somebody's history for good and stops keeping it. Someone
    /// unknown is a success too.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn delete_user(&self, _live: &Live, id: PlexId) -> Result<(), Failure> {
        self.change("delete_user", id).await
    }

    /// Keeps somebody's history again, from now on.
    ///
    /// # Errors
    /// `Refused` when Tautulli has never known them.
    pub async fn undelete_user(&self, _live: &Live, id: PlexId) -> Result<(), Failure> {
        self.change("undelete_user", id).await
    }

    async fn change(&self, command: &str, id: PlexId) -> Result<(), Failure> {
        let id = id.to_string();
        let limit = TAUTULLI_DELETE_TIMEOUT;
        self.ask(command, &vec![("user_id", id.as_str())], limit).await.map(|_| ())
    }

    async fn connected(&self) -> Result<bool, Failure> {
        let status = self.object("server_status", vec![]).await?;
        flag(&status["connected"]).ok_or_else(|| nonsense("server_status", "it doesn't say whether it is connected"))
    }

    async fn people(&self) -> Result<BTreeMap<PlexId, Watcher>, Failure> {
        let order = vec![("order_column", "friendly_name"), ("order_dir", "asc"), ("length", ALL)];
        let table = self.table("get_users_table", order, Rows::All).await?;
        if !table.rows.iter().any(|row| num(&row["user_id"]) == Some(0)) {
            return Err(nonsense("get_users_table", "its own user \"Local\" is missing, so others may be too"));
        }
        let mut people = watchers(&table.rows)?;
        people.remove(&PlexId(0));
        Ok(people)
    }

    async fn unlogged(&self) -> Result<BTreeSet<u64>, Failure> {
        let table = match self.table("get_libraries_table", vec![("length", ALL)], Rows::All).await {
            // One that hasn't this table can't keep a library unlogged either.
            Err(failure) if failure.kind == FailureKind::Refused && failure.why.ends_with(NO_SUCH_COMMAND) => {
                return Ok(BTreeSet::new());
            }
            table => table?,
        };
        let unlogged = |row: &&Value| flag(&row["keep_history"]) == Some(false);
        Ok(table.rows.iter().filter(unlogged).filter_map(|row| num(&row["section_id"])).collect())
    }

    /// `None` while Tautulli can't reach Plex.
    async fn watching(&self) -> Result<Option<BTreeSet<PlexId>>, Failure> {
        let command = "get_activity";
        let data = self.ask(command, &vec![], CALL_TIMEOUT).await?;
        if data.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(None);
        }
        let sessions = list(&data["sessions"]).ok_or_else(|| nonsense(command, "it lists no sessions"))?;
        let count = num(&data["stream_count"]);
        if count.is_some_and(|count| count != sessions.len() as u64) {
            return Err(Failure::partial("Tautulli get_activity: it counts other streams than it lists"));
        }
        let ids: Option<BTreeSet<_>> = sessions.iter().map(|row| num(&row["user_id"]).map(PlexId)).collect();
        let mut ids = ids.ok_or_else(|| nonsense(command, "a session belongs to nobody"))?;
        ids.remove(&PlexId(0));
        Ok(Some(ids))
    }

    async fn history(&self, mut query: Form<'_>, rows: Rows) -> Result<Table, Failure> {
        query.extend([("grouping", "0"), ("include_activity", "0")]);
        self.table("get_history", query, rows).await
    }

    /// A table in full ([`Rows::All`]) or only its top.
    async fn table(&self, command: &str, query: Form<'_>, want: Rows) -> Result<Table, Failure> {
        let data = self.object(command, query).await?;
        if num(&data["draw"]) != Some(1) {
            return Err(nonsense(command, "it failed inside (draw isn't 1)"));
        }
        let (rows, filtered, total) = (list(&data["data"]), num(&data["recordsFiltered"]), num(&data["recordsTotal"]));
        let (Some(rows), Some(filtered), Some(total)) = (rows, filtered, total) else {
            return Err(nonsense(command, "the answer isn't a table"));
        };
        let count = rows.len() as u64;
        if (want == Rows::All && count != filtered) || (count == 0 && filtered > 0) {
            return Err(Failure::partial(format!("Tautulli {command}: {count} of {filtered} rows came")));
        }
        Ok(Table { rows: rows.to_vec(), filtered, total })
    }

    /// `{}` in the place of an object means that the command gave nothing.
    async fn object(&self, command: &str, query: Form<'_>) -> Result<Value, Failure> {
        let data = self.ask(command, &query, CALL_TIMEOUT).await?;
        if data.as_object().is_some_and(|data| !data.is_empty()) {
            Ok(data)
        } else {
            Err(nonsense(command, "it gave nothing"))
        }
    }

    async fn ask(&self, command: &str, query: &Form<'_>, limit: Duration) -> Result<Value, Failure> {
        let pairs = || [("apikey", self.key.expose()), ("cmd", command)].into_iter().chain(query.iter().copied());
        let call = |method| {
            Call::new(NAME, method, &self.base, "/api/v2")
                .shown(command)
                .header("accept", "application/json")
                .limit(limit)
                .reach(Reach::Local)
        };
        let mut reply = self.http.send(call(Method::POST).form(pairs())).await?;
        // Something in front of it lets only reads through: then the key has
        // to stand in the address.
        if matches!(reply.status, 405 | 501) && READS.iter().any(|reads| command.starts_with(reads)) {
            let asked = pairs().fold(call(Method::GET), |call, (name, value)| call.query(name, value));
            reply = self.http.send(asked).await?;
        }
        self.skew.note(&reply);
        opened(command, &reply)
    }
}

/// How much of a table is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    All,
    First,
}

struct Table {
    rows: Vec<Value>,
    /// Rows that fit the question.
    filtered: u64,
    /// Rows in all.
    total: u64,
}

/// What is in the envelope, when it says success.
fn opened(command: &str, reply: &Reply) -> Result<Value, Failure> {
    let mut envelope: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let response = envelope["response"].take();
    if reply.status == 200 && response["result"] == "success" {
        return Ok(response["data"].clone());
    }
    if reply.is_success() {
        // `/api` and `/api/v1` answer 200 with an error; a page for people
        // comes from something in between.
        let (kind, why) = match (reply.is_html(), response["result"] == "error") {
            (true, _) => {
                (FailureKind::Unreachable, "a page for people came instead of an answer: is TAUTULLI_URL right?")
            }
            (_, true) => (FailureKind::Refused, "it reports an error: is TAUTULLI_URL right?"),
            _ => (FailureKind::Nonsense, "the answer isn't Tautulli's"),
        };
        return Err(Failure {
            status: Some(reply.status),
            ..Failure::unknown(kind, format!("Tautulli {command}: {why}"))
        });
    }
    let mut failure = reply.failure();
    failure.why = format!("Tautulli {command} answered {}", reply.status);
    let message = response["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    if matches!(reply.status, 400 | 401 | 403) && message.contains("apikey") {
        failure.kind = FailureKind::Unauthorized;
        failure.why.push_str(": TAUTULLI_API_KEY is refused (Tautulli: Settings → Web Interface → API key)");
    } else if reply.status == 400 && message.contains("not enabled") {
        failure.kind = FailureKind::Unauthorized;
        failure.why.push_str(": its API is switched off (Tautulli: Settings → Web Interface → Enable API)");
    } else if reply.status == 400 && (message.contains("unknown c") || message.contains("get_users_table")) {
        // It lists all the commands that it does know.
        failure.why.push_str(": ");
        failure.why.push_str(NO_SUCH_COMMAND);
    } else if matches!(reply.status, 300..=399 | 401 | 403 | 404) {
        failure.why.push_str(": is TAUTULLI_URL right, and does a proxy in front of it let /api/v2 through?");
    }
    // Refused or failed inside: deleting twice is harmless, so say the safe thing.
    if reply.status >= 500 {
        failure.certainty = Certainty::Unknown;
    }
    Err(failure)
}

fn nonsense(command: &str, why: &str) -> Failure {
    Failure::nonsense(format!("Tautulli {command}: {why}"))
}

/// The rows of `get_users_table`.
fn watchers(rows: &[Value]) -> Result<BTreeMap<PlexId, Watcher>, Failure> {
    let watcher = |row: &Value| {
        // A flag that isn't there isn't kept: unknowable rather than idle.
        let keep_history = flag(&row["keep_history"]) == Some(true);
        Some((PlexId(num(&row["user_id"])?), Watcher { last_play: moment(&row["last_seen"]), keep_history }))
    };
    let people: Option<_> = rows.iter().map(watcher).collect();
    people.ok_or_else(|| nonsense("get_users_table", "a row belongs to nobody"))
}

fn began(row: &Value) -> Option<Moment> {
    moment(&row["started"]).or_else(|| moment(&row["date"]))
}

/// Each person's latest stop (else start) among logged plays. A running one
/// has a `state`.
fn latest_stops(rows: &[Value]) -> BTreeMap<PlexId, Moment> {
    let mut stops: BTreeMap<PlexId, Moment> = BTreeMap::new();
    for row in rows.iter().filter(|row| text(&row["state"]).is_none()) {
        let Some(id) = num(&row["user_id"]).map(PlexId) else { continue };
        let Some(stop) = moment(&row["stopped"]).max(began(row)) else { continue };
        let latest = stops.entry(id).or_insert(stop);
        *latest = stop.max(*latest);
    }
    stops
}

#[cfg(test)]
#[path = "tests/tautulli.rs"]
mod tests;
