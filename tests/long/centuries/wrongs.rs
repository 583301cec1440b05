//! What is held against a removal: the lives, which the rules never saw.

use chrono::TimeDelta;
use usher::facts::{Moment, Status, Subscription};
use usher::ledger::EndCause;

use super::door::House;
use super::lives::Person;
use super::weather::Sky;

impl House {
    /// What the lives say against a removal.
    pub fn wrong_with(&mut self, who: usize, cause: &EndCause, approved: bool) -> Option<String> {
        let (now, person) = (self.now, &self.people[who]);
        if person.protected || person.home {
            return Some("they are protected".into());
        }
        let wish = &person.wish;
        if wish.revoked {
            return None;
        }
        // Who was given access for some days watches all the same (R3).
        let guest = wish.guest_until.is_some_and(|until| until > now) && !matches!(cause, EndCause::Idle { .. });
        if wish.grandfathered || guest {
            return Some("the operator let them in".into());
        }
        if wish.away_until.is_some_and(|until| until > now) {
            return Some("they are on holiday".into());
        }
        let theirs = person.customer();
        // What had ended before they came in this time is no cause.
        let before = |ended: Moment| person.joined.is_some_and(|joined| ended < joined);
        let all = self.billing.subscriptions.values();
        let theirs = || all.clone().filter(|sub| sub.customer == theirs);
        // Nor what ended when they subscribed anew.
        let followed = |ended: Moment| theirs().any(|other| other.created >= ended);
        let never = |sub: &&Subscription| matches!(sub.status, Status::Incomplete | Status::IncompleteExpired);
        let theirs = || theirs().filter(|sub| !never(sub));
        let subs = || theirs().filter(|sub| !sub.ended_at.is_some_and(|ended| before(ended) || followed(ended)));
        if subs().any(|sub| matches!(sub.status, Status::Active | Status::Trialing)) {
            return Some("one of their subscriptions pays".into());
        }
        if self.sky.is_of_plex() || self.sky.is_of_stripe() {
            return Some(format!("on {:?}, which is unknown", self.sky));
        }
        let (wrong, stated) = match cause {
            EndCause::Idle { .. } => (self.wrong_with_idle(person), false),
            EndCause::Lapsed { subscription, .. } => {
                let told =
                    |since: Moment| person.told_unpaid.iter().any(|at| *at >= since && *at <= now - TimeDelta::days(3));
                let wrong = subs().find_map(|sub| match (&sub.status, sub.ended_at) {
                    (Status::Canceled, Some(ended)) if now - ended < TimeDelta::hours(24) => {
                        Some(format!("{} ended only {ended}", sub.id))
                    }
                    // Beside it nobody has to be told of another one that ended.
                    (Status::Canceled, Some(ended)) if sub.ended_by_failed_payment && sub.id == *subscription => {
                        let untold = !told(ended - TimeDelta::days(120));
                        untold.then(|| format!("{} ended unpaid, and no letter said so", sub.id))
                    }
                    (Status::PastDue, _) => {
                        let since = sub.open_invoices.iter().flatten().map(|invoice| invoice.opened_at).min()?;
                        let grace = now - since < TimeDelta::days(7);
                        (grace || !told(since)).then(|| format!("{} is unpaid only since {since}, or untold", sub.id))
                    }
                    (Status::Paused, _) if sub.trial_end.is_none() => {
                        let told = person.told_paused.iter().any(|at| *at <= now - TimeDelta::days(3));
                        (!told).then(|| format!("{} is paused, and no letter said so", sub.id))
                    }
                    _ => None,
                });
                let trial_over = |sub: &Subscription| sub.status == Status::Paused && sub.trial_end.is_some();
                let stated = subs().all(|sub| sub.ended_at.is_some() || trial_over(sub));
                (wrong, stated)
            }
            EndCause::GrantOver { .. } => (None, true),
            other => (Some(format!("nobody asked for {other:?}")), false),
        };
        wrong.or_else(|| self.beyond_the_budget(stated || approved))
    }

    fn wrong_with_idle(&self, person: &Person) -> Option<String> {
        if self.sky.is_of_tautulli() || self.sky == Sky::KeepsNoHistory {
            return Some(format!("on {:?}, which is unknown", self.sky));
        }
        let since = person.last_play.max(person.joined)?;
        let observed = |since: Moment| {
            let dark = |day: &&Moment| self.blind.contains(day);
            let blind = self.blind.iter().filter(|day| **day > since).count()
                + person.unseen.iter().filter(|day| **day > since && !dark(day)).count();
            (self.now - since).num_days() - i64::try_from(blind).unwrap_or(i64::MAX)
        };
        if observed(since) < 30 {
            return Some(format!("idle for only {} observed days", observed(since)));
        }
        let warned = |at: &&Moment| **at > since && observed(**at) >= 3;
        (!person.warned.iter().any(|at| warned(&at))).then(|| "they are unwarned".into())
    }

    /// RULES R9.9, for a removal that is not free of it.
    fn beyond_the_budget(&mut self, free: bool) -> Option<String> {
        if free {
            return None;
        }
        let now = self.now;
        self.unstated.retain(|at| now - *at < TimeDelta::hours(24));
        self.unstated.push(now);
        let house = self.people.iter().filter(|person| person.joined.is_some()).count() + self.unstated.len() - 1;
        let budget = (house / 10).clamp(1, 3);
        (self.unstated.len() > budget).then(|| format!("{} in 24 h, the budget is {budget}", self.unstated.len()))
    }
}
