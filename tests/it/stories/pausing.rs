//! Subscriptions that are paused (R4): a break that somebody takes, a payment
//! that failed, a trial that ended without a card.

use sandbox::rig::{Rig, address};
use sandbox::stripe::{AfterRetries, PausedBy};
use usher::facts::PlexId;

use super::{all_is_well, days, heard, holds, hours, payer, told, told_at, unhurried};

/// Ann pays and is in; the daemon reads each four hours.
async fn ann_pays(name: &str, on_pause: Option<&str>) -> (Rig, PlexId, String) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 4);
    if let Some(on_pause) = on_pause {
        rig.set("ON_PAUSE", on_pause);
    }
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    (rig, ann, sub)
}

const BREAK: &str = "break";

/// She takes a break: a letter first, access until the paid time is over, and
/// all by itself when she goes on.
async fn a_break(name: &str, prepare: impl FnOnce(&Rig, &str)) {
    let (rig, ann, sub) = ann_pays(name, None).await;
    prepare(&rig, &sub);
    rig.hours(30).await;
    let paid_until = rig.stripe.period_end(&sub).expect("a period");
    rig.stripe.pause(&sub, PausedBy::Request);
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "paid for: {}", super::why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", BREAK), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!(heard(&rig, "ann's subscription is paused"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(told(&rig, "ann", "go through"), 0, "no payment failed");
    let left = (paid_until - rig.now()).num_days();
    rig.days(u64::try_from(left).expect("days")).await;
    assert!(rig.plex.has_access(ann), "until the paid time is over");
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    let gone = rig.plex.deletions()[0].at;
    assert!(gone >= paid_until && gone - told_at(&rig, "ann", BREAK) >= days(3));
    assert_eq!((told(&rig, "ann", BREAK), told(&rig, "ann", "has ended")), (1, 1));
    rig.stripe.resume(&sub);
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_break_keeps_what_is_paid_is_told_first_and_comes_back_by_themselves() {
    a_break("break-never-trial", |_, _| ()).await;
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_years_ago_makes_no_break_the_end_of_a_trial() {
    a_break("break-old-trial", |rig, sub| rig.stripe.set_trial_end(sub, rig.now() - days(800))).await;
}

#[tokio::test(start_paused = true)]
async fn a_break_that_stripe_names_is_one() {
    a_break("break-named", |rig, sub| {
        rig.stripe.set_tells_pauses(true);
        rig.stripe.set_trial_end(sub, rig.now() - hours(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_break_that_ends_before_access_did_takes_nothing_away() {
    let (rig, ann, sub) = ann_pays("break-short", None).await;
    rig.stripe.pause(&sub, PausedBy::Request);
    rig.days(10).await;
    rig.stripe.resume(&sub);
    rig.days(60).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!((rig.plex.deletions().len(), rig.plex.invites_sent().len()), (0, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_break_near_the_end_of_the_paid_time_waits_for_its_letter() {
    let (rig, ann, sub) = ann_pays("break-late", None).await;
    let paid_until = rig.stripe.period_end(&sub).expect("a period");
    let left = (paid_until - rig.now()).num_hours() - 2;
    rig.hours(u64::try_from(left).expect("hours")).await;
    rig.smtp.fault(sandbox::smtp::Fault::Down, sandbox::smtp::Stay::UntilCleared);
    rig.stripe.pause(&sub, PausedBy::Request);
    rig.days(6).await;
    assert!(rig.plex.has_access(ann), "no letter, no end: {}", super::why(&rig, "ann").await);
    rig.smtp.clear_faults();
    rig.days(6).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann", BREAK) >= days(3));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn on_pause_keep_leaves_everything_as_it_is() {
    let (rig, ann, sub) = ann_pays("break-keep", Some("keep")).await;
    rig.stripe.pause(&sub, PausedBy::Request);
    rig.days(60).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!((rig.plex.deletions().len(), told(&rig, "ann", BREAK)), (0, 0));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_a_failed_payment_has_the_grace_and_the_letter_of_one() {
    for tells in [false, true] {
        let (rig, ann, sub) = ann_pays(&format!("pause-unpaid-{tells}"), None).await;
        rig.stripe.set_tells_pauses(tells);
        rig.stripe.card_fails(&sub);
        let failed = rig.now();
        rig.stripe.retries_exhausted(&sub, AfterRetries::Paused);
        rig.days(6).await;
        assert!(rig.plex.has_access(ann), "grace: {}", super::why(&rig, "ann").await);
        assert_eq!((told(&rig, "ann", "go through"), told(&rig, "ann", BREAK)), (1, 0), "{:?}", rig.subjects_to("ann"));
        rig.days(4).await;
        assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
        let gone = rig.plex.deletions()[0].at;
        assert!(gone - failed >= days(7) && gone - told_at(&rig, "ann", "go through") >= days(3));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_whose_cause_nobody_knows_waits_for_the_operator() {
    let (rig, ann, sub) = ann_pays("pause-unknown", None).await;
    rig.stripe.set_tells_pauses(true);
    rig.stripe.set_trial_end(&sub, rig.now() - days(800));
    rig.stripe.pause(&sub, PausedBy::Other("moon_phase".into()));
    rig.days(2).await;
    assert_eq!(heard(&rig, "ann's subscription is paused"), 1, "{:?}", rig.operator_subjects());
    rig.days(60).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!((told(&rig, "ann", BREAK), told(&rig, "ann", "go through")), (0, 0));
    assert_eq!(holds(&rig).await.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"]);
    super::say(&rig, "approve", &["all"]).await;
    rig.hours(2).await;
    assert!(!rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_ended_without_a_card_still_ends_as_stated() {
    for tells in [false, true] {
        let mut rig = Rig::new(&format!("trial-paused-{tells}")).await;
        unhurried(&mut rig, 1);
        rig.stripe.set_tells_pauses(tells);
        rig.open().await;
        let ann = rig.person(2_000_001, "ann");
        let customer = rig.stripe.customer(&address("ann"), "ann");
        rig.stripe.subscribe_trial_without_card(&customer, &rig.basic, 5, "pause");
        rig.hours(2).await;
        rig.plex.accept_invite("ann@example.com").expect("an invite");
        rig.days(4).await;
        // Nobody looks while the trial ends.
        rig.close().await;
        rig.days(4).await;
        rig.start();
        rig.hours(4).await;
        assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
        assert_eq!((told(&rig, "ann", BREAK), told(&rig, "ann", "has ended")), (0, 1));
        all_is_well(&rig);
    }
}

/// As [`ann_pays`], with what the operator set.
async fn ann_pays_at(name: &str, settings: &[(&str, &str)]) -> (Rig, PlexId, String) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    settings.iter().for_each(|(name, value)| rig.set(name, value));
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    (rig, ann, sub)
}

fn text_to_operator(rig: &Rig, subject: &str) -> String {
    let mails = rig.smtp.received_for(sandbox::rig::OPERATOR);
    let found = mails.iter().find(|mail| mail.subject.contains(subject));
    found.unwrap_or_else(|| panic!("{:?}", rig.operator_subjects())).text()
}

#[tokio::test(start_paused = true)]
async fn a_dispute_that_can_be_appealed_is_told_with_its_deadline() {
    for policy in ["tell", "end"] {
        let (rig, ann, sub) = ann_pays_at(&format!("appeal-{policy}"), &[("ON_DISPUTE", policy)]).await;
        let dispute = rig.stripe.dispute(&sub).expect("a charge");
        let due_by = rig.now() + days(9);
        rig.stripe.move_dispute(&dispute, "needs_response", Some(due_by));
        rig.hours(3).await;
        assert_eq!(heard(&rig, "The dispute of ann over 5.00 USD was opened"), 1, "{:?}", rig.operator_subjects());
        let day = due_by.format("%Y-%m-%d").to_string();
        assert!(text_to_operator(&rig, "was opened").contains(&day), "{}", text_to_operator(&rig, "was opened"));
        rig.stripe.close_dispute(&dispute, "lost");
        rig.days(1).await;
        let appeal_by = rig.now() + days(20);
        rig.stripe.move_dispute(&dispute, "appeal_needs_response", Some(appeal_by));
        rig.hours(3).await;
        assert_eq!(heard(&rig, "appeal"), 1, "{:?}", rig.operator_subjects());
        let day = appeal_by.format("%Y-%m-%d").to_string();
        assert!(text_to_operator(&rig, "appeal").contains(&day), "{}", text_to_operator(&rig, "appeal"));
        rig.stripe.move_dispute(&dispute, "appeal_under_review", None);
        rig.hours(3).await;
        rig.stripe.close_dispute(&dispute, "won");
        rig.days(3).await;
        assert_eq!(heard(&rig, "The dispute of ann over 5.00 USD is won"), 1, "{:?}", rig.operator_subjects());
        assert_eq!(rig.plex.has_access(ann), policy == "tell");
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_a_second_time_within_a_day_is_set_to_end_again() {
    let (rig, _, sub) = ann_pays_at("revoked-twice", &[]).await;
    let revoke = serde_json::json!({ "ask": "revoke", "who": "ann", "cancel": "period-end" });
    super::asked(&rig, revoke.clone()).await;
    rig.hours(2).await;
    assert!(rig.stripe.scheduled_end(&sub).is_some());
    super::asked(&rig, serde_json::json!({ "ask": "restore", "who": "ann" })).await;
    rig.stripe.undo_cancel(&sub);
    rig.hours(2).await;
    assert!(rig.stripe.scheduled_end(&sub).is_none());
    super::asked(&rig, revoke).await;
    rig.hours(4).await;
    assert!(rig.stripe.scheduled_end(&sub).is_some(), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_403_for_invoices_holds_who_fails_and_is_told_once() {
    use sandbox::faults::{Fault, Matching};
    let (rig, ann, sub) =
        ann_pays_at("invoices-403", &[("CHECK_BILLING_SECS", "14400"), ("CHECK_NEW_USERS_SECS", "14400")]).await;
    rig.stripe.faults().always(Matching::when(|request| request.path.starts_with("/v1/invoices")), Fault::status(403));
    rig.stripe.card_fails(&sub);
    rig.days(40).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(heard(&rig, "may not read invoices"), 1, "{:?}", rig.operator_subjects());
    assert!(text_to_operator(&rig, "may not read invoices").contains("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_years_ago_is_no_news_when_usher_comes() {
    let mut rig = Rig::new("failed-years-ago").await;
    unhurried(&mut rig, 1);
    // She pays by another subscription, bought while the one that failed ran.
    let (ann, old) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    let customer = rig.stripe.object(&old)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.subscribe(&customer, &rig.premium);
    rig.stripe.card_fails(&old);
    rig.days(2).await;
    rig.stripe.retries_exhausted(&old, AfterRetries::Canceled);
    rig.open().await;
    rig.days(5).await;
    assert_eq!(told(&rig, "ann", "go through"), 0, "{:?}", rig.subjects_to("ann"));
    assert_eq!(heard(&rig, "Payment trouble"), 0, "{:?}", rig.operator_subjects());
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_years_ago_keeps_nobody_in_for_ever() {
    let mut rig = Rig::new("failed-years-ago-ends").await;
    unhurried(&mut rig, 1);
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&address("ann"), "ann");
    let old = rig.stripe.subscribe(&customer, &rig.premium);
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.days(2).await;
    rig.stripe.cancel_now(&old, "payment_failed");
    let sub = rig.stripe.subscriptions_of(&customer)[1].clone();
    rig.open().await;
    rig.hours(2).await;
    super::say(&rig, "approve", &["all"]).await;
    rig.hours(2).await;
    rig.plex.accept_invite("ann@example.com").expect("an invite");
    rig.days(1).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(8).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "go through"), 0, "{:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_checkout_that_expired_ends_no_share_made_by_hand() {
    let mut rig = Rig::new("expired-by-hand").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann));
    rig.stripe.subscribe_incomplete(&customer, &rig.basic);
    rig.hours(2).await;
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.days(5).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_coupon_for_some_products_lowers_only_those_and_unpaid_trials_are_no_churn() {
    let mut rig = Rig::new("coupon-limited").await;
    unhurried(&mut rig, 1);
    // Two trials that were never paid, begun last month.
    for name in ["eve", "fay"] {
        rig.stripe.subscribe_trial_without_card(&rig.stripe.customer(&address(name), name), &rig.basic, 14, "cancel");
    }
    rig.open().await;
    let (_, ann) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let snacks = rig.stripe.add_product("Snacks", &[]);
    rig.stripe.add_item(&ann, &rig.stripe.add_price(&snacks, 900, "usd", Some(sandbox::stripe::Interval::Month)));
    let coupon = rig.stripe.add_coupon(50.0, "forever");
    let product = rig.stripe.object(&rig.basic)["product"].as_str().expect("a product").to_owned();
    rig.stripe.limit_coupon(&coupon, &[&product]);
    rig.stripe.apply_coupon(&ann, &coupon);
    rig.hours(2).await;
    let stats = rig.get("/api/stats").await["json"].clone();
    // Half of 5.00, and all of 9.00.
    assert_eq!(stats["mrr"][0]["amount"], "11.50", "{stats}");
    rig.days(16).await;
    let stats = rig.get("/api/stats").await["json"].clone();
    assert_eq!(stats["lost"], 0, "{stats}");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_repeated_with_its_key_answers_like_the_first() {
    for at_period_end in [false, true] {
        let (rig, _, sub) = ann_pays_at(&format!("cancel-again-{at_period_end}"), &[]).await;
        let body = serde_json::json!({"member": "ann@example.com", "at_period_end": at_period_end}).to_string();
        let key = [("idempotency-key", "goodbye-1")];
        let first = rig.api_with("POST", "/api/cancel", &body, &key).await;
        assert_eq!(first.0, 200, "{first:?}");
        rig.hours(2).await;
        assert_eq!(rig.api_with("POST", "/api/cancel", &body, &key).await, first);
        rig.stripe.undo_cancel(&sub);
        rig.hours(1).await;
        assert_eq!(rig.api_with("POST", "/api/cancel", &body, &key).await, first, "and cancels nothing anew");
        assert!(rig.stripe.scheduled_end(&sub).is_none());
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_break_beside_another_subscription_ends_what_it_bought_after_a_letter() {
    let mut rig = Rig::new("break-beside").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let (ann, premium) = payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    let customer = rig.stripe.object(&premium)["customer"].as_str().expect("a customer").to_owned();
    let basic = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    let paid_until = rig.stripe.period_end(&premium).expect("a period");
    rig.stripe.pause(&premium, PausedBy::Request);
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", BREAK), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv], "it is paid for");
    let left = u64::try_from((paid_until - rig.now()).num_days()).expect("days");
    rig.days(left + 4).await;
    let share = rig.plex.share_of(ann).expect("the other subscription keeps her in");
    assert_eq!(share.sections, [rig.movies], "{}", super::why(&rig, "ann").await);
    assert_eq!((rig.plex.updates().len(), told(&rig, "ann", BREAK)), (1, 1));
    // The other one ends at once: a letter comes first, and three days.
    rig.stripe.cancel_now(&basic, "cancellation_requested");
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", BREAK), 2, "{:?}", rig.subjects_to("ann"));
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann", BREAK) >= days(3));
    assert_eq!(rig.plex.updates().len(), 1, "nothing was given back for those days");
    rig.stripe.resume(&premium);
    rig.hours(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_could_not_be_told_of_the_end_of_a_break_is_told_once_there_is_mail() {
    let mut rig = Rig::new("break-mail-later").await;
    unhurried(&mut rig, 2);
    let with_mail = super::without_mail(&mut rig);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    rig.stripe.pause(&sub, PausedBy::Request);
    rig.days(35).await;
    assert_eq!(holds(&rig).await.len(), 1, "nobody could write to her");
    rig.close().await;
    rig.env = with_mail;
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", BREAK), 1, "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.has_access(ann), "the letter is younger than three days");
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann", BREAK) >= days(3));
    all_is_well(&rig);
}
