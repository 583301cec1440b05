//! `usher plan`: what it says comes true, and saying it changes nothing.

use chrono::NaiveDate;
use sandbox::rig::Rig;
use serde_json::{Value, json};
use usher::facts::PlexId;

use super::{all_is_well, asked, days, hours, payer, say, told_at, unhurried};

async fn plan(rig: &Rig, ahead: u32) -> Vec<Value> {
    let page = rig.get(&format!("/api/plan?days={ahead}")).await;
    page["json"]["plan"].as_array().unwrap_or_else(|| panic!("no plan: {page}")).clone()
}

/// The day for which the plan says this.
fn day_of(plan: &[Value], what: &str) -> NaiveDate {
    let found = plan.iter().find(|coming| coming["what"].as_str().is_some_and(|said| said.starts_with(what)));
    let found = found.unwrap_or_else(|| panic!("the plan lacks {what:?}: {plan:#?}"));
    assert!(found["waits"].is_null(), "{found}");
    found["day"].as_str().and_then(|day| day.parse().ok()).expect("a day")
}

/// Ann idles, Cleo's subscription is set to end, Dan is a guest for a while.
async fn a_house_with_plans(name: &str, dry: bool) -> Rig {
    let mut rig = Rig::new(name).await;
    super::idle::ann_watched(&mut rig, days(26) + hours(12)).await;
    for n in 0..20 {
        let friend = rig.old_friend(2_000_020 + n, &format!("friend{n}"), 400);
        rig.watched(friend, days(2));
    }
    rig.person(2_000_004, "dan");
    unhurried(&mut rig, 2);
    rig.open().await;
    let (_, sub) = payer(&rig, 2_000_003, "cleo", &rig.basic.clone()).await;
    rig.stripe.cancel_at(&sub, rig.now() + days(4) + hours(3));
    asked(&rig, json!({ "ask": "invite", "who": "dan@example.com", "tier": "Basic", "days": 6 })).await;
    rig.minutes(2).await;
    rig.plex.accept_invite("dan@example.com");
    rig.hours(5).await;
    if dry {
        rig.close().await;
        rig.set("DRY_RUN", "true");
        rig.open().await;
    }
    rig
}

#[tokio::test(start_paused = true)]
async fn what_the_plan_says_comes_true_on_its_day() {
    let rig = a_house_with_plans("plan-true", false).await;
    let plan = plan(&rig, 12).await;
    rig.days(12).await;
    let gone = |account: u64| {
        let deletions = rig.plex.deletions();
        let found = deletions.iter().find(|gone| gone.account == Some(PlexId(account)));
        found.unwrap_or_else(|| panic!("{account} is still there: {plan:#?}")).at.date_naive()
    };
    assert_eq!(day_of(&plan, "write to ann: watch something"), told_at(&rig, "ann", "Still with us").date_naive());
    assert_eq!(day_of(&plan, "remove ann"), gone(2_000_001));
    assert_eq!(day_of(&plan, "remove cleo"), gone(2_000_003));
    assert_eq!(day_of(&plan, "remove dan"), gone(2_000_004));
    let removals = plan.iter().filter(|coming| coming["what"].as_str().is_some_and(|what| what.starts_with("remove")));
    assert_eq!((removals.count(), rig.plex.deletions().len()), (3, 3));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_05_a_rehearsal_plans_the_same_and_planning_changes_nothing() {
    let live = a_house_with_plans("plan-live", false).await;
    let said_live = plan(&live, 12).await;
    let dry = a_house_with_plans("plan-dry", true).await;
    let files = |rig: &Rig| {
        ["state.json", "dry-run.json"].map(|name| std::fs::read(rig.state().join(name)).unwrap_or_default())
    };
    let before = files(&dry);
    dry.plex.clear();
    let said = plan(&dry, 12).await;
    assert_eq!((files(&dry), dry.plex.requests().len()), (before, 0));
    for what in ["write to ann: watch something", "remove ann", "remove cleo", "remove dan"] {
        assert_eq!(day_of(&said, what), day_of(&said_live, what), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_wait_for_the_operator_is_said_to() {
    let mut rig = Rig::new("plan-holds").await;
    for n in 0..6 {
        let friend = rig.old_friend(2_000_020 + n, &format!("friend{n}"), 400);
        rig.watched(friend, days(26) + hours(20));
    }
    unhurried(&mut rig, 4);
    rig.open().await;
    let said = plan(&rig, 10).await;
    let waits: Vec<&str> = said.iter().filter_map(|coming| coming["waits"]["rule"].as_str()).collect();
    assert_eq!(waits, ["hold-all"; 6], "{said:#?}");
    let page = rig.get("/api/plan?days=10").await;
    assert!(page["text"].as_str().is_some_and(|text| text.contains("waits for you (hold-all)")), "{page}");
    rig.hours(12).await;
    say(&rig, "approve", &["all"]).await;
    rig.hours(1).await;
    let said = plan(&rig, 10).await;
    assert!(said.iter().any(|coming| coming["what"].as_str().is_some_and(|what| what.starts_with("remove"))));
    assert!(rig.get("/api/plan?days=soon").await["error"]["message"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_house_has_an_empty_plan() {
    let mut rig = Rig::new("plan-quiet").await;
    super::idle::ann_watched(&mut rig, days(1)).await;
    rig.open().await;
    assert_eq!(plan(&rig, 7).await, Vec::<Value>::new());
    let page = rig.get("/api/plan").await;
    assert_eq!(page["text"], "Nothing would happen in the next 7 days.");
}
