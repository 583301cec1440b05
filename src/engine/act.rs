//! Acts: the only code that changes anything outside. One at a time.
//!
//! What it promises: before a call, the looks it needs are taken and handed
//! to the engine, which alone decides; after a call, one fresh listing is
//! taken and handed over, and that listing, not the status code, says what
//! became of it. What it never does: try twice, or change anything without an
//! [`Admitted`] order and the [`Live`] token.

use tokio::sync::mpsc;

use super::mailbox::{Mail, Post};
use crate::clock::Clock;
use crate::config::Live;
use crate::facts::{
    Customer, CustomerId, CustomerLook, FailureKind, Moment, PlexId, ServerId, Share, ShareId, ShareLook, Source,
    Subscription, WatchLook, Whom,
};
use crate::ledger::{Act, ActKey, InviteTo};
use crate::policy::brake::{Admitted, Order, SecondLook};
use crate::services::failure::{Certainty, Failure};
use crate::services::plex::{self, Lane, Plex};
use crate::services::stripe::Stripe;
use crate::services::tautulli::Tautulli;

/// The services that an act may call.
#[derive(Clone)]
pub struct Reach {
    /// plex.tv.
    pub plex: Plex,
    /// Stripe, when configured.
    pub stripe: Option<Stripe>,
    /// Tautulli, when configured.
    pub tautulli: Option<Tautulli>,
    /// The right to change anything; `None` in dry run.
    pub live: Option<Live>,
    /// The time.
    pub clock: Clock,
}

/// What the engine has one act do next.
#[derive(Debug)]
pub enum Job {
    /// Take the looks that an intent needs.
    Look(Box<LookFor>),
    /// Make the call.
    Do {
        order: Box<Admitted<Order>>,
        server: ServerId,
        row: Option<Box<Share>>,
        whom: Box<Whom>,
        /// Whose subscription is cancelled, if one is.
        customer: Option<CustomerId>,
    },
}

/// The looks that an intent needs.
#[derive(Debug, Clone)]
pub struct LookFor {
    /// Which intent.
    pub key: ActKey,
    /// Our server.
    pub server: ServerId,
    /// Whom to look up at plex.tv.
    pub whom: Whom,
    /// Their customers at Stripe.
    pub customers: Vec<CustomerId>,
    /// Also everything created at Stripe since then.
    pub created_since: Option<Moment>,
    /// Look them up in Tautulli.
    pub watcher: Option<PlexId>,
    /// Also read the libraries.
    pub sections: bool,
    /// Also ask who is in the owner's Plex Home.
    pub home: bool,
}

/// The looks that were taken.
#[derive(Debug)]
pub struct Looked {
    /// Which intent.
    pub key: ActKey,
    /// plex.tv's answer.
    pub share: Option<ShareLook>,
    /// Stripe's, one a customer.
    pub customers: Vec<CustomerLook>,
    /// Subscriptions created lately.
    pub created: Vec<(Subscription, Customer)>,
    /// Tautulli's.
    pub watch: Option<WatchLook>,
    /// Who answered.
    pub second: SecondLook,
    /// The service that failed, and how.
    pub failure: Option<(Source, Failure)>,
}

/// What became of a call.
#[derive(Debug)]
pub struct Acted {
    /// Which intent.
    pub key: ActKey,
    /// When the call and its read-back had ended.
    pub ended: Moment,
    /// The share that plex.tv named in its answer to an invite.
    pub share: Option<ShareId>,
    /// What went wrong, if anything.
    pub failure: Option<Failure>,
    /// The fresh listing after it.
    pub after: Option<ShareLook>,
    /// The customer after it, where their subscription was cancelled.
    pub customer: Option<CustomerLook>,
}

/// Does one job after the other until there are no more.
pub async fn run(mut jobs: mpsc::Receiver<Job>, post: Post, reach: Reach) {
    while let Some(job) = jobs.recv().await {
        let mail = match job {
            Job::Look(look) => Mail::Looked(Box::new(reach.look(*look).await)),
            Job::Do { order, server, row, whom, customer } => {
                Mail::Acted(Box::new(reach.act(*order, &server, row.as_deref(), *whom, customer).await))
            }
        };
        if !post.send(mail).await {
            return;
        }
    }
}

impl Reach {
    async fn look(&self, wanted: LookFor) -> Looked {
        let mut looked = Looked {
            key: wanted.key.clone(),
            share: None,
            customers: Vec::new(),
            created: Vec::new(),
            watch: None,
            second: SecondLook::default(),
            failure: None,
        };
        if let Err((source, failure)) = self.take_looks(&wanted, &mut looked).await {
            looked.second.unanswered = Some(failure.why.clone());
            looked.second.by = Some(source);
            looked.failure = Some((source, failure));
        }
        looked
    }

    async fn take_looks(&self, wanted: &LookFor, looked: &mut Looked) -> Result<(), (Source, Failure)> {
        let of = |source| move |failure| (source, failure);
        if let (Some(stripe), Some(since)) = (&self.stripe, wanted.created_since) {
            for customer in &wanted.customers {
                looked.customers.push(stripe.customer(customer).await.map_err(of(Source::Stripe))?);
            }
            looked.created = stripe.created_since(since).await.map_err(of(Source::Stripe))?;
            looked.second.answered.push(Source::Stripe);
        }
        if let (Some(tautulli), Some(watcher)) = (&self.tautulli, wanted.watcher) {
            looked.watch = Some(tautulli.look(watcher).await.map_err(of(Source::Tautulli))?);
            looked.second.answered.push(Source::Tautulli);
        }
        // plex.tv last: it is what the call changes.
        let mut share = self.listing(&wanted.server, &wanted.whom).await.map_err(of(Source::Plex))?;
        if wanted.sections {
            let sections = self.plex.sections(&wanted.server, Lane::Act).await.map_err(of(Source::Plex))?;
            share.sections = Some(sections);
        }
        if let (true, Some(account)) = (wanted.home, wanted.whom.account) {
            let home = self.plex.home(&wanted.server, Lane::Act).await.map_err(of(Source::Plex))?;
            share.home |= home.contains(&account);
        }
        looked.share = Some(share);
        looked.second.answered.push(Source::Plex);
        Ok(())
    }

