//! Coupons, and what they are applied to.

use super::{
    Stripe,
    account::Account,
    records::{Coupon, Discount, Item},
};

impl Stripe {
    /// A coupon of so many percent; `once`, `repeating` or `forever`; its id.
    pub fn add_coupon(&self, percent_off: f64, duration: &str) -> String {
        self.act(|account, created| {
            let id = account.id("co");
            let (duration, products) = (duration.to_owned(), Vec::new());
            account.coupons.push(Coupon { id: id.clone(), percent_off, duration, products, created });
            id
        })
    }

    /// Limits a coupon to these products.
    pub fn limit_coupon(&self, coupon: &str, products: &[&str]) {
        self.act(|account, _| {
            if let Some(coupon) = account.coupons.iter_mut().find(|known| known.id == coupon) {
                coupon.products = products.iter().map(|&product| product.to_owned()).collect();
            }
        });
    }

    /// Another item of a subscription.
    pub fn add_item(&self, sub: &str, price: &str) {
        self.act(|account, at| {
            let (id, price) = (account.id("si"), price.to_owned());
            let item = Item { id, price, quantity: 1, discounts: Vec::new() };
            account.change_sub(at, sub, |sub| sub.items.push(item));
        });
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
