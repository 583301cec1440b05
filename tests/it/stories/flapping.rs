//! What comes and goes: a clock that is set right and wrong again, a service
//! that is up and down. Who pays is in soon after, and the operator isn't
//! written to at each turn (R9.4, R9's end, README "What you hear").

use std::time::Duration;

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};

use super::{all_is_well, days, heard, heard_on_discord, hours};

fn zoe_pays(rig: &Rig) {
    rig.person(2_000_050, "zoe");
    let customer = rig.stripe.customer(&address("zoe"), "Zoe");
    rig.stripe.subscribe(&customer, &rig.basic.clone());
}

fn is_invited(rig: &Rig, name: &str) -> bool {
    rig.plex.pending_of(address(name).as_str()).is_some()
}

#[tokio::test(start_paused = true)]
async fn who_paid_is_invited_within_two_minutes_after_the_clock_was_set_right() {
    for offset in [TimeDelta::minutes(10), days(400), -days(1)] {
        for wrong_for in [7, 67] {
            let mut rig = Rig::new(&format!("clock-soon-{}-{wrong_for}", offset.num_minutes())).await;
            rig.open().await;
            rig.minutes(2).await;
            rig.time.set_offset(offset);
            rig.minutes(wrong_for).await;
            zoe_pays(&rig);
            rig.minutes(3).await;
            let was_found = heard(&rig, "clocks disagree") == 1;
            assert!(!was_found || !is_invited(&rig, "zoe"), "{offset} for {wrong_for} min");
            rig.time.set_offset(TimeDelta::zero());
            rig.minutes(2).await;
            assert!(is_invited(&rig, "zoe"), "{offset} for {wrong_for} min: {:?}", rig.operator_subjects());
            all_is_well(&rig);
        }
    }
}

/// The clock is set right, while Usher runs or while it is down.
async fn set_right(rig: &mut Rig, starts_anew: bool) {
    if starts_anew {
        rig.close().await;
    }
    rig.time.set_offset(TimeDelta::zero());
    if starts_anew {
        rig.open().await;
    }
}

/// The clock is ahead while mail is down: counted by that clock, the next try would lie
/// a day or a year ahead.
#[tokio::test(start_paused = true)]
async fn a_letter_that_failed_by_a_clock_ahead_goes_out_soon_after_both_are_right() {
    for (offset, starts_anew) in [(days(1), false), (days(400), false), (days(400), true)] {
        let mut rig = Rig::new(&format!("letter-ahead-{}-{starts_anew}", offset.num_days())).await;
        rig.open().await;
        rig.smtp.fault(smtp::Fault::Down, Stay::UntilCleared);
        zoe_pays(&rig);
        rig.hours(5).await;
        assert!(is_invited(&rig, "zoe"));
        rig.time.set_offset(offset);
        rig.hours(3).await;
        set_right(&mut rig, starts_anew).await;
        rig.minutes(10).await;
        rig.smtp.clear_faults();
        rig.hours(3).await;
        assert_eq!(rig.subjects_to("zoe"), ["Your invitation to Attic Cinema"], "{offset}, {starts_anew}");
        all_is_well(&rig);
    }
}

/// plex.tv asks for a quarter of an hour of rest while the clock is ahead, which nobody
/// finds out: counted by that clock, nobody would be let in for as long as it was ahead.
#[tokio::test(start_paused = true)]
async fn a_rest_that_was_asked_for_by_a_clock_ahead_ends_with_it() {
    for (offset, starts_anew) in [(days(1), false), (days(400), false), (days(400), true)] {
        let mut rig = Rig::new(&format!("rest-ahead-{}-{starts_anew}", offset.num_days())).await;
        rig.open().await;
        rig.minutes(2).await;
        rig.time.set_offset(offset);
        rig.minutes(1).await;
        rig.plex.faults().always(Matching::All, Fault::too_many(900));
        rig.minutes(10).await;
        rig.plex.faults().clear();
        set_right(&mut rig, starts_anew).await;
        zoe_pays(&rig);
        rig.minutes(20).await;
        assert!(is_invited(&rig, "zoe"), "{offset}, {starts_anew}: {:?}", rig.operator_subjects());
        all_is_well(&rig);
    }
}

