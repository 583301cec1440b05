//! Names, addresses and accounts, at Plex and at Stripe.

use usher::facts::PlexId;

use super::MemberMove;
use crate::alphabet::{Person, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};

impl MemberMove {
    pub(super) fn rename(self, rig: &Rig, town: &mut Town, who: usize) -> bool {
        let fresh = town.fresh("new");
        let number = town.fresh;
        let Some(person) = town.people.get_mut(who) else { return false };
        let new = format!("{}.{fresh}", person.name);
        match self {
            Self::ChangeTheAddressAtStripe | Self::ChangeTheNameAtStripe => at_stripe(self, rig, person, &new),
            Self::SignUpAtPlex => {
                if person.main().is_some() {
                    return false;
                }
                let account = PlexId(2_700_000 + number);
                rig.person(account.0, &person.name);
                person.accounts.push(account);
                person.proven.insert(address(&person.name));
                true
            }
            Self::OpenASecondAccount => {
                if person.accounts.len() != 1 {
                    return false;
                }
                let account = PlexId(2_800_000 + number);
                rig.person(account.0, &new);
                person.accounts.push(account);
                person.addresses.insert(address(&new));
                person.proven.insert(address(&new));
                true
            }
            Self::SwapTheAddresses => {
                let [one, other, ..] = person.accounts.as_slice() else { return false };
                let swapped = rig.plex.swap_addresses(*one, *other);
                for account in [*one, *other] {
                    tell_tautulli(rig, account);
                }
                swapped
            }
            Self::DeleteTheAccount => {
                let Some(account) = person.main().filter(|_| !person.protected) else { return false };
                // An invite that waits for the account goes with it.
                let was_in = rig.plex.has_access(account) || rig.plex.pending_of(account).is_some();
                let deleted = rig.plex.delete_account(account);
                person.accounts.retain(|other| *other != account);
                // Who signs up anew is somebody new to everybody.
                person.proven.clear();
                person.wish.grandfathered = false;
                person.went.extend((deleted && was_in).then(|| rig.now()));
                deleted
            }
            _ => {
                let Some(account) = person.main() else { return false };
                let username = rig.plex.username_of(account).unwrap_or_default();
                let mail = rig.plex.email_of(account).unwrap_or_default();
                let (username, mail) = match self {
                    Self::RenameTheAccount => (new, mail),
                    _ => (username, address(&new)),
                };
                person.addresses.insert(mail.to_lowercase());
                person.proven.insert(mail.to_lowercase());
                rig.plex.add_account(account, &username, &mail);
                rig.tautulli.add_user(account, &username, &mail);
                true
            }
        }
    }
}

/// Anybody may choose any title, another's username too.
pub(super) fn take_a_title(rig: &Rig, town: &Town, who: usize, dice: &mut Dice) -> bool {
    let account = |who: usize| town.people.get(who).and_then(Person::main);
    let other = dice.index(town.people.len());
    let (Some(account), Some(other)) = (account(who), account(other).filter(|_| other != who)) else { return false };
    let Some(title) = rig.plex.username_of(other) else { return false };
    rig.plex.with_account(account, |account| account.title = title);
    true
}

fn at_stripe(step: MemberMove, rig: &Rig, person: &mut Person, new: &str) -> bool {
    let Some(bought) = person.bought.last() else { return false };
    if rig.stripe.object(&bought.customer)["deleted"] == true {
        return false;
    }
    if step == MemberMove::ChangeTheNameAtStripe {
        rig.stripe.change_name(&bought.customer, new);
    } else {
        rig.stripe.change_email(&bought.customer, &address(new));
        person.addresses.insert(address(new));
    }
    true
}

fn tell_tautulli(rig: &Rig, account: PlexId) {
    let username = rig.plex.username_of(account).unwrap_or_default();
    rig.tautulli.add_user(account, &username, &rig.plex.email_of(account).unwrap_or_default());
}
