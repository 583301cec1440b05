//! What can't be known about watching counts against nobody (R3, promise 2).

use sandbox::faults::{Fault, Matching};
use sandbox::rig::Rig;

use super::idle::ann_watched;
use super::{all_is_well, days, heard, hours, nothing_was_done, told, told_at, unhurried, why};

/// Nothing is done about Ann for ten days, and `why` says why.
async fn nothing_is_done(mut rig: Rig, says: &str) {
    rig.open().await;
    rig.days(10).await;
    nothing_was_done(&rig);
    let page = why(&rig, "ann").await;
    assert!(page.contains(says), "{page}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn whose_history_is_not_kept_is_never_idle() {
    let mut rig = Rig::new("keep-history-off").await;
    let ann = ann_watched(&mut rig, days(40)).await;
    rig.tautulli.set_keep_history(ann, false);
    nothing_is_done(rig, "keeps no history for them").await;
}

#[tokio::test(start_paused = true)]
async fn whom_tautulli_does_not_list_is_never_idle() {
    let mut rig = Rig::new("unlisted").await;
    ann_watched(&mut rig, days(1)).await;
    let cleo = usher::facts::PlexId(2_000_003);
    rig.plex.add_account(cleo, "cleo", "cleo@example.com");
    rig.plex.share_with(cleo, &[rig.movies], rig.now() - days(400));
    rig.open().await;
    rig.days(10).await;
    nothing_was_done(&rig);
    let page = why(&rig, "cleo").await;
    assert!(page.contains("doesn't list them"), "{page}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_has_a_library_without_history_is_never_idle() {
    let mut rig = Rig::new("unlogged-library").await;
    ann_watched(&mut rig, days(40)).await;
    let key = rig.plex.sections()[1].key;
    rig.tautulli.set_library_keep_history(key, false);
    nothing_is_done(rig, "no history for it").await;
}

#[tokio::test(start_paused = true)]
async fn promise_02_days_without_tautulli_lengthen_the_clock() {
    let mut rig = Rig::new("tautulli-down").await;
    ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.hours(2).await;
    let fault = rig.tautulli.faults().always(Matching::All, Fault::status(500));
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0);
    rig.tautulli.faults().remove(fault);
    let back = rig.now();
    rig.days(1).await;
    let waited = told_at(&rig, "ann", "Still with us") - back;
    assert!(waited >= hours(10) && waited < hours(14), "the ten hours that were left: {waited}");
    assert_eq!((heard(&rig, "Tautulli can't be read"), heard(&rig, "Tautulli is back")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn days_in_which_tautulli_was_cut_off_from_plex_lengthen_the_clock() {
    let mut rig = Rig::new("tautulli-cut-off").await;
    ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.hours(2).await;
    rig.tautulli.set_connected(false);
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0);
    assert!(why(&rig, "ann").await.contains("cut off"), "{}", why(&rig, "ann").await);
    assert_eq!(heard(&rig, "Tautulli is cut off from Plex"), 1, "{:?}", rig.operator_subjects());
    rig.tautulli.set_connected(true);
    let back = rig.now();
    rig.days(1).await;
    let waited = told_at(&rig, "ann", "Still with us") - back;
    assert!(waited >= hours(9) && waited < hours(14), "{waited}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_blind_week_after_the_warning_lengthens_the_warning() {
    let mut rig = Rig::new("blind-after-warning").await;
    let ann = ann_watched(&mut rig, days(26) + hours(23)).await;
    rig.open().await;
    rig.hours(12).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    rig.tautulli.set_connected(false);
    rig.days(7).await;
    rig.tautulli.set_connected(true);
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "two and a half observed days since the warning");
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn hours_in_which_usher_was_down_lengthen_the_clock() {
    let mut rig = Rig::new("usher-down").await;
    ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.hours(2).await;
    rig.close().await;
    rig.days(5).await;
    rig.open().await;
    let back = rig.now();
    rig.days(1).await;
    let waited = told_at(&rig, "ann", "Still with us") - back;
    assert!(waited >= hours(8) && waited < hours(14), "{waited}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_slow_poll_of_tautulli_is_not_blindness() {
    let mut rig = Rig::new("slow-poll").await;
    ann_watched(&mut rig, days(26) + hours(12)).await;
    unhurried(&mut rig, 6);
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_tautulli_knows_nothing_and_nobody_is_idle_by_it() {
    let mut rig = Rig::new("tautulli-reinstalled").await;
    ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.hours(2).await;
    rig.tautulli.reinstall();
    rig.hours(1).await;
    rig.tautulli.refresh();
    rig.days(8).await;
    nothing_was_done(&rig);
    assert_eq!(heard(&rig, "Far fewer"), 1, "plays and people with history in one: {:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_never_watched_is_measured_from_tautullis_oldest_play() {
    let mut rig = Rig::new("never-watched").await;
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.old_friend(2_000_001, "ann", 400);
    rig.watched(bob, days(20));
    unhurried(&mut rig, 1);
    rig.open().await;
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    rig.tautulli.play(bob, rig.now() - hours(1), rig.now());
    rig.days(3).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_old_play_that_is_learned_late_is_no_new_play() {
    // The listing of all tells when a play of 50 days ago began, the look
    // before the removal when it ended: still one spell and one warning.
    let mut rig = Rig::new("old-stop").await;
    let ann = ann_watched(&mut rig, days(50)).await;
    rig.open().await;
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{}", why(&rig, "ann").await);
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_warning_stays_rejected_over_starts_and_while_tautulli_is_away() {
    let mut rig = Rig::new("rejected-warnings").await;
    super::unhurried(&mut rig, 1);
    let names = ["ann", "bob", "cleo"];
    for (id, name) in (2_000_001..).zip(names) {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, super::days(40));
    }
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(super::holds(&rig).await.len(), 3);
    super::say(&rig, "reject", &["all"]).await;
    let first = super::holds(&rig).await;
    assert!(first.len() == 3 && first.iter().all(|(_, rule, _)| rule == "rejected"), "{first:?}");
    rig.close().await;
    rig.open().await;
    rig.hours(5).await;
    assert_eq!(super::holds(&rig).await, first, "under their numbers");
    rig.tautulli.set_sql_error(true);
    rig.close().await;
    rig.open().await;
    rig.hours(5).await;
    rig.tautulli.set_sql_error(false);
    rig.days(1).await;
    assert_eq!(super::holds(&rig).await, first);
    assert_eq!(super::heard(&rig, "Waiting for you"), 1, "asked once: {:?}", rig.operator_subjects());
    for name in names {
        assert_eq!(super::told(&rig, name, "Still with us"), 0, "{}", super::why(&rig, name).await);
    }
    super::all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn one_yes_removes_the_idle_though_the_last_look_knows_their_play_better() {
    let mut rig = Rig::new("one-yes").await;
    rig.set("PRUNE_MODE", "approve");
    let ann = super::idle::ann_watched(&mut rig, super::days(40)).await;
    rig.open().await;
    rig.days(5).await;
    let waiting = super::holds(&rig).await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    super::say(&rig, "approve", &[&waiting[0].0]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(ann), "{:?} {}", super::holds(&rig).await, super::why(&rig, "ann").await);
    assert_eq!(super::heard(&rig, "Waiting for you"), 1, "{:?}", rig.operator_subjects());
    super::all_is_well(&rig);
}
