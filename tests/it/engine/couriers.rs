//! Handing out letters: a batch at a time, seldom to a channel that is down,
//! and none while the process ends.

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
async fn the_next_batch_waits_for_the_last_letter_of_the_one_before() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let batch = room.letters();
    assert_eq!(batch.len(), 2, "{batch:?}");
    arrives(&mut room, 12, "bob").await;
    assert_eq!(room.letters(), []);
    room.delivered(&batch[0], DeliveryOutcome::Accepted).await;
    assert_eq!(room.letters(), [], "one is still out");
    room.delivered(&batch[1], DeliveryOutcome::Accepted).await;
    let second = room.letters();
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|letter| !batch.iter().any(|first| first.key == letter.key)), "none goes twice");
}

#[tokio::test]
async fn a_channel_that_is_down_is_tried_more_and_more_seldom_up_to_hourly() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let mut batch = room.letters();
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        for letter in &batch {
            room.delivered(letter, down()).await;
        }
        let until = room.now() + minutes(pause);
        assert_eq!(room.letters(), [], "{pause} minutes");
        room.later(minutes(pause) - seconds(1));
        room.tick().await;
        assert_eq!(room.letters(), [], "{pause} minutes");
        assert_eq!(room.deadline(), Some(until), "{pause} minutes");
        room.later(seconds(1));
        room.tick().await;
        batch = room.letters();
        assert_eq!(batch.len(), 2, "{pause} minutes");
        assert_ne!(room.deadline(), Some(until), "that has come");
    }
    // It works again: the pace begins anew.
    room.delivered(&batch[0], DeliveryOutcome::Accepted).await;
    room.delivered(&batch[1], down()).await;
    room.later(minutes(2));
    room.tick().await;
    assert_eq!(room.letters().len(), 1);
}

#[tokio::test]
async fn while_it_ends_nothing_more_is_handed_out_and_what_is_out_is_written_down() {
    let mut room = Room::new();
    room.opens().await;
    arrives(&mut room, 11, "ann").await;
    let batch = room.letters();
    arrives(&mut room, 12, "bob").await;
    room.house.subscribe("sub_carl", "carl", "price_basic");
    drop(room.stop.take());
    room.pass().await;
    room.reads_stripe().await;
    assert!(room.look().is_none(), "no call is begun");
    room.delivered(&batch[0], DeliveryOutcome::Accepted).await;
    assert!(!room.engine.is_finished(), "one letter is still out");
    room.delivered(&batch[1], DeliveryOutcome::Accepted).await;
    assert_eq!(room.letters(), [], "Bob's letters go out after the next start");
    assert!(room.engine.is_finished());
    let book = room.book();
    let accepted = |key| book.outbox[key].deliveries.values().all(|at| matches!(at, Delivery::Accepted { .. }));
    assert!(batch.iter().all(|letter| accepted(&letter.key)));
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
    while !room.letters().is_empty() {}
    arrives(&mut room, 11, "ann").await;
    let batch = room.letters();
    assert!(batch.iter().all(|letter| letter.to.is_none() || letter.audience == usher::ledger::Audience::Operator));
}
