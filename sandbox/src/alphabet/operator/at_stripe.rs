//! In Stripe's dashboard: one payer's money, and what is sold.

use super::OperatorMove;
use crate::alphabet::member::hours;
use crate::alphabet::{Bought, Later, Person, Town};
use crate::dice::Dice;
use crate::rig::Rig;
use crate::stripe::{Interval, PausedBy, Status};

impl OperatorMove {
    pub(super) fn at_stripe(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        match self {
            Self::SubscribeByHand | Self::MergeTheCustomers => self.subscribe(rig, town, who, dice),
            Self::GiveAnothersAddress | Self::TakeTheAddressAway => self.change_the_address(rig, town, who, dice),
            Self::RefundThePayment
            | Self::RefundAndCancel
            | Self::CancelWithProration
            | Self::DeleteTheCustomer
            | Self::PauseTheSubscription
            | Self::MoveToAPriceOfNoTier
            | Self::MoveToAPriceOfATier
            | Self::PauseCollection
            | Self::ResumeCollection
            | Self::GiveAFullCoupon
            | Self::ChangeTheAnchor => self.of_a_running_one(rig, town, who, dice),
            _ => {
                let Some(person) = town.people.get(who) else { return false };
                self.of_another(rig, person, dice)
            }
        }
    }

    fn of_a_running_one(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let fresh = town.fresh("Other");
        let Some(sub) = town.people.get(who).and_then(|person| person.sub(rig, &[Status::Active])) else {
            return false;
        };
        let stripe = &rig.stripe;
        match self {
            Self::RefundThePayment => return stripe.refund(&sub.id, None).is_some(),
            Self::RefundAndCancel | Self::CancelWithProration => {
                let part = (self == Self::CancelWithProration).then_some(100);
                let refunded = stripe.refund(&sub.id, part).is_some();
                stripe.cancel_now(&sub.id, "cancellation_requested");
                return refunded;
            }
            Self::DeleteTheCustomer => stripe.delete_customer(&sub.customer),
            Self::PauseTheSubscription => stripe.pause(&sub.id, PausedBy::Request),
            Self::MoveToAPriceOfNoTier => {
                let product = stripe.add_product(&fresh, &[]);
                let price = stripe.add_price(&product, 100, "usd", Some(Interval::Month));
                stripe.change_price(&sub.id, &price);
            }
            Self::MoveToAPriceOfATier => {
                let price = town.tiers.price_on_sale(rig, dice);
                let moves = !sub.prices(rig).contains(&price);
                if moves {
                    stripe.change_price(&sub.id, &price);
                }
                return moves;
            }
            Self::PauseCollection => stripe.pause_collection(&sub.id, "void", None),
            Self::ResumeCollection => {
                let paused = !stripe.object(&sub.id)["pause_collection"].is_null();
                stripe.resume_collection(&sub.id);
                return paused;
            }
            Self::GiveAFullCoupon => {
                let coupon = stripe.add_coupon(100.0, "forever");
                stripe.apply_coupon(&sub.id, &coupon);
            }
            _ => stripe.renew(&sub.id),
        }
        true
    }

    fn of_another(self, rig: &Rig, person: &Person, dice: &mut Dice) -> bool {
        let stripe = &rig.stripe;
        let sub = |stands: &[Status]| person.sub(rig, stands);
        let owes = [Status::PastDue, Status::Unpaid];
        match self {
            Self::ResumeTheSubscription => sub(&[Status::Paused]).map(|sub| stripe.resume(&sub.id)),
            Self::ExtendTheTrial => sub(&[Status::Trialing, Status::Active]).map(|sub| {
                let until = stripe.period_end(&sub.id).unwrap_or_else(|| rig.now());
                stripe.extend_trial(&sub.id, until.max(rig.now()) + hours(dice.between(24, 500)));
            }),
            Self::TakeMoneyElsewhere => sub(&owes).map(|sub| stripe.pay_what_is_open(&sub.id)),
            _ => sub(&owes).map(|sub| stripe.mark_uncollectible(&sub.id)),
        }
        .is_some()
    }

