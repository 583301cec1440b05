//! What a subscription costs, from Stripe's JSON in both shapes.
//!
//! Steps of a tiered price lie too deep for the listing of subscriptions, and
//! so do discounts on an item: the former come with the listing of prices, the
//! latter are asked for one by one, once, and remembered. What can't be read is
//! said to be so, and never guessed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{PoisonError, atomic::Ordering},
};

use serde_json::Value;

use super::{
    read::{Reading, unless_refused},
    rows::reference,
};
use crate::{
    facts::{
        AppliesTo, Begun, Discount, Every, Interval, Line, Off, Packages, PriceId, ProductId, Ratio, Scheme, Step,
        Subscription, SubscriptionId, Terms,
    },
    services::{
        failure::Failure,
        http::segment,
        loose::{int, list, text},
    },
};

/// What a subscription costs; `items` where the row itself has not all.
#[must_use]
pub fn terms(row: &Value, items: Option<&[Value]>) -> Terms {
    let items = items.or_else(|| list(&row["items"]["data"])).unwrap_or_default();
    let mut discounts = discounts(row);
    // Before there were several, there was one on top.
    if discounts.is_empty() && !row["discount"].is_null() {
        discounts.push(discount(&row["discount"]));
    }
    Terms { lines: items.iter().filter_map(line).collect(), discounts }
}

fn discounts(row: &Value) -> Vec<Discount> {
    list(&row["discounts"]).unwrap_or_default().iter().map(discount).collect()
}

fn line(item: &Value) -> Option<Line> {
    let price = if item["price"].is_null() { &item["plan"] } else { &item["price"] };
    // A plan has its interval on top.
    let recurring = if price["recurring"].is_object() { &price["recurring"] } else { price };
    let metered = recurring["usage_type"] == "metered";
    Some(Line {
        price: PriceId(reference(price)?),
        product: reference(&price["product"]).map(ProductId),
        currency: text(&price["currency"]).unwrap_or_default().to_lowercase(),
        every: every(recurring),
        metered,
        quantity: int(&item["quantity"]).unwrap_or(1),
        packages: packages(&price["transform_quantity"]),
        scheme: scheme(price),
        discounts: discounts(item),
    })
}

fn every(recurring: &Value) -> Option<Every> {
    let interval = match recurring["interval"].as_str()? {
        "day" => Interval::Day,
        "week" => Interval::Week,
        "month" => Interval::Month,
        "year" => Interval::Year,
        _ => return None,
    };
    Some(Every { interval, count: int(&recurring["interval_count"]).unwrap_or(1) })
}

fn packages(transform: &Value) -> Option<Packages> {
    let of = int(&transform["divide_by"])?;
    Some(Packages { of, begun: if transform["round"] == "up" { Begun::Whole } else { Begun::Nothing } })
}

/// How a price counts. `billing_scheme` is missing from a price that was
/// written down in little.
#[must_use]
pub fn scheme(price: &Value) -> Scheme {
    if price["billing_scheme"] == "tiered" || !price["tiers_mode"].is_null() {
        let steps = list(&price["tiers"]).map(|tiers| tiers.iter().map(step).collect::<Option<Vec<_>>>());
        return match (steps.flatten(), price["tiers_mode"].as_str()) {
            (Some(steps), Some("volume")) => Scheme::Volume(steps),
            (Some(steps), Some("graduated")) => Scheme::Graduated(steps),
            _ => Scheme::Unread,
        };
    }
    let unit = amount(&price["unit_amount_decimal"], &price["unit_amount"]);
    // A plan's.
    unit.or_else(|| amount(&price["amount_decimal"], &price["amount"])).map_or(Scheme::Unread, Scheme::PerUnit)
}

fn step(tier: &Value) -> Option<Step> {
    let up_to = match &tier["up_to"] {
        Value::Null => None,
        Value::String(word) if word == "inf" => None,
        number => Some(int(number)?),
    };
    let or_nothing = |decimal: &Value, number: &Value| match decimal.is_null() && number.is_null() {
        true => Some(Ratio::ZERO),
        false => amount(decimal, number),
    };
    Some(Step {
        up_to,
        unit: or_nothing(&tier["unit_amount_decimal"], &tier["unit_amount"])?,
        flat: or_nothing(&tier["flat_amount_decimal"], &tier["flat_amount"])?,
    })
}

/// The decimal, which is finer, else the whole number.
fn amount(decimal: &Value, whole: &Value) -> Option<Ratio> {
    number(decimal).or_else(|| number(whole))
}

