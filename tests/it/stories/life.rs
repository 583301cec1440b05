//! What a payer hears of the life of their subscription (R4, R10), and that
//! both shapes of Stripe's API tell the same life.

use sandbox::rig::{Rig, address};
use sandbox::stripe::{CancelForm, Shape};

use super::{all_is_well, days, payer, told, told_at, unhurried};

/// One life, as people lead it: every letter that Ann got, and every change at
/// plex.tv.
async fn a_life(name: &str, shape: Shape, form: CancelForm) -> (Vec<String>, Vec<String>) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 2);
    rig.stripe.set_shape(shape);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&address("ann"), "Ann");
    // A trial of ten days, then paid.
    let sub = rig.stripe.subscribe_trial(&customer, &rig.basic, 10);
    rig.minutes(1).await;
    rig.plex.accept_invite("ann@example.com").expect("an invite");
    rig.days(12).await;
    // The renewal fails, and succeeds two days later.
    rig.stripe.card_fails(&sub);
    rig.days(2).await;
    rig.stripe.set_card_works(&sub, true);
    rig.stripe.retry_succeeds(&sub);
    rig.days(2).await;
    rig.stripe.change_price(&sub, &rig.premium);
    rig.days(1).await;
    rig.stripe.cancel_at_period_end(&sub, form);
    rig.days(1).await;
    rig.stripe.undo_cancel(&sub);
    rig.days(1).await;
    rig.stripe.cancel_at_period_end(&sub, form);
    rig.days(32).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(1).await;
    rig.plex.accept_invite("ann@example.com").or_else(|| rig.plex.accept_invite(ann)).expect("invited again");
    rig.days(2).await;
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
    let calls = rig.plex.changes().iter().map(|change| format!("{} {}", change.method, change.path)).collect();
    (rig.subjects_to("ann"), calls)
}

