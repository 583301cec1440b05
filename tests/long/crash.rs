//! The crash table (DESIGN §6, promise 6), each cell a test: every kind of action,
//! dropped at every step of every commit and at every boundary of its call.

mod books;
mod scene;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandbox::faults::{Fault, Matching, Rule};
use sandbox::smtp::{self, Stay};
use usher::ledger::{Book, Channel, Delivery, Intent, IntentState};
use usher::store::Step;

use sandbox::trap::{self, Spring};
use scene::{Scene, Stage};

/// Dies at this step of the action's first commit, in another life of its
/// second, and so on, until it is done before its nth commit is reached.
async fn dropped_at(scene: Scene, step: Step) {
    // Decided, attempted, read back, letters sent.
    const COMMITS_LEAST: u32 = 3;
    for nth in 1.. {
        let mut stage = Stage::set(scene, &format!("{step:?}-{nth}")).await;
        stage.trap.set(Spring::Nth(step, nth));
        stage.begin().await;
        let died = stage.ends().await;
        assert_eq!(died, stage.trap.sprung() == 1, "it ends when it is dropped, and only then");
        stage.trap.set(Spring::Never);
        if died {
            stage.again().await;
        }
        stage.check().await;
        if !died {
            assert!(nth > COMMITS_LEAST, "only {nth} commits: the trap lay in the wrong place");
            return;
        }
    }
}

/// Dies as soon as the book on the disk looks like that.
async fn dropped_when(scene: Scene, name: &str, looks: fn(Scene, &Book) -> bool) {
    let mut stage = Stage::set(scene, name).await;
    stage.trap.set(Spring::Once(Step::FolderSynced, Arc::new(move |book| looks(scene, book))));
    stage.begin().await;
    assert!(stage.ends().await, "it was dropped there");
    stage.again().await;
    stage.check().await;
}

/// The changing call of the action goes wrong once; with or without the plug
/// pulled the moment that it has.
async fn call_fails(scene: Scene, name: &str, fault: Fault, plug: bool) {
    let mut stage = Stage::set(scene, name).await;
    stage.faults().once(Matching::Writes, fault.clone());
    play(&mut stage, &fault, plug).await;
    stage.check().await;
}

/// The listing that is read after the call goes wrong once.
async fn read_back_fails(scene: Scene, name: &str, fault: Fault, plug: bool) {
    let mut stage = Stage::set(scene, name).await;
    let written = AtomicBool::new(false);
    let after_the_call = move |request: &sandbox::base::Request| {
        let before =
            if request.change { written.swap(true, Ordering::Relaxed) } else { written.load(Ordering::Relaxed) };
        before && !request.change && request.path.contains("/shared_servers/owned/accepted")
    };
    stage.rig.plex.faults().add(Rule::new(Matching::when(after_the_call), fault.clone()).times(1));
    play(&mut stage, &fault, plug).await;
    stage.check().await;
}

async fn play(stage: &mut Stage, fault: &Fault, plug: bool) {
    stage.begin().await;
    stage.struck(fault).await;
    if plug {
        drop(stage.rig.pull_the_plug().await);
        stage.again().await;
    }
}

fn is_decided(scene: Scene, book: &Book) -> bool {
    let decided = |intent: &Intent| scene.is_about(&intent.act) && matches!(intent.state, IntentState::Decided);
    book.intents.values().any(decided)
}

fn is_attempted(scene: Scene, book: &Book) -> bool {
    let tried = |intent: &Intent| scene.is_about(&intent.act) && matches!(intent.state, IntentState::Attempted { .. });
    book.intents.values().any(tried)
}

/// The crash table for one action.
macro_rules! crash_table {
    ($module:ident, $scene:expr, { $($step_test:ident => $step:expr,)* }, {
        $($call_test:ident => $how:ident($fault:expr, $plug:expr),)*
    }) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test(start_paused = true)]
                async fn $step_test() {
                    dropped_at($scene, $step).await;
                }
            )*
            $(
                #[tokio::test(start_paused = true)]
                async fn $call_test() {
                    $how($scene, stringify!($call_test), $fault, $plug).await;
                }
            )*
            #[tokio::test(start_paused = true)]
            async fn dropped_after_the_decision_it_is_completed() {
                dropped_when($scene, "decided", is_decided).await;
            }
            #[tokio::test(start_paused = true)]
            async fn dropped_after_the_attempt_is_written_before_the_call_it_is_completed() {
                dropped_when($scene, "attempted", is_attempted).await;
            }
        }
    };
}

