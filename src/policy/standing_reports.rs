//! Standing conditions: told when they begin and when they end, not on every
//! pass (LESSONS G37).

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Rules, Scene, World, brake, decide::Waiting, inactivity, life, plan::Problem, undo};
use crate::facts::{Email, FailureKind, Moment, Source};
use crate::ledger::{Billed, Book, HeldBecause, Intent, IntentState, Letter, Member, NoticeKey, Owed};
use crate::member::MemberId;

/// Problems of the plan: told once each while they last.
pub fn tell_problems(now: Moment, rules: &Rules, book: &mut Book, problems: &[Problem]) {
    let standing: BTreeSet<String> = problems.iter().map(|problem| format!("problem/{}", problem.key)).collect();
    book.untell_others("problem/", |key| standing.contains(key));
    for problem in problems {
        attention(
            now,
            rules,
            book,
            &format!("problem/{}", problem.key),
            &problem.title,
            &problem.detail,
            &problem.what_to_do,
        );
    }
}

pub(super) fn attention(
    now: Moment,
    rules: &Rules,
    book: &mut Book,
    condition: &str,
    title: &str,
    detail: &str,
    what_to_do: &str,
) {
    if !book.tell(condition, now) {
        return;
    }
    let letter =
        Letter::Attention { title: title.to_owned(), detail: detail.to_owned(), what_to_do: what_to_do.to_owned() };
    book.owe(Owed::to_operator(None, occasion(condition, now), letter), rules.ways, now);
}

/// What the operator was told of and is still so: under which condition, since
/// when, in which words. As told by [`attention`] and [`tell_sources`].
pub fn still_so(book: &Book) -> impl Iterator<Item = (&str, Moment, String)> {
    book.told.iter().filter_map(|(condition, since)| {
        let title = match condition.strip_prefix("down/") {
            Some(source) => format!("{source} can't be read"),
            None => {
                let key = NoticeKey(format!("house/attention/{}/operator", occasion(condition, *since)));
                match &book.outbox.get(&key)?.letter {
                    Letter::Attention { title, .. } => title.clone(),
                    _ => return None,
                }
            }
        };
        Some((condition.as_str(), *since, title))
    })
}

/// A condition that ends and begins again is told again.
fn occasion(condition: &str, since: Moment) -> String {
    format!("{condition}/{}", since.timestamp())
}

/// Sources that can't be read, that are somebody else's, or far emptier than lately.
pub fn tell_sources(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    for source in rules.configured.clone() {
        tell_outage(now, rules, world, book, source);
        let failure = brake::identity_failure(Scene { now, rules, book, world }, source);
        let condition = format!("identity/{source}");
        match failure {
            Some(why) => attention(
                now,
                rules,
                book,
                &condition,
                &format!("{source} is not the one in the book"),
                &why,
                "Until then nobody is invited, warned or removed because of it.",
            ),
            None => drop(book.untell(&condition)),
        }
    }
    tell_drops(now, rules, world, book);
    tell_blindness(now, rules, world, book);
    match &world.only_look {
        Some(why) => attention(
            now,
            rules,
            book,
            "only-look",
            "The book is not to be trusted yet: Usher only looks",
            &format!("{why}{}", forgotten(&world.forgotten)),
            "When you have checked that nothing is missing: `usher accept state`.",
        ),
        None => drop(book.untell("only-look")),
    }
    tell_refused_token(now, rules, world, book);
    tell_undeliverable(now, rules, book);
}

/// The end of what an old book has forgotten.
fn forgotten(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let before = lines.len().saturating_sub(FORGOTTEN_SHOWN);
    let shown: Vec<&str> = lines.iter().skip(before).map(String::as_str).collect();
    let before = match before {
        0 => String::new(),
        more => format!(" (and {more} or more before; history.jsonl has them all)"),
    };
    format!(" What it has forgotten{before}: {}.", shown.join("; "))
}

