//! Which act is next, what is looked at before it, and what waits for what.

use chrono::TimeDelta;
use usher::engine::act::Job;
use usher::engine::desk::Ask;
use usher::engine::mailbox::Mail;
use usher::facts::{CancelWhen, FailureKind, PlexId, ShareId, SubscriptionId, WatchLook};
use usher::ledger::{Act, EndCause};
use usher::policy::PruneMode;
use usher::services::failure::Failure;

use super::{Room, days, minutes, seconds};
use crate::rules::house::{House, MOVIES, email};

/// These were invited for what they pay, came, and their subscriptions ended:
/// on paper everybody's removal is decided.
fn ended(names: &[&str]) -> House {
    let mut house = House::new();
    house.rules.removals_per_day_max = Some(10);
    house.rules.prune_mode = PruneMode::Report;
    for n in 0..40 {
        house.share(500 + n, 500 + n, &format!("friend{n}"), &[MOVIES], days(400));
    }
    house.settle();
    for (n, name) in names.iter().enumerate() {
        house.subscribe(&format!("sub_{name}"), name, "price_basic");
        house.settle();
        house.carry_out();
        let id = house.friends.shares.last().unwrap().id.0;
        house.accept(id, 200 + u64::try_from(n).unwrap(), name);
        house.settle();
    }
    house.deliver();
    let now = house.now;
    for name in names {
        house.cancel(&SubscriptionId(format!("sub_{name}")), now);
    }
    while house.now < now + days(1) {
        house.later(TimeDelta::hours(2));
        house.read();
    }
    house.settle();
    assert_eq!(house.ends().len(), names.len(), "{:?}", house.waiting);
    house
}

#[tokio::test]
async fn before_an_invite_it_is_looked_whether_they_are_in_already_and_for_the_libraries() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let look = room.look().unwrap();
    assert_eq!((look.whom.email, look.whom.account, look.whom.share), (Some(email("ann")), None, None));
    assert!(look.sections && look.customers.is_empty() && look.created_since.is_none() && look.watcher.is_none());
}

#[tokio::test]
async fn before_a_removal_it_is_looked_whether_they_pay_after_all() {
    let mut room = Room::after(ended(&["ann"]));
    room.opens().await;
    let read = room.now() - minutes(1);
    let look = room.look().unwrap();
    assert_eq!(look.customers, ["cus_ann".into()]);
    assert_eq!(look.created_since, Some(read), "whatever was bought since the last whole reading");
    assert_eq!((look.whom.account, look.whom.email.clone()), (Some(PlexId(200)), None));
    assert_eq!(look.whom.share, room.house.friends.shares.last().map(|share| share.id));
    assert!(!look.sections && look.watcher.is_none());
    room.looked(&look).await;
    let (_, act) = room.call().unwrap();
    assert!(matches!(act, Act::End { cause: EndCause::Lapsed { .. }, .. }), "{act:?}");
}

#[tokio::test]
async fn who_pays_again_by_the_last_look_stays() {
    let mut room = Room::after(ended(&["ann"]));
    room.opens().await;
    let look = room.look().unwrap();
    room.house.subscribe("sub_again", "ann", "price_basic");
    room.looked(&look).await;
    assert!(room.call().is_none());
    assert!(room.book().by_account(PlexId(200)).unwrap().has_access());
}

/// Nothing is called that would change nothing, and Usher doesn't say that it
/// was Usher.
#[tokio::test]
async fn who_is_gone_by_the_last_look_left_and_was_not_removed() {
    let mut room = Room::after(ended(&["ann"]));
    room.opens().await;
    let look = room.look().unwrap();
    let share = room.house.friends.shares.last().unwrap().id.0;
    room.house.unshare(share);
    room.looked(&look).await;
    assert!(room.call().is_none());
    assert!(room.book().by_account(PlexId(200)).unwrap().has_access(), "one look is not two whole readings");
    for _ in 0..2 {
        room.later(minutes(11));
        room.reads().await;
    }
    let ann = room.book().by_account(PlexId(200)).unwrap().clone();
    assert!(ann.gone.is_some_and(|gone| !gone.by_us), "{:?}", ann.journal);
    assert!(room.book().intents.is_empty() && room.book().removals.is_empty());
}