fn number(value: &Value) -> Option<Ratio> {
    match value {
        Value::String(text) => Ratio::decimal(text),
        Value::Number(number) => Ratio::decimal(&number.to_string()),
        _ => None,
    }
}

/// A discount, as far as it was expanded.
#[must_use]
pub fn discount(row: &Value) -> Discount {
    let inside = &row["source"]["coupon"];
    let whole = if inside.is_null() { &row["coupon"] } else { inside };
    coupon(whole).unwrap_or_else(|| Discount::Unread(reference(row).unwrap_or_default()))
}

/// A coupon, when it is the object itself.
#[must_use]
pub fn coupon(row: &Value) -> Option<Discount> {
    let off = match (number(&row["percent_off"]), number(&row["amount_off"])) {
        (Some(percent), _) => Off::Percent(percent),
        (None, Some(minor)) => Off::Amount(minor, text(&row["currency"])?.to_lowercase()),
        (None, None) => return None,
    };
    let forever = match row["duration"].as_str() {
        Some("forever") => true,
        Some("once" | "repeating") => false,
        // As the smallest samples have it: nothing says that it will end.
        None => row["duration_in_months"].is_null(),
        Some(_) => return None,
    };
    Some(Discount::Coupon { off, forever, on: applies_to(row), id: reference(row) })
}

/// Stripe shows it only where it was asked for: then `null` means everything.
fn applies_to(coupon: &Value) -> AppliesTo {
    match coupon.get("applies_to") {
        None => AppliesTo::Unread,
        Some(Value::Null) => AppliesTo::All,
        Some(limits) => match list(&limits["products"]) {
            Some(products) => AppliesTo::Products(products.iter().filter_map(reference).map(ProductId).collect()),
            None => AppliesTo::Unread,
        },
    }
}

/// A coupon of which it has to be asked what it is taken off: only one that
/// lowers what comes in each month.
fn unlimited_yet(discount: &Discount) -> Option<&str> {
    match discount {
        Discount::Coupon { forever: true, on: AppliesTo::Unread, id: Some(id), .. } => Some(id),
        _ => None,
    }
}

/// Puts what was read elsewhere where it was missing.
pub fn complete(terms: &mut Terms, steps: &BTreeMap<PriceId, Scheme>, known: &BTreeMap<String, Discount>) {
    let fill = |discount: &mut Discount| {
        if let Discount::Unread(id) = discount
            && let Some(known) = known.get(id)
        {
            *discount = known.clone();
        }
    };
    for line in &mut terms.lines {
        if line.scheme == Scheme::Unread
            && let Some(scheme) = steps.get(&line.price)
        {
            line.scheme = scheme.clone();
        }
        line.discounts.iter_mut().for_each(fill);
    }
    terms.discounts.iter_mut().for_each(fill);
}

/// Discounts that no listing shows whole are asked for one subscription at a
/// time, so many in one reading.
const ASKED_MAX: usize = 10;
/// How far discounts may be expanded in a listing: since clover, before, and
/// where neither is understood.
const EXPANDS: [&str; 3] = ["data.discounts.source.coupon", "data.discounts", "data.customer"];

