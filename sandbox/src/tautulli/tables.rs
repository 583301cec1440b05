//! The tables, which all share the manners of one (`datatables.py`).

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use chrono::NaiveDate;
use serde_json::{Value, json};
use usher::facts::Moment;

use super::{
    Play, State,
    commands::{Parameters, Said, Trouble},
};
use crate::faults::Bend;

/// How many rows a table gives when `length` isn't sent.
const LENGTH_DEFAULT: i64 = 25;

/// A table after its filters: sorted, cut, counted.
fn table(
    parameters: &Parameters,
    bend: Option<Bend>,
    order_default: &str,
    total: usize,
    mut rows: Vec<Value>,
) -> Result<Said, Trouble> {
    let column = parameters.get("order_column").unwrap_or(order_default);
    // Any name but a column's leaves the rows as they are; user_id too.
    if column != "user_id" {
        rows.sort_by(|a, b| in_order(parameters, compare(&a[column], &b[column])));
    }
    cut(parameters, bend, total, rows, |row| row)
}

fn in_order(parameters: &Parameters, ascending: Ordering) -> Ordering {
    if parameters.get("order_dir").unwrap_or("desc") == "desc" { ascending.reverse() } else { ascending }
}

/// The rows that were asked for, of those that passed the filters.
fn cut<T>(
    parameters: &Parameters,
    bend: Option<Bend>,
    total: usize,
    rows: Vec<T>,
    written: impl Fn(T) -> Value,
) -> Result<Said, Trouble> {
    let filtered = rows.len();
    let start = parameters.number("start", 0)?;
    let end = start + parameters.number("length", LENGTH_DEFAULT)?;
    let (start, end) = (slice_bound(start, filtered), slice_bound(end, filtered));
    let rows: Vec<Value> = rows.into_iter().take(end).skip(start).map(written).collect();
    let (rows, bent) = match bend {
        Some(bend) if !rows.is_empty() => (bend.of(&rows), true),
        _ => (rows, false),
    };
    let data = json!({"draw": 1, "recordsTotal": total, "recordsFiltered": filtered, "data": rows});
    Ok(Said { bent, ..data.into() })
}

/// What every table says after an SQL error.
fn nothing() -> Said {
    json!({"draw": 0, "recordsTotal": 0, "recordsFiltered": 0, "data": []}).into()
}

/// A bound of a slice as Python reads it: negative counts from the end.
fn slice_bound(bound: i64, length: usize) -> usize {
    let from_end = || length.saturating_sub(usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX));
    usize::try_from(bound).map_or_else(|_| from_end(), |bound| bound.min(length))
}

/// As SQLite sorts: null, numbers, text.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        _ => 2,
    }
}

impl State {
    pub(super) fn users_table(&self, parameters: &Parameters, bend: Option<Bend>) -> Result<Said, Trouble> {
        if self.sql_error {
            return Ok(nothing());
        }
        let wanted = parameters.get("user_id");
        let search = parameters.get("search").unwrap_or_default().to_lowercase();
        let mut plays_of: BTreeMap<u64, Vec<&Play>> = BTreeMap::new();
        for play in &self.history {
            plays_of.entry(play.user).or_default().push(play);
        }
        let rows = self
            .users
            .values()
            .filter(|user| !user.deleted && user.username.to_lowercase().contains(&search))
            .filter(|user| wanted.is_none_or(|id| id == user.id.to_string()))
            .map(|user| {
                let plays = plays_of.get(&user.id).map_or(&[][..], Vec::as_slice);
                let last = plays.iter().max_by_key(|play| play.started);
                let seconds: i64 = plays.iter().map(|play| (play.stopped - play.started).num_seconds()).sum();
                json!({
                    "row_id": user.row_id, "user_id": user.id, "username": user.username,
                    "friendly_name": user.username, "title": null, "email": user.email, "user_thumb": "",
                    "plays": plays.len(), "duration": seconds, "last_seen": last.map(|play| play.started.timestamp()),
                    "last_played": last.map(|_| "Some Film"), "history_row_id": last.map(|play| play.row_id),
                    "ip_address": "192.0.2.9", "platform": "Roku", "player": "TV", "rating_key": 12,
                    "media_type": "movie", "thumb": "", "parent_title": "", "year": 2020, "media_index": "",
                    "parent_media_index": "", "live": 0, "originally_available_at": "2020-01-01", "guid": "",
                    "transcode_decision": "direct play", "do_notify": u8::from(user.do_notify),
                    "keep_history": u8::from(user.keep_history), "allow_guest": u8::from(user.id != 0),
                    "is_active": u8::from(user.active),
                })
            })
            .collect();
        // The total counts deleted users too.
        table(parameters, bend, "friendly_name", self.users.len(), rows)
    }

    pub(super) fn libraries_table(&self, parameters: &Parameters, bend: Option<Bend>) -> Result<Said, Trouble> {
        if self.sql_error {
            return Ok(nothing());
        }
        let row = |library: &super::Library| {
            json!({
                "row_id": library.key, "server_id": self.server, "section_id": library.key,
                "section_name": library.title, "section_type": "movie", "count": 100, "plays": 0, "duration": 0,
                "last_accessed": null, "do_notify": 1, "do_notify_created": 1,
                "keep_history": u8::from(library.keep_history), "is_active": 1,
            })
        };
        let rows = self.libraries.iter().map(row).collect();
        table(parameters, bend, "section_name", self.libraries.len(), rows)
    }

