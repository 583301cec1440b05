//! What the operator gives: guests, extensions, holidays, grandfathers (R1).

use chrono::NaiveDate;
use sandbox::rig::Rig;
use sandbox::stripe::AfterRetries;
use serde_json::json;
use usher::facts::Moment;

use super::{all_is_well, asked, book, days, heard, hours, payer, refused, told, told_at, unhurried, why};

/// The midnight with which a day begins.
fn midnight(day: NaiveDate) -> Moment {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_invited_by_address_told_of_the_end_and_out_when_the_promised_day_is_over() {
    let mut rig = Rig::new("guest").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    for n in 0..3 {
        rig.old_friend(2_000_011 + n, &format!("friend{n}"), 400);
    }
    let ask = json!({ "ask": "invite", "who": "Ann@Example.com", "tier": "basic", "days": 10 });
    let answer = asked(&rig, ask.clone()).await;
    assert!(answer.contains("Basic") && answer.contains("until the end of 2026-01-13"), "{answer}");
    assert!(asked(&rig, ask).await.contains("already"), "said twice");
    rig.minutes(2).await;
    let invites = rig.plex.invites_sent();
    assert_eq!(invites.iter().map(|invite| invite.sections.clone()).collect::<Vec<_>>(), [[rig.movies]]);
    rig.plex.accept_invite("ann@example.com");
    rig.hours(9).await;
    assert_eq!(told(&rig, "ann", "Welcome"), 1);
    let end = midnight(NaiveDate::from_ymd_opt(2026, 1, 14).expect("a day"));
    rig.pass((end - rig.now() - hours(1)).to_std().expect("later")).await;
    assert!(rig.plex.has_access(ann), "the promised day is not over: {}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "ends on Tuesday, 13 January 2026"), 2, "{:?}", rig.subjects_to("ann"));
    assert!(end - told_at(&rig, "ann", "ends on") <= days(3));
    rig.hours(6).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at >= end);
    assert_eq!((told(&rig, "ann", "has ended"), heard(&rig, "ann was removed")), (1, 1));
    let removals = book(&rig)["removals"].clone();
    assert_eq!(removals[0]["stated"], false, "it counts in the day's budget");
    rig.days(3).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "and is not invited again");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn guests_who_are_idle_are_removed_and_not_invited_again() {
    let mut rig = Rig::new("guest-idle").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let ann = rig.person(2_000_001, "ann");
    rig.watched(ann, days(100));
    asked(&rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Basic" })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("ann@example.com");
    rig.days(36).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.days(20).await;
    assert_eq!((told(&rig, "ann", "Still with us"), rig.plex.invites_sent().len()), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_was_let_go_may_be_invited_anew() {
    let mut rig = Rig::new("guest-anew").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    rig.person(2_000_001, "ann");
    asked(&rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Basic", "days": 1 })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("ann@example.com");
    rig.days(3).await;
    assert_eq!(rig.plex.deletions().len(), 1);
    asked(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Premium" })).await;
    rig.minutes(2).await;
    assert_eq!(rig.plex.invites_sent().len(), 2);
    rig.plex.accept_invite("ann@example.com");
    rig.days(3).await;
    assert_eq!(rig.plex.deletions().len(), 1, "{}", why(&rig, "ann").await);
    let answer = refused(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Gold" })).await;
    assert!(answer.contains("Basic, Premium"), "{answer}");
    let answer = refused(&rig, json!({ "ask": "invite", "who": "nobody", "tier": "Basic" })).await;
    assert!(answer.contains("email"), "{answer}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_extension_adds_days_to_the_end_that_was_set() {
    let mut rig = Rig::new("extended").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(4));
    rig.hours(7).await;
    let set = rig.stripe.scheduled_end(&sub).expect("an end");
    let answer = asked(&rig, json!({ "ask": "extend", "who": "ann", "days": 10 })).await;
    let last = (set + days(10)).date_naive();
    assert!(answer.contains(&format!("until the end of {last}")), "{answer}");
    rig.days(9).await;
    assert!(rig.stripe.ended_at(&sub).is_some() && rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let end = midnight(last + days(1));
    rig.pass((end - rig.now() - hours(2)).to_std().expect("later")).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.hours(14).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert_eq!(told(&rig, "ann", "has ended"), 1);
    // After the end it lets in again, with what they had.
    asked(&rig, json!({ "ask": "extend", "who": "ann", "days": 5 })).await;
    rig.minutes(5).await;
    rig.plex.accept_invite(ann);
    rig.days(3).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies]);
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_end_is_not_extended() {
    let mut rig = Rig::new("extend-endless").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    rig.open().await;
    let answer = refused(&rig, json!({ "ask": "extend", "who": "ann", "days": 10 })).await;
    assert!(answer.contains("usher pause"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_holiday_stops_the_clock_of_who_does_not_watch() {
    let mut rig = Rig::new("holiday").await;
    let ann = super::idle::ann_watched(&mut rig, days(20)).await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let ask = json!({ "ask": "pause", "who": "ann", "until": "2026-02-01", "note": "at sea" });
    asked(&rig, ask).await;
    rig.days(30).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    assert!(why(&rig, "ann").await.contains("at sea"), "{}", why(&rig, "ann").await);
    // 20 days before it, and 7 after it.
    rig.days(6).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "{}", why(&rig, "ann").await);
    rig.days(1).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let past = json!({ "ask": "pause", "who": "bob", "until": "2025-02-01", "note": "late" });
    assert!(refused(&rig, past).await.contains("to come"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_grandfathered_may_stay_away_and_stop_paying() {
    let mut rig = Rig::new("grandfathered").await;
    let ann = super::idle::ann_watched(&mut rig, days(26)).await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (cleo, sub) = payer(&rig, 2_000_003, "cleo", &rig.basic.clone()).await;
    rig.hours(7).await;
    let answer = asked(&rig, json!({ "ask": "grandfather_everyone" })).await;
    assert!(answer.contains("ann is grandfathered") && answer.contains("1 who pay are left out"), "{answer}");
    assert!(asked(&rig, json!({ "ask": "grandfather_everyone" })).await.contains("nobody is left"));
    asked(&rig, json!({ "ask": "grandfather", "who": "cleo" })).await;
    let before = book(&rig)["members"].clone();
    assert!(asked(&rig, json!({ "ask": "grandfather", "who": "cleo" })).await.contains("already"));
    rig.minutes(1).await;
    assert_eq!(book(&rig)["members"], before, "once is enough");
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(14).await;
    assert!(rig.plex.has_access(ann) && rig.plex.has_access(cleo), "{}", why(&rig, "cleo").await);
    assert_eq!(told(&rig, "ann", "Still with us"), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_everyone_grandfathered_in_a_rehearsal_is_so_when_live() {
    let mut rig = Rig::new("grandfathered-dry").await;
    let ann = super::idle::ann_watched(&mut rig, days(40)).await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.hours(1).await;
    asked(&rig, json!({ "ask": "grandfather_everyone" })).await;
    asked(&rig, json!({ "ask": "invite", "who": "new@example.com", "tier": "Basic" })).await;
    rig.hours(1).await;
    rig.close().await;
    unhurried(&mut rig, 4);
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "the guest of the rehearsal");
    rig.days(8).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!((told(&rig, "ann", "Still with us"), told(&rig, "ann", "Welcome")), (0, 0));
    let members = book(&rig)["members"].clone();
    assert_eq!(members.as_object().map(serde_json::Map::len), Some(3), "nobody is there twice: {members:#}");
    all_is_well(&rig);
}

/// Ann is in as a guest for so many days.
async fn guest_for(rig: &Rig, days: u64) -> usher::facts::PlexId {
    let ann = rig.person(2_000_001, "ann");
    asked(rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Basic", "days": days })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("ann@example.com");
    rig.hours(9).await;
    ann
}

#[tokio::test(start_paused = true)]
async fn another_tier_for_a_guest_leaves_her_end_as_it_is_unless_it_is_said() {
    let mut rig = Rig::new("guest-tier").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    let ann = guest_for(&rig, 10).await;
    let answer = asked(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Premium" })).await;
    assert!(answer.contains("until the end of 2026-01-13") && answer.contains("--days never"), "{answer}");
    rig.hours(1).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv]);
    let answer = asked(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Premium", "days": "never" })).await;
    assert!(answer.contains("before, it was until the end of 2026-01-13"), "{answer}");
    rig.days(20).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    asked(&rig, json!({ "ask": "invite", "who": "ann", "tier": "Premium", "days": 2 })).await;
    rig.days(4).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn everybody_is_grandfathered_but_guests_with_an_end_and_who_pays_for_whatever_price() {
    let mut rig = Rig::new("grandfather-everyone").await;
    unhurried(&mut rig, 4);
    rig.old_friend(2_000_011, "dora", 400);
    rig.open().await;
    let ann = guest_for(&rig, 5).await;
    let (bob, sub) = payer(&rig, 2_000_002, "bob", &rig.basic.clone()).await;
    rig.hours(9).await;
    // His price stands in no tier any more.
    let tiers = json!([{ "name": "Premium", "prices": [rig.premium], "libraries": ["Movies", "TV"] }]);
    std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("the tiers file");
    rig.hours(1).await;
    let answer = asked(&rig, json!({ "ask": "grandfather_everyone" })).await;
    assert!(answer.contains("dora is grandfathered"), "{answer}");
    for (name, why) in [("ann", "complimentary until the end of"), ("bob", sub.as_str())] {
        let is_about = |line: &&str| line.contains("are left out") && line.contains(name) && line.contains(why);
        assert!(answer.lines().any(|line| is_about(&line)), "{answer}");
    }
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(9).await;
    for who in [ann, bob] {
        assert!(!rig.plex.has_access(who), "{}", why(&rig, &who.to_string()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_for_three_days_hears_of_the_end_once_she_is_in_and_not_before() {
    let mut rig = Rig::new("guest-of-three-days").await;
    unhurried(&mut rig, 4);
    rig.open().await;
    rig.person(2_000_001, "ann");
    asked(&rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Basic", "days": 3 })).await;
    rig.days(1).await;
    assert_eq!(told(&rig, "ann", "ends"), 0, "{:?}", rig.subjects_to("ann"));
    rig.plex.accept_invite("ann@example.com");
    rig.hours(9).await;
    assert_eq!(told(&rig, "ann", "ends on Tuesday, 6 January 2026"), 1, "{:?}", rig.subjects_to("ann"));
    assert_eq!((told(&rig, "ann", "Welcome"), told(&rig, "ann", "ends")), (1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_payers_time_as_a_guest_ends_with_its_day_and_without_a_question() {
    let mut rig = Rig::new("guest-who-pays").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, _) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    asked(&rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Premium", "days": 5 })).await;
    rig.hours(3).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies, rig.tv], "{}", why(&rig, "ann").await);
    rig.days(4).await;
    assert_eq!(rig.plex.updates().len(), 1, "the promised day is not over");
    rig.days(3).await;
    assert_eq!(rig.plex.share_of(ann).expect("a share").sections, [rig.movies], "{}", why(&rig, "ann").await);
    assert_eq!(super::holds(&rig).await, Vec::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_extension_of_who_does_not_pay_counts_from_the_end_of_their_grace() {
    let mut rig = Rig::new("extended-unpaid").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(3).await;
    rig.stripe.card_fails(&sub);
    rig.stripe.retries_exhausted(&sub, AfterRetries::Unpaid);
    rig.days(5).await;
    // The period that nobody paid ends in February; their grace on 10 January.
    let answer = asked(&rig, json!({ "ask": "extend", "who": "ann", "days": 10 })).await;
    assert!(answer.contains("from 2026-01-10 until the end of 2026-01-20"), "{answer}");
    let end = midnight(NaiveDate::from_ymd_opt(2026, 1, 21).expect("a day"));
    rig.pass((end - rig.now() - hours(1)).to_std().expect("later")).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.hours(3).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    let answer = asked(&rig, json!({ "ask": "extend", "who": "ann", "days": 3 })).await;
    assert!(answer.contains("from today until the end of 2026-01-24"), "{answer}");
    rig.minutes(5).await;
    assert!(rig.plex.accept_invite(ann).is_some());
    rig.days(1).await;
    rig.stripe.retry_succeeds(&sub);
    rig.days(10).await;
    assert!(rig.plex.has_access(ann), "paid: {}", why(&rig, "ann").await);
    all_is_well(&rig);
}

/// A guest hears on the third day until when the invite waits.
async fn reminded_of_an_invite(name: &str) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    rig.open().await;
    rig.person(2_000_001, "ann");
    asked(&rig, json!({ "ask": "invite", "who": "ann@example.com", "tier": "Basic" })).await;
    rig.days(4).await;
    let letter = rig.smtp.received_for("ann@example.com").pop().expect("a reminder").text();
    assert!(letter.contains("is taken back after Saturday, 17 January 2026"), "{letter}");
    rig
}

/// It can be taken up until that day is over, and then no more.
async fn waits_until_that_day_is_over(rig: &Rig) {
    let end = midnight(NaiveDate::from_ymd_opt(2026, 1, 18).expect("a day"));
    rig.pass((end - rig.now() - hours(1)).to_std().expect("later")).await;
    assert!(rig.plex.pending_of("ann@example.com").is_some(), "{:?}", rig.operator_subjects());
    rig.hours(4).await;
    assert!(rig.plex.pending_of("ann@example.com").is_none());
    assert_eq!(heard(rig, "did not take up the invite"), 1, "{:?}", rig.operator_subjects());
    all_is_well(rig);
}

#[tokio::test(start_paused = true)]
async fn an_invite_waits_until_the_day_is_over_that_a_reminder_named() {
    let rig = reminded_of_an_invite("invite-named-day").await;
    waits_until_that_day_is_over(&rig).await;
}

#[tokio::test(start_paused = true)]
async fn fewer_invite_days_after_a_start_shorten_no_invite_whose_last_day_was_named() {
    let mut rig = reminded_of_an_invite("invite-days-fewer").await;
    rig.close().await;
    rig.set("INVITE_DAYS", "3");
    rig.open().await;
    waits_until_that_day_is_over(&rig).await;
}
