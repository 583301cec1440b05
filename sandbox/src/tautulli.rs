//! Tautulli: who watched when, as far as it noticed.
//!
//! What it promises: plays become history only when they stop, only when they
//! lasted 120 s, and only while everything needed was switched on at that
//! moment; the API has the traps of the real one (wrong key is 400, a table
//! holds 25 rows unless asked for more, −1 drops the last row, an SQL error is
//! an empty success with `draw:0`, an unknown user is Local).

mod commands;
mod hands;
mod tables;

use std::{collections::BTreeMap, ops::Deref, time::Duration};

use chrono::TimeDelta;
use usher::{
    clock::Clock,
    facts::{Moment, PlexId},
};

use crate::base::StandIn;

/// The API key until [`Tautulli::set_key`].
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What plays in no particular section are in.
pub const ANY_SECTION: u64 = 1;
/// Shorter plays aren't logged (`LOGGING_IGNORE_INTERVAL`).
const LOGGED_FROM: TimeDelta = TimeDelta::seconds(120);
/// A play that starts so soon after the last is its continuation.
const CONTINUED_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// A person as Tautulli knows him.
#[derive(Debug, Clone)]
struct User {
    row_id: u64,
    id: u64,
    username: String,
    email: Option<String>,
    active: bool,
    admin: bool,
    keep_history: bool,
    do_notify: bool,
    deleted: bool,
}

/// A row of history.
#[derive(Debug, Clone)]
struct Play {
    row_id: u64,
    /// The first row of the plays that this one continues.
    reference_id: u64,
    user: u64,
    started: Moment,
    stopped: Moment,
}

/// Something running, or announced with its end.
#[derive(Debug, Clone)]
struct Stream {
    session_key: u64,
    user: u64,
    section: u64,
    started: Moment,
    until: Option<Moment>,
}

#[derive(Debug, Clone)]
struct Library {
    key: u64,
    title: String,
    keep_history: bool,
}

/// All that Tautulli knows.
#[derive(Debug)]
pub struct State {
    key: String,
    root: String,
    server: String,
    version: String,
    connected: bool,
    plex_reachable: bool,
    plex_pass: bool,
    sql_error: bool,
    delete_takes: Duration,
    users: BTreeMap<u64, User>,
    /// Known to Plex, and to Tautulli after its next refresh.
    unrefreshed: Vec<(u64, String, Option<String>)>,
    libraries: Vec<Library>,
    history: Vec<Play>,
    streams: Vec<Stream>,
    next_row: u64,
    deleted: Vec<(Moment, PlexId)>,
    undeleted: Vec<(Moment, PlexId)>,
}

/// A running Tautulli; derefs to its [`StandIn`] (requests, faults).
#[derive(Debug, Clone)]
pub struct Tautulli {
    stand_in: StandIn<State>,
}

impl Deref for Tautulli {
    type Target = StandIn<State>;
    fn deref(&self) -> &Self::Target {
        &self.stand_in
    }
}

impl Tautulli {
    /// A Tautulli that knows Local and [`plex::MACHINE`](crate::plex::MACHINE).
    #[must_use]
    pub fn start(clock: Clock) -> Self {
        Self::start_on(clock, 0)
    }

    /// The same on this port.
    #[must_use]
    pub fn start_on(clock: Clock, port: u16) -> Self {
        let mut state = State {
            key: KEY.into(),
            root: String::new(),
            server: crate::plex::MACHINE.into(),
            version: "v2.17.2".into(),
            connected: true,
            plex_reachable: true,
            plex_pass: true,
            sql_error: false,
            delete_takes: Duration::ZERO,
            users: BTreeMap::new(),
            unrefreshed: Vec::new(),
            libraries: Vec::new(),
            history: Vec::new(),
            streams: Vec::new(),
            next_row: 1,
            deleted: Vec::new(),
            undeleted: Vec::new(),
        };
        state.put_user(0, "Local", None);
        Self { stand_in: StandIn::start_on(clock, port, state) }
    }

