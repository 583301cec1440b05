//! R2 and R6: whose a row of a listing is, and whether it is the share of before.
//!
//! Promises: a row is nobody's by its number alone where its account is another's;
//! one that names nobody is tied only while a try of ours may have made it; the
//! same account with unbroken access under another number keeps its share; an
//! invite is known by the second in which it was made, whoever takes it up.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Rules, confirm::LISTED_WITHIN, made_for::SHOWS_WITHIN};
use crate::facts::{Moment, Share, ShareId, ShareState, Source};
use crate::ledger::{Act, Book, Index, IntentState, InviteTo, Letter, MadeFor, Member, Owed, ShareRecord};
use crate::member::MemberId;

/// The same account with unbroken access under another number is the same
/// share (RULES R6): plex.tv's older listing has numbers of its own. One that
/// was taken up after the last listing of the one before is another.
pub(super) fn is_same_share(before: &ShareRecord, row: &Share, last_listed: Option<Moment>, made: bool) -> bool {
    let last_listed = last_listed.max(Some(before.first_seen));
    let unbroken = |was: Option<Moment>, is: Option<Moment>| is.is_none() || is == was || is <= last_listed;
    match (before.row.state, row.state) {
        (ShareState::Accepted { accepted_at: was }, ShareState::Accepted { accepted_at: is })
        | (ShareState::Pending { invited_at: was }, ShareState::Pending { invited_at: is }) => unbroken(was, is),
        // Our invite, taken up.
        (ShareState::Pending { .. }, ShareState::Accepted { .. }) => made,
        (ShareState::Accepted { .. }, ShareState::Pending { .. }) => false,
    }
}

/// The share of before, as it is listed now. What the older listing lacks stays
/// as it was read last.
pub(super) fn listed_again(before: ShareRecord, row: &Share) -> ShareRecord {
    let is_taken_up = row.is_accepted() && !before.row.is_accepted();
    let first_id = Some(before.id()).filter(|first| !is_taken_up && *first != row.id);
    let settings = match row.settings {
        Some(_) => None,
        None => before.row.settings.or(before.settings),
    };
    let mut row = row.clone();
    if !row.is_accepted() && row.sections.is_empty() && !row.all_libraries {
        row.sections = before.row.sections;
        row.downloads = row.downloads.or(before.row.downloads);
    }
    ShareRecord { row, settings, first_id, ..before }
}

/// Whether a listing shows this share: by its number; or, where the numbers are
/// others, by the account, or by the address that the invite went to.
pub(super) fn is_listed(rows: &[Share], share: &ShareRecord) -> bool {
    let same_person = |row: &Share| {
        (row.account.is_some() && row.account == share.row.account)
            || (row.email.is_some() && row.email == share.row.email)
    };
    rows.iter()
        .any(|row| has_number(share, row.id) || (row.is_accepted() == share.row.is_accepted() && same_person(row)))
}

/// Whether a share is known by this number, or had it in the last listing.
pub(super) fn has_number(share: &ShareRecord, number: ShareId) -> bool {
    share.id() == number || share.row.id == number
}

