//! What a subscription costs, exactly as Stripe tells it: for the money report
//! alone. Nothing of it is kept in the book, and nobody's access hangs on it.

use std::collections::BTreeSet;

use super::{PriceId, ProductId, Ratio};

/// All that a subscription's price is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its items.
    pub lines: Vec<Line>,
    /// Discounts on the whole, in their order.
    pub discounts: Vec<Discount>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which price.
    pub price: PriceId,
    /// Its product, where the answer named it.
    pub product: Option<ProductId>,
    /// Lower-case ISO code.
    pub currency: String,
    /// How often it is charged; `None` where that couldn't be read.
    pub every: Option<Every>,
    /// By use, which nobody knows beforehand.
    pub metered: bool,
    /// How many of them.
    pub quantity: i64,
    /// Units are sold in packages.
    pub packages: Option<Packages>,
    /// What that many cost.
    pub scheme: Scheme,
    /// Discounts on this item, in their order.
    pub discounts: Vec<Discount>,
}

/// So many intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// Of this length.
    pub interval: Interval,
    /// One or more.
    pub count: i64,
}

/// Stripe's intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// `transform_quantity`: units are divided before they are charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packages {
    /// So many units in one.
    pub of: i64,
    /// A package begun counts whole, or not at all.
    pub begun: Begun,
}

/// What a package that isn't full counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// `round: up`.
    Whole,
    /// `round: down`.
    Nothing,
}

/// How a quantity is priced, in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Each the same.
    PerUnit(Ratio),
    /// Each slice at the price of its own step.
    Graduated(Vec<Step>),
    /// All at the price of the step into which the quantity falls.
    Volume(Vec<Step>),
    /// Not read: neither an amount nor steps came.
    Unread,
}

/// One step of a tiered price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its last unit; `None` = no end.
    pub up_to: Option<i64>,
    /// For each unit.
    pub unit: Ratio,
    /// On top, once.
    pub flat: Ratio,
}

/// What is taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discount {
    /// A coupon.
    Coupon {
        /// So much.
        off: Off,
        /// `duration: forever`: the others lower no recurring revenue.
        forever: bool,
        /// What it is taken off.
        on: AppliesTo,
        /// Its id, by which the former can be asked for.
        id: Option<String>,
    },
    /// Only its id came.
    Unread(String),
}

/// What a coupon is taken off (`applies_to`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppliesTo {
    /// Not shown unless it is asked for: taken as everything, and said.
    Unread,
    /// Everything.
    All,
    /// These products alone.
    Products(BTreeSet<ProductId>),
}

/// How much a coupon takes off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Off {
    /// Of a hundred.
    Percent(Ratio),
    /// Of each invoice, in this currency alone.
    Amount(Ratio, String),
}
