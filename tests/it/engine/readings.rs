//! Which readings and looks are believed, and when another is wished for.

use usher::engine::mailbox::Mail;
use usher::facts::{PlexId, Reading, Source};
use usher::ledger::Act;
use usher::policy::Tiers;
use usher::tier::{Tier, Wanted};

use super::{Room, days, minutes, seconds};
use crate::rules::house::MOVIES;

/// plex.tv's listings lag behind its writes.
#[tokio::test]
async fn a_reading_begun_before_our_own_call_had_settled_is_not_believed_and_another_is_wished_for() {
    let mut room = Room::new();
    room.opens().await;
    room.subscribes("ann").await;
    let (key, act) = room.attempts().await;
    assert!(matches!(act, Act::Invite { .. }), "{act:?}");
    room.ended(&key, None).await;
    let settled = room.now() + seconds(10);
    assert_eq!(room.wanted(Source::Plex), Some(room.now() + seconds(3)), "it may be shown by then");
    room.house.share(11, 201, "bob", &[MOVIES], days(0));
    let knows_bob = |room: &Room| room.book().by_account(PlexId(201)).is_some();
    room.later(seconds(9));
    room.reads_plex().await;
    assert!(!knows_bob(&room));
    assert_eq!(room.wanted(Source::Plex), Some(settled), "a whole reading");
    room.later(seconds(1));
    room.reads_plex().await;
    assert!(knows_bob(&room));
}

#[tokio::test]
async fn the_second_look_of_a_process_is_wished_for_at_once() {
    let mut room = Room::new();
    room.reads().await;
    let first = room.now();
    let all = |room: &Room| Source::ALL.map(|source| room.wanted(source));
    assert_eq!(all(&room), [Some(first + seconds(1)); 3]);
    room.later(seconds(1));
    room.tick().await;
    assert_eq!(all(&room), [Some(first + seconds(1)); 3], "the wish stands until it is met");
    room.reads().await;
    room.later(minutes(5));
    room.reads().await;
    assert_eq!(all(&room), [Some(first + seconds(1)); 3], "two are enough");
}

#[tokio::test]
async fn a_wish_of_the_very_instant_of_the_first_look_is_not_the_second() {
    let mut room = Room::new();
    let tiers = room.house.rules.tiers.clone();
    room.send(Mail::Tiers(Ok(tiers))).await;
    assert_eq!(room.wanted(Source::Stripe), Some(room.now()), "prices are to be looked at anew");
    room.reads_stripe().await;
    assert_eq!(room.wanted(Source::Stripe), Some(room.now() + seconds(1)));
}

/// A hint names a customer; the look is believed only beside a whole reading
/// of the same account.
#[tokio::test]
async fn a_look_at_one_customer_counts_only_beside_a_whole_reading_of_our_account() {
    let mut room = Room::new();
    let knows_ann = |room: &Room| room.book().by_customer(&"cus_ann".into()).is_some();
    room.house.subscribe("sub_ann", "ann", "price_basic");
    room.reads_plex().await;
    room.send(Mail::Customer(Box::new(room.customer("cus_ann")))).await;
    assert!(!knows_ann(&room), "Stripe was not adopted");

    let mut room = Room::new();
    room.opens().await;
    room.house.subscribe("sub_ann", "ann", "price_basic");
    let ours = room.house.billing.account.replace("acct_other".into());
    room.reads_stripe().await;
    room.send(Mail::Customer(Box::new(room.customer("cus_ann")))).await;
    assert!(!knows_ann(&room), "it is another account");
    room.house.billing.account = ours;
    room.house.billing.subscriptions.clear();
    room.opens().await;
    room.house.subscribe("sub_ann", "ann", "price_basic");
    room.send(Mail::Customer(Box::new(room.customer("cus_ann")))).await;
    assert!(knows_ann(&room));
    assert!(room.look().is_some(), "she is to be invited");
}

#[tokio::test]
async fn after_a_restart_a_look_at_a_customer_waits_for_the_first_whole_reading() {
    let mut before = Room::new();
    before.opens().await;
    let book = before.book();
    let mut room = Room::with(|parts| parts.book = book);
    room.house.now = before.now();
    room.later(minutes(1));
    room.reads_plex().await;
    room.house.subscribe("sub_ann", "ann", "price_basic");
    room.send(Mail::Customer(Box::new(room.customer("cus_ann")))).await;
    room.later(minutes(1));
    room.reads_plex().await;
    assert!(room.look().is_none());
    room.reads_stripe().await;
    room.later(minutes(1));
    room.reads_stripe().await;
    assert!(room.look().is_some());
}

#[tokio::test]
async fn products_that_say_what_they_open_are_tiers_and_nonsense_is_told_once() {
    let mut room = Room::ruled(|rules| {
        rules.tiers = Tiers::Default(Some(Tier::of("Film club", Wanted::Titles(vec!["TV".into()]))))
    });
    let catalogue = room.house.billing.catalogue.as_mut().unwrap();
    let product = catalogue.products.values_mut().next().unwrap();
    product.name = "Movie nights".into();
    product.active = true;
    product.metadata = [("usher_libraries".to_owned(), "Movies".to_owned())].into();
    room.opens().await;
    room.subscribes("ann").await;
    let (_, act) = room.attempts().await;
    let Act::Invite { sections, .. } = act else { panic!("{act:?}") };
    assert_eq!(*sections.ids(), [MOVIES].into(), "what the product says");

    let mut room = Room::ruled(|rules| rules.tiers = Tiers::Default(None));
    let catalogue = room.house.billing.catalogue.as_mut().unwrap();
    let product = catalogue.products.values_mut().next().unwrap();
    product.metadata = [("usher_libraries".to_owned(), "*, Movies".to_owned())].into();
    let told = |room: &Room| room.book().outbox.keys().filter(|key| key.0.contains("product-")).count();
    room.reads().await;
    assert_eq!(told(&room), 1, "at once");
    room.later(days(1));
    room.reads().await;
    assert_eq!(told(&room), 1);
}

#[tokio::test]
async fn products_of_another_account_change_no_tier() {
    let mut room = Room::ruled(|rules| {
        rules.tiers = Tiers::Default(Some(Tier::of("Film club", Wanted::Titles(vec!["Movies".into()]))))
    });
    room.opens().await;
    let ours = room.house.billing.account.replace("acct_other".into());
    let before = room.house.billing.catalogue.clone();
    let catalogue = room.house.billing.catalogue.as_mut().unwrap();
    let product = catalogue.products.values_mut().next().unwrap();
    product.metadata = [("usher_libraries".to_owned(), "TV".to_owned())].into();
    room.reads_stripe().await;
    (room.house.billing.account, room.house.billing.catalogue) = (ours, before);
    room.opens().await;
    room.subscribes("bob").await;
    let (_, act) = room.attempts().await;
    let Act::Invite { sections, .. } = act else { panic!("{act:?}") };
    assert_eq!(*sections.ids(), [MOVIES].into());
}

#[tokio::test]
async fn a_failed_reading_is_no_look() {
    let mut room = Room::new();
    let unread = || usher::facts::Unread {
        at: usher::facts::Moment::default(),
        kind: usher::facts::FailureKind::Unreachable,
        why: "no answer".into(),
    };
    room.reads().await;
    room.later(minutes(1));
    room.post.plex(Reading::Unread(unread()));
    room.post.stripe(Reading::Unread(unread()));
    room.pass().await;
    room.subscribes("ann").await;
    assert!(room.look().is_none(), "plex.tv was read only once");
    room.reads_plex().await;
    assert!(room.look().is_some());
}
