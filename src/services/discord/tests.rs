use super::*;
use crate::clock::Clock;
use crate::services::tls;

fn discord(url: &str) -> Result<Discord, String> {
    let http = Http::new(&tls::client_config(None).unwrap(), Clock::system(), None).unwrap();
    Discord::new(http, &Secret::new(url), None)
}

#[test]
fn every_way_of_copying_the_address_becomes_v10() {
    for url in [
        "https://discord.com/api/webhooks/129/to-ken_1",
        " https://discordapp.com/api/webhooks/129/to-ken_1/slack ",
        "https://canary.discord.com/api/v9/webhooks/129/to-ken_1?wait=false&thread_id=77",
    ] {
        let discord = discord(url).unwrap();
        assert_eq!(discord.path.expose(), "/api/v10/webhooks/129/to-ken_1");
        assert_eq!(discord.thread_id.is_some(), url.contains("thread_id"));
        assert!(!format!("{discord:?}").contains("to-ken"));
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_being_repeated() {
    for url in [
        "hello-secret",
        "http://discord.com/api/webhooks/129/secret",
        "https://evil.example/api/webhooks/129/secret",
        "https://discord.com/api/webhooks/129",
        "https://discord.com/api/webhooks/x/secret",
        "https://discord.com/api/webhooks/129/secret%2F..",
    ] {
        let why = discord(url).unwrap_err();
        assert!(why.contains("DISCORD_WEBHOOK") && !why.contains("secret"), "{why}");
    }
}

#[test]
fn each_answer_is_sorted() {
    let refusal = |code, retry_after| Some(Refusal { code, retry_after });
    let secs = Duration::from_secs;
    let word = |outcome: DeliveryOutcome| match outcome {
        Accepted => "accepted".to_owned(),
        Later { after_secs, .. } => format!("later {after_secs:?}"),
        Unknown { .. } => "unknown".to_owned(),
        ChannelDown { for_secs, .. } => format!("down {for_secs}"),
        Never { .. } => "never".to_owned(),
    };
    for (status, said, header, wanted) in [
        (200, refusal(0, None), None, "accepted"),
        (204, None, None, "accepted"),
        (400, refusal(50035, None), None, "never"),
        (413, refusal(40005, None), None, "never"),
        (401, refusal(50027, None), None, "down 86400"),
        (403, None, None, "down 86400"),
        (404, refusal(10015, None), None, "down 86400"),
        (429, refusal(0, Some(1.25)), Some(secs(1)), "later Some(2)"),
        (429, refusal(0, Some(0.5)), Some(secs(7)), "later Some(7)"),
        (429, refusal(0, None), None, "later Some(3600)"),
        (429, None, Some(secs(30)), "down 3600"),
        (502, None, None, "later None"),
        (503, None, Some(secs(9)), "later Some(9)"),
    ] {
        assert_eq!(word(verdict(status, said, header)), wanted, "{status}");
    }
    assert_eq!(word(unanswered(Failure::not_done(FailureKind::Unreachable, "refused"))), "down 120");
    assert_eq!(word(unanswered(Failure::unknown(FailureKind::Unreachable, "timed out"))), "unknown");
}
