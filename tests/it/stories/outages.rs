//! Whatever is down, empty or half: nobody is harmed, and it is told once
//! (promise 2).

use sandbox::faults::{Fault, Matching};
use sandbox::plex::Told;
use sandbox::rig::Rig;

use super::{all_is_well, days, heard, heard_on_discord, hours, old_payer, told, unhurried};

/// Six payers and six friends, one of whom is about to be warned.
async fn a_full_house(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..6 {
        let (payer, _) = old_payer(&rig, 2_000_101 + n, &format!("payer{n}"), &rig.basic.clone());
        rig.watched(payer, days(2));
        let friend = rig.old_friend(2_000_201 + n, &format!("friend{n}"), 400);
        rig.watched(friend, days(2));
    }
    let idle = rig.old_friend(2_000_300, "idle", 400);
    rig.watched(idle, days(26) + hours(12));
    rig.open().await;
    rig.hours(2).await;
    super::nothing_was_done(&rig);
    rig
}

/// Two bad days: nobody is removed, warned, narrowed, invited; then it heals.
async fn two_bad_days(rig: &Rig) {
    rig.days(2).await;
    super::nothing_was_done(rig);
}

#[tokio::test(start_paused = true)]
async fn promise_02_two_days_without_stripe_end_nobody_and_are_told_once() {
    let rig = a_full_house("stripe-500").await;
    rig.stripe.faults().always(Matching::All, Fault::status(500));
    two_bad_days(&rig).await;
    assert_eq!((heard(&rig, "Stripe can't be read"), heard_on_discord(&rig, "Stripe can't be read")), (1, 1));
    rig.stripe.faults().clear();
    rig.hours(6).await;
    assert_eq!((heard(&rig, "Stripe is back"), heard(&rig, "Stripe can't be read")), (1, 1));
    // And then life goes on.
    assert_eq!(told(&rig, "idle", "Still with us"), 1);
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_from_stripe_ends_nobody() {
    let rig = a_full_house("stripe-empty").await;
    rig.stripe.set_lists_empty(true);
    two_bad_days(&rig).await;
    rig.stripe.set_lists_empty(false);
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), 0);
    assert!(rig.operator_subjects().len() <= 4, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_stripe_refuses_is_told_with_the_mend() {
    let rig = a_full_house("stripe-401").await;
    rig.stripe.set_key("sk_test_rolled");
    two_bad_days(&rig).await;
    assert_eq!(heard(&rig, "Stripe can't be read"), 1);
    let mail =
        rig.smtp.received_for(sandbox::rig::OPERATOR).into_iter().find(|mail| mail.subject.contains("can't be read"));
    assert!(mail.expect("a mail").text().contains("STRIPE_SECRET_KEY"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_nobody_at_plex_is_not_believed() {
    let rig = a_full_house("plex-nobody").await;
    rig.plex.switch(|switches| switches.people_told = Told::Nothing);
    two_bad_days(&rig).await;
    assert_eq!(heard(&rig, "Far fewer people"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "is gone"), 0);
    rig.plex.switch(|switches| switches.people_told = Told::All);
    rig.hours(20).await;
    assert_eq!(rig.plex.changes().len(), 0);
    assert_eq!(heard(&rig, "is in"), 0, "nobody came back: they were never gone");
    assert_eq!(heard(&rig, "Digest of"), 1);
    assert_eq!(rig.operator_subjects().len(), 3, "and that idle was warned: {:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn half_a_listing_at_plex_that_says_so_is_no_reading() {
    let rig = a_full_house("plex-half").await;
    rig.plex.faults().always(Matching::Reads, Fault::HalfPages);
    rig.hours(30).await;
    super::nothing_was_done(&rig);
    rig.plex.faults().clear();
    rig.hours(20).await;
    assert_eq!(rig.plex.changes().len(), 0);
    assert_eq!(heard(&rig, "is gone"), 0, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_plex_that_is_down_is_told_once_and_once_when_it_is_back() {
    let rig = a_full_house("plex-503").await;
    rig.plex.faults().always(Matching::All, Fault::status(503));
    two_bad_days(&rig).await;
    rig.plex.faults().clear();
    rig.hours(20).await;
    assert_eq!((heard(&rig, "plex.tv can't be read"), heard(&rig, "plex.tv is back")), (1, 1));
    assert_eq!(rig.plex.changes().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_html_page_instead_of_plex_is_an_outage() {
    let rig = a_full_house("plex-html").await;
    rig.plex.faults().always(Matching::All, Fault::Html);
    two_bad_days(&rig).await;
    assert_eq!(heard(&rig, "plex.tv can't be read"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn tautullis_empty_success_makes_nobody_idle() {
    let rig = a_full_house("tautulli-draw0").await;
    rig.tautulli.set_sql_error(true);
    two_bad_days(&rig).await;
    assert_eq!(heard(&rig, "Tautulli can't be read"), 1);
    rig.tautulli.set_sql_error(false);
    rig.hours(20).await;
    assert_eq!(heard(&rig, "Tautulli is back"), 1);
    assert_eq!(told(&rig, "idle", "Still with us"), 1, "its own day has come");
    assert_eq!((told(&rig, "friend0", ""), rig.plex.changes().len()), (0, 0));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_plex_that_hangs_does_not_stop_the_letters() {
    let rig = a_full_house("plex-hangs").await;
    rig.plex.faults().always(Matching::All, Fault::Hang);
    rig.hours(8).await;
    assert_eq!(heard(&rig, "plex.tv can't be read"), 1, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_slow_world_is_still_understood() {
    let mut rig = Rig::new("slow-world").await;
    rig.plex.faults().always(Matching::All, Fault::SlowDrip(std::time::Duration::from_secs(2)));
    rig.stripe.faults().always(Matching::All, Fault::Delay(std::time::Duration::from_secs(1)));
    rig.open().await;
    rig.minutes(5).await;
    super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_pass_costs_the_same_for_ten_members_and_for_two_thousand() {
    let mut counts = Vec::new();
    for members in [10, 2_000] {
        let mut rig = Rig::new(&format!("quiet-{members}")).await;
        rig.set("CHECK_NEW_USERS_SECS", "600");
        for n in 0..members {
            rig.old_friend(2_000_001 + n, &format!("friend{n}"), 400);
        }
        rig.watched(usher::facts::PlexId(2_000_001), days(1));
        rig.open().await;
        rig.minutes(2).await;
        rig.plex.clear();
        rig.tautulli.clear();
        rig.minutes(35).await;
        // On a busy machine one listing more or fewer falls into the same time.
        let calls = rig.plex.requests().len();
        let listings = rig.plex.count(|call| call.request.path.contains("/owned/accepted"));
        assert_eq!(calls % listings, 0, "{calls} calls in {listings} listings");
        counts.push((calls / listings, rig.tautulli.requests().len()));
        all_is_well(&rig);
    }
    assert_eq!(counts[0], counts[1], "plex.tv for each listing, and Tautulli");
    assert!(counts[0].0 > 0 && counts[0].1 > 0);
}
