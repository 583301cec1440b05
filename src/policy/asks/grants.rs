//! Grants: `grandfather`, `invite`, `extend`, `pause` (RULES R1).

use chrono::{NaiveDate, TimeDelta};

use super::{Endless, Hearing, Said, Stay, is_on_the_way_out, not_on_the_way_out, of, undo};
use crate::facts::{Email, Moment};
use crate::ledger::{Billed, Book, Grant, GrantKind, Meant, Member};
use crate::member::MemberId;
use crate::policy::reasons::{self, ReasonKind, Standing};
use crate::policy::{Scene, libraries, sharing, who};

/// In for good, with the share as it stands. Once is enough.
pub(super) fn grandfather(hearing: Hearing<'_>, book: &mut Book, id: &MemberId) -> Result<Said, String> {
    let member = of(book, id)?;
    let name = member.name();
    if member.blocked.is_some() {
        return Err(format!("{name} is revoked; `usher restore {id}` takes that back first"));
    }
    if member.grant(GrantKind::Grandfathered, hearing.now).is_some() {
        return Ok(Said::about(id, format!("{name} is grandfathered already")));
    }
    let Some(share) = &member.share else {
        let mend = if member.undo.is_some() { "usher restore" } else { "usher invite" };
        return Err(format!("{name} has no share that could stay as it is; `{mend} {id}` lets them in first"));
    };
    // All libraries stay all; else what they have now, whatever a later
    // subscription adds.
    let libraries = (!share.row.all_libraries).then(|| share.row.sections.clone());
    let (downloads, had) = (share.row.downloads, share.row.libraries(&book.libraries.known));
    let titles = libraries::titles(&book.libraries, &had).join(", ");
    if let Some(member) = book.members.get_mut(id) {
        let grant = Grant::new(GrantKind::Grandfathered, hearing.now);
        member.grants.push(Grant { libraries, downloads, ..grant });
        member.note(hearing.now, "you grandfathered them");
    }
    Ok(Said::about(id, format!("{name} is grandfathered: in for good, with {titles}")))
}

/// Everybody who is in for nothing and without an end. Whoever else would stay
/// for nothing ever after is left out, and may be named one by one.
pub(super) fn grandfather_everyone(hearing: Hearing<'_>, book: &mut Book) -> Result<Said, String> {
    let scene = hearing.scene(book);
    let (mut everyone, mut paying, mut ending, mut unclear) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let may_pay = who::may_pay(scene);
    for member in book.members.values().filter(|member| member.has_access() && member.blocked.is_none()) {
        let standing = reasons::standing(scene, member);
        let is_already = member.grant(GrantKind::Grandfathered, hearing.now).is_some();
        if standing.protected.is_some() || is_already || is_on_the_way_out(hearing, book, &member.id) {
            continue;
        }
        let line = |why: String| format!("{} ({}): {why}", member.name(), member.id);
        match (pays(member), ends_one_day(hearing, member, &standing)) {
            (Some(why), _) => paying.push(line(why)),
            (None, Some(why)) => ending.push(line(why)),
            (None, None) => match may_pay.get(&member.id) {
                Some(doubt) => unclear.push(line(doubt.in_words())),
                None => everyone.push(member.id.clone()),
            },
        }
    }
    let mut said = Said::default();
    for id in everyone {
        let one = grandfather(hearing, book, &id)?;
        said.lines.extend(one.lines);
        said.about.extend(one.about);
    }
    if said.lines.is_empty() {
        said.lines.push("nobody is left to grandfather".into());
    }
    let left_out = [
        (paying, "who pay are left out: grandfathered, they would stay without paying"),
        (unclear, "who may be somebody who pays are left out: say first who they are"),
        (ending, "whose access has an end are left out: grandfathered, they would stay for good"),
    ];
    for (them, why) in left_out.into_iter().filter(|(them, _)| !them.is_empty()) {
        said.lines.push(format!("{} {why}: {}", them.len(), them.join("; ")));
    }
    Ok(said)
}

/// Something at Stripe runs, whatever a tier says of it.
fn pays(member: &Member) -> Option<String> {
    let runs = |billed: &&Billed| billed.now.status.is_running() || billed.vanished.is_some();
    let billed = member.subscriptions.values().find(runs)?;
    Some(format!("{} is {}", billed.now.id, billed.now.status.word()))
}

/// What they have ends one day, or has ended. A holiday ends as well, but what
/// they have beside it doesn't.
fn ends_one_day(hearing: Hearing<'_>, member: &Member, standing: &Standing) -> Option<String> {
    let ends = |grant: &&Grant| grant.kind != GrantKind::Holiday && grant.until.is_some();
    let standing_grants = || member.grants.iter().filter(|grant| grant.stands(hearing.now));
    if let Some((grant, until)) = standing_grants().find(ends).and_then(|grant| Some((grant, grant.until?))) {
        return Some(format!("{}{}", reasons::words(grant.kind), until_words(hearing, Some(until))));
    }
    if standing_grants().any(|grant| grant.until.is_none()) {
        return None;
    }
    let lapsed = standing.ended.last().map(|(id, _)| format!("{id} has ended"));
    let over = || standing.over.last().map(|(kind, _)| format!("{} is over", reasons::words(*kind)));
    let unknown = || standing.unknown.first().cloned();
    lapsed.or_else(over).or_else(unknown)
}

