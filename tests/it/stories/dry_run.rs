//! Dry means dry (promise 5).

use sandbox::rig::{OPERATOR, Rig};

use super::{all_is_well, days, heard, hours, unhurried};

/// Somebody to invite, somebody to end, somebody to warn.
async fn much_to_do(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    super::idle::ann_watched(&mut rig, days(40)).await;
    unhurried(&mut rig, 1);
    rig.set("DRY_RUN", "true");
    rig
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_dry_run_only_reads_and_tells_the_operator_once() {
    let mut rig = much_to_do("dry-run").await;
    rig.open().await;
    rig.person(2_000_005, "cleo");
    let customer = rig.stripe.customer("cleo@example.com", "Cleo");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.days(1).await;
    let dora = rig.person(2_000_006, "dora");
    rig.plex.share_with(dora, &[rig.movies], rig.now());
    rig.days(8).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    for (name, changes) in [
        ("plex.tv", rig.plex.changes().len()),
        ("Tautulli", rig.tautulli.changes().len()),
        ("Stripe", rig.stripe.changes().len()),
    ] {
        assert_eq!(changes, 0, "{name} was changed");
    }
    for mail in rig.smtp.received() {
        assert_eq!(mail.to, [OPERATOR], "{}", mail.subject);
        assert!(mail.subject.starts_with("[dry run]"), "{}", mail.subject);
    }
    for posted in rig.discord.messages() {
        assert!(posted.all_text().contains("[dry run]"), "{}", posted.all_text());
    }
    assert_eq!(heard(&rig, "invite Cleo"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "ann is idle"), 1);
    assert_eq!(heard(&rig, "remove ann"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "dora is in"), 1);
    assert!(!rig.state().join("state.json").exists(), "what a dry run thinks stays in dry-run.json");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_dry_run_leaves_the_live_book_byte_for_byte() {
    let mut rig = much_to_do("dry-after-live").await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(2).await;
    rig.close().await;
    let state = rig.state().join("state.json");
    let before = std::fs::read(&state).expect("the book");
    let changes = rig.plex.changes().len();
    rig.smtp.forget_received();
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.days(6).await;
    rig.close().await;
    assert_eq!(std::fs::read(&state).expect("the book"), before);
    assert_eq!(rig.plex.changes().len(), changes);
    assert_eq!(heard(&rig, "remove ann"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_dry_and_live_agree_on_each_first_act_and_its_day() {
    let mut told_dry = None;
    let mut removed_live = None;
    for dry in [true, false] {
        let mut rig = much_to_do(if dry { "agree-dry" } else { "agree-live" }).await;
        rig.set("DRY_RUN", if dry { "true" } else { "false" });
        rig.open().await;
        rig.days(6).await;
        if dry {
            let mails = rig.smtp.received_for(OPERATOR);
            told_dry = mails.into_iter().find(|mail| mail.subject.contains("remove ann")).map(|mail| mail.at);
        } else {
            removed_live = rig.plex.deletions().first().map(|gone| gone.at);
        }
    }
    let (dry, live) = (told_dry.expect("told"), removed_live.expect("removed"));
    assert!((dry - live).abs() <= chrono::TimeDelta::minutes(10), "dry {dry}, live {live}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_restarted_tells_nothing_again() {
    let mut rig = much_to_do("dry-restart").await;
    rig.open().await;
    rig.days(6).await;
    let before = rig.operator_subjects();
    for _ in 0..3 {
        rig.close().await;
        rig.open().await;
        rig.hours(5).await;
    }
    assert_eq!(rig.operator_subjects(), before);
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_live_season_in_between_restarts_the_rehearsal() {
    let mut rig = much_to_do("dry-live-dry").await;
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(heard(&rig, "ann is idle"), 1);
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(3).await;
    super::say(&rig, "approve", &["go-live"]).await;
    rig.hours(3).await;
    assert_eq!(super::told(&rig, "ann", "Still with us"), 1, "live: really warned");
    rig.close().await;
    rig.smtp.forget_received();
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.days(5).await;
    assert_eq!(heard(&rig, "remove ann"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "ann is idle"), 0, "she was warned in truth");
    assert_eq!(rig.plex.changes().len(), 0);
    let _ = hours(0);
    all_is_well(&rig);
}
