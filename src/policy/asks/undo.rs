//! `usher restore` and `usher revoke`.

use super::{Hearing, Said, of};
use crate::facts::{CancelWhen, Moment, Status, SubscriptionId};
use crate::ledger::{Book, Grant, GrantKind, Member, Restoring, Undo};
use crate::member::MemberId;
use crate::policy::{
    libraries,
    reasons::{self, Reason},
    sharing, starting, undo,
};

/// Gives back libraries, downloads, filters and reasons as the last removal
/// found them, and starts a new spell.
pub(super) fn restore(hearing: Hearing<'_>, book: &mut Book, id: &MemberId) -> Result<Said, String> {
    let member = of(book, id)?;
    let (name, now) = (member.name(), hearing.now);
    if sharing::is_of_the_house(hearing.scene(book), member) {
        return Err(format!("{name} belongs to your Plex Home and needs no share"));
    }
    let was_blocked = member.blocked.is_some();
    let here = member.share.is_some();
    if here && !was_blocked {
        let has = if member.has_access() { "has access" } else { "has an invite" };
        return Err(format!("{name} {has}; there is nothing to give back. `usher why {id}` shows how they stand"));
    }
    if member.restoring.is_some() && !was_blocked {
        return Ok(Said::about(id, format!("{name} is being restored already")));
    }
    let kept = member.undo.clone().filter(|_| !here);
    if let Some(member) = book.members.get_mut(id) {
        take_back_the_word(now, member);
    }
    let mut said = Said::about(id, format!("{name} is restored"));
    if was_blocked {
        said = said.and("the revocation is taken back");
    }
    said = about_ends(hearing, of(book, id)?, said);
    if here {
        return Ok(said);
    }
    match kept {
        Some(kept) => give_back(hearing, book, id, kept, said),
        None if reasons::standing(hearing.scene(book), of(book, id)?).is_in() => {
            Ok(said.and("nothing was kept of them, so they get what their reasons give"))
        }
        None if was_blocked => Ok(said.and("they had no access before, so none is given back")),
        None => Err(format!("nothing was ever taken from {name}; `usher invite {id} --tier …` lets them in")),
    }
}

/// What stood in the way of an invite is over.
fn take_back_the_word(now: Moment, member: &mut Member) {
    member.ends_set.extend(set_by_an_older_version(member));
    member.blocked = None;
    member.cancels = None;
    member.gone = None;
    member.invite_refused = None;
    member.forget_at = None;
    member.idle = None;
    member.returned = Some(now);
    member.note(now, "you asked to restore them");
}

/// Older versions wrote only into the journal that the end was theirs.
fn set_by_an_older_version(member: &Member) -> Vec<SubscriptionId> {
    let Some(blocked) = member.blocked.filter(|_| member.cancels == Some(CancelWhen::PeriodEnd)) else {
        return Vec::new();
    };
    let noted = |id: &&SubscriptionId| {
        let words = format!("{id} set to end with the paid period at Stripe");
        member.journal.iter().any(|entry| entry.at >= blocked && entry.what.starts_with(&words))
    };
    member.subscriptions.keys().filter(noted).cloned().collect()
}

/// What becomes of the ends that are set at Stripe.
fn about_ends(hearing: Hearing<'_>, member: &Member, mut said: Said) -> Said {
    for billed in undo::charging(member) {
        let Some(end) = billed.now.scheduled_end() else { continue };
        let (id, day) = (&billed.now.id, hearing.rules.day_of(end));
        said = said.and(match member.ends_set.contains(id) {
            true => format!("{id} was set by the revocation to end on {day}; that is taken back at Stripe"),
            false => format!("{id} ends on {day} at Stripe, which Usher did not set: that stays"),
        });
    }
    said
}

