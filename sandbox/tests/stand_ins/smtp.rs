use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use sandbox::{smtp::*, tls};
use usher::clock::Clock;

const LETTER: &str = "From: a@example.com\r\nTo: ann@example.com\r\nSubject: =?UTF-8?Q?Zo=C3=AB?=\r\n\
    Date: Sat, 21 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n..dot\r\n.\r\n";

fn clock() -> Clock {
    let moment = usher::facts::Moment::from_timestamp(1_790_000_000, 0).unwrap();
    Clock::from_fn(move || moment)
}

/// Sends `line` and gives the whole (multi-line) reply; empty at the end.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, line: &str) -> String {
    stream.write_all(line.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut text = String::new();
    let mut bytes = [0u8; 512];
    loop {
        let last = text.trim_end().rsplit("\r\n").next().unwrap_or_default();
        if text.ends_with("\r\n") && last.as_bytes().get(3) == Some(&b' ') {
            return text;
        }
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&bytes[..count])),
        }
    }
}

async fn connect(smtp: &Smtp) -> TcpStream {
    let socket = TcpStream::connect(smtp.addr()).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// A TLS session of an EHLO'd client.
async fn secured(smtp: &Smtp) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut plain = connect(smtp).await;
    assert!(talk(&mut plain, "").await.starts_with("220 "));
    let offer = talk(&mut plain, "EHLO me.example.com\r\n").await;
    assert!(offer.contains("250-STARTTLS\r\n") && !offer.contains("AUTH"), "{offer}");
    assert!(talk(&mut plain, "STARTTLS\r\n").await.starts_with("220 "));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(tls::client_config());
    let mut stream = connector.connect(name, plain).await.unwrap();
    assert!(talk(&mut stream, "EHLO me.example.com\r\n").await.contains("AUTH PLAIN LOGIN"));
    stream
}

async fn post<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> String {
    for (line, code) in
        [("MAIL FROM:<bounce@example.com>\r\n", "250"), ("RCPT TO:<ann@example.com>\r\n", "250"), ("DATA\r\n", "354")]
    {
        let reply = talk(stream, line).await;
        if !reply.starts_with(code) {
            return reply;
        }
    }
    talk(stream, LETTER).await
}

#[tokio::test(start_paused = true)]
async fn a_letter_goes_through_starttls_and_auth() {
    let smtp = Smtp::start(clock(), Mode::StartTls).await;
    smtp.require_login("ann", "pw");
    let mut stream = secured(&smtp).await;
    assert!(talk(&mut stream, "MAIL FROM:<a@example.com>\r\n").await.starts_with("530"));
    assert!(talk(&mut stream, "AUTH PLAIN AGFubgB3cm9uZw==\r\n").await.starts_with("535"));
    // "\0ann\0pw"
    assert!(talk(&mut stream, "AUTH PLAIN AGFubgBwdw==\r\n").await.starts_with("235"));
    assert!(post(&mut stream).await.starts_with("250 "));
    assert!(talk(&mut stream, "QUIT\r\n").await.starts_with("221"));
    let [letter] = &smtp.received()[..] else { panic!("one letter") };
    assert_eq!(letter.to, ["ann@example.com"]);
    assert_eq!((letter.subject.as_str(), letter.message_id.as_str()), ("Zoë", "<1@example.com>"));
    assert_eq!(letter.text(), "hello\n.dot\n");
    assert!(letter.tls && letter.user.as_deref() == Some("ann") && !letter.answer_lost);
    assert_eq!(smtp.violations(), Vec::<String>::new());
    assert_eq!(smtp.logins(), 2);
}

