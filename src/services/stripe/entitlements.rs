//! Active entitlements, one customer at a time: no listing shows them all. So
//! few are asked about in one reading, who waits longest first, and a failure
//! is that customer's alone, never the whole reading's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Stripe;
use crate::{
    facts::{Billing, CustomerId, EntitlementLook, Moment},
    services::{failure::Failure, loose::text},
};

/// So many customers in one reading: a quiet one stays cheap.
const ASKED_MAX: usize = 20;
const PATH: &str = "/v1/entitlements/active_entitlements";

impl Stripe {
    /// What customers with running subscriptions are entitled to: those who are
    /// due, of whom `due` says from when on; who isn't in it comes first.
    pub async fn entitled(
        &self,
        billing: &Billing,
        due: &BTreeMap<CustomerId, Moment>,
    ) -> BTreeMap<CustomerId, EntitlementLook> {
        let now = self.http.now();
        let running = billing.subscriptions.values().filter(|subscription| subscription.status.is_running());
        let customers: BTreeSet<&CustomerId> = running.map(|subscription| &subscription.customer).collect();
        let mut waiting: Vec<(Option<&Moment>, &CustomerId)> =
            customers.into_iter().map(|customer| (due.get(customer), customer)).collect();
        waiting.retain(|(from, _)| from.is_none_or(|from| *from <= now));
        waiting.sort();
        let mut looks = BTreeMap::new();
        for (_, customer) in waiting.into_iter().take(ASKED_MAX) {
            let begun = self.http.now();
            let read = self.entitlements_of(customer).await;
            // About this one alone; anything else would meet the next one, too.
            let goes_on = read.as_ref().err().is_none_or(|failure| matches!(failure.status, Some(400 | 404)));
            looks.insert(customer.clone(), look(begun, read));
            if !goes_on {
                break;
            }
        }
        looks
    }

    /// What one customer is entitled to.
    pub async fn entitlement_look(&self, customer: &CustomerId) -> EntitlementLook {
        let begun = self.http.now();
        look(begun, self.entitlements_of(customer).await)
    }

    async fn entitlements_of(&self, customer: &CustomerId) -> Result<BTreeSet<String>, Failure> {
        let rows = self.list(PATH, &vec![("customer", customer.as_str())]).await?;
        let keys: Option<BTreeSet<String>> = rows.iter().map(|row| self.lookup_key(row)).collect();
        keys.ok_or_else(|| Failure::nonsense(format!("Stripe GET {PATH}: a row has no lookup key, or another mode")))
    }

    fn lookup_key(&self, row: &Value) -> Option<String> {
        let fits = super::rows::fits(row, self.key_livemode());
        text(&row["lookup_key"]).or_else(|| text(&row["feature"]["lookup_key"])).filter(|_| fits)
    }
}

fn look(begun: Moment, read: Result<BTreeSet<String>, Failure>) -> EntitlementLook {
    EntitlementLook { begun, keys: read.map_err(|failure| failure.why) }
}

#[cfg(test)]
#[path = "tests/entitlements.rs"]
mod tests;
