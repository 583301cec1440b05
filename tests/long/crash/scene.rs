//! Every kind of action, each just about to come due in a running house, and
//! what must have come of it in the end, whatever happened in between.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::faults::{Fault, Faults, Matching, Rule};
use sandbox::plex::Deleted;
use sandbox::rig::{BEGINNING, Rig, address};
use sandbox::stripe::Status;
use sandbox::time::moment;
use serde_json::json;
use usher::facts::PlexId;
use usher::ledger::{Act, Book, Intent, IntentState};
use usher::store::{Store, Which};

use sandbox::trap::{Trap, book};

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
    /// Ann, who pays, is revoked, and her subscription cancelled.
    Cancellation,
    /// Ann's subscription ended a day ago (`UNFRIEND_AFTER_DAYS=1`).
    Unfriending,
    /// Bob was removed a day ago (`TAUTULLI_FORGET_DAYS=1`).
    Forgetting,
    /// Bob was removed and deleted in Tautulli; the operator restores him.
    Remembering,
}

impl Scene {
    /// Whether it is about Bob, who doesn't watch, and not Ann, who pays.
    fn is_bobs(self) -> bool {
        matches!(self, Self::IdleRemoval | Self::Forgetting | Self::Remembering)
    }

    fn who(self) -> (&'static str, PlexId) {
        if self.is_bobs() { ("bob", BOB) } else { ("ann", ANN) }
    }

    /// Whether this is what the scene is about, and not what led to it.
    pub fn is_about(self, act: &Act) -> bool {
        match self {
            Self::Invite => matches!(act, Act::Invite { .. }),
            Self::Update => matches!(act, Act::Update { .. }),
            Self::EndOfAPayer | Self::IdleRemoval | Self::CancelledInvite => matches!(act, Act::End { .. }),
            Self::Cancellation => matches!(act, Act::Cancel { .. }),
            Self::Unfriending => matches!(act, Act::Unfriend { .. }),
            Self::Forgetting => matches!(act, Act::Forget { .. }),
            Self::Remembering => matches!(act, Act::Remember { .. }),
        }
    }
}

const ANN: PlexId = PlexId(2_000_001);
const BOB: PlexId = PlexId(2_000_002);
const HALF_AN_HOUR: u64 = 1800;
const FOUR_HOURS: u64 = 4 * 3600;
const GONE: &str = "Your access to Attic Cinema has ended";

/// The house, with the action about to come due.
pub struct Stage {
    pub rig: Rig,
    pub trap: Trap,
    scene: Scene,
    sub: Option<String>,
    /// The operator's word was not answered.
    unheard: Cell<bool>,
    unwritten: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// Everything up to the moment before.
    pub async fn set(scene: Scene, name: &str) -> Self {
        let mut rig = Rig::new(&format!("{scene:?}-{name}")).await;
        look_every(&mut rig, HALF_AN_HOUR);
        rig.set("EXPIRY_SETTLE_HOURS", "1");
        rig.set("KICK_DAYS", "28");
        match scene {
            Scene::Unfriending => rig.set("UNFRIEND_AFTER_DAYS", "1"),
            Scene::Forgetting => rig.set("TAUTULLI_FORGET_DAYS", "1"),
            Scene::Remembering => rig.set("TAUTULLI_FORGET_DAYS", "0"),
            _ => {}
        }
        let trap = Trap::new(rig.state());
        rig.options.hook = trap.hook();
        for (id, name) in [(2_000_003, "carl"), (2_000_004, "dora")] {
            let friend = rig.old_friend(id, name, 100);
            rig.watched(friend, TimeDelta::days(1));
        }
        if scene.is_bobs() {
            rig.old_friend(BOB.0, "bob", 100);
            rig.watched(BOB, TimeDelta::days(27));
        } else {
            rig.person(ANN.0, "ann");
        }
        let mut stage = Self { rig, trap, scene, sub: None, unheard: Cell::default(), unwritten: Arc::default() };
        stage.watch_the_order();
        stage.rig.open().await;
        stage.prepare().await;
        stage
    }

