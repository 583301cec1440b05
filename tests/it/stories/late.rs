//! Letters that go out late, and time in which somebody could not be seen
//! (R3, R5, R9, R10; promises 1, 2 and 7).

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use sandbox::rig::{OPERATOR, Rig, address};
use sandbox::smtp::{Fault, Received, Stay};
use usher::facts::{Moment, PlexId};

use super::idle::ann_watched;
use super::{all_is_well, days, hours, told, told_at, unhurried, why};

/// The last instant of the day named after these words in a letter.
fn end_of_the_day_named(letter: &Received, after: &str) -> Moment {
    let text = letter.text();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = words.split(after).nth(1).unwrap_or_else(|| panic!("{after:?} isn't in {words}"));
    let day: Vec<&str> = rest.split_whitespace().take(4).collect();
    let day = day.join(" ");
    let day = NaiveDate::parse_from_str(day.trim_end_matches(['.', ',', ':']), "%A, %d %B %Y")
        .unwrap_or_else(|e| panic!("{day:?}: {e}"));
    day.succ_opt().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc()
}

/// Five people are in by hand, and each is to be asked to subscribe.
async fn five_by_hand(name: &str) -> (Rig, Vec<&'static str>) {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    rig.set("UNMANAGED", "require-subscription");
    let names = vec!["ann", "bob", "cleo", "dora", "egon"];
    for (id, name) in (2_000_001..).zip(&names) {
        let account = rig.old_friend(id, name, 400);
        rig.watched(account, hours(3));
        // They watch daily for months: nobody is idle here.
        for day in 0..60 {
            let start = rig.now() + days(day);
            rig.tautulli.play(account, start, start + hours(1));
        }
    }
    (rig, names)
}

