//! The brake in the flesh: budget, pace, hold-all (promise 3). Every rule is
//! tried on paper in `brake.rs`.

use chrono::TimeDelta;
use sandbox::rig::Rig;

use super::{all_is_well, days, heard, holds, hours, payer, say, told, unhurried, waits};

/// So many friends long idle among `others` who watch.
async fn idlers(name: &str, idle: u64, others: u64) -> Rig {
    let mut rig = Rig::new(name).await;
    unhurried(&mut rig, 1);
    for n in 0..others {
        let friend = rig.old_friend(2_000_100 + n, &format!("friend{n}"), 400);
        rig.watched(friend, hours(5));
    }
    for n in 0..idle {
        let idle = rig.old_friend(2_000_500 + n, &format!("idle{n}"), 400);
        rig.watched(idle, days(40 + i64::try_from(n).expect("few")));
    }
    rig
}

#[tokio::test(start_paused = true)]
async fn promise_03_a_crowd_to_be_warned_waits_whole_until_approved() {
    let mut rig = idlers("crowd", 5, 5).await;
    rig.open().await;
    rig.days(3).await;
    super::nothing_was_done(&rig);
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["hold-all"; 5]);
    assert_eq!(heard(&rig, "Waiting for you"), 1, "in one message: {:?}", rig.operator_subjects());
    say(&rig, "approve", &[&waiting[0].0]).await;
    rig.hours(1).await;
    let warned = || (0..5).filter(|n| told(&rig, &format!("idle{n}"), "Still with us") > 0).count();
    assert_eq!(warned(), 1, "approving one doesn't release the others");
    say(&rig, "reject", &[&waiting[1].0]).await;
    say(&rig, "approve", &["all"]).await;
    rig.hours(1).await;
    assert_eq!(warned(), 4, "and a no stays a no");
    all_is_well(&rig);
}

/// README "Commands": `holds` lists what waits. What I said no to doesn't.
#[tokio::test(start_paused = true)]
async fn a_hold_that_i_rejected_says_so_and_no_longer_that_it_waits() {
    let mut rig = idlers("said-no", 5, 5).await;
    rig.open().await;
    rig.days(3).await;
    let (id, _, what) = holds(&rig).await.remove(0);
    say(&rig, "reject", &[&id]).await;
    rig.days(1).await;
    let page = rig.get("/api/holds").await;
    let text = page["text"].as_str().expect("text").to_owned();
    let from = text.find(&format!("{id}  {what}")).expect("it is listed");
    let about: Vec<&str> = text[from..].lines().take(3).collect();
    assert!(about[0].ends_with("rejected by you on 2026-01-06"), "{text}");
    assert!(about.iter().all(|line| !line.contains("at once") && !line.contains("waits")), "{text}");
    let list = page["json"]["holds"].as_array().expect("a list");
    let hold = list.iter().find(|hold| hold["id"] == id.as_str()).expect("it");
    assert_eq!((hold["rule"].as_str(), hold["verdict"].as_str()), (Some("rejected"), Some("rejected")), "{hold}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_03_the_days_budget_lets_the_oldest_go_and_the_rest_queue() {
    // 40 people: warnings of 4 pass, three removals a day.
    let mut rig = idlers("budget", 4, 36).await;
    rig.open().await;
    rig.days(3).await;
    rig.hours(20).await;
    assert_eq!(rig.plex.deletions().len(), 3, "{:?}\n{}", waits(&rig).await, super::why(&rig, "idle0").await);
    assert_eq!(waits(&rig).await.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ["budget"]);
    rig.hours(26).await;
    assert_eq!(rig.plex.deletions().len(), 4);
    let at: Vec<_> = rig.plex.deletions().iter().map(|gone| gone.at).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= TimeDelta::minutes(10)), "one every ten minutes: {at:?}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_03_a_day_on_which_everybody_cancels_is_asked_about() {
    let mut rig = Rig::new("mass-cancel").await;
    unhurried(&mut rig, 1);
    rig.open().await;
    let mut subs = Vec::new();
    for n in 0..8 {
        subs.push(payer(&rig, 2_000_100 + n, &format!("payer{n}"), &rig.basic.clone()).await);
    }
    rig.hours(2).await;
    for (_, sub) in &subs {
        rig.stripe.cancel_now(sub, "cancellation_requested");
    }
    rig.days(3).await;
    assert!(subs.iter().all(|(who, _)| rig.plex.has_access(*who)));
    let waiting = holds(&rig).await;
    assert_eq!(waiting.iter().map(|(_, rule, _)| rule.as_str()).collect::<Vec<_>>(), ["hold-all"; 8]);
    say(&rig, "approve", &["all"]).await;
    rig.hours(3).await;
    assert!(subs.iter().all(|(who, _)| !rig.plex.has_access(*who)));
    let at: Vec<_> = rig.plex.deletions().iter().map(|gone| gone.at).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= TimeDelta::minutes(10)), "{at:?}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_pays_today_is_let_in_at_once() {
    let mut rig = Rig::new("rush").await;
    rig.open().await;
    for n in 0..12 {
        let name = format!("new{n}");
        rig.person(2_000_100 + n, &name);
        let customer = rig.stripe.customer(&sandbox::rig::address(&name), &name);
        rig.stripe.subscribe(&customer, &rig.basic);
    }
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 12, "{:?}", waits(&rig).await);
    assert_eq!(holds(&rig).await.len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_04_a_crowd_that_paid_while_usher_was_away_for_three_days_is_let_in() {
    let mut rig = Rig::new("rush-away").await;
    rig.open().await;
    rig.close().await;
    for n in 0..12 {
        let name = format!("new{n}");
        rig.person(2_000_100 + n, &name);
        let customer = rig.stripe.customer(&sandbox::rig::address(&name), &name);
        rig.stripe.subscribe(&customer, &rig.basic);
    }
    rig.days(3).await;
    rig.open().await;
    rig.minutes(5).await;
    assert_eq!(rig.plex.invites_sent().len(), 12, "{:?}", waits(&rig).await);
    assert_eq!(holds(&rig).await.len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn who_pays_again_in_the_last_second_is_seen_by_the_second_look() {
    let mut rig = Rig::new("last-second").await;
    unhurried(&mut rig, 6);
    rig.open().await;
    let (ann, sub) = payer(&rig, 2_000_001, "ann", &rig.basic.clone()).await;
    rig.hours(7).await;
    rig.stripe.set_delivery(sandbox::stripe::Delivery::Lost);
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.hours(22).await;
    let customer = rig.stripe.object(&sub)["customer"].as_str().expect("a customer").to_owned();
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(30).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.deletions().len(), 0);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_first_look_after_a_start_only_looks() {
    let mut rig = idlers("first-look", 1, 5).await;
    rig.stripe.faults().always(sandbox::faults::Matching::All, sandbox::faults::Fault::status(500));
    rig.open().await;
    rig.hours(5).await;
    super::nothing_was_done(&rig);
    assert_eq!(waits(&rig).await.iter().map(|(rule, _)| rule.as_str()).collect::<Vec<_>>(), ["looked"]);
    all_is_well(&rig);
}