    /// Nothing is changed outside that the book doesn't call attempted.
    fn watch_the_order(&self) {
        for faults in [self.rig.plex.faults(), self.rig.stripe.faults(), self.rig.tautulli.faults()] {
            let (folder, unwritten) = (self.rig.state().to_owned(), self.unwritten.clone());
            let look = move |request: &sandbox::base::Request| {
                let attempted = |intent: &Intent| matches!(intent.state, IntentState::Attempted { .. });
                let written = || book(&folder).is_some_and(|book| book.intents.values().any(attempted));
                if request.change && !written() {
                    unwritten.lock().unwrap().push(format!("{} {}", request.method, request.path));
                }
                false
            };
            faults.add(Rule::new(Matching::when(look), Fault::Hang));
        }
    }

    /// The service that the action changes.
    pub fn faults(&self) -> Faults {
        match self.scene {
            Scene::Cancellation => self.rig.stripe.faults(),
            Scene::Forgetting | Scene::Remembering => self.rig.tautulli.faults(),
            _ => self.rig.plex.faults(),
        }
    }

    /// Lets hours pass in which nothing is about to come due, looking seldom.
    async fn hours_go_by(&mut self, hours: u64) {
        self.rig.close().await;
        look_every(&mut self.rig, FOUR_HOURS);
        self.rig.open().await;
        self.rig.hours(hours).await;
        self.rig.close().await;
        look_every(&mut self.rig, HALF_AN_HOUR);
        self.rig.open().await;
    }

    async fn prepare(&mut self) {
        match self.scene {
            Scene::Invite => {}
            Scene::IdleRemoval | Scene::Forgetting | Scene::Remembering => self.bob_does_not_watch().await,
            _ => self.ann_pays().await,
        }
    }

    async fn bob_does_not_watch(&mut self) {
        // Warned at once on Saturday morning, with all of Sunday left.
        self.rig.minutes(15).await;
        self.hours_go_by(37).await;
        assert_eq!(self.rig.subjects_to("bob").len(), 1, "the warning is out");
        let sunday_2345 = moment(BEGINNING) + TimeDelta::minutes(38 * 60 + 45);
        self.rig.pass((sunday_2345 - self.rig.now()).to_std().expect("it is still Sunday")).await;
        if self.scene != Scene::IdleRemoval {
            self.rig.hours(2).await;
            assert_eq!(ended(&self.rig.plex.deletions()), [(Some(BOB), true)], "he is out");
        }
        if self.scene == Scene::Forgetting {
            self.hours_go_by(22).await;
        }
        assert_eq!(self.rig.tautulli.is_deleted(BOB), self.scene == Scene::Remembering);
    }

    async fn ann_pays(&mut self) {
        let rig = &mut self.rig;
        let customer = rig.stripe.customer(&address("ann"), "Ann");
        let sub = rig.stripe.subscribe(&customer, &rig.basic);
        rig.minutes(5).await;
        if self.scene != Scene::CancelledInvite {
            rig.plex.accept_invite(address("ann").as_str()).expect("Ann is invited");
        }
        if self.scene == Scene::Unfriending {
            rig.plex.befriend(ANN);
        }
        rig.minutes(65).await;
        if !matches!(self.scene, Scene::Update | Scene::Cancellation) {
            rig.stripe.cancel_now(&sub, "cancellation_requested");
            rig.minutes(50).await; // EXPIRY_SETTLE_HOURS=1 is nearly over.
        }
        self.sub = Some(sub);
        if self.scene == Scene::Unfriending {
            self.rig.hours(1).await;
            assert_eq!(ended(&self.rig.plex.deletions()), [(Some(ANN), true)], "she is out");
            self.hours_go_by(22).await;
            assert!(self.rig.plex.is_friend(ANN), "not yet");
        }
    }

