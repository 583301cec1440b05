//! What is handed out was written down before; and what can't be written.

use usher::engine::desk::Ask;
use usher::ledger::{IntentState, Letter};
use usher::store::{Step, StepFault};

use super::{Room, minutes, seconds};
use crate::rules::house::MOVIES;

impl Room {
    fn disk_is_full(&self, full: bool) {
        *self.fault.lock().unwrap() = full.then_some((Step::TempWritten, StepFault::DiskFull));
    }

    /// How often the history has this line.
    fn history(&self, what: &str) -> usize {
        let text = std::fs::read_to_string(self.folder.0.join("history.jsonl")).unwrap_or_default();
        text.lines().filter(|line| line.contains(what)).count()
    }
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_done_and_what_was_decided_is_done_when_it_can_be_written() {
    let mut room = Room::new();
    room.opens().await;
    room.disk_is_full(true);
    room.subscribes("ann").await;
    assert!(room.look().is_none(), "a look that isn't written down leads to no call");
    let told = room.letters();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(&told[0].letter, Letter::Attention { title, .. } if title.contains("can't be written")));
    assert_eq!(room.deadline(), Some(room.now() + minutes(1)), "tried again then at the latest");
    room.delivered(&told[0], usher::ledger::DeliveryOutcome::Accepted).await;
    room.later(minutes(1));
    room.tick().await;
    assert_eq!(room.letters(), [], "told once");
    assert_eq!(room.history("decided to invite"), 0);
    room.disk_is_full(false);
    room.later(minutes(1));
    room.tick().await;
    let look = room.look().expect("she is to be invited");
    assert_eq!(room.book().intents[&look.key].state, IntentState::Decided);
    assert_eq!(room.history("decided to invite"), 1);
    room.looked(&look).await;
    assert!(room.call().is_some());
    assert!(matches!(room.book().intents[&look.key].state, IntentState::Attempted { .. }), "before the call");
    assert_eq!(room.history("decided to invite"), 1, "once");
    // Full again: another outage, told again.
    room.disk_is_full(true);
    room.later(minutes(1));
    room.subscribes("bob").await;
    assert_eq!(room.letters().len(), 1);
}

#[tokio::test]
async fn a_call_that_could_not_be_written_down_is_not_made() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let look = room.look().unwrap();
    room.disk_is_full(true);
    room.looked(&look).await;
    assert!(room.call().is_none());
    room.disk_is_full(false);
    room.later(minutes(1));
    room.tick().await;
    let again = room.look().expect("it is looked at anew");
    assert_eq!(again.key, look.key);
    room.looked(&again).await;
    assert!(room.call().is_some());
}

#[tokio::test]
async fn a_quiet_hour_is_one_commit() {
    let mut room = Room::new();
    room.opens().await;
    room.reads().await;
    let before = room.commits();
    room.later(minutes(30));
    room.reads_plex().await;
    room.tick().await;
    assert_eq!(room.commits(), before, "watermarks wait");
    room.later(minutes(31));
    room.reads_plex().await;
    assert_eq!(room.commits(), before + 1);
    let written = room.now();
    room.tick().await;
    assert_eq!(room.commits(), before + 1, "without a reading there is nothing to write");
    room.later(minutes(60) - seconds(1));
    room.reads_plex().await;
    assert_eq!(room.commits(), before + 1);
    room.later(seconds(1));
    room.reads_plex().await;
    assert_eq!((room.commits(), room.now() - written), (before + 2, minutes(60)));
}

#[tokio::test]
async fn a_call_under_way_is_the_only_one_though_the_book_can_not_be_written_meanwhile() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    room.disk_is_full(true);
    room.subscribes("bob").await;
    room.disk_is_full(false);
    room.later(minutes(1));
    room.tick().await;
    assert!(room.jobs.try_recv().is_err(), "two at once");
    room.ended(&key, None).await;
    assert!(room.look().is_some_and(|look| look.customers.is_empty() && look.key != key));
}

#[tokio::test]
async fn what_happens_to_somebody_known_stands_in_the_history_once() {
    let mut room = Room::new();
    room.house.share(11, 211, "ann", &[MOVIES], super::days(100));
    room.opens().await;
    room.asked(Ask::Grandfather { who: "ann".into() }, false).await.unwrap();
    room.later(minutes(1));
    room.asked(Ask::Pause { who: "ann".into(), until: room.now().date_naive(), note: "ill".into() }, false)
        .await
        .unwrap();
    room.later(minutes(1));
    room.reads().await;
    let journal: Vec<String> = room
        .book()
        .by_account(usher::facts::PlexId(211))
        .unwrap()
        .journal
        .iter()
        .map(|entry| entry.what.clone())
        .collect();
    assert!(journal.len() >= 3, "{journal:?}");
    for what in &journal {
        assert_eq!(room.history(what), 1, "{what}");
    }
}
