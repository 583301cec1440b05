//! R6, "refusal": what Plex refused of an invite, and until when that counts.
//!
//! It promises: a refusal is forgotten after a day, when a row goes that may
//! have stood in its way, and when a new customer or account of theirs appears.
//! "Shared already" is none, unless listings show again and again that it isn't.

use super::made_for;
use crate::facts::{Email, Moment, Share};
use crate::ledger::{Act, ActKey, Book, InviteRefused, InviteTo, Member};

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
        why: why.to_owned(),
    });
    member.note(now, format!("Plex refused the invite: {why}"));
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
