//! The oracle: knows who is who, who has truly paid until when, who truly
//! watched when, and what the operator truly wanted. It reads the stand-ins and
//! the letters, never the book, and shares no code with the rules.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use sandbox::alphabet::{Bought, Person, Town};
use sandbox::plex::{Deleted, Who};
use sandbox::rig::{OPERATOR, Rig};
use sandbox::stripe::Status;
use usher::facts::{Moment, ShareId};

/// The world is looked at hourly.
const HOUR: TimeDelta = TimeDelta::hours(1);
/// So long after the last trouble a payer is in: the operator looks once a day.
const PAYERS_IN_AFTER: TimeDelta = TimeDelta::hours(36);
/// Nobody keeps what no reason gives for so long: grace, letters, budget.
const LEFT_OVER: TimeDelta = TimeDelta::days(14);
const KICK: TimeDelta = TimeDelta::days(30);
const WARN: TimeDelta = TimeDelta::days(27);
const AFTER_LETTER: TimeDelta = TimeDelta::days(3);

struct Mail {
    at: Moment,
    to: String,
    subject: String,
    text: String,
}

/// Since when something is so of somebody.
#[derive(Default)]
struct Since {
    paying: Option<Moment>,
    outside: Option<Moment>,
    without_reason: Option<Moment>,
    too_much: Option<Moment>,
    too_little: Option<Moment>,
}

/// See the module.
pub struct Oracle {
    since: BTreeMap<String, Since>,
    mails: Vec<Mail>,
    deletions: usize,
    troubled: Moment,
    /// Shares made through the API.
    ours: BTreeSet<ShareId>,
    told: BTreeSet<String>,
    /// Whether Usher rehearses.
    dry: bool,
    invites: usize,
    /// What must have been written by then: `(by, name, subject)`.
    owed: Vec<(Moment, Moment, String, &'static str)>,
}

impl Oracle {
    pub fn new(now: Moment) -> Self {
        Self {
            since: BTreeMap::new(),
            mails: Vec::new(),
            deletions: 0,
            troubled: now,
            ours: BTreeSet::new(),
            told: BTreeSet::new(),
            dry: false,
            invites: 0,
            owed: Vec::new(),
        }
    }

    /// Something was down until now.
    pub fn troubled(&mut self, now: Moment) {
        self.troubled = now;
    }

    /// Usher begins to rehearse, or ends it.
    pub fn rehearses(&mut self, dry: bool, now: Moment) {
        self.dry = dry;
        self.troubled = now;
    }

    /// Whom the notices ask about, as the persons truly are: `(who, customer)`.
    pub fn asked_who(&mut self, town: &Town) -> Vec<(String, String)> {
        let mut answers = Vec::new();
        for mail in self.mails.iter().filter(|mail| mail.to == OPERATOR && mail.text.contains("usher link")) {
            for person in &town.people {
                for bought in &person.bought {
                    if mail.text.contains(&format!("--stripe {}", bought.customer))
                        && person.main().is_some()
                        && self.told.insert(bought.customer.clone())
                    {
                        answers.push((person.who(), bought.customer.clone()));
                    }
                }
            }
        }
        answers
    }

    /// What the last hour broke.
    pub fn look(&mut self, rig: &Rig, town: &Town) -> Vec<String> {
        let mut broken = Vec::new();
        let now = rig.now();
        if !rig.is_running() || self.dry {
            self.troubled = now;
        }
        let new = self.mails.len();
        self.mails.extend(rig.smtp.received().into_iter().map(|mail| Mail {
            at: mail.at,
            to: mail.to.first().cloned().unwrap_or_default().to_lowercase(),
            subject: mail.subject.clone(),
            text: mail.text(),
        }));
        rig.smtp.forget_received();
        self.ours.extend(rig.plex.invites_sent().iter().map(|invite| invite.share));
        let deletions = rig.plex.deletions();
        for gone in deletions.iter().skip(self.deletions).filter(|gone| gone.was_accepted) {
            broken.extend(self.judge(rig, town, gone));
        }
        self.deletions = deletions.len();
        let invites = rig.plex.invites_sent();
        for invite in invites.iter().skip(self.invites) {
            let to = match &invite.to {
                Who::Id(id) => town.with_account(*id),
                Who::Email(email) => town.with_address(email),
            };
            let Some(person) = to else {
                broken.push(format!("somebody unknown was invited {}: {:?}", invite.at, invite.to));
                continue;
            };
            let pending = person.is_invited(rig);
            if pending {
                self.owed.push((invite.at, invite.at + HOUR * 3, person.name.clone(), "Your invitation to"));
            }
        }
        self.invites = invites.len();
        broken.extend(self.unwritten(rig, town));
        if self.dry {
            broken.extend(self.acted_in_rehearsal(rig, new));
        }
        for mail in &self.mails[new..] {
            broken.extend(self.judge_mail(rig, town, mail));
        }
        for person in &town.people {
            broken.extend(self.judge_standing(rig, person));
        }
        broken
    }

