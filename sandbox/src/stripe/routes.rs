//! The paths of the API: manners first, then what is asked.
//!
//! What it promises: what Stripe refuses is refused in its words, and what a
//! well-made client would never send is noted as unexpected.

use serde_json::{Value, json};

use super::{
    account::Account,
    lists::claims,
    query::{Fail, Paging, Query},
    records::{Claim, Status},
    render, writes,
};
use crate::{
    base::{Answer, Request, World},
    faults::Bend,
    http::JSON,
};

/// Events can be read for 30 days.
const EVENTS_KEPT_S: i64 = 30 * 86_400;
pub(super) const CREATED: [&str; 5] = ["created", "created[gt]", "created[gte]", "created[lt]", "created[lte]"];

impl World for Account {
    fn is_change(&self, request: &Request) -> bool {
        request.method != "GET"
    }

    fn answer(&mut self, request: &Request, bend: Option<Bend>) -> Answer {
        self.tick(request.at.timestamp());
        let mut wrongs = Vec::new();
        if request.header("stripe-version").is_empty() {
            wrongs.push("no Stripe-Version: the account's default would answer".to_owned());
        }
        if request.method == "POST" && request.header("idempotency-key").is_empty() {
            wrongs.push("POST without Idempotency-Key".to_owned());
        }
        let mut bent = false;
        let result = self.authorise(request).and_then(|()| match request.method.as_str() {
            "GET" => self.look_up(request, bend, &mut bent),
            _ => self.write(request),
        });
        let mut answer = match result {
            Ok(answer) => answer,
            Err(fail) => {
                if fail.unexpected {
                    wrongs.push(fail.why());
                }
                fail.answer()
            }
        };
        let number = self.id("req");
        answer = answer.header("request-id", &number).header("stripe-version", render::version(self.shape)).bent(bent);
        if wrongs.is_empty() { answer } else { answer.unexpected(wrongs.join("; ")) }
    }

    fn error(&self, request: &Request, code: u16) -> Answer {
        let invalid = "invalid_request_error";
        let fail = match code {
            401 => Fail::new(401, invalid, "", "Invalid API Key provided: sk_****"),
            403 => Fail::new(403, invalid, "", "The provided key does not have the required permissions"),
            404 => Fail::new(404, invalid, "resource_missing", "No such object"),
            409 => Fail::new(409, "idempotency_error", "idempotency_key_in_use", "A request with this key is running"),
            429 if request.change => {
                Fail::new(429, invalid, "lock_timeout", "This object cannot be accessed right now")
            }
            429 => Fail::new(429, invalid, "rate_limit", "Request rate limit exceeded"),
            _ => Fail::new(code, "api_error", "", "An unknown error occurred"),
        };
        fail.answer().header("request-id", "req_Sfault")
    }
}

impl Account {
    fn authorise(&self, request: &Request) -> Result<(), Fail> {
        let given = request.header("authorization");
        if given == format!("Bearer {}", self.key) {
            return Ok(());
        }
        let text =
            if given.is_empty() { "You did not provide an API key." } else { "Invalid API Key provided: sk_****" };
        Err(Fail::new(401, "invalid_request_error", "", text))
    }

    fn write(&mut self, request: &Request) -> Result<Answer, Fail> {
        self.touch();
        let query = Query::of(request)?;
        let at = request.at.timestamp();
        let key = request.header("idempotency-key").to_owned();
        let print = format!("{} {} {}", request.method, request.path, query.fingerprint());
        let has_key = request.method == "POST" && !key.is_empty();
        if let Some((earlier, value)) = self.idempotent.get(&key).filter(|_| has_key) {
            if *earlier == print {
                return Ok(Answer::json(200, value).header("idempotent-replayed", "true"));
            }
            let text =
                "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            return Err(Fail::new(400, "idempotency_error", "", text).never_expected());
        }
        let value = writes::write(self, request, &query, at)?;
        if has_key {
            self.idempotent.insert(key, (print, value.clone()));
        }
        Ok(Answer::json(200, &value))
    }

    /// The answer of before, while nothing has changed. Events grow old by
    /// themselves, endpoints are set up elsewhere, and a listing that comes spoilt is
    /// spoilt anew.
    fn look_up(&mut self, request: &Request, bend: Option<Bend>, bent: &mut bool) -> Result<Answer, Fail> {
        let changes_unseen = ["/v1/events", "/v1/webhook_endpoints"].iter().any(|path| request.path.starts_with(path));
        let lasts = bend.is_none() && request.body.is_empty() && !changes_unseen;
        if let Some(body) = self.answered.get(&request.target).filter(|_| lasts) {
            return Ok(Answer::of(200, JSON, body.clone()));
        }
        let answer = Answer::json(200, &self.read(request, bend, bent)?);
        if lasts {
            self.answered.insert(request.target.clone(), answer.body.clone());
        }
        Ok(answer)
    }

