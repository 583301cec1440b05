//! The book's own misfortunes: a full disk, a failed sync, a torn file, an
//! old copy, two daemons.

use std::fs;

use sandbox::rig::{Rig, address};
use usher::config::Config;
use usher::daemon;
use usher::store::{Step, StepFault};

use super::scene::{Scene, Stage};
use sandbox::trap::Spring;

/// While commits fail so, nothing is done outside; afterwards it is.
async fn cannot_be_written(scene: Scene, step: Step, fault: StepFault) {
    let mut stage = Stage::set(scene, &format!("{step:?}-{fault:?}")).await;
    // The operator hears of it, from memory; nobody else hears anything.
    let to_members = |mail: &sandbox::smtp::Received| !mail.to.iter().any(|to| to == sandbox::rig::OPERATOR);
    let outside = |stage: &Stage| {
        (stage.rig.plex.changes().len(), stage.rig.smtp.received().iter().filter(|mail| to_members(mail)).count())
    };
    let before = outside(&stage);
    stage.trap.set(Spring::Always(step, fault));
    stage.begin().await;
    for _ in 0..4 {
        stage.rig.minutes(30).await;
        if !stage.rig.is_running() {
            // What the container does.
            drop(stage.rig.pull_the_plug().await);
            stage.rig.open().await;
        }
    }
    assert!(stage.trap.sprung() > 0, "no commit was tried");
    assert_eq!(outside(&stage), before, "something was done that was not written down");
    stage.trap.set(Spring::Never);
    stage.again().await;
    stage.check().await;
}

#[tokio::test(start_paused = true)]
async fn the_disk_is_full_and_nobody_is_invited_until_it_is_not() {
    cannot_be_written(Scene::Invite, Step::TempWritten, StepFault::DiskFull).await;
}

#[tokio::test(start_paused = true)]
async fn the_disk_is_full_and_no_payer_is_removed_until_it_is_not() {
    cannot_be_written(Scene::EndOfAPayer, Step::TempWritten, StepFault::DiskFull).await;
}

#[tokio::test(start_paused = true)]
async fn the_disk_is_full_and_nobody_idle_is_removed_until_it_is_not() {
    cannot_be_written(Scene::IdleRemoval, Step::TempWritten, StepFault::DiskFull).await;
}

#[tokio::test(start_paused = true)]
async fn the_books_sync_fails_and_nothing_is_done_until_it_does_not() {
    cannot_be_written(Scene::EndOfAPayer, Step::TempSynced, StepFault::FsyncFails).await;
}

#[tokio::test(start_paused = true)]
async fn the_folders_sync_fails_and_nothing_is_done_until_it_does_not() {
    cannot_be_written(Scene::EndOfAPayer, Step::FolderSynced, StepFault::FsyncFails).await;
}

async fn accept_the_book(rig: &Rig) {
    let said = rig.ask(serde_json::json!({ "ask": "accept", "what": "state" })).await;
    assert!(said.to_string().contains("accepted"), "{said}");
}

/// With an untrusted book a removal that is due waits for `accept state`.
async fn only_looks_until_accepted(mut stage: Stage) {
    stage.rig.open().await;
    stage.rig.hours(6).await;
    assert!(stage.rig.is_running());
    assert_eq!(stage.rig.plex.changes().len(), 1, "only Ann's own invite of before");
    let told = stage.rig.operator_subjects().into_iter().filter(|subject| subject.contains("only looks")).count();
    assert_eq!(told, 1, "{:?}", stage.rig.operator_subjects());
    // A restart doesn't make it sound.
    stage.again().await;
    stage.rig.hours(2).await;
    assert_eq!(stage.rig.plex.deletions().len(), 0);
    accept_the_book(&stage.rig).await;
    stage.check().await;
}

#[tokio::test(start_paused = true)]
async fn a_torn_book_is_replaced_by_the_previous_one_that_only_looks() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "torn").await;
    stage.rig.close().await;
    let file = stage.rig.state().join("state.json");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    only_looks_until_accepted(stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_copy_of_the_book_only_looks() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "old").await;
    stage.rig.close().await;
    let file = stage.rig.state().join("state.json");
    let kept = fs::read(&file).unwrap();
    stage.rig.open().await;
    // Something that the history tells: another payer comes.
    stage.rig.person(2_000_009, "eve");
    let customer = stage.rig.stripe.customer(&address("eve"), "Eve");
    let sub = stage.rig.stripe.subscribe(&customer, &stage.rig.basic);
    stage.rig.pass(std::time::Duration::from_secs(60)).await;
    stage.rig.stripe.cancel_now(&sub, "cancellation_requested");
    stage.rig.close().await;
    fs::write(&file, kept).unwrap();
    stage.rig.open().await;
    let changes = stage.rig.plex.changes().len();
    stage.rig.hours(6).await;
    assert_eq!(stage.rig.plex.changes().len(), changes, "it only looks");
    let told = stage.rig.operator_subjects().into_iter().filter(|subject| subject.contains("only looks")).count();
    assert_eq!(told, 1, "{:?}", stage.rig.operator_subjects());
    accept_the_book(&stage.rig).await;
    stage.rig.hours(3).await;
    assert!(!stage.rig.plex.has_access(usher::facts::PlexId(2_000_001)), "then the removal is done");
}

#[tokio::test(start_paused = true)]
async fn a_second_daemon_on_the_same_folder_refuses_to_start() {
    let mut rig = Rig::new("two-daemons").await;
    rig.open().await;
    let config = Config::from_env(rig.env.clone().into_iter()).expect("a sound environment");
    let second = daemon::run_until(config, rig.time.world(), daemon::Options::default(), std::future::pending()).await;
    let why = second.expect_err("it refuses").to_string();
    assert!(why.contains("already running"), "{why}");
    rig.hours(1).await;
    assert!(rig.is_running(), "the first goes on");
    rig.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_process_looks_twice_at_once_and_then_acts() {
    let mut rig = Rig::new("looks-twice").await;
    for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
        rig.set(name, "3600");
    }
    rig.person(2_000_001, "ann");
    rig.open().await;
    let customer = rig.stripe.customer(&address("ann"), "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.minutes(1).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "not an interval later");
}
