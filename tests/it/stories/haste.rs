//! R9, last paragraph, and DESIGN §1 and §7: how soon, how often, and after
//! which rest a service is called. The calls are counted where they arrive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching};
use sandbox::rig::{Rig, address};
use sandbox::smtp::{self, Stay};
use usher::facts::{Moment, PlexId};

use super::{all_is_well, days, heard, hours, payer, told};

const ANN: PlexId = PlexId(2_000_001);

fn invites() -> Matching {
    Matching::WritesOf("/api/v2/shared_servers".into())
}

async fn opened(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    rig.open().await;
    rig.minutes(2).await;
    rig
}

fn subscribes(rig: &Rig, name: &str) {
    let customer = rig.stripe.customer(&address(name), name);
    rig.stripe.subscribe(&customer, &rig.basic.clone());
}

async fn secs(rig: &Rig, secs: u64) {
    rig.pass(Duration::from_secs(secs)).await;
}

fn is_invited(rig: &Rig, name: &str) -> bool {
    rig.plex.pending_of(address(name).as_str()).is_some()
}

fn plex_calls(rig: &Rig, from: Moment, to: Moment) -> Vec<String> {
    let calls = rig.plex.requests().into_iter().filter(|call| call.request.at > from && call.request.at < to);
    calls
        .map(|call| format!("{} {} {}", call.request.at.format("%T"), call.request.method, call.request.path))
        .collect()
}

fn stripe_calls(rig: &Rig, from: Moment, to: Moment) -> usize {
    rig.stripe.count(|call| call.request.at >= from && call.request.at <= to)
}

