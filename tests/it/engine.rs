//! The engine by itself: what the loops post to it, what it hands to the act
//! and the couriers, and what it has written down by then. A pass takes no
//! time and touches no network.

mod acts;
mod asking;
mod clocks;
mod couriers;
mod disk;
mod orders;
mod readings;
mod views;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use usher::clock::Clock;
use usher::engine::act::{Acted, Job, LookFor, Looked};
use usher::engine::desk::{Answer, Ask, Health, View, Wish};
use usher::engine::mailbox::{self, Mail, Post};
use usher::engine::snapshot::{Needs, Nothing};
use usher::engine::{Engine, Parts};
use usher::facts::{
    CustomerLook, Moment, PlexId, Reading, ShareLook, Source, Stated, SubscriptionId, WatchLook, Whole,
};
use usher::ledger::{Act, ActKey, Book, Channel, Delivered, DeliveryOutcome, Dispatch, Ways};
use usher::policy::Rules;
use usher::policy::brake::SecondLook;
use usher::services::failure::Failure;
use usher::store::{Hook, Step, StepFault, Store, StoreError, Which};

use crate::rules::house::House;

/// A folder for a book, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("usher-engine-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An engine at work, and everything around it played by hand.
struct Room {
    /// What the services would say, and the time.
    house: House,
    secs: Arc<AtomicI64>,
    post: Post,
    asks: mpsc::Sender<(Wish, oneshot::Sender<Answer>)>,
    jobs: mpsc::Receiver<Job>,
    mails: mpsc::Receiver<Dispatch>,
    needs: watch::Receiver<Arc<Needs>>,
    view: watch::Receiver<Arc<dyn View>>,
    /// What goes wrong at each commit.
    fault: Arc<Mutex<Option<(Step, StepFault)>>>,
    commits: Arc<AtomicU32>,
    stop: Option<oneshot::Sender<()>>,
    engine: JoinHandle<Result<(), StoreError>>,
    folder: Folder,
}

impl Room {
    /// With an empty book and mail to everybody.
    fn new() -> Self {
        Self::with(|_| ())
    }

    /// As changed before the engine begins.
    fn with(change: impl FnOnce(&mut Parts)) -> Self {
        Self::of(House::new(), Folder::new(), change)
    }

    /// With other wishes of the operator's.
    fn ruled(change: impl FnOnce(&mut Rules)) -> Self {
        Self::with(|parts| change(Arc::make_mut(&mut parts.rules)))
    }

    /// A process that begins when this has happened, all of it on paper.
    fn after(house: House) -> Self {
        Self::of(house, Folder::new(), |_| ())
    }