#[tokio::test(start_paused = true)]
async fn promise_01_a_letter_that_was_under_way_at_a_stop_gives_its_whole_time_when_it_goes() {
    let (mut rig, names) = five_by_hand("late-asked").await;
    rig.smtp.fault(Fault::HangAfterDot, Stay::UntilCleared);
    rig.open().await;
    super::say(&rig, "approve", &["all"]).await;
    for _ in 0..400 {
        rig.pass(Duration::from_secs(1)).await;
        if rig.smtp.received().iter().any(|mail| mail.subject.contains("please subscribe")) {
            break;
        }
    }
    rig.pull_the_plug().await;
    rig.days(20).await;
    rig.smtp.clear_faults();
    rig.open().await;
    rig.hours(3).await;
    for name in &names {
        let letters = rig.smtp.received_for(&address(name));
        let letter = letters.iter().rfind(|mail| mail.subject.contains("please subscribe")).expect("the letter");
        let end = end_of_the_day_named(letter, "subscribe by the end of");
        assert!(end > letter.at + days(13), "{name} is given until {end}, at {}", letter.at);
    }
    rig.days(13).await;
    assert_eq!(rig.plex.deletions().len(), 0, "fourteen days from the letter, whatever it named");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_01_a_letter_that_got_through_unseen_and_names_a_day_that_is_over_is_written_anew() {
    let (mut rig, names) = five_by_hand("late-asked-lost").await;
    rig.open().await;
    rig.minutes(2).await;
    // The server takes one, and its answer is lost; then it is down for long.
    rig.smtp.fault(Fault::DropAfterDot, Stay::Next(1));
    super::say(&rig, "approve", &["all"]).await;
    for _ in 0..400 {
        rig.pass(Duration::from_millis(50)).await;
        if rig.smtp.received().iter().any(|mail| mail.answer_lost) {
            break;
        }
    }
    rig.smtp.fault(Fault::Down, Stay::UntilCleared);
    rig.days(20).await;
    assert_eq!(rig.plex.deletions().len(), 0);
    rig.smtp.clear_faults();
    rig.hours(30).await;
    let now = rig.now();
    for name in &names {
        let letters = rig.smtp.received_for(&address(name));
        let last = letters.iter().rfind(|mail| mail.subject.contains("please subscribe")).expect("the letter");
        let end = end_of_the_day_named(last, "subscribe by the end of");
        assert!(!last.answer_lost && end > last.at + days(13), "{name} is given until {end}, at {}", last.at);
        assert!(now - last.at < days(2));
    }
    rig.days(11).await;
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_was_to_hear_comes_late_and_whole_and_the_oldest_first() {
    let mut rig = Rig::new("late-operator").await;
    unhurried(&mut rig, 1);
    rig.set("DISCORD_WEBHOOK", "");
    rig.set("DIGEST", "off");
    rig.open().await;
    rig.hours(2).await;
    rig.smtp.forget_received();
    rig.smtp.fault(Fault::Down, Stay::UntilCleared);
    // Names and ids run against the order in which they come.
    for n in 0..30_u64 {
        let account = rig.person(2_000_100 - n, &format!("friend{:02}", 99 - n));
        rig.plex.share_with(account, &[rig.movies], rig.now());
        rig.hours(2).await;
    }
    rig.days(8).await;
    rig.smtp.clear_faults();
    rig.hours(2).await;
    let heard: Vec<String> = rig.operator_subjects().into_iter().filter(|subject| subject.contains("is in")).collect();
    let expected: Vec<String> = (0..30).map(|n| format!("friend{:02}", 99 - n)).collect();
    assert_eq!(heard.len(), 30, "{heard:#?}");
    for (subject, name) in heard.iter().zip(&expected) {
        assert!(subject.contains(name.as_str()), "{name} comes next, not {subject}");
    }
    let to_operator = rig.smtp.received_for(OPERATOR);
    assert!(to_operator.len() >= 30);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_letter_about_an_end_says_how_many_days_are_left_when_it_goes_and_comes_once() {
    let mut rig = Rig::new("late-ending").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (_, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    let end = rig.now() + days(20);
    rig.stripe.cancel_at(&sub, end);
    rig.hours(4).await;
    let before = told(&rig, "ann", "");
    let down = end - days(9) - rig.now();
    rig.pass(down.to_std().unwrap()).await;
    rig.smtp.fault(Fault::Down, Stay::UntilCleared);
    rig.days(7).await;
    rig.smtp.clear_faults();
    rig.hours(2).await;
    let subjects = rig.subjects_to("ann");
    let new = subjects.get(before..).unwrap();
    assert_eq!(new.len(), 1, "{new:#?}");
    let letters = rig.smtp.received_for(&address("ann"));
    let text = letters.last().unwrap().text();
    assert!(text.contains("in 2 days") && !text.contains("in 7 days") && !text.contains("in 3 days"), "{text}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_02_two_months_without_a_history_of_their_own_count_for_nothing() {
    let mut rig = Rig::new("late-history-off").await;
    unhurried(&mut rig, 4);
    let ann = ann_watched(&mut rig, days(10)).await;
    keeps_watching(&rig, PlexId(2_000_002), 100);
    rig.open().await;
    rig.days(2).await;
    rig.tautulli.set_keep_history(ann, false);
    rig.days(60).await;
    rig.tautulli.set_keep_history(ann, true);
    rig.days(14).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "{}", why(&rig, "ann").await);
    rig.days(2).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1, "12 days before and 15 after");
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

fn keeps_watching(rig: &Rig, who: PlexId, count: i64) {
    for day in 0..count {
        let start = rig.now() + days(day);
        rig.tautulli.play(who, start, start + hours(1));
    }
}

#[tokio::test(start_paused = true)]
async fn promise_02_a_warning_stands_still_while_a_library_without_history_is_shared() {
    let mut rig = Rig::new("late-unlogged").await;
    let ann = ann_watched(&mut rig, days(26) + hours(12)).await;
    keeps_watching(&rig, PlexId(2_000_002), 60);
    rig.open().await;
    rig.days(1).await;
    let warned = told_at(&rig, "ann", "Still with us");
    let key = rig.plex.sections()[0].key;
    rig.tautulli.set_library_keep_history(key, false);
    rig.days(20).await;
    rig.tautulli.set_library_keep_history(key, true);
    rig.hours(40).await;
    assert!(rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    rig.days(2).await;
    assert!(!rig.plex.has_access(ann), "{}", why(&rig, "ann").await);
    assert!(rig.plex.deletions()[0].at - warned >= days(22));
    all_is_well(&rig);
}

/// Ann was removed for not watching, and is to be forgotten five days later.
async fn removed_and_soon_forgotten(name: &str) -> (Rig, PlexId) {
    let mut rig = Rig::new(name).await;
    let ann = ann_watched(&mut rig, days(26) + hours(20)).await;
    keeps_watching(&rig, PlexId(2_000_002), 60);
    rig.set("TAUTULLI_FORGET_DAYS", "5");
    rig.open().await;
    rig.days(5).await;
    assert!(!rig.plex.has_access(ann));
    (rig, ann)
}

#[tokio::test(start_paused = true)]
async fn promise_08_whoever_is_in_the_owners_home_by_now_is_not_forgotten() {
    let (rig, ann) = removed_and_soon_forgotten("late-home").await;
    rig.days(3).await;
    rig.plex.join_home(ann);
    rig.days(10).await;
    assert!(rig.tautulli.deleted_users().is_empty());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_08_who_joins_the_home_in_the_last_minute_is_not_forgotten() {
    let (rig, ann) = removed_and_soon_forgotten("late-home-last").await;
    let at: Moment =
        serde_json::from_value(super::book(&rig)["members"]["m-1"]["forget_at"].clone()).expect("an instant");
    rig.pass((at - rig.now() - TimeDelta::minutes(2)).to_std().unwrap()).await;
    rig.plex.join_home(ann);
    rig.days(10).await;
    assert!(rig.tautulli.deleted_users().is_empty());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_we_deleted_in_tautulli_is_no_drop() {
    let mut rig = Rig::new("late-own-drop").await;
    let ann = ann_watched(&mut rig, days(26) + hours(20)).await;
    // Most of what Tautulli remembers is hers.
    for hour in 0..400 {
        let start = rig.now() - days(300) + hours(12 * hour);
        rig.tautulli.play(
            ann,
            start.min(rig.now() - days(30)),
            start.min(rig.now() - days(30)) + TimeDelta::minutes(30),
        );
    }
    keeps_watching(&rig, PlexId(2_000_002), 60);
    rig.set("TAUTULLI_FORGET_DAYS", "0");
    rig.open().await;
    rig.days(8).await;
    assert!(!rig.plex.has_access(ann));
    assert_eq!(rig.tautulli.deleted_users().len(), 1);
    assert_eq!(super::heard(&rig, "fewer"), 0, "{:#?}", rig.operator_subjects());
    let page = rig.get("/health").await;
    assert!(super::waits(&rig).await.is_empty(), "{page}");
    all_is_well(&rig);
}
