//! R8: adoption, and comings and goings. Folds plex.tv's listings into the book.
//!
//! Known races: a listing lags 1–2 s behind a write, so the engine drops
//! whole readings begun before our last act there had ended for 10 s. Absence
//! is believed only after two whole readings at least 10 minutes apart, and
//! only while continuity stands (promise 2).

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::whose_row::{
    Ours, has_number, invite_out_to, invite_to_another, is_listed, is_same_share, listed_again, tell_untied, whose,
};
use super::{
    Rules, World, by_hand, codes,
    confirm::{self, LISTED_WITHIN},
    libraries,
    news::{tell_crowd, tell_second_vip, tell_section_news},
    refusals, who,
};
use crate::facts::{Friends, Moment, Share, ShareId, ShareLook, ShareState, Source, Status, Whole};
use crate::ledger::{
    Act, Billed, Book, Gone, Grant, GrantKind, Index, IntentState, Letter, Libraries, MadeFor, Meant, Member, Owed,
    Population, ShareRecord, Undo,
};
use crate::member::MemberId;

/// Absent for so long, over at least two whole readings: departed.
const DEPARTED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// Folds a whole reading of plex.tv.
pub fn fold_friends(now: Moment, rules: &Rules, world: &World, book: &mut Book, whole: &Whole<Friends>) {
    let friends = &whole.value;
    if !is_our_server(book, friends) {
        return;
    }
    let adopting = !book.adopted.contains_key(&Source::Plex);
    for news in libraries::fold_sections(now, book, &friends.sections) {
        tell_section_news(now, rules, book, news);
    }
    let mut index = Index::of(book);
    let mut present = BTreeSet::new();
    let back = returning(now, book, &index, friends);
    let arrival = match adopting {
        true => Arrival::Adopted,
        false if back.len() > Rules::hold_all_threshold(book.members_with_access() + back.len()) => {
            tell_crowd(now, rules, book, &back);
            Arrival::InACrowd
        }
        false => Arrival::Alone,
    };
    let doubted = world.drops.contains_key(&Population::Friends);
    let taken = just_taken(book, whole.begun);
    for row in in_order(&friends.shares).filter(|row| row.account != Some(friends.owner)) {
        let known = whose(now, book, &index, row);
        if taken.contains(&(row.id, row.is_accepted())) {
            continue;
        }
        if doubted && known.as_ref().is_some_and(|id| back.contains(id)) {
            continue; // While so many are missing, a return is believed no more than a departure.
        }
        // A look begun later than this reading knows better about its person;
        // and of two rows of one person the first is theirs.
        let passed_over =
            |id: &MemberId| present.contains(id) || world.listed.get(id).is_some_and(|looked| *looked > whole.begun);
        let id = match known.filter(passed_over) {
            Some(id) => id,
            None => see_row(now, rules, book, &mut index, row, arrival),
        };
        present.insert(id);
    }
    for member in book.members.values_mut() {
        if let Some(account) = member.plex {
            member.home = friends.home.contains(&account);
        }
    }
    note_absences(now, rules, world, book, &present, whole.begun);
    if adopting {
        book.adopted.insert(Source::Plex, now);
    }
    for (entry, member) in who::bind_vips(book, &rules.vip_names) {
        tell_second_vip(now, rules, book, &entry, &member);
    }
}

/// How somebody comes to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// They were here before Usher: silently.
    Adopted,
    /// So many are back at once that something else must have happened: no
    /// welcome letters, and one message to the operator (RULES R9.9).
    InACrowd,
    /// One like any other.
    Alone,
}

/// Members who had gone without us, and are listed again.
fn returning(now: Moment, book: &Book, index: &Index, friends: &Friends) -> BTreeSet<MemberId> {
    let accepted = friends.shares.iter().filter(|row| row.is_accepted());
    let had_gone = |id: &MemberId| {
        let member = book.members.get(id);
        member.is_some_and(|member| member.share.is_none() && member.gone.as_ref().is_some_and(|gone| !gone.by_us))
    };
    accepted.filter_map(|row| whose(now, book, index, row)).filter(had_gone).collect()
}

fn is_our_server(book: &mut Book, friends: &Friends) -> bool {
    if book.identities.plex_server.is_none() {
        book.identities.plex_server = Some(friends.server.clone());
        book.identities.owner = Some(friends.owner);
    }
    book.identities.plex_server.as_ref() == Some(&friends.server)
}

