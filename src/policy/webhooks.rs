//! Webhooks only make Usher look sooner, but an endpoint that is switched off,
//! or a tunnel that is down, is worth knowing: what Stripe itself says of the
//! endpoint, and whether anything comes while money moves.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Rules, World, entitlements, standing_reports::attention};
use crate::facts::{Billing, Moment, WebhookEndpoint};
use crate::ledger::{Book, Letter, Owed};

/// Without these Usher hears only at the next poll.
const NEEDED: [&str; 7] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
    "charge.refunded",
    "charge.dispute.created",
];
/// Nor this, where a tier names an entitlement.
const NEEDED_FOR_ENTITLEMENTS: &str = "entitlements.active_entitlement_summary.updated";
/// `customer.subscription.updated` comes with these, mostly; only `usher check`
/// speaks of them.
const WISHED: [&str; 2] = ["customer.subscription.paused", "customer.subscription.resumed"];
/// Money moved, and nothing came for so long (DESIGN §7).
const SILENT_AFTER: TimeDelta = TimeDelta::hours(24);
/// A delivery may take its time.
const LATE: TimeDelta = TimeDelta::hours(1);
/// An event's second and ours may differ.
const SLACK: TimeDelta = TimeDelta::minutes(1);

/// What this process has heard and should have heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Since when it listens.
    since: Option<Moment>,
    /// When the last webhook came.
    heard: Option<Moment>,
    /// The first event, since then, of which no webhook came.
    unheard: Option<Moment>,
}

impl Hearing {
    /// Takes note of a reading.
    pub fn note(&mut self, now: Moment, billing: &Billing) {
        let since = *self.since.get_or_insert(now);
        self.heard = self.heard.max(billing.webhook_heard);
        let heard = self.heard;
        let unheard = |event: &Moment| *event >= since && heard.is_none_or(|heard| heard + SLACK < *event);
        self.unheard = self.unheard.filter(unheard).or(billing.newest_event.filter(unheard));
    }

    /// Since when nothing has come although it should have.
    fn silent_since(&self, now: Moment) -> Option<Moment> {
        let last = self.heard.max(self.since)?;
        let late = self.unheard.is_some_and(|event| now - event >= LATE);
        (late && now - last >= SILENT_AFTER).then_some(last)
    }
}

/// Tells when it begins and when it is over.
pub fn tell(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    if !rules.webhooks {
        return;
    }
    tell_silence(now, rules, world, book);
    let endpoints = world.stripe.value().and_then(|billing| billing.endpoints.as_ref());
    if let Some(endpoints) = endpoints {
        tell_endpoint(now, rules, book, endpoints);
    }
}

fn tell_silence(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let condition = "webhooks/silent";
    match world.hearing.silent_since(now) {
        Some(since) => attention(
            now,
            rules,
            book,
            condition,
            "No webhook has come for a day, though money moved",
            &format!(
                "Stripe tells of payments, but the last webhook (or Usher's start) was on {}. Nobody is left outside: \
                 Usher asks Stripe itself, only later.",
                since.with_timezone(&rules.tz).format("%Y-%m-%d %H:%M")
            ),
            "Look at the endpoint in Stripe's dashboard: its address, its last deliveries, and your tunnel or proxy.",
        ),
        // Only a webhook ends it, not a quiet day.
        None if world.hearing.unheard.is_none() && world.hearing.heard.is_some() => {
            recovered(now, rules, book, condition, "Webhooks come again");
        }
        None => {}
    }
}

fn tell_endpoint(now: Moment, rules: &Rules, book: &mut Book, endpoints: &[WebhookEndpoint]) {
    let condition = "webhooks/endpoint";
    match look_over(rules, endpoints) {
        Endpoint::Wrong(wrongs) => attention(
            now,
            rules,
            book,
            condition,
            "The webhook endpoint at Stripe is not as it should be",
            &format!("{} Usher works all the same, but hears later.", wrongs.join(" ")),
            "Mend it in Stripe's dashboard, under Developers, Webhooks; it is looked at once a day.",
        ),
        Endpoint::Missing => {}
        Endpoint::Sound(_) => {
            recovered(now, rules, book, condition, "The webhook endpoint at Stripe is in order again")
        }
    }
}

