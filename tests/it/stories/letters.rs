//! Letters: to whom, once, and what they hold back (R10; promises 7 and 10).

use sandbox::rig::{OPERATOR, Rig};
use sandbox::smtp::{Fault, Stay};

use super::{all_is_well, days, heard, hours, told, unhurried, why};

#[tokio::test(start_paused = true)]
async fn a_greylisted_welcome_arrives_later_and_once() {
    let mut rig = Rig::new("greylist").await;
    rig.open().await;
    rig.smtp.fault(Fault::Greylist, Stay::Next(2));
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(2).await;
    assert_eq!((told(&rig, "ann", "Welcome"), heard(&rig, "ann is in")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_refuses_the_login_is_not_hammered() {
    let mut rig = Rig::new("auth-refused").await;
    rig.open().await;
    rig.smtp.fault(Fault::AuthRefused, Stay::UntilCleared);
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.days(1).await;
    assert!(rig.smtp.logins() <= 30, "{} logins in a day", rig.smtp.logins());
    rig.smtp.clear_faults();
    rig.hours(5).await;
    assert_eq!((told(&rig, "ann", "Welcome"), heard(&rig, "ann is in")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn while_the_login_is_refused_the_next_letter_does_not_try_it_either() {
    let mut rig = Rig::new("auth-refused-next").await;
    rig.open().await;
    rig.smtp.fault(Fault::AuthRefused, Stay::UntilCleared);
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.minutes(3).await;
    let tried = rig.smtp.logins();
    assert!(tried > 0);
    let bob = rig.person(2_000_002, "bob");
    rig.plex.share_with(bob, &[rig.movies], rig.now());
    rig.minutes(3).await;
    assert_eq!(rig.smtp.logins(), tried, "the channel is down, whoever is written to");
    rig.smtp.clear_faults();
    rig.hours(2).await;
    assert_eq!((told(&rig, "ann", "Welcome"), told(&rig, "bob", "Welcome")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn mail_that_fails_for_a_week_is_told_once() {
    let mut rig = Rig::new("mail-week").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    rig.smtp.fault(Fault::Down, Stay::UntilCleared);
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.days(9).await;
    let alarms = super::heard_on_discord(&rig, "could not be sent");
    assert_eq!(alarms, 1, "Discord still works");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_name_can_not_break_a_letter_or_ping_anybody() {
    let mut rig = Rig::new("evil-name").await;
    rig.open().await;
    let name = "@everyone **<b>ann</b>**\r\nBcc: all@example.com";
    let ann = rig.person(2_000_001, "ann");
    rig.plex.add_account(ann, name, "ann@example.com");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(1).await;
    assert_eq!(rig.smtp.received().len(), 2, "{:?}", rig.operator_subjects());
    assert!(rig.smtp.received().iter().all(|mail| mail.to.len() == 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_10_why_shows_facts_rule_and_what_comes_next() {
    let mut rig = Rig::new("why").await;
    super::idle::ann_watched(&mut rig, days(26) + hours(20)).await;
    rig.open().await;
    rig.days(1).await;
    let page = why(&rig, "ann@example.com").await;
    for part in [
        "in because: shared by hand",
        "last play seen",
        "idle: 27 days",
        "read",
        "warning of this spell",
        "Next:",
        "What happened:",
    ] {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_10_every_change_stands_in_the_history() {
    let mut rig = Rig::new("history").await;
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    assert!(!rig.plex.has_access(ann));
    let history = std::fs::read_to_string(rig.state().join("history.jsonl")).expect("the history");
    for part in ["invited", "has access", "canceled", "removed"] {
        assert!(history.contains(part), "{part:?} is missing in\n{history}");
    }
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_09_a_removal_keeps_what_they_had() {
    let mut rig = Rig::new("undo").await;
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    let share = rig.plex.share_of(ann).expect("a share");
    rig.plex.with_share(share.id, |share| share.settings.filter_movies = "label=kids".into());
    rig.minutes(10).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    assert!(!rig.plex.has_access(ann));
    let book = super::book(&rig);
    let member = book["members"].as_object().expect("members").values().find(|member| member["username"] == "ann");
    let undo = &member.expect("ann")["undo"]["share"];
    assert_eq!(undo["sections"].as_array().map(Vec::len), Some(2));
    assert_eq!(undo["downloads"], true);
    assert!(undo["settings"].to_string().contains("label=kids"), "{undo}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_operator_without_mail_hears_everything_on_discord() {
    let mut rig = Rig::new("discord-only").await;
    for name in ["SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_FROM"] {
        rig.env.remove(name);
    }
    let ann = super::idle::ann_watched(&mut rig, days(40)).await;
    rig.open().await;
    rig.days(6).await;
    assert!(rig.plex.has_access(ann), "nobody is removed unwarned");
    assert_eq!(super::heard_on_discord(&rig, "ann is idle"), 1);
    assert_eq!(super::heard_on_discord(&rig, "Waiting for you"), 1);
    assert!(rig.smtp.received_for(OPERATOR).is_empty());
    all_is_well(&rig);
}

/// A portal's or a proxy's page with 200: what Discord takes, it says in JSON.
#[tokio::test(start_paused = true)]
async fn a_page_in_place_of_discords_answer_is_no_delivery() {
    let mut rig = Rig::new("discord-page").await;
    rig.set("ADMIN_EMAIL", "");
    rig.open().await;
    rig.minutes(5).await;
    rig.discord.faults().always(sandbox::faults::Matching::All, sandbox::faults::Fault::Html);
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(30).await;
    let tries = rig.discord.requests().len();
    assert!((2..=80).contains(&tries), "{tries} tries in 30 hours");
    rig.discord.faults().clear();
    rig.hours(7).await;
    assert_eq!(super::heard_on_discord(&rig, "ann is in"), 1);
    all_is_well(&rig);
}