    /// Letters that are owed and did not come.
    fn unwritten(&mut self, rig: &Rig, town: &Town) -> Vec<String> {
        let now = rig.now();
        if !rig.is_running() {
            self.owed.iter_mut().for_each(|owed| owed.1 = now + HOUR * 3);
            return Vec::new();
        }
        let (due, owed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.owed).into_iter().partition(|owed| owed.1 <= now);
        self.owed = owed;
        let mut broken = Vec::new();
        for (at, _, name, subject) in due {
            let Some(person) = town.people.iter().find(|person| person.name == name) else { continue };
            let wrote = |mail: &Mail| {
                person.addresses.contains(&mail.to) && mail.subject.starts_with(subject) && mail.at >= at - HOUR
            };
            if !self.mails.iter().any(wrote) {
                broken.push(format!("{name} got no letter {subject:?} since {at}"));
            }
        }
        broken
    }

    /// A rehearsal touches nobody.
    fn acted_in_rehearsal(&self, rig: &Rig, new: usize) -> Vec<String> {
        let members = self.mails[new..].iter().filter(|mail| mail.to != OPERATOR);
        let mut broken: Vec<String> =
            members.map(|mail| format!("{} was written to in a rehearsal: {}", mail.to, mail.subject)).collect();
        for (service, calls) in [("Plex", rig.plex.changes()), ("Tautulli", rig.tautulli.changes())] {
            broken.extend(calls.iter().map(|call| format!("{service} was called in a rehearsal: {call:?}")));
        }
        broken
    }

    /// What the last day broke.
    pub fn day(&mut self, rig: &Rig) -> Vec<String> {
        let mut broken = rig.amiss();
        let now = rig.now();
        let today: Vec<&Mail> = self.mails.iter().filter(|mail| now - mail.at < TimeDelta::days(1)).collect();
        let mut by_reader: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for mail in today {
            by_reader.entry(&mail.to).or_default().push(&mail.subject);
        }
        for (to, subjects) in by_reader {
            let most = if to == OPERATOR { 20 } else { 5 };
            if subjects.len() > most {
                broken.push(format!("{to} got {} letters in a day: {subjects:#?}", subjects.len()));
            }
        }
        let calls = rig.plex.changes().len();
        if calls > 40 {
            broken.push(format!("{calls} changing calls to Plex in a day"));
        }
        rig.plex.clear();
        rig.stripe.clear();
        rig.tautulli.clear();
        rig.discord.clear();
        rig.discord.forget_messages();
        broken
    }

    fn judge(&mut self, rig: &Rig, town: &Town, gone: &Deleted) -> Vec<String> {
        let Some(person) = gone.account.and_then(|account| town.with_account(account)) else {
            return vec![format!("somebody unknown was removed {}", gone.at)];
        };
        self.owed.push((gone.at, gone.at + HOUR * 3, person.name.clone(), "Your access to"));
        let why = self.deserved(rig, person, gone);
        why.err().map(|why| format!("{} was removed {}: {why}", person.name, gone.at)).into_iter().collect()
    }

