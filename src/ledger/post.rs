//! The outbox's lawful changes: owing a notice, handing it out, and writing
//! down what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};

use super::{
    Audience, Book, Channel, Delivered, Delivery, DeliveryOutcome, Dispatch, FirstSending, Letter, Member, Notice,
    NoticeKey, is_of_a_payers_invite,
};
use crate::backoff;
use crate::facts::{CustomerId, Email, Moment};
use crate::limits::UNDELIVERED_TOLD_DAYS;
use crate::member::MemberId;

/// After so long a dead address is tried once more.
const DAY_SECS: u64 = 24 * 3600;
/// An address is dead when so many different days have said so (RULES R3).
const DEAD_AFTER_DAYS: usize = 2;

/// Which ways out exist, by configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// SMTP is configured.
    pub mail: bool,
    /// The operator has an address (and SMTP is configured).
    pub operator_mail: bool,
    /// The operator has a webhook.
    pub discord: bool,
    /// Dry run: what members would get counts as accepted at once.
    pub dry_run: bool,
}

/// A message to be owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// About whom; `None` for the house itself.
    pub member: Option<MemberId>,
    /// For whom.
    pub audience: Audience,
    /// The id or date of the fact: what makes it the same notice.
    pub occasion: String,
    /// Where a member's mail goes.
    pub to: Option<Email>,
    /// For money letters.
    pub customer: Option<CustomerId>,
    /// What it says.
    pub letter: Letter,
    /// How long it is worth sending.
    pub shelf: TimeDelta,
}

impl Owed {
    /// A letter to a member's access address.
    #[must_use]
    pub fn to_member(member: &Member, occasion: impl Into<String>, letter: Letter, shelf: TimeDelta) -> Self {
        Self {
            member: Some(member.id.clone()),
            audience: Audience::Member,
            occasion: occasion.into(),
            to: member.access_email().cloned(),
            customer: None,
            letter,
            shelf,
        }
    }

    /// A message to the operator.
    #[must_use]
    pub fn to_operator(member: Option<&MemberId>, occasion: impl Into<String>, letter: Letter) -> Self {
        let shelf = TimeDelta::days(7);
        Self {
            member: member.cloned(),
            audience: Audience::Operator,
            occasion: occasion.into(),
            to: None,
            customer: None,
            letter,
            shelf,
        }
    }

    /// The key under which it is owed at most once.
    #[must_use]
    pub fn key(&self) -> NoticeKey {
        let subject = self.member.as_ref().map_or("house", |member| member.0.as_str());
        let audience = match self.audience {
            Audience::Member => "member",
            Audience::Operator => "operator",
        };
        NoticeKey(format!("{subject}/{}/{}/{audience}", self.letter.kind(), self.occasion))
    }
}

impl Book {
    /// Owes a notice. Returns its key, and changes nothing if it already was.
    pub fn owe(&mut self, owed: Owed, ways: Ways, now: Moment) -> NoticeKey {
        let key = owed.key();
        if self.outbox.contains_key(&key) {
            return key;
        }
        let due = Delivery::Due { not_before: now, tries: 0, last_error: None };
        let mut deliveries = BTreeMap::new();
        match owed.audience {
            Audience::Member => {
                let delivery = match (&owed.to, ways.mail, ways.dry_run) {
                    (None, ..) | (_, false, _) => Delivery::NoChannel,
                    (Some(_), true, true) => Delivery::Imagined { at: now },
                    (Some(_), true, false) => due,
                };
                deliveries.insert(Channel::Mail, delivery);
            }
            Audience::Operator => {
                if ways.operator_mail {
                    deliveries.insert(Channel::Mail, due.clone());
                }
                if ways.discord {
                    deliveries.insert(Channel::Discord, due);
                }
            }
        }
        let notice = Notice {
            key: key.clone(),
            member: owed.member,
            audience: owed.audience,
            to: owed.to,
            customer: owed.customer,
            letter: owed.letter,
            created: now,
            stale_after: now + owed.shelf,
            first_sending: None,
            maybe_out: false,
            deliveries,
        };
        self.outbox.insert(key.clone(), notice);
        key
    }

