//! People who come and go without Usher (R8).

use sandbox::rig::Rig;

use super::{all_is_well, days, heard, hours, told, unhurried, why};

#[tokio::test(start_paused = true)]
async fn the_people_found_at_the_first_start_are_not_greeted() {
    let mut rig = Rig::new("adopted").await;
    for n in 0..5 {
        rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    rig.hours(2).await;
    super::nothing_was_done(&rig);
    assert_eq!(rig.operator_subjects(), Vec::<String>::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_friend_shared_with_by_hand_is_welcomed_once() {
    let mut rig = Rig::new("by-hand").await;
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.hours(1).await;
    assert_eq!(rig.subjects_to("ann"), ["Welcome to Attic Cinema"]);
    assert_eq!(heard(&rig, "ann is in"), 1);
    rig.close().await;
    rig.open().await;
    rig.hours(1).await;
    assert_eq!(rig.subjects_to("ann").len(), 1);
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_from_two_readings_ten_minutes_apart_has_departed_and_may_come_back() {
    let mut rig = Rig::new("departed").await;
    for n in 0..4 {
        rig.old_friend(2_000_002 + n, &format!("friend{n}"), 400);
    }
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.open().await;
    rig.minutes(5).await;
    assert!(rig.plex.leave(ann));
    rig.minutes(9).await;
    assert_eq!(heard(&rig, "ann is gone"), 0, "one look is not enough");
    rig.minutes(10).await;
    assert_eq!(heard(&rig, "ann is gone"), 1);
    rig.hours(3).await;
    assert_eq!((heard(&rig, "ann is gone"), rig.plex.changes().len()), (1, 0));
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.minutes(10).await;
    assert_eq!((heard(&rig, "ann is in"), told(&rig, "ann", "Welcome")), (1, 1));
    assert!(why(&rig, "ann").await.contains("is back"), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_missing_from_one_reading_has_not_departed() {
    let mut rig = Rig::new("flicker").await;
    let ann = rig.old_friend(2_000_001, "ann", 400);
    let sections = rig.plex.share_of(ann).expect("a share").sections;
    for n in 0..4 {
        rig.old_friend(2_000_002 + n, &format!("friend{n}"), 400);
    }
    rig.open().await;
    rig.minutes(5).await;
    rig.plex.leave(ann);
    rig.minutes(6).await;
    rig.plex.share_with(ann, &sections, rig.now() - days(400));
    rig.minutes(30).await;
    assert_eq!(heard(&rig, "is gone"), 0);
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payer_whom_the_operator_removes_in_plex_is_not_invited_again() {
    let mut rig = Rig::new("removed-by-hand").await;
    rig.open().await;
    let (ann, _) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    for n in 0..4 {
        rig.old_friend(2_000_002 + n, &format!("friend{n}"), 400);
    }
    rig.minutes(5).await;
    assert!(rig.plex.remove_share_by_hand(ann));
    rig.hours(26).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(heard(&rig, "ann is gone"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_came_back_has_a_new_spell_of_idleness() {
    let mut rig = Rig::new("new-spell").await;
    let ann = super::idle::ann_watched(&mut rig, days(26) + hours(12)).await;
    rig.open().await;
    rig.hours(2).await;
    rig.plex.leave(ann);
    rig.hours(3).await;
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_invite_of_someone_already_here_is_one_member() {
    let mut rig = Rig::new("merged").await;
    unhurried(&mut rig, 1);
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.open().await;
    // Ann pays with an address that nobody here has.
    let customer = rig.stripe.customer("work@example.com", "Ann at work");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    rig.plex.remove_share_by_hand(ann);
    rig.plex.accept_invite_as("work@example.com", ann).expect("accepted");
    rig.hours(3).await;
    assert!(why(&rig, "ann").await.contains("merged with"), "{}", why(&rig, "ann").await);
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}