    fn deserved(&self, rig: &Rig, person: &Person, gone: &Deleted) -> Result<(), String> {
        if person.protected {
            return Err("they are protected".into());
        }
        let wish = &person.wish;
        if wish.revoked.is_some() || person.account_in(rig).is_some() || person.is_invited(rig) {
            return Ok(());
        }
        if wish.grandfathered {
            return Err("they are grandfathered".into());
        }
        if wish.holiday.is_some_and(|until| until > gone.at) {
            return Err("they are on holiday".into());
        }
        if wish.guest.as_ref().is_some_and(|guest| guest.until.is_some_and(|until| until > gone.at + HOUR * 24)) {
            return Err("they are a guest".into());
        }
        let earlier = gone.at - HOUR;
        for (bought, status) in person.subs(rig) {
            let runs = matches!(status, Status::Active | Status::Trialing) && bought.began < earlier;
            if runs && ours(rig, &bought) && person.proven.contains(&bought.email) {
                return Err(format!("{} pays", bought.id));
            }
        }
        let by_hand = !self.ours.contains(&gone.share);
        if self.was_idle(person, gone.at) {
            return Ok(());
        }
        let came = person.by_hand.iter().map(|(at, _)| *at).max();
        for bought in &person.bought {
            if by_hand && came.is_some_and(|came| came < bought.began) {
                continue;
            }
            match rig.stripe.status(&bought.id) {
                Some(Status::Canceled | Status::IncompleteExpired) => {
                    let ended = rig.stripe.ended_at(&bought.id).unwrap_or(gone.at);
                    if gone.at - ended >= TimeDelta::hours(24) {
                        return Ok(());
                    }
                }
                // Its trial ended without a card, as Stripe states.
                Some(Status::Paused) if trial_just_ended(rig, &bought.id, gone.at) => return Ok(()),
                Some(Status::PastDue | Status::Unpaid | Status::Paused) => {
                    let letters = ["Your payment for", "Please confirm your payment", "Your break"];
                    if letters.iter().any(|subject| self.told_before(person, subject, gone.at - AFTER_LETTER)) {
                        return Ok(());
                    }
                }
                _ if !ours(rig, bought) => return Ok(()),
                _ => {}
            }
        }
        if wish.guest.as_ref().is_some_and(|guest| guest.until.is_some_and(|until| until <= gone.at + HOUR * 24)) {
            return Ok(());
        }
        Err("nothing explains it".into())
    }

    fn was_idle(&self, person: &Person, at: Moment) -> bool {
        let last = sandbox::alphabet::member::last_play(&person.plays, at - HOUR);
        let came = person.by_hand.iter().map(|(at, _)| *at).max();
        let Some(since) = last.max(came) else { return false };
        let idle = at - since - person.unseen_between(since, at);
        let warned = |mail: &Mail| {
            mail.subject.starts_with("Still with us")
                && person.addresses.contains(&mail.to)
                && mail.at > since
                && mail.at <= at - AFTER_LETTER
        };
        idle >= KICK - HOUR && self.mails.iter().any(warned)
    }

    fn told_before(&self, person: &Person, subject: &str, before: Moment) -> bool {
        self.mails.iter().any(|mail| {
            mail.subject.starts_with(subject) && person.addresses.contains(&mail.to) && mail.at <= before + HOUR
        })
    }

    fn judge_mail(&self, rig: &Rig, town: &Town, mail: &Mail) -> Vec<String> {
        if mail.to == OPERATOR {
            return Vec::new();
        }
        let Some(person) = town.with_address(&mail.to) else {
            return vec![format!("a letter went to {}, which is nobody's: {}", mail.to, mail.subject)];
        };
        let mut broken = Vec::new();
        let name = &person.name;
        let wrong = |why: &str| format!("{name} got {:?} {}: {why}", mail.subject, mail.at);
        let paying = |bought: &(Bought, Status)| {
            matches!(bought.1, Status::Active | Status::Trialing)
                && person.proven.contains(&bought.0.email)
                && bought.0.began < mail.at - HOUR
                && ours(rig, &bought.0)
        };
        if mail.subject.starts_with("Still with us") {
            if person.protected {
                broken.push(wrong("they are protected"));
            }
            if person.subs(rig).iter().any(paying) {
                broken.push(wrong("they pay"));
            }
            let last = sandbox::alphabet::member::last_play(&person.plays, mail.at - HOUR * 3);
            let came = person.by_hand.iter().map(|(at, _)| *at).max();
            let since = last.max(came);
            if since.is_none_or(|since| mail.at - since - person.unseen_between(since, mail.at) < WARN - HOUR) {
                broken.push(wrong(&format!("last play or coming {since:?}")));
            }
        }
        let after = mail.subject.contains("has ended");
        for day in promised_days(&mail.text).into_iter().chain(promised_days(&mail.subject)) {
            if !after && day < mail.at.date_naive() {
                broken.push(wrong(&format!("it names {day}, which is over:\n{}", mail.text)));
            }
        }
        broken
    }