/// `usher accept server`: shares of the server of before say nothing about this
/// one. It is adopted silently, and whoever pays is let in there.
pub fn move_house(now: Moment, book: &mut Book, friends: &Friends) {
    book.identities.plex_server = Some(friends.server.clone());
    book.identities.owner = Some(friends.owner);
    book.adopted.remove(&Source::Plex);
    book.libraries = Libraries::default();
    // How many had access there is no measure of how many have it here.
    book.marks.populations.remove(&Population::Friends);
    for member in book.members.values_mut().filter(|member| member.share.is_some()) {
        member.share = None;
        member.missing_since = None;
        member.matched_prices.clear();
        member.matched_grants.clear();
        member.note(now, "the house moved to another server");
    }
}

/// Lets a whole reading show the effects of our own removals first, so that
/// they are explained before people are counted.
pub fn settle_ours(now: Moment, book: &mut Book, whole: &Whole<Friends>) {
    let absent: Vec<MemberId> = book
        .members
        .values()
        .filter(|member| member.share.as_ref().is_some_and(|share| !is_listed(&whole.value.shares, share)))
        .map(|member| member.id.clone())
        .collect();
    for member in absent {
        take_away_if_ours(now, book, &member, whole.begun);
    }
}

/// People with access in a reading, without the owner.
#[must_use]
pub fn with_access(friends: &Friends) -> u64 {
    let accepted = friends.shares.iter().filter(|share| share.is_accepted() && share.account != Some(friends.owner));
    accepted.count() as u64
}

/// Folds a look: it replaces this one person's row only.
pub fn fold_look(now: Moment, rules: &Rules, world: &mut World, book: &mut Book, member: &MemberId, look: &ShareLook) {
    let mut about = member.clone();
    let mut index = Index::of(book);
    let mut seen = BTreeSet::new();
    let taken = just_taken(book, look.begun);
    for row in in_order(&look.shares) {
        if taken.contains(&(row.id, row.is_accepted())) {
            continue;
        }
        if whose(now, book, &index, row).is_none_or(|id| !seen.contains(&id)) {
            about = see_row(now, rules, book, &mut index, row, Arrival::Alone);
            seen.insert(about.clone());
        }
    }
    if look.shares.is_empty() {
        take_away_if_ours(now, book, member, look.begun);
    }
    if let (true, Some(known)) = (look.home, book.members.get_mut(&about)) {
        known.home = true;
    }
    world.listed.insert(about, look.begun);
    if let Some(sections) = &look.sections {
        for news in libraries::fold_sections(now, book, sections) {
            tell_section_news(now, rules, book, news);
        }
    }
}

/// What Usher took away a moment ago. A listing that lags may still show it,
/// after another has shown that it is gone (DESIGN §1): nobody came back.
fn just_taken(book: &Book, begun: Moment) -> Vec<(ShareId, bool)> {
    let taken = book.members.values().filter_map(|member| {
        let gone = member.gone.as_ref().filter(|gone| gone.by_us && member.share.is_none())?;
        let row = gone.row.or_else(|| member.undo.as_ref().map(|undo| undo.share.id))?;
        (begun < gone.at + LISTED_WITHIN).then_some((row, !gone.was_invite))
    });
    taken.collect()
}

/// Accepted rows first, then by age: whoever has two rows always has the same
/// one of them.
fn in_order(rows: &[Share]) -> impl Iterator<Item = &Share> {
    let mut rows: Vec<&Share> = rows.iter().collect();
    rows.sort_by_key(|row| (!row.is_accepted(), row.id));
    rows.into_iter()
}