/// Whose row this is: by the share's own id, by an invite of ours that was
/// tried, by account, by invited address.
pub(super) fn whose(now: Moment, book: &Book, index: &Index, row: &Share) -> Option<MemberId> {
    let known = |id: &&MemberId| book.members.contains_key(*id);
    let member = |id: &MemberId| book.members.get(id);
    // Another account's row is never theirs, whatever its number.
    let may_be = |id: &&MemberId| {
        member(id).is_some_and(|member| match (member.plex, row.account) {
            (Some(theirs), Some(account)) => theirs == account,
            _ => true,
        })
    };
    // Nor is the row of somebody who has access, whose number in the older
    // listing happens to be that of somebody else's invite in the newer one. The
    // older listing has no settings; in the newer one a number stays the same.
    let is_of_the_older = row.settings.is_none() && row.is_accepted();
    let holder = row.account.and_then(|account| index.account(account)).filter(|_| is_of_the_older);
    let last_listed = book.marks.last_whole.get(&Source::Plex).copied();
    let holder = holder.filter(|id| {
        let share = member(id).and_then(|member| member.share.as_ref());
        share.is_some_and(|share| share.row.is_accepted() && is_same_share(share, row, last_listed, false))
    });
    // A row belongs to the member whose account holds it, though Usher made it for
    // somebody else.
    let has_it = |id: &&MemberId| {
        let owner = member(id).filter(|member| member.plex.is_some() && member.plex == row.account);
        owner.and_then(|owner| owner.share.as_ref()).is_some_and(|share| has_number(share, row.id))
    };
    let by_number = || index.share(row.id).find(has_it).or_else(|| index.share(row.id).find(may_be));
    let by_share = holder.or_else(by_number).or_else(|| invited_in_that_second(book, row));
    // A row that appears after our attempt with a lost answer is ours.
    let by_attempt =
        || tried_invites(now, book).find(|tried| tried.fits(book, row)).map(|tried| tried.member).filter(may_be);
    let by_account = || row.account.and_then(|account| index.account(account)).filter(known);
    let by_address = || {
        let email = row.email.as_ref()?;
        index.address(email).find(|id| member(id).is_some_and(|member| awaits(member, row)))
    };
    // plex.tv may name neither the share in its answer nor the address in its
    // rows; whoever is invited next would be invited twice.
    let by_elimination = || match awaited(now, book, row).as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    by_share.or_else(by_attempt).or_else(by_account).or_else(by_address).or_else(by_elimination).cloned()
}

/// Whose invite to a mere address this share was before it was taken up. The
/// older listing has numbers of its own, and an address is worth nothing once
/// another account has taken the invite up: there, the second in which it was
/// made is all that tells which one it was.
fn invited_in_that_second<'a>(book: &'a Book, row: &Share) -> Option<&'a MemberId> {
    let made = row.invited_at?.timestamp();
    let waits = |member: &&Member| {
        let invited_at = |share: &ShareRecord| match share.row.state {
            ShareState::Pending { invited_at } => invited_at,
            ShareState::Accepted { .. } => None,
        };
        member.share.as_ref().and_then(invited_at).is_some_and(|at| at.timestamp() == made)
    };
    let mut waiting = book.members.values().filter(waits);
    let one = waiting.next().filter(|_| waiting.next().is_none())?;
    let is_to_an_address = one.plex.is_none() && one.share.as_ref().is_some_and(|share| share.row.account.is_none());
    (is_to_an_address && one.has_made_share()).then_some(&one.id)
}

/// An invite of which a try may have had an effect.
struct Tried<'a> {
    member: &'a MemberId,
    to: &'a InviteTo,
    made_for: &'a BTreeSet<MadeFor>,
    /// Its row may still be on its way into the listings.
    may_yet_show: bool,
    /// When it was tried first and when plex.tv refused it, if it did.
    refused: Option<(Moment, Moment)>,
    /// No intent is left of it.
    given_up: bool,
    /// So lately that plex.tv may show it with an older date of acceptance.
    of_late: bool,
}

impl Tried<'_> {
    /// Whether this row, for the very person, may be this invite. Where plex.tv
    /// refused it, only if the row began with the try: a later one is the operator's.
    fn fits(&self, book: &Book, row: &Share) -> bool {
        let is_of_the_try = match self.refused {
            None => true,
            Some((tried, refused)) => match row.state {
                ShareState::Pending { invited_at: Some(began) } => {
                    began >= tried - BEGAN_WITHIN && began <= refused + BEGAN_WITHIN
                }
                // plex.tv may keep an older date of acceptance: also for what the
                // operator shares by hand, so that it shows nothing for long.
                ShareState::Accepted { accepted_at: Some(began) } if began <= refused + BEGAN_WITHIN => {
                    self.of_late || began >= tried - BEGAN_WITHIN
                }
                ShareState::Accepted { accepted_at: Some(began) } => {
                    self.is_first_share(book, row) && was_hidden(book, began - tried, began)
                }
                ShareState::Pending { invited_at: None } | ShareState::Accepted { accepted_at: None } => {
                    self.may_yet_show
                }
            },
        };
        is_of_the_try && is_to(book, self.to, row)
    }

    /// Nobody has seen them in, or invited, before. plex.tv may keep the date of
    /// an earlier share.
    fn is_first_share(&self, book: &Book, row: &Share) -> bool {
        let is_new = |member: &Member| member.share.is_none() && member.gone.is_none();
        let holder = row.account.and_then(|account| book.by_account(account));
        holder.is_none_or(is_new) && book.members.get(self.member).is_some_and(is_new)
    }
}

