//! What was put off until now, and what the hours bring by themselves.

use chrono::TimeDelta;
use usher::facts::{Moment, PlexId};

use super::member::MemberMove;
use super::member::pages::Arrival;
use super::operator::OperatorMove;
use super::{Guest, Later, Town, books};
use crate::dice::Dice;
use crate::rig::{Rig, address};

impl Town {
    /// What was put off until now; who came by the pages; whom Tautulli sees.
    /// Call it each hour.
    pub fn catch_up(&mut self, rig: &Rig) {
        self.arrive();
        self.see(rig);
        books::keep_a_copy(rig, self);
        let now = rig.now();
        let due: Vec<_> = self.later.iter().filter(|(at, ..)| *at <= now).cloned().collect();
        self.later.retain(|(at, ..)| *at > now);
        for (_, who, what) in due {
            self.bring(rig, who, what);
        }
    }

    /// Writes down what visitors of the pages have done since.
    pub fn arrive(&mut self) {
        let arrived: Vec<Arrival> = self.arrivals.1.try_iter().collect();
        for arrival in arrived {
            match arrival {
                Arrival::Bought { who, bought, proven } => {
                    let Some(person) = self.people.get_mut(who) else { continue };
                    if proven {
                        person.proven.insert(bought.email.clone());
                    }
                    person.bought.push(bought);
                }
                Arrival::TurnedAway { who, at } => {
                    let person = self.people.get_mut(who);
                    person.into_iter().for_each(|person| person.turned_away.push(at));
                }
                Arrival::Redeemed { who, at } => {
                    let Some(person) = self.people.get_mut(who) else { continue };
                    // The page says nothing of it, but who has something already gets
                    // nothing more, and the operator is told.
                    if person.bought.is_empty() && person.by_hand.is_empty() {
                        person.wish.guest.get_or_insert(Guest { from: at, until: None });
                    } else {
                        person.dispute(at, "typed a free code in, and has something already");
                    }
                }
            }
        }
    }

    /// Writes down since when Tautulli sees them, or doesn't.
    fn see(&mut self, rig: &Rig) {
        let now = rig.now();
        let sections = rig.plex.sections();
        for person in &mut self.people {
            let Some(account) = person.main() else { continue };
            let share = rig.plex.share_of(account);
            let theirs = |id| share.as_ref().is_none_or(|share| share.all_libraries || share.sections.contains(&id));
            let keys: Vec<u64> = sections.iter().filter(|section| theirs(section.id)).map(|s| s.key).collect();
            match (rig.tautulli.records(account, &keys), person.unseen_since) {
                (true, Some(since)) => {
                    person.unseen.push((since, now));
                    person.unseen_since = None;
                }
                (false, None) => person.unseen_since = Some(now),
                _ => {}
            }
        }
    }

    fn bring(&mut self, rig: &Rig, who: usize, what: Later) {
        let now = rig.now();
        match what {
            Later::Cancel(sub) => {
                if rig.stripe.status(&sub).is_some_and(|status| !status.is_terminal()) {
                    rig.stripe.cancel_now(&sub, "cancellation_requested");
                    self.strike(who, now, "ends the old subscription");
                }
            }
            Later::Accept => {
                MemberMove::Accept.make(rig, self, who, &mut Dice::new(1));
            }
            Later::Stop(account) => {
                rig.tautulli.stop_stream(account);
                if let Some(person) = self.people.get_mut(who) {
                    person.plays.push(now);
                }
            }
            Later::Sync(account, watched) => self.sync(rig, who, account, watched),
            Later::ComeBack => {
                if OperatorMove::ShareByHand.at_plex(rig, self, who, &mut Dice::new(1)) {
                    self.strike(who, now, "is back");
                }
            }
            Later::AskAnew => {
                let Some(person) = self.people.get_mut(who) else { return };
                if person.account_in(rig).is_some() || person.is_invited(rig) {
                    return;
                }
                let libraries = vec![rig.movies, rig.tv];
                rig.plex.invite_by_hand(&address(&person.name), &libraries);
                person.by_hand.push((now, libraries));
                person.strike(now, "is invited by hand, as asked");
                self.later.push((now + TimeDelta::hours(9), who, Later::Accept));
            }
            Later::SeeAgain(account) => {
                rig.tautulli.set_keep_history(account, true);
                self.strike(who, now, OperatorMove::SwitchHistoryOn.name());
            }
            Later::MendTheTiers => {
                if self.tiers.mend(rig) {
                    self.house.push((now, OperatorMove::MendTheTiersFile.name()));
                }
            }
        }
    }

    /// What was watched offline is told, where that is told at all.
    fn sync(&mut self, rig: &Rig, who: usize, account: PlexId, watched: Moment) {
        let Some(person) = self.people.get_mut(who) else { return };
        person.offline.push(watched);
        person.strike(rig.now(), "the player comes online");
        if self.lots.offline_is_written {
            rig.tautulli.play(account, watched - TimeDelta::hours(2), watched);
            person.plays.push(watched);
        }
    }

    fn strike(&mut self, who: usize, now: Moment, what: &'static str) {
        if let Some(person) = self.people.get_mut(who) {
            person.strike(now, what);
        }
    }
}
