//! An SMTP server that keeps what it gets and fails as told.
//!
//! What it promises: a real dialogue over a real socket (STARTTLS, implicit
//! TLS or plain), every message kept with the virtual time of its arrival,
//! every breach of the protocol noted. What it never does: take a password in
//! clear, deliver anything. Virtual time stalls when the kernel delays an
//! acknowledgement, so each socket has `nodelay` and, after every read,
//! `quickack`. Known race: none; everything happens on one runtime thread.

mod dialogue;
pub mod letter;
mod quick;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use usher::clock::Clock;

pub use letter::{Received, base64, decode_words};

/// How the conversation is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Plain greeting, then STARTTLS (port 587's way). Mail before it is refused.
    StartTls,
    /// TLS before the greeting (port 465's way).
    Implicit,
    /// No TLS, no AUTH: a relay in the operator's own network.
    Plain,
}

/// A way to fail. Each waits at its step and counts when it bites there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Connections end before a greeting.
    Down,
    /// `421 4.7.0` instead of the greeting.
    GreetingBusy,
    /// The greeting comes this late.
    SlowGreeting(Duration),
    /// Accepts and never says a word.
    Hang,
    /// EHLO doesn't list STARTTLS, and the command is refused.
    StartTlsMissing,
    /// `454 4.7.0` on STARTTLS.
    StartTlsRefused,
    /// The certificate is of an unknown authority.
    StrangeCertificate,
    /// `535 5.7.8` on AUTH whatever the password.
    AuthRefused,
    /// `450 4.2.0` on RCPT.
    Greylist,
    /// `550 5.1.1` on RCPT of this address.
    UnknownRecipient(String),
    /// `550 5.4.5` on RCPT: the day's quota, which comes back.
    Quota,
    /// `550 5.7.26` after the dot: the sender's set-up.
    PolicyRefused,
    /// Any other reply in place of RCPT's 250.
    RecipientReply(String),
    /// Any other reply after the dot; the message isn't kept.
    DotReply(String),
    /// The connection ends at DATA, before 354.
    DropBeforeData,
    /// The connection ends within the text.
    DropInData,
    /// The message is kept, and the connection ends without a reply.
    DropAfterDot,
    /// The message is kept, and no reply ever comes.
    HangAfterDot,
    /// Every reply of this connection arrives byte by byte in packets of three.
    SplitReplies,
}

impl Fault {
    /// Short name, for coverage counts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::GreetingBusy => "421 greeting",
            Self::SlowGreeting(_) => "slow greeting",
            Self::Hang => "hang",
            Self::StartTlsMissing => "starttls missing",
            Self::StartTlsRefused => "454 starttls",
            Self::StrangeCertificate => "strange certificate",
            Self::AuthRefused => "535 auth",
            Self::Greylist => "450 greylist",
            Self::UnknownRecipient(_) => "550 5.1.1",
            Self::Quota => "550 5.4.5",
            Self::PolicyRefused => "550 5.7.26",
            Self::RecipientReply(_) => "recipient reply",
            Self::DotReply(_) => "dot reply",
            Self::DropBeforeData => "drop before data",
            Self::DropInData => "drop in data",
            Self::DropAfterDot => "drop after dot",
            Self::HangAfterDot => "hang after dot",
            Self::SplitReplies => "split replies",
        }
    }
}

/// How long a fault stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It bites this many times.
    Next(u32),
    /// Until [`Smtp::clear_faults`].
    UntilCleared,
}

/// The stand-in's handle; clones share one server.
#[derive(Clone)]
pub struct Smtp {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    mode: Mode,
    state: Mutex<State>,
}

/// RFC 5321 4.5.3.2.7: a server waits at least five minutes for a command.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

struct State {
    login: Option<(String, String)>,
    received: Vec<Received>,
    violations: Vec<String>,
    faults: Vec<(Fault, Stay)>,
    bitten: BTreeMap<&'static str, u64>,
    connections: u64,
    logins: u64,
    idle_limit: Duration,
}

impl Smtp {
    /// Listens on a free port of 127.0.0.1 within the current runtime.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(clock: Clock, mode: Mode) -> Self {
        Self::start_on(clock, mode, 0).await
    }

    /// The same on this port.
    ///
    /// # Panics
    /// When the port can't be had.
    pub async fn start_on(clock: Clock, mode: Mode, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port of 127.0.0.1");
        let addr = listener.local_addr().expect("a bound address");
        let state = State {
            login: None,
            received: Vec::new(),
            violations: Vec::new(),
            faults: Vec::new(),
            bitten: BTreeMap::new(),
            connections: 0,
            logins: 0,
            idle_limit: IDLE_LIMIT,
        };
        let shared = Arc::new(Shared { clock, mode, state: Mutex::new(state) });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                tokio::spawn(dialogue::serve(socket, Arc::clone(&accepting)));
            }
        });
        Self { addr, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// From now on AUTH must give these, and mail without AUTH is refused (530).
    /// Without it AUTH is optional and takes anything.
    pub fn require_login(&self, user: &str, password: &str) {
        self.state().login = Some((user.to_owned(), password.to_owned()));
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault, stay: Stay) {
        self.state().faults.push((fault, stay));
    }

    /// Takes every fault away.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// How often each kind of fault has bitten, by [`Fault::name`].
    #[must_use]
    pub fn bitten(&self) -> BTreeMap<&'static str, u64> {
        self.state().bitten.clone()
    }

    /// After this much silence the connection is closed with 421.
    pub fn close_idle_after(&self, limit: Duration) {
        self.state().idle_limit = limit;
    }

    /// Everything that reached the final dot and was kept, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// What was kept for this address (any case), oldest first.
    #[must_use]
    pub fn received_for(&self, address: &str) -> Vec<Received> {
        let is_for = |letter: &&Received| letter.to.iter().any(|to| to.eq_ignore_ascii_case(address));
        self.state().received.iter().filter(is_for).cloned().collect()
    }

    /// Forgets kept messages.
    pub fn forget_received(&self) {
        self.state().received.clear();
    }

    /// Breaches of protocol or form seen so far; a good client leaves none.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state().connections
    }

    /// AUTH attempts so far, also the refused ones (hammering locks accounts).
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.state().logins
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn violation(&self, text: String) {
        self.state().violations.push(text);
    }

    /// The first fault that `fits`, counted as bitten.
    fn bite(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut state = self.state();
        let place = state.faults.iter().position(|(fault, stay)| *stay != Stay::Next(0) && fits(fault))?;
        let (fault, stay) = &mut state.faults[place];
        let fault = fault.clone();
        match stay {
            Stay::Next(left) if *left > 1 => *left -= 1,
            Stay::Next(_) => drop(state.faults.remove(place)),
            Stay::UntilCleared => {}
        }
        *state.bitten.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    fn bites(&self, fault: &Fault) -> bool {
        self.bite(|other| other == fault).is_some()
    }
}
