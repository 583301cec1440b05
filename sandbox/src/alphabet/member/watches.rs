//! Watching, in all the ways that are seen, half seen and not seen.

use chrono::{NaiveTime, TimeDelta};
use usher::facts::PlexId;

use super::{MemberMove, hours};
use crate::alphabet::{Later, Town};
use crate::dice::Dice;
use crate::rig::Rig;

impl MemberMove {
    pub(super) fn live(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        match self {
            Self::FallAsleep => return std::mem::replace(&mut person.awake, false),
            Self::WakeUp => return !std::mem::replace(&mut person.awake, true),
            _ => {}
        }
        let Some(account) = person.main() else { return false };
        match self {
            Self::JoinTheHome => {
                let may = !person.protected;
                if may {
                    rig.plex.join_home(account);
                    person.protected = true;
                }
                may
            }
            Self::LeaveTheHome => {
                let may = person.protected && person.name != "vera";
                if may {
                    rig.plex.with_account(account, |account| account.home = false);
                    person.protected = false;
                }
                may
            }
            Self::WatchWithTheSecondAccount => {
                let Some(second) = person.accounts.iter().skip(1).copied().find(|other| rig.plex.has_access(*other))
                else {
                    return false;
                };
                rig.tautulli.play(second, now, now + TimeDelta::minutes(50));
                person.elsewhere.push((now + TimeDelta::minutes(50), second));
                true
            }
            _ if rig.plex.has_access(account) => self.watch(rig, town, who, account, dice),
            _ => false,
        }
    }

    fn watch(self, rig: &Rig, town: &mut Town, who: usize, account: PlexId, dice: &mut Dice) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        match self {
            Self::WatchOverMidnight => {
                let evening = now.date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(23);
                let begins = evening.max(now);
                let ends = begins + TimeDelta::hours(4);
                rig.tautulli.play(account, begins, ends);
                person.plays.extend([begins, ends]);
            }
            Self::WatchWithAPause => {
                rig.tautulli.start_stream(account);
                person.plays.push(now);
                town.later.push((now + hours(dice.between(6, 30)), who, Later::Stop(account)));
            }
            // It ends tomorrow; the player is online again days after.
            Self::WatchOffline => {
                let watched = now + hours(dice.between(4, 30));
                town.later.push((watched + hours(dice.between(1, 200)), who, Later::Sync(account, watched)));
            }
            _ => rig.tautulli.play(account, now, now + TimeDelta::minutes(1)),
        }
        true
    }
}

/// They watch for an hour, if they can.
pub fn watch(rig: &Rig, town: &mut Town, who: usize) {
    let now = rig.now();
    let Some(person) = town.people.get_mut(who) else { return };
    let Some(account) = person.account_in(rig) else { return };
    let stops = now + TimeDelta::minutes(50);
    rig.tautulli.play(account, now + TimeDelta::minutes(5), stops);
    person.plays.push(stops);
}