    pub(super) fn history_table(
        &self,
        now: Moment,
        parameters: &Parameters,
        bend: Option<Bend>,
    ) -> Result<Said, Trouble> {
        if self.sql_error {
            return Ok(nothing());
        }
        let day = |name| -> Result<Option<NaiveDate>, Trouble> {
            parameters.get(name).map(|text| text.parse().map_err(|_| Trouble::Exception)).transpose()
        };
        let (on, before, after) = (day("start_date")?, day("before")?, day("after")?);
        let users: Option<Vec<u64>> =
            parameters.get("user_id").map(|text| text.split(',').filter_map(|id| id.trim().parse().ok()).collect());
        let name = |id| self.users.get(&id).map_or("unknown", |user| user.username.as_str());
        let wanted = |user: u64, started: Moment| {
            // The zone of the server's days is UTC here.
            let day = started.date_naive();
            users.as_ref().is_none_or(|users| users.contains(&user))
                && parameters.get("user").is_none_or(|wanted| wanted == name(user))
                && on.is_none_or(|on| day == on)
                && before.is_none_or(|before| day <= before)
                && after.is_none_or(|after| day >= after)
        };
        let grouped = parameters.flag("grouping", true);
        let groups = self.groups(grouped);
        let total = groups.len();
        let mut found: Vec<(Option<u64>, Vec<Cow<'_, Play>>)> = groups
            .into_iter()
            .filter(|plays| plays.first().is_some_and(|first| wanted(first.user, first.started)))
            .map(|plays| (None, plays.into_iter().map(Cow::Borrowed).collect()))
            .collect();
        if parameters.flag("include_activity", true) {
            for stream in self.running(now).filter(|stream| wanted(stream.user, stream.started)) {
                let play =
                    Play { row_id: 0, reference_id: 0, user: stream.user, started: stream.started, stopped: now };
                found.push((Some(stream.session_key), vec![Cow::Owned(play)]));
            }
        }
        let written = |(session, plays): (Option<u64>, Vec<Cow<'_, Play>>)| self.history_row(session, &plays, &name);
        // Years of history are not written down to be asked for one row.
        let mut said = if parameters.get("order_column").unwrap_or("date") == "date" {
            let date = |plays: &[Cow<'_, Play>]| plays.last().map(|last| last.started);
            found.sort_by(|(_, a), (_, b)| in_order(parameters, date(a).cmp(&date(b))));
            cut(parameters, bend, total, found, written)?
        } else {
            table(parameters, bend, "date", total, found.into_iter().map(written).collect())?
        };
        said.data["total_duration"] = json!("0");
        said.data["filter_duration"] = json!("0");
        Ok(said)
    }

    /// The rows of history: continued plays together, or each alone.
    fn groups(&self, grouped: bool) -> Vec<Vec<&Play>> {
        let mut groups: BTreeMap<u64, Vec<&Play>> = BTreeMap::new();
        for play in &self.history {
            let group = if grouped { play.reference_id } else { play.row_id };
            groups.entry(group).or_default().push(play);
        }
        groups.into_values().collect()
    }

    /// A row, of plays that continue each other, or of what runs in a session.
    fn history_row<'a>(&self, session: Option<u64>, plays: &[Cow<'_, Play>], name: &impl Fn(u64) -> &'a str) -> Value {
        let (Some(first), Some(last)) = (plays.first(), plays.last()) else { return Value::Null };
        let name = name(first.user);
        let ids: Vec<String> = plays.iter().map(|play| play.row_id.to_string()).collect();
        let seconds: i64 = plays.iter().map(|play| (play.stopped - play.started).num_seconds()).sum();
        let mut row = json!({
            "reference_id": first.reference_id, "row_id": last.row_id, "id": last.row_id,
            "date": last.started.timestamp(), "started": first.started.timestamp(),
            "stopped": last.stopped.timestamp(), "duration": seconds, "play_duration": seconds, "paused_counter": 0,
            "user_id": first.user, "user": name, "friendly_name": name, "user_thumb": "", "platform": "Roku",
            "product": "Plex for Roku", "player": "TV", "machine_id": "m", "ip_address": "192.0.2.9",
            "location": "wan", "secure": 1, "relayed": 0, "live": 0, "media_type": "movie", "rating_key": 12,
            "parent_rating_key": "", "grandparent_rating_key": "", "full_title": "Some Film", "title": "Some Film",
            "parent_title": "", "grandparent_title": "", "year": 2020, "guid": "",
            "transcode_decision": "direct play", "percent_complete": 90, "watched_status": 1,
            "group_count": plays.len(), "group_ids": ids.join(","), "state": null, "session_key": null,
        });
        if let Some(session) = session {
            for field in ["reference_id", "row_id", "id"] {
                row[field] = Value::Null;
            }
            row["state"] = json!("playing");
            row["session_key"] = json!(session);
        }
        row
    }
}
