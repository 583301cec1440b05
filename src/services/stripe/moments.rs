//! Moments of money that no listing shows: refunds, disputes, fraud warnings,
//! invoices that were given up or wait for a bank.
//!
//! An event only says that something happened: the ids are taken from it, and
//! what is so is fetched. What the key may not read stays unknown.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    read::{Reading, unless_denied, unless_refused},
    rows,
};
use crate::{
    facts::{Amount, CustomerId, EventId, InvoiceId, Moment, MoneyMoment, MoneyWhat, SubscriptionId},
    services::{
        failure::Failure,
        http::segment,
        loose::{flag, int, list, moment, text},
    },
};

/// The events that are such moments.
const MONEY: [&str; 11] = [
    "charge.refunded",
    "refund.created",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "invoice.marked_uncollectible",
    "invoice.payment_action_required",
];
/// Money moved, or what it is paid for: any endpoint of ours is told of these.
const MOVES: [&str; 4] = ["customer.subscription.", "invoice.paid", "invoice.payment_failed", "charge.refunded"];
/// A subscription was paused: no field of older API versions says since when.
const PAUSED: &str = "customer.subscription.paused";
/// Each costs up to five calls: what is more follows in the next reading.
const MOMENTS_MAX: usize = 30;
/// The cursor of an account on which nothing has happened yet.
const NONE_YET: &str = "";
/// For the log.
const LATER: &str = "refunds and disputes can't be read now; the next poll tries again";
/// A refund and the event of its charge are so near to each other.
const OF_ONE_TIME_SECS: i64 = 3600;

/// What a charge was for.
#[derive(Default)]
struct Charge {
    whole: Value,
    customer: Option<CustomerId>,
    invoice: Option<InvoiceId>,
    subscription: Option<SubscriptionId>,
}

