//! The operator's digest: how the house stands, in half a minute at breakfast.
//! First what there is to do, then the money, who is in, who came and went,
//! and who ends or is due next.

use std::collections::BTreeMap;

use crate::facts::{Moment, Source};
use crate::ledger::{Audience, Channel, Delivery, DigestPart, GrantKind, HeldBecause, Hold, Letter, Member, Notice};
use crate::limits::{DIGEST_LINE_CHARS_MAX, DIGEST_LINES_MAX, DIGEST_NAMES_MAX};
use crate::policy::digest::Due;
use crate::policy::foresee::{Foreseen, days_max, foresee};
use crate::policy::reasons::{ReasonKind, standing, words};
use crate::policy::{Scene, offers, pending, plan, standing_reports, two_reports};

/// A letter that fails for so long is worth a line.
const STUCK_AFTER: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// Standing conditions that have a part of their own, or ask for nothing.
const NOT_AGAIN: [&str; 6] = ["unmatched/", "unexplained/", "undeliverable", "budget", "doubled/", "problem/refused/"];

/// What it says now.
#[must_use]
pub fn digest(scene: Scene<'_>, due: &Due) -> Letter {
    let to_do = [holds(scene), outside(scene), unexplained(scene), undelivered(scene, due), still_so(scene)];
    let parts = [money(scene), Some(house(scene)), Some(comings(scene, due)), Some(next(scene, due))];
    Letter::Digest {
        day: due.day,
        people_in: scene.book.members_with_access(),
        to_do: to_do.into_iter().flatten().collect(),
        parts: parts.into_iter().flatten().collect(),
    }
}

/// As many lines as are read at breakfast.
fn part(title: impl Into<String>, mut lines: Vec<String>, see: impl Into<String>) -> DigestPart {
    let more = lines.len().saturating_sub(DIGEST_LINES_MAX);
    lines.truncate(DIGEST_LINES_MAX);
    let lines = lines.iter().map(|line| super::cut(line, DIGEST_LINE_CHARS_MAX)).collect();
    DigestPart { title: title.into(), lines, more, see: see.into() }
}

/// `None` where there is nothing to do.
fn to_do(title: &str, lines: Vec<String>, see: &str) -> Option<DigestPart> {
    (!lines.is_empty()).then(|| part(title, lines, see))
}

/// What waits for the operator's word.
fn holds(scene: Scene<'_>) -> Option<DigestPart> {
    let starts = || scene.book.starting.waits.values();
    let others = scene.book.holds.values().filter(|hold| !starts().any(|start| start.id == hold.id));
    let holds = others.chain(starts()).filter(|hold| is_open(hold));
    let holds = holds.map(|hold| format!("{}: {} ({}): {}", hold.id, hold.what, hold.member, brief(&hold.why)));
    let offers = scene.book.libraries.offers.iter().filter(|(_, offer)| offer.rejected.is_none());
    let offers = offers.map(|(id, offer)| format!("{id}: {}", offers::words(scene.book, offer)));
    let see = "`usher holds` says why each waits; `usher approve ID` lets it go on, `usher reject ID` drops it.";
    to_do("Waits for you", holds.chain(offers).collect(), see)
}

fn is_open(hold: &Hold) -> bool {
    hold.verdict.is_none()
}

/// Unmatched payers (RULES R2), and whoever else is charged without access and
/// doesn't wait for the operator's word above.
fn outside(scene: Scene<'_>) -> Option<DigestPart> {
    let line = |member: &Member, why: &str| format!("{} ({}): {why}", member.name(), member.id);
    let guest = |member: &Member| pending::refused_guest(scene.now, member);
    let why = |member: &Member| plan::unmatched(member).or_else(|| guest(member));
    let unmatched = scene.book.members.values().filter_map(|member| Some(line(member, &why(member)?)));
    let charged = two_reports::charged_without_access(scene);
    let waits = |member: &Member| scene.book.holds.values().any(|hold| is_open(hold) && hold.member == member.id);
    let charged = charged.filter(|(member, _)| plan::unmatched(member).is_none() && !waits(member));
    let lines = unmatched.chain(charged.map(|(member, why)| line(member, &why))).collect();
    let see = "`usher unmatched` lists them; `usher link ID --plex ACCOUNT` says who one is.";
    to_do("Pays and isn't in", lines, see)
}

