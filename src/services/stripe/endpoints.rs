//! Webhook endpoints, as Stripe sees them: once a day, and remembered between.

use std::sync::PoisonError;

use chrono::TimeDelta;
use serde_json::Value;

use super::read::Reading;
use crate::{
    facts::WebhookEndpoint,
    services::loose::{list, text},
};

/// Endpoints change seldom, and nobody's access hangs on them.
const ASKED_EVERY: TimeDelta = TimeDelta::hours(24);

impl Reading<'_> {
    /// `None` when the key may not read them, or nobody answered: not known.
    pub(super) async fn endpoints(&mut self) -> Option<Vec<WebhookEndpoint>> {
        let now = self.stripe.http.now();
        let known = || self.stripe.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, endpoints)) = known().as_ref().filter(|(asked, _)| now - *asked < ASKED_EVERY) {
            return endpoints.clone();
        }
        let read = self.stripe.list("/v1/webhook_endpoints", &vec![]).await.ok();
        let endpoints = read.map(|rows| rows.iter().filter_map(endpoint).collect::<Vec<_>>());
        *known() = Some((now, endpoints.clone()));
        endpoints
    }
}

fn endpoint(row: &Value) -> Option<WebhookEndpoint> {
    Some(WebhookEndpoint {
        id: text(&row["id"])?,
        url: text(&row["url"])?,
        events: list(&row["enabled_events"]).unwrap_or_default().iter().filter_map(text).collect(),
        disabled: row["status"] == "disabled",
        version: text(&row["api_version"]),
    })
}