/// In as a guest, with a tier's libraries, perhaps for so many days.
pub(super) fn invite(
    hearing: Hearing<'_>,
    book: &mut Book,
    whom: &str,
    tier: &str,
    days: Option<Stay>,
) -> Result<Said, String> {
    let tier = hearing.rules.tiers.meant(tier)?;
    libraries::resolve(&book.libraries, tier)?;
    let id = someone(hearing, book, whom)?;
    not_on_the_way_out(hearing, book, &id)?;
    let member = of(book, &id)?;
    let name = member.name();
    if sharing::is_of_the_house(hearing.scene(book), member) {
        return Err(format!("{name} belongs to your Plex Home and needs no invite"));
    }
    if member.blocked.is_some() {
        return Err(format!("{name} is revoked; `usher restore {id}` takes that back first"));
    }
    let now = hearing.now;
    let here = member.share.is_some();
    let before = member.grant(GrantKind::Complimentary, now).cloned();
    // Without a word about days, an end that they have stays, also one that a
    // code's days will set when they come in.
    let (until, code) = match days {
        Some(Stay::Days(days)) => (Some(end_after(hearing, days)), None),
        Some(Stay::Word(Endless::Never)) => (None, None),
        None => before.clone().map_or((None, None), |grant| (grant.until, grant.code)),
    };
    if let Some(member) = book.members.get_mut(&id) {
        let is_same =
            |grant: &Grant| (grant.until, &grant.code) == (until, &code) && grant.tier.as_ref() == Some(&tier.name);
        let is_same = before.as_ref().is_some_and(is_same);
        if is_same && (here || member.gone.is_none()) {
            return Ok(Said::about(&id, format!("{name} is your guest in {} already", tier.name)));
        }
        member.grants.retain(|grant| grant.kind != GrantKind::Complimentary);
        let grant = Grant::new(GrantKind::Complimentary, now);
        member.grants.push(Grant { tier: Some(tier.name.clone()), until, code, ..grant });
        if !here {
            member.returned = member.gone.take().map(|_| now).or(member.returned);
            member.invite_refused = None;
        }
        member.note(now, format!("you gave them {}{}", tier.name, until_words(hearing, until)));
    }
    let what = if here { "has" } else { "is invited to" };
    let line = format!("{name} {what} {}, as your guest{}", tier.name, until_words(hearing, until));
    let had_end = before.and_then(|grant| grant.until).filter(|end| until.is_none_or(|until| until < *end));
    let changed = had_end.map(|end| format!("before, it was until the end of {}", hearing.day(end)));
    let kept = (days.is_none() && until.is_some()).then_some("their end stays as it was; --days never takes it away");
    let said = Said::about(&id, line);
    Ok(changed.or(kept.map(str::to_owned)).into_iter().fold(said, Said::and))
}

fn end_after(hearing: Hearing<'_>, days: u32) -> Moment {
    hearing.rules.end_of_day(hearing.rules.day_of(hearing.now + TimeDelta::days(days.into())))
}

fn until_words(hearing: Hearing<'_>, until: Option<Moment>) -> String {
    until.map_or_else(String::new, |until| format!(" until the end of {}", hearing.day(until)))
}

/// Somebody in the book, or a new address.
fn someone(hearing: Hearing<'_>, book: &mut Book, whom: &str) -> Result<MemberId, String> {
    match who::find(book, whom) {
        Ok(member) => return Ok(member.id.clone()),
        Err(several) if who::is_known(book, whom) => return Err(several),
        Err(_) => {}
    }
    let Some(email) = Email::parse(whom) else {
        return Err(format!("nobody in the book is {whom:?}; somebody new is invited by their email"));
    };
    if who::is_relay(&email) {
        return Err(format!("{email} is a relay address; ask for the address of their Plex account"));
    }
    if sharing::is_home_address(hearing.scene(book), &email) {
        return Err(format!("{email} is your own address, or that of somebody in your Plex Home, who needs no invite"));
    }
    let id = book.enter_known(hearing.now, &Meant::at(Some(email.clone())));
    if let Some(member) = book.members.get_mut(&id) {
        member.given_email = Some(email);
    }
    Ok(id)
}

