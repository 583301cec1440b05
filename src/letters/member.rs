//! What the templates of members' letters are given.

use chrono::{Days, NaiveDate, NaiveTime};
use serde_json::{Value, json};

use super::words::{day, days, link, name};
use crate::facts::Moment;
use crate::ledger::{EndedBecause, Letter};
use crate::portal::PortalKey;

/// The link works for a while longer: who comes late may still ask for a place.
fn link_until(last_day: NaiveDate) -> Moment {
    (last_day + Days::new(LINK_DAYS_MORE)).and_time(NaiveTime::MIN).and_utc()
}

/// So many days after the promised one the link to subscribe ends to work.
const LINK_DAYS_MORE: u64 = 30;

/// The facts of a letter to a member, ready to be read; `None` for the
/// operator's.
pub(super) fn facts(letter: &Letter, portal: &PortalKey) -> Option<Value> {
    Some(match letter {
        Letter::Invited { tier, libraries, downloads, address } => json!({
            "tier": tier.as_deref().map(name),
            "libraries": names(libraries),
            "downloads": downloads,
            "address": name(address.as_str()),
        }),
        Letter::InviteReminder { libraries, address, days_ago, lapses } => json!({
            "libraries": names(libraries),
            "address": name(address.as_str()),
            "ago": days(*days_ago),
            "lapses": lapses.map(day),
        }),
        Letter::Subscribe { until, address, member } => json!({
            "until": day(*until),
            "token": member.as_ref().map(|member| portal.place_token(member, link_until(*until))),
            "address": address.as_ref().map(|address| name(address.as_str())),
        }),
        Letter::SubscriptionCancelled { idle_days, until } => json!({
            "idle": days(*idle_days),
            "until": until.map(day),
        }),
        Letter::Welcome { libraries, downloads } => json!({
            "libraries": names(libraries),
            "downloads": downloads,
        }),
        Letter::InactivityWarning { idle_days, last_play, never_watched, until, downloads, pays } => json!({
            "idle": days(*idle_days),
            "last_play": last_play.map(day),
            "never_watched": never_watched,
            "until": day(*until),
            "downloads": downloads,
            "pays": pays,
        }),
        Letter::RemovedInactive { idle_days, warned_on, was_promised } => json!({
            "idle": days(*idle_days),
            "warned_on": warned_on.map(day),
            "was_promised": was_promised.map(day),
        }),
        Letter::PaymentFailed { amount, pay_url, access_until, next_attempt } => json!({
            "amount": amount.as_deref().map(name),
            "pay_url": pay_url.as_deref().and_then(link),
            "access_until": access_until.map(day),
            "next_attempt": next_attempt.map(day),
        }),
        Letter::PaymentActionRequired { amount, pay_url, access_until } => json!({
            "amount": amount.as_deref().map(name),
            "pay_url": pay_url.as_deref().and_then(link),
            "access_until": access_until.map(day),
        }),
        Letter::TrialEnding { on, then } => json!({ "on": day(*on), "then": then }),
        Letter::CancellationReceived { on, stays, asked } => {
            json!({ "on": day(*on), "stays": stays, "asked": asked })
        }
        Letter::CancellationUndone { renews } => json!({ "renews": renews.map(day) }),
        Letter::TierChanged { tier, libraries, downloads, also } => json!({
            "also": names(also),
            "tier": name(tier),
            "libraries": names(libraries),
            "downloads": downloads,
        }),
        Letter::AccessEnding { on, days_left, given } => json!({
            "given": given,
            "on": day(*on),
            "left": when(*days_left),
        }),
        Letter::SubscriptionPaused { until, loses } => json!({ "until": day(*until), "loses": names(loses) }),
        Letter::Doubled { plans } => json!({ "many": many(plans.len()), "plans": names(plans) }),
        Letter::AccessEnded { because } => json!({
            "because": because,
            "may_return": *because != EndedBecause::Operator,
        }),
        Letter::BillingLink { customer, until } => json!({
            "token": portal.token(customer, *until),
        }),
        _ => return None,
    })
}

fn names(of: &[String]) -> Vec<String> {
    of.iter().map(|one| name(one)).filter(|one| !one.is_empty()).collect()
}

fn many(count: usize) -> String {
    if count == 2 { "two".to_owned() } else { count.to_string() }
}

/// "today", "tomorrow", "in 7 days".
fn when(days_left: i64) -> String {
    match days_left {
        ..=0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        n => format!("in {}", days(n)),
    }
}