    fn judge_standing(&mut self, rig: &Rig, person: &Person) -> Vec<String> {
        let now = rig.now();
        let mut broken = Vec::new();
        let subs = person.subs(rig);
        let running: Vec<&Bought> = subs
            .iter()
            .filter(|(bought, status)| matches!(status, Status::Active | Status::Trialing) && ours(rig, bought))
            .map(|(bought, _)| bought)
            .collect();
        // Who is of the Home has access by it, and is never invited.
        let there = person.protected || person.account_in(rig).is_some() || person.is_invited(rig);
        let since = self.since.entry(person.name.clone()).or_default();
        let keep = |was: &mut Option<Moment>, so: bool| {
            *was = so.then(|| was.unwrap_or(now));
        };
        keep(&mut since.paying, !running.is_empty());
        keep(&mut since.outside, !there);
        if let (Some(paying), Some(outside)) = (since.paying, since.outside) {
            let from = paying.max(outside).max(self.troubled);
            let newest = running.iter().map(|bought| bought.began).max().unwrap_or(now);
            let went = person.went.iter().any(|at| *at >= newest);
            if now - from >= PAYERS_IN_AFTER && person.wish.revoked.is_none() {
                let names = person.names();
                let told = self.mails.iter().any(|mail| {
                    mail.to == OPERATOR
                        && mail.at >= paying.min(outside) - HOUR
                        && mail.text.contains("usher ")
                        && names.iter().any(|name| mail.text.contains(name.as_str()))
                });
                let proven = running.iter().any(|bought| person.proven.contains(&bought.email));
                if !told {
                    broken.push(format!("{} pays, is outside since {from}, and nobody was told", person.name));
                } else if proven && !went {
                    broken.push(format!("{} pays under a known address and is outside since {from}", person.name));
                }
            }
        }
        let wish = &person.wish;
        let guest = wish.guest.as_ref().is_some_and(|guest| guest.until.is_none_or(|until| until > now));
        let share = person.account_in(rig).and_then(|account| rig.plex.share_of(account));
        let ours_alone = share.as_ref().is_some_and(|share| self.ours.contains(&share.id));
        let held = person.protected || wish.grandfathered || guest || wish.holiday.is_some_and(|until| until > now);
        let no_reason = !held && (subs.is_empty() && ours_alone || wish.revoked.is_some() && share.is_some());
        keep(&mut since.without_reason, no_reason);
        if since.without_reason.is_some_and(|from| now - from.max(self.troubled) > LEFT_OVER) {
            broken.push(format!("{} is in without a reason since {:?}", person.name, since.without_reason));
        }
        broken.extend(self.judge_libraries(rig, person, &subs, held));
        broken
    }

