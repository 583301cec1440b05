//! What a rehearsal may hand over to the live book (promise 5, RULES R11).
//!
//! It is a list of what passes: what the operator said, and facts that were
//! read (who somebody is, what Stripe says of them, what plex.tv lists). What a
//! rehearsal only thought stays in it: a warning, a promised day, a spell, a
//! refusal, a reversal, a delivery, and whatever it wrote or would have done.
//! [`passed_on`] names every field of a member, so that a new field is a
//! decision here before anything compiles.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    follow,
    numbers::{agree, count_on},
    offers, who,
};
use crate::facts::{Moment, Source, Status, SubscriptionId};
use crate::ledger::{Billed, Book, Hold, Member, NoticeKey, Payer, Population};
use crate::limits::NOTICE_KEPT_DAYS;
use crate::member::MemberId;

/// A rehearsal that last read Stripe longer ago than this no longer says who
/// paid before Usher came.
const WATCHED_UNTIL_LATELY: TimeDelta = TimeDelta::days(7);

/// What the live book may know of somebody: facts and the operator's words as
/// the rehearsal has them (`there`), everything else as the live book has it
/// (`here`, which is empty for somebody new).
#[must_use]
pub fn passed_on(there: Member, here: Member) -> Member {
    let Member {
        id: _,
        since,
        // Who they are.
        plex,
        username,
        title,
        email,
        email_since,
        given_email,
        home,
        addresses,
        // What Stripe says, and what plex.tv lists.
        customers,
        former,
        disputed: _,
        subscriptions,
        share,
        missing_since: _,
        listed_until: _,
        made: _,
        made_for: _,
        invites_out: _,
        former_accounts: _,
        matched_prices,
        matched_grants,
        // What the operator said; `redeemed` only counts what was really used.
        strangers,
        grants,
        redeemed: _,
        blocked,
        cancels,
        ends_set: _, // Only live calls set any.
        restoring,
        // What was seen of them.
        last_play,
        unseen,
        seen_since,
        returned,
        gone,
        undo,
        // What was only thought.
        idle: _,
        unpaid: _,
        asked: _,
        invite_refused: _,
        bounces: _,
        unfriend_at: _,
        forget_at: _,
        record: _,
        forgotten: _,
        journal: _,
    } = there;
    // That a share went away without us was read. Only the live book removes.
    let went = gone.as_ref().is_some_and(|gone| !gone.by_us);
    let came_back = gone.is_none();
    Member {
        id: here.id,
        since: since.min(here.since),
        plex: plex.filter(|account| !here.former_accounts.contains(account)).or(here.plex),
        former_accounts: here.former_accounts,
        username,
        title,
        email,
        email_since,
        given_email: given_email.or(here.given_email),
        home,
        addresses: addresses.into_iter().chain(here.addresses).collect(),
        former: former.into_iter().map(|(id, payer)| (id, payer_passed_on(payer))).collect(),
        strangers,
        disputed: here.disputed,
        customers: customers.into_iter().map(|(id, payer)| (id, payer_passed_on(payer))).collect(),
        subscriptions: subscriptions_passed_on(subscriptions, here.subscriptions),
        share,
        missing_since: None,
        listed_until: None,
        made: here.made,
        made_for: here.made_for,
        invites_out: here.invites_out,
        matched_prices,
        matched_grants,
        grants,
        redeemed: here.redeemed,
        blocked,
        cancels,
        ends_set: here.ends_set,
        last_play: last_play.max(here.last_play),
        returned: returned.max(here.returned),
        // It was begun from the live book, so it holds what that had seen.
        unseen,
        seen_since,
        idle: here.idle,
        unpaid: here.unpaid,
        asked: here.asked,
        gone: if went || came_back { gone } else { here.gone },
        undo: if went { undo } else { here.undo },
        restoring,
        invite_refused: here.invite_refused,
        bounces: here.bounces,
        unfriend_at: here.unfriend_at,
        forget_at: here.forget_at,
        record: here.record,
        forgotten: here.forgotten,
        journal: here.journal,
    }
}