    /// The state, with everything that is due by now written down.
    fn settled(&self) -> std::sync::MutexGuard<'_, State> {
        let now = self.now();
        let mut state = self.world();
        state.settle(now);
        state
    }

    /// Only this key is let in from now on.
    pub fn set_key(&self, key: &str) {
        self.world().key = key.into();
    }

    /// Tautulli is served under this path (`/tautulli`), as HTTP_ROOT says.
    pub fn set_root(&self, root: &str) {
        self.world().root = root.trim_end_matches('/').into();
    }

    /// The address to configure: [`url`](StandIn::url) and the root.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}{}", self.url(), self.world().root)
    }

    /// Tautulli watches this server.
    pub fn set_server(&self, machine: &str) {
        self.world().server = machine.into();
    }

    /// What it says of its version.
    pub fn set_version(&self, version: &str) {
        self.world().version = version.into();
    }

    /// The link to Plex; while it's down, plays that end aren't recorded.
    pub fn set_connected(&self, connected: bool) {
        self.settled().connected = connected;
    }

    /// Whether Plex answers when asked for sessions (else: `data:{}`).
    pub fn set_plex_reachable(&self, reachable: bool) {
        self.world().plex_reachable = reachable;
    }

    /// Whether the owner may end streams.
    pub fn set_plex_pass(&self, plex_pass: bool) {
        self.world().plex_pass = plex_pass;
    }

    /// Every query fails, which answers as an empty success.
    pub fn set_sql_error(&self, sql_error: bool) {
        self.world().sql_error = sql_error;
    }

    /// `delete_user` takes this long to answer.
    pub fn set_delete_takes(&self, takes: Duration) {
        self.world().delete_takes = takes;
    }

    /// Whether this person's plays are logged.
    pub fn set_keep_history(&self, id: PlexId, keep_history: bool) {
        if let Some(user) = self.settled().users.get_mut(&id.0) {
            user.keep_history = keep_history;
        }
    }

    /// Whether this person had a shared library at the last refresh.
    pub fn set_active(&self, id: PlexId, active: bool) {
        if let Some(user) = self.world().users.get_mut(&id.0) {
            user.active = active;
        }
    }

    /// The owner of the server.
    pub fn set_admin(&self, id: PlexId) {
        if let Some(user) = self.world().users.get_mut(&id.0) {
            user.admin = true;
        }
    }

    /// A library by the server's own key.
    pub fn add_library(&self, key: u64, title: &str) {
        self.world().libraries.push(Library { key, title: title.into(), keep_history: true });
    }

    /// Whether plays in this library are logged.
    pub fn set_library_keep_history(&self, key: u64, keep_history: bool) {
        for library in self.settled().libraries.iter_mut().filter(|library| library.key == key) {
            library.keep_history = keep_history;
        }
    }

    /// A person Tautulli knows from now (again: under a new name; a deleted
    /// one stays deleted, as a refresh never restores anybody).
    pub fn add_user(&self, id: PlexId, username: &str, email: &str) {
        self.world().put_user(id.0, username, Some(email));
    }

    /// A person Tautulli will know after its next refresh.
    pub fn add_user_at_refresh(&self, id: PlexId, username: &str, email: &str) {
        self.world().unrefreshed.push((id.0, username.into(), Some(email.into())));
    }

    /// The refresh that Tautulli does by itself every 12 hours.
    pub fn refresh(&self) {
        self.world().refresh();
    }

    /// Someone plays from then to then (either may lie ahead).
    pub fn play(&self, id: PlexId, started: Moment, stopped: Moment) {
        self.play_in(id, ANY_SECTION, started, stopped);
    }

    /// The same in this library.
    pub fn play_in(&self, id: PlexId, section: u64, started: Moment, stopped: Moment) {
        let mut state = self.settled();
        state.put_stream(id.0, section, started, Some(stopped));
        drop(state);
        drop(self.settled());
    }

    /// Someone starts to play now, end unknown.
    pub fn start_stream(&self, id: PlexId) {
        let now = self.now();
        self.world().put_stream(id.0, ANY_SECTION, now, None);
    }

    /// All that this person plays ends now.
    pub fn stop_stream(&self, id: PlexId) {
        let now = self.now();
        let mut state = self.settled();
        for stream in state.streams.iter_mut().filter(|stream| stream.user == id.0 && stream.started <= now) {
            stream.until = Some(now);
        }
        state.settle(now);
    }

    /// A fresh install on the same server: history and settings are gone, and
    /// people come back with the next refresh.
    pub fn reinstall(&self) {
        let mut state = self.settled();
        let people: Vec<User> = std::mem::take(&mut state.users).into_values().collect();
        state.history.clear();
        state.next_row = 1;
        state.put_user(0, "Local", None);
        for user in people.into_iter().filter(|user| user.id != 0) {
            state.unrefreshed.push((user.id, user.username, user.email));
        }
        for library in &mut state.libraries {
            library.keep_history = true;
        }
    }

    /// What `get_users_table` says of this person: the start of the latest
    /// logged play.
    #[must_use]
    pub fn last_seen(&self, id: PlexId) -> Option<Moment> {
        self.settled().last_seen(id.0)
    }

    /// How many plays of this person are in the history.
    #[must_use]
    pub fn plays(&self, id: PlexId) -> usize {
        self.settled().history.iter().filter(|play| play.user == id.0).count()
    }

    /// Whether the person is watching now.
    #[must_use]
    pub fn is_watching(&self, id: PlexId) -> bool {
        let now = self.now();
        self.settled().running(now).any(|stream| stream.user == id.0)
    }

    /// Who was deleted through the API, in order, repeats too.
    #[must_use]
    pub fn deleted_users(&self) -> Vec<(Moment, PlexId)> {
        self.world().deleted.clone()
    }

    /// Who was restored through the API.
    #[must_use]
    pub fn undeleted_users(&self) -> Vec<(Moment, PlexId)> {
        self.world().undeleted.clone()
    }

    /// Whether the person is deleted at present.
    #[must_use]
    pub fn is_deleted(&self, id: PlexId) -> bool {
        self.world().users.get(&id.0).is_some_and(|user| user.deleted)
    }
}

