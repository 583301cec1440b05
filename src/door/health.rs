//! `/health` and `/ready`: truthful, per loop.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::reply::{Reply, json};
use super::webhook::Tally;
use crate::engine::desk::{Health, View};
use crate::facts::Moment;

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    health: Health,
    webhooks: Webhooks,
}

#[derive(Serialize)]
struct Webhooks {
    accepted: u64,
    last_accepted: Option<Moment>,
    refused: std::collections::BTreeMap<&'static str, u64>,
}

/// 200 only while every source is read and the book can be written.
pub fn health(now: Moment, view: &dyn View, tally: &Tally) -> Reply {
    let health = view.health(now);
    let webhooks =
        Webhooks { accepted: tally.accepted(), last_accepted: tally.last_accepted(), refused: tally.refused() };
    json(status(health.healthy), &Shown { health, webhooks })
}

/// 200 once the sources have been looked at.
pub fn ready(view: &dyn View) -> Reply {
    let ready = view.ready();
    json(status(ready), &json!({ "ready": ready }))
}

fn status(good: bool) -> StatusCode {
    if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
