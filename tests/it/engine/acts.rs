//! What becomes of a call.

use std::time::Duration;

use usher::engine::mailbox::Mail;
use usher::facts::{FailureKind, PlexId, ShareId};
use usher::ledger::{Act, InviteTo, Member};
use usher::services::failure::Failure;

use super::{Room, days, minutes, seconds};
use crate::rules::house::{MOVIES, email};

fn refused(status: u16) -> Option<Failure> {
    Some(Failure { status: Some(status), ..Failure::not_done(FailureKind::Refused, "no") })
}

/// Ann, with account 200, was removed long ago and has a record in Tautulli;
/// as changed.
fn gone(change: impl FnOnce(&mut Member)) -> Room {
    Room::with(|parts| {
        let now = parts.clock.now();
        let id = parts.book.enter(now - days(100));
        let ann = parts.book.members.get_mut(&id).unwrap();
        ann.plex = Some(PlexId(200));
        change(ann);
    })
}

#[tokio::test]
async fn who_was_deleted_in_tautulli_is_so_once_tautulli_has_said_yes() {
    let mut room = gone(|ann| ann.forget_at = Some(ann.since));
    room.opens().await;
    let look = room.look().unwrap();
    assert!(look.created_since.is_some() && look.watcher == Some(PlexId(200)) && look.home, "a removal to the brake");
    room.looked(&look).await;
    let (key, act) = room.call().unwrap();
    assert_eq!(act, Act::Forget { plex: PlexId(200) });
    let due = |room: &Room| room.book().by_account(PlexId(200)).unwrap().forget_at.is_some();
    room.ended(&key, Some(Failure::unknown(FailureKind::Unreachable, "no answer"))).await;
    assert!(due(&room));
    for _ in 0..2 {
        room.later(minutes(30));
        room.reads().await;
    }
    let (key, _) = room.attempts().await;
    room.ended(&key, None).await;
    assert!(!due(&room));
}

#[tokio::test]
async fn whom_tautulli_never_knew_needs_no_taking_back() {
    for (failure, over) in
        [(None, true), (refused(400), true), (Some(Failure::unknown(FailureKind::Unreachable, "no answer")), false)]
    {
        let mut room = gone(|ann| ann.forgotten = Some(ann.since));
        room.house.share(11, 200, "ann", &[MOVIES], days(10));
        room.opens().await;
        let (key, act) = room.attempts().await;
        assert_eq!(act, Act::Remember { plex: PlexId(200) });
        room.ended(&key, failure.clone()).await;
        assert_eq!(room.book().by_account(PlexId(200)).unwrap().forgotten.is_none(), over, "{failure:?}");
    }
}

#[tokio::test]
async fn a_refused_invite_goes_once_by_address_and_then_to_nobody() {
    let mut room = gone(|ann| ann.email = Some(email("ann")));
    room.opens().await;
    room.house.subscribe("sub_ann", "ann", "price_basic");
    room.house.sub(&"sub_ann".into()).signed_in =
        Some(usher::facts::SignedIn { account: PlexId(200), email: Some(email("ann")) });
    room.reads_stripe().await;
    let (by_id, act) = room.attempts().await;
    assert!(matches!(act, Act::Invite { to: InviteTo::Account(PlexId(200)), .. }), "{act:?}");
    room.ended(&by_id, refused(422)).await;
    let refusal = |room: &Room| room.book().by_account(PlexId(200)).unwrap().invite_refused.clone().unwrap();
    assert_eq!((refusal(&room).by_id, refusal(&room).by_email), (true, false));
    room.later(minutes(1));
    room.reads_plex().await;
    let (by_email, act) = room.attempts().await;
    assert!(matches!(act, Act::Invite { to: InviteTo::Email(_), .. }), "{act:?}");
    room.ended(&by_email, refused(422)).await;
    assert_eq!((refusal(&room).by_id, refusal(&room).by_email), (true, true));
    room.later(days(1) - minutes(2));
    room.reads().await;
    assert!(room.look().is_none());
    room.later(minutes(2));
    room.reads().await;
    room.later(minutes(1));
    room.reads().await;
    assert_eq!(room.look().expect("it is forgotten after a day").whom.account, Some(PlexId(200)));
}

#[tokio::test]
async fn a_404_to_an_invite_may_have_meant_the_server_and_is_tried_again_after_a_day() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    let first = room.now();
    room.ended(&key, refused(404)).await;
    let refusal = |room: &Room| room.book().by_customer(&"cus_ann".into()).unwrap().invite_refused.clone().unwrap();
    assert_eq!((refusal(&room).at, refusal(&room).by_email), (first, true));
    room.later(days(1) - seconds(1));
    room.reads().await;
    assert!(room.look().is_none());
    room.later(minutes(1));
    room.reads().await;
    let (key, _) = room.attempts().await;
    room.ended(&key, refused(422)).await;
    assert_eq!(refusal(&room).at, room.now());
}

#[tokio::test]
async fn a_service_that_asks_to_wait_is_waited_for() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    let failure = Failure::not_done(FailureKind::RateLimited, "too many requests");
    room.ended(&key, Some(Failure { retry_after: Some(Duration::from_secs(3 * 3600)), ..failure })).await;
    let until = room.now() + minutes(180);
    room.later(minutes(10));
    room.reads().await;
    room.later(minutes(1));
    room.reads().await;
    let not_before = room.book().intents[&key].not_before;
    assert!(not_before >= until, "{not_before}");
    assert!(room.look().is_none());
    room.later(minutes(170));
    room.reads().await;
    assert!(room.look().is_some());
}

/// A second look that is older than the clocks' disagreement is thrown away.
#[tokio::test]
async fn a_share_that_plex_names_in_its_answer_is_known_as_made_by_us() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    let acted = usher::engine::act::Acted {
        key,
        ended: room.now(),
        share: Some(ShareId(77)),
        failure: None,
        after: None,
        customer: None,
    };
    room.send(Mail::Acted(Box::new(acted))).await;
    assert!(room.book().by_customer(&"cus_ann".into()).unwrap().made.contains(&ShareId(77)));
}
