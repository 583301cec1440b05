use std::collections::BTreeMap;

use super::*;
use crate::clock::Clock;
use crate::letters::{Brand, KINDS, sample_dispatch};
use crate::secret::Secret;
use crate::services::http::Http;
use crate::services::smtp::{Mailbox, Settings, Tls};
use crate::services::tls;

fn renderer() -> Arc<Renderer> {
    let brand = Brand { name: "Attic Cinema".into(), color: String::new(), support_link: None, public_url: None };
    Arc::new(Renderer::new(brand, &BTreeMap::new()).unwrap())
}

/// A port of this machine at which nobody answers.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn mail_route() -> MailRoute {
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: closed_port(),
        tls: Tls::StartTls,
        username: None,
        password: None,
        from: Mailbox { name: None, address: Email::parse("plex@example.com").unwrap() },
        reply_to: None,
        hello: "127.0.0.1".into(),
    };
    MailRoute {
        smtp: Smtp::new(settings, None).unwrap(),
        renderer: renderer(),
        live: None,
        operator: Email::parse("op@example.com"),
        tz: Tz::UTC,
    }
}

fn all() -> Vec<Dispatch> {
    KINDS.iter().map(|kind| sample_dispatch(kind).unwrap()).collect()
}

/// Every letter, each after the outcome of the one before.
async fn play(letters: mpsc::Sender<Dispatch>, mut outcomes: mpsc::Receiver<Delivered>) -> Vec<DeliveryOutcome> {
    let mut came = Vec::new();
    for letter in all() {
        letters.send(letter.clone()).await.unwrap();
        let report = outcomes.recv().await.unwrap();
        assert_eq!(report.key, letter.key);
        came.push(report.outcome);
    }
    came
}

#[tokio::test(start_paused = true)]
async fn dry_run_writes_to_no_member_and_every_mail_has_its_outcome() {
    let (letters, inbox) = mpsc::channel(1);
    let (post, outcomes) = mpsc::channel(1);
    let (came, ()) = tokio::join!(play(letters, outcomes), run_mail(inbox, post, mail_route()));
    for (letter, outcome) in all().iter().zip(&came) {
        match (&letter.audience, outcome) {
            (Audience::Member, DeliveryOutcome::Never { why, .. }) => assert!(why.contains("dry run"), "{why}"),
            (Audience::Operator, DeliveryOutcome::ChannelDown { for_secs: 120, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(came.len(), KINDS.len());
}

#[tokio::test]
async fn nothing_meant_for_a_member_goes_to_discord() {
    let http = Http::new(&tls::client_config(None).unwrap(), Clock::system(), None).unwrap();
    let base = format!("http://127.0.0.1:{}", closed_port());
    let webhook = Secret::new("https://discord.com/api/webhooks/129/token-of-it");
    let discord = Discord::new(http, &webhook, Some(base)).unwrap();
    let route = DiscordRoute { discord, renderer: renderer(), tz: Tz::UTC };
    let (letters, inbox) = mpsc::channel(1);
    let (post, outcomes) = mpsc::channel(1);
    tokio::time::pause();
    let (came, ()) = tokio::join!(play(letters, outcomes), run_discord(inbox, post, route));
    for (letter, outcome) in all().iter().zip(&came) {
        match (&letter.audience, outcome) {
            (Audience::Member, DeliveryOutcome::Never { why, .. }) => assert!(why.contains("members")),
            (Audience::Operator, DeliveryOutcome::ChannelDown { why, for_secs: 120 }) => {
                assert!(!why.contains("token-of-it"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}
