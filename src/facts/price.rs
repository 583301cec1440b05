//! What a price costs, in Stripe's words.

use super::Amount;

/// A price as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTag {
    /// Still sold: old subscriptions keep prices that are not.
    pub active: bool,
    /// Charged afterwards, by what was used.
    pub metered: bool,
    /// In minor units of the currency; `None` = it depends (tiers, less than a
    /// cent).
    pub amount: Option<i64>,
    /// Lower-case, as Stripe writes it.
    pub currency: String,
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// Every so many of them.
    pub interval_count: i64,
}

impl PriceTag {
    /// "5.00 USD a month", "12.00 EUR every 3 months"; without the amount where
    /// only Checkout knows it.
    #[must_use]
    pub fn words(&self) -> String {
        let every = match (self.interval_count, self.interval.as_str()) {
            (1, interval) => format!("a {interval}"),
            (count, interval) => format!("every {count} {interval}s"),
        };
        match self.amount {
            Some(minor) => format!("{} {every}", Amount { minor, currency: self.currency.clone() }),
            None if self.interval_count == 1 => format!("billed each {}", self.interval),
            None => format!("billed {every}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_as_people_say_it() {
        for (amount, currency, interval, count, words) in [
            (Some(500), "usd", "month", 1, "5.00 USD a month"),
            (Some(1205), "eur", "month", 3, "12.05 EUR every 3 months"),
            (Some(900), "jpy", "year", 1, "900 JPY a year"),
            (Some(1500), "kwd", "week", 2, "1.500 KWD every 2 weeks"),
            (None, "usd", "month", 1, "billed each month"),
        ] {
            let (currency, interval) = (currency.into(), interval.into());
            let tag = PriceTag { active: true, metered: false, amount, currency, interval, interval_count: count };
            assert_eq!(tag.words(), words);
        }
    }
}
