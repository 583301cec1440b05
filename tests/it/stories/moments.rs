//! Moments of money: refunds, disputes, fraud warnings, invoices given up (R4).

use sandbox::rig::Rig;
use sandbox::stripe::{PausedBy, Shape, Status};
use usher::facts::PlexId;

use super::{all_is_well, days, heard, hours, payer, told, unhurried, why};

/// Ann pays, and is in. What a refund and a dispute do, as the operator set it.
async fn ann_pays(name: &str, shape: Shape, policy: &str) -> (Rig, PlexId, String) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    rig.set("ON_REFUND", policy);
    rig.set("ON_DISPUTE", policy);
    rig.stripe.set_shape(shape);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    (rig, ann, sub)
}

#[tokio::test(start_paused = true)]
async fn a_refund_is_told_once_with_its_amount_and_ends_nothing() {
    for shape in [Shape::New, Shape::Old] {
        let (rig, ann, sub) = ann_pays(&format!("refund-{shape:?}"), shape, "tell").await;
        rig.stripe.refund(&sub, Some(200)).expect("a charge");
        rig.hours(2).await;
        assert_eq!(heard(&rig, "ann got a refund of 2.00 USD"), 1, "{:?}", rig.operator_subjects());
        rig.stripe.refund(&sub, None).expect("a charge");
        rig.days(3).await;
        assert_eq!(heard(&rig, "ann got a refund of 3.00 USD"), 1, "{:?}", rig.operator_subjects());
        assert_eq!(heard(&rig, "refund"), 2, "each once, whatever events it has");
        assert!(rig.plex.has_access(ann));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_of_all_that_was_paid_last_ends_where_the_operator_said_so() {
    for shape in [Shape::New, Shape::Old] {
        let (rig, ann, sub) = ann_pays(&format!("refund-ends-{shape:?}"), shape, "end").await;
        rig.stripe.refund(&sub, Some(200)).expect("a charge");
        rig.hours(3).await;
        assert_eq!(rig.stripe.status(&sub), Some(Status::Active), "a part ends nothing");
        rig.stripe.refund(&sub, None).expect("a charge");
        let refunded = rig.now();
        rig.hours(3).await;
        assert_eq!(rig.stripe.status(&sub), Some(Status::Canceled), "{}", super::why(&rig, "ann").await);
        assert!(rig.plex.has_access(ann), "settling");
        rig.days(2).await;
        assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
        assert!(rig.plex.deletions()[0].at - refunded >= hours(24));
        let mails = rig.smtp.received_for("ann@example.com");
        let last = mails.last().expect("a letter");
        assert!(last.text().contains("Your last payment was given back to you"), "{}", last.text());
        assert_eq!((told(&rig, "ann", "has ended"), told(&rig, "ann", "is cancelled")), (1, 0));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_of_an_older_payment_ends_nothing() {
    let (rig, ann, sub) = ann_pays("refund-older", Shape::New, "end").await;
    let first = rig.stripe.object(&sub)["latest_invoice"].as_str().expect("an invoice").to_owned();
    rig.days(1).await;
    rig.stripe.renew(&sub);
    rig.stripe.refund_of(&first).expect("a charge");
    rig.days(3).await;
    assert_eq!(heard(&rig, "ann got a refund of 5.00 USD"), 1);
    assert!(rig.plex.has_access(ann) && rig.stripe.status(&sub) == Some(Status::Active));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_dispute_is_told_when_it_opens_and_when_it_closes() {
    let (rig, ann, sub) = ann_pays("dispute-told", Shape::New, "tell").await;
    let dispute = rig.stripe.dispute(&sub).expect("a charge");
    rig.days(1).await;
    assert_eq!(heard(&rig, "The dispute of ann over 5.00 USD was opened"), 1, "{:?}", rig.operator_subjects());
    rig.stripe.close_dispute(&dispute, "lost");
    rig.days(2).await;
    assert_eq!(heard(&rig, "The dispute of ann over 5.00 USD is lost"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "dispute"), 2);
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_dispute_ends_where_the_operator_said_so_and_a_won_one_never() {
    for shape in [Shape::New, Shape::Old] {
        let (rig, ann, sub) = ann_pays(&format!("dispute-ends-{shape:?}"), shape, "end").await;
        let (bob, other) = payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
        rig.stripe.dispute(&sub).expect("a charge");
        // Opened and won before anybody looked.
        rig.stripe.remove_endpoint();
        let won = rig.stripe.dispute(&other).expect("a charge");
        rig.stripe.close_dispute(&won, "won");
        rig.days(3).await;
        assert_eq!(rig.stripe.status(&sub), Some(Status::Canceled));
        assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
        assert_eq!(rig.stripe.status(&other), Some(Status::Active));
        assert!(rig.plex.has_access(bob));
        assert_eq!(heard(&rig, "The dispute of bob over 5.00 USD is won"), 1, "{:?}", rig.operator_subjects());
        let mails = rig.smtp.received_for("ann@example.com");
        assert!(mails.last().expect("a letter").text().contains("was disputed at your bank"));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn promise_08_money_that_goes_back_ends_nobody_who_is_protected() {
    let mut rig = Rig::new("refund-vip").await;
    unhurried(&mut rig, 1);
    rig.set("ON_REFUND", "end");
    rig.set("VIP_NAMES", "ann");
    let (ann, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.open().await;
    rig.hours(2).await;
    rig.stripe.refund(&sub, None).expect("a charge");
    rig.days(3).await;
    assert!(rig.plex.has_access(ann) && rig.stripe.status(&sub) == Some(Status::Active));
    assert_eq!(heard(&rig, "ann got a refund"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_fraud_warning_and_an_invoice_given_up_are_told_once() {
    for shape in [Shape::New, Shape::Old] {
        let (rig, ann, sub) = ann_pays(&format!("fraud-{shape:?}"), shape, "end").await;
        rig.stripe.fraud_warning(&sub).expect("a charge");
        rig.stripe.card_fails(&sub);
        rig.hours(2).await;
        rig.stripe.mark_uncollectible(&sub);
        rig.days(2).await;
        assert_eq!(heard(&rig, "Fraud warning: a payment of 5.00 USD by ann"), 1, "{:?}", rig.operator_subjects());
        assert_eq!(heard(&rig, "An invoice of ann was given up: 5.00 USD"), 1, "{:?}", rig.operator_subjects());
        assert!(rig.plex.has_access(ann), "neither ends anything by itself");
        assert!(rig.now() - rig.stripe.period_end(&sub).expect("a period") < days(0));
        all_is_well(&rig);
    }
}

/// A break beside a refund: what was given back is cancelled all the same, and
/// doesn't come back by itself when the break is over.
#[tokio::test(start_paused = true)]
async fn a_payment_given_back_during_a_break_is_cancelled_and_a_dispute_won_during_one_is_not() {
    let mut rig = Rig::new("reversed-during-a-break").await;
    unhurried(&mut rig, 2);
    for (name, value) in [("ON_REFUND", "end"), ("ON_DISPUTE", "end"), ("ON_PAUSE", "keep")] {
        rig.set(name, value);
    }
    rig.open().await;
    let (ann, anns) = payer(&rig, 2_000_001, "ann", &rig.basic).await;
    let (bob, bobs) = payer(&rig, 2_000_002, "bob", &rig.basic).await;
    rig.hours(3).await;
    for sub in [&anns, &bobs] {
        rig.stripe.pause(sub, PausedBy::Request);
    }
    rig.hours(6).await;
    let dispute = rig.stripe.dispute(&bobs).expect("a dispute");
    rig.stripe.close_dispute(&dispute, "won");
    rig.stripe.refund(&anns, None).expect("a refund");
    rig.days(5).await;
    assert_eq!(rig.stripe.status(&anns), Some(Status::Canceled), "{}", why(&rig, "ann").await);
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(rig.stripe.status(&bobs), Some(Status::Paused), "{}", why(&rig, "bob").await);
    assert!(rig.plex.has_access(bob), "{}", why(&rig, "bob").await);
    assert_eq!((rig.plex.deletions().len(), heard(&rig, "got a refund")), (1, 1));
    all_is_well(&rig);
}