    /// Cancels what is not yet out, with a reason. A member's journal says so.
    pub fn cancel_notice(&mut self, key: &NoticeKey, why: &str, now: Moment) {
        let Some(notice) = self.outbox.get_mut(key) else { return };
        let mut cancelled = false;
        for delivery in notice.deliveries.values_mut() {
            if matches!(delivery, Delivery::Due { .. }) {
                *delivery = Delivery::Cancelled { at: now, why: why.to_owned() };
                cancelled = true;
            }
        }
        let (member, words) = (notice.member.clone(), notice.letter.words());
        if let (true, Audience::Member, Some(member)) = (cancelled, notice.audience, member) {
            self.note(&member, now, format!("the letter \"{words}\" is not sent: {why}"));
        }
    }

    /// A letter that waits says this instead. One that may be out under its
    /// Message-ID goes as another letter from then on.
    pub fn reword(&mut self, key: &NoticeKey, letter: Letter, now: Moment) {
        let Some(notice) = self.outbox.get_mut(key).filter(|notice| notice.letter != letter) else { return };
        if notice.deliveries.values().any(|delivery| matches!(delivery, Delivery::Sending { .. })) {
            return;
        }
        notice.letter = letter;
        notice.maybe_out = false;
        let first = notice.first_sending.take();
        let (member, words) = (notice.member.clone(), notice.letter.words());
        if let (Some(first), Some(member)) = (first, member) {
            let day = first.date.date_naive();
            let line =
                format!("the letter \"{words}\" of {day} may be out, and what it says is over: it is written anew");
            self.note(&member, now, line);
        }
    }

    /// A letter that had no way out has one now: it is due.
    pub fn send_after_all(&mut self, key: &NoticeKey, to: &Email, dry_run: bool, now: Moment) {
        let Some(notice) = self.outbox.get_mut(key) else { return };
        notice.to = Some(to.clone());
        let delivery = match dry_run {
            true => Delivery::Imagined { at: now },
            false => Delivery::Due { not_before: now, tries: 0, last_error: None },
        };
        notice.deliveries.insert(Channel::Mail, delivery);
    }

    /// What waits for a channel that is no longer configured isn't queued for it
    /// any longer (RULES R10).
    pub fn close_ways(&mut self, ways: Ways) {
        for notice in self.outbox.values_mut() {
            let audience = notice.audience;
            for (channel, delivery) in &mut notice.deliveries {
                let open = match (channel, audience) {
                    (Channel::Mail, Audience::Member) => ways.mail,
                    (Channel::Mail, Audience::Operator) => ways.operator_mail,
                    (Channel::Discord, _) => ways.discord,
                };
                if !open && matches!(delivery, Delivery::Due { .. }) {
                    *delivery = Delivery::NoChannel;
                }
            }
        }
    }

    /// Takes the oldest notice that is due to one of `audiences` on a channel,
    /// if none is under way there: writes `sending` beside it and fixes what
    /// makes a repeat the same letter. The caller commits before it is carried
    /// out. After a crash only that one may be out (RULES R10).
    pub fn hand_out(
        &mut self,
        channel: Channel,
        audiences: &[Audience],
        domain: &str,
        dry_run: bool,
        now: Moment,
    ) -> Option<Dispatch> {
        let is_sending = |notice: &Notice| matches!(notice.deliveries.get(&channel), Some(Delivery::Sending { .. }));
        if self.outbox.values().any(is_sending) {
            return None;
        }
        let kept_back = self.kept_back();
        self.drop_stale(channel, audiences, &kept_back, now);
        let due = |notice: &&Notice| {
            let delivery = notice.deliveries.get(&channel);
            let is_due = matches!(delivery, Some(Delivery::Due { not_before, .. }) if *not_before <= now);
            is_due && audiences.contains(&notice.audience) && !kept_back.contains(&notice.key)
        };
        let by_age = |a: &&Notice, b: &&Notice| (a.created, &a.key).cmp(&(b.created, &b.key));
        let key = self.outbox.values().filter(due).min_by(by_age)?.key.clone();
        let notice = self.outbox.get_mut(&key)?;
        let delivery = notice.deliveries.get_mut(&channel)?;
        let Delivery::Due { tries, .. } = *delivery else { return None };
        *delivery = Delivery::Sending { since: now, tries };
        let next_letter = &mut self.next_letter;
        let first = notice.first_sending.get_or_insert_with(|| {
            let left = format!("usher.{}.{:x}", next_letter, now.timestamp());
            *next_letter += 1;
            FirstSending { message_id: format!("{left}@{domain}"), date: now }
        });
        let (first, audience, to, letter) = (first.clone(), notice.audience, notice.to.clone(), notice.letter.clone());
        Some(Dispatch { key, audience, to, letter, first, dry_run })
    }