    /// Nobody has more libraries than was bought for long, nor fewer.
    fn judge_libraries(&mut self, rig: &Rig, person: &Person, subs: &[(Bought, Status)], held: bool) -> Vec<String> {
        let now = rig.now();
        let share = person.account_in(rig).and_then(|account| rig.plex.share_of(account));
        let premium = |(bought, status): &(Bought, Status)| {
            price(rig, bought) == rig.premium.as_str() && *status != Status::Incomplete
        };
        let tv = share.as_ref().is_some_and(|share| share.sections.contains(&rig.tv));
        let buys_tv = subs.iter().any(premium);
        let runs = |sub: &&(Bought, Status)| {
            premium(sub) && matches!(sub.1, Status::Active | Status::Trialing) && person.proven.contains(&sub.0.email)
        };
        let since = self.since.entry(person.name.clone()).or_default();
        let keep = |was: &mut Option<Moment>, so: bool| *was = so.then(|| was.unwrap_or(now));
        let free = held || !person.by_hand.is_empty() || person.wish.guest.is_some();
        let ours_alone = share.as_ref().is_some_and(|share| self.ours.contains(&share.id));
        keep(&mut since.too_much, !free && ours_alone && tv && !buys_tv);
        // What a Home user may see is the owner's to say.
        keep(
            &mut since.too_little,
            !person.protected && share.is_some() && !tv && subs.iter().filter(runs).count() > 0,
        );
        let mut broken = Vec::new();
        let long = |since: Option<Moment>, long: TimeDelta| since.is_some_and(|at| now - at.max(self.troubled) > long);
        if long(since.too_much, LEFT_OVER) {
            broken.push(format!("{} has TV and doesn't pay for it since {:?}", person.name, since.too_much));
        }
        if long(since.too_little, PAYERS_IN_AFTER) && person.wish.revoked.is_none() {
            broken.push(format!("{} pays for TV and lacks it since {:?}", person.name, since.too_little));
        }
        broken
    }

    /// All that befell those who are named.
    pub fn about(&self, rig: &Rig, town: &Town, broken: &[String]) -> String {
        let mut text = String::new();
        let named = |person: &&Person| broken.iter().any(|line| line.starts_with(&format!("{} ", person.name)));
        for person in town.people.iter().filter(named) {
            text.push_str(&format!("\n{person:#?}\n"));
            let mut lines: Vec<(Moment, String)> =
                person.struck.iter().map(|(at, what)| (*at, format!("* {what}"))).collect();
            lines.extend(town.house.iter().map(|(at, what)| (*at, format!("* house: {what}"))));
            let theirs = |mail: &&Mail| {
                person.addresses.contains(&mail.to)
                    || mail.to == OPERATOR && person.names().iter().any(|name| mail.text.contains(name.as_str()))
            };
            lines.extend(
                self.mails.iter().filter(theirs).map(|mail| (mail.at, format!("@{}: {}", mail.to, mail.subject))),
            );
            lines.extend(person.plays.iter().map(|at| (*at, "  played".to_owned())));
            lines.sort();
            for (at, line) in lines {
                text.push_str(&format!("  {} {line}\n", at.format("%m-%d %H:%M")));
            }
            for bought in &person.bought {
                let status = rig.stripe.status(&bought.id);
                text.push_str(&format!("  {} {} {} {status:?}\n", bought.id, bought.customer, bought.email));
            }
        }
        text
    }
}

fn trial_just_ended(rig: &Rig, sub: &str, at: Moment) -> bool {
    let end = rig.stripe.object(sub)["trial_end"].as_i64().and_then(|end| chrono::DateTime::from_timestamp(end, 0));
    end.is_some_and(|end| end <= at - TimeDelta::hours(24) && at - end < TimeDelta::days(40))
}

fn price(rig: &Rig, bought: &Bought) -> serde_json::Value {
    rig.stripe.object(&bought.id)["items"]["data"][0]["price"]["id"].clone()
}

/// On a price that a tier names.
fn ours(rig: &Rig, bought: &Bought) -> bool {
    let price = price(rig, bought);
    price == rig.basic.as_str() || price == rig.premium.as_str()
}

/// Days that a letter promises: "by", "until", "ends on".
fn promised_days(text: &str) -> Vec<NaiveDate> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut days = Vec::new();
    for window in words.windows(4) {
        let [weekday, day, month, year] = window else { continue };
        let is_day = ["Monday,", "Tuesday,", "Wednesday,", "Thursday,", "Friday,", "Saturday,", "Sunday,"];
        if !is_day.contains(weekday) {
            continue;
        }
        let year = year.trim_matches(|c: char| !c.is_ascii_digit());
        if let Ok(day) = NaiveDate::parse_from_str(&format!("{day} {month} {year}"), "%d %B %Y") {
            days.push(day);
        }
    }
    days
}