/// One row of a listing. Returns whose it is.
fn see_row(now: Moment, rules: &Rules, book: &mut Book, index: &mut Index, row: &Share, arrival: Arrival) -> MemberId {
    let known = whose(now, book, index, row);
    if known.is_none() {
        tell_untied(now, rules, book, row);
    }
    let id =
        known.unwrap_or_else(|| book.enter_known(now, &Meant { plex: row.account, ..Meant::at(row.email.clone()) }));
    let anothers = || made_for_another(book, index, &id, row).or_else(|| invite_to_another(now, book, &id, row));
    let ours = invite_out_to(now, book, &id, row).or_else(|| anothers().map(Ours::new));
    let last_listed = book.marks.last_whole.get(&Source::Plex).copied();
    let Some(member) = book.members.get_mut(&id) else { return id };
    let before = member.share.take();
    let had_access = before.as_ref().is_some_and(|share| share.row.is_accepted());
    // Whom listings lacked for so long was gone, though a drop kept us from
    // believing it.
    let missing = member.missing_since.take();
    let was_gone = missing.filter(|since| before.is_some() && now - *since >= DEPARTED_AFTER);
    let last_listed = missing.or(last_listed);
    let same = before.filter(|share| {
        let made = member.made.contains(&share.id());
        has_number(share, row.id) || (was_gone.is_none() && is_same_share(share, row, last_listed, made))
    });
    let new_row = same.is_none();
    // An invite's number says nothing of the share once it is taken up under
    // another: one that the older listing makes up is the same each time.
    let invite = same.as_ref().filter(|share| !share.row.is_accepted() && row.is_accepted()).map(ShareRecord::id);
    if let Some(invite) = invite.filter(|invite| *invite != row.id && member.made.contains(invite)) {
        let made_for = member.made_for.get(&invite).cloned().unwrap_or_default();
        member.note_made(row.id, made_for);
    }
    let share = match same {
        Some(share) => listed_again(share, row),
        None => {
            let began_after = member.gone.as_ref().map(|gone| gone.at).max(was_gone);
            ShareRecord { began_after, ..ShareRecord::new(row.clone(), now) }
        }
    };
    let is_ours = ours.is_some();
    let refused = ours.and_then(|ours| {
        member.invites_out.clear();
        member.note_made(share.id(), ours.made_for.iter().cloned());
        Some((ours.refused?, ours.made_for))
    });
    member.share = Some(share);
    if row.is_accepted() || member.plex.is_some() {
        member.username = row.username.clone();
        member.title = row.title.clone();
        let email = row.email.clone().or(member.email.clone());
        if email != member.email {
            member.bounces.clear(); // They were another address's.
            member.email_since = member.email.is_some().then_some(now);
            member.email = email;
        }
    }
    if new_row && !is_ours {
        explain_new_row(now, rules, book, &id, row, arrival);
    }
    if let (Some((to, made_for)), Some(member)) = (refused, book.members.get(&id).cloned()) {
        confirm::invited(now, rules, book, &member, &to, &made_for);
    }
    let id = match row.is_accepted() && !had_access {
        true => taken_up(now, rules, book, &id, row, arrival),
        false => id,
    };
    if let Some(member) = book.members.get(&id) {
        index.note(member);
    }
    id
}

/// What an invite of ours was made for that another account turns out to have
/// than that of the member who was invited: it is ours still. The older listing
/// has numbers of its own, and no settings.
fn made_for_another(book: &Book, index: &Index, id: &MemberId, row: &Share) -> Option<BTreeSet<MadeFor>> {
    let others = index.share(row.id).filter(|other| *other != id && row.settings.is_some());
    others.filter_map(|other| book.members.get(other)).find_map(|other| {
        let share = other.share.as_ref().filter(|share| share.row.id == row.id && !share.row.is_accepted())?;
        other.made_for.get(&share.id()).filter(|_| other.has_made_share()).cloned()
    })
}

/// A row that wasn't there before: ours, for a payer, or by hand.
fn explain_new_row(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, row: &Share, arrival: Arrival) {
    let adopting = arrival == Arrival::Adopted;
    let Some(member) = book.members.get_mut(id) else { return };
    // The very same share is back: it was never gone, and what was had stays.
    let not_by_us = member.gone.as_ref().is_some_and(|gone| !gone.by_us);
    if let Some(undo) = member.undo.as_ref().filter(|undo| not_by_us && undo.share.id == row.id) {
        let known = |grant: &&Grant| !member.grants.iter().any(|other| other.kind == grant.kind);
        let back: Vec<Grant> = undo.grants.iter().filter(known).cloned().collect();
        member.grants.extend(back);
        member.note(now, "the same share is back, with the reasons of before");
        return;
    }
    if member.has_made_share() {
        // A share that we took away, and that is there again, somebody else
        // gave. An invite can't be given twice.
        if member.gone.as_ref().is_none_or(|gone| !gone.by_us || gone.was_invite) {
            return;
        }
        member.made.remove(&row.id);
        member.made_for.remove(&row.id);
    }
    // A share made in Plex for somebody whose subscription is older than it
    // doesn't survive that subscription (RULES R1), so it is no reason.
    if !adopting && by_hand::is_for_a_subscription(now, rules, member, row) {
        member.note(now, "was shared with by hand, for their subscription");
        return;
    }
    if member.grant(GrantKind::ByHand, now).is_none() {
        let grant = by_hand::grant(now, rules, member, row);
        member.grants.push(grant);
    }
    member.note(now, if adopting { "was here before Usher" } else { "was shared with by hand" });
}

