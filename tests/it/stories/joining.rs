//! How people come in (promises 4 and 6, R2, R6).

use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, WEBHOOK_SECRET};
use sandbox::stripe::{self, Delivery};

use super::{all_is_well, days, heard, old_payer, payer, told, unhurried, why};

#[tokio::test(start_paused = true)]
async fn a_payer_is_invited_by_poll_and_welcomed_when_they_accept() {
    let mut rig = Rig::new("joins-by-poll").await;
    rig.open().await;
    rig.person(2_000_001, "ann");
    rig.stripe.set_delivery(Delivery::Lost);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(16).await;
    let invites = rig.plex.invites_sent();
    assert_eq!(invites.len(), 1, "{invites:?}");
    assert_eq!(invites[0].sections, [rig.movies]);
    assert!(!invites[0].allow_sync);
    rig.plex.accept_invite("ann@example.com");
    rig.minutes(10).await;
    assert_eq!(rig.subjects_to("ann").len(), 2, "{:?}", rig.subjects_to("ann"));
    assert_eq!((told(&rig, "ann", "invitation"), told(&rig, "ann", "Welcome")), (1, 1));
    assert_eq!(heard(&rig, "ann is in"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_the_invite_follows_the_webhook_within_five_seconds_whatever_the_polls() {
    let mut rig = Rig::new("joins-by-webhook").await;
    unhurried(&mut rig, 24);
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.pass(std::time::Duration::from_secs(20)).await;
    let first = rig.stripe.deliveries().into_iter().find(|attempt| attempt.status == Some(200)).expect("a webhook");
    let invites = rig.plex.invites_sent();
    assert_eq!(invites.len(), 1, "{invites:?}");
    let took = invites[0].at - first.at;
    assert!(took.num_seconds() <= 5, "it took {took}");
    assert_eq!(invites[0].sections, [rig.movies, rig.tv]);
    assert!(invites[0].allow_sync, "Premium has downloads");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_a_hint_that_cannot_be_followed_brings_the_whole_poll_forward() {
    let mut rig = Rig::new("hint-not-followed").await;
    unhurried(&mut rig, 24);
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.faults().once(Matching::ReadsOf(format!("/v1/customers/{customer}")), Fault::status(500));
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(2).await;
    assert_eq!(rig.stripe.faults().struck(&Fault::status(500)), 1, "the look at her failed");
    assert_eq!(rig.plex.invites_sent().len(), 1, "not a day later: {}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_06_a_row_without_an_address_after_a_lost_answer_is_the_invite_that_was_made() {
    let mut rig = Rig::new("nameless-row").await;
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    rig.plex.with_account(ann, |ann| ann.email_hidden = true);
    rig.plex.faults().once(Matching::Writes, Fault::EffectThenDrop);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(20).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "invitation"), 1);
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(30).await;
    assert_eq!(rig.plex.deletions().len(), 1, "and it is taken back: {}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn webhooks_that_come_twice_invite_once() {
    let mut rig = Rig::new("webhooks-doubled").await;
    rig.open().await;
    rig.stripe.set_delivery(Delivery::Doubled);
    payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.minutes(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(told(&rig, "ann", "invitation"), 1);
    assert!(rig.stripe.deliveries().len() >= 6, "they came twice");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn webhooks_out_of_order_invite_once_and_an_old_one_ends_nobody() {
    let mut rig = Rig::new("webhooks-reordered").await;
    rig.open().await;
    rig.stripe.set_delivery(Delivery::Reordered);
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    // The story so far again, oldest last: the payloads are no data.
    rig.stripe.card_fails(&sub);
    rig.stripe.retry_succeeds(&sub);
    rig.minutes(3).await;
    let url = format!("{}/webhook/stripe", rig.door().expect("open"));
    for event in rig.stripe.events().iter().rev() {
        assert_eq!(rig.stripe.send_webhook(&url, event).await.expect("answered"), 200);
    }
    rig.hours(30).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!((rig.plex.invites_sent().len(), rig.plex.deletions().len()), (1, 0));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_forged_webhook_is_refused_and_changes_nothing() {
    let mut rig = Rig::new("webhook-forged").await;
    unhurried(&mut rig, 24);
    rig.open().await;
    rig.minutes(5).await;
    rig.stripe.set_delivery(Delivery::Lost);
    let customer = rig.stripe.customer("eve@example.com", "Eve");
    rig.stripe.subscribe(&customer, &rig.basic);
    let event = format!("{:#}", rig.stripe.events().last().expect("an event"));
    let url = format!("{}/webhook/stripe", rig.door().expect("open"));
    let before = std::fs::read(rig.state().join("state.json")).expect("the book");
    rig.stripe.clear();
    let now = rig.now().timestamp();
    let forged = [
        stripe::sign("whsec_guessed", event.as_bytes(), now),
        stripe::sign(WEBHOOK_SECRET, event.as_bytes(), now - 3600),
        stripe::sign(WEBHOOK_SECRET, b"{}", now),
        format!("t={now},v1="),
        String::new(),
    ];
    for signature in &forged {
        assert_eq!(stripe::send(&url, &event, signature).await.expect("answered"), 400, "{signature}");
    }
    rig.minutes(5).await;
    assert_eq!(rig.stripe.requests().len(), 0, "nobody even looked");
    assert_eq!(std::fs::read(rig.state().join("state.json")).expect("the book"), before);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_restart_invites_nobody_a_second_time() {
    let mut rig = Rig::new("restart-invite").await;
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(1).await;
    for _ in 0..3 {
        rig.close().await;
        rig.open().await;
        rig.minutes(20).await;
    }
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(told(&rig, "ann", "invitation"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_06_an_invite_whose_answer_was_lost_is_not_sent_twice() {
    let mut rig = Rig::new("answer-lost").await;
    rig.open().await;
    rig.plex.faults().once(Matching::Writes, Fault::EffectThenDrop);
    payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.minutes(30).await;
    assert_eq!(rig.plex.faults().struck(&Fault::EffectThenDrop), 1);
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!((told(&rig, "ann", "invitation"), told(&rig, "ann", "Welcome")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_never_arrived_is_tried_again() {
    let mut rig = Rig::new("invite-again").await;
    rig.open().await;
    rig.plex.faults().once(Matching::Writes, Fault::DropBeforeEffect);
    rig.plex.faults().once(Matching::Writes, Fault::status(503));
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(10).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert!(!rig.plex.faults().waiting(), "both faults struck");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payer_whose_share_already_stands_under_that_address_is_linked_not_invited() {
    let mut rig = Rig::new("linked").await;
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.open().await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(20).await;
    assert_eq!(rig.plex.changes().len(), 0, "neither invited nor narrowed: {:?}", rig.plex.changes());
    // What they had by hand before survives the subscription.
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(40).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_was_had_by_hand_is_what_stays_when_a_bigger_subscription_ends() {
    let mut rig = Rig::new("frozen-by-hand").await;
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now() - days(400));
    rig.open().await;
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.premium);
    rig.minutes(20).await;
    let share = rig.plex.share_of(ann).expect("a share");
    assert_eq!((share.sections, share.settings.allow_sync), (vec![rig.movies, rig.tv], true));
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(40).await;
    let share = rig.plex.share_of(ann).expect("still a share");
    assert_eq!((share.sections, share.settings.allow_sync), (vec![rig.movies], false));
    assert_eq!(rig.plex.updates().len(), 2);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_share_younger_than_the_subscription_ends_with_it() {
    let mut rig = Rig::new("younger-share").await;
    rig.open().await;
    // Pays, and the operator shares by hand before the invite is taken up.
    rig.stripe.set_delivery(Delivery::Lost);
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.minutes(20).await;
    assert_eq!(rig.plex.invites_sent().len(), 0, "{:?}", rig.plex.invites_sent());
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(40).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_was_declined_is_not_made_again_and_the_operator_hears_it() {
    let mut rig = Rig::new("declined").await;
    rig.open().await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(5).await;
    assert!(rig.plex.decline_invite("ann@example.com"));
    rig.hours(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(heard(&rig, "is gone"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn payers_from_before_usher_who_are_not_on_plex_wait_for_the_operator() {
    let mut rig = Rig::new("adoption").await;
    old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    for (id, name) in [(2_000_002, "bob"), (2_000_003, "cleo")] {
        rig.person(id, name);
        let customer = rig.stripe.customer(&format!("{name}@example.com"), name);
        rig.stripe.subscribe(&customer, &rig.basic);
    }
    rig.hours(2).await;
    rig.open().await;
    rig.hours(30).await;
    assert_eq!(rig.plex.invites_sent().len(), 0, "no second invite to old payers");
    let holds = super::holds(&rig).await;
    assert_eq!(holds.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["adoption", "adoption"]);
    assert_eq!(heard(&rig, "Waiting for you"), 1, "{:?}", rig.operator_subjects());
    super::say(&rig, "approve", &[&holds[0].0]).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "approving one lets only that one go");
    super::say(&rig, "approve", &["all"]).await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 2);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_forty_days_without_any_webhook_cost_one_poll_period() {
    let mut rig = Rig::new("no-webhooks").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    rig.stripe.remove_endpoint();
    rig.days(40).await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(7).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

/// plex.tv says 404 also of a server or a library that it doesn't find for a
/// while: that speaks of nobody's account.
#[tokio::test(start_paused = true)]
async fn promise_04_a_payer_whose_invite_met_a_404_is_told_of_once_and_invited_again_when_it_works() {
    let mut rig = Rig::new("invite-404").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    rig.person(2_000_001, "ann");
    let fault = rig.plex.faults().always(Matching::Writes, Fault::status(404));
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    let tries = || rig.plex.count(|call| call.request.method == "POST");
    rig.minutes(30).await;
    let at_first = tries();
    assert_eq!(heard(&rig, "pays and can't be let in"), 1);
    rig.hours(20).await;
    assert_eq!(tries(), at_first, "not hammered");
    rig.hours(48).await;
    assert!((at_first + 1..=3 * at_first).contains(&tries()), "{at_first} at first, and {} now", tries());
    assert_eq!(heard(&rig, "pays and can't be let in"), 1, "told once");
    rig.plex.faults().remove(fault);
    rig.hours(72).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "{}", why(&rig, "ann").await);
    rig.plex.accept_invite("ann@example.com");
    rig.hours(3).await;
    assert_eq!(told(&rig, "ann", "Welcome"), 1);
}

/// RULES R2: by id, once by address, then nobody.
#[tokio::test(start_paused = true)]
async fn a_payer_whom_plex_refuses_for_good_is_not_tried_again_by_itself() {
    let mut rig = Rig::new("invite-422").await;
    unhurried(&mut rig, 2);
    rig.open().await;
    rig.person(2_000_001, "ann");
    rig.plex.faults().always(Matching::Writes, Fault::status(422));
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(30).await;
    let tries = || rig.plex.count(|call| call.request.method == "POST");
    // By id or address, once (RULES R2); the refusal is forgotten after a day (R6).
    let at_first = tries();
    for day in 1..=5 {
        rig.hours(24).await;
        assert!(tries() <= at_first * (day + 1), "day {day}: {} calls, {at_first} a try", tries());
    }
    assert_eq!(heard(&rig, "pays and can't be let in"), 1);
}
