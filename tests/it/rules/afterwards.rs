//! R6: what may follow after somebody is gone.

use usher::facts::PlexId;
use usher::ledger::GrantKind;

use super::house::{House, MOVIES, days};

/// Ann (200), a friend at plex.tv, was removed when her subscription ended.
fn removed() -> House {
    let mut house = House::new();
    house.rules.unfriend_days = Some(5);
    house.friends.friends = Some((200..215).map(PlexId).collect());
    let (sub, _) = house.ann_pays("price_basic");
    house.deliver();
    let ended = house.now;
    house.cancel(&sub, ended);
    house.days(2);
    house.carry_out();
    assert!(!house.member(200).has_access());
    house
}

fn unfriends(house: &House) -> usize {
    house.decided().iter().filter(|key| key.starts_with("unfriend/")).count()
}

#[test]
fn the_friendship_ends_after_the_days_that_the_operator_set_and_once() {
    let mut house = removed();
    house.days(4);
    assert_eq!(unfriends(&house), 0);
    house.days(2);
    assert_eq!(unfriends(&house), 1);
    house.carry_out();
    house.settle();
    assert!(house.member(200).unfriend_at.is_none(), "{:?}", house.member(200).journal);
    house.days(10);
    assert_eq!(house.decided(), Vec::<String>::new());
}

#[test]
fn never_is_the_default() {
    let mut house = removed();
    house.rules.unfriend_days = None;
    house.days(60);
    assert_eq!(unfriends(&house), 0);
}

#[test]
fn who_is_back_has_a_share_elsewhere_or_is_due_one_stays_a_friend() {
    let mut back = removed();
    back.share(77, 200, "ann", &[MOVIES], days(0));
    back.days(10);
    let mut elsewhere = removed();
    elsewhere.friends.on_other_servers.insert(PlexId(200));
    elsewhere.days(10);
    let mut pays = removed();
    pays.subscribe("sub_2", "ann", "price_basic");
    pays.days(10);
    let mut no_friend = removed();
    no_friend.friends.friends.as_mut().unwrap().remove(&PlexId(200));
    no_friend.days(10);
    let mut unknown = removed();
    unknown.friends.friends = None;
    unknown.days(10);
    for (house, why) in
        [(back, "back"), (elsewhere, "elsewhere"), (pays, "pays"), (no_friend, "no friend"), (unknown, "unknown")]
    {
        assert_eq!(unfriends(&house), 0, "{why}");
    }
}

#[test]
fn who_went_by_themselves_stays_a_friend() {
    let mut house = removed();
    house.friends.friends.as_mut().unwrap().insert(PlexId(300));
    house.share(20, 300, "bob", &[MOVIES], days(100));
    for n in 0..4 {
        house.share(30 + n, 310 + n, &format!("friend{n}"), &[MOVIES], days(100));
        house.played(310 + n, days(0));
    }
    house.settle();
    assert!(house.member(300).grant(GrantKind::ByHand, house.now).is_some());
    house.unshare(20);
    house.days(10);
    assert!(house.member(300).gone.is_some());
    assert!(house.decided().iter().all(|key| !key.contains(&house.member(300).id.0)));
}

/// Ann (200) never watched and is removed for it; eleven others watch.
fn removed_for_idleness(forget_days: Option<i64>) -> House {
    let mut house = House::new();
    house.rules.forget_days = forget_days;
    for n in 0..12 {
        house.share(10 + n, 200 + n, &format!("friend{n}"), &[MOVIES], days(400));
        house.played(200 + n, days(0));
    }
    house.activity.people.get_mut(&PlexId(200)).unwrap().last_play = Some(house.now - days(60));
    house.settle();
    house.deliver();
    for _ in 0..5 {
        watch(&mut house);
        house.days(1);
    }
    house.carry_out();
    house.deliver();
    assert!(!house.member(200).has_access(), "{:?}", house.member(200).journal);
    house
}

fn watch(house: &mut House) {
    for n in 1..12 {
        house.played(200 + n, days(0));
    }
}

fn forgets(house: &House) -> usize {
    house.decided().iter().filter(|key| key.starts_with("forget/")).count()
}

#[test]
fn tautulli_forgets_at_once_after_the_days_or_never_as_the_operator_says() {
    let mut at_once = removed_for_idleness(Some(0));
    at_once.settle();
    assert_eq!(forgets(&at_once), 1);
    let mut never = removed_for_idleness(None);
    never.days(90);
    assert_eq!(forgets(&never), 0);
    let mut later = removed_for_idleness(Some(30));
    later.days(29);
    assert_eq!(forgets(&later), 0);
    later.days(2);
    assert_eq!(forgets(&later), 1);
}

#[test]
fn tautulli_keeps_who_is_back_and_who_stopped_paying() {
    let mut back = removed_for_idleness(Some(30));
    back.share(77, 200, "friend0", &[MOVIES], days(0));
    back.days(35);
    assert_eq!(forgets(&back), 0);
    let mut lapsed = removed();
    lapsed.days(60);
    assert_eq!(forgets(&lapsed), 0, "who stopped paying may pay again tomorrow");
}
