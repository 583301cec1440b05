//! The commands' way to the running daemon: one plain HTTP request over a
//! local socket. No TLS and no proxy, since both ends are on one machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Whereabouts;
use crate::door::ANSWER_TIMEOUT;
use crate::reports::Page;
use crate::secret::Secret;
use crate::store;

/// A little longer than the daemon takes at most, so that its own words arrive.
const TIMEOUT: Duration = ANSWER_TIMEOUT.saturating_add(Duration::from_secs(5));

/// A list of all members of a large house is below 10 MiB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which listener is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    Public,
    Admin,
}

/// Why there is no page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody is there.
    NotRunning,
    /// Usher is there and says no, or something is in the way: a sentence.
    Refused(String),
}

/// A status and a body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Where the daemon says it listens, else where it was told to.
pub(super) fn address(at: &Whereabouts, listener: Listener) -> SocketAddr {
    // Unreadable is as good as absent: the configured address may still work.
    let listening = store::read_listening(&at.state_dir).ok().flatten();
    let address = match (listener, listening) {
        (Listener::Public, Some(listening)) => listening.public,
        (Listener::Public, None) => at.listen,
        (Listener::Admin, Some(listening)) => listening.admin,
        (Listener::Admin, None) => at.admin_listen,
    };
    // "All addresses" is where it listens, not where one can call.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks the admin listener: GET without a body, POST with one.
pub(super) async fn page(at: &Whereabouts, target: &str, body: Option<&str>) -> Result<Page, Trouble> {
    let address = address(at, Listener::Admin);
    let Some(token) = token(at, body.is_some())? else { return Err(Trouble::NotRunning) };
    let answer = call(address, target, Some(&token), body).await?;
    if answer.status == 200 {
        return serde_json::from_slice(&answer.body)
            .map_err(|_| Trouble::Refused(format!("what answers at {address} is not Usher")));
    }
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let sentence = told.pointer("/error/message").and_then(Value::as_str);
    Err(Trouble::Refused(match (answer.status, sentence) {
        (401, _) => format!("the daemon at {address} doesn't know this token; is STATE_DIR the one it uses?"),
        (_, Some(sentence)) => sentence.to_owned(),
        (status, None) => format!("what answers at {address} is not Usher (status {status})"),
    }))
}

/// From the environment, else from the state folder; `None` before the first
/// start.
fn token(at: &Whereabouts, changes: bool) -> Result<Option<Secret>, Trouble> {
    let given = if changes { None } else { at.api_token_read.as_ref() };
    if let Some(given) = given.or(at.api_token.as_ref()) {
        return Ok(Some(given.clone()));
    }
    let kept = store::existing_tokens(&at.state_dir).map_err(|error| Trouble::Refused(error.to_string()))?;
    Ok(kept.map(|tokens| if changes { tokens.admin } else { tokens.read }))
}

/// One request, one answer.
pub(super) async fn call(
    address: SocketAddr,
    target: &str,
    token: Option<&Secret>,
    body: Option<&str>,
) -> Result<Answer, Trouble> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let authorization = token.map(|token| format!("authorization: Bearer {}\r\n", token.expose())).unwrap_or_default();
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{authorization}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let round = async {
        let Ok(mut stream) = TcpStream::connect(address).await else { return Err(Trouble::NotRunning) };
        let broken = |error: std::io::Error| Trouble::Refused(format!("the daemon at {address} hung up: {error}"));
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await.map_err(broken)?;
        parse(&answer).ok_or_else(|| Trouble::Refused(format!("what answers at {address} is not Usher")))
    };
    let late = || Trouble::Refused(format!("the daemon at {address} does not answer"));
    tokio::time::timeout(TIMEOUT, round).await.unwrap_or_else(|_| Err(late()))
}

/// Our own server sends whole bodies with their length, then closes.
fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end + 4)?;
    let head = std::str::from_utf8(head).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let whole = length.is_none_or(|(_, bytes)| bytes.trim().parse() == Ok(body.len()));
    whole.then(|| Answer { status, body: body.to_vec() })
}

/// Letters and digits stand for themselves, all else is encoded.
pub(super) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let whole = parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!((whole.status, whole.body.as_slice()), (404, &b"hi"[..]));
        for torn in ["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", "HTTP/1.1 200", "SSH-2.0-x\r\n\r\n", ""] {
            assert!(parse(torn.as_bytes()).is_none(), "{torn}");
        }
    }

    #[test]
    fn a_name_survives_the_query() {
        let who = "Zoë +x@b.example&y=%";
        let query = format!("who={}", percent_encoded(who));
        assert!(query.is_ascii() && !query.contains('&'));
        assert_eq!(crate::door::query_value(Some(&query), "who").as_deref(), Some(who));
    }
}
