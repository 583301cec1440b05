use chrono::{TimeZone, Utc};

use super::*;

fn mailbox(name: &str) -> Mailbox {
    Mailbox { name: Some(name.to_owned()), address: Email::parse("plex@example.com").unwrap() }
}

fn first() -> FirstSending {
    let date = Utc.with_ymd_and_hms(2026, 11, 21, 8, 0, 0).unwrap();
    FirstSending { message_id: "7f9c0e1a.warn-m42@example.com".to_owned(), date }
}

fn mail(subject: &str) -> Mail {
    Mail { subject: subject.to_owned(), text: "Grüße\n.\n".to_owned(), html: "<p>Grüße</p>".to_owned() }
}

fn bytes(name: &str, subject: &str) -> Result<Vec<u8>, String> {
    let to = message::address(&Email::parse("ann@example.com").unwrap()).unwrap();
    message::build(&mailbox(name), Some(&mailbox("Help")), &to, &mail(subject), &first())
}

#[test]
fn a_repeat_is_the_same_letter_byte_for_byte() {
    let once = bytes("Attic Cinema", "Your access …").unwrap();
    assert_eq!(once, bytes("Attic Cinema", "Your access …").unwrap());
    let text = String::from_utf8(once).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap();
    for line in [
        "Date: Sat, 21 Nov 2026 08:00:00 +0000",
        "Message-ID: <7f9c0e1a.warn-m42@example.com>",
        "From: \"Attic Cinema\" <plex@example.com>",
        "To: ann@example.com",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ] {
        assert_eq!(head.matches(line).count(), 1, "{line} in\n{head}");
    }
    assert!(text.is_ascii() && head.contains("multipart/alternative"), "{head}");
    assert!(text.find("text/plain").unwrap() < text.find("text/html").unwrap());
    assert!(text.lines().all(|line| line.len() < 998));
}

#[test]
fn no_name_and_no_subject_makes_a_header_of_its_own() {
    let whole = String::from_utf8(bytes("Attic\r\nBcc: x@example.com", "Hello").unwrap()).unwrap();
    assert!(!whole.lines().any(|line| line.starts_with("Bcc")), "{whole}");
    for subject in ["Hi\r\nBcc: x@example.com", "Hi\nthere", "nul\0"] {
        assert!(bytes("Attic", subject).is_err());
    }
    let to = message::address(&Email::parse("ann@example.com").unwrap()).unwrap();
    let hostile = FirstSending { message_id: "a@b>\r\nBcc: <x@example.com".to_owned(), ..first() };
    assert!(message::build(&mailbox("A"), None, &to, &mail("Hi"), &hostile).is_err());
}

#[test]
fn a_domain_in_another_script_is_written_in_ascii() {
    let address = message::address(&Email::parse("ann@bücher.example").unwrap()).unwrap();
    assert_eq!(address.to_string(), "ann@xn--bcher-kva.example");
}

#[test]
fn a_password_never_goes_in_clear() {
    let settings = Settings {
        host: "mail.example.com".to_owned(),
        port: 25,
        tls: Tls::None,
        username: Some("plex".to_owned()),
        password: Some(Secret::new("hunter2")),
        from: mailbox("Attic"),
        reply_to: None,
        hello: "cinema.example.com".to_owned(),
    };
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(Smtp::new(settings.clone(), None).unwrap_err().contains("SMTP_TLS=none"));
    assert!(Smtp::new(Settings { tls: Tls::StartTls, ..settings.clone() }, None).is_ok());
    let half = Settings { password: None, ..settings };
    assert!(Smtp::new(half, None).unwrap_err().contains("go together"));
}