/// Ann is idle, was warned, and her removal is decided.
fn idle() -> House {
    let mut house = House::new();
    house.share(10, 200, "ann", &[MOVIES], days(400));
    for n in 0..9 {
        house.share(20 + n, 300 + n, &format!("other{n}"), &[MOVIES], days(400));
    }
    house.settle();
    house.played(200, days(40));
    while house.ends().is_empty() {
        for n in 0..9 {
            house.played(300 + n, days(1));
        }
        house.days(1);
    }
    house
}

#[tokio::test]
async fn before_who_is_idle_goes_it_is_looked_whether_they_watch() {
    let mut room = Room::after(idle());
    room.opens().await;
    let look = room.look().unwrap();
    assert_eq!((look.watcher, look.created_since.is_some()), (Some(PlexId(200)), true));
    room.looked(&look).await;
    assert!(matches!(room.call(), Some((_, Act::End { cause: EndCause::Idle { .. }, .. }))));
}

#[tokio::test]
async fn who_watches_by_the_last_look_or_of_whom_it_can_not_be_told_stays() {
    let spoil: [fn(&mut WatchLook); 6] = [
        |watch| watch.watching_now = Some(true),
        |watch| watch.watching_now = None,
        |watch| watch.connected = false,
        |watch| watch.watcher = None,
        |watch| watch.watcher.as_mut().unwrap().keep_history = false,
        |watch| watch.watcher.as_mut().unwrap().last_play = Some(watch.begun - minutes(5)),
    ];
    for (n, spoil) in spoil.into_iter().enumerate() {
        let mut room = Room::after(idle());
        room.opens().await;
        let look = room.look().unwrap();
        let mut looked = room.taken(&look);
        spoil(looked.watch.as_mut().unwrap());
        room.send(Mail::Looked(Box::new(looked))).await;
        assert!(room.call().is_none(), "{n}");
        let ann = room.book().by_account(PlexId(200)).unwrap().clone();
        let watches = n == 0 || n == 5;
        assert_eq!(ann.idle.is_none(), watches, "{n}: {:?}", ann.journal.last());
    }
}

/// Whoever could be the one who just paid is not removed.
#[tokio::test]
async fn what_was_bought_a_moment_ago_keeps_everybody_whose_it_could_be() {
    for (buyer, goes) in [("stranger", false), ("ann", false), ("past", false), ("other0", true)] {
        let mut house = idle();
        house.subscribe("sub_other", "other0", "price_basic");
        let never_in = house.subscribe("sub_never_in", "past", "price_basic");
        house.settle();
        let now = house.now;
        house.cancel(&never_in, now);
        house.settle();
        let mut room = Room::after(house);
        room.opens().await;
        let look = room.look().unwrap();
        assert_eq!(look.watcher, Some(PlexId(200)), "{:?}", look.key);
        let mut looked = room.taken(&look);
        let sub = room.house.subscribe("sub_new", buyer, "price_basic");
        let sub = room.house.billing.subscriptions[&sub].clone();
        let customer = room.house.billing.customers[&sub.customer].clone();
        looked.created = vec![(sub, customer)];
        room.send(Mail::Looked(Box::new(looked))).await;
        assert_eq!(room.call().is_some(), goes, "{buyer}");
    }
}

/// The removal that is under way succeeds, and is seen to have.
async fn is_done(room: &mut Room) {
    let (key, act) = room.attempts().await;
    let Act::End { share, .. } = act else { panic!("{act:?}") };
    room.house.unshare(share.0);
    room.ended(&key, None).await;
    room.later(seconds(10));
    room.reads_plex().await;
    assert!(!room.book().intents.contains_key(&key));
}

#[tokio::test]
async fn removals_come_one_at_a_time_and_nothing_else_waits_for_their_pace() {
    let mut room = Room::after(ended(&["ann", "bob", "carl"]));
    room.opens().await;
    is_done(&mut room).await;
    let first = room.now();
    room.reads().await;
    assert!(room.look().is_none(), "ten minutes lie between two");
    // A payer is let in meanwhile.
    room.subscribes("dora").await;
    let (key, act) = room.attempts().await;
    assert!(matches!(act, Act::Invite { .. }), "{act:?}");
    room.house.invite(50, "dora", &[MOVIES]);
    room.ended(&key, None).await;
    room.later(seconds(10));
    room.reads_plex().await;
    // Whom the operator throws out doesn't wait either.
    let bob = room.book().by_account(PlexId(201)).unwrap().id.clone();
    room.asked(Ask::Revoke { who: "bob".into(), cancel: None }, false).await.unwrap();
    room.pass().await;
    let look = room.look().expect("at once");
    room.looked(&look).await;
    let (key, act) = room.call().unwrap();
    let Act::End { share, cause: EndCause::Revoked } = act else { panic!("{act:?}") };
    assert!(key.0.contains(&bob.0));
    room.house.unshare(share.0);
    room.ended(&key, None).await;
    room.later(seconds(10));
    room.reads().await;
    assert!(room.look().is_none());
    room.later(first + minutes(25) - room.now());
    room.reads().await;
    is_done(&mut room).await;
}

