//! Handing out letters: one at a time, seldom to a channel that is down, and
//! none while the process ends.

use usher::facts::PlexId;
use usher::ledger::{Delivery, DeliveryOutcome};

use super::{Room, minutes, seconds};
use crate::rules::house::MOVIES;

/// Somebody was shared with by hand: two letters, to them and to the operator.
async fn arrives(room: &mut Room, id: u64, name: &str) {
    room.house.share(id, 200 + id, name, &[MOVIES], super::days(0));
    room.reads_plex().await;
}

fn down() -> DeliveryOutcome {
    DeliveryOutcome::ChannelDown { why: "no connection".into(), for_secs: 120 }
}

#[tokio::test]
async fn promise_07_one_letter_is_under_way_and_its_outcome_and_the_next_one_share_a_commit() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let first = room.letters();
    assert_eq!(first.len(), 1, "{first:?}");
    arrives(&mut room, 12, "bob").await;
    room.later(minutes(30));
    room.tick().await;
    assert_eq!(room.letters(), [], "one is still out");
    let mut sent = vec![first[0].key.clone()];
    let mut letter = first[0].clone();
    loop {
        let commits = room.commits();
        room.delivered(&letter, DeliveryOutcome::Accepted).await;
        assert_eq!(room.commits(), commits + 1);
        let under_way: Vec<_> = room
            .book()
            .outbox
            .values()
            .filter(|notice| notice.deliveries.values().any(|at| matches!(at, Delivery::Sending { .. })))
            .map(|notice| notice.key.clone())
            .collect();
        let next = room.letters();
        assert_eq!(under_way, next.iter().map(|letter| letter.key.clone()).collect::<Vec<_>>());
        let Some(next) = next.into_iter().next() else { break };
        assert!(!sent.contains(&next.key), "none goes twice");
        sent.push(next.key.clone());
        letter = next;
    }
    assert_eq!(sent.len(), 4);
}

#[tokio::test]
async fn a_channel_that_is_down_is_tried_more_and_more_seldom_up_to_hourly() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let mut letter = room.letters();
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        room.delivered(&letter[0], down()).await;
        let until = room.now() + minutes(pause);
        assert_eq!(room.letters(), [], "{pause} minutes");
        room.later(minutes(pause) - seconds(1));
        room.tick().await;
        assert_eq!(room.letters(), [], "{pause} minutes");
        assert_eq!(room.deadline(), Some(until), "{pause} minutes");
        room.later(seconds(1));
        room.tick().await;
        letter = room.letters();
        assert_eq!(letter.len(), 1, "{pause} minutes");
        assert_ne!(room.deadline(), Some(until), "that has come");
    }
    // It works again: the pace begins anew.
    room.delivered(&letter[0], DeliveryOutcome::Accepted).await;
    let letter = room.letters();
    room.delivered(&letter[0], down()).await;
    room.later(minutes(2));
    room.tick().await;
    assert_eq!(room.letters().len(), 1);
}

#[tokio::test]
async fn while_it_ends_nothing_more_is_handed_out_and_what_is_out_is_written_down() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let letter = room.letters();
    arrives(&mut room, 12, "bob").await;
    room.house.subscribe("sub_carl", "carl", "price_basic");
    drop(room.stop.take());
    room.pass().await;
    room.reads_stripe().await;
    assert!(room.look().is_none(), "no call is begun");
    assert!(!room.engine.is_finished(), "one letter is still out");
    room.delivered(&letter[0], DeliveryOutcome::Accepted).await;
    assert_eq!(room.letters(), [], "the others go out after the next start");
    assert!(room.engine.is_finished());
    let book = room.book();
    assert!(book.outbox[&letter[0].key].deliveries.values().all(|at| matches!(at, Delivery::Accepted { .. })));
    let open = book.outbox.values().flat_map(|notice| notice.deliveries.values()).filter(|at| !at.is_done());
    assert!(
        open.clone().count() == 3 && open.clone().all(|at| matches!(at, Delivery::Due { .. })),
        "certainly not out"
    );
    assert!(book.by_account(PlexId(212)).is_some());
}

#[tokio::test]
async fn while_it_ends_the_call_under_way_is_waited_for() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    drop(room.stop.take());
    room.pass().await;
    assert!(!room.engine.is_finished());
    room.ended(&key, None).await;
    assert!(room.engine.is_finished());
}

#[tokio::test]
async fn a_book_that_may_have_forgotten_what_it_sent_writes_to_no_member() {
    let mut room = Room::with(|parts| parts.only_look = Some("the book is from a backup".into()));
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let mut sent = 0;
    while let Some(letter) = room.letters().pop() {
        assert_eq!(letter.audience, usher::ledger::Audience::Operator);
        room.delivered(&letter, DeliveryOutcome::Accepted).await;
        sent += 1;
    }
    assert!(sent > 0);
}