/// Whole listings have lacked this row for longer after it was taken up than it
/// had been on its way since the try: so they would have lacked the invite that
/// was tried, too, and that none of them showed it says nothing.
fn was_hidden(book: &Book, on_its_way: TimeDelta, taken_up: Moment) -> bool {
    let listed = book.marks.last_whole.get(&Source::Plex);
    listed.is_some_and(|listed| *listed - taken_up >= on_its_way)
}

/// Our clock and plex.tv's may differ by so much where a row is dated.
const BEGAN_WITHIN: TimeDelta = TimeDelta::minutes(1);
/// The listing that must show an invite has been taken and taken up by then.
const READ_BACK_WITHIN: TimeDelta = TimeDelta::seconds(180);

/// Also those that an early listing didn't show, and those that were given up or
/// refused since. One that never reached plex.tv made no row.
fn tried_invites(now: Moment, book: &Book) -> impl Iterator<Item = Tried<'_>> {
    let is_young = move |at: Moment| now - at < LISTED_WITHIN;
    let intents = book.intents.values().filter(|intent| intent.was_tried());
    let intents = intents.filter_map(move |intent| match &intent.act {
        Act::Invite { to, made_for, .. } => {
            let under_way = matches!(intent.state, IntentState::Attempted { .. });
            let may_yet_show = under_way || intent.ended.max(intent.last_try).is_some_and(is_young);
            let tried = intent.last_try.filter(|_| !intent.may_have_had_effect());
            let refused = tried
                .map(|last| (intent.first_try.unwrap_or(last), intent.ended.map_or(last, |ended| ended.max(last))));
            Some(Tried { member: &intent.member, to, made_for, may_yet_show, refused, given_up: false, of_late: true })
        }
        _ => None,
    });
    let given_up = book.members.values().flat_map(move |member| {
        member.invites_out.iter().map(move |out| Tried {
            member: &member.id,
            to: &out.to,
            made_for: &out.made_for,
            may_yet_show: match out.refused {
                Some(refused) => now - refused < READ_BACK_WITHIN,
                None => is_young(out.at),
            },
            refused: out.refused.map(|refused| (out.at, refused)),
            given_up: true,
            of_late: out.refused.is_none_or(|refused| now - refused < SHOWS_WITHIN),
        })
    });
    intents.chain(given_up)
}

/// An invite of ours that a row turns out to be.
pub(super) struct Ours {
    /// What it was made for.
    pub made_for: BTreeSet<MadeFor>,
    /// To whom, where plex.tv had refused it: no intent is left that would be
    /// confirmed.
    pub refused: Option<InviteTo>,
}

impl Ours {
    /// Made for this.
    pub fn new(made_for: BTreeSet<MadeFor>) -> Self {
        Self { made_for, refused: None }
    }
}

/// The invite that is out to this member, where this row may be it.
pub(super) fn invite_out_to(now: Moment, book: &Book, member: &MemberId, row: &Share) -> Option<Ours> {
    let unnamed = |tried: &Tried<'_>| tried.may_yet_show && tried.refused.is_none();
    // plex.tv's answer may have named the number of the row. The older listing has
    // numbers of its own, and no settings.
    let is_named = row.settings.is_some() && book.members.get(member)?.made.contains(&row.id);
    let is_it = |tried: &Tried<'_>| unnamed(tried) || is_named && tried.given_up || tried.fits(book, row);
    let may_be = |tried: &Tried<'_>| tried.member == member && is_it(tried);
    let all: Vec<_> = tried_invites(now, book).filter(may_be).collect();
    let first = all.first()?;
    let refused = all.iter().find(|tried| first.given_up && tried.refused.is_some());
    Some(Ours { made_for: first.made_for.clone(), refused: refused.map(|tried| tried.to.clone()) })
}

