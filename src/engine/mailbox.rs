//! The engine's mailbox: one slot per source for readings, newest wins; a
//! bounded queue for everything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::act::{Acted, Looked};
use super::desk::{Answer, Wish};
use crate::facts::{Activity, Billing, CustomerLook, Friends, Reading, Source};
use crate::ledger::Delivered;
use crate::limits;
use crate::policy::Tiers;

/// What comes in by the queue.
#[derive(Debug)]
pub enum Mail {
    /// A look at one customer, because of a hint.
    Customer(Box<CustomerLook>),
    /// The looks that an intent needs before its call.
    Looked(Box<Looked>),
    /// What became of a call.
    Acted(Box<Acted>),
    /// What became of a letter.
    Delivered(Delivered),
    /// A deadline of the book has come.
    Tick,
    /// A service asked a loop not to be called for so long.
    Rests(Source, Duration),
    /// The tiers file was edited.
    Tiers(Result<Tiers, String>),
}

/// Everything that one pass takes up.
#[derive(Debug, Default)]
pub struct Drained {
    /// Readings, the newest of each source.
    pub plex: Option<Reading<Friends>>,
    /// Stripe's.
    pub stripe: Option<Reading<Billing>>,
    /// Tautulli's.
    pub tautulli: Option<Reading<Activity>>,
    /// The queue.
    pub mail: Vec<Mail>,
    /// Asks and where to answer them.
    pub asks: Vec<(Wish, oneshot::Sender<Answer>)>,
}

impl Drained {
    /// Nothing came: a reading was taken along with the mail that woke us.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plex.is_none()
            && self.stripe.is_none()
            && self.tautulli.is_none()
            && self.mail.is_empty()
            && self.asks.is_empty()
    }
}

#[derive(Default)]
struct Slots {
    plex: Option<Reading<Friends>>,
    stripe: Option<Reading<Billing>>,
    tautulli: Option<Reading<Activity>>,
}

/// How loops and acts post to the engine. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    slots: Arc<Mutex<Slots>>,
    arrived: Arc<Notify>,
    queue: mpsc::Sender<Mail>,
}

/// The engine's end.
pub struct Mailbox {
    slots: Arc<Mutex<Slots>>,
    arrived: Arc<Notify>,
    queue: mpsc::Receiver<Mail>,
    asks: mpsc::Receiver<(Wish, oneshot::Sender<Answer>)>,
}

/// A mailbox, the way to post to it, and the way to ask.
#[must_use]
pub fn mailbox() -> (Mailbox, Post, mpsc::Sender<(Wish, oneshot::Sender<Answer>)>) {
    let (queue, queued) = mpsc::channel(limits::MAILBOX_CAPACITY);
    let (ask, asks) = mpsc::channel(limits::CONNECTIONS_MAX);
    let slots = Arc::new(Mutex::new(Slots::default()));
    let arrived = Arc::new(Notify::new());
    let post = Post { slots: slots.clone(), arrived: arrived.clone(), queue };
    (Mailbox { slots, arrived, queue: queued, asks }, post, ask)
}

impl Post {
    fn put(&self, change: impl FnOnce(&mut Slots)) {
        change(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_one();
    }

    /// A reading of plex.tv.
    pub fn plex(&self, reading: Reading<Friends>) {
        self.put(|slots| slots.plex = Some(reading));
    }

    /// A reading of Stripe.
    pub fn stripe(&self, reading: Reading<Billing>) {
        self.put(|slots| slots.stripe = Some(reading));
    }

    /// A reading of Tautulli.
    pub fn tautulli(&self, reading: Reading<Activity>) {
        self.put(|slots| slots.tautulli = Some(reading));
    }

    /// A service asked for rest, if it did.
    pub async fn rests(&self, source: Source, asked: Option<Duration>) {
        if let Some(asked) = asked {
            // Whether the engine is gone is noticed elsewhere.
            let _ = self.send(Mail::Rests(source, asked)).await;
        }
    }

    /// Anything else. Waits while the queue is full; false when the engine is gone.
    pub async fn send(&self, mail: Mail) -> bool {
        self.queue.send(mail).await.is_ok()
    }
}

impl Mailbox {
    /// Waits until there is something, then takes all of it.
    pub async fn drain(&mut self) -> Drained {
        loop {
            let drained = self.drain_once().await;
            if !drained.is_empty() {
                return drained;
            }
        }
    }

    async fn drain_once(&mut self) -> Drained {
        let mut drained = Drained::default();
        tokio::select! {
            biased;
            Some(ask) = self.asks.recv() => drained.asks.push(ask),
            Some(mail) = self.queue.recv() => drained.mail.push(mail),
            () = self.arrived.notified() => {}
        }
        while let Ok(ask) = self.asks.try_recv() {
            drained.asks.push(ask);
        }
        while let Ok(mail) = self.queue.try_recv() {
            drained.mail.push(mail);
        }
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        drained.plex = slots.plex.take();
        drained.stripe = slots.stripe.take();
        drained.tautulli = slots.tautulli.take();
        drained
    }
}