    fn of(mut house: House, folder: Folder, change: impl FnOnce(&mut Parts)) -> Self {
        house.rules.admin_email = usher::facts::Email::parse("operator@example.com");
        house.rules.ways = Ways { mail: true, operator_mail: true, discord: false, dry_run: false };
        house.book.committed = house.now;
        let secs = Arc::new(AtomicI64::new(house.now.timestamp()));
        let (commits, fault) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(None)));
        let hook: Hook = Some(Arc::new({
            let (commits, fault) = (commits.clone(), fault.clone());
            move |step| {
                if step == Step::HistoryAppended {
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                match *fault.lock().unwrap() {
                    Some((at, fault)) if at == step => Err(fault),
                    _ => Ok(()),
                }
            }
        }));
        let (store, _) = Store::open(&folder.0, Which::Live, hook, house.now).unwrap();
        let (mailbox, post, asks) = mailbox::mailbox();
        let (acts, jobs) = mpsc::channel(1);
        let (mail, mails) = mpsc::channel(1);
        let nothing: Arc<dyn View> = Arc::new(Nothing { started: house.now });
        let (publish, view) = watch::channel(nothing);
        let (needs_tx, needs) = watch::channel(Arc::new(Needs::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        house.book.version = usher::ledger::VERSION.to_owned();
        let mut parts = Parts {
            store,
            book: house.book.clone(),
            live: None,
            rehearsed: false,
            rules: Arc::new(house.rules.clone()),
            only_look: None,
            forgotten: Vec::new(),
            clock: Clock::from_fn({
                let secs = secs.clone();
                move || Moment::from_timestamp(secs.load(Ordering::Relaxed), 0).unwrap()
            }),
            mail_domain: "attic.example".into(),
            acts,
            couriers: BTreeMap::from([(Channel::Mail, mail)]),
            publish,
            needs: needs_tx,
        };
        change(&mut parts);
        house.rules = (*parts.rules).clone();
        let engine = tokio::spawn(Engine::new(parts).run(mailbox, async move { drop(stopped.await) }));
        Self { house, secs, post, asks, jobs, mails, needs, view, fault, commits, stop: Some(stop), engine, folder }
    }

    fn now(&self) -> Moment {
        self.house.now
    }

    fn later(&mut self, span: TimeDelta) {
        self.house.later(span);
        self.secs.store(self.house.now.timestamp(), Ordering::Relaxed);
    }

    /// The engine takes up what was posted.
    async fn pass(&self) {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
    }

    async fn send(&self, mail: Mail) {
        assert!(self.post.send(mail).await);
        self.pass().await;
    }

    async fn tick(&self) {
        self.send(Mail::Tick).await;
    }

    fn whole<T: Clone>(&self, value: &T) -> Whole<T> {
        Whole { begun: self.now(), at: self.now(), skew_secs: Some(0), value: value.clone() }
    }

    async fn reads_plex(&self) {
        self.post.plex(Reading::Read(self.whole(&self.house.friends)));
        self.pass().await;
    }

    async fn reads_stripe(&mut self) {
        let all = self.house.billing.subscriptions.clone();
        self.house.billing.stated = all.into_iter().map(|(id, sub)| (id, Stated::Is(Box::new(sub)))).collect();
        self.post.stripe(Reading::Read(self.whole(&self.house.billing)));
        self.pass().await;
    }

    async fn reads_tautulli(&self) {
        self.post.tautulli(Reading::Read(self.whole(&self.house.activity)));
        self.pass().await;
    }

    async fn reads(&mut self) {
        self.reads_plex().await;
        self.reads_stripe().await;
        self.reads_tautulli().await;
    }

    /// Everything was looked at twice, and the house is adopted.
    async fn opens(&mut self) {
        self.reads().await;
        self.later(TimeDelta::minutes(1));
        self.reads().await;
        self.later(TimeDelta::minutes(1));
    }

    /// `cus_NAME` subscribes to Basic, and Stripe is read.
    async fn subscribes(&mut self, name: &str) -> SubscriptionId {
        let sub = self.house.subscribe(&format!("sub_{name}"), name, "price_basic");
        self.reads_stripe().await;
        sub
    }

    /// The look that the engine wants taken now.
    #[track_caller]
    fn look(&mut self) -> Option<LookFor> {
        match self.jobs.try_recv().ok()? {
            Job::Look(look) => Some(*look),
            Job::Do { order, .. } => panic!("a look comes first: {:?}", order.get()),
        }
    }

    /// The look is taken, and all is as it was.
    async fn looked(&mut self, wanted: &LookFor) {
        let looked = self.taken(wanted);
        self.send(Mail::Looked(Box::new(looked))).await;
    }

    /// What the look comes to when all is as it was.
    fn taken(&self, wanted: &LookFor) -> Looked {
        let shares = self.house.friends.shares.iter().filter(|share| wanted.whom.is(share)).cloned().collect();
        let mut answered = vec![Source::Plex];
        answered.extend(wanted.created_since.map(|_| Source::Stripe));
        answered.extend(wanted.watcher.map(|_| Source::Tautulli));
        Looked {
            key: wanted.key.clone(),
            share: Some(ShareLook {
                begun: self.now(),
                whom: wanted.whom.clone(),
                shares,
                elsewhere: false,
                home: false,
                sections: wanted.sections.then(|| self.house.friends.sections.clone()),
            }),
            customers: wanted.customers.iter().map(|id| self.customer(&id.0)).collect(),
            created: Vec::new(),
            watch: wanted.watcher.map(|account| self.watch(account)),
            second: SecondLook { answered, ..SecondLook::default() },
            failure: None,
        }
    }

    fn watch(&self, account: PlexId) -> WatchLook {
        WatchLook {
            begun: self.now(),
            account,
            connected: true,
            watcher: self.house.activity.people.get(&account).cloned(),
            watching_now: Some(false),
            plays: 0,
        }
    }

    /// What a look at this customer says now.
    fn customer(&self, id: &str) -> CustomerLook {
        let id = id.into();
        CustomerLook {
            begun: self.now(),
            customer: self.house.billing.customers.get(&id).cloned(),
            subscriptions: self
                .house
                .billing
                .subscriptions
                .values()
                .filter(|sub| sub.customer == id)
                .cloned()
                .collect(),
            entitled: None,
            id,
        }
    }

    /// The call that is to be made now.
    fn call(&mut self) -> Option<(ActKey, Act)> {
        match self.jobs.try_recv().ok()? {
            Job::Do { order, .. } => Some((order.get().key.clone(), order.get().act.clone())),
            Job::Look(look) => panic!("a call, not a look: {look:?}"),
        }
    }

    /// The next look is taken, and the call that follows it is handed out.
    async fn attempts(&mut self) -> (ActKey, Act) {
        let look = self.look().expect("a look is wanted");
        self.looked(&look).await;
        self.call().expect("it is admitted")
    }

    /// The call ended now; plex.tv was not read after it.
    async fn ended(&self, key: &ActKey, failure: Option<Failure>) {
        let key = key.clone();
        let acted = Acted { key, ended: self.now(), share: None, failure, after: None, customer: None };
        self.send(Mail::Acted(Box::new(acted))).await;
    }

    /// The letter that is handed out now, if one is.
    fn letters(&mut self) -> Vec<Dispatch> {
        self.mails.try_recv().into_iter().collect()
    }

    async fn delivered(&self, letter: &Dispatch, outcome: DeliveryOutcome) {
        let report = Delivered { key: letter.key.clone(), channel: Channel::Mail, outcome };
        self.send(Mail::Delivered(report)).await;
    }

    async fn asked(&self, ask: Ask, dry_run: bool) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.asks.send((Wish { ask, dry_run }, reply)).await.unwrap();
        answer.await.unwrap()
    }

    /// The book on the disk.
    fn book(&self) -> Book {
        Store::read_only(&self.folder.0, Which::Live).unwrap().book.expect("a book")
    }

    fn commits(&self) -> u32 {
        self.commits.load(Ordering::Relaxed)
    }

    /// When another reading of this source is wished for.
    fn wanted(&self, source: Source) -> Option<Moment> {
        self.needs.borrow().wanted.get(&source).copied()
    }

    fn health(&self) -> Health {
        self.view.borrow().health(self.now())
    }

    fn deadline(&self) -> Option<Moment> {
        self.needs.borrow().deadline
    }
}

fn seconds(secs: i64) -> TimeDelta {
    TimeDelta::seconds(secs)
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}