macro_rules! crash_tables {
    ($($module:ident => $scene:expr, { $($read_back:tt)* },)*) => {$(
        crash_table!($module, $scene, {
            dropped_before_anything_is_written => Step::BeforeTemp,
            dropped_with_the_new_book_in_its_temp_file => Step::TempWritten,
            dropped_with_the_temp_file_synced => Step::TempSynced,
            dropped_with_the_present_book_kept_as_the_previous => Step::PrevLinked,
            dropped_with_the_new_book_in_its_place => Step::Renamed,
            dropped_with_the_folder_synced => Step::FolderSynced,
            dropped_with_the_history_appended => Step::HistoryAppended,
        }, {
            the_call_is_dropped_before_its_effect => call_fails(Fault::DropBeforeEffect, false),
            the_call_is_dropped_before_its_effect_and_the_plug_pulled => call_fails(Fault::DropBeforeEffect, true),
            the_call_is_done_and_its_answer_lost => call_fails(Fault::EffectThenDrop, false),
            the_call_is_done_its_answer_lost_and_the_plug_pulled => call_fails(Fault::EffectThenDrop, true),
            the_call_is_done_and_answered_with_500 => call_fails(Fault::EffectThenStatus(500), false),
            the_call_hangs => call_fails(Fault::Hang, false),
            the_call_hangs_and_the_plug_is_pulled => call_fails(Fault::Hang, true),
            the_call_is_answered_with_a_page_for_people => call_fails(Fault::Html, false),
            $($read_back)*
        });
    )*};
}

/// Rows for actions that one listing at plex.tv reads back.
macro_rules! and_read_back {
    ($($module:ident => $scene:expr,)*) => {
        crash_tables! {$($module => $scene, {
            the_read_back_is_dropped => read_back_fails(Fault::DropBeforeEffect, false),
            the_read_back_is_answered_with_500 => read_back_fails(Fault::EffectThenStatus(500), false),
            the_read_back_shows_half => read_back_fails(Fault::HalfPages, false),
            the_read_back_hangs_and_the_plug_is_pulled => read_back_fails(Fault::Hang, true),
        },)*}
    };
}

and_read_back! {
    an_invite => Scene::Invite,
    a_change_of_libraries => Scene::Update,
    the_end_of_a_payer => Scene::EndOfAPayer,
    the_removal_of_somebody_idle => Scene::IdleRemoval,
    an_invite_taken_back => Scene::CancelledInvite,
}

// These are read back by the loops.
crash_tables! {
    a_cancellation_at_stripe => Scene::Cancellation, {},
    the_end_of_a_friendship => Scene::Unfriending, {},
    a_deletion_in_tautulli => Scene::Forgetting, {},
    a_return_to_tautulli => Scene::Remembering, {},
}

fn removal_is_read_back(book: &Book) -> bool {
    book.outbox.keys().any(|key| key.0.contains("/access_ended/"))
}

fn removal_letter_is_out(book: &Book) -> bool {
    book.outbox.values().any(|notice| {
        let out = matches!(notice.deliveries.get(&Channel::Mail), Some(Delivery::Accepted { .. }));
        out && notice.key.0.contains("/access_ended/")
    })
}

#[tokio::test(start_paused = true)]
async fn dropped_after_the_commit_before_the_call_the_removal_is_completed() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "row-2").await;
    stage.trap.set(Spring::Once(Step::FolderSynced, Arc::new(|book| is_attempted(Scene::EndOfAPayer, book))));
    assert!(stage.ends().await);
    assert_eq!(stage.rig.plex.deletions().len(), 0, "nothing was seen outside");
    stage.again().await;
    stage.check().await;
}

#[tokio::test(start_paused = true)]
async fn dropped_after_the_commit_the_removal_is_cancelled_when_they_have_paid_again() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "row-2-paid").await;
    stage.trap.set(Spring::Once(Step::FolderSynced, Arc::new(|book| is_attempted(Scene::EndOfAPayer, book))));
    assert!(stage.ends().await);
    let customer = stage.rig.stripe.customer("ann@example.com", "Ann");
    stage.rig.stripe.subscribe(&customer, &stage.rig.basic);
    stage.again().await;
    stage.rig.hours(3).await;
    assert_eq!(stage.rig.plex.deletions().len(), 0, "promise 4: who pays is in");
    let book = trap::book(stage.rig.state()).expect("the book");
    assert!(book.intents.is_empty(), "the removal was cancelled: {:?}", book.intents);
    assert_eq!(stage.rig.amiss(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn dropped_after_the_read_back_the_letter_is_sent_once() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "row-4").await;
    stage.trap.set(Spring::Once(Step::FolderSynced, Arc::new(removal_is_read_back)));
    assert!(stage.ends().await);
    assert_eq!(stage.rig.plex.deletions().len(), 1);
    stage.again().await;
    stage.check().await;
}

