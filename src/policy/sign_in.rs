//! R2: what somebody may buy who has shown, by signing in with Plex, which
//! account is theirs, and whose it then is.
//!
//! Promises: it ties a new customer to the account, once, when the book first
//! sees them; a customer who is linked already, or was unlinked, stays where
//! they are, and the operator hears of it; what is said about an account is
//! said to nobody but who signed in as it.

use super::{Rules, Scene, pending, sales, sharing, who};
use crate::facts::{Email, Friends, Moment, SignedIn, Subscription};
use crate::ledger::{Book, Letter, Meant, Member, Owed};
use crate::member::MemberId;

/// What can be sold to who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// A place.
    Sale {
        /// What the page is filled in with: no address at which no mail of
        /// Stripe's arrives.
        email: Option<Email>,
        /// They may have the tier's trial.
        trial: Trial,
    },
    /// Nothing: a subscription of theirs runs.
    Subscribed,
    /// Nothing: they have everything, by belonging to the house.
    OfTheHouse,
    /// Nothing: they are revoked.
    Revoked,
    /// Nothing now: they aren't in, and all seats are taken (`SEATS`).
    Full,
}

/// One for each person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// They have had none.
    Fresh,
    /// They have had theirs.
    Had,
}

/// See [`Welcome`].
#[must_use]
pub fn welcome(scene: Scene<'_>, signed_in: &SignedIn) -> Welcome {
    let member = known(scene.book, signed_in);
    let at_home = |friends: &Friends| friends.home.contains(&signed_in.account);
    let of_the_house =
        scene.book.identities.owner == Some(signed_in.account) || scene.world.plex.value().is_some_and(at_home);
    match member {
        _ if of_the_house => return Welcome::OfTheHouse,
        Some(member) if member.blocked.is_some() => return Welcome::Revoked,
        Some(member) if sharing::is_of_the_house(scene, member) => return Welcome::OfTheHouse,
        Some(member) if sales::running(member).next().is_some() => return Welcome::Subscribed,
        _ => {}
    }
    if !sales::has_seat(member) && pending::seats_free(scene) == Some(0) {
        return Welcome::Full;
    }
    let had = sales::had_trial(scene, member, signed_in.email.as_ref(), None);
    Welcome::Sale {
        email: signed_in.email.clone().filter(|email| !who::is_relay(email)),
        trial: if had { Trial::Had } else { Trial::Fresh },
    }
}

/// Whose account it is: the member's who has it, or who is invited with it.
fn known<'a>(book: &'a Book, signed_in: &SignedIn) -> Option<&'a Member> {
    let account = Some(signed_in.account);
    let invited = |member: &&Member| {
        member.plex.is_none() && member.share.as_ref().is_some_and(|share| share.row.account == account)
    };
    book.by_account(signed_in.account).or_else(|| book.members.values().find(invited))
}

/// The member whose account bought this; one who is new when the account is.
/// `None` where nobody signed in, or the owner did.
pub(super) fn holder(now: Moment, book: &mut Book, sub: &Subscription) -> Option<MemberId> {
    let signed_in = sub.signed_in.as_ref()?;
    if book.identities.owner == Some(signed_in.account) {
        return None;
    }
    let known = known(book, signed_in).map(|member| member.id.clone());
    let id = known.unwrap_or_else(|| {
        let plex = Some(signed_in.account);
        book.enter_known(now, &Meant { plex, ..Meant::at(signed_in.email.clone()) })
    });
    let member = book.members.get_mut(&id)?;
    who::set_account(member, signed_in.account);
    member.invite_refused = None; // A new account is worth another try.
    member.email = member.email.take().or_else(|| signed_in.email.clone());
    member.note(now, format!("signed in with Plex account {} for {}", signed_in.account, sub.id));
    Some(id)
}

/// Who signed in paid as a customer who is somebody else's, or was unlinked:
/// nothing moves.
pub(super) fn tell_if_anothers(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, sub: &Subscription) {
    let Some(signed_in) = sub.signed_in.as_ref().filter(|_| sub.status.is_running()) else { return };
    let Some(member) = book.members.get(id).filter(|member| member.plex != Some(signed_in.account)) else { return };
    let letter = Letter::Attention {
        title: format!("{} was bought by another Plex account than {}'s", sub.id, member.name()),
        detail: format!(
            "Plex account {} signed in for it, and its customer {} is {}'s. Nothing was moved.",
            signed_in.account, sub.customer, member.id
        ),
        what_to_do: format!("Nothing, or `usher link WHO --stripe {}` says whose it is.", sub.id),
    };
    book.owe(Owed::to_operator(Some(id), format!("sign-in-{}", sub.id), letter), rules.ways, now);
}
