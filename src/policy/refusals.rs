//! R6, "refusal": what Plex refused of an invite, and until when that counts.
//!
//! It promises: a refusal is forgotten after a day, when a row goes that may
//! have stood in its way, and when a new customer or account of theirs appears.
//! "Shared already" is none, unless listings show again and again that it isn't.
//! A 404 counts only while the very same libraries would be shared: it may have
//! spoken of one of them.

use super::{World, made_for, who};
use crate::facts::{Email, Moment, SectionSet, Share};
use crate::ledger::{Act, ActKey, Book, Intent, InviteRefused, InviteTo, Member};

/// "Shared already" is believed so often. Each time a listing is waited for that
/// would show it ([`LISTED_WITHIN`](super::confirm::LISTED_WITHIN)).
pub const ALREADY_BELIEVED: u32 = 3;

/// Plex refused this invite, and said why.
pub fn refuse(now: Moment, book: &mut Book, key: &ActKey, why: &str) {
    let Some(intent) = book.intents.remove(key) else { return };
    made_for::give_up(book, &intent); // An earlier try may have had an effect.
    made_for::note_refused(now, book, &intent); // And so may this one.
    let (Act::Invite { to, .. }, Some(member)) = (&intent.act, book.members.get_mut(&intent.member)) else { return };
    let by_id = matches!(to, InviteTo::Account(_));
    let earlier = member.invite_refused.take().filter(|earlier| earlier.stands(now));
    member.invite_refused = Some(InviteRefused {
        at: now,
        by_id: by_id || earlier.as_ref().is_some_and(|earlier| earlier.by_id),
        by_email: !by_id || earlier.as_ref().is_some_and(|earlier| earlier.by_email),
        unknown: None,
        why: why.to_owned(),
    });
    member.note(now, format!("Plex refused the invite: {why}"));
}

/// plex.tv answered 404 to this invite, which was refused just now.
pub fn note_unknown(book: &mut Book, intent: &Intent) {
    let Act::Invite { sections, .. } = &intent.act else { return };
    let refused = book.members.get_mut(&intent.member).and_then(|member| member.invite_refused.as_mut());
    if let Some(refused) = refused {
        refused.unknown = Some(sections.clone());
    }
}

/// Whether a refusal keeps an invite to these libraries from being sent.
#[must_use]
pub fn stands(now: Moment, refused: &InviteRefused, sections: &SectionSet) -> bool {
    refused.stands(now) && refused.unknown.as_ref().is_none_or(|unknown| unknown == sections)
}

/// An invite goes to their address, since plex.tv answered 404 to the one to
/// their account. Server and libraries were read anew since, and are the same:
/// it is the account that plex.tv doesn't know any more. They are the same
/// person still, and whoever takes up the invite to their address is they. An
/// account that plex.tv lists among the owner's friends is no such account.
pub fn leave_unknown_account(now: Moment, world: &World, book: &mut Book, intent: &Intent) {
    let Act::Invite { to: InviteTo::Email(_), sections, .. } = &intent.act else { return };
    let Some(member) = book.members.get_mut(&intent.member) else { return };
    let refused = member.invite_refused.as_ref().filter(|refused| refused.by_id);
    let is_unknown = refused.is_some_and(|refused| refused.unknown.as_ref() == Some(sections));
    let friends = world.plex.value().and_then(|friends| friends.friends.as_ref());
    let is_friend = member.plex.is_some_and(|account| friends.is_some_and(|friends| friends.contains(&account)));
    if is_unknown && !is_friend {
        who::lose_account(now, member);
    }
}

/// A row went: what it may have stood in the way of is worth another try.
pub fn forget_in_way_of(book: &mut Book, row: &Share) {
    for member in book.members.values_mut().filter(|member| member.invite_refused.is_some()) {
        let account = member.plex.is_some() && member.plex == row.account;
        if account || row.email.as_ref().is_some_and(|email| is_known_as(member, email)) {
            member.invite_refused = None;
        }
    }
}

fn is_known_as(member: &Member, email: &Email) -> bool {
    let paying = member.customers.values().filter_map(|payer| payer.email.as_ref());
    member.email.iter().chain(&member.given_email).chain(paying).any(|known| known == email)
}