    /// What is no longer worth sending. What is for the operator is never given
    /// up for age, but for what is of its day; nor is what may be out.
    fn drop_stale(&mut self, channel: Channel, audiences: &[Audience], kept_back: &BTreeSet<NoticeKey>, now: Moment) {
        let stale = |notice: &&Notice| {
            let delivery = notice.deliveries.get(&channel);
            let is_due = matches!(delivery, Some(Delivery::Due { not_before, .. }) if *not_before <= now);
            let ages = notice.audience == Audience::Member || notice.letter.is_of_its_day();
            let waits = kept_back.contains(&notice.key) || notice.maybe_out || now <= notice.stale_after;
            is_due && ages && !waits && audiences.contains(&notice.audience)
        };
        let keys: Vec<NoticeKey> = self.outbox.values().filter(stale).map(|notice| notice.key.clone()).collect();
        for key in keys {
            self.cancel_notice(&key, "no longer worth sending", now);
        }
    }

    /// Letters to members that wait because of a start (RULES R11).
    fn kept_back(&self) -> BTreeSet<NoticeKey> {
        if self.starting.is_over() {
            return BTreeSet::new();
        }
        let waits = |notice: &&Notice| self.starting.keeps_back(notice) && !is_of_a_payers_invite(self, notice);
        self.outbox.values().filter(waits).map(|notice| notice.key.clone()).collect()
    }

    /// Whether a letter is due on any channel: [`Book::hand_out`] changes the
    /// book only then.
    #[must_use]
    pub fn has_letters_due(&self, now: Moment) -> bool {
        let due = |delivery: &Delivery| matches!(delivery, Delivery::Due { not_before, .. } if *not_before <= now);
        self.outbox.values().any(|notice| notice.deliveries.values().any(due))
    }

    /// What was `sending` when the process died may be out or not: it goes
    /// again with the same Message-ID, and is counted.
    pub fn reopen_sendings(&mut self, now: Moment) -> u64 {
        let mut reopened = 0;
        for notice in self.outbox.values_mut() {
            for delivery in notice.deliveries.values_mut() {
                if let Delivery::Sending { tries, .. } = delivery {
                    let last_error = Some("the process ended while it was being sent".to_owned());
                    *delivery = Delivery::Due { not_before: now, tries: *tries + 1, last_error };
                    notice.maybe_out = true;
                    reopened += 1;
                }
            }
        }
        self.repeats += reopened;
        reopened
    }

    /// A letter that waits for a time farther ahead than `longest` is tried now: a
    /// clock that was ahead has set it.
    pub fn wait_no_longer_than(&mut self, longest: TimeDelta, now: Moment) {
        for delivery in self.outbox.values_mut().flat_map(|notice| notice.deliveries.values_mut()) {
            if let Delivery::Due { not_before, .. } = delivery
                && *not_before > now + longest
            {
                *not_before = now;
            }
        }
    }

    /// Writes down what became of a try. Returns the channel's pause in
    /// seconds when the whole channel is down, or asks for one.
    pub fn delivered(&mut self, report: &Delivered, now: Moment) -> Option<u64> {
        let Delivered { key, channel, outcome } = report;
        let notice = self.outbox.get_mut(key)?;
        let delivery = notice.deliveries.get_mut(channel)?;
        let Delivery::Sending { tries, .. } = *delivery else { return None };
        let mut pause = None;
        let failures = tries + 1;
        let schedule = || backoff::mail_delay(failures, &key.0).as_secs();
        let again = |wait_secs: u64, tries: u32, why: &str| Delivery::Due {
            not_before: now + backoff::asked_for(Duration::from_secs(wait_secs)),
            tries,
            last_error: Some(why.to_owned()),
        };
        let address = notice.to.as_ref().filter(|_| notice.audience == Audience::Member);
        let to_be_seen_again = address.is_some_and(|to| note_bounce(&mut self.bounced, to, outcome, now));
        *delivery = match outcome {
            DeliveryOutcome::Accepted => Delivery::Accepted { at: now },
            DeliveryOutcome::Later { why, after_secs } => {
                // Discord limits the webhook, not the message.
                pause = after_secs.filter(|_| *channel == Channel::Discord);
                again(after_secs.unwrap_or(0).max(schedule()), failures, why)
            }
            DeliveryOutcome::Unknown { why } => {
                self.repeats += 1;
                notice.maybe_out = true;
                again(schedule(), failures, why)
            }
            DeliveryOutcome::ChannelDown { why, for_secs } => {
                pause = Some(*for_secs);
                again(*for_secs, tries, why)
            }
            DeliveryOutcome::Never { why, bad_address: true } if to_be_seen_again => again(DAY_SECS, failures, why),
            DeliveryOutcome::Never { why, .. } => Delivery::Refused { at: now, why: why.clone() },
        };
        // A try that certainly reached nobody fixes nothing: what it says is
        // looked at anew, and its shelf life still runs.
        let may_be_out = |delivery: &Delivery| matches!(delivery, Delivery::Accepted { .. } | Delivery::Sending { .. });
        if !notice.maybe_out && !notice.deliveries.values().any(may_be_out) {
            notice.first_sending = None;
        }
        pause
    }