fn unexplained(scene: Scene<'_>) -> Option<DigestPart> {
    let members = two_reports::access_without_reason(scene);
    let lines = members.map(|member| format!("{} ({})", member.name(), member.id)).collect();
    to_do("Is in without a reason", lines, "`usher why ID` shows what is known of one.")
}

/// Letters that were refused since the last digest, or don't get through.
fn undelivered(scene: Scene<'_>, due: &Due) -> Option<DigestPart> {
    let lines = scene.book.outbox.values().flat_map(|notice| {
        let failed = notice.deliveries.iter().filter_map(|(channel, delivery)| {
            let what = failure(scene, delivery, notice.created, due.since)?;
            Some(format!("{} {}: {what}", notice.letter.kind().replace('_', " "), addressee(scene, notice, *channel)))
        });
        failed.collect::<Vec<_>>()
    });
    to_do("Letters that did not arrive", lines.collect(), "Nobody is removed without a warning that was accepted.")
}

fn failure(scene: Scene<'_>, delivery: &Delivery, created: Moment, since: Moment) -> Option<String> {
    match delivery {
        Delivery::Refused { at, why } if *at > since => Some(format!("refused: {why}")),
        Delivery::Due { last_error: Some(why), .. } if scene.now - created >= STUCK_AFTER => {
            Some(format!("not sent since {}: {why}", date(scene, created)))
        }
        _ => None,
    }
}

fn addressee(scene: Scene<'_>, notice: &Notice, channel: Channel) -> String {
    match (notice.audience, channel) {
        (Audience::Operator, Channel::Mail) => "to you by mail".to_owned(),
        (Audience::Operator, Channel::Discord) => "to you on Discord".to_owned(),
        (Audience::Member, _) => {
            let member = notice.member.as_ref().and_then(|member| scene.book.members.get(member));
            format!("to {}", member.map_or_else(|| "a member".to_owned(), Member::name))
        }
    }
}

/// Sources that can't be read, tiers that can't be shared and the like: told
/// when it began, and not over.
fn still_so(scene: Scene<'_>) -> Option<DigestPart> {
    let again = |condition: &str| !NOT_AGAIN.iter().any(|prefix| condition.starts_with(prefix));
    let still = standing_reports::still_so(scene.book).filter(|(condition, ..)| again(condition));
    let lines = still.map(|(_, since, title)| format!("{title} (since {})", date(scene, since))).collect();
    to_do("Not in order", lines, "You were written to when it began, with what to do.")
}

fn money(scene: Scene<'_>) -> Option<DigestPart> {
    if !scene.rules.configured.contains(&Source::Stripe) {
        return None;
    }
    let lines = match super::money::page(scene) {
        Ok(page) => page.text.lines().map(str::to_owned).collect(),
        Err(_) => vec!["Stripe could not be read since Usher started: what comes in is not known.".to_owned()],
    };
    Some(part("Money", lines, ""))
}

