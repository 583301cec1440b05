//! What is said when a promise is broken: enough to see why, and how to see it
//! again.

use chrono::TimeDelta;
use sandbox::trap;
use usher::facts::Moment;
use usher::ledger::Book;

use super::{Year, oracle};

impl Year {
    /// What Usher says of those who are named.
    pub(super) async fn explain(&self, broken: &mut Vec<String>) {
        if !self.rig.is_running() {
            return;
        }
        let named = |name: &str| broken.iter().any(|line| oracle::names(line, name));
        let mut who = Vec::new();
        for person in self.town.people.iter().filter(|person| named(&person.name)) {
            who.push(person.who());
            who.extend(person.subs(&self.rig).into_iter().map(|(bought, _)| bought.customer));
        }
        for who in who {
            let why = self.rig.get(&format!("/api/why?who={}", who.replace('@', "%40"))).await;
            let text = why["text"].as_str().map_or_else(|| why.to_string(), str::to_owned);
            broken.push(format!("\nUsher says of {who}:\n{text}"));
        }
        broken.push(format!("\nUsher says of itself:\n{}", self.rig.get("/health").await));
    }

    /// Ends the test when something is broken, and says how to see it again.
    pub(super) fn must_hold(&self, broken: Vec<String>) {
        if broken.is_empty() {
            return;
        }
        let (seed, now) = (self.seed, self.rig.now());
        let lately = |(at, _): &&(Moment, &str)| now - *at < TimeDelta::hours(12);
        let strikes: Vec<String> = self
            .town
            .people
            .iter()
            .flat_map(|person| {
                let strikes = person.struck.iter().filter(lately);
                strikes
                    .map(|(at, what)| format!("{} {} {what}", at.format("%m-%d %H:%M"), person.name))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut text = format!("{now}, seed {seed} (replay: USHER_SEED={seed}):\n{}\n", broken.join("\n"));
        text.push_str(&format!("\nlast moves\n  {}\n", strikes.join("\n  ")));
        let log = &self.weather.log;
        text.push_str(&format!("\nweather\n  {}\n", log[log.len().saturating_sub(20)..].join("\n  ")));
        let tiers = std::fs::read_to_string(self.rig.state().join("tiers.json")).unwrap_or_default();
        text.push_str(&format!("\ntiers: {tiers}\nwanted: {}\n", serde_json::json!(self.town.tiers.rows)));
        text.push_str(&self.rows_at_plex(&broken));
        text.push_str(&self.oracle.about(&self.rig, &self.town, &broken));
        if let Some(book) = trap::book(self.rig.state()) {
            text.push_str(&format!("{:?}\n{:?}\n", book.libraries, book.tiers));
            text.push_str(&self.journals(&book, &broken));
        }
        panic!("{text}");
    }

    /// Shares and invites of those who are named, and what plex.tv and Stripe were
    /// told to change today.
    fn rows_at_plex(&self, broken: &[String]) -> String {
        let named = |name: &str| broken.iter().any(|line| oracle::names(line, name));
        let mut text = String::from("\nat plex.tv\n");
        for person in self.town.people.iter().filter(|person| named(&person.name)) {
            let theirs = |share: &sandbox::plex::ShareView| {
                share.account.is_some_and(|account| person.accounts.contains(&account))
                    || share.email.as_ref().is_some_and(|email| person.addresses.contains(&email.to_lowercase()))
            };
            let rows = self.rig.plex.shares().into_iter().filter(theirs);
            rows.for_each(|share| text.push_str(&format!("  {}: {share:?}\n", person.name)));
        }
        for call in self.rig.plex.changes().into_iter().chain(self.rig.stripe.changes()) {
            let body = String::from_utf8_lossy(&call.body).chars().take(300).collect::<String>();
            text.push_str(&format!("  {} {} {body}\n", call.method, call.target));
        }
        text
    }

    /// What the book says of those who are named.
    fn journals(&self, book: &Book, broken: &[String]) -> String {
        let mut text = String::new();
        let named = |name: &str| broken.iter().any(|line| oracle::names(line, name));
        for member in book.members.values() {
            let mut of_them = self.town.people.iter().filter(|person| named(&person.name));
            let is_theirs = |person: &sandbox::alphabet::Person| {
                member.plex.is_some_and(|account| person.accounts.contains(&account))
            };
            if !of_them.any(|person| is_theirs(person) || oracle::names(&member.name(), &person.name)) {
                continue;
            }
            text.push_str(&format!("\nbook: {} ({})\n", member.name(), member.id));
            if let Some(share) = &member.share {
                let row = (share.id(), share.row.id, share.row.account, share.row.state);
                text.push_str(&format!("  share {row:?}, missing since {:?}\n", member.missing_since));
            }
            text.push_str(&format!("  made {:?}\n", member.made_for));
            for notice in book.outbox.values().filter(|notice| notice.member.as_ref() == Some(&member.id)) {
                text.push_str(&format!("  letter {}: {:?}\n", notice.key.0, notice.deliveries));
            }
            for entry in &member.journal {
                text.push_str(&format!("  {} {}\n", entry.at.format("%m-%d %H:%M"), entry.what));
            }
        }
        text
    }
}
