//! The webhook endpoint, as Stripe sees it, and its silence (DESIGN §7).

use sandbox::rig::Rig;
use sandbox::stripe::Delivery;

use super::{all_is_well, heard, payer, unhurried};

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_lacks_events_or_is_disabled_is_told_once_and_when_it_is_mended() {
    let mut rig = Rig::new("endpoint-lacks").await;
    unhurried(&mut rig, 2);
    rig.stripe.set_endpoint("https://cinema.example.com/webhook/stripe", "whsec_x");
    rig.stripe.set_endpoint_kinds(&["customer.subscription.created", "invoice.paid"]);
    rig.start();
    rig.days(3).await;
    assert_eq!(heard(&rig, "webhook endpoint"), 1, "{:?}", rig.operator_subjects());
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let letter = mails.iter().find(|mail| mail.subject.contains("webhook endpoint")).expect("a letter");
    let text = letter.text();
    assert!(
        text.contains("does not send charge.dispute.created, charge.refunded") && text.contains("dahlia"),
        "{text}"
    );
    let asked = rig.stripe.requests().iter().filter(|request| request.path == "/v1/webhook_endpoints").count();
    assert!((3..=4).contains(&asked), "once a day, not {asked} times in three");
    rig.stripe.set_endpoint_kinds(&[]);
    rig.days(2).await;
    assert_eq!(heard(&rig, "is in order again"), 1, "{:?}", rig.operator_subjects());
    rig.stripe.set_endpoint_disabled(true);
    rig.days(2).await;
    assert_eq!(heard(&rig, "webhook endpoint at Stripe is not"), 2, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_something_else_is_nobodys_business_and_a_key_without_the_right_none_either() {
    let mut rig = Rig::new("endpoint-other").await;
    unhurried(&mut rig, 2);
    rig.stripe.set_endpoint("https://shop.example.com/hooks", "whsec_x");
    rig.stripe.set_endpoint_kinds(&["invoice.paid"]);
    rig.start();
    rig.days(2).await;
    assert_eq!(heard(&rig, "webhook"), 0, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_day_without_any_webhook_while_money_moves_is_told_once_and_when_they_come_again() {
    let mut rig = Rig::new("webhooks-silent").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (_, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.days(3).await;
    assert_eq!(heard(&rig, "No webhook has come"), 0, "nothing moved: {:?}", rig.operator_subjects());
    rig.stripe.set_delivery(Delivery::Lost);
    rig.stripe.renew(&sub);
    rig.hours(5).await;
    assert_eq!(heard(&rig, "No webhook has come"), 1, "{:?}", rig.operator_subjects());
    rig.days(3).await;
    rig.stripe.set_delivery(Delivery::On);
    rig.stripe.renew(&sub);
    rig.hours(3).await;
    assert_eq!((heard(&rig, "No webhook has come"), heard(&rig, "Webhooks come again")), (1, 1));
    all_is_well(&rig);
}
