//! What the operator says, as the engine takes it up.

use std::sync::Arc;

use usher::engine::LiveBook;
use usher::engine::desk::{Accept, Ask};
use usher::facts::Source;
use usher::ledger::Book;
use usher::store::{Store, Which};

use super::{Folder, Room};
use crate::rules::house::House;

#[tokio::test]
async fn accepting_something_has_it_read_anew_at_once() {
    let mut room = Room::new();
    room.opens().await;
    room.house.billing.account = Some("acct_other".into());
    room.reads_stripe().await;
    let refused = room.asked(Ask::Accept { what: Accept::Tautulli }, false).await.unwrap();
    assert!(refused.text.contains("nothing to accept"), "{}", refused.text);
    let before = room.wanted(Source::Stripe);
    room.later(super::minutes(1));
    room.asked(Ask::Accept { what: Accept::Stripe }, true).await.unwrap();
    assert_eq!(room.wanted(Source::Stripe), before, "only asked what it would do");
    room.asked(Ask::Accept { what: Accept::Stripe }, false).await.unwrap();
    assert_eq!(room.wanted(Source::Stripe), Some(room.now()));
}

/// Where the book was torn in its last commit, and the one before it is read.
fn torn() -> Folder {
    let folder = Folder::new();
    let mut house = House::new();
    house.settle();
    let (mut store, _) = Store::<Book>::open(&folder.0, Which::Live, None, house.now).unwrap();
    for _ in 0..2 {
        house.book.next_hold += 1;
        store.commit(&house.book, house.now, &[]).unwrap();
    }
    drop(store);
    let file = folder.0.join("state.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    folder
}

#[tokio::test]
async fn only_accepting_the_state_makes_a_damaged_book_sound() {
    let folder = torn();
    let book = Store::<Book>::read_only(&folder.0, Which::Live).unwrap().book.unwrap();
    let mut room = Room::of(House::new(), folder, |parts| {
        (parts.book, parts.only_look) = (book, Some("the last commit can't be read".into()));
    });
    let is_sound = |room: &Room| Store::<Book>::read_only(&room.folder.0, Which::Live).unwrap().trust.is_sound();
    room.opens().await;
    room.subscribes("ann").await;
    assert!(room.look().is_none() && !is_sound(&room), "only looking");
    let ours = room.house.billing.account.replace("acct_other".into());
    room.reads_stripe().await;
    room.asked(Ask::Accept { what: Accept::Stripe }, false).await.unwrap();
    room.house.billing.account = ours;
    room.reads_stripe().await;
    room.asked(Ask::Accept { what: Accept::Stripe }, false).await.unwrap();
    room.opens().await;
    assert!(room.look().is_none() && !is_sound(&room), "that was another question");
    room.asked(Ask::Accept { what: Accept::State }, false).await.unwrap();
    room.pass().await;
    assert!(is_sound(&room));
    room.opens().await;
    assert!(room.look().is_some());
}

/// A rehearsal beside this live book.
fn rehearsal(live: impl FnOnce(&mut Book), dry: impl FnOnce(&mut Book)) -> Room {
    let mut house = House::new();
    house.settle();
    let book = house.book.clone();
    Room::of(house, Folder::new(), |parts| {
        let (store, _) = parts.store.open_beside(Which::DryRun).unwrap();
        let mut of_old = book.clone();
        live(&mut of_old);
        dry(&mut parts.book);
        let mut kept = std::mem::replace(&mut parts.store, store);
        kept.commit(&of_old, of_old.committed, &[]).unwrap();
        parts.live = Some(LiveBook { store: kept, book: of_old });
        Arc::make_mut(&mut parts.rules).ways.dry_run = true;
    })
}

#[tokio::test]
async fn accepting_the_clock_in_a_rehearsal_is_written_to_the_live_book_as_well() {
    let tomorrow = |book: &mut Book| book.committed += super::days(1);
    let room = rehearsal(tomorrow, tomorrow);
    let committed = |room: &Room| room.book().committed;
    assert!(committed(&room) > room.now());
    room.asked(Ask::Accept { what: Accept::Clock }, false).await.unwrap();
    assert_eq!(committed(&room), room.now());
}

#[tokio::test]
async fn what_says_nothing_new_to_the_live_book_is_not_written_to_it() {
    let mut room = rehearsal(|_| (), |_| ());
    room.opens().await;
    let before = std::fs::read(room.folder.0.join("state.json")).unwrap();
    room.house.billing.account = Some("acct_other".into());
    room.reads_stripe().await;
    room.asked(Ask::Approve { ids: vec!["all".into()] }, false).await.unwrap();
    assert_eq!(std::fs::read(room.folder.0.join("state.json")).unwrap(), before);
    // What the operator says of a person is.
    let invite = Ask::Invite { who: "guest@example.com".into(), tier: "Basic".into(), days: None };
    room.asked(invite, false).await.unwrap();
    assert_ne!(std::fs::read(room.folder.0.join("state.json")).unwrap(), before);
}

#[tokio::test]
async fn accepting_the_state_in_a_rehearsal_makes_the_live_book_sound_and_nothing_else_does() {
    let is_sound = |room: &Room| Store::<Book>::read_only(&room.folder.0, Which::Live).unwrap().trust.is_sound();
    for (what, sound) in [(Accept::State, true), (Accept::Clock, false)] {
        let folder = torn();
        let live = Store::<Book>::read_only(&folder.0, Which::Live).unwrap().book.unwrap();
        let room = Room::of(House::new(), folder, |parts| {
            let (store, _) = parts.store.open_beside(Which::DryRun).unwrap();
            let kept = std::mem::replace(&mut parts.store, store);
            parts.book = live.clone();
            parts.book.committed = parts.clock.now() + super::days(1);
            let live = Book { committed: parts.book.committed, ..live };
            parts.live = Some(LiveBook { store: kept, book: live });
            parts.only_look = Some("the last commit can't be read".into());
            Arc::make_mut(&mut parts.rules).ways.dry_run = true;
        });
        room.asked(Ask::Accept { what }, false).await.unwrap();
        assert_eq!(is_sound(&room), sound, "{what:?}");
    }
}