    /// The action comes due, by itself or by this.
    pub async fn begin(&self) {
        let rig = &self.rig;
        match (self.scene, &self.sub) {
            (Scene::Invite, _) => {
                let customer = rig.stripe.customer(&address("ann"), "Ann");
                rig.stripe.subscribe(&customer, &rig.basic);
            }
            (Scene::Update, Some(sub)) => rig.stripe.change_price(sub, &rig.premium),
            (Scene::Cancellation, _) => self.say(json!({ "ask": "revoke", "who": "ann", "cancel": "now" })).await,
            (Scene::Remembering, _) => self.say(json!({ "ask": "restore", "who": "bob" })).await,
            _ => {}
        }
    }

    /// What the operator types. They type it again after a restart if the
    /// daemon died before it answered.
    async fn say(&self, ask: serde_json::Value) {
        let said_before = self.unheard.get();
        let answer = self.rig.try_ask(ask).await.unwrap_or_default();
        let refused = answer["error"]["code"].as_str();
        self.unheard.set(refused == Some("stopping"));
        // What was done before the answer was lost is refused the second time.
        let known = said_before && refused == Some("refused");
        assert!(refused.is_none() || self.unheard.get() || known, "{answer}");
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
            if self.faults().struck(fault) > 0 {
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
        if self.unheard.get() {
            self.begin().await;
        }
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
            Scene::EndOfAPayer | Scene::Unfriending => assert_eq!(ended(&rig.plex.deletions()), [(Some(ANN), true)]),
            Scene::IdleRemoval | Scene::Forgetting => assert_eq!(ended(&rig.plex.deletions()), [(Some(BOB), true)]),
            Scene::CancelledInvite => assert_eq!(ended(&rig.plex.deletions()), [(Some(ANN), false)]),
            Scene::Cancellation => {
                let sub = self.sub.as_deref().expect("she had one");
                assert_eq!(rig.stripe.status(sub), Some(Status::Canceled));
                assert_eq!(ended(&rig.plex.deletions()), [(Some(ANN), true)], "and then she is out");
            }
            Scene::Remembering => {
                assert!(!rig.tautulli.is_deleted(BOB), "taken back");
                assert_eq!(rig.plex.invites_sent().len(), 1, "and invited once");
                rig.plex.accept_invite(BOB).expect("it is there to be accepted");
                rig.hours(1).await;
            }
        }
        assert!(self.scene != Scene::Unfriending || !rig.plex.is_friend(ANN), "the friendship has ended");
        // To delete twice is to delete once; nothing reads it back.
        assert_eq!(rig.tautulli.is_deleted(BOB), self.scene == Scene::Forgetting);
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
            Scene::Cancellation => &format!("{} cancelled at Stripe:", self.sub.as_deref().expect("she had one")),
            Scene::Unfriending => "no friend at plex.tv any more",
            Scene::Forgetting => "deleted in Tautulli",
            Scene::Remembering => "taken back in Tautulli:",
        };
        let journal = self.journal(&book);
        let told = journal.iter().filter(|entry| entry.starts_with(line)).count();
        assert_eq!(told, 1, "the journal tells it once: {journal:#?}");
        book
    }

    fn journal(&self, book: &Book) -> Vec<String> {
        let (name, plex) = self.scene.who();
        let is_theirs = |member: &&usher::ledger::Member| member.plex == Some(plex) || !member.customers.is_empty();
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
        let stays = matches!(self.scene, Scene::Invite | Scene::Update | Scene::CancelledInvite);
        let wanted = usize::from(!stays);
        let (name, _) = self.scene.who();
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

/// How often the daemon looks at each service, from its next start on.
fn look_every(rig: &mut Rig, secs: u64) {
    for name in ["CHECK_NEW_USERS_SECS", "CHECK_BILLING_SECS", "CHECK_INACTIVITY_SECS"] {
        rig.set(name, &secs.to_string());
    }
}
