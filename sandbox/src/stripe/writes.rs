//! What the API may change about subscriptions; [`super::sell`] has the rest.

use serde_json::Value;

use super::{
    account::Account,
    query::{Fail, Query},
    records::{Pause, Status, Sub},
    sell, upgrade,
};
use crate::base::Request;

/// Carries out a POST or DELETE.
pub(super) fn write(account: &mut Account, request: &Request, query: &Query, at: i64) -> Result<Value, Fail> {
    let segments = request.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), &parts[..]) {
        ("DELETE", ["v1", "subscriptions", id]) => cancel(account, query, id, at),
        ("POST", ["v1", "subscriptions", id]) => update(account, query, id, at),
        ("POST", ["v1", "subscriptions", id, "resume"]) => resume(account, query, id, at),
        ("POST", ["v1", "checkout", "sessions"]) => sell::checkout(account, query, at),
        ("POST", ["v1", "billing_portal", "sessions"]) => sell::portal(account, query, at),
        ("POST", ["v1", "billing", "meter_events"]) => sell::meter_event(account, query, at),
        (method, _) => {
            let text = format!("Unrecognized request URL ({method}: {})", request.path);
            Err(Fail::new(404, "invalid_request_error", "", &text).never_expected())
        }
    }
}

fn cancel(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "invoice_now",
        "prorate",
        "cancellation_details[comment]",
        "cancellation_details[feedback]",
        "expand[]",
    ])?;
    // A canceled one can't be canceled again: it is "not there".
    account.sub(id).filter(|sub| !sub.status.is_terminal()).ok_or_else(|| Fail::missing("subscription", id))?;
    if let Some(comment) = query.filled("cancellation_details[comment]")
        && let Some(sub) = account.subs.iter_mut().find(|sub| sub.id == id)
    {
        sub.comment = Some(comment.to_owned());
    }
    account.end(at, id, "cancellation_requested");
    query.expand(account, account.rendered(id))
}

fn update(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&[
        "cancel_at_period_end",
        "cancel_at",
        "metadata[]",
        "cancellation_details[comment]",
        "cancellation_details[feedback]",
        "items[][id]",
        "items[][price]",
        "items[][quantity]",
        "proration_behavior",
        "payment_behavior",
        "pause_collection",
        "pause_collection[behavior]",
        "pause_collection[resumes_at]",
        "trial_end",
        "expand[]",
    ])?;
    let sub = account.sub(id).cloned().ok_or_else(|| Fail::missing("subscription", id))?;
    let changes_more = query.get("cancel_at_period_end").or(query.get("cancel_at")).or(query.get("items[][price]"));
    if sub.status.is_terminal() && changes_more.is_some() {
        let text = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(Fail::bad("", "", text));
    }
    let change = upgrade::Change::of(account, query, &sub, at)?;
    let (at_period_end, cancel_at) = (query.truth("cancel_at_period_end")?, query.number("cancel_at")?);
    if cancel_at.is_some_and(|end| end <= at) {
        return Err(Fail::bad("", "cancel_at", "Invalid timestamp: must be in the future"));
    }
    let resumes_at = query.number("pause_collection[resumes_at]")?;
    let trial_end = match query.filled("trial_end") {
        Some("now") => Some(at),
        _ => query.number("trial_end")?,
    };
    account.change_sub(at, id, |sub| {
        match at_period_end {
            Some(true) => schedule(sub, at, Some(sub.period_end), true),
            // Only what that very flag set is taken back (a portal's
            // `cancel_at` stays until it is cleared itself).
            Some(false) if sub.cancel_at_period_end => schedule(sub, at, None, false),
            _ => {}
        }
        match (query.get("cancel_at"), cancel_at) {
            (Some(""), _) => schedule(sub, at, None, false),
            (_, Some(end)) => schedule(sub, at, Some(end), false),
            _ => {}
        }
        for (key, value) in query.map("metadata") {
            if value.is_empty() {
                sub.metadata.remove(&key);
            } else {
                sub.metadata.insert(key, value);
            }
        }
        if let Some(comment) = query.get("cancellation_details[comment]") {
            sub.comment = Some(comment.to_owned()).filter(|text| !text.is_empty());
        }
        match (query.get("pause_collection"), query.filled("pause_collection[behavior]")) {
            (Some(""), _) => sub.pause = None,
            (_, Some(behavior)) => sub.pause = Some(Pause { behavior: behavior.to_owned(), resumes_at }),
            _ => {}
        }
        if trial_end.is_some() && sub.status == Status::Trialing {
            sub.trial_end = trial_end;
        }
    });
    if let Some(change) = change {
        upgrade::carry_out(account, at, id, change);
    }
    account.tick(at);
    query.expand(account, account.rendered(id))
}

/// Sets or clears a scheduled end, as one step.
pub(super) fn schedule(sub: &mut Sub, at: i64, cancel_at: Option<i64>, at_period_end: bool) {
    sub.cancel_at = cancel_at;
    sub.cancel_at_period_end = at_period_end;
    sub.canceled_at = cancel_at.map(|_| at);
    sub.reason = cancel_at.map(|_| "cancellation_requested".to_owned());
}

fn resume(account: &mut Account, query: &Query, id: &str, at: i64) -> Result<Value, Fail> {
    query.only(&["billing_cycle_anchor", "proration_behavior", "expand[]"])?;
    let paused = account.sub(id).filter(|sub| sub.status == Status::Paused);
    paused.ok_or_else(|| Fail::bad("", "", "This subscription is not paused"))?;
    account.change_sub(at, id, |sub| sub.status = Status::Active);
    let invoice = account.roll(at, id, None);
    account.finalize(at, &invoice);
    query.expand(account, account.rendered(id))
}
