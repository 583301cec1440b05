use super::*;
use crate::{
    facts::ShareId,
    secret::Secret,
    services::script::{Answer, Asked, http, lines, serve},
};

const JSON: &str = "application/json";
const XML: &str = "application/xml; charset=utf-8";

fn row(id: u64, account: u64, accepted: bool) -> String {
    format!(
        r#"{{"id":{id},"machineIdentifier":"aaaa","accepted":{accepted},"invitedId":{account},"allLibraries":false,
        "libraries":[{{"id":128000001,"key":1}}],"sharingSettings":{{"allowSync":false}}}}"#
    )
}

fn users() -> String {
    r#"<MediaContainer totalSize="2" size="2"><User id="2000001" home="0"><Server id="1" machineIdentifier="aaaa" owned="1" pending="0"/></User>
    <User id="2000002" home="1" restricted="1"><Server id="1" machineIdentifier="aaaa" owned="1" pending="0"/></User></MediaContainer>"#
        .to_owned()
}

/// A healthy plex.tv.
fn healthy(line: &str) -> Answer {
    let json = |text: &str| (200, JSON, text.to_owned());
    match line.split('?').next().unwrap() {
        "GET /api/v2/user" => json(r#"{"id":1000001,"email":"owner@example.com"}"#),
        "GET /api/v2/resources" => {
            json(r#"[{"name":"Attic","clientIdentifier":"aaaa","provides":"server","owned":true}]"#)
        }
        "GET /api/v2/servers/aaaa" => {
            json(r#"{"name":"Attic","librarySections":[{"id":128000001,"key":1,"title":"Movies","type":"movie"}]}"#)
        }
        "GET /api/v2/shared_servers/owned/accepted" => json(&format!("[{}]", row(1, 2000001, true))),
        // The first one has just been taken up: it is still in both.
        "GET /api/v2/shared_servers/owned/pending" => {
            json(&format!("[{},{}]", row(1, 2000001, false), row(2, 2000003, false)))
        }
        "GET /api/users" => (200, XML, users()),
        other => (404, "text/html", format!("<html>{other}</html>")),
    }
}

async fn plex(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> (Plex, Asked) {
    let (base, asked) = serve(move |line, _| answer(line)).await;
    (Plex::new(http(), Some(base), Secret::new("SECRET"), "client".to_owned()), asked)
}

#[tokio::test(start_paused = true)]
async fn everybody_in_the_room_in_six_calls() {
    let (plex, asked) = plex(healthy).await;
    let (friends, skew) = plex.friends(Some("attic"), Some(&ServerId::from("gone"))).await.unwrap();
    assert_eq!((friends.owner, friends.server.as_str(), skew), (PlexId(1000001), "aaaa", Some(7)));
    assert_eq!(friends.sections.len(), 1);
    let states: Vec<_> = friends.shares.iter().map(|share| (share.id, share.is_accepted())).collect();
    assert_eq!(states, [(ShareId(1), true), (ShareId(2), false)]);
    assert_eq!(friends.home, BTreeSet::from([PlexId(2000002)]));
    assert_eq!(lines(&asked).len(), 6);
}

/// Every single call that fails, or lies, fails the whole reading.
#[tokio::test(start_paused = true)]
async fn promise_02_half_a_reading_is_none() {
    let paths = [
        "/api/v2/user",
        "/api/v2/resources",
        "/api/v2/servers/aaaa",
        "/api/v2/shared_servers/owned/accepted",
        "/api/v2/shared_servers/owned/pending",
        "/api/users",
    ];
    let faults: [(u16, &'static str, &'static str, FailureKind); 7] = [
        (401, JSON, r#"{"errors":[{"code":1001,"status":401}]}"#, FailureKind::Unauthorized),
        (422, JSON, r#"{"errors":[{"code":1,"message":"Invalid token"}]}"#, FailureKind::Unauthorized),
        (429, "text/plain", "slow", FailureKind::RateLimited),
        (503, "text/html", "<html/>", FailureKind::Unreachable),
        (200, "text/html", "<html/>", FailureKind::Unreachable),
        (200, JSON, r#"{"cut"#, FailureKind::Nonsense),
        (200, JSON, "7", FailureKind::Nonsense),
    ];
    for path in paths {
        for (status, kind, body, expected) in faults {
            let wanted = format!("GET {path}");
            let faulty = move |line: &str| {
                if line.split('?').next() == Some(wanted.as_str()) {
                    (status, kind, body.to_owned())
                } else {
                    healthy(line)
                }
            };
            let (plex, _) = plex(faulty).await;
            let failure = plex.friends(None, None).await.unwrap_err();
            assert_eq!(failure.kind, expected, "{path} {status} {body}: {}", failure.why);
            assert!(!failure.why.contains("SECRET") && failure.why.contains(path), "{}", failure.why);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn short_and_empty_listings_are_refused() {
    let faults: [(&str, Answer); 4] = [
        ("GET /api/v2/servers/aaaa", (200, JSON, r#"{"name":"Attic","librarySections":[]}"#.to_owned())),
        ("GET /api/users", (200, XML, users().replace("totalSize=\"2\"", "totalSize=\"3\""))),
        ("GET /api/v2/shared_servers/owned/accepted", (200, JSON, "[]".to_owned())),
        ("GET /api/v2/shared_servers/owned/pending", (200, JSON, "{}".to_owned())),
    ];
    for (path, answer) in faults {
        let faulty = move |line: &str| {
            let replaced = line.split('?').next() == Some(path);
            let both = path.ends_with("accepted") && line.ends_with("pending");
            if replaced || both { answer.clone() } else { healthy(line) }
        };
        let (plex, _) = plex(faulty).await;
        let failure = plex.friends(None, None).await.unwrap_err();
        assert!(matches!(failure.kind, FailureKind::Partial | FailureKind::Nonsense), "{path}: {failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn v1_stands_in_where_v2_is_gone_and_only_there() {
    let legacy = |line: &str| {
        match line.split('?').next().unwrap() {
        path if path.contains("/api/v2/shared_servers") || path.contains("/api/v2/servers") => (410, JSON, String::new()),
        "GET /api/servers/aaaa" => (
            200,
            XML,
            r#"<MediaContainer><Server name="Attic"><Section id="128000001" key="1" title="Movies"/></Server></MediaContainer>"#.to_owned(),
        ),
        "GET /api/servers/aaaa/shared_servers" => (
            200,
            XML,
            r#"<MediaContainer size="1"><SharedServer id="9" userID="2000001" acceptedAt="1719800000" allowSync="0">
            <Section id="128000001" shared="1"/></SharedServer></MediaContainer>"#
                .to_owned(),
        ),
        "GET /api/invites/requested" => (
            200,
            XML,
            r#"<MediaContainer><Invite id="bob@example.com" server="1" email="bob@example.com"><Server name="Attic"/></Invite></MediaContainer>"#
                .to_owned(),
        ),
        _ => healthy(line),
    }
    };
    let (plex, _) = plex(legacy).await;
    let (friends, _) = plex.friends(None, None).await.unwrap();
    assert_eq!(friends.shares.len(), 2);
    assert!(friends.shares.iter().any(|share| share.id == ShareId(9) && share.is_accepted()));
    let listing = plex.listing(&ServerId::from("aaaa"), Lane::Act).await.unwrap();
    assert_eq!(listing.shares.len(), 2);
}

/// `/api/users` is of v1 and may be removed; nobody of the Home may then be
/// taken for a guest.
#[tokio::test(start_paused = true)]
async fn without_the_old_list_of_people_the_shares_must_tell_who_is_in_the_home() {
    for (home, status) in [(Some(false), 410), (Some(true), 404), (None, 410)] {
        let gone = move |line: &str| match line {
            "GET /api/users" => (status, "text/html", "<html/>".to_owned()),
            "GET /api/v2/shared_servers/owned/pending" => (200, JSON, "[]".to_owned()),
            "GET /api/v2/shared_servers/owned/accepted" => {
                let invited = home.map(|home| format!(r#""invited":{{"id":2000001,"home":{home}}},"id""#));
                let accepted = row(1, 2000001, true).replacen(r#""id""#, &invited.unwrap_or(r#""id""#.to_owned()), 1);
                (200, JSON, format!("[{accepted}]"))
            }
            _ => healthy(line),
        };
        let (plex, _) = plex(gone).await;
        let friends = plex.friends(None, None).await.map(|(friends, _)| friends.home.contains(&PlexId(2000001)));
        assert_eq!(friends.ok(), home, "{status}");
    }
}
