//! By hand in Plex, for one person.

use usher::facts::PlexId;

use super::OperatorMove;
use crate::alphabet::member::hours;
use crate::alphabet::{Later, Person, Town};
use crate::dice::Dice;
use crate::rig::{Rig, address};

impl OperatorMove {
    pub(in crate::alphabet) fn at_plex(self, rig: &Rig, town: &mut Town, who: usize, dice: &mut Dice) -> bool {
        let now = rig.now();
        let Some(person) = town.people.get_mut(who) else { return false };
        let libraries = vec![rig.movies, rig.tv];
        let outside = person.account_in(rig).is_none() && !person.is_invited(rig);
        match self {
            Self::ShareByHand => match person.main().filter(|_| outside) {
                Some(account) => {
                    rig.plex.share_with(account, &libraries, now);
                    person.by_hand.push((now, libraries));
                    true
                }
                None => false,
            },
            Self::ShareWithTheSecondAccount => {
                let without = |other: &PlexId| !rig.plex.has_access(*other) && rig.plex.pending_of(*other).is_none();
                let Some(second) = person.accounts.iter().skip(1).copied().find(without) else { return false };
                rig.plex.share_with(second, &libraries, now);
                person.by_hand.push((now, libraries));
                true
            }
            Self::InviteByHand => {
                if outside {
                    rig.plex.invite_by_hand(&address(&person.name), &libraries);
                    person.by_hand.push((now, libraries));
                    town.later.push((now + hours(20), who, Later::Accept));
                }
                outside
            }
            Self::UnshareByHand | Self::Unfriend => {
                let ended = ended_by_hand(rig, person);
                person.went.extend(ended.then_some(now));
                if let (Self::Unfriend, Some(account)) = (self, person.main()) {
                    rig.plex.with_account(account, |account| account.friend = false);
                }
                ended
            }
            Self::Befriend => {
                let Some(account) = person.main().filter(|account| !rig.plex.is_friend(*account)) else { return false };
                rig.plex.befriend(account);
                true
            }
            _ => self.change_the_share(rig, person, dice),
        }
    }

    fn change_the_share(self, rig: &Rig, person: &mut Person, dice: &mut Dice) -> bool {
        let now = rig.now();
        let Some(share) = person.account_in(rig).and_then(|account| rig.plex.share_of(account)) else { return false };
        match self {
            Self::GiveALibraryByHand | Self::TakeALibraryByHand => {
                let gives = self == Self::GiveALibraryByHand;
                let sections = if gives { vec![rig.movies, rig.tv] } else { vec![rig.movies] };
                let changes = share.sections.len() != sections.len();
                if changes {
                    person.by_hand.push((now, sections.clone()));
                    rig.plex.with_share(share.id, |share| {
                        share.sections = sections;
                        share.all_libraries = false;
                    });
                }
                changes
            }
            Self::ShareAllLibraries => {
                if !share.all_libraries {
                    person.by_hand.push((now, rig.plex.sections().into_iter().map(|section| section.id).collect()));
                    rig.plex.with_share(share.id, |share| share.all_libraries = true);
                }
                !share.all_libraries
            }
            Self::ChangeTheFilters => {
                let all = ["", "contentRating=G%2CPG", "label=kids", "contentRating!=R|label!=late"];
                let filter = dice.pick(&all).unwrap_or_default().to_owned();
                let changes = share.settings.filter_movies != filter;
                if changes {
                    rig.plex.with_share(share.id, |share| share.settings.filter_movies.clone_from(&filter));
                    person.set_by_hand.filter = Some((now, filter));
                }
                changes
            }
            _ => {
                let allowed = !share.settings.allow_sync;
                rig.plex.with_share(share.id, |share| share.settings.allow_sync = allowed);
                person.set_by_hand.downloads = Some((now, allowed));
                true
            }
        }
    }
}

fn ended_by_hand(rig: &Rig, person: &Person) -> bool {
    let account = |account: &PlexId| rig.plex.remove_share_by_hand(*account);
    person.accounts.iter().any(account) || person.addresses.iter().any(|to| rig.plex.remove_share_by_hand(to.as_str()))
}
