//! The billing loop: who pays. Polls Stripe whole, and looks at single
//! customers at once when a webhook hints at them.
//!
//! A webhook is never data: it only makes us look. Lost, doubled, late and
//! forged ones change nothing but when we look (promise 4).
//!
//! While Stripe fails, two tries are under way: the poll's, by its back-off, and
//! one hint's, half as long again as Stripe has been failing. Hints that arrive
//! meanwhile wait with that one. The first good answer of either ends both waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Rhythm, Taken, read};
use crate::backoff;
use crate::clock::Clock;
use crate::engine::desk::Hint;
use crate::engine::mailbox::{Mail, Post};
use crate::engine::snapshot::Needs;
use crate::facts::{CustomerId, CustomerLook, Moment, Reading, Source};
use crate::limits::HINTS_MAX;
use crate::services::http::rest::present;
use crate::services::stripe::Stripe;

/// Polls and follows hints until the engine is gone.
pub async fn run(rhythm: Rhythm, stripe: Stripe, hints: mpsc::Receiver<Hint>, post: Post) {
    let (clock, needs) = (rhythm.clock.clone(), rhythm.needs.clone());
    let shared =
        Shared { poll_now: Arc::default(), heard: watch::Sender::new(None), polled: watch::Sender::new(Polled::Not) };
    let hint_waits = watch::Sender::new(false);
    let rhythm = rhythm.hurried_by(hint_waits.subscribe());
    let looking = Looking { clock, stripe: stripe.clone(), needs };
    tokio::join!(poll(rhythm, stripe, post.clone(), shared.clone()), follow(looking, hints, post, shared, hint_waits));
}

/// What the poll and the hints know of each other.
#[derive(Clone)]
struct Shared {
    /// A poll is wanted before its time.
    poll_now: Arc<Notify>,
    /// When the last webhook was heard.
    heard: watch::Sender<Option<Moment>>,
    /// How the last poll ended.
    polled: watch::Sender<Polled>,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    /// There was none yet.
    Not,
    /// Whole; begun then.
    Whole(Moment),
    /// It failed.
    Failed,
}

async fn poll(mut rhythm: Rhythm, stripe: Stripe, post: Post, shared: Shared) {
    loop {
        let needs = rhythm.needs.borrow().clone();
        let whole = async {
            let (mut billing, skew) = stripe.billing(needs.cursor.as_ref(), &needs.running).await?;
            if let Some(due) = &needs.entitled {
                billing.entitled = stripe.entitled(&billing, due).await;
            }
            Ok((billing, skew))
        };
        let mut taken = read(&rhythm.clock, whole).await;
        post.rests(Source::Stripe, taken.asked).await;
        if let Some(mut reading) = taken.reading.take() {
            if let Reading::Read(whole) = &mut reading {
                whole.value.webhook_heard = *shared.heard.borrow();
            }
            post.stripe(reading);
        }
        shared.polled.send_replace(if taken.succeeded { Polled::Whole(taken.begun) } else { Polled::Failed });
        tokio::select! {
            biased;
            () = rhythm.rest(&taken) => {}
            () = shared.poll_now.notified() => {}
        }
    }
}

/// What a look at one customer needs.
struct Looking {
    clock: Clock,
    stripe: Stripe,
    needs: watch::Receiver<Arc<Needs>>,
}

impl Looking {
    async fn look(&self, id: &CustomerId) -> Taken<CustomerLook> {
        let are_used = self.needs.borrow().entitled.is_some();
        let whole = async {
            let mut look = self.stripe.customer(id).await?;
            if are_used && look.subscriptions.iter().any(|subscription| subscription.status.is_running()) {
                look.entitled = Some(self.stripe.entitlement_look(id).await);
            }
            Ok((look, None))
        };
        read(&self.clock, whole).await
    }
}

/// Hints that were not followed yet, and when each was left.
#[derive(Default)]
struct Waiting {
    customers: BTreeMap<CustomerId, Moment>,
    everything: Option<Moment>,
}

impl Waiting {
    fn take(&mut self, now: Moment, hint: Hint) {
        match hint {
            Hint::Customer(id) if self.customers.len() < HINTS_MAX => drop(self.customers.insert(id, now)),
            Hint::Customer(_) | Hint::Everything => self.everything = Some(now),
        }
    }

