//! What they do with an invite, and with the share that came of it.

use usher::facts::PlexId;

use super::{MemberMove, hours};
use crate::alphabet::{Later, Person, TAKEN_BY_A_STRANGER, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};

impl MemberMove {
    pub(super) fn click(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        match self {
            Self::Accept => town.people.get_mut(who).is_some_and(|person| accept(rig, person)),
            Self::AcceptWithAnotherAccount => accept_with_another(rig, town, who),
            Self::AcceptWithSomebodyElsesAccount => accept_with_a_strangers(rig, town, who, dice),
            Self::Leave | Self::LeaveAndComeBack => {
                let Some(person) = town.people.get_mut(who) else { return false };
                let left = person.account_in(rig).is_some_and(|account| rig.plex.leave(account));
                person.went.extend(left.then_some(now));
                if left && self == Self::LeaveAndComeBack {
                    town.later.push((now + hours(dice.between(10, 300)), who, Later::ComeBack));
                }
                left
            }
            _ => {
                let Some(person) = town.people.get_mut(who) else { return false };
                let by_account = person.accounts.iter().any(|account| rig.plex.decline_invite(*account));
                let declined = by_account || person.addresses.iter().any(|to| rig.plex.decline_invite(to.as_str()));
                person.went.extend(declined.then_some(now));
                if declined && self == Self::DeclineAndAskAnew {
                    town.later.push((now + hours(dice.between(10, 100)), who, Later::AskAnew));
                }
                declined
            }
        }
    }
}

fn invited_address(rig: &Rig, person: &Person) -> Option<String> {
    person.addresses.iter().find(|to| rig.plex.pending_of(to.as_str()).is_some()).cloned()
}

fn accept(rig: &Rig, person: &mut Person) -> bool {
    if person.accounts.iter().any(|account| rig.plex.accept_invite(*account).is_some()) {
        return true;
    }
    let Some(to) = invited_address(rig, person) else { return false };
    let taken = match person.main() {
        Some(account) => rig.plex.accept_invite_as(to.as_str(), account),
        None => rig.plex.accept_invite(to.as_str()),
    };
    if let Some(account) = taken.filter(|account| !person.accounts.contains(account)) {
        rig.tautulli.add_user(account, &rig.plex.username_of(account).unwrap_or_default(), &to);
        person.accounts.push(account);
    }
    if taken.is_some() {
        person.proven.insert(to);
    }
    taken.is_some()
}

fn accept_with_another(rig: &Rig, town: &mut Town, who: usize) -> bool {
    let fresh = town.fresh("two");
    let second = PlexId(2_600_000 + town.fresh);
    let Some(person) = town.people.get_mut(who) else { return false };
    let pending = person.accounts.iter().find_map(|account| rig.plex.pending_of(*account));
    let Some(to) = invited_address(rig, person).filter(|_| pending.is_none()) else { return false };
    let name = format!("{}{fresh}", person.name);
    rig.person(second.0, &name);
    person.addresses.insert(address(&name));
    person.accounts.push(second);
    person.proven.extend([address(&name), to.clone()]);
    rig.plex.accept_invite_as(to.as_str(), second).is_some()
}

/// The link was passed on: somebody else of the town is in by it. Who should be
/// is for the two of them to say.
fn accept_with_a_strangers(rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
    let other = dice.index(town.people.len());
    let now = rig.now();
    let Some(to) = town.people.get(who).and_then(|person| invited_address(rig, person)) else { return false };
    let account = town.people.get(other).filter(|_| other != who).and_then(Person::main);
    let Some(account) = account.filter(|_| town.lots.strangers_may_accept) else { return false };
    if rig.plex.accept_invite_as(to.as_str(), account).is_none() {
        return false;
    }
    for who in [who, other] {
        let person = town.people.get_mut(who);
        person.into_iter().for_each(|person| person.dispute(now, TAKEN_BY_A_STRANGER));
    }
    let person = town.people.get_mut(other);
    person.into_iter().for_each(|person| person.strike(now, "takes up somebody else's invite"));
    true
}