    /// Mail to this address was refused for good on two different days: there
    /// is no way to write to it (RULES R3).
    #[must_use]
    pub fn is_dead(&self, address: &Email) -> bool {
        self.bounced.get(address).is_some_and(|days| days.len() >= DEAD_AFTER_DAYS)
    }

    /// Books of before counted bounces for each member: they were those of the
    /// address that access letters go to.
    pub fn move_old_bounces(&mut self) {
        for member in self.members.values_mut().filter(|member| !member.bounces.is_empty()) {
            let days = std::mem::take(&mut member.bounces);
            if let Some(address) = member.access_email() {
                self.bounced.entry(address.clone()).or_default().extend(days);
            }
        }
    }

    /// Notices that have waited for so long, on a channel that fails, that the
    /// operator should know.
    #[must_use]
    pub fn undeliverable_for_long(&self, now: Moment) -> Vec<&Notice> {
        let old = |notice: &&Notice| now - notice.created > TimeDelta::days(UNDELIVERED_TOLD_DAYS);
        // One that is being tried once more is still stuck: whatever is sent so
        // long after it came to be owed has failed before.
        let failed = |delivery: &Delivery| {
            matches!(delivery, Delivery::Due { last_error: Some(_), .. } | Delivery::Sending { .. })
        };
        let failing = |channel: &Channel| {
            self.outbox.values().filter(old).any(|notice| notice.deliveries.get(channel).is_some_and(failed))
        };
        let failing: Vec<Channel> = Channel::ALL.into_iter().filter(failing).collect();
        // Only the oldest is tried while a channel is down: the others wait behind it.
        let stuck = |notice: &&Notice| {
            failing.iter().any(|channel| notice.deliveries.get(channel).is_some_and(|delivery| !delivery.is_done()))
        };
        self.outbox.values().filter(old).filter(stuck).collect()
    }

    /// The earliest instant after `now` at which a delivery is to be tried.
    #[must_use]
    pub fn next_delivery(&self, now: Moment) -> Option<Moment> {
        self.outbox
            .values()
            .flat_map(|notice| notice.deliveries.values())
            .filter_map(|delivery| match delivery {
                Delivery::Due { not_before, .. } => Some(*not_before).filter(|at| *at > now),
                _ => None,
            })
            .min()
    }

    /// Notices with a delivery that isn't done.
    #[must_use]
    pub fn notices_open(&self) -> usize {
        self.outbox.values().filter(|notice| !notice.deliveries.values().all(Delivery::is_done)).count()
    }
}

/// What a try says of the address itself. True when it was refused for good,
/// and another day has to say so before the address counts as dead. A letter
/// that arrives clears the address.
fn note_bounce(
    bounced: &mut BTreeMap<Email, BTreeSet<NaiveDate>>,
    to: &Email,
    outcome: &DeliveryOutcome,
    now: Moment,
) -> bool {
    match outcome {
        DeliveryOutcome::Accepted => {
            bounced.remove(to);
            false
        }
        DeliveryOutcome::Never { bad_address: true, .. } => {
            let days = bounced.entry(to.clone()).or_default();
            days.insert(now.date_naive());
            if days.len() > DEAD_AFTER_DAYS {
                days.pop_first();
            }
            days.len() < DEAD_AFTER_DAYS
        }
        _ => false,
    }
}
