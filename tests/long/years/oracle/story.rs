//! All that befell somebody, for whoever asks why something is broken.

use sandbox::alphabet::{Person, Town};
use sandbox::rig::{OPERATOR, Rig};
use usher::facts::Moment;

use super::{Mail, Oracle, names};

impl Oracle {
    /// All that befell those who are named.
    pub fn about(&self, rig: &Rig, town: &Town, broken: &[String]) -> String {
        let mut text = String::new();
        let named = |person: &&Person| broken.iter().any(|line| names(line, &person.name));
        for person in town.people.iter().filter(named) {
            let told = Person { plays: Vec::new(), struck: Vec::new(), ..person.clone() };
            text.push_str(&format!("\n{told:#?}\n"));
            let mut lines: Vec<(Moment, String)> =
                person.struck.iter().map(|(at, what)| (*at, format!("* {what}"))).collect();
            lines.extend(town.house.iter().map(|(at, what)| (*at, format!("* house: {what}"))));
            let theirs = |mail: &&Mail| {
                person.addresses.contains(&mail.to)
                    || mail.to == OPERATOR && person.names().iter().any(|name| mail.text.contains(name.as_str()))
            };
            let letters = self.mails.iter().filter(theirs);
            lines.extend(letters.map(|mail| (mail.at, format!("@{}: {}", mail.to, mail.subject))));
            lines.extend(person.plays.iter().map(|at| (*at, "  played".to_owned())));
            lines.sort();
            let from = lines.len().saturating_sub(160);
            for (at, line) in &lines[from..] {
                text.push_str(&format!("  {} {line}\n", at.format("%m-%d %H:%M")));
            }
            for bought in &person.bought {
                let status = rig.stripe.status(&bought.id);
                let prices = bought.prices(rig);
                text.push_str(&format!("  {} {} {} {status:?} {prices:?}\n", bought.id, bought.customer, bought.email));
            }
        }
        text
    }
}