#[tokio::test]
async fn what_was_tried_for_somebody_is_read_back_before_anything_else_is_tried_for_them() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, _) = room.attempts().await;
    room.ended(&key, Some(Failure::unknown(FailureKind::Unreachable, "no answer"))).await;
    room.house.subscribe("sub_ann_2", "ann", "price_premium");
    room.reads_stripe().await;
    assert!(room.look().is_none(), "the first may have been made");
    room.subscribes("bob").await;
    assert!(room.look().is_none(), "plex.tv failed just now: everybody's acts wait for a minute");
    room.later(minutes(1));
    room.tick().await;
    let look = room.look().expect("that is nothing to Bob");
    assert!(look.whom.email == Some(email("bob")), "{look:?}");
    room.looked(&look).await;
    let (bobs, _) = room.call().unwrap();
    room.ended(&bobs, None).await;
    room.house.invite(51, "bob", &[MOVIES]);
    room.later(seconds(10));
    room.reads().await;
    room.later(minutes(30));
    room.reads().await;
    let look = room.look().expect("it was not");
    assert!(look.whom.email == Some(email("ann")), "{look:?}");
}

#[tokio::test]
async fn while_it_ends_a_look_that_comes_back_leads_to_no_call() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let look = room.look().unwrap();
    drop(room.stop.take());
    room.pass().await;
    room.looked(&look).await;
    assert!(room.call().is_none());
    assert!(room.engine.is_finished());
}

#[tokio::test]
async fn where_nobody_takes_jobs_any_more_nothing_is_waited_for() {
    let mut room = Room::new();
    room.opens().await;
    let (_, nobody) = tokio::sync::mpsc::channel(1);
    drop(std::mem::replace(&mut room.jobs, nobody));
    room.subscribes("ann").await;
    drop(room.stop.take());
    room.pass().await;
    assert!(room.engine.is_finished());
}

#[tokio::test]
async fn a_cancelled_subscription_is_looked_at_after_the_call() {
    let mut house = House::new();
    house.ann_pays("price_basic");
    let mut room = Room::after(house);
    room.opens().await;
    room.asked(Ask::Revoke { who: "ann".into(), cancel: Some(CancelWhen::Now) }, false).await.unwrap();
    room.pass().await;
    let look = room.look().expect("the cancellation");
    room.looked(&look).await;
    let Ok(Job::Do { order, customer, .. }) = room.jobs.try_recv() else { panic!("a call") };
    assert!(matches!(order.get().act, Act::Cancel { when: CancelWhen::Now, .. }));
    assert_eq!(customer, Some("cus_ann".into()));
}

#[tokio::test]
async fn an_invite_that_is_taken_back_keeps_no_pace() {
    let mut house = ended(&["ann"]);
    // Carl's invite waits, and his subscription is over as well.
    house.subscribe("sub_carl", "carl", "price_basic");
    house.settle();
    let invite = house.decided().into_iter().find(|key| key.starts_with("invite/"));
    assert!(invite.is_some());
    house.book.intents.clear();
    house.invite(60, "carl", &[MOVIES]);
    house.settle();
    let now = house.now;
    house.cancel(&"sub_carl".into(), now);
    while house.now < now + days(1) {
        house.later(TimeDelta::hours(2));
        house.read();
    }
    house.settle();
    assert_eq!(house.ends().len(), 2);
    let mut room = Room::after(house);
    room.opens().await;
    let mut gone: Vec<ShareId> = Vec::new();
    while let Some(look) = room.look() {
        room.looked(&look).await;
        let Some((key, Act::End { share, .. })) = room.call() else { panic!("{:#?}", room.book().intents) };
        gone.push(share);
        room.house.unshare(share.0);
        room.ended(&key, None).await;
        room.later(seconds(10));
        room.reads().await;
    }
    assert!(gone.len() == 2 && gone.contains(&ShareId(60)), "one removal, and the invite: {gone:?}");
}
