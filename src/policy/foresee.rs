//! `usher plan`: what would happen if nothing changed.
//!
//! Nobody watches, nobody pays anew, nobody takes up an invite; renewals are
//! paid, failed payments stay failed, letters are accepted at once, and what
//! the brake lets through is done on paper. It is this very policy that runs,
//! on a copy of the book, so what it says is what will be done.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Rules, Scene, Seen, World, comings, decide, decide::Waiting};
use crate::facts::{CancelWhen, Moment, SectionSet, Share, ShareId, ShareLook, ShareState, SharingSettings, Whom};
use crate::ledger::{
    Act, ActKey, Audience, Book, Delivery, HeldBecause, Intent, IntentState, InviteTo, Letter, Member, NoticeKey,
};
use crate::member::MemberId;

/// Two things nearer to each other are told as of one time.
const GRAIN_MIN: TimeDelta = TimeDelta::minutes(10);
/// The daemon does nothing else meanwhile: so many members times steps take
/// about a second.
const MEMBER_STEPS_MAX: u64 = 100_000;
/// A plan goes no farther ahead.
pub const DAYS_MAX: u32 = 60;
/// What is read back, owed and accepted in one step settles in two or three
/// passes; more would be a circle.
const PASSES_MAX: usize = 5;

/// Something that would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// When.
    pub at: Moment,
    /// To whom.
    pub member: MemberId,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// Why it would wait, if it would.
    pub waits: Option<HeldBecause>,
}

/// What would happen until then, in order.
#[must_use]
pub fn foresee(scene: Scene<'_>, until: Moment) -> Vec<Foreseen> {
    let mut paper = Paper::of(scene);
    let steps = MEMBER_STEPS_MAX / (scene.book.members.len() as u64).max(1);
    let grain = (until - scene.now) / i32::try_from(steps.max(1)).unwrap_or(i32::MAX);
    let grain = grain.max(GRAIN_MIN);
    loop {
        paper.step();
        // At each midnight, so that a day is never told as the next one.
        let midnight = paper.rules.end_of_day(paper.rules.day_of(paper.now)) + TimeDelta::seconds(1);
        let deadline = decide::next_deadline(paper.scene()).map(|deadline| deadline.max(paper.now + grain));
        paper.now = deadline.map_or(midnight, |deadline| deadline.min(midnight));
        if paper.now > until {
            return paper.foreseen;
        }
    }
}

/// How many days ahead a house of this size can be foreseen in a few seconds.
#[must_use]
pub fn days_max(members: usize) -> u32 {
    let days = MEMBER_STEPS_MAX / (members as u64).max(1);
    u32::try_from(days).unwrap_or(DAYS_MAX).clamp(1, DAYS_MAX)
}

/// The house on paper.
struct Paper {
    now: Moment,
    rules: Rules,
    world: World,
    book: Book,
    foreseen: Vec<Foreseen>,
    told: BTreeSet<ActKey>,
    written: BTreeSet<NoticeKey>,
    next_row: u64,
}

