//! A stranger asks for a link to somebody's billing page (RULES R10: such links
//! go only to that customer's own Stripe address).
//!
//! Promises: nobody learns whether an address is known; whoever's it is gets at
//! most one letter a day, whoever asks how often.

use chrono::TimeDelta;

use super::{Hearing, Said};
use crate::facts::{CustomerId, Email};
use crate::ledger::{Audience, Book, Letter, Owed, Payer};
use crate::member::MemberId;

/// A link works for so long: the day's one letter serves until there can be
/// another.
const LINK_WORKS: TimeDelta = TimeDelta::hours(24);
/// Later than this after it was asked for, nobody waits for it any more.
const SHELF: TimeDelta = TimeDelta::hours(6);

/// Owes the letters.
pub(super) fn link(hearing: Hearing<'_>, book: &mut Book, email: &str) -> Result<Said, String> {
    if hearing.rules.ways.dry_run {
        return Err("this is a dry run, which writes to nobody".into());
    }
    let email = Email::parse(email).ok_or_else(|| format!("{email:?} is no email address"))?;
    let mut said = Said::default();
    for (member, customer) in customers(book, &email) {
        let owed = Owed {
            member: Some(member.clone()),
            audience: Audience::Member,
            occasion: format!("{customer}-{}", hearing.rules.day_of(hearing.now)),
            to: Some(email.clone()),
            customer: Some(customer.clone()),
            letter: Letter::BillingLink { customer, until: hearing.now + LINK_WORKS },
            shelf: SHELF,
        };
        if !book.outbox.contains_key(&owed.key()) {
            book.owe(owed, hearing.rules.ways, hearing.now);
            book.note(&member, hearing.now, "a link to their billing page was asked for with their address");
        }
        said.about.push(member);
    }
    let words = if said.about.is_empty() { "no customer has this address" } else { "a link is mailed, once a day" };
    said.lines.push(words.to_owned());
    Ok(said)
}

/// Customers whose address at Stripe this is: those with a subscription that
/// isn't over; else the one met last, for old invoices.
fn customers(book: &Book, email: &Email) -> Vec<(MemberId, CustomerId)> {
    let theirs = |payer: &Payer| payer.mail_to.as_ref() == Some(email) && payer.unlinked.is_none();
    let mut all: Vec<_> = Vec::new();
    for member in book.members.values() {
        for (customer, payer) in member.customers.iter().filter(|(_, payer)| theirs(payer)) {
            let mut billed = member.subscriptions.values().filter(|billed| billed.now.customer == *customer);
            let runs = billed.any(|billed| billed.now.ended_at.is_none());
            all.push((runs, payer.since, (member.id.clone(), customer.clone())));
        }
    }
    let any_runs = all.iter().any(|(runs, ..)| *runs);
    match any_runs {
        true => all.into_iter().filter(|(runs, ..)| *runs).map(|(.., who)| who).collect(),
        false => all.into_iter().max_by_key(|(_, since, _)| *since).map(|(.., who)| who).into_iter().collect(),
    }
}
