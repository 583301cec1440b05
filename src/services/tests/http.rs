use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::services::tls;

/// Answers one connection with `answer`, whatever was asked.
async fn says(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = socket.read(&mut buffer).await;
        let _ = socket.write_all(answer.as_bytes()).await;
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
    });
    base
}

fn http() -> Http {
    let now: Moment = "2026-11-21T10:00:00Z".parse().unwrap();
    Http::new(&tls::client_config(None).unwrap(), Clock::from_fn(move || now), None).unwrap()
}

fn get(base: &str) -> Call {
    Call::new("Stripe", Method::GET, base, "/v1/x").query("apikey", "SECRET").header("authorization", "Bearer SECRET")
}

#[tokio::test]
async fn an_answer_brings_its_clock_and_its_pause() {
    let base = says(
        "HTTP/1.1 429 Slow\r\nDate: Sat, 21 Nov 2026 10:00:07 GMT\r\nRetry-After: 30\r\nRequest-Id: req_1\r\n\
         Content-Type: Text/HTML; charset=x\r\nContent-Length: 2\r\n\r\nno",
    )
    .await;
    let reply = http().send(get(&base)).await.unwrap();
    assert_eq!((reply.status, reply.skew_secs, reply.request_id.as_deref()), (429, Some(7), Some("req_1")));
    assert!(reply.is_html());
    let failure = reply.accept().unwrap_err();
    assert_eq!((failure.kind, failure.certainty), (FailureKind::RateLimited, Certainty::NotDone));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(30)));
    assert_eq!(failure.why, "Stripe GET /v1/x answered 429");
}

#[tokio::test(start_paused = true)]
async fn never_connected_is_not_done_and_unanswered_is_unknown() {
    let failure = http().send(get("http://127.0.0.1:1")).await.err().unwrap();
    assert_eq!((failure.kind, failure.certainty), (FailureKind::Unreachable, Certainty::NotDone));
    assert!(failure.why.contains("refused") && !failure.why.contains("SECRET"), "{}", failure.why);

    for answer in
        ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]
    {
        let failure = http().call(get(&says(answer).await)).await.err().unwrap();
        assert_eq!((failure.kind, failure.certainty), (FailureKind::Unreachable, Certainty::Unknown), "{answer}");
        assert!(!failure.why.contains("SECRET"), "{}", failure.why);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let base = says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(http().call(get(&base)).await.err().unwrap().status, Some(302));
}

#[test]
fn only_public_hosts_go_through_a_proxy() {
    for (url, public) in [
        ("https://plex.tv/", true),
        ("https://8.8.8.8/", true),
        ("http://192.168.1.2:8181/", false),
        ("http://127.0.0.1/", false),
        ("http://[::1]/", false),
        ("http://tautulli:8181/", false),
        ("http://localhost/", false),
    ] {
        assert_eq!(is_public(&Url::parse(url).unwrap()), public, "{url}");
    }
}

#[test]
fn texts_are_encoded() {
    assert_eq!(form([("a[b]", "c d"), ("e", "ann+x@example.com")]), "a%5Bb%5D=c+d&e=ann%2Bx%40example.com");
    assert_eq!(segment("ann/x?@example.com"), "ann%2Fx%3F@example.com");
    assert_eq!(retry_after("1.5", Moment::default()), Some(Duration::from_millis(1500)));
    assert_eq!(retry_after("Thu, 01 Jan 1970 00:01:00 GMT", Moment::default()), Some(Duration::from_secs(60)));
}
