//! What a failure means for its act and for the service, and what a good
//! answer ends (RULES R6 "refusal", R9 last paragraph; DESIGN §7).
//!
//! It promises: while a service asks for rest, or refuses our token, no act
//! calls it; acts that a failing service holds wait together; its first good
//! answer ends all their waits, and that of its loop.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;

use super::Engine;
use super::act::Acted;
use crate::backoff;
use crate::facts::{FailureKind, Friends, Moment, ShareLook, Source, Whole};
use crate::ledger::{Act, ActKey, Book, HeldBecause, Intent, IntentState};
use crate::policy::{Stalled, brake, comings, confirm, refusals};
use crate::services::failure::{Certainty, Failure};

/// 403 and 404 are told, and tried again after this.
const DENIED_FOR: TimeDelta = TimeDelta::days(1);
/// A reading of the source that held a look frees it so often; then only the
/// end of an outage does, or its time.
const READINGS_FREE: u32 = 3;
/// After an act or look failed, its service is read this soon: whether it is
/// down is for the loop to say.
const READ_AFTER_FAILURE: TimeDelta = TimeDelta::seconds(30);

impl Engine {
    /// Whether something that this intent calls asks for rest, or just failed.
    pub(super) fn may_not_call(&self, now: Moment, book: &Book, intent: &Intent) -> bool {
        let stripe = brake::asks_stripe_before(book, intent).then_some(Source::Stripe);
        intent.calls().into_iter().chain(stripe).any(|source| self.world.rests(now, book, source))
    }

    /// An act, its look, or a loop met with this at a service.
    pub(super) fn note_trouble(&mut self, now: Moment, book: &mut Book, source: Source, failure: &Failure) {
        match (failure.kind, failure.retry_after) {
            (FailureKind::RateLimited, Some(wait)) => rest(now, book, source, wait),
            (FailureKind::Unauthorized, _) => self.stall(now, source, backoff::AGAIN_CAP, Some(failure.why.clone())),
            (FailureKind::Unreachable | FailureKind::RateLimited | FailureKind::Nonsense | FailureKind::Partial, _) => {
                self.stall(now, source, backoff::HURRIED_CAP, None);
                self.wanted.insert(source, now + READ_AFTER_FAILURE);
            }
            _ => {}
        }
    }

    fn stall(&mut self, now: Moment, source: Source, cap: Duration, refuses_us: Option<String>) {
        let before = self.world.stalled.get(&source);
        let failures = before.map_or(1, |stalled| stalled.failures.saturating_add(1));
        let first = before.map_or(now, |stalled| stalled.first);
        let until = now + backoff::again(cap, failures, source.name());
        self.world.stalled.insert(source, Stalled { first, until, failures, refuses_us });
    }

    /// An act or look had a good answer: the loop needn't wait either.
    pub(super) fn note_answer(&mut self, now: Moment, book: &mut Book, source: Source) {
        let is_failing = self.world.state(source).failures > 0;
        let is_refused = self.world.stalled.get(&source).is_some_and(|stalled| stalled.refuses_us.is_some());
        if !is_refused {
            self.world.stalled.remove(&source);
        }
        if is_failing {
            self.answered.insert(source, now);
            free_held_by(now, book, source, u32::MAX);
        }
    }

    /// A whole reading came. `failures`: how many had failed before it.
    pub(super) fn note_whole(&mut self, now: Moment, book: &mut Book, source: Source, failures: u32) {
        let is_refused = self.world.stalled.get(&source).is_some_and(|stalled| stalled.refuses_us.is_some());
        if failures > 0 || !is_refused {
            self.world.stalled.remove(&source);
        }
        free_held_by(now, book, source, if failures > 0 { u32::MAX } else { READINGS_FREE });
    }

    /// What became of a call.
    pub(super) fn note_outcome(&mut self, now: Moment, book: &mut Book, acted: &Acted) {
        let Some(intent) = book.intents.get_mut(&acted.key) else { return };
        intent.ended = Some(acted.ended);
        let service = intent.service();
        match &acted.failure {
            Some(failure) => {
                tracing::warn!(member = %intent.member, act = %intent.key.0, "failed, and is read back before another try: {failure}");
                note_failure(now, book, &acted.key, failure);
                self.note_trouble(now, book, service, failure);
            }
            None => {
                self.world.stalled.remove(&service);
                self.note_answer(now, book, service);
            }
        }
    }

