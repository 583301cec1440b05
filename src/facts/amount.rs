//! Amounts of money, in the smallest unit of their currency.

use std::fmt;

use serde::{Deserialize, Serialize};

/// So many of a currency's smallest unit, as Stripe counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Cents, where there are any.
    pub minor: i64,
    /// Lower-case ISO code.
    pub currency: String,
}

/// Currencies without a smaller unit, as Stripe lists them.
const ZERO_DECIMAL: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Those whose smaller unit is a thousandth.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// How many digits stand after the point.
fn decimals(currency: &str) -> u32 {
    match currency {
        zero if ZERO_DECIMAL.contains(&zero) => 0,
        three if THREE_DECIMAL.contains(&three) => 3,
        _ => 2,
    }
}

impl Amount {
    /// The number alone: `12.34`, `1234`, `1.234`.
    #[must_use]
    pub fn number(&self) -> String {
        let decimals = decimals(&self.currency.to_lowercase());
        let unit = 10_u64.pow(decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        match decimals {
            0 => format!("{sign}{minor}"),
            digits => format!("{sign}{}.{:0width$}", minor / unit, minor % unit, width = digits as usize),
        }
    }
}

/// As people write it: `12.34 USD`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.currency.to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_own_smaller_unit() {
        let shown = |minor, currency: &str| Amount { minor, currency: currency.into() }.to_string();
        assert_eq!(shown(1234, "usd"), "12.34 USD");
        assert_eq!(shown(5, "eur"), "0.05 EUR");
        assert_eq!(shown(-1205, "eur"), "-12.05 EUR");
        assert_eq!(shown(500, "jpy"), "500 JPY");
        assert_eq!(shown(1050, "kwd"), "1.050 KWD");
    }
}
