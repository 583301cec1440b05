//! The network clients against the stand-ins, over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use sandbox::{
    faults::{Fault, Matching},
    plex, stripe, tautulli,
    time::{moment, virtual_clock},
};
use usher::{
    clock::Clock,
    config::{Config, Live},
    facts::{Email, PlexId, SectionSet, ServerId, SubscriptionId},
    secret::Secret,
    services::{
        http::Http,
        plex::{InviteTo, Lane, Plex},
        stripe::{CancelWhen, Stripe},
        tautulli::Tautulli,
        tls,
    },
};

fn http(clock: Clock) -> Http {
    Http::new(&tls::client_config(None).unwrap(), clock, None).unwrap()
}

fn live() -> Live {
    let vars = [
        ("PLEX_TOKEN", "t"),
        ("DRY_RUN", "false"),
        ("DISCORD_WEBHOOK", "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyz"),
        ("STATE_DIR", "/tmp"),
        ("DEFAULT_LIBRARIES", "Movies"),
    ];
    let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_env(vars).unwrap().live().unwrap()
}

const ANN: PlexId = PlexId(2_000_001);
const BOB: PlexId = PlexId(2_000_002);

fn all_faults() -> Vec<Fault> {
    vec![
        Fault::status(401),
        Fault::status(429),
        Fault::status(500),
        Fault::status(503),
        Fault::Html,
        Fault::Malformed,
        Fault::Truncated,
        Fault::Empty,
        Fault::DropBeforeEffect,
        Fault::EffectThenDrop,
        Fault::Hang,
    ]
}