/// An act was refused our token or key, though readings may still be answered.
fn tell_refused_token(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    for source in Source::ALL {
        let condition = format!("token/{source}");
        let refused = world.stalled.get(&source).is_some_and(|stalled| stalled.refuses_us.is_some());
        match world.refuses_acts(source) {
            Some(why) => {
                let title = format!("{source} no longer accepts Usher's {}", key_of(source));
                let detail = format!("{why}. Nothing is changed there until then.");
                attention(now, rules, book, &condition, &title, &detail, mend(source, FailureKind::Unauthorized));
            }
            None if refused => {}
            None => drop(book.untell(&condition)),
        }
    }
}

fn key_of(source: Source) -> &'static str {
    match source {
        Source::Plex => "PLEX_TOKEN",
        Source::Stripe => "STRIPE_SECRET_KEY",
        Source::Tautulli => "TAUTULLI_API_KEY",
    }
}

fn tell_outage(now: Moment, rules: &Rules, world: &World, book: &mut Book, source: Source) {
    let state = world.state(source);
    let condition = format!("down/{source}");
    if let Some(error) = state.last_error.as_ref().filter(|_| world.is_down(now, rules, source)) {
        let since = state.failing_since.unwrap_or(now);
        if book.tell_since(&condition, since, now) {
            let what_to_do = mend(source, error.kind).to_owned();
            let letter = Letter::SourceDown { source: source.to_string(), since, why: error.why.clone(), what_to_do };
            book.owe(Owed::to_operator(None, format!("{source}-{}", since.timestamp()), letter), rules.ways, now);
        }
        return;
    }
    if state.failures == 0
        && state.wholes > 0
        && let Some(since) = book.untell(&condition)
    {
        let down_for = words_for(now - since);
        let letter = Letter::SourceRecovered { source: source.to_string(), since, down_for };
        book.owe(Owed::to_operator(None, format!("{source}-{}", since.timestamp()), letter), rules.ways, now);
    }
}

/// What the operator can do about a failure.
#[must_use]
pub fn mend(source: Source, kind: FailureKind) -> &'static str {
    match (source, kind) {
        (Source::Plex, FailureKind::Unauthorized) => {
            "Sign in again for a new PLEX_TOKEN (they end when you sign out all devices, when you change the password, and some after seven days) and restart Usher."
        }
        (Source::Plex, FailureKind::Gone) => "plex.tv has changed; look for a newer Usher.",
        (Source::Stripe, FailureKind::Unauthorized) => "Put a valid STRIPE_SECRET_KEY in the stack and restart Usher.",
        (Source::Stripe, FailureKind::Forbidden) => "Give the restricted Stripe key the missing read right.",
        (Source::Tautulli, FailureKind::Unauthorized) => {
            "Copy the API key from Tautulli's settings into TAUTULLI_API_KEY and restart Usher."
        }
        (Source::Tautulli, FailureKind::Nonsense | FailureKind::Partial) => {
            "Look at Tautulli's own log; its database may be damaged or locked."
        }
        (Source::Tautulli, _) => "Is Tautulli running, and TAUTULLI_URL right? Nobody is warned or removed meanwhile.",
        _ => "Nothing, if it passes. Nobody is removed because of it.",
    }
}

/// A span in words.
#[must_use]
pub fn words_for(span: TimeDelta) -> String {
    let (days, hours, minutes) = (span.num_days(), span.num_hours(), span.num_minutes());
    match (days, hours, minutes) {
        (2.., ..) => format!("{days} days"),
        (_, 2.., _) => format!("{hours} hours"),
        (_, _, 2..) => format!("{minutes} minutes"),
        _ => format!("{} seconds", span.num_seconds().max(0)),
    }
}

