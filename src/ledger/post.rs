//! The outbox's lawful changes: owing a notice, handing it out, and writing
//! down what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;

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

    /// Cancels what is not yet out, with a reason.
    pub fn cancel_notice(&mut self, key: &NoticeKey, why: &str, now: Moment) {
        let Some(notice) = self.outbox.get_mut(key) else { return };
        for delivery in notice.deliveries.values_mut() {
            if matches!(delivery, Delivery::Due { .. }) {
                *delivery = Delivery::Cancelled { at: now, why: why.to_owned() };
            }
        }
    }

    /// Takes up to `max` due notices to `audiences` of one channel: writes `sending` beside
    /// each and fixes what makes a repeat the same letter. The caller commits
    /// before it hands them out.
    pub fn hand_out(
        &mut self,
        channel: Channel,
        audiences: &[Audience],
        max: usize,
        domain: &str,
        dry_run: bool,
        now: Moment,
    ) -> Vec<Dispatch> {
        let mut batch = Vec::new();
        let mut next_letter = self.next_letter;
        let kept_back = self.kept_back();
        let goes = |notice: &&mut Notice| audiences.contains(&notice.audience) && !kept_back.contains(&notice.key);
        for notice in self.outbox.values_mut().filter(goes) {
            let stale = now > notice.stale_after && notice.first_sending.is_none();
            let Some(delivery) = notice.deliveries.get_mut(&channel) else { continue };
            let Delivery::Due { not_before, tries, .. } = delivery else { continue };
            if *not_before > now {
                continue;
            }
            if stale {
                *delivery = Delivery::Cancelled { at: now, why: "no longer worth sending".into() };
                continue;
            }
            if batch.len() == max {
                break;
            }
            *delivery = Delivery::Sending { since: now, tries: *tries };
            let first = notice.first_sending.get_or_insert_with(|| {
                let left = format!("usher.{}.{:x}", next_letter, now.timestamp());
                next_letter += 1;
                FirstSending { message_id: format!("{left}@{domain}"), date: now }
            });
            batch.push(Dispatch {
                key: notice.key.clone(),
                audience: notice.audience,
                to: notice.to.clone(),
                letter: notice.letter.clone(),
                first: first.clone(),
                dry_run,
            });
        }
        self.next_letter = next_letter;
        batch
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

    /// Writes down what became of a try. Returns the channel's pause in
    /// seconds when the whole channel is down.
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
        let member = notice.member.clone().filter(|_| notice.audience == Audience::Member);
        let mut member = member.and_then(|member| self.members.get_mut(&member));
        if let (Some(member), DeliveryOutcome::Never { bad_address: true, .. }) = (&mut member, outcome) {
            member.bounces.insert(now.date_naive());
        }
        let to_be_seen_again = member.as_ref().is_some_and(|member| !member.has_bounced());
        *delivery = match outcome {
            DeliveryOutcome::Accepted => Delivery::Accepted { at: now },
            DeliveryOutcome::Later { why, after_secs } => again(after_secs.unwrap_or(0).max(schedule()), failures, why),
            DeliveryOutcome::Unknown { why } => {
                self.repeats += 1;
                notice.maybe_out = true;
                again(schedule(), failures, why)
            }
            DeliveryOutcome::ChannelDown { why, for_secs } => {
                pause = Some(*for_secs);
                again(*for_secs, tries, why)
            }
            // An address is dead when two different days have said so (RULES R3).
            DeliveryOutcome::Never { why, bad_address: true } if to_be_seen_again => again(DAY_SECS, failures, why),
            DeliveryOutcome::Never { why, .. } => Delivery::Refused { at: now, why: why.clone() },
        };
        if let (Some(member), DeliveryOutcome::Accepted) = (member, outcome) {
            member.bounces.clear();
        }
        let certainly_not_out = !delivery.is_done() && !matches!(outcome, DeliveryOutcome::Unknown { .. });
        // A try that certainly reached nobody is no first sending: what it
        // promises is made anew, and its shelf life still runs. The operator
        // hears late rather than never, but for what the day makes stale.
        let letter = &notice.letter;
        let not_fixed = letter.is_of_its_day() || notice.audience == Audience::Member;
        if certainly_not_out && !notice.maybe_out && not_fixed {
            notice.first_sending = None;
        }
        pause
    }

    /// Notices that have failed for so long that the operator should know.
    #[must_use]
    pub fn undeliverable_for_long(&self, now: Moment) -> Vec<&Notice> {
        self.outbox
            .values()
            .filter(|notice| now - notice.created > TimeDelta::days(UNDELIVERED_TOLD_DAYS))
            .filter(|notice| {
                // One that is being tried once more is still stuck: whatever is sent
                // so long after it came to be owed has failed before.
                let stuck = |delivery: &Delivery| {
                    matches!(delivery, Delivery::Due { last_error: Some(_), .. } | Delivery::Sending { .. })
                };
                notice.deliveries.values().any(stuck)
            })
            .collect()
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
