//! What Usher changes at Stripe, or has Stripe make.
//!
//! It promises: nothing is sent without [`Live`]; every POST carries the
//! caller's idempotency key, the same one for every try of one thing; a price
//! is changed in the item that has it, never added beside it. Checkout, portal
//! and meter events change nobody's access.

use std::num::NonZeroU32;

use reqwest::Method;
use serde_json::Value;

use super::{CancelWhen, Stripe, rows::reference};
use crate::{
    config::Live,
    facts::{CustomerId, Email, FailureKind, Moment, PriceId, SignedIn, SubscriptionId},
    member::MemberId,
    services::{
        failure::Failure,
        http::segment,
        loose::{list, moment, text},
    },
};

/// Who pays at a Checkout page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buyer<'a> {
    /// Someone who has bought before: the page knows their address and card.
    Customer(&'a CustomerId),
    /// A new customer whose address is filled in.
    Email(&'a Email),
    /// Someone whose address Stripe asks for.
    Stranger,
}

/// What a Checkout page is made for.
#[derive(Debug, Clone, Copy)]
pub struct CheckoutOf<'a> {
    /// One of the tier's prices.
    pub price: &'a PriceId,
    /// Who pays.
    pub buyer: Buyer<'a>,
    /// Who it is for, where that is known: the subscription carries it as
    /// `metadata[member]`, which only a secret key can write.
    pub member: Option<&'a MemberId>,
    /// The Plex account that the buyer signed in with, which the subscription
    /// carries just so.
    pub signed_in: Option<&'a SignedIn>,
    /// The Plex name that the buyer gave. It proves nothing (RULES R2).
    pub plex: Option<&'a str>,
    /// Days before the first charge; `None` = no trial.
    pub trial_days: Option<NonZeroU32>,
    /// Where Stripe sends them afterwards; `{CHECKOUT_SESSION_ID}` is filled in.
    pub success_url: &'a str,
    /// Where Stripe's way back leads.
    pub cancel_url: &'a str,
}

/// A page of Stripe's, made for one visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `cs_…` or `bps_…`
    pub id: String,
    /// Where to send the visitor. Whoever has it is let in: never logged.
    pub url: String,
}

/// A change of price.
#[derive(Debug, Clone, Copy)]
pub struct ChangeOf<'a> {
    /// Which subscription.
    pub subscription: &'a SubscriptionId,
    /// The price that it has.
    pub from: &'a PriceId,
    /// The price that it shall have.
    pub to: &'a PriceId,
}

/// What became of a change of price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It has the price.
    Done,
    /// It keeps the old price until the difference is paid.
    WaitsForPayment {
        /// Stripe's page where it can be paid.
        pay_at: Option<String>,
        /// Until when Stripe waits.
        until: Option<Moment>,
    },
}

/// Something used, for a billing meter.
#[derive(Debug, Clone, Copy)]
pub struct UsageOf<'a> {
    /// The meter's `event_name`.
    pub meter: &'a str,
    /// Whose.
    pub customer: &'a CustomerId,
    /// How much.
    pub value: u64,
    /// Stripe counts one identifier once within a day. At most 100 characters.
    pub identifier: &'a str,
}

