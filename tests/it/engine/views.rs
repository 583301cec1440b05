//! What is published after each pass.

use usher::engine::desk::{View, loop_name};
use usher::engine::snapshot::Nothing;
use usher::facts::{Section, SectionId, Source};
use usher::ledger::DeliveryOutcome;
use usher::policy::Tiers;
use usher::tier::Wanted;

use super::{Room, minutes, seconds};
use crate::rules::house::{House, MOVIES};

#[tokio::test]
async fn ready_means_that_plex_and_stripe_were_looked_at_twice() {
    let mut room = Room::new();
    let ready = |room: &Room| room.view.borrow().ready();
    assert!(!ready(&room) && !Nothing { started: room.now() }.ready());
    room.reads().await;
    assert!(!ready(&room));
    room.later(minutes(1));
    room.reads_plex().await;
    assert!(!ready(&room));
    room.reads_stripe().await;
    assert!(ready(&room), "Tautulli may be slow");
    room.later(minutes(1));
    room.reads_plex().await;
    assert!(ready(&room), "also after the third");
}

#[tokio::test]
async fn a_source_that_is_read_no_more_is_a_problem_and_named() {
    let mut room = Room::new();
    room.pass().await;
    let problems = |room: &Room| room.health().problems.join("; ");
    let patience = room.house.rules.freshness(Source::Plex);
    room.later(patience);
    assert!(!problems(&room).contains("plex"), "{}", problems(&room));
    room.later(seconds(1));
    assert!(problems(&room).to_lowercase().contains("plex"), "{}", problems(&room));
    room.reads().await;
    assert_eq!(problems(&room), "");
    assert!(room.health().healthy);
    room.later(patience);
    assert!(!problems(&room).to_lowercase().contains("plex"), "{}", problems(&room));
    room.later(seconds(1));
    assert!(problems(&room).to_lowercase().contains("plex"), "{}", problems(&room));
}

#[tokio::test]
async fn a_channel_that_is_down_is_a_problem_until_it_is_tried_again() {
    let mut room = Room::new();
    room.opens().await;
    room.house.share(11, 211, "ann", &[MOVIES], super::days(0));
    room.reads_plex().await;
    let batch = room.letters();
    assert_eq!(room.health().outbox, 2);
    for letter in &batch {
        let outcome = DeliveryOutcome::ChannelDown { why: "no connection".into(), for_secs: 120 };
        room.delivered(letter, outcome).await;
    }
    let down = |room: &Room| room.health().problems.iter().any(|problem| problem.contains("mail is down"));
    assert!(down(&room));
    room.later(minutes(2) - seconds(1));
    assert!(down(&room));
    room.later(seconds(1));
    assert!(!down(&room));
}

#[tokio::test]
async fn health_says_which_mode_it_is_and_what_waits_for_the_operator() {
    let mut room = Room::new();
    room.opens().await;
    assert_eq!((room.health().mode, room.health().holds), ("live", 0));
    assert_eq!(room.health().loops.keys().copied().collect::<Vec<_>>(), ["activity", "billing", "friends"]);
    let room = Room::ruled(|rules| rules.ways.dry_run = true);
    room.pass().await;
    assert_eq!(room.health().mode, "dry run");
    assert_eq!(Source::ALL.map(loop_name).len(), 3);
}

#[tokio::test]
async fn a_new_library_that_waits_for_the_operator_is_counted_with_the_holds() {
    let mut house = House::new();
    let Tiers::File(tiers) = &mut house.rules.tiers else { panic!() };
    tiers[1].libraries = Wanted::Everything { except: Vec::new() };
    house.settle();
    house.friends.sections.insert(SectionId(9), Section { id: SectionId(9), key: 9, title: "Music".into() });
    house.settle();
    let room = Room::after(house);
    room.pass().await;
    assert_eq!(room.health().holds, 1);
}
