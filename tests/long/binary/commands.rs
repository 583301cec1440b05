//! The commands, against a daemon that runs and one that doesn't.

use std::collections::BTreeMap;

use sandbox::rig::address;
use serde_json::Value;
use usher::store::Which;

use super::child::{House, SOON};

/// A house where Ann, who paid before Usher came, waits for a word.
async fn held(name: &str) -> House {
    let mut house = House::with_a_past(name, |rig| {
        rig.person(2_000_001, "ann");
        rig.old_friend(2_000_002, "bob", 400);
        let customer = rig.stripe.customer(&address("ann"), "Ann");
        rig.stripe.subscribe(&customer, &rig.basic);
    })
    .await;
    house.open().await;
    house.until("Ann is held", SOON, |house| house.book(Which::Live).is_some_and(|book| !book.holds.is_empty())).await;
    house
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn the_operator_looks_approves_and_is_understood() {
    let mut house = held("commands").await;
    let health = house.say(&["health"]).await;
    assert_eq!((health.code, health.out.as_str()), (0, "healthy (live)\n"), "{health:?}");
    let state_only = BTreeMap::from([("STATE_DIR".to_owned(), house.rig.state().display().to_string())]);
    assert_eq!(house.say_with(&["health"], &state_only).await.code, 0, "as Docker's health check runs it");

    let holds = json(&house.say(&["holds", "--json"]).await.out);
    let id = holds["holds"][0]["id"].as_str().unwrap().to_owned();
    let text = house.say(&["holds"]).await;
    assert!(text.code == 0 && text.out.contains(&id) && text.out.contains("usher approve"), "{text:?}");

    let unknown = house.say(&["approve", "h-99"]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
    assert!(unknown.err.contains("h-99"), "{unknown:?}");
    let approved = house.say(&["approve", &id]).await;
    assert!(approved.code == 0 && approved.out.contains(&format!("approved {id}")), "{approved:?}");
    house.until("Ann is invited", SOON, |house| house.rig.plex.invites_sent().len() == 1).await;

    let members = json(&house.say(&["members", "--json"]).await.out);
    let emails: Vec<_> = members["members"].as_array().unwrap().iter().map(|one| one["email"].clone()).collect();
    assert!(emails.contains(&Value::from(address("bob"))), "{members}");
    let why = house.say(&["why", "bob"]).await;
    assert!(why.code == 0 && why.out.contains("shared by hand"), "{why:?}");
    assert_eq!(json(&house.say(&["why", "BOB@example.com", "--json"]).await.out)["name"], "bob");
    let nobody = house.say(&["why", "zoe"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("zoe"), "{nobody:?}");
    assert_eq!(house.say(&["accept", "clock"]).await.code, 0);
    house.close().await;
    house.assert_nothing_leaked("");
}

#[tokio::test]
async fn the_house_is_checked_before_anything_runs() {
    let house = House::new("check").await;
    let files = || std::fs::read_dir(house.rig.state()).unwrap().count();
    let before = files();
    let checked = house.say(&["check"]).await;
    assert!(checked.code == 0 && checked.out.contains("All is well") && checked.err.is_empty(), "{checked:?}");
    let mut env = house.rig.env.clone();
    env.insert("PLEX_TOKEN".into(), "another".into());
    let checked = house.say_with(&["check", "--json"], &env).await;
    let page = json(&checked.out);
    assert!(checked.code == 1 && page["code"] == 1 && page["failures"] == 1, "{checked:?}");
    env.insert("WARN_DAYS".into(), "soon".into());
    let checked = house.say_with(&["check"], &env).await;
    assert!(checked.code == 78 && checked.out.starts_with("FAIL  WARN_DAYS"), "{checked:?}");
    assert_eq!(files(), before, "nothing is kept");
}

#[tokio::test]
async fn wrong_words_end_with_2() {
    let house = House::new("words").await;
    for words in [&["prune"][..], &["approve"], &["accept", "everything"], &["why"], &["health", "--now"]] {
        let said = house.say(words).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{words:?}: {said:?}");
        assert!(said.err.contains("--help"), "{said:?}");
    }
    for words in ["--help", "--version"] {
        assert_eq!(house.say(&[words]).await.code, 0);
    }
}

#[tokio::test]
async fn without_a_daemon_reading_commands_read_the_book_and_changing_ones_refuse() {
    let mut house = held("offline").await;
    let running = json(&house.say(&["members", "--json"]).await.out);
    house.kill();
    let before = std::fs::read(house.rig.state().join("state.json")).unwrap();
    for words in [&["approve", "all"][..], &["reject", "h-1"], &["accept", "server"]] {
        let said = house.say(words).await;
        assert_eq!((said.code, said.out.as_str()), (75, ""), "{words:?}: {said:?}");
    }
    let health = house.say(&["health"]).await;
    assert!(health.code == 1 && health.err.contains("nobody answers"), "{health:?}");

    let members = house.say(&["members", "--json"]).await;
    assert_eq!(members.code, 0, "{members:?}");
    assert!(members.err.contains("not running"), "{members:?}");
    let ids =
        |page: &Value| page["members"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&json(&members.out)), ids(&running));
    assert!(house.say(&["holds"]).await.out.contains("h-1"));
    assert!(house.say(&["why", "bob"]).await.out.contains("shared by hand"));
    assert_eq!(house.say(&["why", "zoe"]).await.code, 1);
    assert_eq!(std::fs::read(house.rig.state().join("state.json")).unwrap(), before, "reading writes nothing");

    let mut env = house.rig.env.clone();
    env.remove("PLEX_TOKEN");
    let said = house.say_with(&["members"], &env).await;
    assert!(said.code == 75 && said.err.contains("PLEX_TOKEN: is missing"), "{said:?}");
    env = house.rig.env.clone();
    env.insert("STATE_DIR".into(), house.folder().display().to_string());
    let said = house.say_with(&["holds"], &env).await;
    assert!(said.code == 75 && said.err.contains("STATE_DIR"), "{said:?}");
}

#[tokio::test]
async fn a_wrong_environment_ends_with_78_and_says_everything_but_secrets() {
    let house = House::new("config").await;
    let wrong = [
        ("DRY_RUN", "perhaps"),
        ("WARN_DAYS", "soon"),
        ("CHECK_BILLING_SECS", "0"),
        ("STRIPE_SECRET_KEY", "pk_test_sesame01"),
        ("STRIPE_WEBHOOK_SECRET", "sesame02"),
        ("DISCORD_WEBHOOK", "https://example.com/api/webhooks/1/sesame03"),
        ("SMTP_PASSWORD", "sesame04"),
        ("API_TOKEN", "sesame05"),
        ("HTTPS_PROXY", "user:sesame06"),
        ("HEARTBEAT_URL", "sesame07"),
        ("TAUTULLI_API_KEY", "sesame 08"),
        ("FREE_TIER_INVITE_CODE", "sesame09:x"),
        ("TZ", "Mars/Olympus"),
    ];
    let env = wrong.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for words in [&["run"][..], &[]] {
        let said = house.say_with(words, &env).await;
        assert_eq!((said.code, said.out.as_str()), (78, ""), "{said:?}");
        let also = ["PLEX_TOKEN", "SMTP_HOST", "TAUTULLI_URL"];
        let names = wrong.iter().map(|(name, _)| *name).filter(|name| *name != "SMTP_PASSWORD");
        for name in names.chain(also) {
            assert!(said.err.contains(&format!("{name}: ")), "{name} isn't told: {}", said.err);
        }
        assert!(!said.err.contains("sesame"), "{}", said.err);
    }
}