impl Stripe {
    /// A Checkout page for one subscription; promotion codes are taken there.
    ///
    /// # Errors
    /// `Refused` when Stripe takes neither the price nor the customer.
    pub async fn checkout(&self, _live: &Live, of: CheckoutOf<'_>, idempotency_key: &str) -> Result<Session, Failure> {
        let days = of.trial_days.map(|days| days.to_string());
        let account = of.signed_in.map(|signed_in| signed_in.account.to_string());
        let mut form = vec![
            ("mode", "subscription"),
            ("line_items[0][price]", of.price.as_str()),
            ("line_items[0][quantity]", "1"),
            ("success_url", of.success_url),
            ("cancel_url", of.cancel_url),
            ("allow_promotion_codes", "true"),
        ];
        // `customer_email` always makes a new customer, and excludes `customer`.
        match of.buyer {
            Buyer::Customer(customer) => form.push(("customer", customer.as_str())),
            Buyer::Email(email) => form.push(("customer_email", email.as_str())),
            Buyer::Stranger => {}
        }
        if let Some(member) = of.member {
            form.push(("client_reference_id", &member.0));
            form.push(("metadata[member]", &member.0));
            // The session's metadata stays there; this reaches the subscription.
            form.push(("subscription_data[metadata][member]", &member.0));
        }
        if let Some(account) = &account {
            form.push(("metadata[usher_plex_account]", account));
            form.push(("subscription_data[metadata][usher_plex_account]", account));
        }
        if let Some(email) = of.signed_in.and_then(|signed_in| signed_in.email.as_ref()) {
            form.push(("metadata[usher_plex_email]", email.as_str()));
            form.push(("subscription_data[metadata][usher_plex_email]", email.as_str()));
        }
        if let Some(plex) = of.plex {
            form.push(("metadata[plex]", plex));
            form.push(("subscription_data[metadata][plex]", plex));
        }
        if let Some(days) = &days {
            form.push(("subscription_data[trial_period_days]", days));
            // Who takes their card away during the trial has said no.
            form.push(("subscription_data[trial_settings][end_behavior][missing_payment_method]", "cancel"));
        }
        self.session("/v1/checkout/sessions", form, idempotency_key).await
    }

    /// A page where a customer sees invoices, changes the card, and cancels.
    /// Short-lived: one for each click.
    ///
    /// # Errors
    /// `Refused` also when no portal was ever set up at Stripe for this mode.
    pub async fn portal(
        &self,
        _live: &Live,
        customer: &CustomerId,
        return_url: Option<&str>,
        idempotency_key: &str,
    ) -> Result<Session, Failure> {
        let mut form = vec![("customer", customer.as_str())];
        form.extend(return_url.map(|url| ("return_url", url)));
        let made = self.session("/v1/billing_portal/sessions", form, idempotency_key).await;
        made.map_err(|mut failure| {
            if failure.kind == FailureKind::Refused {
                failure.why.push_str("; save the customer portal's settings in Stripe's dashboard, once for each mode");
            }
            failure
        })
    }

    /// Moves a subscription from one price to another, charging or crediting
    /// the difference at once. What must be paid for is given only when paid.
    ///
    /// # Errors
    /// `Refused` when it has no such price: look.
    pub async fn change_price(
        &self,
        _live: &Live,
        of: ChangeOf<'_>,
        idempotency_key: &str,
    ) -> Result<Changed, Failure> {
        let path = format!("/v1/subscriptions/{}", segment(of.subscription.as_str()));
        let (_, subscription) = self.get(&path, &vec![]).await?;
        let items = self.items(of.subscription, &subscription).await?;
        let with =
            |price: &PriceId| items.iter().find(|item| reference(&item["price"]).as_deref() == Some(price.as_str()));
        let Some(id) = with(of.from).and_then(|item| text(&item["id"])) else {
            let why = "Stripe: the subscription has another price than it had; look again";
            let refused = Failure::not_done(FailureKind::Refused, why);
            return with(of.to).map(|_| Changed::Done).ok_or(refused);
        };
        let quantity = with(of.from).and_then(|item| item["quantity"].as_u64()).map(|quantity| quantity.to_string());
        // A pending update takes nothing beyond these parameters.
        let mut form = vec![
            // Without the item's id a second item would be added.
            ("items[0][id]", id.as_str()),
            ("items[0][price]", of.to.as_str()),
            ("payment_behavior", "pending_if_incomplete"),
            // Only what is invoiced now can be waited for.
            ("proration_behavior", "always_invoice"),
            ("expand[]", "latest_invoice"),
        ];
        form.extend(quantity.as_deref().map(|quantity| ("items[0][quantity]", quantity)));
        let (reply, value) = self.send(self.update(of.subscription, &form, idempotency_key)).await?;
        is_that(&reply.what, of.subscription, &value)?;
        Ok(match &value["pending_update"] {
            Value::Object(pending) => Changed::WaitsForPayment {
                pay_at: text(&value["latest_invoice"]["hosted_invoice_url"]),
                until: pending.get("expires_at").and_then(moment),
            },
            _ => Changed::Done,
        })
    }

