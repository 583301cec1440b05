//! Payments that fail, and tiers that change (R4, R6; promises 1 and 9).

use sandbox::rig::{Rig, address};
use sandbox::smtp::{Fault, Stay};
use sandbox::stripe::{AfterRetries, Interval};
use serde_json::json;
use usher::facts::PlexId;

use super::{all_is_well, days, heard, hours, told, told_at, unhurried, without_mail};

/// Ann pays as `ann-pays@`, watches as `ann@`.
async fn ann_pays_with_another_address(rig: &Rig) -> (PlexId, String) {
    let ann = rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer(&address("ann-pays"), "Ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(1).await;
    rig.plex.accept_invite_as(address("ann-pays").as_str(), ann).expect("an invite");
    rig.hours(2).await;
    (ann, sub)
}

#[tokio::test(start_paused = true)]
async fn a_failed_payment_is_written_to_the_payers_address_and_forgotten_once_paid() {
    let mut rig = Rig::new("payment-recovers").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    rig.stripe.card_fails(&sub);
    rig.hours(2).await;
    assert_eq!(told(&rig, "ann-pays", "go through"), 1, "{:?}", rig.subjects_to("ann-pays"));
    assert_eq!(told(&rig, "ann", "go through"), 0, "money is nobody else's business");
    assert_eq!(heard(&rig, "Payment trouble"), 1);
    rig.days(2).await;
    rig.stripe.retry_succeeds(&sub);
    rig.days(12).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!((rig.plex.deletions().len(), told(&rig, "ann-pays", "go through")), (0, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_who_never_pays_is_out_only_when_grace_tries_and_letter_are_over() {
    let mut rig = Rig::new("never-pays").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    rig.stripe.card_fails(&sub);
    let failed = rig.now();
    rig.days(8).await;
    // Past the 7 days, but Stripe will try again.
    assert!(rig.stripe.object(&sub)["status"] == "past_due" && rig.plex.has_access(ann));
    rig.days(8).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    let gone = rig.plex.deletions()[0].at;
    assert!(gone - failed >= days(9), "not while an attempt was scheduled: {}", gone - failed);
    assert!(gone - told_at(&rig, "ann-pays", "go through") >= days(3));
    assert_eq!(told(&rig, "ann", "has ended"), 1, "access letters go to the Plex address");
    assert_eq!(rig.plex.deletions().len(), 1);
    all_is_well(&rig);
}

/// What becomes of who can't pay, by the account's setting at Stripe.
async fn retries_run_out(name: &str, outcome: AfterRetries, at_least: i64, at_most: i64) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, outcome);
    let failed = rig.now();
    rig.days(10).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    let after = rig.plex.deletions()[0].at - failed;
    assert!(after >= days(at_least) && after < days(at_most) + hours(3), "{after}");
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann-pays", "go through") >= days(3));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stripe_cancels_for_money_ends_three_days_after_the_letter() {
    retries_run_out("retries-canceled", AfterRetries::Canceled, 3, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stripe_leaves_unpaid_ends_with_the_grace() {
    retries_run_out("retries-unpaid", AfterRetries::Unpaid, 7, 8).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stays_past_due_ends_with_the_grace() {
    retries_run_out("retries-past-due", AfterRetries::StaysPastDue, 7, 8).await;
}

async fn unpaid_while_no_letter_arrives(name: &str, fault: Fault, days: u64) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 2);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    rig.hours(2).await;
    rig.smtp.fault(fault, Stay::UntilCleared);
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, AfterRetries::Unpaid);
    rig.days(days).await;
    assert!(rig.plex.has_access(ann), "whatever was down, for however long");
    assert_eq!(super::holds(&rig).await, [], "nobody is asked to approve what the letter is still owed for");
    rig.smtp.clear_faults();
    rig.days(2).await;
    assert!(rig.plex.has_access(ann), "the letter is out, the three days are not over");
    assert_eq!(told(&rig, "ann-pays", "go through"), 1);
    rig.days(3).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_unpaid_while_no_mail_goes_out_removes_nobody() {
    unpaid_while_no_letter_arrives("unpaid-smtp-down", Fault::Down, 35).await;
}

#[tokio::test(start_paused = true)]
async fn promise_01_unpaid_while_our_domain_is_refused_removes_nobody() {
    unpaid_while_no_letter_arrives("unpaid-policy", Fault::PolicyRefused, 14).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_no_address_at_stripe_is_out_only_when_the_operator_says_so() {
    let mut rig = Rig::new("unpaid-no-address").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.change_email(&customer, "");
    rig.hours(2).await;
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, AfterRetries::Unpaid);
    rig.days(10).await;
    assert!(rig.plex.has_access(ann));
    let holds = super::holds(&rig).await;
    assert_eq!(holds.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["approval"]);
    super::say(&rig, "approve", &["all"]).await;
    rig.hours(1).await;
    assert!(!rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_changes_the_share_in_place_and_sends_the_filters_back() {
    let mut rig = Rig::new("upgrade").await;
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let share = rig.plex.share_of(ann).expect("a share");
    rig.plex.with_share(share.id, |share| {
        share.settings.filter_movies = "contentRating=G%2CPG".into();
        share.settings.allow_tuners = 2;
        share.settings.allow_channels = true;
    });
    rig.minutes(5).await;
    rig.stripe.change_price(&sub, &rig.premium);
    rig.minutes(5).await;
    let now = rig.plex.share_of(ann).expect("a share");
    assert_eq!((now.id, now.sections), (share.id, vec![rig.movies, rig.tv]));
    assert!(now.settings.allow_sync, "Premium has downloads");
    assert_eq!(now.settings.filter_movies, "contentRating=G%2CPG");
    assert_eq!((now.settings.allow_tuners, now.settings.allow_channels), (2, true));
    assert_eq!((rig.plex.updates().len(), rig.plex.deletions().len(), rig.plex.invites_sent().len()), (1, 0, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_narrows_the_share_in_place() {
    let mut rig = Rig::new("downgrade").await;
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    assert!(rig.plex.share_of(ann).expect("a share").settings.allow_sync);
    rig.stripe.change_price(&sub, &rig.basic);
    rig.minutes(20).await;
    let now = rig.plex.share_of(ann).expect("a share");
    assert_eq!((now.sections, now.settings.allow_sync), (vec![rig.movies], false));
    assert_eq!(rig.plex.updates().len(), 1);
    rig.hours(3).await;
    assert_eq!(rig.plex.updates().len(), 1, "once");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn paused_collection_keeps_access_unless_the_operator_said_otherwise() {
    let mut rig = Rig::new("collection-paused").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    rig.stripe.pause_collection(&sub, "void", None);
    rig.days(4).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn paused_collection_that_counts_as_no_payment_ends_with_what_is_paid_for_and_is_no_charge() {
    let mut rig = Rig::new("collection-paused-end").await;
    unhurried(&mut rig, 2);
    rig.set("PAUSED_COLLECTION", "end");
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.days(3).await;
    let paid_until = rig.stripe.period_end(&sub).expect("a period");
    rig.stripe.pause_collection(&sub, "void", None);
    rig.pass((paid_until - rig.now()).to_std().expect("later")).await;
    assert!(rig.plex.has_access(ann), "paid for: {}", super::why(&rig, "ann").await);
    rig.hours(20).await;
    assert!(rig.plex.has_access(ann), "an end settles for a day: {}", super::why(&rig, "ann").await);
    rig.days(1).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    let letter = rig.smtp.received_for(&address("ann")).pop().expect("a letter").text();
    assert!(letter.contains("is paused") && !letter.contains("canceled"), "{letter}");
    rig.days(40).await;
    assert_eq!(heard(&rig, "can't be let in"), 0, "nothing is charged: {:?}", rig.operator_subjects());
    rig.stripe.resume_collection(&sub);
    rig.hours(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{}", super::why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_who_could_not_be_told_of_a_failed_payment_is_told_once_there_is_mail() {
    let mut rig = Rig::new("unpaid-mail-later").await;
    unhurried(&mut rig, 1);
    let with_mail = without_mail(&mut rig);
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, AfterRetries::Unpaid);
    rig.days(9).await;
    assert_eq!(super::holds(&rig).await.len(), 1, "nobody could write to her");
    rig.close().await;
    rig.env = with_mail;
    rig.open().await;
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "go through"), 1, "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.has_access(ann), "the letter is younger than three days");
    assert_eq!(super::holds(&rig).await, [], "the letter is out, and its days run");
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann", "go through") >= days(3));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_a_payer_whose_address_bounced_is_told_at_the_new_one() {
    let mut rig = Rig::new("unpaid-bounced").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = ann_pays_with_another_address(&rig).await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.smtp.fault(Fault::UnknownRecipient(address("ann-pays")), Stay::UntilCleared);
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, AfterRetries::Unpaid);
    rig.days(9).await;
    assert_eq!(super::holds(&rig).await.len(), 1, "{}", super::why(&rig, "ann").await);
    rig.stripe.change_email(&customer, &address("ann-new"));
    rig.days(2).await;
    assert_eq!((told(&rig, "ann-new", "go through"), told(&rig, "ann", "go through")), (1, 0));
    assert!(rig.plex.has_access(ann), "the letter is younger than three days");
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - told_at(&rig, "ann-new", "go through") >= days(3));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_day_that_a_letter_about_a_payment_named_is_kept_when_the_subscription_is_cancelled() {
    let mut rig = Rig::new("unpaid-cancelled").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    for n in 0..4 {
        let friend = rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
        rig.watched(friend, hours(1));
    }
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    let (bob, other) = super::payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
    rig.hours(3).await;
    rig.stripe.card_fails(&sub);
    rig.stripe.card_fails(&other);
    rig.hours(20).await;
    let letter = rig.smtp.received_for(&address("ann")).pop().expect("a letter").text();
    assert!(letter.contains("until at least the end of Saturday, 10 January 2026"), "{letter}");
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    let customer = rig.stripe.object(&other)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.delete_customer(&customer);
    let end = chrono::NaiveDate::from_ymd_opt(2026, 1, 11).expect("a day").and_time(chrono::NaiveTime::MIN).and_utc();
    rig.pass((end - rig.now() - hours(1)).to_std().expect("later")).await;
    for (who, name) in [(ann, "ann"), (bob, "bob")] {
        assert!(rig.plex.has_access(who), "the named day is not over: {}", super::why(&rig, name).await);
    }
    rig.hours(5).await;
    assert!(!rig.plex.has_access(ann) && !rig.plex.has_access(bob));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_a_new_price_of_a_product_with_several_tiers_is_ours_and_who_buys_it_is_listed() {
    let mut rig = Rig::new("price-in-no-tier").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.premium.clone()).await;
    rig.hours(3).await;
    let product = rig.stripe.object(&rig.basic)["product"].as_str().expect("a product").to_owned();
    let yearly = rig.stripe.add_price(&product, 5000, "usd", Some(Interval::Year));
    rig.stripe.change_price(&sub, &yearly);
    rig.person(2_000_002, "bob");
    let other = rig.stripe.subscribe(&rig.stripe.customer(&address("bob"), "bob"), &yearly);
    rig.days(2).await;
    assert!(rig.plex.has_access(ann) && rig.plex.updates().is_empty(), "nothing is concluded from it");
    let page = rig.get("/api/unmatched").await["text"].as_str().expect("text").to_owned();
    assert!(page.contains(&format!("the price of {other} is in no tier")), "{page}");
    assert_eq!(heard(&rig, "price that is in no tier"), 2, "{:?}", rig.operator_subjects());
    assert_eq!((heard(&rig, "none of ours"), heard(&rig, "Far fewer")), (0, 0), "{:?}", rig.operator_subjects());
    let tiers = json!([
        { "name": "Basic", "prices": [rig.basic], "libraries": ["Movies"] },
        { "name": "Premium", "prices": [rig.premium, yearly], "libraries": ["Movies", "TV"], "downloads": true },
    ]);
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
    rig.hours(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 2, "{:?}", rig.operator_subjects());
    assert!(rig.plex.updates().is_empty() && rig.plex.has_access(ann));
    all_is_well(&rig);
}