impl Paper {
    fn of(scene: Scene<'_>) -> Self {
        let mut rules = scene.rules.clone();
        rules.ways.dry_run = false;
        let mut book = scene.book.clone();
        for intent in book.intents.values_mut() {
            intent.state = IntentState::Decided;
        }
        Self {
            now: scene.now,
            rules,
            world: scene.world.clone(),
            written: book.outbox.keys().cloned().collect(),
            book,
            foreseen: Vec::new(),
            told: BTreeSet::new(),
            next_row: u64::from(u32::MAX),
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { now: self.now, rules: &self.rules, book: &self.book, world: &self.world }
    }

    /// Everything that this instant brings.
    fn step(&mut self) {
        self.hold_fresh();
        self.time_at_stripe();
        for _ in 0..PASSES_MAX {
            let waiting = decide::decide(self.now, &self.rules, &self.world, &mut self.book);
            self.tell_waiting(&waiting);
            let wrote = self.post();
            if !self.carry_out(&waiting) && !wrote {
                return;
            }
        }
    }

    /// The last readings, as if taken now for the second time.
    fn hold_fresh(&mut self) {
        fn fresh<T: Clone>(now: Moment, seen: &mut Seen<T>) {
            let Some(last) = seen.whole_mut() else { return };
            (last.begun, last.at) = (now, now);
            seen.wholes = seen.wholes.max(2);
            (seen.failures, seen.failing_since, seen.last_error) = (0, None, None);
        }
        fresh(self.now, &mut self.world.plex);
        fresh(self.now, &mut self.world.stripe);
        fresh(self.now, &mut self.world.tautulli);
        (self.world.calling, self.world.call_ended) = (false, None);
    }

    /// Ends that are set come; attempts that are announced fail.
    fn time_at_stripe(&mut self) {
        let now = self.now;
        for billed in self.book.members.values_mut().flat_map(|member| member.subscriptions.values_mut()) {
            let sub = &mut billed.now;
            if let Some(end) = sub.scheduled_end().filter(|end| *end <= now && sub.status.is_running()) {
                sub.status = crate::facts::Status::Canceled;
                sub.ended_at = Some(end);
            }
            for invoice in sub.open_invoices.iter_mut().flatten() {
                invoice.next_attempt_at = invoice.next_attempt_at.filter(|attempt| *attempt > now);
            }
        }
    }

    fn tell_waiting(&mut self, waiting: &[Waiting]) {
        for held in waiting {
            // A warning that must stand, a day's budget and the pace are only
            // matters of time: it is told when it is done.
            let by_time = matches!(
                held.because,
                HeldBecause::Warned { .. }
                    | HeldBecause::Budget { .. }
                    | HeldBecause::Pace { .. }
                    | HeldBecause::Rejected
            );
            if !by_time && self.told.insert(held.key.clone()) {
                self.tell(&held.member, &held.what, &held.why, Some(held.because.clone()));
            }
        }
    }

    fn tell(&mut self, member: &MemberId, what: &str, why: &str, waits: Option<HeldBecause>) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.foreseen.push(Foreseen { at: self.now, member: member.clone(), what, why, waits });
    }

    /// Letters are accepted at once. True when there was one.
    fn post(&mut self) -> bool {
        let now = self.now;
        let mut wrote = false;
        let mut told = Vec::new();
        for (key, notice) in &mut self.book.outbox {
            for delivery in notice.deliveries.values_mut().filter(|delivery| !delivery.is_done()) {
                *delivery = Delivery::Accepted { at: now };
                wrote = true;
            }
            let new = notice.audience == Audience::Member && self.written.insert(key.clone());
            if let (true, Some(member), Some(about)) = (new, &notice.member, about(&notice.letter)) {
                told.push((member.clone(), about));
            }
        }
        for (member, about) in told {
            let name = self.book.members.get(&member).map(Member::name).unwrap_or_default();
            self.tell(&member, &format!("write to {name}: {about}"), "", None);
        }
        wrote
    }

    /// Does on paper what doesn't wait. True when there was something.
    fn carry_out(&mut self, waiting: &[Waiting]) -> bool {
        let waits = |intent: &&Intent| waiting.iter().any(|held| held.key == intent.key);
        let free = |intent: &&Intent| intent.state == IntentState::Decided && !waits(intent);
        let due: Vec<Intent> = self.book.intents.values().filter(free).cloned().collect();
        for intent in &due {
            let what = self.what(intent);
            if self.told.insert(ActKey(format!("done {}", intent.key.0))) {
                self.tell(&intent.member, &what, &intent.because, None);
            }
            if let Some(tried) = self.book.intents.get_mut(&intent.key) {
                tried.state = IntentState::Attempted { at: self.now };
                tried.tries += 1;
            }
            self.take_effect(intent);
        }
        !due.is_empty()
    }

    fn what(&self, intent: &Intent) -> String {
        let name = self.book.members.get(&intent.member).map(Member::name).unwrap_or_default();
        match &intent.act {
            Act::Invite { .. } => format!("invite {name}"),
            Act::Update { narrows: true, .. } => format!("take libraries or downloads from {name}"),
            Act::Update { .. } => format!("give {name} more libraries or downloads"),
            Act::End { .. } if !self.has_access(&intent.member) => format!("take back the invite of {name}"),
            Act::End { .. } => format!("remove {name}"),
            Act::Cancel { subscription, .. } => format!("cancel {subscription} of {name} at Stripe"),
            Act::Uncancel { subscription, .. } => format!("have {subscription} of {name} go on at Stripe"),
            Act::Unfriend { .. } => format!("end the friendship with {name} at plex.tv"),
            Act::Forget { .. } => format!("delete {name} in Tautulli"),
            Act::Remember { .. } => format!("take {name} back in Tautulli"),
        }
    }

