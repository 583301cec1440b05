//! Mail over SMTP, one command at a time, each under a limit of its own.
//!
//! What it promises: in clear only when the operator said `none`, and then
//! without a password; one recipient a message; the same first sending gives
//! the same bytes; `Unknown` only from the final dot on. A mail to a member
//! can't be written down without [`Live`] (promise 5). What it never does: try
//! again, put an address or a password into an error. Known race: a server may
//! close an idle connection while we write `NOOP`; then a new one is made.

mod message;
mod replies;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use self::replies::{Failed, Step, verdict};
use crate::config::Live;
use crate::facts::Email;
use crate::letters::{DeliveryOutcome, FirstSending, Mail};
use crate::limits::{SMTP_CONNECT_TIMEOUT, SMTP_FINAL_DOT_TIMEOUT, SMTP_MESSAGES_PER_CONNECTION, SMTP_STEP_TIMEOUT};
use crate::secret::Secret;

/// A courtesy, not worth waiting for.
const QUIT: Duration = Duration::from_secs(5);

/// How the conversation is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Plain greeting, then STARTTLS, mandatory (587).
    StartTls,
    /// TLS before the greeting (465).
    Implicit,
    /// None: a relay in the operator's own network. No login then.
    None,
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Shown by mail programs.
    pub name: Option<String>,
    /// The address.
    pub address: Email,
}

/// What the operator configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name or address of the server; its certificate must be for it.
    pub host: String,
    /// 465, 587, 25, …
    pub port: u16,
    /// How it is protected.
    pub tls: Tls,
    /// Both or neither.
    pub username: Option<String>,
    /// Both or neither.
    pub password: Option<Secret>,
    /// Also the envelope's sender.
    pub from: Mailbox,
    /// Where replies go, if elsewhere.
    pub reply_to: Option<Mailbox>,
    /// Our name in EHLO: a full host name or an IP address.
    pub hello: String,
}

/// Who is written to. The operator may always be; a member only live.
#[derive(Debug, Clone, Copy)]
pub enum Recipient<'a> {
    /// Needs the token that only `DRY_RUN=false` hands out.
    Member(&'a Live, &'a Email),
    /// The operator.
    Operator(&'a Email),
}

impl Recipient<'_> {
    fn email(&self) -> &Email {
        match self {
            Self::Member(_, email) | Self::Operator(email) => email,
        }
    }
}

/// The way out for mail. One conversation at a time.
pub struct Smtp {
    settings: Settings,
    sender: Address,
    hello: ClientId,
    tls: Option<TlsParameters>,
    open: Option<Open>,
}

/// A connection that has been greeted and logged in.
struct Open {
    conn: AsyncSmtpConnection,
    sent: usize,
    /// A message was begun and refused: RSET before the next.
    dirty: bool,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{}, {:?})", self.settings.host, self.settings.port, self.settings.tls)
    }
}