    fn read(&self, request: &Request, bend: Option<Bend>, bent: &mut bool) -> Result<Value, Fail> {
        let query = Query::of(request)?;
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut paging = Paging { account: self, bend, bent };
        let single = |what: &str, id: &str| {
            query.only(&["expand[]"])?;
            let prefix = match what {
                "customer" => "cus_",
                "subscription" => "sub_",
                "product" => "prod_",
                "price" => "price_",
                "invoice" => "in_",
                "charge" => "ch_",
                "refund" => "re_",
                "dispute" => "dp_",
                "coupon" => "co_",
                "radar.early_fraud_warning" => "issfr_",
                "payment_intent" => "pi_",
                "checkout.session" => "cs_",
                _ => "evt_",
            };
            let found = render::object(self, self.shape, id).filter(|_| id.starts_with(prefix));
            query.expand(self, found.ok_or_else(|| Fail::missing(what, id))?)
        };
        match parts[..] {
            ["v1", "account"] => self.account(),
            ["v1", "subscriptions"] => self.subscriptions(&query, &mut paging),
            ["v1", "subscriptions", id] => single("subscription", id),
            ["v1", "subscription_items"] => self.subscription_items(&query),
            ["v1", "customers"] => self.customers(&query, &mut paging),
            ["v1", "customers", id] => single("customer", id),
            ["v1", "products"] => self.products(&query, &mut paging),
            ["v1", "products", id] => single("product", id),
            ["v1", "prices"] => self.prices(&query, &mut paging),
            ["v1", "prices", id] => single("price", id),
            ["v1", "invoices"] => self.invoices(&query, &mut paging),
            ["v1", "invoices", id] => single("invoice", id),
            ["v1", "events"] => self.events(&query, &mut paging, request.at.timestamp()),
            ["v1", "events", id] => single("event", id),
            ["v1", "charges"] => self.charges(&query, &mut paging),
            ["v1", "charges", id] => single("charge", id),
            ["v1", "payment_intents", id] => single("payment_intent", id),
            ["v1", "refunds"] => claims(&query, &mut paging, "/v1/refunds", &self.refunds, &render::refund),
            ["v1", "refunds", id] => single("refund", id),
            ["v1", "disputes"] => {
                let show = |claim: &Claim| render::dispute(self, claim);
                claims(&query, &mut paging, "/v1/disputes", &self.disputes, &show)
            }
            ["v1", "disputes", id] => single("dispute", id),
            ["v1", "radar", "early_fraud_warnings", id] => single("radar.early_fraud_warning", id),
            ["v1", "entitlements", "active_entitlements"] => self.active_entitlements(&query, &mut paging),
            ["v1", "coupons", id] => single("coupon", id),
            ["v1", "invoice_payments"] => self.invoice_payments(&query, &mut paging),
            ["v1", "webhook_endpoints"] => self.webhook_endpoints(&query, &mut paging),
            ["v1", "checkout", "sessions", id] => single("checkout.session", id),
            _ => {
                let text = format!("Unrecognized request URL (GET: {})", request.path);
                Err(Fail::new(404, "invalid_request_error", "", &text).never_expected())
            }
        }
    }

    fn account(&self) -> Result<Value, Fail> {
        let id = self
            .account_id
            .as_ref()
            .ok_or_else(|| Fail::new(403, "invalid_request_error", "", "This key may not read the account"))?;
        Ok(json!({
            "id": id, "object": "account", "country": "NL", "default_currency": "usd", "charges_enabled": true,
            "payouts_enabled": true, "details_submitted": true, "email": "owner@example.com", "type": "standard",
            "settings": {"dashboard": {"display_name": "Attic Cinema", "timezone": "Europe/Amsterdam"}}
        }))
    }

