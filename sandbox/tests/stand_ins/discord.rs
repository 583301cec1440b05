use sandbox::discord::*;
use sandbox::{
    faults::{Fault, Matching},
    time::{moment, virtual_clock},
    wire::{Reply, call},
};
use serde_json::{Value, json};

const AGENT: (&str, &str) = ("user-agent", "DiscordBot (https://example.com/usher, 1.0)");
const JSON: (&str, &str) = ("content-type", "application/json");

fn start() -> Discord {
    Discord::start(virtual_clock(moment(1_790_000_000)).0)
}

async fn post(discord: &Discord, mut body: Value) -> Reply {
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    body["allowed_mentions"] = json!({"parse": []});
    let url = format!("{}?wait=true", discord.webhook_url());
    call("POST", &url, &[AGENT, JSON], &body.to_string()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_post_within_the_limits_is_kept() {
    let discord = start();
    let embed = json!({"title": "t", "description": "x".repeat(4096), "color": 1,
        "fields": [{"name": "n", "value": "v"}], "footer": {"text": "f"}});
    let reply = post(&discord, json!({"embeds": [embed]})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let [posted] = &discord.messages()[..] else { panic!("one message") };
    assert_eq!(reply.json()["id"], posted.id);
    assert_eq!(posted.embeds[0].fields, [("n".to_owned(), "v".to_owned())]);
    let body = r#"{"content":"a","allowed_mentions":{"parse":[]}}"#;
    let silent = call("POST", &discord.webhook_url(), &[AGENT, JSON], body).await.unwrap();
    assert_eq!(silent.status, 204);
    assert_eq!(discord.unexpected(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_post_over_a_limit_is_refused_whole() {
    let discord = start();
    let long = "x".repeat(3001);
    let cases = [
        (json!({"content": "x".repeat(2001)}), "/errors/content/_errors/0/code"),
        (json!({"embeds": vec![json!({"title": "t"}); 11]}), "/errors/embeds/_errors/0/code"),
        (json!({"embeds": [{"description": "x".repeat(4097)}]}), "/errors/embeds/0/description/_errors/0/code"),
        (json!({"embeds": [{"description": long}, {"description": long}]}), "/errors/embeds/_errors/0/code"),
        (
            json!({"embeds": [{"fields": [{"name": "", "value": "v"}]}]}),
            "/errors/embeds/0/fields/0/name/_errors/0/code",
        ),
        (json!({"embeds": [{"title": "t", "color": "#ff0000"}]}), "/errors/embeds/0/color/_errors/0/code"),
        (json!({"content": "a", "username": "My Discord"}), "/errors/username/_errors/0/code"),
    ];
    for (body, pointer) in cases {
        let reply = post(&discord, body).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!(50035)));
        assert!(reply.json().pointer(pointer).is_some(), "{pointer}: {}", reply.text());
    }
    assert_eq!(post(&discord, json!({"content": " "})).await.json()["code"], 50006);
    assert!(discord.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn bad_manners_limits_and_deletion() {
    let discord = start();
    let bare = call("POST", &discord.webhook_url(), &[JSON], r#"{"content":"a"}"#).await.unwrap();
    assert_eq!((bare.status, discord.unexpected().len()), (204, 1));
    discord.limit_next(0.75);
    assert_eq!(post(&discord, json!({"content": "a"})).await.json()["retry_after"], 0.75);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let reply = call("GET", &discord.webhook_url(), &[AGENT], "").await.unwrap();
        seen.push(reply.status);
    }
    assert_eq!(seen, [200, 200, 200, 200, 200, 429]);
    discord.faults().once(Matching::All, Fault::status(502));
    assert!(post(&discord, json!({"content": "a"})).await.text().starts_with("<html>"));
    discord.delete_webhook();
    let gone = post(&discord, json!({"content": "a"})).await;
    assert_eq!((gone.status, &gone.json()["code"]), (404, &json!(10015)));
}
