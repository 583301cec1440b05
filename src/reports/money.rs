//! `usher stats`: what comes in each month, by Stripe's own definition of
//! monthly recurring revenue, and who came and went.
//!
//! Counted: `active` and `past_due`; not trials, not what is free, not use that
//! is metered. Only coupons that last forever lower it. A year counts a
//! twelfth, a week 52 twelfths, a day 365 twelfths. Currencies are never added
//! up. Exact until the very end, where each currency is rounded once.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde_json::json;

use super::Page;
use crate::facts::{
    Amount, Begun, Billing, Discount, Every, Interval, Line, Moment, Off, Ratio, Scheme, Status, Step, Subscription,
    SubscriptionId, Terms,
};
use crate::policy::{Rules, Scene, prices};

/// What a subscription brings in a month, by currency, in minor units; `None`
/// when something of it could not be read, or fits in no number.
#[must_use]
pub fn monthly(terms: &Terms) -> Option<BTreeMap<String, Ratio>> {
    let mut sums: BTreeMap<String, Ratio> = BTreeMap::new();
    for line in terms.lines.iter().filter(|line| !line.metered) {
        let rate = a_month(line.every?)?;
        let mut amount = charged(line)?.times(rate)?;
        for discount in &line.discounts {
            amount = off(amount, discount, rate, &line.currency)?;
        }
        let sum = sums.entry(line.currency.clone()).or_insert(Ratio::ZERO);
        *sum = sum.plus(amount)?;
    }
    // A subscription's invoices come as often as its first item is charged.
    let first = terms.lines.iter().find(|line| !line.metered);
    let Some(rate) = first.and_then(|line| line.every).and_then(a_month) else { return Some(sums) };
    for (currency, sum) in &mut sums {
        for discount in &terms.discounts {
            *sum = off(*sum, discount, rate, currency)?;
        }
    }
    Some(sums)
}

/// How many of these intervals lie in a month.
fn a_month(every: Every) -> Option<Ratio> {
    let (intervals, months) = match every.interval {
        Interval::Day => (365, 12),
        Interval::Week => (52, 12),
        Interval::Month => (1, 1),
        Interval::Year => (1, 12),
    };
    Ratio::new(intervals, i128::from(every.count).checked_mul(months)?)
}

/// What an item costs for one of its intervals.
fn charged(line: &Line) -> Option<Ratio> {
    let quantity = match line.packages {
        None => line.quantity,
        Some(packages) => {
            let full = line.quantity.checked_div(packages.of)?;
            let begun = packages.begun == Begun::Whole && line.quantity.checked_rem(packages.of)? > 0;
            full + i64::from(begun)
        }
    };
    match &line.scheme {
        Scheme::PerUnit(unit) => unit.times(Ratio::whole(quantity)),
        Scheme::Volume(steps) => {
            let step = steps.iter().find(|step| step.up_to.is_none_or(|up_to| quantity <= up_to))?;
            of_step(step, quantity)
        }
        Scheme::Graduated(steps) => {
            let (mut sum, mut below) = (Ratio::ZERO, 0);
            for step in steps.iter() {
                let upto = step.up_to.map_or(quantity, |up_to| up_to.min(quantity));
                sum = sum.plus(of_step(step, upto.checked_sub(below)?.max(0))?)?;
                below = below.max(upto);
            }
            (below == quantity).then_some(sum)
        }
        Scheme::Unread => None,
    }
}

/// So many units of a step, and its flat amount if there are any.
fn of_step(step: &Step, units: i64) -> Option<Ratio> {
    if units <= 0 {
        return Some(Ratio::ZERO);
    }
    step.unit.times(Ratio::whole(units))?.plus(step.flat)
}

/// What is left of a monthly amount; never below nothing.
fn off(amount: Ratio, discount: &Discount, rate: Ratio, currency: &str) -> Option<Ratio> {
    match discount {
        Discount::Unread(_) => None,
        Discount::Coupon { forever: false, .. } => Some(amount),
        Discount::Coupon { off: Off::Percent(percent), .. } => {
            let left = Ratio::whole(100).less(*percent)?.times(Ratio::new(1, 100)?)?;
            amount.times(left)
        }
        Discount::Coupon { off: Off::Amount(minor, of), .. } if of == currency => amount.less(minor.times(rate)?),
        Discount::Coupon { .. } => Some(amount),
    }
}

/// How many stand how.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub active: u32,
    pub trialing: u32,
    pub past_due: u32,
    pub unpaid: u32,
    pub paused: u32,
    /// Of the running ones, those that are set to end.
    pub cancelling: u32,
    running_at_start: u32,
    /// Since the operator's month began.
    pub new: u32,
    /// Since the operator's month began.
    pub lost: u32,
    lost_of_those: u32,
}

impl Counts {
    fn take(&mut self, sub: &Subscription, begin: Moment) {
        match sub.status {
            Status::Active => self.active += 1,
            Status::Trialing => self.trialing += 1,
            Status::PastDue => self.past_due += 1,
            Status::Unpaid => self.unpaid += 1,
            Status::Paused => self.paused += 1,
            _ => {}
        }
        // What was never paid for neither came nor went.
        let came = !matches!(sub.status, Status::Incomplete | Status::IncompleteExpired | Status::Unknown(_));
        let ended = sub.ended_at.filter(|_| sub.status == Status::Canceled);
        self.cancelling += u32::from(sub.status.is_running() && sub.is_set_to_end());
        self.running_at_start += u32::from(came && sub.created < begin && ended.is_none_or(|ended| ended >= begin));
        self.new += u32::from(came && sub.created >= begin);
        let lost = ended.is_some_and(|ended| ended >= begin);
        self.lost += u32::from(lost);
        self.lost_of_those += u32::from(lost && sub.created < begin);
    }

