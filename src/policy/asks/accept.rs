//! `usher accept`: what was held because it could have been somebody else's, a
//! clock's or an old book's is ours after all.

use super::Accept;
use crate::facts::{Moment, Source};
use crate::ledger::{Book, Population};
use crate::policy::{World, comings};

/// Ends an identity, clock, continuity or old-state hold. Says what it took, a
/// sentence a line; nothing where nothing was held.
pub fn accept(now: Moment, world: &mut World, book: &mut Book, what: Accept) -> Vec<String> {
    let mut done = what.source().map_or_else(Vec::new, |source| take_drops(world, book, source));
    done.extend(match what {
        Accept::Server => take_server(now, world, book),
        Accept::Stripe => take_stripe(world, book),
        Accept::Tautulli => take_tautulli(world, book),
        Accept::Clock => take_clock(now, book),
        Accept::State => take_state(world, book),
    });
    done
}

fn take_drops(world: &mut World, book: &mut Book, source: Source) -> Vec<String> {
    let mut done = Vec::new();
    if source == Source::Tautulli {
        book.marks.history_fell = false;
    }
    for population in [Population::Friends, Population::Subscriptions, Population::Watchers, Population::History] {
        if population.source() == source && world.drops.remove(&population).is_some() {
            book.marks.populations.remove(&population);
            world.accepted_drops.insert(population);
            done.push(format!("the smaller number of {} is accepted", population.words()));
        }
    }
    done
}

fn take_server(now: Moment, world: &World, book: &mut Book) -> Option<String> {
    let friends = world.plex.value().filter(|friends| book.identities.plex_server.as_ref() != Some(&friends.server))?;
    comings::move_house(now, book, friends);
    Some(format!("server {:?} is ours now", friends.server_name))
}

fn take_stripe(world: &World, book: &mut Book) -> Option<String> {
    let billing = world.stripe.value()?;
    let known = &mut book.identities;
    let mode = Some(billing.key_livemode);
    let account = match &billing.account {
        // A key that may not name its account is no other account.
        None if known.stripe_livemode == mode => known.stripe_account.clone(),
        theirs => theirs.clone(),
    };
    if (known.stripe_livemode, &known.stripe_account) == (mode, &account) {
        return None;
    }
    (known.stripe_livemode, known.stripe_account) = (mode, account);
    Some("the key's Stripe account and mode are ours now".to_owned())
}

fn take_tautulli(world: &World, book: &mut Book) -> Option<String> {
    let known = [&book.identities.plex_server, &book.identities.tautulli_server];
    let activity = world.tautulli.value()?;
    if known.into_iter().flatten().any(|known| *known == activity.server) {
        return None;
    }
    book.identities.tautulli_server = Some(activity.server.clone());
    Some("the server that Tautulli watches is accepted".to_owned())
}

fn take_clock(now: Moment, book: &mut Book) -> Option<String> {
    (book.committed > now).then(|| {
        book.committed = now;
        "the book's time is set back to the clock's".to_owned()
    })
}

fn take_state(world: &mut World, book: &mut Book) -> Option<String> {
    world.only_look.take()?;
    book.next_letter += 1; // So that the acceptance itself is committed.
    Some("the book is accepted as it stands".to_owned())
}
