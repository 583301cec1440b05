//! Houses that run already (R11 *Upgrades*): a folder that the version of
//! schema 1 left is opened by this one, over sockets, in the world in which it
//! was written. `tests/data/schema-1/README.md` says what is in each.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::rig::{Rig, address};
use usher::facts::{Moment, PlexId};

use super::{all_is_well, days, heard, holds, hours, old_payer, told, unhurried};

/// Puts the files of that house where the daemon looks for them.
fn moves_in(rig: &Rig, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/schema-1").join(name);
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), rig.state().join(entry.file_name())).expect("copied");
        }
    }
}

fn changes(rig: &Rig) -> usize {
    rig.plex.changes().len() + rig.stripe.changes().len() + rig.tautulli.changes().len()
}

fn members_mails(rig: &Rig) -> Vec<String> {
    let all = rig.smtp.received().into_iter().filter(|mail| mail.to != [sandbox::rig::OPERATOR]);
    all.map(|mail| format!("{:?} {}", mail.to, mail.subject)).collect()
}

/// Hana and Gil were asked to subscribe, and Iris's letter was being sent when
/// the plug was pulled.
async fn asked_house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.set("UNMANAGED", "require-subscription");
    rig.set("VIP_NAMES", "greta");
    unhurried(&mut rig, 1);
    for (id, name) in [(2_000_101, "hana"), (2_000_102, "gil"), (2_000_103, "greta")] {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, days(3));
        for day in 0..40 {
            rig.tautulli.play(who, rig.now() + days(day) + hours(1), rig.now() + days(day) + hours(3));
        }
    }
    for (id, name) in [(2_000_104, "paula"), (2_000_105, "pit"), (2_000_106, "pia")] {
        old_payer(&rig, id, name, &rig.premium.clone());
        // The old version has given them what they pay for.
        let share = rig.plex.share_of(PlexId(id)).expect("a share").id;
        rig.plex.with_share(share, |row| row.settings.allow_sync = true);
    }
    rig.pass(Duration::from_secs(30)).await;
    rig.days(3).await;
    let iris = rig.person(2_000_107, "iris");
    rig.plex.share_with(iris, &[rig.movies], rig.now());
    rig.minutes(15).await;
    moves_in(&rig, "asked");
    rig
}

#[tokio::test(start_paused = true)]
async fn who_was_asked_to_subscribe_by_the_old_version_is_asked_nothing_anew_and_goes_no_sooner() {
    let mut rig = asked_house("old-asked").await;
    rig.open().await;
    rig.hours(6).await;
    assert_eq!(changes(&rig), 0, "{:?}", rig.plex.changes());
    // It may be out already, and is the same letter.
    let [asks, welcomes] =
        ["Your place at Attic Cinema: please subscribe by Tuesday, 20 January 2026", "Welcome to Attic Cinema"]
            .map(|subject| format!("{:?} {subject}", [address("iris")]));
    assert_eq!(members_mails(&rig), [asks, welcomes], "both were owed when the plug was pulled");
    assert_eq!(holds(&rig).await, []);
    let heard = ["iris is in", "iris was asked to subscribe before the end of 2026-01-20"];
    assert_eq!(rig.operator_subjects(), heard, "the first was being sent");
    let at = |text: &str| text.parse::<Moment>().expect("a time");
    let until = async |rig: &Rig, then: Moment| {
        rig.pass((then - rig.now()).to_std().expect("to come")).await;
    };
    until(&rig, at("2026-01-17T23:50:00Z")).await;
    let (hana, gil, iris) = (PlexId(2_000_101), PlexId(2_000_102), PlexId(2_000_107));
    assert!([hana, gil, iris].into_iter().all(|who| rig.plex.has_access(who)));
    assert_eq!((members_mails(&rig).len(), changes(&rig)), (2, 0), "{:?}", members_mails(&rig));
    until(&rig, at("2026-01-20T12:00:00Z")).await;
    assert_eq!([hana, gil, iris].map(|who| rig.plex.has_access(who)), [false, false, true]);
    assert_eq!((told(&rig, "hana", "has ended"), told(&rig, "gil", "has ended")), (1, 1), "{:?}", members_mails(&rig));
    all_is_well(&rig);
}

/// Eight who watch, others who don't, a payer of old, and Ann, who has paid.
async fn rehearsed_house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    rig.set("VIP_NAMES", "greta");
    rig.set("UNMANAGED", "require-subscription");
    for (n, name) in (0..).zip(["adam", "bea", "carl", "dirk", "elsa", "fay", "gil", "hana"]) {
        let who = rig.old_friend(2_000_100 + n, name, 400);
        for day in 0..30 {
            rig.tautulli.play(who, rig.now() + days(day * 5) + hours(1), rig.now() + days(day * 5) + hours(3));
        }
        rig.watched(who, days(3));
    }
    let idle = |id: u64, name: &str, ago: TimeDelta| {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, ago);
        who
    };
    idle(2_000_001, "greta", days(200));
    idle(2_000_002, "jon", days(26) + hours(12));
    let dora = idle(2_000_003, "dora", days(25) + hours(12));
    let share = rig.plex.share_of(dora).expect("a share").id;
    rig.plex.with_share(share, |row| row.settings.allow_sync = true);
    idle(2_000_004, "ida", days(16) + hours(12));
    idle(2_000_005, "karl", days(16) + hours(3));
    let lea = idle(2_000_006, "lea", days(26) + hours(4));
    rig.tautulli.play(lea, rig.now() + days(2), rig.now() + days(2) + hours(2));
    old_payer(&rig, 2_000_007, "paula", &rig.premium.clone());
    rig.pass(Duration::from_secs(31)).await;
    rig.days(3).await;
    rig.person(2_000_010, "ann");
    let ann = rig.stripe.customer(&address("ann"), "Ann");
    rig.stripe.subscribe(&ann, &rig.basic);
    rig.days(9).await;
    rig.minutes(5).await;
    moves_in(&rig, "rehearsed");
    rig
}

#[tokio::test(start_paused = true)]
async fn a_house_that_rehearsed_with_the_old_version_goes_live_with_this_one_and_waits() {
    let mut rig = rehearsed_house("old-rehearsed").await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.hours(3).await;
    super::nothing_was_done(&rig);
    assert_eq!(heard(&rig, "would"), 0, "it has rehearsed all of this: {:?}", rig.operator_subjects());
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(3).await;
    let invited: Vec<String> = rig.plex.invites_sent().into_iter().map(|invite| format!("{:?}", invite.to)).collect();
    assert_eq!(invited.len(), 2, "Ann, who pays, and Gina, who was invited: {invited:?}");
    let paula = rig.plex.share_of(PlexId(2_000_007)).expect("a share");
    assert!(paula.settings.allow_sync, "she has paid for it");
    assert_eq!(changes(&rig), 3, "{:?}", rig.plex.changes());
    let mut mails = members_mails(&rig);
    mails.retain(|mail| !mail.contains("invitation"));
    assert_eq!(mails, Vec::<String>::new());
    let rules: std::collections::BTreeSet<String> = holds(&rig).await.into_iter().map(|(_, rule, _)| rule).collect();
    assert!(rules.contains("go-live"), "{rules:?}");
    all_is_well(&rig);
}
