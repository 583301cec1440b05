//! Whether everybody stands where they should: payers in, the others out,
//! nobody with more than was bought.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sandbox::alphabet::{Bought, Person};
use sandbox::rig::OPERATOR;
use sandbox::stripe::Status;
use usher::facts::{Moment, SectionId};

use super::{DAY, HOUR, Hour, Oracle, Since, is_sold, is_unclear};

/// So long after the last trouble a payer is in: the operator looks once a day.
const PAYERS_IN_AFTER: TimeDelta = TimeDelta::hours(36);
/// The same where nobody has to be asked: passes are hourly, and what was wrong
/// may have to be seen twice to be over.
const KNOWN_PAYERS_IN_AFTER: TimeDelta = TimeDelta::hours(6);
/// Nobody keeps what no reason gives for so long: grace, letters, budget.
const LEFT_OVER: TimeDelta = TimeDelta::days(14);

fn keep(was: &mut Option<Moment>, now: Moment, so: bool) {
    *was = so.then(|| was.unwrap_or(now));
}

impl Oracle {
    pub(super) fn judge_standing(&mut self, hour: &Hour<'_>, person: &Person) -> Vec<String> {
        let Hour { rig, now, .. } = *hour;
        let subs = person.subs(rig);
        let running: Vec<&Bought> = subs
            .iter()
            .filter(|(bought, status)| matches!(status, Status::Active | Status::Trialing) && is_sold(hour, bought))
            .map(|(bought, _)| bought)
            .collect();
        let wish = &person.wish;
        let guest = self.guest(person).is_some_and(|until| until.is_none_or(|until| until > now));
        let since = self.since.entry(person.name.clone()).or_default();
        // Who is of the Home has access by it, and is never invited.
        let there = person.protected || person.account_in(rig).is_some() || person.is_invited(rig);
        keep(&mut since.paying, now, !running.is_empty());
        keep(&mut since.outside, now, !there);
        let share = person.account_in(rig).and_then(|account| rig.plex.share_of(account));
        keep(&mut since.inside, now, share.is_some() && person.accounts.len() == 1);
        let lasts = |until: Option<Moment>| until.is_some_and(|until| until > now);
        let held = person.protected || wish.grandfathered || guest || lasts(wish.holiday) || lasts(wish.extended);
        let ours = share.as_ref().is_some_and(|share| self.invited.contains_key(&share.id));
        // With several accounts it can't be told which one was revoked; and what ends
        // with the period may be undone until then.
        let alone = person.accounts.len() == 1 && subs.is_empty();
        let no_reason = !held && (subs.is_empty() && ours || wish.revoked.is_some() && alone && share.is_some());
        keep(&mut since.without_reason, now, no_reason);
        let Since { inside, without_reason, .. } = *since;
        if is_unclear(rig, person, now) {
            return Vec::new();
        }
        let mut broken = self.judge_payer(hour, person, &running);
        if inside.is_some_and(|inside| self.revoked_for_good(hour, person, inside)) {
            broken.push(format!("{} is revoked, and is still in", person.name));
        }
        if without_reason.is_some_and(|from| now - from.max(self.troubled) > LEFT_OVER) {
            broken.push(format!("{} is in without a reason since {without_reason:?}", person.name));
        }
        broken.extend(self.judge_libraries(hour, person, &subs, held));
        broken
    }