/// A share was taken up: the account is known now.
fn taken_up(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId, row: &Share, arrival: Arrival) -> MemberId {
    let mut id = id.clone();
    let unbound = book.members.get(&id).is_some_and(|member| member.plex.is_none());
    if let Some(account) = row.account.filter(|_| unbound) {
        let typed = book.members.get(&id).map(|member| codes::of(member, |mark| !member.redeemed.contains(mark)));
        id = who::bind_account(now, book, &id, account);
        codes::tell_used_twice(now, rules, book, &id, &typed.unwrap_or_default());
    }
    let Some(member) = book.members.get_mut(&id) else { return id };
    if row.account.is_some() && row.account == member.plex {
        who::prove_by_acceptance(member);
    }
    let back = member.gone.take().is_some() | member.restoring.take().is_some();
    member.forget_at = None;
    member.unfriend_at = None;
    member.idle = None;
    member.invite_refused = None;
    if back {
        member.returned = Some(now);
    }
    if arrival == Arrival::Adopted {
        return id;
    }
    member.note(now, if back { "is back: has access again" } else { "has access" });
    if back && arrival == Arrival::InACrowd {
        return id;
    }
    let how = how_they_came(member, back, now);
    let member = member.clone();
    let libraries = who::open_to(book, &member);
    let share = member.share.as_ref().map_or(row.id, ShareRecord::id);
    let occasion = format!("share-{share}-{}", joined_day(row, now));
    let downloads = row.downloads.unwrap_or(false);
    let welcome = Letter::Welcome { libraries: libraries.clone(), downloads };
    book.owe(Owed::to_member(&member, &occasion, welcome, super::life::NEWS_SHELF), rules.ways, now);
    let joined = Letter::Joined { who: member.person(), how, libraries };
    book.owe(Owed::to_operator(Some(&id), &occasion, joined), rules.ways, now);
    id
}

fn joined_day(row: &Share, now: Moment) -> chrono::NaiveDate {
    match row.state {
        ShareState::Accepted { accepted_at: Some(at) } => at.date_naive(),
        _ => now.date_naive(),
    }
}

fn how_they_came(member: &crate::ledger::Member, back: bool, now: Moment) -> String {
    let way = match member.subscriptions.values().find(|billed| billed.now.status.is_running()) {
        Some(billed) => match billed.buys() {
            Some(tiers) => format!("pays for {tiers}"),
            None => "pays".to_owned(),
        },
        None if member.grant(GrantKind::ByHand, now).is_some() => "was shared with in Plex".to_owned(),
        None if member.grants.iter().any(|grant| grant.code.is_some()) => "used a free code".to_owned(),
        None => "accepted an invite".to_owned(),
    };
    if back { format!("{way}; was here before") } else { way }
}

/// People whom the listing lacks.
fn note_absences(
    now: Moment,
    rules: &Rules,
    world: &World,
    book: &mut Book,
    present: &BTreeSet<MemberId>,
    begun: Moment,
) {
    let absent: Vec<MemberId> = book
        .members
        .values()
        .filter(|member| member.share.is_some() && !present.contains(&member.id))
        .filter(|member| world.listed.get(&member.id).is_none_or(|looked| *looked <= begun))
        .map(|member| member.id.clone())
        .collect();
    for id in absent {
        if take_away_if_ours(now, book, &id, begun) {
            continue;
        }
        let listed = book.marks.last_whole.get(&Source::Plex).copied();
        let Some(member) = book.members.get_mut(&id) else { continue };
        if member.missing_since.is_none() {
            member.listed_until = listed;
        }
        let since = *member.missing_since.get_or_insert(begun);
        let believed = begun - since >= DEPARTED_AFTER && !world.drops.contains_key(&Population::Friends);
        if believed {
            depart(now, rules, book, &id);
        }
    }
}