/// How our endpoint stands at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// None of the account's endpoints leads here, as far as their addresses say.
    Missing,
    /// This one does, is on, and sends what is needed.
    Sound(String),
    /// What is wrong with each that leads here, in sentences.
    Wrong(Vec<String>),
}

/// Looks over the account's endpoints.
#[must_use]
pub fn look_over(rules: &Rules, endpoints: &[WebhookEndpoint]) -> Endpoint {
    let ours: Vec<&WebhookEndpoint> = endpoints.iter().filter(|endpoint| is_ours(rules, endpoint)).collect();
    if ours.is_empty() {
        return Endpoint::Missing;
    }
    let mut wrongs = Vec::new();
    for endpoint in ours {
        match wrong(rules, endpoint) {
            Some(wrong) => wrongs.push(wrong),
            // One that does is enough; another may be left over.
            None => return Endpoint::Sound(in_words(endpoint)),
        }
    }
    Endpoint::Wrong(wrongs)
}

fn in_words(endpoint: &WebhookEndpoint) -> String {
    let version = endpoint.version.as_deref().unwrap_or("the account's default");
    format!("{} ({}, API version {version})", endpoint.url, endpoint.id)
}

fn recovered(now: Moment, rules: &Rules, book: &mut Book, condition: &str, title: &str) {
    let Some(since) = book.untell(condition) else { return };
    let detail = format!("It was not since {}.", since.with_timezone(&rules.tz).format("%Y-%m-%d %H:%M"));
    let letter = Letter::Attention { title: title.into(), detail, what_to_do: "Nothing.".into() };
    book.owe(Owed::to_operator(None, format!("{condition}-over/{}", now.timestamp()), letter), rules.ways, now);
}

/// `PUBLIC_URL`'s, or one whose path is the door's.
fn is_ours(rules: &Rules, endpoint: &WebhookEndpoint) -> bool {
    let url = endpoint.url.trim_end_matches('/');
    let public = rules.public_url.as_deref().map(|url| url.trim_end_matches('/'));
    url.ends_with("/webhook/stripe")
        || public.is_some_and(|public| url == public || url.starts_with(&format!("{public}/")))
}

/// What is wrong with it, in sentences; `None` when nothing is.
fn wrong(rules: &Rules, endpoint: &WebhookEndpoint) -> Option<String> {
    let of = in_words(endpoint);
    if endpoint.disabled {
        return Some(format!("{of} is disabled."));
    }
    let sent = |needed: &&str| is_sent(endpoint, needed);
    let of_entitlements = entitlements::are_used(rules).then_some(NEEDED_FOR_ENTITLEMENTS);
    let needed = NEEDED.into_iter().chain(of_entitlements);
    let missing: BTreeSet<&str> = needed.filter(|needed| !sent(needed)).collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    (!missing.is_empty()).then(|| format!("{of} does not send {}.", missing.join(", ")))
}

fn is_sent(endpoint: &WebhookEndpoint, needed: &str) -> bool {
    let covers = |event: &String| {
        event.as_str() == needed || event.strip_suffix('*').is_some_and(|start| needed.starts_with(start))
    };
    endpoint.events.iter().any(covers)
}

/// What a sound endpoint of ours would better send as well.
#[must_use]
pub fn wishes(rules: &Rules, endpoints: &[WebhookEndpoint]) -> Vec<&'static str> {
    let sound = |endpoint: &&WebhookEndpoint| is_ours(rules, endpoint) && wrong(rules, endpoint).is_none();
    let Some(endpoint) = endpoints.iter().find(sound) else { return Vec::new() };
    WISHED.into_iter().filter(|wished| !is_sent(endpoint, wished)).collect()
}
