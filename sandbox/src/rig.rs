//! The house on the stand-ins: all five services, a state folder, and the
//! real daemon, in one runtime and one virtual time.
//!
//! What it promises: the daemon is started as its own `main` starts it, from
//! an environment; pulling the plug drops it where it stands; what a test
//! asserts is what a stand-in recorded. Call it in a current-thread runtime
//! with paused time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use usher::clock::Clock;
use usher::config::Config;
use usher::daemon::{self, Ended, Options, Part};
use usher::facts::{Moment, PlexId};
use usher::{services::tls, store};

use crate::attic::Ports;
pub use crate::attic::{Attic, OPERATOR, WEBHOOK_SECRET, address};
use crate::time::{ClockHandle, moment, virtual_clock};
use crate::wire;

/// Saturday, 3 January 2026, 09:00 UTC: when every story begins.
pub const BEGINNING: i64 = 1_767_430_800;
/// A daemon that was started, and the way to stop it.
type Running = (JoinHandle<Result<(), Ended>>, oneshot::Sender<()>);

/// The house on the stand-ins; derefs to its [`Attic`].
pub struct Rig {
    attic: Attic,
    /// Steers the daemon's clock, tells the world's.
    pub time: ClockHandle,
    /// The daemon's environment; changes count from the next [`Rig::open`].
    pub env: BTreeMap<String, String>,
    /// Loops to leave out, and the hook at each step of a commit.
    pub options: Options,
    state: PathBuf,
    clock: Clock,
    daemon: Option<Running>,
    keep_state: bool,
}

impl Deref for Rig {
    type Target = Attic;
    fn deref(&self) -> &Attic {
        &self.attic
    }
}

impl Rig {
    /// Five stand-ins at "Attic Cinema": two libraries, two tiers, nobody
    /// there but the owner. The daemon is not running yet; it will be live.
    ///
    /// # Panics
    /// When the state folder can't be made.
    pub async fn new(name: &str) -> Self {
        Self::at(&state_folder(name), BEGINNING).await
    }

    /// As [`Rig::new`], with the state in a folder of the caller's.
    ///
    /// # Panics
    /// When the state folder can't be made.
    pub async fn at(state: &Path, beginning: i64) -> Self {
        tls::install_provider();
        let (clock, time) = virtual_clock(moment(beginning));
        let attic = Attic::open(time.world(), Ports::default()).await;
        attic.furnish(state).expect("a state folder");
        let env = attic.environment(state);
        Self {
            attic,
            time,
            env,
            options: Options::default(),
            state: state.to_owned(),
            clock,
            daemon: None,
            keep_state: false,
        }
    }

    /// Sets a variable for the next [`Rig::open`].
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Leaves a loop out from the next [`Rig::open`] on.
    pub fn leave_out(&mut self, part: Part) {
        self.options.without = BTreeSet::from([part]);
    }

