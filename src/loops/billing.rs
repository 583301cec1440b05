//! The billing loop: who pays. Polls Stripe whole, and looks at single
//! customers at once when a webhook hints at them.
//!
//! A webhook is never data: it only makes us look. Lost, doubled, late and
//! forged ones change nothing but when we look (promise 4).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use super::{Rhythm, read};
use crate::clock::Clock;
use crate::engine::desk::Hint;
use crate::engine::mailbox::{Mail, Post};
use crate::engine::snapshot::Needs;
use crate::facts::{CustomerId, CustomerLook, Moment, Reading};
use crate::limits::HINTS_MAX;
use crate::services::stripe::Stripe;

/// Polls and follows hints until the engine is gone.
pub async fn run(rhythm: Rhythm, stripe: Stripe, hints: mpsc::Receiver<Hint>, post: Post) {
    let poll_now = Arc::new(Notify::new());
    let (clock, needs) = (rhythm.clock.clone(), rhythm.needs.clone());
    let heard = watch::Sender::new(None);
    tokio::join!(
        poll(rhythm, stripe.clone(), post.clone(), poll_now.clone(), heard.subscribe()),
        follow(Looking { clock, stripe, needs }, hints, post, poll_now, heard)
    );
}

async fn poll(
    mut rhythm: Rhythm,
    stripe: Stripe,
    post: Post,
    now: Arc<Notify>,
    heard: watch::Receiver<Option<Moment>>,
) {
    loop {
        let needs = rhythm.needs.borrow().clone();
        let whole = async {
            let (mut billing, skew) = stripe.billing(needs.cursor.as_ref(), &needs.running).await?;
            if let Some(due) = &needs.entitled {
                billing.entitled = stripe.entitled(&billing, due).await;
            }
            Ok((billing, skew))
        };
        let (begun, mut reading) = read(&rhythm.clock, whole).await;
        if let Reading::Read(whole) = &mut reading {
            whole.value.webhook_heard = *heard.borrow();
        }
        let succeeded = matches!(reading, Reading::Read(_));
        post.stripe(reading);
        tokio::select! {
            biased;
            () = rhythm.rest(begun, succeeded) => {}
            () = now.notified() => {}
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
    async fn look(&self, id: &CustomerId) -> Reading<CustomerLook> {
        let are_used = self.needs.borrow().entitled.is_some();
        let whole = async {
            let mut look = self.stripe.customer(id).await?;
            if are_used && look.subscriptions.iter().any(|subscription| subscription.status.is_running()) {
                look.entitled = Some(self.stripe.entitlement_look(id).await);
            }
            Ok((look, None))
        };
        read(&self.clock, whole).await.1
    }
}

async fn follow(
    looking: Looking,
    mut hints: mpsc::Receiver<Hint>,
    post: Post,
    poll_now: Arc<Notify>,
    heard: watch::Sender<Option<Moment>>,
) {
    while let Some(first) = hints.recv().await {
        heard.send_replace(Some(looking.clock.now()));
        let mut customers: BTreeSet<CustomerId> = BTreeSet::new();
        // A full queue may have turned hints away.
        let mut everything = hints.len() + 1 >= HINTS_MAX;
        let mut take = |hint| match hint {
            Hint::Customer(id) if customers.len() < HINTS_MAX => drop(customers.insert(id)),
            Hint::Customer(_) | Hint::Everything => everything = true,
        };
        take(first);
        while let Ok(hint) = hints.try_recv() {
            take(hint);
        }
        for id in customers {
            match looking.look(&id).await {
                Reading::Read(whole) => {
                    if !post.send(Mail::Customer(Box::new(whole.value))).await {
                        return;
                    }
                }
                Reading::Unread(unread) => {
                    tracing::warn!(customer = %id, "a hint could not be followed, the next poll will: {}", unread.why);
                    everything = true;
                }
            }
        }
        if everything {
            poll_now.notify_one();
        }
    }
    std::future::pending().await
}