#[tokio::test(start_paused = true)]
async fn faults_bite_where_they_should() {
    let smtp = Smtp::start(clock(), Mode::Plain).await;
    let cases = [
        (Fault::Greylist, "450 "),
        (Fault::Quota, "550 5.4.5"),
        (Fault::UnknownRecipient("ANN@example.com".into()), "550 5.1.1"),
        (Fault::DropBeforeData, ""),
        (Fault::DropInData, ""),
        (Fault::DropAfterDot, ""),
        (Fault::PolicyRefused, "550 5.7.26"),
        (Fault::SplitReplies, "250 "),
    ];
    for (fault, expected) in cases {
        smtp.forget_received();
        smtp.fault(fault.clone(), Stay::Next(1));
        let mut stream = connect(&smtp).await;
        talk(&mut stream, "").await;
        talk(&mut stream, "EHLO me.example.com\r\n").await;
        let reply = post(&mut stream).await;
        let fits = if expected.is_empty() { reply.is_empty() } else { reply.starts_with(expected) };
        assert!(fits, "{fault:?}: {reply:?}");
        let kept = smtp.received().iter().map(|letter| letter.answer_lost).collect::<Vec<_>>();
        match fault {
            Fault::DropAfterDot => assert_eq!(kept, [true]),
            Fault::SplitReplies => assert_eq!(kept, [false]),
            _ => assert!(kept.is_empty(), "{fault:?}"),
        }
    }
    assert_eq!(smtp.bitten().len(), 8);
    assert_eq!(smtp.violations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn greetings_fail_late_or_never_come() {
    let smtp = Smtp::start(clock(), Mode::StartTls).await;
    smtp.fault(Fault::GreetingBusy, Stay::Next(1));
    assert!(talk(&mut connect(&smtp).await, "").await.starts_with("421"));
    smtp.fault(Fault::Down, Stay::Next(1));
    assert_eq!(talk(&mut connect(&smtp).await, "").await, "");
    smtp.fault(Fault::SlowGreeting(Duration::from_secs(200)), Stay::Next(1));
    assert!(talk(&mut connect(&smtp).await, "").await.starts_with("220"));
    smtp.fault(Fault::Hang, Stay::Next(1));
    let mut silent = connect(&smtp).await;
    let waited = tokio::time::timeout(Duration::from_secs(600), talk(&mut silent, "")).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn bad_manners_are_noted() {
    let smtp = Smtp::start(clock(), Mode::StartTls).await;
    smtp.fault(Fault::StartTlsMissing, Stay::Next(1));
    let mut plain = connect(&smtp).await;
    talk(&mut plain, "").await;
    assert!(!talk(&mut plain, "EHLO me\r\n").await.contains("STARTTLS"));
    assert!(talk(&mut plain, "AUTH PLAIN AGFubgBwdw==\r\n").await.starts_with("538"));
    assert!(talk(&mut plain, "NOOP\n").await.starts_with("250"));
    assert!(talk(&mut plain, "STARTTLS\r\n").await.starts_with("502"));
    assert_eq!(smtp.violations().len(), 3, "{:?}", smtp.violations());

    // Pipelined after STARTTLS: noted, and thrown away rather than obeyed.
    let mut plain = connect(&smtp).await;
    talk(&mut plain, "").await;
    talk(&mut plain, "EHLO me\r\n").await;
    assert!(talk(&mut plain, "STARTTLS\r\nRSET\r\n").await.starts_with("220"));
    assert!(smtp.violations().iter().any(|v| v.contains("sent more after STARTTLS")));
}

#[tokio::test(start_paused = true)]
async fn a_strange_certificate_is_not_believed() {
    let smtp = Smtp::start(clock(), Mode::Implicit).await;
    let connector = TlsConnector::from(Arc::clone(&tls::client_config()));
    let name = || ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = connector.connect(name(), connect(&smtp).await).await.unwrap();
    assert!(talk(&mut stream, "").await.starts_with("220"));
    smtp.fault(Fault::StrangeCertificate, Stay::Next(1));
    assert!(connector.connect(name(), connect(&smtp).await).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_with_421() {
    let smtp = Smtp::start(clock(), Mode::StartTls).await;
    let mut stream = secured(&smtp).await;
    assert!(talk(&mut stream, "").await.starts_with("421"));
}
