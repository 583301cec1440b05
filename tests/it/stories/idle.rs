//! Who stops watching (R3; promises 1 and 8).

use chrono::TimeDelta;
use sandbox::rig::Rig;
use usher::facts::PlexId;

use super::{all_is_well, days, heard, holds, hours, nothing_was_done, say, told, told_at, unhurried, why};

/// Ann was here long before Usher, and watched last `ago`. Bob watches daily
/// enough never to matter. The polls are hourly.
pub(super) async fn ann_watched(rig: &mut Rig, ago: TimeDelta) -> PlexId {
    let ann = rig.old_friend(2_000_001, "ann", 400);
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.watched(bob, hours(3));
    rig.watched(ann, ago);
    unhurried(rig, 1);
    ann
}

#[tokio::test(start_paused = true)]
async fn promise_01_the_idle_are_warned_at_27_days_and_out_after_30_and_the_promised_day() {
    let mut rig = Rig::new("idle").await;
    let ann = ann_watched(&mut rig, days(26) + hours(12)).await;
    let idle_since = rig.now() - days(26) - hours(12);
    rig.open().await;
    rig.hours(11).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "not yet 27 days");
    rig.hours(3).await;
    assert_eq!(rig.subjects_to("ann"), ["Still with us? Watch something by Tuesday, 6 January 2026"]);
    let warned = told_at(&rig, "ann", "Still with us");
    assert!(warned - idle_since >= days(27) && warned - idle_since < days(27) + hours(2));
    assert_eq!(heard(&rig, "ann is idle"), 1);
    rig.hours(72).await;
    assert!(rig.plex.has_access(ann), "the promised day is not over at {}", rig.now());
    rig.hours(6).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let gone = &rig.plex.deletions()[0];
    let midnight =
        chrono::NaiveDate::from_ymd_opt(2026, 1, 7).expect("a day").and_time(chrono::NaiveTime::MIN).and_utc();
    assert!(gone.at >= midnight && gone.at < midnight + hours(2), "{}", gone.at);
    assert!(gone.at - warned >= days(3) && gone.at - idle_since >= days(30));
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    assert_eq!(heard(&rig, "ann was removed"), 1);
    rig.days(2).await;
    assert_eq!(rig.plex.deletions().len(), 1);
    assert_eq!(rig.subjects_to("ann").len(), 2);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_record_in_tautulli_goes_thirty_days_after_the_person() {
    let mut rig = Rig::new("idle-forgotten").await;
    let ann = ann_watched(&mut rig, days(26) + hours(20)).await;
    rig.set("TAUTULLI_FORGET_DAYS", "5");
    rig.open().await;
    rig.days(5).await;
    assert!(!rig.plex.has_access(ann));
    rig.days(3).await;
    assert!(rig.tautulli.deleted_users().is_empty());
    rig.days(4).await;
    assert_eq!(rig.tautulli.deleted_users().iter().map(|(_, who)| *who).collect::<Vec<_>>(), [ann]);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn any_play_ends_the_spell() {
    let mut rig = Rig::new("idle-plays").await;
    let ann = ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    rig.tautulli.play(ann, rig.now() - TimeDelta::minutes(10), rig.now());
    rig.days(20).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.subjects_to("ann").len(), 1, "one warning, for one spell");
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_watches_right_now_is_not_idle() {
    let mut rig = Rig::new("idle-now").await;
    let ann = ann_watched(&mut rig, days(26) + hours(22)).await;
    rig.tautulli.start_stream(ann);
    rig.open().await;
    rig.days(1).await;
    assert!(rig.tautulli.is_watching(ann));
    nothing_was_done(&rig);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_play_at_the_last_moment_saves_them() {
    let (rig, ann) = twenty_minutes_before_the_end("idle-last-moment").await;
    // The look before the removal sees it.
    rig.tautulli.play(ann, rig.now() - TimeDelta::minutes(10), rig.now());
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

/// Ann is removed at midnight; it is 23:40, and the polls are two hours apart.
async fn twenty_minutes_before_the_end(name: &str) -> (Rig, PlexId) {
    let mut rig = Rig::new(name).await;
    let ann = ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.set("CHECK_INACTIVITY_SECS", "7200");
    rig.open().await;
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 6).expect("a day");
    let then = day.and_hms_opt(23, 40, 0).expect("a time").and_utc();
    rig.pass((then - rig.now()).to_std().expect("later")).await;
    assert!(rig.plex.has_access(ann));
    (rig, ann)
}

#[tokio::test(start_paused = true)]
async fn who_is_watching_at_the_last_look_stays() {
    let (rig, ann) = twenty_minutes_before_the_end("idle-last-look").await;
    rig.tautulli.start_stream(ann);
    rig.hours(2).await;
    rig.tautulli.stop_stream(ann);
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn while_somebody_new_has_just_paid_it_could_be_them() {
    let (rig, ann) = twenty_minutes_before_the_end("idle-new-payer").await;
    rig.minutes(15).await;
    let stranger = rig.stripe.customer("someone@example.com", "Someone");
    let sub = rig.stripe.subscribe(&stranger, &rig.basic);
    rig.minutes(10).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(why(&rig, "ann").await.contains(&sub), "{}", why(&rig, "ann").await);
    // Once a whole reading has them, they are somebody else.
    rig.hours(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_may_download_is_removed_only_by_approval() {
    let mut rig = Rig::new("idle-downloads").await;
    let ann = ann_watched(&mut rig, days(26) + hours(20)).await;
    let share = rig.plex.share_of(ann).expect("a share");
    rig.plex.with_share(share.id, |share| share.settings.allow_sync = true);
    rig.open().await;
    rig.days(6).await;
    assert!(rig.plex.has_access(ann));
    let mail = &rig.smtp.received_for("ann@example.com")[0];
    assert!(mail.text().contains("online"), "the letter says what counts: {}", mail.text());
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"]);
    say(&rig, "approve", &[&waiting[0].0]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_who_can_not_be_written_to_is_removed_only_by_approval() {
    let mut rig = Rig::new("idle-no-email").await;
    let ann = ann_watched(&mut rig, days(26) + hours(20)).await;
    rig.plex.with_account(ann, |account| account.email_hidden = true);
    rig.open().await;
    rig.days(6).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.subjects_to("ann").len(), 0);
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"]);
    assert_eq!((heard(&rig, "ann is idle"), heard(&rig, "Waiting for you")), (1, 1), "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn prune_mode_report_warns_and_removes_nobody() {
    let mut rig = Rig::new("prune-report").await;
    ann_watched(&mut rig, days(40)).await;
    rig.set("PRUNE_MODE", "report");
    rig.open().await;
    rig.days(5).await;
    nothing_was_done(&rig);
    assert!(why(&rig, "ann").await.contains("idle: 45 days"), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn prune_mode_approve_warns_and_asks() {
    let mut rig = Rig::new("prune-approve").await;
    let ann = ann_watched(&mut rig, days(40)).await;
    rig.set("PRUNE_MODE", "approve");
    rig.open().await;
    rig.days(6).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    assert!(rig.plex.has_access(ann));
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"]);
    say(&rig, "reject", &[&waiting[0].0]).await;
    rig.days(3).await;
    assert!(rig.plex.has_access(ann), "rejected for this spell");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_08_vip_home_admin_and_owner_are_never_warned_or_removed() {
    let mut rig = Rig::new("protected").await;
    ann_watched(&mut rig, days(1)).await;
    let vip = rig.old_friend(2_000_011, "vip", 400);
    let admin = rig.old_friend(2_000_012, "operator", 400);
    rig.plex.add_account(admin, "operator", sandbox::rig::OPERATOR);
    let home = rig.old_friend(2_000_013, "kid", 400);
    rig.plex.add_home_user(home, "kid", "kid@example.com");
    rig.tautulli.add_user(sandbox::plex::OWNER, "owner1", "owner@example.com");
    for who in [vip, admin, home, sandbox::plex::OWNER] {
        rig.watched(who, days(300));
    }
    rig.set("VIP_NAMES", "VIP");
    rig.open().await;
    rig.days(8).await;
    assert_eq!(rig.plex.changes().len(), 0);
    assert_eq!(rig.tautulli.changes().len(), 0);
    for name in ["vip", "kid", "owner"] {
        assert_eq!(rig.subjects_to(name), Vec::<String>::new());
    }
    assert!(why(&rig, "vip").await.contains("protected"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_pays_may_stay_away_as_long_as_they_like() {
    let mut rig = Rig::new("idle-payer").await;
    ann_watched(&mut rig, days(300)).await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.open().await;
    rig.days(6).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{:?}", rig.subjects_to("ann"));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}
