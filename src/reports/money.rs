//! `usher stats`: what comes in each month, by Stripe's own definition of
//! monthly recurring revenue, and who came and went.
//!
//! Counted: `active` and `past_due`; not trials, not what is free, not use that
//! is metered. Only coupons that last forever lower it. A year counts a
//! twelfth, a week 52 twelfths, a day 365 twelfths. Currencies are never added
//! up. Exact until the very end, where each currency is rounded once.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, TimeDelta};
use serde_json::json;

use super::Page;
use crate::facts::{
    Amount, AppliesTo, Begun, Billing, Discount, Every, Interval, Line, Moment, Off, Ratio, Scheme, Status, Step,
    Subscription, SubscriptionId, Terms,
};
use crate::policy::{Rules, Scene, prices};

/// What a subscription brings in a month, by currency, in minor units; `None`
/// when something of it could not be read, or fits in no number.
#[must_use]
pub fn monthly(terms: &Terms) -> Option<BTreeMap<String, Ratio>> {
    let lines = terms.lines.iter().filter(|line| !line.metered);
    let mut parts: Vec<(&Line, Ratio)> = Vec::new();
    for line in lines.clone() {
        let rate = a_month(line.every?)?;
        let mut amount = charged(line)?.times(rate)?;
        for discount in line.discounts.iter().filter(|discount| concerns(discount, line)) {
            amount = off(amount, discount, rate, &line.currency)?;
        }
        parts.push((line, amount));
    }
    // A subscription's invoices come as often as its first item is charged.
    if let Some(rate) = lines.clone().next().and_then(|line| line.every).and_then(a_month) {
        for discount in &terms.discounts {
            take_off(&mut parts, discount, rate)?;
        }
    }
    let mut sums: BTreeMap<String, Ratio> = BTreeMap::new();
    for (line, amount) in parts {
        let sum = sums.entry(line.currency.clone()).or_insert(Ratio::ZERO);
        *sum = sum.plus(amount)?;
    }
    Some(sums)
}

/// A coupon that is limited to some products says nothing of the others.
fn concerns(discount: &Discount, line: &Line) -> bool {
    match discount {
        Discount::Coupon { on: AppliesTo::Products(products), .. } => {
            line.product.as_ref().is_some_and(|product| products.contains(product))
        }
        Discount::Coupon { .. } | Discount::Unread(_) => true,
    }
}

/// Takes a discount on the whole off the lines that it concerns: a percentage
/// of each; an amount once, from the first on, as far as they go.
fn take_off(parts: &mut [(&Line, Ratio)], discount: &Discount, rate: Ratio) -> Option<()> {
    let concerned = parts.iter_mut().filter(|(line, _)| concerns(discount, line));
    if let Discount::Coupon { off: Off::Amount(minor, of), forever: true, .. } = discount {
        let mut left = minor.times(rate)?;
        for (_, amount) in concerned.filter(|(line, _)| line.currency == *of) {
            let rest = amount.less(left)?;
            left = left.less(*amount)?;
            *amount = rest;
        }
        return Some(());
    }
    for (line, amount) in concerned {
        *amount = off(*amount, discount, rate, &line.currency)?;
    }
    Some(())
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
        let came = !matches!(sub.status, Status::Incomplete | Status::IncompleteExpired | Status::Unknown(_));
        let ended = sub.ended_at.filter(|_| sub.status == Status::Canceled);
        self.cancelling += u32::from(sub.status.is_running() && sub.is_set_to_end());
        self.new += u32::from(came && sub.created >= begin);
        // Only who has paid can be lost: a trial that came to nothing never was
        // a payer, and one that began to pay this month was none at its start.
        let Some(paying_since) = paying_since(sub).filter(|_| came) else { return };
        let lost = ended.is_some_and(|ended| ended >= begin);
        self.running_at_start += u32::from(paying_since < begin && ended.is_none_or(|ended| ended >= begin));
        self.lost += u32::from(lost);
        self.lost_of_those += u32::from(lost && paying_since < begin);
    }

    /// Lost of those who were there when the month began, in percent with one
    /// decimal; `None` when there was nobody.
    pub fn churn(&self) -> Option<String> {
        let start = u64::from(self.running_at_start);
        let tenths = (u64::from(self.lost_of_those) * 1000 + start / 2).checked_div(start)?;
        Some(format!("{}.{}", tenths / 10, tenths % 10))
    }
}

