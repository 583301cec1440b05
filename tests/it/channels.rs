//! Mail and Discord over real sockets in virtual time, against the stand-ins.

use std::sync::Arc;
use std::time::Duration;

use sandbox::discord::Discord as DiscordStandIn;
use sandbox::smtp::{Fault, Mode, Smtp as SmtpStandIn, Stay};
use sandbox::time::{moment, virtual_clock};
use sandbox::tls::ca_pem;
use tokio::sync::mpsc;
use usher::facts::Email;
use usher::letters::{Brand, Delivered, DeliveryOutcome, Dispatch, KINDS, Mail, Renderer, sample_dispatch};
use usher::loops::courier::{DiscordRoute, run_discord};
use usher::secret::Secret;
use usher::services::discord::Discord;
use usher::services::http::Http;
use usher::services::smtp::{Mailbox, Recipient, Settings, Smtp, Tls};
use usher::services::tls;

fn smtp(server: &SmtpStandIn, tls: Tls) -> Smtp {
    let login = tls != Tls::None;
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: server.port(),
        tls,
        username: login.then(|| "plex@example.com".into()),
        password: login.then(|| Secret::new("app password")),
        from: Mailbox { name: Some("Attic Cinema".into()), address: Email::parse("plex@example.com").unwrap() },
        reply_to: None,
        hello: "cinema.example.com".into(),
    };
    Smtp::new(settings, Some(ca_pem().as_bytes())).unwrap()
}

fn renderer() -> Renderer {
    let brand = Brand { name: "Attic Cinema".into(), color: String::new(), support_link: None, public_url: None };
    Renderer::new(brand, &std::collections::BTreeMap::new()).unwrap()
}

fn letter() -> (Dispatch, Mail) {
    let dispatch = sample_dispatch("removed").unwrap();
    let mail = renderer().mail(&dispatch, chrono_tz::Tz::UTC).unwrap();
    (dispatch, mail)
}

