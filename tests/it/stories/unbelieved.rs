//! R3 and R9.3 to R9.5: what Tautulli shows while nobody believes it is no
//! observed time, neither for the idle clock nor for the warning's days.

use sandbox::rig::Rig;
use usher::facts::PlexId;

use super::{accept, all_is_well, days, heard, hours, told, unhurried, why};

const ANN: PlexId = PlexId(2_000_001);

/// Ann idles since so long; five others watch every day.
async fn idle_house(name: &str, ago: chrono::TimeDelta) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.set("DIGEST", "off");
    unhurried(&mut rig, 4);
    rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ANN, ago);
    for n in 2..7 {
        rig.old_friend(2_000_000 + n, &format!("friend{n}"), 400);
    }
    others_watch(&rig);
    rig
}

fn others_watch(rig: &Rig) {
    (2..7).for_each(|n| rig.watched(PlexId(2_000_000 + n), hours(3)));
}

async fn days_pass(rig: &Rig, days: u64) {
    for _ in 0..days {
        rig.days(1).await;
        rig.tautulli.refresh();
        others_watch(rig);
    }
}

/// Ann is warned six hours after the opening.
async fn warned(name: &str) -> Rig {
    let mut rig = idle_house(name, days(26) + hours(22)).await;
    rig.open().await;
    rig.hours(6).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    rig
}

/// Two more days aren't three; four and a half are.
async fn the_warning_has_its_days(rig: &Rig) {
    days_pass(rig, 2).await;
    assert!(rig.plex.has_access(ANN), "{:?}\n{}", rig.operator_subjects(), why(rig, "ann").await);
    days_pass(rig, 2).await;
    rig.hours(12).await;
    assert!(!rig.plex.has_access(ANN), "{}", why(rig, "ann").await);
    assert_eq!((told(rig, "ann", "Still with us"), told(rig, "ann", "has ended")), (1, 1));
    assert_eq!(rig.plex.deletions().len(), 1);
    all_is_well(rig);
}

#[tokio::test(start_paused = true)]
async fn ten_days_with_a_tautulli_begun_anew_are_no_days_of_the_warning() {
    for restart in [false, true] {
        let mut rig = warned(&format!("begun-anew-{restart}")).await;
        rig.tautulli.reinstall();
        days_pass(&rig, 5).await;
        if restart {
            rig.close().await;
            rig.open().await;
        }
        days_pass(&rig, 5).await;
        let page = why(&rig, "ann").await;
        assert!(rig.plex.has_access(ANN) && page.contains("usher accept tautulli"), "{page}");
        assert_eq!(heard(&rig, "Tautulli is cut off"), 0, "{:?}", rig.operator_subjects());
        let waits = rig.get("/api/holds").await["text"].to_string();
        assert!(waits.contains("Not believed") && waits.contains("usher accept tautulli"), "{waits}");
        accept(&rig, "tautulli").await;
        the_warning_has_its_days(&rig).await;
    }
}

#[tokio::test(start_paused = true)]
async fn days_in_which_tautulli_watched_another_server_are_no_days_of_the_warning() {
    for accepted in [false, true] {
        let rig = warned(&format!("another-server-{accepted}")).await;
        rig.tautulli.set_server("another");
        days_pass(&rig, 10).await;
        let page = why(&rig, "ann").await;
        assert!(rig.plex.has_access(ANN) && page.contains("another Plex server"), "{page}");
        match accepted {
            true => accept(&rig, "tautulli").await,
            false => rig.tautulli.set_server(sandbox::plex::MACHINE),
        }
        the_warning_has_its_days(&rig).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_watched_owes_nothing_to_the_history_of_another_tautulli() {
    // Bob, who never watched, is measured from the oldest play of ours. The other
    // Tautulli's history is years older.
    let mut rig = Rig::new("older-history").await;
    rig.set("DIGEST", "off");
    unhurried(&mut rig, 1);
    rig.old_friend(2_000_001, "bob", 400);
    for n in 2..7 {
        rig.old_friend(2_000_000 + n, &format!("friend{n}"), 400);
    }
    rig.tautulli.play(PlexId(2_000_002), rig.now() - days(10), rig.now() - days(10) + hours(1));
    others_watch(&rig);
    rig.open().await;
    days_pass(&rig, 2).await;
    rig.tautulli.set_server("another");
    rig.tautulli.play(PlexId(2_000_002), rig.now() - days(900), rig.now() - days(900) + hours(1));
    days_pass(&rig, 1).await;
    accept(&rig, "tautulli").await;
    days_pass(&rig, 12).await;
    assert_eq!(told(&rig, "bob", "Still with us"), 0, "{}", why(&rig, "bob").await);
    days_pass(&rig, 4).await;
    assert_eq!(told(&rig, "bob", "Still with us"), 1, "{}", why(&rig, "bob").await);
    all_is_well(&rig);
}
