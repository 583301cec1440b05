//! A received letter and its decoding.
//!
//! What it promises: the bytes as they came (dots undoubled) and their parts
//! decoded: encoded words, quoted-printable, base64, two levels of multipart.
//! What it never does: forgive. What a strict receiver would refuse is told by
//! [`faults_of_form`], and the stand-in notes it as a violation.

use usher::facts::Moment;

/// A message that reached the final dot.
#[derive(Debug, Clone)]
pub struct Received {
    /// When the final dot arrived.
    pub at: Moment,
    /// `MAIL FROM`, without angle brackets.
    pub from: String,
    /// Every `RCPT TO` that was answered with 250.
    pub to: Vec<String>,
    /// The whole message as sent, dots undoubled, lines ending CRLF.
    pub data: String,
    /// The `Message-ID` with its angle brackets; empty when there is none.
    pub message_id: String,
    /// The subject, decoded.
    pub subject: String,
    /// Which connection carried it, counted from 1.
    pub connection: u64,
    /// How the client named itself in the last EHLO.
    pub ehlo: String,
    /// Came over TLS.
    pub tls: bool,
    /// Who was logged in.
    pub user: Option<String>,
    /// The message was kept, but the client never heard so.
    pub answer_lost: bool,
}

impl Received {
    /// A header's value, unfolded but not decoded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        find(&headers(split(&self.data).0), name)
    }

    /// The plain text part, decoded; empty when there is none.
    #[must_use]
    pub fn text(&self) -> String {
        part(&self.data, "text/plain").unwrap_or_default()
    }

    /// The HTML part, decoded; empty when there is none.
    #[must_use]
    pub fn html(&self) -> String {
        part(&self.data, "text/html").unwrap_or_default()
    }
}

/// What a strict receiver would object to in the message as sent.
#[must_use]
pub fn faults_of_form(data: &str) -> Vec<String> {
    let mut found = Vec::new();
    let all = headers(split(data).0);
    for name in ["From", "To", "Subject", "Date", "Message-ID"] {
        let count = all.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count();
        if count != 1 {
            found.push(format!("{count} headers {name}, must be exactly one"));
        }
    }
    if !split(data).0.is_ascii() {
        found.push("a header holds unencoded non-ASCII".to_owned());
    }
    // RFC 5322 2.1.1: 998 characters without the CRLF.
    if data.split("\r\n").any(|line| line.len() > 998) {
        found.push("a line longer than 998 bytes".to_owned());
    }
    found
}

/// Headers and body; a message without an empty line is all headers.
fn split(message: &str) -> (&str, &str) {
    if let Some(body) = message.strip_prefix("\r\n") {
        return ("", body);
    }
    message.split_once("\r\n\r\n").unwrap_or((message, ""))
}

fn headers(head: &str) -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = list.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            list.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    list
}

fn find(list: &[(String, String)], name: &str) -> Option<String> {
    list.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// The first part of that type, decoded, searched through multiparts.
#[must_use]
pub fn part(entity: &str, wanted: &str) -> Option<String> {
    let (head, body) = split(entity);
    let list = headers(head);
    let kind = find(&list, "Content-Type").unwrap_or_else(|| "text/plain".to_owned());
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media.starts_with("multipart/") {
        let mark = format!("--{}", parameter(&kind, "boundary")?);
        return sections(body, &mark).iter().find_map(|section| part(section, wanted));
    }
    if media != wanted {
        return None;
    }
    let coding = find(&list, "Content-Transfer-Encoding").unwrap_or_default();
    let bytes = match coding.to_ascii_lowercase().as_str() {
        "base64" => base64(body),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

fn sections(body: &str, mark: &str) -> Vec<String> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    for line in body.split("\r\n") {
        let line_end = line.trim_end();
        if line_end.strip_prefix(mark) == Some("--") {
            break;
        } else if line_end == mark {
            found.push(Vec::new());
        } else if let Some(lines) = found.last_mut() {
            lines.push(line);
        }
    }
    found.iter().map(|lines| lines.join("\r\n")).collect()
}

fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|piece| {
        let (key, text) = piece.split_once('=')?;
        (key.trim().eq_ignore_ascii_case(name)).then(|| text.trim().trim_matches('"').to_owned())
    })
}

/// Encoded words (RFC 2047) decoded; the space between two of them goes.
#[must_use]
pub fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut after_word = false;
    for token in value.split(' ').filter(|t| !t.is_empty()) {
        let word = decode_word(token);
        let joins = after_word && word.is_some();
        if !out.is_empty() && !joins {
            out.push(' ');
        }
        after_word = word.is_some();
        out.push_str(&word.unwrap_or_else(|| token.to_owned()));
    }
    out
}

fn decode_word(token: &str) -> Option<String> {
    let inner = token.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut pieces = inner.splitn(3, '?');
    let (_charset, coding, text) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let bytes = match coding {
        "B" | "b" => base64(text),
        "Q" | "q" => quoted_printable(&text.replace('_', " ")),
        _ => return None,
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Base64 decoded leniently: everything outside the alphabet is skipped.
#[must_use]
pub fn base64(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

/// Quoted-printable text (RFC 2045) decoded.
#[must_use]
pub fn quoted_printable(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'=' {
            out.push(byte);
        } else if let Some(after) = tail.strip_prefix(b"\r\n") {
            rest = after;
        } else if let Some(value) = tail.get(..2).and_then(hex) {
            out.push(value);
            rest = &tail[2..];
        } else {
            out.push(byte);
        }
    }
    out
}

fn hex(pair: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}
