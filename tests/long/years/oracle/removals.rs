//! Whether a removal was deserved, in the persons' own words.

use chrono::TimeDelta;
use sandbox::alphabet::{Bought, Person, member};
use sandbox::plex::Deleted;
use sandbox::rig::Rig;
use sandbox::stripe::Status;
use usher::facts::{Moment, ShareId};

use super::{DAY, HOUR, Hour, Mail, Oracle, Owed, Removed, is_sold, is_unclear};

const KICK: TimeDelta = TimeDelta::days(30);
const AFTER_LETTER: TimeDelta = TimeDelta::days(3);
/// `ADOPTION_GRACE_DAYS`.
const ASKED_BEFORE: TimeDelta = TimeDelta::days(14);
const SETTLE: TimeDelta = TimeDelta::hours(24);

impl Oracle {
    pub(super) fn judge_removal(&mut self, hour: &Hour<'_>, gone: &Deleted) -> Vec<String> {
        let Some(person) = gone.account.and_then(|account| hour.town.with_account(account)) else {
            return vec![format!("somebody unknown was removed {}", gone.at)];
        };
        let (since, by) = (gone.at, self.letter_by(gone.at));
        self.owed.push(Owed { since, by, name: person.name.clone(), subject: super::letters::REMOVED });
        let why = self.deserved(hour, person, gone);
        self.ended.insert(person.name.clone(), gone.at);
        why.err().map(|why| format!("{} was removed {}: {why}", person.name, gone.at)).into_iter().collect()
    }

    /// As it was when it happened: people change.
    pub(super) fn seen_removed(&self, hour: &Hour<'_>, gone: &Deleted) -> Removed {
        let person = gone.account.and_then(|account| hour.town.with_account(account));
        let over = |bought: &&Bought| hour.rig.stripe.ended_at(&bought.id).is_some_and(|ended| ended < gone.at);
        let stated = person.is_some_and(|person| {
            let had: Vec<&Bought> = person.bought.iter().filter(|bought| bought.began <= gone.at).collect();
            !had.is_empty() && had.iter().all(over)
        });
        let revoked = person.is_some_and(|person| person.wish.revoked.is_some());
        Removed {
            at: gone.at,
            account: gone.account,
            name: person.map_or("somebody", |person| person.name.as_str()).to_owned(),
            house: self.people_in,
            revoked,
            stated: stated || revoked,
        }
    }

    fn deserved(&self, hour: &Hour<'_>, person: &Person, gone: &Deleted) -> Result<(), String> {
        let rig = hour.rig;
        // One of their accounts is protected; another one of theirs may go.
        let is_main = gone.account == person.main();
        let of_the_home = gone.account.is_some_and(|account| {
            let mut home = false;
            rig.plex.with_account(account, |account| home = account.home);
            home
        });
        if person.protected && (is_main || of_the_home) {
            return Err("they are protected".into());
        }
        let wish = &person.wish;
        let unclear = is_unclear(rig, person, gone.at);
        if wish.revoked.is_some() || unclear || person.account_in(rig).is_some() || person.is_invited(rig) {
            return Ok(());
        }
        // What was given to one of their accounts says nothing of another one.
        // A word that was said in the very minute of the removal came too late.
        let mut said = hour.town.house.iter().chain(&person.struck).filter(|(_, what)| what.contains("grandfathered"));
        let crossed = said.any(|(at, _)| (gone.at - *at).abs() < TimeDelta::minutes(2));
        if wish.grandfathered && is_main && !crossed {
            return Err("they are grandfathered".into());
        }
        if is_main && wish.holiday.is_some_and(|until| until > gone.at) {
            return Err("they are on holiday".into());
        }
        // Who was given access watches all the same (R3).
        if self.was_idle(hour, person, gone) {
            return Ok(());
        }
        let guest = self.guest(person);
        if is_main && guest.is_some_and(|until| until.is_none_or(|until| until > gone.at + DAY)) {
            return Err("they are a guest".into());
        }
        let earlier = gone.at - HOUR;
        for (bought, status) in person.subs(rig) {
            // What another account of theirs took up says nothing of this one.
            let runs = matches!(status, Status::Active | Status::Trialing) && bought.began < earlier && is_main;
            if runs && is_sold(hour, &bought) && person.proven.contains(&bought.email) {
                return Err(format!("{} pays", bought.id));
            }
        }
        let asked = self.asks && self.told_before(person, "Your place at Attic Cinema: please", gone.at - ASKED_BEFORE);
        if guest.is_some() || asked {
            return Ok(());
        }
        // An end explains the removal of what stood when it came, no more.
        let by_hand = !self.is_ours(gone.share);
        let came = person.by_hand.iter().map(|(at, _)| *at).max();
        let seen = self.stays.get(&gone.share).map(|stay| stay.from - HOUR * 2);
        let stood_since = self.invited.get(&gone.share).copied().or(came.filter(|_| by_hand)).or(seen);
        for bought in &person.bought {
            if by_hand && came.is_some_and(|came| came < bought.began) {
                continue;
            }
            if self.explains(hour, person, bought, gone.at, stood_since) {
                return Ok(());
            }
        }
        Err("nothing explains it".into())
    }

