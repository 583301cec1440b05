//! Commands against a door over a real socket.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use tokio::net::TcpListener;

use super::change::accept;
use super::client::{self, Trouble};
use super::*;
use crate::door::tests::{House, house};
use crate::door::{Limits, serve};
use crate::engine::desk::{Accept, Ask, Stay};
use crate::store::{Listening, write_listening};

/// A state folder of its own, and what the environment says of it.
fn whereabouts(name: &str) -> (PathBuf, Whereabouts) {
    let dir = std::env::temp_dir().join(format!("usher-commands-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let vars = [("STATE_DIR", dir.to_str().unwrap()), ("LISTEN", "127.0.0.1:1"), ("ADMIN_LISTEN", "127.0.0.1:2")];
    // What else is wrong in the environment doesn't concern a command.
    let broken = [("WARN_DAYS", "x"), ("PLEX_TOKEN", "")];
    let vars = vars.into_iter().chain(broken).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let at = Whereabouts::from_env(vars).unwrap();
    (dir, at)
}

async fn a_running_daemon(dir: &std::path::Path, House { public, admin, .. }: House) {
    let (one, other) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let listening = Listening { public: one.local_addr().unwrap(), admin: other.local_addr().unwrap() };
    write_listening(dir, &listening).unwrap();
    let admin = move |asked| {
        let admin = admin.clone();
        async move { admin.answer(asked).await }
    };
    let public = move |asked| {
        let public = public.clone();
        async move { public.answer(&asked).await }
    };
    tokio::spawn(serve(one, public, Limits::default(), std::future::pending()));
    tokio::spawn(serve(other, admin, Limits::default(), std::future::pending()));
}

#[tokio::test]
async fn a_command_finds_the_daemon_and_its_token_in_the_state_folder() {
    let (dir, at) = whereabouts("found");
    fs::write(dir.join("API_TOKEN"), "change-token-0123456789\n").unwrap();
    fs::write(dir.join("API_TOKEN_READ"), "read-token-0123456789\n").unwrap();
    a_running_daemon(&dir, house(true, &[])).await;
    let page = client::page(&at, "/api/members", None).await.unwrap();
    assert_eq!(page.text, "Members");
    let page = client::page(&at, &format!("/api/why?who={}", client::percent_encoded("Zoë & x")), None).await.unwrap();
    assert_eq!(page.text, "Why { who: \"Zoë & x\" }");
    let told = client::page(&at, "/api/why?who=nobody%40b.example", None).await;
    assert_eq!(told, Err(Trouble::Refused("nobody is called so".into())));
    let told = client::page(&at, "/api/ask", Some("{}")).await;
    assert!(matches!(told, Err(Trouble::Refused(why)) if why.starts_with("this is not an ask")));
    assert_eq!(health::health(&at).await, ExitCode::SUCCESS);
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_wrong_token_is_said_to_be_one() {
    let (dir, at) = whereabouts("wrong");
    fs::write(dir.join("API_TOKEN"), "another-token-0123456789\n").unwrap();
    fs::write(dir.join("API_TOKEN_READ"), "another-token-0123456789x\n").unwrap();
    a_running_daemon(&dir, house(false, &[])).await;
    let told = client::page(&at, "/api/members", None).await;
    assert!(matches!(told, Err(Trouble::Refused(why)) if why.contains("doesn't know this token")));
    assert_eq!(health::health(&at).await, ExitCode::from(REFUSED), "unhealthy");
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn without_a_daemon_changing_commands_refuse_and_health_is_bad() {
    let (dir, at) = whereabouts("gone");
    let ask = Ask::Approve { ids: vec!["all".into()] }.into();
    assert_eq!(ask::ask(&at, &ask).await, ExitCode::from(UNREACHABLE));
    assert_eq!(
        look::look(&at, &Question::Holds, look::Form::People, crate::facts::Moment::UNIX_EPOCH).await,
        ExitCode::from(UNREACHABLE)
    );
    assert_eq!(health::health(&at).await, ExitCode::from(REFUSED));
    fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_stranger_on_the_port_of_a_dead_daemon_does_not_pass_for_a_healthy_one() {
    let (dir, at) = whereabouts("stranger");
    for page in ["fine", "{\"healthy\":true}"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        write_listening(&dir, &Listening { public: here, admin: here }).unwrap();
        let stranger = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        assert_eq!(health::health(&at).await, ExitCode::from(REFUSED), "{page}");
        stranger.await.unwrap();
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_command_line_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn accept_knows_its_words() {
    assert_eq!(accept("Clock"), Ok(Accept::Clock));
    assert!(accept("everything").unwrap_err().contains("tautulli"));
    assert!(Args::try_parse_from(["usher", "approve"]).is_err(), "approve needs an id");
    assert!(Args::try_parse_from(["usher"]).is_ok_and(|args| args.command.is_none()));
}

#[test]
fn what_an_operator_types_is_what_is_asked() {
    let asked = |line: &str| match Args::try_parse_from(format!("usher {line}").split(' ')) {
        Ok(Args { command: Some(Command::Change(change)) }) => Some(crate::engine::desk::Wish::from(change)),
        _ => None,
    };
    let of = |who: &str| who.to_owned();
    let typed = [
        ("restore ann", Ask::Restore { who: of("ann") }, false),
        (
            "revoke ann --cancel period-end --dry-run",
            Ask::Revoke { who: of("ann"), cancel: Some(crate::facts::CancelWhen::PeriodEnd) },
            true,
        ),
        ("grandfather --everyone", Ask::GrandfatherEveryone, false),
        ("grandfather m-1", Ask::Grandfather { who: of("m-1") }, false),
        (
            "invite a@b.example --tier Basic --days 30",
            Ask::Invite { who: of("a@b.example"), tier: of("Basic"), days: Some(Stay::Days(30)) },
            false,
        ),
        (
            "invite ann --tier Basic --days never",
            Ask::Invite { who: of("ann"), tier: of("Basic"), days: Some(Stay::FOR_GOOD) },
            false,
        ),
        ("extend ann 14", Ask::Extend { who: of("ann"), days: 14 }, false),
        ("link ann --stripe sub_1", Ask::Link { who: of("ann"), plex: None, stripe: Some(of("sub_1")) }, false),
        ("unlink ann", Ask::Unlink { who: of("ann"), stripe: None }, false),
    ];
    for (line, ask, dry_run) in typed {
        let wish = asked(line).unwrap_or_else(|| panic!("not understood: {line}"));
        assert_eq!((wish.ask.clone(), wish.dry_run), (ask, dry_run), "{line}");
        // The door reads it back as it was said.
        let body = serde_json::to_string(&wish).unwrap();
        assert_eq!(serde_json::from_str::<crate::engine::desk::Wish>(&body).unwrap(), wish, "{body}");
    }
    let nonsense = [
        "grandfather",
        "grandfather ann --everyone",
        "revoke ann --cancel soon",
        "extend ann 0",
        "invite ann",
        "invite ann --tier Basic --days 0",
        "invite ann --tier Basic --days always",
        "pause ann --until tomorrow --note x",
        "pause ann --until 2026-12-31",
        "link ann",
        "plan --days 400",
    ];
    for line in nonsense {
        assert!(Args::try_parse_from(format!("usher {line}").split(' ')).is_err(), "{line}");
    }
}