    /// A whole reading that was begun too soon after a call of ours counts for
    /// nobody but those whose try waits to be shown: for them it is a look.
    pub(super) fn look_through(&mut self, now: Moment, book: &mut Book, whole: &Whole<Friends>) {
        let ours = book.identities.plex_server.as_ref() == Some(&whole.value.server);
        if !ours || self.world.call_ended.is_none_or(|ended| whole.begun < ended) {
            return;
        }
        let rules = self.parts.rules.clone();
        let tried: Vec<Intent> = book
            .intents
            .values()
            .filter(|intent| intent.service() == Source::Plex && !matches!(intent.act, Act::Unfriend { .. }))
            .filter(|intent| intent.tried_until().is_some_and(|tried| tried <= whole.begun))
            .cloned()
            .collect();
        for intent in tried {
            let whom = super::orders::whom(book, &intent);
            let shares: Vec<_> = whole.value.shares.iter().filter(|share| whom.is(share)).cloned().collect();
            let home = whom.account.is_some_and(|account| whole.value.home.contains(&account));
            let look = ShareLook { begun: whole.begun, whom, shares, elsewhere: false, home, sections: None };
            comings::fold_look(now, &rules, &mut self.world, book, &intent.member, &look);
        }
    }

    /// Sources for which somebody who paid waits: their loops hurry.
    pub(super) fn hurried(&self) -> BTreeSet<Source> {
        let invite = |key: &ActKey| key.0.starts_with("invite/");
        let decided = self.book.intents.values().filter(|intent| invite(&intent.key));
        let decided = decided.filter(|intent| intent.state == IntentState::Decided);
        let decided = decided.flat_map(|intent| intent.hindered.by.into_iter().chain([Source::Plex]));
        let waiting = self.waiting.iter().filter(|waiting| invite(&waiting.key));
        let waiting = waiting.filter_map(|waiting| match waiting.because {
            HeldBecause::Looked { source } => Some(source),
            _ => None,
        });
        decided.chain(waiting).collect()
    }
}

/// A service asked not to be called for so long. The book keeps it, for a restart.
pub(super) fn rest(now: Moment, book: &mut Book, source: Source, wait: Duration) {
    // Rounded up: until the very last of its seconds nobody calls.
    let until = now + backoff::asked_for(wait) + TimeDelta::seconds(1);
    let known = book.rests.entry(source).or_insert(until);
    *known = (*known).max(until);
}

/// A new process has looked at nothing yet, and perhaps has another token or
/// key: what was held or failed before is tried once, soon. What a service
/// asked for still counts (`Book::rests`).
pub(super) fn begin_anew(now: Moment, book: &mut Book) {
    for intent in book.intents.values_mut() {
        if intent.state == IntentState::Decided && !intent.hindered.denied {
            intent.hindered.looks = 0;
            intent.not_before = intent.not_before.min(now);
        }
    }
}

/// An act that waits for longer than `longest` was put off by a clock that was ahead:
/// it is tried now. One that was denied may wait for a day.
pub(super) fn put_off_no_longer_than(longest: TimeDelta, now: Moment, book: &mut Book) {
    for intent in book.intents.values_mut() {
        let longest = if intent.hindered.denied { DENIED_FOR } else { longest };
        if intent.state == IntentState::Decided && intent.not_before > now + longest {
            intent.not_before = now;
        }
    }
}

/// What held these has changed: they are looked at again now.
fn free_held_by(now: Moment, book: &mut Book, source: Source, looks_max: u32) {
    for intent in book.intents.values_mut() {
        let held = intent.state == IntentState::Decided && intent.hindered.by == Some(source);
        if held && intent.hindered.looks <= looks_max && intent.not_before > now {
            intent.not_before = now;
        }
    }
}

/// What a failed call means for its intent.
fn note_failure(now: Moment, book: &mut Book, key: &ActKey, failure: &Failure) {
    let Some(intent) = book.intents.get_mut(key) else { return };
    intent.last_error = Some(failure.why.clone());
    if failure.certainty == Certainty::NotDone {
        intent.not_done += 1;
    }
    if let Some(wait) = failure.retry_after {
        intent.not_before = intent.not_before.max(now + backoff::asked_for(wait));
    }
    let is_invite = matches!(intent.act, Act::Invite { .. });
    match failure.kind {
        // A listing shows whether it is so.
        FailureKind::Already => intent.hindered.already += 1,
        FailureKind::Refused | FailureKind::Forbidden | FailureKind::Gone if is_invite => {
            let refused = intent.clone();
            refusals::refuse(now, book, key, &failure.why);
            if (failure.kind, failure.status) == (FailureKind::Refused, Some(404)) {
                refusals::note_unknown(book, &refused);
            }
        }
        FailureKind::Forbidden | FailureKind::Gone => {
            intent.state = IntentState::Decided;
            intent.hindered.denied = true;
            intent.not_before = intent.not_before.max(now + DENIED_FOR);
        }
        _ if failure.certainty == Certainty::NotDone => confirm::try_again(now, book, key, now),
        // It may have been done: a listing is waited for.
        _ => {}
    }
}