    /// A subscription made in the dashboard: for somebody who pays by bank, or in
    /// place of one that runs on another customer of theirs.
    fn subscribe(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let price = town.tiers.price_on_sale(rig, dice);
        let Some(person) = town.people.get_mut(who) else { return false };
        let running = person.sub(rig, &[Status::Active, Status::Trialing]);
        if self == Self::SubscribeByHand {
            if running.is_some() || !person.buys {
                return false;
            }
            let email = person.home(rig);
            person.addresses.insert(email.to_lowercase());
            let customer = rig.stripe.customer(&email, &person.name);
            let id = rig.stripe.subscribe_by_invoice(&customer, &price, 14);
            person.bought.push(Bought::new(rig, id, customer, &email));
            town.later.push((rig.now() + hours(dice.between(2, 40)), who, Later::Accept));
            return true;
        }
        let Some(old) = running else { return false };
        let other = person.bought.iter().map(|bought| &bought.customer).find(|customer| **customer != old.customer);
        let Some(customer) = other.filter(|other| rig.stripe.object(other)["deleted"] != true).cloned() else {
            return false;
        };
        let email = rig.stripe.object(&customer)["email"].as_str().unwrap_or_default().to_owned();
        let price = old.prices(rig).first().cloned().unwrap_or(price);
        let paid_until = rig.stripe.period_end(&old.id).map_or(1, |end| (end - rig.now()).num_days().max(1));
        let id = rig.stripe.subscribe_trial(&customer, &price, paid_until);
        person.bought.push(Bought::new(rig, id, customer, &email));
        rig.stripe.delete_customer(&old.customer);
        true
    }

    /// An address says nothing about who has paid: access stays with whom it was
    /// bought for. Who isn't in yet can't be told from it any more.
    fn change_the_address(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let other = dice.index(town.people.len());
        let theirs = town.people.get(other).filter(|_| other != who).map(|person| person.home(rig));
        let Some(person) = town.people.get_mut(who) else { return false };
        let Some(sub) = person.sub(rig, &[Status::Active, Status::Trialing]) else { return false };
        match (self, theirs) {
            (Self::TakeTheAddressAway, _) => rig.stripe.change_email(&sub.customer, ""),
            (_, None) => return false,
            (_, Some(email)) => rig.stripe.change_email(&sub.customer, &email),
        }
        if self == Self::GiveAnothersAddress {
            for who in [who, other] {
                let person = town.people.get_mut(who);
                person.into_iter().for_each(|person| person.dispute(now, "a customer got a stranger's address"));
            }
            let person = town.people.get_mut(other);
            person.into_iter().for_each(|person| person.strike(now, "their address given to another's customer"));
        }
        true
    }

    pub(super) fn in_the_catalogue(self, rig: &Rig, town: &mut Town) -> bool {
        let fresh = town.fresh("Cinema");
        let stripe = &rig.stripe;
        let product = stripe.object(&rig.basic)["product"].as_str().unwrap_or_default().to_owned();
        let sold = |price: &str| stripe.object(price)["active"] == true;
        match self {
            Self::ArchiveAPrice => {
                let price = [&rig.basic, &rig.premium].into_iter().find(|price| sold(price));
                price.iter().for_each(|price| stripe.deactivate_price(price));
                return price.is_some();
            }
            Self::SellThePriceAgain => {
                let price = [&rig.basic, &rig.premium].into_iter().find(|price| !sold(price));
                price.iter().for_each(|price| stripe.reactivate_price(price));
                return price.is_some();
            }
            Self::EditThePricesMetadata => stripe.set_price_metadata(&rig.basic, "note", &fresh),
            Self::EditTheProductsMetadata => {
                let marked = !stripe.object(&product)["metadata"]["usher_note"].is_null();
                stripe.set_product_metadata(&product, "usher_note", if marked { "" } else { &fresh });
            }
            _ => stripe.rename_product(&product, &fresh),
        }
        true
    }
}
