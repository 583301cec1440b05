//! What becomes of a subscription by its payer.

use super::{MemberMove, RUNNING, hours};
use crate::alphabet::{Bought, Later, Town};
use crate::dice::Dice;
use crate::rig::Rig;
use crate::stripe::{CancelForm, PausedBy, Status};

impl MemberMove {
    pub(super) fn bill(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        if matches!(self, Self::Dispute | Self::WinTheDispute | Self::LoseTheDispute) {
            return self.claim(rig, town, who);
        }
        let now = rig.now();
        let price = town.tiers.price_on_sale(rig, dice);
        let Some(person) = town.people.get_mut(who) else { return false };
        let sub = |stands: &[Status]| person.sub(rig, stands);
        let stripe = &rig.stripe;
        match self {
            Self::UpgradeInThePortal => sub(&RUNNING).map(|sub| stripe.change_price(&sub.id, &price)),
            Self::UpgradeByANewCheckout => sub(&RUNNING).map(|old| {
                let email = stripe.object(&old.customer)["email"].as_str().unwrap_or_default().to_owned();
                let email = if email.is_empty() { person.home(rig) } else { email };
                let customer = stripe.customer(&email, &person.name);
                let id = stripe.subscribe(&customer, &price);
                person.bought.push(Bought::new(rig, id, customer, &email));
                town.later.push((now + hours(dice.between(0, 60)), who, Later::Cancel(old.id)));
            }),
            Self::CancelNow => sub(&[Status::Active, Status::Trialing, Status::PastDue, Status::Paused])
                .map(|sub| stripe.cancel_now(&sub.id, "cancellation_requested")),
            Self::CancelWithThePeriod => sub(&RUNNING).map(|sub| {
                let form = if dice.one_in(2) { CancelForm::Classic } else { CancelForm::Flexible };
                stripe.cancel_at_period_end(&sub.id, form);
            }),
            Self::CancelForADay => {
                sub(&RUNNING).map(|sub| stripe.cancel_at(&sub.id, now + hours(dice.between(12, 400))))
            }
            Self::UndoTheCancellation => sub(&RUNNING)
                .filter(|sub| stripe.scheduled_end(&sub.id).is_some())
                .map(|sub| stripe.undo_cancel(&sub.id)),
            Self::Pause => sub(&[Status::Active]).map(|sub| stripe.pause(&sub.id, PausedBy::Request)),
            Self::Resume => sub(&[Status::Paused]).map(|sub| stripe.resume(&sub.id)),
            Self::LetTheCardFail => sub(&[Status::Active])
                .map(|sub| if dice.one_in(4) { stripe.bank_asks(&sub.id) } else { stripe.card_fails(&sub.id) }),
            Self::ChangeTheCard => sub(&[Status::PastDue, Status::Unpaid, Status::Active, Status::Trialing])
                .map(|sub| stripe.set_card_works(&sub.id, true)),
            Self::MendTheCard => sub(&[Status::PastDue, Status::Unpaid]).map(|sub| stripe.retry_succeeds(&sub.id)),
            // Access is not bought by it: what is over stays over.
            Self::PayLate => {
                let over = |sub: &&Bought| stripe.status(&sub.id).is_some_and(Status::is_terminal);
                let owes = |sub: &&Bought| stripe.open_invoices(&sub.id) > 0;
                let sub = person.bought.iter().filter(over).find(owes).cloned();
                sub.map(|sub| stripe.pay_what_is_open(&sub.id))
            }
            _ => None,
        }
        .is_some()
    }

    /// A dispute cancels nothing by itself, however it ends.
    fn claim(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let Some(person) = town.people.get_mut(who) else { return false };
        if self == Self::Dispute {
            let Some(sub) = person.sub(rig, &[Status::Active]) else { return false };
            let Some(dispute) = rig.stripe.dispute(&sub.id) else { return false };
            person.claims.push((sub.id, dispute));
            return true;
        }
        let Some((_, dispute)) = person.claims.pop() else { return false };
        rig.stripe.close_dispute(&dispute, if self == Self::WinTheDispute { "lost" } else { "won" });
        true
    }
}
