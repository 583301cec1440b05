//! Takes up whole readings, in the one order that is right: our own effects
//! are settled before people are counted, and people are counted before
//! anybody's absence is believed.
//!
//! A reading of somebody else's server or account is not taken up, and then
//! the looking begins anew (RULES R9.1): nothing rests on what was never
//! folded in.

use super::{Rules, Scene, World, brake, comings, continuity, customers, inactivity};
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Population};

/// Whether the last reading of a source is of the one in the book. If not,
/// this process has not looked at ours yet.
#[must_use]
pub fn is_ours(now: Moment, rules: &Rules, world: &mut World, book: &Book, source: Source) -> bool {
    let ours = brake::identity_failure(Scene { now, rules, book, world }, source).is_none();
    if !ours {
        world.begin_looking_anew(source);
    }
    ours
}

/// Takes up the last whole reading of plex.tv.
pub fn fold_plex(now: Moment, rules: &Rules, world: &mut World, book: &mut Book) {
    if !is_ours(now, rules, world, book, Source::Plex) {
        return;
    }
    let Some(whole) = world.plex.last.clone() else { return };
    comings::settle_ours(now, book, &whole);
    continuity::measure(whole.begun, world, book, Population::Friends, comings::with_access(&whole.value));
    comings::fold_friends(now, rules, world, book, &whole);
    world.listed.retain(|_, looked| *looked > whole.begun);
    book.marks.last_whole.insert(Source::Plex, whole.at);
}

/// Takes up the last whole reading of Stripe.
pub fn fold_stripe(now: Moment, rules: &Rules, world: &mut World, book: &mut Book) {
    if !is_ours(now, rules, world, book, Source::Stripe) {
        return;
    }
    let Some(whole) = world.stripe.last.clone() else { return };
    world.hearing.note(now, &whole.value);
    customers::fold_billing(now, rules, world, book, &whole);
    let running = customers::running(rules, book, &whole.value);
    continuity::measure(whole.begun, world, book, Population::Subscriptions, running);
    world.customers_looked.retain(|_, looked| *looked > whole.begun);
    book.marks.last_whole.insert(Source::Stripe, whole.at);
}

/// Takes up the last whole reading of Tautulli. One that isn't believed (of
/// another server, or with far fewer plays than lately) shows nobody's idleness:
/// the time since the last believed one is blind, until one is believed again.
pub fn fold_tautulli(now: Moment, rules: &Rules, world: &mut World, book: &mut Book) {
    if !is_ours(now, rules, world, book, Source::Tautulli) {
        inactivity::open_blind(book, now);
        return;
    }
    let Some(whole) = world.tautulli.last.clone() else { return };
    continuity::measure_history(whole.begun, world, book, &whole.value);
    if world.drops.keys().any(|population| population.source() == Source::Tautulli) {
        inactivity::open_blind(book, whole.begun);
        inactivity::advance_plays(book, &whole);
    } else {
        inactivity::fold_activity(rules, book, &whole);
        if !inactivity::is_cut_off(&whole.value) {
            book.marks.last_whole.insert(Source::Tautulli, whole.at);
        }
    }
}

/// While Tautulli can't be read, nobody's plays are seen.
pub fn note_blindness(now: Moment, rules: &Rules, world: &World, book: &mut Book) {
    if world.tautulli.failures > 0 && rules.configured.contains(&Source::Tautulli) {
        inactivity::open_blind(book, now);
    }
}
