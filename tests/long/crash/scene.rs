//! Five actions, each just about to come due in a running house, and what
//! must have come of it in the end, whatever happened in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::faults::{Fault, Matching, Rule};
use sandbox::plex::Deleted;
use sandbox::rig::{Rig, address};
use usher::facts::PlexId;
use usher::ledger::{Act, Book, Intent, IntentState};
use usher::store::{Store, Which};

use super::trap::{Trap, book};

/// Which action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Ann has paid.
    Invite,
    /// Ann has bought a larger tier.
    Update,
    /// Ann's subscription has ended.
    EndOfAPayer,
    /// Bob has not watched for weeks and was warned.
    IdleRemoval,
    /// Ann's subscription has ended before she accepted.
    CancelledInvite,
}

const ANN: PlexId = PlexId(2_000_001);
const BOB: PlexId = PlexId(2_000_002);
const GONE: &str = "Your access to Attic Cinema has ended";

/// The house, with the action about to come due.
pub struct Stage {
    pub rig: Rig,
    pub trap: Trap,
    scene: Scene,
    sub: Option<String>,
    unwritten: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// Everything up to the moment before.
    pub async fn set(scene: Scene, name: &str) -> Self {
        let mut rig = Rig::new(&format!("{scene:?}-{name}")).await;
        for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
            rig.set(name, "1800");
        }
        rig.set("EXPIRY_SETTLE_HOURS", "1");
        rig.set("KICK_DAYS", "28");
        let trap = Trap::new(rig.state());
        rig.options.hook = trap.hook();
        for (id, name) in [(2_000_003, "carl"), (2_000_004, "dora")] {
            let friend = rig.old_friend(id, name, 100);
            rig.watched(friend, TimeDelta::days(1));
        }
        if scene == Scene::IdleRemoval {
            rig.old_friend(BOB.0, "bob", 100);
            rig.watched(BOB, TimeDelta::days(27));
        } else {
            rig.person(ANN.0, "ann");
        }
        let mut stage = Self { rig, trap, scene, sub: None, unwritten: Arc::default() };
        stage.watch_the_order();
        stage.rig.open().await;
        stage.prepare().await;
        stage
    }

    /// Nothing is changed at plex.tv that the book doesn't call attempted.
    fn watch_the_order(&self) {
        let (folder, unwritten) = (self.rig.state().to_owned(), self.unwritten.clone());
        let look = move |request: &sandbox::base::Request| {
            let attempted = |intent: &Intent| matches!(intent.state, IntentState::Attempted { .. });
            let written = book(&folder).is_some_and(|book| book.intents.values().any(attempted));
            if request.change && !written {
                unwritten.lock().unwrap().push(format!("{} {}", request.method, request.path));
            }
            false
        };
        self.rig.plex.faults().add(Rule::new(Matching::when(look), Fault::Hang));
    }

    async fn prepare(&mut self) {
        let rig = &mut self.rig;
        match self.scene {
            Scene::Invite => {}
            Scene::IdleRemoval => {
                // Warned at once on Saturday morning, with all of Sunday left.
                rig.minutes(38 * 60 + 45).await;
                assert_eq!(rig.subjects_to("bob").len(), 1, "the warning is out");
            }
            Scene::Update | Scene::EndOfAPayer | Scene::CancelledInvite => {
                let customer = rig.stripe.customer(&address("ann"), "Ann");
                let sub = rig.stripe.subscribe(&customer, &rig.basic);
                rig.minutes(5).await;
                if self.scene != Scene::CancelledInvite {
                    rig.plex.accept_invite(address("ann").as_str()).expect("Ann is invited");
                }
                rig.minutes(65).await;
                if self.scene != Scene::Update {
                    rig.stripe.cancel_now(&sub, "cancellation_requested");
                    rig.minutes(50).await; // EXPIRY_SETTLE_HOURS=1 is nearly over.
                }
                self.sub = Some(sub);
            }
        }
    }

    /// The action comes due, by itself or by this.
    pub fn begin(&self) {
        let rig = &self.rig;
        match (self.scene, &self.sub) {
            (Scene::Invite, _) => {
                let customer = rig.stripe.customer(&address("ann"), "Ann");
                rig.stripe.subscribe(&customer, &rig.basic);
            }
            (Scene::Update, Some(sub)) => rig.stripe.change_price(sub, &rig.premium),
            _ => {}
        }
    }

    /// Until the daemon has ended by itself; false when it goes on for hours.
    pub async fn ends(&self) -> bool {
        for _ in 0..3 * 60 {
            self.rig.minutes(1).await;
            if !self.rig.is_running() {
                return true;
            }
        }
        false
    }

    /// Until that fault has struck at plex.tv.
    pub async fn struck(&self, fault: &Fault) {
        for _ in 0..6 * 3600 {
            if self.rig.plex.faults().struck(fault) > 0 {
                return;
            }
            self.rig.pass(Duration::from_secs(1)).await;
        }
        panic!("{:?}: {fault:?} never struck", self.scene);
    }

    /// It starts again after a while, on the same folder.
    pub async fn again(&mut self) {
        self.rig.minutes(20).await;
        drop(self.rig.pull_the_plug().await);
        self.rig.open().await;
        assert!(self.rig.is_running(), "it starts again");
    }

    /// What must be so in the end.
    pub async fn check(mut self) -> Book {
        self.rig.hours(3).await;
        assert!(self.rig.is_running(), "the daemon runs");
        let rig = &self.rig;
        match self.scene {
            Scene::Invite => {
                let invites = rig.plex.invites_sent();
                assert_eq!(invites.len(), 1, "one invite: {invites:?}");
                assert_eq!(invites[0].sections, [rig.movies]);
                rig.plex.accept_invite(address("ann").as_str()).expect("it is there to be accepted");
                rig.hours(1).await;
            }
            Scene::Update => {
                assert_eq!(rig.plex.updates().len(), 1, "one change: {:?}", rig.plex.updates());
                let share = rig.plex.share_of(ANN).expect("Ann is in");
                assert_eq!((share.sections, share.settings.allow_sync), (vec![rig.movies, rig.tv], true));
            }
            Scene::EndOfAPayer => assert_eq!(ended(&rig.plex.deletions()), [(Some(ANN), true)]),
            Scene::IdleRemoval => assert_eq!(ended(&rig.plex.deletions()), [(Some(BOB), true)]),
            Scene::CancelledInvite => assert_eq!(ended(&rig.plex.deletions()), [(Some(ANN), false)]),
        }
        self.rig.close().await;
        let book = self.the_book_is_whole();
        self.each_letter_once(&book);
        assert_eq!(*self.unwritten.lock().unwrap(), Vec::<String>::new(), "done before it was written down");
        assert_eq!(self.rig.amiss(), Vec::<String>::new());
        book
    }

    fn the_book_is_whole(&self) -> Book {
        let loaded = Store::<Book>::read_only(self.rig.state(), Which::Live).expect("the book can be read");
        assert!(loaded.trust.is_sound(), "{}", loaded.trust);
        let book = loaded.book.expect("there is a book");
        assert!(book.intents.is_empty(), "nothing is under way: {:?}", book.intents);
        assert_eq!(book.notices_open(), 0, "every letter is out: {:#?}", book.outbox);
        let line = match self.scene {
            Scene::Invite => "invited",
            Scene::Update => "share changed to",
            Scene::EndOfAPayer | Scene::IdleRemoval => "removed:",
            Scene::CancelledInvite => "invite taken back:",
        };
        let journal = self.journal(&book);
        let told = journal.iter().filter(|entry| entry.starts_with(line)).count();
        assert_eq!(told, 1, "the journal tells it once: {journal:#?}");
        book
    }

    fn journal(&self, book: &Book) -> Vec<String> {
        let name = if self.scene == Scene::IdleRemoval { "bob" } else { "ann" };
        let is_theirs = |member: &&usher::ledger::Member| {
            member.plex == Some(if name == "bob" { BOB } else { ANN }) || !member.customers.is_empty()
        };
        let members: Vec<_> = book.members.values().filter(is_theirs).collect();
        assert_eq!(members.len(), 1, "{name} stands in the book once");
        members[0].journal.iter().map(|entry| entry.what.clone()).collect()
    }

    /// A letter may come twice only under the same Message-ID, and counted.
    fn each_letter_once(&self, book: &Book) {
        let mut seen = BTreeSet::new();
        let mails = self.rig.smtp.received();
        let doubles = mails.iter().filter(|mail| !seen.insert(mail.message_id.clone())).count() as u64;
        assert!(doubles <= book.repeats, "{doubles} doubles, {} counted", book.repeats);
        let wanted = match self.scene {
            Scene::Invite | Scene::Update | Scene::CancelledInvite => 0,
            Scene::EndOfAPayer | Scene::IdleRemoval => 1,
        };
        let name = if self.scene == Scene::IdleRemoval { "bob" } else { "ann" };
        let mails = self.rig.smtp.received_for(&address(name));
        let letters = |subject: &str| -> BTreeSet<String> {
            mails.iter().filter(|mail| mail.subject == subject).map(|mail| mail.message_id.clone()).collect()
        };
        assert_eq!(letters(GONE).len(), wanted, "{:?}", self.rig.subjects_to(name));
        if name == "ann" {
            assert_eq!(letters("Your invitation to Attic Cinema").len(), 1, "{:?}", self.rig.subjects_to(name));
            let welcomes = usize::from(self.scene != Scene::CancelledInvite);
            assert_eq!(letters("Welcome to Attic Cinema").len(), welcomes, "{:?}", self.rig.subjects_to(name));
        }
    }
}

fn ended(deletions: &[Deleted]) -> Vec<(Option<PlexId>, bool)> {
    deletions.iter().map(|deleted| (deleted.account, deleted.was_accepted)).collect()
}

/// This scene's action in the book, written down so far.
pub fn under_way(book: &Book, wanted: fn(&IntentState) -> bool) -> bool {
    book.intents.values().any(|intent| !matches!(intent.act, Act::Forget { .. }) && wanted(&intent.state))
}
