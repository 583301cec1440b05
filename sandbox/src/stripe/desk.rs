//! What an operator or a payer changes in Stripe's dashboard and portal beside
//! the life of a subscription: names, metadata, trials, what is paid elsewhere.

use usher::facts::Moment;

use super::{Stripe, records::Status, render};

impl Stripe {
    /// A customer gets another name.
    pub fn change_name(&self, customer: &str, name: &str) {
        self.act(|account, at| {
            let before = account.rendered(customer);
            if let Some(customer) = account.customers.iter_mut().find(|other| other.id == customer) {
                customer.name = Some(name.to_owned());
            }
            let after = account.rendered(customer);
            let previous = render::difference(&before, &after);
            account.emit(at, "customer.updated", after, Some(previous));
        });
    }

    /// Metadata of a price; an empty value removes the key.
    pub fn set_price_metadata(&self, price: &str, key: &str, value: &str) {
        self.act(|account, at| {
            if let Some(price) = account.prices.iter_mut().find(|other| other.id == price) {
                price.metadata.insert(key.to_owned(), value.to_owned());
                price.metadata.retain(|_, value| !value.is_empty());
            }
            account.tell(at, "price.updated", price);
        });
    }

    /// Metadata of a product; an empty value removes the key.
    pub fn set_product_metadata(&self, product: &str, key: &str, value: &str) {
        self.act(|account, at| {
            if let Some(product) = account.products.iter_mut().find(|other| other.id == product) {
                product.metadata.insert(key.to_owned(), value.to_owned());
                product.metadata.retain(|_, value| !value.is_empty());
            }
            account.tell(at, "product.updated", product);
        });
    }

    /// Sells a price that was taken out of sale again.
    pub fn reactivate_price(&self, price: &str) {
        self.act(|account, _| {
            if let Some(price) = account.prices.iter_mut().find(|other| other.id == price) {
                price.active = true;
            }
        });
    }

    /// The trial lasts until then; who paid already is in a trial again.
    pub fn extend_trial(&self, sub: &str, end: Moment) {
        self.act(|account, at| {
            account.change_sub(at, sub, |sub| {
                sub.status = Status::Trialing;
                sub.trial_start = sub.trial_start.or(Some(at));
                sub.trial_end = Some(end.timestamp());
                sub.trial_told = false;
                sub.anchor = end.timestamp();
                sub.cycle = 0;
                sub.period_end = end.timestamp();
            });
        });
    }

    /// How many invoices of a subscription are open.
    #[must_use]
    pub fn open_invoices(&self, sub: &str) -> usize {
        self.act(|account, _| account.invoices_of(sub, "open").len())
    }

    /// What is open is paid; whether the card works is another matter.
    pub fn pay_what_is_open(&self, sub: &str) {
        self.act(|account, at| {
            for invoice in account.invoices_of(sub, "open") {
                account.pay(at, &invoice);
            }
        });
    }
}