    /// Revoked there and then, live, and nothing was said against it since. Whom
    /// the operator shares with all the same is let go again, at the next look.
    fn revoked_for_good(&self, hour: &Hour<'_>, person: &Person, inside: Moment) -> bool {
        let plainly = ["revoked", "revoked by a noted number"];
        let Some(at) = person.wish.revoked else { return false };
        let said = |list: &[(Moment, &'static str)], such: &dyn Fn(&str) -> bool| {
            list.iter().any(|(when, what)| *when >= at && such(what))
        };
        let rejects = |what: &str| what.contains("rejected") || what.contains("book") || what == "goes live";
        let live = self.live_since.is_none_or(|live| live < at);
        let turned_away = self.turned_away.get(&person.name).map_or(at, |turned_away| *turned_away + DAY);
        hour.now - at.max(inside).max(turned_away).max(self.troubled).max(self.waiting) > KNOWN_PAYERS_IN_AFTER
            && live
            && said(&person.struck, &|what| plainly.contains(&what))
            && !said(&hour.town.house, &rejects)
    }

    /// Who pays is in, or the operator was told how to let them in.
    fn judge_payer(&self, hour: &Hour<'_>, person: &Person, running: &[&Bought]) -> Vec<String> {
        let now = hour.now;
        let Some(Since { paying: Some(paying), outside: Some(outside), .. }) = self.since.get(&person.name) else {
            return Vec::new();
        };
        let (paying, outside) = (*paying, *outside);
        // Until the operator said so, the address may have been unknown.
        let linked = person.struck.iter().filter(|(_, what)| what.starts_with("linked ")).map(|(at, _)| *at).max();
        let from = paying.max(outside).max(self.troubled).max(self.full.unwrap_or(outside));
        // And a slip in the tiers file leaves them without a library.
        let tiers = &hour.town.tiers;
        let mended = tiers.was_spoilt.last().map(|(_, mended)| *mended);
        let from = from.max(linked.unwrap_or(from)).max(tiers.spoilt.map_or(mended.unwrap_or(from), |_| now));
        let from = from.max(self.turned_away.get(&person.name).map_or(from, |at| *at + DAY));
        if now - from.max(self.waiting) < KNOWN_PAYERS_IN_AFTER || person.wish.revoked.is_some() {
            return Vec::new();
        }
        let names = person.names();
        let told = self.mails.iter().any(|mail| {
            mail.to == OPERATOR
                && mail.at >= paying.min(outside) - HOUR
                && mail.text.contains("usher ")
                && names.iter().any(|name| mail.text.contains(name.as_str()))
        });
        // Who went after they had bought is let in again when asked for.
        let went = |bought: &Bought| person.went.iter().any(|at| *at >= bought.began);
        if running.iter().any(|bought| person.proven.contains(&bought.email) && !went(bought)) {
            vec![format!("{} pays under a known address and is outside since {from}", person.name)]
        } else if !told && now - from >= PAYERS_IN_AFTER {
            vec![format!("{} pays, is outside since {from}, and nobody was told", person.name)]
        } else {
            Vec::new()
        }
    }

    /// Nobody has more libraries than was bought for long, nor fewer.
    fn judge_libraries(
        &mut self,
        hour: &Hour<'_>,
        person: &Person,
        subs: &[(Bought, Status)],
        held: bool,
    ) -> Vec<String> {
        let Hour { rig, town, now, .. } = *hour;
        let share = person.account_in(rig).and_then(|account| rig.plex.share_of(account));
        let opens = |bought: &Bought| -> BTreeSet<SectionId> {
            let prices = bought.prices(rig);
            prices.iter().filter_map(|price| town.tiers.libraries_of(rig, price)).flatten().collect()
        };
        let bought = |such: &dyn Fn(&Bought, Status) -> bool| -> BTreeSet<SectionId> {
            subs.iter().filter(|(bought, status)| such(bought, *status)).flat_map(|(bought, _)| opens(bought)).collect()
        };
        let may = bought(&|_, status| status != Status::Incomplete);
        // Where the operator is asked whose customer it is, nobody gets it by itself.
        let asked = |bought: &Bought| {
            let asks = |mail: &&super::Mail| mail.to == OPERATOR && mail.text.contains("usher link");
            self.mails.iter().filter(asks).any(|mail| mail.text.contains(&bought.customer))
        };
        let mut must = bought(&|bought, status| {
            // Who left, or declined, since they paid has had the choice.
            let went = person.went.iter().any(|at| *at >= bought.began);
            let runs = matches!(status, Status::Active | Status::Trialing);
            runs && person.proven.contains(&bought.email) && !went && !asked(bought)
        });
        // What is new joins "everything" only by the operator's word.
        if subs.iter().any(|(bought, _)| bought.prices(rig).iter().any(|price| town.tiers.buys_everything(price))) {
            must.retain(|section| [rig.movies, rig.tv].contains(section));
        }
        let has: BTreeSet<SectionId> = share.iter().flat_map(|share| share.sections.iter().copied()).collect();
        let ours = share.as_ref().is_some_and(|share| self.is_ours(share.id));
        let came = share.as_ref().and_then(|share| self.stays.get(&share.id)).map(|stay| stay.from);
        // What was given by hand since they came in stays, and so does a guest's.
        let by_hand = person.by_hand.iter().any(|(at, _)| came.is_none_or(|came| *at >= came));
        let free = held || by_hand || person.wish.guest.is_some();
        // A subscription to what no tier names keeps what it bought once.
        let known = !may.is_empty() && subs.iter().all(|(bought, _)| is_sold(hour, bought));
        let since = self.since.entry(person.name.clone()).or_default();
        keep(&mut since.too_much, now, !free && ours && known && has.difference(&may).count() > 0);
        // What a Home user may see is the owner's to say.
        let lacks = !person.protected && share.is_some() && must.difference(&has).count() > 0;
        keep(&mut since.too_little, now, lacks && town.tiers.spoilt.is_none());
        let (too_much, too_little) = (since.too_much, since.too_little);
        let mut broken = Vec::new();
        let long = |since: Option<Moment>, long: TimeDelta| since.is_some_and(|at| now - at.max(self.troubled) > long);
        if long(too_much, LEFT_OVER) {
            broken.push(format!("{} has {has:?}, buys {may:?} only since {too_much:?}", person.name));
        }
        if long(too_little, PAYERS_IN_AFTER) && person.wish.revoked.is_none() {
            broken.push(format!("{} buys {must:?}, has only {has:?} since {too_little:?}", person.name));
        }
        broken
    }
}
