//! Outages of seconds and minutes in which people pay.

use std::time::Duration;

use chrono::TimeDelta;
use sandbox::alphabet::member::MemberMove;
use sandbox::faults::{Fault, Matching};

use super::Year;

/// Who paid is invited so long after the end of the outage.
const INVITED_AFTER: Duration = Duration::from_secs(240);

impl Year {
    /// Stripe is away for a moment, people pay in it, and soon after it they are
    /// invited.
    pub(super) async fn blink(&mut self) {
        let settled = self.rig.now() - self.well_since >= TimeDelta::hours(12);
        let live = self.machine.dry_until.is_none() && self.machine.is_well() && self.rig.is_running();
        if !settled
            || !live
            || !self.weather.is_calm()
            || self.weather.invoices_hidden()
            || self.house.seats.is_some()
            || self.oracle.waited_lately(&self.rig)
        {
            return;
        }
        let away = Duration::from_secs([20, 45, 60, 600, 1500][self.dice.index(5)]);
        self.rig.stripe.faults().always(Matching::All, Fault::status(503));
        let mut payers = Vec::new();
        let turns = 6;
        for _ in 0..turns {
            let who = self.dice.index(self.town.people.len());
            if self.is_new(who) && MemberMove::PayByLink.make(&self.rig, &mut self.town, who, &mut self.dice) {
                payers.push(who);
            }
            // Others have something changed meanwhile: each is a hint of Stripe's.
            let other = self.dice.index(self.town.people.len());
            MemberMove::ChangeTheCard.make(&self.rig, &mut self.town, other, &mut self.dice);
            MemberMove::ChangeTheNameAtStripe.make(&self.rig, &mut self.town, other, &mut self.dice);
            self.rig.pass(away / turns).await;
        }
        self.rig.stripe.faults().clear();
        let back = self.rig.now();
        self.rig.pass(INVITED_AFTER).await;
        let mut broken = Vec::new();
        for who in payers {
            let person = &self.town.people[who];
            if !person.is_invited(&self.rig) && person.account_in(&self.rig).is_none() {
                let name = &person.name;
                broken.push(format!("{name} paid while Stripe was away until {back}, and isn't invited minutes after"));
            }
        }
        if !broken.is_empty() {
            self.explain(&mut broken).await;
        }
        self.must_hold(broken);
    }

    /// Outside, with nothing bought, and nothing said of them.
    fn is_new(&self, who: usize) -> bool {
        let person = &self.town.people[who];
        let outside = person.account_in(&self.rig).is_none() && !person.is_invited(&self.rig);
        let plain = person.disputed.is_empty() && person.wish.revoked.is_none() && person.went.is_empty();
        outside && plain && !person.protected && person.bought.is_empty()
    }
}