    async fn listing(&self, server: &ServerId, whom: &Whom) -> Result<ShareLook, Failure> {
        let listing = self.plex.listing(server, Lane::Act).await?;
        let shares: Vec<Share> = listing.shares.into_iter().filter(|share| whom.is(share)).collect();
        let home = shares.iter().any(|share| share.home);
        let elsewhere = whom.account.is_some_and(|account| listing.elsewhere.contains(&account));
        Ok(ShareLook { begun: listing.begun, whom: whom.clone(), shares, elsewhere, home, sections: None })
    }

    async fn act(
        &self,
        order: Admitted<Order>,
        server: &ServerId,
        row: Option<&Share>,
        mut whom: Whom,
        customer: Option<CustomerId>,
    ) -> Acted {
        let order = order.spend();
        let called = match &self.live {
            Some(live) => self.call(live, &order, server, row).await,
            None => Err(Failure::not_done(FailureKind::Internal, "dry run: nothing is changed")),
        };
        let (share, failure) = match called {
            Ok(share) => (share, None),
            Err(failure) => (None, Some(failure)),
        };
        whom.share = share.or(whom.share);
        // Refused our token, or asked for rest: nothing was done, and nothing more is asked.
        let is_over = |failure: &Failure| {
            matches!(failure.kind, FailureKind::Unauthorized | FailureKind::RateLimited)
                && failure.certainty == Certainty::NotDone
        };
        let after = match order.act {
            _ if failure.as_ref().is_some_and(is_over) => None,
            Act::Forget { .. }
            | Act::Remember { .. }
            | Act::Cancel { .. }
            | Act::Uncancel { .. }
            | Act::Unfriend { .. } => None,
            _ => self.listing(server, &whom).await.ok(),
        };
        let customer = match (&order.act, &self.stripe, customer) {
            (Act::Cancel { .. } | Act::Uncancel { .. }, Some(stripe), Some(customer)) => {
                stripe.customer(&customer).await.ok()
            }
            _ => None,
        };
        Acted { customer, key: order.key, ended: self.clock.now(), share, failure, after }
    }

    async fn call(
        &self,
        live: &Live,
        order: &Order,
        server: &ServerId,
        row: Option<&Share>,
    ) -> Result<Option<ShareId>, Failure> {
        let missing = || Failure::not_done(FailureKind::Internal, "the share to change is not known");
        match &order.act {
            Act::Invite { to, sections, downloads, settings, .. } => {
                let to = match to {
                    InviteTo::Account(account) => plex::InviteTo::Account(*account),
                    InviteTo::Email(email) => plex::InviteTo::Email(email.clone()),
                };
                let invited = match settings {
                    Some(settings) => self.plex.invite_with(live, server, &to, sections, settings).await,
                    None => self.plex.invite(live, server, &to, sections, *downloads).await,
                };
                invited.map(|invited| invited.share)
            }
            Act::Update { sections, downloads, .. } => {
                let row = row.ok_or_else(missing)?;
                self.plex.update(live, server, row, sections, *downloads).await.map(|()| None)
            }
            Act::End { .. } => {
                let row = row.ok_or_else(missing)?;
                match row.is_accepted() {
                    true => self.plex.unshare(live, server, row).await.map(|()| None),
                    false => self.plex.cancel_invite(live, server, row).await.map(|()| None),
                }
            }
            Act::Cancel { subscription, when, .. } => match &self.stripe {
                // Every try of one intent has the intent's key. An intent of an old
                // book has the key under which it may have been tried.
                Some(stripe) => {
                    let key = order.idempotency_key.clone();
                    let key = key.unwrap_or_else(|| format!("usher-cancel-{subscription}"));
                    stripe.cancel(live, subscription, *when, &key).await.map(|()| None)
                }
                None => Err(Failure::not_done(FailureKind::Internal, "Stripe is not configured")),
            },
            Act::Uncancel { subscription, said } => match &self.stripe {
                // Another restore takes back another end.
                Some(stripe) => {
                    let key = format!("usher-keep-{subscription}-{}", said.timestamp());
                    stripe.keep(live, subscription, &key).await.map(|()| None)
                }
                None => Err(Failure::not_done(FailureKind::Internal, "Stripe is not configured")),
            },
            Act::Unfriend { plex } => self.plex.unfriend(live, *plex).await.map(|()| None),
            Act::Forget { plex } => self.tautulli()?.delete_user(live, *plex).await.map(|()| None),
            Act::Remember { plex } => self.tautulli()?.undelete_user(live, *plex).await.map(|()| None),
        }
    }
}

impl Reach {
    fn tautulli(&self) -> Result<&Tautulli, Failure> {
        let missing = || Failure::not_done(FailureKind::Internal, "Tautulli is not configured");
        self.tautulli.as_ref().ok_or_else(missing)
    }
}
