//! Stopping, starting when nothing answers, and keeping hands off.

use sandbox::faults::{Fault, Matching};
use sandbox::rig::address;
use usher::facts::PlexId;
use usher::store::Which;

use super::child::{House, SOON};

const ANN: PlexId = PlexId(2_000_001);

fn ann_pays(house: &House) {
    house.rig.person(ANN.0, "ann");
    let customer = house.rig.stripe.customer(&address("ann"), "Ann");
    house.rig.stripe.subscribe(&customer, &house.rig.basic);
}

#[tokio::test]
async fn sigterm_ends_it_well_while_all_is_quiet() {
    let mut house = House::new("quiet").await;
    house.open().await;
    house.close().await;
    assert_eq!(house.door(), None, "the commands are not sent to a closed door");
    assert!(house.log().contains("stopped"), "{}", house.log());
    house.assert_nothing_leaked("");
}

#[tokio::test]
async fn sigterm_ends_it_within_six_seconds_while_a_call_hangs_and_the_call_is_not_forgotten() {
    let mut house = House::new("hangs").await;
    house.open().await;
    house.rig.plex.faults().always(Matching::Writes, Fault::Hang);
    ann_pays(&house);
    house.until("the invite hangs", SOON, |house| house.rig.plex.faults().struck(&Fault::Hang) > 0).await;
    house.close().await;
    let book = house.book(Which::Live).unwrap();
    assert!(book.intents.values().any(|intent| intent.tries == 1), "{:?}", book.intents);
    house.assert_nothing_leaked("");
}

#[tokio::test]
async fn sigterm_ends_it_within_six_seconds_while_every_reading_and_the_mail_server_hang() {
    let mut house = House::new("all-hang").await;
    let rig = &house.rig;
    for faults in [rig.plex.faults(), rig.stripe.faults(), rig.tautulli.faults(), rig.discord.faults()] {
        faults.always(Matching::All, Fault::Hang);
    }
    rig.smtp.fault(sandbox::smtp::Fault::Hang, sandbox::smtp::Stay::UntilCleared);
    house.start();
    house.until("everything hangs", SOON, |house| house.rig.plex.faults().struck(&Fault::Hang) > 0).await;
    house.close().await;
}

#[tokio::test]
async fn it_starts_and_stays_while_nothing_can_be_reached() {
    let mut house = House::new("alone").await;
    for name in ["PLEX_API_URL", "STRIPE_API_URL", "TAUTULLI_URL", "DISCORD_API_URL"] {
        house.rig.set(name, "http://127.0.0.1:1");
    }
    house.rig.set("SMTP_PORT", "1");
    house.start();
    for source in ["source=plex.tv", "source=Stripe", "source=Tautulli"] {
        let unread =
            |house: &House| house.log().lines().any(|line| line.contains("can't be read") && line.contains(source));
        house.until(source, SOON, unread).await;
    }
    assert!(house.is_running());
    let told = sandbox::wire::call("GET", &format!("{}/health", house.door().unwrap()), &[], "").await.unwrap().json();
    for which in ["friends", "billing", "activity"] {
        assert!(told["loops"][which]["failures"].as_u64() >= Some(1), "{told}");
    }
    house.close().await;
    house.assert_nothing_leaked("");
}

#[tokio::test]
async fn promise_05_a_rehearsal_touches_nothing() {
    let mut house = House::new("dry").await;
    house.rig.set("DRY_RUN", "true");
    let bob = house.rig.old_friend(2_000_002, "bob", 400);
    house.rig.watched(bob, chrono::TimeDelta::days(90));
    house.open().await;
    ann_pays(&house);
    let told = |house: &House| {
        let told = house.rig.operator_subjects().iter().any(|subject| subject.contains("[dry run]"));
        told && house.book(Which::DryRun).is_some_and(|book| !book.intents.is_empty())
    };
    house.until("the operator hears what would be done", SOON, told).await;
    house.close().await;
    let rig = &house.rig;
    assert_eq!((rig.plex.changes().len(), rig.stripe.changes().len(), rig.tautulli.changes().len()), (0, 0, 0));
    assert!(rig.smtp.received().iter().all(|letter| letter.to == [sandbox::rig::OPERATOR]), "only the operator hears");
    assert!(!rig.state().join("state.json").exists(), "the real book is not begun");
    assert_eq!(rig.amiss(), Vec::<String>::new());
}

#[tokio::test]
async fn it_runs_as_nobody_with_nothing_writable_but_the_state_folder() {
    let mut house = House::new("nobody").await;
    if std::os::unix::fs::chown(house.folder(), Some(0), Some(0)).is_err() {
        return eprintln!("skipped: only root can become nobody");
    }
    house.drop_rights();
    house.open().await;
    ann_pays(&house);
    house.until("Ann is invited", SOON, |house| house.rig.plex.invites_sent().len() == 1).await;
    let health = house.say(&["health"]).await;
    assert_eq!(health.code, 0, "{health:?}");
    house.close().await;
    assert_eq!(house.rig.amiss(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_one_on_the_same_folder_is_refused_and_harms_nothing() {
    let mut house = House::new("two").await;
    house.open().await;
    let door = house.door();
    let second = house.say(&["run"]).await;
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("another"), "{}", second.err);
    assert_eq!(house.door(), door, "the first one is still found");
    assert_eq!(house.say(&["health"]).await.code, 0);
    house.close().await;
}