#[tokio::test(start_paused = true)]
async fn dropped_after_the_letter_was_accepted_it_is_not_sent_again() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "row-5-known").await;
    stage.trap.set(Spring::Once(Step::FolderSynced, Arc::new(removal_letter_is_out)));
    assert!(stage.ends().await);
    let letters = stage.rig.subjects_to("ann");
    stage.again().await;
    stage.rig.hours(1).await;
    assert_eq!(stage.rig.subjects_to("ann"), letters, "the operator's own may have been on its way");
    stage.check().await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_the_final_dot_is_lost_and_the_same_letter_comes_again_and_is_counted() {
    let stage = Stage::set(Scene::EndOfAPayer, "row-5").await;
    stage.rig.smtp.fault(smtp::Fault::DropAfterDot, Stay::Next(1));
    let smtp = stage.rig.smtp.clone();
    let book = stage.check().await;
    assert_eq!(smtp.bitten()["drop after dot"], 1);
    assert_eq!((smtp_doubles(&smtp), book.repeats), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn after_the_final_dot_the_plug_is_pulled_and_the_same_letter_comes_again_and_is_counted() {
    let mut stage = Stage::set(Scene::EndOfAPayer, "row-5-plug").await;
    stage.rig.smtp.fault(smtp::Fault::HangAfterDot, Stay::Next(1));
    while stage.rig.smtp.bitten().is_empty() {
        stage.rig.pass(Duration::from_secs(1)).await;
    }
    drop(stage.rig.pull_the_plug().await);
    stage.again().await;
    let smtp = stage.rig.smtp.clone();
    let book = stage.check().await;
    assert_eq!(smtp_doubles(&smtp), 1);
    assert!(book.repeats >= 1);
}

/// Mails that came twice, byte for byte.
fn smtp_doubles(smtp: &smtp::Smtp) -> usize {
    let mails = smtp.received();
    let double = |i: usize| mails[..i].iter().any(|earlier| earlier.message_id == mails[i].message_id);
    let doubles: Vec<usize> = (0..mails.len()).filter(|i| double(*i)).collect();
    for i in &doubles {
        let first = mails.iter().find(|mail| mail.message_id == mails[*i].message_id).unwrap();
        assert_eq!(first.data, mails[*i].data, "a repeat is the same letter");
    }
    doubles.len()
}

/// An old payer comes back as a new customer under the old address, and the
/// answer to their invite is lost: it is still theirs, and no gift.
async fn an_old_payers_invite(name: &str, fault: Fault, plug: bool) {
    let mut stage = Stage::set(Scene::EndOfAPayer, name).await;
    stage.rig.hours(2).await;
    assert_eq!(stage.rig.plex.deletions().len(), 1, "Ann is out");
    stage.rig.plex.faults().once(Matching::Writes, fault.clone());
    let customer = stage.rig.stripe.customer("ann@example.com", "Ann");
    let sub = stage.rig.stripe.subscribe(&customer, &stage.rig.basic);
    stage.struck(&fault).await;
    if plug {
        drop(stage.rig.pull_the_plug().await);
        stage.again().await;
    }
    stage.rig.hours(3).await;
    assert_eq!(stage.rig.plex.invites_sent().len(), 2, "one then, one now");
    stage.rig.plex.accept_invite("ann@example.com").expect("it is there to be accepted");
    stage.rig.hours(3).await;
    stage.rig.stripe.cancel_now(&sub, "cancellation_requested");
    stage.rig.hours(26).await;
    assert_eq!(stage.rig.plex.deletions().len(), 2, "the invite was no gift: it ends with the second subscription");
    assert_eq!(stage.rig.amiss(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_an_old_payers_new_invite_is_lost_and_it_is_still_theirs() {
    an_old_payers_invite("old-payer", Fault::EffectThenDrop, false).await;
}

#[tokio::test(start_paused = true)]
async fn the_plug_is_pulled_on_an_old_payers_new_invite_and_it_is_still_theirs() {
    an_old_payers_invite("old-payer-plug", Fault::EffectThenDrop, true).await;
}