    /// A whole reading that was begun after a hint says what it hinted at.
    fn are_met_by(&mut self, begun: Moment) {
        self.customers.retain(|_, left| *left >= begun);
        self.everything = self.everything.filter(|left| *left >= begun);
    }

    fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.everything.is_none()
    }
}

/// Since when hints could not be followed, and when the next try is.
#[derive(Clone, Copy)]
struct Failing {
    since: Instant,
    again: Instant,
}

async fn follow(
    looking: Looking,
    mut hints: mpsc::Receiver<Hint>,
    post: Post,
    shared: Shared,
    hint_waits: watch::Sender<bool>,
) {
    let mut polls = shared.polled.subscribe();
    let mut waiting = Waiting::default();
    let mut failing: Option<Failing> = None;
    loop {
        tokio::select! {
            biased;
            hint = hints.recv() => {
                let Some(hint) = hint else { return std::future::pending().await };
                let now = looking.clock.now();
                shared.heard.send_replace(Some(now));
                // A full queue may have turned hints away.
                if hints.len() + 1 >= HINTS_MAX {
                    waiting.everything = Some(now);
                }
                waiting.take(now, hint);
                while let Ok(hint) = hints.try_recv() {
                    waiting.take(now, hint);
                }
                if failing.is_some() {
                    continue; // It waits with the others.
                }
            }
            () = due(failing), if !waiting.customers.is_empty() => {}
            Ok(()) = polls.changed() => match *polls.borrow_and_update() {
                Polled::Whole(begun) => {
                    waiting.are_met_by(begun);
                    failing = None;
                }
                Polled::Not | Polled::Failed => continue,
            },
        }
        let looked = match look_at_all(&looking, &mut waiting, &post).await {
            Followed::EngineGone => return,
            Followed::All { looked } => {
                failing = None;
                looked
            }
            Followed::NotNow { why, asked } => {
                if failing.is_none() {
                    tracing::warn!("a hint could not be followed, and is followed again soon: {why}");
                }
                failing = Some(later(failing, asked, &shared));
                0
            }
        };
        let poll_fails = *shared.polled.borrow() == Polled::Failed;
        let answered = poll_fails && looked > 0;
        if failing.is_none() && (answered || (waiting.everything.is_some() && !poll_fails)) {
            waiting.everything = None;
            shared.poll_now.notify_one();
        }
        hint_waits.send_if_modified(|known| {
            let waits = !waiting.is_empty();
            std::mem::replace(known, waits) != waits
        });
    }
}

/// What came of following all hints.
enum Followed {
    /// Nobody takes looks any more.
    EngineGone,
    /// So many customers were looked at.
    All { looked: usize },
    /// Stripe could not be asked; it may have asked for rest.
    NotNow { why: String, asked: Option<Duration> },
}

/// Stops at the first that fails: the others would fail as well.
async fn look_at_all(looking: &Looking, waiting: &mut Waiting, post: &Post) -> Followed {
    let mut looked = 0;
    while let Some((id, left)) = waiting.customers.pop_first() {
        let mut taken = looking.look(&id).await;
        match taken.reading.take() {
            Some(Reading::Read(whole)) => {
                looked += 1;
                if !post.send(Mail::Customer(Box::new(whole.value))).await {
                    return Followed::EngineGone;
                }
            }
            Some(Reading::Unread(unread)) => {
                waiting.customers.insert(id, left);
                post.rests(Source::Stripe, taken.asked).await;
                return Followed::NotNow { why: unread.why, asked: taken.asked };
            }
            None => {}
        }
    }
    Followed::All { looked }
}

/// When hints are followed again.
fn later(failing: Option<Failing>, asked: Option<Duration>, shared: &Shared) -> Failing {
    let now = present();
    if failing.is_some() && *shared.polled.borrow() != Polled::Failed {
        // Twice in a row, and the poll knows nothing of it: perhaps it is this
        // one customer who can't be read, and the poll can.
        shared.poll_now.notify_one();
    }
    let since = failing.map_or(now, |failing| failing.since);
    let wait = backoff::hint_delay(now - since).max(asked.unwrap_or_default());
    Failing { since, again: now + wait }
}

async fn due(failing: Option<Failing>) {
    match failing {
        Some(failing) => sleep_until(failing.again).await,
        None => std::future::pending().await,
    }
}