fn word(outcome: &DeliveryOutcome) -> String {
    match outcome {
        DeliveryOutcome::Accepted => "accepted".into(),
        DeliveryOutcome::Later { .. } => "later".into(),
        DeliveryOutcome::Unknown { .. } => "unknown".into(),
        DeliveryOutcome::ChannelDown { for_secs, .. } => format!("down {for_secs}"),
        DeliveryOutcome::Never { bad_address: true, .. } => "dead".into(),
        DeliveryOutcome::Never { .. } => "never".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn mail_goes_out_by_every_kind_of_tls_and_reuses_its_connection() {
    for (mode, tls) in [(Mode::StartTls, Tls::StartTls), (Mode::Implicit, Tls::Implicit), (Mode::Plain, Tls::None)] {
        let (clock, _) = virtual_clock(moment(1_795_000_000));
        let server = SmtpStandIn::start(clock, mode).await;
        let mut smtp = smtp(&server, tls);
        let operator = Email::parse("op@example.com").unwrap();
        let (dispatch, mail) = letter();
        for _ in 0..3 {
            let outcome = smtp.send(Recipient::Operator(&operator), &mail, &dispatch.first).await;
            assert_eq!(outcome, DeliveryOutcome::Accepted, "{mode:?}");
        }
        smtp.close().await;
        let received = server.received_for("op@example.com");
        assert_eq!((received.len(), server.connections()), (3, 1));
        assert_eq!(received[0].data, received[2].data, "a repeat is the same letter");
        assert_eq!(received[0].subject, mail.subject);
        assert_eq!(received[0].tls, tls != Tls::None);
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_mail_server_has_its_outcome() {
    let table = [
        (Fault::Down, "down 120"),
        (Fault::GreetingBusy, "down 600"),
        (Fault::Hang, "down 120"),
        (Fault::SlowGreeting(Duration::from_secs(40)), "accepted"),
        (Fault::StartTlsMissing, "down 3600"),
        (Fault::StartTlsRefused, "down 600"),
        (Fault::StrangeCertificate, "down 600"),
        (Fault::AuthRefused, "down 3600"),
        (Fault::Greylist, "later"),
        (Fault::UnknownRecipient("op@example.com".into()), "dead"),
        (Fault::Quota, "down 21600"),
        (Fault::PolicyRefused, "later"),
        (Fault::RecipientReply("452 4.2.2 Mailbox full".into()), "later"),
        (Fault::DotReply("451 4.3.0 Try again".into()), "later"),
        (Fault::DropBeforeData, "later"),
        (Fault::DropAfterDot, "unknown"),
        (Fault::HangAfterDot, "unknown"),
        (Fault::SplitReplies, "accepted"),
    ];
    for (fault, wanted) in table {
        let (clock, _) = virtual_clock(moment(1_795_000_000));
        let server = SmtpStandIn::start(clock, Mode::StartTls).await;
        let mut smtp = smtp(&server, Tls::StartTls);
        let operator = Email::parse("op@example.com").unwrap();
        let (dispatch, mail) = letter();
        server.fault(fault.clone(), Stay::Next(1));
        let outcome = smtp.send(Recipient::Operator(&operator), &mail, &dispatch.first).await;
        assert_eq!(word(&outcome), wanted, "{fault:?} {outcome:?}");
        assert!(!format!("{outcome:?}").contains("op@"), "{outcome:?}");
        let again = smtp.send(Recipient::Operator(&operator), &mail, &dispatch.first).await;
        assert_eq!(again, DeliveryOutcome::Accepted, "after {fault:?}");
        let ids: Vec<_> = server.received().iter().map(|letter| letter.message_id.clone()).collect();
        assert!(ids.windows(2).all(|two| two[0] == two[1]), "{ids:?}");
        let leaks = server.violations().into_iter().filter(|said| said.contains("AUTH")).collect::<Vec<_>>();
        assert_eq!(leaks, Vec::<String>::new(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn letters_for_discord_go_one_by_one_and_outlive_its_faults() {
    let (clock, _) = virtual_clock(moment(1_795_000_000));
    let server = DiscordStandIn::start(clock.clone());
    let http = Http::new(&tls::client_config(None).unwrap(), clock, None).unwrap();
    let webhook = Secret::new(server.copied_url());
    let discord = Discord::new(http, &webhook, Some(server.url())).unwrap();
    assert!(discord.check().await.is_ok());
    let route = DiscordRoute { discord, renderer: Arc::new(renderer()), tz: chrono_tz::Tz::UTC };
    let all: Vec<Dispatch> = KINDS
        .iter()
        .map(|kind| sample_dispatch(kind).unwrap())
        .filter(|dispatch| dispatch.audience == usher::ledger::Audience::Operator)
        .collect();
    let (letters, inbox) = mpsc::channel(1);
    let (post, mut outcomes) = mpsc::channel(1);
    let play = async {
        let mut round = async |letter: &Dispatch| -> DeliveryOutcome {
            letters.send(letter.clone()).await.unwrap();
            let report: Delivered = outcomes.recv().await.unwrap();
            assert_eq!(report.key, letter.key);
            report.outcome
        };
        for letter in &all {
            assert_eq!(round(letter).await, DeliveryOutcome::Accepted);
        }
        assert!(server.messages().iter().all(|message| message.embeds.len() == 1));
        assert_eq!(server.messages().len(), all.len());

        server.limit_next(1.25);
        let limited = round(&all[0]).await;
        assert!(matches!(limited, DeliveryOutcome::Later { after_secs: Some(2), .. }), "{limited:?}");
        assert_eq!(round(&all[0]).await, DeliveryOutcome::Accepted);
        server.delete_webhook();
        let gone = round(&all[0]).await;
        assert_eq!(word(&gone), "down 86400");
        assert!(!format!("{gone:?}").contains(server.token()));
        drop(letters);
    };
    tokio::join!(run_discord(inbox, post, route), play);
    assert_eq!(server.unexpected(), Vec::<String>::new());
}