    fn subscriptions(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        let ranges = ["current_period_end", "current_period_start"]
            .map(|name| ["", "[gt]", "[gte]", "[lt]", "[lte]"].map(|suffix| format!("{name}{suffix}")));
        let mut allowed = vec!["status", "customer", "price", "collection_method", "test_clock"];
        allowed.extend(CREATED);
        allowed.extend(ranges.iter().flatten().map(String::as_str));
        query.only_list(&allowed)?;
        let status = query.filled("status");
        let known = [
            "all",
            "ended",
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "unpaid",
            "paused",
            "canceled",
        ];
        if let Some(odd) = status.filter(|status| !known.contains(status)) {
            return Err(Fail::bad("", "status", &format!("Invalid status: {odd}")).never_expected());
        }
        query.page(
            paging,
            "/v1/subscriptions",
            &self.subs,
            |sub| sub.id.clone(),
            |sub| {
                let fits = match status {
                    // The trap: without a status, canceled ones are left out.
                    None => sub.status != Status::Canceled,
                    Some("all") => true,
                    Some("ended") => sub.status.is_terminal(),
                    Some(one) => sub.status.as_str() == one,
                };
                let method = if sub.days_until_due.is_some() { "send_invoice" } else { "charge_automatically" };
                Ok(fits
                    && query.filled("customer").is_none_or(|id| sub.customer == id)
                    && query.filled("price").is_none_or(|id| sub.items.iter().any(|item| item.price == id))
                    && query.filled("collection_method").is_none_or(|wanted| wanted == method)
                    && query.filled("test_clock").is_none()
                    && query.in_range("created", sub.created)?
                    && query.in_range("current_period_start", sub.period_start)?
                    && query.in_range("current_period_end", sub.period_end)?)
            },
            |sub| self.rendered(&sub.id),
        )
    }

    fn subscription_items(&self, query: &Query) -> Result<Value, Fail> {
        query.only_list(&["subscription"])?;
        let id = query.filled("subscription").unwrap_or_default();
        let sub = self.sub(id).ok_or_else(|| Fail::missing("subscription", id))?;
        let data = self.rendered(&sub.id)["items"]["data"].as_array().cloned().unwrap_or_default();
        query.expand(self, render::list("/v1/subscription_items", data, false))
    }

    fn customers(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[&["email", "test_clock"][..], &CREATED].concat())?;
        query.page(
            paging,
            "/v1/customers",
            &self.customers,
            |customer| customer.id.clone(),
            // Exact and case-sensitive; deleted ones are in no list.
            |customer| {
                Ok(!customer.deleted
                    && query.filled("email").is_none_or(|email| customer.email.as_deref() == Some(email))
                    && query.in_range("created", customer.created)?)
            },
            |customer| render::customer(self, customer),
        )
    }

    fn products(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[&["active", "ids[]"][..], &CREATED].concat())?;
        let (active, ids) = (query.truth("active")?, query.all("ids[]"));
        query.page(
            paging,
            "/v1/products",
            &self.products,
            |product| product.id.clone(),
            |product| {
                Ok(active.is_none_or(|active| product.active == active)
                    && (ids.is_empty() || ids.contains(&product.id.as_str()))
                    && query.in_range("created", product.created)?)
            },
            |product| render::product(self, product),
        )
    }

    fn prices(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[&["active", "type", "product", "currency", "lookup_keys[]"][..], &CREATED].concat())?;
        let active = query.truth("active")?;
        query.page(
            paging,
            "/v1/prices",
            &self.prices,
            |price| price.id.clone(),
            |price| {
                let kind = if price.interval.is_some() { "recurring" } else { "one_time" };
                Ok(active.is_none_or(|active| price.active == active)
                    && query.filled("type").is_none_or(|wanted| wanted == kind)
                    && query.filled("product").is_none_or(|id| price.product == id)
                    && query.filled("currency").is_none_or(|wanted| price.currency == wanted)
                    && query.all("lookup_keys[]").is_empty()
                    && query.in_range("created", price.created)?)
            },
            |price| render::price(self, price),
        )
    }

    fn invoices(&self, query: &Query, paging: &mut Paging<'_>) -> Result<Value, Fail> {
        query.only_list(&[&["subscription", "customer", "status", "collection_method"][..], &CREATED].concat())?;
        query.page(
            paging,
            "/v1/invoices",
            &self.invoices,
            |invoice| invoice.id.clone(),
            |invoice| {
                Ok(query.filled("subscription").is_none_or(|id| invoice.subscription == id)
                    && query.filled("customer").is_none_or(|id| invoice.customer == id)
                    && query.filled("status").is_none_or(|wanted| invoice.status == wanted)
                    && query.in_range("created", invoice.created)?)
            },
            |invoice| render::invoice(self, self.shape, invoice),
        )
    }

    fn events(&self, query: &Query, paging: &mut Paging<'_>, now: i64) -> Result<Value, Fail> {
        query.only_list(&[&["type", "types[]", "delivery_success"][..], &CREATED].concat())?;
        let kinds = query.all("types[]");
        if kinds.len() > 20 {
            return Err(Fail::bad("", "types", "At most 20 types").never_expected());
        }
        query.page(
            paging,
            "/v1/events",
            &self.events,
            |event| event.id.clone(),
            |event| {
                Ok(now - event.created <= EVENTS_KEPT_S
                    && (kinds.is_empty() || kinds.contains(&event.kind.as_str()))
                    && query.filled("type").is_none_or(|kind| event.kind == kind)
                    && query.in_range("created", event.created)?)
            },
            |event| render::told_now(self, &event.body),
        )
    }
}
