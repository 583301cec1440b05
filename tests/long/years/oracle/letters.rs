//! Whether a letter was right: its reader, its cause, its days; and whether
//! what is owed was written.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use sandbox::alphabet::{Bought, Town};
use sandbox::rig::{OPERATOR, Rig};
use sandbox::stripe::Status;
use usher::facts::Moment;

use super::removals::{idle, last_seen};
use super::{HOUR, Hour, Mail, Oracle, is_sold, is_unclear};

pub(super) const INVITED: &str = "Your invitation to";
pub(super) const REMOVED: &str = "Your access to";
pub(super) const WARN: TimeDelta = TimeDelta::days(27);

impl Oracle {
    /// Those letters that came since the last look.
    pub fn judge_mails(&self, hour: &Hour<'_>, new: usize) -> Vec<String> {
        let mut broken: Vec<String> = self.mails[new..].iter().flat_map(|mail| self.judge_mail(hour, mail)).collect();
        broken.extend(self.twice(hour, new));
        broken
    }

    fn judge_mail(&self, hour: &Hour<'_>, mail: &Mail) -> Vec<String> {
        if mail.to == OPERATOR {
            return Vec::new();
        }
        let Hour { rig, town, .. } = *hour;
        let Some(person) = town.with_address(&mail.to) else {
            return vec![format!("a letter went to {}, which is nobody's: {}", mail.to, mail.subject)];
        };
        let mut broken = Vec::new();
        let name = &person.name;
        let wrong = |why: &str| format!("{name} got {:?} {}: {why}", mail.subject, mail.at);
        // With two accounts it can't be told here which one is written to.
        let clear = !is_unclear(rig, person, mail.at) && person.accounts.len() < 2;
        let paying = |bought: &(Bought, Status)| {
            clear
                && matches!(bought.1, Status::Active | Status::Trialing)
                && person.proven.contains(&bought.0.email)
                && bought.0.began < mail.at - HOUR
                && is_sold(hour, &bought.0)
        };
        if mail.subject.starts_with("Still with us") {
            if person.protected && person.accounts.len() == 1 {
                broken.push(wrong("they are protected"));
            }
            if person.subs(rig).iter().any(paying) {
                broken.push(wrong("they pay"));
            }
            // What was played in the last hours may not have been read yet.
            let since = last_seen(hour, person, self.is_in_since(rig, person), mail.at - HOUR * 3);
            if clear && since.is_none_or(|since| idle(hour, person, since, mail.at) < WARN - HOUR) {
                broken.push(wrong(&format!("last play or coming {since:?}")));
            }
        }
        if mail.subject.contains("please subscribe") {
            let wish = &person.wish;
            if clear && (person.protected || wish.grandfathered) || person.subs(rig).iter().any(paying) {
                broken.push(wrong("they are protected, grandfathered or pay"));
            }
        }
        let after = mail.subject.contains("has ended");
        for day in promised_days(&mail.text).into_iter().chain(promised_days(&mail.subject)) {
            if !after && day < mail.at.date_naive() {
                broken.push(wrong(&format!("it promises {day}, which is over:\n{}", mail.text)));
            }
        }
        broken
    }

    /// The same letter again, where the first one's receipt wasn't lost, nor the
    /// memory of it with a younger book.
    fn twice(&self, hour: &Hour<'_>, new: usize) -> Vec<String> {
        let mut first: BTreeMap<(&str, &str), &Mail> = BTreeMap::new();
        let mut broken = Vec::new();
        for (n, mail) in self.mails.iter().enumerate() {
            let Some(before) = first.insert((&mail.to, &mail.message_id), mail) else { continue };
            let ended = |at: &chrono::DateTime<chrono::Utc>| *at >= before.at - HOUR && *at <= mail.at;
            let forgotten = self.ends.iter().any(ended) || has_an_older_book(hour.town, before.at);
            if n >= new && !before.answer_lost && !forgotten {
                broken.push(format!("{} got {:?} {} and again {}", mail.to, mail.subject, before.at, mail.at));
            }
        }
        broken
    }

    /// When a letter that is owed since then must have come. What failed while
    /// the mail did is tried again half a day later at the latest; no member is
    /// written to while Usher waits for an `usher accept`.
    pub(super) fn letter_by(&self, since: Moment) -> Moment {
        (since + HOUR * 3).max(self.troubled.max(self.waiting) + HOUR * 13)
    }

    /// Letters that are owed and did not come.
    pub(super) fn unwritten(&mut self, rig: &Rig, town: &Town) -> Vec<String> {
        let now = rig.now();
        if self.troubled.max(self.waiting) >= now - HOUR {
            self.owed.iter_mut().for_each(|owed| owed.by = now + HOUR * 13);
            return Vec::new();
        }
        let (due, owed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.owed).into_iter().partition(|owed| owed.by <= now);
        self.owed = owed;
        let mut broken = Vec::new();
        for owed in due {
            let Some(person) = town.people.iter().find(|person| person.name == owed.name) else { continue };
            // Who has taken the invite up, or lost it, needs no letter about it. Nor
            // does who was back meanwhile need one about what is over.
            let been_in = self.been_in.get(&owed.name).is_some_and(|at| *at > owed.since + HOUR);
            if been_in || owed.subject == INVITED && !person.is_invited(rig) {
                continue;
            }
            // After a fortnight no letter is worth sending; an older book owes it no more.
            if now - owed.since > TimeDelta::days(13) || has_an_older_book(town, owed.since) {
                continue;
            }
            let wrote = |mail: &Mail| {
                person.addresses.contains(&mail.to)
                    && mail.subject.starts_with(owed.subject)
                    && mail.at >= owed.since - HOUR
            };
            if !self.mails.iter().any(wrote) {
                broken.push(format!("{} got no letter {:?} since {}", owed.name, owed.subject, owed.since));
            }
        }
        broken
    }
}

/// An old book was put back since.
fn has_an_older_book(town: &Town, since: Moment) -> bool {
    town.house.iter().any(|(at, what)| *what == "an old book is restored" && *at >= since)
}

/// Days that a letter promises: those after "by", "until", "on" where what
/// happens there is still to come.
fn promised_days(text: &str) -> Vec<NaiveDate> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut days = Vec::new();
    for window in words.windows(6) {
        let [verb, at, weekday, day, month, year] = window else { continue };
        let is_day = ["Monday,", "Tuesday,", "Wednesday,", "Thursday,", "Friday,", "Saturday,", "Sunday,"];
        let promises = ["by", "until", "before"].contains(at) || *at == "on" && ["ends", "end"].contains(verb);
        if !promises || !is_day.contains(weekday) {
            continue;
        }
        let year = year.trim_matches(|c: char| !c.is_ascii_digit());
        if let Ok(day) = NaiveDate::parse_from_str(&format!("{day} {month} {year}"), "%d %B %Y") {
            days.push(day);
        }
    }
    days
}

#[test]
fn a_day_that_is_over_is_a_promise_and_the_day_of_the_last_play_is_none() {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).into_iter().collect::<Vec<_>>();
    assert_eq!(promised_days("Please watch something by Wednesday, 4 March 2026, or your access ends."), day);
    assert_eq!(promised_days("Your access ends on Wednesday, 4 March 2026."), day);
    assert_eq!(promised_days("You last watched something on Wednesday, 4 March 2026."), vec![]);
}