#[tokio::test(start_paused = true)]
async fn plex_lets_in_changes_and_lets_out() {
    let (clock, time) = virtual_clock(moment(1_790_000_000));
    let world = plex::Plex::start(time.world());
    let movies = world.add_section("Movies", "movie");
    let shows = world.add_section("TV", "show");
    world.add_account(ANN, "ann", "ann@example.com");
    world.add_account(BOB, "bob", "bob@example.com");
    world.switch(|switches| switches.v1_ids_differ = true);
    world.share_with(BOB, &[shows], moment(1_700_000_000));
    let client = Plex::new(http(clock), Some(world.url()), Secret::new(plex::TOKEN), "client".to_owned());
    let server = ServerId::from(plex::MACHINE);
    let set = |id| SectionSet::new(BTreeSet::from([id])).unwrap();

    let to = InviteTo::Email(Email::parse("ann@example.com").unwrap());
    client.invite(&live(), &server, &to, &set(movies), false).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let listing = client.listing(&server, Lane::Act).await.unwrap();
    let pending = listing.shares.iter().find(|share| share.account == Some(ANN)).unwrap().clone();
    assert!(!pending.is_accepted());
    let again = client.invite(&live(), &server, &to, &set(movies), false).await.unwrap_err();
    assert_eq!(again.certainty, usher::services::failure::Certainty::NotDone);

    world.accept_invite(ANN).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (friends, skew) = client.friends(Some("attic"), None).await.unwrap();
    assert_eq!((friends.shares.len(), friends.sections.len(), skew), (2, 2, Some(0)));
    let ann = friends.shares.iter().find(|share| share.account == Some(ANN)).unwrap();
    assert!(ann.is_accepted() && ann.id == pending.id);
    client.update(&live(), &server, ann, &set(shows), Some(true)).await.unwrap();
    let view = world.share_of(ANN).unwrap();
    assert_eq!(view.sections, [shows]);
    client.unshare(&live(), &server, ann).await.unwrap();
    assert!(!world.has_access(ANN) && world.has_access(BOB));
    client.unshare(&live(), &server, ann).await.unwrap();
    assert!(world.has_access(BOB));

    for gone in [false, true] {
        world.switch(|switches| {
            switches.v1_delete_ends_pending = false;
            switches.invites_requested_gone = gone;
            switches.v2_delete_works = gone;
        });
        world.invite_by_hand("new@example.com", &[movies]);
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let listing = client.listing(&server, Lane::Act).await.unwrap();
        let invite = listing.shares.iter().find(|share| !share.is_accepted()).unwrap();
        client.cancel_invite(&live(), &server, invite).await.unwrap();
        assert!(world.pending_of("new@example.com").is_none() && world.has_access(BOB));
    }
    assert_eq!(world.unexpected(), Vec::<String>::new());
    assert_eq!(world.shared_everything(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn promise_02_every_fault_of_every_call_to_plex_fails_the_reading() {
    let (clock, time) = virtual_clock(moment(1_790_000_000));
    let world = plex::Plex::start(time.world());
    let movies = world.add_section("Movies", "movie");
    world.add_account(ANN, "ann", "ann@example.com");
    world.share_with(ANN, &[movies], moment(1_700_000_000));
    let client = Plex::new(http(clock), Some(world.url()), Secret::new(plex::TOKEN), "client".to_owned());
    for fault in all_faults() {
        for call in 0..6 {
            let rule = sandbox::faults::Rule::new(Matching::when(|_| true), fault.clone()).times(1).skip(call);
            world.faults().add(rule);
            let reading = client.friends(None, None).await;
            assert!(reading.is_err(), "{fault:?} at call {call}");
            world.faults().clear();
            // A 429 asked for rest, which grows up to an hour.
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        }
    }
    client.friends(None, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tautulli_is_read_whole_or_not_at_all() {
    let (clock, time) = virtual_clock(moment(1_790_000_000));
    let world = tautulli::Tautulli::start(time.world());
    world.add_library(2, "TV");
    world.set_library_keep_history(2, false);
    world.add_user(ANN, "ann", "ann@example.com");
    world.add_user(BOB, "bob", "bob@example.com");
    let stop = moment(1_789_900_000);
    world.play(ANN, stop - TimeDelta::hours(2), stop);
    world.start_stream(BOB);
    let client = Tautulli::new(http(clock), &world.base_url(), Secret::new(tautulli::KEY));
    let day = NaiveDate::from_ymd_opt(2026, 8, 1).unwrap();
    let (activity, _) = client.activity(day).await.unwrap();
    assert_eq!(activity.people[&ANN].last_play, Some(stop));
    assert_eq!(activity.watching_now, Some(BTreeSet::from([BOB])));
    assert_eq!((activity.unlogged_keys, activity.history_total), (BTreeSet::from([2]), 1));
    assert_eq!(client.look(ANN).await.unwrap().watcher, activity.people.get(&ANN).copied());
    for fault in all_faults() {
        for call in 0..7 {
            let rule = sandbox::faults::Rule::new(Matching::when(|_| true), fault.clone()).times(1).skip(call);
            world.faults().add(rule);
            assert!(client.activity(day).await.is_err(), "{fault:?} at call {call}");
            world.faults().clear();
        }
    }
    world.set_sql_error(true);
    assert!(client.activity(day).await.is_err());
    world.set_sql_error(false);
    client.delete_user(&live(), ANN).await.unwrap();
    assert!(world.is_deleted(ANN));
    client.undelete_user(&live(), ANN).await.unwrap();
    assert!(!world.is_deleted(ANN));
}

#[tokio::test(start_paused = true)]
async fn stripe_is_read_in_both_shapes_to_the_last_page() {
    let (clock, time) = virtual_clock(moment(1_790_000_000));
    let world = stripe::Stripe::start(time.world());
    let product = world.add_product("Films", &[("usher_libraries", "Films")]);
    let price = world.add_price(&product, 500, "eur", Some(stripe::Interval::Month));
    let subs: Vec<String> =
        (0..130).map(|n| world.subscribe(&world.customer(&format!("m{n}@example.com"), "M"), &price)).collect();
    world.card_fails(&subs[0]);
    let client = Stripe::new(http(clock), Some(world.url()), Secret::new(world.key()));
    for shape in [stripe::Shape::New, stripe::Shape::Old] {
        world.set_shape(shape);
        let (billing, _) = client.billing(None, &BTreeSet::new()).await.unwrap();
        assert_eq!((billing.subscriptions.len(), billing.customers.len()), (130, 130));
        assert!(billing.livemode_fits && billing.account.is_some() && billing.moments.is_empty());
        assert!(billing.subscriptions.values().all(|sub| sub.period_end().is_some()));
    }
    let (before, _) = client.billing(None, &BTreeSet::new()).await.unwrap();
    world.refund(&subs[1], None).unwrap();
    world.dispute(&subs[2]).unwrap();
    client.cancel(&live(), &SubscriptionId(subs[3].clone()), CancelWhen::Now, "intent-1").await.unwrap();
    client.cancel(&live(), &SubscriptionId(subs[4].clone()), CancelWhen::PeriodEnd, "intent-2").await.unwrap();
    let running = subs.iter().map(|id| SubscriptionId(id.clone())).collect();
    let (billing, _) = client.billing(before.cursor.as_ref(), &running).await.unwrap();
    assert!(billing.moments.len() >= 2 && billing.moments.iter().all(|moment| moment.customer.is_some()));
    assert_ne!(billing.cursor, before.cursor);
    assert_eq!(billing.stated.len(), 1);
    assert!(billing.subscriptions[&SubscriptionId(subs[4].clone())].scheduled_end().is_some());
    assert_eq!(billing.subscriptions[&SubscriptionId(subs[0].clone())].open_invoices.as_ref().map(Vec::len), Some(1));
    let look = client.customer(&billing.subscriptions[&SubscriptionId(subs[0].clone())].customer).await.unwrap();
    assert_eq!(look.subscriptions[0].open_invoices.as_ref().map(Vec::len), Some(1));
    world.set_paging_stuck(true);
    assert!(client.billing(None, &BTreeSet::new()).await.is_err());
    assert_eq!(world.unexpected(), Vec::<String>::new());
}