#[tokio::test(start_paused = true)]
async fn one_life_gives_the_same_letters_and_calls_in_both_shapes() {
    let (letters, calls) = a_life("life-new", Shape::New, CancelForm::Flexible).await;
    let expected = [
        "Your invitation to Attic Cinema",
        "Welcome to Attic Cinema",
        "Your trial at Attic Cinema ends on Tuesday, 13 January 2026",
        "Your payment for Attic Cinema didn’t go through",
        "Your place at Attic Cinema is now Premium",
        "Your subscription to Attic Cinema is cancelled",
        "Your subscription to Attic Cinema goes on",
        "Your subscription to Attic Cinema is cancelled",
        "Your access to Attic Cinema ends on Sunday, 15 February 2026",
        "Your access to Attic Cinema ends on Sunday, 15 February 2026",
        "Your access to Attic Cinema has ended",
    ];
    assert_eq!(letters.get(..expected.len()), Some(expected.map(str::to_owned).as_slice()), "{letters:#?}");
    assert_eq!(letters.len(), expected.len() + 2, "an invite and a welcome of her second time: {letters:#?}");
    let old = a_life("life-old", Shape::Old, CancelForm::Classic).await;
    assert_eq!(old, (letters, calls));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_three_days_before_the_end_is_one_letter() {
    let mut rig = Rig::new("cancelled-late").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(3));
    rig.days(6).await;
    let subjects = rig.subjects_to("ann");
    assert_eq!((told(&rig, "ann", "is cancelled"), told(&rig, "ann", "ends on")), (1, 0), "{subjects:?}");
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_taken_back_before_its_letter_is_out_is_no_letter() {
    let mut rig = Rig::new("cancelled-and-back").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.smtp.fault(sandbox::smtp::Fault::Down, sandbox::smtp::Stay::UntilCleared);
    rig.stripe.cancel_at_period_end(&sub, CancelForm::Flexible);
    rig.hours(3).await;
    rig.stripe.undo_cancel(&sub);
    rig.hours(3).await;
    rig.smtp.clear_faults();
    rig.days(2).await;
    let subjects = rig.subjects_to("ann");
    assert_eq!((told(&rig, "ann", "is cancelled"), told(&rig, "ann", "goes on")), (0, 0), "{subjects:?}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn money_letters_of_a_life_go_to_the_payers_own_address() {
    let mut rig = Rig::new("cancelled-payer").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&address("ann-pays"), "Ann");
    let sub = rig.stripe.subscribe_trial(&customer, &rig.basic, 20);
    rig.minutes(1).await;
    rig.plex.accept_invite_as(address("ann-pays").as_str(), ann).expect("an invite");
    rig.hours(2).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(2));
    rig.hours(3).await;
    assert_eq!((told(&rig, "ann-pays", "is cancelled"), told(&rig, "ann", "is cancelled")), (1, 0));
    assert_eq!(told(&rig, "ann", "ends on"), 1, "whoever watches hears of it too, at their own address");
    rig.stripe.undo_cancel(&sub);
    rig.hours(3).await;
    assert_eq!((told(&rig, "ann-pays", "goes on"), told(&rig, "ann", "goes on")), (1, 0));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_was_cancelled_before_usher_came_is_not_told_of_it_again() {
    let mut rig = Rig::new("cancelled-before").await;
    unhurried(&mut rig, 2);
    let (_, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.days(1).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(20));
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "is cancelled"), 0, "{:?}", rig.subjects_to("ann"));
    rig.stripe.undo_cancel(&sub);
    rig.hours(3).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(20));
    rig.hours(3).await;
    assert_eq!((told(&rig, "ann", "goes on"), told(&rig, "ann", "is cancelled")), (1, 1), "news is told");
    let mails = rig.smtp.received_for("ann@example.com");
    assert!(mails.iter().any(|mail| mail.text().contains("You keep your place all the same")), "in by hand before");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_trial_without_a_card_is_told_what_happens_and_ends_as_such() {
    for then in ["cancel", "pause"] {
        let mut rig = Rig::new(&format!("trial-{then}")).await;
        unhurried(&mut rig, 2);
        rig.open().await;
        let ann = rig.person(2_000_001, "ann");
        let customer = rig.stripe.customer(&address("ann"), "Ann");
        let sub = rig.stripe.subscribe_trial_without_card(&customer, &rig.basic, 7, then);
        let end = rig.stripe.period_end(&sub).expect("a trial");
        rig.minutes(1).await;
        rig.plex.accept_invite("ann@example.com").expect("an invite");
        rig.days(6).await;
        let before = end - told_at(&rig, "ann", "trial");
        assert!(before <= days(3) && before > days(3) - super::hours(3), "{before}");
        let mails = rig.smtp.received_for("ann@example.com");
        let letter = mails.iter().find(|mail| mail.subject.contains("trial")).expect("a letter");
        assert!(letter.text().contains("No way to pay has been added yet"), "{}", letter.text());
        rig.days(4).await;
        assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
        let mails = rig.smtp.received_for("ann@example.com");
        let last = mails.last().expect("a letter");
        assert!(last.subject.contains("has ended") && last.text().contains("trial"), "{}", last.text());
        assert_eq!((told(&rig, "ann", "trial"), told(&rig, "ann", "ends on")), (1, 1), "{:?}", rig.subjects_to("ann"));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_two_days_is_told_of_once_and_a_cancelled_one_not_at_all() {
    let mut rig = Rig::new("trial-short").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    for (id, name) in [(2_000_001, "ann"), (2_000_002, "bob")] {
        rig.person(id, name);
        let customer = rig.stripe.customer(&address(name), name);
        let sub = rig.stripe.subscribe_trial(&customer, &rig.basic, if name == "ann" { 2 } else { 6 });
        rig.minutes(1).await;
        rig.plex.accept_invite(address(name).as_str()).expect("an invite");
        if name == "bob" {
            rig.stripe.cancel_at_period_end(&sub, CancelForm::Flexible);
        }
    }
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "trial"), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!((told(&rig, "bob", "trial"), told(&rig, "bob", "is cancelled")), (0, 1), "{:?}", rig.subjects_to("bob"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_asks_is_one_letter_that_says_so() {
    for shape in [Shape::New, Shape::Old] {
        let mut rig = Rig::new(&format!("bank-asks-{shape:?}")).await;
        unhurried(&mut rig, 2);
        rig.stripe.set_shape(shape);
        rig.open().await;
        let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
        rig.stripe.bank_asks(&sub);
        rig.days(2).await;
        let subjects = rig.subjects_to("ann");
        assert_eq!((told(&rig, "ann", "Please confirm"), told(&rig, "ann", "go through")), (1, 0), "{subjects:?}");
        rig.days(12).await;
        assert!(!rig.plex.has_access(ann), "it is a failed payment like any other: {}", super::why(&rig, "ann").await);
        assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann", "Please confirm") >= days(3));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_invoice_is_still_a_draft_never_lapses() {
    for shape in [Shape::New, Shape::Old] {
        let mut rig = Rig::new(&format!("renewal-hour-{shape:?}")).await;
        rig.set("EXPIRY_SETTLE_HOURS", "0");
        rig.set("PAYMENT_GRACE_DAYS", "0");
        rig.stripe.set_shape(shape);
        let ann = rig.person(2_000_001, "ann");
        let customer = rig.stripe.customer(&address("ann"), "Ann");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        let end = rig.stripe.period_end(&sub).expect("a period");
        rig.pass((end - rig.now() - super::hours(2)).to_std().expect("ahead")).await;
        rig.open().await;
        super::say(&rig, "approve", &["all"]).await;
        rig.minutes(1).await;
        rig.plex.accept_invite("ann@example.com").expect("an invite");
        rig.pass((end - rig.now() + chrono::TimeDelta::minutes(5)).to_std().expect("ahead")).await;
        let invoice = rig.stripe.object(&sub)["latest_invoice"].as_str().expect("an invoice").to_owned();
        assert_eq!(rig.stripe.object(&invoice)["status"], "draft");
        rig.hours(3).await;
        assert!(rig.plex.has_access(ann));
        assert_eq!(rig.plex.deletions().len(), 0);
        assert_eq!(rig.subjects_to("ann").len(), 2, "{:?}", rig.subjects_to("ann"));
        all_is_well(&rig);
    }
}
