use std::collections::{BTreeMap, BTreeSet};

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

fn batch() -> Vec<Dispatch> {
    KINDS.iter().map(|kind| sample_dispatch(kind).unwrap()).collect()
}

async fn all(mut outcomes: mpsc::Receiver<Vec<Delivered>>) -> Vec<Delivered> {
    let mut delivered = Vec::new();
    while let Some(some) = outcomes.recv().await {
        delivered.extend(some);
    }
    delivered
}

/// Whoever is cut off before the second letter has the first one's outcome.
#[tokio::test(start_paused = true)]
async fn promise_07_an_outcome_is_posted_before_the_next_letter_is_begun() {
    let (batches, inbox) = mpsc::channel(1);
    let (post, mut outcomes) = mpsc::channel(1);
    batches.send(batch()).await.unwrap();
    let courier = tokio::spawn(run_mail(inbox, post, mail_route()));
    assert_eq!(outcomes.recv().await.unwrap().len(), 1);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn dry_run_writes_to_no_member_and_a_dead_server_is_tried_once() {
    let (batches, inbox) = mpsc::channel(1);
    let (post, outcomes) = mpsc::channel(KINDS.len());
    batches.send(batch()).await.unwrap();
    drop(batches);
    run_mail(inbox, post, mail_route()).await;
    let delivered = all(outcomes).await;
    assert_eq!(delivered.len(), KINDS.len());
    for (dispatch, delivered) in batch().iter().zip(&delivered) {
        assert_eq!(dispatch.key, delivered.key);
        match (&dispatch.audience, &delivered.outcome) {
            (Audience::Member, DeliveryOutcome::Never { why, .. }) => assert!(why.contains("dry run"), "{why}"),
            (Audience::Operator, DeliveryOutcome::ChannelDown { for_secs: 120, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_dispatch_to_discord_has_one_outcome() {
    let http = Http::new(&tls::client_config(None).unwrap(), Clock::system(), None).unwrap();
    let base = format!("http://127.0.0.1:{}", closed_port());
    let webhook = Secret::new("https://discord.com/api/webhooks/129/token-of-it");
    let discord = Discord::new(http, &webhook, Some(base)).unwrap();
    let (post, outcomes) = mpsc::channel(KINDS.len());
    let route = DiscordRoute { discord, renderer: renderer(), tz: Tz::UTC };
    discord_batch(&route, &batch(), &post).await.unwrap();
    drop(post);
    let delivered = all(outcomes).await;
    let keys: BTreeSet<_> = delivered.iter().map(|one| &one.key).collect();
    assert_eq!(keys.len(), KINDS.len());
    for one in &delivered {
        match &one.outcome {
            DeliveryOutcome::Never { why, .. } => assert!(why.contains("members")),
            DeliveryOutcome::ChannelDown { why, for_secs: 120 } => assert!(!why.contains("token-of-it"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
