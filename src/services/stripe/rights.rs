//! What the key may read, resource by resource: a whole reading passes over
//! what it can do without, and nobody would notice.

use super::Stripe;
use crate::services::failure::Failure;

/// A resource of Stripe's that Usher reads: what a restricted key must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Whose account it is.
    Account,
    /// Who pays for what.
    Subscriptions,
    /// Their addresses.
    Customers,
    /// What is sold.
    Products,
    /// For how much.
    Prices,
    /// What is owed.
    Invoices,
    /// What has happened.
    Events,
    /// For what money was taken.
    Charges,
    /// What was given back.
    Refunds,
    /// What is claimed back.
    Disputes,
    /// Where webhooks go.
    WebhookEndpoints,
}

impl Right {
    /// All of them, in the order in which they are tried and told.
    pub const ALL: [Self; 11] = [
        Self::Account,
        Self::Subscriptions,
        Self::Customers,
        Self::Products,
        Self::Prices,
        Self::Invoices,
        Self::Events,
        Self::Charges,
        Self::Refunds,
        Self::Disputes,
        Self::WebhookEndpoints,
    ];

    /// As a restricted key's page in Stripe's dashboard names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Subscriptions => "Subscriptions",
            Self::Customers => "Customers",
            Self::Products => "Products",
            Self::Prices => "Prices",
            Self::Invoices => "Invoices",
            Self::Events => "Events",
            Self::Charges => "Charges",
            Self::Refunds => "Refunds",
            Self::Disputes => "Disputes",
            Self::WebhookEndpoints => "Webhook Endpoints",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Account => "/v1/account",
            Self::Subscriptions => "/v1/subscriptions",
            Self::Customers => "/v1/customers",
            Self::Products => "/v1/products",
            Self::Prices => "/v1/prices",
            Self::Invoices => "/v1/invoices",
            Self::Events => "/v1/events",
            Self::Charges => "/v1/charges",
            Self::Refunds => "/v1/refunds",
            Self::Disputes => "/v1/disputes",
            Self::WebhookEndpoints => "/v1/webhook_endpoints",
        }
    }
}

impl Stripe {
    /// Those that the key may not read (403), each by asking for one row. What
    /// isn't there (404), or isn't asked for so (400), is no question of rights.
    ///
    /// # Errors
    /// The first failure of another kind: it would meet the others, too.
    pub async fn denied(&self) -> Result<Vec<Right>, Failure> {
        let mut denied = Vec::new();
        for right in Right::ALL {
            let query = match right {
                Right::Account => vec![],
                _ => vec![("limit", "1")],
            };
            match self.get(right.path(), &query).await {
                Err(failure) if failure.status == Some(403) => denied.push(right),
                Err(failure) if !matches!(failure.status, Some(400 | 404)) => return Err(failure),
                _ => {}
            }
        }
        Ok(denied)
    }
}