/// One message a source: an emptied Tautulli has fewer people with history
/// and fewer plays, and that is one thing to look at.
fn tell_drops(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let standing: BTreeSet<String> =
        world.drops.keys().map(|population| format!("drop/{}", population.source())).collect();
    book.untell_others("drop/", |key| standing.contains(key));
    for condition in standing {
        let of_it =
            || world.drops.iter().filter(|(population, _)| condition == format!("drop/{}", population.source()));
        let words: Vec<&str> = of_it().map(|(population, _)| population.words()).collect();
        let details: Vec<String> = of_it().map(|(population, drop)| brake::drop_words(*population, drop)).collect();
        let title = format!("Far fewer {} than lately", words.join(" and "));
        let mend = "Nobody is removed, warned or narrowed because of it. Look at the service itself before you accept anything.";
        attention(now, rules, book, &condition, &title, &details.join(". "), mend);
    }
}

/// Tautulli answers, but plays are not being recorded.
fn tell_blindness(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let interval = rules.intervals.get(&Source::Tautulli).copied().unwrap_or(TimeDelta::minutes(30));
    let is_cut_off = world.tautulli.value().is_some_and(inactivity::is_cut_off);
    match book.blind.since().filter(|_| world.tautulli.failures == 0 && is_cut_off) {
        Some(since) if now - since >= interval * 2 => attention(
            now,
            rules,
            book,
            "blind",
            "Tautulli is cut off from Plex",
            "It records no plays. This time counts for nobody: until it is connected again, nobody is warned or removed for not watching.",
            "Is Plex running? See in Tautulli's settings, under Plex Media Server, whether it reaches it.",
        ),
        Some(_) => {}
        None => drop(book.untell("blind")),
    }
}

fn tell_undeliverable(now: Moment, rules: &Rules, book: &mut Book) {
    let stuck = book.undeliverable_for_long(now).len();
    if stuck == 0 {
        book.untell("undeliverable");
        return;
    }
    attention(
        now,
        rules,
        book,
        "undeliverable",
        &format!("{stuck} letters could not be sent for 7 days"),
        "They are kept and tried again. Nobody is removed without a warning that was accepted.",
        "Check SMTP_HOST, SMTP_USERNAME and SMTP_PASSWORD, and the log.",
    );
}

/// Removals that wait for another day are told once while any does.
pub fn tell_budget(now: Moment, rules: &Rules, book: &mut Book, waiting: &[Waiting]) {
    let queued: Vec<&Waiting> =
        waiting.iter().filter(|waiting| matches!(waiting.because, HeldBecause::Budget { .. })).collect();
    let Some(first) = queued.first() else {
        book.untell("budget");
        return;
    };
    let title = format!("{} removals wait for another day", queued.len());
    let mend = "Nothing, if it is right; `usher holds` lists them, and a play or a payment ends each.";
    attention(now, rules, book, "budget", &title, &format!("{}.", first.because.sentence()), mend);
}

/// So many lines of what was forgotten fit into a letter that is still read.
const FORGOTTEN_SHOWN: usize = 40;

/// Calls that have failed this often are told.
const TRIES_TOLD: u32 = 3;

fn stuck(intent: &Intent) -> String {
    format!("stuck/{}", intent.key.0)
}

/// What is forbidden, or not found, is tried again after a day (RULES R6).
fn when(intent: &Intent) -> &'static str {
    if intent.hindered.denied { "after a day" } else { "at growing distances" }
}

/// Actions that fail again and again.
pub fn tell_stuck(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    // A token that is refused was told of by itself.
    let refused = |intent: &&Intent| world.stalled.get(&intent.service()).is_some_and(|s| s.refuses_us.is_some());
    // While it is tried once more, it is as it was.
    let told = |intent: &Intent| book.told.contains_key(&stuck(intent));
    let under_way = |intent: &Intent| matches!(intent.state, IntentState::Attempted { .. }) && told(intent);
    let is_stuck = |intent: &&Intent| intent.tries >= TRIES_TOLD || intent.hindered.denied || under_way(intent);
    let all = book.intents.values().filter(is_stuck).filter(|intent| !refused(intent));
    let found: Vec<(String, String, String, &str)> = all
        .map(|intent| {
            let name = book.members.get(&intent.member).map_or_else(|| intent.member.to_string(), Member::name);
            let why = intent.last_error.clone().unwrap_or_else(|| "a listing never showed the effect".into());
            let often = match intent.tries.min(TRIES_TOLD) {
                1 => "once".to_owned(),
                tries => format!("{tries} times"),
            };
            (stuck(intent), format!("Tried {often} for {name}, in vain"), why, when(intent))
        })
        .collect();
    let standing: BTreeSet<String> = found.iter().map(|(condition, ..)| condition.clone()).collect();
    book.untell_others("stuck/", |key| standing.contains(key));
    for (condition, title, why, when) in found {
        let mend = format!("It is tried again {when}. If you can see why, mend it, or do it in Plex by hand.");
        attention(now, rules, book, &condition, &title, &format!("{why}."), &mend);
    }
}

