//! Exact fractions: money is never counted in floating point.

use std::cmp::Ordering;

/// A fraction in lowest terms, its denominator above zero. Every operation that
/// could overflow says so by `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num / den`; `None` for a zero below.
    #[must_use]
    pub fn new(num: i128, den: i128) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let divisor = i128::try_from(gcd(num.unsigned_abs(), den.unsigned_abs())).ok()?.max(1);
        let (num, den) = (num.checked_div(divisor)?, den.checked_div(divisor)?);
        if den > 0 { Some(Self { num, den }) } else { Some(Self { num: num.checked_neg()?, den: den.checked_neg()? }) }
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: i64) -> Self {
        Self { num: i128::from(number), den: 1 }
    }

    /// A decimal as Stripe writes it: `"500"`, `"0.25"`, `12.5`.
    #[must_use]
    pub fn decimal(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{before}{after}");
        // Stripe: at most 12 places; more digits than these fit nowhere.
        if all.is_empty() || all.len() > 30 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let den = 10_i128.checked_pow(u32::try_from(after.len()).ok()?)?;
        Self::new(all.parse::<i128>().ok()?.checked_mul(sign)?, den)
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let num = self.num.checked_mul(other.den)?.checked_add(other.num.checked_mul(self.den)?)?;
        Self::new(num, self.den.checked_mul(other.den)?)
    }

    /// The difference, but never below nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Option<Self> {
        let rest = self.plus(Self { num: other.num.checked_neg()?, den: other.den })?;
        Some(if rest.num < 0 { Self::ZERO } else { rest })
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        Self::new(self.num.checked_mul(other.num)?, self.den.checked_mul(other.den)?)
    }

    /// To the nearest whole number, halves away from zero.
    #[must_use]
    pub fn rounded(self) -> Option<i64> {
        let (whole, rest) = (self.num.checked_div(self.den)?, self.num.checked_rem(self.den)?);
        let up = match rest.checked_abs()?.checked_mul(2)?.cmp(&self.den) {
            Ordering::Less => 0,
            Ordering::Equal | Ordering::Greater => self.num.signum(),
        };
        i64::try_from(whole.checked_add(up)?).ok()
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact() {
        let third = Ratio::new(1, 3).unwrap();
        assert_eq!(third.plus(third).unwrap().plus(third), Some(Ratio::whole(1)));
        assert_eq!(Ratio::decimal("0.25").unwrap().times(Ratio::whole(4)), Some(Ratio::whole(1)));
        assert_eq!(Ratio::new(-2, -4), Ratio::new(1, 2));
        assert_eq!((Ratio::new(1, 0), Ratio::whole(1).less(Ratio::whole(2))), (None, Some(Ratio::ZERO)));
    }

    #[test]
    fn decimals_are_read_or_refused() {
        assert_eq!(Ratio::decimal("33.33").and_then(|ratio| ratio.times(Ratio::whole(100))), Some(Ratio::whole(3333)));
        assert_eq!(Ratio::decimal("-1.5").and_then(Ratio::rounded), Some(-2));
        assert_eq!(["", ".", "1e3", "1,5", "x"].map(Ratio::decimal), [None; 5]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let large = Ratio::new(i128::MAX, 1).unwrap();
        assert_eq!((large.plus(large), large.times(large), large.rounded()), (None, None, None));
    }
}
