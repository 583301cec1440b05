//! Entitlements: features, the products that they hang on, and who has them.
//!
//! As Stripe says: a feature that is hung on a product reaches those who have
//! it already only with their next period. Which statuses keep entitlements it
//! doesn't say; here those that are paid or in trial.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Stripe,
    account::Account,
    query::{Fail, Paging, Query},
    records::Status,
    render,
};

/// The event that tells of a change.
const UPDATED: &str = "entitlements.active_entitlement_summary.updated";
/// The list in it is cut.
const SUMMARY_MAX: usize = 10;

/// A feature on a product.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    lookup_key: String,
    product: String,
    at: i64,
}

impl Stripe {
    /// Hangs a feature with that lookup key on a product.
    pub fn attach_feature(&self, product: &str, lookup_key: &str) {
        self.act(|account, at| {
            account.features.push(Attached { lookup_key: lookup_key.to_owned(), product: product.to_owned(), at });
        });
    }

    /// Takes it off again: nobody has it from that product any more.
    pub fn detach_feature(&self, product: &str, lookup_key: &str) {
        self.act(|account, at| {
            account.features.retain(|feature| feature.product != product || feature.lookup_key != lookup_key);
            account.tell_entitlements(at);
        });
    }
}

impl Account {
    /// Lookup keys of what a customer has now.
    fn entitled(&self, customer: &str) -> Vec<String> {
        let stands = |status| matches!(status, Status::Active | Status::Trialing);
        let mut keys: Vec<String> = Vec::new();
        for sub in self.subs.iter().filter(|sub| sub.customer == customer && stands(sub.status)) {
            let products = sub.items.iter().filter_map(|item| self.price(&item.price)).map(|price| &price.product);
            let products: Vec<&String> = products.collect();
            let reached = |feature: &&Attached| products.contains(&&feature.product) && feature.at <= sub.period_start;
            keys.extend(self.features.iter().filter(reached).map(|feature| feature.lookup_key.clone()));
        }
        keys.sort();
        keys.dedup();
        keys
    }

    /// Tells whoever has something else than before.
    pub(super) fn tell_entitlements(&mut self, at: i64) {
        if self.features.is_empty() && self.entitlements_told.is_empty() {
            return;
        }
        let customers: Vec<String> = self.customers.iter().map(|customer| customer.id.clone()).collect();
        let now: BTreeMap<String, Vec<String>> =
            customers.into_iter().map(|customer| (customer.clone(), self.entitled(&customer))).collect();
        let before = std::mem::replace(&mut self.entitlements_told, now.clone());
        for (customer, keys) in now {
            if before.get(&customer).map_or(&[][..], Vec::as_slice) == keys.as_slice() {
                continue;
            }
            let rows = keys.iter().take(SUMMARY_MAX).map(|key| self.entitlement(&customer, key)).collect();
            let url = "/v1/customer/entitlements";
            let summary = json!({"object": "entitlements.active_entitlement_summary", "customer": customer,
                "livemode": self.is_live(), "entitlements": render::list(url, rows, keys.len() > SUMMARY_MAX)});
            self.emit(at, UPDATED, summary, None);
        }
    }

    fn entitlement(&self, customer: &str, key: &str) -> Value {
        json!({"id": format!("ent_{customer}_{key}"), "object": "entitlements.active_entitlement",
            "feature": format!("feat_{key}"), "livemode": self.is_live(), "lookup_key": key})
    }

    pub(super) fn active_entitlements(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&["customer"])?;
        let customer = query.filled("customer").unwrap_or_default();
        if !self.customers.iter().any(|known| known.id == customer) {
            return Err(Fail::missing("customer", customer).never_expected());
        }
        query.page(
            paging,
            "/v1/entitlements/active_entitlements",
            &self.entitled(customer),
            |key| format!("ent_{customer}_{key}"),
            |_| Ok(true),
            |key| self.entitlement(customer, key),
        )
    }
}
