//! The stand-in spoken to as Usher does.

use chrono::TimeDelta;
use serde_json::{Value, json};
use usher::facts::{Moment, PlexId, SectionId};

use sandbox::{
    faults::{Fault, Matching},
    plex::{MACHINE, OWNER, Plex, TOKEN, Told},
    time::{moment, virtual_clock},
    wire::{Reply, call, url_encoded},
};

const ANN: PlexId = PlexId(2_000_001);
const BOB: PlexId = PlexId(2_000_002);

struct World {
    plex: Plex,
    movies: SectionId,
    shows: SectionId,
    start: Moment,
}

impl World {
    fn new() -> Self {
        let start = moment(1_790_000_000);
        let plex = Plex::start(virtual_clock(start).0);
        let movies = plex.add_section("Movies", "movie");
        let shows = plex.add_section("TV", "show");
        plex.add_account(ANN, "ann", "ann@example.com");
        plex.add_account(BOB, "bob", "bob@example.com");
        Self { plex, movies, shows, start }
    }

    async fn raw(&self, method: &str, path: &str, token: &str, body: &str) -> Reply {
        let headers = [
            ("X-Plex-Token", token),
            ("X-Plex-Client-Identifier", "one"),
            ("X-Plex-Product", "test"),
            ("X-Plex-Version", "1"),
            ("Accept", "application/json"),
        ];
        call(method, &format!("{}{path}", self.plex.url()), &headers, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.raw("GET", path, TOKEN, "").await.json()
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        self.raw(method, path, TOKEN, &body.to_string()).await
    }

    async fn invite(&self, invited: (&str, Value), sections: &[SectionId]) -> Reply {
        let mut body = json!({"machineIdentifier": MACHINE, "librarySectionIds": sections, "skipFriendship": true,
            "settings": {"allowSync": true}});
        body[invited.0] = invited.1;
        self.send("POST", "/api/v2/shared_servers", body).await
    }

    async fn accepted(&self) -> Value {
        self.get("/api/v2/shared_servers/owned/accepted").await
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_becomes_a_share_under_the_same_id_and_goes_again() {
    let w = World::new();
    let reply = w.invite(("invitedId", json!(ANN)), &[w.movies]).await;
    let id = reply.json()["id"].clone();
    assert_eq!((reply.status, reply.json()["accepted"].clone()), (201, json!(false)));
    assert_eq!(w.get("/api/v2/shared_servers/owned/pending").await[0]["invitedId"], json!(ANN));
    assert!(!w.plex.has_access(ANN));

    assert_eq!(w.plex.accept_invite(ANN), Some(ANN));
    let rows = w.accepted().await;
    assert_eq!((&rows[0]["id"], &rows[0]["sharingSettings"]["allowSync"]), (&id, &json!(true)));
    assert_eq!(rows[0]["libraries"].as_array().unwrap().len(), 1);
    assert_eq!(w.invite(("invitedEmail", json!("ANN@example.com")), &[w.movies]).await.status, 422);

    // Settings that aren't sent back are lost.
    let path = format!("/api/v2/shared_servers/{id}");
    w.send("POST", &path, json!({"librarySectionIds": [w.shows]})).await;
    let share = w.plex.share_of(ANN).unwrap();
    assert_eq!((share.sections, share.settings.allow_sync), (vec![w.shows], false));

    assert_eq!(w.raw("DELETE", &path, TOKEN, "").await.status, 405);
    let path = format!("/api/servers/{MACHINE}/shared_servers/{id}");
    assert_eq!(w.raw("DELETE", &path, TOKEN, "").await.status, 200);
    assert_eq!(w.raw("DELETE", &path, TOKEN, "").await.status, 404);
    assert_eq!(w.accepted().await, json!([]));
    assert_eq!((w.plex.deletions().len(), w.plex.updates().len(), w.plex.invites_sent().len()), (1, 1, 1));
    assert_eq!((w.plex.unexpected(), w.plex.shared_everything()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn refusals_and_the_share_of_everything() {
    let w = World::new();
    assert_eq!(w.invite(("invitedId", json!(OWNER)), &[w.movies]).await.status, 422);
    let unknown = w.invite(("invitedId", json!(ANN)), &[SectionId(1)]).await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["code"]), (404, &json!(1002)));
    assert_eq!(w.plex.unexpected(), Vec::<String>::new());
    w.invite(("invitedId", json!(BOB)), &[]).await;
    assert_eq!(w.plex.shared_everything().len(), 1);
    let wrong = w.raw("GET", "/api/v2/user", "wrong", "").await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["code"]), (401, &json!(1001)));
    let bare = call("GET", &format!("{}/api/v2/user", w.plex.url()), &[("X-Plex-Token", TOKEN)], "").await.unwrap();
    assert!(bare.text().contains("<user "), "v2 is XML unless asked for JSON");
    assert_eq!(w.plex.unexpected().len(), 1);
    assert_eq!(w.raw("GET", "/api/v2/shared_servers", TOKEN, "").await.headers["allow"], "OPTIONS, POST");
    assert_eq!(w.raw("GET", "/api/v2/friends", TOKEN, "").await.status, 410);
}

#[tokio::test(start_paused = true)]
async fn a_mere_address_is_pending_and_may_be_taken_up_by_anyone_or_cancelled() {
    let w = World::new();
    w.invite(("invitedEmail", json!("new@example.com")), &[w.movies]).await;
    let row = w.get("/api/v2/shared_servers/owned/pending").await[0].clone();
    assert_eq!((&row["invitedEmail"], &row["invited"]), (&json!("new@example.com"), &Value::Null));
    assert_eq!(w.plex.accept_invite_as("new@example.com", BOB), Some(BOB));
    assert!(w.plex.has_access(BOB));

    w.invite(("invitedEmail", json!("gone@example.com")), &[w.movies]).await;
    let path = format!("/api/invites/requested/{}", url_encoded("gone@example.com"));
    assert!(w.raw("GET", "/api/invites/requested", TOKEN, "").await.text().contains("id=\"gone@example.com\""));
    assert_eq!(w.raw("DELETE", &format!("{path}?friend=0&home=0&server=1"), TOKEN, "").await.status, 200);
    assert!(w.plex.pending_of("gone@example.com").is_none());
    assert_eq!(w.plex.unexpected(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn v1_lists_users_and_sections_in_xml() {
    let w = World::new();
    w.plex.share_with(ANN, &[w.shows], w.start);
    w.plex.add_managed_user(BOB, "Kid");
    let users = w.raw("GET", "/api/users", TOKEN, "").await.text();
    assert!(users.contains("totalSize=\"2\"") && users.contains("pending=\"0\"") && users.contains("title=\"Kid\""));
    let shares = w.raw("GET", &format!("/api/servers/{MACHINE}/shared_servers"), TOKEN, "").await.text();
    assert!(shares.contains("acceptedAt=\"1790000000\""));
    assert!(shares.contains("key=\"1\" title=\"Movies\" type=\"movie\" shared=\"0\""));
    let sections = w.get(&format!("/api/v2/servers/{MACHINE}")).await;
    assert_eq!(sections["librarySections"][1]["title"], json!("TV"));
}

#[tokio::test(start_paused = true)]
async fn listings_lag_and_lie_when_told_to() {
    let w = World::new();
    w.plex.share_with(ANN, &[w.movies], w.start);
    w.plex.share_with(BOB, &[w.movies], w.start);
    w.plex.switch(|s| s.lag = TimeDelta::seconds(2));
    w.plex.remove_share_by_hand(ANN);
    assert_eq!(w.accepted().await.as_array().unwrap().len(), 2);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(w.accepted().await.as_array().unwrap().len(), 1);
    w.plex.switch(|s| s.people_told = Told::Nothing);
    assert_eq!(w.accepted().await, json!([]));
    w.plex.switch(|s| s.people_told = Told::All);
    w.plex.faults().once(Matching::All, Fault::HalfPages);
    let reply = w.raw("GET", "/api/v2/shared_servers/owned/accepted", TOKEN, "").await;
    assert_eq!((reply.json(), &reply.headers["x-plex-container-total-size"]), (json!([]), &"1".parse().unwrap()));
    assert_eq!(w.plex.faults().struck(&Fault::HalfPages), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pin_shows_an_account_to_the_client_that_made_it_for_half_an_hour() {
    let w = World::new();
    let call = async |method: &str, path: &str, client: &str, token: &str| {
        let headers = [
            ("X-Plex-Client-Identifier", client),
            ("X-Plex-Product", "test"),
            ("X-Plex-Version", "1"),
            ("Accept", "application/json"),
            ("X-Plex-Token", token),
        ];
        let headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        sandbox::wire::call(method, &format!("{}{path}", w.plex.url()), &headers, "").await.unwrap()
    };
    let reply = call("POST", "/api/v2/pins?strong=true", "one", "").await;
    let made = reply.json();
    assert_eq!((reply.status, &made["authToken"], &made["expiresIn"]), (201, &Value::Null, &json!(1800)));
    let pin = format!("/api/v2/pins/{}", made["id"]);
    let said = [
        ("clientID", "one"),
        ("code", made["code"].as_str().unwrap()),
        ("context[device][product]", "test"),
        ("forwardUrl", "https://x"),
    ];
    let link = format!("https://app.plex.tv/auth#?{}", sandbox::wire::form(&said));
    assert_eq!(call("GET", &pin, "one", "").await.json()["authToken"], Value::Null);
    assert_eq!(w.plex.sign_in_at(&link.replace("one", "two"), ANN), None);
    assert_eq!(w.plex.sign_in_at(&link, ANN).as_deref(), Some("https://x"));
    let token = call("GET", &pin, "one", "").await.json()["authToken"].as_str().unwrap().to_owned();
    let user = call("GET", "/api/v2/user", "one", &token).await.json();
    assert_eq!((&user["id"], &user["email"]), (&json!(ANN.0), &json!("ann@example.com")));
    assert_eq!(call("GET", &pin, "two", "").await.status, 404, "another client's");
    tokio::time::sleep(std::time::Duration::from_secs(1800)).await;
    assert_eq!(call("GET", &pin, "one", "").await.status, 404, "its time is over");
    assert_eq!(w.plex.sign_in_at(&link, BOB), None);
    assert_eq!(w.plex.unexpected(), Vec::<String>::new());
    assert_eq!(call("GET", "/api/users", "one", &token).await.status, 403);
    assert_eq!(w.plex.unexpected().len(), 1);
}
