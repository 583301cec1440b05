//! A service that answers by a script, for this module's own tests.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::services::{http::Http, tls};
use crate::{
    clock::Clock,
    config::{Config, Live},
};

/// Status, content type, body.
pub type Answer = (u16, &'static str, String);

/// What was asked: `GET /path?query`, in order, and each body.
pub type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// Serves `answer(method and target, body)`; gives the base URL and what was asked.
pub async fn serve(answer: impl Fn(&str, &str) -> Answer + 'static + Send + Clone) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, answer.clone(), Arc::clone(&log)));
        }
    });
    (base, asked)
}

async fn connection(mut socket: TcpStream, answer: impl Fn(&str, &str) -> Answer, log: Asked) {
    socket.set_nodelay(true).unwrap();
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length =
            |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap());
        let length: usize = head.lines().find_map(length).unwrap_or(0);
        while read.len() < end + 4 + length {
            socket.read_buf(&mut read).await.unwrap();
        }
        let body = String::from_utf8_lossy(&read[end + 4..end + 4 + length]).into_owned();
        read.drain(..end + 4 + length);
        let asked = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let (status, kind, text) = answer(&asked, &body);
        log.lock().unwrap().push((asked, body));
        let head = format!(
            "HTTP/1.1 {status} X\r\nDate: Sat, 21 Nov 2026 10:00:07 GMT\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        socket.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
    }
}

/// A client whose clock stands at 10:00:00, seven seconds behind the script's.
pub fn http() -> Http {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    Http::new(&tls::client_config(None).unwrap(), Clock::from_fn(move || now), None).unwrap()
}

/// Just `GET /path`, without queries.
pub fn lines(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().iter().map(|(line, _)| line.split('?').next().unwrap().to_owned()).collect()
}

/// The right to change things: the scripts are the whole outside here.
pub fn live() -> Live {
    let vars = [
        ("PLEX_TOKEN", "t"),
        ("DRY_RUN", "false"),
        ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyz"),
        ("STATE_DIR", "/tmp"),
        ("DEFAULT_LIBRARIES", "Movies"),
    ];
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_env(vars).unwrap().live().unwrap()
}
