//! Whether people heard of what concerns them, and whether what Usher did in an
//! hour was asked for: letters to the right address, nobody turned away, nothing
//! given that nobody bought, nothing done at once when the house goes live.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sandbox::alphabet::{Bought, Person};
use sandbox::rig::{OPERATOR, Rig};
use sandbox::stripe::Status;
use usher::facts::{Moment, SectionId};

use super::letters::WARN;
use super::removals::{idle, last_seen};
use super::{DAY, HOUR, Hour, Mail, Oracle, is_sold, is_unclear};

const FAILING_UNHEARD: TimeDelta = TimeDelta::days(2);
/// Longer than Stripe ever hides its invoices here.
const DENIED_FOR: TimeDelta = TimeDelta::days(14);

impl Oracle {
    /// What was posted at Discord is kept: the stand-in forgets it daily.
    pub(super) fn keep_posts(&mut self, rig: &Rig) {
        rig.discord.messages().iter().for_each(|post| self.posted.push_str(&post.all_text()));
        rig.discord.forget_messages();
    }

    /// Whether the operator was ever told of this, by whatever way.
    pub fn has_heard(&self, rig: &Rig, of: &str) -> bool {
        let names = |text: &str| {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            words.any(|word| word == of)
        };
        self.mails.iter().any(|mail| mail.to == OPERATOR && names(&mail.text))
            || names(&self.posted)
            || rig.discord.messages().iter().any(|post| names(&post.all_text()))
            || rig.smtp.received_for(OPERATOR).iter().any(|mail| names(&mail.text()))
    }

    pub(super) fn judge_what_was_heard(&mut self, hour: &Hour<'_>, person: &Person) -> Vec<String> {
        let Hour { rig, now, .. } = *hour;
        let mut broken = Vec::new();
        if let Some(at) = person.turned_away.last().filter(|at| now - **at <= HOUR * 2) {
            broken.push(format!("{} is in, wanted to pay {at}, and was told that all seats are taken", person.name));
        }
        let subs = person.subs(rig);
        let fails = subs.iter().any(|(_, status)| *status == Status::PastDue)
            && subs.iter().all(|(bought, status)| {
                *status == Status::PastDue
                    && person.proven.contains(&bought.email)
                    && rig.stripe.object(&bought.id)["pause_collection"].is_null()
                    && is_sold(hour, bought)
            });
        let wish = &person.wish;
        let free = person.protected || wish.grandfathered || wish.guest.is_some() || wish.holiday.is_some();
        let by_ours = person.account_in(rig).and_then(|account| rig.plex.share_of(account));
        let ours = by_ours.is_some_and(|share| self.is_ours(share.id));
        if !fails || free || !ours || self.dry.is_some() || wish.revoked.is_some() || is_unclear(rig, person, now) {
            self.failing.remove(&person.name);
            return broken;
        }
        let since = *self.failing.entry(person.name.clone()).or_insert(now);
        let names = person.names();
        let heard = self.mails.iter().any(|mail| {
            mail.at >= since - DAY
                && (person.addresses.contains(&mail.to)
                    || mail.to == OPERATOR
                        && names.iter().any(|name| super::names(&mail.text, name) || mail.text.contains(name)))
        });
        // Who is told that no invoices can be read can find out for everybody.
        let denied = |mail: &Mail| mail.subject.contains("may not read invoices") && mail.at >= since - DENIED_FOR;
        let heard = heard || self.mails.iter().any(|mail| mail.to == OPERATOR && denied(mail));
        if !heard && now - since.max(self.troubled) > FAILING_UNHEARD {
            broken.push(format!("the payment of {} fails since {since}, and nobody has heard", person.name));
        }
        broken
    }

    /// What runs was bought under another address than they are invited at.
    pub(super) fn invited_at(&self, hour: &Hour<'_>, person: &Person, email: &str, at: Moment) -> Option<String> {
        let rig = hour.rig;
        // Whose account is known, or who was invited by name, is invited there.
        let known =
            self.been_in.contains_key(&person.name) || person.wish.guest.is_some() || !person.by_hand.is_empty();
        let friend = person.main().is_some_and(|account| rig.plex.is_friend(account));
        if known || friend || is_unclear(rig, person, at) {
            return None;
        }
        let subs = person.subs(rig);
        let runs = |bought: &Bought, status: Status| {
            matches!(status, Status::Active | Status::Trialing)
                && person.proven.contains(&bought.email)
                && bought.began < at - HOUR
        };
        let (other, _) = subs.iter().find(|(bought, status)| runs(bought, *status))?;
        let under = |bought: &&Bought| bought.email == email;
        let over = |bought: &&Bought| rig.stripe.ended_at(&bought.id).is_some_and(|ended| ended < at - HOUR);
        let theirs: Vec<&Bought> = person.bought.iter().filter(under).collect();
        let lapsed = !theirs.is_empty() && theirs.iter().all(over);
        let wrong = lapsed && subs.iter().all(|(bought, _)| bought.email != email);
        let (name, runs) = (&person.name, &other.email);
        wrong.then(|| format!("{name} was invited {at} at {email}, where nothing runs: what runs was bought at {runs}"))
    }