/// All of it was read at Stripe or plex.tv, or said by the operator.
fn payer_passed_on(there: Payer) -> Payer {
    let Payer { email, mail_to, name, since, proof, unlinked } = there;
    Payer { email, mail_to, name, since, proof, unlinked }
}

fn subscriptions_passed_on(
    there: BTreeMap<SubscriptionId, Billed>,
    mut here: BTreeMap<SubscriptionId, Billed>,
) -> BTreeMap<SubscriptionId, Billed> {
    there.into_iter().map(|(id, billed)| (id.clone(), billed_passed_on(billed, here.remove(&id)))).collect()
}

/// A subscription as Stripe states it. What its payer heard, what was promised
/// them and what we would have ended is the live book's own.
fn billed_passed_on(there: Billed, here: Option<Billed>) -> Billed {
    let Billed {
        now,
        first_seen,
        tiers,
        entitled,
        unclear,
        unpaid_from: _,
        paused_since,
        paused_paid_until,
        pause,
        ran,
        cut_off: _,
        promised_end: _,
        let_go: _,
        heard: _,
        reversed: _,
        vanished,
        adopted,
    } = there;
    let here = here.as_ref();
    let is_running = now.status.is_running();
    Billed {
        now,
        first_seen,
        tiers,
        entitled,
        unclear,
        unpaid_from: here.and_then(|here| here.unpaid_from.clone()),
        paused_since,
        paused_paid_until,
        pause,
        ran,
        cut_off: here.and_then(|here| here.cut_off),
        promised_end: here.and_then(|here| here.promised_end),
        let_go: here.and_then(|here| here.let_go).filter(|_| !is_running),
        heard: here.and_then(|here| here.heard.clone()),
        reversed: here.and_then(|here| here.reversed.clone()),
        vanished,
        adopted,
    }
}

/// Enters somebody of the rehearsal in the live book, under the number that
/// they have there; or brings up to date what is known of them. Returns the
/// live book's number of them.
pub fn enter(now: Moment, live: &mut Book, there: &Book, id: &MemberId) -> Option<MemberId> {
    let known = there.members.get(id)?;
    let by_number = live.members.get(id).filter(|member| is_same(member, known));
    let found = by_number.or_else(|| live.members.values().find(|member| is_same(member, known)));
    let found = found.map(|member| member.id.clone());
    // Two who have turned out to be one in the rehearsal.
    let is_now_this = |other: &MemberId| there.merged.get(other) == Some(id);
    let id = match found {
        Some(other) if !is_now_this(&other) => other,
        _ => new_member(now, live, id),
    };
    let merged: Vec<MemberId> = live.members.keys().filter(|other| is_now_this(other)).cloned().collect();
    for other in merged.iter().filter(|other| **other != id) {
        who::merge(now, live, other, &id, "they turned out to be one in the rehearsal");
    }
    if let Some(here) = live.members.remove(&id) {
        // Whose end was read there is not missing here (RULES R9.5).
        let ended: Vec<SubscriptionId> = known
            .subscriptions
            .values()
            .filter(|billed| has_ended(billed, &here))
            .map(|billed| billed.now.id.clone())
            .collect();
        for subscription in ended {
            live.explain(now, Population::Subscriptions, subscription.0);
        }
        live.members.insert(id.clone(), passed_on(known.clone(), here));
    }
    live.next_member = live.next_member.max(there.next_member);
    Some(id)
}

/// It runs as far as this book knows, and the rehearsal read that it doesn't.
fn has_ended(there: &Billed, here: &Member) -> bool {
    let status = &there.now.status;
    let ran = here.subscriptions.get(&there.now.id).is_some_and(|here| here.now.status.is_running());
    ran && there.vanished.is_none() && !status.is_running() && !matches!(status, Status::Unknown(_))
}

/// Under this number, unless it is somebody else's.
fn new_member(now: Moment, live: &mut Book, id: &MemberId) -> MemberId {
    let is_taken = live.members.contains_key(id) || live.merged.contains_key(id);
    let id = if is_taken { live.enter(now) } else { id.clone() };
    let mut member = Member::new(id.clone(), now);
    member.note(now, "is known from a rehearsal");
    live.members.insert(id.clone(), member);
    id
}