impl Reading<'_> {
    /// Those since `cursor`, oldest first, and the next cursor. Nobody comes in
    /// by them: what can't be read now stays for the next reading, and fails
    /// none (promise 4).
    pub(super) async fn moments(&mut self, cursor: Option<&EventId>) -> (Vec<MoneyMoment>, Option<EventId>) {
        let mut next = cursor.cloned();
        let moments = self.moments_after(&mut next).await.unwrap_or_else(|failure| {
            tracing::warn!("{LATER}: {failure}");
            Vec::new()
        });
        (moments, next)
    }

    /// Moves the cursor on as far as it could read.
    async fn moments_after(&mut self, cursor: &mut Option<EventId>) -> Result<Vec<MoneyMoment>, Failure> {
        let Some(since) = cursor.clone() else {
            let newest = unless_denied(self.stripe.page("/v1/events", &vec![("limit", "1")]).await)?;
            let id = newest.map(|(rows, _)| rows.first().and_then(|row| text(&row["id"])).unwrap_or(NONE_YET.into()));
            *cursor = id.map(EventId);
            return Ok(Vec::new());
        };
        let rows = self.events_since(&since).await?;
        // A refund has an event of its own (not at Stripe's of before) and one of
        // its charge.
        let own = rows.iter().filter(|row| row["type"] == "refund.created");
        let own: BTreeSet<String> = own.filter_map(|row| rows::reference(&row["data"]["object"]["charge"])).collect();
        let told = |row: &Value| {
            row["type"] == "charge.refunded"
                && text(&row["data"]["object"]["id"]).is_some_and(|charge| own.contains(&charge))
        };
        let moved = |row: &&Value| row["type"].as_str().is_some_and(|kind| MOVES.iter().any(|of| kind.starts_with(of)));
        self.newest_event = rows.iter().filter(moved).filter_map(|row| moment(&row["created"])).max();
        for row in rows.iter().rev().filter(|row| row["type"] == PAUSED) {
            let whose = text(&row["data"]["object"]["id"]).map(SubscriptionId);
            self.pauses.extend(whose.zip(moment(&row["created"])));
        }
        let mut moments: Vec<MoneyMoment> = Vec::new();
        let mut taken = 0;
        for row in rows.iter().rev() {
            if row["type"].as_str().is_some_and(|kind| MONEY.contains(&kind)) && !told(row) {
                taken += 1;
                if taken > MOMENTS_MAX {
                    break;
                }
                self.met(row);
                let found = match self.moment(row).await {
                    Ok(found) => found,
                    Err(failure) => {
                        tracing::warn!("{LATER}: {failure}");
                        break;
                    }
                };
                // Of a dispute that was opened and closed since, how it stands.
                let new = found.into_iter().filter(|new| !moments.iter().any(|known| known.what == new.what));
                moments.extend(new.collect::<Vec<_>>());
            }
            *cursor = text(&row["id"]).map(EventId).or(cursor.take());
        }
        Ok(moments)
    }

    /// All types, newest first: a cursor must stay younger than the 30 days of
    /// Stripe's memory even when no refund comes for months.
    async fn events_since(&mut self, cursor: &EventId) -> Result<Vec<Value>, Failure> {
        let path = "/v1/events";
        let events = match cursor.as_str() {
            NONE_YET => self.stripe.list(path, &vec![]).await,
            since => self.stripe.list_since(path, since).await,
        };
        match events {
            // The cursor is forgotten: everything that Stripe remembers.
            Err(failure) if matches!(failure.status, Some(400 | 404)) => {
                Ok(unless_denied(self.stripe.list(path, &vec![]).await)?.unwrap_or_default())
            }
            other => Ok(unless_denied(other)?.unwrap_or_default()),
        }
    }

    async fn moment(&mut self, row: &Value) -> Result<Vec<MoneyMoment>, Failure> {
        let object = &row["data"]["object"];
        let (Some(event), Some(at), Some(id)) = (text(&row["id"]), moment(&row["created"]), text(&object["id"])) else {
            return Ok(Vec::new());
        };
        let of = |what, charge: &Charge, amount| MoneyMoment {
            event: EventId(event.clone()),
            at,
            what,
            customer: charge.customer.clone(),
            subscription: charge.subscription.clone(),
            amount,
        };
        Ok(match row["type"].as_str().unwrap_or_default() {
            "charge.refunded" => {
                let mut charge = self.charge(&id).await?;
                charge.customer = charge.customer.or_else(|| rows::reference(&object["customer"]).map(CustomerId));
                let mut refunds = self.refunds_of(&id, at, object).await?;
                if refunds.is_empty() {
                    let (given, currency) = (&charge.whole["amount_refunded"], &charge.whole["currency"]);
                    refunds.push(json!({"id": id, "amount": given, "currency": currency}));
                }
                let latest = self.was_latest(&charge).await?;
                refunds.iter().map(|refund| of(refund_of(refund, &charge, latest), &charge, amount(refund))).collect()
            }
            "refund.created" | "refund.failed" => {
                let refund = self.object("/v1/refunds", &id).await?.unwrap_or_else(|| object.clone());
                let charge = self.charge_behind(&refund).await?;
                let latest = self.was_latest(&charge).await?;
                vec![of(refund_of(&refund, &charge, latest), &charge, amount(&refund))]
            }
            "radar.early_fraud_warning.created" => {
                let warning = self.object("/v1/radar/early_fraud_warnings", &id).await?;
                let charge = self.charge_behind(warning.as_ref().unwrap_or(object)).await?;
                vec![of(MoneyWhat::FraudWarning { id }, &charge, amount(&charge.whole))]
            }
            kind if kind.starts_with("invoice.") => {
                let Some(invoice) = self.object("/v1/invoices", &id).await? else { return Ok(Vec::new()) };
                let Some((subscription, facts)) = rows::invoice(&invoice) else { return Ok(Vec::new()) };
                let customer = rows::reference(&invoice["customer"]).map(CustomerId);
                let charge = Charge { customer, subscription, ..Charge::default() };
                let due = Amount { minor: facts.amount_due, currency: facts.currency.clone() };
                let what = match (invoice["status"].as_str(), kind) {
                    (Some("uncollectible"), _) => MoneyWhat::Uncollectible { invoice: facts.id },
                    (Some("open"), "invoice.payment_action_required") => MoneyWhat::ActionRequired { invoice: facts },
                    _ => return Ok(Vec::new()), // Settled since.
                };
                vec![of(what, &charge, Some(due))]
            }
            _ => {
                let dispute = self.object("/v1/disputes", &id).await?.unwrap_or_else(|| object.clone());
                let charge = self.charge_behind(&dispute).await?;
                let status = text(&dispute["status"]).unwrap_or_default();
                let due_by = moment(&dispute["evidence_details"]["due_by"]);
                vec![of(MoneyWhat::Dispute { id, status, due_by }, &charge, amount(&dispute))]
            }
        })
    }

    /// `None` when the key may not read it, or it isn't there.
    async fn object(&mut self, path: &str, id: &str) -> Result<Option<Value>, Failure> {
        let found = unless_refused(self.stripe.get(&format!("{path}/{}", segment(id)), &vec![]).await)?;
        let value = found.map(|(_, value)| value);
        if let Some(value) = &value {
            self.met(value);
        }
        Ok(value)
    }

    /// The first page; none when the key may not read it.
    async fn first_page(&mut self, path: &str, query: &super::Query<'_>) -> Result<Vec<Value>, Failure> {
        Ok(unless_refused(self.stripe.page(path, query).await)?.map_or_else(Vec::new, |(rows, _)| rows))
    }

    async fn charge_behind(&mut self, claim: &Value) -> Result<Charge, Failure> {
        match rows::reference(&claim["charge"]) {
            Some(id) => self.charge(&id).await,
            None => Ok(Charge::default()),
        }
    }

    async fn charge(&mut self, id: &str) -> Result<Charge, Failure> {
        let Some(whole) = self.object("/v1/charges", id).await? else { return Ok(Charge::default()) };
        let mut charge =
            Charge { customer: rows::reference(&whole["customer"]).map(CustomerId), whole, ..Charge::default() };
        let invoice =
            match (rows::reference(&charge.whole["invoice"]), rows::reference(&charge.whole["payment_intent"])) {
                (Some(invoice), _) => Some(invoice),
                // Since basil a charge doesn't name it.
                (None, Some(intent)) => {
                    let query = vec![("payment[type]", "payment_intent"), ("payment[payment_intent]", intent.as_str())];
                    let payments = self.first_page("/v1/invoice_payments", &query).await?;
                    payments.first().and_then(|payment| rows::reference(&payment["invoice"]))
                }
                (None, None) => None,
            };
        let Some(invoice) = invoice else { return Ok(charge) };
        let whole = self.object("/v1/invoices", &invoice).await?;
        charge.subscription = whole.as_ref().and_then(rows::invoice).and_then(|(subscription, _)| subscription);
        charge.invoice = Some(InvoiceId(invoice));
        Ok(charge)
    }

    /// The refunds of a charge that were made just then.
    async fn refunds_of(&mut self, charge: &str, at: Moment, object: &Value) -> Result<Vec<Value>, Failure> {
        let mut refunds = self.first_page("/v1/refunds", &vec![("charge", charge)]).await?;
        if refunds.is_empty() {
            // Before 2022 a charge carried its refunds.
            refunds = list(&object["refunds"]["data"]).unwrap_or_default().to_vec();
        }
        let just_then = |refund: &Value| {
            moment(&refund["created"]).is_none_or(|made| (made - at).num_seconds().abs() <= OF_ONE_TIME_SECS)
        };
        let of_it = |refund: &Value| rows::reference(&refund["charge"]).is_none_or(|of| of == charge);
        refunds.retain(|refund| just_then(refund) && of_it(refund));
        Ok(refunds)
    }

    /// Whether a charge that was given back whole was for the newest invoice
    /// of its subscription that was paid with money.
    async fn was_latest(&mut self, charge: &Charge) -> Result<bool, Failure> {
        let (Some(invoice), Some(subscription)) = (&charge.invoice, &charge.subscription) else { return Ok(false) };
        if !is_whole(&charge.whole) {
            return Ok(false);
        }
        let query = vec![("subscription", subscription.as_str()), ("status", "paid"), ("limit", "100")];
        let paid = self.first_page("/v1/invoices", &query).await?;
        let with_money = |row: &&Value| row["status"] == "paid" && int(&row["amount_paid"]).is_none_or(|paid| paid > 0);
        let theirs = |row: &&Value| rows::invoice(row).is_some_and(|(of, _)| of.as_ref() == Some(subscription));
        let newest = paid.iter().filter(with_money).filter(theirs).max_by_key(|row| moment(&row["created"]));
        Ok(newest.and_then(|row| text(&row["id"])).as_deref() == Some(invoice.as_str()))
    }
}

/// Given back whole: what is refunded adds up over several refunds.
fn is_whole(charge: &Value) -> bool {
    flag(&charge["refunded"]).unwrap_or_else(|| {
        let amounts = int(&charge["amount_refunded"]).zip(int(&charge["amount"]));
        amounts.is_some_and(|(refunded, amount)| amount > 0 && refunded >= amount)
    })
}

fn refund_of(refund: &Value, charge: &Charge, latest: bool) -> MoneyWhat {
    MoneyWhat::Refund {
        id: text(&refund["id"]).unwrap_or_default(),
        failed: matches!(refund["status"].as_str(), Some("failed" | "canceled")),
        whole: is_whole(&charge.whole),
        of_the_latest: latest,
    }
}

fn amount(row: &Value) -> Option<Amount> {
    let currency = text(&row["currency"])?.to_lowercase();
    Some(Amount { minor: int(&row["amount"])?, currency })
}