/// A burst of webhooks while Stripe is down.
#[tokio::test(start_paused = true)]
async fn who_paid_while_stripe_was_down_for_a_minute_is_invited_half_a_minute_after_it() {
    for down in [8, 20, 40, 60] {
        let rig = opened(&format!("stripe-down-{down}")).await;
        let begun = rig.now();
        rig.stripe.faults().always(Matching::All, Fault::status(503));
        for second in 0..down {
            if second % 7 == 0 {
                subscribes(&rig, &format!("payer{second}"));
            }
            secs(&rig, 1).await;
        }
        let calls = stripe_calls(&rig, begun, rig.now());
        assert!(calls <= 24, "{calls} calls in an outage of {down} s");
        rig.stripe.faults().clear();
        secs(&rig, 40).await;
        for second in (0..down).step_by(7) {
            assert!(is_invited(&rig, &format!("payer{second}")), "an outage of {down} s: payer{second}");
        }
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn who_paid_in_a_long_outage_of_stripe_is_invited_two_minutes_after_it_and_few_calls_are_made() {
    let rig = opened("stripe-down-long").await;
    let begun = rig.now();
    rig.stripe.faults().always(Matching::All, Fault::status(503));
    for minute in 0..60 {
        if minute % 5 == 0 {
            subscribes(&rig, &format!("payer{minute}"));
        }
        rig.minutes(1).await;
    }
    let calls = stripe_calls(&rig, begun, rig.now());
    assert!(calls <= 120, "{calls} calls in an hour");
    rig.stripe.faults().clear();
    rig.minutes(2).await;
    secs(&rig, 15).await;
    for minute in (0..60).step_by(5) {
        assert!(is_invited(&rig, &format!("payer{minute}")), "payer{minute}");
    }
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_paid_in_an_outage_of_ten_hours_is_in_two_minutes_after_it_whatever_it_was() {
    // A try that may have had an effect is waited for as long as a listing may lag.
    for (n, (what, within)) in [("stripe", 135), ("plex", 135), ("both", 150), ("writes", 200)].into_iter().enumerate()
    {
        let rig = opened(&format!("ten-hours-{n}")).await;
        let begun = rig.now();
        rig.smtp.fault(smtp::Fault::Down, Stay::UntilCleared);
        if matches!(what, "stripe" | "both") {
            rig.stripe.faults().always(Matching::All, Fault::status(503));
        }
        match what {
            "writes" => drop(rig.plex.faults().always(Matching::Writes, Fault::status(503))),
            "plex" | "both" => drop(rig.plex.faults().always(Matching::All, Fault::page(502))),
            _ => {}
        }
        for hour in 0..10 {
            if hour % 3 == 0 {
                subscribes(&rig, &format!("payer{hour}"));
            }
            rig.hours(1).await;
        }
        let calls = (plex_calls(&rig, begun, rig.now()).len(), stripe_calls(&rig, begun, rig.now()));
        // Four payers, each tried each three minutes, where only the writes fail.
        let most = if what == "writes" { 9_000 } else { 1_900 };
        assert!(calls.0 <= most && calls.1 <= 1_300, "{what}: {calls:?} calls in ten hours");
        rig.stripe.faults().clear();
        rig.plex.faults().clear();
        rig.smtp.clear_faults();
        secs(&rig, within).await;
        for hour in (0..10).step_by(3) {
            assert!(is_invited(&rig, &format!("payer{hour}")), "{what}: payer{hour}");
        }
        rig.hours(3).await;
        assert_eq!(rig.plex.invites_sent().len(), 4, "{what}");
        for hour in (0..10).step_by(3) {
            assert_eq!(told(&rig, &format!("payer{hour}"), "invitation"), 1, "{what}");
        }
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn who_paid_in_an_outage_of_plex_is_invited_two_minutes_after_it() {
    for (minutes, payers) in [(1, 1), (7, 3), (45, 1), (200, 8)] {
        let rig = opened(&format!("plex-down-{minutes}")).await;
        rig.plex.faults().always(Matching::All, Fault::status(503));
        let begun = rig.now();
        for n in 0..payers {
            subscribes(&rig, &format!("payer{n}"));
        }
        rig.minutes(minutes).await;
        let calls = plex_calls(&rig, begun, rig.now()).len();
        assert!(calls <= 12 + usize::try_from(minutes).unwrap() * 2, "{calls} calls in {minutes} minutes");
        rig.plex.faults().clear();
        rig.minutes(2).await;
        secs(&rig, 30).await;
        for n in 0..payers {
            assert!(is_invited(&rig, &format!("payer{n}")), "payer{n} after {minutes} minutes");
        }
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn while_plex_asks_for_rest_it_is_not_called_at_all() {
    for (n, matching) in [invites(), Matching::ReadsOf("owned/pending".into()), Matching::All].into_iter().enumerate() {
        let mut rig = opened(&format!("rest-{n}")).await;
        rig.plex.faults().once(matching, Fault::too_many(900));
        for name in ["ann", "bob", "carl"] {
            subscribes(&rig, name);
        }
        secs(&rig, 5).await;
        let asked = rig.plex.requests().into_iter().rfind(|call| call.status == Some(429)).expect("429").request.at;
        rig.minutes(5).await;
        rig.close().await; // A restart forgets it as little.
        rig.open().await;
        rig.minutes(8).await;
        let until = asked + TimeDelta::seconds(900);
        assert_eq!(plex_calls(&rig, asked, until), Vec::<String>::new());
        rig.minutes(5).await;
        for name in ["ann", "bob", "carl"] {
            assert!(is_invited(&rig, name), "{name}");
        }
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_retry_after_plex_rests_for_a_minute_and_then_for_twice_as_long() {
    let rig = opened("rest-doubles").await;
    rig.plex.faults().add(sandbox::faults::Rule::new(invites(), Fault::status(429)).times(4));
    for name in ["ann", "bob"] {
        subscribes(&rig, name);
    }
    rig.minutes(30).await;
    let tries: Vec<Moment> =
        rig.plex.requests().iter().filter(|c| c.status == Some(429)).map(|c| c.request.at).collect();
    assert_eq!(tries.len(), 4);
    for (n, pair) in tries.windows(2).enumerate() {
        let rest = TimeDelta::seconds(60 << n);
        assert!(pair[1] - pair[0] >= rest, "{n}: {}", pair[1] - pair[0]);
        assert_eq!(plex_calls(&rig, pair[0], pair[0] + rest), Vec::<String>::new(), "{n}");
    }
    assert!(is_invited(&rig, "ann") && is_invited(&rig, "bob"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn stripes_busy_lock_costs_a_payer_seconds() {
    let rig = opened("lock-timeout").await;
    let busy = r#"{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"This object is busy"}}"#;
    rig.stripe.faults().add(sandbox::faults::Rule::new(Matching::All, Fault::says(429, busy)).times(2));
    subscribes(&rig, "ann");
    secs(&rig, 40).await;
    assert!(is_invited(&rig, "ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn locks_at_every_second_call_keep_no_payer_outside() {
    let busy = r#"{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"This object is busy"}}"#;
    for (every, status) in [(2, 429), (2, 409), (3, 429)] {
        let rig = opened(&format!("locks-{every}-{status}")).await;
        let count = AtomicU64::new(0);
        let is_hit = move |_: &_| count.fetch_add(1, Ordering::SeqCst).is_multiple_of(every);
        rig.stripe.faults().always(Matching::when(is_hit), Fault::says(status, busy));
        let begun = rig.now();
        for n in 0..8 {
            subscribes(&rig, &format!("payer{n}"));
            secs(&rig, 1).await;
        }
        rig.minutes(1).await;
        for n in 0..8 {
            assert!(is_invited(&rig, &format!("payer{n}")), "every {every}: payer{n}: {:?}", rig.operator_subjects());
        }
        rig.minutes(30).await;
        let calls = stripe_calls(&rig, begun, rig.now());
        assert!(calls < 250, "every {every}: {calls} calls");
        all_is_well(&rig);
    }
}

/// The last look can't be taken for days.
#[tokio::test(start_paused = true)]
async fn a_removal_whose_last_look_fails_is_looked_at_again_ever_more_seldom() {
    let rig = opened("held-look").await;
    rig.person(2_000_002, "bob");
    let (ann, sub) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
    let (bob, _) = payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(23).await;
    rig.stripe.faults().always(Matching::when(|request| request.target.contains("created")), Fault::status(500));
    rig.hours(3).await;
    let begun = rig.now();
    rig.hours(24).await;
    let looks = rig.stripe.count(|call| call.request.at > begun && call.request.target.contains("created"));
    assert!((10..=60).contains(&looks), "{looks} looks in a day");
    assert!(rig.plex.has_access(ann));
    rig.stripe.faults().clear();
    rig.hours(2).await;
    assert!(!rig.plex.has_access(ann) && rig.plex.has_access(bob));
    assert_eq!(told(&rig, "ann", "ended"), 1, "{:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_costs_neither_a_second_invite_nor_the_letter() {
    for (lag, lost) in [(0, true), (3, false), (40, false), (40, true), (120, false), (120, true)] {
        let mut rig = Rig::new(&format!("lag-{lag}-{lost}")).await;
        rig.set("CHECK_NEW_USERS_SECS", "3600");
        rig.open().await;
        rig.minutes(2).await;
        rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(lag));
        if lost {
            rig.plex.faults().once(invites(), Fault::EffectThenDrop);
        }
        subscribes(&rig, "ann");
        rig.minutes(4).await;
        let posts = rig.plex.count(|call| call.request.method == "POST");
        assert_eq!((posts, rig.plex.invites_sent().len()), (1, 1), "a lag of {lag} s, lost: {lost}");
        assert_eq!(told(&rig, "ann", "invitation"), 1, "a lag of {lag} s: {:?}", rig.subjects_to("ann"));
        rig.hours(2).await;
        assert_eq!(rig.plex.count(|call| call.request.method == "POST"), 1, "{lag} {lost}");
        assert_eq!(heard(&rig, "can't be let in") + heard(&rig, "is gone"), 0, "{:?}", rig.operator_subjects());
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_takes_nobody_for_back_whom_usher_let_go() {
    for lag in [40, 120] {
        let rig = opened(&format!("lag-removal-{lag}")).await;
        let (ann, sub) = payer(&rig, ANN.0, "ann", &rig.basic.clone()).await;
        rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(lag));
        rig.stripe.cancel_now(&sub, "cancellation_requested");
        rig.hours(26).await;
        assert!(!rig.plex.has_access(ann));
        let deletes = rig.plex.count(|call| call.request.method == "DELETE");
        assert_eq!((deletes, rig.plex.deletions().len()), (1, 1), "a lag of {lag} s");
        assert_eq!(told(&rig, "ann", "ended"), 1, "{:?}", rig.subjects_to("ann"));
        let why = super::why(&rig, "ann").await;
        assert!(!why.contains("by hand") && !why.contains("is back"), "{why}");
        all_is_well(&rig);
    }
}

/// A stop between the call and the listing that shows it.
#[tokio::test(start_paused = true)]
async fn a_restart_while_the_listing_lags_invites_nobody_twice() {
    for after in [1, 30] {
        let mut rig = opened(&format!("lag-restart-{after}")).await;
        rig.plex.switch(|switches| switches.lag = TimeDelta::seconds(100));
        rig.plex.faults().once(invites(), Fault::EffectThenDrop);
        subscribes(&rig, "ann");
        while rig.plex.invites_sent().is_empty() {
            secs(&rig, 1).await;
        }
        secs(&rig, after).await;
        let _ = rig.pull_the_plug().await;
        rig.open().await;
        rig.minutes(10).await;
        assert_eq!(rig.plex.count(|call| call.request.method == "POST"), 1);
        assert_eq!(told(&rig, "ann", "invitation"), 1, "{:?}", rig.subjects_to("ann"));
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_for_an_hour_costs_a_payer_no_more_than_the_restart() {
    let mut rig = opened("wrong-token").await;
    rig.plex.set_token("another");
    subscribes(&rig, "ann");
    rig.hours(1).await;
    assert!(!is_invited(&rig, "ann"));
    rig.close().await;
    rig.set("PLEX_TOKEN", "another");
    rig.open().await;
    rig.minutes(2).await;
    assert!(is_invited(&rig, "ann"));
    all_is_well(&rig);
}

/// Nobody hurries where nobody waits.
#[tokio::test(start_paused = true)]
async fn a_day_without_plex_while_nobody_waits_costs_few_calls() {
    let rig = opened("quiet-outage").await;
    let friend = rig.old_friend(2_000_050, "gus", 400);
    rig.watched(friend, days(1));
    rig.plex.faults().always(Matching::All, Fault::status(503));
    let begun = rig.now();
    rig.hours(24).await;
    let calls = plex_calls(&rig, begun, rig.now()).len();
    assert!(calls <= 150, "{calls} calls in a day");
    assert!(rig.now() - begun >= hours(24));
    all_is_well(&rig);
}
