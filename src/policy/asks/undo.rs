//! `usher restore` and `usher revoke`.

use super::{Hearing, Said, of};
use crate::facts::{CancelWhen, Moment};
use crate::ledger::{Book, Grant, GrantKind, Member, Restoring, Undo};
use crate::member::MemberId;
use crate::policy::{libraries, reasons, sharing, starting, undo};

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
    member.blocked = None;
    member.cancels = None;
    member.gone = None;
    member.invite_refused = None;
    member.forget_at = None;
    member.idle = None;
    member.returned = Some(now);
    member.note(now, "you asked to restore them");
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
    let titles = libraries::titles(&book.libraries, &open).join(", ");
    let downloads = restoring.share.downloads == Some(true);
    let word = if downloads { "on" } else { "off" };
    said = said.and(format!("they get back what they had on {}: {titles}; downloads {word}", hearing.day(kept.at)));
    if lost > 0 {
        said = said.and(format!("{lost} of their libraries are no longer on the server"));
    }
    let Some(member) = book.members.get_mut(id) else { return Ok(said) };
    for grant in kept.grants.into_iter().filter(|grant| grant.stands(now)) {
        if member.grant(grant.kind, now).is_none() {
            said = said.and(format!("their reason of before stands again: {}", reasons::words(grant.kind)));
            member.grants.push(grant);
        }
    }
    member.restoring = Some(restoring);
    if reasons::standing(hearing.scene(book), of(book, id)?).reasons.is_empty() {
        let guest = Grant::new(GrantKind::Complimentary, now);
        let grant = Grant { libraries: Some(open), downloads: Some(downloads), ..guest };
        if let Some(member) = book.members.get_mut(id) {
            member.grants.push(grant);
        }
        said =
            said.and("no reason of before stands any more, so they are in as your guest (complimentary) from now on");
    }
    Ok(said)
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
