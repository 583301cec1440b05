//! Thirty people and what they do with their lives, an hour at a time.
//!
//! Nobody clicks anything at plex.tv while plex.tv is down, and nobody undoes
//! at once what the daemon hasn't had the time to see.

use chrono::TimeDelta;
use sandbox::dice::Dice;
use sandbox::rig::{Rig, address};
use sandbox::stripe::{AfterRetries, CancelForm, Status};
use usher::facts::{Moment, PlexId};

use super::record::{Known, Left, Record, Stood, Sub};

/// How somebody came to the town.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Shared with by hand, by the operator.
    Friend,
    /// Comes by paying.
    Payer,
    /// In VIP_NAMES, there from the beginning, never watches.
    Vip,
}

#[derive(Debug)]
struct Person {
    id: PlexId,
    name: String,
    role: Role,
    /// Watches every few days; otherwise asleep.
    awake: bool,
    customer: Option<String>,
    sub: Option<String>,
    /// When they will click "accept".
    accepts: Option<Moment>,
    /// When the card will work again, if it will.
    recovers: Option<Moment>,
    /// When a warning wakes them, if it does; and how many they have read.
    wakes: Option<Moment>,
    warnings: usize,
    away_since: Option<Moment>,
}

/// What happened, for the coverage.
#[derive(Debug, Default, Clone)]
pub struct Lives {
    pub subscribed: u32,
    pub canceled: u32,
    pub cards_failed: u32,
    pub recovered: u32,
    pub left: u32,
    pub invited_by_hand: u32,
    pub removed_by_hand: u32,
    pub upgrades: u32,
    /// Days on which half of the payers went at once.
    pub exoduses: u32,
}

/// The people.
pub struct Town {
    people: Vec<Person>,
    pub lives: Lives,
}

/// In the rig's VIP_NAMES.
pub const VIPS: &str = "vera, victor";
/// Whose mails are refused for good.
pub const GHOST: &str = "ghost";

impl Town {
    /// Everybody's account; the friends of before are there already.
    pub fn found(rig: &Rig, dice: &mut Dice, record: &mut Record) -> Self {
        let mut people = Vec::new();
        let mut add = |id: u64, name: &str, role, here: bool, dice: &mut Dice| {
            let id = PlexId(id);
            let awake = role != Role::Vip && !dice.one_in(8);
            if here {
                rig.old_friend(id.0, name, 400);
                if role == Role::Friend {
                    let ago = hours(dice.between(3, 120));
                    rig.watched(id, ago);
                    record.played_before(rig, id, rig.now() - ago);
                }
            } else {
                rig.person(id.0, name);
            }
            let known = Known { name: name.into(), protected: role == Role::Vip, unreachable: name == GHOST };
            record.people.insert(id, known);
            people.push(Person {
                id,
                name: name.into(),
                role,
                awake,
                customer: None,
                sub: None,
                accepts: None,
                recovers: None,
                wakes: None,
                warnings: 0,
                away_since: None,
            });
        };
        for (n, name) in ["vera", "victor"].into_iter().enumerate() {
            add(2_000_001 + n as u64, name, Role::Vip, true, dice);
        }
        add(2_000_010, GHOST, Role::Friend, true, dice);
        for n in 0..12 {
            add(2_000_100 + n, &format!("friend{n}"), Role::Friend, n < 8, dice);
        }
        for n in 0..15 {
            add(2_000_200 + n, &format!("payer{n}"), Role::Payer, false, dice);
        }
        Self { people, lives: Lives::default() }
    }

    /// One hour. `quiet`: nobody comes or goes by themselves, they only watch.
    pub fn live(&mut self, rig: &Rig, dice: &mut Dice, record: &mut Record, plex_works: bool, quiet: bool) {
        if dice.one_in(24 * 20) {
            let all = [AfterRetries::Canceled, AfterRetries::StaysPastDue, AfterRetries::Unpaid];
            rig.stripe.set_after_retries(all[usize::try_from(dice.below(3)).unwrap()]);
        }
        let exodus = !quiet && dice.one_in(24 * 60);
        self.lives.exoduses += u32::from(exodus);
        for person in &mut self.people {
            person.watch(rig, dice, record);
            if exodus && dice.one_in(2) {
                person.cancel_now(rig, &mut self.lives);
            }
            if !quiet {
                person.pay(rig, dice, record, &mut self.lives);
            }
            if plex_works {
                person.click(rig, dice, record, &mut self.lives, quiet);
            }
        }
    }
}

impl Person {
    fn address(&self) -> String {
        address(&self.name)
    }

    fn watch(&mut self, rig: &Rig, dice: &mut Dice, record: &mut Record) {
        let now = rig.now();
        let warnings = record.warnings.get(&self.id).copied().unwrap_or(0);
        if warnings > self.warnings {
            self.warnings = warnings;
            self.wakes = dice.one_in(2).then(|| now + hours(dice.between(5, 60)));
        }
        if self.wakes.is_some_and(|at| at <= now) {
            self.wakes = None;
            self.awake = true;
        }
        if self.role == Role::Vip || !rig.plex.has_access(self.id) {
            return;
        }
        if self.awake && dice.one_in(60) {
            let start = now + TimeDelta::minutes(i64::try_from(dice.between(1, 10)).unwrap());
            rig.tautulli.play(self.id, start, start + TimeDelta::minutes(45));
            record.playing.insert(self.id);
        }
        if dice.one_in(24 * 45) {
            self.awake = !self.awake;
        }
    }

