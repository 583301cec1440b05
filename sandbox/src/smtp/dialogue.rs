//! One connection of the SMTP stand-in, from greeting to QUIT.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::letter::{base64, decode_words, faults_of_form};
use super::quick::Quick;
use super::{Fault, Mode, Received, Shared};
use crate::tls;

/// A message larger than this is refused, as EHLO's SIZE says (Gmail's figure).
const MESSAGE_BYTES_MAX: usize = 35_882_577;
/// RFC 5321 4.5.3.1.4 allows 512; AUTH lines may be longer (RFC 4954: 12288).
const LINE_BYTES_MAX: usize = 12_288;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Why a connection ends.
enum End {
    /// Both sides are done, or the client went away.
    Over,
    /// A fault says: never answer, never close.
    Silent,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Over
    }
}

/// Whether the conversation goes on after a command.
enum Next {
    Command,
    Tls,
}

struct Session {
    wire: Box<dyn Wire>,
    shared: Arc<Shared>,
    connection: u64,
    buffer: Vec<u8>,
    split_replies: bool,
    starttls_offered: bool,
    tls: bool,
    /// Name of the last EHLO; gone after STARTTLS, since all must be said again.
    ehlo: Option<String>,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

/// Speaks with one client until the end; a hang holds the socket for ever.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let connection = {
        let mut state = shared.state();
        state.connections += 1;
        state.connections
    };
    if shared.bites(&Fault::Down) {
        return;
    }
    let _ = socket.set_nodelay(true);
    let quick = Quick(socket);
    quick.acknowledge();
    if shared.bites(&Fault::Hang) {
        std::future::pending::<()>().await;
    }
    let mut session = Session {
        wire: Box::new(quick),
        connection,
        buffer: Vec::new(),
        split_replies: shared.bites(&Fault::SplitReplies),
        starttls_offered: false,
        tls: false,
        ehlo: None,
        user: None,
        from: None,
        to: Vec::new(),
        shared,
    };
    if session.shared.mode == Mode::Implicit {
        match session.wrap().await {
            Some(wrapped) => session = wrapped,
            None => return,
        }
    }
    if session.greet().await.is_err() {
        return;
    }
    loop {
        match session.command().await {
            Ok(Next::Command) => {}
            Ok(Next::Tls) => match session.wrap().await {
                Some(wrapped) => session = wrapped,
                None => return,
            },
            Err(End::Over) => return,
            Err(End::Silent) => std::future::pending().await,
        }
    }
}

impl Session {
    /// The same session within TLS; `None` when the handshake failed.
    async fn wrap(mut self) -> Option<Self> {
        let strange = self.shared.bites(&Fault::StrangeCertificate);
        let config = if strange { tls::stranger_config() } else { tls::server_config() };
        let stream = TlsAcceptor::from(config).accept(self.wire).await.ok()?;
        self.wire = Box::new(stream);
        self.tls = true;
        self.ehlo = None;
        self.user = None;
        Some(self)
    }

    async fn greet(&mut self) -> Result<(), End> {
        if self.shared.bites(&Fault::GreetingBusy) {
            self.say("421 4.7.0 sandbox is busy, come back later").await?;
            return Err(End::Over);
        }
        let slow = self.shared.bite(|fault| matches!(fault, Fault::SlowGreeting(_)));
        if let Some(Fault::SlowGreeting(delay)) = slow {
            tokio::time::sleep(delay).await;
        }
        self.say("220 sandbox.example ESMTP").await
    }

