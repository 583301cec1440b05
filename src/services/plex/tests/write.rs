use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    facts::{SectionId, ShareState},
    secret::Secret,
    services::script::{Answer, Asked, http, lines, live, serve},
};

const XML: &str = "application/xml";

async fn plex(answer: impl Fn(&str, &str) -> Answer + Clone + Send + 'static) -> (Plex, Asked) {
    let (base, asked) = serve(answer).await;
    (Plex::new(http(), Some(base), Secret::new("SECRET"), "client".to_owned()), asked)
}

fn share() -> Share {
    Share {
        id: ShareId(5),
        account: Some(PlexId(2000001)),
        username: None,
        title: None,
        email: Email::parse("ann@example.com"),
        sections: BTreeSet::new(),
        all_libraries: false,
        downloads: Some(false),
        settings: Some(BTreeMap::from([("allowSync".to_owned(), json!(false)), ("filterAll".to_owned(), Value::Null)])),
        state: ShareState::Pending { invited_at: None },
        invited_at: None,
        home: false,
        restricted: false,
    }
}

fn movies() -> SectionSet {
    SectionSet::new(BTreeSet::from([SectionId(128000001)])).unwrap()
}

fn server() -> ServerId {
    ServerId::from("aaaa")
}

fn no_content() -> Answer {
    (204, "", String::new())
}