/// Since when it was paid for: from its beginning, or the end of its trial.
/// `None` where the trial was all that there ever was.
fn paying_since(sub: &Subscription) -> Option<Moment> {
    let Some(trial_end) = sub.trial_end else { return Some(sub.created) };
    let after_trial = |at: Moment| at > trial_end + TRIAL_ENDS_WITHIN;
    // The period that runs is the first that had to be paid for.
    let is_first = sub.period_start().is_some_and(|start| !after_trial(start));
    let owes = sub.open_invoices.as_ref().is_some_and(|open| !open.is_empty());
    let paid_for_more = match sub.status {
        Status::Trialing => false,
        Status::Canceled => sub.ended_at.is_some_and(after_trial) && !(sub.ended_by_failed_payment && is_first),
        Status::Paused => sub.period_end().is_none_or(after_trial) && !(owes && is_first),
        Status::PastDue | Status::Unpaid => !is_first,
        _ => true,
    };
    paid_for_more.then_some(trial_end)
}

/// A trial's end, and what follows from it at once, are so near to each other.
const TRIAL_ENDS_WITHIN: TimeDelta = TimeDelta::hours(6);

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
    /// Those with a coupon of which it could not be read what it is taken off:
    /// it counts for all that they buy.
    pub coupon_unread: Vec<SubscriptionId>,
}

/// The numbers; `None` while Stripe has not been read by this process.
pub(super) fn figures(scene: Scene<'_>) -> Option<Figures> {
    let whole = scene.world.stripe.last.as_ref()?;
    let billing = &whole.value;
    let begin = month_began(scene.rules, scene.now);
    let (mut counts, mut sums) = (Counts::default(), BTreeMap::<String, Ratio>::new());
    let (mut not_counted, mut coupon_unread) = (Vec::new(), Vec::new());
    for sub in ours(scene.rules, billing) {
        counts.take(sub, begin);
        if !matches!(sub.status, Status::Active | Status::PastDue) {
            continue;
        }
        if billing.terms.get(&sub.id).is_some_and(has_unread_coupon) {
            coupon_unread.push(sub.id.clone());
        }
        let added = billing.terms.get(&sub.id).and_then(monthly).and_then(|monthly| add(&sums, monthly));
        match added {
            Some(added) => sums = added,
            None => not_counted.push(sub.id.clone()),
        }
    }
    let mrr = sums.into_iter().filter_map(|(currency, sum)| Some(Amount { minor: sum.rounded()?, currency })).collect();
    let month = scene.rules.day_of(scene.now).format("%Y-%m").to_string();
    Some(Figures { read_at: whole.at, month, counts, mrr, not_counted, coupon_unread })
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
    let Figures { read_at, month, counts, mrr, not_counted, coupon_unread } = &figures;
    let json = json!({
        "read_at": read_at, "month": month,
        "mrr": mrr.iter().map(|sum| json!({ "currency": sum.currency, "minor": sum.minor, "amount": sum.number() }))
            .collect::<Vec<_>>(),
        "active": counts.active, "trialing": counts.trialing, "past_due": counts.past_due, "unpaid": counts.unpaid,
        "paused": counts.paused, "cancelling": counts.cancelling, "new": counts.new, "lost": counts.lost,
        "running_at_start": counts.running_at_start, "churn_percent": counts.churn(), "not_counted": not_counted,
        "coupon_products_unread": coupon_unread,
    });
    Ok(Page { text: words(&figures, &super::at(scene, *read_at)), json })
}

fn words(figures: &Figures, read: &str) -> String {
    let Figures { month, counts, mrr, not_counted, coupon_unread, .. } = figures;
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
    if !coupon_unread.is_empty() {
        let unread = coupon_unread.len();
        lines.push(format!(
            "Perhaps too little: {unread} have a coupon of which Stripe doesn't show which products it is for, so it \
             counts for all"
        ));
    }
    lines.join("\n")
}

/// A coupon of which Stripe didn't show what it is taken off, where that would
/// make a difference.
fn has_unread_coupon(terms: &Terms) -> bool {
    let unread =
        |discount: &Discount| matches!(discount, Discount::Coupon { forever: true, on: AppliesTo::Unread, .. });
    let several = terms.lines.len() > 1;
    terms.lines.iter().flat_map(|line| &line.discounts).any(unread) || (several && terms.discounts.iter().any(unread))
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