    /// Lost of those who were there when the month began, in percent with one
    /// decimal; `None` when there was nobody.
    pub fn churn(&self) -> Option<String> {
        let start = u64::from(self.running_at_start);
        let tenths = (u64::from(self.lost_of_those) * 1000 + start / 2).checked_div(start)?;
        Some(format!("{}.{}", tenths / 10, tenths % 10))
    }
}

/// The report in numbers.
pub(super) struct Figures {
    /// When Stripe said so.
    pub read_at: Moment,
    /// The operator's present month.
    pub month: String,
    pub counts: Counts,
    /// A sum for each currency.
    pub mrr: Vec<Amount>,
    /// Those whose price or discount could not be read.
    pub not_counted: Vec<SubscriptionId>,
}

/// The numbers; `None` while Stripe has not been read by this process.
pub(super) fn figures(scene: Scene<'_>) -> Option<Figures> {
    let whole = scene.world.stripe.last.as_ref()?;
    let billing = &whole.value;
    let begin = month_began(scene.rules, scene.now);
    let (mut counts, mut sums, mut not_counted) = (Counts::default(), BTreeMap::<String, Ratio>::new(), Vec::new());
    for sub in ours(scene.rules, billing) {
        counts.take(sub, begin);
        if !matches!(sub.status, Status::Active | Status::PastDue) {
            continue;
        }
        let added = billing.terms.get(&sub.id).and_then(monthly).and_then(|monthly| add(&sums, monthly));
        match added {
            Some(added) => sums = added,
            None => not_counted.push(sub.id.clone()),
        }
    }
    let mrr = sums.into_iter().filter_map(|(currency, sum)| Some(Amount { minor: sum.rounded()?, currency })).collect();
    let month = scene.rules.day_of(scene.now).format("%Y-%m").to_string();
    Some(Figures { read_at: whole.at, month, counts, mrr, not_counted })
}

/// The report.
///
/// # Errors
/// A sentence, while Stripe has not been read.
pub(super) fn page(scene: Scene<'_>) -> Result<Page, String> {
    let Some(figures) = figures(scene) else {
        return Err("what comes in is computed from what Stripe says, and Stripe has not been read by this process; \
                    is STRIPE_SECRET_KEY set, and the daemon running?"
            .into());
    };
    let Figures { read_at, month, counts, mrr, not_counted } = &figures;
    let json = json!({
        "read_at": read_at, "month": month,
        "mrr": mrr.iter().map(|sum| json!({ "currency": sum.currency, "minor": sum.minor, "amount": sum.number() }))
            .collect::<Vec<_>>(),
        "active": counts.active, "trialing": counts.trialing, "past_due": counts.past_due, "unpaid": counts.unpaid,
        "paused": counts.paused, "cancelling": counts.cancelling, "new": counts.new, "lost": counts.lost,
        "running_at_start": counts.running_at_start, "churn_percent": counts.churn(), "not_counted": not_counted,
    });
    Ok(Page { text: words(&figures, &super::at(scene, *read_at)), json })
}

fn words(figures: &Figures, read: &str) -> String {
    let Figures { month, counts, mrr, not_counted, .. } = figures;
    let sums: Vec<String> = mrr.iter().map(ToString::to_string).collect();
    let sums = if sums.is_empty() { "nothing".to_owned() } else { sums.join(" + ") };
    let churn = counts.churn().map_or_else(|| "nobody was there before".to_owned(), |churn| format!("{churn} % churn"));
    let mut lines = vec![
        format!("Each month: {sums} (Stripe, read {read})"),
        format!(
            "Now: {} active, {} trialing, {} past due, {} unpaid, {} paused; {} of them set to end",
            counts.active, counts.trialing, counts.past_due, counts.unpaid, counts.paused, counts.cancelling
        ),
        format!(
            "{month}: {} new, {} lost of {} at its beginning ({churn})",
            counts.new, counts.lost, counts.running_at_start
        ),
    ];
    if !not_counted.is_empty() {
        let unread = not_counted.len();
        lines.push(format!("Not counted: {unread} whose price or discount could not be read (see --json)"));
    }
    lines.join("\n")
}

fn ours<'a>(rules: &'a Rules, billing: &'a Billing) -> impl Iterator<Item = &'a Subscription> {
    let bought = |sub: &&Subscription| prices::bought(rules, billing.catalogue.as_ref(), sub).is_some();
    billing.subscriptions.values().filter(bought)
}

fn add(sums: &BTreeMap<String, Ratio>, more: BTreeMap<String, Ratio>) -> Option<BTreeMap<String, Ratio>> {
    let mut sums = sums.clone();
    for (currency, amount) in more {
        let sum = sums.get(&currency).copied().unwrap_or(Ratio::ZERO).plus(amount)?;
        sums.insert(currency, sum);
    }
    Some(sums)
}

/// The first instant of the operator's present month.
fn month_began(rules: &Rules, now: Moment) -> Moment {
    let today = rules.day_of(now);
    let last_of_before = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).and_then(|first| first.pred_opt());
    last_of_before.map_or(now, |day| rules.end_of_day(day))
}