    /// Nobody is given what they never bought, not for an hour.
    pub(super) fn judge_updates(&mut self, hour: &Hour<'_>) -> Vec<String> {
        let Hour { rig, town, now, .. } = *hour;
        let updates = rig.plex.updates();
        let new: Vec<_> = updates.iter().skip(self.updates).filter(|update| update.took).cloned().collect();
        self.updates = updates.len();
        let mut broken = Vec::new();
        for person in &town.people {
            let Some(share) = person.account_in(rig).and_then(|account| rig.plex.share_of(account)) else { continue };
            let held = person.protected || person.wish.grandfathered || person.wish.guest.is_some();
            let had_by_hand = !person.by_hand.is_empty() || !self.is_ours(share.id);
            let sold = person.bought.iter().all(|bought| is_sold(hour, bought));
            if held || had_by_hand || !sold || person.bought.is_empty() || is_unclear(rig, person, now) {
                continue;
            }
            let prices: BTreeSet<String> = person.bought.iter().flat_map(|bought| bought.prices(rig)).collect();
            let moved = [rig.basic.clone(), rig.premium.clone()];
            if prices.contains(&rig.premium) || !prices.iter().all(|price| moved.contains(price)) {
                continue;
            }
            let refused: Vec<_> = town.refused.iter().filter(|(at, ..)| now - *at > HOUR * 2).collect();
            for update in new.iter().filter(|update| update.share == share.id) {
                let gives = |id: &SectionId| update.sections.contains(id);
                let all = town.tiers.buys_everything(&rig.basic);
                if gives(&rig.tv) && !all && self.never_changed(person) {
                    broken.push(format!("{} was given TV {}, and never bought it", person.name, update.at));
                }
                for (_, id, title) in refused.iter().filter(|(_, id, _)| gives(id)) {
                    broken.push(format!("{} was given {title} ({id:?}) {}, which was refused", person.name, update.at));
                }
            }
        }
        broken
    }

    /// Their price was never another one.
    fn never_changed(&self, person: &Person) -> bool {
        let moves = ["changes the tier in the portal", "upgraded over the API", "moved to another tier's price"];
        !person.struck.iter().any(|(_, what)| moves.contains(what))
    }

    /// What was due when the house went live waits for the operator's word.
    pub(super) fn judge_going_live(&self, hour: &Hour<'_>, new: usize) -> Vec<String> {
        let Hour { rig, town, now, .. } = *hour;
        let Some(live) = self.live_since.filter(|live| now - *live <= HOUR * 2) else { return Vec::new() };
        if self.approvals.iter().any(|at| *at >= live) || self.dry.is_some() {
            return Vec::new();
        }
        let said = |person: &Person| {
            let approves = |what: &str| ["everything approved", "one hold approved"].contains(&what);
            town.house.iter().any(|(at, what)| *at >= live && approves(what))
                || person.wish.revoked.is_some_and(|at| at >= live)
                || is_unclear(rig, person, now)
        };
        let mut broken = Vec::new();
        for mail in self.mails.iter().skip(new).filter(|mail| mail.at >= live && mail.at - live <= HOUR) {
            let Some(person) = town.with_address(&mail.to).filter(|person| !said(person)) else { continue };
            let due = || {
                let since = last_seen(hour, person, self.is_in_since(rig, person), live);
                since.is_some_and(|since| idle(hour, person, since, live) > WARN + HOUR)
            };
            if mail.subject.starts_with("Still with us") && due()
                || mail.subject.contains("please subscribe") && self.stood_by_hand(person, live)
            {
                broken.push(format!("{} got {:?} as the house went live {live}, unasked", person.name, mail.subject));
            }
        }
        for gone in self.deletions.iter().rev().take_while(|gone| gone.at >= live) {
            let person = gone.account.and_then(|account| town.with_account(account)).filter(|person| !said(person));
            let Some(person) = person.filter(|_| gone.was_accepted && gone.at - live <= HOUR) else { continue };
            let over = |bought: &Bought| rig.stripe.ended_at(&bought.id).is_some_and(|ended| live - ended > DAY + HOUR);
            if person.bought.is_empty() || person.bought.iter().all(over) {
                broken.push(format!("{} was removed as the house went live {live}, unasked", person.name));
            }
        }
        broken
    }

    /// They have been in by hand for hours already.
    fn stood_by_hand(&self, person: &Person, live: Moment) -> bool {
        person.by_hand.iter().map(|(at, _)| *at).max().is_some_and(|at| live - at > HOUR * 5)
    }
}
