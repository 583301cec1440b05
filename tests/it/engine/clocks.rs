//! R9.4: nothing is decided or written while the clock can't be trusted.

use usher::engine::mailbox::Mail;
use usher::facts::{FailureKind, Reading, Source, Unread, Whole};
use usher::ledger::{Delivery, DeliveryOutcome, Letter};

use super::{Room, days, minutes, seconds};
use crate::rules::house::MOVIES;

impl Room {
    /// A reading whose service's clock is an hour from ours.
    async fn reads_plex_askew(&self) {
        let whole = Whole { skew_secs: Some(3600), ..self.whole(&self.house.friends) };
        self.post.plex(Reading::Read(whole));
        self.pass().await;
    }
}

#[tokio::test]
async fn while_the_clocks_disagree_nothing_is_taken_up_and_afterwards_the_looking_begins_anew() {
    let mut room = Room::new();
    room.opens().await;
    let commits = room.commits();
    room.house.subscribe("sub_ann", "ann", "price_basic");
    room.reads_plex_askew().await;
    room.reads_stripe().await;
    room.send(Mail::Customer(Box::new(room.customer("cus_ann")))).await;
    room.tick().await;
    assert!(room.look().is_none());
    assert_eq!(room.commits(), commits, "nothing is written");
    let told = room.letters();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(&told[0].letter, Letter::Attention { title, .. } if title.contains("clocks disagree")));
    room.delivered(&told[0], DeliveryOutcome::Accepted).await;
    room.later(minutes(2));
    room.reads_plex_askew().await;
    assert_eq!(room.letters(), [], "told once");
    // They agree again.
    room.later(minutes(2));
    room.reads_plex().await;
    assert_eq!(room.wanted(Source::Plex), Some(room.now() + seconds(1)), "the first look");
    assert!(room.look().is_none(), "what was read meanwhile counts for nothing");
    assert!(room.book().by_customer(&"cus_ann".into()).is_none(), "nor does a look");
    room.reads_stripe().await;
    room.later(seconds(1));
    room.reads_plex().await;
    room.reads_stripe().await;
    assert!(room.look().is_some());
    // And disagree again: that is told, too; but not at each turn of a clock
    // that comes and goes.
    let told = async |room: &mut Room| {
        room.reads_plex_askew().await;
        let told = room.letters();
        for letter in &told {
            room.delivered(letter, DeliveryOutcome::Accepted).await;
        }
        told.into_iter()
            .filter(|one| matches!(&one.letter, Letter::Attention { title, .. } if title.contains("clocks")))
            .count()
    };
    room.later(days(1));
    room.reads_plex().await;
    for times in [1, 1, 1, 0, 0] {
        assert_eq!(told(&mut room).await, times);
        room.later(minutes(2));
        room.reads_plex().await;
        room.later(minutes(20));
        room.reads_plex().await;
    }
    room.later(days(1));
    room.reads_plex().await;
    assert_eq!(told(&mut room).await, 1);
}

#[tokio::test]
async fn an_hour_in_which_the_clocks_disagreed_is_no_observed_time() {
    let mut room = Room::new();
    room.opens().await;
    room.later(minutes(30));
    room.reads_tautulli().await;
    let good = room.now();
    room.later(minutes(30));
    room.reads_plex_askew().await;
    room.reads_tautulli().await;
    room.later(minutes(30));
    room.reads_plex().await;
    room.reads_tautulli().await;
    let again = room.now();
    room.later(minutes(30));
    room.reads_tautulli().await;
    assert_eq!(room.book().blind.observed(good, room.now()), room.now() - again);
}

#[tokio::test]
async fn before_anybodys_clock_was_seen_nothing_is_written_for_ten_minutes() {
    let mut room = Room::new();
    let started = room.now();
    for _ in 0..5 {
        let unread = Unread { at: started, kind: FailureKind::Unreachable, why: "no answer".into() };
        room.post.plex(Reading::Unread(unread));
        room.pass().await;
    }
    room.reads_tautulli().await;
    assert_eq!(room.commits(), 0);
    assert_eq!(room.deadline(), Some(started + minutes(10)));
    room.later(minutes(10) - seconds(1));
    room.tick().await;
    assert_eq!(room.commits(), 0);
    room.later(seconds(1));
    room.tick().await;
    assert_eq!(room.commits(), 1, "the operator must hear of it by now");
    assert_ne!(room.deadline(), Some(started + minutes(10)));
}

#[tokio::test]
async fn what_came_before_any_clock_was_compared_counts_when_it_is() {
    let mut room = Room::new();
    room.reads_tautulli().await;
    assert_eq!(room.commits(), 0);
    room.reads_plex().await;
    room.later(minutes(61)); // Watermarks are written hourly.
    room.reads_plex().await;
    assert!(room.book().marks.last_whole.contains_key(&Source::Tautulli), "it was kept for then");
}

/// What is certain all the same: a letter that was out already.
#[tokio::test]
async fn a_letter_that_arrives_while_the_clocks_disagree_is_not_sent_again() {
    let mut room = Room::new();
    room.opens().await;
    room.house.share(11, 211, "ann", &[MOVIES], days(0));
    room.reads_plex().await;
    let batch = room.letters();
    assert_eq!(batch.len(), 1);
    room.reads_plex_askew().await;
    for letter in &batch {
        room.delivered(letter, DeliveryOutcome::Accepted).await;
    }
    for told in room.letters() {
        room.delivered(&told, DeliveryOutcome::Accepted).await;
    }
    room.later(minutes(2));
    room.reads_plex().await;
    let book = room.book();
    let is_out = |key| book.outbox[key].deliveries.values().all(|at| matches!(at, Delivery::Accepted { .. }));
    assert!(batch.iter().all(|letter| is_out(&letter.key)), "written down as soon as anything is");
}
