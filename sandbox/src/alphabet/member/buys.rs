//! Buying by a payment link, for oneself and for others.

use std::time::Duration;

use super::{MemberMove, RUNNING, hours};
use crate::alphabet::{Bought, Later, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};

impl MemberMove {
    pub(super) fn buy(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let fresh = town.fresh("pays");
        let price = town.tiers.price_on_sale(rig, dice);
        let Some(person) = town.people.get_mut(who) else { return false };
        let running = person.sub(rig, &RUNNING).is_some();
        if running != (self == Self::PayTwice) {
            return false;
        }
        let old = person.bought.iter().rev().find(|bought| rig.stripe.object(&bought.customer)["deleted"] != true);
        let old = old.filter(|_| self == Self::PayOnTheOldCustomer).map(|bought| bought.customer.clone());
        let home = person.home(rig);
        let email = match (self, &old) {
            (Self::PayUnderAnotherAddress, _) => address(&format!("{}.{fresh}", person.name)),
            (Self::PayBehindARelay, _) => format!("{}{fresh}@privaterelay.appleid.com", person.name),
            (Self::PayInCapitals, _) => home.to_uppercase(),
            (Self::PayOnTheOldCustomer, Some(old)) => match rig.stripe.object(old)["email"].as_str() {
                Some(email) => email.to_owned(),
                None => return false,
            },
            (Self::PayOnTheOldCustomer, None) => return false,
            _ => home,
        };
        person.addresses.insert(email.to_lowercase());
        let customer = old.unwrap_or_else(|| rig.stripe.customer(&email, &person.name));
        let id = match self {
            Self::PayByInvoice => rig.stripe.subscribe_by_invoice(&customer, &price, 7),
            Self::FailToPay => rig.stripe.subscribe_incomplete(&customer, &price),
            Self::BeginATrial => rig.stripe.subscribe_trial(&customer, &price, 7),
            Self::BeginATrialWithoutACard => {
                let then = if dice.one_in(2) { "pause" } else { "cancel" };
                rig.stripe.subscribe_trial_without_card(&customer, &price, 7, then)
            }
            Self::BuyBothTiers => rig.stripe.subscribe(&customer, &rig.basic),
            _ => rig.stripe.subscribe(&customer, &price),
        };
        match self {
            Self::BuySeveral => rig.stripe.set_quantity(&id, dice.between(2, 4)),
            Self::BuyBothTiers => rig.stripe.add_item(&id, &rig.premium),
            _ => {}
        }
        person.bought.push(Bought::new(rig, id, customer, &email));
        town.later.push((rig.now() + hours(dice.between(1, 40)), who, Later::Accept));
        true
    }

    /// A gift: the payer wants the other one to be in. A stranger's address, typed
    /// by mistake, looks just like one.
    pub(super) fn give(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let other = dice.index(town.people.len());
        let price = town.tiers.price_on_sale(rig, dice);
        let Some(giver) = town.people.get(who).map(|person| person.name.clone()) else { return false };
        let now = rig.now();
        let Some(person) = town.people.get_mut(other).filter(|person| other != who && person.buys) else {
            return false;
        };
        let mistake = self == Self::PayUnderAStrangersAddress;
        if person.sub(rig, &RUNNING).is_some() && !mistake {
            return false;
        }
        let email = person.home(rig);
        let customer = rig.stripe.customer(&email, &giver);
        let id = rig.stripe.subscribe(&customer, &price);
        let bought = Bought::new(rig, id, customer, &email);
        person.bought.push(Bought { paid_by: Some(giver), ..bought });
        person.strike(now, if mistake { "a stranger pays under their address" } else { "is given a subscription" });
        town.later.push((now + hours(dice.between(1, 40)), other, Later::Accept));
        if mistake {
            for who in [who, other] {
                let person = town.people.get_mut(who);
                person.into_iter().for_each(|person| person.dispute(now, "paid under a stranger's address"));
            }
        }
        true
    }
}

/// A customer is made, and nothing is bought.
pub(super) fn leave(rig: &Rig, town: &mut Town, who: usize) -> bool {
    let Some(person) = town.people.get_mut(who) else { return false };
    let email = person.home(rig);
    person.addresses.insert(email.to_lowercase());
    rig.stripe.customer(&email, &person.name);
    true
}

/// Whoever is quick cancels in the second in which they paid, and takes the
/// invite that is out by then.
pub(super) fn pay_and_cancel(rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
    let price = town.tiers.price_on_sale(rig, dice);
    let Some(person) = town.people.get_mut(who) else { return false };
    let Some(account) = person.main() else { return false };
    let outside = person.account_in(rig).is_none() && !person.is_invited(rig) && !person.protected;
    if !outside || !person.subs(rig).is_empty() {
        return false;
    }
    let email = person.home(rig);
    let customer = rig.stripe.customer(&email, &person.name);
    let id = rig.stripe.subscribe(&customer, &price);
    person.bought.push(Bought::new(rig, id.clone(), customer, &email));
    let (plex, stripe) = (rig.plex.clone(), rig.stripe.clone());
    tokio::spawn(async move {
        for _ in 0..45 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if plex.pending_of(email.as_str()).is_some() || plex.pending_of(account).is_some() {
                break;
            }
        }
        stripe.cancel_now(&id, "cancellation_requested");
        let taken = plex.accept_invite(account).is_some();
        if !taken {
            plex.accept_invite_as(email.as_str(), account);
        }
    });
    true
}
