//! What a rehearsal hands over when the house goes live (promise 5, RULES R11):
//! the operator's words and facts that were read. A number means one person in
//! both books.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sandbox::rig::Rig;
use sandbox::smtp::{Fault, Stay};
use serde_json::{Value, json};
use usher::store::{Step, StepFault};

use super::{all_is_well, asked, days, heard, holds, hours, say, told, unhurried};

/// A house that rehearses from the first day. The polls are hourly.
fn rehearsing(rig: &mut Rig) {
    unhurried(rig, 1);
    rig.set("DRY_RUN", "true");
}

async fn goes_live(rig: &mut Rig) {
    rig.close().await;
    rig.set("DRY_RUN", "false");
    rig.open().await;
}

/// Each member's number, by name.
async fn numbers(rig: &Rig) -> BTreeMap<String, String> {
    let page = rig.get("/api/members").await;
    let text = |member: &Value, key: &str| member[key].as_str().unwrap_or_default().to_owned();
    let list = page["json"]["members"].as_array().cloned().unwrap_or_else(|| panic!("no members: {page}"));
    list.iter().map(|member| (text(member, "name"), text(member, "id"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_only_a_rehearsal_imagined_removes_nobody_of_whom_something_was_said() {
    let mut rig = Rig::new("imagined-letter").await;
    rehearsing(&mut rig);
    rig.set("UNMANAGED", "require-subscription");
    let ann = rig.old_friend(2_000_001, "ann", 400);
    rig.watched(ann, hours(1));
    rig.open().await;
    rig.hours(3).await;
    let until = (rig.now() + days(1)).date_naive().to_string();
    asked(&rig, json!({ "ask": "pause", "who": "ann", "until": until, "note": "moving house" })).await;
    rig.days(20).await;
    rig.watched(ann, hours(1));
    goes_live(&mut rig).await;
    rig.hours(12).await;
    assert!(rig.plex.has_access(ann), "she was never written to: {:?}", rig.subjects_to("ann"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_only_a_rehearsal_saw_cancels_nothing_when_the_house_goes_live() {
    let mut rig = Rig::new("imagined-reversal").await;
    rehearsing(&mut rig);
    rig.set("ON_REFUND", "end");
    let (ann, sub) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
    rig.open().await;
    rig.hours(3).await;
    rig.stripe.refund(&sub, None);
    rig.hours(3).await;
    assert_eq!(heard(&rig, "cancel"), 1, "{:?}", rig.operator_subjects());
    asked(&rig, json!({ "ask": "grandfather", "who": "ann" })).await;
    rig.hours(1).await;
    goes_live(&mut rig).await;
    rig.hours(6).await;
    assert_eq!(rig.stripe.changes().len(), 0, "{:?}", rig.stripe.changes());
    assert!(rig.plex.has_access(ann));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn everybody_has_the_number_of_the_rehearsal_when_the_house_goes_live_and_back_and_live_again() {
    let mut rig = Rig::new("numbers").await;
    rehearsing(&mut rig);
    for (id, name) in [(2_000_001, "ann"), (2_000_002, "bob")] {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, hours(1));
    }
    rig.open().await;
    rig.hours(2).await;
    // Cleo pays first, and then dora is let in: live, plex.tv is read first.
    rig.person(2_000_003, "cleo");
    let customer = rig.stripe.customer("cleo@example.com", "cleo");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(2).await;
    let dora = rig.person(2_000_004, "dora");
    rig.plex.share_with(dora, &[rig.movies], rig.now());
    rig.hours(2).await;
    let invited = json!({ "ask": "invite", "who": "erik@example.com", "tier": "Basic" });
    asked(&rig, invited).await;
    rig.hours(1).await;
    let before = numbers(&rig).await;
    assert_eq!(before.len(), 5, "{before:?}");
    goes_live(&mut rig).await;
    rig.hours(2).await;
    assert_eq!(numbers(&rig).await, before);
    rig.close().await;
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.hours(2).await;
    assert_eq!(numbers(&rig).await, before);
    let fred = rig.person(2_000_006, "fred");
    rig.plex.share_with(fred, &[rig.movies], rig.now());
    rig.hours(2).await;
    let with_fred = numbers(&rig).await;
    goes_live(&mut rig).await;
    rig.hours(2).await;
    assert_eq!(numbers(&rig).await, with_fred);
    assert!(before.iter().all(|(name, id)| with_fred.get(name) == Some(id)), "{before:?} {with_fred:?}");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_warning_that_was_rejected_in_a_rehearsal_does_not_go_out_when_the_house_goes_live() {
    let mut rig = Rig::new("rejected").await;
    rehearsing(&mut rig);
    rig.set("PRUNE_MODE", "auto");
    let mut people = Vec::new();
    for (id, name) in [(2_000_001, "ann"), (2_000_002, "bob"), (2_000_003, "cleo")] {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, days(40));
        people.push(who);
    }
    rig.open().await;
    rig.hours(3).await;
    let waiting = holds(&rig).await;
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    let (cleos, ..) = waiting.iter().find(|(.., what)| what == "warn cleo").expect("cleo's").clone();
    say(&rig, "reject", &[&cleos]).await;
    rig.watched(people[0], hours(0));
    rig.watched(people[1], hours(0));
    rig.hours(3).await;
    goes_live(&mut rig).await;
    rig.hours(6).await;
    assert_eq!(told(&rig, "cleo", "Still with us"), 0, "{:?}", rig.subjects_to("cleo"));
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_new_rehearsal_takes_a_warning_that_was_owed_and_not_sent_for_sent() {
    let mut rig = Rig::new("owed-not-sent").await;
    unhurried(&mut rig, 1);
    super::idle::ann_watched(&mut rig, days(40)).await;
    rig.smtp.fault(Fault::Down, Stay::UntilCleared);
    rig.open().await;
    rig.hours(3).await;
    rig.close().await;
    rig.smtp.clear_faults();
    assert_eq!(told(&rig, "ann", "Still with us"), 0);
    rig.set("DRY_RUN", "true");
    rig.open().await;
    rig.days(6).await;
    assert_eq!(heard(&rig, "remove ann"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(told(&rig, "ann", "Still with us"), 0, "a rehearsal sends nothing to members");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_word_that_only_the_live_book_did_not_know_yet_does_not_begin_the_rehearsal_anew() {
    let mut rig = Rig::new("goes-on").await;
    rehearsing(&mut rig);
    super::idle::ann_watched(&mut rig, days(40)).await;
    rig.open().await;
    rig.hours(3).await;
    assert_eq!(heard(&rig, "ann is idle"), 1);
    // She is that account: nothing new to the rehearsal.
    asked(&rig, json!({ "ask": "link", "who": "ann", "plex": "2000001" })).await;
    rig.close().await;
    rig.open().await;
    rig.days(6).await;
    assert_eq!(heard(&rig, "ann is idle"), 1, "{:?}", rig.operator_subjects());
    assert_eq!(heard(&rig, "remove ann"), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn while_rehearsing_the_operator_hears_daily_how_many_have_paid_and_wait() {
    let mut rig = Rig::new("paid-and-wait").await;
    rehearsing(&mut rig);
    rig.open().await;
    rig.days(2).await;
    assert_eq!(heard(&rig, "paid and wait"), 0);
    for (id, name) in [(2_000_001, "ann"), (2_000_002, "bob")] {
        rig.person(id, name);
        let customer = rig.stripe.customer(&sandbox::rig::address(name), name);
        rig.stripe.subscribe(&customer, &rig.basic);
    }
    rig.days(3).await;
    assert_eq!(heard(&rig, "2 have paid and wait"), 3, "{:?}", rig.operator_subjects());
    goes_live(&mut rig).await;
    rig.days(2).await;
    assert_eq!(heard(&rig, "2 have paid and wait"), 3, "live, nobody waits for that");
    assert_eq!(rig.plex.invites_sent().len(), 2, "and who paid in the rehearsal is let in");
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_word_that_only_the_live_book_heard_before_the_power_failed_is_heard_by_the_rehearsal_too() {
    let mut rig = Rig::new("word-and-crash").await;
    rehearsing(&mut rig);
    super::idle::ann_watched(&mut rig, days(40)).await;
    let commits_left = Arc::new(AtomicI64::new(i64::MAX));
    let left = commits_left.clone();
    rig.options.hook = Some(Arc::new(move |step| match step {
        Step::BeforeTemp if left.fetch_sub(1, Ordering::Relaxed) <= 0 => Err(StepFault::Die),
        _ => Ok(()),
    }));
    rig.open().await;
    rig.hours(3).await;
    commits_left.store(1, Ordering::Relaxed);
    let invite = json!({ "ask": "invite", "who": "erik@example.com", "tier": "Basic", "days": 30 });
    let answer = rig.try_ask(invite.clone()).await;
    assert!(answer.as_ref().is_none_or(|answer| answer.get("error").is_some()), "the power failed: {answer:?}");
    rig.minutes(1).await;
    rig.pull_the_plug().await;
    commits_left.store(i64::MAX, Ordering::Relaxed);
    let erik = super::book(&rig)["members"].as_object().expect("members").keys().next().expect("erik").clone();
    rig.open().await;
    rig.hours(2).await;
    assert_eq!(numbers(&rig).await.get("erik@example.com"), Some(&erik));
    assert_eq!(heard(&rig, "ann is idle"), 1, "it goes on: {:?}", rig.operator_subjects());
    let again = asked(&rig, invite).await;
    assert!(again.contains("already"), "{again}");
    all_is_well(&rig);
}

/// Removes files of the state folder, as somebody would by hand.
fn removes(rig: &Rig, begins: &[&str]) {
    for folder in [rig.state().to_path_buf(), rig.state().join("backups")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry")) {
            if begins.iter().any(|start| entry.file_name().to_string_lossy().starts_with(start)) {
                std::fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
}

/// Everybody's numbers differ from the order in which a new book would meet them.
async fn rehearsed_with_numbers(name: &str) -> (Rig, BTreeMap<String, String>) {
    let mut rig = Rig::new(name).await;
    rehearsing(&mut rig);
    for (id, name) in [(2_000_004, "ann"), (2_000_005, "bob")] {
        let who = rig.old_friend(id, name, 400);
        rig.watched(who, hours(1));
    }
    rig.open().await;
    rig.hours(2).await;
    let customer = rig.stripe.customer("cleo@example.com", "cleo");
    rig.person(2_000_003, "cleo");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(2).await;
    for (id, name) in [(2_000_002, "dora"), (2_000_001, "erik")] {
        let who = rig.person(id, name);
        rig.plex.share_with(who, &[rig.movies], rig.now());
        rig.hours(2).await;
    }
    let before = numbers(&rig).await;
    assert_eq!(before.len(), 5, "{before:?}");
    rig.close().await;
    (rig, before)
}

/// R11 Numbers: a number that was given means one person for ever.
#[tokio::test(start_paused = true)]
async fn when_the_rehearsals_book_was_deleted_everybody_has_their_number_all_the_same() {
    let (mut rig, before) = rehearsed_with_numbers("numbers-deleted").await;
    std::fs::remove_file(rig.state().join("dry-run.json")).expect("removed");
    rig.set("DRY_RUN", "false");
    rig.open().await;
    rig.hours(2).await;
    assert_eq!(numbers(&rig).await, before);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn when_all_copies_of_the_rehearsal_were_deleted_its_numbers_mean_nobody_else() {
    for live in [true, false] {
        let (mut rig, before) = rehearsed_with_numbers(&format!("numbers-lost-{live}")).await;
        removes(&rig, &["dry-run.json", "dry-run-0"]);
        rig.set("DRY_RUN", if live { "false" } else { "true" });
        rig.start();
        rig.hours(2).await;
        if !rig.is_running() {
            continue; // A rehearsal isn't begun anew over traces of one.
        }
        let after = numbers(&rig).await;
        assert_eq!(after.len(), 5, "{after:?}");
        let reused: Vec<_> = after.values().filter(|id| before.values().any(|noted| noted == *id)).collect();
        assert!(reused.is_empty(), "{before:?} {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_live_book_was_deleted_beside_a_rehearsal_nobody_gets_a_number_of_somebody_else() {
    for all in [false, true] {
        let (mut rig, _) = rehearsed_with_numbers(&format!("numbers-of-live-{all}")).await;
        rig.set("DRY_RUN", "false");
        rig.open().await;
        rig.hours(2).await;
        let fred = rig.person(2_000_006, "fred");
        rig.plex.share_with(fred, &[rig.movies], rig.now());
        rig.hours(2).await;
        rig.close().await;
        rig.set("DRY_RUN", "true");
        rig.open().await;
        rig.hours(2).await;
        let gil = rig.person(2_000_000, "gil");
        rig.plex.share_with(gil, &[rig.movies], rig.now());
        rig.hours(2).await;
        let before = numbers(&rig).await;
        assert_eq!(before.len(), 7, "{before:?}");
        rig.close().await;
        match all {
            true => removes(&rig, &["state", "history"]),
            false => std::fs::remove_file(rig.state().join("state.json")).expect("removed"),
        }
        for dry_run in ["true", "false"] {
            rig.set("DRY_RUN", dry_run);
            rig.open().await;
            rig.hours(2).await;
            assert_eq!(numbers(&rig).await, before, "all: {all}, dry: {dry_run}");
            rig.close().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_a_rehearsal_whom_i_let_in_in_plex_myself_is_that_guest_when_live() {
    let mut rig = Rig::new("guest-by-hand").await;
    rehearsing(&mut rig);
    rig.open().await;
    rig.hours(3).await;
    let nina = rig.person(2_000_001, "nina");
    asked(&rig, json!({ "ask": "invite", "who": "nina@example.com", "tier": "Basic", "days": 20 })).await;
    rig.hours(3).await;
    rig.plex.invite_by_hand("nina@example.com", &[rig.movies]);
    rig.hours(3).await;
    rig.plex.accept_invite("nina@example.com").expect("an invite");
    rig.days(1).await;
    let before = numbers(&rig).await;
    assert_eq!(before.len(), 1, "one person: {before:?}");
    goes_live(&mut rig).await;
    rig.days(2).await;
    assert_eq!(rig.plex.changes().len(), 0, "{:?}", rig.operator_subjects());
    assert_eq!((heard(&rig, "in vain"), heard(&rig, "can't be invited")), (0, 0));
    assert!(rig.plex.has_access(nina));
    assert_eq!(numbers(&rig).await, before);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn what_i_said_to_a_new_library_in_a_rehearsal_holds_when_live() {
    for word in ["approve", "reject"] {
        let mut rig = Rig::new(&format!("library-{word}")).await;
        rehearsing(&mut rig);
        let tiers = json!([{ "name": "All", "prices": [rig.basic], "libraries": ["*"] }]);
        std::fs::write(rig.state().join("tiers.json"), tiers.to_string()).expect("tiers");
        let (ann, _) = super::old_payer(&rig, 2_000_001, "ann", &rig.basic.clone());
        rig.open().await;
        rig.hours(3).await;
        let music = rig.plex.add_section("Music", "artist");
        rig.hours(3).await;
        let waiting = holds(&rig).await;
        let (id, ..) = waiting.iter().find(|(.., what)| what.contains("Music")).expect("it is offered").clone();
        say(&rig, word, &[&id]).await;
        rig.hours(3).await;
        goes_live(&mut rig).await;
        rig.hours(6).await;
        let sections = rig.plex.share_of(ann).expect("her share").sections;
        assert_eq!(sections.contains(&music), word == "approve", "{word}: {:?}", holds(&rig).await);
        assert_eq!(heard(&rig, "the new library"), 1, "asked once: {:?}", rig.operator_subjects());
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn what_i_said_of_payers_from_before_usher_in_a_rehearsal_holds_when_live() {
    for word in ["approve", "reject"] {
        let mut rig = Rig::new(&format!("old-payers-{word}")).await;
        rehearsing(&mut rig);
        let customer = rig.stripe.customer("olaf@example.com", "olaf");
        rig.stripe.subscribe(&customer, &rig.basic);
        rig.days(2).await;
        rig.open().await;
        rig.hours(3).await;
        let waiting = holds(&rig).await;
        let (id, ..) = waiting.iter().find(|(_, rule, _)| rule == "adoption").expect("it waits").clone();
        say(&rig, word, &[&id]).await;
        rig.hours(3).await;
        goes_live(&mut rig).await;
        rig.days(2).await;
        assert_eq!(rig.plex.invites_sent().len(), usize::from(word == "approve"), "{:?}", holds(&rig).await);
        all_is_well(&rig);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payer_outside_whom_i_revoked_in_a_rehearsal_is_not_invited_and_cancelled_only_by_my_word() {
    let mut rig = Rig::new("revoked-outside").await;
    rehearsing(&mut rig);
    rig.open().await;
    rig.hours(3).await;
    rig.person(2_000_001, "ann");
    let customer = rig.stripe.customer("ann@example.com", "ann");
    let sub = rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    asked(&rig, json!({ "ask": "revoke", "who": "ann@example.com", "cancel": "now" })).await;
    rig.hours(3).await;
    goes_live(&mut rig).await;
    rig.days(1).await;
    assert!(!rig.stripe.status(&sub).expect("a status").is_terminal(), "it waits: {:?}", holds(&rig).await);
    say(&rig, "approve", &["go-live"]).await;
    rig.days(1).await;
    assert!(rig.stripe.status(&sub).expect("a status").is_terminal(), "{:?}", holds(&rig).await);
    assert_eq!(rig.plex.invites_sent().len(), 0);
    assert_eq!(rig.subjects_to("ann"), Vec::<String>::new());
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn promise_09_who_went_away_in_a_rehearsal_and_was_restored_in_it_gets_just_that_back_when_live() {
    let mut rig = Rig::new("restored-dry").await;
    rehearsing(&mut rig);
    for (id, name) in [(2_000_002, "bob"), (2_000_003, "cleo"), (2_000_004, "dora")] {
        rig.old_friend(id, name, 400);
    }
    let ann = rig.person(2_000_001, "ann");
    rig.plex.share_with(ann, &[rig.tv], rig.now() - days(300));
    rig.watched(ann, days(1));
    rig.open().await;
    rig.hours(3).await;
    rig.plex.remove_share_by_hand(ann);
    rig.hours(4).await;
    asked(&rig, json!({ "ask": "restore", "who": "ann" })).await;
    rig.hours(3).await;
    goes_live(&mut rig).await;
    rig.hours(3).await;
    let row = rig.plex.pending_of(ann).expect("an invite");
    assert_eq!(row.sections, [rig.tv]);
    rig.plex.accept_invite(ann).expect("an invite");
    rig.days(5).await;
    assert!(rig.plex.has_access(ann));
    assert_eq!(rig.plex.invites_sent().len(), 1);
    all_is_well(&rig);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_only_payer_that_a_rehearsal_read_holds_nothing_up_when_live() {
    let mut rig = Rig::new("only-payer").await;
    unhurried(&mut rig, 1);
    for n in 0..5 {
        let friend = rig.old_friend(2_000_101 + n, &format!("friend{n}"), 400);
        rig.watched(friend, hours(1));
    }
    rig.open().await;
    let (ann, sub) = super::payer(&rig, 2_000_001, "ann", &rig.basic).await;
    rig.hours(5).await;
    rig.close().await;
    rehearsing(&mut rig);
    rig.open().await;
    rig.hours(5).await;
    rig.stripe.cancel_now(&sub, "cancellation_requested");
    rig.days(3).await;
    asked(&rig, json!({ "ask": "extend", "who": "ann", "days": 10 })).await;
    rig.days(1).await;
    goes_live(&mut rig).await;
    rig.days(6).await;
    assert!(rig.plex.has_access(ann), "she has ten days more");
    rig.days(6).await;
    assert!(!rig.plex.has_access(ann), "{}", super::why(&rig, "ann").await);
    assert_eq!(heard(&rig, "running subscriptions"), 0, "{:?}", rig.operator_subjects());
    all_is_well(&rig);
}