/// Nobody reads at each minute what is read each quarter of an hour, once the
/// clocks agree.
#[tokio::test(start_paused = true)]
async fn a_clock_that_stays_wrong_costs_a_reading_a_minute_and_a_right_one_none() {
    let mut rig = Rig::new("clock-calls").await;
    rig.open().await;
    rig.hours(1).await;
    rig.time.set_offset(days(1));
    rig.minutes(20).await;
    let listings = |rig: &Rig, minutes: i64| {
        let from = rig.now() - TimeDelta::minutes(minutes);
        rig.stripe.count(|call| call.request.at > from && call.request.path == "/v1/subscriptions")
    };
    rig.hours(1).await;
    let while_wrong = listings(&rig, 60);
    assert!((50..=70).contains(&while_wrong), "{while_wrong}");
    rig.time.set_offset(TimeDelta::zero());
    rig.minutes(10).await;
    rig.hours(1).await;
    let afterwards = listings(&rig, 60);
    assert!(afterwards <= 5, "{afterwards}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_each_other_quarter_of_an_hour_is_told_three_times() {
    for (offset, rounds) in [(days(3), 16), (-hours(2), 6)] {
        let mut rig = Rig::new(&format!("clock-flaps-{}", offset.num_hours())).await;
        rig.open().await;
        rig.hours(1).await;
        for _ in 0..rounds {
            rig.time.set_offset(offset);
            rig.minutes(15).await;
            rig.time.set_offset(TimeDelta::zero());
            rig.minutes(15).await;
        }
        assert_eq!(heard(&rig, "clocks disagree"), 3, "{offset}: {:?}", rig.operator_subjects());
        zoe_pays(&rig);
        rig.minutes(2).await;
        assert!(is_invited(&rig, "zoe"), "{offset}: no book is from the future");
        // Right for more than a day, and wrong again: that is told.
        rig.hours(26).await;
        rig.time.set_offset(offset);
        rig.hours(1).await;
        assert_eq!(heard(&rig, "clocks disagree"), 4, "{offset}: {:?}", rig.operator_subjects());
        rig.time.set_offset(TimeDelta::zero());
        rig.minutes(5).await;
        all_is_well(&rig);
    }
}

/// Each time for long enough to be told.
#[tokio::test(start_paused = true)]
async fn a_stripe_that_is_down_again_and_again_is_told_three_times_a_day_at_most() {
    let mut rig = Rig::new("stripe-flaps").await;
    rig.open().await;
    rig.hours(1).await;
    for _ in 0..24 {
        rig.stripe.faults().always(Matching::All, Fault::status(503));
        rig.minutes(75).await;
        rig.stripe.faults().clear();
        rig.minutes(45).await;
    }
    let subjects = rig.operator_subjects();
    let about: Vec<_> = subjects.iter().filter(|subject| subject.to_lowercase().contains("stripe")).collect();
    assert!((2..=12).contains(&about.len()), "three times in each of two days it began, and was over: {about:?}");
    assert!(heard_on_discord(&rig, "tripe") <= 12);
    // One that lasts is told all the same.
    rig.stripe.faults().always(Matching::All, Fault::status(503));
    rig.hours(8).await;
    assert_eq!(heard(&rig, "tripe"), about.len() + 1, "{:?}", rig.operator_subjects());
    rig.stripe.faults().clear();
    rig.pass(Duration::from_secs(1200)).await;
    assert_eq!(heard(&rig, "tripe"), about.len() + 2, "and its end: {:?}", rig.operator_subjects());
    all_is_well(&rig);
}