    /// Whether this subscription's fate explains the end of a share that had
    /// stood since then.
    fn explains(
        &self,
        hour: &Hour<'_>,
        person: &Person,
        bought: &Bought,
        at: Moment,
        stood_since: Option<Moment>,
    ) -> bool {
        let rig = hour.rig;
        match rig.stripe.status(&bought.id) {
            Some(Status::Canceled | Status::IncompleteExpired) => {
                let ended = rig.stripe.ended_at(&bought.id).unwrap_or(at);
                at - ended >= SETTLE && stood_since.is_none_or(|since| ended >= since - HOUR * 2)
            }
            // Its trial ended without a card, as Stripe states.
            Some(Status::Paused) if self.trial_ended(rig, &bought.id, at) => true,
            Some(Status::PastDue | Status::Unpaid | Status::Paused) => {
                let letters = ["Your payment for", "Please confirm your payment", "Your break"];
                letters.iter().any(|subject| self.told_before(person, subject, at - AFTER_LETTER))
            }
            _ => !is_sold(hour, bought),
        }
    }

    /// It is paused since its trial ended, and a day has passed.
    fn trial_ended(&self, rig: &Rig, sub: &str, at: Moment) -> bool {
        let end = rig.stripe.object(sub)["trial_end"].as_i64().and_then(|end| chrono::DateTime::from_timestamp(end, 0));
        let paused = self.stood.get(sub).map(|(_, before, seen)| (*before - DAY)..=(*seen + DAY));
        end.zip(paused).is_some_and(|(end, paused)| end <= at - SETTLE && paused.contains(&end))
    }

    fn was_idle(&self, hour: &Hour<'_>, person: &Person, gone: &Deleted) -> bool {
        let at = gone.at;
        let Some(since) = last_seen(hour, person, self.in_since(person, gone.share), at - HOUR) else { return false };
        let warned = |mail: &Mail| {
            mail.subject.starts_with("Still with us")
                && person.addresses.contains(&mail.to)
                && mail.at > since
                && mail.at <= at - AFTER_LETTER
        };
        idle(hour, person, since, at) >= KICK - HOUR && self.mails.iter().any(warned)
    }

    /// When they came in by that share. More libraries that the operator gives by
    /// hand meanwhile are no coming.
    fn in_since(&self, person: &Person, share: ShareId) -> Option<Moment> {
        let seen = self.stays.get(&share)?.from;
        let by_hand = person.by_hand.iter().map(|(at, _)| *at).filter(|at| *at <= seen).max();
        by_hand.filter(|_| !self.is_ours(share)).or(Some(seen))
    }

    /// The same, of the share by which they are in now.
    pub(super) fn is_in_since(&self, rig: &Rig, person: &Person) -> Option<Moment> {
        let share = person.account_in(rig).and_then(|account| rig.plex.share_of(account))?;
        self.in_since(person, share.id)
    }

    fn told_before(&self, person: &Person, subject: &str, before: Moment) -> bool {
        self.mails.iter().any(|mail| {
            mail.subject.starts_with(subject) && person.addresses.contains(&mail.to) && mail.at <= before + HOUR
        })
    }
}

/// The end of their last play that could be seen, or when they came in.
pub(super) fn last_seen(hour: &Hour<'_>, person: &Person, in_since: Option<Moment>, before: Moment) -> Option<Moment> {
    let dark: Vec<_> = hour.blind.iter().copied().chain(person.unseen_until(hour.now)).collect();
    let seen = |play: &&Moment| !dark.iter().any(|(from, to)| from <= *play && *play <= to);
    let plays: Vec<Moment> = person.plays.iter().filter(seen).copied().collect();
    member::last_play(&plays, before).max(in_since.filter(|since| *since <= before))
}

/// How long they were seen to do nothing. The world is looked at hourly, so a
/// short blindness is not seen by everybody.
pub(super) fn idle(hour: &Hour<'_>, person: &Person, since: Moment, at: Moment) -> TimeDelta {
    let long = hour.blind.iter().filter(|(from, to)| *to - *from >= HOUR * 4);
    let mut dark: Vec<_> = long.map(|(from, to)| (*from + HOUR, *to - HOUR)).chain(person.unseen_until(at)).collect();
    dark.sort_unstable();
    let (mut seen, mut from) = (TimeDelta::zero(), since);
    for (begins, ends) in dark {
        seen += (begins.min(at) - from).max(TimeDelta::zero());
        from = from.max(ends);
    }
    seen + (at - from).max(TimeDelta::zero())
}