    /// Ends a subscription. `idempotency_key` names the intent: the same one
    /// for every try of it.
    ///
    /// # Errors
    /// `Gone` when Stripe doesn't know it or it has ended already: look.
    pub async fn cancel(
        &self,
        _live: &Live,
        id: &SubscriptionId,
        when: CancelWhen,
        idempotency_key: &str,
    ) -> Result<(), Failure> {
        let call = match when {
            CancelWhen::Now => self.request(Method::DELETE, &format!("/v1/subscriptions/{}", segment(id.as_str()))),
            CancelWhen::PeriodEnd => self.update(id, &[("cancel_at_period_end", "true")], idempotency_key),
        };
        let (reply, value) = self.send(call).await?;
        is_that(&reply.what, id, &value)
    }

    /// Takes a scheduled end back, in whichever form it was written: the
    /// customer portal may set `cancel_at` alone.
    ///
    /// # Errors
    /// `Gone` when Stripe doesn't know it; `Refused` when it has ended.
    pub async fn keep(&self, _live: &Live, id: &SubscriptionId, idempotency_key: &str) -> Result<(), Failure> {
        let path = format!("/v1/subscriptions/{}", segment(id.as_str()));
        let (_, mut now) = self.get(&path, &vec![]).await?;
        // One at a time: clearing the first may clear the other.
        for (name, cleared) in [("cancel_at_period_end", "false"), ("cancel_at", "")] {
            if now[name] == true || moment(&now[name]).is_some() {
                let call = self.update(id, &[(name, cleared)], &format!("{idempotency_key}-{name}"));
                let (reply, value) = self.send(call).await?;
                is_that(&reply.what, id, &value)?;
                now = value;
            }
        }
        Ok(())
    }

    /// Tells a billing meter.
    ///
    /// # Errors
    /// `Refused` when no active meter has that name, or the identifier was
    /// counted already.
    pub async fn meter_event(&self, _live: &Live, of: UsageOf<'_>, idempotency_key: &str) -> Result<(), Failure> {
        let value = of.value.to_string();
        let form = [
            ("event_name", of.meter),
            ("payload[stripe_customer_id]", of.customer.as_str()),
            ("payload[value]", value.as_str()),
            ("identifier", of.identifier),
        ];
        let call = self.request(Method::POST, "/v1/billing/meter_events");
        self.send(call.header("idempotency-key", idempotency_key).form(form)).await.map(|_| ())
    }

    fn update(&self, id: &SubscriptionId, form: &[(&str, &str)], idempotency_key: &str) -> super::Call {
        let call = self.request(Method::POST, &format!("/v1/subscriptions/{}", segment(id.as_str())));
        call.header("idempotency-key", idempotency_key).form(form.iter().copied())
    }

    async fn session(&self, path: &str, form: Vec<(&str, &str)>, idempotency_key: &str) -> Result<Session, Failure> {
        let call = self.request(Method::POST, path).header("idempotency-key", idempotency_key).form(form);
        let (reply, value) = self.send(call).await?;
        let session = text(&value["id"]).zip(text(&value["url"])).map(|(id, url)| Session { id, url });
        session
            .ok_or_else(|| Failure::nonsense(format!("{}: the answer has no address to send anybody to", reply.what)))
    }

    async fn items(&self, id: &SubscriptionId, subscription: &Value) -> Result<Vec<Value>, Failure> {
        if subscription["items"]["has_more"] == true {
            return self.list("/v1/subscription_items", &vec![("subscription", id.as_str())]).await;
        }
        Ok(list(&subscription["items"]["data"]).unwrap_or_default().to_vec())
    }
}

fn is_that(what: &str, id: &SubscriptionId, answer: &Value) -> Result<(), Failure> {
    if text(&answer["id"]).as_deref() == Some(id.as_str()) {
        Ok(())
    } else {
        Err(Failure::nonsense(format!("{what}: the answer isn't that subscription")))
    }
}

#[cfg(test)]
#[path = "tests/write.rs"]
mod tests;
