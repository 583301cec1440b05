//! What the engine does when the disk or the clock lets it down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox::rig::Rig;
use usher::store::{Step, StepFault};

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_usher_looking_and_lets_nothing_be_done_unwritten() {
    let mut rig = Rig::new("disk-full").await;
    let full = Arc::new(AtomicBool::new(false));
    let seen = full.clone();
    rig.options.hook = Some(Arc::new(move |step| match step {
        Step::TempWritten if seen.load(Ordering::SeqCst) => Err(StepFault::DiskFull),
        _ => Ok(()),
    }));
    rig.open().await;
    rig.person(2_000_001, "ann");
    full.store(true, Ordering::SeqCst);
    let customer = rig.stripe.customer("ann@example.com", "Ann");
    rig.stripe.subscribe(&customer, &rig.basic);
    rig.hours(3).await;
    assert!(rig.is_running(), "a full disk is no end");
    assert_eq!(rig.plex.invites_sent().len(), 0, "nothing is done that was not written down");
    assert_eq!(rig.subjects_to("ann"), Vec::<String>::new());
    let told = rig.operator_subjects().into_iter().filter(|subject| subject.contains("can't be written")).count();
    assert_eq!(told, 1, "{:?}", rig.operator_subjects());
    full.store(false, Ordering::SeqCst);
    rig.minutes(10).await;
    assert_eq!(rig.plex.invites_sent().len(), 1, "the payer is let in as soon as there is room");
    assert_eq!(rig.subjects_to("ann").len(), 1);
    assert_eq!(rig.amiss(), Vec::<String>::new());
}