impl Reading<'_> {
    /// Every subscription, its discounts expanded as far as it goes here.
    pub(super) async fn all_subscriptions(&mut self) -> Result<Vec<Subscription>, Failure> {
        loop {
            let known = self.stripe.expands.load(Ordering::Relaxed);
            let expand = EXPANDS.get(known).copied().unwrap_or("data.customer");
            let mut query = vec![("status", "all"), ("expand[]", "data.customer")];
            query.extend(Some(("expand[]", expand)).filter(|(_, expand)| *expand != "data.customer"));
            match self.subscriptions(&query).await {
                Err(failure) if failure.status == Some(400) && known + 1 < EXPANDS.len() => {
                    self.stripe.expands.store(known + 1, Ordering::Relaxed);
                }
                read => return read,
            }
        }
    }

    /// Puts steps and discounts where the listing had only ids. A quiet reading
    /// asks nothing: what was learnt once is remembered. What can't be read now
    /// stays unread, which costs nobody anything but a figure in a report.
    pub(super) async fn complete_terms(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        let known = self.known_discounts(|known| known.clone());
        let mut lacking = Vec::new();
        for (id, terms) in &mut self.terms {
            complete(terms, &steps, &known);
            let on_items = terms.lines.iter().flat_map(|line| &line.discounts);
            let unread = |discount: &Discount| matches!(discount, Discount::Unread(id) if !known.contains_key(id));
            if on_items.chain(&terms.discounts).any(unread) {
                lacking.push(id.clone());
            }
        }
        for id in lacking.iter().take(ASKED_MAX) {
            let learnt = match self.discounts_of(id).await {
                Ok(learnt) => learnt,
                Err(failure) => {
                    tracing::warn!("a discount can't be read now; the next poll tries again: {failure}");
                    return;
                }
            };
            self.known_discounts(|known| known.extend(learnt));
            let known = self.known_discounts(|known| known.clone());
            if let Some(terms) = self.terms.get_mut(id) {
                complete(terms, &steps, &known);
            }
        }
    }

    /// Asks of each coupon, once, what it is taken off. The listing of
    /// subscriptions lies too deep for it. What isn't shown counts for
    /// everything, and the report says so.
    pub(super) async fn complete_limits(&mut self) {
        let all = || {
            self.terms
                .values()
                .flat_map(|terms| terms.lines.iter().flat_map(|line| &line.discounts).chain(&terms.discounts))
        };
        let wanted: BTreeSet<String> = all().filter_map(unlimited_yet).map(str::to_owned).collect();
        let known = self.known_limits(|known| known.clone());
        for id in wanted.iter().filter(|id| !known.contains_key(*id)).take(ASKED_MAX) {
            let path = format!("/v1/coupons/{}", segment(id));
            let row = match unless_refused(self.stripe.get(&path, &limits()).await) {
                Ok(row) => row.map(|(_, row)| row).unwrap_or_default(),
                Err(failure) => {
                    tracing::warn!("a coupon can't be read now; the next poll tries again: {failure}");
                    break;
                }
            };
            // An older API that doesn't expand it shows nothing: as before.
            self.known_limits(|known| known.insert(id.clone(), applies_to(&row)));
        }
        let known = self.known_limits(|known| known.clone());
        for terms in self.terms.values_mut() {
            let on_items = terms.lines.iter_mut().flat_map(|line| &mut line.discounts);
            for discount in on_items.chain(&mut terms.discounts) {
                let read = unlimited_yet(discount).and_then(|id| known.get(id).cloned());
                if let (Some(read), Discount::Coupon { on, .. }) = (read, discount) {
                    *on = read;
                }
            }
        }
    }

    fn known_limits<R>(&self, look: impl FnOnce(&mut BTreeMap<String, AppliesTo>) -> R) -> R {
        look(&mut self.stripe.limits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known_discounts<R>(&self, look: impl FnOnce(&mut BTreeMap<String, Discount>) -> R) -> R {
        look(&mut self.stripe.discounts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Each discount of one subscription; those that can't be read stand as such.
    async fn discounts_of(&mut self, id: &SubscriptionId) -> Result<BTreeMap<String, Discount>, Failure> {
        let path = format!("/v1/subscriptions/{}", segment(&id.0));
        let query = vec![("expand[]", "discounts"), ("expand[]", "items.data.discounts")];
        let row = unless_refused(self.stripe.get(&path, &query).await)?.map(|(_, row)| row).unwrap_or_default();
        let items = list(&row["items"]["data"]).unwrap_or_default();
        let on_items = items.iter().flat_map(|item| list(&item["discounts"]).unwrap_or_default());
        let rows = on_items.chain(list(&row["discounts"]).unwrap_or_default());
        let mut learnt = BTreeMap::new();
        for unread in self.terms.get(id).into_iter().flat_map(unread_ids) {
            learnt.insert(unread.clone(), Discount::Unread(unread));
        }
        for row in rows {
            let Some(name) = reference(row) else { continue };
            let inside = &row["source"]["coupon"];
            let inside = reference(if inside.is_null() { &row["coupon"] } else { inside });
            let read = match (discount(row), inside) {
                (Discount::Unread(_), Some(inside)) => {
                    let path = format!("/v1/coupons/{}", segment(&inside));
                    let whole = unless_refused(self.stripe.get(&path, &limits()).await)?;
                    whole.and_then(|(_, row)| coupon(&row))
                }
                (Discount::Unread(_), None) => None,
                (read, _) => Some(read),
            };
            learnt.extend(read.map(|read| (name, read)));
        }
        Ok(learnt)
    }
}

fn limits() -> super::Query<'static> {
    vec![("expand[]", "applies_to")]
}

fn unread_ids(terms: &Terms) -> Vec<String> {
    let all = terms.lines.iter().flat_map(|line| &line.discounts).chain(&terms.discounts);
    let unread = all.filter_map(|discount| match discount {
        Discount::Unread(id) => Some(id.clone()),
        Discount::Coupon { .. } => None,
    });
    unread.collect()
}