    /// The present in the world.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.time.now()
    }

    /// The daemon's clock, for a command beside it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Keeps the state folder when the rig is dropped.
    pub fn keep_state(&mut self) {
        self.keep_state = true;
    }

    /// Starts the daemon and waits until both sources have been looked at twice.
    ///
    /// # Panics
    /// When the environment has problems.
    pub async fn open(&mut self) {
        self.start();
        self.pass(Duration::from_secs(30)).await;
        if self.is_running() {
            self.connect_webhooks();
        }
    }

    /// Starts the daemon, no more.
    ///
    /// # Panics
    /// When the environment has problems, or a daemon runs already.
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "a daemon is running already");
        let config = Config::from_env(self.env.clone().into_iter()).expect("a sound environment");
        let (stop, stopped) = oneshot::channel();
        let clock = self.clock.clone();
        let options = self.options.clone();
        let daemon = tokio::spawn(async move {
            let shutdown = async {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            daemon::run_until(config, clock, options, shutdown).await
        });
        self.daemon = Some((daemon, stop));
    }

    /// Whether the daemon has neither ended nor been ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.daemon.as_ref().is_some_and(|(daemon, _)| !daemon.is_finished())
    }

    /// Points Stripe's endpoint at the door.
    pub fn connect_webhooks(&self) {
        if let Some(door) = self.door() {
            self.stripe.set_endpoint(&format!("{door}/webhook/stripe"), WEBHOOK_SECRET);
        }
    }

    /// The public door's address.
    #[must_use]
    pub fn door(&self) -> Option<String> {
        let listening = store::read_listening(&self.state).ok().flatten()?;
        Some(format!("http://{}", listening.public))
    }

    /// Asks the daemon to stop, as SIGTERM does.
    ///
    /// # Panics
    /// When it ended with an error.
    pub async fn close(&mut self) {
        if let Some((daemon, stop)) = self.daemon.take() {
            let _ = stop.send(());
            daemon.await.expect("the daemon did not panic").expect("the daemon ended well");
        }
    }

    /// Pulls the plug: whatever was under way is dropped there. Returns how
    /// the daemon had ended if it had by itself.
    pub async fn pull_the_plug(&mut self) -> Option<Result<(), Ended>> {
        let (daemon, _stop) = self.daemon.take()?;
        daemon.abort();
        daemon.await.ok()
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Lets minutes pass.
    pub async fn minutes(&self, minutes: u64) {
        self.pass(Duration::from_secs(minutes * 60)).await;
    }

    /// Lets hours pass.
    pub async fn hours(&self, hours: u64) {
        self.pass(Duration::from_secs(hours * 3600)).await;
    }

    /// Lets days pass.
    pub async fn days(&self, days: u64) {
        self.pass(Duration::from_secs(days * 86_400)).await;
    }

    /// Runs a command of the daemon's admin door: `GET /api/…`.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    pub async fn get(&self, target: &str) -> Value {
        self.admin("GET", target, "").await
    }

    /// Asks the engine, as `usher approve` and the like do.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    pub async fn ask(&self, ask: Value) -> Value {
        self.admin("POST", "/api/ask", &ask.to_string()).await
    }

    /// As [`Rig::ask`]; `None` when the daemon ended before it answered.
    pub async fn try_ask(&self, ask: Value) -> Option<Value> {
        self.try_api("POST", "/api/ask", &ask.to_string(), &[]).await.map(|(_, answer)| answer)
    }

    /// As [`Rig::get`]; `None` when the daemon ended before it answered.
    pub async fn try_get(&self, target: &str) -> Option<Value> {
        self.try_api("GET", target, "", &[]).await.map(|(_, answer)| answer)
    }

    /// As [`Rig::api`] with `POST`; `None` when the daemon ended before it
    /// answered.
    pub async fn try_post(&self, target: &str, body: &Value) -> Option<(u16, Value)> {
        self.try_api("POST", target, &body.to_string(), &[]).await
    }

    async fn admin(&self, method: &str, target: &str, body: &str) -> Value {
        self.api(method, target, body).await.1
    }

    /// Asks the admin door as another program would, with the change token:
    /// status and body.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    pub async fn api(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        self.api_with(method, target, body, &[]).await
    }

    /// The same with more headers.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    pub async fn api_with(&self, method: &str, target: &str, body: &str, more: &[(&str, &str)]) -> (u16, Value) {
        self.try_api(method, target, body, more).await.expect("the daemon answers")
    }

    /// What Prometheus reads.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    pub async fn metrics(&self) -> String {
        self.called("GET", "/metrics", "", &[]).await.expect("the daemon answers").text()
    }

    async fn try_api(&self, method: &str, target: &str, body: &str, more: &[(&str, &str)]) -> Option<(u16, Value)> {
        self.called(method, target, body, more).await.map(|reply| (reply.status, reply.json()))
    }

    async fn called(&self, method: &str, target: &str, body: &str, more: &[(&str, &str)]) -> Option<wire::Reply> {
        let listening = store::read_listening(&self.state).ok().flatten().expect("the daemon listens");
        let tokens = store::existing_tokens(&self.state).ok().flatten().expect("the tokens are made");
        let bearer = format!("Bearer {}", tokens.admin.expose());
        let own = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let own = own.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| name != other));
        let headers: Vec<_> = own.chain(more.iter().copied()).collect();
        let url = format!("http://{}{target}", listening.admin);
        wire::call(method, &url, &headers, body).await.ok()
    }

    /// Someone with a Plex account and a name in Tautulli.
    pub fn person(&self, id: u64, name: &str) -> PlexId {
        let account = PlexId(id);
        let email = address(name);
        self.plex.add_account(account, name, &email);
        self.tautulli.add_user(account, name, &email);
        account
    }

    /// Someone who was here before Usher: shared with `days` ago.
    pub fn old_friend(&self, id: u64, name: &str, days: i64) -> PlexId {
        let account = self.person(id, name);
        self.plex.share_with(account, &[self.movies, self.tv], self.now() - TimeDelta::days(days));
        account
    }

    /// A play of two hours that ended `ago`.
    pub fn watched(&self, account: PlexId, ago: TimeDelta) {
        let stopped = self.now() - ago;
        self.tautulli.play(account, stopped - TimeDelta::hours(2), stopped);
    }

    /// Mails to this person, oldest first, by subject.
    #[must_use]
    pub fn subjects_to(&self, name: &str) -> Vec<String> {
        self.smtp.received_for(&address(name)).into_iter().map(|mail| mail.subject).collect()
    }

    /// Mails to the operator, by subject.
    #[must_use]
    pub fn operator_subjects(&self) -> Vec<String> {
        self.smtp.received_for(OPERATOR).into_iter().map(|mail| mail.subject).collect()
    }

    /// Everything that a stand-in found amiss: requests that the real service
    /// doesn't expect, broken protocol, an invite to all libraries.
    #[must_use]
    pub fn amiss(&self) -> Vec<String> {
        let mut amiss = self.plex.unexpected();
        amiss.extend(self.plex.shared_everything());
        amiss.extend(self.stripe.unexpected());
        amiss.extend(self.tautulli.unexpected());
        amiss.extend(self.discord.unexpected());
        amiss.extend(self.smtp.violations());
        amiss
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some((daemon, _)) = self.daemon.take() {
            daemon.abort();
        }
        if !self.keep_state {
            let _ = std::fs::remove_dir_all(&self.state);
        }
    }
}

/// A fresh folder, on a RAM disk where there is one.
fn state_folder(name: &str) -> PathBuf {
    let shm = Path::new("/dev/shm");
    let base = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let folder = base.join(format!("usher-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
