//! R11: while rehearsing, the operator hears daily how many have paid and wait.
//! A rehearsal lets nobody in, and it is easily forgotten that it goes on.

use chrono::TimeDelta;

use super::{Rules, Scene, World, sharing, two_reports};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Letter, Member, Owed};

/// At breakfast, as the digest.
const HOUR: i64 = 9;

/// Who is charged and is not in, and would be let in if this were no rehearsal.
fn waiting(scene: Scene<'_>) -> Vec<&Member> {
    let would_be_in = |member: &Member| {
        let left = member.gone.as_ref().is_some_and(|gone| !gone.by_us);
        member.blocked.is_none() && !member.is_invited() && !left && !sharing::is_of_the_house(scene, member)
    };
    let charged = two_reports::charged_without_access(scene).map(|(member, _)| member);
    charged.filter(|member| would_be_in(member)).collect()
}

/// Tells it, once a day.
pub fn tell(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    let scene = Scene { now, rules, book, world };
    let today = rules.day_of(now);
    let at = rules.at_hour(today, HOUR);
    let read = world.state(Source::Plex).wholes > 0 && world.state(Source::Stripe).wholes > 0;
    if !rules.ways.dry_run || !read || now < at || book.begun > at {
        return;
    }
    let waiting = waiting(scene);
    if waiting.is_empty() {
        return;
    }
    let many = waiting.len();
    let has = if many == 1 { "has" } else { "have" };
    let names: Vec<String> = waiting.iter().map(|member| format!("{} ({})", member.name(), member.id)).collect();
    let letter = Letter::Attention {
        title: format!("{many} {has} paid and wait"),
        detail: format!("This is a rehearsal (DRY_RUN isn't false), which lets nobody in: {}.", names.join(", ")),
        what_to_do: "Let them in in Plex, or set DRY_RUN=false: then they are invited by themselves.".into(),
    };
    let owed =
        Owed { shelf: rules.end_of_day(today) - now, ..Owed::to_operator(None, format!("waiting-{today}"), letter) };
    book.owe(owed, rules.ways, now);
}

/// When time alone makes it due.
#[must_use]
pub fn next(scene: Scene<'_>) -> Option<Moment> {
    let today = scene.rules.day_of(scene.now);
    let times = [0, 1].map(|days| scene.rules.at_hour(today + TimeDelta::days(days), HOUR));
    let waits = scene.rules.ways.dry_run && !waiting(scene).is_empty();
    times.into_iter().filter(|at| waits && *at > scene.now).min()
}
