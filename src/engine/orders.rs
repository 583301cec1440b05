//! From intents to acts: which is next, what it must look at, and the second
//! admission.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::Engine;
use super::act::{Job, LookFor, Looked};
use crate::backoff;
use crate::facts::{CustomerId, Moment, Source, Whom};
use crate::ledger::{Act, Book, HeldBecause, Intent, IntentState, InviteTo, Member};
use crate::policy::brake::{self, NotNow, SecondLook};
use crate::policy::refusals;

/// What a rule of the brake holds that needs no look: it is not looked at while
/// it waits, and this soon once it doesn't.
const HELD_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

impl Engine {
    /// The next intent to look for, if none is under way: grants before
    /// removals, the oldest due first.
    pub(super) fn next_look(&mut self, now: Moment, book: &mut Book) -> Option<Job> {
        if self.acting.is_some() || self.closing {
            return None;
        }
        let server = book.identities.plex_server.clone()?;
        let paced = brake::pace(self.scene(now, book)).is_some();
        let held = |intent: &&Intent| self.waiting.iter().any(|waiting| waiting.key == intent.key);
        let next = book
            .intents
            .values()
            .filter(|intent| intent.state == IntentState::Decided && intent.not_before <= now)
            .filter(|intent| !held(intent) && !is_unsettled(book, intent))
            .filter(|intent| !self.may_not_call(now, book, intent))
            .filter(|intent| !paced || !brake::keeps_pace(book, intent))
            .min_by_key(|intent| {
                let takes_away = intent.takes_away() && !matches!(intent.act, Act::Update { .. });
                (takes_away, intent.due, intent.key.clone())
            })?;
        let member = book.members.get(&next.member)?;
        let watches = next.is_for_idleness() || matches!(next.act, Act::Forget { .. });
        let stripe =
            next.takes_away() || matches!(next.act, Act::Uncancel { .. }) || brake::asks_stripe_before(book, next);
        let look = LookFor {
            key: next.key.clone(),
            server,
            whom: whom(book, next),
            customers: if stripe { customers(member) } else { Vec::new() },
            created_since: stripe.then(|| self.world.stripe.last.as_ref().map_or(now, |whole| whole.begun)),
            watcher: member.plex.filter(|_| watches),
            sections: matches!(next.act, Act::Invite { .. } | Act::Update { .. }),
            // Whoever has no share shows in no listing of shares.
            home: matches!(next.act, Act::Forget { .. } | Act::Unfriend { .. }),
        };
        self.acting = Some(look.key.clone());
        Some(Job::Look(Box::new(look)))
    }

    /// The second admission, with the looks in hand. What it lets through is
    /// written down as attempted; the caller commits before the call.
    pub(super) fn admit(&mut self, now: Moment, book: &mut Book, looked: &Looked) -> Option<Job> {
        if self.closing {
            return None;
        }
        match brake::second(self.scene(now, book), &looked.key, &looked.second) {
            Ok(order) => {
                let server = book.identities.plex_server.clone()?;
                let intent = book.intents.get_mut(&looked.key)?;
                // The plan was made anew with the looks: it is what is done.
                intent.act = order.get().act.clone();
                intent.state = IntentState::Attempted { at: now };
                intent.tries += 1;
                intent.ended = None;
                intent.hindered.looks = 0;
                intent.hindered.by = None;
                intent.hindered.denied = false;
                intent.first_try = intent.first_try.or(Some(now));
                intent.last_try = Some(now);
                let intent = intent.clone();
                refusals::leave_unknown_account(now, &self.world, book, &intent);
                let row = book.members.get(&intent.member)?.share.as_ref().map(|share| Box::new(share.row.clone()));
                self.acting = Some(looked.key.clone());
                let customer = match &intent.act {
                    Act::Cancel { subscription, .. } | Act::Uncancel { subscription, .. } => {
                        let billed = book.members.get(&intent.member)?.subscriptions.get(subscription);
                        billed.map(|billed| billed.now.customer.clone())
                    }
                    _ => None,
                };
                Some(Job::Do { order: Box::new(order), server, row, whom: Box::new(whom(book, &intent)), customer })
            }
            Err(NotNow::NoLongerDue) => None,
            Err(NotNow::Held(because)) => {
                if let Some(intent) = book.intents.get_mut(&looked.key) {
                    intent.not_before = again(now, intent, &because, &looked.second);
                    intent.last_error = Some(because.sentence());
                    tracing::debug!(member = %intent.member, rule = because.rule(), "waits: {}", because.sentence());
                }
                None
            }
        }
    }

    /// Hands a job to the act beside the engine.
    pub(super) fn start(&mut self, job: Job) {
        self.world.calling = matches!(job, Job::Do { .. });
        if self.parts.acts.try_send(job).is_err() {
            // Nothing takes jobs any more: the process is ending.
            self.acting = None;
            self.world.calling = false;
        }
    }
}

/// When an intent that was held by its look is looked at again: when what held
/// it has changed, and else longer each time (RULES R9, last paragraph).
fn again(now: Moment, intent: &mut Intent, because: &HeldBecause, second: &SecondLook) -> Moment {
    match because {
        HeldBecause::SecondLook { .. } => {
            intent.hindered.looks = intent.hindered.looks.saturating_add(1);
            let stripe = second.could_be_theirs.is_some().then_some(Source::Stripe);
            intent.hindered.by = second.by.or(stripe);
            now + backoff::again(backoff::AGAIN_CAP, intent.hindered.looks, &intent.key.0)
        }
        HeldBecause::Pace { until } => *until,
        _ => now + HELD_AGAIN_AFTER,
    }
}

/// Their customers, and those of whom only a subscription is theirs.
fn customers(member: &Member) -> Vec<CustomerId> {
    let of_subscriptions = member.subscriptions.values().map(|billed| &billed.now.customer);
    let all: BTreeSet<&CustomerId> = member.customers.keys().chain(of_subscriptions).collect();
    all.into_iter().cloned().collect()
}

/// Something else that was tried for the same person is not read back yet: an
/// invite for another reason could be the same invite once more.
fn is_unsettled(book: &Book, intent: &Intent) -> bool {
    let tried = |other: &&Intent| matches!(other.state, IntentState::Attempted { .. });
    book.intents.values().filter(tried).any(|other| other.member == intent.member)
}

/// Every way to recognise this member's row.
pub(super) fn whom(book: &Book, intent: &Intent) -> Whom {
    let Some(member) = book.members.get(&intent.member) else { return Whom::default() };
    let share = member.share.as_ref();
    let invited = match &intent.act {
        Act::Invite { to: InviteTo::Email(email), .. } => Some(email),
        _ => None,
    };
    let row = share.and_then(|share| share.row.email.as_ref());
    let email = row.or(invited).or_else(|| member.paying_email()).cloned();
    Whom {
        account: member.plex.or_else(|| share.and_then(|share| share.row.account)),
        email: email.filter(|_| member.plex.is_none()),
        share: share.map(|share| share.row.id),
    }
}