    async fn command(&mut self) -> Result<Next, End> {
        let limit = self.shared.state().idle_limit;
        let Ok(line) = tokio::time::timeout(limit, self.line(LINE_BYTES_MAX)).await else {
            self.say("421 4.4.2 sandbox closes an idle connection").await?;
            return Err(End::Over);
        };
        let line = line?;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_uppercase();
        if !self.buffer.is_empty() {
            self.violation(format!("sent more after {verb} without waiting for its reply"));
        }
        match verb.as_str() {
            "EHLO" | "HELO" => self.ehlo(rest.trim()).await?,
            "STARTTLS" => return self.starttls().await,
            "AUTH" => self.auth(rest).await?,
            "MAIL" => self.mail(rest).await?,
            "RCPT" => self.rcpt(rest).await?,
            "DATA" => self.data().await?,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 ok").await?;
            }
            "NOOP" => self.say("250 2.0.0 ok").await?,
            "QUIT" => {
                self.say("221 2.0.0 bye").await?;
                return Err(End::Over);
            }
            _ => {
                self.violation(format!("unknown command {verb:?}"));
                self.say("500 5.5.2 unknown command").await?;
            }
        }
        Ok(Next::Command)
    }

    async fn ehlo(&mut self, name: &str) -> Result<(), End> {
        if name.is_empty() {
            self.violation("EHLO without a name".to_owned());
            return self.say("501 5.5.4 who are you").await;
        }
        self.reset();
        self.ehlo = Some(name.to_owned());
        let mut lines = vec![
            "sandbox.example greets you".to_owned(),
            format!("SIZE {MESSAGE_BYTES_MAX}"),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        if self.shared.mode == Mode::StartTls && !self.tls {
            self.starttls_offered = !self.shared.bites(&Fault::StartTlsMissing);
            if self.starttls_offered {
                lines.push("STARTTLS".to_owned());
            }
        }
        if self.tls {
            lines.push("AUTH PLAIN LOGIN".to_owned());
        }
        lines.push("SMTPUTF8".to_owned());
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| format!("250{}{line}", if i == last { ' ' } else { '-' }))
            .collect();
        self.say(&text.join("\r\n")).await
    }

    async fn starttls(&mut self) -> Result<Next, End> {
        if self.tls || !self.starttls_offered {
            self.violation("STARTTLS that wasn't offered".to_owned());
            self.say("502 5.5.1 not here").await?;
            return Ok(Next::Command);
        }
        if self.shared.bites(&Fault::StartTlsRefused) {
            self.say("454 4.7.0 TLS not available now").await?;
            return Ok(Next::Command);
        }
        // What came before the handshake must not count after it (RFC 3207 4.2).
        self.buffer.clear();
        self.reset();
        self.say("220 2.0.0 go ahead").await?;
        Ok(Next::Tls)
    }

    async fn auth(&mut self, rest: &str) -> Result<(), End> {
        if !self.tls {
            self.violation("AUTH without TLS: a password in clear".to_owned());
            return self.say("538 5.7.11 encryption required").await;
        }
        if self.ehlo.is_none() {
            self.violation("AUTH before the EHLO that offers it".to_owned());
        }
        let (method, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let (user, password) = match method.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = match initial {
                    "" => self.ask("334 ").await?,
                    given => decoded(given),
                };
                let mut fields = text.split('\0').skip(1).map(str::to_owned);
                (fields.next().unwrap_or_default(), fields.next().unwrap_or_default())
            }
            "LOGIN" => {
                let user = match initial {
                    "" => self.ask("334 VXNlcm5hbWU6").await?,
                    given => decoded(given),
                };
                (user, self.ask("334 UGFzc3dvcmQ6").await?)
            }
            _ => return self.say("504 5.5.4 no such way to log in").await,
        };
        self.shared.state().logins += 1;
        let wanted = self.shared.state().login.clone();
        let fits = wanted.is_none_or(|pair| pair == (user.clone(), password));
        if !fits || self.shared.bites(&Fault::AuthRefused) {
            return self.say("535 5.7.8 Username and Password not accepted").await;
        }
        self.user = Some(user);
        self.say("235 2.7.0 welcome").await
    }

    async fn mail(&mut self, rest: &str) -> Result<(), End> {
        if self.ehlo.is_none() {
            self.violation("MAIL without EHLO (after TLS it must be said again)".to_owned());
            return self.say("503 5.5.1 EHLO first").await;
        }
        if self.shared.mode == Mode::StartTls && !self.tls {
            self.violation("MAIL in clear where TLS is required".to_owned());
            return self.say("530 5.7.0 Must issue a STARTTLS command first").await;
        }
        let needs_login = self.shared.state().login.is_some();
        if needs_login && self.user.is_none() {
            return self.say("530 5.7.0 Authentication Required").await;
        }
        if self.from.is_some() {
            self.violation("MAIL within a mail".to_owned());
            return self.say("503 5.5.1 one mail at a time").await;
        }
        let Some(from) = address(rest, "FROM:") else {
            self.violation(format!("MAIL without an address: {rest:?}"));
            return self.say("501 5.1.7 bad sender").await;
        };
        self.from = Some(from);
        self.say("250 2.1.0 ok").await
    }

    async fn rcpt(&mut self, rest: &str) -> Result<(), End> {
        let Some(to) = address(rest, "TO:").filter(|to| to.contains('@')) else {
            return self.say("553 5.1.3 bad recipient").await;
        };
        if self.from.is_none() {
            self.violation("RCPT before MAIL".to_owned());
            return self.say("503 5.5.1 MAIL first").await;
        }
        let fault = self.shared.bite(|fault| match fault {
            Fault::UnknownRecipient(who) => who.eq_ignore_ascii_case(&to),
            Fault::Greylist | Fault::Quota | Fault::RecipientReply(_) => true,
            _ => false,
        });
        match fault {
            Some(Fault::UnknownRecipient(_)) => self.say("550 5.1.1 no such user here").await,
            Some(Fault::Greylist) => self.say("450 4.2.0 greylisted, come back later").await,
            Some(Fault::Quota) => self.say("550 5.4.5 Daily sending quota exceeded").await,
            Some(Fault::RecipientReply(text)) => self.say(&text).await,
            _ => {
                self.to.push(to);
                self.say("250 2.1.5 ok").await
            }
        }
    }

    async fn data(&mut self) -> Result<(), End> {
        let Some(from) = self.from.clone().filter(|_| !self.to.is_empty()) else {
            return self.say("503 5.5.1 nobody to send to").await;
        };
        if self.shared.bites(&Fault::DropBeforeData) {
            return Err(End::Over);
        }
        self.say("354 go on").await?;
        let drop_within = self.shared.bites(&Fault::DropInData);
        let data = self.text(drop_within).await?;
        let refusal = self.shared.bite(|f| matches!(f, Fault::PolicyRefused | Fault::DotReply(_)));
        let to = std::mem::take(&mut self.to);
        self.reset();
        match refusal {
            Some(Fault::PolicyRefused) => {
                return self.say("550 5.7.26 This mail is unauthenticated").await;
            }
            Some(Fault::DotReply(text)) => return self.say(&text).await,
            _ => {}
        }
        for fault in faults_of_form(&data) {
            self.violation(format!("message: {fault}"));
        }
        let lost = self.shared.bite(|f| matches!(f, Fault::DropAfterDot | Fault::HangAfterDot));
        let mut letter = Received {
            at: self.shared.clock.now(),
            from,
            to,
            message_id: String::new(),
            subject: String::new(),
            data,
            connection: self.connection,
            ehlo: self.ehlo.clone().unwrap_or_default(),
            tls: self.tls,
            user: self.user.clone(),
            answer_lost: lost.is_some(),
        };
        letter.message_id = letter.header("Message-ID").unwrap_or_default();
        letter.subject = decode_words(&letter.header("Subject").unwrap_or_default());
        let number = {
            let mut state = self.shared.state();
            state.received.push(letter);
            state.received.len()
        };
        match lost {
            Some(Fault::HangAfterDot) => Err(End::Silent),
            Some(_) => Err(End::Over),
            None => self.say(&format!("250 2.0.0 queued as {number}")).await,
        }
    }

    /// The message up to the lone dot, dots undoubled.
    async fn text(&mut self, drop_within: bool) -> Result<String, End> {
        let mut text = String::new();
        loop {
            let line = self.line(MESSAGE_BYTES_MAX).await?;
            if drop_within {
                return Err(End::Over);
            }
            match line.strip_prefix('.') {
                Some("") => return Ok(text),
                Some(rest) => {
                    if !rest.starts_with('.') {
                        self.violation("a leading dot that wasn't doubled".to_owned());
                    }
                    text.push_str(rest);
                }
                None => text.push_str(&line),
            }
            text.push_str("\r\n");
            if text.len() > MESSAGE_BYTES_MAX {
                self.say("552 5.3.4 too big").await?;
                return Err(End::Over);
            }
        }
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// A challenge and the client's decoded answer to it.
    async fn ask(&mut self, challenge: &str) -> Result<String, End> {
        self.say(challenge).await?;
        Ok(decoded(&self.line(LINE_BYTES_MAX).await?))
    }

    /// One line without its end. A bare LF ends it too, but is noted.
    async fn line(&mut self, bytes_max: usize) -> Result<String, End> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.iter().skip(searched).position(|&byte| byte == b'\n');
            if let Some(place) = fresh.map(|place| place + searched) {
                let mut line: Vec<u8> = self.buffer.drain(..=place).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                } else {
                    self.violation("a line that ends with a bare LF".to_owned());
                }
                if line.contains(&b'\r') {
                    self.violation("a bare CR within a line".to_owned());
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            searched = self.buffer.len();
            if searched > bytes_max {
                self.violation(format!("a line longer than {bytes_max} bytes"));
                return Err(End::Over);
            }
            if self.wire.read_buf(&mut self.buffer).await? == 0 {
                return Err(End::Over);
            }
        }
    }

    async fn say(&mut self, reply: &str) -> Result<(), End> {
        let bytes = format!("{reply}\r\n").into_bytes();
        // Packets of three bytes cut every code and every CRLF somewhere.
        let packet = if self.split_replies { 3 } else { bytes.len() };
        for piece in bytes.chunks(packet) {
            self.wire.write_all(piece).await?;
            self.wire.flush().await?;
            if self.split_replies {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn violation(&self, text: String) {
        self.shared.violation(format!("connection {}: {text}", self.connection));
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&base64(text)).into_owned()
}

/// The address between the angle brackets after `FROM:` or `TO:`.
fn address(rest: &str, label: &str) -> Option<String> {
    let head = rest.get(..label.len())?;
    if !head.eq_ignore_ascii_case(label) {
        return None;
    }
    let inner = rest[label.len()..].trim_start().strip_prefix('<')?;
    inner.split_once('>').map(|(address, _)| address.to_owned())
}
