//! What is published after each pass: everybody else reads here, never in the book.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::desk::{self, Health, LoopHealth, View, loop_name};
use crate::facts::{CustomerId, EventId, Moment, PriceId, ServerId, SignedIn, Source, SubscriptionId};
use crate::ledger::{Book, Channel};
use crate::policy::decide::Waiting;
use crate::policy::front::{self, Front};
use crate::policy::sales::{self, Checkout, CheckoutAsked, Held, No, Upgrade};
use crate::policy::sign_in::{self, Welcome};
use crate::policy::{Rules, Scene, World};
use crate::reports::metrics::{self, Gauge};
use crate::reports::{self, Look, Page, Question};

/// What the loops go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Readings that are wanted before their interval. One that was begun
    /// after that instant has met the wish.
    pub wanted: BTreeMap<Source, Moment>,
    /// Sources for which somebody who paid waits: a failing loop hurries.
    pub hurried: BTreeSet<Source>,
    /// When somebody other than its loop last had a good answer of a source
    /// that the loop could not read.
    pub answered: BTreeMap<Source, Moment>,
    /// When time alone will change something.
    pub deadline: Option<Moment>,
    /// Our server: the id in the book wins over a renamed server.
    pub server: Option<ServerId>,
    /// Subscriptions that the book knows as running.
    pub running: BTreeSet<SubscriptionId>,
    /// Stripe's newest event seen.
    pub cursor: Option<EventId>,
    /// From when each customer's entitlements are to be read anew; `None` where
    /// no tier names one.
    pub entitled: Option<BTreeMap<CustomerId, Moment>>,
}

/// The view after a pass.
pub struct Published {
    /// The book as committed.
    pub book: Arc<Book>,
    /// What the services said last.
    pub world: World,
    /// The operator's thresholds.
    pub rules: Arc<Rules>,
    /// What waits, and why.
    pub waiting: Vec<Waiting>,
    /// The book's generation.
    pub generation: u64,
    /// Since when this process has been running.
    pub started: Moment,
    /// Channels that are down.
    pub paused: BTreeMap<Channel, Moment>,
    /// Why the book can't be written, if it can't.
    pub unwritten: Option<String>,
}

impl Published {
    fn scene(&self, now: Moment) -> Scene<'_> {
        Scene { now, rules: &self.rules, book: &self.book, world: &self.world }
    }
}

impl View for Published {
    fn health(&self, now: Moment) -> Health {
        let mut problems = Vec::new();
        let mut loops = BTreeMap::new();
        for source in &self.rules.configured {
            let state = self.world.state(*source);
            let overdue = match state.read_at {
                Some(at) => now - at > self.rules.freshness(*source),
                None => now - self.started > self.rules.freshness(*source),
            };
            if overdue {
                let why = state.last_error.as_ref().map_or("no reading came", |error| error.why.as_str());
                problems.push(format!("{source} has not been read for too long: {why}"));
            }
            loops.insert(
                loop_name(*source),
                LoopHealth {
                    last_success: state.read_at,
                    failures: state.failures,
                    last_error: state.last_error.map(|error| error.why),
                },
            );
        }
        let scene = self.scene(now);
        problems.extend(crate::policy::brake::clock_failure(scene));
        problems.extend(
            self.rules.configured.iter().filter_map(|source| crate::policy::brake::identity_failure(scene, *source)),
        );
        problems.extend(self.world.only_look.clone());
        problems.extend(self.unwritten.clone());
        for (channel, until) in self.paused.iter().filter(|(_, until)| **until > now) {
            let name = match channel {
                Channel::Mail => "mail",
                Channel::Discord => "Discord",
            };
            problems.push(format!("{name} is down; tried again at {}", until.format("%Y-%m-%d %H:%M UTC")));
        }
        Health {
            healthy: problems.is_empty(),
            mode: if self.rules.ways.dry_run { "dry run" } else { "live" },
            started: self.started,
            generation: self.generation,
            loops,
            members: self.book.members_with_access(),
            holds: self.book.holds.values().filter(|hold| hold.verdict.is_none()).count()
                + self.book.starting.waits.len()
                + self.book.libraries.offers.values().filter(|offer| offer.rejected.is_none()).count(),
            outbox: self.book.notices_open(),
            problems,
        }
    }

    fn ready(&self) -> bool {
        self.rules
            .configured
            .iter()
            .filter(|source| **source != Source::Tautulli)
            .all(|source| self.world.state(*source).wholes >= 2)
    }

    fn front(&self, now: Moment) -> Front {
        front::front(self.scene(now))
    }

    fn answer(&self, question: &Question, now: Moment) -> Result<Page, String> {
        let scene = self.scene(now);
        reports::answer(scene, &self.waiting, question)
    }

    fn gauges(&self, now: Moment) -> Vec<Gauge> {
        metrics::gauges(self.scene(now), &self.waiting)
    }

    fn look(&self, look: &Look, now: Moment) -> Result<serde_json::Value, No> {
        reports::look(self.scene(now), look)
    }

    fn checkout(&self, asked: &CheckoutAsked, now: Moment) -> Result<Checkout, No> {
        sales::checkout(self.scene(now), asked)
    }

    fn welcome(&self, signed_in: &SignedIn, now: Moment) -> Result<Welcome, No> {
        Ok(sign_in::welcome(self.scene(now), signed_in))
    }

    fn payer(&self, who: &str, now: Moment) -> Result<CustomerId, No> {
        sales::payer(self.scene(now), who)
    }

    fn held(&self, who: &str, named: Option<&SubscriptionId>, now: Moment) -> Result<Held, No> {
        sales::held(self.scene(now), who, named)
    }

    fn upgrade(
        &self,
        who: &str,
        named: Option<&SubscriptionId>,
        tier: &str,
        price: Option<&PriceId>,
        now: Moment,
    ) -> Result<Upgrade, No> {
        sales::upgrade(self.scene(now), who, named, tier, price)
    }
}

/// Before the first pass: nothing is known.
pub struct Nothing {
    /// Since when this process has been running.
    pub started: Moment,
}

impl desk::View for Nothing {
    fn health(&self, _now: Moment) -> Health {
        Health {
            healthy: true,
            mode: "starting",
            started: self.started,
            generation: 0,
            loops: BTreeMap::new(),
            members: 0,
            holds: 0,
            outbox: 0,
            problems: Vec::new(),
        }
    }

    fn ready(&self) -> bool {
        false
    }

    fn front(&self, _now: Moment) -> Front {
        front::unknown()
    }

    fn answer(&self, _question: &Question, _now: Moment) -> Result<Page, String> {
        Err("Usher is starting; ask again in a moment".into())
    }
}