/// Our own removal shows its effect. True when it was ours.
fn take_away_if_ours(now: Moment, book: &mut Book, id: &MemberId, begun: Moment) -> bool {
    let row = book.members.get(id).and_then(|member| member.share.as_ref()).map(ShareRecord::id);
    let ours = book.intents.values().filter(|intent| intent.member == *id && intent.was_tried());
    let ours = ours.filter(|intent| matches!(&intent.act, Act::End { share, .. } if Some(*share) == row));
    let ours = ours.filter(|intent| !matches!(intent.state, IntentState::Attempted { at } if begun < at));
    let ours = ours.map(|intent| intent.because.clone()).next();
    let (Some(why), Some(member)) = (ours, book.members.get_mut(id)) else { return false };
    let Some(share) = member.share.take() else { return false };
    let row = share.row.clone();
    let had_access = share.row.is_accepted();
    let standing = standing_subscriptions(member, None);
    remember_what_goes(now, member, &share);
    member.grants.clear();
    member.gone = Some(Gone { at: now, by_us: true, why, standing, was_invite: !had_access, row: Some(share.row.id) });
    member.missing_since = None;
    member.idle = None;
    member.restoring = None;
    member.matched_prices.clear();
    member.matched_grants.clear();
    if had_access {
        book.explain(now, Population::Friends, format!("{id} {}", share.id()));
    }
    refusals::forget_in_way_of(book, &row);
    true
}

/// Promise 9. An invite that nobody took up gave nothing: it doesn't take the
/// place of what a removal before it took.
fn remember_what_goes(now: Moment, member: &mut Member, share: &ShareRecord) {
    let grants = member.grants.clone();
    match &mut member.undo {
        Some(undo) if undo.share.is_accepted() && !share.row.is_accepted() => {
            let new = |grant: &Grant| !undo.grants.iter().any(|kept| kept.kind == grant.kind);
            let new: Vec<Grant> = grants.into_iter().filter(new).collect();
            undo.grants.extend(new);
        }
        undo => *undo = Some(Undo { at: now, share: share.whole(), grants }),
    }
}

/// The subscriptions that stood when the share went away: one that was bought
/// after it was listed last is another reason, and calls for an invite.
fn standing_subscriptions(
    member: &crate::ledger::Member,
    listed: Option<Moment>,
) -> BTreeSet<crate::facts::SubscriptionId> {
    // One that is paused is still the same one when it is resumed.
    let stands = |billed: &Billed| {
        let stood = billed.now.status.is_running() || billed.now.status == Status::Paused;
        stood && listed.is_none_or(|listed| billed.now.created <= listed)
    };
    let standing = member.subscriptions.iter().filter(|(_, billed)| stands(billed));
    standing.map(|(id, _)| id.clone()).collect()
}

/// A share or invite went away without us: not re-made (RULES R6).
fn depart(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get_mut(id) else { return };
    let Some(share) = member.share.take() else { return };
    let accepted = share.row.is_accepted();
    let listed = member.listed_until.or(member.missing_since).max(Some(share.first_seen));
    let standing = standing_subscriptions(member, listed);
    let why = if accepted {
        "the share went away in Plex, without Usher"
    } else {
        "the invite went away in Plex, without Usher"
    };
    remember_what_goes(now, member, &share);
    member.grants.retain(|grant| grant.kind != GrantKind::ByHand);
    let pays = member.has_running_subscription();
    member.gone =
        Some(Gone { at: now, by_us: false, why: why.into(), standing, was_invite: !accepted, row: Some(share.row.id) });
    member.missing_since = None;
    member.idle = None;
    member.restoring = None;
    member.note(now, why);
    let mut how = why.to_owned();
    if pays {
        how.push_str("; they still pay, and Usher does not invite them again by itself");
    }
    let letter = Letter::Departed { who: member.person(), how };
    let occasion = format!("share-{}-{}", share.id(), now.date_naive());
    book.owe(Owed::to_operator(Some(id), occasion, letter), rules.ways, now);
    refusals::forget_in_way_of(book, &share.row);
}