/// Why people are in, each by the first of their reasons; the letter itself
/// says how many they are.
fn house(scene: Scene<'_>) -> DigestPart {
    let mut counts: BTreeMap<(usize, &'static str), usize> = BTreeMap::new();
    for member in scene.book.members.values().filter(|member| member.has_access()) {
        *counts.entry(reason(scene, member)).or_default() += 1;
    }
    let by_reason: Vec<String> = counts.iter().map(|((_, words), count)| format!("{count} {words}")).collect();
    let who = (!by_reason.is_empty()).then(|| by_reason.join(", "));
    let invites = match scene.book.members.values().filter(|member| member.is_invited()).count() {
        0 => "No invite waits to be taken up.".to_owned(),
        1 => "1 invite waits to be taken up.".to_owned(),
        many => format!("{many} invites wait to be taken up."),
    };
    part("In the house", who.into_iter().chain([invites]).collect(), "")
}

/// Why they are in, and its place in the list.
fn reason(scene: Scene<'_>, member: &Member) -> (usize, &'static str) {
    const GRANTS: [GrantKind; 5] = [
        GrantKind::Extension,
        GrantKind::Complimentary,
        GrantKind::Grandfathered,
        GrantKind::Holiday,
        GrantKind::ByHand,
    ];
    let standing = standing(scene, member);
    let has = |kind| standing.reasons.iter().any(|reason| reason.kind == kind);
    if has(ReasonKind::Paying) {
        return (0, "paying");
    }
    if has(ReasonKind::Grace) {
        return (1, "in grace");
    }
    if standing.protected.is_some() {
        return (2, "protected");
    }
    match GRANTS.iter().position(|kind| has(ReasonKind::Granted(*kind))) {
        Some(place) => (3 + place, GRANTS.get(place).map_or("", |kind| words(*kind))),
        None => (3 + GRANTS.len(), standing.word(true)),
    }
}

/// Who came and who went since the last digest, as the book knows it.
fn comings(scene: Scene<'_>, due: &Due) -> DigestPart {
    let new = |notice: &&Notice| notice.created > due.since;
    let came = scene.book.outbox.values().filter(new).filter_map(|notice| match &notice.letter {
        Letter::Joined { who, .. } => Some(who.name.clone()),
        _ => None,
    });
    let came: Vec<String> = came.collect();
    let mut lines = Vec::new();
    if !came.is_empty() {
        lines.push(format!("Came: {}", names(&came)));
    }
    lines.extend(scene.book.members.values().filter_map(|member| {
        let gone = member.gone.as_ref().filter(|gone| gone.at > due.since && member.share.is_none())?;
        let was_in = member.undo.as_ref().is_some_and(|undo| undo.share.is_accepted());
        was_in.then(|| format!("Went: {}: {}", member.name(), brief(&gone.why)))
    }));
    if lines.is_empty() {
        lines.push("Nobody came, and nobody went.".to_owned());
    }
    let see = if came.len() > DIGEST_NAMES_MAX { "`usher members` lists everybody." } else { "" };
    part(format!("Since {}", day(scene, due.since)), lines, see)
}

/// The first names, and how many more.
fn names(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(DIGEST_NAMES_MAX).map(String::as_str).collect();
    match all.len().saturating_sub(DIGEST_NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Who ends or is due until the next digest.
fn next(scene: Scene<'_>, due: &Due) -> DigestPart {
    let title = format!("Until {}", day(scene, due.next));
    if scene.world.plex.last.is_none() {
        let line = "plex.tv could not be read since Usher started: what comes can't be said.";
        return part(title, vec![line.to_owned()], "");
    }
    let days = days_max(scene.book.members.len());
    let until = due.next.min(scene.now + chrono::TimeDelta::days(days.into()));
    let asks = |coming: &Foreseen| coming.waits.as_ref().is_some_and(HeldBecause::wants_approval);
    let coming = foresee(scene, until).into_iter().filter(|coming| !asks(coming));
    let lines: Vec<String> = coming.map(|coming| foreseen(scene, &coming)).collect();
    match lines.len() {
        0 => part(title, vec!["Nothing is due.".to_owned()], ""),
        more if more > DIGEST_LINES_MAX => part(title, lines, "`usher plan` lists them all."),
        _ => part(title, lines, ""),
    }
}

fn foreseen(scene: Scene<'_>, coming: &Foreseen) -> String {
    let why = if coming.why.is_empty() { String::new() } else { format!(": {}", brief(&coming.why)) };
    let waits = coming.waits.as_ref().map_or_else(String::new, |because| format!("; waits: {}", because.sentence()));
    format!("{}: {}{why}{waits}", date(scene, coming.at), coming.what)
}

/// The first clause; `usher why` has the others.
fn brief(why: &str) -> &str {
    why.split(';').next().unwrap_or(why)
}

/// "Wed 25 Nov".
fn date(scene: Scene<'_>, at: Moment) -> String {
    scene.rules.day_of(at).format("%a %-d %b").to_string()
}

/// "Wednesday, 25 November".
fn day(scene: Scene<'_>, at: Moment) -> String {
    scene.rules.day_of(at).format("%A, %-d %B").to_string()
}