/// So many days more than the last end.
pub(super) fn extend(hearing: Hearing<'_>, book: &mut Book, id: &MemberId, days: u32) -> Result<Said, String> {
    let member = of(book, id)?;
    let (name, now) = (member.name(), hearing.now);
    if member.blocked.is_some() {
        return Err(format!("{name} is revoked; `usher restore {id}` takes that back first"));
    }
    let standing = reasons::standing(hearing.scene(book), member);
    if let Some(endless) = standing.reasons.iter().find(|reason| is_endless(reason.kind, reason.until)) {
        let what = &endless.what;
        return Err(format!("nothing of {name}'s ends ({what}); `usher pause` stops the clock of who doesn't watch"));
    }
    let days_more = TimeDelta::days(days.into());
    let last = last_end(hearing.scene(book), member, &standing).filter(|last| *last + days_more > now);
    let until = hearing.rules.end_of_day(hearing.rules.day_of(last.unwrap_or(now) - TimeDelta::seconds(1) + days_more));
    let here = member.share.is_some();
    let kept = member.undo.as_ref().map(|kept| (kept.share.libraries(&book.libraries.known), kept.share.downloads));
    if !here && kept.is_none() {
        return Err(format!("{name} never had access; `usher invite {id} --tier …` lets them in"));
    }
    let (libraries, downloads) = kept.filter(|_| !here).unzip();
    if let Some(member) = book.members.get_mut(id) {
        member.grants.retain(|grant| grant.kind != GrantKind::Extension);
        let grant = Grant::new(GrantKind::Extension, now);
        member.grants.push(Grant { until: Some(until), libraries, downloads: downloads.flatten(), ..grant });
        member.note(now, format!("you extended their access by {days} days{}", until_words(hearing, Some(until))));
    }
    let since = last.map_or_else(|| "from today".to_owned(), |last| format!("from {}", hearing.day(last)));
    let line = format!("{name} is extended by {days} days {since}{}", until_words(hearing, Some(until)));
    let said = Said::about(id, line);
    if here {
        return Ok(said);
    }
    let restored = undo::restore(hearing, book, id)?;
    Ok(Said { lines: said.lines.into_iter().chain(restored.lines).collect(), about: said.about })
}

fn is_endless(kind: ReasonKind, until: Option<Moment>) -> bool {
    matches!(kind, ReasonKind::Granted(_)) && until.is_none()
}

/// The last of all their ends, past or to come; for who pays on, that of the
/// paid period. A period that isn't paid gives none: its grace ends sooner.
fn last_end(scene: Scene<'_>, member: &Member, standing: &Standing) -> Option<Moment> {
    let is_paid = |billed: &&Billed| billed.now.status.is_running() && !billed.now.status.is_failing();
    let paid = member.subscriptions.values().filter(is_paid);
    let paid = paid.filter_map(|billed| billed.now.scheduled_end().or(billed.now.period_end()));
    let ended = standing.ended.iter().map(|(_, ended)| ended.ended);
    let over = standing.over.iter().map(|(_, over)| *over);
    let reasons = standing.reasons.iter().filter_map(|reason| reason.until);
    // An end long before this one's access began says nothing.
    let joined = member.joined().filter(|joined| *joined <= scene.now);
    let ends = paid.chain(ended).chain(over).chain(reasons);
    ends.filter(|end| joined.is_none_or(|joined| *end >= joined)).max()
}

/// A holiday until the end of that day: every clock stands still.
pub(super) fn pause(
    hearing: Hearing<'_>,
    book: &mut Book,
    id: &MemberId,
    until: NaiveDate,
    note: &str,
) -> Result<Said, String> {
    let member = of(book, id)?;
    let (name, now) = (member.name(), hearing.now);
    if until < hearing.rules.day_of(now) {
        return Err(format!("{until} is over; say a day to come"));
    }
    if note.trim().is_empty() {
        return Err("say why, for later: --note …".into());
    }
    if member.is_invited() {
        return Err(format!("{name} has not taken up their invite; a holiday begins with access"));
    }
    if !member.has_access() {
        return Err(format!("{name} has no access that could be kept; `usher restore {id}` gives back what they had"));
    }
    if member.blocked.is_some() {
        return Err(format!("{name} is revoked; `usher restore {id}` takes that back first"));
    }
    let end = hearing.rules.end_of_day(until);
    if let Some(member) = book.members.get_mut(id) {
        let note = note.trim().to_owned();
        let standing = member.grants.iter_mut().find(|grant| grant.kind == GrantKind::Holiday && grant.stands(now));
        match standing {
            Some(holiday) => (holiday.until, holiday.note) = (Some(end), Some(note.clone())),
            None => {
                let grant = Grant::new(GrantKind::Holiday, now);
                member.grants.push(Grant { until: Some(end), note: Some(note.clone()), ..grant });
            }
        }
        member.note(now, format!("you paused them until the end of {until}: {note}"));
    }
    let line = format!("{name} is on holiday until the end of {until}; no clock of theirs runs meanwhile");
    Ok(Said::about(id, line))
}