impl Smtp {
    /// Connects to nothing yet. `extra_ca_pem` is `EXTRA_CA_FILE`, trusted
    /// beside the public authorities.
    ///
    /// # Errors
    /// A sentence naming the variable that is wrong.
    pub fn new(settings: Settings, extra_ca_pem: Option<&[u8]>) -> Result<Self, String> {
        if settings.username.is_some() != settings.password.is_some() {
            return Err("SMTP_USERNAME and SMTP_PASSWORD go together: set both or neither".to_owned());
        }
        if settings.tls == Tls::None && settings.username.is_some() {
            return Err("SMTP_TLS=none would send SMTP_PASSWORD in clear: use starttls or implicit".to_owned());
        }
        let sender = message::address(&settings.from.address).ok_or("SMTP_FROM is not a usable mail address")?;
        let tls = match settings.tls {
            Tls::None => None,
            Tls::StartTls | Tls::Implicit => Some(trust(&settings.host, extra_ca_pem)?),
        };
        let hello = match settings.hello.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
            Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
            Err(_) if is_host_name(&settings.hello) => ClientId::Domain(settings.hello.clone()),
            Err(_) => return Err("our own name for the mail server (EHLO) is not a host name".to_owned()),
        };
        Ok(Self { settings, sender, hello, tls, open: None })
    }

    /// Sends `mail`, dated and numbered by `first`. Never tries twice.
    pub async fn send(&mut self, to: Recipient<'_>, mail: &Mail, first: &FirstSending) -> DeliveryOutcome {
        let Some(to) = message::address(to.email()) else {
            return DeliveryOutcome::Never {
                why: "the address isn't one that mail can go to".into(),
                bad_address: true,
            };
        };
        let (from, reply_to) = (&self.settings.from, self.settings.reply_to.as_ref());
        let bytes = match message::build(from, reply_to, &to, mail, first) {
            Ok(bytes) => bytes,
            Err(why) => return DeliveryOutcome::Never { why, bad_address: false },
        };
        let mut open = match self.ready().await {
            Ok(open) => open,
            Err(outcome) => return outcome,
        };
        match open.deliver(&self.sender, to, &bytes).await {
            Ok(()) => {
                self.keep(open).await;
                DeliveryOutcome::Accepted
            }
            Err((step, failed)) => {
                if failed.leaves_the_line_open() {
                    open.dirty = true;
                    self.keep(open).await;
                }
                verdict(step, &failed)
            }
        }
    }

    /// Connects, logs in and says goodbye: for `usher check`.
    ///
    /// # Errors
    /// What a message would have met.
    pub async fn verify(&mut self) -> Result<(), DeliveryOutcome> {
        let open = self.ready().await?;
        open.quit().await;
        Ok(())
    }

    /// Says goodbye, if there is anybody to say it to.
    pub async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.quit().await;
        }
    }

    async fn keep(&mut self, open: Open) {
        if open.sent < SMTP_MESSAGES_PER_CONNECTION {
            self.open = Some(open);
        } else {
            open.quit().await;
        }
    }

    /// The open connection if it still answers, else a new one. It is taken
    /// out, so that a conversation cut off midway is never taken up again.
    async fn ready(&mut self) -> Result<Open, DeliveryOutcome> {
        if let Some(mut open) = self.open.take()
            && open.answers().await
        {
            return Ok(open);
        }
        self.connect().await.map_err(|(step, failed)| verdict(step, &failed))
    }

    async fn connect(&self) -> Result<Open, (Step, Failed)> {
        let mut conn = match (self.settings.tls, &self.tls) {
            (Tls::Implicit, tls) => self.connect_implicit(tls.clone()).await?,
            (Tls::StartTls | Tls::None, _) => self.connect_plain().await?,
        };
        if self.settings.tls == Tls::StartTls
            && let Some(tls) = &self.tls
        {
            if !conn.can_starttls() {
                let why = "the server doesn't offer STARTTLS, and without it nothing is sent";
                return Err((Step::Tls, Failed::Refused(why.to_owned())));
            }
            within(Step::Tls, SMTP_STEP_TIMEOUT, conn.starttls(tls.clone(), &self.hello)).await?;
        }
        if self.settings.tls != Tls::None && !conn.is_encrypted() {
            return Err((Step::Tls, Failed::Refused("the connection isn't encrypted".to_owned())));
        }
        if let (Some(username), Some(password)) = (&self.settings.username, &self.settings.password) {
            let ways = [Mechanism::Plain, Mechanism::Login];
            if !ways.iter().any(|way| conn.server_info().supports_auth_mechanism(*way)) {
                let why = "the server offers no login that we know (PLAIN, LOGIN)";
                return Err((Step::Auth, Failed::Refused(why.to_owned())));
            }
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            within(Step::Auth, SMTP_STEP_TIMEOUT, conn.auth(&ways, &credentials)).await?;
        }
        Ok(Open { conn, sent: 0, dirty: false })
    }

    async fn connect_plain(&self) -> Result<AsyncSmtpConnection, (Step, Failed)> {
        let to = (self.settings.host.as_str(), self.settings.port);
        let socket = match timeout(SMTP_CONNECT_TIMEOUT, wire::Wire::connect(to)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(e)) => return Err((Step::Connect, Failed::Lost(e.to_string()))),
            Err(_) => return Err((Step::Connect, Failed::TimedOut(SMTP_CONNECT_TIMEOUT))),
        };
        within(
            Step::Greeting,
            SMTP_STEP_TIMEOUT,
            AsyncSmtpConnection::connect_with_transport(Box::new(socket), &self.hello),
        )
        .await
    }

    async fn connect_implicit(&self, tls: Option<TlsParameters>) -> Result<AsyncSmtpConnection, (Step, Failed)> {
        let to = (self.settings.host.as_str(), self.settings.port);
        let connect = AsyncSmtpConnection::connect_tokio1(to, Some(SMTP_CONNECT_TIMEOUT), &self.hello, tls, None);
        within(Step::ImplicitTls, SMTP_STEP_TIMEOUT, connect).await
    }
}

impl Open {
    async fn answers(&mut self) -> bool {
        let answer = if self.dirty {
            timeout(SMTP_STEP_TIMEOUT, self.conn.command(Rset)).await
        } else {
            timeout(SMTP_STEP_TIMEOUT, self.conn.command(Noop)).await
        };
        self.dirty = false;
        matches!(answer, Ok(Ok(_)))
    }

    async fn deliver(&mut self, from: &Address, to: Address, message: &[u8]) -> Result<(), (Step, Failed)> {
        let info = self.conn.server_info();
        let (mut parameters, international) = (Vec::new(), !is_ascii(&to) || !is_ascii(from));
        if international && !info.supports_feature(Extension::SmtpUtfEight) {
            return Err((Step::Rcpt, Failed::Unreachable));
        }
        if international {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.sent += 1;
        within(Step::From, SMTP_STEP_TIMEOUT, self.conn.command(MailFrom::new(Some(from.clone()), parameters))).await?;
        within(Step::Rcpt, SMTP_STEP_TIMEOUT, self.conn.command(Rcpt::new(to, Vec::new()))).await?;
        within(Step::Data, SMTP_STEP_TIMEOUT, self.conn.command(Data)).await?;
        // lettre asks for more until there is none, then writes the dot: so
        // the moment from which the outcome is unknowable shows.
        let dotted = AtomicBool::new(false);
        let end = std::iter::from_fn(|| {
            dotted.store(true, Ordering::Relaxed);
            None
        });
        let sent =
            within(Step::Dot, SMTP_FINAL_DOT_TIMEOUT, self.conn.message_iter(std::iter::once(message).chain(end)))
                .await;
        sent.map(drop)
            .map_err(|(_, failed)| (if dotted.load(Ordering::Relaxed) { Step::Dot } else { Step::Text }, failed))
    }

    async fn quit(mut self) {
        // Whether it was heard changes nothing.
        drop(timeout(QUIT, self.conn.quit()).await);
    }
}

async fn within<T>(
    step: Step,
    limit: Duration,
    answer: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, (Step, Failed)> {
    match timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(e)) => Err((step, Failed::from(&e))),
        Err(_) => Err((step, Failed::TimedOut(limit))),
    }
}

fn trust(host: &str, extra_ca_pem: Option<&[u8]>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(pem) = extra_ca_pem {
        let certificate = Certificate::from_pem(pem).map_err(|_| "EXTRA_CA_FILE isn't readable as PEM")?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|e| format!("TLS for SMTP_HOST can't be set up: {e}"))
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

#[cfg(test)]
mod tests;
