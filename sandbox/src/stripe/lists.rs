//! Lists beside the main ones: money that moved, and the webhook endpoint.

use serde_json::{Value, json};

use super::{
    account::Account,
    query::{Fail, Paging, Query},
    records::{Charge, Claim},
    render,
    routes::CREATED,
};

impl Account {
    pub(super) fn charges(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[&["customer", "payment_intent"][..], &CREATED].concat())?;
        query.page(
            paging,
            "/v1/charges",
            &self.charges,
            |charge: &Charge| charge.id.clone(),
            |charge| {
                Ok(query.filled("customer").is_none_or(|id| charge.customer == id)
                    && query.filled("payment_intent").is_none_or(|id| charge.payment_intent == id)
                    && query.in_range("created", charge.created)?)
            },
            |charge| self.rendered(&charge.id),
        )
    }

    pub(super) fn invoice_payments(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&["invoice", "status", "payment[type]", "payment[payment_intent]"])?;
        query.page(
            paging,
            "/v1/invoice_payments",
            &self.charges,
            |charge| format!("inpay_{}", charge.id),
            |charge| {
                Ok(query.filled("invoice").is_none_or(|id| charge.invoice == id)
                    && query.filled("payment[payment_intent]").is_none_or(|id| charge.payment_intent == id))
            },
            |charge| render::invoice_payment(self, charge),
        )
    }

    pub(super) fn webhook_endpoints(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[])?;
        let endpoints: Vec<_> = self.hooks.endpoint().into_iter().collect();
        query.page(
            paging,
            "/v1/webhook_endpoints",
            &endpoints,
            |_| "we_S000001".to_owned(),
            |_| Ok(true),
            |endpoint| {
                let kinds = if endpoint.kinds.is_empty() { vec!["*".to_owned()] } else { endpoint.kinds.clone() };
                json!({"id": "we_S000001", "object": "webhook_endpoint", "url": endpoint.url, "enabled_events": kinds,
                    "api_version": render::version(self.event_shape), "status": if endpoint.disabled { "disabled" } else { "enabled" },
                    "livemode": self.is_live(), "metadata": {}, "description": null, "created": 0})
            },
        )
    }
}

pub(super) fn claims(
    query: &Query,
    paging: &mut Paging<'_>,
    url: &str,
    claims: &[Claim],
    show: &dyn Fn(&Claim) -> Value,
) -> Result<Value, Fail> {
    query.only_list(&[&["charge", "payment_intent"][..], &CREATED].concat())?;
    query.page(
        paging,
        url,
        claims,
        |claim| claim.id.clone(),
        |claim| {
            Ok(query.filled("charge").is_none_or(|id| claim.charge == id)
                && query.filled("payment_intent").is_none_or(|id| claim.payment_intent == id)
                && query.in_range("created", claim.created)?)
        },
        show,
    )
}
