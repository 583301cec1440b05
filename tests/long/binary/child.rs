//! The shipped binary as a child process, in real time, against the stand-ins
//! of a [`Rig`] whose own daemon never starts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use sandbox::rig::{Rig, WEBHOOK_SECRET};
use sandbox::{plex, tautulli};
use usher::clock::Clock;
use usher::ledger::Book;
use usher::store::{self, Store, Which};

/// For anything that must come; what comes later is a failure.
pub const SOON: Duration = Duration::from_secs(15);

/// Nobody in particular: owns nothing.
const STRANGER: u32 = 65_534;

/// The stand-ins, and the binary beside them.
pub struct House {
    /// The stand-ins and the environment.
    pub rig: Rig,
    /// Runs as nobody, from `/`, as in the image.
    pub unprivileged: bool,
    program: PathBuf,
    folder: PathBuf,
    daemon: Option<Child>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl House {
    /// As [`Rig::new`], but now.
    pub async fn new(name: &str) -> Self {
        Self::begun(name, 0).await
    }

    /// Begun an hour ago, when `before` happened in the world.
    pub async fn with_a_past(name: &str, before: impl FnOnce(&Rig)) -> Self {
        let house = Self::begun(name, 3600).await;
        before(&house.rig);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3600)).await;
        tokio::time::resume();
        house
    }

    async fn begun(name: &str, seconds_ago: i64) -> Self {
        let folder = std::env::temp_dir().join(format!("usher-binary-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let rig = Rig::at(&folder.join("state"), Clock::system().now().timestamp() - seconds_ago).await;
        let program = PathBuf::from(env!("CARGO_BIN_EXE_usher"));
        let mut house = Self { rig, unprivileged: false, program, folder, daemon: None };
        for name in ["CHECK_BILLING_SECS", "CHECK_NEW_USERS_SECS", "CHECK_INACTIVITY_SECS"] {
            house.rig.set(name, "1");
        }
        house.rig.set("REMOVAL_PACE_MINS", "0");
        house.rig.set("EXPIRY_SETTLE_HOURS", "0");
        house.rig.set("LOG_LEVEL", "trace");
        house
    }

    /// From now on everything runs as nobody; the state folder is theirs.
    pub fn drop_rights(&mut self) {
        let program = self.folder.join("usher");
        fs::copy(&self.program, &program).unwrap();
        self.program = program;
        self.unprivileged = true;
        let owned = fs::read_dir(self.rig.state()).unwrap().map(|entry| entry.unwrap().path());
        for path in owned.chain([self.rig.state().to_owned()]) {
            std::os::unix::fs::chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }

    /// The program with this environment and nothing else.
    pub fn program(&self, args: &[&str], env: &BTreeMap<String, String>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().envs(env).current_dir("/").stdin(Stdio::null());
        if self.unprivileged {
            command.uid(STRANGER).gid(STRANGER);
        }
        command
    }

    /// Starts the daemon, its log added to the one before.
    pub fn start(&mut self) {
        let command = self.program(&[], &self.rig.env);
        self.start_as(command);
    }

    /// Starts this command as the daemon.
    pub fn start_as(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "a daemon is running already");
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        self.daemon = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Starts the daemon and waits until it has looked at everything twice.
    pub async fn open(&mut self) {
        self.start();
        self.until_ready().await;
    }

    /// Waits for `/ready`.
    pub async fn until_ready(&mut self) {
        let give_up = tokio::time::timeout(SOON, async {
            loop {
                if let Some(door) = self.door() {
                    let reply = sandbox::wire::call("GET", &format!("{door}/ready"), &[], "").await;
                    if reply.is_ok_and(|reply| reply.status == 200) {
                        return;
                    }
                }
                assert!(self.is_running(), "it ended: {}", self.log());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(give_up.await.is_ok(), "never ready: {}", self.log());
    }

    /// The public door of the daemon that runs.
    pub fn door(&self) -> Option<String> {
        let listening = store::read_listening(self.rig.state()).ok().flatten()?;
        Some(format!("http://{}", listening.public))
    }

    /// Whether the daemon still runs.
    pub fn is_running(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_none())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("a running daemon");
        assert_eq!(daemon.try_wait().unwrap(), None, "it had ended by itself: {}", self.log());
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// SIGTERM. How it ended, and after how long.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let clock = Clock::system();
        let asked = clock.now();
        let mut daemon = self.daemon.take().expect("a running daemon");
        let sent = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = tokio::time::timeout(SOON, wait(&mut daemon)).await;
        let Ok(status) = ended else {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
            panic!("SIGTERM did not end it: {}", self.log());
        };
        (status, (clock.now() - asked).to_std().unwrap())
    }

    /// SIGTERM, which ends it well and at once.
    pub async fn close(&mut self) {
        let (status, took) = self.terminate().await;
        assert!(status.success(), "{status}: {}", self.log());
        assert!(took < Duration::from_secs(6), "it took {took:?} to stop");
    }

    /// A command with the daemon's own environment.
    pub async fn say(&self, args: &[&str]) -> Said {
        self.say_with(args, &self.rig.env).await
    }

    /// A command with this environment.
    pub async fn say_with(&self, args: &[&str], env: &BTreeMap<String, String>) -> Said {
        let mut child =
            self.program(args, env).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let ended = tokio::time::timeout(SOON, wait(&mut child)).await;
        assert!(ended.is_ok(), "{args:?} never ended");
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The book as it lies on the disk; `None` before the first commit.
    pub fn book(&self, which: Which) -> Option<Book> {
        Store::<Book>::read_only(self.rig.state(), which).unwrap().book
    }

    /// Waits for something.
    pub async fn until(&mut self, what: &str, limit: Duration, mut holds: impl FnMut(&Self) -> bool) {
        let came = tokio::time::timeout(limit, async {
            while !holds(self) {
                assert!(self.daemon.is_none() || self.is_running(), "it ended by itself: {}", self.log());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        if came.await.is_err() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            panic!("not within {limit:?}: {what}; the log ends, newest first:\n{}", tail.join("\n"));
        }
    }

    /// Where the daemon writes to.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// All that the daemon has written.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Promise 10: no secret and no address in the log, nor in `text`.
    pub fn assert_nothing_leaked(&self, text: &str) {
        let mut secrets = vec![
            plex::TOKEN.to_owned(),
            self.rig.stripe.key(),
            WEBHOOK_SECRET.to_owned(),
            tautulli::KEY.to_owned(),
            "letmein".to_owned(),
            self.rig.discord.token().to_owned(),
            "@example.com".to_owned(),
        ];
        if let Some(tokens) = store::existing_tokens(self.rig.state()).unwrap() {
            secrets.extend([tokens.admin.expose().to_owned(), tokens.read.expose().to_owned()]);
        }
        let log = self.log();
        for secret in secrets {
            let shown = log.lines().chain(text.lines()).find(|line| line.contains(&secret));
            assert!(shown.is_none(), "{secret} stands in {shown:?}");
        }
    }

    /// The folder that holds the state folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn wait(child: &mut Child) -> ExitStatus {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
