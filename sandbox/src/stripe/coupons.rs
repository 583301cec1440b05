//! Coupons, and what they are applied to.

use super::{
    Stripe,
    account::Account,
    records::{Coupon, Discount},
};

impl Stripe {
    /// A coupon of so many percent; `once`, `repeating` or `forever`; its id.
    pub fn add_coupon(&self, percent_off: f64, duration: &str) -> String {
        self.act(|account, created| {
            let id = account.id("co");
            account.coupons.push(Coupon { id: id.clone(), percent_off, duration: duration.to_owned(), created });
            id
        })
    }

    /// Takes it off a whole subscription.
    pub fn apply_coupon(&self, sub: &str, coupon: &str) {
        self.act(|account, at| {
            let discount = applied(account, at, sub, coupon);
            account.change_sub(at, sub, |sub| sub.discounts.push(discount));
        });
    }

    /// Takes it off a subscription's first item.
    pub fn apply_coupon_to_item(&self, sub: &str, coupon: &str) {
        self.act(|account, at| {
            let discount = applied(account, at, sub, coupon);
            account.change_sub(at, sub, |sub| {
                sub.items.iter_mut().take(1).for_each(|item| item.discounts.push(discount.clone()))
            });
        });
    }

    /// So many of a subscription's first item.
    pub fn set_quantity(&self, sub: &str, quantity: u64) {
        self.act(|account, at| {
            account.change_sub(at, sub, |sub| sub.items.iter_mut().take(1).for_each(|item| item.quantity = quantity));
        });
    }
}

fn applied(account: &mut Account, created: i64, sub: &str, coupon: &str) -> String {
    let id = account.id("di");
    let (coupon, subscription) = (coupon.to_owned(), sub.to_owned());
    account.discounts.push(Discount { id: id.clone(), coupon, subscription, created });
    id
}