/// They pay for several subscriptions of ours that all go on: those. Who has set
/// one to end is changing over, and knows of it.
fn going_on(member: &Member) -> Vec<&Billed> {
    let goes_on = |billed: &&Billed| !billed.tiers.is_empty() && !billed.now.is_set_to_end();
    undo::charging(member).filter(goes_on).collect()
}

/// Whether a letter that says so is still true.
pub(super) fn pays_twice(member: &Member) -> bool {
    going_on(member).len() > 1
}

/// Each payer hears of it by the mail that Stripe has of them (RULES R10).
fn write_to_who_pays_twice(now: Moment, rules: &Rules, book: &mut Book, id: &MemberId) {
    let Some(member) = book.members.get(id).filter(|member| member.blocked.is_none()).cloned() else { return };
    let subs = going_on(&member);
    if subs.len() < 2 || !book.tell(doubled_payer(id), now) {
        return;
    }
    let ids: Vec<&str> = subs.iter().map(|billed| billed.now.id.as_str()).collect();
    let plans: Vec<String> = subs.iter().filter_map(|billed| rules.tiers.words(&billed.tiers)).collect();
    let mut written: BTreeSet<Option<Email>> = BTreeSet::new();
    for billed in &subs {
        let occasion = format!("{}-{}", ids.join("+"), billed.now.customer);
        let letter = Letter::Doubled { plans: plans.clone() };
        let owed = life::to_payer(book, &member, billed, occasion, letter, life::NEWS_SHELF);
        if written.insert(owed.to.clone()) {
            book.owe(owed, rules.ways, now);
        }
    }
}

fn doubled_payer(id: &MemberId) -> String {
    format!("doubled/{id}/payer")
}

/// One person with two running subscriptions: both told, once (RULES R2).
pub fn tell_doubled(now: Moment, rules: &Rules, book: &mut Book) {
    let charging = |member: &Member| -> Vec<String> {
        let ours = undo::charging(member).filter(|billed| !billed.tiers.is_empty());
        ours.map(|billed| {
            format!("{} ({})", billed.now.id, billed.tiers.iter().cloned().collect::<Vec<_>>().join(", "))
        })
        .collect()
    };
    let doubled = book.members.values().map(|member| (member.id.clone(), member.name(), charging(member)));
    let found: Vec<(MemberId, String, Vec<String>)> = doubled.filter(|(.., subs)| subs.len() > 1).collect();
    let conditions = |id: &MemberId| [format!("doubled/{id}"), doubled_payer(id)];
    let standing: BTreeSet<String> = found.iter().flat_map(|(id, ..)| conditions(id)).collect();
    book.untell_others("doubled/", |key| standing.contains(key));
    for (id, name, subs) in found {
        let title = format!("{name} pays for {} subscriptions", subs.len());
        let detail = format!("{}. Access is what they buy together.", subs.join(" and "));
        let mend =
            "If one is somebody else's: `usher link WHO --stripe sub_…`. If it is a mistake, cancel one at Stripe.";
        attention(now, rules, book, &format!("doubled/{id}"), &title, &detail, mend);
        write_to_who_pays_twice(now, rules, book, &id);
    }
}