    fn has_access(&self, member: &MemberId) -> bool {
        self.book.members.get(member).is_some_and(Member::has_access)
    }

    fn take_effect(&mut self, intent: &Intent) {
        let now = self.now;
        let row = match &intent.act {
            Act::End { .. } => None,
            Act::Update { sections, downloads, .. } => self.changed(&intent.member, sections, *downloads),
            Act::Invite { to, sections, downloads, settings, .. } => {
                Some(self.invited(to, sections, *downloads, settings.clone()))
            }
            act => return self.take_effect_elsewhere(intent, act),
        };
        let shares = row.into_iter().collect();
        let look =
            ShareLook { begun: now, whom: Whom::default(), shares, elsewhere: false, home: false, sections: None };
        comings::fold_look(now, &self.rules, &mut self.world, &mut self.book, &intent.member, &look);
    }

    fn take_effect_elsewhere(&mut self, intent: &Intent, act: &Act) {
        let now = self.now;
        let Some(member) = self.book.members.get_mut(&intent.member) else { return };
        match act {
            Act::Unfriend { plex } => {
                member.unfriend_at = None;
                if let Some(whole) = self.world.plex.whole_mut() {
                    whole.value.friends =
                        whole.value.friends.take().map(|all| all.into_iter().filter(|one| one != plex).collect());
                }
            }
            Act::Forget { .. } => member.forget_at = None,
            Act::Remember { .. } => member.forgotten = None,
            Act::Cancel { subscription, when, .. } => {
                let Some(billed) = member.subscriptions.get_mut(subscription) else { return };
                match when {
                    CancelWhen::PeriodEnd if billed.now.period_end().is_some() => {
                        billed.now.cancel_at_period_end = true
                    }
                    _ => {
                        billed.now.status = crate::facts::Status::Canceled;
                        billed.now.ended_at = Some(now);
                    }
                }
            }
            Act::Uncancel { subscription, .. } => {
                if let Some(billed) = member.subscriptions.get_mut(subscription) {
                    (billed.now.cancel_at, billed.now.cancel_at_period_end) = (None, false);
                }
            }
            Act::Invite { .. } | Act::Update { .. } | Act::End { .. } => {}
        }
    }

    fn changed(&self, member: &MemberId, sections: &SectionSet, downloads: Option<bool>) -> Option<Share> {
        let mut row = self.book.members.get(member)?.share.as_ref()?.row.clone();
        row.sections = sections.ids().clone();
        row.all_libraries = false;
        row.downloads = downloads.or(row.downloads);
        Some(row)
    }

    fn invited(
        &mut self,
        to: &InviteTo,
        sections: &SectionSet,
        downloads: bool,
        settings: Option<SharingSettings>,
    ) -> Share {
        self.next_row += 1;
        let (account, email) = match to {
            InviteTo::Account(account) => (Some(*account), None),
            InviteTo::Email(email) => (None, Some(email.clone())),
        };
        Share {
            id: ShareId(self.next_row),
            account,
            username: None,
            title: None,
            email,
            sections: sections.ids().clone(),
            all_libraries: false,
            downloads: Some(downloads),
            settings,
            state: ShareState::Pending { invited_at: Some(self.now) },
            invited_at: None,
            home: false,
            restricted: false,
        }
    }
}

/// Letters that are told by themselves; the others go with what is done.
fn about(letter: &Letter) -> Option<String> {
    Some(match letter {
        Letter::InactivityWarning { until, .. } => format!("watch something by {until}"),
        Letter::PaymentFailed { .. } => "a payment failed".into(),
        Letter::AccessEnding { on, .. } => format!("access ends on {on}"),
        Letter::SubscriptionPaused { until, loses } if loses.is_empty() => {
            format!("their subscription is paused; access ends after {until}")
        }
        Letter::SubscriptionPaused { until, loses } => {
            format!("their subscription is paused; after {until} they lose {}", loses.join(", "))
        }
        Letter::Doubled { .. } => "they pay for several subscriptions".into(),
        Letter::CancellationReceived { on, .. } => format!("their subscription ends on {on}"),
        Letter::TrialEnding { on, .. } => format!("their trial ends on {on}"),
        Letter::Invited { .. }
        | Letter::Welcome { .. }
        | Letter::AccessEnded { .. }
        | Letter::RemovedInactive { .. } => return None,
        other => other.kind().replace('_', " "),
    })
}