impl State {
    fn put_user(&mut self, id: u64, username: &str, email: Option<&str>) {
        let row_id = self.users.len() as u64 + 1;
        let user = self.users.entry(id).or_insert_with(|| User {
            row_id,
            id,
            username: String::new(),
            email: None,
            active: true,
            admin: false,
            keep_history: true,
            do_notify: id != 0,
            deleted: false,
        });
        user.username = username.into();
        user.email = email.map(Into::into);
    }

    fn refresh(&mut self) {
        for (id, username, email) in std::mem::take(&mut self.unrefreshed) {
            self.put_user(id, &username, email.as_deref());
        }
    }

    fn put_stream(&mut self, user: u64, section: u64, started: Moment, until: Option<Moment>) {
        let session_key = self.next_row;
        self.next_row += 1;
        self.streams.push(Stream { session_key, user, section, started, until });
    }

    fn running(&self, now: Moment) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(move |stream| stream.started <= now && stream.until.is_none_or(|until| until > now))
    }

    fn last_seen(&self, user: u64) -> Option<Moment> {
        self.history.iter().filter(|play| play.user == user).map(|play| play.started).max()
    }

    /// Writes down the plays that have ended by now, in order of their ends.
    fn settle(&mut self, now: Moment) {
        let (mut ended, running): (Vec<_>, Vec<_>) = std::mem::take(&mut self.streams)
            .into_iter()
            .partition(|stream| stream.until.is_some_and(|until| until <= now));
        self.streams = running;
        ended.sort_by_key(|stream| stream.until);
        for stream in ended {
            if let Some(stopped) = stream.until.filter(|stopped| self.logs(&stream, *stopped)) {
                self.log(&stream, stopped);
            }
        }
    }

    fn logs(&self, stream: &Stream, stopped: Moment) -> bool {
        let library = self.libraries.iter().find(|library| library.key == stream.section);
        self.connected
            && stopped - stream.started >= LOGGED_FROM
            && library.is_none_or(|library| library.keep_history)
            && self.users.get(&stream.user).is_some_and(|user| user.keep_history && !user.deleted)
    }

    fn log(&mut self, stream: &Stream, stopped: Moment) {
        let row_id = self.next_row;
        self.next_row += 1;
        let before = self.history.iter().rev().find(|play| play.user == stream.user);
        let continued =
            before.filter(|play| stream.started >= play.stopped && stream.started - play.stopped < CONTINUED_WITHIN);
        let reference_id = continued.map_or(row_id, |play| play.reference_id);
        let (user, started) = (stream.user, stream.started);
        self.history.push(Play { row_id, reference_id, user, started, stopped });
    }
}
