//! Stopped and started in the middle of something (promises 6 and 7).

use std::time::Duration;

use sandbox::faults::{Fault, Matching};
use sandbox::rig::Rig;
use sandbox::smtp::{self, Stay};

use super::{all_is_well, days, heard, hours, told, unhurried};

#[tokio::test(start_paused = true)]
async fn a_plug_pulled_before_the_call_lets_the_next_start_make_it() {
    let mut rig = Rig::new("plug-before").await;
    rig.open().await;
    rig.plex.faults().always(Matching::Writes, Fault::Hang);
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.pass(Duration::from_secs(10)).await;
    assert!(rig.pull_the_plug().await.is_none(), "it had not ended by itself");
    rig.plex.faults().clear();
    rig.hours(3).await;
    rig.open().await;
    rig.minutes(10).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(told(&rig, "ann", "invitation"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_06_a_plug_pulled_after_the_call_makes_no_second_one() {
    let mut rig = Rig::new("plug-after").await;
    rig.open().await;
    rig.plex.faults().always(Matching::Writes, Fault::EffectThenDrop);
    rig.plex.faults().always(Matching::Reads, Fault::Hang);
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    // Only the read-back hangs.
    rig.plex.faults().clear();
    rig.plex.faults().add(sandbox::faults::Rule::new(Matching::Writes, Fault::EffectThenDrop));
    rig.stripe.subscribe(&customer, &rig.basic);
    for _ in 0..40 {
        rig.pass(Duration::from_millis(250)).await;
        if !rig.plex.invites_sent().is_empty() {
            break;
        }
    }
    rig.pull_the_plug().await;
    rig.plex.faults().clear();
    rig.open().await;
    rig.minutes(20).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    assert_eq!(told(&rig, "ann", "invitation"), 1);
    rig.plex.accept_invite("ann@example.com").expect("an invite");
    rig.minutes(5).await;
    assert_eq!(told(&rig, "ann", "Welcome"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_07_a_letter_whose_answer_was_lost_comes_again_with_the_same_id_and_is_counted() {
    let mut rig = Rig::new("letter-lost").await;
    rig.open().await;
    rig.smtp.fault(smtp::Fault::DropAfterDot, Stay::Next(1));
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    rig.minutes(30).await;
    let all = rig.smtp.received();
    let doubled: Vec<_> = all.iter().filter(|mail| mail.answer_lost).collect();
    assert_eq!(doubled.len(), 1);
    let same: Vec<_> = all.iter().filter(|mail| mail.message_id == doubled[0].message_id).collect();
    assert_eq!(same.len(), 2, "once more, under the same Message-ID");
    assert_eq!(same[0].data, same[1].data, "byte for byte");
    assert_eq!(super::book(&rig)["repeats"], 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_07_a_plug_pulled_while_a_letter_is_sent_repeats_it_under_its_id() {
    let mut rig = Rig::new("plug-mail").await;
    rig.open().await;
    rig.smtp.fault(smtp::Fault::HangAfterDot, Stay::UntilCleared);
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.movies], rig.now());
    for _ in 0..400 {
        rig.pass(Duration::from_secs(1)).await;
        if !rig.smtp.received().is_empty() {
            break;
        }
    }
    rig.pull_the_plug().await;
    rig.smtp.clear_faults();
    rig.open().await;
    rig.minutes(10).await;
    let ids: Vec<String> = rig.smtp.received().into_iter().map(|mail| mail.message_id).collect();
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len() + 1, "one letter came twice: {ids:?}");
    assert_eq!(unique.len(), 2, "Ann's and the operator's");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn asked_to_stop_it_ends_well_and_at_once_even_if_plex_hangs() {
    let mut rig = Rig::new("sigterm").await;
    rig.open().await;
    rig.plex.faults().always(Matching::Writes, Fault::Hang);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.pass(Duration::from_secs(10)).await;
    let before = rig.now();
    rig.close().await;
    assert!(rig.now() - before <= chrono::TimeDelta::seconds(6), "{}", rig.now() - before);
    assert!(rig.door().is_none(), "nobody is sent to a closed door");
    rig.plex.faults().clear();
    rig.open().await;
    rig.minutes(10).await;
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn restarts_every_few_minutes_warn_and_remove_nobody_early_or_twice() {
    let mut rig = Rig::new("restless").await;
    let ann = super::idle::ann_watched(&mut rig, days(26) + hours(20)).await;
    let warned_from = rig.now() + hours(4);
    rig.start();
    for turn in 0..60 {
        rig.minutes(97).await;
        match turn % 2 {
            0 => rig.close().await,
            _ => drop(rig.pull_the_plug().await),
        }
        rig.start();
    }
    // Each restart may cost an hour or two of observed time: that only postpones.
    rig.days(6).await;
    assert_eq!(told(&rig, "ann", "Still with us"), 1);
    assert!(super::told_at(&rig, "ann", "Still with us") >= warned_from);
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!((rig.plex.deletions().len(), told(&rig, "ann", "has ended"), heard(&rig, "was removed")), (1, 1, 1));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_removal_cut_off_midway_is_done_once_and_told_once() {
    let mut rig = Rig::new("removal-cut").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(2).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.plex.faults().once(Matching::Writes, Fault::EffectThenDrop);
    for _ in 0..(30 * 60) {
        rig.minutes(1).await;
        if !rig.plex.deletions().is_empty() {
            break;
        }
    }
    rig.pull_the_plug().await;
    rig.open().await;
    rig.hours(3).await;
    assert!(!rig.plex.has_access(ann));
    assert_eq!((rig.plex.deletions().len(), told(&rig, "ann", "has ended"), heard(&rig, "was removed")), (1, 1, 1));
    all_is_well(&rig);
}