/// What an invite by address was made for that reached another account than that
/// of the member for whom it was sent: their address is somebody else's by now.
pub(super) fn invite_to_another(now: Moment, book: &Book, member: &MemberId, row: &Share) -> Option<BTreeSet<MadeFor>> {
    let astray = |tried: &Tried<'_>| {
        let Some(meant) = book.members.get(tried.member).filter(|meant| meant.id != *member) else { return false };
        let is_theirs = meant.plex.is_none() || meant.plex == row.account;
        // The older listing has numbers of its own, and no settings.
        let named = || row.settings.is_some() && meant.share.is_none() && meant.made.contains(&row.id);
        matches!(tried.to, InviteTo::Email(_)) && !is_theirs && (tried.fits(book, row) || named())
    };
    tried_invites(now, book).find(astray).map(|tried| tried.made_for.clone())
}

/// Everybody of whom a row that names no address could be the invite.
fn awaited<'a>(now: Moment, book: &'a Book, row: &Share) -> Vec<&'a MemberId> {
    if row.is_accepted() || row.email.is_some() {
        return Vec::new();
    }
    let awaits = |id: &MemberId| {
        let member = book.members.get(id);
        member.is_some_and(|member| member.share.is_none() && member.plex.is_none())
    };
    let tried =
        tried_invites(now, book).filter(|tried| tried.may_yet_show && tried.refused.is_none() && awaits(tried.member));
    let all: BTreeSet<&MemberId> = tried.map(|tried| tried.member).collect();
    all.into_iter().collect()
}

/// The very person of this row. Where the row gives no address, that of a
/// member of before whose account it is: the two merge when it is accepted.
fn is_to(book: &Book, to: &InviteTo, row: &Share) -> bool {
    let address = || row.email.as_ref().or_else(|| book.by_account(row.account?)?.email.as_ref());
    match to {
        InviteTo::Account(account) => row.account == Some(*account),
        InviteTo::Email(email) => address() == Some(email),
    }
}

/// A pending row under a payer's own address is that payer's; a row under the
/// address that a guest was named by is that guest's, whoever made it: our
/// invite would reach the same account. And a row under the address of a pending
/// one is that invite, taken up.
fn awaits(member: &Member, row: &Share) -> bool {
    if member.plex.is_some() {
        return false;
    }
    match &member.share {
        None if member.given_email.is_some() && member.given_email == row.email => true,
        None => !row.is_accepted() && member.customers.values().any(|payer| payer.email == row.email),
        Some(share) => !share.row.is_accepted() && share.row.email == row.email,
    }
}

/// A new row that names no address, while the invites of several are out: it may
/// be one of theirs or the operator's, and is tied to nobody (RULES R2).
pub(super) fn tell_untied(now: Moment, rules: &Rules, book: &mut Book, row: &Share) {
    let awaited = awaited(now, book, row);
    let Some(first) = awaited.first() else { return };
    let names: Vec<String> = awaited.iter().map(|id| id.to_string()).collect();
    let letter = Letter::Attention {
        title: "An invite in Plex names no address".into(),
        detail: format!(
            "It may be one that you made, or the invite of {}, of which plex.tv's answer was lost. It is tied to nobody.",
            names.join(" or ")
        ),
        what_to_do: format!(
            "If it isn't yours, take it back in Plex; or, once it is taken up, `usher link {first} --plex` and whose it is."
        ),
    };
    book.owe(Owed::to_operator(None, format!("untied-{}", row.id), letter), rules.ways, now);
}