fn status(status: u16) -> Answer {
    (status, "application/json", r#"{"errors":[{"code":1002}]}"#.to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_invite_says_everything_and_asks_v2_first() {
    let answer =
        |_: &str, _: &str| (201, "application/json", r#"{"id":"7","invitedId":2000001,"accepted":true}"#.to_owned());
    let (plex, asked) = plex(answer).await;
    let to = InviteTo::Account(PlexId(2000001));
    let invited = plex.invite(&live(), &server(), &to, &movies(), true).await.unwrap();
    assert_eq!(invited, Invited { share: Some(ShareId(7)), account: Some(PlexId(2000001)) });
    let (line, body) = asked.lock().unwrap()[0].clone();
    assert_eq!(line, "POST /api/v2/shared_servers");
    let expected = json!({"machineIdentifier":"aaaa","invitedId":2000001,"librarySectionIds":[128000001],"skipFriendship":true,
        "settings":{"allowSync":true,"allowCameraUpload":false,"allowChannels":false,"allowSubtitleAdmin":false,"allowTuners":0,
        "filterMovies":"","filterTelevision":"","filterMusic":""}});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);

    let other = plex.invite(&live(), &server(), &InviteTo::Account(PlexId(9)), &movies(), true).await.unwrap_err();
    assert_eq!((other.kind, other.certainty), (FailureKind::Nonsense, Certainty::Unknown), "for another account");
}

#[tokio::test(start_paused = true)]
async fn a_refused_invite_is_not_a_missing_endpoint() {
    let to = InviteTo::Email(Email::parse("ann@example.com").unwrap());
    for (code, kind) in [(404, FailureKind::Refused), (422, FailureKind::Refused), (429, FailureKind::RateLimited)] {
        let (plex, asked) = plex(move |_, _| status(code)).await;
        let failure = plex.invite(&live(), &server(), &to, &movies(), false).await.unwrap_err();
        assert_eq!((failure.kind, failure.certainty), (kind, Certainty::NotDone), "{}", failure.why);
        assert!(!failure.why.contains("ann"), "{}", failure.why);
        assert_eq!(lines(&asked).len(), 1, "sent once, and only to v2");
    }
    for gone in [(410, ""), (405, ""), (404, "text/html")] {
        let answer = move |line: &str, _: &str| {
            let v1 = r#"<SharedServer id="8" userID="2000001"/>"#.to_owned();
            if line.contains("v2") { (gone.0, gone.1, String::new()) } else { (201, XML, v1) }
        };
        let (plex, asked) = plex(answer).await;
        let invited = plex.invite(&live(), &server(), &to, &movies(), false).await.unwrap();
        assert_eq!(invited.share, Some(ShareId(8)));
        let body: Value = serde_json::from_str(&asked.lock().unwrap()[1].1).unwrap();
        assert_eq!(body["shared_server"], json!({"library_section_ids":[128000001],"invited_email":"ann@example.com"}));
        assert_eq!(body["sharing_settings"]["allowSync"], "0");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_sends_every_other_setting_back_as_read() {
    let (plex, asked) = plex(|_, _| (200, "application/json", "{}".to_owned())).await;
    plex.update(&live(), &server(), &share(), &movies(), Some(true)).await.unwrap();
    let unreadable = Share { settings: None, ..share() };
    plex.update(&live(), &server(), &unreadable, &movies(), None).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].0, "POST /api/v2/shared_servers/5");
    let expected = json!({"librarySectionIds":[128000001],"settings":{"allowSync":true,"filterAll":null}});
    assert_eq!(serde_json::from_str::<Value>(&asked[0].1).unwrap(), expected);
    assert_eq!(asked[1].0, "PUT /api/servers/aaaa/shared_servers/5");
    assert!(!asked[1].1.contains("settings"), "{}", asked[1].1);
}

#[tokio::test(start_paused = true)]
async fn unsharing_goes_by_the_id_of_v1() {
    let answer = |line: &str, _: &str| match line {
        "GET /api/servers/aaaa/shared_servers" => (
            200,
            XML,
            r#"<MediaContainer size="1"><SharedServer id="77" userID="2000001"/></MediaContainer>"#.to_owned(),
        ),
        "DELETE /api/servers/aaaa/shared_servers/77" => no_content(),
        _ => status(500),
    };
    let (plex, asked) = plex(answer).await;
    plex.unshare(&live(), &server(), &share()).await.unwrap();
    assert_eq!(lines(&asked).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_is_yes_and_a_page_is_not() {
    for (body, taken) in [("", true), ("\n", true), ("<html>Please log in</html>", false)] {
        let answer = move |line: &str, _: &str| match line.starts_with("DELETE") {
            true => (200, "text/html; charset=utf-8", body.to_owned()),
            false => status(404),
        };
        let (plex, _) = plex(answer).await;
        assert_eq!(plex.unshare(&live(), &server(), &share()).await.is_ok(), taken, "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn unsharing_what_is_gone_is_done_and_an_outage_is_not() {
    let (plex, _) = plex(|_, _| status(404)).await;
    plex.unshare(&live(), &server(), &share()).await.unwrap();
    let outage = |line: &str, _: &str| if line.starts_with("GET") { status(404) } else { status(502) };
    let (plex, asked) = self::plex(outage).await;
    let failure = plex.unshare(&live(), &server(), &share()).await.unwrap_err();
    assert_eq!(failure.certainty, Certainty::Unknown);
    assert_eq!(lines(&asked), ["GET /api/servers/aaaa/shared_servers", "DELETE /api/servers/aaaa/shared_servers/5"]);
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_taken_back_the_way_plex_knows() {
    let answer = |line: &str, _: &str| match line {
        "GET /api/invites/requested" => {
            let xml = r#"<MediaContainer><Invite id="ann@example.com" friend="1" home="0" server="1" email="ann@example.com">
                <Server name="Attic"/></Invite></MediaContainer>"#;
            (200, XML, xml.to_owned())
        }
        "DELETE /api/invites/requested/ann@example.com?friend=1&home=0&server=1" => no_content(),
        line if line.contains("/api/servers/") => status(404),
        _ => status(500),
    };
    let (plex, asked) = plex(answer).await;
    plex.cancel_invite(&live(), &server(), &share()).await.unwrap();
    assert_eq!(lines(&asked).len(), 4);

    let (plex, asked) =
        self::plex(|line, _| if line.starts_with("DELETE /api/servers") { status(404) } else { status(410) }).await;
    plex.cancel_invite(&live(), &server(), &share()).await.unwrap();
    assert_eq!(lines(&asked).last().map(String::as_str), Some("DELETE /api/v2/shared_servers/5"));

    let (plex, _) = self::plex(|_, _| status(410)).await;
    assert_eq!(plex.cancel_invite(&live(), &server(), &share()).await.unwrap_err().kind, FailureKind::Gone);
}

#[test]
fn promise_08_an_id_that_is_somebody_else_s_is_never_deleted_by() {
    let row = |id: u64, user: u64| json!({"id":id.to_string(),"userID":user.to_string(),"email":format!("u{user}@example.com")});
    assert_eq!(id_v1(&[row(77, 2000001), row(5, 9)], &share()), Some(ShareId(77)));
    assert_eq!(id_v1(&[row(6, 9)], &share()), Some(ShareId(5)), "not listed: likely the same");
    assert_eq!(id_v1(&[row(5, 9)], &share()), None, "listed for somebody else");
    let invited = Share { account: None, email: Email::parse("u9@example.com"), ..share() };
    assert_eq!(id_v1(&[row(8, 9)], &invited), Some(ShareId(8)));
    let mut has_access = row(8, 9);
    has_access["acceptedAt"] = json!("1719800000");
    assert_eq!(id_v1(&[has_access.clone(), row(7, 9)], &invited), Some(ShareId(7)), "not who has access under it");
    assert_eq!(id_v1(&[has_access.clone()], &invited), Some(ShareId(5)));
    // Who has access by another row, and an invite that is taken back.
    let invited = Share { account: Some(PlexId(9)), ..share() };
    assert_eq!(id_v1(&[has_access.clone(), row(7, 9)], &invited), Some(ShareId(7)));
    assert_eq!(id_v1(&[has_access.clone()], &invited), Some(ShareId(5)), "not what they have access by");
    let stays = Share { state: ShareState::Accepted { accepted_at: None }, ..invited };
    assert_eq!(id_v1(&[row(7, 9), has_access], &stays), Some(ShareId(8)), "not their other invite");
}