    fn status(&self, rig: &Rig) -> Option<Status> {
        rig.stripe.status(self.sub.as_ref()?)
    }

    fn pay(&mut self, rig: &Rig, dice: &mut Dice, record: &mut Record, lives: &mut Lives) {
        let (days, now) = (24, rig.now());
        let status = self.status(rig);
        match status {
            None | Some(Status::Canceled | Status::IncompleteExpired) => {
                let often = if self.role == Role::Payer { 15 } else { 250 };
                if self.role != Role::Vip && dice.one_in(often * days) {
                    self.subscribe(rig, dice, record);
                    lives.subscribed += 1;
                }
            }
            Some(Status::Active | Status::Trialing) => {
                let Some(sub) = &self.sub else { return };
                if dice.one_in(75 * days) {
                    match dice.below(3) {
                        0 => rig.stripe.cancel_now(sub, "cancellation_requested"),
                        1 => rig.stripe.cancel_at_period_end(sub, CancelForm::Classic),
                        _ => rig.stripe.cancel_at(sub, now + hours(dice.between(12, 400))),
                    }
                    lives.canceled += 1;
                } else if dice.one_in(75 * days) {
                    rig.stripe.card_fails(sub);
                    self.recovers = dice.one_in(2).then(|| now + hours(dice.between(3, 24 * 16)));
                    lives.cards_failed += 1;
                } else if dice.one_in(100 * days) {
                    let to = if dice.one_in(2) { &rig.basic } else { &rig.premium };
                    rig.stripe.change_price(sub, to);
                    lives.upgrades += 1;
                }
            }
            Some(Status::PastDue | Status::Unpaid) => {
                let Some(sub) = &self.sub else { return };
                if self.recovers.is_some_and(|at| at <= now) {
                    self.recovers = None;
                    rig.stripe.retry_succeeds(sub);
                    lives.recovered += 1;
                } else if self.recovers.is_none() && dice.one_in(25 * days) {
                    rig.stripe.cancel_now(sub, "cancellation_requested");
                    lives.canceled += 1;
                }
            }
            Some(_) => {}
        }
    }

    fn cancel_now(&self, rig: &Rig, lives: &mut Lives) {
        if let (Some(sub), Some(Status::Active | Status::Trialing)) = (&self.sub, self.status(rig)) {
            rig.stripe.cancel_now(sub, "cancellation_requested");
            lives.canceled += 1;
        }
    }

    fn subscribe(&mut self, rig: &Rig, dice: &mut Dice, record: &mut Record) {
        let known = self.customer.clone().filter(|_| !dice.one_in(3));
        let customer = known.unwrap_or_else(|| rig.stripe.customer(&self.address(), &self.name));
        let price = if dice.one_in(3) { &rig.premium } else { &rig.basic };
        let sub = if dice.one_in(5) {
            rig.stripe.subscribe_trial(&customer, price, 7)
        } else {
            rig.stripe.subscribe(&customer, price)
        };
        let now = rig.now();
        let status = rig.stripe.status(&sub).expect("it was just made");
        let stood = vec![Stood { since: now, status, ended_at: None, unpaid: false }];
        record.subs.insert(sub.clone(), Sub { who: self.id, began: now, stood });
        self.customer = Some(customer);
        self.sub = Some(sub);
    }

    fn click(&mut self, rig: &Rig, dice: &mut Dice, record: &mut Record, lives: &mut Lives, quiet: bool) {
        let now = rig.now();
        if rig.plex.pending_of(self.id).is_some() {
            let at = *self.accepts.get_or_insert_with(|| now + hours(dice.between(0, 48)));
            if at <= now {
                self.accepts = None;
                self.awake = true;
                rig.plex.accept_invite(self.id);
                record.came_in(rig, self.id);
            }
            return;
        }
        self.accepts = None;
        let Some(share) = rig.plex.share_of(self.id) else {
            let since = *self.away_since.get_or_insert(now);
            let calls = self.role == Role::Friend && now - since > TimeDelta::days(3);
            if !quiet && calls && dice.one_in(24 * 20) {
                rig.plex.invite_by_hand(&self.address(), &[rig.movies, rig.tv]);
                lives.invited_by_hand += 1;
            }
            return;
        };
        self.away_since = None;
        let settled = share.accepted_at.is_some_and(|at| now - at > TimeDelta::days(3));
        if quiet || !settled || self.role == Role::Vip {
            return;
        }
        let (leaves, removed) = (dice.one_in(24 * 150), dice.one_in(24 * 400));
        if leaves {
            rig.plex.leave(self.id);
            lives.left += 1;
        } else if removed {
            rig.plex.remove_share_by_hand(self.id);
            lives.removed_by_hand += 1;
        }
        if leaves || removed {
            record.left.push(Left { at: now, who: self.id });
        }
    }
}

pub fn hours(n: u64) -> TimeDelta {
    TimeDelta::hours(i64::try_from(n).unwrap())
}