/// By account; by customer or address, where an account isn't known on either
/// side; by the row that both were seen with.
pub(super) fn is_same(member: &Member, known: &Member) -> bool {
    if let (Some(theirs), Some(account)) = (member.plex, known.plex) {
        return theirs == account;
    }
    let row = |of: &Member| of.share.as_ref().map(|share| share.row.id);
    known.customers.keys().any(|customer| member.customers.contains_key(customer))
        || known.subscriptions.keys().any(|subscription| member.subscriptions.contains_key(subscription))
        || (known.given_email.is_some() && known.given_email == member.given_email)
        || (row(known).is_some() && row(member) == row(known))
        || (member.id == known.id && member.since == known.since)
}

/// What is known of the house itself, where the live book knows nothing yet;
/// and from which numbers both count on.
pub fn learn_of_the_house(live: &mut Book, there: &Book) {
    // What is handed over names tiers as the rehearsal does.
    follow::like(live, &there.tiers);
    if live.libraries.known.is_empty() {
        live.libraries = there.libraries.clone();
    }
    let (here, known) = (&mut live.identities, &there.identities);
    here.plex_server = here.plex_server.take().or_else(|| known.plex_server.clone());
    here.owner = here.owner.or(known.owner);
    here.stripe_account = here.stripe_account.take().or_else(|| known.stripe_account.clone());
    here.stripe_livemode = here.stripe_livemode.or(known.stripe_livemode);
    here.tautulli_server = here.tautulli_server.take().or_else(|| known.tautulli_server.clone());
    for (entry, account) in &there.vips {
        live.vips.entry(entry.clone()).or_insert(*account);
    }
    for (customer, entitled) in &there.entitled {
        live.entitled.entry(customer.clone()).or_insert_with(|| entitled.clone());
    }
    count_on(live, there);
}

/// What the operator said to holds of the rehearsal is said in the live book.
/// `before`: the rehearsal as it stood before that.
pub fn pass_verdicts_on(now: Moment, live: &mut Book, before: &Book, after: &Book) {
    let said = after.holds.values().filter(|hold| {
        let was = before.holds.get(&hold.key).and_then(|hold| hold.verdict);
        hold.verdict.is_some() && hold.verdict != was
    });
    let said: Vec<&Hold> = said.collect();
    if said.is_empty() && before.libraries.offers == after.libraries.offers {
        return;
    }
    learn_of_the_house(live, before);
    for hold in said {
        enter(now, live, before, &hold.member);
        pass_hold_on(live, hold);
    }
    for (id, offer) in &before.libraries.offers {
        let (tier, section) = (&offer.tier, offer.section);
        let here = live.libraries.offers.iter().find(|(_, known)| known.tier == *tier && known.section == section);
        let here = here.map_or_else(|| id.clone(), |(id, _)| id.clone());
        match after.libraries.offers.get(id) {
            None => {
                live.libraries.offers.remove(&here);
                live.libraries.everything.entry(tier.clone()).or_default().insert(section);
            }
            Some(answered) if answered.rejected != offer.rejected => {
                live.libraries.offers.insert(here, answered.clone());
            }
            Some(_) => {}
        }
    }
}

fn pass_hold_on(live: &mut Book, hold: &Hold) {
    let id = match live.holds.get(&hold.key) {
        Some(known) => known.id.clone(),
        None => hold.id.clone(),
    };
    let hold = Hold { id, rehearsed: true, notice: None, ..hold.clone() };
    live.holds.insert(hold.key.clone(), hold);
}