fn give_back(hearing: Hearing<'_>, book: &mut Book, id: &MemberId, kept: Undo, mut said: Said) -> Result<Said, String> {
    let now = hearing.now;
    let restoring = Restoring { since: now, share: kept.share };
    let had = restoring.share.libraries(&book.libraries.known);
    let open = undo::sections(hearing.scene(book), &restoring);
    let lost = had.len() - open.len();
    if open.is_empty() {
        return Err("none of the libraries that they had is on the server any more; `usher invite` names a tier".into());
    }
    let downloads = restoring.share.downloads == Some(true);
    let Some(member) = book.members.get_mut(id) else { return Ok(said) };
    let mut again = Vec::new();
    for grant in kept.grants.into_iter().filter(|grant| grant.stands(now)) {
        if member.grant(grant.kind, now).is_none() {
            again.push(format!("their reason of before stands again: {}", reasons::words(grant.kind)));
            member.grants.push(grant);
        }
    }
    member.restoring = Some(restoring.clone());
    let member = of(book, id)?;
    let standing = reasons::standing(hearing.scene(book), member);
    if standing.reasons.iter().all(|reason| is_ending(member, reason)) {
        let (mut libraries, mut loads) = (open.clone(), downloads);
        if !standing.reasons.is_empty() {
            let given = undo::given_back(hearing.scene(book), member, &standing, &restoring);
            (libraries, loads) = (given.sections, given.downloads);
        }
        let guest = Grant::new(GrantKind::Complimentary, now);
        let grant = Grant { libraries: Some(libraries), downloads: Some(loads), ..guest };
        if let Some(member) = book.members.get_mut(id) {
            member.grants.push(grant);
        }
        again.push(
            "no reason of before stands any more, so they are in as your guest (complimentary) from now on".into(),
        );
    }
    let member = of(book, id)?;
    let standing = reasons::standing(hearing.scene(book), member);
    let given = undo::given_back(hearing.scene(book), member, &standing, &restoring);
    let titles = |sections| libraries::titles(&book.libraries, sections).join(", ");
    let word = if given.downloads { "on" } else { "off" };
    let day = hearing.day(kept.at);
    let what = match given.sections.is_disjoint(&open) {
        true => "they get what their reasons give now".to_owned(),
        false => format!("they get back what they had on {day}"),
    };
    said = said.and(format!("{what}: {}; downloads {word}", titles(&given.sections)));
    if lost > 0 {
        said = said.and(format!("{lost} of their libraries are no longer on the server"));
    }
    let less = open.difference(&given.sections).copied().collect();
    let less: Vec<String> = Some(titles(&less)).filter(|titles| !titles.is_empty()).into_iter().collect();
    let less: Vec<String> =
        less.into_iter().chain((downloads && !given.downloads).then(|| "downloads".into())).collect();
    if !less.is_empty() {
        said = said.and(format!("they had {} as well, which nothing that stands gives them now", less.join(" and ")));
    }
    // Should they get less later on for the same prices, you are asked first.
    let prices = sharing::prices(member, &standing);
    if let Some(member) = book.members.get_mut(id).filter(|_| !prices.is_empty()) {
        member.matched_prices = prices;
    }
    Ok(again.into_iter().fold(said, Said::and))
}

/// Of a subscription that has ended, and only settles: what it gave would be
/// taken away again within a day, unsaid.
fn is_ending(member: &Member, reason: &Reason) -> bool {
    let billed = reason.subscription.as_ref().and_then(|id| member.subscriptions.get(id));
    billed.is_some_and(|billed| billed.now.status == Status::Canceled)
}

/// Out, whatever else stands. Who is charged at Stripe is cancelled there
/// first, or it is refused (RULES R4).
pub(super) fn revoke(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    cancel: Option<CancelWhen>,
) -> Result<Said, String> {
    let member = of(book, id)?;
    let name = member.name();
    if let Some(why) = reasons::protected(hearing.scene(book), member) {
        return Err(format!("{name} is protected ({why}) and is never removed; take them out of there first"));
    }
    let charging: Vec<String> = undo::charging(member).map(|billed| billed.now.id.to_string()).collect();
    let charged = charging.join(", ");
    let end = undo::charging(member).filter_map(|billed| billed.now.scheduled_end().or(billed.now.period_end())).max();
    if !charging.is_empty() && cancel.is_none() {
        return Err(format!(
            "Stripe still charges {name} ({charged}). Say `usher revoke {id} --cancel now` or `--cancel period-end`"
        ));
    }
    let cancels = cancel.filter(|_| !charging.is_empty());
    if member.blocked.is_some() && member.cancels == cancels {
        let waited = starting::let_go(book, id);
        let said = Said::about(id, format!("{name} is revoked already"));
        return Ok(if waited { said.and("it waited for you since the start, and goes on now") } else { said });
    }
    let mut said = Said::about(id, format!("{name} is revoked: out, whatever else stands"));
    match cancels {
        Some(CancelWhen::Now) => said = said.and(format!("{charged} is cancelled at Stripe first")),
        Some(CancelWhen::PeriodEnd) => {
            let day = end.map_or_else(|| "with the paid period".to_owned(), |end| format!("on {}", hearing.day(end)));
            said = said.and(format!("{charged} is set to end at Stripe; access ends {day}, when Stripe says it did"));
        }
        None => {}
    }
    let now = hearing.now;
    if let Some(member) = book.members.get_mut(id) {
        member.blocked.get_or_insert(now);
        member.cancels = cancels;
        member.restoring = None;
        member.note(now, "you revoked their access");
    }
    Ok(said.and(format!("`usher restore {id}` takes it back")))
}
