//! House rules that the operator switches on: PRUNE_PAYING (R3),
//! UNMANAGED=require-subscription (R5), SEATS and waiting invites (R6).

use sandbox::rig::Rig;

use super::{all_is_well, days, heard, hours, payer, told, unhurried, why};

#[tokio::test(start_paused = true)]
async fn promise_01_a_payer_who_never_watches_is_warned_cancelled_and_stays_until_what_is_paid_is_over() {
    let mut rig = Rig::new("prune-paying").await;
    unhurried(&mut rig, 6);
    rig.set("PRUNE_PAYING", "true");
    let bob = rig.old_friend(2_000_002, "bob", 400);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.watched(ann, hours(1));
    for _ in 0..8 {
        rig.watched(bob, hours(1));
        rig.days(4).await;
    }
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{}", why(&rig, "ann").await);
    rig.watched(bob, hours(1));
    rig.days(3).await;
    let end = rig.stripe.scheduled_end(&sub).expect("set to end with its period");
    assert_eq!(told(&rig, "ann", "nothing more is charged"), 1, "{:?}", rig.subjects_to("ann"));
    assert!(rig.plex.has_access(ann), "until {end} it is paid for");
    assert_eq!(rig.plex.deletions().len(), 0);
    while rig.now() < end + days(4) {
        rig.watched(bob, hours(1));
        rig.days(4).await;
    }
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "has ended"), 1, "{:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_by_hand_is_asked_to_subscribe_and_is_out_two_weeks_later() {
    let mut rig = Rig::new("require-subscription").await;
    unhurried(&mut rig, 6);
    rig.set("UNMANAGED", "require-subscription");
    let ann = rig.old_friend(2_000_001, "ann", 400);
    let bob = rig.old_friend(2_000_002, "bob", 400);
    for friend in [ann, bob] {
        rig.watched(friend, hours(1));
    }
    rig.open().await;
    rig.days(1).await;
    assert_eq!((told(&rig, "ann", "please subscribe"), told(&rig, "bob", "please subscribe")), (1, 1));
    let customer = rig.stripe.customer("bob@example.com", "Bob");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.days(12).await;
    assert!(rig.plex.has_access(ann), "the promised day is not over");
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    assert_eq!(told(&rig, "ann", "please subscribe"), 1);
    all_is_well(&rig);
}

/// "What you have now stays as it is until then", says the letter: neither a
/// warning beside it that names another day, nor a removal before that day.
#[tokio::test(start_paused = true)]
async fn promise_01_who_is_asked_to_subscribe_and_does_not_watch_reads_one_day_and_stays_until_it() {
    let mut rig = Rig::new("asked-and-idle").await;
    unhurried(&mut rig, 6);
    rig.set("UNMANAGED", "require-subscription");
    let (ann, bob) = (rig.old_friend(2_000_001, "ann", 400), rig.old_friend(2_000_002, "bob", 400));
    // One is idle when asked, the other would be warned before the day is over.
    rig.watched(ann, days(40));
    rig.watched(bob, days(20));
    rig.open().await;
    rig.days(5).await;
    rig.close().await;
    rig.open().await;
    rig.days(8).await;
    for (name, account) in [("ann", ann), ("bob", bob)] {
        assert_eq!((told(&rig, name, "please subscribe"), told(&rig, name, "Still with us")), (1, 0));
        assert!(rig.plex.has_access(account), "the promised day is not over: {}", why(&rig, name).await);
    }
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann) && !rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    for name in ["ann", "bob"] {
        assert_eq!((told(&rig, name, "Still with us"), told(&rig, name, "has ended")), (0, 1));
    }
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn when_the_house_is_full_nobody_is_invited_and_whoever_waits_is_reminded() {
    let mut rig = Rig::new("seats").await;
    unhurried(&mut rig, 6);
    rig.set("SEATS", "3");
    for n in 0..2 {
        let friend = rig.old_friend(2_000_010 + n, &format!("friend{n}"), 400);
        rig.watched(friend, hours(1));
    }
    rig.open().await;
    for name in ["ann", "bob"] {
        let customer = rig.stripe.customer(&sandbox::rig::address(name), name);
        rig.stripe.subscribe(&customer, &rig.basic);
        rig.minutes(2).await;
    }
    rig.days(12).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "the third seat is Ann's, who paid first");
    assert_eq!(heard(&rig, "All seats are taken"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(told(&rig, "ann", "still waiting"), 2, "on day 3 and on day 10: {:?}", rig.subjects_to("ann"));
    assert_eq!(told(&rig, "bob", "still waiting"), 0);
    all_is_well(&rig);
}

/// R5: what remains of her reasons is one that ends as well.
#[tokio::test(start_paused = true)]
async fn who_cancels_is_not_promised_a_place_for_which_they_are_asked_to_subscribe_the_day_after() {
    let mut rig = Rig::new("asked-after-cancelling").await;
    unhurried(&mut rig, 6);
    rig.set("UNMANAGED", "require-subscription");
    let (ann, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.watched(ann, hours(1));
    rig.open().await;
    rig.days(1).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(5));
    rig.hours(12).await;
    let mails = rig.smtp.received_for(&sandbox::rig::address("ann"));
    let letter = mails.iter().find(|mail| mail.subject.contains("is cancelled")).expect("a letter").text();
    assert!(!letter.contains("keep your place"), "{letter}");
    assert!(letter.contains("needs a subscription") && letter.contains("Friday, 9 January 2026"), "{letter}");
    rig.days(8).await;
    assert_eq!(told(&rig, "ann", "please subscribe"), 1, "{:?}", rig.subjects_to("ann"));
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}

/// A start without Stripe knows nothing of who pays, and takes it for nothing.
#[tokio::test(start_paused = true)]
async fn promise_02_who_paid_is_neither_warned_nor_removed_after_a_start_without_stripe() {
    let mut rig = Rig::new("without-stripe").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic).await;
    let (bob, _) = payer(&rig, 2_000_002, "bob", &rig.basic).await;
    rig.hours(5).await;
    rig.close().await;
    let names = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_URL"];
    let was: Vec<String> = names.iter().map(|name| rig.env.remove(*name).expect("set")).collect();
    rig.open().await;
    rig.days(40).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "Still with us"), 0);
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.close().await;
    names.iter().zip(&was).for_each(|(name, value)| rig.set(name, value));
    rig.open().await;
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann) && rig.plex.has_access(bob), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}