/// The live book is taken up, and a rehearsal lies beside it. `generation`: of
/// the live book; `livemode`: of the Stripe key in use.
pub fn go_live(now: Moment, live: &mut Book, there: &Book, generation: u64, livemode: Option<bool>) {
    if !there.goes_with(Some(live), generation) {
        // A live season lies between them: only the numbers matter.
        agree(live, there);
        return;
    }
    let mut there = there.clone();
    let never_ran = has_never_run(live);
    keep_only_what_may_pass(now, live);
    if livemode.is_some() && there.identities.stripe_livemode.is_some_and(|mode| Some(mode) != livemode) {
        forget_stripe(&mut there);
        if never_ran {
            forget_stripe(live);
        }
    }
    if there.adopted.is_empty() {
        agree(live, &there);
        return;
    }
    learn_of_the_house(live, &there);
    for id in there.members.keys() {
        let is_nobody = there.members.get(id).is_none_or(is_nobody);
        if !is_nobody && (never_ran || !live.members.contains_key(id)) {
            enter(now, live, &there, id);
        }
    }
    for (from, into) in &there.merged {
        if !live.members.contains_key(from) && live.members.contains_key(into) {
            live.merged.entry(from.clone()).or_insert_with(|| into.clone());
        }
    }
    pass_hold_numbers_on(live, &there);
    if never_ran {
        live.begun = watched_until(&there, now).unwrap_or(now);
        live.blind = there.blind.clone();
        live.marks = there.marks.clone();
    }
    agree(live, &there);
}

/// Only a rehearsal has written in this live book so far.
fn has_never_run(live: &Book) -> bool {
    live.adopted.is_empty() && live.outbox.is_empty() && live.removals.is_empty()
}

/// An older version copied into the live book what a rehearsal had only
/// thought. Where the live book never ran, whatever isn't on the list is that;
/// where it did, a spell is whose letter it never owed.
fn keep_only_what_may_pass(now: Moment, live: &mut Book) {
    let never_ran = has_never_run(live);
    let outbox = &live.outbox;
    let lately = |at: Option<Moment>| at.is_some_and(|at| now - at < TimeDelta::days(NOTICE_KEPT_DAYS));
    let imagined = |notice: &NoticeKey, at: Option<Moment>| lately(at) && !outbox.contains_key(notice);
    for member in live.members.values_mut() {
        if never_ran {
            let mut here = Member::new(member.id.clone(), member.since);
            here.journal = std::mem::take(&mut member.journal);
            *member = passed_on(member.clone(), here);
            continue;
        }
        member.idle = member.idle.take().filter(|spell| !imagined(&spell.notice, spell.warned_at));
        member.asked = member.asked.take().filter(|spell| !imagined(&spell.notice, spell.told_at));
        member.unpaid.retain(|_, spell| !imagined(&spell.notice, spell.told_at));
    }
}

/// Nothing is known of them by which anybody could be recognised.
fn is_nobody(member: &Member) -> bool {
    !who::has_had_account(member)
        && member.share.is_none()
        && member.given_email.is_none()
        && member.customers.is_empty()
        && member.subscriptions.is_empty()
}

/// Who paid before Usher came is what the rehearsal says of each; whoever paid
/// after its last look pays Usher.
fn watched_until(there: &Book, now: Moment) -> Option<Moment> {
    let last = there.marks.last_whole.get(&Source::Stripe).copied();
    last.filter(|last| now - *last <= WATCHED_UNTIL_LATELY)
}

fn pass_hold_numbers_on(live: &mut Book, there: &Book) {
    for hold in there.holds.values().filter(|hold| !live.holds.contains_key(&hold.key)).cloned().collect::<Vec<_>>() {
        if hold.verdict.is_some() {
            pass_hold_on(live, &hold);
        }
        live.numbers.holds.insert(hold.key.clone(), hold.id.clone());
    }
    for (id, offer) in &there.libraries.offers {
        live.numbers.holds.entry(offers::key(&offer.tier, offer.section)).or_insert_with(|| id.clone());
    }
    for (key, id) in &there.numbers.holds {
        live.numbers.holds.entry(key.clone()).or_insert_with(|| id.clone());
    }
}

/// The rehearsal used a key of the other mode: its customers are not this
/// account's, and pay nothing here.
fn forget_stripe(book: &mut Book) {
    (book.identities.stripe_account, book.identities.stripe_livemode) = (None, None);
    book.entitled.clear();
    book.marks.last_whole.remove(&Source::Stripe);
    book.marks.populations.retain(|population, _| population.source() != Source::Stripe);
    for member in book.members.values_mut() {
        member.customers.clear();
        member.subscriptions.clear();
    }
}
